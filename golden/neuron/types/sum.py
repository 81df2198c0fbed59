"""Neurons whose value is their requantized state: the sum of all products, or their maximum."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.interface import Silence
from golden.neuron.requantize import RequantizedNeuron
from golden.types import IntArray
from golden.words import NeuronType


class Sum(RequantizedNeuron):
    """SUM and MAX; the two differ in the synaptic operations (`golden.neuron.update`), not in the evaluation."""

    codes: ClassVar = {NeuronType.SUM: "sum", NeuronType.MAX: "max"}
    silence = Silence.SUM

    @staticmethod
    def operand_one(state: int, type: int, config: CoreConfig) -> int:
        """The state itself."""
        return state

    @staticmethod
    def operand(states: npt.ArrayLike, type: int, config: CoreConfig) -> IntArray:
        """The states themselves."""
        return np.asarray(states, np.int64)
