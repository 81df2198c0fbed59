"""The neuron update and the evaluation: vectorized against literal, literal against exact fractions and by hand."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.neuron.evaluation import PopulationMap, evaluate_population
from golden.neuron.requantize import evaluate, evaluate_one, shift_rounded, shift_rounded_array
from golden.neuron.states import pack_lanes, pack_states, unpack_lanes, unpack_states, wrap
from golden.neuron.update import accumulate, accumulate_one
from golden.words import NeuronType, Saturation, layouts

GRAI_VIP = CoreConfig.preset("grai_vip")
WIDE = CoreConfig(name="wide", lanes=8, channel_bits=10, multiplier_bits=24, value_bits=16)
LONG = CoreConfig(name="long", lanes=2, state_bits=32, multiplier_bits=24, value_bits=9)
LONG_WIDE = CoreConfig(name="long_wide", lanes=8, state_bits=32, multiplier_bits=24, value_bits=12)
CONFIGS = [GRAI_VIP, CoreConfig.preset("fpga_small"), WIDE, LONG, LONG_WIDE]


def corners(rng: np.random.Generator, low: int, high: int, count: int) -> np.ndarray:
    """Integers of [low, high], a third of them at the ends and around zero."""
    values = rng.integers(low, high, count, endpoint=True)
    special = np.clip(rng.choice([low, low + 1, -1, 0, 1, high - 1, high], count), low, high)
    return np.where(rng.random(count) < 1 / 3, special, values)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_lanes_pack_and_unpack(config: CoreConfig) -> None:
    rng = np.random.default_rng(1)
    half = 1 << (config.state_bits - 1)
    states = corners(rng, -half, half - 1, 64 * config.lanes).reshape(8, 8, config.lanes)
    words = pack_states(states, config)
    assert np.array_equal(unpack_states(words, config), states)
    for position in np.ndindex(8, 8):
        word = pack_lanes(states[position], config)
        assert unpack_lanes(word, config) == states[position].tolist()
        parts = np.atleast_1d(words[position]).tolist()
        assert word == sum(part << (64 * i) for i, part in enumerate(parts))
        assert pack_lanes(states[position] + (5 << config.state_bits), config) == word


def test_lane_zero_is_least_significant() -> None:
    assert unpack_lanes(0x8000_0003_FFFF_0001, GRAI_VIP) == [1, -1, 3, -32768]
    assert unpack_states(np.array([0x8000_0003_FFFF_0001], np.uint64), GRAI_VIP).tolist() == [[1, -1, 3, -32768]]


def test_packing_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="has 4 states, not 3"):
        pack_states(np.zeros((2, 3)), GRAI_VIP)
    with pytest.raises(ValueError, match="last axis of 2 parts, not 3"):
        unpack_states(np.zeros((5, 3), np.uint64), WIDE)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.long)])
def test_accumulate_equals_literal(config: CoreConfig, maximum: bool, count: int) -> None:
    rng = np.random.default_rng(2)
    half, v_half = 1 << (config.state_bits - 1), 1 << (config.value_bits - 1)
    for shift in range(1 << config.product_shift_bits):
        states = corners(rng, -half, half - 1, count * config.lanes).reshape(count, config.lanes)
        weights = corners(rng, -128, 127, count * config.lanes).reshape(count, config.lanes)
        v = corners(rng, -v_half, v_half - 1, count)[:, np.newaxis]
        mask = rng.random((count, config.lanes)) < 0.7
        result = accumulate(states, weights, v, mask, shift=shift, maximum=maximum, config=config)
        for at in np.ndindex(count, config.lanes):
            one = accumulate_one(int(states[at]), int(weights[at]), int(v[at[0], 0]), shift=shift, maximum=maximum,
                                 config=config)
            assert result[at] == (one if mask[at] else states[at])


def test_accumulate_by_hand() -> None:
    def update(state: int, weight: int, v: int, shift: int = 0, maximum: bool = False) -> int:
        result = accumulate([state, 7], [weight, 9], v, [True, False], shift=shift, maximum=maximum, config=GRAI_VIP)
        assert result[1] == 7
        return int(result[0])

    assert update(100, -3, 5) == 85
    assert update(32767, 1, 1) == -32768
    assert update(-32768, 1, -1) == 32767
    assert update(0, -128, -256, 0) == -32768  # 2**15 wraps
    assert update(0, -128, 255, 7) == wrap(-128 * 255 << 7, 16) == 16384
    assert update(5, 2, 3, maximum=True) == 6
    assert update(7, 2, 3, maximum=True) == 7
    assert update(5, -128, -256, maximum=True) == 5  # the product wraps before the comparison


def test_accumulation_does_not_depend_on_order() -> None:
    rng = np.random.default_rng(3)
    weights, values = rng.integers(-128, 128, 2000), rng.integers(-256, 256, 2000)
    for order in (np.arange(2000), rng.permutation(2000)):
        state = np.zeros(1, np.int64)
        for i in order:
            state = accumulate(state, weights[i], values[i], True, shift=3, maximum=False, config=GRAI_VIP)
        assert state[0] == wrap(int((weights * values * 8).sum()), 16)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("saturation", [Saturation.RELU, Saturation.SIGNED, Saturation.FULL])
def test_evaluate_equals_literal_and_fractions(config: CoreConfig, saturation: int) -> None:
    rng = np.random.default_rng(4)
    half, count = 1 << (config.state_bits - 1), 4000
    state, bias = corners(rng, -half, half - 1, count), corners(rng, -half, half - 1, count)
    multiplier = corners(rng, 0, (1 << config.multiplier_bits) - 1, count)
    shift = rng.integers(0, 1 << config.shift_bits, count)
    moderate = np.arange(count) % 2 == 0  # so that half of the values do not saturate
    span = config.state_bits + 1 + config.multiplier_bits - config.value_bits
    shift = np.where(moderate, rng.integers(span - 4, span + 4, count), shift)
    result = evaluate(state, bias, multiplier, shift, saturation, config)
    low, high = Saturation.bounds(saturation, config.value_bits)
    for i in range(count):
        arguments = int(state[i]), int(bias[i]), int(multiplier[i]), int(shift[i])
        assert result[i] == evaluate_one(*arguments, saturation, config), arguments
        exact = Fraction((arguments[0] + arguments[1]) * arguments[2], 1 << arguments[3])
        assert result[i] == min(max(round(exact), low), high), arguments  # half to even
    assert {low, high} < set(result.tolist()) and ((result > low) & (result < high)).sum() > count // 8


def test_evaluate_by_hand() -> None:
    def y(state: int, bias: int = 0, multiplier: int = 1, shift: int = 0, saturation: int = Saturation.FULL) -> int:
        return int(evaluate(state, bias, multiplier, shift, saturation, GRAI_VIP))

    assert [y(n, shift=1) for n in (-5, -3, -2, -1, 0, 1, 2, 3, 5)] == [-2, -2, -1, 0, 0, 0, 1, 2, 2]  # to even
    assert [y(n, shift=2) for n in (-7, -6, -5, 5, 6, 7)] == [-2, -2, -1, 1, 2, 2]
    assert [y(n) for n in (-300, -256, 255, 300)] == [-256, -256, 255, 255]
    assert [y(n, saturation=Saturation.RELU) for n in (-1, 0, 255, 256)] == [0, 0, 255, 255]
    assert [y(n, saturation=Saturation.SIGNED) for n in (-129, -128, 127, 128)] == [-128, -128, 127, 127]
    assert y(32767, 32767, 65535, 25) == 128  # the sum needs 17 bits
    assert y(-32768, -32768, 65535, 25) == -128
    assert y(32767, 32767, 65535, 63) == y(-32768, -32768, 65535, 63) == 0


@pytest.mark.parametrize("shift", [0, 1, 2, 5, 16, 40, 58, 63])
def test_rounding_around_every_kind_of_tie(shift: int, seed: int) -> None:
    """Next to ties of both signs and above even and odd integers, also where the shift leaves nothing but the sign."""
    rng = np.random.default_rng([seed, 6])
    around = [(whole << shift) + sign * (1 << shift >> 1) + near
              for whole in range(-4, 5) for near in (-1, 0, 1) for sign in (-1, 1)]
    far = rng.integers(-(1 << 60), 1 << 60, 100).tolist()
    values = np.array([value for value in around + far if -(1 << 62) <= value < 1 << 62])
    expected = [round(Fraction(value, 1 << shift)) for value in values.tolist()]
    assert [shift_rounded(int(value), shift) for value in values] == expected
    assert shift_rounded_array(values, np.full(values.shape, shift)).tolist() == expected


def test_population_map_by_hand() -> None:
    population = {"base": 100, "axons": 3, "depth": 9, "uniform": 0, "pad": 1, "width": 5, "height": 7,
                  "type": NeuronType.SUM, "extended": 0}
    assert PopulationMap.of(population, GRAI_VIP) == PopulationMap(
        axons=100, axon_words=1, parameters=103, states=112, depth_words=3, y_stride=3, x_stride=21)
    population |= {"depth": 8, "uniform": 1}
    assert PopulationMap.of(population, GRAI_VIP) == PopulationMap(
        axons=100, axon_words=1, parameters=103, states=104, depth_words=2, y_stride=3, x_stride=21)
    population |= {"pad": 0}
    assert PopulationMap.of(population, GRAI_VIP).y_stride == 2
    population |= {"extended": 1}
    second = {"far_axons": 1, "apart": 0, "state_base": 0}
    assert PopulationMap.of(population, GRAI_VIP, second) == PopulationMap(
        axons=101, axon_words=2, parameters=107, states=108, depth_words=2, y_stride=2, x_stride=14)
    assert PopulationMap.of(population, GRAI_VIP, second | {"far_axons": 0}).states == 105
    assert PopulationMap.of(population, GRAI_VIP, second | {"apart": 1, "state_base": 7}) == PopulationMap(
        axons=101, axon_words=2, parameters=107, states=7, depth_words=2, y_stride=2, x_stride=14)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("uniform", [0, 1])
@pytest.mark.parametrize("pad", [0, 1])
def test_evaluate_population_equals_arrays(config: CoreConfig, uniform: int, pad: int) -> None:
    rng = np.random.default_rng([5, uniform, pad])
    config = dataclasses.replace(config, address_bits=12)
    table = layouts(config)
    for depth, width, height in [(1, 1, 1), (7, 3, 4), (8, 4, 3), (17, 1, 5)]:
        fields = {"base": 40, "width": width, "height": height, "depth": depth, "uniform": uniform, "pad": pad,
                  "axons": 2, "saturation": Saturation.SIGNED, "type": NeuronType.SUM, "extended": 0}
        place = PopulationMap.of(fields, config)
        memory = [int.from_bytes(rng.bytes(config.word_bits // 8), "little") for _ in range(config.memory_words)]
        state = rng.integers(-3000, 3000, (depth, width, height))
        bias, multiplier = rng.integers(-99, 99, depth), rng.integers(1, 9, depth)
        shift = rng.integers(0, 8, depth)
        if uniform:
            bias[:], multiplier[:], shift[:] = bias[0], multiplier[0], shift[0]
        for c in range(1 if uniform else depth):
            memory[place.parameters + c] = table.parameter.pack(
                bias=int(bias[c]), multiplier=int(multiplier[c]), shift=int(shift[c]))
        addresses = set()
        for c, x, y in np.ndindex(state.shape):
            address = place.states + x * place.x_stride + y * place.y_stride + c // config.lanes
            low = c % config.lanes * config.state_bits
            memory[address] &= ~(((1 << config.state_bits) - 1) << low)
            memory[address] |= (int(state[c, x, y]) & ((1 << config.state_bits) - 1)) << low
            addresses.add(address)
        before = list(memory)
        neurons, trace = evaluate_population(memory, 3, table.population.pack(fields), config)

        values = np.zeros(state.shape, np.int64)
        for neuron in neurons[:-1]:
            assert (neuron["axon_base"], neuron["axons"], neuron["population"], neuron["end"]) == (40, 2, 3, 0)
            values[neuron["c"], neuron["x"], neuron["y"]] = neuron["v"]
        column = (slice(None), np.newaxis, np.newaxis)
        expected = evaluate(state, bias[column], multiplier[column], shift[column], Saturation.SIGNED, config)
        assert np.array_equal(values, expected) and len(neurons) - 1 == np.count_nonzero(expected)
        assert neurons[-1]["end"] == 1 and sum(neurons[-1][key] for key in "xycv") == 0
        order = [(n["c"] // config.lanes, n["x"], n["y"], n["c"]) for n in neurons[:-1]]
        assert order == sorted(order)

        assert {address for address, _ in trace} == addresses and len(trace) == len(addresses)
        assert all(word == before[address] for address, word in trace)
        assert all(word == (0 if address in addresses else before[address]) for address, word in enumerate(memory))


def test_empty_population_sends_only_its_end() -> None:
    word = layouts(GRAI_VIP).population.pack(base=9, depth=0, axons=1)
    memory = [7] * GRAI_VIP.memory_words
    neurons, trace = evaluate_population(memory, 1, word, GRAI_VIP)
    assert [neuron["end"] for neuron in neurons] == [1] and not trace and set(memory) == {7}
