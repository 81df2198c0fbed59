"""A block as gates, simulated cycle by cycle: how often each net changes while the block does real work.

Yosys maps the block as for `synapress area --target cmos`: static CMOS gates of two to four inputs and D flip-flops.
A net's load is the transistors whose gates it drives: an input of a cell drives its share of the cell's transistors,
two of a NAND, and the data input of a flip-flop half of its 16; the clock drives the other half. What a transition of
so much load costs is the caller's (`synapress.energy.controller`). There are no wires, glitches or clock tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from golden.config import CoreConfig
from rtl import verilog
from synapress.tools.area import CMOS_STEPS, component_of
from synapress.tools.yosys import run_yosys

GATES: dict[str, tuple[str, int]] = {
    "$_BUF_": ("{A}", 2), "$_NOT_": ("1 ^ {A}", 2), "$_NAND_": ("1 ^ ({A} & {B})", 4),
    "$_NOR_": ("1 ^ ({A} | {B})", 4), "$_XOR_": ("{A} ^ {B}", 12), "$_XNOR_": ("1 ^ {A} ^ {B}", 12),
    "$_MUX_": ("{B} if {S} else {A}", 12), "$_NMUX_": ("1 ^ ({B} if {S} else {A})", 10),
    "$_AOI3_": ("1 ^ (({A} & {B}) | {C})", 6), "$_OAI3_": ("1 ^ (({A} | {B}) & {C})", 6),
    "$_AOI4_": ("1 ^ (({A} & {B}) | ({C} & {D}))", 8), "$_OAI4_": ("1 ^ (({A} | {B}) & ({C} | {D}))", 8),
}
"""Each gate's output by its inputs, and its transistors, as Yosys counts them."""
FLIP_FLOP, FLIP_FLOP_TRANSISTORS = "$_DFF_P_", 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """What a trace moved."""

    cycles: int
    transistors: int
    """Of the whole block."""
    flip_flops: int
    transitions: float
    """Transitions of nets per cycle, each times the transistors that the net drives; the clock is not among them."""
    clock: float
    """The same of the clock, which rises and falls in each cycle."""
    share: float
    """Of the nets, those that change in a cycle."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Netlist:
    """The gates of a block, and its state.

    Raises:
        ConfigError, ToolError: as of `synapress.tools.area.estimate`.
    """

    def __init__(self, block: str | wiring.Component, config: CoreConfig):
        name, component = component_of(block, config)
        steps = [*CMOS_STEPS, "delete t:$scopeinfo", "write_json netlist.json"]
        found = run_yosys(verilog.to_rtlil(component, name), steps, who=name)
        module = found["netlist.json"]["modules"][name]
        self._inputs = {port: item["bits"] for port, item in module["ports"].items()
                        if item["direction"] == "input" and port != "clk"}
        self._outputs = {port: item["bits"] for port, item in module["ports"].items() if item["direction"] == "output"}
        cells = [(cell["type"], {pin: bits[0] for pin, bits in cell["connections"].items()})
                 for cell in module["cells"].values()]
        self._flip_flops = [(pins["D"], pins["Q"]) for kind, pins in cells if kind == FLIP_FLOP]
        self._gates = [(kind, pins) for kind, pins in cells if kind != FLIP_FLOP]
        nets = {bit for _, pins in cells for bit in pins.values() if isinstance(bit, int)}
        self._size = 1 + max(nets | {bit for bits in (*self._inputs.values(), *self._outputs.values()) for bit in bits
                                     if isinstance(bit, int)})
        initial = _initial(module)
        self._state = [initial.get(q, 0) for _, q in self._flip_flops]
        self._step = self._compiled()

    @cached_property
    def transistors(self) -> int:
        return sum(GATES[kind][1] for kind, _ in self._gates) + FLIP_FLOP_TRANSISTORS * len(self._flip_flops)

    @cached_property
    def load(self) -> npt.NDArray[np.float64]:
        """By net, the transistors that it drives."""
        load = np.zeros(self._size)
        for kind, pins in self._gates:
            inputs = [bit for pin, bit in pins.items() if pin != "Y"]
            for bit in inputs:
                if isinstance(bit, int):
                    load[bit] += GATES[kind][1] / len(inputs)
        for data, _ in self._flip_flops:
            if isinstance(data, int):
                load[data] += FLIP_FLOP_TRANSISTORS / 2
        return load

    def _compiled(self) -> Any:
        """A function of one cycle: from the nets of inputs and flip-flops to all nets, as Python."""
        def net(bit: Any) -> str:
            return f"n{bit}" if isinstance(bit, int) else str(int(bit == "1"))

        given = [bit for bits in self._inputs.values() for bit in bits] + [q for _, q in self._flip_flops]
        lines = [f" {', '.join(map(net, given))}, = given"]
        known = {bit for bit in given if isinstance(bit, int)}
        lines += [f" {net(pins['Y'])} = " + GATES[kind][0].format(**{pin: net(bit) for pin, bit in pins.items()})
                  for kind, pins in _in_order(self._gates, known)]
        known |= {pins["Y"] for _, pins in self._gates}
        lines.append(f" return bytes(({', '.join(net(bit) if bit in known else '0' for bit in range(self._size))},))")
        names: dict[str, Any] = {}
        exec("\n".join(["def step(given):", *lines]), names)  # each gate is a line: a tenth of the time of a loop
        return names["step"]

    def step(self, inputs: Mapping[str, int]) -> tuple[dict[str, int], bytes]:
        """One cycle: the outputs before the clock's edge, and all nets.

        Args:
            inputs: by port; those not given are 0.
        """
        given = [inputs.get(port, 0) >> place & 1 for port, bits in self._inputs.items()
                 for place in range(len(bits))] + self._state
        nets = self._step(given)

        def value(bit: Any) -> int:
            return nets[bit] if isinstance(bit, int) else int(bit == "1")

        self._state = [value(data) for data, _ in self._flip_flops]
        return {port: sum(value(bit) << place for place, bit in enumerate(bits))
                for port, bits in self._outputs.items()}, nets

    def activity(self, nets: list[bytes]) -> Activity:
        """What moved, by the nets of all cycles of a trace."""
        table = np.frombuffer(b"".join(nets), np.uint8).reshape(len(nets), -1)
        changes = (table[1:] != table[:-1]).sum(axis=0) / max(len(nets) - 1, 1)
        driven = self.load > 0
        return Activity(cycles=len(nets), transistors=self.transistors, flip_flops=len(self._flip_flops),
                        transitions=float(changes @ self.load), share=float(changes[driven].mean()),
                        clock=float(2 * FLIP_FLOP_TRANSISTORS / 2 * len(self._flip_flops)))


def _in_order(gates: list[tuple[str, dict[str, Any]]], known: set[int]) -> list[tuple[str, dict[str, Any]]]:
    """Gates such that each one comes after those that drive it."""
    waiting: dict[int, list[int]] = {}
    missing = []
    for number, (_, pins) in enumerate(gates):
        needs = {bit for pin, bit in pins.items() if pin != "Y" and isinstance(bit, int) and bit not in known}
        missing.append(len(needs))
        for bit in needs:
            waiting.setdefault(bit, []).append(number)
    ready = [number for number, count in enumerate(missing) if not count]
    for number in ready:  # grows
        for following in waiting.get(gates[number][1]["Y"], ()):
            missing[following] -= 1
            if not missing[following]:
                ready.append(following)
    assert len(ready) == len(gates), "a loop of gates"
    return [gates[number] for number in ready]


def _initial(module: Mapping[str, Any]) -> dict[int, int]:
    """Initial values by net; bits without one are x."""
    found = {}
    for item in module["netnames"].values():
        text = item.get("attributes", {}).get("init")
        if text is None:
            continue
        for bit, value in zip(item["bits"], reversed(text), strict=False):
            if value in "01" and isinstance(bit, int):
                found[bit] = int(value)
    return found
