"""Inputs and outputs in layouts of other frameworks: channels last, flat, or with dimensions of 1, for any frames."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import synapress
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.model import float_outputs
from synapress.results import CompiledModel
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session

FRAMES = 3


def reshape(b: Builder, x: str, *dims: int) -> str:
    return b.node("Reshape", x, b.constant(np.array(dims)))


def move(b: Builder, x: str, *order: int) -> str:
    return b.node("Transpose", x, perm=list(order))


def unsqueeze(b: Builder, x: str, axis: int) -> str:
    return b.node("Unsqueeze", x, b.constant(np.array([axis])))


def squeeze(b: Builder, x: str, axis: int) -> str:
    return b.node("Squeeze", x, b.constant(np.array([axis])))


def scaled(b: Builder, x: str) -> str:
    """As a file brings its preprocessing of pixels."""
    return b.node("Sub", b.node("Mul", x, b.constant(np.float32(0.5))), b.constant(np.array([0.25], np.float32)))


def rounded(b: Builder, x: str) -> str:
    """As a file that brings its own quantization has it."""
    scale, zero = b.constant(np.float32(2**-5)), b.constant(np.int8(0))
    return b.node("DequantizeLinear", b.node("QuantizeLinear", x, scale, zero), scale, zero)


def dense(b: Builder, x: str, size: int) -> str:
    return b.gemm(b.node("Flatten", x), size, 5)


def conv1d(b: Builder, x: str, depth: int) -> str:
    weights = b.rng.normal(0, 0.5, (4, depth, 3)).astype(np.float32)
    return b.node("Conv", x, b.constant(weights), pads=[1, 1])


Build = Callable[[Builder], str]
INPUTS: dict[str, tuple[tuple[int, ...], Build]] = {
    "channels last, reshape": ((12, 10, 1), lambda b: b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4)),
    "channels last, reshape with 0": ((12, 10, 1), lambda b: b.conv(reshape(b, "x", 0, 1, 12, 10), 1, 4)),
    "channels last, transpose": ((12, 10, 1), lambda b: b.conv(move(b, "x", 0, 3, 1, 2), 1, 4)),
    "channels last, dense": ((12, 10, 1), lambda b: dense(b, b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4), 480)),
    "channels last, squeezed": ((12, 10, 1), lambda b: b.conv(unsqueeze(b, squeeze(b, "x", 3), 1), 1, 4)),
    "channels last, scaled": ((12, 10, 1), lambda b: b.conv(reshape(b, scaled(b, "x"), -1, 1, 12, 10), 1, 4)),
    "channels last, three, scaled": ((6, 5, 3), lambda b: b.conv(move(b, scaled(b, "x"), 0, 3, 1, 2), 3, 4)),
    "channels last, quantized": ((6, 5, 3), lambda b: b.conv(move(b, rounded(b, "x"), 0, 3, 1, 2), 3, 4)),
    "channels last, two readers": ((12, 10, 1), lambda b: b.node("Add", *(
        b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4, kernel) for kernel in (1, 3)))),
    "channels last, and flat": ((12, 10, 1), lambda b: b.node("Add", dense(b, b.conv(
        reshape(b, "x", -1, 1, 12, 10), 1, 4), 480), b.gemm(b.node("Flatten", "x"), 120, 5))),
    "one row": ((1, 10, 3), lambda b: b.conv(reshape(b, move(b, "x", 0, 3, 1, 2), -1, 3, 1, 10), 3, 4)),
    "one column": ((12, 1, 10), lambda b: b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4)),
    "as one row": ((12, 10, 1), lambda b: conv1d(b, reshape(b, "x", -1, 1, 120), 1)),
    "samples last": ((40, 1), lambda b: conv1d(b, reshape(b, "x", -1, 1, 40), 1)),
    "channels of one position": ((1, 1, 7), lambda b: b.conv(reshape(b, "x", -1, 7, 1, 1), 7, 4, 1)),
    "no channels": ((12, 10), lambda b: b.conv(unsqueeze(b, "x", 1), 1, 4)),
    "no channels, last": ((12, 10), lambda b: b.conv(move(b, unsqueeze(b, "x", 3), 0, 3, 1, 2), 1, 4)),
    "to channels last and back": ((1, 12, 10), lambda b: b.conv(
        move(b, reshape(b, "x", -1, 12, 10, 1), 0, 3, 1, 2), 1, 4)),
    "flat, -1": ((120,), lambda b: b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4)),
    "flat, 0": ((120,), lambda b: b.conv(reshape(b, "x", 0, 1, 12, 10), 1, 4)),
    "flat, dense": ((120,), lambda b: dense(b, b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4), 480)),
    "flat, three channels": ((120,), lambda b: b.conv(reshape(b, "x", -1, 3, 4, 10), 3, 4)),
    "flat, channels last": ((120,), lambda b: b.conv(move(b, reshape(b, "x", 0, 4, 10, 3), 0, 3, 1, 2), 3, 4)),
    "flat, scaled": ((1200,), lambda b: b.conv(reshape(b, scaled(b, "x"), -1, 3, 20, 20), 3, 4)),
    "flat, two readers": ((120,), lambda b: b.node("Add", *(
        b.conv(reshape(b, "x", -1, 3, 4, 10), 3, 4, kernel) for kernel in (1, 3)))),
}
OUTPUTS: dict[str, tuple[tuple[int, ...], Build]] = {
    "to channels last, reshape": ((2, 12, 10), lambda b: reshape(b, b.conv("x", 2, 1), -1, 12, 10, 1)),
    "to channels last, transpose": ((2, 12, 10), lambda b: move(b, b.conv("x", 2, 1), 0, 2, 3, 1)),
    "to channels last, scaled": ((2, 12, 10), lambda b: scaled(b, reshape(b, b.conv("x", 2, 1), -1, 12, 10, 1))),
    "to no channels": ((2, 12, 10), lambda b: squeeze(b, b.conv("x", 2, 1), 1)),
    "to a vector": ((2, 12, 10), lambda b: reshape(b, b.conv("x", 2, 1), 0, 120)),
    "to channels last and back": ((2, 12, 10), lambda b: b.conv(
        reshape(b, reshape(b, b.conv("x", 2, 1), -1, 12, 10, 1), -1, 1, 12, 10), 1, 3)),
    "both ends": ((12, 10, 1), lambda b: reshape(b, b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 1), -1, 12, 10, 1)),
    "softmax of the host": ((12, 10, 1), lambda b: b.node("Softmax", reshape(
        b, b.conv(reshape(b, "x", -1, 1, 12, 10), 1, 4), -1, 480))),
    "host with the input": ((120,), lambda b: b.node("Where", b.node("Greater", b.node("Flatten", b.conv(
        reshape(b, "x", -1, 1, 12, 10), 1, 1)), b.constant(np.float32(0.3))), "x", b.constant(np.float32(0)))),
}
LAYOUTS = INPUTS | OUTPUTS


def model(shape: tuple[int, ...], build: Build, seed: int, frames: int | None) -> onnx.ModelProto:
    """With a dynamic number of frames, or a fixed one."""
    b = Builder(np.random.default_rng(seed), shape)
    made = b.model(build(b))
    if frames is None:
        return made
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = frames
    for output in made.graph.output:
        output.type.ClearField("tensor_type")
        output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return onnx.shape_inference.infer_shapes(made)


def by_onnxruntime(made: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """All frames, as many at once as the file takes."""
    run = session(made)
    at_once = made.graph.input[0].type.tensor_type.shape.dim[0].dim_value or len(x)
    return np.concatenate([run.run(None, {"x": x[i:i + at_once]})[0] for i in range(0, len(x), at_once)])


def loaded(made: onnx.ModelProto, folder: Path) -> Model:
    onnx.save(made, folder / "model.onnx")
    return synapress.load(folder / "model.onnx")


@pytest.mark.parametrize("frames", [None, 1, FRAMES], ids=["dynamic", "one frame", "three frames"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_compute_what_onnxruntime_does(name: str, frames: int | None, tmp_path: Path, seed: int) -> None:
    """Float reference, calibration and integers take any number of frames, whatever the file says."""
    shape, build = LAYOUTS[name]
    made = model(shape, build, seed, frames)
    x = np.random.default_rng(seed).normal(0, 1, (FRAMES, *shape)).astype(np.float32)
    expected = by_onnxruntime(made, x)
    read = loaded(made, tmp_path)
    (found,) = float_outputs(read, x).values()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    compiled = synapress.compile(read, calibration=x)
    (outputs,) = synapress.simulate(compiled, x).outputs.values()
    assert outputs.shape == expected.shape
    if "host" not in name:
        assert ((outputs - expected) ** 2).sum() < 1e-2 * (expected ** 2).sum()
    for i in range(FRAMES):
        (alone,) = synapress.simulate(compiled, x[i:i + 1]).outputs.values()
        np.testing.assert_array_equal(alone[0], outputs[i])


@pytest.mark.parametrize("tail", [(1, 12, 10), (12, 10, 1), (3, 4, 10)], ids=str)
def test_a_target_for_one_frame_takes_any_number(tail: tuple[int, ...], tmp_path: Path, seed: int) -> None:
    """onnxruntime can run such a file with one frame only, so frame by frame."""
    def build(b: Builder) -> str:
        x = reshape(b, "x", 1, *tail)
        x = move(b, x, 0, 3, 1, 2) if tail[-1] == 1 else x
        return b.conv(x, 3 if tail[0] == 3 else 1, 4)

    made = model((120,), build, seed, 1)
    x = np.random.default_rng(seed).normal(0, 1, (FRAMES, 120)).astype(np.float32)
    expected = by_onnxruntime(made, x)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    read = loaded(made, tmp_path)
    (found,) = float_outputs(read, x).values()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    compiled = synapress.compile(read, calibration=x)
    (outputs,) = synapress.simulate(compiled, x).outputs.values()
    assert ((outputs - expected) ** 2).sum() < 1e-2 * (expected ** 2).sum()


def test_a_viewed_input_is_saved(tmp_path: Path, seed: int) -> None:
    shape, build = INPUTS["flat, channels last"]
    x = np.random.default_rng(seed).normal(0, 1, (FRAMES, *shape))
    compiled = synapress.compile(loaded(model(shape, build, seed, None), tmp_path), calibration=x)
    compiled.save(tmp_path / "out")
    (expected,), (got,) = (synapress.simulate(item, x, engine="golden").outputs.values()
                           for item in (compiled, CompiledModel.load(tmp_path / "out")))
    assert len(got) == FRAMES and expected.any()
    np.testing.assert_array_equal(got, expected)


REFUSED: dict[str, tuple[tuple[int, ...], Build, str]] = {
    "rows and columns swapped": (
        (2, 12, 10), lambda b: b.conv(reshape(b, b.conv("x", 2, 2), -1, 2, 10, 12), 2, 4),
        r"'reshape\d', rule 'Reshape: reshape'.*\(1, 2, 12, 10\) → \(1, 2, 10, 12\)"),
    "another number of elements": (
        (12, 10, 1), lambda b: b.conv(reshape(b, "x", 1, 1, 10, 10), 1, 4),
        r"'reshape\d', rule 'Reshape: reshape': needs 120 elements.*\(1, 1, 10, 10\)"),
    "two layouts of an input": (
        (4, 4, 4), lambda b: b.node("Add", b.conv("x", 4, 4), b.conv(move(b, "x", 0, 3, 1, 2), 4, 4)),
        r"'conv\d', rule 'Conv: layout'.*\(1, 4, 4, 4\)"),
    "an input and itself in another layout": (
        (4, 4, 4), lambda b: b.conv(b.node("Add", "x", move(b, "x", 0, 3, 1, 2)), 4, 4),
        r"'add\d', rule 'Add: broadcast'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_moves_data_is_refused_by_name(name: str, seed: int) -> None:
    shape, build, message = REFUSED[name]
    b = Builder(np.random.default_rng(seed), shape)
    output = onnx.helper.make_tensor_value_info(build(b), 1, [None] * 4)
    graph = onnx.helper.make_graph(
        b.nodes, "refused", [onnx.helper.make_tensor_value_info("x", 1, [1, *shape])], [output], b.constants)
    with pytest.raises(ModelError, match=message):
        read_onnx(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8))
