"""What picks elements along a dimension."""

import numpy as np

from synapress.mapper.importers.onnx.build.axes import cut, gathered, whole_numbers
from synapress.mapper.importers.onnx.build.reshaping import reshaped
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.flattened import picked_by
from synapress.mapper.importers.onnx.integers import kept
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Tensor


def _split_elements(call: Call) -> list[list[int]] | None:
    dim, ends = _split_ends(call, call.tensor())
    return [list(range(ends[i], ends[i + 1])) for i in range(len(ends) - 1)] if dim == 1 else None


@operator("Split", opsets=(1, 18), integers=kept, flattened=picked_by(_split_elements))
def split(context: Context, call: Call) -> list[Value]:
    tensor = call.tensor()
    dim, ends = _split_ends(call, tensor)
    return [cut(context, call, tensor, dim, ends[i], ends[i + 1]) for i in range(len(ends) - 1)]


def _split_ends(call: Call, tensor: Tensor) -> tuple[int, list[int]]:
    """The dimension that is split, and the ends of its parts."""
    dim = int(call.attributes.get("axis", 0)) % len(tensor.dims)
    parts = whole_numbers(call.attributes.get("split")) or whole_numbers(call.constant(1))
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
        starts, ends = whole_numbers(call.attributes["starts"]), whole_numbers(call.attributes["ends"])
        axes, steps = whole_numbers(call.attributes.get("axes")) or list(range(len(starts))), [1] * len(starts)
    else:
        starts, ends = whole_numbers(call.constant(1)), whole_numbers(call.constant(2))
        given = [call.constant(i) for i in (3, 4)]
        axes = list(range(len(starts))) if given[0] is None else whole_numbers(given[0])
        steps = [1] * len(starts) if given[1] is None else whole_numbers(given[1])
    found = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        dim = axis % len(tensor.dims)
        chosen = range(tensor.dims[dim])[start:end:step]
        if not len(chosen):
            call.refuse("size", "at least one element", f"{start}:{end}:{step} of {tensor.dims[dim]}",
                        "An empty array is not a feature map.")
        found.append((dim, chosen))
    return found


def _slice_elements(call: Call) -> list[list[int]] | None:
    tensor = call.tensor()
    sliced = _slices(call, tensor)
    if any(dim == 0 and len(chosen) < tensor.dims[0] for dim, chosen in sliced):
        return None
    return [list(next((chosen for dim, chosen in sliced if dim == 1), range(tensor.dims[1])))]


@operator("Slice", opsets=(1, 13), integers=kept, flattened=picked_by(_slice_elements))
def slice_(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    for dim, chosen in _slices(call, tensor):
        if chosen.step == 1:
            tensor = cut(context, call, tensor, dim, chosen[0], chosen[-1] + 1)
        elif len(chosen) < tensor.dims[dim] or chosen.step < 0:
            tensor = gathered(context, call, tensor, dim, np.array(chosen))
    return tensor


def _gather_elements(call: Call) -> list[list[int]] | None:
    indices = np.asarray(call.constant(1))
    fits = int(call.attributes.get("axis", 0)) % 2 == 1 and indices.ndim == 1
    return [(indices.astype(int) % call.tensor().dims[1]).tolist()] if fits else None


@operator("Gather", opsets=(1, 13), integers=kept, flattened=picked_by(_gather_elements))
def gather(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    dim = int(call.attributes.get("axis", 0)) % len(tensor.dims)
    indices = np.asarray(call.constant(1))
    result = gathered(context, call, tensor, dim, indices.reshape(-1).astype(int) % tensor.dims[dim])
    if indices.ndim > 1:
        return reshaped(context, call, result, [*tensor.dims[:dim], *indices.shape, *tensor.dims[dim + 1:]])
    if indices.ndim:
        return result
    keep = [i for i in range(len(result.dims)) if i != dim]
    return Tensor(node=result.node, dims=tuple(result.dims[i] for i in keep),
                  labels=tuple(result.labels[i] for i in keep))


