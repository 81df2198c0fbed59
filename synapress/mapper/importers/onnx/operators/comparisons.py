"""Comparisons, and what chooses between values by them.

A truth value is a map of 0 and 1. In the middle of a network it chooses values; as an output of a file it is the host's
(`synapress.mapper.importers.onnx.reader`), which compares real values and not integers.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from golden.types import Array, Floats
from synapress.mapper.importers import functions
from synapress.mapper.importers.onnx.build.elements import add_values, affine, multiply_constant
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.integers import chosen, numbers
from synapress.mapper.importers.onnx.registry import apply_to_map, operator
from synapress.mapper.importers.tensor import Tensor


def _number(value: Value) -> float | None:
    """A constant that is one number."""
    return float(value.reshape(-1)[0]) if isinstance(value, np.ndarray) and value.size == 1 else None


# -- extremes ----------------------------------------------------------------------------------


def _larger(context: Context, call: Call, first: Value, second: Value, sign: float) -> Value:
    """The larger of two values, of sign -1 the smaller: b + relu(a - b), or b - relu(b - a)."""
    bound = _number(second)
    if isinstance(first, Tensor) and bound is not None:
        limits = (bound, np.inf) if sign > 0 else (-np.inf, bound)
        return context.function(call, first, "clip", *limits)
    if not isinstance(first, Tensor) and not isinstance(second, Tensor):
        return (np.maximum if sign > 0 else np.minimum)(np.asarray(first), np.asarray(second))
    apart = add_values(context, replace(call, name=f"{call.name}/difference"), [first, second], [sign, -sign])
    excess = context.function(replace(call, name=f"{call.name}/excess"), apart, "relu")
    return add_values(context, call, [second, excess], [1.0, sign])


def _extreme(context: Context, call: Call, sign: float) -> Value:
    """Constants first, which are one then; maps one after the other."""
    values = sorted((value for value in call.inputs if value is not None), key=lambda value: isinstance(value, Tensor))
    result: Value = values[0]
    for i, value in enumerate(values[1:]):
        last = i == len(values) - 2
        result = _larger(context, call if last else replace(call, name=f"{call.name}/{i}"), value, result, sign)
    return result


@operator("Max", opsets=(1, 13), integers=chosen)
def maximum(context: Context, call: Call) -> Value:
    return _extreme(context, call, 1.0)


@operator("Min", opsets=(1, 13), integers=chosen)
def minimum(context: Context, call: Call) -> Value:
    return _extreme(context, call, -1.0)


# -- truth values ------------------------------------------------------------------------------


def _compare(name: str, function: str, opsets: tuple[int, int], holds: Callable[[Floats], Array], mirrored: str,
             ) -> None:
    """Declare a comparison of a map with constants, or with another map.

    Args:
        function: its name as a function of the difference of the operands.
        holds: whether it holds for a difference.
        mirrored: the function for exchanged operands.
    """
    functions.register(function, lambda x: np.asarray(holds(x), np.float64), nonnegative=True)

    @operator(name, opsets=opsets, integers=numbers)
    def compare(context: Context, call: Call) -> Tensor:
        first, second = call.inputs
        if not isinstance(first, Tensor):
            return _of_difference(context, call, second, first, mirrored)
        return _of_difference(context, call, first, second, function)


def _of_difference(context: Context, call: Call, first: Value, second: Value, function: str) -> Tensor:
    apart = add_values(context, replace(call, name=f"{call.name}/difference"), [first, second], [1.0, -1.0])
    return context.function(call, apart, function)


_compare("Greater", "positive", (1, 13), lambda x: x > 0, "negative")
_compare("Less", "negative", (1, 13), lambda x: x < 0, "positive")
_compare("GreaterOrEqual", "not_negative", (12, 16), lambda x: x >= 0, "not_positive")
_compare("LessOrEqual", "not_positive", (12, 16), lambda x: x <= 0, "not_negative")


@operator("Not", opsets=(1, 1))
def negation(context: Context, call: Call) -> Tensor:
    return affine(context, call, call.tensor(), -1.0, 1.0)


@operator("And", opsets=(1, 7))
def both(context: Context, call: Call) -> Value:
    return _selected(context, call, call.inputs[0], call.inputs[1])


@operator("Or", opsets=(1, 7))
def either(context: Context, call: Call) -> Value:
    return _extreme(context, call, 1.0)


def _selected(context: Context, call: Call, condition: Value, value: Value) -> Value:
    """A value where a condition holds, else 0; at most one of the two is constant."""
    if isinstance(condition, Tensor) and isinstance(value, Tensor):
        return apply_to_map(context, replace(call, inputs=[condition, value]), "Mul")
    tensor, constant = (condition, value) if isinstance(condition, Tensor) else (value, condition)
    assert isinstance(tensor, Tensor)
    array = np.asarray(constant, np.float64)
    if not np.isfinite(array).all():
        call.refuse("constant", "finite numbers", "NaN or infinite ones", "Put a large finite number in their place.")
    return multiply_constant(context, call, tensor, array)


@operator("Where", opsets=(9, 16))
def where(context: Context, call: Call) -> Value:
    """b + condition · (a - b)."""
    condition, first, second = call.inputs
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        apart: Value = first.astype(np.float64) - second
    else:
        apart = add_values(context, replace(call, name=f"{call.name}/difference"), [first, second], [1.0, -1.0])
    chosen = _selected(context, replace(call, name=f"{call.name}/chosen"), condition, apart)
    return add_values(context, call, [second, chosen], [1.0, 1.0])
