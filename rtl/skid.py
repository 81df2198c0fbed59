"""Registers between two streams that cut `ready` as well."""

from amaranth import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Holds the first element of a stream for a consumer whose `ready` comes late in a cycle.

    Ports:
        given: stream; its `ready` is a register. first: the same stream.
        empty: none is held.

    Latency: one cycle. Throughput: one element per cycle.
    Back-pressure: after the first element that waits, a second one is taken.
    """

    def __init__(self, layout: ShapeLike):
        self.layout = layout
        super().__init__({
            "given": In(stream.Signature(layout)), "first": Out(stream.Signature(layout)), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given, first = Module(), self.given, self.first
        second, waits = Signal(self.layout, name="second", reset_less=True), Signal(name="waits")
        m.d.comb += [given.ready.eq(~waits), self.empty.eq(~first.valid)]
        # Taken on suspicion: whether it waits is known late.
        with m.If(~waits):
            m.d.sync += second.eq(given.payload)
        with m.If(~first.valid | first.ready):
            m.d.sync += [first.valid.eq(given.valid | waits), waits.eq(0),
                         first.payload.eq(Mux(waits, second, given.payload))]
        with m.Elif(given.valid):
            m.d.sync += waits.eq(1)
        return m


class Relay(wiring.Component):
    """One register of a stream: half of a skid buffer's flip-flops for half of its throughput.

    Ports:
        given: stream; its `ready` is a register. held: the same stream.

    Latency: one cycle. Throughput: one element in two cycles.
    Back-pressure: none is taken while one is held.
    """

    def __init__(self, layout: ShapeLike):
        self.layout = layout
        super().__init__({"given": In(stream.Signature(layout)), "held": Out(stream.Signature(layout))})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given, held = Module(), self.given, self.held
        valid, word = Signal(name="valid"), Signal(self.layout, name="word", reset_less=True)
        m.d.comb += [given.ready.eq(~valid), held.valid.eq(valid), held.payload.eq(word)]
        m.d.sync += valid.eq(Mux(valid, ~held.ready, given.valid))
        with m.If(~valid):
            m.d.sync += word.eq(given.payload)
        return m
