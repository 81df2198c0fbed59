"""Current-based leaky integrate-and-fire neurons (CUBA): input charges a leaky current, and that a leaky potential.

The neurons are Loihi's (Davies et al., IEEE Micro 38(1), 2018), in the order and with the rounding of Lava's; how both
numbers share a state is this project's.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron.decay import DECAY_BITS, decayed, decayed_array, truncated, truncated_array
from golden.neuron.interface import NeuronModel, Table
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import Reset

CURRENT_BITS = 16
"""Low bits of a state that hold the current; the potential has as many above."""
_HALF = 1 << CURRENT_BITS - 1


class Cuba(NeuronModel):
    """A state is potential · 2**16 + current, both signed: edges add to the current as to any other state.

    At the end of a timestep u = potential + current + bias. It fires where u >= threshold (`highest` of the second
    parameter word); u is then 0, or u - threshold (`golden.words.Reset`), and else at least `lowest`. What stays, both
    rounded toward zero: potential = u · multiplier / 2**shift, clipped to its bits, and current = current ·
    (1 - decay / 2**12). So a current meets the potential in the timestep in which its input comes, undecayed.

    The sum of a timestep wraps at 16 bits. `slope` and `leaky` do not matter.
    """

    codes: ClassVar = {9: "cuba"}
    keeps = True
    thresholds = True
    threshold_field = "highest"
    modes = (Reset.SUBTRACT, Reset.ZERO)
    second_parameter = True
    second_fields = ("decay", "lowest", "highest")

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """A spike or none."""
        return 0, 1

    @staticmethod
    def sum_bits(config: CoreConfig) -> int:
        """Bits of the current."""
        return CURRENT_BITS

    @classmethod
    def check(cls, config: CoreConfig) -> None:
        """See `golden.neuron.interface.NeuronModel`."""
        if config.state_bits < 2 * CURRENT_BITS:
            raise ConfigError(
                f"neuron type 'cuba' keeps a current and a potential in one state, and needs state_bits = "
                f"{2 * CURRENT_BITS}, not {config.state_bits}; set state_bits to {2 * CURRENT_BITS} (and lanes to 2 "
                f"for memory words of 64 bits)")
        if config.multiplier_bits < DECAY_BITS:
            raise ConfigError(
                f"neuron type 'cuba' has decays of {DECAY_BITS} bits, and needs multiplier_bits >= {DECAY_BITS}, not "
                f"{config.multiplier_bits}; set multiplier_bits to {DECAY_BITS}")

    @classmethod
    def sums(cls, states: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The currents of states."""
        return wrap_array(np.asarray(states, np.int64), CURRENT_BITS)

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        current = wrap(state, CURRENT_BITS)
        potential = wrap((state - current) >> CURRENT_BITS, CURRENT_BITS) + current + parameter["bias"]
        fires = potential >= parameter["highest"]
        if fires:
            potential = 0 if mode & 1 == Reset.ZERO else potential - parameter["highest"]
        else:
            potential = max(potential, parameter["lowest"])
        left = truncated(potential * parameter["multiplier"], parameter["shift"])
        kept = (min(max(left, -_HALF), _HALF - 1) << CURRENT_BITS) + decayed(current, parameter["decay"])
        return int(fires), wrap(kept, config.state_bits)

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        states = np.asarray(states, np.int64)
        bias, multiplier, shift, decay, lowest, threshold = (np.asarray(parameters[name], np.int64) for name in (
            "bias", "multiplier", "shift", "decay", "lowest", "highest"))
        current = wrap_array(states, CURRENT_BITS)
        potential = wrap_array((states - current) >> CURRENT_BITS, CURRENT_BITS) + current + bias
        fires = potential >= threshold
        potential = np.where(fires, 0 if mode & 1 == Reset.ZERO else potential - threshold,
                             np.maximum(potential, lowest))
        left = np.clip(truncated_array(potential * multiplier, shift), -_HALF, _HALF - 1)
        kept = (left << CURRENT_BITS) + decayed_array(current, decay)
        return fires.astype(np.int64), wrap_array(kept, config.state_bits)
