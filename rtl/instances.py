"""Blocks that are built in many times and written once: instances of one module instead of a copy for each."""

from collections.abc import Iterator
from typing import Any

from amaranth import ClockSignal, Const, Instance, Module, ResetSignal, Value
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring
from amaranth.lib.wiring import In


def flat_ports(signature: wiring.Signature, ports: Any) -> Iterator[tuple[str, wiring.Member, Value]]:
    """The ports of a component, or of an interface like it, as wires: name in Verilog, member, wire; no constants."""
    for path, member, value in signature.flatten(ports):
        wire: Any = value.as_value() if isinstance(value, ValueCastable) else value
        if isinstance(wire, Value) and not isinstance(wire, Const):
            yield "__".join(map(str, path)), member, wire


def instance(m: Module, part: str, block: wiring.Component, name: str) -> Any:
    """Build in a part of the component that `m` is of; returns its ports, to be used like those of a submodule.

    The component has the attribute `parts`, with `block` under the name `part`: `rtl.verilog.to_rtlil` writes it once.
    Amaranth's own simulator does not know instances.
    """
    ports = block.signature.create(path=(name,))
    wires = {f"{'i' if member.flow is In else 'o'}_{port}": wire
             for port, member, wire in flat_ports(block.signature, ports)}
    m.submodules[name] = Instance(part, i_clk=ClockSignal(), i_rst=ResetSignal(), **wires)
    return ports
