"""The float graph in plain numpy, float64: what the integers are compared with.

Held to onnxruntime and to onnx's own reference evaluator by the tests. Arrays are (N, D, W, H) over frames.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.types import Floats, Pair
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.functions import Formula
from synapress.mapper.importers.graph import FloatGraph

_WHOLE = 1 / 1024
"""So close below an integer is that integer, as it is to layers (`fuse`): half of 1 / 512, the least fraction that
weights of a resizing are told by."""
_FIELD_VALUES = 1 << 20
"""Values of padded maps that a convolution holds at a time: 8 MB, and as much again for each tap."""


def activate(node: g.Activation, x: Floats) -> Floats:
    """The activation of (N, D, W, H) values; not finite where the function has no finite value."""
    if node.function == "leaky_relu":
        assert node.slope is not None
        slope = node.slope[:x.shape[1], None, None]  # one channel stands for all where they are alike
        return np.where(x < 0, x * slope, x)
    return (node.formula or Formula(node.function, node.parameters))(x)


def convolve(
    x: npt.NDArray[np.number], weights: Floats, *, stride: Pair = (1, 1), padding: Pair = (0, 0),
    dilation: Pair = (1, 1), groups: int = 1, size: Pair, upsample: Pair = (1, 1), to: Floats | None = None,
) -> Floats:
    """Cross-correlation (N, D_dst, *size); `padding` is left and top, `upsample` puts zeros between source elements.

    It is added `to` an array, if one is given.
    """
    need = tuple((size[i] - 1) * stride[i] + (weights.shape[2 + i] - 1) * dilation[i] + 1 for i in (0, 1))
    at = [np.arange(x.shape[2 + i]) * upsample[i] + padding[i] for i in (0, 1)]
    keep = [np.flatnonzero((at[i] >= 0) & (at[i] < need[i])) for i in (0, 1)]
    covered = all(len(kept) for kept in keep)
    result = np.zeros((len(x), weights.shape[0], *size)) if to is None else to
    frames = max(1, _FIELD_VALUES // max(x.shape[1] * need[0] * need[1], 1))  # at a time: bounds the memory
    for first in range(0, len(x), frames):
        some = x[first:first + frames]
        field = np.zeros((*some.shape[:2], *need))
        if covered:
            field[:, :, at[0][keep[0]][:, None], at[1][keep[1]]] = some[:, :, keep[0][:, None], keep[1]]
        result[first:first + frames] += _correlate(field, weights, stride, dilation, groups, size)
    return result


def _correlate(field: Floats, weights: Floats, stride: Pair, dilation: Pair, groups: int, size: Pair) -> Floats:
    """Cross-correlation of a padded field."""
    count, kernel = len(field), weights.shape[2:]
    result = np.zeros((count, groups, weights.shape[0] // groups, *size))
    grouped = weights.reshape(groups, -1, weights.shape[1], *kernel)
    for j, k in np.ndindex(*kernel):
        x0, y0 = j * dilation[0], k * dilation[1]
        tap = field[:, :, x0:x0 + (size[0] - 1) * stride[0] + 1:stride[0],
                    y0:y0 + (size[1] - 1) * stride[1] + 1:stride[1]]
        tap = tap.reshape(count, groups, -1, *size)
        if weights.shape[1] == 1:
            result += grouped[None, :, :, 0, j, k, None, None] * tap
        else:
            result += (grouped[:, :, :, j, k] @ tap.reshape(count, groups, -1, size[0] * size[1])).reshape(result.shape)
    return result.reshape(count, -1, *size)


def _max_pool(node: g.MaxPool, x: Floats) -> Floats:
    left, top, right, bottom = node.padding
    padded = np.pad(x, ((0, 0), (0, 0), (left, max(right, 0)), (top, max(bottom, 0))), constant_values=-math.inf)
    size = node.shape[1:]
    result = np.full((*x.shape[:2], *size), -math.inf)
    for j, k in np.ndindex(*node.kernel):
        x0, y0 = j * node.dilation[0], k * node.dilation[1]
        result = np.maximum(result, padded[:, :, x0:x0 + (size[0] - 1) * node.stride[0] + 1:node.stride[0],
                                           y0:y0 + (size[1] - 1) * node.stride[1] + 1:node.stride[1]])
    return result


def _pad(node: g.Pad, x: Floats) -> Floats:
    left, top, right, bottom = node.padding
    widths = [(0, 0), (0, 0), (max(left, 0), max(right, 0)), (max(top, 0), max(bottom, 0))]
    padded = np.pad(x, widths)
    return padded[:, :, max(-left, 0):padded.shape[2] - max(-right, 0), max(-top, 0):padded.shape[3] - max(-bottom, 0)]


def quantized(node: g.Quantize, x: Floats) -> Floats:
    """The integers of a quantization, zero point included; halves round to even as in ONNX."""
    integers = np.floor(x / node.scale + _WHOLE) if node.down else np.rint(x / node.scale)
    return np.clip(integers + node.zero_point, node.low, node.high)


def spike(node: g.Spiking, sums: Floats, timesteps: int) -> tuple[Floats, Floats]:
    """Spikes (1 or 0) and the potentials that fired or not, of sums (N, D, W, H): N / timesteps sequences in a row."""
    decay, threshold, v_reset, initial = (
        array[:, None, None] for array in (node.decay, node.threshold, node.v_reset, node.initial))
    series = sums.reshape(-1, timesteps, *sums.shape[1:])
    carried = np.broadcast_to(decay * initial, series[:, 0].shape)
    spikes, potentials = np.zeros(series.shape), np.zeros(series.shape)
    for t in range(timesteps):
        u = carried + series[:, t]
        fires = u > threshold if node.strict else u >= threshold
        spikes[:, t], potentials[:, t] = fires, u
        kept = decay * u if node.late_reset else u
        if node.reset == "subtract":
            kept = kept - fires * (threshold - v_reset)
        else:
            kept = np.where(fires, v_reset, kept)
        carried = kept if node.late_reset else decay * kept
    return spikes.reshape(sums.shape), potentials.reshape(sums.shape)


def evaluate(graph: FloatGraph, node: g.Node, sources: list[Floats], timesteps: int | None = None) -> Floats:
    """One node's map of its sources' maps; `timesteps` as of `run`."""
    x = sources[0]
    if isinstance(node, g.Conv):
        return node.bias[:, None, None] + convolve(
            x, node.weights, stride=node.stride, padding=node.padding[:2], dilation=node.dilation, groups=node.groups,
            size=node.shape[1:])
    if isinstance(node, g.TransposedConv):
        kernel = node.weights.shape[2:]
        width, height = ((kernel[i] - 1) * node.dilation[i] - node.padding[i] for i in (0, 1))
        return node.bias[:, None, None] + convolve(
            x, node.weights[:, :, ::-1, ::-1], padding=(width, height), dilation=node.dilation, groups=node.groups,
            size=node.shape[1:], upsample=node.stride)
    if isinstance(node, g.MaxPool):
        return _max_pool(node, x)
    if isinstance(node, g.Resample):
        return np.asarray(node.x_matrix @ x @ node.y_matrix.T)
    if isinstance(node, g.Affine):
        return x * node.scale[:, None, None] + node.offset[:, None, None]
    if isinstance(node, g.Activation):
        return activate(node, x)
    if isinstance(node, g.Spiking):
        return spike(node, x, timesteps or len(x))[0]
    if isinstance(node, g.Add):
        return np.asarray(sum(source * sign for source, sign in zip(sources, node.signs, strict=True)))
    if isinstance(node, g.Multiply):
        return sources[0] * sources[1]
    if isinstance(node, g.Concat):
        return np.concatenate(sources, axis=1 + node.axis)
    if isinstance(node, g.Slice):
        return x[:, node.first:node.last]
    if isinstance(node, g.Pad):
        return _pad(node, x)
    if isinstance(node, g.Quantize):
        return (quantized(node, x) - node.zero_point) * node.scale
    raise TypeError(f"unknown node {type(node).__name__} in graph '{graph.name}'")


def run(
    graph: FloatGraph, inputs: Mapping[str, npt.ArrayLike], *, timesteps: int | None = None
) -> dict[str, Floats]:
    """Every node's map over frames.

    Args:
        inputs: by input name, (N, D, W, H).
        timesteps: of `Spiking` nodes: so many frames in a row are one sequence, before which potentials are initial;
            default: all frames are one sequence.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape.
    """
    if set(inputs) != set(graph.inputs):
        raise NetworkError(f"graph '{graph.name}' has the inputs {', '.join(graph.inputs)}; given: "
                           f"{', '.join(inputs) or 'none'}")
    values: dict[str, Floats] = {}
    for node in graph:
        if isinstance(node, g.Input):
            array = np.asarray(inputs[node.name], np.float64)
            if array.ndim != 4 or array.shape[1:] != node.shape:
                raise NetworkError(f"input '{node.name}': needs frames of {node.shape}, not {array.shape}")
            values[node.name] = array
        else:
            values[node.name] = evaluate(graph, node, [values[source] for source in node.sources], timesteps)
    return values
