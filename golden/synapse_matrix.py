"""The matrix of an edge whose synapses are stored one by one: source neurons by places of states.

Its columns are the states of the destination as they lie in memory, pads included (docs/architecture.md): so a synapse
names a state by its column alone.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from golden.program import LookUpEdge
from golden.types import IntArray, Pair


def synapse_matrix(edge: LookUpEdge, size: Pair, y_stride: int, lanes: int) -> IntArray:
    """The weights (source neurons, places of states), 0 where there is no synapse.

    Args:
        size: columns and rows of the destination.
        y_stride: words from one row of its states to the next.
        lanes: states of a word.
    """
    depth, (x_stride, row_stride) = edge.weights.shape[0], edge.strides
    matrix = np.zeros((edge.rows, (size[0] * size[1] - 1) * y_stride * lanes + depth), edge.weights.dtype)
    columns, rows = (list(meets(edge, axis, size[axis])) for axis in (0, 1))
    for (j, x, to_x), (k, y, to_y) in itertools.product(columns, rows):
        row, place = x * x_stride + y * row_stride, (to_x * size[1] + to_y) * y_stride * lanes
        matrix[row:row + edge.weights.shape[1], place:place + depth] = edge.weights[:, :, j, k].T
    return matrix


def meets(edge: LookUpEdge, axis: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Tap, source and destination coordinate of every meeting along an axis."""
    for to in range(size):
        for tap in range(edge.weights.shape[2 + axis]):
            at = to * edge.stride[axis] + tap * edge.dilation[axis] - edge.padding[axis]
            source = at >> edge.upsample
            if source << edge.upsample == at and 0 <= source < edge.extent[axis]:
                yield tap, source, to
