"""A register between two streams that cuts `ready` as well."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Holds the first element of a stream for a consumer whose `ready` comes late in a cycle.

    Ports:
        given: stream; its `ready` is a register. first: the same stream.
        empty: none is held.

    Latency: one cycle. Throughput: one element per cycle.
    Back-pressure: after the first element that waits, a second one is taken.
    """

    def __init__(self, layout: data.StructLayout):
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
