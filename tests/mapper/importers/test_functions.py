"""Functions of single elements as value tables, whole and spelt out: against onnxruntime, and their integers."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from golden.config import CoreConfig
from golden.network import dense
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers import reference
from synapress.mapper.importers.functions import MOST_TERMS
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.scales import sqnr
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session
from tests.mapper.importers.onnx.test_onnx import single

CONFIG = CoreConfig()


def number(b: Builder, value: float) -> str:
    return b.constant(np.float32(value))


def gelu_by_erf(b: Builder, x: str) -> str:
    y = b.node("Add", b.node("Erf", b.node("Div", x, number(b, np.sqrt(2)))), number(b, 1))
    return b.node("Mul", b.node("Mul", x, y), number(b, 0.5))


def gelu_by_erf_halved_first(b: Builder, x: str) -> str:
    y = b.node("Add", number(b, 1), b.node("Erf", b.node("Mul", x, number(b, np.sqrt(0.5)))))
    return b.node("Mul", b.node("Mul", x, number(b, 0.5)), y)


def gelu_by_tanh(b: Builder, x: str) -> str:
    cube = b.node("Mul", b.node("Pow", x, number(b, 3)), number(b, 0.044715))
    y = b.node("Tanh", b.node("Mul", b.node("Add", x, cube), number(b, np.sqrt(2 / np.pi))))
    return b.node("Mul", b.node("Mul", x, number(b, 0.5)), b.node("Add", y, number(b, 1)))


def mish(b: Builder, x: str) -> str:
    return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x)))


def quick_gelu(b: Builder, x: str) -> str:
    return b.node("Mul", x, b.node("Sigmoid", b.node("Mul", x, number(b, 1.702))))


def hard_swish(b: Builder, x: str) -> str:
    y = b.node("Clip", b.node("Add", x, number(b, 3)), number(b, 0), number(b, 6))
    return b.node("Div", b.node("Mul", x, y), number(b, 6))


def swish_by_exp(b: Builder, x: str) -> str:
    return b.node("Div", x, b.node("Add", b.node("Exp", b.node("Neg", x)), number(b, 1)))


def softsign(b: Builder, x: str) -> str:
    return b.node("Div", x, b.node("Add", number(b, 1), b.node("Abs", x)))


def softplus(b: Builder, x: str) -> str:
    return b.node("Log", b.node("Add", b.node("Exp", x), number(b, 1)))


def root_of_square(b: Builder, x: str) -> str:
    return b.node("Pow", b.node("Add", b.node("Pow", x, number(b, 2)), number(b, 1e-3)), number(b, 0.5))


def scaled_sigmoid(b: Builder, x: str) -> str:
    return b.node("Sub", b.node("Mul", b.node("Sigmoid", x), number(b, 2)), number(b, 0.5))


PIECES = (gelu_by_erf, gelu_by_erf_halved_first, gelu_by_tanh, mish, quick_gelu, hard_swish, swish_by_exp, softsign,
          softplus, root_of_square, scaled_sigmoid)


def whole(op: str, bounded: tuple[float, float] | None = None, exponent: float | None = None,
          **attributes: object) -> Callable[[Builder, str], str]:
    def make(b: Builder, x: str) -> str:
        x = b.node("Clip", x, *(number(b, bound) for bound in bounded)) if bounded else x
        return b.node(op, x, *([] if exponent is None else [number(b, exponent)]), **attributes)
    return make


WHOLE = {
    "Elu": whole("Elu", alpha=0.7), "Selu": whole("Selu"), "Celu": whole("Celu", alpha=1.5), "Gelu": whole("Gelu"),
    "Gelu_tanh": whole("Gelu", approximate="tanh"), "Mish": whole("Mish"), "Softplus": whole("Softplus"),
    "Softsign": whole("Softsign"), "ThresholdedRelu": whole("ThresholdedRelu", alpha=0.3), "Abs": whole("Abs"),
    "Sqrt": whole("Sqrt", (0, 9)), "Exp": whole("Exp"), "Log": whole("Log", (0.3, 9)), "Erf": whole("Erf"),
    "Square": whole("Pow", exponent=2), "Cube": whole("Pow", exponent=3), "Root": whole("Pow", (0, 9), 0.4),
    "Inverse_square": whole("Pow", (0.5, 9), -2), "Reciprocal": whole("Reciprocal", (0.4, 9)),
    "Inverse": whole("Pow", (0.4, 9), -1),
}


def network(make: Callable[[Builder, str], str], seed: int) -> onnx.ModelProto:
    """Convolution, function, convolution whose padding meets the function's map."""
    b = Builder(np.random.default_rng(seed), (3, 9, 8))
    return b.model(b.conv(make(b, b.conv("x", 3, 8, relu=False)), 8, 6, relu=False), opset=20)


def some_frames(seed: int, count: int = 12) -> np.ndarray:
    return np.random.default_rng(seed + 1).normal(0, 1, (count, 3, 9, 8)).astype(np.float32)


def check(model: onnx.ModelProto, seed: int, least: float, frames: int = 12) -> Model:
    """Float against onnxruntime, layers against float, integers by their signal-to-noise ratio in decibels."""
    x = some_frames(seed, frames)
    read = read_onnx(model)
    port, maps = read.outputs[0], {"x": read.inputs[0].to_maps(x)}
    got = reference.run(read.graph, maps)[port.node]
    expected = session(model).run(None, {"x": x})[0]
    assert np.abs(port.from_maps(got) - expected).max() < 2e-5 * max(1, np.abs(expected).max())
    layers = fuse(read.graph)
    assert np.abs(assemble(layers.outputs[port.node], run_layers(layers, maps)) - got).max() < 1e-9
    made = quantize(split_layers(layers, CONFIG), maps, CONFIG)
    network = lower(made.network)
    legalize(network, CONFIG)
    results = dense.run(network, {"x": made.scales["x"].integers(maps["x"])}, CONFIG)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items()}
    assert sqnr(got, assemble(layers.outputs[port.node], real)) > least
    return read


@pytest.mark.parametrize("name", WHOLE)
def test_a_function_is_one_table(name: str, seed: int) -> None:
    read = check(network(WHOLE[name], seed), seed, {"Exp": 20, "Cube": 24}.get(name, 26))
    assert len(fuse(read.graph).layers) == 3


@pytest.mark.parametrize("make", PIECES, ids=lambda make: make.__name__)
def test_a_function_that_is_spelt_out_is_one_table(make: Callable[[Builder, str], str], seed: int) -> None:
    read = check(network(make, seed), seed, 27)
    assert len(fuse(read.graph).layers) == 3
    (node,) = (node for node in read.graph if isinstance(node, g.Activation))
    assert node.function == "composed"


def test_pieces_that_others_read_stay(seed: int) -> None:
    def make(b: Builder, x: str) -> str:
        inner = b.node("Softplus", x)
        return b.node("Add", b.node("Mul", x, b.node("Tanh", inner)), b.node("MaxPool", inner, kernel_shape=[1, 1]))

    read = check(network(make, seed), seed, 20)
    kinds = [node.function for node in read.graph if isinstance(node, g.Activation)]
    assert "softplus" in kinds and any(isinstance(node, g.Multiply) for node in read.graph)


def test_a_formula_does_not_grow_without_bound(seed: int) -> None:
    def make(b: Builder, x: str) -> str:
        x = b.node("Tanh", x)
        for _ in range(40):
            x = b.node("Add", b.node("Mul", x, number(b, 0.5)), b.node("Mul", b.node("Abs", x), number(b, 0.1)))
        return x

    read = read_onnx(network(make, seed))
    formulas = [node.formula for node in read.graph if isinstance(node, g.Activation) and node.formula]
    assert max(formula.terms for formula in formulas) <= MOST_TERMS


@pytest.mark.parametrize("op", ["Sqrt", "Log"])
def test_a_function_without_finite_values_is_named(op: str, seed: int) -> None:
    read = read_onnx(network(whole(op), seed))
    with pytest.raises(ModelError, match=rf"rule 'finite values'.*NaN or infinite, by {op}.*Clip"):
        quantize(split_layers(fuse(read.graph), CONFIG), {"x": read.inputs[0].to_maps(some_frames(seed))}, CONFIG)


def test_exponents_per_element_are_refused(seed: int) -> None:
    model = single("Pow", [1, 3, 2, 2], np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1))
    with pytest.raises(ModelError, match=r"rule 'Pow: exponent'.*3 of them"):
        read_onnx(model)


@pytest.mark.parametrize(("op", "low", "given", "expected"), [
    ("Sqrt", 0.0, -1.0, 0.0), ("Reciprocal", 0.5, 0.0, 2.0)])
def test_beyond_the_calibration_a_function_has_its_nearest_value(op: str, low: float, given: float, expected: float,
                                                                 seed: int) -> None:
    """At operands where it has no finite value; results are cut off a quarter beyond those of the calibration."""
    b = Builder(np.random.default_rng(seed), (2, 4, 4))
    layers = fuse(read_onnx(b.model(b.node(op, b.node("Neg", "x")))).graph)
    frames = -np.random.default_rng(seed).uniform(low, 4, (8, 2, 4, 4))
    made = quantize(split_layers(layers, CONFIG), {"x": frames}, CONFIG)
    integers = np.full((1, 2, 4, 4), int(np.rint(-given / made.scales["x"].step)))
    (name,) = made.network.outputs
    result = dense.run(lower(made.network), {"x": integers}, CONFIG)[name].outputs * made.scales[name].step
    assert np.abs(result - expected).max() < 0.3 * abs(expected) + 0.05
