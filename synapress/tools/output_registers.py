"""Registers behind block RAMs, moved into the block RAMs of an ECP5, which have one at each output.

By nextpnr's figures for speed grade 6 a word leaves a block RAM 5.6 ns after the clock, and its output register after
1.0 ns. Tools of FPGA vendors move such registers by themselves; yosys 0.70 does not, and nextpnr takes the netlist as
it is.
"""

from collections import Counter
from typing import Any

_OUTPUTS = {port: f"DO{port}" for port in "AB"}


def move_registers(design: dict[str, Any], module: str) -> int:
    """In a netlist of yosys, give block RAMs the registers that follow them; returns how many bits moved.

    A port's registers move when each of its outputs leads to one plain flip-flop and nowhere else: of the same clock
    edge, without enable and without reset.
    """
    cells: dict[str, Any] = design["modules"][module]["cells"]
    loads = Counter(bit for cell in cells.values() for name, bits in cell["connections"].items()
                    if cell["port_directions"][name] == "input" for bit in bits)
    for port in design["modules"][module]["ports"].values():
        loads.update(port["bits"])
    followers = {cell["connections"]["DI"][0]: name for name, cell in cells.items()
                 if cell["type"] == "TRELLIS_FF" and _is_plain(cell)}
    moved = 0
    for ram in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        for port, output in _OUTPUTS.items():
            wires = {name: bits[0] for name, bits in ram["connections"].items()
                     if name.startswith(output) and name[3:].isdigit() and bits and loads[bits[0]]}
            registers = [followers.get(bit) for bit in wires.values()]
            clock = ram["connections"].get(f"CLK{port}")
            if not wires or any(name is None or loads[bit] != 1 or cells[name]["connections"]["CLK"] != clock
                                for bit, name in zip(wires.values(), registers, strict=True)):
                continue
            for pin, name in zip(wires, registers, strict=True):
                assert name is not None
                ram["connections"][pin] = cells.pop(name)["connections"]["Q"]
            ram["parameters"][f"REGMODE_{port}"] = "OUTREG"
            moved += len(wires)
    return moved


def _is_plain(cell: dict[str, Any]) -> bool:
    """Whether a flip-flop takes its input at each rising edge, and does nothing else."""
    parameters, connections = cell["parameters"], cell["connections"]
    enabled = parameters.get("CEMUX", "1") == "1" or connections.get("CE", ["1"]) == ["1"]
    never_reset = connections.get("LSR", ["0"]) in (["0"], [])
    return enabled and never_reset and parameters.get("CLKMUX", "CLK") == "CLK"
