"""Many events of edges whose synapses lie in tables at once: the sums that they make, on arrays.

The rows that the events name are read from memory once, and added as often as they came. The result is that of
`golden.synapse.lookup`, operation by operation; tables that are not as a packer writes them are left to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.neuron.states import pack_states, unpack_states
from golden.synapse.esu import ValueEvent
from golden.synapse.lookup import Lookup, TableEdge
from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import POINTER_BITS, Sizes
from golden.types import IntArray, Words


def integrate(
    config: CoreConfig, memory: Words, edges: int, populations: int, events: Mapping[str, IntArray],
    first_extended: int, counters: dict[str, int], done: IntArray,
) -> Mapping[str, IntArray]:
    """Add what events of edges with tables do to the states in memory.

    Args:
        memory: (words, words of 64 bits); changed. events: value events, arrays by field.
        counters: gets the operations, synapses, errors and accesses. done: (edges, 2) gets the first two by edge.

    Returns:
        The events of other edges.
    """
    looked_up = (events["id"] >= first_extended) & (events["id"] < edges)
    if not looked_up.any():
        return events
    work = _Work(config, memory, populations, counters, done)
    for identity in np.unique(events["id"][looked_up]).tolist():
        mine = events["id"] == identity
        work.take(identity, *(events[name][mine] for name in ("x", "y", "c", "v")))
    return {name: array[~looked_up] for name, array in events.items()}


@dataclass(frozen=True)
class _Rows:
    """Rows of a table, well formed: of each synapse, row by row, its row's number, its neuron and its weight."""

    row: IntArray
    neuron: IntArray
    weight: IntArray
    index_reads: IntArray
    """Of each row."""
    synapse_reads: IntArray


class _Work:
    """Events, edge by edge."""

    def __init__(self, config: CoreConfig, memory: Words, populations: int, counters: dict[str, int], done: IntArray):
        self.config, self.memory, self.populations = config, memory, populations
        self.counters, self.done, self.sizes = counters, done, Sizes.of(config)

    def take(self, identity: int, x: IntArray, y: IntArray, c: IntArray, v: IntArray) -> None:
        """All events of one edge."""
        edge = TableEdge.load(self.config, self.memory[:, 0], self.populations, identity)
        if edge is None:
            self.counters["unknown_channel"] += len(x)
            return
        row = x * edge.x_stride + y * edge.y_stride + c
        known = (x >= 0) & (y >= 0) & (row < edge.layer["inputs"])
        rows, number = np.unique(row[known], return_inverse=True)
        found = _read(edge, rows, self.memory, self.sizes) if len(rows) else None
        if len(rows) and (found is None or not self._inside(edge, found)):
            self._literally(identity, x, y, c, v)
            return
        self.counters["table_error"] += int(np.sum(~known))
        if found is None:
            return
        times = np.bincount(number)
        lanes = self.config.lanes
        word = found.neuron // lanes
        begins = np.ones(len(word), bool)
        begins[1:] = (word[1:] != word[:-1]) | (found.row[1:] != found.row[:-1])
        self._count(identity, int(times[found.row[begins]].sum()), int(times[found.row].sum()),
                    int(found.index_reads @ times), int(found.synapse_reads @ times))
        values = np.zeros(len(rows), np.int64)
        np.add.at(values, number, v[known])
        factors = product(self.config).factors(found.weight, self.config)
        self._add(edge.state_base + word, found.neuron % lanes, factors * values[found.row] << edge.shift)

    def _inside(self, edge: TableEdge, found: _Rows) -> bool:
        """Whether all states are in the memory, and a row's synapses in the order of their neurons."""
        same_row = found.row[1:] == found.row[:-1]
        return bool(np.all(edge.state_base + found.neuron // self.config.lanes < self.config.memory_words)
                    and np.all(found.neuron[1:][same_row] > found.neuron[:-1][same_row]))

    def _literally(self, identity: int, x: IntArray, y: IntArray, c: IntArray, v: IntArray) -> None:
        """Event by event, whatever the table holds."""
        lanes = self.config.lanes
        parts = range(self.memory.shape[1])
        memory = [sum(int(word[part]) << 64 * part for part in parts) for word in self.memory]
        lookup = Lookup(self.config, memory, self.populations)
        for event in zip(x.tolist(), y.tolist(), c.tolist(), v.tolist(), strict=True):
            for op in lookup.expand(ValueEvent(identity, *event)):
                if op.state_address >= self.config.memory_words:
                    self.counters["address_error"] += 1
                    continue
                self._count(identity, 1, op.mask.bit_count(), 0, 0)
                lane = np.flatnonzero(op.mask >> np.arange(lanes) & 1)
                added = product(self.config).of(np.array(op.weights)[lane], op.v, op.shift, self.config)
                self._add(np.full(len(lane), op.state_address), lane, added)
        self.counters["table_error"] += lookup.table_error
        self._count(identity, 0, 0, lookup.index_reads, lookup.synapse_reads)

    def _count(self, identity: int, operations: int, synapses: int, index_reads: int, synapse_reads: int) -> None:
        self.counters["word_ops"] += operations
        self.counters["synapses"] += synapses
        self.done[identity] += operations, synapses
        if self.config.access_counters:
            self.counters["index_reads"] += index_reads
            self.counters["synapse_reads"] += synapse_reads

    def _add(self, address: IntArray, lane: IntArray, added: IntArray) -> None:
        """Add to the states in memory, which wrap."""
        config = self.config
        words, slot = np.unique(address, return_inverse=True)
        before = self.memory[words]
        states = unpack_states(before.squeeze(-1) if config.word_bits == 64 else before, config)
        np.add.at(states, (slot, lane), added)
        self.memory[words] = pack_states(states, config).reshape(before.shape)


# -- the organisations ---------------------------------------------------------------------------


def _read(edge: TableEdge, rows: IntArray, memory: Words, sizes: Sizes) -> _Rows | None:
    """Rows of a table; None if what is there is not as a packer writes it."""
    if not 1 <= edge.layer["weight_bits"] <= sizes.weight_bits:
        return None
    return {"crossbar": _crossbar, "bitmap": _bitmap, "compressed_rows": _compressed_rows}[edge.organisation](
        edge.layer, rows, memory, sizes)


def _field(memory: Words, word: IntArray, bit: IntArray, bits: int) -> IntArray:
    """Fields of memory words, unsigned, which may lie in two of their words of 64 bits."""
    flat, parts = memory.reshape(-1), memory.shape[1]
    place, shift = word * parts + bit // 64, (bit % 64).astype(np.uint64)
    low = flat[place] >> shift
    beyond = bit % 64 + bits > 64
    high = np.where(beyond, flat[np.where(beyond, place + 1, place)], 0) << (np.uint64(64) - shift) % np.uint64(64)
    return ((low | np.where(beyond, high, 0)) & np.uint64((1 << bits) - 1)).astype(np.int64)


def _signed(raw: IntArray, bits: int) -> IntArray:
    return raw - (raw >> (bits - 1) << bits)


def _ragged(count: IntArray) -> tuple[IntArray, IntArray]:
    """Of each item of rows with so many items, its row and its place there."""
    row = np.repeat(np.arange(len(count)), count)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)


def _words(count: IntArray, begin: IntArray, per_word: int) -> IntArray:
    """Words that so many items take, the first of them at place `begin` of a word."""
    return np.where(count > 0, -(-(begin + count) // per_word), 0)


def _crossbar(layer: Mapping[str, int], rows: IntArray, memory: Words, sizes: Sizes) -> _Rows | None:
    bits, outputs = layer["weight_bits"], layer["outputs"]
    per_word = sizes.word_bits // bits
    row, neuron = _ragged(np.full(len(rows), outputs))
    word = layer["weight_base"] + rows[row] * layer["row_words"] + neuron // per_word
    if word.max() >= len(memory):
        return None
    weight = _signed(_field(memory, word, neuron % per_word * bits, bits), bits)
    none = np.zeros(len(rows), np.int64)
    return _Rows(row, neuron, weight, none, none - (-outputs // per_word))


def _bitmap(layer: Mapping[str, int], rows: IntArray, memory: Words, sizes: Sizes) -> _Rows | None:
    bits, outputs, each = layer["weight_bits"], layer["outputs"], sizes.word_bits // POINTER_BITS
    per_word, row_words = sizes.word_bits // bits, -(-outputs // sizes.word_bits)
    index = layer["index_base"] + rows // each
    bitmap = layer["bitmap_base"] + (rows * layer["row_words"])[:, np.newaxis] + np.arange(row_words)
    if max(index.max(), bitmap.max()) >= len(memory):
        return None
    ones = np.unpackbits(np.ascontiguousarray(memory[bitmap]).view(np.uint8).reshape(len(rows), -1), axis=1,
                         bitorder="little")
    pointer = _field(memory, index, rows % each * POINTER_BITS, POINTER_BITS)
    slot = pointer % sizes.word_bits
    if ones[:, outputs:].any() or (slot >= per_word).any():
        return None
    row, neuron = np.nonzero(ones)
    count = ones.sum(axis=1, dtype=np.int64)
    item = slot[row] + _ragged(count)[1]
    word = layer["weight_base"] + pointer[row] // sizes.word_bits + item // per_word
    if len(word) and word.max() >= len(memory):
        return None
    weight = _signed(_field(memory, word, item % per_word * bits, bits), bits)
    return _Rows(row, neuron, weight, np.full(len(rows), 1 + row_words), _words(count, slot, per_word))


def _compressed_rows(layer: Mapping[str, int], rows: IntArray, memory: Words, sizes: Sizes) -> _Rows | None:
    each = sizes.word_bits // POINTER_BITS
    index = layer["index_base"] + (rows + np.array([[0], [1]])) // each
    if index.max() >= len(memory):
        return None
    begin, end = _field(memory, index, (rows + np.array([[0], [1]])) % each * POINTER_BITS, POINTER_BITS)
    count = end - begin
    if (count < 0).any() or (count > layer["outputs"]).any():
        return None
    row, item = _ragged(count)
    item += begin[row]
    word = layer["weight_base"] + item // each
    if len(word) and word.max() >= len(memory):
        return None
    entry = _field(memory, word, item % each * ENTRY.bits, ENTRY.bits)
    neuron = ENTRY.column(entry.astype(np.uint64), "neuron")
    if (neuron >= layer["outputs"]).any():
        return None
    low = entry >> ENTRY.positions["weight"] & (1 << layer["weight_bits"]) - 1
    return _Rows(row, neuron, _signed(low, layer["weight_bits"]), 1 + ((rows + 1) % each == 0).astype(np.int64),
                 _words(count, begin % each, each))
