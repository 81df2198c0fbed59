"""The Verilog of a whole mesh behind the C++ host of the simulator: what the simulator must do cycle by cycle."""

from functools import cache
from pathlib import Path

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.noc.mesh import Host
from rtl.noc.mesh import Mesh
from rtl.verilog import to_verilog
from synapress.engines import verilated
from synapress.engines.mesh.build import INCLUDED, widths

HARNESS = Path(__file__).with_name("mesh_reference.cpp")


class Reference(wiring.Component):
    """A mesh with one host, whose ports have names that do not depend on where the host is."""

    STREAMS = ("event_in", "event_out", "access", "access_back")

    def __init__(self, config: CoreConfig, size: tuple[int, int], host: Host, depth: int):
        self.mesh, self.host = Mesh(config, *size, hosts=[host], depth=depth, uniform=True), host
        self.parts = self.mesh.parts
        edge, number = host
        self.streams = dict(zip(self.STREAMS, (getattr(self.mesh, name) for name in (
            f"host_{edge}_{number}_in", f"host_{edge}_{number}_out", "access", "access_back")), strict=True))
        ports = {}
        for (name, stream), into in zip(self.streams.items(), (True, False, True, False), strict=True):
            given, back = (In, Out) if into else (Out, In)
            ports |= {name: given(len(Value.cast(stream.payload))), f"{name}_valid": given(1), f"{name}_ready": back(1)}
        super().__init__({**ports, "passed": Out(len(self.mesh.passed)), "error": Out(1)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.mesh = self.mesh
        for name, stream in self.streams.items():
            payload, valid, ready = (getattr(self, f"{name}{part}") for part in ("", "_valid", "_ready"))
            if name in ("event_in", "access"):
                m.d.comb += [stream.payload.eq(payload), stream.valid.eq(valid), ready.eq(stream.ready)]
            else:
                m.d.comb += [payload.eq(stream.payload), valid.eq(stream.valid), stream.ready.eq(ready)]
        m.d.comb += [self.passed.eq(self.mesh.passed), self.error.eq(self.mesh.error)]
        return m


@cache
def build(config: CoreConfig, size: tuple[int, int], host: Host = ("north", 0), depth: int = 2) -> Path:
    """The simulator of one mesh; it reads and writes the same files, and knows no options."""
    text = to_verilog(Reference(config, size, host, depth), "reference")
    return verilated.compiled(text, "reference", HARNESS, (*INCLUDED, *verilated.COMMON), f"reference-{config.name}",
                              Path("build/simulate"), defines=widths(config), optimized="-O0")
