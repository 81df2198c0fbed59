"""A core behind standard buses: AXI4-Lite, AXI4-Streams, an interrupt, `aclk` and `aresetn`."""

from collections.abc import Iterable

from amaranth import ClockDomain, ClockSignal, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from golden.config import CoreConfig
from golden.messages import request
from rtl.bus.axi_lite import AxiLite
from rtl.bus.axi_stream import AxiStreamIn, AxiStreamOut
from rtl.core import EventCore

CLOCK = {"aclk": In(1), "aresetn": In(1)}
"""Clock, and synchronous reset, low for at least one rising edge."""


def clocked(m: Module, aclk: Value, aresetn: Value) -> None:
    """All that is in a module runs on `aclk`, and is reset while `aresetn` is low."""
    m.domains += ClockDomain("sync")
    m.d.comb += [ClockSignal().eq(aclk), ResetSignal().eq(~aresetn)]


def bus_members(bus: wiring.Component, prefix: str) -> dict[str, wiring.Member]:
    """The ports of a block that are those of a bus."""
    return {name: member for name, member in bus.signature.members.items() if name.startswith(prefix)}


def pass_through(m: Module, outer: wiring.Component, inner: wiring.Component, names: Iterable[str]) -> None:
    """Connect ports of a block with its own of the same names."""
    for name in names:
        source, sink = (outer, inner) if inner.signature.members[name].flow is In else (inner, outer)
        m.d.comb += getattr(sink, name).eq(getattr(source, name))


class CoreOnBuses(wiring.Component):
    """One event core on standard buses: the ports of an IP block. See "On AXI buses" in docs/integration.md.

    Ports:
        aclk, aresetn: clock and reset of all.
        s_axil_*: AXI4-Lite, to memory and registers (`golden.bus.address_map`); s_axis_*: events in; m_axis_*: events
            out.
        irq: level; see `golden.bus.address_map.Interrupt`.

    Latency and throughput: those of `AxiLite`, `AxiStreamIn`, `AxiStreamOut` and `EventCore`.
    """

    def __init__(self, config: CoreConfig, data_bits: int = 32):
        self.config = config
        self.core = EventCore(config)
        self.bus = AxiLite(config, data_bits=data_bits)
        self.map = self.bus.map
        self.buses = {**self.bus.buses, "s_axis": ("AXI4-Stream", "sink"), "m_axis": ("AXI4-Stream", "source")}
        self.events_in, self.events_out = AxiStreamIn(config), AxiStreamOut(config)
        super().__init__({
            **CLOCK, **bus_members(self.bus, "s_axil_"), **bus_members(self.events_in, "s_axis_"),
            **bus_members(self.events_out, "m_axis_"), "irq": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, core, bus = Module(), self.core, self.bus
        clocked(m, self.aclk, self.aresetn)
        m.submodules.core, m.submodules.bus = core, bus
        m.submodules.events_in, m.submodules.events_out = self.events_in, self.events_out
        for block, prefix in ((bus, "s_axil_"), (self.events_in, "s_axis_"), (self.events_out, "m_axis_")):
            pass_through(m, self, block, bus_members(block, prefix))
        connect(m, self.events_in.event, core.event_in)
        connect(m, core.event_out, self.events_out.event)
        connect(m, core.host_data, bus.access_data)
        m.d.comb += [
            core.host.valid.eq(bus.access.valid), bus.access.ready.eq(core.host.ready),
            *(core.host.payload[field.name].eq(bus.access.payload[field.name])
              for field in request(self.config).fields),
            bus.idle.eq(core.idle), bus.error.eq(core.error), bus.offered.eq(self.events_out.offered),
            bus.frame.eq(self.events_out.frame), self.irq.eq(bus.irq),
        ]
        return m
