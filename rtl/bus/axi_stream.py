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

    Args:
        prefix: of the names of the bus's ports.

    Ports:
        <prefix>_*: the bus; the event is in the low bits of `tdata` (`golden.bus.axi_stream`). The others are not
            looked at, and packets neither: there is no `tlast`.
        event: stream of events.

    Latency: none. Throughput: one event per cycle. Back-pressure: that of `event`.
    """

    def __init__(self, config: CoreConfig, prefix: str = "s_axis"):
        self.config, self.prefix = config, prefix
        self.layout = struct(layouts(config).event)
        super().__init__({
            f"{prefix}_tdata": In(data_bits(config)), f"{prefix}_tvalid": In(1), f"{prefix}_tready": Out(1),
            "event": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, event = Module(), self.event
        tdata, tvalid, tready = (getattr(self, f"{self.prefix}_{name}") for name in ("tdata", "tvalid", "tready"))
        m.d.comb += [event.payload.as_value().eq(tdata), event.valid.eq(tvalid), tready.eq(event.ready)]
        return m


class AxiStreamOut(wiring.Component):
    """Events onto an AXI4-Stream: wires, as what gives events keeps them in registers until they are taken.

    Args:
        prefix: of the names of the bus's ports.

    Ports:
        event: stream of events.
        <prefix>_*: the bus; the event is in the low bits of `tdata`, the others are 0. `tlast` goes with every event
            that is no VALUE (`golden.bus.axi_stream.last`).
        offered: an event is offered. frame: an END is taken in this cycle.

    Latency: none. Throughput: one event per cycle. Back-pressure: as that of the bus.
    """

    def __init__(self, config: CoreConfig, prefix: str = "m_axis"):
        self.config, self.prefix = config, prefix
        self.layout = struct(layouts(config).event)
        super().__init__({
            "event": In(stream.Signature(self.layout)),
            f"{prefix}_tdata": Out(data_bits(config)), f"{prefix}_tlast": Out(1), f"{prefix}_tvalid": Out(1),
            f"{prefix}_tready": In(1),
            "offered": Out(1), "frame": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, event = Module(), self.event
        tdata, tlast, tvalid, tready = (
            getattr(self, f"{self.prefix}_{name}") for name in ("tdata", "tlast", "tvalid", "tready"))
        m.d.comb += [
            tdata.eq(event.payload.as_value()), tlast.eq(event.payload.kind != EventKind.VALUE), tvalid.eq(event.valid),
            event.ready.eq(tready), self.offered.eq(event.valid),
            self.frame.eq(event.valid & event.ready & (event.payload.kind == EventKind.END)),
        ]
        return m
