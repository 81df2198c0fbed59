"""A mesh of nodes: their links, the hosts at its edges, the network of accesses, and what all nodes say together."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.noc.access import counted
from golden.noc.mesh import BACK, Host, MeshPlan, entries
from golden.noc.router import LEAST_DEPTH, STEPS
from golden.types import Place
from golden.words import layouts
from rtl.instances import instance
from rtl.noc.access import AccessEnd, AccessStation
from rtl.noc.node import LINKS, Node
from rtl.words import struct

FAN_IN = 16
"""Bits that one register of a tree takes: two levels of LUT6."""


def mesh_ports(config: CoreConfig, plan: MeshPlan) -> dict[str, wiring.Member]:
    """The ports of a mesh."""
    event = stream.Signature(struct(layouts(config).event))
    streams: dict[str, wiring.Member] = {}
    for stem in (*(f"host_{edge}_{n}" for edge, n in plan.hosts),
                 *(f"link_{edge}_{n}" for edge in plan.open_edges for n in range(plan.length(edge)))):
        streams |= {f"{stem}_in": In(event), f"{stem}_out": Out(event)}
    return streams | {
        "access": In(stream.Signature(struct(counted(config, "row")))),
        "access_back": Out(stream.Signature(unsigned(config.word_bits))),
        "idle": Out(1), "error": Out(1), "passed": Out(len(LINKS) * plan.columns * plan.rows),
    }


class Mesh(wiring.Component):
    """Columns × rows of nodes, of one module; those beside a host are of a second one, whose router has entries.

    Only at entries may events turn from a column into a row, which those of a host must. At all other sides a node with
    entries does, cycle by cycle, what one without does: one kind would do, but its crossbar is larger.

    Args:
        hosts, open_edges: see `golden.noc.mesh.MeshPlan`.
        depth: events in the queue of each input of the routers.
        uniform: all nodes are of the kind that is beside hosts. For simulation, which then compiles one kind.

    Ports:
        host_<edge>_<n>_in, host_<edge>_<n>_out: streams of events, for each host: from it and to it. It is one step
            outside: `core_x` and `core_y` of what it sends count that step, as in `golden.mesh.Mesh`.
        link_<edge>_<n>_in, link_<edge>_<n>_out: streams of events, for each node at an open edge, for `_out` and `_in`
            of the opposite edge of another mesh.
        access: stream of accesses (`golden.noc.access.request`). access_back: stream of the words read, in order.
        idle: all nodes were idle in one cycle, `idle_delay` cycles before: then no event is anywhere in the mesh.
        error: a pulse; an error of a node (`rtl.noc.node`), an event that left at an edge and was for nobody there, or
            an access to a node that is not there. Several at once give one pulse.
        passed: an event leaves a node, for verification; costs nothing when left open. Bit 4 · (row · columns + column)
            + s is for side s of `rtl.noc.node.LINKS`.

    Latency: per node, of an event two cycles, of an access one, and one for each answer. Events between neighboring
    cores take three cycles from `event_out` to `event_in`.
    Throughput: one event per cycle and link; an access in two cycles.

    Raises:
        ConfigError: see `MeshPlan` and `Router`.
    """

    def __init__(self, config: CoreConfig, columns: int = 2, rows: int = 2, *,
                 hosts: Sequence[Host] = (("north", 0),), open_edges: Sequence[str] = (), depth: int = LEAST_DEPTH,
                 uniform: bool = False):
        self.config, self.depth = config, depth
        self.plan = plan = MeshPlan(columns, rows, tuple(hosts), tuple(open_edges))
        self.beside = set(plan.places) if uniform else {plan.node(*host) for host in plan.hosts}
        self.idle_delay = Node.idle_delay + len(_levels(columns * rows))
        super().__init__(mesh_ports(config, plan))

    @cached_property
    def parts(self) -> dict[str, Node]:
        """The kinds of nodes, for `rtl.instances`."""
        parts = {}
        if len(self.beside) < len(self.plan.places):
            parts["node"] = Node(self.config, self.depth)
        if self.beside:
            parts["host_node"] = Node(self.config, self.depth, entries=entries(self.plan.hosts))
        return parts

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, plan = Module(), self.plan
        nodes: dict[Place, Any] = {}
        for place in plan.places:
            part = "host_node" if place in self.beside else "node"
            nodes[place] = instance(m, part, self.parts[part], f"node_{place[0]}_{place[1]}")
        errors = [node.error for node in nodes.values()]
        hosts = {(plan.node(edge, n), edge): f"host_{edge}_{n}" for edge, n in plan.hosts}
        for place, node in nodes.items():
            for side in LINKS:
                step = STEPS[side]
                neighbor = nodes.get((place[0] + step[0], place[1] + step[1]))
                if neighbor is not None:
                    connect(m, getattr(node, f"{side}_out"), getattr(neighbor, f"{BACK[side]}_in"))
                elif (place, side) in hosts:
                    errors.append(self._host(m, node, side, hosts[place, side]))
                elif side in plan.open_edges:
                    stem = f"link_{side}_{place[0] if step[1] else place[1]}"
                    connect(m, flipped(getattr(self, f"{stem}_in")), getattr(node, f"{side}_in"))
                    connect(m, getattr(node, f"{side}_out"), flipped(getattr(self, f"{stem}_out")))
                else:  # nothing comes in; what goes out is dropped
                    out = getattr(node, f"{side}_out")
                    m.d.comb += out.ready.eq(1)
                    errors.append(out.valid)
        outs = [getattr(node, f"{side}_out") for node in nodes.values() for side in LINKS]
        m.d.comb += self.passed.eq(Cat(out.valid & out.ready for out in outs))
        errors += self._accesses(m, nodes)
        m.d.comb += [self.idle.eq(_tree(m, "idle", [node.idle for node in nodes.values()], all_of=True)),
                     self.error.eq(_tree(m, "error", errors, all_of=False))]
        return m

    def _host(self, m: Module, node: Any, edge: str, stem: str) -> Value:
        """A host's events take the step into the mesh, which is no router's to count; it gets those that are for it.

        Returns whether one is dropped, as it is for another place.
        """
        given, entry = getattr(self, f"{stem}_in"), getattr(node, f"{edge}_in")
        m.d.comb += [entry.valid.eq(given.valid), given.ready.eq(entry.ready), entry.payload.eq(given.payload)]
        for name, step in zip(("core_x", "core_y"), STEPS[edge], strict=True):
            if step:
                address = Value.cast(given.payload[name])
                last = Cat((~address)[:-1] if step > 0 else address[:-1]).any() | (address[-1] == (step > 0))
                # The farthest address on the host's own side of the edge stays there: none wraps into the mesh.
                m.d.comb += entry.payload[name].eq(Mux(last, address + step, address))
        out, taken = getattr(node, f"{edge}_out"), getattr(self, f"{stem}_out")
        stray = Signal(name=f"{stem}_stray")
        m.d.comb += [
            stray.eq(out.valid & Cat(out.payload.core_x, out.payload.core_y).any()),
            taken.payload.eq(out.payload), taken.valid.eq(out.valid & ~stray), out.ready.eq(taken.ready | stray),
        ]
        return stray

    def _accesses(self, m: Module, nodes: dict[Place, Any]) -> list[Value]:
        """The stations at the west edge, from north to south, and the ends of all rows; returns their errors."""
        plan, errors = self.plan, []
        above: Any = None
        for row in range(plan.rows):
            station = AccessStation(self.config, "row")
            m.submodules[f"row_{row}"] = station
            if above is None:
                connect(m, flipped(self.access), station.given)
                connect(m, station.back, flipped(self.access_back))
            else:
                connect(m, above.on, station.given)
                connect(m, station.back, above.on_back)
            above = station
            access, back = station.here, station.here_back
            for column in range(plan.columns):
                node = nodes[column, row]
                connect(m, access, node.access)
                connect(m, node.access_back, back)
                access, back = node.access_on, node.access_on_back
            errors.append(self._end(m, f"end_of_row_{row}", "column", access, back))
        errors.append(self._end(m, "end_of_rows", "row", above.on, above.on_back))
        return errors

    def _end(self, m: Module, name: str, count: str, access: Any, back: Any) -> Value:
        m.submodules[name] = end = AccessEnd(self.config, count)
        connect(m, access, end.given)
        connect(m, end.back, back)
        return end.error


def _levels(count: int) -> list[int]:
    """Registers in each level of a tree."""
    sizes: list[int] = []
    while not sizes or sizes[-1] > 1:
        sizes.append(-(-(sizes[-1] if sizes else count) // FAN_IN))
    return sizes


def _tree(m: Module, name: str, bits: list[Value], *, all_of: bool) -> Value:
    """All or any of the bits, through registers: as many for each, so that all are of the same cycle."""
    for level, size in enumerate(_levels(len(bits))):
        registers = [Signal(name=f"{name}_{level}_{index}") for index in range(size)]
        for index, register in enumerate(registers):
            group = Cat(bits[index * FAN_IN:(index + 1) * FAN_IN])
            m.d.sync += register.eq(group.all() if all_of else group.any())
        bits = list(registers)
    return bits[0]
