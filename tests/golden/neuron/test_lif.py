"""Bounded spiking neurons: golden model against plain floats, and hardware, which `test_cuba` benches, too."""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS
from golden.neuron.types.lif import SEVERAL, TOWARD_ZERO, Lif
from golden.words import Reset
from tests.golden.neuron.test_cuba import CONFIG, SHORT
from tests.tb.test_evaluation import run

TYPES = ("sum", "product", "spiking", "lif")
NARROW = dataclasses.replace(PRESETS["grai_vip"], name="lif", address_bits=14, neuron_types=TYPES)


@pytest.mark.parametrize("code", Lif.codes)
@pytest.mark.parametrize("mode", range(4))
def test_populations_equal_plain_floats(code: int, mode: int, seed: int) -> None:
    """Over 500 random populations, 50 timesteps each: what fires, how often, and every potential."""
    rng, count = np.random.default_rng([seed, 1, code, mode]), 70
    threshold = 2 ** rng.integers(0, 10, count) if code == SEVERAL else rng.integers(1, 900, count)
    left = rng.choice([4096, 0, 4095, 1000, 2731], count)
    lowest, reset = -rng.integers(0, 1500, count), rng.integers(-100, 1, count)
    bias = rng.integers(-9, 10, count)
    parameters = {"bias": bias, "multiplier": left, "shift": np.full(count, 12), "leaky": np.zeros(count, int),
                  "slope": threshold, "lowest": lowest, "highest": reset}
    spread, states, potential = rng.choice([10, 300, 3000], count), np.zeros(count, np.int64), np.zeros(count)
    seen = {"fired": 0, "often": 0, "bounded": 0}
    for _ in range(50):
        given = rng.integers(-spread, spread + 1)
        values, states = Lif.evaluate(states + given, parameters, mode, NARROW, type=code)
        potential = potential + given + bias
        spikes = np.where(potential >= threshold, np.floor(potential / threshold) if code == SEVERAL else 1, 0)
        np.testing.assert_array_equal(values, np.minimum(spikes, 255))
        after = potential - spikes * threshold if mode & 1 == Reset.SUBTRACT else reset
        seen["bounded"] += np.count_nonzero(potential < lowest)
        potential = np.where(spikes > 0, after, np.maximum(potential, lowest)) * left / 4096
        potential = np.trunc(potential) if mode & TOWARD_ZERO else np.round(potential)
        np.testing.assert_array_equal(states, potential)
        seen["fired"] += np.count_nonzero(spikes)
        seen["often"] += np.count_nonzero(spikes > 1)
    assert seen["fired"] > 100 and seen["bounded"] > 100 and (seen["often"] > 100) == (code == SEVERAL)
    assert Lif.bounds(mode, code, 9) == (0, 255 if code == SEVERAL else 1)


@pytest.mark.parametrize("lowest", [-32768, -32767])
def test_the_lowest_bound_is_none_in_wide_states(lowest: int, seed: int) -> None:
    """Inhibited neurons against plain floats: beyond 16 bits, or held there."""
    rng, count = np.random.default_rng([seed, 3]), 200
    parameters = {"bias": np.zeros(count, int), "multiplier": rng.choice([4096, 4000], count), "shift": 12,
                  "leaky": 0, "slope": 200, "lowest": lowest, "highest": 0}
    states, potential = np.zeros(count, np.int64), np.zeros(count)
    for _ in range(30):
        given = rng.integers(-60000, 20000, count)
        values, states = Lif.evaluate(states + given, parameters, Reset.ZERO + TOWARD_ZERO, CONFIG, type=11)
        potential = potential + given
        np.testing.assert_array_equal(values, potential >= 200)
        kept = potential if lowest == -32768 else np.maximum(potential, lowest)
        potential = np.trunc(np.where(potential >= 200, 0, kept) * parameters["multiplier"] / 4096)
        np.testing.assert_array_equal(states, potential)
    assert (potential.min() < -100000) == (lowest == -32768)


def test_arrays_equal_literal(seed: int) -> None:
    """Any state and any parameter word."""
    rng, count = np.random.default_rng([seed, 2]), 2000
    for config in (NARROW, CONFIG):
        half, steep = 1 << config.state_bits - 1, 1 << config.slope_bits - 1
        states = rng.integers(-half, half, count)
        parameters = {
            "bias": rng.integers(-half, half, count) >> rng.integers(0, 32, count),
            "multiplier": rng.integers(0, 1 << 16, count) >> rng.integers(0, 16, count),
            "shift": rng.integers(0, 64, count) >> rng.integers(0, 4, count), "leaky": rng.integers(0, 2, count),
            "slope": rng.integers(-steep, steep, count) >> rng.integers(0, 16, count),
            "lowest": np.maximum(rng.integers(-40000, 32768, count), -32768),
            "highest": rng.integers(-32768, 32768, count)}
        for mode, code in ((mode, code) for mode in range(4) for code in Lif.codes):
            values, kept = Lif.evaluate(states, parameters, mode, config, type=code)
            for i in range(mode, count, 4):
                parameter = {name: int(array[i]) for name, array in parameters.items()}
                assert (values[i], kept[i]) == Lif.evaluate_one(int(states[i]), parameter, mode, config, type=code)
            assert 0 < np.count_nonzero(values) < count and len(np.unique(kept)) > 500
            assert (values.max() > 9) == (code == SEVERAL)


@pytest.mark.long
def test_hardware_equals_golden_at_length(simulator: str, seed: int) -> None:
    """Every corner of the arithmetic, with pauses; and where silent neurons are passed over."""
    for config in (NARROW, dataclasses.replace(SHORT, name="lif_short", neuron_types=TYPES),
                   dataclasses.replace(NARROW, name="lif_skipping", skip_silent=1)):
        run(config, simulator, seed, scenario="random", populations=900, corners=not config.skip_silent,
            memory="rarely", neuron="rarely")


