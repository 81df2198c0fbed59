"""The event generator against a brute force over all taps of a kernel, and vectorized against literal."""

import itertools

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.synapse.peg import extent, generate, generate_all, generate_array, hits
from golden.words import EventKind, layouts

GRAI_VIP = CoreConfig.preset("grai_vip")
SMALL = CoreConfig.preset("fpga_small")
EXACT = CoreConfig(name="exact", extent_unit_log2=0, coordinate_bits=6, offset_bits=8, mesh_bits=3)
COARSE = CoreConfig(name="coarse", extent_unit_log2=5)
CONFIGS = [GRAI_VIP, SMALL, EXACT, COARSE]


def surviving_taps(position: int, taps: int, dilation: int, stride: int, width: int) -> int:
    """How many taps of a kernel land on a neuron: the ESU's loop, which visits every tap (paper, algorithm 4)."""
    count = 0
    for tap in range(taps):
        virtual = position + tap * dilation
        if 0 <= virtual < width << stride and virtual % (1 << stride) == 0:
            count += 1
    return count


def limit_of(width: int, stride: int, config: CoreConfig) -> int:
    """The axon's x_limit for a destination of `width` neurons."""
    return ((width << stride) - (1 << stride)) >> config.extent_unit_log2


def sweep(config: CoreConfig) -> itertools.product:
    """Strides, destination widths and a range of positions around each of them."""
    widest = 1 << (config.offset_bits - 1)
    widths = [1, 2, 3, 7, 8, 9, 13, widest // 8]
    return itertools.product(range(4), widths)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_hits_equal_brute_force_in_whole_units(config: CoreConfig) -> None:
    """The test is exact, except right of the destination by less than one unit of the stored limit."""
    unit, seen = 1 << config.extent_unit_log2, {"hit": 0, "miss": 0, "in vain": 0}
    for stride, width in sweep(config):
        last = (width << stride) - (1 << stride)
        limit = limit_of(width, stride, config)
        for taps in range(1, 1 << config.kernel_bits):  # all but the field's maximum
            for position in range(-taps - 3, last + unit + 9):
                needed = surviving_taps(position, taps, 1, stride, width) > 0
                sent = hits(position, limit, taps, stride, config)
                where = {"stride": stride, "width": width, "taps": taps, "position": position}
                if needed or position <= last:
                    assert sent == needed, where
                else:
                    assert not sent or position - last < unit, where
                seen["in vain" if sent and not needed else "hit" if sent else "miss"] += 1
    assert seen["hit"] > 1000 and seen["miss"] > 1000 and (seen["in vain"] > 0) == (unit > 1), seen


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_large_extents_miss_nothing(config: CoreConfig) -> None:
    """The field's maximum stands for every extent from there to a quarter of the positions; events in vain are few."""
    largest, maximum = 1 << (config.offset_bits - 2), 1 << config.kernel_bits
    assert extent(maximum, config) == largest and extent(maximum - 1, config) == maximum - 1
    in_vain = 0
    for (stride, width), taps in itertools.product(sweep(config), (maximum, maximum + 1, largest // 2, largest)):
        limit, last = limit_of(width, stride, config), (width << stride) - (1 << stride)
        for position in [*range(-largest - 3, 3), *range(3, last + 20, 3)]:
            needed = surviving_taps(position, taps, 1, stride, width) > 0
            sent = hits(position, limit, maximum, stride, config)
            assert sent or not needed, {"stride": stride, "width": width, "taps": taps, "position": position}
            in_vain += sent and not needed
            if position < 0 and taps == largest:
                assert sent == (position + taps > 0)
    assert in_vain > 0


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_dilated_kernels_miss_nothing(config: CoreConfig) -> None:
    missed_by_holes = 0
    for width, taps, dilation in itertools.product([1, 2, 5, 9, 13], [2, 3, 5], [2, 4, 8]):
        reach = (taps - 1) * dilation + 1
        limit = limit_of(width, 0, config)
        for position in range(-reach - 2, width + 3):
            needed = surviving_taps(position, taps, dilation, 0, width) > 0
            sent = hits(position, limit, min(reach, 1 << config.kernel_bits), 0, config)
            assert sent or not needed, {"width": width, "taps": taps, "dilation": dilation, "position": position}
            missed_by_holes += sent and not needed
    assert missed_by_holes > 0


def test_hits_by_hand() -> None:
    def hit(position: int, limit: int = 3, taps: int = 3, stride: int = 0, config: CoreConfig = EXACT) -> bool:
        return hits(position, limit, taps, stride, config)

    assert [p for p in range(-9, 9) if hit(p)] == [-2, -1, 0, 1, 2, 3]
    assert [p for p in range(-9, 9) if hit(p, limit=4, taps=1, stride=1)] == [0, 2, 4]
    assert [p for p in range(-9, 9) if hit(p, limit=4, taps=1, stride=2)] == [0, 4]
    assert [p for p in range(-9, 9) if hit(p, limit=0, taps=3, stride=3)] == [-2, -1, 0]
    assert [p for p in range(-9, 19) if hit(p, limit=8, taps=3, stride=3)] == [-2, -1, 0, 6, 7, 8]
    assert [p for p in range(-9, 19) if hit(p, limit=1, taps=2, config=GRAI_VIP)] == list(range(-1, 16))
    assert not hit(-128, taps=16, config=GRAI_VIP) and hit(-127, taps=16, config=GRAI_VIP)


def random_axon(rng: np.random.Generator, config: CoreConfig) -> dict[str, int]:
    return {field.name: int(rng.integers(field.low, field.high, endpoint=True))
            for field in layouts(config).axon.fields}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_array_equals_literal(config: CoreConfig) -> None:
    rng = np.random.default_rng(11)
    half, total = 1 << (config.value_bits - 1), 0
    for _ in range(200):
        axon = random_axon(rng, config) | {"upsample": int(rng.integers(0, 3))}
        x, y = (rng.integers(0, 1 << rng.integers(3, config.coordinate_bits + 1), 100) for _ in range(2))
        c, v = rng.integers(0, 1 << config.channel_bits, 100), rng.integers(-half, half, 100)
        hit, events = generate_array(x, y, c, v, axon, config)
        literal = [generate({"x": int(x[i]), "y": int(y[i]), "c": int(c[i]), "v": int(v[i])}, axon, config)
                   for i in range(100)]
        assert hit.tolist() == [event is not None for event in literal]
        total += int(hit.sum())
        for i, event in enumerate(event for event in literal if event):
            assert event == {name: int(array[i]) for name, array in events.items()}
    assert 1000 < total < 19000


def test_event_by_hand() -> None:
    axon = {"x_offset": -5, "y_offset": 7, "c_offset": 40, "x_limit": 31, "y_limit": 31, "kernel_width": 3,
            "kernel_height": 3, "upsample": 1, "stride": 0, "core_x": -2, "core_y": 3, "id": 9}
    neuron = {"x": 10, "y": 20, "c": 2, "v": -77, "population": 4}
    assert generate(neuron, axon, GRAI_VIP) == {
        "kind": EventKind.VALUE, "x": 15, "y": 47, "c": 42, "v": -77, "core_x": -2, "core_y": 3, "id": 9}
    assert generate(neuron, axon | {"y_limit": 4}, GRAI_VIP) is None
    end = {"x": 0, "y": 0, "c": 0, "v": 0, "population": 4, "end": 1}
    expected = {"kind": EventKind.END, "x": -2, "y": 3, "c": 4, "v": 0, "core_x": -2, "core_y": 3, "id": 9}
    assert generate(end, axon, GRAI_VIP) == expected
    assert generate(end, axon | {"x_offset": 255, "x_limit": 0}, GRAI_VIP) == expected  # whether it hits or not


def test_all_axons_of_a_neuron_before_the_next() -> None:
    axon = {"x_offset": 0, "y_offset": 0, "c_offset": 0, "x_limit": 1, "y_limit": 1, "kernel_width": 1,
            "kernel_height": 1, "upsample": 0, "stride": 0, "core_x": 1, "core_y": 0, "id": 1}
    axons = [axon, axon | {"x_offset": -8, "id": 2}, axon | {"id": 3}]
    neurons = [{"x": x, "y": 0, "c": 0, "v": 1, "population": 0, "end": 0} for x in (2, 8)]
    neurons.append({"x": 0, "y": 0, "c": 0, "v": 0, "population": 0, "end": 1})
    events = generate_all(neurons, axons, GRAI_VIP)
    assert [(event["kind"], event["id"]) for event in events] == [
        (0, 1), (0, 3), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]


def test_events_fit_their_word() -> None:
    """Whatever hits fits the event's anchor fields, for the widest axon fields."""
    rng = np.random.default_rng(12)
    for config in CONFIGS:
        event_word, axon_word, count = layouts(config).event, layouts(config).axon, 0
        for _ in range(3000):
            axon = random_axon(rng, config) | {"c_offset": 0, "upsample": int(rng.integers(0, 3))}
            neuron = {"x": int(rng.integers(0, 1 << config.coordinate_bits)), "c": 0, "v": 1, "population": 0,
                      "y": int(rng.integers(0, 1 << config.coordinate_bits))}
            for position, offset in (("x", "x_offset"), ("y", "y_offset")):  # so that many hit
                corner = int(rng.integers(-20, 4)) - (neuron[position] << axon["upsample"])
                if axon_word.field(offset).low <= corner:
                    axon[offset] = corner
            event = generate(neuron, axon, config)
            if event:
                assert event_word.unpack(event_word.pack(event)) == event
                count += 1
        assert count > 200
