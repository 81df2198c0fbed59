"""Requantization: a sum at the end of a timestep becomes a value, by bias, multiplier, shift, saturation and table.

The fire phase of Bamberg et al., arXiv 2112.07019, section 4.2; the arithmetic is this project's. Functions named
`*_one` are literal, on Python integers; the others do the same on numpy arrays, exactly, for every configuration.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel, Table
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import Saturation


def shift_rounded(value: int, shift: int) -> int:
    """value / 2**shift, rounded to the nearest integer, half to even as in IEEE 754 and ONNX."""
    half = 1 << shift >> 1
    rounded = (value + half) >> shift
    tie = shift > 0 and value & ((1 << shift) - 1) == half
    return rounded - (rounded & 1) if tie else rounded


def shift_rounded_array(values: IntArray, shift: IntArray) -> IntArray:
    """`shift_rounded` for int64 arrays of values in [-2**62, 2**62) and shifts up to 63."""
    half = np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)
    rounded = (values + half) >> shift
    tie = (half > 0) & (values & (half | (half - 1)) == half)
    return np.asarray(rounded - (tie & (rounded & 1)))


def evaluate_one(
    state: int, bias: int, multiplier: int, shift: int, saturation: int, config: CoreConfig, *, leaky: int = 0,
    slope: int = 0, table: Table | None = None,
) -> int:
    """The value of one neuron at the end of a timestep: see `evaluate`; `table` gives the entry of an index."""
    low, high = Saturation.bounds(saturation, config.value_bits)
    biased = state + bias
    factor = wrap(slope, config.multiplier_bits + 1) if leaky and biased < 0 else multiplier
    value = min(max(shift_rounded(biased * factor, shift), low), high)
    if saturation == Saturation.TABLE:
        assert table is not None
        return table(value - low)
    return value


def evaluate(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, saturation: int,
    config: CoreConfig, *, leaky: npt.ArrayLike = 0, slope: npt.ArrayLike = 0, table: npt.ArrayLike | None = None,
) -> IntArray:
    """Values of neurons at the end of a timestep; all arrays broadcast, e.g. parameters of shape (D, 1, 1).

    t = state + bias, y = saturate(round(t · factor / 2**shift)) with factor = slope where `leaky` is set and t < 0,
    else the multiplier; to the nearest integer, half to even. Only the low multiplier_bits + 1 bits of `slope` are
    used. With saturation TABLE, y is the table's entry y + 2**(value_bits - 1).

    No step wraps: the widest product has 34 + 25 bits plus a rounding bit below 2**62, so int64 is exact. A neuron
    fires where y is not zero; its state is then cleared either way.
    """
    low, high = Saturation.bounds(saturation, config.value_bits)
    values = np.clip(requantized(state, bias, multiplier, shift, config, leaky=leaky, slope=slope), low, high)
    if saturation == Saturation.TABLE:
        if table is None:
            raise ValueError("saturation TABLE needs a table")
        return np.asarray(table, np.int64)[values - low]
    return values


def requantized(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig, *,
    leaky: npt.ArrayLike = 0, slope: npt.ArrayLike = 0,
) -> IntArray:
    """The values of `evaluate` before they are saturated or looked up: round(t · factor / 2**shift)."""
    state, bias, multiplier, shift, leaky, slope = (
        np.asarray(array, np.int64) for array in (state, bias, multiplier, shift, leaky, slope))
    biased = state + bias
    factor = multiplier
    if leaky.any():
        factor = np.where((leaky != 0) & (biased < 0), wrap_array(slope, config.multiplier_bits + 1), multiplier)
    return shift_rounded_array(biased * factor, shift)


class RequantizedNeuron(NeuronModel):
    """A type whose values are requantized and whose states are cleared; it says what the bias is added to."""

    @staticmethod
    def operand_one(state: int, type: int, config: CoreConfig) -> int:
        """What the bias is added to."""
        raise NotImplementedError

    @staticmethod
    def operand(states: npt.ArrayLike, type: int, config: CoreConfig) -> IntArray:
        """`operand_one` on arrays."""
        raise NotImplementedError

    @classmethod
    def evaluate_one(
        cls, state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`, and `evaluate`."""
        return evaluate_one(cls.operand_one(state, type, config), **parameter, saturation=mode, config=config,
                            table=table), 0

    @classmethod
    def evaluate(
        cls, states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *,
        type: int, table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`, and `evaluate`."""
        values = evaluate(cls.operand(states, type, config), **parameters, saturation=mode, config=config, table=table)
        return values, np.zeros(values.shape, np.int64)

    @classmethod
    def unsaturated(
        cls, states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], config: CoreConfig, *, type: int
    ) -> IntArray:
        """The values before they are saturated or looked up."""
        return requantized(cls.operand(states, type, config), **parameters, config=config)
