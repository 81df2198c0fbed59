"""Verilog of a block, with a JSON description of its ports, its parameters and the packed words it works on."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import FlippedSignature, In

from golden.bus.address_map import AddressMap
from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.fields import WordLayout
from golden.files import Writing
from golden.words import layouts
from rtl import conversion
from rtl.instances import flat_ports
from rtl.integration import bus_interface, c_header, host_interface

TOPS: dict[str, tuple[str, str]] = {
    "peg": ("rtl.synapse.peg", "Peg"),
    "esu": ("rtl.synapse.esu.walk", "Esu"),
    "crossbar": ("rtl.synapse.organisations.crossbar", "Crossbar"),
    "bitmap": ("rtl.synapse.organisations.bitmap", "Bitmap"),
    "compressed_rows": ("rtl.synapse.organisations.compressed_rows", "CompressedRows"),
    "functional": ("rtl.synapse.organisations.functional", "Functional"),
    "functional_bitmap": ("rtl.synapse.organisations.functional_bitmap", "FunctionalBitmap"),
    "functional_pure": ("rtl.synapse.organisations.functional_pure", "FunctionalPure"),
    "update": ("rtl.synapse.learning.update", "Update"),
    "learner": ("rtl.synapse.learning.learner", "Learner"),
    "flat": ("rtl.synapse.tables.flat", "Flat"),
    "routing": ("rtl.synapse.tables.routing", "Routing"),
    "accumulate": ("rtl.synapse.tables.accumulate", "Accumulate"),
    "neuron": ("rtl.neuron.update", "NeuronUpdate"),
    "cim_macro": ("rtl.cim.macro", "macro_of"),
    "cim_update": ("rtl.cim.update", "CimUpdate"),
    "memory": ("rtl.memory", "BankedMemory"),
    "evaluation": ("rtl.neuron.sweep", "evaluation_unit"),
    "timestep": ("rtl.timestep", "Timestep"),
    "router": ("rtl.noc.router", "Router"),
    "core": ("rtl.core", "EventCore"),
    "node": ("rtl.noc.node", "Node"),
    "mesh": ("rtl.noc.mesh", "Mesh"),
    "axi_lite": ("rtl.bus.axi_lite", "AxiLite"),
    "core_axi": ("rtl.bus.system", "CoreOnBuses"),
    "mesh_axi": ("rtl.bus.system", "MeshOnBuses"),
}
"""The blocks that can be had by name: module and class, or what chooses one, by the configuration alone."""
LARGE = ("node", "mesh", "core_axi", "mesh_axi")
"""Those of TOPS that are made of whole cores."""
WITH_HEADER = ("core", "core_axi", "mesh_axi")
"""Those that a program talks to, which have a C header."""


def component(top: str, config: CoreConfig, **options: Any) -> wiring.Component:
    """A block by its name in TOPS; `options` are arguments of its class.

    Raises:
        ConfigError: there is no such block.
    """
    if top not in TOPS:
        raise ConfigError(f"unknown block '{top}'; there are: {', '.join(TOPS)}")
    module, name = TOPS[top]
    return getattr(importlib.import_module(module), name)(config, **options)


def ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """The top-level ports of a component as Amaranth's back ends want them, clock and reset excepted.

    Constants (the `ready` of a stream that is always ready) are left out; Amaranth's own list refuses them.
    """
    return {name: (wire, PortDirection.Input if member.flow is In else PortDirection.Output)
            for name, member, wire in flat_ports(component.signature, component)}


def to_rtlil(component: wiring.Component, name: str) -> str:
    """RTLIL of a component as the module `name`, for synthesis: the same text in every run.

    The parts of which it has instances (`rtl.instances`) are the modules `<name>.<part>`.
    """
    text = conversion.to_rtlil(component, name, ports(component))
    parts: dict[str, wiring.Component] = getattr(component, "parts", {})
    for part, block in parts.items():
        text = conversion.with_part(text, part, f"{name}.{part}", to_rtlil(block, f"{name}.{part}"))
    return text


def to_verilog(component: wiring.Component, name: str) -> str:
    """Verilog of a component as the module `name`: the same text in every run."""
    return conversion.to_verilog(to_rtlil(component, name), name, ports(component))


def describe(component: wiring.Component, name: str, config: CoreConfig, text: str) -> dict[str, Any]:
    """What an integrator needs to know about the module `name` in the Verilog `text`, as JSON values.

    - `parameters`: the configuration, every field.
    - `ports`: name, direction and width; `fields` (name, low bit, width, signed) where the port is a struct.
    - `interfaces`: ports that belong together; a stream is a source or a sink, another group (a memory port) an
      initiator or a target.
    - `words`: the layouts of all packed words (name, low bit, width, signed, bias: a field stores value - bias).
    """
    shapes = {"__".join(map(str, path)): member.shape for path, member, _ in component.signature.flatten(component)}
    found = ports(component)
    listed = [{"name": clock, "direction": "input", "width": 1} for clock in _clocks(text, name)]
    for port, (wire, direction) in found.items():
        entry: dict[str, Any] = {"name": port, "direction": direction.value, "width": len(wire)}
        shape = shapes[port]
        if isinstance(shape, data.StructLayout):
            entry["fields"] = _struct_fields(shape)
        elif Shape.cast(shape).signed:
            entry["signed"] = True
        listed.append(entry)
    return {
        "module": name, "class": type(component).__name__, "config": config.name, "parameters": config.to_json(),
        "ports": listed, "interfaces": _interfaces(component.signature, found) + _buses(component, found),
        "words": {word.name: _word_fields(word) for word in vars(layouts(config)).values()},
    }


def generate(top: str, config: CoreConfig, directory: Path, *, name: str | None = None, **options: Any) -> Path:
    """Write `<name>.v`, `<name>.json` and `<name>.vlt` of a block into a directory; returns the path of the Verilog.

    The last is for `verilator --lint-only -Wall NAME.vlt NAME.v`: which warnings do not matter, and why. Blocks
    of WITH_HEADER have a C header besides, `<name>.h`, for their host.

    `name` is also the module's; it is the block's unless another is given. `options` are arguments of its class.

    Raises:
        ConfigError: there is no such block, or the name is not a Verilog identifier.
        FileError: a file cannot be written; both are as they were.
    """
    name = top if name is None else name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ConfigError(f"'{name}' cannot name a Verilog module: letters, digits and _ only")
    block = component(top, config, **options)
    text = to_verilog(block, name)
    description = describe(block, name, config, text)
    places: AddressMap | None = getattr(block, "map", None)
    header = top in WITH_HEADER
    if header or top in LARGE:
        description["host"] = host_interface(config)
    if places is not None:
        description["bus"] = bus_interface(places)
    path = directory / f"{name}.v"
    with Writing() as files:
        files.write(path, text)
        files.write(directory / f"{name}.json", json.dumps(description, indent=1) + "\n")
        files.write(directory / f"{name}.vlt", conversion.waivers(name))
        if header:
            files.write(directory / f"{name}.h", c_header(name, config, places))
    return path


def _clocks(text: str, name: str) -> list[str]:
    """Clock and reset, which a block without registers does not have."""
    head = re.search(rf"^module {re.escape(name)}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    assert head is not None
    listed = {port.strip() for port in head[1].split(",")}
    return [port for port in ("clk", "rst") if port in listed]


def _struct_fields(shape: data.StructLayout) -> list[dict[str, Any]]:
    fields = []
    for name, field in shape:
        cast = Shape.cast(field.shape)
        entry: dict[str, Any] = {"name": name, "low": field.offset, "width": cast.width, "signed": cast.signed}
        if isinstance(field.shape, data.StructLayout):
            entry["fields"] = _struct_fields(field.shape)
        fields.append(entry)
    return fields


def _word_fields(word: WordLayout) -> dict[str, Any]:
    return {"width": word.bits, "fields": [
        {"name": field.name, "low": word.positions[field.name], "width": field.bits, "signed": field.signed,
         "bias": field.bias} for field in word.fields]}


def _interfaces(signature: wiring.Signature, found: dict[str, Any], prefix: str = "", flipped: bool = False
                ) -> list[dict[str, Any]]:
    """Streams, memory ports and other groups of ports, named by their common prefix."""
    interfaces: list[dict[str, Any]] = []
    for name, member in signature.members.items():
        if not member.is_signature:
            continue
        inward = (member.flow is In) != flipped  # within an input, outputs are inputs
        # An input's signature comes flipped: the same ports in a wrapper.
        inner = member.signature.flip() if isinstance(member.signature, FlippedSignature) else member.signature
        for index in _indices(member.dimensions):
            path = f"{prefix}{name}{index}"
            if any(nested.is_signature for nested in inner.members.values()):
                interfaces += _interfaces(inner, found, f"{path}__", inward)
                continue
            if isinstance(inner, stream.Signature) or {"payload", "valid"} <= set(inner.members):
                kind, role = "stream", "sink" if inward else "source"
            else:
                kind, role = type(inner).__name__, "target" if inward else "initiator"
            interfaces.append({"name": path, "kind": kind, "role": role,
                               "ports": [port for port in found if port.startswith(f"{path}__")]})
    return interfaces


def _buses(component: wiring.Component, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Buses whose ports have the names of their standard: `buses` of a component, by prefix."""
    buses: dict[str, tuple[str, str]] = getattr(component, "buses", {})
    return [{"name": prefix, "kind": kind, "role": role,
             "ports": [port for port in found if port.startswith(f"{prefix}_")]}
            for prefix, (kind, role) in buses.items()]


def _indices(dimensions: tuple[int, ...]) -> list[str]:
    indices = [""]
    for size in dimensions:
        indices = [f"{index}__{i}" for index in indices for i in range(size)]
    return indices
