"""Many events of one edge at once: the sums that they make, by products of matrices.

Sums do not depend on an order, so the values that came make a feature map, and each tap of the kernel adds a product of
this map and a matrix of weights. The result is that of `golden.synapse.esu.expand_events`, operation by operation;
edges and events that this does not fit are left to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.neuron.states import pack_states, unpack_states
from golden.synapse.esu import surviving
from golden.types import Floats, IntArray, Words
from golden.words import EdgeKind, layouts

FEWEST = 64
"""Events of an edge that are worth a look."""
OPERATION, MULTIPLICATION, TAP = 0.6, 0.0004, 60.0
"""Microseconds, as measured: a word operation one by one; a product of numbers in a matrix product; a tap besides."""


def integrate(
    config: CoreConfig, memory: Words, edges: int, populations: int, events: Mapping[str, IntArray],
    good: Sequence[bool] | None, counters: dict[str, int], done: IntArray,
) -> Mapping[str, IntArray]:
    """Add what events do to the states in memory, where products of matrices are quicker.

    Args:
        memory: (words, words of 64 bits); changed. events: value events, arrays by field.
        counters: gets the word operations and synapses. done: (edges, 2) gets them by edge.

    Returns:
        The events that are left.
    """
    identifiers = events["id"]
    if len(identifiers) < FEWEST or not product(config).linear:
        return events
    left = np.ones(len(identifiers), bool)
    for identifier in np.flatnonzero(np.bincount(identifiers, minlength=1) >= FEWEST).tolist():
        mine = np.flatnonzero(identifiers == identifier)
        edge = _Edge.load(config, memory, edges, populations, identifier, good)
        if edge is None or int(events["c"][mine].max()) >= edge.fields["source_channels"]:
            continue
        work = _Work.of(config, edge, *(events[name][mine] for name in ("x", "y", "c", "v")))
        if work.pays() and edge.add(memory, work):
            counters["word_ops"] += work.operations
            counters["synapses"] += work.synapses
            done[identifier] += work.operations, work.synapses
            left[mine] = False
    return events if left.all() else {name: array[left] for name, array in events.items()}


@dataclass(frozen=True)
class _Work:
    """Events of one edge, and how many operations they are."""

    x: IntArray
    y: IntArray
    c: IntArray
    v: IntArray
    channels: IntArray
    """Those that came, in order."""
    grid: tuple[int, int]
    operations: int
    synapses: int
    lanes: int

    @classmethod
    def of(cls, config: CoreConfig, edge: "_Edge", x: IntArray, y: IntArray, c: IntArray, v: IntArray) -> "_Work":
        d, positions = edge.fields, np.ones(len(x), np.int64)
        for at, kernel, size in ((x, "kernel_width", "width"), (y, "kernel_height", "height")):
            fill = np.full(1, d["step"])
            positions *= surviving(at, np.full(1, d[kernel]), np.full(1, d[size]), fill, np.full(1, d["dilated"]))[2]
        total = int(positions.sum())
        channels = np.unique(c)
        lanes = config.lanes * int(channels[-1] // config.lanes + 1) if edge.depthwise else edge.last - edge.first + 1
        return cls(
            x=x, y=y, c=c, v=v, channels=channels, grid=(int(np.ptp(x)) + 1, int(np.ptp(y)) + 1), lanes=lanes,
            operations=total * (1 if edge.depthwise else d["depth_words"]),
            synapses=total * (1 if edge.depthwise else edge.last - edge.first + 1))

    def pays(self) -> bool:
        """Whether the products of matrices are quicker."""
        cells = self.grid[0] * self.grid[1] * len(self.channels)
        return OPERATION * self.operations > TAP + MULTIPLICATION * cells * self.lanes + 0.01 * cells

    def map(self, kind: type) -> Floats:
        """The values as a map (x, y, channel)."""
        width, height = self.grid
        number = np.zeros(int(self.channels[-1]) + 1, np.int64)
        number[self.channels] = np.arange(len(self.channels))
        place = ((self.x - self.x.min()) * height + self.y - self.y.min()) * len(self.channels) + number[self.c]
        sums = np.bincount(place, self.v, minlength=width * height * len(self.channels))
        return sums.astype(kind).reshape(width, height, len(self.channels))


@dataclass(frozen=True)
class _Edge:
    """An edge whose source channels all have kernels of one size, into the same channels or each into its own."""

    config: CoreConfig
    fields: Mapping[str, int]
    """Of the edge word and of the geometry word."""
    depthwise: bool
    first: int
    last: int
    """First and last channel of the destination."""

    @classmethod
    def load(cls, config: CoreConfig, memory: Words, edges: int, populations: int, identifier: int,
             good: Sequence[bool] | None) -> "_Edge | None":
        """An edge of the memory; None: events of this one are taken one by one."""
        if identifier >= edges:
            return None
        words, size = layouts(config), config.memory_words
        fields = words.edge.unpack(int(memory[(2 * populations + identifier) % size, 0]))
        population = fields["population"]
        fields |= words.geometry.unpack(int(memory[2 * population % size, 0]))
        if good is not None and not (population < populations and good[population]):
            return None
        depthwise = fields["kind"] == EdgeKind.DEPTHWISE
        y_stride = fields["depth_words"] | fields["pad"]
        beyond = (fields["state_base"] + (fields["width"] - 1) * fields["x_stride"]
                  + (fields["height"] - 1) * y_stride + fields["depth_words"])
        if (fields["max"] or fields["kind"] not in (EdgeKind.DENSE, EdgeKind.DEPTHWISE) or not fields["depth_words"]
                or beyond > size or fields["x_stride"] < fields["height"] * y_stride):
            return None
        return cls(config=config, fields=fields, depthwise=depthwise, first=0,
                   last=(fields["depth_words"] - 1) * config.lanes + fields["last_lane"])

    def add(self, memory: Words, work: _Work) -> bool:
        """Add events to the states in memory; False: it cannot be done here, and nothing is changed."""
        config, d = self.config, self.fields
        if self.depthwise and work.channels[-1] // config.lanes >= d["depth_words"]:
            return False
        weights = self._weights(memory, work.channels)
        values = work.map(np.float64)
        largest = float(np.abs(values).max()) * float(np.abs(weights).max()) * len(work.channels)
        if largest < 1 << 24:  # sums that 32-bit numbers hold exactly
            values = values.astype(np.float32)
        weights = weights.astype(values.dtype)
        sums = np.zeros((d["width"], d["height"], len(work.channels) if self.depthwise else weights.shape[-1]))
        for (tap_x, from_x, to_x), (tap_y, from_y, to_y) in self._taps(work):
            given = values[from_x, from_y]
            if self.depthwise:
                sums[to_x, to_y] += given * weights[:, tap_x, tap_y, 0]
            else:
                sums[to_x, to_y] += given @ weights[:, tap_x, tap_y]
        self._write(memory, work, sums.astype(np.int64) << d["shift"])
        return True

    def _weights(self, memory: Words, channels: IntArray) -> IntArray:
        """Factors of the weights (source channel, tap x, tap y, destination channel); one of depthwise edges."""
        config, d = self.config, self.fields
        each = 1 if self.depthwise else config.lanes * d["depth_words"]
        taps = np.arange(d["kernel_width"] * d["kernel_height"]) * each
        lanes = np.arange(1 if self.depthwise else self.last + 1)
        address = ((d["weight_base"] << config.byte_bits) + channels[:, np.newaxis, np.newaxis] * d["weight_stride"]
                   + taps[:, np.newaxis] + lanes)
        stored = memory.view(np.int8).reshape(-1)
        return product(config).factors(stored[address % stored.size], config).reshape(
            len(channels), d["kernel_width"], d["kernel_height"], len(lanes)).astype(np.int64)

    def _taps(self, work: _Work) -> Iterator[tuple[tuple[int, slice, slice], tuple[int, slice, slice]]]:
        """All taps that meet a neuron: for x and y the tap, the anchors in the map, and the neurons that they reach."""
        d = self.fields
        columns, rows = (list(self._line(int(at.min()), count, d[kernel], d[size])) for at, count, kernel, size in (
            (work.x, work.grid[0], "kernel_width", "width"), (work.y, work.grid[1], "kernel_height", "height")))
        return ((column, row) for column in columns for row in rows)

    def _line(self, low: int, count: int, kernel: int, size: int) -> Iterator[tuple[int, slice, slice]]:
        """The taps of one dimension, of anchors from `low` on."""
        step, dilated = self.fields["step"], self.fields["dilated"]
        for tap in range(kernel):
            start = low + (tap << step if dilated else tap)  # virtual position that the first anchor reaches
            jump = 1 if dilated else 1 << step
            first = max(0, -start)
            first += -(start + first) % jump
            end = min(count, (size - 1) * jump + 1 - start)
            if first < end:
                neuron, reached = (start + first) // jump, -(-(end - first) // jump)
                yield tap, slice(first, end, jump), slice(neuron, neuron + reached)

    def _write(self, memory: Words, work: _Work, sums: IntArray) -> None:
        """Add sums (x, y, channel) to the states."""
        config, d = self.config, self.fields
        if self.depthwise:
            words = np.arange(work.channels[0] // config.lanes, work.channels[-1] // config.lanes + 1)
            placed = work.channels - words[0] * config.lanes
        else:
            words = np.arange(d["depth_words"])
            placed = np.arange(sums.shape[-1])
        all_lanes = np.zeros((*sums.shape[:2], len(words) * config.lanes), np.int64)
        all_lanes[..., placed] = sums
        y_stride = d["depth_words"] | d["pad"]
        address = (d["state_base"] + np.arange(d["width"])[:, np.newaxis, np.newaxis] * d["x_stride"]
                   + np.arange(d["height"])[:, np.newaxis] * y_stride + words)
        before = memory[address]
        states = unpack_states(before.squeeze(-1) if config.word_bits == 64 else before, config)
        memory[address] = pack_states(states + all_lanes.reshape(states.shape), config).reshape(before.shape)
