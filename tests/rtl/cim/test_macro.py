"""The Verilog of the compute-in-memory macro and update: no combinational loop, in whatever way the carries run."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from amaranth.lib import wiring

from benchmarks import cim_macro
from golden.config import FLEXSPIM
from rtl.cim.macro import CimMacro
from rtl.cim.update import CimUpdate
from rtl.verilog import to_verilog
from studies.cim_macro import periphery

YOSYS = "from pyosys import libyosys; libyosys.run_pass('script script.ys', libyosys.Design())"


@pytest.mark.parametrize("unit", [
    partial(CimMacro, 64, 8), partial(CimMacro, 64, 256),
    partial(CimUpdate, replace(FLEXSPIM, cim_rows=64, cim_columns=32))], ids=["8 columns", "256 columns", "update"])
def test_no_combinational_loop(unit: Callable[[], wiring.Component], tmp_path: Path) -> None:
    """Yosys, with all modules in one, finds no loop, no conflict of drivers and no undriven wire."""
    (tmp_path / "unit.v").write_text(to_verilog(unit(), "unit"))
    (tmp_path / "script.ys").write_text("read_verilog unit.v\nhierarchy -check -top unit\nproc\nflatten\n"
                                        "opt_clean\ncheck -assert\n")
    done = subprocess.run([sys.executable, "-c", YOSYS], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Found and reported 0 problems" in done.stdout, done.stdout[-2000:]


def test_what_a_benchmark_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cim_macro.main(["--fmax", "-1"])
    assert "--fmax: at least 0 runs" in capsys.readouterr().err


def test_sizes_become_a_table() -> None:
    sizes = [{"columns": 64, "transistors": 1000, "LUT6": 10}]
    clock = {"columns": 64, "seed": 1, "mhz": 50.0, "device": "ECP5-25k", "path": "a to b."}
    text = periphery({"rows": 512, "sizes": sizes, "clocks": [clock]})
    assert "| 64 | 1,000 | 10 |" in text and "64 columns: 50.0 MHz on an ECP5-25k, a to b." in text
