"""Weights for topologies: the accounting needs only their shapes, a run needs numbers."""

import math

import numpy as np
import numpy.typing as npt

AMPLITUDE = 7
"""Random weights are uniform in [-AMPLITUDE, AMPLITUDE]."""


class Weights:
    """Makes the weights of one topology: ones that take no memory, or random ones from a seed.

    Random networks have no meaning, but they keep their activations alive: see `shift`.
    """

    def __init__(self, seed: int | None):
        self.random = None if seed is None else np.random.default_rng(seed)

    def __call__(self, *shape: int) -> npt.NDArray[np.int8]:
        if self.random is None:
            return np.broadcast_to(np.int8(1), shape)
        return self.random.integers(-AMPLITUDE, AMPLITUDE + 1, shape, np.int8)

    @staticmethod
    def shift(fan_in: int) -> int:
        """Requantization shift that keeps the spread of values about the same from layer to layer."""
        deviation = math.sqrt(AMPLITUDE * (AMPLITUDE + 1) / 3 * fan_in)
        return max(0, round(math.log2(deviation)))
