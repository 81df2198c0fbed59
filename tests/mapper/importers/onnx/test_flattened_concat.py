"""Flattened maps that are joined, split, normalized element by element on the way into a matrix product."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from studies.quantized_files import WIDE, by_onnxruntime, integers_apart, statically_quantized
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.quantization.quantize import quantize
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session
from tests.mapper.importers.onnx.test_onnx_integers import whole
from tests.mapper.quantization.test_quantize import NARROW, assert_nearly_equal, run

SHAPE = (3, 6, 5)


def numbers(b: Builder, size: int) -> str:
    return b.constant(b.rng.uniform(0.5, 1.5, size).astype(np.float32))


def flat(b: Builder, depth: int = 4) -> str:
    return b.node("Flatten", b.conv("x", 3, depth))


def two_branches(b: Builder) -> str:
    """Of different sizes, one of them pooled to a vector."""
    small = b.node("Flatten", b.conv("x", 3, 2, strides=[2, 2]))
    vector = b.node("Flatten", b.node("GlobalAveragePool", b.conv("x", 3, 5)))
    return b.gemm(b.node("Concat", flat(b), small, vector, axis=1), 120 + 18 + 5, 6)


def normalized(b: Builder) -> str:
    return b.gemm(b.batch_norm(flat(b), 120), 120, 6)


def normalized_and_rectified(b: Builder) -> str:
    joined = b.node("Concat", flat(b), flat(b, 2), axis=-1)
    x = b.node("Relu", b.node("Sub", b.batch_norm(joined, 180), numbers(b, 180)))
    return b.gemm(x, 180, 6)


def arithmetic(b: Builder) -> str:
    x = b.node("Concat", flat(b), flat(b, 2), axis=1)
    x = b.node("Add", b.node("Mul", x, numbers(b, 180)), numbers(b, 1))
    x = b.node("Neg", b.node("Div", b.node("Sub", numbers(b, 180), x), numbers(b, 180)))
    weights = b.constant(b.rng.normal(0, 0.1, (180, 6)).astype(np.float32))
    return b.node("Add", b.node("MatMul", x, weights), numbers(b, 6))


def split(b: Builder) -> str:
    first, second = b.node("Split", flat(b), b.constant(np.array([50, 70])), axis=1, outputs=2)
    return b.node("Add", b.gemm(first, 50, 6), b.gemm(b.node("LeakyRelu", second), 70, 6))


def sliced_and_gathered(b: Builder) -> str:
    joined = b.node("Concat", flat(b), flat(b, 2), axis=1)
    ends = [b.constant(np.array([n])) for n in (170, 20, 1, -3)]
    some = b.node("Slice", joined, *ends)
    more = b.node("Gather", joined, b.constant(np.array([3, 3, 150, -1])), axis=1)
    return b.gemm(b.node("Concat", some, more, axis=1), 54, 6)


def as_an_output(b: Builder) -> str:
    """Read by no matrix product: a map of its own."""
    return b.node("Sigmoid", b.node("Concat", flat(b), flat(b, 2), axis=1))


def sum_of_joined(b: Builder) -> str:
    joined = [b.node("Concat", flat(b), flat(b, 1), axis=1) for _ in range(2)]
    return b.gemm(b.node("Mul", *joined), 150, 6)


def reshaped(b: Builder) -> str:
    x = b.node("Reshape", b.node("Concat", flat(b), flat(b, 1), axis=1), b.constant(np.array([-1, 150])))
    return b.gemm(b.node("Dropout", b.node("Tanh", x)), 150, 6)


def vector_as_a_map(b: Builder) -> str:
    """A decoder: a dense layer, a map of its elements, a transposed convolution."""
    x = b.node("Relu", b.gemm(b.node("Flatten", "x"), 90, 48))
    x = b.node("Reshape", x, b.constant(np.array([0, 4, 3, 4])))
    weights = b.constant(b.rng.normal(0, 0.3, (4, 2, 2, 2)).astype(np.float32))
    return b.node("ConvTranspose", x, weights, strides=[2, 2])


def vector_as_a_series(b: Builder) -> str:
    x = b.node("Reshape", b.gemm(b.node("Flatten", "x"), 90, 48), b.constant(np.array([0, 6, 8])))
    return b.node("MaxPool", b.node("Relu", x), kernel_shape=[2])


CASES = (vector_as_a_map, vector_as_a_series, two_branches, normalized, normalized_and_rectified, arithmetic, split,
         sliced_and_gathered, as_an_output, sum_of_joined, reshaped)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_flattened_parts_equal_onnxruntime(case: Callable[[Builder], str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    model = b.model(case(b))
    x = rng.normal(0, 1, (3, *SHAPE)).astype(np.float32)
    (expected,) = session(model).run(None, {"x": x})
    read = read_onnx(model)
    port, maps = read.outputs[0], {"x": read.inputs[0].to_maps(x)}
    got = reference.run(read.graph, maps)[port.node]
    assert np.abs(port.from_maps(got) - expected).max() < 1e-4
    layers = fuse(read.graph)
    assert np.abs(assemble(layers.outputs[port.node], run_layers(layers, maps)) - got).max() < 1e-9


def test_joined_branches_cost_no_layer(seed: int) -> None:
    """Three convolutions, a pool, and one dense layer with a branch for each part."""
    b = Builder(np.random.default_rng(seed), SHAPE)
    layers = fuse(read_onnx(b.model(two_branches(b))).graph)
    assert len(layers.layers) == 6
    (value,) = layers.outputs.values()
    assert len(layers.layers[value.parts[0].layer].branches) == 3


def test_joined_branches_as_integers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    data = rng.normal(0, 1, (48, *SHAPE))
    exact, got, _ = run(b.model(two_branches(b)), data, data, NARROW)
    assert 10 * np.log10((exact**2).sum() / ((exact - got) ** 2).sum()) > 25


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=lambda form: form.name)
def test_joined_branches_of_a_quantized_file(form: QuantFormat, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    model = b.model(b.gemm(b.node("Concat", flat(b), flat(b, 2), axis=1), 180, 6))
    calibration, x = (rng.normal(0, 1, (24, *SHAPE)).astype(np.float32) for _ in range(2))
    quantized = statically_quantized(model, calibration, form, QuantType.QUInt8, tmp_path)
    for output in list(quantized.graph.output):  # joined parts are no map, and their elements those of the maps
        if output.name.startswith(("concat", "flatten")):
            quantized.graph.output.remove(output)
    as_written = form == QuantFormat.QOperator
    assert_nearly_equal(integers_apart(quantized, by_onnxruntime(quantized, x, as_written), x))


def test_weights_of_joined_branches_keep_their_integers(seed: int) -> None:
    """Of a file whose largest weight is not 127 of its scale: all branches have the file's own integers."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    numbers = b.constant(np.float32(0.0213)), b.constant(np.uint8(101))
    maps = [b.node("DequantizeLinear", b.node("QuantizeLinear", x, *numbers), *numbers)
            for x in ("x", b.node("Relu", "x"))]
    integers = rng.integers(-100, 101, (180, 6)).astype(np.int8)
    weights = b.node("DequantizeLinear", b.constant(integers), b.constant(np.float32(0.00317)), b.constant(np.int8(0)))
    y = b.node("MatMul", b.node("Concat", *(b.node("Flatten", name) for name in maps), axis=1), weights)
    y = b.node("QuantizeLinear", y, b.constant(np.float32(0.081)), numbers[1])
    read = read_onnx(whole(b, onnx.TensorProto.UINT8, [y], 2))
    layers = fuse(read.graph)
    made = quantize(split_layers(layers, WIDE), {"x": read.inputs[0].to_maps(rng.normal(0, 1, (8, *SHAPE)))}, WIDE)
    (part,) = layers.outputs[read.outputs[0].node].parts
    found = [branch.weights for branch in made.network.layer(part.layer).branches]
    np.testing.assert_array_equal(np.concatenate(
        [array.swapaxes(2, 3).reshape(6, -1) for array in found if array is not None], axis=1), integers.T)


def test_flattened_parts_that_need_a_large_map_are_named(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (3, 20, 20))
    b.node("Concat", *(b.node("Flatten", b.conv("x", 3, 2)) for _ in range(2)), axis=1)
    b.nodes[-1].output[0] = "joined"
    model: onnx.ModelProto = b.model("joined")
    with pytest.raises(ModelError, match=r"node 'joined', rule '.*flattened parts': needs a matrix product, or at most "
                       r"1024 elements; given: 1600 elements of 2 flattened maps.*before they are flattened"):
        read_onnx(model)
