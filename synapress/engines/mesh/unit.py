"""What a mesh is made of, as one block with few ports: a node, and the station that is beside it at the west edge."""

from collections.abc import Collection

from amaranth import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.noc.router import LEAST_DEPTH
from rtl.noc.access import AccessStation
from rtl.noc.node import LINKS, Node

INPUTS = (*(f"{side}_in" for side in LINKS), "access", "access_on_back", "row_given", "row_here_back", "row_on_back")
"""Streams into a unit. Those of the row station are `row_<port of rtl.noc.access.AccessStation>`."""
OUTPUTS = (*(f"{side}_out" for side in LINKS), "access_on", "access_back", "row_on", "row_here", "row_back")
"""Streams out of a unit."""
SAID = ("idle", "empty", "evaluates", "error")
"""What a unit says of itself: node idle (`rtl.noc.node`), row station empty, a state is evaluated, node's error."""


class Unit(wiring.Component):
    """A node and a station of the rows, which only those of the first column use: so that all units are alike.

    No combinational path crosses it, as none crosses the two.

    Args:
        depth, entries: see `Node`.

    Ports:
        <stream>: payload of each of INPUTS and OUTPUTS, as a plain number.
        given: bit by bit `valid` of INPUTS, then `ready` of OUTPUTS.
        said: bit by bit `valid` of OUTPUTS, then `ready` of INPUTS, then SAID.
        evaluated: the core's (`rtl.core.EventCore`).
    """

    def __init__(self, config: CoreConfig, depth: int = LEAST_DEPTH, *, entries: Collection[str] = ()):
        self.node, self.station = Node(config, depth, entries=entries), AccessStation(config, "row")
        self._streams = {name: getattr(self.station, name.removeprefix("row_")) if name.startswith("row_")
                         else getattr(self.node, name) for name in (*INPUTS, *OUTPUTS)}
        bits = {name: len(Value.cast(stream.payload)) for name, stream in self._streams.items()}
        streams = len(INPUTS) + len(OUTPUTS)
        super().__init__({
            **{name: In(bits[name]) for name in INPUTS}, **{name: Out(bits[name]) for name in OUTPUTS},
            "given": In(streams), "said": Out(streams + len(SAID)),
            "evaluated": Out(len(Value.cast(self.node.core.evaluated))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, node = Module(), self.node
        m.submodules.node, m.submodules.station = node, self.station
        ins, outs = ([self._streams[name] for name in names] for names in (INPUTS, OUTPUTS))
        for name, stream, valid in zip(INPUTS, ins, self.given, strict=False):
            m.d.comb += [stream.valid.eq(valid), stream.payload.eq(getattr(self, name))]
        for name, stream, ready in zip(OUTPUTS, outs, self.given[len(INPUTS):], strict=True):
            m.d.comb += [stream.ready.eq(ready), getattr(self, name).eq(stream.payload)]
        evaluated = node.core.evaluated
        m.d.comb += [
            self.evaluated.eq(evaluated),
            self.said.eq(Cat(*(stream.valid for stream in outs), *(stream.ready for stream in ins), node.idle,
                             self.station.empty, evaluated.valid, node.error)),
        ]
        return m
