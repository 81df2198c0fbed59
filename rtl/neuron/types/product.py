"""PRODUCT and its unsigned variants: two operands in one state, multiplied."""

from amaranth import Cat, Module, Signal

from golden.config import CoreConfig
from golden.neuron.types.product import Product
from golden.words import NeuronType
from rtl.neuron import booth
from rtl.neuron.interface import NeuronUnit, low_rows


class OperandProduct(NeuronUnit):
    """Multiplies operand A, in the low bits of a state, by operand B above it, in two halves.

    `golden.neuron.types.product`; a negative A has taken one from B's bits, which is given back first.
    """

    model = Product
    places = ("unpack", "operand")

    def __init__(self, config: CoreConfig):
        operand = Signal(config.operand_bits + 1)
        low, high = booth.products(operand, operand, low_rows(config))
        super().__init__(config, low_bits=len(low.total), high_bits=len(high.total))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, bits = Module(), self.config.operand_bits
        signed_a, signed_b = Signal(name="signed_a"), Signal(name="signed_b")
        m.d.sync += [
            signed_a.eq(self.type == NeuronType.PRODUCT), signed_b.eq(self.type != NeuronType.PRODUCT_UNSIGNED),
        ]
        state = self.state
        high = (state[bits:2 * bits] + (state[bits - 1] & signed_a))[:bits]
        m.d.comb += self.given.eq(Cat(state[:bits], high, state[2 * bits:]))  # of other types the state as it is
        given = self.state_given
        a = Cat(given[:bits], given[bits - 1] & signed_a).as_signed()
        b = Cat(given[bits:2 * bits], given[2 * bits - 1] & signed_b)
        low, high = booth.products(a, b, low_rows(self.config))
        m.d.comb += [self.low.eq(low.total), self.high.eq(high.total), self.high_carry.eq(high.carry)]
        return m
