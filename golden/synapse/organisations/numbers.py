"""A number for each place of a weight in memory: where a sum that belongs to the weight can lie.

Gradients of weights that many synapses share are summed in a buffer of such numbers, and applied once. The number is
the word, from the layer's first one on, and the place in the word, whose bits are as many as a word's weights need: up
to twice as many numbers as there are places, but nothing is multiplied by weights per word.
"""

import numpy as np
import numpy.typing as npt

from golden.synapse.organisations.interface import Sizes
from golden.types import Fields, IntArray


def slot_bits(weight_bits: int, sizes: Sizes) -> int:
    """Bits that name one of a word's weights."""
    return (sizes.word_bits // weight_bits - 1).bit_length()


def weight_numbers(layer: Fields, sizes: Sizes, weight_addresses: npt.ArrayLike) -> IntArray:
    """The numbers of weights, of the shape of their bit addresses."""
    word, offset = np.divmod(np.asarray(weight_addresses, np.int64), sizes.word_bits)
    bits = layer["weight_bits"]
    numbers: IntArray = (word - layer["weight_base"] << slot_bits(bits, sizes)) | offset // bits
    return numbers
