"""Slopes, tables, products and spiking neurons: vectorized against literal, both against arithmetic done otherwise."""

import itertools
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron.evaluation import pack_table, table_entry, unpack_table
from golden.neuron.requantize import evaluate, evaluate_one
from golden.neuron.types.product import Product
from golden.neuron.types.spiking import spike, spike_one
from golden.neuron.update import accumulate
from golden.words import NeuronType, Reset, Saturation, layouts
from tests.golden.neuron.test_neuron import CONFIGS, GRAI_VIP, LONG, corners

NARROW = CoreConfig(name="narrow", product_shift_bits=1, multiplier_bits=8, value_bits=5)
LONG_EIGHT = CoreConfig(name="long_eight", lanes=2, state_bits=32, multiplier_bits=8)


def rounded(exact: Fraction, low: int, high: int) -> int:
    """Clipped to [low, high]; Python rounds fractions half to even."""
    return min(max(round(exact), low), high)


def test_widths_of_slope_and_operands() -> None:
    """The slope has what room there is; two operands fit a state, and a weight with its shift reaches the second."""
    assert [config.slope_bits for config in (GRAI_VIP, LONG, LONG_EIGHT)] == [17, 1, 17]
    assert [config.operand_bits for config in (GRAI_VIP, LONG, NARROW)] == [8, 13, 7]
    for config in (*CONFIGS, NARROW, LONG_EIGHT):
        assert layouts(config).parameter.bits <= 64
        assert 2 * config.operand_bits <= config.state_bits
        assert 1 << config.operand_bits <= 64 << ((1 << config.product_shift_bits) - 1)
    with pytest.raises(ConfigError):
        CoreConfig(name="x", lanes=2, state_bits=32, multiplier_bits=25)


@pytest.mark.parametrize("config", [*CONFIGS, NARROW], ids=lambda config: config.name)
def test_slope_equals_literal_and_fractions(config: CoreConfig, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    half, count = 1 << (config.state_bits - 1), 3000
    state, bias = corners(rng, -half, half - 1, count), corners(rng, -half, half - 1, count)
    multiplier = corners(rng, 0, (1 << config.multiplier_bits) - 1, count)
    field = layouts(config).parameter.field("slope")
    width = min(field.bits, config.multiplier_bits + 1)
    slope = corners(rng, -(1 << (width - 1)), (1 << (width - 1)) - 1, count)
    leaky = rng.integers(0, 2, count)
    span = config.state_bits + 1 + config.multiplier_bits - config.value_bits
    shift = np.clip(span + rng.integers(-4, 4, count), 0, (1 << config.shift_bits) - 1)
    result = evaluate(state, bias, multiplier, shift, Saturation.FULL, config, leaky=leaky, slope=slope)
    low, high = Saturation.bounds(Saturation.FULL, config.value_bits)
    changed = 0
    for i, value in enumerate(result.tolist()):
        one = [int(array[i]) for array in (state, bias, multiplier, shift)]
        assert value == evaluate_one(*one, Saturation.FULL, config, leaky=int(leaky[i]), slope=int(slope[i]))
        total = one[0] + one[1]
        factor = int(slope[i]) if leaky[i] and total < 0 else one[2]
        assert value == rounded(Fraction(total * factor, 1 << one[3]), low, high)
        changed += value != rounded(Fraction(total * one[2], 1 << one[3]), low, high)
    assert changed > 50


def test_leaky_relu_by_hand() -> None:
    def y(state: int, saturation: int = Saturation.SIGNED, **more: int) -> int:
        return int(evaluate(state, 0, 16, 4, saturation, GRAI_VIP, leaky=1, **more))

    assert [y(v, slope=4) for v in (-100, -2, -1, 0, 1, 100)] == [-25, 0, 0, 0, 1, 100]  # -0.5 is 0, the even one
    assert [y(v, Saturation.RELU, slope=-16) for v in (-100, 100)] == [100, 100]  # the absolute value
    assert y(-100, slope=(1 << 16) | 3) == 127, "a slope is signed"
    assert int(evaluate(-100, 0, 16, 4, Saturation.SIGNED, GRAI_VIP, leaky=0, slope=4)) == -100


@pytest.mark.parametrize("config", [GRAI_VIP, LONG, NARROW], ids=lambda config: config.name)
@pytest.mark.parametrize(("type", "signed"), [
    (NeuronType.PRODUCT, (True, True)), (NeuronType.PRODUCT_MIXED, (False, True)),
    (NeuronType.PRODUCT_UNSIGNED, (False, False))])
def test_products_of_all_operands(config: CoreConfig, type: int, signed: tuple[bool, bool], seed: int) -> None:
    """Accumulated in any order, as events would bring them, and multiplied: all pairs of up to 8 bits."""
    bits = config.operand_bits
    ranges = [np.arange(-(1 << (bits - 1)), 1 << (bits - 1)) if side else np.arange(1 << bits) for side in signed]
    if bits > 8:
        rng = np.random.default_rng([seed, 2])
        ranges = [np.unique(np.concatenate([rng.choice(values, 200), values[[0, 1, -2, -1]]])) for values in ranges]
    a, b = np.meshgrid(*ranges, indexing="ij")
    shift = min(bits, (1 << config.product_shift_bits) - 1)
    weight = 1 << (bits - shift)
    assert weight <= 127
    add = {"mask": True, "maximum": False, "config": config}
    one_way = accumulate(accumulate(np.zeros_like(a), 1, a, shift=0, **add), weight, b, shift=shift, **add)
    other_way = accumulate(accumulate(np.zeros_like(a), weight, b, shift=shift, **add), 1, a, shift=0, **add)
    assert np.array_equal(one_way, other_way)
    down = 2 * bits - config.value_bits + 1
    parameters = {"bias": -7, "multiplier": 3, "shift": down}
    result, kept = Product.evaluate(one_way, parameters, Saturation.FULL, config, type=type)
    assert not kept.any()
    low, high = Saturation.bounds(Saturation.FULL, config.value_bits)
    exact = np.clip(np.rint((a * b - 7) * 3 / 2**down), low, high)  # to even; float64 has room for all of it
    np.testing.assert_array_equal(result, exact)
    assert low < exact.min() < exact.max() < high or config is NARROW or type != NeuronType.PRODUCT
    for at in itertools.islice(np.ndindex(a.shape), 0, None, 37):
        assert (result[at], 0) == Product.evaluate_one(int(one_way[at]), parameters, Saturation.FULL, config, type=type)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_tables(config: CoreConfig, seed: int) -> None:
    """Words and entries, wherever the table lies; a value looks up the entry of its number."""
    rng = np.random.default_rng([seed, 3])
    half = 1 << (config.value_bits - 1)
    table = rng.integers(-half, half, 2 * half)
    words = pack_table(table, config)
    assert words.shape == (config.table_words, config.word_bits // 64)
    assert np.array_equal(unpack_table(words, config), table)
    memory = [int.from_bytes(rng.bytes(config.word_bits // 8), "little") for _ in range(config.memory_words)]
    for base in (config.table_words, 5, config.memory_words - 1):
        for number, row in enumerate(words.tolist()):
            address = (base - config.table_words + number) % config.memory_words
            memory[address] = sum(part << (64 * i) for i, part in enumerate(row))
        assert [table_entry(memory, base, index, config) for index in range(0, 2 * half, 7)] == table[::7].tolist()
    sums = np.concatenate([np.arange(-half - 5, half + 5), rng.integers(-9 * half, 9 * half, 100)])
    sums = np.clip(sums, -(1 << (config.state_bits - 1)), (1 << (config.state_bits - 1)) - 1)
    result = evaluate(sums, 0, 1, 0, Saturation.TABLE, config, table=table)
    assert result.tolist() == [table[min(max(v, -half), half - 1) + half] for v in sums.tolist()]
    assert result.tolist() == [evaluate_one(v, 0, 1, 0, Saturation.TABLE, config, table=table.__getitem__)
                               for v in sums.tolist()]
    with pytest.raises(ValueError, match="needs a table"):
        evaluate(sums, 0, 1, 0, Saturation.TABLE, config)


@pytest.mark.parametrize("config", [*CONFIGS, LONG_EIGHT], ids=lambda config: config.name)
@pytest.mark.parametrize("reset", range(4))
def test_spikes_equal_literal_and_fractions(config: CoreConfig, reset: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    half, count = 1 << (config.state_bits - 1), 3000
    state, bias = corners(rng, -half, half - 1, count), corners(rng, -half, half - 1, count)
    field = layouts(config).parameter.field("slope")
    width = min(field.bits, config.state_bits + 1)
    threshold = corners(rng, -(1 << (width - 1)), (1 << (width - 1)) - 1, count)
    multiplier = corners(rng, 0, (1 << config.multiplier_bits) - 1, count)
    shift = np.clip(config.multiplier_bits + rng.integers(-3, 2, count), 0, (1 << config.shift_bits) - 1)
    fired, kept = spike(state, bias, multiplier, shift, reset, config, slope=threshold, leaky=rng.integers(0, 2, count))
    low = -half // 2 if reset & Reset.HALVED else -half
    for i in range(count):
        one = [int(array[i]) for array in (state, bias, multiplier, shift)]
        assert (int(fired[i]), int(kept[i])) == spike_one(*one, reset, config, slope=int(threshold[i]))
        potential, fires = one[0] + one[1], one[0] + one[1] >= threshold[i]
        if fires:
            potential = 0 if reset & 1 == Reset.ZERO else potential - int(threshold[i])
        assert fired[i] == fires and kept[i] == rounded(Fraction(potential * one[2], 1 << one[3]), low, -low - 1)
    assert 0.2 < fired.mean() < 0.8 and low in kept and (-low - 1 in kept or reset & 1 == Reset.ZERO)


@pytest.mark.parametrize(("current", "threshold"), [(3, 10), (7, 5), (1, 1), (100, 333)])
def test_rate_of_integrate_and_fire(current: int, threshold: int) -> None:
    """Without leak: floor(n · current / threshold) spikes while at most one per step; to zero: one per whole period."""
    for reset, period in ((Reset.SUBTRACT, Fraction(threshold, current)), (Reset.ZERO, -(-threshold // current))):
        state, spikes = 0, 0
        for step in range(1, 200):
            fired, kept = spike(state, current, 1, 0, reset, GRAI_VIP, slope=threshold)
            spikes, state = spikes + int(fired), int(kept)
            assert spikes == (floor(step / period) if period >= 1 else step)


def test_leak_by_hand() -> None:
    """Integrate, fire, reset, leak: a spike's rest leaks, and what arrives leaks only after it may have fired."""
    def run(inputs: list[int], **more: int) -> list[tuple[int, int]]:
        state, seen = 0, []
        for value in inputs:
            fired, kept = spike(state + value, 0, 1, 1, more.get("reset", 0), GRAI_VIP, slope=100)
            state = int(kept)
            seen.append((int(fired), state))
        return seen

    assert run([99, 0, 0, 90]) == [(0, 50), (0, 25), (0, 12), (1, 1)]
    assert run([100, 0, 300]) == [(1, 0), (0, 0), (1, 100)]
    assert run([300, 0], reset=Reset.ZERO) == [(1, 0), (0, 0)]
    assert run([-40, -1]) == [(0, -20), (0, -10)]
    assert int(spike(32767, 32767, 3, 0, 0, GRAI_VIP, slope=65535)[1]) == 32767, "clipped, not wrapped"
    assert int(spike(-32768, -32768, 3, 0, 0, GRAI_VIP, slope=1)[1]) == -32768
    assert [int(spike(state, 0, 1, 0, Reset.HALVED, GRAI_VIP, slope=20000)[1]) for state in (
        -16385, -16384, 16383, 16384, 20001)] == [-16384, -16384, 16383, 16383, 1], "half of the range"
