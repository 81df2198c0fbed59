"""Pseudo-random numbers of 16 bits in hardware."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.synapse.learning import lfsr


class Lfsr(wiring.Component):
    """See `golden.synapse.learning.lfsr`: all bits are new after each draw.

    Args:
        polynomial, seed: of the sequence, and its first draw after reset.

    Ports:
        state: the draw; perhaps to be put at `seed`, not 0, by `load`.
        advance: it has been used.

    Latency: the next draw is there in the next cycle. Throughput: one draw per cycle.
    """

    def __init__(self, polynomial: int = lfsr.POLYNOMIAL, seed: int = lfsr.SEED):
        self.polynomial, self.seed_after_reset = polynomial, seed
        super().__init__({"advance": In(1), "load": In(1), "seed": In(lfsr.BITS), "state": Out(lfsr.BITS, init=seed)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        # A leap is linear: bit i of the state flips those bits of the next one that it flips if it is alone.
        leaps = [lfsr.leap(1 << place, self.polynomial) for place in range(lfsr.BITS)]
        following = Signal(lfsr.BITS, name="following")
        m.d.comb += following.eq(Cat(
            Cat(self.state[place] for place, image in enumerate(leaps) if image >> bit & 1).xor()
            for bit in range(lfsr.BITS)))
        with m.If(self.load):
            m.d.sync += self.state.eq(self.seed)
        with m.Elif(self.advance):
            m.d.sync += self.state.eq(following)
        return m
