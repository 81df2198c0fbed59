"""The linear and the logarithmic product in one core, of which each edge chooses one."""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import Product
from golden.neuron.products.linear import Linear
from golden.neuron.products.log import Log
from golden.types import IntArray


class Both(Product):
    """The highest bit of an edge's shift chooses: 0 the linear product, 1 the logarithmic one; the rest is the shift.

    So an edge word stays as it is, and the choice goes the way of the shift to where products are made.
    """

    linear = False

    @staticmethod
    def one(weight: int, v: int, shift: int, config: CoreConfig) -> int:
        """See `golden.neuron.interface.Product`."""
        choice = 1 << config.product_shift_bits - 1
        return (Log if shift & choice else Linear).one(weight, v, shift & choice - 1, config)

    @classmethod
    def of(cls, weights: npt.ArrayLike, v: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """See `golden.neuron.interface.Product`."""
        shift, choice = np.asarray(shift, np.int64), 1 << config.product_shift_bits - 1
        return np.where(shift & choice, Log.of(weights, v, shift & choice - 1, config),
                        Linear.of(weights, v, shift & choice - 1, config))
