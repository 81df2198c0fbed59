"""A convolution with a stride that the hardware lacks, on one core: lines of the result that read strips of the source.

Each line is one column of the result, along which any stride is an offset. Strips are copies of the source's rows, few
enough per strip for `synapress.mapper.network.strides` to give it a kernel of another stride. (Or rows and columns.)
"""

from dataclasses import dataclass

import numpy as np

from golden.types import Pair
from synapress.mapper.importers import graph as g
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.layer_builder import LayerBuilder, Region
from synapress.mapper.lowering.layers import Part, Value
from synapress.mapper.network.strides import needed_strides, step_taps

_WEIGHT_SHARE = 4
"""Of the memory, all kernels together may take one part in so many. Others are left to a mesh, which copies less."""
_BYTES = 8
"""Weights in a word of 64 bits."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """How a result is cut: in lines along one axis (0: columns), its source in strips along the other."""

    axis: int
    strip: int
    """Most columns or rows of a strip."""
    ids: int
    """Event IDs of all, those that bring the lines together among them."""


def lines_of(node: g.Conv, source: Pair, limits: Limits) -> Lines | None:
    """The lines and strips with the fewest event IDs, if a core has so many, and their kernels are small."""
    depth, size = node.shape[0], node.shape[1:]
    needed = needed_strides(node.stride, size)
    if len(needed) < 2 and needed <= set(limits.strides):
        return None
    best: Lines | None = None
    for axis in (0, 1):
        other = 1 - axis
        if size[axis] > limits.parts:
            continue
        for strip in limits.strides:
            spans = []
            for first in range(0, source[other], strip):
                taps = step_taps(node.weights.shape[2 + other], node.dilation[other], node.stride[other], strip,
                                 min(strip, source[other] - first), (first + node.padding[other]) % node.stride[other])
                spans.append(max(taps) - min(taps) + 1 if taps else 1)
            across = (node.weights.shape[2 + axis] - 1) * node.dilation[axis] + 1
            pieces = sum(-(-span // limits.taps) for span in spans) * -(-across // limits.taps)
            words = size[axis] * sum(spans) * across * depth * node.weights.shape[1] / _BYTES
            found = Lines(axis=axis, strip=strip, ids=len(spans) + size[axis] * (pieces + 1))
            if pieces <= limits.ids and found.ids <= limits.core_ids and words * _WEIGHT_SHARE <= limits.words and (
                    best is None or found.ids < best.ids):
                best = found
    return best


def in_lines(builder: LayerBuilder, node: g.Conv, value: Value, lines: Lines) -> Value:
    """The result of a convolution in lines, of strips of its source."""
    depth, other = value.shape[0], 1 - lines.axis
    parts = []
    for first in range(0, value.shape[1 + other], lines.strip):
        size = list(value.shape[1:])
        size[other] = min(lines.strip, size[other] - first)
        offset = (first, 0) if other == 0 else (0, first)
        branches = [builder.branch(value, part, np.ones((depth, 1, 1, 1)), groups=depth,
                                   padding=(-offset[0], -offset[1])) for part in value.parts]
        copy = builder.new(f"{node.name}/strip", "sum", (depth, size[0], size[1]), branches,
                           group=f"{node.name}/strip")
        parts.append(Part(layer=copy.name, first=0, count=depth, x=offset[0], y=offset[1]))
    strips = Value(shape=value.shape, parts=tuple(parts), exclusive=True)
    regions: list[Region] = []
    for line in range(node.shape[1 + lines.axis]):
        at, shape = [0, 0], list(node.shape)
        at[lines.axis], shape[1 + lines.axis] = line, 1
        padding = [node.padding[i] - at[i] * node.stride[i] for i in (0, 1)]
        regions.append(((at[0], at[1]), (shape[0], shape[1], shape[2]), node.weights, node.stride,
                        (padding[0], padding[1]), node.dilation, 1))
    return builder.regions(node, strips, regions, node.groups, node.bias, node.weight_scale)
