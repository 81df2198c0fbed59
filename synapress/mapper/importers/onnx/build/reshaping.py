"""Reshapes: mostly other labels for the dimensions of the same map."""

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.build.axes import whole_numbers
from synapress.mapper.importers.onnx.channels import regrouped
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.layouts import viewed
from synapress.mapper.importers.tensor import Tensor, default_labels, factors, regroup

MOST_SPREAD = 1024
"""Elements of a vector that becomes a map, or of flattened parts that do: so many squared are the weights."""


def reshaped(context: Context, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor:
    if 0 < int(np.prod(wanted)) != int(np.prod(tensor.dims)):
        call.refuse("reshape", f"{int(np.prod(tensor.dims))} elements, as {tensor.dims} has", f"{tuple(wanted)}",
                    "Give -1 in place of the number of frames, and check the other sizes.")
    sizes = context.sizes(tensor)
    labels = None if factors(tensor.labels) else regroup(tensor.dims, tensor.labels, wanted, sizes)
    unread = tensor.node in context.ports and not any(tensor.node in node.sources for node in context.graph)
    if labels is None and unread and (laid_out := _viewed(context, call, tensor, wanted)) is not None:
        return laid_out
    vector = tensor.labels == (("N",), ("D",)) and tensor.dims[1] <= MOST_SPREAD
    if labels is None and vector and len(wanted) in (3, 4) and wanted[0] == tensor.dims[0] and min(wanted) > 0 and int(
            np.prod(wanted)) == int(np.prod(tensor.dims)):
        return _spread(context, call, tensor, wanted)
    if labels is None and tensor.labels != (("N",), ("D",)):
        grouped = regrouped(context, call, tensor, wanted)
        if grouped is not None:
            return grouped
    if labels is None and (laid_out := _viewed(context, call, tensor, wanted)) is not None:
        return laid_out
    if labels is None:
        call.refuse("reshape", "one that keeps channels, columns and rows whole", f"{tensor.dims} → {tuple(wanted)}",
                    "Only flattening, dimensions of 1 and groups of channels are free, and a vector of at most "
                    f"{MOST_SPREAD} elements may become a map; other data does not move.")
    if wanted and not labels[0] and tensor.labels[:1] == (("N",),) and ("N",) not in labels:
        labels = (("N",), *labels[1:])
    return Tensor(node=tensor.node, dims=tuple(wanted), labels=labels)


def _viewed(context: Context, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor | None:
    """The reshape as one of the input, which the host does, if nothing but element-wise nodes has read it yet."""
    if len(wanted) < 1 or min(wanted) < 1 or sum(size > 1 for size in wanted[1:]) > 3:
        return None
    return viewed(context, call, tensor, wanted, default_labels(call.name, wanted, context.batch))


def _spread(context: Context, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor:
    """A vector as a map: each element has its place in a kernel of the map's size."""
    places = np.arange(tensor.dims[1]).reshape((*wanted[1:], 1)[:3])  # channels, rows, columns; or channels, columns
    places = places.swapaxes(1, 2) if len(wanted) == 4 else places
    weights = np.zeros((len(places), places.size, *places.shape[1:]))
    c, x, y = np.indices(places.shape)
    weights[c, places, x, y] = 1
    node = g.TransposedConv(name=call.name, operator=call.op, sources=(tensor.node,), weights=weights,
                            bias=np.zeros(len(places)))
    labels = (("N",), ("D",), *((("H",), ("W",)) if len(wanted) == 4 else (("W",),)))
    return Tensor(node=context.add(node), dims=tuple(wanted), labels=labels)


def reshaped_dims(call: Call, dims: tuple[int, ...]) -> list[int]:
    """The dimensions that Reshape or Flatten gives to an array of `dims`."""
    if call.op == "Flatten":
        axis = int(call.attributes.get("axis", 1))
        axis += len(dims) if axis < 0 else 0
        return [int(np.prod(dims[:axis])), int(np.prod(dims[axis:]))]
    wanted = whole_numbers(call.attributes["shape"]) if "shape" in call.attributes else whole_numbers(call.constant(1))
    if not call.attributes.get("allowzero"):
        wanted = [dims[i] if size == 0 else size for i, size in enumerate(wanted)]
    if -1 in wanted:
        known = int(np.prod([size for size in wanted if size != -1]))
        wanted[wanted.index(-1)] = int(np.prod(dims)) // max(known, 1)
    return wanted
