"""Verilog of a component, and a description of its ports, parameters and packed words."""

from typing import Any

from amaranth.hdl import Const, Value, ValueCastable
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In


def ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """The top-level ports of a component as Amaranth's back ends want them.

    Constants (the `ready` of a stream that is always ready) are left out; Amaranth's own list refuses them.
    """
    found: dict[str, tuple[Value, PortDirection]] = {}
    for path, member, value in component.signature.flatten(component):
        wire: Any = value.as_value() if isinstance(value, ValueCastable) else value
        if isinstance(wire, Value) and not isinstance(wire, Const):
            direction = PortDirection.Input if member.flow is In else PortDirection.Output
            found["__".join(map(str, path))] = (wire, direction)
    return found
