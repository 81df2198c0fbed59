"""Resampling as layers: a kernel per region of the result, a map with its border repeated, or one axis by one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from golden.types import Floats, Pair, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.axis_kernels import (
    AxisKernel,
    Passes,
    axis_kernels,
    extended_kernel,
    modes,
    passes,
    pieces,
)
from synapress.mapper.lowering.layer_builder import LayerBuilder, Region
from synapress.mapper.lowering.layers import FloatBranch, Part, Value

_EDGE_COST = 50
"""Taps of a kernel that one more layer and edge are worth. It weighs choices that give the same values."""
_BORDERED_EDGES = 9
"""Edges that read a map and its repeated border: the map, four sides and four corners."""
_MAX_REGIONS = 9
"""Most regions of a map resampled at once: 3 × 3, an interior and its borders. Each takes an event ID of whatever reads
them all, so more go by two passes."""
_MAX_EXACT_REGIONS = 36
"""The same, 6 × 6, where a quantized file asks for its own integers, which a map between the passes would round."""
_WINDOW_TAPS = 8
"""Averages of more taps along each axis can go by windows of so many (`synapress.mapper.lowering.split_layers`)."""
_NEAR_SOURCE = 0.7
"""Weight of one source from which a result is near it, so that results fill the range of the sources.
Half-pixel linear interpolation by 2 has 0.75; an average of two has 0.5."""
_WEIGHT_ROUNDING = 1e-9
"""How far the weights of an average may add up beyond 1: more than the rounding of float64."""


def _cost(x: list[AxisKernel], y: list[AxisKernel], limits: Limits, edges: int = 1) -> int:
    """What a choice of runs costs, in taps of kernels; each kernel takes `edges` edges, times its pieces."""
    count = edges * sum(pieces(run, limits) for run in x) * sum(pieces(run, limits) for run in y)
    return _EDGE_COST * count + sum(len(run.kernel) for run in x) * sum(len(run.kernel) for run in y)


def rectangles(
    x_matrix: Floats, y_matrix: Floats, depth: int, limits: Limits
) -> list[tuple[Pair, Shape, AxisKernel, AxisKernel]]:
    """The fewest rectangles of a result in each of which one kernel serves all positions."""
    best: tuple[int, list[AxisKernel], list[AxisKernel]] | None = None
    for stride, upsample in modes(x_matrix, y_matrix, limits):
        x, y = axis_kernels(x_matrix, stride, upsample), axis_kernels(y_matrix, stride, upsample)
        cost = _cost(x, y, limits)
        if best is None or cost < best[0]:
            best = (cost, x, y)
    assert best is not None
    return [((x.first, y.first), (depth, x.last - x.first, y.last - y.first), x, y)
            for x in best[1] for y in best[2]]


@dataclass(frozen=True, kw_only=True)
class _Method:
    """How a map is resampled: in regions of one kernel each, or in two passes."""

    regions: list[tuple[Pair, Shape, AxisKernel, AxisKernel]]
    parts: int
    """Of the source, which each region reads."""
    bordered: bool
    """The source gets its border once more around it."""
    passes: Passes | None = None
    axis: int = 0
    """That the first pass resamples."""
    between: int = 0
    """Positions of the other axis between the passes."""

    def fits(self, limits: Limits) -> bool:
        """Whether a core has the event IDs, and a source of regions the axons; the mapper cuts that of strips."""
        if self.passes is None:
            counts = [pieces(x, limits) * pieces(y, limits) for _, _, x, y in self.regions]
            return max(counts) * self.parts <= limits.ids and sum(counts) <= limits.readers
        return self.passes.edges(limits) <= limits.ids


def resample(layers: LayerBuilder, node: g.Resample, value: Value) -> Value:
    depth, limits = node.shape[0], layers.limits
    method = _cheapest(layers, node, value, limits.usual)
    if limits != limits.usual and not method.fits(limits):
        method = _cheapest(layers, node, value, limits)
    if method.bordered:
        value = _repeated_border(layers, node, value)
    if method.passes is not None:
        return _in_passes(layers, node, value, method.passes, method.axis, method.between)
    regions: list[Region] = []
    for at, shape, x, y in method.regions:
        kernel = np.outer(x.kernel, y.kernel)
        regions.append((at, shape, np.broadcast_to(kernel, (depth, 1, *kernel.shape)), (x.stride, y.stride),
                        (x.padding, y.padding), (1, 1), x.upsample))
    return layers.regions(node, value, regions, depth, np.zeros(depth))


def _cheapest(layers: LayerBuilder, node: g.Resample, value: Value, limits: Limits) -> _Method:
    """The cheapest method within the limits.

    Raises:
        ModelError: there is none, and the limits are the core's own.
    """
    runs, bordered, parts = rectangles(node.x_matrix, node.y_matrix, node.shape[0], limits), False, len(value.parts)
    if len(runs) > 2 and _BORDERED_EDGES <= limits.ids:
        extended = []
        for mode in modes(node.x_matrix, node.y_matrix, limits):
            x, y = (extended_kernel(matrix, *mode) for matrix in (node.x_matrix, node.y_matrix))
            if x is not None and y is not None:
                extended.append((_cost([x], [y], limits, _BORDERED_EDGES), x, y))
        cost, x, y = min(extended, key=lambda choice: choice[0], default=(0, None, None))
        in_regions = sum(_cost([x], [y], limits) for _, _, x, y in runs)
        if x is not None and y is not None and cost <= in_regions:
            runs, bordered, parts = [((0, 0), node.shape, x, y)], True, _BORDERED_EDGES
    edges = max(pieces(x, limits) * pieces(y, limits) for _, _, x, y in runs) * parts
    average = all(len(run.kernel) > _WINDOW_TAPS and (run.kernel == run.kernel[0]).all()
                  for _, _, *pair in runs for run in pair)
    most = _MAX_EXACT_REGIONS if average or _exact(layers, node.name) else _MAX_REGIONS
    method = _Method(regions=runs, parts=parts, bordered=bordered)
    # `synapress.mapper.lowering.split_layers` splits large averages into windows.
    if len(runs) > most or (edges > limits.parts and not average):
        return _by_passes(method, node, value, limits, limits == layers.limits)
    return method


def _by_passes(method: _Method, node: g.Resample, value: Value, limits: Limits, own: bool) -> _Method:
    """The cheapest passes within the limits, which must do if they are the core's `own`."""
    size, matrices, plans = value.shape[1:], (node.x_matrix, node.y_matrix), []
    for axis in (0, 1):
        plan = passes(matrices[axis], matrices[1 - axis], limits)
        between = plan.upsample * (size[1 - axis] - 1) + 1
        plans.append((max(plan.edges(limits) - limits.parts, 0), between * len(matrices[axis]), axis, between, plan))
    over, _, axis, between, plan = min(plans, key=lambda item: item[:3])
    sizes = " to ".join(f"{width} × {height}" for width, height in (size, node.shape[1:]))
    if over and own:
        raise ModelError(
            node.name, "resampling",
            f"kernels in at most {limits.parts} pieces of {limits.taps} taps, columns and rows apart",
            f"{plan.edges(limits)} pieces from {sizes} columns and rows",
            "Resize in two steps, or by a whole power of two.")
    return replace(method, passes=plan, axis=axis, between=between)


def _exact(layers: LayerBuilder, name: str) -> bool:
    """Whether what reads a node rounds it as a quantized file says."""
    readers = [node for node in layers.graph if name in node.sources]
    return any(isinstance(node, g.Quantize)
               or (isinstance(node, (g.Affine, g.Activation)) and _exact(layers, node.name))
               for node in readers)


def _peaks(matrix: Floats) -> bool:
    """Whether results lie between the sources and some come near them: the sources' scale is the right one."""
    return bool(matrix.min() >= 0 and matrix.sum(axis=1).max() < 1 + _WEIGHT_ROUNDING and matrix.max() > _NEAR_SOURCE)


def _in_passes(layers: LayerBuilder, node: g.Resample, value: Value, plan: Passes, axis: int, between: int) -> Value:
    """Columns, then rows, or the other way round: fewer kernels than both at once have."""
    if len(value.parts) > 1:
        value = layers.materialized(node.name, value)
    depth, matrices = node.shape[0], (node.x_matrix, node.y_matrix)

    def turned(along: Any, across: Any) -> Any:
        return (along, across) if axis == 0 else (across, along)

    shape = (depth, *turned(len(matrices[axis]), between))
    step = replace(node, name=f"{node.name}/{'columns' if axis == 0 else 'rows'}", shape=shape)
    value = layers.regions(step, value, [
        (turned(run.first, 0), (depth, *turned(run.last - run.first, between)),
         np.broadcast_to(run.kernel.reshape(turned(-1, 1)), (depth, 1, *turned(len(run.kernel), 1))),
         (1, 1), turned(run.padding, 0), (1, 1), plan.upsample) for run in plan.first], depth, np.zeros(depth),
        interpolated=bool(plan.second) and _peaks(matrices[axis]))
    if plan.gathered:
        value = layers.materialized(step.name, value)
    if not plan.second:
        return value
    return layers.regions(node, value, [
        (turned(0, run.first), (depth, *turned(shape[1 + axis], run.last - run.first)),
         np.broadcast_to(run.kernel.reshape(turned(1, -1)), (depth, 1, *turned(1, len(run.kernel)))),
         (1, 1), turned(0, run.padding), (1, 1), 1) for run in plan.second], depth, np.zeros(depth))


def _repeated_border(layers: LayerBuilder, node: g.Resample, value: Value) -> Value:
    """The value with its outermost columns and rows once more around it, as small layers of their own."""
    if layers.single(value) is None:
        value = layers.materialized(node.name, value)
    source = value.parts[0]
    depth, width, height = value.shape
    parts = [source]
    ends = [[(-1, 0, 1), (0, 0, size), (size, size - 1, 1)] for size in (width, height)]
    for x, first_x, count_x in ends[0]:
        for y, first_y, count_y in ends[1]:
            if (x, y) != (0, 0):
                branch = FloatBranch(source=source.layer, weights=np.ones((depth, 1, 1, 1)), groups=depth,
                                     padding=(-first_x, -first_y))
                layer = layers.new(f"{node.name}/border", "sum", (depth, count_x, count_y), [branch])
                parts.append(Part(layer=layer.name, first=0, count=depth, x=x, y=y))
    return Value(shape=value.shape, parts=tuple(parts))
