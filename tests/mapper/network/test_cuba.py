"""Networks of neurons with a leaky current and a leaky potential: from the network to what each engine fires."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from golden.config import PRESETS
from golden.errors import ImageError, NetworkError
from golden.neuron.evaluation import PopulationMap
from golden.types import IntArray
from golden.words import Saturation, layouts
from synapress import compile, simulate
from synapress.mapper import Image, Network, RuleError, accumulator_range
from synapress.mapper.image.validate import validate
from synapress.mapper.network.populations import lower

CONFIG = dataclasses.replace(
    PRESETS["grai_vip"], name="cuba", address_bits=13, lanes=2, state_bits=32, channel_bits=9,
    neuron_types=("sum", "spiking", "cuba", "li"))
SHAPE = (2, 9, 7)
LAYERS: tuple[dict[str, Any], ...] = (
    {"threshold": [700, 900, 800, 600, 1000], "current_decay": 1000, "potential_decay": [128, 0, 512, 4096, 300],
     "bias": [3, -9, 5, 0, 7], "lowest": -200, "initial": [699, -32768, 32767, -1, 0]},
    {"threshold": 500, "current_decay": [4096, 0, 77], "potential_decay": 409, "reset": "subtract", "initial": 480})


READOUT: dict[str, Any] = {"decay": [300, 0], "bias": [-3, 20], "multiplier": 5, "shift": 5,
                           "saturation": Saturation.SIGNED, "initial": [-300, 90]}


def network(weights: tuple[IntArray, ...]) -> Network:
    """Two layers of convolutions and a readout, all of which are sent."""
    net = Network("cuba")
    net.input("in", SHAPE)
    net.cuba("first", [net.branch("in", weights[0], stride=2, padding=1)], **LAYERS[0])
    net.cuba("second", [net.branch("first", weights[1])], **LAYERS[1])
    net.li("readout", [net.branch("second", weights[2])], **READOUT)
    for name in ("first", "second", "readout"):
        net.output(name)
    return net


def sums(frames: IntArray, weights: IntArray, stride: int = 1, padding: int = 0) -> IntArray:
    """A convolution of each timestep, as sums over windows."""
    padded = np.pad(frames, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("tdxyjk,cdjk->tcxy", windows, weights)


def by_hand(given: IntArray, **layer: Any) -> IntArray:
    """What a layer fires, by Loihi's equations in floats, which hold these numbers exactly."""

    def column(name: str, default: float = 0) -> np.ndarray:
        return np.asarray(layer.get(name, default), float).reshape(-1, 1, 1)

    current, left = np.zeros(given.shape[1:]), column("initial")
    spikes = []
    for each in given:
        current = np.trunc(current * (4096 - column("current_decay")) / 4096) + each
        potential = left + current + column("bias")
        fires = potential >= column("threshold")
        rest = potential - column("threshold") if layer.get("reset") == "subtract" else np.zeros_like(potential)
        potential = np.where(fires, rest, np.maximum(potential, column("lowest", -32768)))
        left = np.trunc(potential * (4096 - column("potential_decay")) / 4096)
        spikes.append(fires.astype(int))
    return np.array(spikes)


@pytest.mark.parametrize("engine", ["fast", "golden", pytest.param("rtl", marks=pytest.mark.long)])
def test_every_engine_fires_as_the_equations_say(engine: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    weights = (rng.integers(-10, 14, (5, 2, 3, 3)), rng.integers(-60, 90, (3, 5, 2, 2)),
               rng.integers(-90, 100, (2, 3, 2, 2)))
    frames = rng.integers(0, 12, (25, *SHAPE)) * (rng.random((25, *SHAPE)) < 0.3)
    compiled = compile(network(weights), config=CONFIG, check=engine == "fast")
    found = simulate(compiled, frames, engine=engine)
    first = by_hand(sums(frames, weights[0], 2, 1), **LAYERS[0])
    second = by_hand(sums(first, weights[1]), **LAYERS[1])
    for name, spikes in (("first", first), ("second", second)):
        np.testing.assert_array_equal(found.outputs[name], spikes)
        assert 0.02 < spikes.mean() < 0.7
    decay, bias, left = (np.array(READOUT[name]).reshape(2, 1, 1) for name in ("decay", "bias", "initial"))
    for given, values in zip(sums(second, weights[2]), found.outputs["readout"], strict=True):
        potential = left + given + bias
        left = np.trunc(potential * (4096 - decay) / 4096)
        np.testing.assert_array_equal(values, np.clip(np.round(potential * 5 / 32), -128, 127))
    assert not found.wrapped and len(np.unique(found.outputs["readout"])) > 20


@pytest.mark.parametrize(("rule", "changed"), [
    ("threshold", {"threshold": 0}), ("threshold", {"threshold": 1 << 15}), ("decay", {"current_decay": 4097}),
    ("decay", {"potential_decay": [0, -1, 0, 0, 0]}), ("lowest", {"lowest": 1}), ("reset", {"reset": "none"}),
    ("initial", {"initial": 1 << 15}), ("initial", {"initial": [1, 2]}),
    ("decay", {"current_decay": [1, 2]}), ("decay", {"current_decay": 0.5})])
def test_refusals(rule: str, changed: dict[str, Any]) -> None:
    net = Network("refused")
    net.input("in", SHAPE)
    with pytest.raises(NetworkError, match=f"rule '{rule}'"):
        net.cuba("x", [net.branch("in", np.ones((5, 2, 1, 1), int))], **LAYERS[0] | changed)


def test_sums_of_currents_start_at_0() -> None:
    """Potentials before the first timestep are no part of the sums, which are currents."""
    ones = np.ones((5, 2, 3, 3), int), np.ones((3, 5, 2, 2), int), np.ones((2, 3, 2, 2), int)
    program = lower(network(ones))
    given = accumulator_range.sums(program, CONFIG)[:2]
    for population in program.populations:
        population.initial = None
    assert [report.layer for report in given] == ["first", "second"]
    assert accumulator_range.sums(program, CONFIG)[:2] == given


def test_a_core_without_the_type_is_refused() -> None:
    ones = np.ones((5, 2, 3, 3), int), np.ones((3, 5, 2, 2), int), np.ones((2, 3, 2, 2), int)
    with pytest.raises(RuleError, match=r"neurons of type 'cuba'.*Add 'cuba' to neuron_types, with state_bits at 32"):
        compile(network(ones))


def test_what_the_type_does_not_look_at_is_0_in_an_image() -> None:
    """A foreign image that sets another field of a second parameter word is refused, and one of the type's is not."""
    ones = np.ones((5, 2, 3, 3), int), np.ones((3, 5, 2, 2), int), np.ones((2, 3, 2, 2), int)
    image = compile(network(ones), config=CONFIG, check=False).image
    assert isinstance(image, Image)
    words, table = image.integers(), layouts(CONFIG)
    index = next(entry["index"] for entry in image.manifest["population_table"] if entry["name"] == "first")
    place = PopulationMap.of(table.population.unpack(words[2 * index + 1]), CONFIG)
    second = table.second_parameter.unpack(words[place.parameters])
    assert second == {"refractory": 0, "decay": 1000, "lowest": -200, "highest": 700}
    words[place.parameters] = table.second_parameter.pack(second | {"lowest": -7})
    validate(words, CONFIG, edges=image.edges, populations=image.populations)
    words[place.parameters] = table.second_parameter.pack(second | {"refractory": 1})
    with pytest.raises(ImageError, match="second parameter word, field 'refractory': 1"):
        validate(words, CONFIG, edges=image.edges, populations=image.populations)
