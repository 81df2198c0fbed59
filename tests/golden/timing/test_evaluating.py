"""When neurons are evaluated and fire, against the closed form of an evaluation's cycles and by hand."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.program import Population
from golden.timing.cycles import evaluation_cycles
from golden.timing.evaluating import firing, neuron_times
from golden.timing.microarchitecture import EVALUATION_STAGES, LOOKUP_LATENCY

CONFIG = CoreConfig.load("fpga_small")


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 11, 33])
def test_length_is_that_of_the_closed_form(depth: int, one: bool) -> None:
    """It is exact but for starts and ends of channel words, whose first parameters may be late."""
    for width, height in ((1, 1), (2, 3), (7, 5)):
        population = Population(name="p", shape=(depth, width, height), bias=np.arange(1 if one else depth))
        times, end = neuron_times(population, CONFIG)
        assert len(times) == depth * width * height and (np.diff(times) > 0).all() and end > times[-1]
        cycles = end + EVALUATION_STAGES - (CONFIG.shift_bits <= 4) + LOOKUP_LATENCY + 2
        words = -(-depth // CONFIG.lanes)
        assert abs(cycles - evaluation_cycles(population, CONFIG)) <= 8 * words


def test_all_neurons_fire() -> None:
    """The PEG takes a cycle for each axon, and holds up the neurons behind."""
    population = Population(name="p", shape=(8, 4, 4))
    every = np.arange(128)
    ends = [firing(population, every, axons, CONFIG).end for axons in (1, 2, 4)]
    assert ends[0] < ends[1] < ends[2]
    for axons in (2, 4):
        left = firing(population, every, axons, CONFIG).left
        assert (np.diff(left[8:]) == axons).all()


def test_few_neurons_fire() -> None:
    """They wait for nothing: each leaves so many cycles after its evaluation."""
    population, some = Population(name="p", shape=(8, 4, 4)), np.array([3, 40, 90])
    times, end = neuron_times(population, CONFIG)
    found = firing(population, some, 3, CONFIG)
    stages = EVALUATION_STAGES - (CONFIG.shift_bits <= 4)
    assert (found.left == times[some] + stages + LOOKUP_LATENCY).all()
    assert (found.limits >= found.left).all() and found.end == end + stages + LOOKUP_LATENCY + 1


def test_short_shifts_take_a_stage_less() -> None:
    population = Population(name="p", shape=(1, 1, 1))
    short = dataclasses.replace(CONFIG, shift_bits=4)
    assert firing(population, np.zeros(1, np.int64), 1, short).end == firing(
        population, np.zeros(1, np.int64), 1, dataclasses.replace(CONFIG, shift_bits=5)).end - 1
