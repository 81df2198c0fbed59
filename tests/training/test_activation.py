"""The activation against the definition, time by time, and against the neuron of the hardware."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from golden.config import PRESETS
from golden.neuron.types.ttfs import Ttfs
from golden.words import Saturation
from synapress.mapper import falling_thresholds
from synapress.training import SpikeTime, Stage
from synapress.training.torch_module import torch

CODES = [(24, 4), (12, 2), (8, 2), (6, 1), (5, 3), (1, 1)]


def reached(x: float, t: int, tau: int, threshold: float) -> bool:
    """x >= θ0 · 2**(-t/τ), exactly: both to the power of τ."""
    return x > 0 and (Fraction(x) / Fraction(threshold)) ** tau >= Fraction(1, 2 ** t)


@pytest.mark.parametrize(("steps", "tau"), CODES)
@pytest.mark.parametrize("threshold", [1.0, 0.75, 3.0])
def test_values_are_those_of_the_first_time_that_is_reached(steps: int, tau: int, threshold: float, seed: int) -> None:
    """Random numbers, the levels themselves and their neighbours in float32, compared with exact fractions."""
    activation = SpikeTime(steps, tau, threshold)
    random = np.random.default_rng(seed)
    levels = activation.levels.numpy()
    x = np.concatenate([levels, np.nextafter(levels, np.float32(9)), np.nextafter(levels, np.float32(-9)),
                        random.normal(0, threshold, 200).astype(np.float32)]).astype(np.float32)
    found = activation(torch.from_numpy(x)).numpy()
    for value, result in zip(x.tolist(), found.tolist(), strict=True):
        times = [t for t in range(steps) if reached(value, t, tau, threshold)]
        assert result == (levels[steps - times[0]] if times else 0), value
        if times:
            assert result == pytest.approx(threshold * 2 ** (-times[0] / tau), rel=2e-7)
    assert (activation(torch.from_numpy(found)).numpy() == found).all(), "a value stands for itself"


@pytest.mark.parametrize(("steps", "tau"), [code for code in CODES if code[1] in (1, 2, 4)])
def test_the_neuron_of_the_hardware_spikes_at_that_time(steps: int, tau: int, seed: int) -> None:
    """`golden.neuron.types.ttfs` on potentials with 12 fraction bits."""
    config = dataclasses.replace(PRESETS["grai_vip"], neuron_types=("sum", "ttfs"), product="both", ttfs_times=steps,
                                 ttfs_tau=tau, log_fraction_bits=12)
    potentials = np.random.default_rng(seed).integers(-5000, 5000, 2000)
    values, _ = Ttfs.evaluate(potentials, {"bias": np.zeros(2000, int)}, Saturation.RELU, config, type=5,
                              table=falling_thresholds(config))
    activation = SpikeTime(steps, tau)
    assert (activation(torch.from_numpy(potentials / np.float64(4096)).float()) == activation.levels[values]).all()
    assert len(set(values.tolist())) == steps + 1


def test_gradient_and_stages() -> None:
    x = torch.tensor([-1.0, 0.0, 0.001, 0.3, 0.99, 1.0, 2.0], requires_grad=True)
    activation = SpikeTime(8, 2)
    activation(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 0, 1, 1, 1, 0, 0]
    activation.stage = Stage.CLIP
    assert activation(x).tolist() == pytest.approx([0, 0, 0.001, 0.3, 0.99, 1, 1])
    activation.stage = Stage.RELU
    assert activation(x).tolist() == pytest.approx([0, 0, 0.001, 0.3, 0.99, 1, 2])
