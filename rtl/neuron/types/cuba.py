"""Neurons with a leaky current and a leaky potential."""

from amaranth import Cat, Module, Mux, Signal, signed

from golden.config import CoreConfig
from golden.neuron.decay import DECAY_BITS
from golden.neuron.types.cuba import CURRENT_BITS, Cuba
from golden.words import Reset
from rtl.neuron.decay import Decay
from rtl.neuron.interface import NeuronUnit


class CubaUnit(NeuronUnit):
    """Adds the current to the potential, fires and resets it, and lets both leak.

    `golden.neuron.types.cuba.Cuba`. The shared multiplication is the potential's leak; the current's has its own.
    """

    model = Cuba
    places = ("operand", "integrate", "truncate", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config, carry_bits=1, low_bits=CURRENT_BITS + 1)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, second = Module(), self.config, self.second_given
        m.submodules.decay = decay = Decay(config, CURRENT_BITS)
        # Bias minus threshold and minus the bound a move early, so that each comparison is one addition.
        wide = signed(config.state_bits + 2)
        short, above = (Signal(wide, name=name, reset_less=True) for name in ("short", "above"))
        lowest = Signal(signed(CURRENT_BITS), name="lowest", reset_less=True)
        given = Signal(signed(CURRENT_BITS), name="current", reset_less=True)
        lost = Signal(DECAY_BITS, name="lost", reset_less=True)
        bias = self.parameter_given.bias
        current, upper = (self.state_given[first:first + CURRENT_BITS].as_signed() for first in (0, CURRENT_BITS))
        with m.If(self.advance):
            m.d.sync += [short.eq(bias - second.highest), above.eq(bias - second.lowest), lowest.eq(second.lowest),
                         given.eq(current), lost.eq(second.decay)]
        rest, over = Signal(wide, name="rest"), Signal(wide, name="over")
        fires, potential = Signal(name="fires"), Signal(signed(CURRENT_BITS), name="potential")
        m.d.comb += [
            # Above a negative current lies one less than the potential; that of half the range wraps to it.
            potential.eq(upper + current[-1]),
            self.low.eq(potential + current), self.high.eq(0),
            rest.eq(self.low_given + short), over.eq(self.low_given + above), fires.eq(~rest[-1]),
            self.term.eq(Mux(fires, Mux(self.mode[0] == Reset.ZERO, 0, rest), Mux(over[-1], lowest, self.total))),
            self.factor.eq(self.parameter.multiplier), self.scale.eq(self.parameter.shift), self.truncates.eq(1),
            self.carry.eq(fires),
            decay.advance.eq(self.advance), decay.number.eq(given), decay.decay.eq(lost),
        ]
        sign, below = self.scaled[-1], decay.left[-1]
        beyond = self.scaled[CURRENT_BITS - 1:] != sign.replicate(config.state_bits - CURRENT_BITS + 1)
        most = (1 << CURRENT_BITS - 1) - 1
        left = Mux(beyond, Mux(sign, ~most, most), self.scaled[:CURRENT_BITS].as_signed())
        m.d.comb += [self.value.eq(self.carried), self.kept.eq(Cat(decay.left, (left - below)[:CURRENT_BITS]))]
        return m
