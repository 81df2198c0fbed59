"""Numbers of networks whose neurons spike once: the thresholds that fall."""

from fractions import Fraction

import numpy as np

from golden.config import CoreConfig
from golden.types import IntArray


def falling_thresholds(
    config: CoreConfig, *, product_shift: int = 0, scale_log2: int = 0, highest: float | Fraction = 1
) -> IntArray:
    """The thresholds of the values 1 to T, as a `ttfs` layer takes them: those of the times T - 1 to 0.

    θ(t) = highest · 2**(-t/τ) in units of the sums, 2**-(A - product_shift - scale_log2), rounded up, exactly. A sum
    reaches the integer where its value reaches θ(t).

    Args:
        config: T is its `ttfs_times`, τ its `ttfs_tau`, A its `log_fraction_bits`.
        product_shift: of the branches.
        scale_log2: log2 of what the weight 1 of the codes stands for; it scales biases, too.
        highest: the threshold at time 0.
    """
    return np.array([_root(Fraction(highest) ** config.ttfs_tau * Fraction(2) ** (
        (config.log_fraction_bits - product_shift - scale_log2) * config.ttfs_tau - t), config.ttfs_tau)
        for t in reversed(range(config.ttfs_times))], np.int64)


def _root(power: Fraction, degree: int) -> int:
    """The smallest n with n**degree >= power, of a positive one."""
    low, high = 0, 1
    while high ** degree < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle ** degree >= power else (middle, high)
    return high
