"""The golden ESU against the dense definition of a convolution, and its two forms against each other."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden.config import CoreConfig
from golden.synapse.esu import EdgeDescriptor, Esu, ValueEvent, expand_events, operations, synapses, taps
from golden.types import IntArray
from golden.words import EdgeKind, layouts

CONFIGS = {
    "grai_vip": CoreConfig.preset("grai_vip"),
    "fpga_small": CoreConfig.preset("fpga_small"),
    "lanes_8": CoreConfig(lanes=8, kernel_bits=3),
    "states_32": CoreConfig(lanes=4, state_bits=32, coordinate_bits=6, offset_bits=9),
    "lanes_2": CoreConfig(lanes=2, state_bits=32, channel_bits=9, kernel_bits=5, mesh_bits=3, address_bits=13),
}


def corner(rng: np.random.Generator, low: IntArray | int, high: IntArray | int, n: int) -> IntArray:
    """Integers of [low, high], each bound with probability 1/8."""
    low, high = np.broadcast_to(low, n), np.broadcast_to(high, n)
    values = rng.integers(low, high + 1)
    values = np.where(rng.random(n) < 0.125, low, values)
    return np.where(rng.random(n) < 0.125, high, values)


class Cases:
    """Random edges as a user means them (SPEC of a convolution), one source neuron each, and the words they make."""

    def __init__(self, config: CoreConfig, rng: np.random.Generator, n: int):
        self.config, self.n = config, n
        lanes = config.lanes
        largest = 1 << config.coordinate_bits
        dilated = rng.integers(0, 2, n)
        step = rng.integers(0, 4, n)
        self.stride, self.dilation = np.where(dilated, 1, 1 << step), np.where(dilated, 1 << step, 1)
        self.upsample = rng.integers(0, 4, n)
        self.kind = rng.integers(0, 3, n)
        deep = rng.random(n) < 0.01
        self.axes = {}
        for axis in ("x", "y"):
            kernel = np.where(rng.random(n) < 0.8, corner(rng, 1, min(7, 1 << config.kernel_bits), n),
                              corner(rng, 1, 1 << config.kernel_bits, n))
            kernel = np.where(deep, 1, kernel)
            size = np.where(rng.random(n) < 0.9, corner(rng, 1, min(24, largest), n), corner(rng, 1, largest, n))
            reach = (kernel - 1) * self.dilation + 1
            low, high = -(1 << (config.offset_bits - 1)), (1 << (config.offset_bits - 1)) - 1
            near = rng.integers(-reach - 2, size * self.stride + 3)
            anchor = np.clip(np.where(rng.random(n) < 0.9, near, corner(rng, low, high, n)), low, high)
            source = rng.integers(0, largest, n)
            # The anchor is (source << upsample) - reach + padding + 1.
            padding = anchor + reach - 1 - (source << self.upsample)
            self.axes[axis] = {"kernel": kernel, "size": size, "source": source, "padding": padding, "anchor": anchor}
        most = min(4 * lanes, (1 << config.channel_bits) - lanes)
        self.depth = corner(rng, 1, np.where(deep, (1 << config.channel_bits) - lanes, most), n)
        self.c = corner(rng, 0, (1 << config.channel_bits) - 1, n)
        # Depthwise: the source channel is the destination channel. Table: a range of channels of one group.
        self.depth = np.where(self.kind == 1, np.maximum(self.depth, self.c % most + 1), self.depth)
        self.c = np.where(self.kind == 1, np.minimum(self.c % most, self.depth - 1), self.c)
        first = rng.integers(0, self.depth)
        self.first = np.where(self.kind == 2, first, np.where(self.kind == 1, self.c, 0))
        self.end = np.where(self.kind == 2, rng.integers(first + 1, self.depth + 1),
                            np.where(self.kind == 1, self.c + 1, self.depth))
        self.base = corner(rng, 0, config.memory_words - 1, n)
        self.weight_base = corner(rng, 0, config.memory_words - 1, n)
        self.weight_stride = corner(rng, 0, (1 << config.weight_stride_bits) - 1, n)
        self.pad, self.step, self.dilated = rng.integers(0, 2, n), step, dilated
        self.max, self.shift = rng.integers(0, 2, n), rng.integers(0, 1 << config.product_shift_bits, n)
        self.v = corner(rng, -(1 << (config.value_bits - 1)), (1 << (config.value_bits - 1)) - 1, n)
        self.depth_words = -(-self.depth // lanes)
        self.y_stride = self.depth_words | self.pad
        self.x_stride = self.axes["y"]["size"] * self.y_stride % config.memory_words

    def dense(self) -> tuple[IntArray, ...]:
        """What the dense formula says: (case, c, x, y, column tap j, row tap k) of every product with a one-hot input.

        P[c,x,y] = sum over j, k of W[c,i,j,k] · Pup[i, S·x + j·D - XP, S·y + k·D - YP].
        """
        pairs = {}
        for axis, a in self.axes.items():
            position, tap = np.arange(a["size"].max()), np.arange(a["kernel"].max())
            reads = (self.stride[:, None, None] * position[None, :, None] + tap * self.dilation[:, None, None]
                     - a["padding"][:, None, None])
            here = reads == (a["source"] << self.upsample)[:, None, None]
            here &= (position[None, :, None] < a["size"][:, None, None]) & (tap < a["kernel"][:, None, None])
            pairs[axis] = np.nonzero(here)
        case, x, j = pairs["x"]
        of, (y, k) = product(self.n, case, pairs["y"][0], pairs["y"][1:])
        case, x, j = case[of], x[of], j[of]
        channels = self.end - self.first
        of = np.repeat(np.arange(len(case)), channels[case])
        c = np.arange(len(of)) - np.repeat(np.cumsum(channels[case]) - channels[case], channels[case])
        return case[of], self.first[case[of]] + c, x[of], y[of], j[of], k[of]

    def expected(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The dense products at their places in memory: (case, state word, lane, weight byte)."""
        config, lanes = self.config, self.config.lanes
        case, c, x, y, j, k = self.dense()
        # Words of a position, in bytes: of the whole population, of the group (table), or one byte (depthwise).
        first_word = np.where(self.kind == 2, self.first // lanes, 0)
        position_bytes = np.where(self.kind == 1, 1, lanes * np.where(
            self.kind == 2, (self.end - 1) // lanes + 1 - first_word, self.depth_words))
        state = (self.base[case] + x * self.x_stride[case] + y * self.y_stride[case] + c // lanes)
        channel = np.where(self.kind[case] == 1, 0, c - first_word[case] * lanes)
        columns, rows = self.axes["x"]["kernel"][case], self.axes["y"]["kernel"][case]
        weight = (self.weight_base[case] * (config.word_bits // 8)
                  + np.where(self.kind == 2, 0, self.c * self.weight_stride)[case]
                  + (columns - 1 - j) * rows * position_bytes[case] + (rows - 1 - k) * position_bytes[case] + channel)
        return case, state % (2 * config.memory_words), c % lanes, weight % config.memory_bytes

    def words(self) -> tuple[npt.NDArray[np.uint64], dict[str, IntArray]]:
        """Per case the geometry, edge and table word (n, 3), and the events; all populations are the first."""
        config, lay = self.config, layouts(self.config)
        x, y = self.axes["x"], self.axes["y"]
        kernel: dict[str, Any] = {
            "kernel_width": x["kernel"], "kernel_height": y["kernel"], "weight_base": self.weight_base}
        geometry = pack_array(lay.geometry, state_base=self.base, width=x["size"], height=y["size"],
                              x_stride=self.x_stride, depth_words=self.depth_words,
                              last_lane=(self.depth - 1) % config.lanes, pad=self.pad, max=self.max)
        edge = pack_array(lay.edge, **kernel, source_channels=np.full(self.n, 1 << config.channel_bits),
                          weight_stride=self.weight_stride, step=self.step, dilated=self.dilated,
                          kind=np.array([EdgeKind.DENSE, EdgeKind.DEPTHWISE, EdgeKind.TABLE])[self.kind],
                          shift=self.shift, population=np.zeros(self.n, np.int64))
        table = pack_array(lay.table, **kernel, first_channel=self.first, last_lane=(self.end - 1) % config.lanes,
                           depth_words=(self.end - 1) // config.lanes + 1 - self.first // config.lanes)
        events = {"id": np.zeros(self.n, np.int64), "x": x["anchor"], "y": y["anchor"], "c": self.c, "v": self.v}
        return np.stack([geometry, edge, table], axis=1), events


def product(n: int, left: IntArray, right: IntArray, columns: tuple[IntArray, ...]) -> tuple[IntArray, list[IntArray]]:
    """Join two sorted lists of cases: the row of `left` per pair, and the columns that go with `right`."""
    count = np.bincount(right, minlength=n)
    start = np.cumsum(count) - count
    of = np.repeat(np.arange(len(left)), count[left])
    place = np.arange(len(of)) - np.repeat(np.cumsum(count[left]) - count[left], count[left])
    return of, [column[start[left[of]] + place] for column in columns]


def pack_array(layout: Any, **values: IntArray) -> npt.NDArray[np.uint64]:
    word, shift = np.zeros(len(next(iter(values.values()))), np.uint64), 0
    for field in layout.fields:
        raw = (np.asarray(values[field.name], np.int64) - field.bias) & ((1 << field.bits) - 1)
        assert ((raw + field.bias == values[field.name]) | field.signed).all(), field.name
        word |= raw.astype(np.uint64) << np.uint64(shift) if field.bits else np.uint64(0)
        shift += field.bits
    return word


def place_words(config: CoreConfig, words: npt.NDArray[np.uint64], events: dict[str, IntArray],
                ) -> tuple[list[tuple[npt.NDArray[np.uint64], dict[str, IntArray], slice]], int]:
    """Memories of as many cases as there are populations, each with its own in an order other than that of the IDs;
    the table word is where the edge word's weight_base + c points."""
    lay, size = layouts(config).edge, config.memory_words
    count, batches = config.max_populations, []
    for start in range(0, len(words), count):
        part = slice(start, min(start + count, len(words)))
        memory = np.zeros(size, np.uint64)
        identity = np.arange(part.stop - part.start)
        population = count - 1 - identity
        geometry, edge, table = words[part].T
        address = 3 * count + identity
        fields = {name: array.copy() for name, array in lay.unpack_array(edge).items()} | {"population": population}
        pointer = (address - events["c"][part]) % size
        fields["weight_base"] = np.where(fields["kind"] == EdgeKind.TABLE, pointer, fields["weight_base"])
        memory[2 * population], memory[2 * count + identity] = geometry, pack_array(lay, **fields)
        memory[address] = table
        batches.append((memory, {name: array[part] for name, array in events.items()} | {"id": identity}, part))
    return batches, count


def check_against_dense(config: CoreConfig, seed: int, cases: int) -> None:
    """Random cases: the operations, lane by lane, are the dense products, in order."""
    rng = np.random.default_rng(seed)
    survivors = 0
    for start in range(0, cases, 4096):
        batch = Cases(config, rng, min(4096, cases - start))
        case, state, lane, weight = batch.expected()
        words, events = batch.words()
        got: list[list[IntArray]] = [[], [], [], []]
        memories, count = place_words(config, words, events)
        for memory, some, part in memories:
            result = expand_events(config, memory, count, count, some)
            assert result.unknown_id == result.unknown_channel == 0
            row, lanes = np.nonzero((result.mask[:, None] >> np.arange(config.lanes)) & 1)
            columns = (result.event[row] + part.start, result.state_address[row], lanes,
                       (result.weight_address[row] + np.where(result.broadcast[row], 0, lanes)) % config.memory_bytes)
            for column, values in zip(got, columns, strict=True):
                column.append(values)
        for column, expected in zip(got, (case, state, lane, weight), strict=True):
            np.testing.assert_array_equal(np.concatenate(column), expected)
        survivors += len(np.unique(case))
    assert survivors > cases // 3, "most cases survive"
    assert survivors < cases, "and some do not"


@pytest.mark.parametrize(("name", "cases"), [
    ("grai_vip", 20_000), ("fpga_small", 4_000), ("lanes_8", 4_000), ("states_32", 4_000), ("lanes_2", 4_000)])
def test_operations_are_the_dense_convolution(name: str, cases: int, seed: int) -> None:
    check_against_dense(CONFIGS[name], seed, cases)


@pytest.mark.long
def test_operations_are_the_dense_convolution_a_million_times(seed: int) -> None:
    check_against_dense(CONFIGS["grai_vip"], seed + 1, 1_000_000)


@pytest.mark.parametrize("name", CONFIGS)
def test_literal_synapses_are_the_dense_convolution(name: str, seed: int) -> None:
    """Channels and coordinates, not just addresses; and the literal operations do the same synapses."""
    config = CONFIGS[name]
    batch = Cases(config, np.random.default_rng(seed + 2), 800)
    case, c, x, y, _j, _k = batch.dense()
    weight = batch.expected()[3]
    words, events = batch.words()
    starts = np.searchsorted(case, np.arange(batch.n + 1))
    for n in range(batch.n):
        descriptor = EdgeDescriptor.from_words(config, int(words[n, 1]), int(words[n, 0]))
        if descriptor.table:
            descriptor = descriptor.with_table_word(config, int(words[n, 2]))
        event = ValueEvent(**{key: int(array[n]) for key, array in events.items()})
        rows = slice(starts[n], starts[n + 1])
        expected = list(zip(*(column[rows].tolist() for column in (c, x, y, weight)), strict=True))
        found = synapses(config, descriptor, event)
        assert [tuple(synapse) for synapse in found] == expected
        lanes = [(op.state_address, lane, (op.weight_address + (0 if op.broadcast else lane)) % config.memory_bytes)
                 for op in operations(config, descriptor, event) for lane in range(config.lanes) if op.mask >> lane & 1]
        assert lanes == [
            ((descriptor.state_base + s.x * descriptor.x_stride + s.y * descriptor.y_stride + s.c // config.lanes)
             % (2 * config.memory_words), s.c % config.lanes, s.weight_address) for s in found]


def test_taps_are_those_of_the_paper_without_a_position_in_vain() -> None:
    """A case by hand: a 3-wide kernel of stride 2 at x_min = -1 on a 2-wide population."""
    descriptor = EdgeDescriptor.from_words(CONFIGS["grai_vip"], 0, 0)
    descriptor = replace(descriptor, width=2, height=1, kernel_width=4, kernel_height=3, step=1)
    event = ValueEvent(id=0, x=-1, y=0, c=0, v=1)
    assert list(taps(descriptor, event)) == [(1, 0, 0, 0), (3, 0, 1, 0)]
    dilated = replace(descriptor, dilated=1, width=6)
    assert list(taps(dilated, event)) == [(1, 0, 1, 0), (2, 0, 3, 0), (3, 0, 5, 0)]


@pytest.mark.parametrize("name", CONFIGS)
def test_vectorized_equals_literal_on_any_words(name: str, seed: int) -> None:
    """Descriptors and events of random bits, errors included: same operations, same counts."""
    config = CONFIGS[name]
    rng = np.random.default_rng(seed + 3)
    lay = layouts(config)
    total = 0
    for trial in range(20):
        memory = rng.integers(0, 1 << 64, config.memory_words, np.uint64, endpoint=False)
        if trial:  # few channel words, but once any number
            assert lay.geometry.fields[0].name == lay.table.fields[0].name == "depth_words"
            memory &= ~np.uint64((1 << config.depth_word_bits) - 4)
        n, edges = (4 if trial == 0 else 25), int(rng.integers(1, config.max_edges + 1))
        populations = int(rng.integers(config.max_populations + 1))
        low = -(1 << (config.offset_bits - 1))
        events = {
            "id": rng.integers(0, config.max_edges, n),
            "x": rng.integers(low, -low, n), "y": rng.integers(low, -low, n),
            "c": corner(rng, 0, (1 << config.channel_bits) - 1, n) >> rng.integers(0, config.channel_bits, n),
            "v": rng.integers(-(1 << (config.value_bits - 1)), 1 << (config.value_bits - 1), n)}
        near = rng.random(n) < 0.6
        for axis in ("x", "y"):
            events[axis] = np.where(near, rng.integers(-6, 12, n), events[axis])
        reference = Esu(config, memory, edges, populations)
        expected = [(index, operation) for index in range(n)
                    for operation in reference.expand(ValueEvent(**{key: int(a[index]) for key, a in events.items()}))]
        result = expand_events(config, memory, edges, populations, events)
        assert (result.unknown_id, result.unknown_channel) == (reference.unknown_id, reference.unknown_channel)
        assert result.event.tolist() == [index for index, _ in expected]
        assert result.rows() == [operation for _, operation in expected]
        total += len(expected)
        from_list = expand_events(config, memory.tolist(), edges, populations, events)
        assert from_list.rows() == result.rows()
    assert total > 1000


def test_dropped_events_are_counted_and_do_nothing() -> None:
    config = CONFIGS["grai_vip"]
    lay = layouts(config)
    geometry = lay.geometry.pack(width=4, height=4, x_stride=4, depth_words=1, last_lane=3)
    edge = lay.edge.pack(kernel_width=1, kernel_height=1, source_channels=5)
    esu = Esu(config, [geometry, 0, edge], edges=1, populations=1)
    assert len(esu.expand(ValueEvent(0, 0, 0, 4, 1))) == 1
    assert esu.expand(ValueEvent(0, 0, 0, 5, 1)) == [] and esu.unknown_channel == 1
    assert esu.expand(ValueEvent(1, 0, 0, 0, 1)) == [] and esu.unknown_id == 1
    result = expand_events(config, [geometry, 0, edge], 1, 1, {
        "id": [0, 0, 1, 0], "x": [0] * 4, "y": [0] * 4, "c": [4, 5, 0, 0], "v": [1] * 4})
    assert result.event.tolist() == [0, 3] and (result.unknown_id, result.unknown_channel) == (1, 1)


def test_events_of_a_whole_map_make_the_dense_convolution(seed: int) -> None:
    """All events of random maps through weights in memory: the sums of a dense convolution, everything non-square."""
    config = CONFIGS["grai_vip"]
    lay, rng = layouts(config), np.random.default_rng(seed + 4)
    for _ in range(60):
        dilated, step = int(rng.integers(2)), int(rng.integers(3))
        stride, dilation = (1, 1 << step) if dilated else (1 << step, 1)
        upsample, channels, depth = int(rng.integers(3)), int(rng.integers(1, 4)), int(rng.integers(1, 7))
        kw, kh, width, height = (int(n) for n in rng.integers(1, 6, 4))
        w_src, h_src = (int(n) for n in rng.integers(1, 6, 2))
        xp, yp = (int(n) for n in rng.integers(0, 4, 2))
        weights = rng.integers(-128, 128, (depth, channels, kw, kh))
        source = rng.integers(-255, 256, (channels, w_src, h_src)) * (rng.random((channels, w_src, h_src)) < 0.7)

        expected = np.zeros((depth, width, height), np.int64)
        grown = np.zeros((channels, w_src << upsample, h_src << upsample), np.int64)
        grown[:, ::1 << upsample, ::1 << upsample] = source
        for x, y, j, k in np.ndindex(width, height, kw, kh):
            column, row = stride * x + j * dilation - xp, stride * y + k * dilation - yp
            if 0 <= column < grown.shape[1] and 0 <= row < grown.shape[2]:
                expected[:, x, y] += weights[:, :, j, k] @ grown[:, column, row]

        words = -(-depth // 4)
        stored = np.zeros((channels, kw, kh, words * 4), np.int64)
        stored[..., :depth] = weights[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
        base, weight_base = 64, 4096
        weight_bytes = np.zeros(config.memory_bytes, np.int64)
        weight_bytes[weight_base * 8:weight_base * 8 + stored.size] = stored.ravel()
        geometry = lay.geometry.pack(state_base=base, width=width, height=height, x_stride=height * words,
                                     depth_words=words, last_lane=(depth - 1) % 4)
        edge = lay.edge.pack(kernel_width=kw, kernel_height=kh, weight_base=weight_base, source_channels=channels,
                             weight_stride=kw * kh * words * 4, step=step, dilated=dilated)
        c, x, y = np.nonzero(source)
        events = {"id": np.zeros_like(c), "c": c, "v": source[c, x, y],
                      "x": (x << upsample) - (kw - 1) * dilation + xp, "y": (y << upsample) - (kh - 1) * dilation + yp}
        result = expand_events(config, [geometry, 0, edge], 1, 1, events)
        states = np.zeros((config.memory_words, 4), np.int64)
        for lane in range(4):
            contribution = weight_bytes[result.weight_address + lane] * result.v * (result.mask >> lane & 1)
            np.add.at(states[:, lane], result.state_address, contribution)
        got = states[base:base + width * height * words].reshape(width, height, words * 4)[..., :depth]
        np.testing.assert_array_equal(got.transpose(2, 0, 1), expected)
