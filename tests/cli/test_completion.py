"""Shell completion of the command line, by the shell's own protocol and by bash itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from golden.config import NAMED
from rtl.verilog import TOPS
from synapress.mapper.importers.neurons import STYLES
from synapress.zoo import ZOO

ROOT = Path(__file__).resolve().parents[2]
MODULE = (sys.executable, "-m", "synapress")
# Shells are found among the parents of the process, of which a test has none.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


def complete(line: str) -> list[str]:
    """What bash is told for a line with the cursor at its end."""
    words = line.split(" ")
    environment = {**ENVIRONMENT, "_SYNAPRESS_COMPLETE": "complete_bash", "COMP_WORDS": line,
                   "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(MODULE, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(("line", "names"), [
    ("synapress verilog --config ", NAMED), ("synapress area --config fp", ["fpga_small"]),
    ("synapress config ", NAMED), ("synapress demo -c gr", ["grai_vip"]), ("synapress map --config ", NAMED),
    ("synapress footprint ", ZOO), ("synapress map res", ["resnet50", "resnet101"]),
    ("synapress verilog ", TOPS), ("synapress area peg e", ["esu", "evaluation"]),
    ("synapress simulate --engine ", ["fast", "golden", "rtl", "replay"]),
    ("synapress compile --neurons s", [style for style in STYLES if style.startswith("s")]),
    ("synapress compile --method ", ["max", "percentile", "error"]),
    ("synapress area --target ", ["all", "cmos", "ice40", "ecp5", "xilinx"]),
    ("synapress compile --to p", ["populations", "partition", "place"]), ("synapress foot", ["footprint"]),
    ("synapress map mine", []),  # of which the shell makes files
])
def test_names_are_completed(line: str, names: Iterable[str]) -> None:
    assert sorted(complete(line)) == sorted(names)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_is_shown(shell: str) -> None:
    """By `python -m synapress`, too, it is that of the command `synapress`."""
    done = subprocess.run([*MODULE, "--show-completion", shell], env=ENVIRONMENT, capture_output=True, text=True,
                          check=True)
    assert "_SYNAPRESS_COMPLETE" in done.stdout and "python" not in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_is_installed_and_works_in_bash(tmp_path: Path) -> None:
    """Into the home folder; a new bash then has it, also for the command with its folder."""
    command = tmp_path / "bin" / "synapress"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m synapress "$@"\n')
    command.chmod(0o755)
    environment = {**ENVIRONMENT, "HOME": str(tmp_path), "PATH": f"{command.parent}:{os.environ['PATH']}"}
    done = subprocess.run([command, "--install-completion", "bash"], env=environment, capture_output=True, text=True,
                          check=True)
    assert "bash completion installed in" in done.stdout
    script = """
        . "$HOME/.bashrc"
        complete -p synapress >/dev/null || exit 1
        COMP_WORDS=("$1" map res); COMP_CWORD=2
        _synapress_completion "$1"; printf '%s\\n' "${COMPREPLY[@]}"
    """
    for name in ("synapress", str(command)):
        shown = subprocess.run(["bash", "-c", script, "bash", name], env=environment, capture_output=True, text=True,
                               check=True)
        assert sorted(shown.stdout.split()) == ["resnet101", "resnet50"], shown.stderr
