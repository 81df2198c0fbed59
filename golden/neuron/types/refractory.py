"""Integrate-and-fire neurons with an absolute refractory time."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel, Table
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import Reset

LEFT_BITS = 3
"""Low bits of a state that count the timesteps in which the neuron is still refractory; the potential lies above."""
_MASK = (1 << LEFT_BITS) - 1


class Refractory(NeuronModel):
    """After a spike the potential is 0, and stays so for `refractory` timesteps (0 to 7), whatever comes in.

    A state is potential · 2**3 + timesteps left, so that edges into such neurons shift their products by 3. In each
    timestep: with timesteps left, one fewer are; else u = potential + bias fires where u >= threshold (in the slope's
    place), or is kept, clipped to the potential's range. The population word's saturation does not matter.
    """

    codes: ClassVar = {8: "refractory"}
    keeps = True
    thresholds = True
    modes = (Reset.SUBTRACT, Reset.ZERO)
    second_parameter = True
    second_fields = ("refractory",)

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """A spike or none."""
        return 0, 1

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        left, potential = state & _MASK, state >> LEFT_BITS
        if left:
            return 0, left - 1
        potential += parameter["bias"]
        if potential >= wrap(parameter["slope"], config.state_bits + 1):
            return 1, parameter["refractory"] & _MASK
        half = 1 << (config.state_bits - LEFT_BITS - 1)
        return 0, min(max(potential, -half), half - 1) << LEFT_BITS

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        states = np.asarray(states, np.int64)
        bias, slope, time = (np.asarray(parameters[name], np.int64) for name in ("bias", "slope", "refractory"))
        left = states & _MASK
        potential = (states >> LEFT_BITS) + bias
        fires = (left == 0) & (potential >= wrap_array(slope, config.state_bits + 1))
        half = 1 << (config.state_bits - LEFT_BITS - 1)
        kept = np.where(fires, time & _MASK, np.clip(potential, -half, half - 1) << LEFT_BITS)
        return fires.astype(np.int64), np.where(left > 0, left - 1, kept)
