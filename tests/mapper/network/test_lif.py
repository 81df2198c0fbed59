"""Networks of bounded spiking neurons: each choice of `Network.lif`, as what each engine fires."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from golden.config import PRESETS
from golden.errors import NetworkError
from golden.neuron.types.lif import Lif
from golden.types import IntArray
from golden.words import NeuronType
from synapress import compile, simulate
from synapress.mapper import Network, lower

CONFIG = dataclasses.replace(PRESETS["grai_vip"], name="lif", address_bits=13,
                             neuron_types=("sum", "spiking", "lif"))
SHAPE = (3, 5, 4)
CHOICES: dict[str, dict[str, Any]] = {
    "bounded": {"threshold": [50, 80, 31, 64], "lowest": [-20, 0, -60, -5], "multiplier": 230, "shift": 8},
    "reset": {"threshold": 60, "reset": "zero", "reset_value": [-30, 7, 0, -1], "multiplier": 255, "shift": 8},
    "truncated": {"threshold": 70, "rounding": "zero", "multiplier": 200, "shift": 8, "bias": [3, -2, 0, 1]},
    "several": {"threshold": [8, 32, 1, 64], "several": True, "lowest": -100, "multiplier": 250, "shift": 8}}


def network(weights: IntArray) -> Network:
    """A layer of each choice, in parallel."""
    net = Network("lif")
    net.input("in", SHAPE)
    for name, choice in CHOICES.items():
        net.output(net.lif(name, [net.branch("in", weights)], **choice))
    return net


def by_hand(given: IntArray, **layer: Any) -> IntArray:
    """The equations in floats, which hold these numbers exactly: u of a timestep, spikes, bound or reset, leak."""
    def column(name: str, default: float = 0) -> np.ndarray:
        return np.asarray(layer.get(name, default), float).reshape(-1, 1, 1)

    potential, spikes, threshold = np.zeros(given.shape[1:]), [], column("threshold")
    for each in given:
        potential = potential + each + column("bias")
        fired = np.maximum(np.floor(potential / threshold), 0)
        fired = fired if layer.get("several") else np.minimum(fired, 1)
        after = column("reset_value") if layer.get("reset") == "zero" else potential - fired * threshold
        potential = np.where(fired > 0, after, np.maximum(potential, column("lowest", -32768)))
        potential = (np.trunc if layer.get("rounding") == "zero" else np.round)(
            potential * layer["multiplier"] / 2 ** layer["shift"])
        spikes.append(fired.astype(int))
    return np.array(spikes)


@pytest.mark.parametrize("engine", ["fast", "golden", pytest.param("rtl", marks=pytest.mark.long)])
def test_every_engine_fires_as_the_equations_say(engine: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    weights = rng.integers(-9, 12, (4, 3, 1, 1))
    frames = rng.integers(0, 9, (30, *SHAPE)) * (rng.random((30, *SHAPE)) < 0.5)
    given = np.einsum("tdxy,cd->tcxy", frames, weights[:, :, 0, 0])
    found = simulate(compile(network(weights), config=CONFIG, check=engine == "fast"), frames, engine=engine)
    for name, choice in CHOICES.items():
        spikes = by_hand(given, **choice)
        np.testing.assert_array_equal(found.outputs[name], spikes)
        assert 0.02 < (spikes > 0).mean() < 0.9 and (spikes.max() > 3) == (name == "several")
    assert not found.wrapped


def test_others_are_of_the_type_that_every_core_has() -> None:
    net = network(np.ones((4, 3, 1, 1), int))
    net.output(net.lif("plain", ["in"], threshold=5, reset="zero", multiplier=3, shift=2))
    types = {population.name: population.type for population in lower(net).populations}
    assert types["plain"] == NeuronType.SPIKING
    assert {types[name] for name in CHOICES} == set(Lif.codes)


@pytest.mark.parametrize(("rule", "changed"), [
    ("several spikes", {"threshold": 48, "several": True}), ("rounding", {"rounding": "up"}),
    ("saturate", {"lowest": -9, "saturate": True}),
    ("lowest", {"lowest": 1}), ("reset", {"reset_value": 3}), ("reset value", {"reset": "zero", "reset_value": 40000})])
def test_refusals(rule: str, changed: dict[str, Any]) -> None:
    net = Network("refused")
    net.input("in", SHAPE)
    with pytest.raises(NetworkError, match=f"rule '{rule}'"):
        net.lif("x", ["in"], **{"threshold": 64} | changed)


@pytest.mark.parametrize("engine", ["fast", "golden"])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_a_potential_that_saturates_never_wraps(reset: str, engine: str, seed: int) -> None:
    """Inputs of nearly half of the range in each timestep, up or down, on the core that is the default."""
    rng = np.random.default_rng([seed, 5])
    net = Network("saturated")
    net.input("in", SHAPE)
    weights = np.array([[20], [-20], [-21], [7]])[:, :, None, None] * np.ones((1, 3, 1, 1), int)
    net.output(net.lif("n", [net.branch("in", weights)], threshold=[900, 700, 1, 16384], reset=reset, saturate=True))
    frames = rng.integers(200, 256, (40, *SHAPE))
    potential, spikes, threshold = np.zeros((4, 5, 4), int), [], np.array([900, 700, 1, 16384])[:, None, None]
    for each in frames:
        potential = potential + np.einsum("dxy,cd->cxy", each, weights[:, :, 0, 0])
        fired = potential >= threshold
        potential = np.clip(np.where(fired, 0 if reset == "zero" else potential - threshold, potential), -16384, 16383)
        spikes.append(fired)
    found = simulate(compile(net, check=engine == "fast"), frames, engine=engine)
    np.testing.assert_array_equal(found.outputs["n"], np.array(spikes, int))
    assert not found.wrapped and 0.3 < np.mean(spikes) < 0.7
