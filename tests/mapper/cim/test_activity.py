"""Spikes of whole recordings against the dense reference, and against neurons that add event by event in any order."""

from dataclasses import replace

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network import dense
from golden.program import Program
from golden.types import IntArray
from synapress.mapper.cim.activity import Spikes, calibrated, run
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.zoo.gesture import gesture
from synapress.zoo.gesture.recordings import data
from tests.mapper.cim.spiking import recordings, small


def test_equals_the_dense_reference_where_its_states_wrap(seed: int) -> None:
    program, maps = small(seed, amplitude=9_000, threshold=8_000), recordings(seed)
    found = dict(run(program, {"events": maps}, bits=dict.fromkeys(("conv", "pool", "classes"), 16)))
    timesteps = ({"events": maps[:, step]} for step in range(maps.shape[1]))
    for step, results in enumerate(dense.run_timesteps(program, timesteps, CoreConfig())):
        for name, activity in found.items():
            assert np.array_equal(activity.spikes[:, step], results[name].outputs), (name, step)
    assert found["conv"].wrapped and found["conv"].spikes.any() and found["classes"].spikes.any()


def by_events(program: Program, maps: Spikes, bits: int, rng: np.random.Generator) -> IntArray:
    """Spikes of the convolution of one recording: each event adds its kernel, in any order, modulo 2**bits."""
    (edge,), population = program.edges_into("conv"), program.population("conv")
    assert population.threshold is not None
    potentials, spikes = np.zeros(population.shape, np.int64), []
    for step in maps:
        for i, x, y in rng.permutation(np.argwhere(step)).tolist():
            for j in range(3):
                for k in range(3):
                    at = x + edge.padding[0] - j, y + edge.padding[1] - k
                    if min(at) >= 0 and at[0] < population.shape[1] and at[1] < population.shape[2]:
                        column = potentials[:, at[0], at[1]] + edge.weights[:, i, j, k]
                        potentials[:, at[0], at[1]] = (column + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        fires = potentials - population.threshold[0] >= 0
        potentials -= fires * population.threshold[0]
        spikes.append(fires)
    return np.stack(spikes).astype(np.int64)


@pytest.mark.parametrize("bits", [8, 9, 10, 14])
def test_equals_single_events_at_any_bits(bits: int, seed: int) -> None:
    program, maps, rng = small(seed), recordings(seed, count=2), np.random.default_rng(seed)
    activity = dict(run(program, {"events": maps}, bits={"conv": bits}))["conv"]
    for recording, spikes in zip(maps, activity.spikes, strict=True):
        assert np.array_equal(by_events(program, recording, bits, rng), spikes)
    assert (activity.wrapped > 0) == (bits < 14)
    low, high = activity.potentials
    assert (low < -(1 << bits - 1) or high >= 1 << bits - 1) == (activity.wrapped > 0)


def test_saturation_clips_once_per_timestep(seed: int) -> None:
    program, maps = small(seed), recordings(seed)
    wide, wraps, clips = (dict(run(program, {"events": maps}, bits={"conv": bits}, saturate=saturate))["conv"]
                          for bits, saturate in ((32, False), (8, False), (8, True)))
    drive = dense.true_states(program, "conv", {"events": maps.reshape(-1, 2, 6, 6).astype(np.int64)}, 8)
    first = np.clip(drive.reshape(*maps.shape[:2], 4, 6, 6)[:, 0], -128, 127)
    assert np.array_equal(clips.spikes[:, 0], first >= 90)
    assert not np.array_equal(wraps.spikes, clips.spikes) and not np.array_equal(wide.spikes, clips.spikes)


@pytest.mark.parametrize("sparsity", [0.9, 0.99])
def test_thresholds_for_a_sparsity(sparsity: float, seed: int) -> None:
    maps, _ = data(2, seed, size=16, timesteps=6)
    program = lower(gesture(seed, size=16, classifier=True))
    found = calibrated(program, {"events": maps}, {"L2": sparsity, "F2": sparsity})
    for name, activity in run(found, {"events": maps}):
        threshold = found.population(name).threshold
        assert threshold is not None
        if name in ("L2", "F2"):
            lower_by_one = replace(found, populations=[
                replace(each, threshold=threshold - 1) if each.name == name else each for each in found.populations])
            denser = dict(run(lower_by_one, {"events": maps}))[name]
            assert activity.sparsity >= sparsity and (threshold == 1 or denser.sparsity < sparsity)
        else:
            assert threshold == program.population(name).threshold


def test_what_an_array_does_not_compute() -> None:
    network = Network("leaky")
    network.input("events", (1, 1, 1))
    network.lif("out", ["events"], threshold=2, multiplier=3, shift=2)
    network.output("out")
    with pytest.raises(NetworkError, match=r"'out'.*without bias and leak"):
        dict(run(lower(network), {}))
    with pytest.raises(NetworkError, match=r"needs \(recordings, timesteps, 2, 6, 6\); given: \(1, 2, 6, 6\)"):
        dict(run(small(1), {"events": np.zeros((1, 2, 6, 6), np.uint8)}))
    with pytest.raises(NetworkError, match=r"'conv': needs a sparsity of 0 to 1; given: 1\.5"):
        calibrated(small(1), {"events": recordings(1)}, 1.5)
