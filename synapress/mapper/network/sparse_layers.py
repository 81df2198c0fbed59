"""Irregular connections: branches of a `synapress.mapper.network.network.Network` that a sparse matrix lists."""

from typing import Any

import numpy as np

from golden.types import IntArray, Shape
from synapress.mapper.network.layer import AUTO, Branch, integers, organised, refuse

MOST_PLACES = 1 << 30
"""Of a matrix: no more are spread out, in 1 GB if the weights have 8 bits."""
_TYPES = (np.int8, np.int16, np.int32, np.int64)


def _spread_out(source: str, matrix: Any, inputs: int) -> IntArray:
    """A matrix (inputs, outputs) as an array: mostly zeros, so in the narrowest integers that hold it.

    Raises:
        NetworkError: its shape does not fit, or it has no integers, or they do not fit 64 bits.
    """
    shape = f"({inputs}, outputs)"
    if hasattr(matrix, "tocoo"):  # of scipy.sparse: it may be too large to be spread out before it has been looked at
        given, elements = np.shape(matrix), matrix.tocoo()
        numbers = integers(source, "weights", elements.data)
    else:
        try:
            elements, numbers = None, np.asarray(matrix)
        except ValueError:
            refuse(source, "sparse matrix", shape, "rows of different lengths")
        given = numbers.shape
    if len(given) != 2 or given[0] != inputs or not given[1]:
        refuse(source, "sparse matrix", shape, given)
    if inputs * given[1] > MOST_PLACES:
        refuse(source, "sparse matrix", f"at most {MOST_PLACES} places", given)
    array = integers(source, "weights", numbers)
    if int(array.max(initial=0)) > np.iinfo(np.int64).max:
        refuse(source, "weights", "integers of 64 bits with a sign", int(array.max()))
    if elements is not None:
        # An element that is listed several times is their sum, which its own type may not hold.
        places, numbers = np.unique(np.asarray(elements.row, np.int64) * given[1] + elements.col, return_inverse=True)
        sums = np.zeros(len(places), np.int64)
        np.add.at(sums, numbers.reshape(-1), array.astype(np.int64))
        spread = np.zeros(given, narrowest(sums))
        spread.reshape(-1)[places] = sums
        return spread
    return array.astype(narrowest(array))


def narrowest(array: IntArray) -> type:
    """The narrowest type of integers with a sign that holds all of an array."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    return next(kind for kind in _TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


class SparseLayers:
    """The method that makes a branch of a matrix of which few elements are synapses."""

    def sparse_branch(
        self, source: str, matrix: Any, *, product_shift: int = 0, organisation: str = AUTO
    ) -> Branch:
        """A source of `add`, `lif`, `cuba` or `li`, whose layer is then (outputs, 1, 1).

        Args:
            matrix: integers (inputs, outputs), of scipy.sparse or an array; inputs in the order channel, column, row
                (the row fastest). What is 0 is no synapse.
            organisation: how the synapses are stored, of `synapress.mapper.network.layer.ORGANISATIONS`. "auto": the
                cheapest that the core has; "functional": as one kernel, zeros included, which every core has; the
                others take a core with them (`CoreConfig.organisations`).
        """
        shape = self.shape(source)
        array = _spread_out(source, matrix, int(np.prod(shape)))
        return Branch(source=source, weights=array.T.reshape(-1, *shape), shift=product_shift,
                      organisation=organised(source, organisation))

    def shape(self, name: str) -> Shape:
        """Shape (D, W, H) of a layer."""
        raise NotImplementedError
