"""Combinational paths that cross a block: which outputs an input reaches within a cycle, found in its netlist."""

from collections import defaultdict
from typing import Any

from amaranth.lib import wiring

from rtl.verilog import to_rtlil
from synapress.tools.yosys import run_yosys

SCRIPT = ["hierarchy -top top", "proc", "flatten", "opt_clean", "write_json netlist.json"]


def crossing_paths(block: wiring.Component) -> set[tuple[str, str]]:
    """(input, output) of each combinational path, the reset's included."""
    module = run_yosys(to_rtlil(block, "top"), SCRIPT, who=type(block).__name__, cache=None)
    module = module["netlist.json"]["modules"]["top"]
    leads: dict[Any, set[Any]] = defaultdict(set)
    registers = 0
    for cell in module["cells"].values():
        if holds(cell):
            registers += 1
            continue
        ends = {"input": [], "output": []}
        for port, direction in cell["port_directions"].items():
            ends[direction] += cell["connections"][port]
        for bit in ends["input"]:
            leads[bit].update(ends["output"])
    assert registers, "no register was found"
    outputs = {bit: name for name, port in module["ports"].items() if port["direction"] == "output"
               for bit in port["bits"]}
    found = set()
    for name, port in module["ports"].items():
        if port["direction"] == "input":
            reached, waiting = set(), list(port["bits"])
            while waiting:
                bit = waiting.pop()
                if bit not in reached:
                    reached.add(bit)
                    waiting += leads[bit]
            found |= {(name, outputs[bit]) for bit in reached if bit in outputs}
    return found


def holds(cell: dict[str, Any]) -> bool:
    """Whether a cell's outputs are those of registers: nothing passes it within a cycle."""
    kind = cell["type"]
    if kind == "$memrd_v2":
        return int(cell["parameters"]["CLK_ENABLE"], 2) == 1
    return "dff" in kind or kind == "$memwr_v2"
