"""The product of a weight and a value as they are."""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import Product
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray


class Linear(Product):
    """(weight · v) << shift, wrapped to `state_bits`: Bamberg et al., arXiv 2112.07019, algorithm 4."""

    @staticmethod
    def factors(weights: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The weights themselves."""
        return np.asarray(weights)

    @staticmethod
    def one(weight: int, v: int, shift: int, config: CoreConfig) -> int:
        """See `golden.neuron.interface.Product`."""
        return wrap((weight * v) << shift, config.state_bits)

    @classmethod
    def of(cls, weights: npt.ArrayLike, v: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """See `golden.neuron.interface.Product`."""
        exact = (np.asarray(weights, np.int64) * np.asarray(v, np.int64)) << np.asarray(shift, np.int64)
        return wrap_array(exact, config.state_bits)
