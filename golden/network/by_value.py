"""An edge whose products are no factor times the value: as edges of values 0 and 1, one for each value that comes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.program import Edge
from golden.types import IntArray, Integers

_BYTES = np.arange(1 << 8).astype(np.int8)
"""All stored bytes, each where its bits as an unsigned number say."""


def by_value(edge: Edge, source: Integers, config: CoreConfig) -> Iterator[tuple[Edge, Integers]]:
    """Edges, with products as their weights, and where their value is in the source, which together do the same.

    Where products are linear this is the edge itself. A maximum takes those of all values, too: each meets zeros
    elsewhere, as it does anyway.
    """
    kind = product(config)
    if kind.linear or (config.product == "both" and not edge.logarithmic):
        yield edge, source
        return
    values = [value for value in np.unique(source).tolist() if value] or [1]
    for value in values:
        yield replace(edge, weights=_products(edge, value, config), shift=0), (source == value).astype(source.dtype)


def _products(edge: Edge, value: int, config: CoreConfig) -> IntArray:
    """What each weight of an edge adds for a value.

    The products of all bytes are made first, and each weight takes its own: a layer of VGG-16 has 2.4 million.
    """
    kind, shift = product(config), edge.product_shift(config)
    if edge.weights.dtype.itemsize > 1 and ((edge.weights < -128) | (edge.weights > 127)).any():
        return kind.of(edge.weights, value, shift, config)
    table = kind.of(_BYTES, value, shift, config).astype(np.int32)
    return np.take(table, edge.weights, mode="wrap")
