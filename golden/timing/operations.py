"""The work of one edge: which word operations the event of each source neuron has, and how many in all.

Addresses and operations are those of docs/architecture.md (`golden.synapse.esu`), in closed form from the edge
itself: no memory image is needed. Bamberg et al., arXiv 2112.07019, sections 4.2 and 4.3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.program import Edge, Population
from golden.synapse.peg import hits
from golden.timing.pipeline import OperationStream
from golden.types import IntArray, Integers

Events = tuple[IntArray, IntArray, IntArray]
"""Channel, x and y of source neurons, in the order of their events."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an edge lies in its core, as far as it decides on banks. The default is as good as any."""

    edge_word: int = 0
    geometry_word: int = 0
    state_base: int = 0
    weight_base: int = 0
    table_base: int = 0
    y_stride: int | None = None
    """Words from one row to the next; default: the channel words, made odd for a depthwise edge."""


def places(manifest: Mapping[str, Sequence[Mapping[str, int]]]) -> dict[str, Place]:
    """The places of all edges of a one-core image, from its manifest, by name."""
    populations = {entry["name"]: entry for entry in manifest["population_table"]}
    result = {}
    for edge in manifest["edge_table"]:
        population = populations[edge["destination"]]
        result[str(edge["name"])] = Place(
            edge_word=2 * len(populations) + edge["id"], geometry_word=2 * population["index"],
            state_base=population["state_base"], y_stride=population["y_stride"],
            weight_base=edge["weight_base"], table_base=edge["table_base"] or 0)
    return result


@dataclass(frozen=True)
class EdgeCounts:
    """What an edge had to do, as the hardware's counters count it."""

    events: int = 0
    """Firing source neurons that send on this edge, those sent in vain included."""
    synapses: int = 0
    """Synaptic operations (SOP): updates of a state by a weight. A tap outside the destination is none."""
    word_ops: int = 0
    """Word operations: up to `lanes` synaptic operations each."""
    partial_ops: int = 0
    """Those with fewer synaptic operations than lanes: first and last words, and every word of a depthwise edge."""

    def __add__(self, other: "EdgeCounts") -> "EdgeCounts":
        return EdgeCounts(self.events + other.events, self.synapses + other.synapses,
                          self.word_ops + other.word_ops, self.partial_ops + other.partial_ops)


@dataclass(frozen=True)
class _Axis:
    """By source coordinate: whether the neuron sends, first tap (flipped) and destination, and how many there are."""

    sends: npt.NDArray[np.bool_]
    tap: IntArray
    neuron: IntArray
    count: IntArray
    tap_step: int
    neuron_step: int


def _axis(edge: Edge, axis: int, source_size: int, size: int, config: CoreConfig) -> _Axis:
    taps, stride, dilation = edge.weights.shape[2 + axis], edge.stride[axis], edge.dilation[axis]
    extent = (taps - 1) * dilation + 1
    anchor = (np.arange(source_size, dtype=np.int64) << edge.upsample) + edge.padding[axis] + 1 - extent
    reach = anchor[:, np.newaxis] + np.arange(taps) * dilation
    neuron = reach // stride
    inside = (reach % stride == 0) & (neuron >= 0) & (neuron < size)
    first = inside.argmax(axis=1)
    return _Axis(
        sends=_sends(edge, axis, anchor, size, inside.any(axis=1), config), tap=first,
        neuron=neuron[np.arange(source_size), first], count=inside.sum(axis=1),
        # A kernel has a stride or a dilation (`synapress.mapper.legalize`).
        tap_step=1 if dilation > 1 else stride, neuron_step=dilation if dilation > 1 else 1)


def _sends(
    edge: Edge, axis: int, anchor: IntArray, size: int, hit: npt.NDArray[np.bool_], config: CoreConfig
) -> npt.NDArray[np.bool_]:
    """Which source coordinates pass the PEG's test, which is coarser than a hit where source and kernel overhang."""
    stride, dilation = edge.stride[axis], edge.dilation[axis]
    if stride & (stride - 1):
        return hit
    log = stride.bit_length() - 1
    extent = (edge.weights.shape[2 + axis] - 1) * dilation + 1
    limit = ((size << log) - (1 << log)) >> config.extent_unit_log2
    coarse = min(extent, 1 << config.kernel_bits)
    return np.array([hits(int(position), limit, coarse, log, config) for position in anchor])


@dataclass(frozen=True)
class EdgeOperations:
    """The synapses of one edge in words: which operations an event of each source neuron has.

    `columns`, `rows`: by source x and y. By source channel: `words` per position, and how many of them are `partial`.
    `lanes`: synapses per position.
    """

    edge: Edge
    columns: _Axis
    rows: _Axis
    words: IntArray
    partial: IntArray
    lanes: int
    first_channel: IntArray
    depthwise: bool
    table: bool
    depth: int
    """Destination channels."""
    height: int
    """Of the destination."""

    @classmethod
    def of(cls, edge: Edge, source: Population, destination: Population, config: CoreConfig) -> "EdgeOperations":
        depth, results = source.shape[0], destination.shape[0]
        columns, rows = (_axis(edge, i, source.shape[1 + i], destination.shape[1 + i], config) for i in (0, 1))
        depthwise = edge.groups == depth == results
        lanes, per_group = config.lanes, results // edge.groups
        first = np.arange(depth, dtype=np.int64) // (depth // edge.groups) * per_group
        last = first + per_group - 1
        words = last // lanes - first // lanes + 1
        starts_late, ends_early = first % lanes != 0, last % lanes != lanes - 1
        partial = np.where(words == 1, starts_late | ends_early, starts_late.astype(np.int64) + ends_early)
        return cls(edge, columns, rows, words, partial, per_group, first, depthwise,
                   edge.groups > 1 and not depthwise, results, destination.shape[2])

    def positions(self) -> IntArray:
        """Positions that an event visits, by source x and y."""
        return np.outer(self.columns.count, self.rows.count)

    def sends(self) -> npt.NDArray[np.bool_]:
        """Whether a firing neuron sends an event, by source x and y."""
        return np.logical_and.outer(self.columns.sends, self.rows.sends)

    def counts(self, outputs: Integers) -> "EdgeCounts":
        """The work of one or more frames of the source, (..., D, W, H); a zero does not fire."""
        firing = (outputs != 0).reshape(-1, *outputs.shape[-3:]).sum(axis=0, dtype=np.int64)
        visited = (firing * self.positions()).sum(axis=(1, 2))
        return EdgeCounts(
            events=int((firing.sum(axis=0) * self.sends()).sum()), synapses=int(visited.sum()) * self.lanes,
            word_ops=int((visited * self.words).sum()), partial_ops=int((visited * self.partial).sum()))

    def single(self, config: CoreConfig) -> bool:
        """Whether events follow one another in every cycle (`short_events`)."""
        return bool(config.short_events) and not self.table and self.edge.weights.shape[2:] == (1, 1)

    def work(self, events: Events, place: Place, config: CoreConfig) -> OperationStream:
        """The operations of events of source neurons that send, in hardware order."""
        c, x, y = events
        edge, columns, rows = self.edge, self.columns, self.rows
        depth_words = -(-self.depth // config.lanes)
        y_stride = place.y_stride or depth_words | (1 if self.depthwise else 0)
        x_stride = self.height * y_stride
        width, height = edge.weights.shape[2:]
        words = self.words[c]
        unit = np.where(self.depthwise, 1, config.lanes * words)
        uniform = edge.weights.shape[0] == 1 or bool((edge.weights == edge.weights[:1]).all())
        if self.table:
            sizes = -(-width * height * self.words * config.lanes * 8 // config.word_bits)
            base = (place.weight_base + np.cumsum(sizes) - sizes)[c] * (config.word_bits // 8)
        else:
            kernel = width * height * unit if not (self.depthwise and uniform) else 0
            base = place.weight_base * (config.word_bits // 8) + c * kernel
        state = (place.state_base + columns.neuron[x] * x_stride + rows.neuron[y] * y_stride
                 + self.first_channel[c] // config.lanes)
        weight = base + (columns.tap[x] * height + rows.tap[y]) * unit

        counts = columns.count[x] * rows.count[y] * words
        of = np.repeat(np.arange(len(c)), counts)
        within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        position, word = np.divmod(within, words[of])
        column, row = np.divmod(position, rows.count[y][of])
        state_step = column * (x_stride * columns.neuron_step) + row * (y_stride * rows.neuron_step) + word
        weight_step = (column * (columns.tap_step * height) + row * rows.tap_step) * unit[of] + config.lanes * word
        return OperationStream(
            operations=counts, edge=np.full(len(c), place.edge_word, np.int64),
            geometry=np.full(len(c), place.geometry_word, np.int64),
            table=place.table_base + c if self.table else np.full(len(c), -1, np.int64),
            single=np.full(len(c), int(self.single(config)), np.int64),
            state=(state[of] + state_step) % config.memory_words,
            weight=(weight[of] + weight_step) // (config.word_bits // 8) % config.memory_words)
