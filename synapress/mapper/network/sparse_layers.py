"""Irregular connections: branches of a `synapress.mapper.network.network.Network` that a sparse matrix lists."""

from typing import Any

import numpy as np

from golden.types import Shape
from synapress.mapper.network.layer import AUTO, Branch, integers, organised, refuse

_TYPES = (np.int8, np.int16, np.int32, np.int64)


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
        given = np.shape(matrix)  # before a large one of scipy.sparse is spread out
        if len(given) != 2 or given[0] != np.prod(shape) or not given[1]:
            refuse(source, "sparse matrix", f"({np.prod(shape)}, outputs)", given)
        array = integers(source, "weights", matrix.toarray() if hasattr(matrix, "toarray") else matrix)
        # A matrix of zeros mostly: it is kept in the narrowest integers.
        low, high = int(array.min()), int(array.max())
        kind = next(kind for kind in _TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
        return Branch(source=source, weights=array.T.astype(kind).reshape(-1, *shape), shift=product_shift,
                      organisation=organised(source, organisation))

    def shape(self, name: str) -> Shape:
        """Shape (D, W, H) of a layer."""
        raise NotImplementedError
