"""QuantizeLinear and DequantizeLinear, and operators that stand for another one between the two."""

from dataclasses import replace
from typing import NoReturn

import numpy as np

from synapress.mapper.errors import ModelError
from synapress.mapper.importers.onnx import flattened
from synapress.mapper.importers.onnx.context import Call, Context, Policy, Value, seen
from synapress.mapper.importers.onnx.integers import Scaled, dequantized, dequantized_constant, quantized
from synapress.mapper.importers.onnx.registry import MICROSOFT, ONNX, apply, operator
from synapress.mapper.importers.tensor import FlattenedConcat, Tensor


@operator("QuantizeLinear", opsets=(10, 28), integers=seen, flattened=flattened.elementwise)
@operator("QuantizeLinear", opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=flattened.elementwise)
def quantize_linear(context: Context, call: Call) -> Value:
    if call.tensor().integers is not None:
        call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
    return quantized(context, call, call.tensor(), call.constant(1), call.constant(2))


@operator("DequantizeLinear", opsets=(10, 28), integers=seen, flattened=flattened.elementwise, constants=True)
@operator("DequantizeLinear", opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=flattened.elementwise,
          constants=True)
def dequantize_linear(context: Context, call: Call) -> Value:
    value = call.inputs[0]
    if value is None or isinstance(value, (Tensor, FlattenedConcat)):
        return dequantized(call, value, call.constant(1), call.constant(2))
    axis = int(call.attributes.get("axis", 1)) % max(value.ndim, 1)
    return dequantized_constant(value, call.constant(1), call.constant(2), axis)


# -- an operand is followed by its scale and zero point, and so is the result --------------------


def _operand(call: Call, index: int) -> Value:
    """The real values of an operand."""
    return dequantized(call, call.inputs[index], call.constant(index + 1), call.constant(index + 2))


def _weights(call: Call, index: int, axis: int) -> Scaled:
    """Constant weights with the scale and zero point behind them."""
    return dequantized_constant(np.asarray(call.constant(index)), call.constant(index + 1), call.constant(index + 2),
                                axis)


def _bias(call: Call, index: int, weights: Scaled) -> Value:
    """The bias, in units of the products of operand and weights."""
    bias = call.constant(index)
    if bias is None:
        return None
    assert weights.quantization_scale is not None
    return np.asarray(bias) * np.asarray(call.constant(1), np.float64) * weights.quantization_scale


def _as(context: Context, call: Call, name: str, inputs: list[Value], suffix: str = "sum") -> Value:
    """The result of the operator that is abbreviated, on real values."""
    result = apply(context, replace(call, name=f"{call.name}/{suffix}", inputs=inputs), name)
    assert isinstance(result, (Tensor, FlattenedConcat))
    return result


@operator("QLinearConv", opsets=(10, 10), integers=seen)
def quantized_convolution(context: Context, call: Call) -> Value:
    weights = _weights(call, 3, 0)
    result = _as(context, call, "Conv", [_operand(call, 0), weights, _bias(call, 8, weights)])
    return quantized(context, call, result, call.constant(6), call.constant(7))


@operator("QLinearMatMul", opsets=(10, 21), integers=seen, flattened=seen)
@operator("QLinearMatMul", opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=seen)
def quantized_matrix_product(context: Context, call: Call) -> Value:
    operands = [_operand(call, index) if isinstance(call.inputs[index], (Tensor, FlattenedConcat))
                else _weights(call, index, np.ndim(call.constant(index)) - 1) for index in (0, 3)]
    result = _as(context, call, "MatMul", operands)
    return quantized(context, call, result, call.constant(6), call.constant(7))


@operator("QGemm", opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=seen)
def quantized_gemm(context: Context, call: Call) -> Value:
    weights = _weights(call, 3, 0 if call.attributes.get("transB") else 1)
    result = _as(context, call, "Gemm", [_operand(call, 0), weights, _bias(call, 6, weights)])
    if len(call.inputs) < 9:
        return result
    return quantized(context, call, result, call.constant(7), call.constant(8))


def _binary(name: str, of: str) -> None:
    """Declare a function of two maps: A, its scale and zero point, B alike, then the result's."""
    @operator(name, opsets=(1, 1), domain=MICROSOFT, integers=seen)
    def binary(context: Context, call: Call) -> Value:
        result = _as(context, call, of, [_operand(call, 0), _operand(call, 3)])
        return quantized(context, call, result, call.constant(6), call.constant(7))


def _unary(name: str, of: str, policy: Policy = flattened.as_map) -> None:
    """Declare a function of one map: X, its scale and zero point, then the result's."""
    @operator(name, opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=policy)
    def unary(context: Context, call: Call) -> Value:
        x = _operand(call, 0)
        if call.attributes.get("channels_last"):
            call.refuse("layout", "channels first", "channels_last", "Export in NCHW.")
        result = _as(context, call, of, [x], "real")
        return quantized(context, call, result, call.constant(3), call.constant(4))


_binary("QLinearAdd", "Add")
_binary("QLinearMul", "Mul")
_unary("QLinearAveragePool", "AveragePool")
_unary("QLinearGlobalAveragePool", "GlobalAveragePool")
_unary("QLinearLeakyRelu", "LeakyRelu", flattened.elementwise)
_unary("QLinearSigmoid", "Sigmoid", flattened.elementwise)


@operator("QLinearConcat", opsets=(1, 1), domain=MICROSOFT, integers=seen, flattened=seen)
def quantized_concat(context: Context, call: Call) -> Value:
    operands = [_operand(call, index) for index in range(2, len(call.inputs), 3)]
    result = _as(context, call, "Concat", operands, "real")
    return quantized(context, call, result, call.constant(0), call.constant(1))


@operator("DynamicQuantizeLinear", opsets=(11, 11), domain=ONNX)
@operator("ConvInteger", "MatMulInteger", opsets=(10, 10))
def dynamic(context: Context, call: Call) -> NoReturn:
    """Operators that are known, and need what the hardware cannot do."""
    raise ModelError(call.name, f"{call.op}: static quantization", "scales known when compiling",
                     "scales or 32-bit sums that leave the node", "Quantize the model statically (QDQ or QOperator).")
