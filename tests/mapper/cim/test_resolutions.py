"""The search for resolutions against trying all of them, and what it does to weights against brute force."""

import itertools

import numpy as np
import pytest

from golden.errors import ConfigError, NetworkError
from synapress.mapper.cim.activity import run
from synapress.mapper.cim.resolutions import Evaluator, Trial, coarsened, facts, footprint, search, stationary
from synapress.mapper.cim.stationarity import PUBLISHED
from synapress.mapper.network.populations import lower
from synapress.zoo.gesture import gesture
from tests.mapper.cim.spiking import recordings, small


def evaluator(seed: int, count: int = 60) -> Evaluator:
    """Labels are the program's own answers, of which one in ten is wrong."""
    program, maps = small(seed), recordings(seed, count=count, timesteps=8)
    spikes = dict(run(program, {"events": maps}))["classes"].spikes
    labels = spikes.sum(axis=1).reshape(count, 3).argmax(axis=1)
    labels[::10] += 1
    return Evaluator(program, maps, labels)


def test_weights_are_scaled_with_their_threshold(seed: int) -> None:
    weights, rng = np.random.default_rng(seed).integers(-128, 128, (5, 3, 2, 2)), np.random.default_rng(seed)
    same, threshold = coarsened(weights, 100, 8, 100)
    assert np.array_equal(same, weights) and threshold == 100
    for bits in (1, 2, 3, 5):
        highest = int(rng.integers(1, 60))
        found, threshold = coarsened(weights, 100, bits, highest)
        assert -(1 << bits - 1) <= found.min() and found.max() < 1 << bits - 1 and 1 <= threshold <= highest
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        errors = [((weights - np.clip(np.rint(weights * t / 100), low, high) * 100 / t) ** 2).sum()
                  for t in range(1, highest + 1)]
        assert ((weights - found * 100 / threshold) ** 2).sum() == pytest.approx(min(errors))


def test_an_exact_search_finds_the_fewest_bits(seed: int) -> None:
    tries = evaluator(seed)
    found = search(tries, ["conv"], loss=0.05, baseline=(5, 10), lowest=(2, 5), exact=True)
    assert found.exact and found.best.accuracy >= found.least == found.baseline.accuracy - 0.05
    for bits in itertools.product(range(2, 6), range(5, 11)):
        cheaper = footprint(facts(tries.program, ["conv"], {"conv": bits})) < found.best.bits
        assert not cheaper or tries.accuracy({"conv": bits}) < found.least
    assert found.ratio < 1 and found.best.bits == 72 * found.best.resolutions[0][1][0] + (
        144 * found.best.resolutions[0][1][1])


def test_a_greedy_search_is_accurate_enough_and_the_same_again(seed: int) -> None:
    tries, shown = evaluator(seed, 30), list[Trial]()
    found = search(tries, ["conv", "classes"], loss=0.04, objective=stationary, progress=shown.append)
    again = search(evaluator(seed, 30), ["conv", "classes"], loss=0.04, objective=stationary, exact=False)
    assert again == found and list(found.trials) == shown and found.best in shown and not found.exact
    assert found.best.accuracy >= found.least and found.best.bits < found.baseline.bits
    assert found.best.accuracy == tries.accuracy(dict(found.best.resolutions))


def test_the_network_that_is_evaluated_is_one_that_can_be_mapped(seed: int) -> None:
    tries, bits = evaluator(seed), {"conv": (3, 7), "classes": (4, 9)}
    program = tries.coarsened(bits)
    spikes = dict(run(program, {"events": tries.recordings}, bits={"conv": 7, "classes": 9}))
    assert np.array_equal(spikes["classes"].spikes, tries.made(bits)["classes"].spikes)
    assert tries.elsewhere(bits, tries.recordings, tries.labels) == tries.accuracy(bits)
    for name, (weight_bits, potential_bits) in bits.items():
        threshold = program.population(name).threshold
        assert np.abs(program.edges_into(name)[0].weights + 0.5).max() < 1 << weight_bits - 1
        assert threshold is not None and threshold[0] < 1 << potential_bits - 1


def test_facts_are_those_of_the_paper() -> None:
    names = [layer.name for layer in PUBLISHED]
    assert facts(lower(gesture(None)), names, dict.fromkeys(names, (8, 12))) == PUBLISHED
    (dense,) = facts(lower(gesture(None, classifier=True)), ["F1"], {"F1": (8, 12)})
    assert (dense.weights, dense.potentials) == (64 * 16 * 128, 128)


def test_searches_that_there_are_not(seed: int) -> None:
    tries = evaluator(seed, count=2)
    for names in ([], ["events"], ["other"]):
        with pytest.raises(ConfigError, match="needs names of layers"):
            search(tries, names, loss=0.1)
    for wrong in ({"loss": -1}, {"loss": 0, "lowest": (0, 4)}, {"loss": 0, "lowest": (1, 1)},
                  {"loss": 0, "lowest": (1, 20)}, {"loss": 0, "baseline": (8, 33)}):
        with pytest.raises(ConfigError, match="needs bits from 1 of weights"):
            search(tries, ["conv"], **wrong)
    with pytest.raises(ConfigError, match="at most 2,000 choices; given: 14,400"):
        search(tries, ["conv", "classes"], loss=0.1, exact=True)
    with pytest.raises(NetworkError, match="a label for each of 2 recordings; given: 1, 1, 3"):
        Evaluator(tries.program, tries.recordings, [0, 1, 2])
