"""Products of logarithmic weights against exact powers, and what configurations may ask of them."""

import dataclasses
import random
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron.products import product
from golden.neuron.products.linear import Linear
from golden.neuron.products.log import Log, powers

BASE = CoreConfig(name="times", product="log")


def random_times(pick: random.Random) -> CoreConfig:
    bits = pick.choice([16, 32])
    return dataclasses.replace(
        BASE, state_bits=bits, ttfs_times=pick.randint(1, 63), ttfs_tau=1 << pick.randint(0, 5),
        log_levels=pick.choice([1, 2, 4]), log_fraction_bits=pick.randint(4, min(24, bits - 2)))


def exact(q: int, t: int, shift: int, config: CoreConfig) -> int:
    """floor(round(2**(A - f)) / 2**k) for q/p + t/τ + shift = k + f, f below 1: in decimals of 60 digits."""
    with localcontext() as context:
        context.prec = 60
        exponent = Decimal(q) / config.log_levels + Decimal(t) / config.ttfs_tau + shift
        power = Decimal(2) ** (config.log_fraction_bits - exponent % 1)
        return int(power.quantize(Decimal(1), ROUND_HALF_EVEN)) >> int(exponent)


def test_exact_powers(seed: int) -> None:
    """All codes at random times and shifts, of one and of arrays."""
    pick = random.Random(seed)
    for _ in range(40):
        config = random_times(pick)
        t, shift = pick.randrange(config.ttfs_times), pick.randrange(1 << config.product_shift_bits)
        v = config.ttfs_times - t
        expected = [exact(15 - number, t, shift, config) for number in range(1, 16)]
        expected = [0, *expected, v, *(-power for power in expected)]
        stored = [code - 256 * (code > 127) for code in (code + 32 * pick.randrange(8) for code in range(32))]
        assert [Log.one(code, v, shift, config) for code in stored] == expected
        assert Log.of(stored, v, shift, config).tolist() == expected
        for beyond in (0, -v, config.ttfs_times + 1, -256, 255):
            assert Log.of(stored, beyond, shift, config).tolist() == [0] * 32
            assert {Log.one(code, beyond, shift, config) for code in stored} == {0}


def test_the_default_powers() -> None:
    assert powers(BASE) == (4096, 3444, 2896, 2435)


def test_a_choice_for_each_edge(seed: int) -> None:
    """Of a core with both, the highest bit of the shift chooses."""
    config = dataclasses.replace(BASE, product="both", neuron_types=("sum",))
    both, pick = product(config), random.Random(seed)
    weights = np.array([pick.randint(-128, 127) for _ in range(100)])
    for shift in range(4):
        v = pick.randint(-5, 30)
        assert both.of(weights, v, shift, config).tolist() == Linear.of(weights, v, shift, config).tolist()
        assert both.of(weights, v, 4 + shift, config).tolist() == Log.of(weights, v, shift, config).tolist()
        for given in (shift, 4 + shift):
            assert [both.one(int(weight), v, given, config) for weight in weights] == both.of(
                weights, v, given, config).tolist()


@pytest.mark.parametrize(("change", "message"), [
    ({"ttfs_times": 8, "value_bits": 4}, "'ttfs_times' = 8 must not exceed 7, the largest value of value_bits = 4"),
    ({"ttfs_tau": 3}, "'ttfs_tau' = 3 must be a power of two"),
    ({"log_levels": 3}, "'log_levels' = 3 must be a power of two"),
    ({"log_fraction_bits": 15}, "'log_fraction_bits' = 15 must not exceed state_bits - 2 = 14"),
    ({"product": "both", "product_shift_bits": 0, "neuron_types": ("sum",)}, "'product_shift_bits' = 0 must be at "),
    ({"product": "both"}, "'neuron_types' must not have 'product'"),
    ({"decoder": "mixed", "organisations": ("bitmap",)}, "'product' = log must be linear with organisations"),
    ({"encoder": "walk"}, "'encoder' must be one of search, sweep, not 'walk'"),
    ({"encoder": "sweep", "skip_silent": 1}, "'encoder' = sweep must be search with skip_silent"),
])
def test_refused_configurations(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(BASE, **change)
