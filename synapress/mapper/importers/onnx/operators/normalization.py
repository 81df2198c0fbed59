"""Normalization: with statistics of the training, or with those of each frame, which is spelled out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from golden.types import Floats
from synapress.mapper.importers.onnx.build.elements import affine
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result, Value
from synapress.mapper.importers.onnx.flattened import as_map, is_flat, joined, scaled
from synapress.mapper.importers.onnx.layouts import canonical
from synapress.mapper.importers.onnx.registry import apply_to_map, operator
from synapress.mapper.importers.tensor import FlattenedConcat, Tensor


def _statistics(call: Call) -> tuple[Floats, Floats]:
    """Factor and offset of a batch normalization, per channel."""
    if call.attributes.get("training_mode") or any(call.outputs[1:]):
        call.refuse("mode", "inference", "training", "Export the model in evaluation mode.")
    if not call.attributes.get("spatial", 1):
        call.refuse("spatial", "one scale per channel", "spatial=0, which has one per element",
                    "Export with operator set 9 or later.")
    scale, offset, mean, variance = (np.asarray(call.constant(i), np.float64) for i in (1, 2, 3, 4))
    factor = scale / np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    return factor, offset - mean * factor


def _on_elements(context: Context, call: Call, handler: Handler) -> Result:
    """Of flattened maps, whose elements are the channels."""
    value = call.input(0)
    if not (isinstance(value, FlattenedConcat) or is_flat(value)):
        return as_map(context, call, handler)
    return scaled(call, joined(value), *_statistics(call))


@operator("BatchNormalization", opsets=(1, 15), flattened=_on_elements)
def batch_normalization(context: Context, call: Call) -> Tensor:
    tensor = canonical(context, call, call.tensor())
    return affine(context, call, tensor, *_statistics(call))


# -- statistics of a frame ---------------------------------------------------------------------


def _step(context: Context, call: Call, part: str, name: str, *inputs: Value, **attributes: object) -> Tensor:
    """One step of what a normalization stands for, by the operator that would spell it out."""
    named = replace(call, name=f"{call.name}/{part}" if part else call.name, inputs=list(inputs), outputs=[],
                    attributes=attributes, version=17)
    return apply_to_map(context, named, name)


def _normalized(context: Context, call: Call, tensor: Tensor, axes: Sequence[int], scale: Value,
                offset: Value) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / sqrt(variance + epsilon) · scale + offset, with statistics over some dimensions.

    The mean and the divisor are given, too.
    """
    mean = _step(context, call, "mean", "ReduceMean", tensor, axes=list(axes), keepdims=1)
    centered = _step(context, call, "centered", "Sub", tensor, mean)
    square = _step(context, call, "square", "Pow", centered, np.array(2.0))
    variance = _step(context, call, "variance", "ReduceMean", square, axes=list(axes), keepdims=1)
    bounded = _step(context, call, "bounded", "Add", variance, np.array(call.attributes.get("epsilon", 1e-5)))
    deviation = _step(context, call, "deviation", "Sqrt", bounded)
    result = _step(context, call, "divided", "Div", centered, deviation)
    if scale is not None:
        result = _step(context, call, "scaled", "Mul", result, scale)
    if offset is not None:
        result = _step(context, call, "", "Add", result, offset)
    return result, mean, deviation


@operator("LayerNormalization", opsets=(17, 17))
def layer_normalization(context: Context, call: Call) -> list[Value]:
    tensor = call.tensor()
    first = int(call.attributes.get("axis", -1)) % len(tensor.dims)
    result, mean, deviation = _normalized(
        context, call, tensor, range(first, len(tensor.dims)), call.constant(1), call.constant(2))
    if not any(call.outputs[2:]):
        return [result, mean]
    return [result, mean, _step(context, call, "inverse", "Reciprocal", deviation)]


@operator("InstanceNormalization", opsets=(6, 22))
def instance_normalization(context: Context, call: Call) -> Tensor:
    tensor = canonical(context, call, call.tensor())
    spatial = len(tensor.dims) - 2
    if spatial < 1:
        call.refuse("rank", "at least one spatial dimension", tensor.dims, "Unsqueeze the input.")
    scale, offset = (np.asarray(call.constant(i), np.float64).reshape(-1, *[1] * spatial) for i in (1, 2))
    return _normalized(context, call, tensor, range(2, len(tensor.dims)), scale, offset)[0]
