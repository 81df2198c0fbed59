"""Ranges of outputs: functions with known bounds clip nothing, and outputs that are clipped are told."""

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import synapress
from golden.types import Floats
from synapress.cli.main import app
from synapress.engines import saturation
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.reports import report
from synapress.results import CompiledModel

Steps = Sequence[tuple[str, list[str], str, dict[str, Any]]]
HALF = 32
CONSTANTS = {"zero": 0.0, "one": 1.0, "minus": -1.0, "two": 2.0, "three": 3.0, "six": 6.0, "ten": 10.0,
             "far": 1e4, "under": -1e4}


def network(steps: Steps, weights: Floats, bias: Floats) -> onnx.ModelProto:
    """A 1 × 1 convolution to `s`, then the nodes of `steps`, of which the last gives `y`."""
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["s"], name="conv")]
    nodes += [helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **options)
              for kind, inputs, output, options in steps]
    constants = {"w": weights[:, :, None, None], "b": bias} | CONSTANTS
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2 * HALF, 1, 2])],
        [helper.make_tensor_value_info("y" if steps else "s", TensorProto.FLOAT, ["n", "d", "h", "w"])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()
         if name in read] + [numpy_helper.from_array(np.array([1]), "channels")] * ("channels" in read))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def one(kind: str, **options: Any) -> Steps:
    return [(kind, ["s"], "y", options)]


def sigmoid(s: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-s)))


SPELLED: Steps = [("Neg", ["s"], "n", {}), ("Exp", ["n"], "e", {}), ("Add", ["e", "one"], "a", {}),
                  ("Reciprocal", ["a"], "y", {})]
HARD: Steps = [("Add", ["s", "three"], "a", {}), ("Clip", ["a", "zero", "six"], "c", {}),
               ("Div", ["c", "six"], "y", {})]
GATED: Steps = [("Sigmoid", ["s"], "a", {}), ("Tanh", ["s"], "t", {}), ("Mul", ["a", "t"], "y", {})]
SCALED: Steps = [("Sigmoid", ["s"], "a", {}), ("Mul", ["a", "two"], "m", {}), ("Sub", ["m", "one"], "y", {})]
CASES: dict[str, tuple[Steps, Callable[[Floats], Floats], float]] = {
    "sigmoid": (one("Sigmoid"), sigmoid, 1),
    "tanh": (one("Tanh"), np.tanh, 1),
    "hard sigmoid": (one("HardSigmoid"), lambda s: np.clip(0.2 * s + 0.5, 0, 1), 1),
    "softsign": (one("Softsign"), lambda s: s / (1 + abs(s)), 1),
    "erf": (one("Erf"), np.vectorize(math.erf), 1),
    "hard tanh": ([("Clip", ["s", "minus", "one"], "y", {})], lambda s: np.clip(s, -1, 1), 1),
    "ReLU6": ([("Clip", ["s", "zero", "six"], "y", {})], lambda s: np.clip(s, 0, 6), 6),
    "spelled sigmoid": (SPELLED, sigmoid, 1),
    "spelled hard sigmoid": (HARD, lambda s: np.clip(s + 3, 0, 6) / 6, 1),
    "scaled sigmoid": (SCALED, lambda s: 2 * sigmoid(s) - 1, 1),
    "product": (GATED, lambda s: sigmoid(s) * np.tanh(s), 1),
    "maximum": ([("Sigmoid", ["s"], "a", {}), ("MaxPool", ["a"], "y", {"kernel_shape": [1, 2]})],
                lambda s: sigmoid(s).max(axis=(2, 3), keepdims=True), 1),
}


EXACT = ("sigmoid", "hard sigmoid", "hard tanh", "ReLU6", "spelled sigmoid", "spelled hard sigmoid", "maximum")
"""Functions of which an argument's rounding to an entry of a table moves the value by less than half a step."""


def read_or_split(proto: onnx.ModelProto) -> Model:
    """As `load`, of a file whose last operators the host computes."""
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(proto, f"{folder}/m.onnx")
        return synapress.load(f"{folder}/m.onnx")


@pytest.fixture
def low(seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights, bias, calibration with low sums, and frames whose sums reach further.

    Inputs are multiples of 1 / 255 up to 1, in both, and weights have one magnitude, so that sums are exact.
    """
    rng = np.random.default_rng([seed, 51])

    def drawn(count: int, first: tuple[float, float], second: tuple[float, float]) -> Floats:
        parts = [rng.uniform(*ends, (count, HALF, 1, 2)) for ends in (first, second)]
        return np.asarray(np.rint(255 * np.concatenate(parts, axis=1)) / 255)

    weights = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1)
    calibration, frames = drawn(64, (0, 0.3), (0.5, 1)), drawn(200, (0.5, 1), (0, 0.5))
    calibration[0, -1] = 1
    return weights, np.array([-0.5]), calibration, frames


def sums(weights: Floats, bias: Floats, x: Floats) -> Floats:
    return np.asarray(np.einsum("of,nfhw->nohw", weights, x) + bias[:, None, None])


def compiled(steps: Steps, low: tuple[Floats, Floats, Floats, Floats]) -> tuple[CompiledModel, Floats, Floats]:
    """A network calibrated with low sums; frames; their sums."""
    weights, bias, calibration, frames = low
    made = synapress.compile(read_onnx(network(steps, weights, bias)), calibration=calibration)
    return made, frames, sums(weights, bias, frames)


@pytest.mark.parametrize("name", CASES)
def test_an_output_has_the_range_of_its_function(name: str, low: tuple[Floats, Floats, Floats, Floats]) -> None:
    """Right to a step of 1 / 255 and what the 512 entries of a table round, for sums that the calibration lacks."""
    steps, function, largest = CASES[name]
    made, frames, exact = compiled(steps, low)
    seen = function(sums(*low[:3]))
    assert seen.max() < 0.2 < function(exact).max()
    result = synapress.simulate(made, frames)
    step = largest / 255
    assert np.abs(result.outputs["y"] - function(exact)).max() <= (1 if name in EXACT else 1.5) * step
    assert result.saturated == {} == result.wrapped and report.saturation_warning(result) == ""


def test_a_true_detection_is_not_clipped(low: tuple[Floats, Floats, Floats, Floats]) -> None:
    """A sigmoid that the calibration saw up to 0.07 gives 0.74."""
    made = compiled(one("Sigmoid"), low)[0]
    x = np.zeros((1, 2 * HALF, 1, 2))
    x[:, :HALF] = 99 / 255
    value = sigmoid(np.array(HALF / 8 * 99 / 255 - 0.5))
    assert value == pytest.approx(0.741, abs=1e-3)
    np.testing.assert_allclose(synapress.simulate(made, x, engine="golden").outputs["y"], value, atol=1 / 255)


def test_a_softmax_has_its_range(low: tuple[Floats, Floats, Floats, Floats]) -> None:
    """The host computes it, of logits whose range the calibration shows, though not together; else that is told."""
    _, _, calibration, frames = low
    weights = np.zeros((2, 2 * HALF))
    weights[0, :HALF], weights[1, HALF:] = 1 / 8, 1 / 8
    calibration, frames = calibration.copy(), frames.copy()
    calibration[:, HALF:] = calibration[:, :HALF]
    calibration[:2] = np.array([0, 1])[:, None, None, None]
    frames[:, :HALF], frames[:, HALF:] = 0.8, 0.4
    made = synapress.compile(
        read_or_split(network(one("Softmax", axis=1), weights, np.zeros(2))), calibration=calibration)
    logits = np.array([HALF / 8 * 0.8, HALF / 8 * 0.4])
    expected = (np.exp(logits) / np.exp(logits).sum()).reshape(1, 2, 1, 1)
    result = synapress.simulate(made, frames[:1])
    assert expected.max() > 0.8
    np.testing.assert_allclose(result.outputs["y"], np.broadcast_to(expected, (1, 2, 1, 2)), atol=1 / 255)
    assert result.saturated == {}
    made = synapress.compile(
        read_or_split(network(one("Softmax", axis=1), weights, np.zeros(2))), calibration=calibration[2:])
    assert synapress.simulate(made, frames[:1]).saturated == {"s": {"conv": 4}}


def test_a_gate_has_the_range_of_its_function(low: tuple[Floats, Floats, Floats, Floats]) -> None:
    """A gate inside of a network, spelled out or not; a ReLU6 inside keeps the range that the calibration saw."""
    for gate in ([("Sigmoid", ["s"], "g", {})], [*HARD[:2], ("Div", ["c", "six"], "g", {})]):
        steps: Steps = [("Clip", ["x", "zero", "six"], "r", {}), ("ReduceMean", ["r", "channels"], "m", {}), *gate,
                        ("Mul", ["m", "g"], "p", {}), ("Mul", ["p", "two"], "q", {}),
                        ("Sub", ["q", "ten"], "y", {})]
        made, frames, exact = compiled(steps, low)
        spread = {name: scale.step * scale.high for name, scale in made.scales.items()}
        name = "conv" if len(gate) == 1 else "Div_g"
        assert spread[name] == pytest.approx(1) and spread["Clip_r"] <= 1.01, spread
        found = synapress.simulate(made, frames).maps[name] * made.scales[name].step
        wanted = sigmoid(exact) if len(gate) == 1 else np.clip(exact + 3, 0, 6) / 6
        np.testing.assert_allclose(found, wanted.transpose(0, 1, 3, 2), atol=1 / 255)


def test_a_clip_that_only_guards_is_no_range(low: tuple[Floats, Floats, Floats, Floats]) -> None:
    made, frames, exact = compiled([("Clip", ["s", "under", "far"], "y", {})], low)
    seen = np.abs(sums(*low[:3])).max()
    assert made.scales["conv"].step * 256 == pytest.approx(1.25 * seen, rel=0.02)
    expected = int(np.count_nonzero(np.rint(exact / made.scales["conv"].step) > 255))
    assert synapress.simulate(made, frames).saturated == ({"y": {"conv": expected}} if expected else {})


# -- what is told ------------------------------------------------------------------------------


@pytest.fixture
def linear(seed: int) -> tuple[CompiledModel, Floats, Floats]:
    """A linear layer of three channels; frames and their exact sums, of which some are beyond its range."""
    rng = np.random.default_rng([seed, 52])
    weights = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1) * np.array([[1], [-1], [0.5]])
    calibration = rng.integers(64, 192, (32, 2 * HALF, 1, 2)) / 255
    calibration[0, 0] = 1
    frames = rng.integers(64, 192, (6, 2 * HALF, 1, 2)) / 255
    frames[1, :HALF], frames[1, HALF:] = 180 / 255, 75 / 255
    frames[4, :HALF], frames[4, HALF:] = 75 / 255, 180 / 255
    frames[0, 0] = 1
    made = synapress.compile(read_onnx(network([], weights, np.zeros(3))), calibration=calibration)
    return made, frames, sums(weights, np.zeros(3), frames)


def test_clipped_outputs_are_counted(linear: tuple[CompiledModel, Floats, Floats], tmp_path: Path) -> None:
    made, frames, exact = linear
    scale = made.scales["conv"]
    beyond = (np.rint(exact / scale.step) > scale.high) | (np.rint(exact / scale.step) < scale.low)
    expected = int(np.count_nonzero(beyond))
    assert expected >= 8
    made.save(tmp_path / "m")
    for item in (made, CompiledModel.load(tmp_path / "m")):
        result = synapress.simulate(item, frames)
        assert result.saturated == {"s": {"conv": expected}} == result.to_json()["saturated"]
        assert f"s (layer conv: {expected} of 36)" in report.saturation_warning(result)
    assert synapress.simulate(made, frames[:1]).saturated == {}
    assert synapress.simulate(made, frames, engine="golden").saturated == {"s": {"conv": expected}}


def test_what_helps_helps(linear: tuple[CompiledModel, Floats, Floats]) -> None:
    """Calibrated with these frames, no output is clipped."""
    frames = linear[1]
    weights = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1) * np.array([[1], [-1], [0.5]])
    for steps in ([], [("MaxPool", ["s"], "y", {"kernel_shape": [1, 2]})]):
        made = synapress.compile(read_onnx(network(steps, weights, np.zeros(3))), calibration=frames,
                                 options=synapress.Options(method="max"))
        assert synapress.simulate(made, frames).saturated == {}


def test_a_bound_of_the_network_is_no_saturation(linear: tuple[CompiledModel, Floats, Floats]) -> None:
    """Of a ReLU only what is too large counts; of a ReLU6, nothing."""
    _, frames, _ = linear
    weights, bias = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1), np.zeros(1)
    calibration = frames[[0, 2, 3, 5]]
    for steps, some in ((one("Relu"), True), ([("Clip", ["s", "zero", "one"], "y", {})], False)):
        made = synapress.compile(read_onnx(network(steps, weights, bias)), calibration=calibration)
        exact = sums(weights, bias, frames)
        scale = made.scales["conv"]
        expected = int(np.count_nonzero(np.rint(exact / scale.step) > scale.high)) if some else 0
        assert bool(expected) == some and (exact < 0).any() and (exact > 1).any()
        assert synapress.simulate(made, frames).saturated == ({"y": {"conv": expected}} if some else {})


def test_an_output_of_a_table_that_ends_too_early_is_told(linear: tuple[CompiledModel, Floats, Floats]) -> None:
    """Exp has no upper bound: its range is the calibration's."""
    _, frames, _ = linear
    weights, bias = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1), np.zeros(1)
    made = synapress.compile(read_onnx(network(one("Exp"), weights, bias)), calibration=frames[[0, 2, 3, 5]])
    result = synapress.simulate(made, frames)
    exact = np.exp(sums(weights, bias, frames))
    wrong = np.abs(result.outputs["y"] - exact) > 0.1
    assert result.saturated == {"y": {"conv": int(np.count_nonzero(wrong))}} and wrong.any()


def test_a_maximum_tells_of_the_layer_that_it_copies(linear: tuple[CompiledModel, Floats, Floats]) -> None:
    _, frames, exact = linear
    weights = np.repeat([[1 / 8, -1 / 8]], HALF, axis=1) * np.array([[1], [-1], [0.5]])
    steps: Steps = [("MaxPool", ["s"], "y", {"kernel_shape": [1, 2]})]
    made = synapress.compile(read_onnx(network(steps, weights, np.zeros(3))), calibration=frames[[0, 2, 3, 5]],
                             options=synapress.Options(method="max"))
    scale = made.scales["conv"]
    beyond = (np.rint(exact / scale.step) > scale.high) | (np.rint(exact / scale.step) < scale.low)
    assert synapress.simulate(made, frames).saturated == {"y": {"conv": int(np.count_nonzero(beyond))}}


def test_channels_of_a_layer_count_for_the_output_that_has_them(linear: tuple[CompiledModel, Floats, Floats]) -> None:
    """Two outputs, each some channels of one layer."""
    made = linear[0]
    place = made.places[made.outputs[0].node]
    part = place.parts[0]
    counts = {"a": np.array([3, 0, 2])}
    clips: saturation.Clips = {part.layer: {part.layer: [(256, None)]}}
    places = {"first": replace(place, parts=(replace(part, first=0, count=2),)),
              "second": replace(place, parts=(replace(part, first=1, count=1),))}
    assert saturation.by_output(clips, {part.layer: counts["a"]}, places) == {"first": {part.layer: 3}}


def test_the_command_line_and_the_page_tell(linear: tuple[CompiledModel, Floats, Floats], tmp_path: Path) -> None:
    made, frames, _ = linear
    made.save(tmp_path / "m")
    np.save(tmp_path / "bad.npy", frames)
    np.save(tmp_path / "good.npy", frames[:1])
    for name, warned in (("bad", True), ("good", False)):
        given = [str(tmp_path / "m"), "-i", str(tmp_path / f"{name}.npy")]
        ran = CliRunner().invoke(app, ["simulate", *given])
        told = CliRunner().invoke(app, ["report", *given, "-o", str(tmp_path / "page.html")])
        for text in (ran.output, told.output, (tmp_path / "page.html").read_text()):
            assert ("exceeded their quantization range" in " ".join(text.split())) == warned, text
        shown = json.loads(CliRunner().invoke(app, ["report", *given, "--json"]).stdout)
        assert bool(shown["work"]["saturated"]) == warned
