"""An edge whose products are no factor times the value: as edges of values 0 and 1, one for each value that comes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.program import Edge
from golden.types import Integers


def by_value(edge: Edge, source: Integers, config: CoreConfig) -> Iterator[tuple[Edge, Integers]]:
    """Edges, with products as their weights, and where their value is in the source, which together do the same.

    Where products are linear this is the edge itself. A maximum takes those of all values, too: each meets zeros
    elsewhere, as it does anyway.
    """
    kind = product(config)
    if kind.linear:
        yield edge, source
        return
    values = [value for value in np.unique(source).tolist() if value] or [1]
    for value in values:
        products = kind.of(edge.weights, value, edge.product_shift(config), config)
        yield replace(edge, weights=products, shift=0), (source == value).astype(source.dtype)
