"""The last stage of the evaluation: which neuron a value belongs to, and whether it fires."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from rtl.neuron.lookup import result_layout
from rtl.words import struct


class Fire(wiring.Component):
    """Finds the place of each value that comes out of the evaluation, in its order, and sends those that are not 0.

    Ports:
        result: stream of values and ends (`rtl.neuron.lookup.result_layout`).
        width, height: of the population, each minus one.
        fired: stream of {x, y, c, v, end}. An end is all zeros.

    Latency: one cycle, two for an end. Throughput: one neuron per cycle. Values that are 0 are taken while a neuron
    waits.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        coordinate = unsigned(config.coordinate_bits)
        self.layout = struct(messages.fired(config))
        super().__init__({
            "result": In(stream.Signature(result_layout(config))),
            "width": In(coordinate), "height": In(coordinate),
            "fired": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        lane_bits, m, result = self.config.lane_bits, Module(), self.result.payload
        x = Signal.like(self.width)
        y = Signal.like(self.height)
        c = Signal(self.config.channel_bits, name="c")
        lane, channel_word = c[:lane_bits], c[lane_bits:]
        fired, take, step, clear = self.fired, Signal(name="take"), Signal(name="step"), Signal(name="clear")
        column, column_ends, row_ends = Signal(name="column"), Signal(name="column_ends"), Signal(name="row_ends")
        # An end clears the counters before it is taken: an evaluation may stop early.
        cleared = Signal(name="cleared")
        m.d.comb += [
            self.result.ready.eq(Mux(result.fires, (~fired.valid | fired.ready) & (~result.end | cleared), 1)),
            take.eq(self.result.valid & self.result.ready), step.eq(take & ~result.end), column.eq(step & result.last),
            column_ends.eq(y == self.height), row_ends.eq(x == self.width),
            clear.eq(self.result.valid & result.end),
        ]
        # Each counts, and then, so that it is the reset of a flip-flop and costs no logic, begins anew.
        for counts, begins, counter in (
                (step, column, lane), (column, column & column_ends, y),
                (column & column_ends, column & column_ends & row_ends, x),
                (column & column_ends & row_ends, Const(0), channel_word)):
            with m.If(counts):
                m.d.sync += counter.eq(counter + 1)
            with m.If(begins | clear):
                m.d.sync += counter.eq(0)
        m.d.sync += cleared.eq(clear & ~take)

        with m.If(~fired.valid | fired.ready):
            m.d.sync += [
                fired.valid.eq(take & result.fires), fired.payload.x.eq(x), fired.payload.y.eq(y),
                fired.payload.c.eq(c), fired.payload.v.eq(Mux(result.end, 0, result.value)),
                fired.payload.end.eq(result.end),
            ]
        return m
