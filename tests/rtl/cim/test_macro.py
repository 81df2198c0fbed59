"""The Verilog of the compute-in-memory macro: no combinational loop, in whatever way the carries run."""

import subprocess
import sys
from pathlib import Path

import pytest

from rtl.cim.macro import CimMacro
from rtl.verilog import to_verilog

YOSYS = "from pyosys import libyosys; libyosys.run_pass('script script.ys', libyosys.Design())"


@pytest.mark.parametrize("columns", [8, 256])
def test_no_combinational_loop(columns: int, tmp_path: Path) -> None:
    """Yosys, with all modules in one, finds no loop, no conflict of drivers and no undriven wire."""
    (tmp_path / "cim_macro.v").write_text(to_verilog(CimMacro(64, columns), "cim_macro"))
    (tmp_path / "script.ys").write_text("read_verilog cim_macro.v\nhierarchy -check -top cim_macro\nproc\nflatten\n"
                                        "opt_clean\ncheck -assert\n")
    done = subprocess.run([sys.executable, "-c", YOSYS], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Found and reported 0 problems" in done.stdout, done.stdout[-2000:]
