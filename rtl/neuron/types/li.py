"""Leaky integrators."""

from amaranth import Cat, Module, Mux, Signal

from golden.config import CoreConfig
from golden.neuron.decay import DECAY_BITS
from golden.neuron.types.li import LeakyIntegrator
from rtl.neuron.decay import Decay
from rtl.neuron.interface import NeuronUnit


class LeakyIntegratorUnit(NeuronUnit):
    """Lets the potential leak, in a multiplication of its own; the value is the shared arithmetic's.

    `golden.neuron.types.li.LeakyIntegrator`.
    """

    model = LeakyIntegrator
    places = ("saturated", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, bits = Module(), self.config.state_bits
        m.submodules.decay = decay = Decay(self.config, len(self.total))
        lost = Signal(DECAY_BITS, name="lost", reset_less=True)
        with m.If(self.advance):
            m.d.sync += lost.eq(self.second_given.decay)
        sign, above = decay.left[-1], decay.left[bits - 1:]
        fits = above == sign.replicate(len(above))
        end = Cat((~sign).replicate(bits - 1), sign)
        m.d.comb += [
            decay.advance.eq(self.advance), decay.number.eq(self.total), decay.decay.eq(lost),
            self.value.eq(self.saturated), self.kept.eq(Mux(fits, decay.left[:bits], end)),
        ]
        return m
