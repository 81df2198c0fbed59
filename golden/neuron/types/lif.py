"""Integrate-and-fire neurons with a bounded potential: as spiking ones, with more to choose from."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.decay import truncated, truncated_array
from golden.neuron.interface import NeuronModel, Table
from golden.neuron.requantize import shift_rounded, shift_rounded_array
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import Reset, Saturation

CODE = 11
SEVERAL = CODE | 4
"""Several spikes per timestep, as the value of one event; the threshold is a power of two."""
UNBOUNDED = -(1 << 15)
"""The lowest number that `lowest` holds: no bound, where a state may be below it."""
TOWARD_ZERO = 2
"""Added to a `golden.words.Reset` in the place of the saturation: the leak rounds toward zero, not half to even."""


class Lif(NeuronModel):
    """u = state + bias fires where u >= threshold (the slope's place, signed, its low state_bits + 1 bits).

    One that fires becomes u - threshold, or the reset value (`highest` of the second parameter word); one that does not
    is at least `lowest`, unless that is UNBOUNDED and states have more than 16 bits. Then it leaks: u · multiplier /
    2**shift, rounded half to even or toward zero (TOWARD_ZERO), clipped to the state's range.

    With SEVERAL the value is u // threshold, at most the largest of an event that is not negative, 255 of 9 bits, and
    u mod threshold is left, also beyond that; of the threshold only the highest bit that is set counts there.
    """

    codes: ClassVar = {CODE: "bounded spiking", SEVERAL: "bounded spiking, several spikes"}
    keeps = True
    thresholds = True
    modes = (0, 1, 2, 3)
    second_parameter = True
    second_fields = ("lowest", "highest")

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """A spike or none, or as many as an event holds."""
        return 0, Saturation.bounds(Saturation.RELU, value_bits)[1] if type & 4 else 1

    @classmethod
    def evaluate_one(
        cls, state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        potential, threshold = state + parameter["bias"], wrap(parameter["slope"], config.state_bits + 1)
        value, subtracts = 0, mode & 1 == Reset.SUBTRACT
        if potential < threshold:
            bounded = parameter["lowest"] > UNBOUNDED or -(1 << config.state_bits - 1) == UNBOUNDED
            potential = max(potential, parameter["lowest"]) if bounded else potential
        elif type & 4:
            power = max(0, (threshold & ((1 << config.state_bits) - 1)).bit_length() - 1)
            value = min(max(potential >> power, 0), cls.bounds(mode, type, config.value_bits)[1])
            potential = potential & ((1 << power) - 1) if subtracts else parameter["highest"]
        else:
            value, potential = 1, potential - threshold if subtracts else parameter["highest"]
        rounded = truncated if mode & TOWARD_ZERO else shift_rounded
        half = 1 << config.state_bits - 1
        return value, min(max(rounded(potential * parameter["multiplier"], parameter["shift"]), -half), half - 1)

    @classmethod
    def evaluate(
        cls, states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *,
        type: int, table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        states = np.asarray(states, np.int64)
        bias, multiplier, shift, slope, lowest, highest = (np.asarray(parameters[name], np.int64) for name in (
            "bias", "multiplier", "shift", "slope", "lowest", "highest"))
        if -(1 << config.state_bits - 1) < UNBOUNDED:  # below what state and bias add up to
            lowest = np.where(lowest > UNBOUNDED, lowest, -(1 << config.state_bits))
        potential, threshold = states + bias, wrap_array(slope, config.state_bits + 1)
        fires = potential >= threshold
        values, rest = fires.astype(np.int64), potential - threshold
        if type & 4:
            magnitude = np.asarray(threshold & ((1 << config.state_bits) - 1))
            power = sum((magnitude >> bit > 0).astype(np.int64) for bit in range(1, config.state_bits))
            most = cls.bounds(mode, type, config.value_bits)[1]
            values = np.where(fires, np.clip(potential >> power, 0, most), 0)
            rest = potential & (np.left_shift(1, power) - 1)
        potential = np.where(fires, rest if mode & 1 == Reset.SUBTRACT else highest, np.maximum(potential, lowest))
        half, rounded = 1 << config.state_bits - 1, truncated_array if mode & TOWARD_ZERO else shift_rounded_array
        return values, np.clip(rounded(potential * multiplier, shift), -half, half - 1)
