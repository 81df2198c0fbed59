"""Events of a core or a mesh on AXI4-Streams."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.bus.axi_stream import data_bits
from golden.config import CoreConfig
from golden.words import EventKind, layouts
from rtl.words import struct


class AxiStreamIn(wiring.Component):
    """Events from an AXI4-Stream: wires, as `ready` of what takes events depends on its registers alone.

    Ports:
        s_axis_*: the bus; the event is in the low bits of `tdata` (`golden.bus.axi_stream`), the others are not looked
            at, and packets neither: there is no `tlast`.
        event: stream of events.

    Latency: none. Throughput: one event per cycle. Back-pressure: that of `event`.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.layout = struct(layouts(config).event)
        super().__init__({
            "s_axis_tdata": In(data_bits(config)), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "event": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, event = Module(), self.event
        m.d.comb += [event.payload.as_value().eq(self.s_axis_tdata), event.valid.eq(self.s_axis_tvalid),
                     self.s_axis_tready.eq(event.ready)]
        return m


class AxiStreamOut(wiring.Component):
    """Events onto an AXI4-Stream: wires, as what gives events keeps them in registers until they are taken.

    Ports:
        event: stream of events.
        m_axis_*: the bus; the event is in the low bits of `tdata`, the others are 0. `tlast` goes with every event that
            is no VALUE (`golden.bus.axi_stream.last`).
        offered: an event is offered. frame: an END is taken in this cycle.

    Latency: none. Throughput: one event per cycle. Back-pressure: as that of the bus.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.layout = struct(layouts(config).event)
        super().__init__({
            "event": In(stream.Signature(self.layout)),
            "m_axis_tdata": Out(data_bits(config)), "m_axis_tlast": Out(1), "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "offered": Out(1), "frame": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, event = Module(), self.event
        m.d.comb += [
            self.m_axis_tdata.eq(event.payload.as_value()), self.m_axis_tlast.eq(event.payload.kind != EventKind.VALUE),
            self.m_axis_tvalid.eq(event.valid), event.ready.eq(self.m_axis_tready), self.offered.eq(event.valid),
            self.frame.eq(event.valid & event.ready & (event.payload.kind == EventKind.END)),
        ]
        return m
