"""Area of meshes: each kind of node once, and counted as often as it is there; figures that can be told by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from golden.config import CoreConfig
from rtl.noc.mesh import Mesh
from synapress.cli.area import _nodes, _shares_of
from synapress.tools.area import OPENED, CmosArea, FpgaArea, estimate_parts
from synapress.tools.mesh_area import mesh_kinds, together
from tests.helpers.blocks import Cells, Mixed, Nands

CONFIG = CoreConfig.preset("fpga_small")
NAND = 4 + 3 * 16
"""Transistors of a NAND with three flip-flops."""


@pytest.fixture
def mesh() -> Mesh:
    """Two nodes and one beside a host."""
    block: Any = Cells()
    block.beside, block.plan = {(0, 0)}, SimpleNamespace(places=((0, 0), (1, 0), (2, 0)))
    return cast(Mesh, block)


def test_kinds_are_counted(mesh: Mesh, tmp_path: Path) -> None:
    kinds = mesh_kinds(mesh, CONFIG, "cmos", cache=tmp_path)
    found = [(kind.area.top, kind.count, kind.area.transistors, kind.area.flip_flops) for kind in kinds
             if isinstance(kind.area, CmosArea)]
    assert found == [("node", 2, 4 * NAND, 12), ("host_node", 1, NAND, 3), ("rest", 1, NAND, 3)]
    whole = together("mesh", kinds)
    assert isinstance(whole, CmosArea)
    assert (whole.top, whole.transistors, whole.flip_flops, whole.sram_bits) == ("mesh", 10 * NAND, 30, 0)
    assert sum(whole.cells.values()) == 10 + 30
    sheet = _nodes(kinds)
    assert sheet.headings[:2] == ("part", "count")
    assert sheet.rows == [
        ("node", "2", "208", "0", "416", "0", "80.0%"), ("host_node", "1", "52", "0", "52", "0", "10.0%"),
        ("rest", "1", "52", "0", "52", "0", "10.0%")]


def test_luts_are_counted(mesh: Mesh, tmp_path: Path) -> None:
    kinds = mesh_kinds(mesh, CONFIG, "ice40", cache=tmp_path)
    whole = together("mesh", kinds)
    assert isinstance(whole, FpgaArea) and (whole.luts, whole.flip_flops) == (10, 30)
    assert [row[:3] for row in _nodes(kinds).rows] == [("node", "2", "4"), ("host_node", "1", "1"), ("rest", "1", "1")]


def test_parts_of_a_node_are_those_of_its_core_and_the_router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OPENED == {"node": ("core",)}
    monkeypatch.setitem(OPENED, "mixed", ("core",))
    found = estimate_parts(Mixed({"core": Mixed(), "router": Nands(2)}), CONFIG, "cmos", cache=tmp_path)
    parts = {part.top: part for part in found if isinstance(part, CmosArea)}
    assert parts.keys() == {"nands", "multiplier", "store", "rest of core", "router", "rest"}
    assert {name: part.sram_bits for name, part in parts.items() if part.sram_bits} == {"store": 8192}
    told = [parts[name].transistors for name in ("nands", "router", "rest of core", "rest")]
    assert told == [4 * NAND, 2 * NAND, 0, 0]
    logic = sum(part.transistors for part in parts.values())
    sheet = _shares_of("mixed", {"cmos": found})
    (row,) = (row for row in sheet.rows if row[0] == "router")
    assert sheet.headings[2:4] == ("share", "share with SRAM")
    assert row[2:4] == (f"{2 * NAND / logic:.1%}", f"{2 * NAND / (logic + 6 * 8192):.2%}")
