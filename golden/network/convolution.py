"""Fast exact synapses of one edge: what the events of a feature map add to their destination, on matrix products.

Three ways, which give the same integers: a product with the gathered columns of each destination position (im2col); a
product per tap with the rows of only those source positions that fire, scattered to their destinations; and, for
depthwise kernels and maxima, shifted views tap by tap. `golden.network.fast` is made of them; `golden.network.dense` is
the independent reference. The convolution is that of Bamberg et al., arXiv 2112.07019, section 3.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np

from golden.errors import NetworkError
from golden.neuron.states import wrap_array
from golden.program import Edge, Population
from golden.types import Array
from golden.words import NeuronType

_EXACT_FLOAT32 = 1 << 24
_EXACT_FLOAT64 = 1 << 53
"""Integers below these are exact, in whatever order a matrix product adds them up."""
_MAX_FLOAT32_PIECES = 8
"""Pieces of a sum in float32, each exact, before one product in float64 is taken. Results do not depend on it: float64
costs about twice as much, and every piece a pass over the states."""
_CHUNK_ELEMENTS = 1 << 24
"""Gathered elements at a time: bounds the working memory, 64 MB in float32. Results do not depend on it."""

# When a scatter is taken for a gather. Costs are estimates in multiplications of a matrix product, which is far cheaper
# per element than numpy's indexing and calls. Both ways give the same integers: results do not depend on these.
_SCATTER_SPARSITY = 4
"""Scatters are considered where at most one in so many neurons fires; else counting the firing positions is in vain."""
_ROW_COST = 60
"""Cost of adding one element to a scattered row."""
_STATE_COST = 40
"""Cost per state of a scatter, whatever fires."""
_CALL_COST = 1_500_000
"""Cost per tap and frame of a scatter: the calls of numpy."""


@dataclass(frozen=True)
class Tap:
    """One kernel tap along one axis, as seen by the destinations `phase + step · t`: those with first <= t < end.

    Their sources are `source + source_step · (t - first)`.
    """

    tap: int
    first: int
    end: int
    source: int
    source_step: int

    @property
    def destinations(self) -> slice:
        return slice(self.first, self.end)

    @property
    def sources(self) -> slice:
        return slice(self.source, self.source + self.source_step * (self.end - self.first), self.source_step)


@dataclass(frozen=True)
class Phase:
    """The destinations `first + step · t`, t < count, along one axis, and the taps that any of them has."""

    first: int
    step: int
    count: int
    taps: tuple[Tap, ...]

    @property
    def destinations(self) -> slice:
        return slice(self.first, None, self.step)


def phases(edge: Edge, axis: int, source_size: int, size: int) -> list[Phase]:
    """The destinations of one axis (0: x, 1: y) by what upsampling leaves of their kernel; without it there is one."""
    kernel, stride, up = edge.weights.shape[2 + axis], edge.stride[axis], 1 << edge.upsample
    step, source_step = up // gcd(up, stride), stride // gcd(up, stride)
    result = []
    for first in range(min(step, size)):
        count = len(range(first, size, step))
        taps = []
        for tap in range(kernel):
            start, odd = divmod(first * stride + tap * edge.dilation[axis] - edge.padding[axis], up)
            low = max(0, -(start // source_step))
            high = min(count, (source_size - 1 - start) // source_step + 1)
            if not odd and low < high:
                taps.append(Tap(tap, low, high, start + source_step * low, source_step))
        result.append(Phase(first, step, count, tuple(taps)))
    return result


def check(edge: Edge, source: Population, destination: Population) -> None:
    """Whether an edge's weights fit its ends.

    Raises:
        NetworkError: they fit neither the source nor the destination, the groups do not divide the channels, or a
            weight has more than 32 bits.
    """
    depth, results = source.shape[0], destination.shape[0]
    if edge.weights.ndim != 4 or edge.groups < 1 or depth % edge.groups or results % edge.groups:
        raise NetworkError(f"edge '{edge.name}': weights {edge.weights.shape} in {edge.groups} groups do not fit "
                           f"{depth} source and {results} destination channels")
    shape = (results, depth // edge.groups)
    if edge.weights.shape[:2] not in {shape, (1, 1) if edge.groups == depth == results else shape}:
        raise NetworkError(f"edge '{edge.name}': weights {edge.weights.shape} do not lead from {depth} channels of "
                           f"'{source.name}' to {results} of '{destination.name}' in {edge.groups} groups")
    if largest(edge.weights) >= 1 << 31:
        raise NetworkError(f"edge '{edge.name}': weights of {edge.weights.min()} to {edge.weights.max()}; they have at "
                           "most 32 bits")


def magnitude(edge: Edge) -> int:
    """What no sum of the edge exceeds, nor any part of it, for values of magnitude 1; without the product shift."""
    size = np.abs(edge.weights, dtype=np.int32 if edge.weights.dtype == np.int8 else np.int64)
    return int(size.sum(axis=(1, 2, 3), dtype=np.int64).max(initial=0))


def largest(values: Array) -> int:
    """The largest magnitude of values, at least 1."""
    return max(1, int(values.max(initial=0)), -int(values.min(initial=0)))


def integrate(edge: Edge, source: Array, states: Array, kind: int, state_bits: int, reach: int) -> None:
    """Let the events of feature maps act on states, in place.

    Args:
        edge: its weights fit (`check`).
        source: values (N, D, W, H), integers; a zero is no event.
        states: (N, D, W, H), int32 or int64, large enough for the sums; they are not wrapped.
        kind: the destination's `NeuronType`. A maximum compares products wrapped to `state_bits`.
        reach: magnitude(edge) · largest(source), or more.
    """
    if kind == NeuronType.MAX or edge.groups == source.shape[1] == states.shape[1]:
        _by_taps(edge, source, states, kind, state_bits)
        return
    if edge.groups == 1 and reach < _EXACT_FLOAT64 and _scatters(edge, source, states):
        _scatter(edge, source, states, np.float32 if reach < _EXACT_FLOAT32 else np.float64)
    else:
        _gather(edge, source, states, reach)


# -- matrix product with gathered columns ------------------------------------------------------


def _pieces(weights: Array, most: int, reach: int) -> tuple[Any, list[slice]]:
    """Number type, and pieces of the terms whose sums are exact in it; `weights` are (rows, terms)."""
    if reach < _EXACT_FLOAT32:
        return np.float32, [slice(None)]
    size = np.abs(weights.astype(np.int64))
    terms, total = weights.shape[1], int(size.sum(axis=1).max(initial=0)) * most
    for count in range(1, _MAX_FLOAT32_PIECES + 1):
        edges = [terms * i // count for i in range(count + 1)]
        pieces = [slice(low, high) for low, high in itertools.pairwise(edges) if low < high]
        if total < _EXACT_FLOAT32 * count and all(
                int(size[:, piece].sum(axis=1).max(initial=0)) * most < _EXACT_FLOAT32 for piece in pieces):
            return np.float32, pieces
    count = total // _EXACT_FLOAT64 + 1  # a term has at most 48 bits, so fewer terms do at last
    while count > 1 and any(int(size[:, i::count].sum(axis=1).max()) * most >= _EXACT_FLOAT64 for i in range(count)):
        count *= 2
    return np.float64, [slice(first, None, count) for first in range(count)]


def _gather(edge: Edge, source: Array, states: Array, reach: int) -> None:
    number, depth, width, height = source.shape
    groups, results = edge.groups, states.shape[1]
    for column in phases(edge, 0, width, states.shape[2]):
        for row in phases(edge, 1, height, states.shape[3]):
            if not column.taps or not row.taps:
                continue
            taps = np.ix_([tap.tap for tap in column.taps], [tap.tap for tap in row.taps])
            weights = edge.weights[:, :, taps[0], taps[1]].reshape(results, -1)
            dtype, pieces = _pieces(weights, largest(source), reach)
            matrix = weights.reshape(groups, results // groups, -1).astype(dtype)
            positions = column.count * row.count
            shape = (depth, len(column.taps), len(row.taps))
            step = max(1, _CHUNK_ELEMENTS // (int(np.prod(shape)) * positions))
            for first in range(0, number, step):
                part = source[first:first + step]
                columns = _columns(part, column, row, dtype).reshape(groups, -1, len(part) * positions)
                target = states[first:first + step, :, column.destinations, row.destinations]
                for piece in pieces:
                    product = (matrix[:, :, piece] @ columns[:, piece]).reshape(
                        results, len(part), column.count, row.count).transpose(1, 0, 2, 3)
                    target += _shifted(product, edge.shift, states.dtype)


def _shifted(product: Array, shift: int, dtype: Any) -> Array:
    """Integers from exact floats."""
    integers = product.astype(np.int64 if product.dtype == np.float64 else np.int32).astype(dtype, copy=False)
    return integers << shift if shift else integers


def _columns(source: Array, column: Phase, row: Phase, dtype: Any) -> Array:
    """What each destination of a phase meets at each tap: (D, taps in x, taps in y, N, columns, rows)."""
    number, depth = source.shape[:2]
    inside = all(tap.first == 0 and tap.end == phase.count for phase in (column, row) for tap in phase.taps)
    shape = (depth, len(column.taps), len(row.taps), number, column.count, row.count)
    columns = (np.empty if inside else np.zeros)(shape, dtype)
    turned = source.transpose(1, 0, 2, 3)
    for j, x in enumerate(column.taps):
        for k, y in enumerate(row.taps):
            columns[:, j, k, :, x.destinations, y.destinations] = turned[:, :, x.sources, y.sources]
    return columns


# -- rows of firing positions, scattered -------------------------------------------------------


def _scatters(edge: Edge, source: Array, states: Array) -> bool:
    """Whether a scatter is cheaper than gathering: an estimate, in multiplications of a matrix product."""
    (depth, results), taps = edge.weights.shape[1::-1], edge.weights[0, 0].size
    if np.count_nonzero(source) * _SCATTER_SPARSITY > source.size:
        return False
    active = int(source.any(axis=1).sum())
    gather = states.size * taps * depth / (1 << 2 * edge.upsample)
    visits = active * taps / (edge.stride[0] * edge.stride[1])
    return visits * results * (depth + _ROW_COST) + states.size * _STATE_COST + len(source) * taps * _CALL_COST < gather


def _scatter(edge: Edge, source: Array, states: Array, dtype: Any) -> None:
    """Tap by tap, the products of the firing positions go to one destination row each."""
    results, columns, rows = states.shape[1:]
    for frame, values in enumerate(source):
        x, y = np.nonzero(values.any(axis=0))
        channels = np.flatnonzero(values.any(axis=(1, 2)))
        firing = values[channels][:, x, y].T.astype(dtype)
        sums = np.zeros((columns * rows, results), dtype)
        for (j, k), chosen, target in _targets(edge, x, y, columns, rows):
            sums[target] += firing[chosen] @ edge.weights[:, channels, j, k].T.astype(dtype)
        states[frame] += _shifted(sums.T.reshape(results, columns, rows), edge.shift, states.dtype)


def _targets(
    edge: Edge, x: Array, y: Array, columns: int, rows: int
) -> Iterator[tuple[tuple[int, int], Array, Array]]:
    """By tap: which of the source positions it takes inside, and to which destination (never two to the same)."""
    def along(axis: int, at: Array, tap: int, size: int) -> tuple[Array, Array]:
        reach = (at << edge.upsample) + edge.padding[axis] - tap * edge.dilation[axis]
        neuron, phase = np.divmod(reach, edge.stride[axis])
        return neuron, (phase == 0) & (neuron >= 0) & (neuron < size)

    along_y = [along(1, y, k, rows) for k in range(edge.weights.shape[3])]
    for j in range(edge.weights.shape[2]):
        column, inside = along(0, x, j, columns)
        for k, (row, within) in enumerate(along_y):
            chosen = np.flatnonzero(inside & within)
            if len(chosen):
                yield (j, k), chosen, column[chosen] * rows + row[chosen]


# -- tap by tap --------------------------------------------------------------------------------


def _by_taps(edge: Edge, source: Array, states: Array, kind: int, state_bits: int) -> None:
    """Products of shifted views: depthwise sums, and maxima of any kernel."""
    results, per_group = states.shape[1], source.shape[1] // edge.groups
    heaviest = largest(edge.weights) * largest(source) << edge.shift
    wraps = kind == NeuronType.MAX and heaviest >= 1 << (state_bits - 1)
    dtype = np.int64 if heaviest >= 1 << 31 else states.dtype
    columns, rows = (phases(edge, i, source.shape[2 + i], states.shape[2 + i]) for i in (0, 1))
    for frame in range(len(source)):
        for i in range(per_group):
            # Destination channel c meets source channel i of its group.
            values = source[frame, i::per_group]
            if edge.groups != results:
                values = np.repeat(values, results // edge.groups, axis=0)
            values = values.astype(dtype)
            weights = (edge.weights[:, i].astype(dtype) << edge.shift)[..., np.newaxis, np.newaxis]
            for column in columns:
                for row in rows:
                    target = states[frame, :, column.destinations, row.destinations]
                    for x in column.taps:
                        for y in row.taps:
                            product = values[:, x.sources, y.sources] * weights[:, x.tap, y.tap]
                            part = target[:, x.destinations, y.destinations]
                            if kind == NeuronType.MAX:
                                np.maximum(part, wrap_array(product, state_bits) if wraps else product, out=part,
                                           casting="unsafe")
                            else:
                                part += product
