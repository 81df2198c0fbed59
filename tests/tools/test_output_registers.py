"""Registers behind block RAMs become the block RAMs' own, where nothing else is lost by it."""

from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from rtl.verilog import to_rtlil
from synapress.tools.area import FLOWS
from synapress.tools.frequency import fmax
from synapress.tools.output_registers import move_registers
from synapress.tools.yosys import run_yosys


class Words(wiring.Component):
    """A block RAM, and a register behind it.

    Args:
        kind: what is between the two or about the register.
    """

    def __init__(self, kind: str = "plain"):
        self.kind = kind
        super().__init__({"address": In(9), "write": In(1), "word": In(18), "enable": In(1), "result": Out(18)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.array = array = memory.Memory(shape=18, depth=512, init=[])
        read, write = array.read_port(), array.write_port()
        register = Signal(18, reset_less=self.kind != "reset")
        m.d.comb += [read.addr.eq(self.address), read.en.eq(~self.write), write.addr.eq(self.address),
                     write.en.eq(self.write), write.data.eq(self.word), self.result.eq(register)]
        if self.kind == "enable":
            with m.If(self.enable):
                m.d.sync += register.eq(read.data)
        elif self.kind == "logic":
            m.d.sync += register.eq(~read.data)
        else:
            m.d.sync += register.eq(read.data)
        if self.kind == "used":
            m.d.comb += self.result.eq(register ^ read.data)
        return m


def netlist(kind: str) -> Any:
    return run_yosys(to_rtlil(Words(kind), "words"), [FLOWS["ecp5"].command(False), "write_json net.json"], who="words",
                     cache=None)["net.json"]


def cells(design: Any, type_: str) -> list[Any]:
    return [cell for cell in design["modules"]["words"]["cells"].values() if cell["type"] == type_]


def test_moved() -> None:
    design = netlist("plain")
    assert len(cells(design, "TRELLIS_FF")) == 18
    (ram,) = cells(design, "DP16KD")
    wires = [register["connections"] for register in cells(design, "TRELLIS_FF")]
    outputs = {wire["DI"][0]: wire["Q"] for wire in wires}
    before = {pin: bits for pin, bits in ram["connections"].items() if bits and bits[0] in outputs}
    assert len(before) == 18
    assert move_registers(design, "words") == 18
    assert not cells(design, "TRELLIS_FF")
    (ram,) = cells(design, "DP16KD")
    port = next(iter(before))[2]
    assert ram["parameters"][f"REGMODE_{port}"] == "OUTREG"
    assert {pin: ram["connections"][pin] for pin in before} == {pin: outputs[bits[0]] for pin, bits in before.items()}


@pytest.mark.parametrize("kind", ["enable", "reset", "logic", "used"])
def test_left(kind: str) -> None:
    """A register that does more, or a word that goes elsewhere as well."""
    design = netlist(kind)
    registers = len(cells(design, "TRELLIS_FF"))
    assert move_registers(design, "words") == 0
    assert len(cells(design, "TRELLIS_FF")) == registers == 18
    assert all(ram["parameters"][f"REGMODE_{port}"] == "NOREG" for ram in cells(design, "DP16KD") for port in "AB")


def test_frequency_with_them() -> None:
    """A word that leaves a block RAM at the clock is later than a register's."""
    config = CoreConfig.preset("fpga_small")
    plain, logic = (fmax(Words(kind), config, cache=None) for kind in ("plain", "logic"))
    assert "18 bits in output registers of block RAMs" in plain.model
    assert "; 0 bits in" in logic.model
    assert logic.mhz < 1000 / 5.6 < plain.mhz
