"""Sigma-delta neurons, their readouts and their encoders."""

from amaranth import Cat, Module, Mux, Signal, signed

from golden.config import CoreConfig
from golden.neuron.types.sigma_delta import SigmaDelta
from rtl.neuron.interface import NeuronUnit


class SigmaDeltaUnit(NeuronUnit):
    """Takes sigma out of the state for the shared arithmetic, and compares its value with the last one.

    `golden.neuron.types.sigma_delta.SigmaDelta`. The state and the threshold go along with the multiplication: a
    flip-flop per bit and move. Above a negative sigma lies one less than `last` (`upper`).
    """

    model = SigmaDelta
    places = ("operand", "saturated", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config, carry_bits=config.state_bits + min(config.value_bits, config.slope_bits))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        bits, value_bits = SigmaDelta.sum_bits(config), config.value_bits
        above = Signal(value_bits, name="above", reset_less=True)
        with m.If(self.advance):
            m.d.sync += above.eq(self.state_given[bits:])
        m.d.comb += [
            self.low.eq(self.state_given[:bits].as_signed()), self.high.eq(0),
            self.carry.eq(Cat(self.low_given[:bits], above, self.parameter.slope[:value_bits])),
        ]
        sigma, negative = self.carried[:bits], self.carried[bits - 1]
        upper = self.carried[bits:config.state_bits]
        threshold = self.carried[config.state_bits:].as_signed()
        # The value comes late: beside it stands what is compared with it, and what is kept for each that can be sent.
        last, wide = Signal(signed(value_bits), name="last"), signed(value_bits + 2)
        least, most = Signal(wide, name="least"), Signal(wide, name="most")
        moved, over, under = (Signal(signed(value_bits + 2), name=name) for name in ("moved", "over", "under"))
        stays, farthest = Signal(value_bits, name="stays"), Signal(value_bits, name="farthest")
        readout, encoder, below = self.type[0], self.type[1], Signal(name="below")
        m.d.comb += [
            last.eq(upper + negative), least.eq(last + threshold), most.eq(last - threshold),
            moved.eq(self.saturated - last), over.eq(self.saturated - least), under.eq(most - self.saturated),
            below.eq(negative & ~encoder), stays.eq(Mux(encoder, last, upper)),
            farthest.eq(stays ^ (1 << value_bits - 1)),
        ]
        sends, sign = ~over[-1] | ~under[-1], moved[-1]
        clipped = moved[value_bits] != moved[value_bits - 1]
        end = Cat((~sign).replicate(value_bits - 1), sign)
        sent = Mux(sends, Mux(clipped, end, moved[:value_bits]), 0)
        moves = Mux(clipped, Mux(sign, farthest, farthest - 1)[:value_bits], (self.saturated - below)[:value_bits])
        m.d.comb += [
            self.value.eq(Mux(readout, self.saturated, sent)),
            self.kept.eq(Mux(readout, self.carried[:config.state_bits],
                             Cat(Mux(encoder, 0, sigma)[:bits], Mux(sends, moves, stays)))),
        ]
        return m
