"""Sums, products and constants on the elements of maps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden.types import Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import vector
from synapress.mapper.importers.onnx.build.matrices import unchanged
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.layouts import renamed
from synapress.mapper.importers.tensor import AXES, Tensor


def constant_on(context: Context, call: Call, array: Any, tensor: Tensor) -> np.ndarray:
    """A constant that broadcasts to a tensor, on its map: (D) if the same for all positions, else (D, W, H)."""
    values = np.asarray(array, np.float64)
    if values.size == 1:
        return np.full(context.graph.shape(tensor.node)[0], float(values.reshape(-1)[0]))
    try:
        full = np.broadcast_to(values, np.broadcast_shapes(values.shape, tensor.dims))
    except ValueError:
        full = values
    if full.shape != tensor.dims and full.size == np.prod(tensor.dims):
        full = full.reshape(tensor.dims)  # leading ones
    if full.shape != tensor.dims:
        call.refuse("broadcast", f"a constant that broadcasts to {tensor.dims}", values.shape,
                    "Only the constant may be repeated, not the feature map.")
    sizes = context.sizes(tensor)
    axes = [axis for label in tensor.labels for axis in label]
    missing = [axis for axis in AXES if axis not in axes]
    expanded = full.reshape([sizes[axis] for axis in axes] + [1] * len(missing))
    ordered = expanded.transpose([(axes + missing).index(axis) for axis in AXES])
    if not (ordered == ordered[:1]).all():
        call.refuse("frames", "one constant for all frames", "one that differs from frame to frame",
                    "Frames are independent and alike.")
    maps = ordered[0]
    if maps.size and (maps == maps[:, :1, :1]).all():
        return np.ascontiguousarray(maps[:, 0, 0])
    return np.ascontiguousarray(maps)


def constant_map(context: Context, call: Call, values: np.ndarray) -> str:
    """A node that always is `values` (D, W, H): a constant neuron and its kernel."""
    source = next(iter(context.ports))  # whose values do not matter; quantized if it is, so that only that reads it
    source = next((node.name for node in context.graph if isinstance(node, g.Quantize) and node.sources == (source,)),
                  source)
    depth, width, height = context.graph.shape(source)
    one = context.add(g.Conv(
        name=f"{call.name}/one", operator=call.op, sources=(source,), weights=np.zeros((1, depth, 1, 1)),
        bias=np.ones(1), padding=(0, 0, 1 - width, 1 - height)))
    return context.add(g.TransposedConv(
        name=f"{call.name}/constant", operator=call.op, sources=(one,), weights=values[:, None],
        bias=np.zeros(len(values))))


def aligned(context: Context, call: Call, tensor: Tensor, main: Tensor) -> Tensor:
    """A tensor repeated to the dimensions and labels of another.

    Raises:
        ModelError: its dimensions do not broadcast, or hold other axes.
    """
    extra = len(main.dims) - len(tensor.dims)
    dims, labels = (1,) * extra + tensor.dims, ((),) * extra + tensor.labels
    if extra < 0 or any(size not in (1, other) for size, other in zip(dims, main.dims, strict=True)):
        call.refuse("broadcast", f"a map that broadcasts to {main.dims}", tensor.dims, "Check the model's shapes.")
    wide = tuple(label if size > 1 or label == ("N",) else () for size, label in zip(dims, labels, strict=True))
    wanted = tuple(label if size > 1 or own == ("N",) else ()
                   for size, label, own in zip(dims, main.labels, wide, strict=True))
    if wide != wanted:
        found = renamed(context, call, replace(tensor, dims=dims, labels=wide), wanted)
        if found is None:
            call.refuse("broadcast", f"axes {wanted}", wide, "Both maps must have the same layout.")
        tensor = found
    return Tensor(node=repeated(context, call, tensor.node, context.graph.shape(main.node)), dims=main.dims,
                  labels=main.labels)


def repeated(context: Context, call: Call, node: str, sizes: Shape) -> str:
    """A map repeated along its axes of 1."""
    mine = context.graph.shape(node)
    if mine[0] < sizes[0] and mine[0] == 1:
        node = context.add(g.Conv(name=f"{call.name}/repeat", operator=call.op, sources=(node,),
                                 weights=np.ones((sizes[0], 1, 1, 1)), bias=np.zeros(sizes[0])))
    if mine[1:] != sizes[1:]:
        x, y = (np.ones((sizes[i], 1)) if mine[i] == 1 else unchanged(call, sizes[i]) for i in (1, 2))
        node = context.add(g.Resample(name=f"{call.name}/repeat", operator=call.op, sources=(node,), x_matrix=x,
                                     y_matrix=y))
    return node


def gate_of(context: Context, tensor: Tensor) -> Tensor:
    """The map of one value per channel that a tensor repeats, or itself."""
    node = context.graph.nodes[tensor.node]
    if not isinstance(node, g.Resample) or context.graph.shape(node.sources[0])[1:] != (1, 1) or not (
            (node.x_matrix == 1).all() and (node.y_matrix == 1).all()):
        return tensor
    dims = tuple(1 if set(label) & {"W", "H"} else size for size, label in zip(
        tensor.dims, tensor.labels, strict=True))
    return replace(tensor, node=node.sources[0], dims=dims)


def largest(values: Sequence[Value]) -> Tensor:
    """The tensor that the others broadcast to."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    return max(tensors, key=lambda tensor: (len(tensor.dims), int(np.prod(tensor.dims))))


def add_values(context: Context, call: Call, values: Sequence[Value], factors: Sequence[float]) -> Tensor:
    """Sum of maps and constants, each times a factor."""
    main = largest(values)
    sources, signs = [], []
    offset, maps = np.zeros(context.graph.shape(main.node)[0]), []
    for value, factor in zip(values, factors, strict=True):
        if isinstance(value, Tensor):
            tensor = value if value is main else aligned(context, call, value, main)
            if abs(factor) != 1:
                tensor = affine(context, call, tensor, factor, 0.0)
                factor = 1.0
            sources.append(tensor.node)
            signs.append(int(factor))
        elif value is not None:
            constant = constant_on(context, call, value, main) * factor
            if constant.ndim == 1:
                offset = offset + constant
            else:
                maps.append(constant)
    if maps:
        sources.append(constant_map(context, call, np.sum(maps, axis=0)))
        signs.append(1)
    result = main
    if len(sources) > 1 or signs[0] < 0:
        result = context.like(main, g.Add(name=call.name, operator=call.op, sources=tuple(sources), signs=tuple(signs)))
    return affine(context, call, result, 1.0, offset) if offset.any() else result


def multiply_constant(context: Context, call: Call, tensor: Tensor, constant: Any) -> Tensor:
    """A map times constants that broadcast to it."""
    scale = constant_on(context, call, constant, tensor)
    if scale.ndim == 1:
        return affine(context, call, tensor, scale, 0.0)
    factors = (tensor.node, constant_map(context, call, scale))
    return context.like(tensor, g.Multiply(name=call.name, operator=call.op, sources=factors))


def affine(context: Context, call: Call, tensor: Tensor, scale: Any, offset: Any) -> Tensor:
    depth = context.graph.shape(tensor.node)[0]
    return context.like(tensor, g.Affine(name=call.name, operator=call.op, sources=(tensor.node,),
                                        scale=vector(scale, depth), offset=vector(offset, depth)))
