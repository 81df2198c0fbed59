"""Leaky integrators: readouts of spiking networks, which send their potential as a value in each timestep."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron import requantize
from golden.neuron.decay import DECAY_BITS, decayed, decayed_array
from golden.neuron.interface import NeuronModel, Table
from golden.types import IntArray


class LeakyIntegrator(NeuronModel):
    """The state is the potential. At the end of a timestep u = state + bias is sent as the value that a sum's would be.

    That is saturate(round(u · factor / 2**shift)), or what a table has for it. What stays is u · (1 - decay / 2**12),
    rounded toward zero and clipped to the state's range, with `decay` of the second parameter word: 0 keeps all of it.
    """

    codes: ClassVar = {10: "leaky integrator"}
    keeps = True
    second_parameter = True
    second_fields = ("decay",)

    @classmethod
    def check(cls, config: CoreConfig) -> None:
        """See `golden.neuron.interface.NeuronModel`."""
        if config.multiplier_bits < DECAY_BITS:
            raise ConfigError(
                f"neuron type 'li' has decays of {DECAY_BITS} bits, and needs multiplier_bits >= {DECAY_BITS}, not "
                f"{config.multiplier_bits}; set multiplier_bits to {DECAY_BITS}")

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        plain = {name: parameter[name] for name in ("bias", "multiplier", "shift", "leaky", "slope")}
        value = requantize.evaluate_one(state, **plain, saturation=mode, config=config, table=table)
        half = 1 << config.state_bits - 1
        return value, min(max(decayed(state + parameter["bias"], parameter["decay"]), -half), half - 1)

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        plain = {name: parameters[name] for name in ("bias", "multiplier", "shift", "leaky", "slope")}
        values = requantize.evaluate(states, **plain, saturation=mode, config=config, table=table)
        potential = np.asarray(states, np.int64) + np.asarray(parameters["bias"], np.int64)
        half, decay = 1 << config.state_bits - 1, np.asarray(parameters["decay"], np.int64)
        return values, np.broadcast_to(np.clip(decayed_array(potential, decay), -half, half - 1), values.shape).copy()
