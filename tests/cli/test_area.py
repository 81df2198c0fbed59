"""`synapress area`: parts, devices and the clock, on a block whose figures can be told by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rtl import verilog
from synapress.cli.area import _shares_of
from synapress.cli.main import app
from synapress.tools.area import CmosArea, FpgaArea
from tests.helpers.blocks import Halves


@pytest.fixture
def halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two parts in place of the core: five NANDs of 4 transistors, each with three flip-flops of 16."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verilog, "component", lambda top, config: Halves())
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["area", *arguments, "-c", "fpga_small"])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def rows(text: str, columns: int) -> list[list[str]]:
    lines = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in cells] for cells in lines if len(cells) == columns]


def test_parts_and_device_of_a_named_block(halves: Path) -> None:
    """Both are the default; with the same figures in the table and in the JSON, and the same bytes again."""
    arguments = ("core", "--target", "cmos", "--target", "ice40")
    text = run(*arguments)
    assert "Parts of core (fpga_small)" in text and "add --fmax" in text
    sentence = "fits iCE40 HX1K (under 1 % of the LUTs, 1 % of the flip-flops)"
    assert ["core", "5", "15", "0", "0", sentence] in rows(text, 6)
    assert rows(text, 8) == [
        ["wide", "208", "80.0%", "12", "4", "0", "0", "0"], ["narrow", "52", "20.0%", "3", "1", "0", "0", "0"],
        ["rest", "0", "0.0%", "0", "0", "0", "0", "0"], ["together", "260", "100.0%", "15", "5", "0", "0", "0"]]
    found: dict[str, Any] = json.loads(run(*arguments, "--json"))
    assert [(item["block"], item["target"], [part["top"] for part in item["area"]]) for item in found["parts"]] == [
        ("core", "cmos", ["wide", "narrow", "rest"]), ("core", "ice40", ["wide", "narrow", "rest"])]
    assert found["area"][1]["fit"]["sentence"] == f"core {sentence}."
    assert (found["area"][1]["fit"]["device"], found["area"][1]["fit"]["lacking"]) == ("HX1K", [])
    (halves / "build/area").rename(halves / "old")
    assert run(*arguments) == text
    without = run("core", "--target", "cmos", "--no-parts")
    assert "Parts of" not in without and "260" in without


def test_the_clock_with_its_path(halves: Path) -> None:
    text = run("core", "--fmax", "--seeds", "3")
    found = json.loads(run("core", "--fmax", "--seeds", "3", "--json"))["fmax"]
    for clock, item, seed in zip(rows(text, 5), found, "123", strict=True):
        assert clock == ["core", f"{item['mhz']:.1f}", "ECP5-25k", seed, item["sentence"]]
        assert " ns: " in clock[4] and "% routing" in clock[4] and "add --fmax" not in text
    low, median, high = sorted(item["mhz"] for item in found)
    assert f"core: median {median:.1f} MHz, of {low:.1f} to {high:.1f}" in " ".join(text.split())


def test_every_target_in_one_table() -> None:
    """Columns where there is something; shares and order by transistors."""
    common: dict[str, Any] = {"config": "c", "model": "m", "memory": True, "cells": {}}
    cmos: list[CmosArea | FpgaArea] = [
        CmosArea(top="a", target="cmos", flip_flops=9, sram_bits=8192, transistors=3000, **common),
        CmosArea(top="rest", target="cmos", flip_flops=1, sram_bits=0, transistors=1000, **common)]
    fpga: dict[str, list[CmosArea | FpgaArea]] = {target: [
        FpgaArea(top="rest", target=target, flip_flops=2, sram_bits=0, luts=30, block_rams=0, dsps=dsps, **common),
        FpgaArea(top="a", target=target, flip_flops=7, sram_bits=8192, luts=20, block_rams=rams, dsps=0, **common)]
        for target, rams, dsps in (("ecp5", 1, 0), ("xilinx", 0.5, 2))}
    sheet = _shares_of("x", {"cmos": cmos} | fpga)
    assert sheet.headings == ("part", "transistors", "share", "share with SRAM", "flip-flops", "ecp5 LUTs", "ecp5 RAMs",
                              "xilinx LUTs", "xilinx RAMs", "xilinx DSPs", "SRAM bits")
    # A cell of SRAM has six transistors: 49,152 for the 8,192 bits.
    assert sheet.rows == [("a", "3,000", "75.0%", "98.12%", "9", "20", "1", "20", "0.5", "0", "8,192"),
                          ("rest", "1,000", "25.0%", "1.88%", "1", "30", "0", "30", "0", "2", "0"),
                          ("together", "4,000", "100.0%", "100.00%", "10", "50", "1", "50", "0.5", "2", "8,192")]
    alone = _shares_of("x", {"ecp5": fpga["ecp5"]})
    assert alone.headings == ("part", "share", "flip-flops", "ecp5 LUTs", "ecp5 RAMs", "ecp5 DSPs", "SRAM bits")
    assert alone.rows[0] == ("rest", "60.0%", "2", "30", "0", "0", "0")
