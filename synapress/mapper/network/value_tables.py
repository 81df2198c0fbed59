"""Numbers for the evaluation of layers: value tables of any function, and multipliers that divide."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.types import Array, IntArray

MEAN_MULTIPLIER_BITS = 16
"""Width of the multipliers that average pools choose for themselves."""


def value_table(
    function: Callable[[Array], npt.ArrayLike], *, scale: float, result_scale: float,
    value_bits: int = 9, low: int | None = None, high: int | None = None,
) -> IntArray:
    """The `table` of a layer: result = function(value · scale) / result_scale, half to even, clipped to [low, high].

    Args:
        function: of an array of real numbers, e.g. `numpy.tanh`.
        scale: what one unit of the sum is worth after multiplier and shift.
        result_scale: what one unit of the result is to be worth.
        value_bits: of the configuration.
        low, high: of the results; default: all that an event can carry.

    Returns:
        2**value_bits entries, from that of the value -2**(value_bits - 1).

    Raises:
        NetworkError: the function has no finite value somewhere; give one that is defined for all values.
    """
    half = 1 << (value_bits - 1)
    values = np.arange(-half, half) * scale
    with np.errstate(all="ignore"):
        exact = np.asarray(function(values), np.float64) / result_scale
    if not np.isfinite(exact).all():
        wrong = values[~np.isfinite(exact)][0]
        raise NetworkError(f"value table: needs finite results; that of {wrong:.6g} is not finite: "
                           "give a function that is defined for all values, as with numpy.maximum or numpy.where")
    return np.clip(np.rint(exact), -half if low is None else low, half - 1 if high is None else high).astype(
        np.int64)


def mean_scale(count: int) -> tuple[int, int]:
    """Multiplier and shift that divide a sum of `count` values by `count`.

    Counts of 2**k divide exactly, halves to even. For others 1 / count has no finite binary fraction: the multiplier
    is rounded up, so that the result is the nearest integer up to counts of 64 of 9-bit values, and one of the two
    neighbors beyond. Odd counts have no halves; those of even ones come out a little beyond the half, and are rounded
    away from 0.
    """
    shift = (count - 1).bit_length()
    if count == 1 << shift:
        return 1, shift
    shift += MEAN_MULTIPLIER_BITS - 1
    return -(-(1 << shift) // count), shift
