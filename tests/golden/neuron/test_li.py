"""Leaky integrators: golden model against exact fractions, hardware, and the refusal of narrow multipliers."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.neuron.types import built_types
from golden.neuron.types.li import LeakyIntegrator
from tests.golden.neuron.test_cuba import CONFIG, SHORT
from tests.tb.test_evaluation import run

CODE = next(iter(LeakyIntegrator.codes))
TYPES = ("sum", "product", "spiking", "li")
NARROW = dataclasses.replace(PRESETS["grai_vip"], name="li", address_bits=14, neuron_types=TYPES)
ENDS = {0: (0, 255), 1: (-128, 127), 2: (-256, 255)}


@pytest.mark.parametrize("mode", ENDS)
def test_populations_equal_exact_fractions(mode: int, seed: int) -> None:
    """Over 500 random populations, 50 timesteps each: every value and every potential, to the ends of its range."""
    rng, count, at_end = np.random.default_rng([seed, 1, mode]), 170, 0
    parameters = {
        "bias": rng.integers(-30, 31, count), "multiplier": rng.integers(1, 300, count),
        "shift": rng.integers(0, 14, count), "leaky": np.zeros(count, int), "slope": np.zeros(count, int),
        "decay": rng.choice([0, 4096, 1, 300, 2048, 4095], count)}
    spread = rng.choice([5, 300, 12000], count)
    states, potentials = np.zeros(count, np.int64), [0] * count
    for _ in range(50):
        given = np.minimum(np.maximum(states + rng.integers(-spread, spread + 1), -32768), 32767) - states
        values, states = LeakyIntegrator.evaluate(states + given, parameters, mode, NARROW, type=CODE)
        for i in range(count):
            bias, multiplier, shift, decay = (int(parameters[name][i]) for name in (
                "bias", "multiplier", "shift", "decay"))
            potential = potentials[i] + int(given[i]) + bias
            # Python rounds exact halves to even.
            value, (low, high) = round(Fraction(potential * multiplier, 2**shift)), ENDS[mode]
            assert values[i] == min(max(value, low), high)
            potentials[i] = min(max(int(Fraction(potential * (4096 - decay), 4096)), -32768), 32767)
            assert states[i] == potentials[i]
            at_end += potentials[i] in (-32768, 32767)
    assert at_end > 20 and len(np.unique(values)) > 20


def test_arrays_equal_literal(seed: int) -> None:
    rng, count = np.random.default_rng([seed, 2]), 3000
    for config in (NARROW, CONFIG):
        half, table = 1 << config.state_bits - 1, rng.integers(-256, 256, 512)
        states = np.where(rng.random(count) < 0.2, -half, rng.integers(-half, half, count))
        parameters = {
            "bias": rng.integers(-half, half, count) >> rng.integers(0, 16, count),
            "multiplier": rng.integers(0, 1 << 16, count), "shift": rng.integers(0, 64, count),
            "leaky": rng.integers(0, 2, count), "slope": rng.integers(-256, 256, count),
            "decay": rng.integers(0, 1 << 16, count)}
        for mode in range(4):
            values, kept = LeakyIntegrator.evaluate(states, parameters, mode, config, type=CODE, table=table)
            for i in range(mode, count, 4):
                parameter = {name: int(array[i]) for name, array in parameters.items()}
                assert (values[i], kept[i]) == LeakyIntegrator.evaluate_one(
                    int(states[i]), parameter, mode, config, type=CODE, table=table.tolist().__getitem__)
            assert len(np.unique(kept)) > 500


@pytest.mark.long
def test_hardware_equals_golden_at_length(simulator: str, seed: int) -> None:
    """Every corner of the arithmetic, with pauses; also without CUBA neurons, and where silent ones are passed over.

    In fewer cases, `tests.golden.neuron.test_cuba` has such neurons among others.
    """
    for config in (NARROW, dataclasses.replace(SHORT, name="li_short", neuron_types=TYPES),
                   dataclasses.replace(NARROW, name="li_skipping", skip_silent=1)):
        run(config, simulator, seed, scenario="random", populations=600, corners=not config.skip_silent,
            memory="rarely", neuron="rarely")


def test_narrow_multipliers_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs multiplier_bits >= 13, not 12; set multiplier_bits to 13"):
        built_types(CoreConfig(neuron_types=TYPES, multiplier_bits=12))
    assert built_types(CoreConfig(neuron_types=TYPES, multiplier_bits=13))[CODE] is LeakyIntegrator
