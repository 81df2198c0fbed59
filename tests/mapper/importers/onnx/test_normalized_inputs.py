"""Images of 8-bit pixels whose normalization the file has: the host does it, at any layout, padding and readers."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import synapress
from golden.errors import ImageError
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.model import float_outputs
from synapress.model_files import _checksums
from tests.helpers.onnx_models import Builder

FRAMES, SIZE = 4, (12, 10)
WIDE = dataclasses.replace(synapress.CoreConfig(), name="wide", state_bits=32, multiplier_bits=22)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
COLUMN = (3, 1, 1)
FLOAT = onnx.TensorProto.FLOAT


def real(b: Builder) -> str:
    return b.node("Cast", "x", to=FLOAT)


def channels_first(b: Builder, x: str) -> str:
    return b.node("Transpose", x, perm=[0, 3, 1, 2])


def share(b: Builder, x: str) -> str:
    return b.node("Mul", x, b.constant(np.float32(1 / 255)))


def standard(b: Builder, x: str, *shape: int) -> str:
    x = b.node("Sub", x, b.constant(MEAN.reshape(shape)))
    return b.node("Div", x, b.constant(DEVIATION.reshape(shape)))


def padded(b: Builder, x: str) -> str:
    """A border of zeros, which are no pixel's value."""
    return b.conv(b.conv(x, 3, 4), 4, 5, relu=False)


def two_readers(b: Builder, x: str) -> str:
    return b.node("Add", b.conv(x, 3, 4), b.conv(x, 3, 4, 5, relu=False))


def batch_norm(b: Builder, x: str) -> str:
    return b.batch_norm(x, 3)


def rounded(b: Builder, x: str, scale: float, zero: int) -> str:
    numbers = b.constant(np.float32(scale)), b.constant(np.uint8(zero))
    return b.node("DequantizeLinear", b.node("QuantizeLinear", x, *numbers), *numbers)


def dequantized(b: Builder) -> str:
    return b.node("DequantizeLinear", "x", b.constant(np.float32(1 / 255)), b.constant(np.uint8(3)))


Build = Callable[[Builder], str]
LAST, FIRST = (*SIZE, 3), (3, *SIZE)
FILES: dict[str, tuple[tuple[int, ...], Build, int]] = {  # the size, the file, and how many layers it needs
    "as they are": (FIRST, lambda b: padded(b, real(b)), 2),
    "share": (FIRST, lambda b: padded(b, share(b, real(b))), 2),
    "by channel": (FIRST, lambda b: padded(b, standard(b, share(b, real(b)), *COLUMN)), 2),
    "batch norm": (FIRST, lambda b: padded(b, batch_norm(b, share(b, real(b)))), 2),
    "two readers": (FIRST, lambda b: two_readers(b, standard(b, share(b, real(b)), 1, *COLUMN)), 2),
    "threshold": (FIRST, lambda b: padded(b, b.node(
        "Cast", b.node("Greater", "x", b.constant(np.array([[[30]], [[100]], [[200]]], np.uint8))), to=FLOAT)), 3),
    "dequantized": (FIRST, lambda b: padded(b, standard(b, dequantized(b), *COLUMN)), 2),
    "last, by channel behind": (
        LAST, lambda b: padded(b, standard(b, channels_first(b, share(b, real(b))), *COLUMN)), 2),
    "last, by channel in front": (LAST, lambda b: padded(b, channels_first(b, standard(b, share(b, real(b)), 3))), 2),
    "last, transposed at once": (
        LAST, lambda b: padded(b, standard(b, share(b, b.node("Cast", channels_first(b, "x"), to=FLOAT)), *COLUMN)), 2),
    "one minus": (FIRST, lambda b: padded(b, b.node("Sub", b.constant(np.float32(1)), share(b, real(b)))), 2),
    "last, dense": (LAST, lambda b: b.gemm(b.node("Flatten", standard(b, share(b, real(b)), 3)), 360, 5), 1),
    "last, resized": (LAST, lambda b: padded(b, b.node(
        "Resize", channels_first(b, standard(b, share(b, real(b)), 3)), "",
        b.constant(np.array([1, 1, 0.5, 0.5], np.float32)), mode="linear")), 3),
    "last, colors reversed": (LAST, lambda b: padded(b, channels_first(b, standard(
        b, b.node("Gather", share(b, real(b)), b.constant(np.array([2, 0, 1])), axis=3), 3))), 2),
    "colors reversed behind": (FIRST, lambda b: padded(b, batch_norm(b, b.node(
        "Gather", standard(b, share(b, real(b)), *COLUMN), b.constant(np.array([2, 1, 0])), axis=1))), 2),
    "last, on both sides": (
        LAST, lambda b: padded(b, batch_norm(b, channels_first(b, standard(b, real(b), 1, 1, 3)))), 2),
}


def build(name: str, seed: int) -> onnx.ModelProto:
    size, made, _ = FILES[name]
    b = Builder(np.random.default_rng(seed), size)
    return file(b, made(b))


def file(b: Builder, *outputs: str, kind: int = onnx.TensorProto.UINT8) -> onnx.ModelProto:
    """A file with an input of 8-bit integers."""
    graph = helper.make_graph(b.nodes, "image", [helper.make_tensor_value_info("x", kind, ["n", *b.shape])],
                              [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs], b.constants)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    onnx.checker.check_model(model, full_check=True)
    return model


def pixels(name: str, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (FRAMES, *FILES[name][0])).astype(np.uint8)


def ratio(wanted: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(wanted**2) / np.sum((wanted - got) ** 2)))


@pytest.mark.parametrize("name", FILES)
def test_the_host_normalizes(name: str, seed: int) -> None:
    model, x = build(name, seed), pixels(name, seed)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    read = read_onnx(model)
    (got,) = float_outputs(read, x).values()
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())
    made = synapress.compile(read, config=WIDE, calibration=x, check=True)
    assert len(made.layers) == FILES[name][2], "the normalization needs no layer"
    (got,) = synapress.simulate(made, x, engine="golden").outputs.values()
    assert ratio(wanted, got) > 30


def test_pixels_are_exact_where_only_their_scale_changes(seed: int) -> None:
    """Also if the calibration is dark: the range is that of the pixels."""
    x = pixels("share", seed)
    made = synapress.compile(read_onnx(build("share", seed)), config=WIDE, calibration=x // 8)
    result = synapress.simulate(made, x)
    np.testing.assert_array_equal(made.scales["x"].integers(made.inputs[0].to_maps(x)), x.swapaxes(2, 3))
    assert result.counts["x"].events == np.count_nonzero(x)


def test_a_range_of_both_signs_does_not_depend_on_the_calibration(seed: int) -> None:
    x = pixels("by channel", seed)
    read = read_onnx(build("by channel", seed))
    first, second = (synapress.compile(read, config=WIDE, calibration=frames).scales["x"]
                     for frames in (x, np.full_like(x, 255)))
    low, high = ((end - MEAN) / DEVIATION for end in (0, 1))
    assert first.step == pytest.approx(second.step) == pytest.approx(max(-low.min() / 256, high.max() / 255), rel=1e-5)


def test_a_saved_model_and_the_command_line_do_the_same(tmp_path: Path, seed: int,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from synapress.cli.main import app

    name = "last, by channel in front"
    x, model = pixels(name, seed), build(name, seed)
    onnx.save(model, tmp_path / "model.onnx")
    np.save(tmp_path / "frames.npy", x)
    runner = CliRunner()
    done = runner.invoke(app, ["compile", str(tmp_path / "model.onnx"), "--calibration", str(tmp_path / "frames.npy"),
                               "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0 and "Input x: uint8, normalized where frames are made" in " ".join(done.output.split())
    done = runner.invoke(app, ["simulate", str(tmp_path / "out"), "-i", str(tmp_path / "frames.npy"), "-o",
                               str(tmp_path / "outputs.npz")], catch_exceptions=False)
    assert done.exit_code == 0
    (got,) = np.load(tmp_path / "outputs.npz").values()
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert ratio(wanted, got) > 25
    again = synapress.CompiledModel.load(tmp_path / "out")
    np.testing.assert_array_equal(next(iter(synapress.simulate(again, x.astype(float)).outputs.values())), got)
    assert again.to_json()["integer_inputs"]["x"]["scale"] == pytest.approx(list(1 / DEVIATION / 255))


@pytest.mark.parametrize(("frames", "given"), [
    (np.full((1, *FIRST), -0.5), "float64 numbers from -0.5 to -0.5"),
    (np.full((1, *FIRST), 0.5), "float64 numbers from 0.5 to 0.5"),
    (np.full((1, *FIRST), 256), "int64 numbers from 256 to 256"),
    (np.full((1, *FIRST), -1, np.int8), "int8 numbers from -1 to -1")])
def test_frames_that_are_no_pixels_are_refused(frames: np.ndarray, given: str, seed: int) -> None:
    model = read_onnx(build("by channel", seed))
    with pytest.raises(ModelError, match=rf"needs integers of 0 … 255, as the file has them; given: {given}"):
        float_outputs(model, frames)


@pytest.mark.parametrize("scales", [(0.6, 0.5), (0.6, 0.75), (1.25, 1.2), (0.7, 0.7)])
def test_resized_pixels_are_the_same_integers_in_every_step(scales: tuple[float, float], seed: int) -> None:
    """A float32 of 0.6 has weights of nearly 1 / 3: the graph and its layers must agree what is nearly an integer."""
    b = Builder(np.random.default_rng(seed), FIRST)
    y = b.node("Resize", "x", "", b.constant(np.array([1, 1, *scales], np.float32)), mode="linear")
    model = file(b, b.conv(b.node("Cast", y, to=FLOAT), 3, 2))
    synapress.compile(read_onnx(model), config=WIDE, calibration=pixels("share", seed), check=True)


def test_signed_integers(seed: int) -> None:
    b = Builder(np.random.default_rng(seed), FIRST)
    model = file(b, padded(b, standard(b, real(b), *COLUMN)), kind=onnx.TensorProto.INT8)
    x = np.random.default_rng(seed).integers(-128, 128, (FRAMES, *FIRST)).astype(np.int8)
    read = read_onnx(model)
    assert read.inputs[0].normalization is not None and read.inputs[0].normalization.low == -128
    made = synapress.compile(read, config=WIDE, calibration=x)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert ratio(wanted, next(iter(synapress.simulate(made, x).outputs.values()))) > 30


@pytest.mark.parametrize(("op", "number", "fits"), [
    ("Sub", 128, False), ("Add", 1, False), ("Mul", 2, False), ("Sub", 0, True), ("Mul", 1, True)])
def test_sums_of_integers_that_wrap_are_refused(op: str, number: int, fits: bool, seed: int) -> None:
    """uint8 numbers minus 128 are uint8, which wrap; values below 0 would be another network."""
    b = Builder(np.random.default_rng(seed), FIRST)
    y = b.node(op, "x", b.constant(np.uint8(number)))
    model, x = file(b, padded(b, b.node("Cast", y, to=FLOAT))), pixels("as they are", seed)
    if not fits:
        with pytest.raises(ModelError, match=rf"{op}: type': needs results of 0 … 255 for all integers"):
            read_onnx(model)
        return
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(next(iter(float_outputs(read_onnx(model), x).values())), wanted,
                               atol=1e-5 * np.abs(wanted).max())


def test_integers_subtracted_and_computed_with_again(seed: int) -> None:
    """255 - x fits; what is computed of it by further integers is not followed."""
    for further in (False, True):
        b = Builder(np.random.default_rng(seed), FIRST)
        y = b.node("Sub", b.constant(np.uint8(255)), "x")
        y = b.node("Add", y, b.constant(np.uint8(9))) if further else y
        model, x = file(b, padded(b, b.node("Cast", y, to=FLOAT))), pixels("as they are", seed)
        if further:
            with pytest.raises(ModelError, match="Add: type': needs integers of the input, or real values"):
                read_onnx(model)
            continue
        (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
        np.testing.assert_allclose(next(iter(float_outputs(read_onnx(model), x).values())), wanted,
                                   atol=1e-5 * np.abs(wanted).max())


def test_what_else_reads_the_pixels_keeps_them(seed: int) -> None:
    """The normalization is then a layer, as before; so it is where it is an output."""
    b = Builder(np.random.default_rng(seed), FIRST)
    x = real(b)
    y = share(b, x)
    model = file(b, b.node("Add", b.conv(y, 3, 4), b.conv(x, 3, 4)), y)
    frames = pixels("share", seed)
    read = read_onnx(model)
    assert read.inputs[0].normalization is not None and read.inputs[0].normalization.scale == (1.0,)
    for got, wanted in zip(float_outputs(read, frames).values(), ReferenceEvaluator(model).run(None, {"x": frames}),
                           strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_larger_of_integers_is_an_integer(seed: int) -> None:
    """Max(x, 7) is uint8, so that its double wraps; cast to float first, it does not."""
    for cast in (False, True):
        b = Builder(np.random.default_rng(seed), FIRST)
        y = b.node("Max", "x", b.constant(np.uint8(7)))
        y = b.node("Cast", y, to=FLOAT) if cast else y
        y = b.node("Add", y, y)
        model, x = file(b, padded(b, y if cast else b.node("Cast", y, to=FLOAT))), pixels("as they are", seed)
        if not cast:
            with pytest.raises(ModelError, match="Add: type': needs results of 0 … 255"):
                read_onnx(model)
            continue
        (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
        np.testing.assert_allclose(next(iter(float_outputs(read_onnx(model), x).values())), wanted,
                                   atol=1e-5 * np.abs(wanted).max())


def test_pixels_that_are_flattened_before_a_convolution_reads_them(seed: int) -> None:
    """Which of two readers comes first in the file does not matter."""
    b = Builder(np.random.default_rng(seed), LAST)
    y = share(b, real(b))
    outputs = b.gemm(b.node("Flatten", y), 360, 5), b.conv(channels_first(b, y), 3, 4)
    model, x = file(b, *outputs), pixels("last, dense", seed)
    for got, wanted in zip(float_outputs(read_onnx(model), x).values(), ReferenceEvaluator(model).run(None, {"x": x}),
                           strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_quantized_file_rounds_the_normalized_pixels(seed: int) -> None:
    """uint8 pixels, normalized in float, and rounded as the first layer reads them: no calibration is needed."""
    b = Builder(np.random.default_rng(seed), FIRST)
    y = rounded(b, standard(b, share(b, real(b)), *COLUMN), 0.02, 110)
    scale, zero = b.constant(np.float32(0.01)), b.constant(np.int8(0))
    weights = b.constant(np.random.default_rng(seed).integers(-90, 90, (4, 3, 3, 3)).astype(np.int8))
    y = b.node("Conv", y, b.node("DequantizeLinear", weights, scale, zero), pads=[1] * 4)
    model = file(b, rounded(b, y, 0.0473, 128))
    x = pixels("share", seed)
    made = synapress.compile(read_onnx(model), config=WIDE)
    assert len(made.layers) == 1
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    (got,) = synapress.simulate(made, x).outputs.values()
    assert np.abs(got - wanted).max() < 0.0474 and np.mean(np.abs(got - wanted) > 0.01) < 0.001


@pytest.mark.parametrize(("field", "value"), [
    ("scale", [1.0, 2.0]), ("offset", []), ("scale", [float("inf")] * 3), ("low", "0"), ("order", [0, 1, 3])])
def test_a_damaged_normalization_is_refused(field: str, value: object, tmp_path: Path, seed: int) -> None:
    made = synapress.compile(read_onnx(build("by channel", seed)), config=WIDE, calibration=pixels("by channel", seed))
    made.save(tmp_path)
    model = json.loads((tmp_path / "model.json").read_text())
    model["inputs"][0]["normalization"][field] = value
    (tmp_path / "model.json").write_text(json.dumps(model))
    (tmp_path / "checksums.json").write_text(json.dumps(_checksums(tmp_path)))
    with pytest.raises(ImageError, match=r"field 'inputs\[0\].normalization"):
        synapress.CompiledModel.load(tmp_path)
