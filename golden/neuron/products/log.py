"""The product of a logarithmic weight and the value of a spike in time: an addition, a small table and a shift."""

from functools import cache

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import Product
from golden.types import IntArray

WEIGHT_BITS = 5
"""Bits of a stored byte that are the weight's code; the others do not matter."""
SIGN = 16
"""The bit of a code that makes its weight negative; the bits below are 15 - q, or 0 of a weight that is no power."""
LARGEST = 15
"""The code of weight 1."""
VALUE = SIGN
"""The code whose product is the value itself, in place of a negative 0: what a maximum of values is made of."""


class Log(Product):
    """±2**(fraction_bits - shift - q/p - t/τ), for a value v = T - t of a spike at time t; 0 for values beyond 1..T.

    The constants are T = `ttfs_times`, τ = `ttfs_tau`, p = `log_levels`, and A = `log_fraction_bits`. With
    D = max(τ, p), e = t · D/τ + q · D/p, and `powers` as table, a product is ±(powers[e mod D] >> (e div D + shift)),
    its magnitude shifted. So an edge's shift takes fraction bits away: its sums have A - shift. A weight is 2**(-q/p)
    for q = 0..14, negative with the bit SIGN; its code holds 15 - q, so that a code of 0 is the weight 0, as
    everywhere.

    The value code and the falling kernel 2**(-t/τ): Lew et al., arXiv 2208.04494, abstract (logarithmic weights of 5
    bits, "lightweight logarithmic computation by spike time"), and T2FSNN, which they build on; the arithmetic is this
    project's.
    """

    linear = False

    @staticmethod
    def one(weight: int, v: int, shift: int, config: CoreConfig) -> int:
        """See `golden.neuron.interface.Product`."""
        times, period = config.ttfs_times, config.log_period
        if not 1 <= v <= times:
            return 0
        code = weight & ((1 << WEIGHT_BITS) - 1)
        if code in (0, VALUE):
            return v if code == VALUE else 0
        q = LARGEST - (code & LARGEST)
        e = (times - v) * (period // config.ttfs_tau) + q * (period // config.log_levels)
        magnitude = powers(config)[e % period] >> (e // period + shift)
        return -magnitude if code & SIGN else magnitude

    @classmethod
    def of(cls, weights: npt.ArrayLike, v: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """See `golden.neuron.interface.Product`."""
        code, v, shift = (np.asarray(array, np.int64) for array in (weights, v, shift))
        q, negative = LARGEST - (code & LARGEST), (code & SIGN) != 0
        period, there = config.log_period, (v >= 1) & (v <= config.ttfs_times)
        time = np.where(there, config.ttfs_times - v, 0)
        e = time * (period // config.ttfs_tau) + q * (period // config.log_levels)
        magnitude = np.array(powers(config), np.int64)[e % period] >> np.minimum(e // period + shift, 63)
        product = np.where(q == LARGEST, np.where(negative, v, 0), np.where(negative, -magnitude, magnitude))
        return np.where(there, product, 0)


@cache
def powers(config: CoreConfig) -> tuple[int, ...]:
    """round(2**(A - f/D)) for f = 0..D - 1, exactly: the largest n with (2n - 1)**D <= 2**(D·(A + 1) - f)."""
    period, found = config.log_period, []
    for f in range(period):
        # No 2**(A - f/D) is halfway between integers: it is an integer or irrational.
        bound, low, high = 1 << period * (config.log_fraction_bits + 1) - f, 0, 1 << config.log_fraction_bits + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if (2 * middle - 1) ** period <= bound else (low, middle)
        found.append(low)
    return tuple(found)
