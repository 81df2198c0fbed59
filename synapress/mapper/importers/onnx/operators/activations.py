"""Functions of single elements."""

from collections.abc import Callable

import numpy as np

from golden.types import Floats
from synapress.mapper.importers import functions
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import vector
from synapress.mapper.importers.onnx.build.elements import constant_map, constant_on
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.flattened import elementwise
from synapress.mapper.importers.onnx.integers import Kept, real
from synapress.mapper.importers.onnx.registry import MICROSOFT, operator
from synapress.mapper.importers.tensor import Tensor


def _function(operator_name: str, function: str, opsets: tuple[int, int], *attributes: tuple[str, float],
              new: Callable[[Floats], Floats] | None = None, nonnegative: bool = False) -> None:
    """Declare an operator that is a function of each element.

    Args:
        function: its name in `synapress.mapper.importers.functions`.
        attributes: names and defaults of the operator's attributes, in the order of the function's parameters.
        new: the function itself, if only this operator has it.
        nonnegative: of a new function: it has no negative values.
    """
    if new is not None:
        functions.register(function, new, nonnegative=nonnegative)

    @operator(operator_name, opsets=opsets, flattened=elementwise)
    def activation(context: Context, call: Call) -> Tensor:
        parameters = (float(call.attributes.get(name, default)) for name, default in attributes)
        return context.function(call, call.tensor(), function, *parameters)


_function("Sigmoid", "sigmoid", (1, 13))
_function("Tanh", "tanh", (1, 13))
_function("HardSigmoid", "hard_sigmoid", (1, 22), ("alpha", 0.2), ("beta", 0.5))
_function("HardSwish", "hard_swish", (14, 22))
_function("Swish", "silu", (24, 24), ("alpha", 1.0))
_function("Elu", "elu", (1, 22), ("alpha", 1.0))
_function("Selu", "selu", (6, 22), ("alpha", 1.67326319217681884765625), ("gamma", 1.05070102214813232421875))
_function("Celu", "celu", (12, 28), ("alpha", 1.0))
_function("Mish", "mish", (18, 22))
_function("Softplus", "softplus", (1, 22))
_function("Softsign", "softsign", (1, 22))
_function("ThresholdedRelu", "thresholded_relu", (10, 22), ("alpha", 1.0))
_function("Abs", "abs", (1, 13))
_function("Sqrt", "sqrt", (1, 13))
_function("Exp", "exp", (1, 13))
_function("Log", "log", (1, 13))
_function("Erf", "erf", (9, 13))
_function("Reciprocal", "reciprocal", (1, 13))
_function("Sin", "sin", (7, 22), new=np.sin)
_function("Cos", "cos", (7, 22), new=np.cos)
_function("Sign", "sign", (9, 13), new=np.sign)


@operator("Gelu", opsets=(20, 20), flattened=elementwise)
@operator("Gelu", opsets=(1, 1), domain=MICROSOFT, flattened=elementwise)
def gelu(context: Context, call: Call) -> Tensor:
    approximate = call.text("approximate", "none") == "tanh"
    return context.function(call, call.tensor(), "gelu_tanh" if approximate else "gelu")


@operator("Pow", opsets=(1, 15), flattened=elementwise)
def power(context: Context, call: Call) -> Tensor:
    """A constant exponent; other exponents per element would be as many tables."""
    exponent = np.asarray(call.constant(1)).reshape(-1)
    if not exponent.size or not (exponent == exponent[0]).all():
        call.refuse("exponent", "one number for all elements", f"{exponent.size} of them",
                    "Split the map, with a Pow of its own for each exponent.")
    named = {-1.0: "reciprocal", 0.5: "sqrt"}.get(float(exponent[0]))
    given = () if named else (float(exponent[0]),)
    return context.function(call, call.tensor(), named or "power", *given)


# -- bounds ------------------------------------------------------------------------------------


def _clipped(context: Context, call: Call, low: Value, high: Value) -> Tensor:
    """A map within bounds; None: no bound."""
    tensor = call.tensor()
    least = -np.inf if low is None else float(np.asarray(low).reshape(-1)[0])
    most = np.inf if high is None else float(np.asarray(high).reshape(-1)[0])
    if (least, most) == (-np.inf, np.inf):
        return tensor
    if (least, most) == (0, np.inf):
        return context.function(call, tensor, "relu")
    return context.function(call, tensor, "clip", min(least, most), most)


def _bounds(call: Call) -> list[Value]:
    """Lower and upper bound of Clip: attributes at first, operands since version 11."""
    return [call.attributes.get(name, call.constant(index)) for index, name in ((1, "min"), (2, "max"))]


def _clip_integers(context: Context, call: Call) -> Tensor:
    """Bounds that are integers as well."""
    assert call.integers is not None
    bounds = [None if bound is None else real(bound, call.integers) for bound in _bounds(call)]
    return _clipped(context, call, bounds[0], bounds[1])


@operator("Clip", opsets=(1, 13), integers=Kept(_clip_integers), flattened=elementwise)
def clip(context: Context, call: Call) -> Tensor:
    low, high = _bounds(call)
    return _clipped(context, call, low, high)


def _relu_integers(context: Context, call: Call) -> Tensor:
    """The integers from 0 up, whatever they mean."""
    assert call.integers is not None
    return _clipped(context, call, real(0, call.integers), None)


@operator("Relu", opsets=(1, 14), integers=Kept(_relu_integers), flattened=elementwise)
def relu(context: Context, call: Call) -> Tensor:
    return context.function(call, call.tensor(), "relu")


# -- slopes ------------------------------------------------------------------------------------


def _leaky(context: Context, call: Call, tensor: Tensor, slope: Floats) -> Tensor:
    return context.like(tensor, g.Activation(name=call.name, operator=call.op, sources=(tensor.node,),
                                             function="leaky_relu", slope=slope))


@operator("LeakyRelu", opsets=(1, 16), flattened=elementwise)
def leaky_relu(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    return _leaky(context, call, tensor, vector(call.attributes.get("alpha", 0.01), context.shape(tensor)[0]))


@operator("PRelu", opsets=(1, 16))
def parametric_relu(context: Context, call: Call) -> Tensor:
    tensor, given = call.tensor(), np.asarray(call.constant(1))
    if call.version < 7 and given.ndim == 1 and len(tensor.dims) > 2:
        given = given.reshape(-1, *[1] * (len(tensor.dims) - 2))  # before broadcasting: one per channel
    slope = constant_on(context, call, given, tensor)
    return _leaky(context, call, tensor, slope) if slope.ndim == 1 else _slope_map(context, call, tensor, slope)


def _slope_map(context: Context, call: Call, tensor: Tensor, slope: Floats) -> Tensor:
    """A slope per position: max(x, 0) + slope · min(x, 0)."""
    ends = [context.add(g.Activation(name=f"{call.name}/{name}", operator=call.op, sources=(tensor.node,),
                                     function="clip", parameters=bounds))
            for name, bounds in (("positive", (0.0, np.inf)), ("negative", (-np.inf, 0.0)))]
    scaled = context.add(g.Multiply(name=f"{call.name}/scaled", operator=call.op,
                                    sources=(ends[1], constant_map(context, call, slope))))
    return context.like(tensor, g.Add(name=call.name, operator=call.op, sources=(ends[0], scaled), signs=(1, 1)))
