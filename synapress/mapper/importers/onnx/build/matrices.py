"""Matrices along one dimension of a tensor."""


import numpy as np

from golden.types import Floats
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import vector
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.tensor import Tensor

RESIZED_ELEMENTS = 1 << 26
"""Most elements of a resizing matrix, and of a resized tensor."""


def unchanged(call: Call, size: int) -> Floats:
    """The matrix of an axis that stays as it is, of a map that is resampled along the other one."""
    if size * size > RESIZED_ELEMENTS:
        call.refuse("size", f"a matrix per axis of at most {RESIZED_ELEMENTS} elements", f"{size} × {size}",
                    "Use smaller maps.")
    return np.eye(size)


def weight_scale(call: Call, index: int, channels: int) -> np.ndarray | None:
    """The known quantization scale of constant weights, per destination channel."""
    array = call.inputs[index]
    scale = getattr(array, "quantization_scale", None)
    return None if scale is None or scale.size not in (1, channels) else vector(scale, channels)


def contract(context: Context, call: Call, tensor: Tensor, dim: int, matrix: np.ndarray,
             weight_scale: np.ndarray | None = None) -> Tensor:
    """matrix (results, elements) applied along one dimension of a tensor."""
    label, name = tensor.labels[dim], f"{call.name}"
    depth, width, height = context.graph.shape(tensor.node)
    rest = {axis for i, other in enumerate(tensor.labels) if i != dim for axis in other}
    node: g.Node
    if "N" in label:
        call.refuse("axis", "a dimension within a frame", "the frames", "Frames are independent of each other.")
    if label in (("W",), ("H",)) and weight_scale is None:
        x = matrix if label == ("W",) else unchanged(call, width)
        y = matrix if label == ("H",) else unchanged(call, height)
        before, source = context.graph.nodes[tensor.node], tensor.node
        if isinstance(before, g.Resample):  # columns and rows of one operator are resampled together
            x, y, source = x @ before.x_matrix, y @ before.y_matrix, before.sources[0]
        node = g.Resample(name=name, operator=call.op, sources=(source,), x_matrix=x, y_matrix=y)
        new: tuple[str, ...] = label
    else:
        sizes = {"D": depth, "W": width, "H": height}
        axes = [axis for axis in label if sizes[axis] > 1]
        if any(sizes[axis] > 1 for axis in rest & {"W", "H"} if set(axes) & {"W", "H"}):
            call.refuse("axis", "all of a map, or its channels", f"dimension {dim} of {tensor.dims}",
                        "Flatten the whole map before the matrix product.")
        if "D" not in axes and depth > 1 and axes:
            call.refuse("axis", "all of a map, or its channels", f"dimension {dim} of {tensor.dims}",
                        "Flatten the whole map before the matrix product.")
        order = [*axes, *(axis for axis in "DWH" if axis not in axes)]
        kernel = {"D": depth, "W": width if "W" in axes else 1, "H": height if "H" in axes else 1}
        if "D" in rest or ("D" not in axes and depth > 1):
            call.refuse("axis", "the channels", tensor.labels, "Move the channels into that dimension.")
        weights = matrix.reshape(len(matrix), *(kernel[axis] for axis in order))
        weights = weights.transpose(0, *(1 + order.index(axis) for axis in "DWH"))
        node = g.Conv(name=name, operator=call.op, sources=(tensor.node,), weights=np.ascontiguousarray(weights),
                      bias=np.zeros(len(matrix)), weight_scale=weight_scale)
        new = ("D",)
    labels = tuple(new if i == dim else other for i, other in enumerate(tensor.labels))
    dims = tuple(len(matrix) if i == dim else size for i, size in enumerate(tensor.dims))
    return Tensor(node=context.add(node), dims=dims, labels=labels)


def drop(tensor: Tensor, dim: int) -> Tensor:
    dim %= len(tensor.dims)
    labels = tuple(label for i, label in enumerate(tensor.labels) if i != dim)
    return Tensor(node=tensor.node, dims=tuple(d for i, d in enumerate(tensor.dims) if i != dim), labels=labels)
