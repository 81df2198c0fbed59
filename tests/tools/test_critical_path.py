"""The slowest path in words: on a small netlist and report, written by hand."""

from typing import Any

import pytest

from synapress.tools.critical_path import Step, critical_path, registers, sentence

RTLIL = r"""
module \core
  cell $dff $1
    connect \Q \register
  end
end
module \core.block.adder
  cell $dff $1
    connect \D $2
    connect \Q \sum
  end
end
module \core.block.memory
  cell $dff $1
    connect \Q \held$7
  end
end
"""


def net(bits: list[int], name: str = "") -> dict[str, Any]:
    return {"bits": bits, "attributes": {"hdlname": name} if name else {}}


def flip_flop(data: int, output: int) -> dict[str, Any]:
    return {"type": "TRELLIS_FF", "connections": {"DI": [data], "Q": [output]}}


NETLIST = {"modules": {"TEMPLATE": {"attributes": {}, "cells": {}, "netnames": {}}, "core": {
    "attributes": {"top": "00000000000000000000000000000001"},
    "cells": {
        "block.total_TRELLIS_FF_Q": flip_flop(30, 11), "block.memory.held_TRELLIS_FF_Q": flip_flop(20, 21),
        "output$3_TRELLIS_FF_Q": flip_flop(21, 40), "register_TRELLIS_FF_Q_1": flip_flop(39, 41),
        "block.adder.lost_TRELLIS_FF_Q_2": flip_flop(50, 51),
        "block.memory.array.0.1": {"type": "DP16KD", "connections": {}},
        "block.table.0.0": {"type": "TRELLIS_DPR16X4", "connections": {}}},
    "netnames": {
        # The register `sum`; the core's wire; a port and a copy in another part, deeper down.
        "block.adder.sum": net([10, 11], "block adder sum"), "block.total": net([10, 11], "block total"),
        "block.memory.inner.copy": net([10, 11], "block memory inner copy"),
        "block.memory.held$7": net([21], "block memory held$7"), "block.result": net([21], "block result"),
        "block.flag": net([22], "block flag"), "block.adder.carries": net([23], "block adder carries"),
        "block.start": net([41], "block start"), "block.adder.lost": net([60], "block adder lost"),
        "output$3": net([40]), "block.adder.carries_LUT4_Z": net([24]), "output$3_LUT4_D": net([25])}}}}


def piece(kind: str, delay: float, source: str, sink: str = "", port: str = "DI", net: str = "") -> dict[str, Any]:
    return {"type": kind, "delay": delay, "from": {"cell": source, "port": "Q"},
            "to": {"cell": sink or source, "port": port}} | ({"net": net} if net else {})


SUM, HELD, TABLE = "block.total_TRELLIS_FF_Q", "block.memory.held_TRELLIS_FF_Q", "block.table.0.0$DPRAM_COMB0"


def test_registers_are_found_in_the_text() -> None:
    assert registers(RTLIL) == {("register",), ("block", "adder", "sum"), ("block", "memory", "held$7")}


def test_a_path_through_parts() -> None:
    """From a register that has three names, through a small memory and unnamed nets, to a register's enable."""
    path = [
        piece("clk-to-q", 0.5, SUM), piece("routing", 1.0, SUM, TABLE, "A", "block.adder.sum[1]"),
        piece("logic", 0.25, TABLE), piece("routing", 1.0, TABLE, net="output$3_LUT4_D"),
        piece("logic", 0.25, "a"), piece("routing", 0.5, "a", net="block.adder.carries_LUT4_Z"),
        piece("logic", 0.5, "b"),
        piece("routing", 1.0, "b", HELD, "CE", "block.flag"), piece("setup", 0.0, HELD, port="CE")]
    found = critical_path(path, NETLIST, RTLIL, "core")
    assert found.steps == (
        Step(block="adder", signal="sum", delay=1.5, routing=1),
        Step(block="core", signal="table", delay=1.5, routing=1),
        Step(block="adder", signal="", delay=1.0, routing=0.5), Step(block="core", signal="flag", delay=1, routing=1),
        Step(block="memory", signal="held", delay=0, routing=0))
    assert found.sentence == "5.0 ns: adder (sum) -> memory (held, enable); 30 % logic, 70 % routing"


@pytest.mark.parametrize(("start", "end", "port", "text"), [
    # A large memory, whose reading is told by itself.
    ("block.memory.array.0.1", HELD, "DI",
     "memory (array) -> memory (held); 50 % reading the memory, 12 % logic, 38 % routing"),
    # From an input of the block, and to an output: the registers around it have no names of their own.
    ("register_TRELLIS_FF_Q_1", SUM, "LSR", "core (start) -> adder (sum, reset); 62 % logic, 38 % routing"),
    (SUM, "output$3_TRELLIS_FF_Q", "DI", "adder (sum) -> memory (held); 62 % logic, 38 % routing"),
    (SUM, "register_TRELLIS_FF_Q_9", "DI",
     "adder (sum) -> core (shift register of the ports); 62 % logic, 38 % routing"),
    # A counter, and a register whose name only its cell remembers.
    (SUM, SUM, "DI", "adder (sum) -> adder (sum); 62 % logic, 38 % routing"),
    ("block.adder.lost_TRELLIS_FF_Q_2", SUM, "DI", "adder (lost) -> adder (sum); 62 % logic, 38 % routing"),
])
def test_ends(start: str, end: str, port: str, text: str) -> None:
    path = [piece("clk-to-q", 2.0, start), piece("routing", 1.0, start, "x"), piece("logic", 0.5, "x"),
            piece("routing", 0.5, "x", end, port), piece("setup", 0.0, end, port=port)]
    assert critical_path(path, NETLIST, RTLIL, "core").sentence == f"4.0 ns: {text}"


def test_parts_that_are_passed_are_told_once_and_in_order() -> None:
    blocks = ("a", "b.c", "d", "top", "b.c", "a", "e")
    steps = tuple(Step(block=block, signal="s", delay=1, routing=0.5) for block in blocks)
    assert sentence(steps, "top") == "7.0 ns: a (s) -> e (s), through b.c, d; 50 % logic, 50 % routing"
