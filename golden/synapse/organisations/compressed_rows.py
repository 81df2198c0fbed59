"""Compressed rows (PB-CSR): of each row only the weights that are not zero, each with the neuron that it leads to.

Pointer i, 32 bits from word index_base on, is the number of row i's first entry; one pointer more ends the last row.
Entries have 32 bits, from word weight_base on: 16 the neuron, 12 the weight with its sign, 4 spare, or the upper bits
of a neuron that has more than 16.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.errors import ImageError
from golden.synapse.organisations.interface import POINTER_BITS, Expansion, Organisation, Pass, Sizes
from golden.synapse.organisations.packing import (
    address_width,
    checked,
    layer,
    pack_words,
    pointers_per_word,
    require_room,
    stored_places,
)
from golden.synapse.organisations.walk import Walk, field, refused, words_of
from golden.types import IntArray
from golden.words import Field, WordLayout

ENTRY = WordLayout("entry", (Field("neuron", 16), Field("weight", 12, signed=True), Field("spare", 4)))
"""One synapse in memory: as wide as a pointer."""
FIRST, SECOND = 1, 2
"""The cycles in which the two pointers of a row are asked for, the request being taken in cycle 0."""
DROP = 2
"""The cycle in which a request is dropped."""


def entry_neuron(entry: int, sizes: Sizes) -> int:
    """The neuron of an entry."""
    low, spare = ENTRY.positions["weight"], entry >> ENTRY.positions["spare"]
    more = (1 << max(0, sizes.neuron_bits - low)) - 1
    return (entry & (1 << low) - 1) | (spare & more) << low


class CompressedRows(Organisation):
    """Entries of neuron and weight, row after row."""

    name = "compressed_rows"

    @staticmethod
    def start_up(sizes: Sizes, walk: int = Pass.FORWARD) -> int:
        return SECOND + 2 * sizes.read_latency + 2

    @classmethod
    def pack(cls, matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes, index_base: int = 0,
             bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None
             ) -> "CompressedRows":
        weights = checked(matrix, weight_bits=weight_bits, sizes=sizes)
        ones = stored_places(weights, stored)
        begins = np.concatenate([[0], np.cumsum(ones.sum(axis=1))])
        pointers = pack_words(begins, POINTER_BITS, sizes)
        spare, neurons = divmod(np.nonzero(ones)[1], 1 << ENTRY.field("neuron").bits)
        entries = ENTRY.pack_array({"neuron": neurons, "weight": weights[ones], "spare": spare}).astype(np.int64)
        words = pack_words(entries, ENTRY.bits, sizes)
        require_room("compressed rows' pointers", index_base, len(pointers), sizes)
        require_room("compressed rows' entries", weight_base, len(words), sizes)
        fields = layer(weights, sizes, weight_bits=weight_bits, row_words=0, index_base=index_base,
                       weight_base=weight_base)
        return cls(sizes, fields, pointers, words, index_origin=index_base, weight_origin=weight_base)

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk, i = self.sizes, self.layer, Walk(self.sizes), request["neuron"]
        end, per_word = 1 << sizes.address_bits, pointers_per_word(sizes)
        pointers: list[int] = []
        for number in (i, i + 1):
            word, slot = divmod(number, per_word)
            if (number == i and refused(self, request)) or layer["index_base"] + word >= end:
                walk.drop(SECOND + sizes.read_latency + 1 if pointers else DROP)
                return walk.expansion()
            walk.counts["index_read"] += number == i or slot == 0 or bool(sizes.serial)
            pair = self.index_word(layer["index_base"] + word) >> slot * POINTER_BITS
            pointers.append(pair & (1 << POINTER_BITS) - 1)
        begin, count = pointers[0], pointers[1] - pointers[0]
        cycle = SECOND + sizes.read_latency + 1
        if not 0 < count <= layer["outputs"]:
            (walk.drop if count else walk.end)(cycle)
            return walk.expansion()
        for number in range(count):
            word, slot = divmod(begin + number, per_word)
            address = layer["weight_base"] + word
            fetch = number == 0 or slot == 0 or bool(sizes.serial)
            if fetch and address >= end:
                walk.drop(cycle + number)
                break
            entry = self.weight_word(address) >> slot * ENTRY.bits
            neuron = entry_neuron(entry, sizes)
            place = slot * ENTRY.bits + ENTRY.positions["weight"]
            if neuron >= layer["outputs"]:
                walk.drop(cycle + number, fetch)
            else:
                weight = field(entry, ENTRY.positions["weight"], layer["weight_bits"])
                walk.give(cycle + number, neuron, weight, address * sizes.word_bits + place, fetch)
        return walk.expansion()

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        sizes, rows = self.sizes, neurons
        per_word, latency = pointers_per_word(sizes), sizes.read_latency
        begins = self._begins()
        count, begin = np.diff(begins)[rows], begins[rows] % per_word
        like, start = np.zeros(rows.shape, np.int64), SECOND + latency + 1
        return {
            "index_read": like + 1 + ((rows + 1) % per_word == 0) if not sizes.serial else like + 2,
            "bitmap_read": like, "weight_write": like, "synapses": count,
            "weight_read": words_of(count, begin, per_word, sizes.serial),
            "interval": start + np.maximum(count, 1),
            "cycles": start + np.where(count > 0, count + latency, 2),
        }

    def _begins(self) -> IntArray:
        """The pointers: the first entry of each row, and one that ends the last row."""
        halves = np.ascontiguousarray(self.index_words).view("<u4").ravel()
        begins = halves[:self.layer["inputs"] + 1].astype(np.int64)
        if len(begins) <= self.layer["inputs"] or (np.diff(begins) < 0).any():
            raise ImageError("compressed rows: the pointers are not those of a packed matrix")
        return begins

    @staticmethod
    def formula_bits(inputs: int, outputs: int, stored: int, weight_bits: int) -> dict[str, int]:
        return {"weights": stored * weight_bits, "indices": stored * 2 * address_width(inputs * outputs)}

    def storage_bits(self) -> dict[str, int]:
        layer = self.layer
        return self.formula_bits(layer["inputs"], layer["outputs"], int(self._begins()[-1]), layer["weight_bits"])
