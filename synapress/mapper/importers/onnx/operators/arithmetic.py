"""Sums, products and quotients."""

from dataclasses import replace

import numpy as np

from golden.types import Floats
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.build.elements import (
    add_values,
    affine,
    aligned,
    gate_of,
    largest,
    multiply_constant,
)
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.flattened import linear
from synapress.mapper.importers.onnx.integers import arithmetic
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Tensor


def _operands(call: Call) -> list[Value]:
    """The operands; before version 7 a constant could start at any dimension of the other one."""
    first = call.input(0)
    axis = call.attributes.get("axis")
    if call.version >= 7 or axis is None or not isinstance(first, Tensor) or not call.attributes.get("broadcast"):
        return call.inputs
    second = np.asarray(call.constant(1))
    behind = len(first.dims) - int(axis) % len(first.dims) - second.ndim
    return [first, second.reshape(second.shape + (1,) * max(behind, 0))]


def _sum_of(call: Call, first: bool, constants: list[Floats]) -> tuple[Floats, Floats]:
    return np.ones(1), np.sum(constants, axis=0)


@operator("Add", opsets=(1, 14), integers=arithmetic, flattened=linear(_sum_of))
@operator("Sum", opsets=(1, 13), flattened=linear(_sum_of))
def add(context: Context, call: Call) -> Tensor:
    operands = _operands(call)
    return add_values(context, call, operands, [1.0] * len(operands))


def _difference(call: Call, first: bool, constants: list[Floats]) -> tuple[Floats, Floats]:
    return (np.ones(1), -constants[0]) if first else (-np.ones(1), constants[0])


@operator("Sub", opsets=(1, 14), integers=arithmetic, flattened=linear(_difference))
def subtract(context: Context, call: Call) -> Tensor:
    return add_values(context, call, _operands(call), [1.0, -1.0])


@operator("Neg", opsets=(1, 13), flattened=linear(lambda call, first, constants: (-np.ones(1), np.zeros(1))))
def negate(context: Context, call: Call) -> Tensor:
    return affine(context, call, call.tensor(), -1.0, 0.0)


@operator("Mul", opsets=(1, 14), integers=arithmetic,
          flattened=linear(lambda call, first, constants: (constants[0], np.zeros(1))))
def multiply(context: Context, call: Call) -> Tensor:
    first, second = _operands(call)
    return _product(context, call, first, second)


def _product(context: Context, call: Call, first: Value, second: Value) -> Tensor:
    """A map times constants, or times another map: of its size, or of one value per channel."""
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        tensor, constant = (first, second) if isinstance(first, Tensor) else (second, first)
        assert isinstance(tensor, Tensor)
        return multiply_constant(context, call, tensor, constant)
    swish = _swish(context, call, first, second) or _swish(context, call, second, first)
    if swish is not None:
        return swish
    gates = [gate_of(context, tensor) for tensor in (first, second)]
    if first.dims == second.dims and (gates[0] is first) != (gates[1] is second):
        first, second = gates
    main = largest([first, second])
    other = second if main is first else first
    small = other.labels == main.labels and context.shape(other) == (context.shape(main)[0], 1, 1)
    if not small:
        other = aligned(context, call, other, main)
    return context.like(main, g.Multiply(name=call.name, operator=call.op, sources=(main.node, other.node)))


def _swish(context: Context, call: Call, tensor: Tensor, gate: Tensor) -> Tensor | None:
    """x · sigmoid(x) is one function, and so is the hard one."""
    node = context.graph.nodes[gate.node]
    if not isinstance(node, g.Activation) or node.sources != (tensor.node,) or gate.labels != tensor.labels:
        return None
    name = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}.get(node.function)
    if name is None or (name == "hard_swish" and not np.allclose(node.parameters, (1 / 6, 0.5))):
        return None
    return context.function(call, tensor, name)


def _quotient(call: Call, first: bool, constants: list[Floats]) -> tuple[Floats, Floats]:
    if not first or not constants[0].all():
        call.refuse("divisor", "constants other than 0", "a map, or a 0", "Check the model.")
    return 1 / constants[0], np.zeros(1)


@operator("Div", opsets=(1, 14), flattened=linear(_quotient))
def divide(context: Context, call: Call) -> Tensor:
    first, second = _operands(call)
    if isinstance(second, Tensor):
        below = context.function(replace(call, name=f"{call.name}/reciprocal"), second, "reciprocal")
        return _product(context, call, first, below)
    divisor = np.asarray(call.constant(1) if second is None else second)
    if divisor.dtype.kind in "iu":  # the operands have one type
        call.refuse("type", "floats", f"a division of {divisor.dtype} numbers, which drops fractions",
                    "Divide floats, or quantize with QuantizeLinear.")
    if not np.all(divisor):
        call.refuse("divisor", "numbers other than 0", "a 0", "Check the model.")
    return multiply_constant(context, call, call.tensor(), 1 / divisor.astype(np.float64))
