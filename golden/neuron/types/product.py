"""Neurons whose value is the product of two operands, which lie in one state."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.requantize import RequantizedNeuron
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray
from golden.words import NeuronType


class Product(RequantizedNeuron):
    """Operand A lies in the state's low `operand_bits` bits and B in as many above.

    A signed A takes one from B's bits where it is negative, as both were added up in one state.
    """

    codes: ClassVar = {NeuronType.PRODUCT: "product", NeuronType.PRODUCT_MIXED: "product mixed",
                       NeuronType.PRODUCT_UNSIGNED: "product unsigned"}

    @staticmethod
    def operand_one(state: int, type: int, config: CoreConfig) -> int:
        """A · B."""
        bits = config.operand_bits
        a = state & ((1 << bits) - 1) if type != NeuronType.PRODUCT else wrap(state, bits)
        b = (state - a) >> bits
        return a * (b & ((1 << bits) - 1) if type == NeuronType.PRODUCT_UNSIGNED else wrap(b, bits))

    @staticmethod
    def operand(states: npt.ArrayLike, type: int, config: CoreConfig) -> IntArray:
        """A · B."""
        a, b = operands(np.asarray(states, np.int64), type, config)
        return a * b


def operands(state: IntArray, type: int, config: CoreConfig) -> tuple[IntArray, IntArray]:
    """The operands A and B of the states of a population of a product type."""
    bits = config.operand_bits
    mask = (1 << bits) - 1
    a = wrap_array(state, bits) if type == NeuronType.PRODUCT else state & mask
    b = (state - a) >> bits
    return a, b & mask if type == NeuronType.PRODUCT_UNSIGNED else wrap_array(b, bits)
