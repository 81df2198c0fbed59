"""Maps with a border."""

from dataclasses import replace

import numpy as np

from golden.types import Padding
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import select_matrix
from synapress.mapper.importers.onnx.build.axes import axis_of, whole_numbers
from synapress.mapper.importers.onnx.build.elements import add_values, constant_map, constant_on
from synapress.mapper.importers.onnx.build.matrices import contract
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.integers import Kept, real, rounded
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Tensor


def _widths(call: Call, rank: int) -> list[tuple[int, int, int]]:
    """Of each dimension that is padded: the dimension, and elements before and after."""
    given = call.attributes.get("pads", call.attributes.get("paddings"))
    pads = whole_numbers(given) or whole_numbers(call.constant(1))
    chosen = call.constant(3)
    axes = list(range(rank)) if chosen is None else [axis % rank for axis in whole_numbers(chosen)]
    widths = [(dim, pads[i], pads[len(axes) + i]) for i, dim in enumerate(axes)]
    return [width for width in widths if width[1:] != (0, 0)]


def _of_integers(context: Context, call: Call) -> Tensor:
    """Padding with an integer: with what means 0, and a map of integers around that."""
    source, meaning = call.tensor(), call.integers
    assert meaning is not None
    value = call.constant(2)
    filling = float(real(0 if value is None else value, meaning).reshape(-1)[0])
    result = pad(context, replace(call, inputs=[source, *call.inputs[1:2], np.zeros(()), *call.inputs[3:]]))
    if call.text("mode", "constant") != "constant" or filling == 0:
        return result
    around = np.full(result.dims, filling)
    inside = [slice(None)] * len(result.dims)
    for dim, before, after in _widths(call, len(result.dims)):
        inside[dim] = slice(max(before, 0), result.dims[dim] - max(after, 0))
    around[tuple(inside)] = 0
    filled = constant_on(context, call, around, result)
    filled = np.broadcast_to(filled if filled.ndim == 3 else filled[:, None, None], context.graph.shape(result.node))
    border = rounded(context, call, replace(result, node=constant_map(context, call, filled)), meaning)
    return context.like(result, g.Add(name=call.name, operator=call.op, sources=(result.node, border.node),
                                     signs=(1, 1)))


@operator("Pad", opsets=(1, 25), integers=Kept(_of_integers))
def pad(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    mode = call.text("mode", "constant")
    value = call.attributes.get("value", call.constant(2, 0.0))
    for dim, before, after in _widths(call, len(tensor.dims)):
        tensor = _pad_dim(context, call, tensor, dim, before, after, mode, float(np.asarray(value).reshape(-1)[0]))
    return tensor


def _pad_dim(context: Context, call: Call, tensor: Tensor, dim: int, before: int, after: int, mode: str,
             value: float) -> Tensor:
    axis, size = axis_of(context, call, tensor, dim), tensor.dims[dim]
    if mode == "constant" and value == 0 and axis != "D":
        padding: Padding = (before, 0, after, 0) if axis == "W" else (0, before, 0, after)
        node = context.add(g.Pad(name=call.name, operator=call.op, sources=(tensor.node,), padding=padding))
        dims = tuple(size + before + after if i == dim else other for i, other in enumerate(tensor.dims))
        labels = tuple((axis,) if i == dim else label for i, label in enumerate(tensor.labels))
        return Tensor(node=node, dims=dims, labels=labels)
    at = np.arange(-before, size + after)
    if mode == "constant":
        matrix = np.zeros((len(at), size))
        inside = (at >= 0) & (at < size)
        matrix[np.flatnonzero(inside), at[inside]] = 1
        tensor = contract(context, call, tensor, dim, matrix)
        if value == 0:
            return tensor
        shape = [1] * len(tensor.dims)
        shape[dim] = len(at)
        border = np.where(inside, 0.0, value).reshape(shape)
        return add_values(context, call, [tensor, border], [1.0, 1.0])
    if mode == "edge":
        at = np.clip(at, 0, size - 1)
    elif mode == "wrap":
        at = at % size
    else:
        period = 2 * (size - 1)
        at = np.abs((at + size - 1) % period - (size - 1)) if period else np.zeros_like(at)
    return contract(context, call, tensor, dim, select_matrix(size, at))
