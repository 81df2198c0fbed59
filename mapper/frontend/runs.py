"""Matrices of one axis as convolutions: runs of destination positions that one kernel serves.

An interior and its borders, or the columns of a stride that the hardware does not have, become runs of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapper.frontend.graph import Floats, Pair

_TOLERANCE = 1e-9
STEPS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Run:
    """Destination positions first … last - 1: y[X] = Σ_j kernel[j] · up(s)[stride · (X - first) + j - padding]."""

    first: int
    last: int
    kernel: Floats
    padding: int
    stride: int
    upsample: int


def modes(x_matrix: Floats, y_matrix: Floats) -> Iterator[Pair]:
    """Strides and upsampling factors to try: those that the hardware has."""
    yield from ((step, 1) for step in STEPS)
    for step in (2, 4, 8, 16, 32):
        if step <= max(x_matrix.shape[0], y_matrix.shape[0]):
            yield 1, step


def axis_runs(matrix: Floats, stride: int, upsample: int) -> list[Run]:
    """The longest runs of a matrix (destination, source), greedily from position 0."""
    runs, first = [], 0
    source = np.arange(matrix.shape[1]) * upsample
    while first < len(matrix):
        taps: dict[int, float] = {}
        last = first
        while last < len(matrix):
            row = dict(zip((source - stride * last).tolist(), matrix[last].tolist(), strict=True))
            if any(abs(taps[at] - value) > _TOLERANCE for at, value in row.items() if at in taps):
                break
            taps |= row
            last += 1
        used = [at for at, value in taps.items() if value] or [next(iter(taps))]
        low, high = min(used), max(used)
        kernel = np.array([taps.get(at, 0.0) for at in range(low, high + 1)])
        runs.append(Run(first, last, kernel, -low - stride * first, stride, upsample))
        first = last
    return runs


def extended_run(matrix: Floats, stride: int, upsample: int) -> Run | None:
    """One run for a whole axis whose source is one position longer at each end, its border elements repeated.

    None if the axis is not that, which linear interpolation is.
    """
    runs = axis_runs(matrix, stride, upsample)
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
    if np.abs(folded - matrix).max() > _TOLERANCE:
        return None
    return Run(0, len(matrix), inner.kernel, padding, stride, upsample)


def tap_matrix(size: int, result: int, kernel: int, stride: int, padding: int) -> Floats:
    """Of a transposed convolution: which tap, counted from 1, leads from a source to a destination; 0 for none."""
    taps = np.arange(result)[:, None] + padding - stride * np.arange(size)[None, :]
    return np.where((taps >= 0) & (taps < kernel), taps + 1, 0).astype(np.float64)
