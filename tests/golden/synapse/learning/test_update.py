"""The rule of the update unit: against exact fractions, and what rounding at random is worth."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.synapse.learning.lfsr import PERIOD, Lfsr
from golden.synapse.learning.update import LearningSizes, Rule, moved, product, wrapped
from golden.synapse.organisations.interface import Sizes


def exact(weight: int, trace: int, error: int, random: int, bits: int, rule: Rule) -> int:
    """The weight after its step, in fractions: no shift, and no bit that is cut off."""
    change = Fraction(floor(Fraction(trace, 2 ** rule.trace_shift)) * error, 2 ** rule.rate_shift)
    added = Fraction(1, 2) if rule.nearest else Fraction(random % 2 ** rule.rate_shift, 2 ** rule.rate_shift)
    after = weight + (1 if rule.ascend else -1) * floor(change + added)
    most = 2 ** (bits - 1) - 1
    return min(most, max(-most, after))


@pytest.mark.parametrize("nearest", [0, 1])
@pytest.mark.parametrize("ascend", [0, 1])
def test_every_part_of_the_rule(nearest: int, ascend: int, seed: int) -> None:
    """As numbers, and as arrays of them."""
    rng, moves = np.random.default_rng(seed), 0
    for _ in range(40):
        bits, value_bits = int(rng.integers(1, 13)), int(rng.integers(1, 17))
        rule = Rule(trace_shift=int(rng.integers(8)), rate_shift=int(rng.integers(17)), ascend=ascend, nearest=nearest)
        count, half, errors = 50, 1 << bits - 1, 1 << value_bits - 1
        weights, traces = rng.integers(-half, half, count), rng.integers(0, 256, count)
        random = rng.integers(1, 1 << 16, count)
        error = int(rng.choice([-errors, errors - 1, rng.integers(-errors, errors)]))
        expected = [exact(*each, error, draw, bits, rule) for *each, draw in
                    zip(weights.tolist(), traces.tolist(), random.tolist(), strict=True)]
        found = moved(weights, product(traces, error, rule), random, bits=bits, rule=rule)
        assert found.tolist() == expected
        assert [moved(weight, product(trace, error, rule), draw, bits=bits, rule=rule) for weight, trace, draw in
                zip(weights.tolist(), traces.tolist(), random.tolist(), strict=True)] == expected
        moves += int((found != weights).sum())
    assert moves > 100


def test_rounding_at_random_has_the_exact_mean() -> None:
    """Over the period of the random numbers the mean step is product / 2**rate_shift but for the one state that is
    missing; rounded to the nearest, small steps are none at all."""
    for rate in (1, 4, 8, 12, 16):
        worst = 0.0
        for change in (-30000, -257, -17, -1, 0, 1, 3, 100, 255, 4096, 30001):
            draws = Lfsr().draw(PERIOD)
            all_steps, some = (-moved(np.zeros(len(given), np.int64), np.full(len(given), change), given, bits=40,
                                      rule=Rule(rate_shift=rate)) for given in (draws, Lfsr(state=0x1234).draw(4000)))
            worst = max(worst, abs(all_steps.mean() - change / 2 ** rate))
            assert abs(some.mean() - change / 2 ** rate) < 4 * 0.5 / np.sqrt(4000)
        print(f"rate 2**-{rate}: the mean step is off by at most {worst:.1e}")
        assert worst <= 1.01 / PERIOD
    nearest = Rule(rate_shift=8, nearest=1)
    assert [moved(0, change, 0, bits=8, rule=nearest) for change in (100, -100, 127, 128, -128, -129)] \
        == [0, 0, 0, -1, 0, 1]


def test_sums_wrap() -> None:
    assert [wrapped(total) for total in (0, -1, (1 << 31) - 1, 1 << 31, -(1 << 31) - 1, 5 << 32)] \
        == [0, -1, (1 << 31) - 1, -(1 << 31), (1 << 31) - 1, 0]


@pytest.mark.parametrize(("name", "value", "high"), [
    ("trace_shift", 8, 7), ("rate_shift", 17, 16), ("ascend", 2, 1), ("nearest", -1, 1), ("keep_zeros", 2, 1),
    ("accumulate", 3, 1)])
def test_a_rule_that_cannot_be(name: str, value: int, high: int) -> None:
    with pytest.raises(ConfigError, match=rf"learning rule: {name} = {value} is outside \[0, {high}\]"):
        Rule(**{name: value})


def test_sizes_that_cannot_be() -> None:
    memory = Sizes(address_bits=10, learning=1)
    for name, value in (("entry_bits", 17), ("entry_bits", 2), ("trace_bits", 0), ("gradient_bits", 17)):
        with pytest.raises(ConfigError, match=f"learning: {name} = {value} is outside"):
            LearningSizes(memory, **{name: value})
    with pytest.raises(ConfigError, match="learning = 1"):
        LearningSizes(Sizes(address_bits=10))
    with pytest.raises(ConfigError, match="seed"):
        LearningSizes(memory, seed=0)
    assert LearningSizes.of(CoreConfig.preset("grai_vip")).memory.learning == 1
