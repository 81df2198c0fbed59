"""Bitmap (PB-BMP): a bit for every place of the matrix, and the weights of the ones.

Pointer i, 32 bits from word index_base on, says where the weights of row i begin: the low log2(word_bits) bits are a
place in a word, the others the word behind weight_base. Bit j of row i is in word bitmap_base + i·row_words +
j // word_bits. The weights of the ones follow each other, as many as fit a word, through the ends of rows.

The way back from neuron j looks at bit j of each row: its weight is as many places behind the row's first one as there
are ones before bit j, in all words of the row up to its own. With `checkpoints` pointer i·row_words + w says where the
weights of word w of row i begin, so that one word of each row is read whatever its length.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.synapse.organisations.interface import POINTER_BITS, Expansion, Organisation, Pass, Sizes
from golden.synapse.organisations.packing import (
    address_width,
    checked,
    joined,
    layer,
    pack_words,
    pointers_per_word,
    require_room,
    stored_places,
    unpacked,
)
from golden.synapse.organisations.place import place
from golden.synapse.organisations.walk import Walk, end_of_column, field, following, refused, words_of
from golden.types import IntArray

BITS = 2
"""The cycle in which the first word of the bitmap is asked for, the request being taken in cycle 0, and the pointer
asked for in cycle 1."""
DROP = 2
"""The cycle in which a request is dropped."""
ASK = 1
"""The cycle in which the first row's pointer is asked for on the way back."""
PLACE = 2
"""Cycles from a word of the bitmap, which has come, to the place of the weight."""


class Bitmap(Organisation):
    """A bit for every place, and the weights of the ones; an all-zero word of bits takes one cycle."""

    name = "bitmap"

    @staticmethod
    def start_up(sizes: Sizes, walk: int = Pass.FORWARD) -> int:
        if walk != Pass.FORWARD:
            return BITS + 2 * sizes.read_latency + 2 + PLACE
        return BITS + 2 * sizes.read_latency + 2

    @classmethod
    def pack(cls, matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes, index_base: int = 0,
             bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None
             ) -> "Bitmap":
        weights = checked(matrix, weight_bits=weight_bits, sizes=sizes)
        ones = stored_places(weights, stored)
        bits = pack_words(ones.astype(np.int64), 1, sizes)
        row_words = bits.shape[1]
        starts = np.arange(row_words if sizes.checkpoints else 1) * sizes.word_bits
        begins = np.concatenate([[0], np.cumsum(np.add.reduceat(ones, starts, axis=1))])
        per_word = sizes.word_bits // weight_bits
        pointers = pack_words(begins // per_word << sizes.offset_bits | begins % per_word, POINTER_BITS, sizes)
        bits = bits.reshape(-1, *bits.shape[2:])
        packed = pack_words(weights[ones], weight_bits, sizes)
        base = index_base + len(pointers) if bitmap_base is None else bitmap_base
        for what, first, words in (("pointers", index_base, pointers), ("bits", base, bits),
                                   ("weights", weight_base, packed)):
            require_room(f"bitmap's {what}", first, len(words), sizes)
        origin = min(index_base, base)
        fields = layer(weights, sizes, weight_bits=weight_bits, row_words=row_words, index_base=index_base,
                       bitmap_base=base, weight_base=weight_base)
        return cls(sizes, fields, joined([(index_base, pointers), (base, bits)], origin, sizes), packed,
                   index_origin=origin, weight_origin=weight_base)

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk, i = self.sizes, self.layer, Walk(self.sizes), request["neuron"]
        end, bits = 1 << sizes.address_bits, layer["weight_bits"]
        if not refused(self, request) and request["pass"] != Pass.FORWARD:
            return self._column(request, walk)
        word, slot = divmod(i * layer["row_words"] if sizes.checkpoints else i, pointers_per_word(sizes))
        if refused(self, request) or layer["index_base"] + word >= end:
            walk.drop(DROP)
            return walk.expansion()
        walk.counts["index_read"] += 1
        pointer = self.pointer(layer["index_base"] + word, slot)
        address = layer["weight_base"] + (pointer >> sizes.offset_bits)
        offset = (pointer & sizes.word_bits - 1) * bits
        if offset + bits > sizes.word_bits:
            address = end  # there is no such place
        first, bad = True, False
        row = layer["bitmap_base"] + i * layer["row_words"]
        words, cycle = -(-layer["outputs"] // sizes.word_bits), 0
        for number in range(words):
            cycle = max(cycle, BITS + sizes.read_latency + 1 + number)
            if row + number >= end:
                walk.drop(cycle)
                break
            walk.counts["bitmap_read"] += 1
            ones = self.index_word(row + number)
            last = number == words - 1
            if not ones or bad:
                if last:
                    (walk.drop if bad else walk.end)(cycle)
                cycle += 1
                continue
            while ones:
                j = number * sizes.word_bits + (ones & -ones).bit_length() - 1
                ones &= ones - 1
                if j >= layer["outputs"]:
                    walk.drop(cycle)
                else:
                    fetch = first or bool(sizes.serial) or offset == 0
                    if fetch and address >= end:
                        bad = True
                        if last:
                            walk.drop(cycle)
                        cycle += 1
                        break
                    weight = field(self.weight_word(address), offset, bits)
                    walk.give(cycle, j, weight, address * sizes.word_bits + offset, fetch)
                    address, offset = following(address, offset, bits, sizes)
                    first = False
                cycle += 1
        return walk.expansion()

    def _column(self, request: Mapping[str, int], walk: Walk) -> Expansion:
        """The way back: of each row the pointer, and the words of bits up to the neuron's."""
        sizes, layer = self.sizes, self.layer
        end, bits, latency = 1 << sizes.address_bits, layer["weight_bits"], sizes.read_latency
        column, bit = divmod(request["neuron"], sizes.word_bits)
        words, ahead = (1, column) if sizes.checkpoints else (column + 1, 0)
        found, asked = 0, ASK
        for i in range(layer["inputs"]):
            row = i * layer["row_words"] + ahead
            word, slot = divmod(row if sizes.checkpoints else i, pointers_per_word(sizes))
            first = layer["bitmap_base"] + row
            if max(layer["index_base"] + word, first + words - 1) >= end:
                walk.drop(max(found, asked) + 1 + PLACE)
                break
            walk.counts["index_read"] += 1
            walk.counts["bitmap_read"] += words
            found, asked = asked + words + latency + 1, asked + words + 1
            ones = [self.index_word(first + number) for number in range(words)]
            if not ones[-1] >> bit & 1:
                if i == layer["inputs"] - 1:
                    walk.end(found + PLACE)
                continue
            pointer = self.pointer(layer["index_base"] + word, slot)
            begin = pointer & sizes.word_bits - 1
            before = sum(item.bit_count() for item in ones[:-1]) + (ones[-1] & (1 << bit) - 1).bit_count()
            further, offset = place(begin + before, bits, sizes)
            address = layer["weight_base"] + (pointer >> sizes.offset_bits) + further
            if address >= end or begin * bits + bits > sizes.word_bits:
                walk.drop(found + PLACE)
                continue
            weight = field(self.weight_word(address), offset, bits)
            walk.give(found + PLACE, i, weight, address * sizes.word_bits + offset, True)
        return walk.expansion(writes=request["pass"] == Pass.UPDATE)

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        sizes, rows, outputs = self.sizes, neurons, self.layer["outputs"]
        per_word, latency = sizes.word_bits // self.layer["weight_bits"], sizes.read_latency
        ones = self._ones()
        like, count = np.zeros(rows.shape, np.int64), ones.sum(axis=1)
        begin = np.cumsum(count) - count
        # Word by word of all rows: the cycle of its last step, and the one in which its last synapse passes, which has
        # waited for a word if any of its synapses has.
        given = np.full(len(ones), BITS + latency, np.int64)
        passed, weight = np.zeros(len(ones), np.int64), begin.copy()
        for number, here in enumerate(ones.T):
            given = np.maximum(given, BITS + latency + number) + np.maximum(here, 1)
            next_word = weight // per_word < (weight + here - 1) // per_word
            fetches = (weight == begin) | (weight % per_word == 0) | next_word | bool(sizes.serial)
            passed = np.where(here > 0, np.maximum(passed + here, given + np.where(fetches, latency, 1)), passed)
            weight += here
        passed = np.where(here > 0, passed, np.maximum(passed, given) + 1)
        return {
            "index_read": like + 1, "bitmap_read": like - (-outputs // sizes.word_bits), "weight_write": like,
            "synapses": count[rows], "weight_read": words_of(count, begin % per_word, per_word, sizes.serial)[rows],
            "interval": (given + 1)[rows], "cycles": (passed + 1)[rows],
        }

    def backward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        sizes, inputs, like = self.sizes, self.layer["inputs"], np.zeros_like(neurons)
        words = like + 1 if sizes.checkpoints else neurons // sizes.word_bits + 1
        there = self._places()[:, neurons]
        synapses, rows = there.sum(axis=0), np.arange(1, inputs + 1)[:, np.newaxis]
        cycles = ASK + rows * (words + 1) + sizes.read_latency + PLACE
        return {
            "index_read": like + inputs, "bitmap_read": words * inputs, "weight_read": synapses, "weight_write": like,
            "synapses": synapses, "interval": cycles[-1] + 1,
            "cycles": end_of_column(there, cycles, sizes),
        }

    def _places(self) -> npt.NDArray[np.bool_]:
        """Which weights are stored: (inputs, outputs)."""
        layer = self.layer
        begin = layer["bitmap_base"] - self.index_origin
        words = self.index_words[begin:begin + layer["inputs"] * layer["row_words"]]
        return unpacked(words.reshape(layer["inputs"], layer["row_words"], -1), 1, layer["outputs"], self.sizes) != 0

    def weights(self) -> IntArray:
        there = self._places()
        begin = self.layer["weight_base"] - self.weight_origin
        words = self.weight_words[np.newaxis, begin:begin + len(self.weight_words)]
        matrix = np.zeros(there.shape, np.int64)
        matrix[there] = unpacked(words, self.layer["weight_bits"], int(there.sum()), self.sizes)[0]
        return matrix

    def learning_bits(self) -> dict[str, int]:
        more = self.layer["inputs"] * (self.layer["row_words"] - 1) if self.sizes.checkpoints else 0
        return {"checkpoints": more * POINTER_BITS}

    def _ones(self) -> IntArray:
        """How many ones each word of the bitmap has: (inputs, words of a row)."""
        layer = self.layer
        begin = layer["bitmap_base"] - self.index_origin
        words = self.index_words[begin:begin + layer["inputs"] * layer["row_words"]]
        return np.bitwise_count(words).astype(np.int64).reshape(layer["inputs"], layer["row_words"], -1).sum(axis=2)

    @staticmethod
    def formula_bits(inputs: int, outputs: int, stored: int, weight_bits: int) -> dict[str, int]:
        places = inputs * outputs
        return {"bitmap": places, "weights": stored * weight_bits, "pointers": (inputs + 1) * address_width(places)}

    def storage_bits(self) -> dict[str, int]:
        layer = self.layer
        return self.formula_bits(layer["inputs"], layer["outputs"], int(self._ones().sum()), layer["weight_bits"])
