"""Neurons that spike once: against the falling threshold itself, on arrays, and in hardware."""

import dataclasses
import random

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.neuron.types.ttfs import CODE, Ttfs
from tests.tb.test_evaluation import run

TYPES = ("sum", "product", "spiking", "ttfs")
CONFIG = CoreConfig(name="ttfs", address_bits=14, neuron_types=TYPES)
PARAMETER = {"bias": 0, "multiplier": 1, "shift": 0, "leaky": 0, "slope": 0}

HARDWARE = {
    "T 24": CONFIG,
    "T 63, 2 lanes of 32 bits": dataclasses.replace(
        CONFIG, name="ttfs32", lanes=2, state_bits=32, ttfs_times=63, shift_bits=4, multiplier_bits=24),
    "T 1": dataclasses.replace(CONFIG, name="ttfs1", ttfs_times=1),
    "T 7, 8 lanes, silent ones skipped": dataclasses.replace(
        CONFIG, name="ttfs7", lanes=8, ttfs_times=7, value_bits=4, skip_silent=1),
}


def first_time(potential: int, thresholds: list[int]) -> int:
    """The textbook: time by time, the value T - t of the first threshold that is reached; the last ones fall lowest."""
    times = len(thresholds)
    return next((times - t for t in range(times) if potential >= thresholds[times - 1 - t]), 0)


@pytest.mark.parametrize("times", range(1, 64))
def test_by_the_textbook(times: int, seed: int) -> None:
    """Every value, and potentials at, above and below each threshold."""
    config, pick = dataclasses.replace(CONFIG, ttfs_times=times), random.Random(seed)
    thresholds = sorted(pick.randint(-40, 200) for _ in range(times))
    potentials = [state for threshold in thresholds for state in (threshold - 1, threshold, threshold + 1)]
    expected = [first_time(potential, thresholds) for potential in potentials]
    for bias in (0, 5):
        parameter = PARAMETER | {"bias": bias}
        states = [potential - bias for potential in potentials]
        assert [Ttfs.evaluate_one(state, parameter, 0, config, type=CODE, table=thresholds.__getitem__)
                for state in states] == [(value, 0) for value in expected]
        values, kept = Ttfs.evaluate(states, parameter, 0, config, type=CODE, table=thresholds)
        assert values.tolist() == expected and not kept.any()


def test_arrays_equal_literal_without_order(seed: int) -> None:
    """Also of thresholds that fall: every search ends, with the same value."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(50):
        config = dataclasses.replace(CONFIG, ttfs_times=int(rng.integers(1, 64)))
        thresholds, states = (rng.integers(-(1 << 15), 1 << 15, count) for count in (config.ttfs_times, 100))
        table = thresholds.tolist()
        values = Ttfs.evaluate(states, PARAMETER, 0, config, type=CODE, table=thresholds)[0]
        assert values.tolist() == [Ttfs.evaluate_one(int(state), PARAMETER, 0, config, type=CODE,
                                                     table=table.__getitem__)[0] for state in states]


SWEEPS = {
    "4 lanes": dataclasses.replace(CONFIG, name="sweep", encoder="sweep", neuron_types=("sum", "ttfs")),
    "T 63, 2 lanes of 32 bits": dataclasses.replace(HARDWARE["T 63, 2 lanes of 32 bits"], encoder="sweep"),
    "T 7, 8 lanes": dataclasses.replace(CONFIG, name="sweep8", encoder="sweep", lanes=8, ttfs_times=7, value_bits=4),
}


CASES = [("verilator", "T 24"), *(pytest.param(*case, marks=pytest.mark.long) for case in (
    ("icarus", "T 24"), *(("verilator", name) for name in HARDWARE if name != "T 24")))]


@pytest.mark.parametrize(("simulator", "name"), CASES, indirect=["simulator"])
def test_hardware_equals_golden(simulator: str, name: str, seed: int) -> None:
    """Among populations of all other types, with pauses everywhere."""
    run(HARDWARE[name], simulator, seed, scenario="random", populations=300, corners=name == "T 24", command="rarely",
        memory="rarely", neuron="rarely")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.long if "32" not in name else ()) for name in list(HARDWARE)[:3]])
def test_one_neuron_per_cycle(name: str, seed: int) -> None:
    """Nothing waits: cycle by cycle, also where the thresholds of a population are there later than its first sum."""
    run(HARDWARE[name], "verilator", seed, scenario="timing", populations=150, corners=False)


@pytest.mark.long
@pytest.mark.parametrize("name", HARDWARE)
def test_hardware_under_pressure(name: str, seed: int) -> None:
    """Memory that hardly answers, whose thresholds come late; and population words that lead anywhere."""
    run(HARDWARE[name], "verilator", seed, scenario="random", populations=60, corners=False, memory="mostly",
        neuron="bursts")
    run(HARDWARE[name], "verilator", seed, scenario="garbage", populations=12)


# -- time by time --------------------------------------------------------------------------------


SWEEP_CASES = [("verilator", "4 lanes"), *(pytest.param(*case, marks=pytest.mark.long) for case in (
    ("icarus", "4 lanes"), *(("verilator", name) for name in SWEEPS if name != "4 lanes")))]


@pytest.mark.parametrize(("simulator", "name"), SWEEP_CASES, indirect=["simulator"])
def test_sweeping_hardware_equals_golden(simulator: str, name: str, seed: int) -> None:
    """Spikes in the order of their times, among other populations: with pauses everywhere, and with none in time."""
    run(SWEEPS[name], simulator, seed, scenario="random", populations=60, corners=False, command="rarely",
        memory="rarely", neuron="mostly")
    run(SWEEPS[name], simulator, seed, scenario="sweeping", populations=30)


@pytest.mark.long
@pytest.mark.parametrize("name", SWEEPS)
def test_sweeping_hardware_under_pressure(name: str, seed: int) -> None:
    for waits in ({"memory": "mostly", "neuron": "bursts"}, {}):
        run(SWEEPS[name], "verilator", seed, scenario="random", populations=60, corners=False, **waits)
    run(SWEEPS[name], "verilator", seed, scenario="garbage", populations=12)
