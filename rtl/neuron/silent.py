"""Which neurons of a state word can fire: a cautious test of all lanes at once (`golden.neuron.silent`)."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.neuron.interface import Silence
from golden.neuron.types import built_types
from golden.widths import TYPE_BITS
from golden.words import Reset, Saturation, layouts
from rtl.words import struct


class SilenceTest(wiring.Component):
    """Looks at one state word per cycle: which of its neurons are to be evaluated, and which states stay.

    Ports:
        type, saturation, uniform, top_lane: of the population, constant; top_lane: the last lane of the last word.
        load: a parameter word is there, of this lane; of a uniform population of all.
        state: a state word. in_last_word: the one of the next cycle lies in the last channel word.
        passes: of the word a cycle before, the lanes to be evaluated. at_once: its states are kept, and `kept` are the
            new ones, so that its neurons need no arithmetic; else `kept` is the word as it was.

    Latency: one cycle; parameters that are loaded count from the next cycle on. Throughput: one word per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "type": In(TYPE_BITS), "saturation": In(2), "uniform": In(1), "top_lane": In(config.lane_bits),
            "load": In(1), "parameter": In(struct(layouts(config).parameter)), "lane": In(config.lane_bits),
            "state": In(data.ArrayLayout(signed(config.state_bits), config.lanes)), "in_last_word": In(1),
            "passes": Out(config.lanes), "at_once": Out(1),
            "kept": Out(data.ArrayLayout(unsigned(config.state_bits), config.lanes)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        keeps, unknown, threshold, zeroed, halved = (
            Signal(name=name) for name in ("keeps", "unknown", "threshold", "zeroed", "halved"))
        models = built_types(config)
        looked_up = self.saturation == Saturation.TABLE

        def among(codes: list[int]) -> Value:
            return Cat(self.type == code for code in codes).any() if codes else Const(0, 1)

        compared = among([code for code, model in models.items() if model.silence == Silence.THRESHOLD])
        untested = among([code for code, model in models.items() if model.silence == Silence.UNKNOWN])
        m.d.sync += [
            keeps.eq(among([code for code, model in models.items() if model.keeps])), threshold.eq(compared),
            unknown.eq(untested | (~compared & looked_up)), zeroed.eq(self.saturation[0] == Reset.ZERO),
            halved.eq(compared & ((self.saturation & Reset.HALVED) != 0)),
        ]
        addend, awake, wakes = self._loaded(m, threshold, unknown)

        stirred, whole = Signal(config.lanes, name="stirred"), Signal(name="whole")
        # What the lanes say together is known a cycle later; the states need it at once.
        over, moved, there = (Signal(config.lanes, name=name) for name in ("over", "moved", "there"))
        m.d.comb += [
            whole.eq(keeps & ~stirred.any()), self.at_once.eq(keeps & ~moved.any()),
            self.passes.eq(there & (over | moved | (keeps & ~self.at_once).replicate(config.lanes))),
        ]
        m.d.sync += moved.eq(stirred)
        for lane, state in enumerate(self.state):
            total = Signal(addend[lane].shape(), name=f"total{lane}")
            valid = Signal(name=f"valid{lane}", reset_less=True)
            above, busy, beyond = ~total[-1], state.any(), halved & (state[-1] != state[-2])
            m.d.comb += [
                total.eq(state + addend[lane]),
                # A lane without a neuron becomes 0.
                stirred[lane].eq(Mux(valid, awake[lane] | (wakes[lane] & busy) | beyond, keeps & busy)),
            ]
            m.d.sync += [
                valid.eq(~self.in_last_word | (self.top_lane >= lane)),
                over[lane].eq(above), there[lane].eq(valid),
                self.kept[lane].eq(Mux(whole & valid & above, Mux(zeroed, 0, total), state)),
            ]
        return m

    def _loaded(self, m: Module, threshold: Value, unknown: Value) -> tuple[list[Signal], list[Signal], list[Signal]]:
        """Of each lane: what is added to its state, so that it passes from 0 on; whether it passes anyway; or if its
        state is not 0."""
        config, given = self.config, self.parameter
        wide = signed(config.state_bits + 2)
        limit = given.slope[:config.state_bits + 1].as_signed()
        negative_slope = given.leaky & given.slope[:config.multiplier_bits + 1][-1]
        # Sums on both sides of 0 can fire.
        both, biased = Signal(name="both"), Signal(name="biased")
        m.d.comb += [
            both.eq(~threshold & ((self.saturation != Saturation.RELU) | negative_slope)), biased.eq(given.bias != 0),
        ]
        loaded = data.StructLayout({"addend": wide, "awake": 1, "wakes": 1})
        new = Signal(loaded, name="new")
        m.d.comb += [
            new.addend.eq(Mux(both | (unknown & ~threshold), -(1 << config.state_bits),
                              given.bias - Mux(threshold, limit, 1))),
            new.awake.eq(unknown | Mux(threshold, biased | limit[-1], both & biased)),
            new.wakes.eq(Mux(threshold, (given.multiplier != 1) | (given.shift != 0), both)),
        ]
        lanes = [Signal(loaded, name=f"lane{lane}", reset_less=True) for lane in range(config.lanes)]
        for lane, each in enumerate(lanes):
            with m.If(self.load & (self.uniform | (self.lane == lane))):
                m.d.sync += each.eq(new)
        return ([each.addend for each in lanes], [each.awake for each in lanes], [each.wakes for each in lanes])
