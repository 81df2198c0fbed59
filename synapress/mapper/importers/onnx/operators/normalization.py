"""Normalization with statistics that are known when compiling."""

import numpy as np

from golden.types import Floats
from synapress.mapper.importers.onnx.build.elements import affine
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result
from synapress.mapper.importers.onnx.flattened import as_map, is_flat, joined, scaled
from synapress.mapper.importers.onnx.layouts import canonical
from synapress.mapper.importers.onnx.registry import operator
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
