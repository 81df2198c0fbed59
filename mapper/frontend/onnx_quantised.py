"""ONNX files that are already quantised: QDQ pairs, and the QLinear operators as what they abbreviate.

A feature map carries real values; `Quantise` nodes say where the file rounds, and to what. Weights remember their
scale, so that the integers of the file come out again exactly.
"""

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import numpy_helper

from mapper.errors import ModelError
from mapper.frontend import graph as g
from mapper.frontend.onnx_convolutions import average_pool, conv, gemm, global_average_pool, matmul
from mapper.frontend.onnx_elements import HANDLERS as ELEMENTS
from mapper.frontend.onnx_elements import add, multiply
from mapper.frontend.onnx_layout import concat
from mapper.frontend.onnx_reader import Array, Call, Handler, Reader, Value
from mapper.frontend.tensor import Tensor

BOUNDS = {"uint8": (0, 255), "int8": (-128, 127)}


class Scaled(np.ndarray):
    """Dequantised constants that remember their scale."""

    quantisation_scale: np.ndarray | None = None


def scaled(array: Array, scale: np.ndarray) -> Scaled:
    result = np.asarray(array, np.float64).view(Scaled)
    result.quantisation_scale = np.asarray(scale, np.float64).reshape(-1)
    return result


def _scalar(call: Call, what: str, value: Any) -> float:
    array = np.asarray(value).reshape(-1)
    if array.size != 1:
        call.refuse(what, "one number for a feature map", array.shape, "Quantise activations per tensor.")
    return float(array[0])


def _quantise(reader: Reader, call: Call, tensor: Tensor, scale: Any, zero_point: Any) -> Tensor:
    kind = np.asarray(zero_point).dtype.name if zero_point is not None else "uint8"
    if kind not in BOUNDS:
        call.refuse("type", "uint8 or int8", kind, "Events carry 9 bits: quantise activations to 8 bits.")
    node = g.Quantise(
        name=call.name, operator=call.op, sources=(tensor.node,), scale=_scalar(call, "scale", scale),
        zero_point=int(_scalar(call, "zero point", 0 if zero_point is None else zero_point)),
        low=BOUNDS[kind][0], high=BOUNDS[kind][1])
    return reader.like(tensor, node)


def quantize_linear(reader: Reader, call: Call) -> Tensor:
    zero = call.constant(2) if len(call.inputs) > 2 else None
    return _quantise(reader, call, call.tensor(), call.constant(1), zero)


def _source_quantisation(reader: Reader, name: str) -> tuple[float, int] | None:
    """Scale and zero point of a map that is quantised: its own, or those that pools and layout pass on."""
    found, seen, todo = set(), {name}, [name]
    while todo:
        node = reader.graph.nodes[todo.pop()]
        if isinstance(node, g.Quantise):
            found.add((node.scale, node.zero_point))
        elif isinstance(node, (g.MaxPool, g.Slice, g.Pad, g.Concat)) or (isinstance(node, g.Resample) and all(
                (matrix.max(axis=1) == 1).all() and (matrix.sum(axis=1) == 1).all()
                for matrix in (node.x_matrix, node.y_matrix))):
            todo += set(node.sources) - seen  # a map that is read twice is looked at once
            seen |= set(node.sources)
        else:
            return None
    return found.pop() if len(found) == 1 else None


def _dequantised(reader: Reader, call: Call, value: Value, scale: Any, zero: Any) -> Value:
    """Real values of quantised ones: a map as it is, if the scales agree; a constant computed."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        port = reader.ports.get(value.node)
        if port is not None:
            return _quantise(reader, call, value, scale, np.uint8(0) if zero is None else zero)
        known = _source_quantisation(reader, value.node)
        wanted = (_scalar(call, "scale", scale), int(_scalar(call, "zero point", 0 if zero is None else zero)))
        if known is None or known[1] != wanted[1] or not np.isclose(known[0], wanted[0], rtol=1e-6):
            call.refuse("scale", f"the scale and zero point that made the values: {known}", wanted,
                        "Dequantise with the numbers of the QuantizeLinear before.")
        return value
    return _constant(value, scale, zero, 0)


def _constant(value: Array, scale: Any, zero: Any, axis: int) -> Scaled:
    factors, zeros = np.asarray(scale, np.float64), np.asarray(0 if zero is None else zero, np.int64)
    shape = [1] * value.ndim
    if factors.size > 1:
        shape[axis] = factors.size
        factors = factors.reshape(shape)
    if zeros.size > 1:
        zeros = zeros.reshape(shape)
    return scaled((value.astype(np.int64) - zeros) * factors, factors)


def dequantize_linear(reader: Reader, call: Call) -> Value:
    value = call.inputs[0]
    zero = call.constant(2) if len(call.inputs) > 2 else None
    if isinstance(value, Tensor):
        return _dequantised(reader, call, value, call.constant(1), zero)
    assert value is not None
    return _constant(value, call.constant(1), zero, int(call.attributes.get("axis", 1)) % max(value.ndim, 1))


def _weights(call: Call, index: int, axis: int) -> Scaled:
    """Constant weights with the scale and zero point behind them."""
    return _constant(np.asarray(call.constant(index)), call.constant(index + 1), call.constant(index + 2), axis)


def qlinear_conv(reader: Reader, call: Call) -> Tensor:
    x = _dequantised(reader, call, call.inputs[0], call.constant(1), call.constant(2))
    weights = _weights(call, 3, 0)
    bias = call.constant(8) if len(call.inputs) > 8 else None
    if bias is not None:
        assert weights.quantisation_scale is not None
        bias = np.asarray(bias) * np.asarray(call.constant(1), np.float64) * weights.quantisation_scale
    result = conv(reader, replace(call, name=f"{call.name}/sum", inputs=[x, weights, bias]))
    return _quantise(reader, call, result, call.constant(6), call.constant(7))


def qlinear_matmul(reader: Reader, call: Call) -> Tensor:
    operands: list[Value] = []
    for index in (0, 3):
        if isinstance(call.inputs[index], Tensor):
            operands.append(_dequantised(reader, call, call.inputs[index], call.constant(index + 1),
                                         call.constant(index + 2)))
        else:
            operands.append(_weights(call, index, np.ndim(call.constant(index)) - 1))
    result = matmul(reader, replace(call, name=f"{call.name}/sum", inputs=operands))
    return _quantise(reader, call, result, call.constant(6), call.constant(7))


def qgemm(reader: Reader, call: Call) -> Value:
    a = _dequantised(reader, call, call.inputs[0], call.constant(1), call.constant(2))
    weights = _weights(call, 3, 0 if call.attributes.get("transB") else 1)
    bias = call.constant(6)
    if bias is not None:
        assert weights.quantisation_scale is not None
        bias = np.asarray(bias) * np.asarray(call.constant(1), np.float64) * weights.quantisation_scale
    result = gemm(reader, replace(call, name=f"{call.name}/sum", inputs=[a, weights, bias]))
    if len(call.inputs) < 9 or not isinstance(result, Tensor):
        return result
    return _quantise(reader, call, result, call.constant(7), call.constant(8))


def _binary(handler: Handler) -> Handler:
    """com.microsoft's QLinearAdd and QLinearMul: A, its scale and zero point, B alike, then the result's."""
    def run(reader: Reader, call: Call) -> Tensor:
        operands = [_dequantised(reader, call, call.inputs[i], call.constant(i + 1), call.constant(i + 2))
                    for i in (0, 3)]
        result = handler(reader, replace(call, name=f"{call.name}/sum", inputs=operands))
        assert isinstance(result, Tensor)
        return _quantise(reader, call, result, call.constant(6), call.constant(7))
    return run


def _unary(handler: Handler) -> Handler:
    """com.microsoft's QLinear functions of one map: X, its scale and zero point, the result's."""
    def run(reader: Reader, call: Call) -> Tensor:
        x = _dequantised(reader, call, call.inputs[0], call.constant(1), call.constant(2))
        if call.attributes.get("channels_last"):
            call.refuse("layout", "channels first", "channels_last", "Export in NCHW.")
        result = handler(reader, replace(call, name=f"{call.name}/real", inputs=[x]))
        assert isinstance(result, Tensor)
        return _quantise(reader, call, result, call.constant(3), call.constant(4))
    return run


def qlinear_concat(reader: Reader, call: Call) -> Tensor:
    operands = [_dequantised(reader, call, call.inputs[i], call.constant(i + 1), call.constant(i + 2))
                for i in range(2, len(call.inputs), 3)]
    result = concat(reader, replace(call, name=f"{call.name}/real", inputs=operands))
    return _quantise(reader, call, result, call.constant(0), call.constant(1))


def _dynamic(reader: Reader, call: Call) -> NoReturn:
    raise ModelError(call.name, f"{call.op}: static quantisation", "scales known when compiling",
                     "scales or 32-bit sums that leave the node", "Quantise the model statically (QDQ or QOperator).")


def input_quantisation(proto: onnx.ModelProto, name: str, known: dict[str, Array] | None = None) -> tuple[float, int]:
    """Scale and zero point that the first reader of an integer input uses; 1 and 0 if it tells none."""
    values = {tensor.name: tensor for tensor in proto.graph.initializer}

    def get(source: str) -> float:
        if known and source in known:
            return float(np.asarray(known[source]).reshape(-1)[0])
        return float(numpy_helper.to_array(values[source]).reshape(-1)[0]) if source in values else 0.0

    for node in proto.graph.node:
        for index, source in enumerate(node.input):
            quantised = node.op_type == "DequantizeLinear" or node.op_type.startswith("Q")
            if source == name and quantised and len(node.input) > index + 1:
                zero = get(node.input[index + 2]) if len(node.input) > index + 2 else 0
                return get(node.input[index + 1]) or 1.0, int(zero)
    return 1.0, 0


HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear, "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul, "QGemm": qgemm, "QLinearAdd": _binary(add), "QLinearMul": _binary(multiply),
    "QLinearGlobalAveragePool": _unary(global_average_pool), "QLinearAveragePool": _unary(average_pool),
    "QLinearLeakyRelu": _unary(ELEMENTS["LeakyRelu"]), "QLinearSigmoid": _unary(ELEMENTS["Sigmoid"]),
    "QLinearConcat": qlinear_concat, "DynamicQuantizeLinear": _dynamic, "ConvInteger": _dynamic,
    "MatMulInteger": _dynamic,
}
