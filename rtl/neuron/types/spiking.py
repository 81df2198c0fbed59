"""SPIKING: integrate and fire, with or without a leak."""

from amaranth import Cat, Module, Mux, Signal, signed

from golden.config import CoreConfig
from golden.neuron.types.spiking import Spiking
from golden.words import Reset
from rtl.neuron.interface import NeuronUnit


class SpikingUnit(NeuronUnit):
    """Compares the potential with the threshold, which has the slope's place, and resets it; the multiplication leaks.
    What is beyond half of the range is saturated behind the whole range, where the two highest bits tell it.

    `golden.neuron.types.spiking.spike`.
    """

    model = Spiking
    places = ("integrate", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config, carry_bits=1)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        parameter = self.parameter_given
        # Bias minus threshold a move early, so that the comparison is one addition.
        short = Signal(signed(config.state_bits + 2), name="short", reset_less=True)
        with m.If(self.advance):
            m.d.sync += short.eq(parameter.bias - parameter.slope[:config.state_bits + 1].as_signed())
        rest, fires = Signal(signed(config.state_bits + 2), name="rest"), Signal(name="fires")
        m.d.comb += [
            rest.eq(self.low_given + short), fires.eq(~rest[-1]), self.carry.eq(fires),
            self.term.eq(Mux(fires, Mux(self.mode[0] == Reset.ZERO, 0, rest), self.total)),
            self.factor.eq(self.parameter.multiplier), self.scale.eq(self.parameter.shift),
            self.value.eq(self.carried),
        ]
        sign, next_to_it = self.scaled[-1], self.scaled[-2]
        end = Cat((~sign).replicate(config.state_bits - 2), sign, sign)
        m.d.comb += self.kept.eq(Mux(self.mode[1] & (sign != next_to_it), end, self.scaled))
        return m
