"""8-bit integers in a file: what they mean, and what operators do on them.

A feature map carries real values; `Quantize` nodes say where the file rounds, and to what. Weights remember their
scale, so that the integers of the file come out again exactly.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from golden.types import Array
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result, Value
from synapress.mapper.importers.tensor import FlattenedConcat, Quantization, Tensor

BOUNDS = {"uint8": (0, 255), "int8": (-128, 127)}
_GATHERED = (g.Input, g.Quantize, g.Slice, g.Pad, g.Concat, g.MaxPool)
"""Nodes whose integers are integers of their sources."""


# -- between integers and real values ----------------------------------------------------------


class Scaled(np.ndarray):
    """Dequantized constants that remember their scale."""

    quantization_scale: np.ndarray | None = None


def _scalar(call: Call, what: str, value: Any) -> float:
    array = np.asarray(value).reshape(-1)
    if array.size != 1:
        call.refuse(what, "one number for a feature map", array.shape, "Quantize activations per tensor.")
    return float(array[0])


def quantized(context: Context, call: Call, value: Value, scale: Any, zero_point: Any) -> Value:
    """Real values as integers."""
    if isinstance(value, FlattenedConcat):
        return value.mapped(lambda tensor: _quantized(context, call, tensor, scale, zero_point))
    assert isinstance(value, Tensor)
    return _quantized(context, call, value, scale, zero_point)


def _quantized(context: Context, call: Call, tensor: Tensor, scale: Any, zero_point: Any) -> Tensor:
    kind = np.asarray(zero_point).dtype.name if zero_point is not None else "uint8"
    if kind not in BOUNDS:
        call.refuse("type", "uint8 or int8", kind, "Events carry 9 bits: quantize activations to 8 bits.")
    return rounded(context, call, tensor, Quantization(
        scale=_scalar(call, "scale", scale), low=BOUNDS[kind][0], high=BOUNDS[kind][1],
        zero_point=int(_scalar(call, "zero point", 0 if zero_point is None else zero_point))))


def rounded(context: Context, call: Call, tensor: Tensor, integers: Quantization, down: bool = False) -> Tensor:
    """Real values rounded to the nearest integers, or the next below."""
    made = context.like(tensor, g.Quantize(
        name=call.name, operator=call.op, sources=(tensor.node,), scale=integers.scale, zero_point=integers.zero_point,
        low=integers.low, high=integers.high, down=down))
    return replace(made, integers=integers)


def dequantized(call: Call, value: Value, scale: Any, zero: Any) -> Value:
    """Real values of integers: a map, if the scale is that which made it; a constant computed."""
    if isinstance(value, FlattenedConcat):
        return value.mapped(lambda tensor: _dequantized(call, tensor, scale, zero))
    if isinstance(value, Tensor):
        return _dequantized(call, value, scale, zero)
    return None if value is None else dequantized_constant(value, scale, zero, 0)


def _dequantized(call: Call, tensor: Tensor, scale: Any, zero: Any) -> Tensor:
    made = tensor.integers
    if made is None:
        call.refuse("type", "8-bit integers", "real values", "Quantize them with QuantizeLinear.")
    wanted = replace(made, scale=_scalar(call, "scale", scale),
                     zero_point=int(_scalar(call, "zero point", 0 if zero is None else zero)))
    if not made.agrees(wanted):
        call.refuse("scale", f"the scale and zero point that made the values: {(made.scale, made.zero_point)}",
                    (wanted.scale, wanted.zero_point), "Dequantize with the numbers of the QuantizeLinear before.")
    return replace(tensor, integers=None)


def dequantized_constant(value: Array, scale: Any, zero: Any, axis: int) -> Scaled:
    """Real values of constants, which remember their scale; one scale per element of a dimension, or one."""
    factors, zeros = np.asarray(scale, np.float64), np.asarray(0 if zero is None else zero, np.int64)
    shape = [1] * value.ndim
    if factors.size > 1:
        shape[axis] = factors.size
        factors = factors.reshape(shape)
    if zeros.size > 1:
        zeros = zeros.reshape(shape)
    result = ((value.astype(np.int64) - zeros) * factors).view(Scaled)
    result.quantization_scale = factors.reshape(-1)
    return result


def real(value: Any, integers: Quantization) -> Array:
    """What integer constants mean."""
    return (np.asarray(value, np.float64) - integers.zero_point) * integers.scale


# -- what operators do on integers -------------------------------------------------------------


def _common(call: Call) -> Quantization | None:
    """What the integers of all operands mean; None if there are none.

    Raises:
        ModelError: they mean different things.
    """
    kinds = [value.integers for value in call.inputs if isinstance(value, Tensor)]
    integers = next((kind for kind in kinds if kind is not None), None)
    if integers is not None and any(kind is None or not kind.agrees(integers) for kind in kinds):
        call.refuse("scale", "integers of one scale and zero point", kinds, "Requantize them to one scale.")
    return integers


def _on_reals(call: Call, integers: Quantization) -> Call:
    """The call on what the integers mean."""
    return replace(call, integers=integers, inputs=[
        replace(value, integers=None) if isinstance(value, Tensor) else value for value in call.inputs])


def refused(context: Context, call: Call, handler: Handler) -> Result:
    """The operator is one of real values only."""
    if any(isinstance(value, Tensor) and value.integers is not None for value in call.inputs):
        call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
    return handler(context, call)


def numbers(context: Context, call: Call, handler: Handler) -> Result:
    """Integers of scale 1 and zero point 0 are numbers as others; further ones are refused."""
    integers = _common(call) if any(
        isinstance(value, Tensor) and value.integers is not None and (value.integers.scale, value.integers.zero_point)
        == (1, 0) for value in call.inputs) else None
    return refused(context, call if integers is None else _on_reals(call, integers), handler)


def chosen(context: Context, call: Call, handler: Handler) -> Result:
    """As `numbers`, of operators whose results are some of the operands: integers stay integers."""
    result, integers = numbers(context, call, handler), _common(call)
    return result if integers is None or not isinstance(result, Tensor) else _kept(context, call, result, integers)


def arithmetic(context: Context, call: Call, handler: Handler) -> Result:
    """As `numbers`, of operators whose results are of the operands' type, and wrap where they do not fit.

    Raises:
        ModelError: a result may be none of the 256 integers, or is computed of such results again.
    """
    given = call.inputs
    kind = next((value.dtype for value in given if isinstance(value, np.ndarray) and not isinstance(value, Scaled)
                 and value.dtype.kind in "iu"), None)
    integers = _common(call) if kind is None else next(
        (value.integers for value in given if isinstance(value, Tensor)), None)
    if integers is None and kind is None:
        return handler(context, call)
    if integers is None:  # results of operators on integers are not told from real values
        call.refuse("type", "integers of the input, or real values", f"other {kind} numbers",
                    "Cast the operands to float first.")
    if (integers.scale, integers.zero_point) == (1, 0) and not _fits(call, integers):
        call.refuse("type", f"results of {integers.low} … {integers.high} for all integers of the operands",
                    "8-bit integers whose results wrap", "Cast the operands to float first.")
    return numbers(context, call, handler)


def _fits(call: Call, integers: Quantization) -> bool:
    """Whether all results of two operands are 8-bit integers, too."""
    first, second = (np.array([integers.low, integers.high]) if isinstance(value, Tensor)
                     else np.asarray(value, np.int64).reshape(-1) for value in call.inputs)
    results = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[call.op].outer(first, second)
    return bool(results.size and integers.low <= results.min() and results.max() <= integers.high)


def as_reals(context: Context, call: Call, handler: Handler) -> Result:
    """The operator's function gets what the integers mean, and `call.integers`; the result is real."""
    integers = _common(call)
    return handler(context, call if integers is None else _on_reals(call, integers))


@dataclass(frozen=True)
class Kept:
    """The result has the scale and zero point of the integers that the operator reads."""

    own: Handler | None = None
    """Another function than that for real values; `call.integers` says what the integers mean."""

    def __call__(self, context: Context, call: Call, handler: Handler) -> Result:
        integers = _common(call)
        if integers is None:
            return handler(context, call)
        result = (self.own or handler)(context, _on_reals(call, integers))
        if isinstance(result, (list, tuple)):
            return [_kept(context, call, value, integers) for value in result]
        return _kept(context, call, result, integers)  # type: ignore[arg-type]


kept = Kept()


def _kept(context: Context, call: Call, value: Value, integers: Quantization) -> Value:
    """A result as integers again; what is computed and not only gathered is told to the quantizer."""
    if isinstance(value, FlattenedConcat):
        return value.mapped(lambda tensor: replace(tensor, integers=integers))
    if not isinstance(value, Tensor):
        return value
    if isinstance(context.graph.nodes[value.node], _GATHERED):
        return replace(value, integers=integers)
    return rounded(context, call, value, integers)
