"""A number for each place of a weight in memory, in hardware: see `golden.synapse.organisations.numbers`."""

from amaranth import Array, Const, Value
from amaranth.lib import data

from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.numbers import slot_bits


def weight_number(sizes: Sizes, layer: data.View, weight_address: Value) -> Value:
    """The number of a weight, combinationally; of a layer without a width of weights, or a wider one, any number."""
    widths = range(1, sizes.weight_bits + 1)
    # offset // b of all offsets, which have fewer bits than the constant: see `golden.synapse.organisations.place`.
    shift = sizes.offset_bits + 4
    factors = [-(-(1 << shift) // width) for width in widths]
    factor = Array(Const(one, shift + 1) for one in [0, *factors])[layer.weight_bits]
    up = Array(Const(slot_bits(width, sizes), 3) for width in [1, *widths])[layer.weight_bits]
    word, offset = weight_address[sizes.offset_bits:], weight_address[:sizes.offset_bits]
    first = (word - layer.weight_base)[:sizes.address_bits]
    return (first << up) | (offset * factor >> shift)[:sizes.offset_bits]
