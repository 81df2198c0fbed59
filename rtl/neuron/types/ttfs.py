"""Time to first spike: a binary search over the thresholds of the population."""

from amaranth import Array, Cat, Const, Module, Signal, Value, signed

from golden.config import CoreConfig
from golden.neuron.types.ttfs import Ttfs
from golden.timing.microarchitecture import EVALUATION_STAGES
from rtl.neuron.interface import NeuronUnit

SEARCHED = 3
"""Moves in front of the search: the two to the sum with the bias; and the last one, of the value."""


class TtfsUnit(NeuronUnit):
    """Compares the sum with one threshold per move, while others are multiplied: `golden.neuron.types.ttfs.Ttfs`.

    The thresholds are in registers, each of which takes part in one of the comparisons. A value then waits for the last
    move.

    Latency and throughput: those of the shared arithmetic, one neuron per cycle.
    """

    model = Ttfs
    places = ("fire",)

    def __init__(self, config: CoreConfig):
        super().__init__(config)
        self._moves = EVALUATION_STAGES - (config.shift_bits <= 4) - SEARCHED

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, loads = self.config, Module(), self.loads
        thresholds = [Signal(signed(config.state_bits), name=f"threshold_{value}", reset_less=True)
                      for value in range(1, config.ttfs_times + 1)]
        for index, threshold in enumerate(thresholds):
            number, lane = divmod(index, config.lanes)
            with m.If(loads.valid & (loads.number == number)):
                m.d.sync += threshold.eq(loads.word.word_select(lane, config.state_bits))
        levels = config.ttfs_times.bit_length()
        assert levels <= self._moves, "a value is found in time"
        total: Value = self.total
        found = Const(0, 0)
        for move in range(self._moves):
            if move < levels:
                found = Cat(self._reached(total, found, levels - 1 - move, thresholds), found)
            after = Signal.like(Cat(found), name=f"found_{move}", reset_less=True)
            moves = [after.eq(found)]
            if move < levels - 1:
                held = Signal.like(self.total, name=f"total_{move}", reset_less=True)
                moves.append(held.eq(total))
                total = held
            found = after
            with m.If(self.advance):
                m.d.sync += moves
        m.d.comb += self.value.eq(found)
        return m

    def _reached(self, total: Value, found: Value, bit: int, thresholds: list[Signal]) -> Value:
        """Whether the value that has one bit more than the one found so far has a threshold that is reached."""
        above = [(2 * value + 1) << bit for value in range(1 << len(found))]
        there = [value for value in above if value <= self.config.ttfs_times]
        reached = total >= Array(thresholds[value - 1] for value in there)[found]
        # Of a value beyond all, the last threshold is compared in vain.
        return reached if len(there) == len(above) else reached & (found < len(there))
