"""The layout of an input is chosen when the first node needs one; element-wise nodes before it need none.

A file may have its input as (N, rows, columns, channels), flat, or without a dimension of 1, and may scale, transpose
or reshape it before the first layer. The host does this instead, so that no data moves on the cores: the axes of the
input, of all maps computed from it so far, and of all arrays that hold these maps are renamed or resized.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden.types import Floats, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.tensor import AXES, FlattenedConcat, Labels, Tensor, factors, map_shape, regroup


def canonical(context: Context, call: Call, tensor: Tensor) -> Tensor:
    """The tensor as frames, channels, (rows,) columns; an input that nothing has read yet is laid out so.

    Raises:
        ModelError: data would have to move between channels, columns and rows.
    """
    wanted = (("N",), ("D",), *((axis,) for axis in "HW"[-(len(tensor.dims) - 2):])) if len(tensor.dims) > 2 else (
        ("N",), ("D",))
    if not 2 <= len(tensor.dims) <= 4:
        call.refuse("rank", "frames, channels and one or two spatial dimensions", tensor.dims,
                    "Feature maps have at most two spatial dimensions.")
    sizes = context.sizes(tensor)
    fits = all(label in (role, ()) and (label or size == 1)
               for label, role, size in zip(tensor.labels, wanted, tensor.dims, strict=True))
    fits = fits and all(sizes[role[0]] == size for role, size in zip(wanted, tensor.dims, strict=True))
    if fits:
        return replace(tensor, labels=wanted)
    found = renamed(context, call, tensor, wanted) or viewed(context, call, tensor, tensor.dims, wanted)
    if found is None:
        call.refuse("layout", "frames, channels, rows, columns in this order",
                    f"dimensions {tensor.dims} that hold {tensor.labels}",
                    "Reshapes and transpositions must not move data between channels, columns and rows.")
    return found


def renamed(context: Context, call: Call, tensor: Tensor, wanted: Labels) -> Tensor | None:
    """The tensor with the labels `wanted`, by other names of its input's axes; None if its layout is settled."""
    nodes = _open_nodes(context, call, tensor)
    pairs: dict[str, str] = {}
    for label, role, size in zip(tensor.labels, wanted, tensor.dims, strict=True):
        if len(label) > 1 or (not label and size > 1) or (label and not role):
            return None
        if label:
            pairs[label[0]] = role[0]
    if nodes is None or len(set(pairs.values())) < len(pairs) or not set(pairs) <= set(AXES):
        return None
    free = [axis for axis in AXES if axis not in pairs.values()]  # for axes of size 1 that the tensor does not have
    for axis in AXES:
        if axis not in pairs:
            pairs[axis] = free.pop(free.index(axis) if axis in free else 0)

    def label_of(other: Tensor) -> Labels:
        return tuple(tuple(pairs[axis] for axis in label) for label in other.labels)

    for port in (context.ports[name] for name in nodes if name in context.ports):
        port.labels = tuple(tuple(pairs[axis] for axis in label) for label in port.labels)
    _settle(context, nodes, map_shape(tensor.dims, wanted))
    for name, value in _held(context, nodes):
        context.values[name] = _relabeled(value, nodes, label_of)
    return replace(tensor, labels=wanted)


def viewed(context: Context, call: Call, tensor: Tensor, wanted: Sequence[int], labels: Labels) -> Tensor | None:
    """The tensor reshaped to dimensions `wanted` with these labels, as the host reshapes its input; None if it cannot.

    It cannot where the layout is settled, where the elements of an array that is still to be read lie in another order,
    or where the array cannot be had by joining dimensions of the new one.
    """
    nodes = _open_nodes(context, call, tensor)
    if nodes is None or int(np.prod(tensor.dims)) != int(np.prod(wanted)) or sum(size > 1 for size in wanted[1:]) > 3:
        return None
    before, shape = context.sizes(tensor), map_shape(wanted, labels)
    ports = [context.ports[name] for name in nodes if name in context.ports]
    order = axis_order(tensor.labels, before)
    if any(axis_order(port.labels, before) != order or port.frames not in (0, None)
           or int(np.prod(port.dims)) != int(np.prod(wanted)) for port in ports):
        return None
    after = dict(zip("DWH", shape, strict=True)) | {"N": next(
        (size for size, label in zip(wanted, labels, strict=True) if label == ("N",)), 1)}

    def label_of(other: Tensor) -> Labels | None:
        found = regroup(other.dims, labels, other.dims, after) if axis_order(other.labels, before) == order else None
        if found and not found[0] and other.labels[:1] == (("N",),):
            found = (("N",), *found[1:])
        return found

    made = {}
    for name, value in _held(context, nodes):
        if any(label_of(part) is None for part in _parts(value) if part.node in nodes):
            return None
        made[name] = _relabeled(value, nodes, label_of)
    for port in ports:
        port.view, port.labels = tuple(wanted), labels
    _settle(context, nodes, shape)
    context.values.update(made)
    return Tensor(node=tensor.node, dims=tuple(wanted), labels=labels)


def axis_order(labels: Labels, sizes: dict[str, int]) -> list[str]:
    """The axes, slowest first, as the elements of an array lie."""
    return [axis for label in labels for axis in label if sizes.get(axis, 2) > 1]


# -- what is not settled -----------------------------------------------------------------------


def _open_nodes(context: Context, call: Call, tensor: Tensor) -> set[str] | None:
    """Inputs and the element-wise nodes on them that have one layout with a tensor; None if something has settled it.

    Other operands of the call settle it too: they were resolved with the labels that they have.
    """
    readers: dict[str, list[str]] = {}
    for node in context.graph:
        for source in node.sources:
            readers.setdefault(source, []).append(node.name)
    found, todo = {tensor.node}, [tensor.node]
    while todo:
        name = todo.pop()
        if name in context.graph.outputs or not _any_layout(context.graph, name):
            return None
        new = {*context.graph.nodes[name].sources, *readers.get(name, ())} - found
        found |= new
        todo += new
    operands = [part for value in call.inputs for part in _parts(value) if part.node in found]
    held = any(factors(part.labels) for _, value in _held(context, found) for part in _parts(value))
    return None if held or len(operands) > 1 or factors(tensor.labels) else found


def _any_layout(graph: FloatGraph, name: str) -> bool:
    """Whether a node computes the same however its map is laid out."""
    node = graph.nodes[name]
    if isinstance(node, g.Affine):
        return _alike(node.scale) and _alike(node.offset)
    if isinstance(node, g.Activation):
        return node.slope is None or _alike(node.slope)
    if isinstance(node, (g.Add, g.Multiply)):
        return all(graph.shape(source) == node.shape for source in node.sources)
    return isinstance(node, (g.Input, g.Quantize))


def _alike(column: Floats) -> bool:
    return bool((column == column[0]).all())


def _settle(context: Context, nodes: set[str], shape: Shape) -> None:
    """Give nodes and ports another shape; columns of equal numbers get its length."""
    for name in nodes:
        node = context.graph.nodes[name]
        columns: dict[str, Any] = {key: np.full(shape[0], column[0]) for key in ("scale", "offset", "slope")
                   if isinstance(column := getattr(node, key, None), np.ndarray)}
        context.graph.nodes[name] = replace(node, shape=shape, **columns)
        if name in context.ports:
            context.ports[name].shape = shape


def _parts(value: Value) -> list[Tensor]:
    if isinstance(value, FlattenedConcat):
        return [segment.tensor for segment in value.segments]
    return [value] if isinstance(value, Tensor) else []


def _held(context: Context, nodes: set[str]) -> Iterator[tuple[str, Value]]:
    """The file's values that hold maps of these nodes."""
    for name, value in list(context.values.items()):
        if any(part.node in nodes for part in _parts(value)):
            yield name, value


def _relabeled(value: Value, nodes: set[str], label_of: Callable[[Tensor], Labels | None]) -> Value:
    def change(part: Tensor) -> Tensor:
        labels = label_of(part) if part.node in nodes else None
        return part if labels is None else replace(part, labels=labels)

    if isinstance(value, FlattenedConcat):
        return value.mapped(change)
    return change(value) if isinstance(value, Tensor) else value
