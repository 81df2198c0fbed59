"""ONNX operators that move whole channels, columns and rows, or only rename dimensions."""

from typing import Any

import numpy as np

from golden.types import Padding
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import select_matrix
from synapress.mapper.importers.onnx.elements import constant_map
from synapress.mapper.importers.onnx.reader import Call, Handler, Reader, Value
from synapress.mapper.importers.onnx.relayout import viewed
from synapress.mapper.importers.onnx.shuffle import picked_group, regrouped, select, selected
from synapress.mapper.importers.tensor import Tensor, default_labels, factors, regroup

MOST_SPREAD = 1024
"""Elements of a vector that becomes a map, or of flattened parts that do: so many squared are the weights."""


def _ints(value: Any) -> list[int]:
    return [] if value is None else [int(number) for number in np.asarray(value).reshape(-1)]


def _axes(call: Call, index: int) -> list[int] | None:
    if "axes" in call.attributes:
        return _ints(call.attributes["axes"])
    given = call.constant(index) if len(call.inputs) > index else None
    return None if given is None else _ints(given)


def _reshaped(reader: Reader, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor:
    if 0 < int(np.prod(wanted)) != int(np.prod(tensor.dims)):
        call.refuse("reshape", f"{int(np.prod(tensor.dims))} elements, as {tensor.dims} has", f"{tuple(wanted)}",
                    "Give -1 in place of the number of frames, and check the other sizes.")
    sizes = reader.sizes(tensor)
    labels = None if factors(tensor.labels) else regroup(tensor.dims, tensor.labels, wanted, sizes)
    unread = tensor.node in reader.ports and not any(tensor.node in node.sources for node in reader.graph)
    if labels is None and unread and (laid_out := _viewed(reader, call, tensor, wanted)) is not None:
        return laid_out
    vector = tensor.labels == (("N",), ("D",)) and tensor.dims[1] <= MOST_SPREAD
    if labels is None and vector and len(wanted) in (3, 4) and wanted[0] == tensor.dims[0] and min(wanted) > 0 and int(
            np.prod(wanted)) == int(np.prod(tensor.dims)):
        return _spread(reader, call, tensor, wanted)
    if labels is None and tensor.labels != (("N",), ("D",)):
        grouped = regrouped(reader, call, tensor, wanted)
        if grouped is not None:
            return grouped
    if labels is None and (laid_out := _viewed(reader, call, tensor, wanted)) is not None:
        return laid_out
    if labels is None:
        call.refuse("reshape", "one that keeps channels, columns and rows whole", f"{tensor.dims} → {tuple(wanted)}",
                    "Only flattening, dimensions of 1 and groups of channels are free, and a vector of at most "
                    f"{MOST_SPREAD} elements may become a map; other data does not move.")
        raise AssertionError
    if wanted and not labels[0] and tensor.labels[:1] == (("N",),) and ("N",) not in labels:
        labels = (("N",), *labels[1:])
    return Tensor(node=tensor.node, dims=tuple(wanted), labels=labels)


def _viewed(reader: Reader, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor | None:
    """The reshape as one of the input, which the host does, if nothing but element-wise nodes has read it yet."""
    if len(wanted) < 1 or min(wanted) < 1 or sum(size > 1 for size in wanted[1:]) > 3:
        return None
    return viewed(reader, call, tensor, wanted, default_labels(call.name, wanted, reader.batch))


def _spread(reader: Reader, call: Call, tensor: Tensor, wanted: list[int]) -> Tensor:
    """A vector as a map: each element has its place in a kernel of the map's size."""
    places = np.arange(tensor.dims[1]).reshape((*wanted[1:], 1)[:3])  # channels, rows, columns; or channels, columns
    places = places.swapaxes(1, 2) if len(wanted) == 4 else places
    weights = np.zeros((len(places), places.size, *places.shape[1:]))
    c, x, y = np.indices(places.shape)
    weights[c, places, x, y] = 1
    node = g.TransposedConv(name=call.name, operator=call.op, sources=(tensor.node,), weights=weights,
                            bias=np.zeros(len(places)))
    labels = (("N",), ("D",), *((("H",), ("W",)) if len(wanted) == 4 else (("W",),)))
    return Tensor(node=reader.add(node), dims=tuple(wanted), labels=labels)


def reshape(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    return _reshaped(reader, call, tensor, reshaped_dims(call, tensor.dims))


def reshaped_dims(call: Call, dims: tuple[int, ...]) -> list[int]:
    """The dimensions that Reshape or Flatten gives to an array of `dims`."""
    if call.op == "Flatten":
        axis = int(call.attributes.get("axis", 1))
        axis += len(dims) if axis < 0 else 0
        return [int(np.prod(dims[:axis])), int(np.prod(dims[axis:]))]
    wanted = _ints(call.attributes["shape"]) if "shape" in call.attributes else _ints(call.constant(1))
    if not call.attributes.get("allowzero"):
        wanted = [dims[i] if size == 0 else size for i, size in enumerate(wanted)]
    if -1 in wanted:
        known = int(np.prod([size for size in wanted if size != -1]))
        wanted[wanted.index(-1)] = int(np.prod(dims)) // max(known, 1)
    return wanted


def squeeze(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    axes = _axes(call, 1)
    open_ = {i for i, label in enumerate(tensor.labels) if reader.dynamic and label == ("N",)}
    chosen = ([i for i, size in enumerate(tensor.dims) if size == 1 and i not in open_] if axes is None
              else [axis % len(tensor.dims) for axis in axes])
    if any(tensor.dims[axis] != 1 for axis in chosen):
        call.refuse("axes", "dimensions of 1", tensor.dims, "Check the model.")
    keep = [i for i in range(len(tensor.dims)) if i not in chosen]
    return Tensor(node=tensor.node, dims=tuple(tensor.dims[i] for i in keep),
                  labels=tuple(tensor.labels[i] for i in keep))


def unsqueeze(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    axes = _axes(call, 1) or []
    rank = len(tensor.dims) + len(axes)
    chosen = {axis % rank for axis in axes}
    dims, labels = list(tensor.dims), list(tensor.labels)
    for axis in sorted(chosen):
        dims.insert(axis, 1)
        labels.insert(axis, ())
    return Tensor(node=tensor.node, dims=tuple(dims), labels=tuple(labels))


def transpose(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    order = _ints(call.attributes.get("perm")) or list(range(len(tensor.dims)))[::-1]
    if tensor.dims and tensor.dims[0] > 1 and tensor.labels[0] == ("N",) and order[0] != 0:
        call.refuse("frames", "the frames first", f"permutation {order}", "Keep dimension 0 where it is.")
    return Tensor(node=tensor.node, dims=tuple(tensor.dims[i] for i in order),
                  labels=tuple(tensor.labels[i] for i in order))


def _axis(reader: Reader, call: Call, tensor: Tensor, dim: int) -> str:
    """The one map axis that a dimension is; a dimension of 1 takes a free one."""
    label = tensor.labels[dim]
    if not label:
        label = tuple(axis for axis in "DHW" if tensor.find(axis) is None)[:1]
    if len(label) != 1 or label[0] not in "DHW":
        call.refuse("axis", "channels, columns or rows", f"dimension {dim} of {tensor.dims}, which holds {label}",
                    "Frames are independent, and flattened dimensions no longer apart; groups of channels must become "
                    "whole channels again.")
    return label[0]


def concat(reader: Reader, call: Call) -> Tensor:
    tensors = [value for value in call.inputs if isinstance(value, Tensor)]
    first = tensors[0]
    dim = int(call.attributes.get("axis", 1)) % len(first.dims)
    axis = _axis(reader, call, first, dim)
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
            nodes.append(_constant(reader, call, like, array))
            total += array.shape[dim]
    dims = tuple(total if i == dim else size for i, size in enumerate(first.dims))
    name = reader.add(g.Concat(name=call.name, operator=call.op, sources=tuple(nodes), axis="DWH".index(axis)))
    return Tensor(node=name, dims=dims, labels=labels)


def _constant(reader: Reader, call: Call, like: Tensor, array: np.ndarray) -> str:
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
    return constant_map(reader, call, ordered[0])


def _cut(reader: Reader, call: Call, tensor: Tensor, dim: int, first: int, last: int) -> Tensor:
    """Elements first … last - 1 of a dimension."""
    size = tensor.dims[dim]
    dims = tuple(last - first if i == dim else other for i, other in enumerate(tensor.dims))
    if (first, last) == (0, size):
        return tensor
    if first >= last:
        call.refuse("size", "at least one element", f"[{first}, {last})", "An empty array is not a feature map.")
    axis = _axis(reader, call, tensor, dim)
    node: g.Node
    channels = selected(reader.graph.nodes[tensor.node]) if axis == "D" else None
    if channels is not None:  # a copy of fewer channels instead of a part of the copy
        return Tensor(node=select(reader, call, reader.graph.nodes[tensor.node].sources[0], channels[first:last]),
                      dims=dims, labels=tensor.labels)
    if axis == "D":
        node = g.Slice(name=call.name, operator=call.op, sources=(tensor.node,), first=first, last=last)
    else:
        padding: Padding = ((-first, 0, last - size, 0) if axis == "W" else (0, -first, 0, last - size))
        node = g.Pad(name=call.name, operator=call.op, sources=(tensor.node,), padding=padding)
    return Tensor(node=reader.add(node), dims=dims, labels=tensor.labels)


def split(reader: Reader, call: Call) -> list[Value]:
    tensor = call.tensor()
    dim, ends = _split_ends(call, tensor)
    return [_cut(reader, call, tensor, dim, ends[i], ends[i + 1]) for i in range(len(ends) - 1)]


def _split_ends(call: Call, tensor: Tensor) -> tuple[int, list[int]]:
    """The dimension that is split, and the ends of its parts."""
    dim = int(call.attributes.get("axis", 0)) % len(tensor.dims)
    parts = _ints(call.attributes.get("split")) or (_ints(call.constant(1)) if len(call.inputs) > 1 else [])
    if not parts:
        count = int(call.attributes.get("num_outputs", len(call.outputs)))
        each = -(-tensor.dims[dim] // count)
        parts = [min(each, tensor.dims[dim] - each * i) for i in range(count)]
    if sum(parts) != tensor.dims[dim]:
        call.refuse("parts", f"parts that sum up to {tensor.dims[dim]}", parts, "Check the model.")
    return dim, [int(end) for end in np.cumsum([0, *parts])]


def _slices(call: Call, tensor: Tensor) -> list[tuple[int, range]]:
    """Of each dimension that is sliced: the dimension and its elements."""
    if "starts" in call.attributes:
        starts, ends = _ints(call.attributes["starts"]), _ints(call.attributes["ends"])
        axes, steps = _ints(call.attributes.get("axes")) or list(range(len(starts))), [1] * len(starts)
    else:
        starts, ends = _ints(call.constant(1)), _ints(call.constant(2))
        given = [call.constant(i) if len(call.inputs) > i else None for i in (3, 4)]
        axes = list(range(len(starts))) if given[0] is None else _ints(given[0])
        steps = [1] * len(starts) if given[1] is None else _ints(given[1])
    found = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        dim = axis % len(tensor.dims)
        chosen = range(tensor.dims[dim])[start:end:step]
        if not len(chosen):
            call.refuse("size", "at least one element", f"{start}:{end}:{step} of {tensor.dims[dim]}",
                        "An empty array is not a feature map.")
        found.append((dim, chosen))
    return found


def slice_(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    for dim, chosen in _slices(call, tensor):
        if chosen.step == 1:
            tensor = _cut(reader, call, tensor, dim, chosen[0], chosen[-1] + 1)
        elif len(chosen) < tensor.dims[dim] or chosen.step < 0:
            tensor = _gather(reader, call, tensor, dim, np.array(chosen))
    return tensor


def picked(call: Call) -> list[list[int]] | None:
    """Of an array (frames, elements): the elements in each result of Split, Slice or Gather; None for other axes."""
    tensor = call.tensor()
    if call.op == "Split":
        dim, ends = _split_ends(call, tensor)
        return [list(range(ends[i], ends[i + 1])) for i in range(len(ends) - 1)] if dim == 1 else None
    if call.op == "Gather":
        indices = np.asarray(call.constant(1))
        fits = int(call.attributes.get("axis", 0)) % 2 == 1 and indices.ndim == 1
        return [(indices.astype(int) % tensor.dims[1]).tolist()] if fits else None
    sliced = _slices(call, tensor)
    rest = [chosen for dim, chosen in sliced if dim == 0 and len(chosen) < tensor.dims[0]]
    return None if rest else [list(next((chosen for dim, chosen in sliced if dim == 1), range(tensor.dims[1])))]


def _gather(reader: Reader, call: Call, tensor: Tensor, dim: int, chosen: np.ndarray) -> Tensor:
    from synapress.mapper.importers.onnx.convolutions import contract

    if tensor.labels[dim][:1] and tensor.labels[dim][0] in factors(tensor.labels) and len(tensor.labels[dim]) == 1:
        return picked_group(reader, call, tensor, dim, chosen)
    _axis(reader, call, tensor, dim)
    return contract(reader, call, tensor, dim, select_matrix(tensor.dims[dim], chosen))


def gather(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    dim = int(call.attributes.get("axis", 0)) % len(tensor.dims)
    indices = np.asarray(call.constant(1))
    result = _gather(reader, call, tensor, dim, indices.reshape(-1).astype(int) % tensor.dims[dim])
    if indices.ndim > 1:
        return _reshaped(reader, call, result, [*tensor.dims[:dim], *indices.shape, *tensor.dims[dim + 1:]])
    if indices.ndim:
        return result
    keep = [i for i in range(len(result.dims)) if i != dim]
    return Tensor(node=result.node, dims=tuple(result.dims[i] for i in keep),
                  labels=tuple(result.labels[i] for i in keep))


def pad_widths(call: Call, rank: int) -> list[tuple[int, int, int]]:
    """Of each dimension that is padded: the dimension, and elements before and after."""
    pads = _ints(call.attributes.get("pads", call.attributes.get("paddings"))) or _ints(call.constant(1))
    given = call.constant(3) if len(call.inputs) > 3 else None
    axes = list(range(rank)) if given is None else [axis % rank for axis in _ints(given)]
    widths = [(dim, pads[i], pads[len(axes) + i]) for i, dim in enumerate(axes)]
    return [width for width in widths if width[1:] != (0, 0)]


def pad(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    mode = call.attributes.get("mode", b"constant").decode()
    value = call.attributes.get("value", call.constant(2, 0.0) if len(call.inputs) > 2 else 0.0)
    for dim, before, after in pad_widths(call, len(tensor.dims)):
        tensor = _pad_dim(reader, call, tensor, dim, before, after, mode, float(np.asarray(value).reshape(-1)[0]))
    return tensor


def _pad_dim(reader: Reader, call: Call, tensor: Tensor, dim: int, before: int, after: int, mode: str,
             value: float) -> Tensor:
    from synapress.mapper.importers.onnx.convolutions import contract

    axis, size = _axis(reader, call, tensor, dim), tensor.dims[dim]
    if mode == "constant" and value == 0 and axis != "D":
        padding: Padding = (before, 0, after, 0) if axis == "W" else (0, before, 0, after)
        node = reader.add(g.Pad(name=call.name, operator=call.op, sources=(tensor.node,), padding=padding))
        dims = tuple(size + before + after if i == dim else other for i, other in enumerate(tensor.dims))
        labels = tuple((axis,) if i == dim else label for i, label in enumerate(tensor.labels))
        return Tensor(node=node, dims=dims, labels=labels)
    at = np.arange(-before, size + after)
    if mode == "constant":
        matrix = np.zeros((len(at), size))
        inside = (at >= 0) & (at < size)
        matrix[np.flatnonzero(inside), at[inside]] = 1
        tensor = contract(reader, call, tensor, dim, matrix)
        if value == 0:
            return tensor
        shape = [1] * len(tensor.dims)
        shape[dim] = len(at)
        border = np.where(inside, 0.0, value).reshape(shape)
        from synapress.mapper.importers.onnx.elements import add_values

        return add_values(reader, call, [tensor, border], [1.0, 1.0])
    if mode == "edge":
        at = np.clip(at, 0, size - 1)
    elif mode == "wrap":
        at = at % size
    else:
        period = 2 * (size - 1)
        at = np.abs((at + size - 1) % period - (size - 1)) if period else np.zeros_like(at)
    return contract(reader, call, tensor, dim, select_matrix(size, at))


def shape(reader: Reader, call: Call) -> np.ndarray:
    value = call.inputs[0]
    dims = value.dims if isinstance(value, Tensor) else np.shape(value)  # type: ignore[arg-type]
    return np.array(dims[call.attributes.get("start", 0):call.attributes.get("end")], np.int64)


def cast(reader: Reader, call: Call) -> Tensor:
    if call.attributes.get("to") not in (1, 10, 11, 16):
        call.refuse("type", "a cast between float types", call.attributes.get("to"), "Quantize with QuantizeLinear.")
    return call.tensor()


HANDLERS: dict[str, Handler] = {
    "Reshape": reshape, "Flatten": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Transpose": transpose,
    "Concat": concat, "Split": split, "Slice": slice_, "Gather": gather, "Pad": pad, "Shape": shape, "Cast": cast,
}
