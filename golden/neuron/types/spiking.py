"""Integrate-and-fire neurons, with or without a leak: they integrate over timesteps, and fire at a threshold."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel, Silence, Table
from golden.neuron.requantize import shift_rounded, shift_rounded_array
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import NeuronType, Reset


class Spiking(NeuronModel):
    """IF and LIF neurons: see `spike`. The population word's saturation is a `golden.words.Reset`, perhaps HALVED."""

    codes: ClassVar = {NeuronType.SPIKING: "spiking"}
    keeps = True
    thresholds = True
    modes = (Reset.SUBTRACT, Reset.ZERO, Reset.HALVED, Reset.HALVED + Reset.ZERO)
    silence = Silence.THRESHOLD

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """A spike or none."""
        return 0, 1

    @classmethod
    def kept_range(cls, mode: int, config: CoreConfig) -> tuple[int, int]:
        """With HALVED half of the states' range: the rest is for what one timestep adds, in which sums wrap."""
        half = 1 << config.state_bits - (2 if mode & Reset.HALVED else 1)
        return -half, half - 1

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `spike_one`."""
        return spike_one(state, **parameter, reset=mode, config=config)

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `spike`."""
        return spike(states, **parameters, reset=mode, config=config)


def spike_one(
    state: int, bias: int, multiplier: int, shift: int, reset: int, config: CoreConfig, *, slope: int, leaky: int = 0
) -> tuple[int, int]:
    """Whether one SPIKING neuron fires at the end of a timestep, and the state it keeps: see `spike`."""
    potential = state + bias
    threshold = wrap(slope, config.state_bits + 1)
    fires = potential >= threshold
    if fires:
        potential = 0 if reset & 1 == Reset.ZERO else potential - threshold
    low, high = Spiking.kept_range(reset, config)
    return int(fires), min(max(shift_rounded(potential * multiplier, shift), low), high)


def spike(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, reset: int,
    config: CoreConfig, *, slope: npt.ArrayLike, leaky: npt.ArrayLike = 0,
) -> tuple[IntArray, IntArray]:
    """SPIKING neurons at the end of a timestep: 1 where they fire, and the states they keep; all arrays broadcast.

    In this order: integrate, u = state + bias; fire where u >= threshold, which is the slope field (signed, its low
    state_bits + 1 bits); reset, for those that fire, u - threshold or 0 (`Reset`); leak, for the next timestep,
    u · multiplier / 2**shift, rounded to nearest, half to even, clipped to `Spiking.kept_range`. Multiplier 1 and
    shift 0 do not leak: IF; others are LIF. `leaky` does not matter.
    """
    state, bias, multiplier, shift, slope = (
        np.asarray(array, np.int64) for array in (state, bias, multiplier, shift, slope))
    potential = state + bias
    threshold = wrap_array(slope, config.state_bits + 1)
    fires = potential >= threshold
    potential = np.where(fires, 0 if reset & 1 == Reset.ZERO else potential - threshold, potential)
    return fires.astype(np.int64), np.clip(shift_rounded_array(potential * multiplier, shift),
                                           *Spiking.kept_range(reset, config))
