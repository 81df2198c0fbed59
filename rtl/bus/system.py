"""A core or a mesh behind standard buses: AXI4-Lite, AXI4-Streams, an interrupt, `aclk` and `aresetn`."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from amaranth import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.messages import request
from golden.noc.mesh import Host
from golden.noc.router import LEAST_DEPTH
from rtl.bus.axi_lite import AxiLite
from rtl.bus.axi_stream import AxiStreamIn, AxiStreamOut
from rtl.core import EventCore
from rtl.noc.mesh import Mesh


class OnBuses(wiring.Component):
    """What a core and a mesh have in common behind buses; subclasses add what takes accesses and events.

    Args:
        hosts: a name for each pair of event streams, "" if there is one. more: other ports.

    Attributes:
        map: the addresses (`golden.bus.address_map`). buses: the kinds of its buses, by the prefix of their ports.
    """

    def __init__(self, bus: AxiLite, hosts: Sequence[str], more: Mapping[str, wiring.Member] = MappingProxyType({})):
        self.config, self.bus, self.map = bus.config, bus, bus.map
        tails = {host: f"_{host}" if host else "" for host in hosts}
        self.sources = {host: AxiStreamIn(self.config, f"s_axis{tail}") for host, tail in tails.items()}
        self.sinks = {host: AxiStreamOut(self.config, f"m_axis{tail}") for host, tail in tails.items()}
        self.buses = bus.buses | {
            **{source.prefix: ("AXI4-Stream", "sink") for source in self.sources.values()},
            **{sink.prefix: ("AXI4-Stream", "source") for sink in self.sinks.values()}}
        members = {"aclk": In(1), "aresetn": In(1)}
        for block, prefix in self._ends():
            members |= {name: block.signature.members[name] for name in _named(block, prefix)}
        super().__init__({**members, "irq": Out(1), **more})

    def _ends(self) -> list[tuple[wiring.Component, str]]:
        """The blocks with buses, and the prefixes of these."""
        streams: list[AxiStreamIn | AxiStreamOut] = [*self.sources.values(), *self.sinks.values()]
        return [(self.bus, "s_axil"), *((block, block.prefix) for block in streams)]

    def connected(self, streams: dict[str, tuple[Any, Any]], inside: Any) -> Module:
        """A module with buses, on the clock `aclk`.

        Args:
            streams: by host, where events go in and come out.
            inside: the core or mesh, which has `idle` and `error`.
        """
        m, bus = Module(), self.bus
        m.domains += ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.bus = bus
        for host, (into, out) in streams.items():
            m.submodules[self.sources[host].prefix] = self.sources[host]
            m.submodules[self.sinks[host].prefix] = self.sinks[host]
            connect(m, self.sources[host].event, into)
            connect(m, out, self.sinks[host].event)
        for block, prefix in self._ends():
            for name in _named(block, prefix):
                source, sink = (self, block) if block.signature.members[name].flow is In else (block, self)
                m.d.comb += getattr(sink, name).eq(getattr(source, name))
        m.d.comb += [
            bus.idle.eq(inside.idle), bus.error.eq(inside.error), self.irq.eq(bus.irq),
            bus.offered.eq(_any(sink.offered for sink in self.sinks.values())),
            bus.frame.eq(_any(sink.frame for sink in self.sinks.values())),
        ]
        return m


class CoreOnBuses(OnBuses):
    """One event core on standard buses: the ports of an IP block. See "On AXI buses" in docs/integration.md.

    Args:
        data_bits: of AXI4-Lite, 32 or 64.

    Ports:
        aclk, aresetn: clock, and synchronous reset of all, low for at least one rising edge.
        s_axil_*: AXI4-Lite, to memory and registers (`golden.bus.address_map`); s_axis_*: events in; m_axis_*: events
            out.
        irq: interrupt, a level; see `golden.bus.address_map.Interrupt`.

    Latency and throughput: those of `AxiLite`, `AxiStreamIn`, `AxiStreamOut` and `EventCore`.
    """

    def __init__(self, config: CoreConfig, data_bits: int = 32):
        self.core = EventCore(config)
        super().__init__(AxiLite(config, data_bits=data_bits), [""])

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        core, bus = self.core, self.bus
        m = self.connected({"": (core.event_in, core.event_out)}, core)
        m.submodules.core = core
        connect(m, core.host_data, bus.access_data)
        m.d.comb += [
            core.host.valid.eq(bus.access.valid), bus.access.ready.eq(core.host.ready),
            *(core.host.payload[field.name].eq(bus.access.payload[field.name])
              for field in request(self.config).fields),
        ]
        return m


class MeshOnBuses(OnBuses):
    """A mesh on standard buses: one AXI4-Lite for all cores, two AXI4-Streams for each host.

    Args:
        columns, rows, hosts, open_edges, depth, uniform: of `rtl.noc.mesh.Mesh`.
        data_bits: of AXI4-Lite, 32 or 64.

    Ports:
        As of `CoreOnBuses`; the streams of the host beside the nth node of an edge are s_axis_<edge>_<n>_* and
        m_axis_<edge>_<n>_*. Its events count the step into the mesh, as those of `Mesh` do. Open edges have the streams
        link_* of `Mesh`.

    Latency and throughput: those of `AxiLite`, `AxiStreamIn`, `AxiStreamOut` and `Mesh`.

    Raises:
        ConfigError: see `Mesh`.
    """

    def __init__(self, config: CoreConfig, columns: int = 2, rows: int = 2, *,
                 hosts: Sequence[Host] = (("north", 0),), open_edges: Sequence[str] = (), depth: int = LEAST_DEPTH,
                 uniform: bool = False, data_bits: int = 32):
        self.mesh = mesh = Mesh(config, columns, rows, hosts=hosts, open_edges=open_edges, depth=depth, uniform=uniform)
        self.parts = mesh.parts
        self.links = {name: member for name, member in mesh.signature.members.items() if name.startswith("link_")}
        super().__init__(AxiLite(config, columns, rows, data_bits), [f"{edge}_{n}" for edge, n in mesh.plan.hosts],
                         self.links)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        mesh, bus = self.mesh, self.bus
        m = self.connected({host: (getattr(mesh, f"host_{host}_in"), getattr(mesh, f"host_{host}_out"))
                            for host in self.sources}, mesh)
        m.submodules.mesh = mesh
        for name in self.links:
            connect(m, flipped(getattr(self, name)), getattr(mesh, name))
        connect(m, mesh.access_back, bus.access_data)
        m.d.comb += [
            mesh.access.valid.eq(bus.access.valid), bus.access.ready.eq(mesh.access.ready),
            *(mesh.access.payload[name].eq(bus.access.payload[name]) for name, _ in bus.layout),
        ]
        return m


def _named(block: wiring.Component, prefix: str) -> list[str]:
    """The ports of a block that are those of a bus."""
    return [name for name in block.signature.members if name.startswith(f"{prefix}_")]


def _any(wires: Iterable[Value]) -> Value:
    return Cat(*wires).any()
