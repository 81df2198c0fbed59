"""A node of a mesh: a core, its router, and its station of the network of accesses."""

from collections.abc import Collection

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from golden.config import CoreConfig
from golden.noc.router import LEAST_DEPTH, PORTS
from rtl.core import EventCore
from rtl.noc.access import AccessStation
from rtl.noc.router import Router

LINKS = tuple(port for port in PORTS if port != "local")
"""The sides of a node."""


class Node(wiring.Component):
    """A core with its router and its access station. All nodes of a mesh are alike, also those at its edges.

    No combinational path crosses it: every output is a register, or depends on none but the node's own registers. So
    timing closes node by node, and a simulator can step nodes one after another.

    Args:
        depth: events in the queue of an input of the router.
        entries: sides whose events come from a host; see `rtl.noc.router.Router`. The node works for all other sides as
            one without entries.

    Ports:
        <side>_in, <side>_out: streams of events, for each of north, east, south and west.
        access, access_back: the access station's `given` and `back`; access_on, access_on_back: its `on` and `on_back`,
            which lead to the next node of the row.
        idle: core, router and station were all empty in one cycle, two before (`idle_delay`).
        error: a pulse; the router has dropped an event, or an error counter of the core counts (`golden.registers`).

    Latency: of an event that passes, the router's; of an access that passes, the station's.
    """

    idle_delay = 2

    def __init__(self, config: CoreConfig, depth: int = LEAST_DEPTH, *, entries: Collection[str] = ()):
        self.config = config
        self.core = EventCore(config)
        self.router = Router(config, depth, entries=entries)
        self.station = AccessStation(config, "column")
        router, station = self.router.signature.members, self.station.signature.members
        super().__init__({
            **{f"{side}_{way}": router[f"{side}_{way}"] for side in LINKS for way in ("in", "out")},
            "access": station["given"], "access_back": station["back"],
            "access_on": station["on"], "access_on_back": station["on_back"],
            "idle": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, core, router, station = Module(), self.core, self.router, self.station
        m.submodules.core, m.submodules.router, m.submodules.station = core, router, station
        connect(m, router.local_out, core.event_in)
        connect(m, core.event_out, router.local_in)
        connect(m, station.here, core.host)
        connect(m, core.host_data, station.here_back)
        for side in LINKS:
            connect(m, flipped(getattr(self, f"{side}_in")), getattr(router, f"{side}_in"))
            connect(m, getattr(router, f"{side}_out"), flipped(getattr(self, f"{side}_out")))
        for outer, inner in (("access", "given"), ("access_on_back", "on_back")):
            connect(m, flipped(getattr(self, outer)), getattr(station, inner))
        for outer, inner in (("access_back", "back"), ("access_on", "on")):
            connect(m, getattr(station, inner), flipped(getattr(self, outer)))
        # The core's idle is of the cycle before. All must be of one cycle, as events go from one to another.
        around = Signal(name="around_idle")
        m.d.sync += [around.eq(router.empty & station.empty), self.idle.eq(around & core.idle),
                     self.error.eq(core.error | router.dropped)]
        return m
