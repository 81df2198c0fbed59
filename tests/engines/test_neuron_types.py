"""Populations of every neuron type over many timesteps: a core in RTL against the golden model, in every state."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from golden.config import PRESETS
from golden.rooms import NEURON_TYPES
from golden.types import IntArray
from golden.words import Saturation
from synapress import compile, sigma_delta, simulate
from synapress.mapper import Network
from synapress.mapper.network.layer import Layer
from tests.helpers.networks import random_network

CONFIG = dataclasses.replace(
    PRESETS["grai_vip"], name="every_type", address_bits=14, lanes=2, state_bits=32, channel_bits=9, multiplier_bits=13,
    neuron_types=tuple(NEURON_TYPES.names()))
"""One core for all, so that one simulator runs all networks."""
TIMESTEPS = 50
LAYERS = 20
MANY = 500
"""Populations of each kind in the long test."""
SPIKING = ("plain", "bounded", "several", "cuba", "integrator")


def parameters(rng: np.random.Generator, kind: str, depth: int) -> dict[str, Any]:
    """Of a layer, by channel or for all, among them ends of their ranges."""
    def each(low: int, high: int) -> IntArray:
        return rng.integers(low, high, depth if rng.random() < 0.7 else 1)

    ends = rng.choice([0, 4096, int(rng.integers(4097))])
    decay = np.where(rng.random(depth) < 0.3, ends, rng.integers(1, 2000, depth))
    if kind == "cuba":
        return {"threshold": each(1, 900), "current_decay": decay, "potential_decay": each(0, 4097),
                "bias": each(-40, 60), "lowest": each(-3000, 1), "reset": rng.choice(["zero", "subtract"])}
    if kind == "integrator":
        return {"decay": decay, "bias": each(-9, 10), "multiplier": each(1, 60), "shift": each(5, 10),
                "saturation": int(rng.choice([Saturation.RELU, Saturation.SIGNED, Saturation.FULL]))}
    reset = str(rng.choice(["zero", "subtract"]))
    found: dict[str, Any] = {"threshold": each(1, 600), "bias": each(-30, 50), "reset": reset}
    if rng.random() < 0.7:
        found |= {"multiplier": each(500, 4097), "shift": 12}
    if kind == "plain":
        return found
    found |= {"lowest": each(-2000, 1), "rounding": str(rng.choice(["even", "zero"]))}
    if reset == "zero" and rng.random() < 0.5:
        found["reset_value"] = each(-100, 100)
    if kind == "several":
        found |= {"threshold": 1 << each(3, 9), "several": True}
    return found


def spiking_network(rng: np.random.Generator, kinds: tuple[str, ...]) -> Network:
    """Layers of these kinds behind each other and side by side, with an output of each."""
    net, names = Network("types"), ["in"]
    net.input("in", (2, 5, 4))
    for number, kind in enumerate(kinds):
        source, depth = str(rng.choice(names[-3:])), int(rng.integers(1, 6))
        channels, width, height = net.shape(source)
        size = int(rng.integers(1, min(3, width, height) + 1))
        most = 6 if source == "in" else 95
        weights = rng.integers(-most, most + most // 3 + 1, (depth, channels, size, size))
        branch = net.branch(source, weights, padding=int(rng.integers(0, size)))
        add = {"cuba": net.cuba, "integrator": net.li}.get(kind, net.lif)
        name = add(f"{kind} {number}", [branch], **parameters(rng, kind, depth))
        net.output(name)
        if kind != "integrator":
            names.append(name)
    return net


def fitted(layer: Layer) -> Layer:
    """Without the saturation FULL, whose differences no event holds, and with multipliers of the core's bits."""
    over = max(0, int(np.max(layer.multiplier)).bit_length() - CONFIG.multiplier_bits)
    return dataclasses.replace(
        layer, multiplier=layer.multiplier >> over, shift=np.maximum(layer.shift - over, 0),
        saturation=Saturation.SIGNED if layer.saturation == Saturation.FULL else layer.saturation)


def frames(rng: np.random.Generator, net: Network) -> dict[str, IntArray]:
    """Of each input, changing by a few values from timestep to timestep."""
    found = {}
    for name in net.inputs:
        shape = (TIMESTEPS, *net.shape(name))
        values = rng.integers(0, 40, shape) * (rng.random(shape) < 0.4)
        for number in range(1, TIMESTEPS):
            values[number] = np.where(rng.random(shape[1:]) < 0.2, values[number], values[number - 1])
        found[name] = values
    return found


def networks(seed: int, kind: str, populations: int) -> list[Network]:
    """So many populations of a kind, or of sigma-delta layers, in networks that also have others."""
    found: list[Network] = []
    rng, count = np.random.default_rng([seed, *kind.encode()]), 0
    while count < populations:
        if kind == "sigma_delta":
            net = random_network(rng, layers=6, width=7)
            for name, layer in net.layers.items():
                net.layers[name] = fitted(layer)
            made = sigma_delta(net, {name: int(rng.integers(0, 9)) for name in net.layers})
            count += sum(layer.neuron != "" for layer in made.layers.values())
        else:
            mine = rng.random(LAYERS) < 0.7
            made = spiking_network(rng, tuple(
                kind if chosen else str(rng.choice(SPIKING)) for chosen in mine))
            count += int(mine.sum())
        found.append(made)
    return found


def check(seed: int, kind: str, populations: int) -> None:
    """Fast, golden and RTL: outputs of all timesteps, and on the way all states at their evaluation."""
    sent = 0
    for net in networks(seed, kind, populations):
        rng = np.random.default_rng([seed, len(net.layers)])
        found = simulate(compile(net, config=CONFIG), frames(rng, net), engine="rtl")
        sent += sum(int(np.count_nonzero(values)) for values in found.outputs.values())
    assert sent > 20 * populations


@pytest.mark.parametrize("kind", [*SPIKING, "sigma_delta"])
def test_rtl_equals_golden(kind: str, seed: int) -> None:
    check(seed, kind, 10)


@pytest.mark.long
@pytest.mark.parametrize("kind", [*SPIKING, "sigma_delta"])
def test_rtl_equals_golden_in_500_populations(kind: str, seed: int) -> None:
    """Each over 50 timesteps."""
    check(seed, kind, MANY)
