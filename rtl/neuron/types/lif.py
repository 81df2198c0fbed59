"""Integrate and fire with a bounded potential, once or several times per timestep."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, signed

from golden.config import CoreConfig
from golden.neuron.types.lif import UNBOUNDED, Lif
from golden.timing.microarchitecture import EVALUATION_STAGES
from golden.words import Reset
from rtl.neuron.interface import NeuronUnit


class LifUnit(NeuronUnit):
    """Compares the potential with the threshold and the bound, resets it, and counts spikes by a shift.

    `golden.neuron.types.lif.Lif`. What a threshold that is a power of two leaves are the bits below it. The shift for
    the number of spikes takes moves beside the multiplication, two of its digits each.
    """

    model = Lif
    places = ("integrate", "truncate", "fire")

    def __init__(self, config: CoreConfig):
        super().__init__(config, carry_bits=1)
        self.moves = EVALUATION_STAGES - (config.shift_bits <= 4) - 3
        """From "integrate" to "fire"."""

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, second = Module(), self.config, self.second_given
        wide, bounds = signed(config.state_bits + 2), second.lowest.shape()
        short, above = (Signal(wide, name=name, reset_less=True) for name in ("short", "above"))
        lowest, reset = (Signal(bounds, name=name, reset_less=True) for name in ("lowest", "reset"))
        below = Signal(name="below")
        bounded = Signal(name="bounded", reset_less=True)
        reaches = config.state_bits > len(lowest)  # a state may be below what the bound holds
        power = Signal(range(config.state_bits), name="power", reset_less=True)
        mask = Signal(config.state_bits, name="mask", reset_less=True)
        bias, slope = self.parameter_given.bias, self.parameter_given.slope.as_signed()
        threshold = Signal(signed(config.state_bits + 1), name="threshold")
        m.d.comb += threshold.eq(slope)
        # A move early, so that each comparison is one addition, and what is left a gate per bit.
        higher = [threshold[bit + 1:config.state_bits].any() for bit in range(config.state_bits)]
        highest = [threshold[bit] & ~above_it for bit, above_it in enumerate(higher)]
        digits = [Cat(highest[bit] for bit in range(config.state_bits) if bit >> digit & 1).any()
                  for digit in range(len(power))]
        with m.If(self.advance):
            m.d.sync += [
                short.eq(bias - threshold), above.eq(bias - second.lowest), lowest.eq(second.lowest),
                bounded.eq((second.lowest != UNBOUNDED) if reaches else 1),
                reset.eq(second.highest), mask.eq(Cat(higher)), power.eq(Cat(digits)),
            ]
        rest, over, fires = Signal(wide, name="rest"), Signal(wide, name="over"), Signal(name="fires")
        left = Mux(self.type[2], self.total & mask, rest)
        m.d.comb += [
            rest.eq(self.low_given + short), over.eq(self.low_given + above), fires.eq(~rest[-1]), self.carry.eq(fires),
            below.eq(over[-1] & bounded),
            self.term.eq(Mux(fires, Mux(self.mode[0] == Reset.ZERO, reset, left),
                             Mux(below, lowest, self.total)).as_signed()),
            self.factor.eq(self.parameter.multiplier), self.scale.eq(self.parameter.shift),
            self.truncates.eq(self.mode[1]), self.kept.eq(self.scaled),
            self.value.eq(Mux(self.type[2], Mux(self.carried, self._count(m, power), 0), self.carried)),
        ]
        return m

    def _count(self, m: Module, power: Signal) -> Signal:
        """The potential without the bits below the threshold, at most what an event holds; in the last move."""
        most = (1 << self.config.value_bits - 1) - 1
        given = Signal.like(self.total, name="given", reset_less=True)
        digits = Signal.like(power, name="digits", reset_less=True)
        moves = [given.eq(self.total), digits.eq(power)]
        number, shift = given, digits
        for first in reversed(range(0, len(power), 2)):
            after = Signal.like(number, name=f"shifted{first}", reset_less=True)
            later = Signal.like(shift, name=f"digits{first}", reset_less=True)
            moves += [after.eq(number >> (shift[first:first + 2] << first)), later.eq(shift)]
            number, shift = after, later
        taken = 1 + len(range(0, len(power), 2))
        counts = [Signal(range(most + 1), name=f"count{move}", reset_less=True) for move in range(taken, self.moves)]
        moves += [counts[0].eq(Mux(number[-1], 0, Mux(number > most, most, number))),
                  *(after.eq(before) for before, after in pairwise(counts))]
        with m.If(self.advance):
            m.d.sync += moves
        return counts[-1]
