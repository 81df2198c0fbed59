"""Numbers of weights in hardware: those of the golden model."""

import numpy as np
import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator, SimulatorContext

from golden.synapse.organisations.interface import Sizes, layer_layout
from golden.synapse.organisations.numbers import weight_numbers
from rtl.synapse.organisations.numbers import weight_number
from rtl.words import struct


@pytest.mark.parametrize("word_bits", [64, 128])
def test_all_places_of_a_word(word_bits: int) -> None:
    sizes = Sizes(address_bits=9, word_bits=word_bits, learning=1)
    m, layer = Module(), Signal(struct(layer_layout(sizes)))
    address = Signal(sizes.address_bits + sizes.offset_bits)
    number = Signal(24)
    m.d.comb += number.eq(weight_number(sizes, layer, address))

    async def bench(context: SimulatorContext) -> None:
        for width in range(1, 13):
            context.set(layer.weight_bits, width)
            for base, word in ((0, 0), (37, 37), (37, 300), (0, 511)):
                context.set(layer.weight_base, base)
                places = word * word_bits + np.arange(word_bits // width) * width
                found = []
                for place in places.tolist():
                    context.set(address, place)
                    found.append(context.get(number))
                assert found == weight_numbers({"weight_base": base, "weight_bits": width}, sizes, places).tolist()

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
