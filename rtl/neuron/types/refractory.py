"""Integrate and fire, with an absolute refractory time."""

from amaranth import Cat, Module, Mux, Signal, signed

from golden.config import CoreConfig
from golden.neuron.types.refractory import LEFT_BITS, Refractory
from rtl.neuron.interface import NeuronUnit


class RefractoryUnit(NeuronUnit):
    """Takes the potential out of the state, compares it with the threshold, and counts the timesteps after a spike.

    `golden.neuron.types.refractory.Refractory`; the shared multiplication does nothing here.
    """

    model = Refractory
    places = ("operand", "integrate", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config, carry_bits=1 + LEFT_BITS)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        parameter, wide = self.parameter_given, signed(config.state_bits + 2)
        short = Signal(wide, name="short", reset_less=True)
        left = Signal(LEFT_BITS, name="left", reset_less=True)
        time = Signal(LEFT_BITS, name="time", reset_less=True)
        with m.If(self.advance):
            m.d.sync += [
                short.eq(parameter.bias - parameter.slope[:config.state_bits + 1].as_signed()),
                left.eq(self.state_given[:LEFT_BITS]), time.eq(self.second_given.refractory),
            ]
        rest, waits, fires = Signal(wide, name="rest"), left.any(), Signal(name="fires")
        m.d.comb += [
            self.low.eq(self.state_given[LEFT_BITS:].as_signed()), self.high.eq(0),
            rest.eq(self.low_given + short), fires.eq(~waits & ~rest[-1]),
            self.term.eq(Mux(waits | fires, 0, self.total)), self.factor.eq(1), self.scale.eq(0),
            self.carry.eq(Cat(fires, Mux(waits, left - 1, Mux(fires, time, 0))[:LEFT_BITS])),
        ]
        bits = config.state_bits - LEFT_BITS
        sign, beyond = self.scaled[-1], self.scaled[bits - 1:] != self.scaled[-1].replicate(LEFT_BITS + 1)
        potential = Mux(beyond, Cat((~sign).replicate(bits - 1), sign), self.scaled[:bits])
        m.d.comb += [self.value.eq(self.carried[0]), self.kept.eq(Cat(self.carried[1:], potential))]
        return m
