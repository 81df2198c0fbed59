"""The gesture network has the paper's sizes; drawn gestures are events of a camera, the same for the same seed."""

from fractions import Fraction

import numpy as np
import pytest

from golden.errors import EventError
from golden.program import Program
from synapress.mapper.cim.stationarity import KILOBYTE, PUBLISHED
from synapress.mapper.network.populations import lower
from synapress.zoo.gesture import CLASSES, gesture
from synapress.zoo.gesture.recordings import TIMESTEP, data, frames, record

WEIGHT_BITS, POTENTIAL_BITS = 8, 12


def stationary(weights: set[str], potentials: set[str], program: Program) -> Fraction:
    """Kilobytes of the weights of some layers and the potentials of others, from the arrays of the program."""
    bits = sum(edge.weights.size * WEIGHT_BITS for edge in program.edges if edge.destination in weights)
    bits += sum(int(np.prod(program.population(name).shape)) * POTENTIAL_BITS for name in potentials)
    return Fraction(bits, KILOBYTE)


def test_the_four_totals_of_the_paper() -> None:
    """69.8, 23.4 kB and what the paper draws of the others: all weights, all potentials, the smaller, the larger."""
    program = lower(gesture())
    names = [facts.name for facts in PUBLISHED]
    assert stationary(set(names), set(), program) == Fraction("69.875")
    assert stationary(set(), set(names), program) == Fraction("259.5")
    first, last = {"L1", "L2", "L3", "L4"}, {"L5", "L6"}
    assert stationary(first, last, program) == Fraction("23.375")
    assert stationary(last, first, program) == Fraction("306")
    for facts in PUBLISHED:
        shape = program.population(facts.name).shape
        assert shape == (facts.outputs, facts.height, facts.height)
        (edge,) = program.edges_into(facts.name)
        assert (edge.weights.size, np.prod(shape)) == (facts.weights, facts.potentials)


def test_classifier_and_smaller_maps() -> None:
    program = lower(gesture(3, size=32, classifier=True))
    assert program.population("L6").shape == (64, 2, 2)
    assert program.outputs == ["F3"] and program.population("F3").shape == (len(CLASSES), 1, 1)
    assert all(np.abs(edge.weights).max() <= 128 for edge in program.edges)
    assert sum(edge.weights[0].sum() == 0 for edge in program.edges) < 3 < np.unique(program.edges[0].weights).size


def test_recordings_are_events_in_time(seed: int) -> None:
    recording = record(4, seed, size=32, timesteps=5)
    time, x, y, polarity = recording.events.T
    assert len(time) > 50 and (np.diff(time) >= 0).all() and 0 <= time[0] and time[-1] < 5 * TIMESTEP
    assert (0 <= x).all() and (x < 32).all() and (0 <= y).all() and (y < 32).all() and set(polarity) == {0, 1}
    maps = frames(recording, 5)
    assert maps.shape == (5, 2, 32, 32)
    seen = {(t // TIMESTEP, p, i, j) for t, i, j, p in recording.events.tolist()}
    assert seen == set(map(tuple, np.argwhere(maps).tolist()))
    assert frames(recording, 2).shape[0] == 2 and np.array_equal(frames(recording, 2), maps[:2])


def test_gestures_are_drawn_by_their_seed(seed: int) -> None:
    maps, labels = data(12, seed, size=16, timesteps=2)
    again, _ = data(12, seed, size=16, timesteps=2)
    other, _ = data(12, seed + 1, size=16, timesteps=2)
    assert np.array_equal(maps, again) and not np.array_equal(maps, other)
    assert labels.tolist() == [*range(11), 0] and not np.array_equal(maps[0], maps[11])


@pytest.mark.parametrize("label", [-1, 11])
def test_classes_that_there_are_not(label: int) -> None:
    with pytest.raises(EventError, match=f"0 to 10; given: {label}"):
        record(label, 1)
