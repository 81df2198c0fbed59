"""Area estimates, on components whose area can be told by hand."""

from pathlib import Path

import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError, ToolError
from rtl.neuron.requantize import Requantize
from synapress.tools import yosys
from synapress.tools.area import CmosArea, FpgaArea, LibertyArea, estimate, estimate_parts
from tests.helpers.blocks import Adder, Mixed, Nands, Store

CONFIG = CoreConfig.preset("fpga_small")

LIBERTY = """
library (toy) {
  cell (NAND2) { area : 3;
    pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A & B)"; } }
  cell (INV) { area : 2; pin (A) { direction : input; } pin (Y) { direction : output; function : "!A"; } }
  cell (BUF) { area : 2.5; pin (A) { direction : input; } pin (Y) { direction : output; function : "A"; } }
  cell (DFF) { area : 10; ff (IQ, IQN) { next_state : "D"; clocked_on : "CLK"; }
    pin (D) { direction : input; } pin (CLK) { direction : input; clock : true; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("count", [1, 5])
def test_transistors(count: int, cache: Path) -> None:
    report = estimate(Nands(count), CONFIG, "cmos", cache=cache)
    assert isinstance(report, CmosArea)
    assert report.flip_flops == 3 * count
    assert report.transistors == count * (4 + 3 * 16)
    assert report.gate_equivalents == count * 13
    assert (report.sram_bits, report.sram_transistors) == (0, 0)
    assert report.to_json()["gate_equivalents"] == report.gate_equivalents


@pytest.mark.parametrize(("target", "rams", "more_luts"), [("ice40", 2, 40), ("ecp5", 1, 1), ("xilinx", 0.5, 0)])
def test_fpga(target: str, rams: float, more_luts: int, cache: Path) -> None:
    """8 kb are two block RAMs of 4 kb, one of 18 kb, half one of 36 kb; `more_luts` make its ports."""
    hard = estimate(Mixed(), CONFIG, target, dsp=True, cache=cache)
    assert isinstance(hard, FpgaArea)
    assert (hard.block_rams, hard.dsps, hard.sram_bits, hard.memory) == (rams, 1, 512 * 16, True)
    assert 4 <= hard.luts <= 4 + more_luts
    assert hard.fit.device and hard.fit.needs == {"luts": hard.luts, "flip_flops": hard.flip_flops, "block_rams": rams,
                                                  "dsps": 1}
    assert hard.to_json()["fit"]["sentence"] == hard.fit.sentence
    soft = estimate(Mixed(), CONFIG, target, memory=False, cache=cache)
    assert isinstance(soft, FpgaArea)
    assert (soft.block_rams, soft.dsps, soft.sram_bits, soft.memory) == (0, 0, 512 * 16, False)
    assert soft.luts > 4 + 30  # the multiplication
    assert soft.flip_flops == 3 * 4 + 8 + 8 + 16


def test_luts_of_ecp5(cache: Path) -> None:
    """One carry cell adds two bits in two LUTs; a 16×4 memory takes three slices of two LUTs."""
    adder = estimate(Adder(), CONFIG, "ecp5", cache=cache)
    assert isinstance(adder, FpgaArea)
    assert adder.cells["CCU2C"] == 8 and adder.luts == 16
    store = estimate(Store(depth=16, width=4), CONFIG, "ecp5", cache=cache)
    assert isinstance(store, FpgaArea)
    assert store.cells["TRELLIS_DPR16X4"] == 1
    assert store.luts == 6 + store.cells.get("LUT4", 0) and store.block_rams == 0


def test_sram_is_accounted_for_and_left_out(cache: Path) -> None:
    whole = estimate(Store(), CONFIG, "cmos", cache=cache)
    assert isinstance(whole, CmosArea)
    assert whole.sram_transistors == 6 * 512 * 16
    assert whole.flip_flops == 0 and whole.transistors < 16
    without = estimate(Store(), CONFIG, "cmos", memory=False, cache=cache)
    assert isinstance(without, CmosArea)
    assert without.sram_transistors == 0 and without.transistors == whole.transistors


def test_small_memory_is_flip_flops(cache: Path) -> None:
    report = estimate(Store(depth=4, width=3), CONFIG, "cmos", cache=cache)
    assert isinstance(report, CmosArea)
    assert report.sram_bits == 0
    assert report.flip_flops >= 12


def test_liberty(cache: Path, tmp_path: Path) -> None:
    library = tmp_path / "toy library.lib"
    library.write_text(LIBERTY)
    report = estimate(Nands(3), CONFIG, "liberty", liberty=library, cache=cache)
    assert isinstance(report, LibertyArea)
    assert report.cells == {"DFF": 9, "NAND2": 3}
    assert (report.cell_area, report.flip_flops, report.file) == (3 * 3 + 9 * 10, 9, "toy library.lib")
    library.write_text(LIBERTY.replace("area : 3", "area : 4"))
    again = estimate(Nands(3), CONFIG, "liberty", liberty=library, cache=cache)
    assert isinstance(again, LibertyArea)
    assert again.cell_area == 3 * 4 + 9 * 10


def test_liberty_errors(cache: Path, tmp_path: Path) -> None:
    library = tmp_path / "toy.lib"
    library.write_text(LIBERTY[:LIBERTY.index("  cell (DFF)")] + "}\n")
    with pytest.raises(ToolError, match=r"has no cell for \$_DFF_P_|yosys on 'nands' failed"):
        estimate(Nands(1), CONFIG, "liberty", liberty=library, cache=cache)
    library.write_text("this is no library")
    with pytest.raises(ToolError, match=r"yosys on 'nands' (failed|crashed)"):
        estimate(Nands(1), CONFIG, "liberty", liberty=library, cache=cache)
    with pytest.raises(ConfigError, match="is not a file"):
        estimate(Nands(1), CONFIG, "liberty", liberty=tmp_path / "none.lib", cache=cache)
    with pytest.raises(ConfigError, match="needs a library file"):
        estimate(Nands(1), CONFIG, "liberty", cache=cache)


def test_real_block(cache: Path) -> None:
    """A block of the core by its name; figures are compared with others', not with constants."""
    small = estimate("peg", CONFIG, "cmos", cache=cache)
    large = estimate("peg", CoreConfig.preset("grai_vip"), "cmos", cache=cache)
    assert isinstance(small, CmosArea) and isinstance(large, CmosArea)
    assert 1000 < small.transistors < large.transistors
    assert small.config == "fpga_small" and large.top == "peg"


@pytest.mark.parametrize("target", ["cmos", pytest.param("ecp5", marks=pytest.mark.long)])
def test_parts_add_up_to_the_whole(target: str, cache: Path) -> None:
    """But for what is optimized across their borders. A short test of FPGAs' parts is in tests/cli/test_area.py."""
    parts = estimate_parts("evaluation", CONFIG, target, cache=cache)
    whole = estimate("evaluation", CONFIG, target, cache=cache)
    assert {part.top for part in parts} == {"reader", "requantize", "lookup", "fire", "writer", "rest"}
    sizes = [part.transistors if isinstance(part, CmosArea) else part.luts for part in parts]
    size = whole.transistors if isinstance(whole, CmosArea) else whole.luts
    assert sizes == sorted(sizes, reverse=True) and min(sizes) > 0
    assert size <= sum(sizes) < 1.1 * size
    assert whole.flip_flops <= sum(part.flip_flops for part in parts) < 1.02 * whole.flip_flops
    # A part that is synthesized alone is as large.
    alone = estimate(Requantize(CONFIG), CONFIG, target, cache=cache)
    (part,) = (part for part in parts if part.top == "requantize")
    assert alone.flip_flops == part.flip_flops and sizes[parts.index(part)] > 0.2 * size


def test_sram_is_in_the_part_that_has_it(cache: Path) -> None:
    parts = {part.top: part for part in estimate_parts("memory", CONFIG, "cmos", cache=cache)}
    assert {name: part.sram_bits for name, part in parts.items()} == {
        **{f"bank_{n}": CONFIG.memory_words * CONFIG.word_bits // CONFIG.banks for n in range(CONFIG.banks)}, "rest": 0}
    assert parts["rest"].transistors > 1000
    with pytest.raises(ConfigError, match="unknown target 'tube'"):
        estimate_parts("memory", CONFIG, "tube")


def test_errors(cache: Path) -> None:
    with pytest.raises(ConfigError, match="unknown target 'gf180'"):
        estimate(Nands(1), CONFIG, "gf180", cache=cache)
    with pytest.raises(ConfigError, match="unknown block 'cpu'"):
        estimate("cpu", CONFIG, "cmos", cache=cache)


def test_yosys_errors_and_crashes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match=r"yosys on 'x' failed \(exit 1\): ERROR"):
        yosys.run_yosys("module \\x\nend\n", ["no_such_pass"], who="x", cache=cache)
    monkeypatch.setattr(yosys, "_YOSYS", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(ToolError, match=r"yosys on 'x' crashed \(signal 11\)"):
        yosys.run_yosys("module \\x\nend\n", [], who="x", cache=cache)
    assert not cache.exists()  # failures are not kept


def test_second_run_comes_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = estimate(Nands(1), CONFIG, "cmos", cache=cache)
    monkeypatch.setattr(yosys, "_YOSYS", "raise SystemExit('not again')")
    assert estimate(Nands(1), CONFIG, "cmos", cache=cache) == first
    with pytest.raises(ToolError, match="not again"):
        estimate(Nands(2), CONFIG, "cmos", cache=cache)


def test_missing_tool(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="pyosys is not installed: run "):
        estimate(Nands(1), CONFIG, "cmos", cache=cache)
