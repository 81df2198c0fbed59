"""Float layers in the form of the hardware: sums of convolutions with an activation, maxima and products.

A value of the graph may lie in several layers: one after another in channels (concat), side by side in columns and
rows (borders that need other weights than the inside), or as part of a layer's channels (split). `Value` says where.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from golden.types import Array, Floats, Pair, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.reference import activate, convolve, quantized, spike


@dataclass(kw_only=True, eq=False)
class FloatBranch:
    """One source of a layer: Σ W[c,i,j,k] · up(source)[S·x + j·d - X, …]; weights (D_dst, D_src / groups, KW, KH)."""

    source: str
    weights: Floats
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    """Left and top; negative to crop."""
    dilation: Pair = (1, 1)
    groups: int = 1
    upsample: int = 1
    """Zeros between the source's elements: a power of two."""


@dataclass(kw_only=True, eq=False)
class FloatLayer:
    """A feature map of neurons: activation(Σ branches + bias), the maximum over one branch, or a product of two."""

    name: str
    kind: str
    """input, sum, max or product."""
    shape: Shape
    branches: list[FloatBranch] = field(default_factory=list)
    """Of `product` the two factors, as branches of ones; one of them may be (D, 1, 1), or `upsample`."""
    bias: Floats = field(default_factory=lambda: np.zeros(1))
    activation: g.Activation | None = None
    neuron: g.Spiking | None = None
    """In place of an activation: neurons that integrate the sums over timesteps."""
    quantize: g.Quantize | None = None
    """The file's own quantization of the result."""
    bounds: tuple[float, float] | None = None
    """Of an input, the least and the largest value that there can be, if they are known."""
    weight_scale: Floats | None = None
    """(D): the weights of all branches are whole multiples of it."""
    before: "FloatLayer | None" = None
    """For a maximum: the layer that only it reads, if there is one."""
    group: str = ""
    """Layers of one group are parts of one map, and have one scale."""
    interpolated: bool = False
    """Each value lies between values of the sources: their scale serves."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Channels first … first + count - 1 of a layer, at channel, column and row (c, x, y) of a value."""

    layer: str
    first: int
    count: int
    c: int = 0
    x: int = 0
    y: int = 0


@dataclass(frozen=True, kw_only=True)
class Value:
    """Where a feature map of the graph lies; positions that no part covers are 0."""

    shape: Shape
    parts: tuple[Part, ...]
    exclusive: bool = False
    """No other value reads its layers."""


@dataclass(kw_only=True)
class FloatLayers:
    """All layers in topological order, and where the graph's outputs lie."""

    name: str
    layers: dict[str, FloatLayer]
    outputs: dict[str, Value]
    """By node of the graph."""
    inputs: list[str]

    @property
    def spiking(self) -> bool:
        """Whether there are neurons to which frames are timesteps."""
        return any(layer.neuron is not None for layer in self.layers.values())


def sum_branches(layer: FloatLayer, values: Mapping[str, Floats]) -> Floats:
    """Σ over a layer's branches, without bias: (N, D, W, H)."""
    total: Floats | None = None
    for branch in layer.branches:
        total = convolve(
            values[branch.source], branch.weights, stride=branch.stride, padding=branch.padding, to=total,
            dilation=branch.dilation, groups=branch.groups, size=layer.shape[1:], upsample=(branch.upsample,) * 2)
    assert total is not None
    return total


def largest_sums(layer: FloatLayer, bounds: Mapping[str, float], shapes: Mapping[str, Shape]) -> Floats:
    """(D): the largest |Σ branches| of any sources within ±`bounds`, whose shapes are `shapes`; an upper bound.

    Where sources lie beside each other, or zeros between their elements, not every tap meets one.
    """
    simple = len(layer.branches) == 1 and layer.branches[0].upsample == 1
    if simple:
        branch = layer.branches[0]
        return np.asarray(np.abs(branch.weights).sum(axis=(1, 2, 3)) * bounds[branch.source])
    steady = FloatLayer(name=layer.name, kind="sum", shape=layer.shape, branches=[
        replace(branch, weights=np.abs(branch.weights)) for branch in layer.branches])
    maps = {source: np.full((1, *shapes[source]), bound) for source, bound in bounds.items()}
    return np.broadcast_to(sum_branches(steady, maps), (1, *layer.shape)).max(axis=(0, 2, 3))


def gathers(layer: FloatLayer, shapes: Mapping[str, Shape]) -> bool:
    """Whether each value of a layer is a value of one of its sources, whose shapes are `shapes`, or 0."""
    if layer.kind != "sum" or layer.activation is not None or layer.bias.any():
        return False
    for branch in layer.branches:
        weights = branch.weights
        if weights.max() != 1 or weights.min() < 0 or not np.isin(weights, (0, 1)).all():
            return False
    ones = np.sum([branch.weights.sum(axis=(1, 2, 3)) for branch in layer.branches], axis=0)
    return bool((ones == 1).all()) or bool(
        (largest_sums(layer, {branch.source: 1.0 for branch in layer.branches}, shapes) <= 1).all())


def max_branch(branch: FloatBranch, x: Floats, size: Pair) -> Floats:
    """Maximum over the windows of a pool's branch; what lies outside does not count."""
    count, depth = x.shape[:2]
    kernel = branch.weights.shape[2:]
    need = [(size[i] - 1) * branch.stride[i] + (kernel[i] - 1) * branch.dilation[i] + 1 for i in (0, 1)]
    field_ = np.full((count, depth, *need), -np.inf)
    at = [np.arange(x.shape[2 + i]) + branch.padding[i] for i in (0, 1)]
    keep = [np.flatnonzero((at[i] >= 0) & (at[i] < need[i])) for i in (0, 1)]
    field_[:, :, at[0][keep[0]][:, None], at[1][keep[1]]] = x[:, :, keep[0][:, None], keep[1]]
    result = np.full((count, depth, *size), -np.inf)
    for j, k in np.ndindex(*kernel):
        x0, y0 = j * branch.dilation[0], k * branch.dilation[1]
        result = np.maximum(result, field_[:, :, x0:x0 + (size[0] - 1) * branch.stride[0] + 1:branch.stride[0],
                                           y0:y0 + (size[1] - 1) * branch.stride[1] + 1:branch.stride[1]])
    return result


def factor(branch: FloatBranch, x: Array, size: Pair) -> Array:
    """A factor of a product: with `upsample`, each of its positions meets a square of the other's."""
    if branch.upsample == 1:
        return x
    return x.repeat(branch.upsample, axis=2).repeat(branch.upsample, axis=3)[:, :, :size[0], :size[1]]


def evaluate_layer(layer: FloatLayer, values: Mapping[str, Floats], timesteps: int | None = None) -> Floats:
    """A layer's float map of its sources' maps; rounded where the file quantizes it. `timesteps`: see `run_layers`."""
    if layer.kind == "max":
        result = max_branch(layer.branches[0], values[layer.branches[0].source], layer.shape[1:])
    elif layer.kind == "product":
        first, second = (factor(branch, values[branch.source], layer.shape[1:]) for branch in layer.branches)
        result = first * second
    else:
        result = sum_branches(layer, values)
        result += np.reshape(layer.bias, (-1, 1, 1))
    result = result if layer.activation is None else activate(layer.activation, result)
    if layer.neuron is not None:
        return spike(layer.neuron, np.broadcast_to(result, (len(result), *layer.shape)), timesteps or len(result))[0]
    return rounded(layer, result)


def rounded(layer: FloatLayer, values: Floats) -> Floats:
    """Values as the file's quantization of a layer rounds them."""
    node = layer.quantize
    return values if node is None else (quantized(node, values) - node.zero_point) * node.scale


def run_layers(layers: FloatLayers, inputs: Mapping[str, Floats], timesteps: int | None = None) -> dict[str, Floats]:
    """Every layer's float map over frames (N, D, W, H); to neurons, `timesteps` frames in a row are a sequence."""
    values: dict[str, Floats] = {}
    for layer in layers.layers.values():
        values[layer.name] = (rounded(layer, np.asarray(inputs[layer.name], np.float64)) if layer.kind == "input"
                              else evaluate_layer(layer, values, timesteps))
    return values


def assemble(value: Value, maps: Mapping[str, Floats]) -> Floats:
    """A value's map (N, D, W, H) of its layers' maps."""
    count = len(maps[value.parts[0].layer])
    depth, width, height = value.shape
    result = np.zeros((count, depth, width, height), maps[value.parts[0].layer].dtype)
    for part in value.parts:
        source = maps[part.layer][:, part.first:part.first + part.count]
        result[:, part.c:part.c + part.count, part.x:part.x + source.shape[2], part.y:part.y + source.shape[3]] = source
    return result
