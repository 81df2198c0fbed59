"""Look-up tables of whole layers, written into files piece by piece: pointers, and entries of 32 bits.

Flat and hierarchical look-up tables of Bamberg et al., arXiv 2112.07019, section 3.2: a row for each source neuron, an
entry for each of its synapses, whatever its weight. Rows are in the order of the source's neurons, c fastest, then y,
then x; entries in the order in which the ESU visits them, so in the order of the states.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.errors import NetworkError
from golden.program import Edge, Population
from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import POINTER_BITS, Sizes
from golden.synapse.tables.flat import Flat
from golden.synapse.tables.routing import Routing
from golden.synapse.tables.source import TARGET_BITS
from golden.types import IntArray
from golden.words import WordLayout

_HALVES = 64 // POINTER_BITS


@dataclass(frozen=True)
class StateOrder:
    """Where a population's states lie: channel words of one position next to each other, then y, then x."""

    shape: tuple[int, int, int]
    y_stride: int
    """Words from one row to the next."""
    lanes: int = 4

    @property
    def words(self) -> int:
        return self.shape[1] * self.shape[2] * self.y_stride

    def places(self, x: IntArray, y: IntArray) -> IntArray:
        """The place of channel 0 of positions."""
        return (x * self.shape[2] + y) * self.y_stride * self.lanes

    def states(self, words: np.ndarray, bits: int) -> IntArray:
        """States (D, W, H) from memory words of 64 bits."""
        lanes = np.ascontiguousarray(words[:self.words]).view({16: "<i2", 32: "<i4"}[bits])
        rows = lanes.reshape(*self.shape[1:], self.y_stride * self.lanes)[..., :self.shape[0]]
        return np.moveaxis(rows, -1, 0).astype(np.int64)


def source_places(shape: tuple[int, int, int], values: IntArray) -> tuple[IntArray, IntArray]:
    """Firing neurons of a feature map (D, W, H), in the order in which a core evaluates them: places and values."""
    ordered = np.moveaxis(values, 0, -1).reshape(-1)
    places = np.flatnonzero(ordered)
    assert len(ordered) == shape[0] * shape[1] * shape[2]
    return places, ordered[places].astype(np.int64)


def _taps(edge: Edge, axis: int, position: int, size: int) -> list[tuple[int, int]]:
    """Kernel taps that lead from a source position to a destination, lowest destination first: (tap, destination)."""
    found, kernel = [], edge.weights.shape[2 + axis]
    for tap in reversed(range(kernel)):
        moved = (position << edge.upsample) + edge.padding[axis] - tap * edge.dilation[axis]
        place, rest = divmod(moved, edge.stride[axis])
        if not rest and 0 <= place < size:
            found.append((tap, place))
    return found


def _entries(layout: WordLayout, places: IntArray, weights: IntArray) -> IntArray:
    """Entries of a flat table or of compressed rows: upper bits of the place are a core, or the entry's spare ones."""
    mask, spare = (1 << layout.field("weight").bits) - 1, layout.positions["weight"] + layout.field("weight").bits
    low = (1 << TARGET_BITS) - 1
    return (places & low) | (weights & mask) << layout.positions["weight"] | places >> TARGET_BITS << spare


def place_of(layout: WordLayout, entries: IntArray) -> tuple[IntArray, IntArray]:
    """The other way round: places and weights."""
    field, low = layout.field("weight"), layout.positions["weight"]
    raw = entries >> low & (1 << field.bits) - 1
    return (entries & (1 << TARGET_BITS) - 1) | entries >> low + field.bits << TARGET_BITS, raw - (
        raw >> field.bits - 1 << field.bits)


def rows(edge: Edge, source: Population, order: StateOrder, layout: WordLayout) -> Iterator[tuple[IntArray, IntArray]]:
    """The synapses by columns of the source: lengths of its rows, and their entries as 32-bit numbers.

    Args:
        layout: of an entry: `golden.synapse.tables.flat.Flat.entry`, or that of compressed rows.

    Raises:
        NetworkError: a weight, shifted as the edge says, is wider than those of the entries, or the layer has more
            neurons than an entry can name.
    """
    depth, width, height = order.shape
    per_group, out_group = source.shape[0] // edge.groups, depth // edge.groups
    field, scaled = layout.field("weight"), edge.weights.astype(np.int64) << edge.shift
    if scaled.size and not field.low <= scaled.min() <= scaled.max() <= field.high:
        raise NetworkError(f"edge '{edge.name}': its weights, shifted by {edge.shift}, do not fit the {field.bits} "
                           "bits of a table's entry")
    named = 1 << POINTER_BITS - field.bits
    if (states := order.words * order.lanes) > named:
        raise NetworkError(f"edge '{edge.name}': {states} states, of which an entry can name {named}")
    channels = np.arange(source.shape[0])
    outputs = (channels // per_group * out_group)[:, None] + np.arange(out_group)  # by source channel
    stored = np.broadcast_to(scaled, (depth, per_group, *scaled.shape[2:]))
    kernel = stored[outputs, (channels % per_group)[:, None]]  # by source and destination channel, then taps
    columns = [_taps(edge, 0, x, width) for x in range(source.shape[1])]
    lines = [_taps(edge, 1, y, height) for y in range(source.shape[2])]
    for column in columns:
        lengths, entries = [], []
        for line in lines:
            lengths.append(np.full(source.shape[0], len(column) * len(line) * out_group, np.int64))
            if not column or not line:
                continue
            taps_x, places_x = np.array(column).T
            taps_y, places_y = np.array(line).T
            base = order.places(places_x[:, None], places_y[None, :])
            place = base[None, :, :, None] + outputs[:, None, None, :]
            weights = kernel[:, :, taps_x][:, :, :, taps_y].transpose(0, 2, 3, 1)
            entries.append(_entries(layout, place, weights).reshape(-1))
        yield np.concatenate(lengths), np.concatenate(entries) if entries else np.zeros(0, np.int64)


def write_table(edge: Edge, source: Population, order: StateOrder, sizes: Sizes, index: Path, entry: Path, *,
                at_source: bool) -> None:
    """Write pointers and entries.

    Args:
        at_source: a flat table, whose last row is that of the end of a timestep; else that of a destination.

    Raises:
        NetworkError: see `rows`; or the table is larger than the memory.
    """
    lengths, count = [], 0
    with entry.open("wb") as file:
        for length, entries in rows(edge, source, order, Flat.entry if at_source else ENTRY):
            lengths.append(length)
            count += len(entries)
            entries.astype("<u4").tofile(file)
        file.write(bytes(-count % _HALVES * 4))
    if count > _HALVES << sizes.address_bits or count >= 1 << POINTER_BITS:
        raise NetworkError(f"edge '{edge.name}': {count} synapses do not fit the tables")
    _write_pointers(np.cumsum(np.concatenate([[0], *lengths, [0] * at_source])), index)


def write_routes(neurons: int, index: Path, entry: Path) -> None:
    """The source's table of a hierarchical one with one destination: an entry for each neuron, the row there.

    Raises:
        NetworkError: a route cannot name so many rows.
    """
    named = 1 << TARGET_BITS + Routing.entry.field("id").bits
    if neurons > named:
        raise NetworkError(f"a route can name {named} rows, but there are {neurons} neurons")
    _write_pointers(np.append(np.arange(neurons + 1), neurons), index)
    np.append(np.arange(neurons), [0] * (neurons % _HALVES)).astype("<u4").tofile(entry)


def _write_pointers(begins: IntArray, path: Path) -> None:
    np.append(begins, [0] * (-len(begins) % _HALVES)).astype("<u4").tofile(path)
