"""Elements of one dimension of a tensor."""

from typing import Any

import numpy as np

from golden.types import Padding
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import select_matrix
from synapress.mapper.importers.onnx.build.matrices import contract
from synapress.mapper.importers.onnx.channels import picked_group, select, selected
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.tensor import Tensor, factors


def whole_numbers(value: Any) -> list[int]:
    return [] if value is None else [int(number) for number in np.asarray(value).reshape(-1)]


def axes_of(call: Call, index: int) -> list[int] | None:
    if "axes" in call.attributes:
        return whole_numbers(call.attributes["axes"])
    given = call.constant(index) if len(call.inputs) > index else None
    return None if given is None else whole_numbers(given)


def axis_of(context: Context, call: Call, tensor: Tensor, dim: int) -> str:
    """The one map axis that a dimension is; a dimension of 1 takes a free one."""
    label = tensor.labels[dim]
    if not label:
        label = tuple(axis for axis in "DHW" if tensor.find(axis) is None)[:1]
    if len(label) != 1 or label[0] not in "DHW":
        call.refuse("axis", "channels, columns or rows", f"dimension {dim} of {tensor.dims}, which holds {label}",
                    "Frames are independent, and flattened dimensions no longer apart; groups of channels must become "
                    "whole channels again.")
    return label[0]


def cut(context: Context, call: Call, tensor: Tensor, dim: int, first: int, last: int) -> Tensor:
    """Elements first … last - 1 of a dimension."""
    size = tensor.dims[dim]
    dims = tuple(last - first if i == dim else other for i, other in enumerate(tensor.dims))
    if (first, last) == (0, size):
        return tensor
    if first >= last:
        call.refuse("size", "at least one element", f"[{first}, {last})", "An empty array is not a feature map.")
    axis = axis_of(context, call, tensor, dim)
    node: g.Node
    channels = selected(context.graph.nodes[tensor.node]) if axis == "D" else None
    if channels is not None:  # a copy of fewer channels instead of a part of the copy
        return Tensor(node=select(context, call, context.graph.nodes[tensor.node].sources[0], channels[first:last]),
                      dims=dims, labels=tensor.labels)
    if axis == "D":
        node = g.Slice(name=call.name, operator=call.op, sources=(tensor.node,), first=first, last=last)
    else:
        padding: Padding = ((-first, 0, last - size, 0) if axis == "W" else (0, -first, 0, last - size))
        node = g.Pad(name=call.name, operator=call.op, sources=(tensor.node,), padding=padding)
    return Tensor(node=context.add(node), dims=dims, labels=tensor.labels)


def gathered(context: Context, call: Call, tensor: Tensor, dim: int, chosen: np.ndarray) -> Tensor:
    if tensor.labels[dim][:1] and tensor.labels[dim][0] in factors(tensor.labels) and len(tensor.labels[dim]) == 1:
        return picked_group(context, call, tensor, dim, chosen)
    axis_of(context, call, tensor, dim)
    return contract(context, call, tensor, dim, select_matrix(tensor.dims[dim], chosen))
