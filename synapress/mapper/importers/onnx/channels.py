"""Channels in groups: reshapes that split the channels, and what becomes of them when they are whole again.

A dimension that holds a factor of the channels is labeled by it: of (N, 2, 58, H, W) these are "D.0.2" and "D.1.58",
slowest first. When the factors meet in one dimension again, in another order if a transposition came between, the
channels are permuted: a channel shuffle.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import select_matrix
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.tensor import Labels, Tensor, factor_size, factors, regroup


def select(context: Context, call: Call, node: str, chosen: np.ndarray) -> str:
    """Channels of a map in the order of `chosen`."""
    depth = context.graph.shape(node)[0]
    weights = select_matrix(depth, chosen)[:, :, None, None]
    return context.add(g.Conv(name=call.name, operator=call.op, sources=(node,), weights=weights,
                             bias=np.zeros(len(chosen))))


def selected(node: g.Node) -> np.ndarray | None:
    """The channels of its source that a node only copies."""
    if not isinstance(node, g.Conv) or node.weights.shape[2:] != (1, 1) or node.groups > 1 or node.bias.any():
        return None
    if max(node.stride) > 1 or any(node.padding) or node.weight_scale is not None:
        return None
    weights = node.weights[:, :, 0, 0]
    one = ((weights == 0) | (weights == 1)).all() and (weights.sum(axis=1) == 1).all()
    return weights.argmax(axis=1) if one else None


def permuted(context: Context, source: str, weights: np.ndarray) -> tuple[str, np.ndarray]:
    """Source and weights (C_dst, C_src, KW, KH) of a convolution, past nodes that only select channels."""
    node = context.graph.nodes[source]
    while (chosen := selected(node)) is not None:
        source = node.sources[0]
        moved = np.zeros((len(weights), context.graph.shape(source)[0], *weights.shape[2:]))
        np.add.at(moved.swapaxes(0, 1), chosen, weights.swapaxes(0, 1))
        weights, node = moved, context.graph.nodes[source]
    return source, weights


def regrouped(context: Context, call: Call, tensor: Tensor, wanted: Sequence[int]) -> Tensor | None:
    """A reshape that splits the channels into factors, or joins them; None if it would move other data."""
    sizes, labels = context.sizes(tensor), tensor.labels
    sizes |= {axis: factor_size(axis) for axis in factors(labels)}
    if not factors(labels):
        found = _split(tensor, wanted, sizes)
        if not found:
            return None
        labels = tuple(tuple(new for axis in label for new in (found if axis == "D" else (axis,))) for label in labels)
        sizes |= {axis: factor_size(axis) for axis in found}
    made = regroup(tensor.dims, labels, wanted, sizes)
    if made is None:
        return None
    if labels[:1] == (("N",),) and made and not made[0]:
        made = (("N",), *made[1:])
    return _joined(context, call, Tensor(node=tensor.node, dims=tuple(wanted), labels=made))


def _split(tensor: Tensor, wanted: Sequence[int], sizes: dict[str, int]) -> tuple[str, ...]:
    """The factors that a reshape to `wanted` cuts the channels into."""
    before = 1
    for axis in (axis for label in tensor.labels for axis in label):
        if axis == "D":
            break
        before *= sizes[axis]
    else:
        return ()
    cuts = [1]
    for end in np.cumprod(wanted, dtype=np.int64).tolist():
        if before * cuts[-1] < end < before * sizes["D"]:
            if end % (before * cuts[-1]) or (before * sizes["D"]) % end:
                return ()
            cuts.append(end // before)
    if len(cuts) == 1:
        return ()
    ends = [*cuts[1:], sizes["D"]]
    return tuple(f"D.{i}.{end // start}" for i, (start, end) in enumerate(zip(cuts, ends, strict=True)))


def _joined(context: Context, call: Call, tensor: Tensor) -> Tensor:
    """The same with whole channels, if all factors are in one dimension, next to each other."""
    parts = factors(tensor.labels)
    for i, label in enumerate(tensor.labels):
        at = [k for k, axis in enumerate(label) if axis in parts]
        if len(at) == len(parts) and at == list(range(at[0], at[0] + len(at))):
            order = [parts.index(label[k]) for k in at]
            chosen = np.arange(np.prod([factor_size(axis) for axis in parts])).reshape(
                [factor_size(axis) for axis in parts]).transpose(order).reshape(-1)
            node = tensor.node if order == sorted(order) else select(context, call, tensor.node, chosen)
            whole: Labels = tuple((*label[:at[0]], "D", *label[at[-1] + 1:]) if j == i else other
                                  for j, other in enumerate(tensor.labels))
            return replace(tensor, node=node, labels=whole)
    return tensor


def picked_group(context: Context, call: Call, tensor: Tensor, dim: int, chosen: np.ndarray) -> Tensor:
    """Elements of a dimension that holds one factor of the channels."""
    parts = factors(tensor.labels)
    k = parts.index(tensor.labels[dim][0])
    sizes = [factor_size(axis) for axis in parts]
    channels = np.arange(np.prod(sizes)).reshape(sizes).take(chosen, axis=k)
    node = select(context, call, tensor.node, channels.reshape(-1))
    left = [(axis, len(chosen) if axis == parts[k] else factor_size(axis)) for axis in parts]
    left = [(axis, size) for axis, size in left if size > 1]
    names = {axis: f"D.{i}.{size}" if len(left) > 1 else "D" for i, (axis, size) in enumerate(left)}
    labels = tuple(tuple(names.get(axis, axis) for axis in label if axis in names or axis not in parts)
                   for label in tensor.labels)
    dims = tuple(len(chosen) if i == dim else size for i, size in enumerate(tensor.dims))
    return Tensor(node=node, dims=dims, labels=labels)
