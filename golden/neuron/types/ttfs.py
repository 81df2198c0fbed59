"""Neurons that spike once, at a time that is their value: the earlier, the larger the sum."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel, Table, cleared
from golden.types import IntArray
from golden.words import Saturation

CODE = 5


class Ttfs(NeuronModel):
    """The potential, sum and bias, meets a threshold that falls with time, and the neuron spikes when it reaches it.

    With T = `ttfs_times`, a spike at time t is the value v = T - t, so 1..T; 0 is no spike. The population's table
    holds the T thresholds of the values 1..T, which do not fall. The value is found by a binary search, from the
    highest bit down: a bit is set if there is such a value and the potential reaches its threshold. So it is the
    highest value whose threshold is reached. The state is cleared.

    A core with the `encoder` "sweep" compares all neurons with one threshold after the other, from that of the value T
    on: a neuron spikes where its potential reaches a threshold and not the one before. Where thresholds do not fall
    with the value, that is the same; but spikes leave in the order of their times (`golden.neuron.evaluation`).

    The falling threshold is that of T2FSNN, on which Lew et al., arXiv 2208.04494, build (of which the abstract alone
    is public); both ways to find the time are this project's.
    """

    codes: ClassVar = {CODE: "time to first spike"}
    modes = (Saturation.RELU,)
    falling_threshold = True

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """See `golden.neuron.interface.NeuronModel`."""
        assert table is not None
        potential, value = state + parameter["bias"], 0
        for bit in reversed(range(config.ttfs_times.bit_length())):
            more = value + (1 << bit)
            if more <= config.ttfs_times and potential >= table(more - 1):
                value = more
        return value, 0

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """See `golden.neuron.interface.NeuronModel`."""
        potential = np.asarray(states, np.int64) + np.asarray(parameters["bias"], np.int64)
        thresholds, values = np.asarray(table, np.int64), np.zeros(potential.shape, np.int64)
        for bit in reversed(range(config.ttfs_times.bit_length())):
            more = values + (1 << bit)
            there = more <= config.ttfs_times
            values = np.where(there & (potential >= thresholds[np.where(there, more, 1) - 1]), more, values)
        return cleared(values, states)
