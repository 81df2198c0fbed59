"""Networks as people have them: from the exporter's file to integers on a mesh, without help."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

import synapress
from synapress.mapper.quantization.scales import sqnr
from synapress.results import CompiledModel, Simulation
from tests.helpers.onnx_net import Net, frames
from tests.helpers.own_networks import NETWORKS

CASES: dict[str, tuple[str, dict[str, Any], float]] = {
    "ResNet-18": ("resnet18", {"size": 64, "width": 0.25}, 16),
    "ResNet-50": ("resnet50", {"size": 64, "width": 0.125}, 9),
    "MobileNetV2": ("mobilenet_v2", {"size": 64, "width": 0.25}, 2),
    "MobileNetV3": ("mobilenet_v3", {"size": 128, "width": 0.25}, 1),
    "EfficientNet-B0": ("efficientnet", {"size": 64, "width": 0.25, "stages": 4}, 3),
    "DenseNet": ("densenet", {"size": 32, "width": 0.125, "blocks": (13, 1)}, 8),
    "VGG": ("vgg", {"size": 64, "width": 0.25}, 18),
    "MLP": ("mlp", {"size": 64, "width": 0.25}, 10),
    "PilotNet": ("pilotnet", {"size": 72, "width": 0.5}, 5),
    "U-Net, transposed": ("unet", {"size": 32, "width": 0.5}, 14),
    "U-Net, bilinear": ("unet", {"size": 32, "width": 0.5, "up": "linear"}, 8),
    "U-Net, nearest": ("unet", {"size": 32, "width": 0.5, "up": "nearest"}, 10),
    "YOLO": ("yolo", {"size": 64, "width": 0.25}, 2),
    "keyword spotting": ("keywords", {"width": 0.5}, 15),
    "waveform": ("waveform", {"size": 16000, "width": 0.25}, 20),
    "heartbeat": ("heartbeat", {"size": 1000, "width": 0.5}, 20),
}
"""Builder, its arguments, and the least SQNR of an output in dB. Random weights amplify the noise of a layer in those
behind, the more the deeper; what a layer adds itself is held to `OWN`."""
OWN = 14.0
REAL: dict[str, tuple[str, dict[str, Any], int]] = {
    "ResNet-18, 224": ("resnet18", {"size": 224}, 80),
    "MobileNetV2, 96": ("mobilenet_v2", {"size": 96}, 30),
    "MobileNetV3 small, 224": ("mobilenet_v3", {"size": 224}, 30),
    "EfficientNet-B0, 224": ("efficientnet", {"size": 224}, 110),
    "U-Net, 128": ("unet", {"size": 128}, 40),
    "YOLO, 320": ("yolo", {"size": 320}, 40),
    "VGG, 112": ("vgg", {"size": 112}, 50),
    "MLP, 64": ("mlp", {"size": 64}, 16),
}
"""Builder, its arguments, and the most cores."""


def compiled(
    path: Path, name: str, arguments: dict[str, Any], seed: int, count: int
) -> tuple[CompiledModel, npt.NDArray[np.float32], list[npt.NDArray[Any]]]:
    """A network of the builder on a mesh; new frames, and what onnxruntime makes of them."""
    model = NETWORKS[name](seed=seed, **arguments)
    onnx.save(model, path / "own.onnx")
    rng = np.random.default_rng(seed + 100)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    calibration, x = frames(shape, count, rng), frames(shape, 2, rng)
    expected = onnxruntime.InferenceSession(path / "own.onnx").run(None, {"x": x})
    return synapress.compile(synapress.load(path / "own.onnx"), calibration=calibration), x, expected


def assert_near(result: Simulation, expected: list[npt.NDArray[Any]], floor: float) -> None:
    for got, exact in zip(result.outputs.values(), expected, strict=True):
        assert got.shape == exact.shape
        assert np.isfinite(found := sqnr(exact, got)) and found > floor


@pytest.mark.parametrize("case", CASES)
def test_reduced_networks_keep_their_signal(case: str, tmp_path: Path, seed: int) -> None:
    """Loaded, compiled and run event by event, which `simulate` compares with the fast model, integer by integer."""
    name, arguments, floor = CASES[case]
    made, x, expected = compiled(tmp_path, name, arguments, seed, 16)
    assert_near(synapress.simulate(made, x), expected, floor)
    assert all(layer.own_sqnr > OWN for layer in made.layers)
    assert not [item for item in made.sums if item.verdict in ("wraps", "unproved")]
    events = synapress.simulate(made, x[:1], engine="golden")
    assert events.counters is not None and events.counters["values_in"] > 0


@pytest.mark.long
@pytest.mark.parametrize("case", REAL)
def test_networks_of_real_size_fit_a_mesh(case: str, tmp_path: Path, seed: int) -> None:
    name, arguments, cores = REAL[case]
    made, x, expected = compiled(tmp_path, name, arguments, seed, 4)
    assert 1 < len(made.images) <= cores
    assert_near(synapress.simulate(made, x), expected, -1)
    assert np.median([layer.own_sqnr for layer in made.layers]) > 25


def test_gates_of_large_maps_on_rtl(tmp_path: Path, seed: int) -> None:
    """A squeeze over 64 × 50 and its gate: the averages in three steps, the gate by way of a map of 8 × 7."""
    b = Net(seed, (1, 50, 64))
    onnx.save(b.model(b.squeeze(b.conv("x", 4, 3, 1, "relu"), 4, "HardSigmoid")), tmp_path / "gate.onnx")
    rng = np.random.default_rng(seed)
    made = synapress.compile(synapress.load(tmp_path / "gate.onnx"), calibration=frames((1, 50, 64), 8, rng))
    shapes = {population.name.rsplit("/")[-1]: population.shape for population in made.program.populations}
    assert shapes["means"] == shapes["spread"] == (4, 8, 7)
    x = frames((1, 50, 64), 1, rng)
    golden, rtl = (synapress.simulate(made, x, engine=engine) for engine in ("golden", "rtl"))
    for name, array in golden.integers.items():
        assert array.any()
        np.testing.assert_array_equal(rtl.integers[name], array)


def test_blocks_are_saved(tmp_path: Path, seed: int) -> None:
    """An input that comes in blocks takes frames in the file's layout, opened again as well."""
    made, x, _ = compiled(tmp_path, "waveform", {"size": 9000, "width": 0.1}, seed, 4)
    assert made.inputs[0].blocks == (4, 1)
    made.save(tmp_path / "out")
    expected, got = (synapress.simulate(item, x).outputs for item in (made, CompiledModel.load(tmp_path / "out")))
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)
