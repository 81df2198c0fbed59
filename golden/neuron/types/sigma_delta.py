"""Sigma-delta neurons: they send how far their value has moved since they last sent, so that what stays costs nothing.

The neurons are those of Bamberg et al., arXiv 2112.07019, section 2; how both numbers share a state is this project's.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron import requantize
from golden.neuron.interface import NeuronModel, Table
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import Saturation

CODE = 12
READOUT = CODE | 1
"""Sends its value itself, in each timestep, and no difference: for outputs, and for what is not linear."""
ENCODER = CODE | 2
"""Adds up one timestep only, as SUM does, and sends differences: behind what sends values."""


class SigmaDelta(NeuronModel):
    """The sum of all that ever came in, `sigma`, and the value that the receivers know, `last`; both lie in one state.

    A state is last · 2**sigma_bits + sigma, with sigma signed and `sigma_bits` = state_bits - value_bits: edges add to
    sigma as to any other state. At the end of a timestep a = saturate(round((sigma + bias) · factor / 2**shift)), as of
    SUM, and delta = a - last. Where |delta| >= threshold (the slope's place, its low `value_bits`, signed), delta is
    sent, clipped to what an event holds, and `last` moves by what was sent: nothing is lost. Sigma stays.

    With saturation RELU or SIGNED no delta is clipped; with FULL (as which TABLE counts) the rest of one that is comes
    in the timesteps after. All is exact while sigma keeps within its bits; beyond them it changes `last`.

    A READOUT sends a, and its `last` does not change. An ENCODER's sigma is cleared.
    """

    codes: ClassVar = {CODE: "sigma-delta", READOUT: "sigma-delta readout", ENCODER: "sigma-delta encoder"}
    keeps = True
    thresholds = True
    modes = (Saturation.RELU, Saturation.SIGNED, Saturation.FULL)

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        low, high = Saturation.bounds(mode, value_bits)
        if type & 1:
            return low, high
        least, most = Saturation.bounds(Saturation.FULL, value_bits)
        return max(low - high, least), min(high - low, most)

    @staticmethod
    def sum_bits(config: CoreConfig) -> int:
        """Bits of sigma."""
        return config.state_bits - config.value_bits

    @classmethod
    def check(cls, config: CoreConfig) -> None:
        """See `golden.neuron.interface.NeuronModel`."""
        if config.state_bits < 32:
            raise ConfigError(
                f"neuron type 'sigma_delta' keeps a sum and a value in one state, and needs state_bits = 32, not "
                f"{config.state_bits}; set state_bits to 32 (and lanes to 2 for memory words of 64 bits)")

    @classmethod
    def sums(cls, states: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The sigmas of states."""
        return wrap_array(np.asarray(states, np.int64), cls.sum_bits(config))

    @classmethod
    def evaluate_one(
        cls, state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        bits = cls.sum_bits(config)
        sigma = wrap(state, bits)
        last = wrap((state - sigma) >> bits, config.value_bits)
        value = requantize.evaluate_one(
            sigma, **parameter, saturation=min(mode, Saturation.FULL), config=config, table=None)
        low, high = Saturation.bounds(Saturation.FULL, config.value_bits)
        sent = 0
        if abs(value - last) >= wrap(parameter["slope"], config.value_bits):
            sent = min(max(value - last, low), high)
        if type & 1:
            return value, state
        kept = 0 if type & 2 else sigma
        return sent, wrap(((last + sent) << bits) + kept, config.state_bits)

    @classmethod
    def evaluate(
        cls, states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *,
        type: int, table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        bits, states = cls.sum_bits(config), np.asarray(states, np.int64)
        sigma = wrap_array(states, bits)
        last = wrap_array((states - sigma) >> bits, config.value_bits)
        values = requantize.evaluate(sigma, **parameters, saturation=min(mode, Saturation.FULL), config=config)
        if type & 1:
            return values, np.broadcast_to(states, values.shape).copy()
        threshold = wrap_array(np.asarray(parameters["slope"], np.int64), config.value_bits)
        low, high = Saturation.bounds(Saturation.FULL, config.value_bits)
        sent = np.where(np.abs(values - last) >= threshold, np.clip(values - last, low, high), 0)
        kept = 0 if type & 2 else sigma
        return sent, wrap_array(((last + sent) << bits) + kept, config.state_bits)
