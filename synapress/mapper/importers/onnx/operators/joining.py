"""Maps behind each other."""

from dataclasses import replace

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.build.axes import axis_of
from synapress.mapper.importers.onnx.build.elements import constant_map
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result
from synapress.mapper.importers.onnx.flattened import concatenated, is_flat
from synapress.mapper.importers.onnx.integers import Kept, real
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import FlattenedConcat, Tensor


def _of_flattened(context: Context, call: Call, handler: Handler) -> Result:
    """Flattened maps behind each other stay apart."""
    values = [value for value in call.inputs if value is not None]
    if not any(isinstance(value, FlattenedConcat) or is_flat(value) for value in values):
        return handler(context, call)
    ranks = {len(value.dims) if isinstance(value, (Tensor, FlattenedConcat)) else value.ndim for value in values}
    if ranks != {2} or int(call.attributes.get("axis", 1)) % 2 == 0:
        call.refuse("axis", "the elements of flattened maps", f"axis {call.attributes.get('axis', 1)}",
                    "Frames are independent.")
    if any(isinstance(value, np.ndarray) for value in values):
        call.refuse("operand", "feature maps", "a constant", "Put the constant into the bias of what reads it.")
    return concatenated(call, values)


def _of_integers(context: Context, call: Call) -> Tensor:
    """Constants are integers as well."""
    meaning = call.integers
    assert meaning is not None
    return concat(context, replace(call, inputs=[
        value if isinstance(value, Tensor) or value is None else real(value, meaning) for value in call.inputs]))


@operator("Concat", opsets=(1, 13), integers=Kept(_of_integers), flattened=_of_flattened)
def concat(context: Context, call: Call) -> Tensor:
    tensors = [value for value in call.inputs if isinstance(value, Tensor)]
    first = tensors[0]
    dim = int(call.attributes.get("axis", 1)) % len(first.dims)
    axis = axis_of(context, call, first, dim)
    labels = tuple((axis,) if i == dim else label for i, label in enumerate(first.labels))
    nodes, total = [], 0
    for value in call.inputs:
        if isinstance(value, Tensor):
            same = [i for i in range(len(labels)) if i != dim and value.dims[i] > 1 and value.labels[i] != labels[i]]
            if same or (value.dims[dim] > 1 and value.labels[dim] != (axis,)):
                call.refuse("layout", f"maps laid out as {labels}", value.labels, "Bring them into one layout.")
            nodes.append(value.node)
            total += value.dims[dim]
        else:
            array = np.asarray(value, np.float64)
            like = Tensor(node="", dims=array.shape, labels=labels)
            nodes.append(_constant(context, call, like, array))
            total += array.shape[dim]
    dims = tuple(total if i == dim else size for i, size in enumerate(first.dims))
    name = context.add(g.Concat(name=call.name, operator=call.op, sources=tuple(nodes), axis="DWH".index(axis)))
    return Tensor(node=name, dims=dims, labels=labels)


def _constant(context: Context, call: Call, like: Tensor, array: np.ndarray) -> str:
    """A constant operand as a map."""
    axes = [axis for label in like.labels for axis in label]
    if array.ndim != len(like.labels) or len(axes) != len(set(axes)) or any(len(label) > 1 for label in like.labels):
        call.refuse("constant operand", "a constant in the layout of the others", array.shape, "Fold it.")
    kept = array.reshape([size for size, label in zip(array.shape, like.labels, strict=True) if label])
    missing = [axis for axis in "NDWH" if axis not in axes]
    ordered = kept.reshape(kept.shape + (1,) * len(missing))
    ordered = ordered.transpose([(axes + missing).index(axis) for axis in "NDWH"])
    if len(ordered) > 1:
        call.refuse("frames", "one constant for all frames", "one per frame", "Frames are alike.")
    return constant_map(context, call, ordered[0])
