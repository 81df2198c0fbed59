"""Matrices of one axis as convolutions: runs of destination positions that one kernel serves.

An interior and its borders, or the columns of a stride that the hardware does not have, become runs of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from golden.types import Floats, Pair
from synapress.mapper.limits import Limits

_SAME_TAP = 1e-9
"""Difference of taps that count as the same: more than float64 rounding, less than any effect on 8-bit values."""
_MAX_UPSAMPLING = 32
"""Largest upsampling tried: with more, few positions of a result have any tap."""
_RUN_PIECES = (1, 3, 6)
"""Pieces that a run may need, tried in turn: shorter runs need fewer descriptors each, longer ones fewer layers. The
cheapest is taken, so more choices cost time and change the result only where they are cheaper."""
_ZEROS_COST = 4
"""Cost of zeros in the map between the passes, in reads of a descriptor: for each time that it is as long as the result
along the second axis."""


@dataclass(frozen=True)
class AxisKernel:
    """Destination positions first … last - 1: y[X] = Σ_j kernel[j] · up(s)[stride · (X - first) + j - padding]."""

    first: int
    last: int
    kernel: Floats
    padding: int
    stride: int
    upsample: int


def modes(x_matrix: Floats, y_matrix: Floats, limits: Limits) -> Iterator[Pair]:
    """Strides and upsampling factors to try: those that the hardware has."""
    yield from ((step, 1) for step in limits.strides)
    yield from ((1, step) for step in _upsampling(limits, max(x_matrix.shape[0], y_matrix.shape[0])) if step > 1)


def _upsampling(limits: Limits, size: int) -> list[int]:
    return [step for step in limits.upsampling if step == 1 or step <= min(size, _MAX_UPSAMPLING)]


def axis_kernels(matrix: Floats, stride: int, upsample: int, max_taps: int | None = None) -> list[AxisKernel]:
    """The longest runs of a matrix (destination, source), greedily from position 0; their kernels may be bounded."""
    runs, first = [], 0
    source = np.arange(matrix.shape[1]) * upsample
    while first < len(matrix):
        taps: dict[int, float] = {}
        last = first
        while last < len(matrix):
            row = dict(zip((source - stride * last).tolist(), matrix[last].tolist(), strict=True))
            if any(abs(taps[at] - value) > _SAME_TAP for at, value in row.items() if at in taps):
                break
            used = [at for at, value in (taps | row).items() if value]
            if max_taps and last > first and used and max(used) - min(used) >= max_taps:
                break
            taps |= row
            last += 1
        used = [at for at, value in taps.items() if value] or [next(iter(taps))]
        low, high = min(used), max(used)
        kernel = np.array([taps.get(at, 0.0) for at in range(low, high + 1)])
        runs.append(AxisKernel(first, last, kernel, -low - stride * first, stride, upsample))
        first = last
    return runs


def extended_kernel(matrix: Floats, stride: int, upsample: int) -> AxisKernel | None:
    """One run for a whole axis whose source is one position longer at each end, its border elements repeated.

    None if the axis is not that, which linear interpolation is.
    """
    runs = axis_kernels(matrix, stride, upsample)
    inner = max(runs, key=lambda run: run.last - run.first)
    size = matrix.shape[1]
    padding = inner.padding + stride * inner.first
    longer = np.zeros((len(matrix), size + 2))
    for x in range(len(matrix)):
        for source in range(-1, size + 1):
            tap = source * upsample - stride * x + padding
            if 0 <= tap < len(inner.kernel):
                longer[x, source + 1] = inner.kernel[tap]
    folded = longer[:, 1:-1].copy()
    folded[:, 0] += longer[:, 0]
    folded[:, -1] += longer[:, -1]
    if np.abs(folded - matrix).max() > _SAME_TAP:
        return None
    return AxisKernel(0, len(matrix), inner.kernel, padding, stride, upsample)


@dataclass(frozen=True)
class Passes:
    """A resampling in two: along one axis, between whose results zeros may lie, then along the other.

    The map between them is that of the first axis' results and `upsample` times the second axis' sources.
    """

    upsample: int
    first: list[AxisKernel]
    second: list[AxisKernel]
    gathered: bool
    """Whether the results of the first are brought together, so that the second need not read each."""

    def edges(self, limits: Limits) -> int:
        """Most event IDs of one population; bringing parts together takes as many steps as need be."""
        between = 1 if self.gathered else len(self.first)
        apart = min(len(self.first), limits.parts) if self.gathered else 1
        return max(apart, max(pieces(run, limits) for run in self.first),
                   between * max((pieces(run, limits) for run in self.second), default=0))


def pieces(run: AxisKernel, limits: Limits) -> int:
    """Descriptors that a kernel of one row takes."""
    return -(-len(run.kernel) // limits.taps)


def passes(first: Floats, second: Floats, limits: Limits) -> Passes:
    """The cheapest way to resample one axis by matrix `first`, then the other by `second`; fewest edges come first.

    There is no second pass where nothing is left to do.
    """
    best: tuple[int, float, Passes] | None = None
    identity = len(second) == second.shape[1] and bool((second == np.eye(len(second))).all())
    for upsample in _upsampling(limits, max(len(first), len(second))):
        rows = upsample * (second.shape[1] - 1) + 1
        ways = [[axis_kernels(matrix, 1, upsample, most) for most in [count * limits.taps for count in _RUN_PIECES]]
                for matrix in (first, second)]
        if identity and rows == len(second):
            ways[1] = [[]]
        for gathered in (False, True):
            for x in ways[0]:
                for y in ways[1]:
                    plan = Passes(upsample, x, y, gathered)
                    counts = [sum(pieces(run, limits) for run in way) for way in (x, y)]
                    reads = counts[0] + len(x) * gathered + (1 if gathered else len(x)) * counts[1]
                    reads += sum(len(way) for way in (x, y) if len(way) > limits.parts)
                    cost = reads + len(x) + len(y) + _ZEROS_COST * rows / len(second)
                    key = (max(plan.edges(limits) - limits.parts, 0), cost)
                    if best is None or key < best[:2]:
                        best = (*key, plan)
    assert best is not None
    return best[2]


def tap_matrix(size: int, result: int, kernel: int, stride: int, padding: int) -> Floats:
    """For a transposed convolution: which tap, counted from 1, leads from a source to a destination; 0 for none."""
    taps = np.arange(result)[:, None] + padding - stride * np.arange(size)[None, :]
    return np.where((taps >= 0) & (taps < kernel), taps + 1, 0).astype(np.float64)
