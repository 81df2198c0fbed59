"""Strides that the hardware does not have: 3 and 5, or unequal ones in x and y.

A descriptor has one stride for both axes, a power of two. Along one destination column any stride is an offset. For a
source part of at most `s` columns, a convolution of any stride S equals one of stride s: with j = x - S·X + P the tap
that leads from column x to X, the tap x - s·X of the other kernel belongs to no other pair of them, as its residue
modulo s tells x. So that kernel has the given weights, at other places, and zeros between. It depends on where the part
begins only modulo S: parts of one phase share it, each with an offset of its own.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge
from golden.types import IntArray, Pair
from synapress.mapper.rules import steps


@dataclass(frozen=True, kw_only=True)
class Step:
    """The one stride of an edge's descriptors, and how its kernel follows from the edge's own."""

    stride: int
    parts: tuple[int | None, int | None]
    """Most columns, and rows, of a source part along the axes whose kernel is another one; None: it is the edge's."""

    def phase(self, edge: Edge, origin: Pair) -> tuple[Pair, Pair]:
        """Which kernel a source part at `origin` needs, and how far its offset is from that of this kernel."""
        phases, shifts = [0, 0], [0, 0]
        for i in (0, 1):
            if self.parts[i] is None:
                shifts[i] = origin[i] << edge.upsample
            else:
                place, phases[i] = divmod(origin[i] + edge.padding[i], edge.stride[i])
                shifts[i] = place * self.stride
        return (phases[0], phases[1]), (shifts[0], shifts[1])

    def apply(self, edge: Edge, phase: Pair) -> Edge | None:
        """The edge from source parts of one phase, without their shifts; None if no tap leads from them anywhere."""
        weights: IntArray = edge.weights
        padding, dilation = list(edge.padding), list(edge.dilation)
        for i, size in enumerate(self.parts):
            if size is None:
                continue
            taps = step_taps(weights.shape[2 + i], edge.dilation[i], edge.stride[i], self.stride, size, phase[i])
            if not taps:
                return None
            first = min(taps)
            moved = np.zeros((max(taps) - first + 1, *np.delete(weights.shape, 2 + i)), weights.dtype)
            moved[[tap - first for tap in taps]] = np.moveaxis(weights, 2 + i, 0)[list(taps.values())]
            weights, padding[i], dilation[i] = np.moveaxis(moved, 0, 2 + i), -first, 1
        return dataclasses.replace(
            edge, weights=weights, stride=(self.stride, self.stride), padding=(padding[0], padding[1]),
            dilation=(dilation[0], dilation[1]))


def step_taps(kernel: int, dilation: int, stride: int, step: int, size: int, phase: int) -> dict[int, int]:
    """Along one axis: tap x - step · X → tap of the edge's kernel, of a part of `size` columns, which begins at tap
    `phase` of the destination's column 0."""
    found = {}
    for x in range(size):
        for tap in range(kernel):
            column, rest = divmod(x + phase - tap * dilation, stride)
            if not rest:
                found[x - step * column] = tap
    return found


def needed_strides(stride: Pair, size: Pair) -> set[int]:
    """The strides that matter for a result of `size`: along a single column or row any stride does."""
    return {stride[i] for i in (0, 1) if size[i] > 1}


def step_of(edge: Edge, destination: Pair, source: Pair, config: CoreConfig) -> Step | None:
    """The step of an edge, or None if there is none.

    Args:
        destination: columns and rows of the destination, or of a part of it.
        source: most columns and rows of any part of the source.
    """
    needed = needed_strides(edge.stride, destination)
    if not needed or (len(needed) == 1 and needed <= steps(config)):
        return Step(stride=max(needed, default=1), parts=(None, None))
    if edge.upsample:
        return None
    for stride in sorted(steps(config)):
        parts = [source[i] if destination[i] > 1 and edge.stride[i] != stride else None for i in (0, 1)]
        if all(size is None or size <= stride for size in parts):
            return Step(stride=stride, parts=(parts[0], parts[1]))
    return None


def step_kernel(edge: Edge, step: Step) -> tuple[Pair, Pair]:
    """The largest kernel of any phase, dilation included, and how many phases there may be, in x and y."""
    size, phases = [1, 1], [1, 1]
    for i, part in enumerate(step.parts):
        kernel, dilation = edge.weights.shape[2 + i], edge.dilation[i]
        if part is None:
            size[i] = (kernel - 1) * dilation + 1
            continue
        ranges = [step_taps(kernel, dilation, edge.stride[i], step.stride, part, phase)
                  for phase in range(edge.stride[i])]
        size[i], phases[i] = max(max(taps) - min(taps) + 1 for taps in ranges if taps), sum(map(bool, ranges))
    return (size[0], size[1]), (phases[0], phases[1])
