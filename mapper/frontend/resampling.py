"""Resampling as layers: a kernel per region of the result, a map with its border repeated, or one axis by one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mapper.errors import ModelError
from mapper.frontend import graph as g
from mapper.frontend.graph import Floats, Pair, Shape
from mapper.frontend.layers import FloatBranch, Part, Value
from mapper.frontend.runs import MOST_EDGES, Run, axis_runs, extended_run, modes, passes, pieces

if TYPE_CHECKING:
    from mapper.frontend.fuse import Fuser

Region = tuple[Pair, Shape, Floats, Pair, Pair, Pair, int]
"""Where a region of the result lies, its shape, and weights, stride, padding, dilation, upsampling of its branches."""
_EDGE_COST = 50
"""Taps of a kernel that one more layer and edge are worth."""
_BORDERED_EDGES = 9
"""Of a map and its repeated border: four sides and four corners."""
_MOST_REGIONS = 9
"""Of a map resampled at once: each takes an event ID of whatever reads them all."""
_MOST_EXACT_REGIONS = 36
"""The same where a quantised file asks for its own integers, which a map in between would round."""


def _cost(x: list[Run], y: list[Run], edges: int = 1) -> int:
    """What a choice of runs costs, in taps of kernels; each kernel takes `edges` edges, times its pieces."""
    count = edges * sum(map(pieces, x)) * sum(map(pieces, y))
    return _EDGE_COST * count + sum(len(run.kernel) for run in x) * sum(len(run.kernel) for run in y)


def rectangles(x_matrix: Floats, y_matrix: Floats, depth: int) -> list[tuple[Pair, Shape, Run, Run]]:
    """The fewest rectangles of a result in each of which one kernel serves all positions."""
    best: tuple[int, list[Run], list[Run]] | None = None
    for stride, upsample in modes(x_matrix, y_matrix):
        x, y = axis_runs(x_matrix, stride, upsample), axis_runs(y_matrix, stride, upsample)
        cost = _cost(x, y)
        if best is None or cost < best[0]:
            best = (cost, x, y)
    assert best is not None
    return [((x.first, y.first), (depth, x.last - x.first, y.last - y.first), x, y)
            for x in best[1] for y in best[2]]


def resample(fuser: "Fuser", node: g.Resample, value: Value) -> Value:
    depth = node.shape[0]
    regions: list[Region] = []
    runs = rectangles(node.x_matrix, node.y_matrix, depth)
    if len(runs) > 2:
        extended = []
        for mode in modes(node.x_matrix, node.y_matrix):
            x, y = (extended_run(matrix, *mode) for matrix in (node.x_matrix, node.y_matrix))
            if x is not None and y is not None:
                extended.append((_cost([x], [y], _BORDERED_EDGES), x, y))
        cost, x, y = min(extended, key=lambda choice: choice[0], default=(0, None, None))
        whole = sum(_cost([x], [y]) for _, _, x, y in runs)
        if x is not None and y is not None and cost <= whole:
            value, runs = _repeated_border(fuser, node, value), [((0, 0), node.shape, x, y)]
    edges = max(pieces(x) * pieces(y) for _, _, x, y in runs) * len(value.parts)
    average = all(len(run.kernel) > 8 and (run.kernel == run.kernel[0]).all() for _, _, *pair in runs for run in pair)
    most = _MOST_EXACT_REGIONS if average or _exact(fuser, node.name) else _MOST_REGIONS
    if len(runs) > most or (edges > MOST_EDGES and not average):  # `mapper.divide` takes large averages by windows
        return _in_passes(fuser, node, value)
    for at, shape, x, y in runs:
        kernel = np.outer(x.kernel, y.kernel)
        regions.append((at, shape, np.broadcast_to(kernel, (depth, 1, *kernel.shape)), (x.stride, y.stride),
                        (x.padding, y.padding), (1, 1), x.upsample))
    return fuser.regions(node, value, regions, depth, np.zeros(depth))


def _exact(fuser: "Fuser", name: str) -> bool:
    """Whether what reads a node rounds it as a quantised file says."""
    readers = [node for node in fuser.graph if name in node.sources]
    return any(isinstance(node, g.Quantise) or (isinstance(node, (g.Affine, g.Activation)) and _exact(fuser, node.name))
               for node in readers)


def _peaks(matrix: Floats) -> bool:
    """Whether results lie between the sources and some come near them: the sources' scale is the right one."""
    return bool(matrix.min() >= 0 and matrix.sum(axis=1).max() < 1 + 1e-9 and matrix.max() > 0.7)


def _in_passes(fuser: "Fuser", node: g.Resample, value: Value) -> Value:
    """Columns, then rows, or the other way round: fewer kernels than both at once have."""
    if len(value.parts) > 1:
        value = fuser.materialised(node.name, value)
    depth, size = node.shape[0], value.shape[1:]
    matrices = (node.x_matrix, node.y_matrix)
    plans = []
    for axis in (0, 1):
        plan = passes(matrices[axis], matrices[1 - axis])
        between = plan.upsample * (size[1 - axis] - 1) + 1
        plans.append((max(plan.edges - MOST_EDGES, 0), between * len(matrices[axis]), axis, between, plan))
    over, _, axis, between, plan = min(plans, key=lambda item: item[:3])
    if over:
        raise ModelError(node.name, "resampling", f"kernels in at most {MOST_EDGES} pieces of 16 taps, columns and "
                         "rows apart", f"{plan.edges} pieces from {size[0]} × {size[1]} to {node.shape[1]} × "
                         f"{node.shape[2]} columns and rows", "Resize in two steps, or by a whole power of two.")

    def turned(along: Any, across: Any) -> Any:
        return (along, across) if axis == 0 else (across, along)

    shape = (depth, *turned(len(matrices[axis]), between))
    step = replace(node, name=f"{node.name}/{'columns' if axis == 0 else 'rows'}", shape=shape)
    value = fuser.regions(step, value, [
        (turned(run.first, 0), (depth, *turned(run.last - run.first, between)),
         np.broadcast_to(run.kernel.reshape(turned(-1, 1)), (depth, 1, *turned(len(run.kernel), 1))),
         (1, 1), turned(run.padding, 0), (1, 1), plan.upsample) for run in plan.first], depth, np.zeros(depth),
        interpolated=bool(plan.second) and _peaks(matrices[axis]))
    if plan.gathered:
        value = fuser.materialised(step.name, value)
    if not plan.second:
        return value
    return fuser.regions(node, value, [
        (turned(0, run.first), (depth, *turned(shape[1 + axis], run.last - run.first)),
         np.broadcast_to(run.kernel.reshape(turned(1, -1)), (depth, 1, *turned(1, len(run.kernel)))),
         (1, 1), turned(0, run.padding), (1, 1), 1) for run in plan.second], depth, np.zeros(depth))


def _repeated_border(fuser: "Fuser", node: g.Resample, value: Value) -> Value:
    """The value with its outermost columns and rows once more around it, as small layers of their own."""
    if fuser.single(value) is None:
        value = fuser.materialised(node.name, value)
    source = value.parts[0]
    depth, width, height = value.shape
    parts = [source]
    ends = [[(-1, 0, 1), (0, 0, size), (size, size - 1, 1)] for size in (width, height)]
    for x, first_x, count_x in ends[0]:
        for y, first_y, count_y in ends[1]:
            if (x, y) != (0, 0):
                branch = FloatBranch(source=source.layer, weights=np.ones((depth, 1, 1, 1)), groups=depth,
                                     padding=(-first_x, -first_y))
                layer = fuser.new(f"{node.name}/border", "sum", (depth, count_x, count_y), [branch])
                parts.append(Part(layer=layer.name, first=0, count=depth, x=x, y=y))
    return Value(shape=value.shape, parts=tuple(parts))
