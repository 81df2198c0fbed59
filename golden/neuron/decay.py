"""What is left of a number after a timestep, rounded toward zero."""

import numpy as np

from golden.types import IntArray

LEFT_LOG2 = 12
"""A decay counts in 1/2**this of the number, as Loihi's do: 0 keeps all of it, 2**this nothing."""
DECAY_BITS = LEFT_LOG2 + 1
"""Low bits of a decay field that count; with more than 2**LEFT_LOG2 the number also changes its sign."""
_MASK = (1 << DECAY_BITS) - 1


def truncated(value: int, shift: int) -> int:
    """value / 2**shift, rounded toward zero."""
    return -(-value >> shift) if value < 0 else value >> shift


def truncated_array(values: IntArray, shift: IntArray) -> IntArray:
    """`truncated` for int64 arrays."""
    return np.where(values < 0, -(-values >> shift), values >> shift)


def decayed(number: int, decay: int) -> int:
    """number · (1 - decay / 2**LEFT_LOG2), rounded toward zero."""
    return truncated(number * ((1 << LEFT_LOG2) - (decay & _MASK)), LEFT_LOG2)


def decayed_array(numbers: IntArray, decay: IntArray) -> IntArray:
    """`decayed` for int64 arrays of numbers in [-2**48, 2**48)."""
    return truncated_array(numbers * ((1 << LEFT_LOG2) - (decay & _MASK)), np.asarray(LEFT_LOG2))
