"""The event-to-synapse unit (ESU): one event into all its weighted synapses, as word operations in hardware order.

Bamberg et al., arXiv 2112.07019, section 4.3 and its ESU algorithm; the descriptor shared by all source channels,
native strides, dilation and depthwise kernels, and skipping of positions without a hit are this project's
(docs/architecture.md). `synapses` and `operations` read literally like the algorithm and visit every tap;
`expand_events` gives the same operations in closed form, on arrays, for many events at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import IntArray, Memory, Words
from golden.words import EdgeKind, layouts

"""Memory words by word address: Python integers of any width, or uint64 with the low 64 bits of each word."""

LOW_64 = (1 << 64) - 1


class ValueEvent(NamedTuple):
    """What the ESU gets to see of an event of kind VALUE."""

    id: int
    x: int
    """x_min, y_min: anchor of the transposed kernel in the destination, before the stride; signed."""
    y: int
    c: int
    """Source channel within the edge."""
    v: int


class WordOperation(NamedTuple):
    """The update of up to `lanes` states of one memory word; the fields are those of `golden.messages.operation`."""

    state_address: int
    """Word address modulo 2**(address_bits + 1): from 2**address_bits on it has left the memory."""
    weight_address: int
    """Byte address modulo the memory's size."""
    mask: int
    """Bit per lane."""
    broadcast: int
    max: int
    shift: int
    v: int


class Synapse(NamedTuple):
    """One weighted synapse: the destination neuron, and where its weight lies (byte address)."""

    c: int
    x: int
    y: int
    weight_address: int


@dataclass(frozen=True)
class EdgeDescriptor:
    """A decoded edge descriptor; sizes are true sizes (not minus one). See docs/architecture.md for each field."""

    state_base: int
    width: int
    height: int
    x_stride: int
    pad: int
    max: int
    depth_words: int
    last_lane: int
    source_channels: int
    kernel_width: int
    kernel_height: int
    weight_base: int
    weight_stride: int
    step: int
    dilated: int
    kind: int
    """See `golden.words.EdgeKind`."""
    shift: int
    population: int
    y_stride: int
    """Words from one row to the next: depth_words | pad of the geometry word, also with `table`."""
    first_channel: int = 0
    """First destination channel, from the table word."""
    channel_words: int = 0
    """Words of one position of the population: depth_words of the geometry word, also with `table`."""

    @property
    def table(self) -> bool:
        """Each source channel has a word with a kernel of its own."""
        return self.kind == EdgeKind.TABLE

    @property
    def depthwise(self) -> bool:
        """A source channel leads to the same destination channel."""
        return self.kind == EdgeKind.DEPTHWISE

    @classmethod
    def from_words(cls, config: CoreConfig, edge: int, geometry: int) -> "EdgeDescriptor":
        """From the packed words of an edge and of its population's geometry."""
        words = layouts(config)
        fields = words.edge.unpack(edge & LOW_64) | words.geometry.unpack(geometry & LOW_64)
        return cls(**fields, y_stride=fields["depth_words"] | fields["pad"], channel_words=fields["depth_words"])

    def with_table_word(self, config: CoreConfig, word: int) -> "EdgeDescriptor":
        """With kernel and depth of a table word instead of its own; no weight stride any more."""
        return replace(self, **layouts(config).table.unpack(word & LOW_64), weight_stride=0)

    @classmethod
    def load(
        cls, config: CoreConfig, memory: Memory, populations: int, identity: int, channel: int
    ) -> "EdgeDescriptor":
        """The descriptor of an edge as it applies to one of its source channels, from memory."""
        size = config.memory_words
        edge = int(memory[(2 * populations + identity) % size])
        population = layouts(config).edge.unpack(edge & LOW_64)["population"]
        descriptor = cls.from_words(config, edge, int(memory[2 * population % size]))
        if descriptor.table and channel < descriptor.source_channels:
            word = int(memory[(descriptor.weight_base + channel) % size])
            descriptor = descriptor.with_table_word(config, word)
        return descriptor


# -- literal -----------------------------------------------------------------------------------


class Kernel(Protocol):
    """A transposed kernel and the map that it lies on: what an edge descriptor says of them, in true sizes."""

    @property
    def kernel_width(self) -> int: ...
    @property
    def kernel_height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def dilated(self) -> int: ...


def taps(descriptor: Kernel, event: ValueEvent) -> Iterator[tuple[int, int, int, int]]:
    """All kernel taps, x outermost, that meet a neuron: (Δx, Δy, x, y) with the neuron's x and y [B §4.3]."""
    d = descriptor
    for delta_x in range(d.kernel_width):
        x = event.x + (delta_x << d.step if d.dilated else delta_x)
        if not d.dilated:
            if x % (1 << d.step):
                continue
            x >>= d.step
        if not 0 <= x < d.width:
            continue
        for delta_y in range(d.kernel_height):
            y = event.y + (delta_y << d.step if d.dilated else delta_y)
            if not d.dilated:
                if y % (1 << d.step):
                    continue
                y >>= d.step
            if 0 <= y < d.height:
                yield delta_x, delta_y, x, y


def _words(config: CoreConfig, descriptor: EdgeDescriptor, event: ValueEvent) -> tuple[int, int, int, int, int]:
    """Per position: first channel word, channel words, bytes of weights, first and last lane.

    A depth_words of 0, which no mapper makes, counts as the first value that the field cannot hold.
    """
    if descriptor.depthwise:
        lane = event.c % config.lanes
        return event.c // config.lanes, 1, 1, lane, lane
    words = descriptor.depth_words or 1 << config.depth_word_bits
    first, lane = divmod(descriptor.first_channel, config.lanes)
    return first, words, config.lanes * descriptor.depth_words, lane, descriptor.last_lane


def operations(config: CoreConfig, descriptor: EdgeDescriptor, event: ValueEvent) -> list[WordOperation]:
    """The word operations of an event whose ID and channel are known: x outermost, then y, then channel words."""
    d, result = descriptor, []
    first_word, words, position_bytes, first_lane, last_lane = _words(config, d, event)
    for delta_x, delta_y, x, y in taps(d, event):
        state = d.state_base + x * d.x_stride + y * d.y_stride + first_word
        weight = ((d.weight_base << config.byte_bits) + event.c * d.weight_stride
                  + (delta_x * d.kernel_height + delta_y) * position_bytes)
        for word in range(words):
            low = first_lane if word == 0 else 0
            high = last_lane if word == words - 1 else config.lanes - 1
            result.append(WordOperation(
                state_address=(state + word) % (2 << config.address_bits),
                weight_address=(weight + config.lanes * word) % (1 << config.weight_address_bits),
                mask=sum(1 << lane for lane in range(low, high + 1)),
                broadcast=int(d.depthwise), max=d.max, shift=d.shift, v=event.v,
            ))
    return result


def synapses(config: CoreConfig, descriptor: EdgeDescriptor, event: ValueEvent) -> list[Synapse]:
    """The synapses of an event, channels depth first [B §4.3]: what its word operations do, lane by lane."""
    d, result = descriptor, []
    first_word, words, position_bytes, first_lane, last_lane = _words(config, d, event)
    first = first_word * config.lanes + first_lane
    end = (first_word + words - 1) * config.lanes + last_lane + 1
    for delta_x, delta_y, x, y in taps(d, event):
        weight = ((d.weight_base << config.byte_bits) + event.c * d.weight_stride
                  + (delta_x * d.kernel_height + delta_y) * position_bytes)
        for c in range(first, end):
            offset = 0 if d.depthwise else c - first_word * config.lanes
            result.append(Synapse(c, x, y, (weight + offset) % (1 << config.weight_address_bits)))
    return result


class Esu:
    """The unit on a memory: looks descriptors up and counts what it has to drop.

    Attributes:
        unknown_id, unknown_channel: events dropped so far, for an ID >= edges; for a channel >= source_channels, or an
            edge of a kind that the unit does not have, or with `good` for channel words that the states do not have.
        good: per population whether it takes events (`golden.guard`); None: all do, whatever their words say.
    """

    def __init__(self, config: CoreConfig, memory: Memory, edges: int, populations: int):
        self.config = config
        self.memory = memory
        self.edges = edges
        self.populations = populations
        self.unknown_id = 0
        self.unknown_channel = 0
        self.good: Sequence[bool] | None = None

    def lookup(self, event: ValueEvent) -> EdgeDescriptor | None:
        """The descriptor that applies to an event; None, and counted, if there is none."""
        if event.id >= self.edges:
            self.unknown_id += 1
            return None
        descriptor = EdgeDescriptor.load(self.config, self.memory, self.populations, event.id, event.c)
        if event.c >= descriptor.source_channels or descriptor.kind == EdgeKind.EXTENDED:
            self.unknown_channel += 1
            return None
        if self.good is not None and not self._in_states(descriptor, event):
            self.unknown_channel += 1
            return None
        return descriptor

    def _in_states(self, descriptor: EdgeDescriptor, event: ValueEvent) -> bool:
        """Whether the population is good, and has the channel words that the event leads to."""
        assert self.good is not None
        first, words, *_ = _words(self.config, descriptor, event)
        good = descriptor.population < self.populations and self.good[descriptor.population]
        return good and first + words <= descriptor.channel_words

    def expand(self, event: ValueEvent) -> list[WordOperation]:
        """The word operations of one event, literally; none if it is dropped."""
        descriptor = self.lookup(event)
        return [] if descriptor is None else operations(self.config, descriptor, event)


# -- vectorized --------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordOperations:
    """Word operations of many events as arrays of one length, in hardware order, events in the order given."""

    event: IntArray
    """Index of the event that an operation belongs to."""
    state_address: IntArray
    weight_address: IntArray
    mask: IntArray
    broadcast: IntArray
    max: IntArray
    shift: IntArray
    v: IntArray
    unknown_id: int = 0
    """Events dropped."""
    unknown_channel: int = 0

    def __len__(self) -> int:
        return len(self.event)

    def rows(self) -> list[WordOperation]:
        """The same as a list of single operations."""
        columns = (getattr(self, name).tolist() for name in WordOperation._fields)
        return [WordOperation(*row) for row in zip(*columns, strict=True)]


def surviving(
    x_min: IntArray, kernel: IntArray, size: IntArray, step: IntArray, dilated: IntArray,
) -> tuple[IntArray, IntArray, IntArray]:
    """Closed form of one dimension's surviving taps, by event: first tap, first destination, count (0 if none)."""
    negative = x_min < 0
    distance = -np.abs(x_min)
    # The part that can be large: the tap of an anchor outside, the neuron of one inside.
    shift = np.where(negative == (dilated != 0), step, 0)
    large, small = -(distance >> shift), distance & ((1 << shift) - 1)
    tap, neuron = np.where(negative, large, small), np.where(negative, small, large)
    taps_left, neurons_left = kernel - 1 - tap, size - 1 - neuron
    steps = np.minimum(taps_left >> np.where(dilated, 0, step), neurons_left >> np.where(dilated, step, 0))
    return tap, neuron, np.maximum(steps + 1, 0)


def expand_events(
    config: CoreConfig, memory: Memory, edges: int, populations: int, events: Mapping[str, npt.ArrayLike],
    good: Sequence[bool] | None = None,
) -> WordOperations:
    """The word operations of events given as arrays `id`, `x`, `y`, `c`, `v`: those of `Esu.expand`, event by event."""
    words_of = layouts(config)
    identity, x, y, c, v = (np.asarray(events[name], np.int64) for name in ("id", "x", "y", "c", "v"))

    def fetch(addresses: IntArray) -> Words:
        addresses = addresses % config.memory_words
        if isinstance(memory, np.ndarray):
            return memory[addresses].astype(np.uint64)
        return np.array([int(memory[address]) & LOW_64 for address in addresses.tolist()], np.uint64)

    index = np.flatnonzero(identity < edges)
    unknown_id = len(identity) - len(index)
    edge = words_of.edge.unpack_array(fetch(2 * populations + identity[index]))
    geometry = words_of.geometry.unpack_array(fetch(2 * edge["population"]))
    known = (c[index] < edge["source_channels"]) & (edge["kind"] != EdgeKind.EXTENDED)
    if good is not None:
        taken = np.zeros(config.max_populations, bool)
        taken[:len(good)] = good
        known &= taken[edge["population"]]
    unknown_channel = int(np.sum(~known))
    index = index[known]
    d = {name: array[known] for name, array in (edge | geometry).items()}
    x, y, c, v = x[index], y[index], c[index], v[index]

    table, depthwise = d["kind"] == EdgeKind.TABLE, d["kind"] == EdgeKind.DEPTHWISE
    channel_words = d["depth_words"]
    y_stride = channel_words | d["pad"]
    weight_stride = np.where(table, 0, d["weight_stride"])
    first_channel = np.zeros_like(c)
    if table.any():
        entry = words_of.table.unpack_array(fetch(d["weight_base"][table] + c[table]))
        first_channel[table] = entry.pop("first_channel")
        for name, values in entry.items():
            d[name] = d[name].copy()
            d[name][table] = values

    tap_x, neuron_x, columns = surviving(x, d["kernel_width"], d["width"], d["step"], d["dilated"])
    tap_y, neuron_y, rows = surviving(y, d["kernel_height"], d["height"], d["step"], d["dilated"])
    words = np.where(depthwise, 1, np.where(d["depth_words"], d["depth_words"], 1 << config.depth_word_bits))
    position_bytes = np.where(depthwise, 1, config.lanes * d["depth_words"])
    first_word = np.where(depthwise, c, first_channel) // config.lanes
    first_lane = np.where(depthwise, c, first_channel) % config.lanes
    last_lane = np.where(depthwise, c % config.lanes, d["last_lane"])
    column_bytes = d["kernel_height"] * position_bytes
    state = d["state_base"] + neuron_x * d["x_stride"] + neuron_y * y_stride + first_word
    weight = (d["weight_base"] << config.byte_bits) + c * weight_stride + tap_x * column_bytes + tap_y * position_bytes
    neuron_step, tap_step = np.where(d["dilated"], d["step"], 0), np.where(d["dilated"], 0, d["step"])

    # One row per operation: its event, and its place within the event as column, row, word.
    per_event = columns * rows * words
    if good is not None:
        beyond = first_word + words > channel_words
        unknown_channel += int(beyond.sum())
        per_event[beyond] = 0
    of = np.repeat(np.arange(len(index)), per_event)
    place = np.arange(len(of)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
    position, word = np.divmod(place, words[of])
    column, row = np.divmod(position, rows[of])
    state_address = state[of] + ((column * d["x_stride"][of] + row * y_stride[of]) << neuron_step[of]) + word
    weight_address = weight[of] + config.lanes * word \
        + ((column * column_bytes[of] + row * position_bytes[of]) << tap_step[of])
    lanes = np.arange(config.lanes)
    low = np.where(word == 0, first_lane[of], 0)[:, np.newaxis]
    high = np.where(word == words[of] - 1, last_lane[of], config.lanes - 1)[:, np.newaxis]
    return WordOperations(
        event=index[of],
        state_address=state_address % (2 << config.address_bits),
        weight_address=weight_address % (1 << config.weight_address_bits),
        mask=np.sum(((lanes >= low) & (lanes <= high)) << lanes, axis=1),
        broadcast=depthwise[of].astype(np.int64), max=d["max"][of], shift=d["shift"][of], v=v[of],
        unknown_id=unknown_id, unknown_channel=unknown_channel,
    )
