"""Compressed rows (PB-CSR): of each row only the weights that are not zero, each with the neuron that it leads to.

Pointer i, 32 bits from word index_base on, is the number of row i's first entry; one pointer more ends the last row.
Entries have 32 bits, from word weight_base on: 16 the neuron, 12 the weight with its sign, 4 spare, or the upper bits
of a neuron that has more than 16.

For the way back there are links, in the order of columns: of each synapse the number of its entry, and the row. Pointer
j, 32 bits from word column_base on, is the number of column j's first link; one more ends the last column. Links have
64 bits, from word link_base on. So no link leads to the next one, and the next is asked for while one is on its way.
With `search` there are none of these: each row's entries are searched for the neuron, by halves.
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
    low_signed,
    pack_words,
    pointers_per_word,
    require_room,
    stored_places,
)
from golden.synapse.organisations.walk import Walk, end_of_column, field, refused, words_of
from golden.types import IntArray, Words
from golden.words import Field, WordLayout

ENTRY = WordLayout("entry", (Field("neuron", 16), Field("weight", 12, signed=True), Field("spare", 4)))
"""One synapse in memory: as wide as a pointer."""
FIRST, SECOND = 1, 2
"""The cycles in which the two pointers of a row are asked for, the request being taken in cycle 0."""
DROP = 2
"""The cycle in which a request is dropped."""
LINK = WordLayout("link", (Field("entry", POINTER_BITS), Field("neuron", POINTER_BITS)))
"""One synapse on the way back."""
ROW, PROBE = 2, 1
"""Cycles of a search: of a row without entries, and from the word of an entry to the next one that is asked for."""


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
        first = SECOND + 2 * sizes.read_latency + 2
        if walk == Pass.FORWARD:
            return first
        return first + sizes.read_latency + (PROBE if sizes.search else 0)

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
        bases, index = {"index_base": index_base}, [pointers]
        if sizes.learning and not sizes.search:
            bases["column_base"] = index_base + len(pointers)
            index += _links(ones, sizes)
            bases["link_base"] = bases["column_base"] + len(index[1])
        whole: Words = np.concatenate(index)
        require_room("compressed rows' pointers", index_base, len(whole), sizes)
        require_room("compressed rows' entries", weight_base, len(words), sizes)
        fields = layer(weights, sizes, weight_bits=weight_bits, row_words=0, weight_base=weight_base, **bases)
        return cls(sizes, fields, whole, words, index_origin=index_base, weight_origin=weight_base)

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk, back = self.sizes, self.layer, Walk(self.sizes), request["pass"] != Pass.FORWARD
        end, per_word = 1 << sizes.address_bits, pointers_per_word(sizes)
        if back and sizes.search and not refused(self, request):
            return self._searched(request, walk)
        base, most = ("column_base", "inputs") if back else ("index_base", "outputs")
        pointers: list[int] = []
        for number in (request["neuron"], request["neuron"] + 1):
            address = layer[base] + number // per_word if not refused(self, request) else end
            if address >= end:
                walk.drop(SECOND + sizes.read_latency + 1 if pointers else DROP)
                return walk.expansion()
            walk.counts["index_read"] += not pointers or number % per_word == 0 or bool(sizes.serial)
            pointers.append(self.pointer(address, number % per_word))
        begin, count = pointers[0], pointers[1] - pointers[0]
        cycle = SECOND + sizes.read_latency + 1
        if not 0 < count <= layer[most]:
            (walk.drop if count else walk.end)(cycle)
            return walk.expansion()
        if back:
            return self._linked(request, walk, range(begin, begin + count))
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

    def _entry(self, number: int) -> tuple[int, int, int]:
        """An entry of the weight memory: its word's address, what it says, and the place of its weight in the word."""
        word, slot = divmod(number, pointers_per_word(self.sizes))
        address = self.layer["weight_base"] + word
        entry = self.weight_word(address) >> slot * ENTRY.bits & (1 << ENTRY.bits) - 1
        return address, entry, slot * ENTRY.bits + ENTRY.positions["weight"]

    def _linked(self, request: Mapping[str, int], walk: Walk, links: range) -> Expansion:
        """The way back: the links of a column, and the entry of each."""
        sizes, layer, end = self.sizes, self.layer, 1 << self.sizes.address_bits
        per_word, cycle = sizes.word_bits // LINK.bits, SECOND + sizes.read_latency
        for place, number in enumerate(links):
            word, slot = divmod(number, per_word)
            asked, address = SECOND + sizes.read_latency + 1 + place, layer["link_base"] + word
            fetch = not place or slot == 0 or bool(sizes.serial)
            if fetch and address >= end:
                walk.drop(max(cycle, asked) + 1)
                break
            walk.counts["index_read"] += fetch
            cycle = max(cycle + 1, asked + (sizes.read_latency if fetch else 1))
            link = LINK.unpack(self.index_word(address) >> slot * LINK.bits & (1 << LINK.bits) - 1)
            where, entry, offset = self._entry(link["entry"])
            if link["neuron"] >= layer["inputs"] or where >= end:
                walk.drop(cycle)
            else:
                weight = field(entry, ENTRY.positions["weight"], layer["weight_bits"])
                walk.give(cycle, link["neuron"], weight, where * sizes.word_bits + offset, True)
        return walk.expansion(writes=request["pass"] == Pass.UPDATE)

    def _searched(self, request: Mapping[str, int], walk: Walk) -> Expansion:
        """The way back without links: each row's entries are halved until the neuron is found, or none is left."""
        sizes, layer, end = self.sizes, self.layer, 1 << self.sizes.address_bits
        per_word, cycle, begin, inputs = pointers_per_word(sizes), FIRST + sizes.read_latency, 0, layer["inputs"]
        for number in range(inputs + 1):
            address, slot = layer["index_base"] + number // per_word, number % per_word
            cycle += 1
            if address >= end:
                walk.drop(cycle)
                break
            walk.counts["index_read"] += slot == 0 or bool(sizes.serial)
            low, begin = begin, self.pointer(address, slot)
            if number == 0:
                cycle -= 1
                continue
            high, found = begin, False
            cycle += ROW - 1
            wrong = not 0 <= high - low <= layer["outputs"]
            while low < high and not (wrong or found):
                middle = low + high >> 1
                where, entry, offset = self._entry(middle)
                wrong = where >= end
                if not wrong:
                    walk.counts["weight_read"] += 1
                    cycle += sizes.read_latency + PROBE
                    neuron = entry_neuron(entry, sizes)
                    found = neuron == request["neuron"]
                    low, high = (middle + 1, high) if neuron < request["neuron"] else (low, middle)
            if found:
                weight = field(entry, ENTRY.positions["weight"], layer["weight_bits"])
                walk.give(cycle, number - 1, weight, where * sizes.word_bits + offset, True)
            elif wrong:
                walk.drop(cycle)
            elif number == inputs:
                walk.end(cycle)
        return walk.expansion(writes=request["pass"] == Pass.UPDATE)

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

    def backward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        if self.sizes.search:
            return self._search_counts(neurons)
        sizes, latency, per_word = self.sizes, self.sizes.read_latency, pointers_per_word(self.sizes)
        begins = self._begins("column")
        count, begin = np.diff(begins)[neurons], begins[neurons]
        like, start, links = np.zeros_like(neurons), SECOND + latency + 1, sizes.word_bits // LINK.bits
        pointers = like + 2 if sizes.serial else like + 1 + ((neurons + 1) % per_word == 0)
        # The first link waits for its word, and the others come behind it.
        last = start + np.where(count > 0, count - 1 + latency, 0)
        return {
            "index_read": pointers + words_of(count, begin % links, links, sizes.serial), "bitmap_read": like,
            "weight_read": count, "weight_write": like, "synapses": count, "interval": last + 1,
            "cycles": last + np.where(count > 0, latency, 1) + 1,
        }

    def _search_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        sizes, inputs, begins = self.sizes, self.layer["inputs"], self._begins()
        entries, wanted, shape = self._entries()["neuron"], neurons[np.newaxis], (inputs, len(neurons))
        low, high = (np.broadcast_to(part[:, np.newaxis], shape).copy() for part in (begins[:-1], begins[1:]))
        probes, there = np.zeros(shape, np.int64), np.zeros(shape, bool)
        while (left := (low < high) & ~there).any():
            middle = low + high >> 1
            neuron = entries[np.minimum(middle, len(entries) - 1)]
            probes += left
            there |= left & (neuron == wanted)
            low = np.where(left & (neuron < wanted), middle + 1, low)
            high = np.where(left & (neuron >= wanted), middle, high)
        cycles = FIRST + sizes.read_latency + np.cumsum(ROW + probes * (sizes.read_latency + PROBE), axis=0)
        like, pointers = np.zeros_like(neurons), inputs + 1
        if not sizes.serial:
            pointers = -(-pointers // pointers_per_word(sizes))
        return {
            "index_read": like + pointers, "bitmap_read": like, "weight_read": probes.sum(axis=0) + there.sum(axis=0),
            "weight_write": like, "synapses": there.sum(axis=0), "interval": cycles[-1] + 1,
            "cycles": end_of_column(there, cycles, sizes),
        }

    def _begins(self, of: str = "index") -> IntArray:
        """The pointers: the first entry of each row, or link of each column, and one that ends the last."""
        count = self.layer["inputs" if of == "index" else "outputs"] + 1
        first = self.layer[f"{of}_base"] - self.index_origin
        begins = np.ascontiguousarray(self.index_words[first:]).view("<u4").ravel()[:count].astype(np.int64)
        if len(begins) < count or (np.diff(begins) < 0).any():
            raise ImageError("compressed rows: the pointers are not those of a packed matrix")
        return begins

    def _entries(self) -> dict[str, IntArray]:
        """All entries: `neuron` and `weight`, (entries,)."""
        begin, stored = self.layer["weight_base"] - self.weight_origin, int(self._begins()[-1])
        halves = np.ascontiguousarray(self.weight_words[begin:]).view("<u4").ravel()[:stored].astype(np.uint64)
        found = ENTRY.unpack_array(halves)
        upper = (1 << max(0, self.sizes.neuron_bits - ENTRY.field("neuron").bits)) - 1
        found["neuron"] |= (found["spare"] & upper) << ENTRY.field("neuron").bits
        return found

    def weights(self) -> IntArray:
        inputs, entries = self.layer["inputs"], self._entries()
        matrix = np.zeros((inputs, self.layer["outputs"]), np.int64)
        rows = np.repeat(np.arange(inputs), np.diff(self._begins()))
        # An entry has room for the widest weight; only the layer's bits of it are looked at, and written.
        matrix[rows, entries["neuron"]] = low_signed(entries["weight"], self.layer["weight_bits"])
        return matrix

    def learning_bits(self) -> dict[str, int]:
        if not self.sizes.learning or self.sizes.search:
            return {}
        return {"column pointers": (self.layer["outputs"] + 1) * POINTER_BITS,
                "links": int(self._begins()[-1]) * LINK.bits}

    @staticmethod
    def formula_bits(inputs: int, outputs: int, stored: int, weight_bits: int) -> dict[str, int]:
        return {"weights": stored * weight_bits, "indices": stored * 2 * address_width(inputs * outputs)}

    def storage_bits(self) -> dict[str, int]:
        layer = self.layer
        return self.formula_bits(layer["inputs"], layer["outputs"], int(self._begins()[-1]), layer["weight_bits"])


def _links(stored: npt.NDArray[np.bool_], sizes: Sizes) -> list[Words]:
    """Column pointers and links."""
    columns, rows = np.nonzero(stored.T)
    numbers = np.zeros(stored.shape, np.int64)
    numbers[stored] = np.arange(len(rows))
    ends = np.cumsum(stored.sum(axis=0))
    links = LINK.pack_array({"entry": numbers[rows, columns], "neuron": rows})
    words = np.zeros((-(-len(links) // (sizes.word_bits // LINK.bits)), sizes.word_bits // LINK.bits), np.uint64)
    words.ravel()[:len(links)] = links
    return [pack_words(np.concatenate([[0], ends]), POINTER_BITS, sizes),
            words if sizes.word_bits > LINK.bits else words[:, 0]]
