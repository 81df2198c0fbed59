"""The float graph: what every importer makes of its file, every shape and parameter checked on construction.

Feature maps are (D, W, H): channels, columns, rows; a one-dimensional map has H = 1, a vector W = H = 1. Weights are
W[c, i, j, k]: destination channel, source channel within its group, column tap, row tap. Frames are independent, but to
`Spiking` nodes they are timesteps.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from golden.types import Floats, Padding, Pair, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.functions import Formula

MAP_ELEMENTS = 1 << 27
"""The largest feature map, 64 channels of 1920 × 1080: a file of a few bytes must not fill the memory."""
MAP_SIDE = 1 << 22
"""The most channels, columns or rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One feature map: its name, the names of the maps that it is made of, and its shape (D, W, H)."""

    name: str
    sources: tuple[str, ...] = ()
    shape: Shape = (0, 0, 0)
    operator: str = ""
    """The file's operator, for messages."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Node):
    """A map that comes from outside."""

    bounds: tuple[float, float] | None = None
    """The least and the largest value that there can be, where the file says so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Node):
    """Cross-correlation; weights (D_dst, D_src / groups, KW, KH). A dense layer has a kernel of its map's size."""

    weights: Floats
    bias: Floats
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    """Left, top, right, bottom."""
    dilation: Pair = (1, 1)
    groups: int = 1
    weight_scale: Floats | None = None
    """(D_dst): the weights are whole multiples of it, where the file says so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TransposedConv(Node):
    """Each source position adds its kernel at stride · position - padding; weights as for `Conv`, not flipped."""

    weights: Floats
    bias: Floats
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    weight_scale: Floats | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Node):
    """Maximum over windows; what lies outside the map does not count."""

    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resample(Node):
    """Each channel alike, columns and rows apart: y = x_matrix · s · y_matrixᵀ. Average pools and resizing are this.

    `x_matrix` is (W_dst, W_src), `y_matrix` (H_dst, H_src).
    """

    x_matrix: Floats
    y_matrix: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine(Node):
    """scale · s + offset, both per channel (D)."""

    scale: Floats
    offset: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Node):
    """A function of each element: see `functions.FUNCTIONS` for the names and what `parameters` are to them."""

    function: str
    parameters: tuple[float, ...] = ()
    slope: Floats | None = None
    """(D), of `leaky_relu` only."""
    formula: Formula | None = None
    """Of several functions, where the name is "composed"."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spiking(Node):
    """Neurons that keep a potential from timestep to timestep and fire 1; every array is per channel (D).

    In each timestep u = carried + source; those with u > threshold (or u >= threshold, unless `strict`) fire; then
    u - (threshold - v_reset), or v_reset (`reset` "subtract" or "zero"), is multiplied by `decay` and carried on. With
    `late_reset` the decay comes first, and v_reset and what is subtracted do not decay.
    """

    decay: Floats
    threshold: Floats
    v_reset: Floats
    initial: Floats
    """Potential before the first timestep; it decays once before the first sum arrives."""
    reset: str = "zero"
    strict: bool = True
    late_reset: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Node):
    """Sum of maps of one shape, each with its sign."""

    signs: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiply(Node):
    """Product of two maps of one shape; or the second is (D, 1, 1)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Node):
    """Maps behind each other: along channels (axis 0), columns (1) or rows (2)."""

    axis: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Node):
    """Channels first … last - 1."""

    first: int
    last: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Node):
    """Zeros around a map; negative numbers crop it."""

    padding: Padding


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize(Node):
    """Rounding to scale · (integer - zero_point), integers clipped to [low, high]: a quantized file's own scales."""

    scale: float
    zero_point: int
    low: int
    high: int
    down: bool = False
    """To the next integer below, and not to the nearest."""


def _pair_sizes(size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    width, height = ((size[i] + padding[i] + padding[i + 2] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1
                     for i in (0, 1))
    return width, height


class FloatGraph:
    """A feed-forward graph of float feature maps. `add` takes a node without its shape, checks it and fills it in.

    Raises:
        ModelError: a parameter is not finite, or shapes do not match; the message names the node and what would help.
    """

    def __init__(self, name: str):
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.outputs: list[str] = []

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @property
    def inputs(self) -> list[str]:
        return [node.name for node in self if isinstance(node, Input)]

    def shape(self, name: str) -> Shape:
        return self.nodes[name].shape

    def uses(self) -> dict[str, int]:
        """How many nodes and outputs read each node."""
        counts = dict.fromkeys(self.nodes, 0)
        for name in [source for node in self for source in node.sources] + self.outputs:
            counts[name] += 1
        return counts

    def add(self, node: Node) -> str:
        """Check a node, compute its shape and keep it; returns its name."""
        if node.name in self.nodes:
            raise ModelError(node.name, "name", "a name of its own", "one that another node has", "Rename one of them.")
        for source in node.sources:
            if source not in self.nodes:
                raise ModelError(node.name, "source", f"a node '{source}' before it", "none", "Reorder the graph.")
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                bad = "NaN" if np.isnan(value).any() else "infinite"
                raise ModelError(node.name, f"finite {field.name}", "finite numbers",
                                 f"{int((~np.isfinite(value)).sum())} of {value.size} are {bad}",
                                 "Export the model again after training that did not diverge.")
        shape = _shape(self, node)
        if min(shape) < 1:
            raise ModelError(node.name, "size", "a result of at least 1 × 1", f"shape (D, W, H) = {shape}",
                             "Enlarge the input, or use a smaller kernel.")
        if math.prod(shape) > MAP_ELEMENTS or max(shape) > MAP_SIDE:
            raise ModelError(node.name, "size", f"a result of at most {MAP_ELEMENTS} elements, none of D, W, H above "
                             f"{MAP_SIDE}", f"shape (D, W, H) = {shape}", "Check the paddings and sizes in the file.")
        depth, width, height = (int(size) for size in shape)
        self.nodes[node.name] = replace(node, shape=(depth, width, height))
        return node.name

    def output(self, name: str) -> None:
        self.outputs.append(name)

    def prune(self) -> None:
        """Drop nodes, inputs among them, that no output depends on."""
        used, todo = set(), list(self.outputs)
        while todo:
            name = todo.pop()
            if name not in used:
                used.add(name)
                todo += self.nodes[name].sources
        self.nodes = {name: node for name, node in self.nodes.items() if name in used}


def _expect(node: Node, rule: str, condition: bool, needed: object, available: object,
            help: str = "Check the model's shapes.") -> None:
    if not condition:
        raise ModelError(node.name, rule, needed, available, help)


def _per_channel(node: Node, rule: str, values: Floats, depth: int) -> None:
    _expect(node, rule, values.shape == (depth,), f"{depth} numbers, one per channel", values.shape)


def _shape(graph: FloatGraph, node: Node) -> Sequence[int]:
    """Shape of a node's result."""
    if isinstance(node, Input):
        return node.shape
    shapes = [graph.shape(source) for source in node.sources]
    depth, width, height = shapes[0]
    if isinstance(node, (Conv, TransposedConv)):
        return _convolution(node, shapes[0])
    if isinstance(node, MaxPool):
        _expect(node, "padding", all(p < (k - 1) * d + 1 for p, k, d in zip(
            node.padding, node.kernel * 2, node.dilation * 2, strict=True)), "padding smaller than the window",
            f"padding {node.padding}, window {node.kernel}")
        return depth, *_pair_sizes((width, height), node.kernel, node.stride, node.padding, node.dilation)
    if isinstance(node, Resample):
        needed = ((node.x_matrix.shape[1], node.y_matrix.shape[1]))
        _expect(node, "resampling", needed == (width, height), f"a map of {needed}", (width, height))
        return depth, node.x_matrix.shape[0], node.y_matrix.shape[0]
    if isinstance(node, Affine):
        _per_channel(node, "scale", node.scale, depth)
        _per_channel(node, "offset", node.offset, depth)
        return shapes[0]
    if isinstance(node, Activation):
        if node.slope is not None:
            _per_channel(node, "slope", node.slope, depth)
        return shapes[0]
    if isinstance(node, Spiking):
        for rule in ("decay", "threshold", "v_reset", "initial"):
            _per_channel(node, rule, getattr(node, rule), depth)
        return shapes[0]
    if isinstance(node, Add):
        _expect(node, "equal shapes", len(set(shapes)) == 1, "maps of one shape", shapes)
        _expect(node, "signs", len(node.signs) == len(shapes), len(shapes), len(node.signs))
        return shapes[0]
    if isinstance(node, Multiply):
        allowed = shapes[1] in (shapes[0], (depth, 1, 1))
        _expect(node, "factors", allowed, f"{shapes[0]} or {(depth, 1, 1)} as the second factor", shapes[1])
        return shapes[0]
    if isinstance(node, Concat):
        others = {tuple(size for i, size in enumerate(shape) if i != node.axis) for shape in shapes}
        _expect(node, "equal sizes", len(others) == 1, "maps that differ along one axis only", shapes)
        return [sum(shape[i] for shape in shapes) if i == node.axis else shapes[0][i] for i in range(3)]
    if isinstance(node, Slice):
        _expect(node, "channels", 0 <= node.first < node.last <= depth, f"channels within [0, {depth}]",
                f"[{node.first}, {node.last}]")
        return node.last - node.first, width, height
    if isinstance(node, Pad):
        left, top, right, bottom = node.padding
        return depth, width + left + right, height + top + bottom
    if isinstance(node, Quantize):
        _expect(node, "scale", np.isfinite(node.scale) and node.scale > 0, "a positive scale", node.scale,
                "Quantize the model again.")
        return shapes[0]
    raise TypeError(f"unknown node {type(node).__name__}")


def _convolution(node: Conv | TransposedConv, shape: Shape) -> Sequence[int]:
    depth, width, height = shape
    weights = node.weights
    _expect(node, "weights", weights.ndim == 4 and 0 not in weights.shape, "weights in four dimensions", weights.shape)
    result, per_group = weights.shape[:2]
    kernel: Pair = (weights.shape[2], weights.shape[3])
    _expect(node, "groups", node.groups >= 1 and depth % node.groups == 0 and result % node.groups == 0,
            f"a divisor of {depth} and {result} channels", node.groups)
    _expect(node, "source channels", per_group == depth // node.groups, f"{depth // node.groups} per group", per_group)
    _expect(node, "strides", min(node.stride + node.dilation) >= 1, "at least 1", (node.stride, node.dilation))
    _per_channel(node, "bias", node.bias, result)
    if node.weight_scale is not None:
        _per_channel(node, "weight scale", node.weight_scale, result)
    if isinstance(node, Conv):
        return result, *_pair_sizes((width, height), kernel, node.stride, node.padding, node.dilation)
    return result, *(
        (size - 1) * node.stride[i] + (kernel[i] - 1) * node.dilation[i] + 1 + node.output_padding[i]
        - node.padding[i] - node.padding[i + 2] for i, size in enumerate((width, height)))


def vector(value: Any, depth: int) -> Floats:
    """A scalar or `depth` numbers as (depth) float64."""
    array = np.asarray(value, np.float64).reshape(-1)
    return np.ascontiguousarray(np.broadcast_to(array, (depth,)) if array.size == 1 else array)
