"""Operators on the 8-bit integers of a quantized file, integer by integer against onnxruntime."""

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import helper

from golden.config import CoreConfig
from golden.network import dense
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session

WIDE = dataclasses.replace(CoreConfig(), name="wide", state_bits=32, multiplier_bits=22)
KINDS = {"uint8": (np.uint8, onnx.TensorProto.UINT8, 77), "int8": (np.int8, onnx.TensorProto.INT8, -9)}
SCALE = np.float32(0.05)


def int64(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


CASES = {
    "MaxPool": ((), {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 1, 0, 1]}),
    "Slice": ((int64(1, 2), int64(3, 5), int64(1, 3)), {}),
    "Slice steps": ((int64(7, 0), int64(-99, 6), int64(3, 2), int64(-2, 1)), {}),
    "Gather": ((int64(2, 0, 1, 1),), {"axis": 1}),
    "Pad": ((int64(0, 0, 1, 2, 0, 0, 0, 1),), {}),
    "Pad value": ((int64(0, 0, 1, 2, 0, 0, 0, 1), 5), {}),
    "Pad reflect": ((int64(0, 0, 1, 2, 0, 0, 0, 1),), {"mode": "reflect"}),
    "Clip": ((20, 60), {}),
    "Transpose": ((), {"perm": [0, 1, 3, 2]}),
    "Reshape": ((int64(0, 3, 6, 8, 1),), {}),
    "SpaceToDepth": ((), {"blocksize": 2}),
    "Resize": (("", np.array([1, 1, 2, 2], np.float32)), {"mode": "nearest", "nearest_mode": "floor"}),
    "Resize linear": (("", np.array([1, 1, 2, 4], np.float32)), {"mode": "linear"}),
    "Resize down": (("", np.array([1, 1, 0.5, 1], np.float32)), {"mode": "linear"}),
}


def integer_model(case: str, kind: str, rng: np.random.Generator) -> onnx.ModelProto:
    """x → integers → the operator → a quantized convolution, all integers as outputs."""
    b, (dtype, code, zero) = Builder(rng, (3, 6, 8)), KINDS[kind]
    numbers = b.constant(SCALE), b.constant(dtype(zero))
    operands, attributes = CASES[case]
    constants = [value if isinstance(value, str) else b.constant(value if isinstance(value, np.ndarray)
                                                                 else np.array(value, dtype)) for value in operands]
    y = b.node(case.split()[0], b.node("QuantizeLinear", "x", *numbers), *constants, **attributes)
    outputs = [y]
    if case not in ("Reshape", "Transpose"):
        depth = {"Gather": 4, "Slice": 2, "SpaceToDepth": 12}.get(case, 3)
        weights = b.constant(rng.integers(-127, 128, (4, depth, 3, 3)).astype(np.int8))
        scales = [b.constant(value) for value in (np.float32(0.00413), np.int8(0), np.float32(0.0713), dtype(zero))]
        outputs.append(b.node("QLinearConv", y, *numbers, weights, *scales))
    return whole(b, code, outputs, 5 if case == "Reshape" else 4)


def whole(b: Builder, code: int, outputs: list[str], rank: int) -> onnx.ModelProto:
    """The model of a builder's nodes, with outputs of a type of their own."""
    graph = helper.make_graph(
        b.nodes, "integers", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *b.shape])],
        [helper.make_tensor_value_info(name, code, [None] * rank) for name in outputs], b.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_integers_pass_on_their_scale(case: str, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = integer_model(case, kind, rng)
    x = rng.normal(0, 3, (4, 3, 6, 8)).astype(np.float32)
    frames = [session(model, optimized=False).run(None, {"x": frame[None]}) for frame in x]
    read = read_onnx(model)
    layers, maps = fuse(read.graph), {"x": read.inputs[0].to_maps(x)}
    made = quantize(split_layers(layers, WIDE), maps, WIDE)
    results = dense.run(lower(made.network), {"x": made.scales["x"].integers(maps["x"])}, WIDE)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items() if name in made.scales}
    assert read.outputs[0].scale == SCALE and read.outputs[0].zero_point == KINDS[kind][2]
    for number, port in enumerate(read.outputs):
        assert port.scale is not None
        got = np.rint(port.from_maps(assemble(layers.outputs[port.node], real)) / port.scale) + port.zero_point
        expected = np.concatenate([frame[number] for frame in frames])
        np.testing.assert_array_equal(got, expected)
        assert len(np.unique(expected)) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_of_integers_is_read_exactly_through_layout_and_resizing(kind: str, seed: int) -> None:
    """The quantization of the input is told by a DequantizeLinear behind a transposition and a resizing."""
    rng = np.random.default_rng(seed)
    b, (dtype, code, zero) = Builder(rng, (5, 6, 3)), KINDS[kind]
    y = b.node("Transpose", "x", perm=[0, 3, 1, 2])
    y = b.node("Resize", y, "", b.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest", nearest_mode="floor",
               coordinate_transformation_mode="asymmetric")
    y = b.node("DequantizeLinear", y, b.constant(SCALE), b.constant(dtype(zero)))
    y = b.node("QuantizeLinear", b.node("Relu", y), b.constant(SCALE), b.constant(dtype(zero)))
    model = b.model(y, kind=code)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max + 1, (3, 5, 6, 3)).astype(dtype)
    (expected,) = session(model, optimized=False).run(None, {"x": x})
    read = read_onnx(model)
    assert read.inputs[0].zero_point == zero
    layers, maps = fuse(read.graph), {"x": read.inputs[0].to_maps(x)}
    made = quantize(split_layers(layers, WIDE), maps, WIDE)
    results = dense.run(lower(made.network), {"x": made.scales["x"].integers(maps["x"])}, WIDE)
    port = read.outputs[0]
    real = {name: result.outputs * made.scales[name].step for name, result in results.items() if name in made.scales}
    got = port.from_maps(assemble(layers.outputs[port.node], real)) / SCALE + port.zero_point
    np.testing.assert_array_equal(np.rint(got), expected)


def test_integers_are_not_taken_for_real_values() -> None:
    b = Builder(np.random.default_rng(1), (2, 4, 4))
    y = b.node("QuantizeLinear", "x", b.constant(SCALE), b.constant(np.uint8(7)))
    model = whole(b, onnx.TensorProto.UINT8, [b.node("LeakyRelu", y)], 4)
    with pytest.raises(ModelError, match=r"rule 'LeakyRelu: type': needs real values; given: 8-bit integers"):
        read_onnx(model)
