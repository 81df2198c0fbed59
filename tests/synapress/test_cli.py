"""The command line: what it writes, and that nothing a user does ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import synapress
from golden.config import PRESETS, CoreConfig

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'synapress'; from synapress.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True,
                          text=True, check=False)


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"synapress {synapress.__version__}\n"
    shown = run("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("verilog", "area", "config", "demo"):
        assert command in shown.stdout
        assert run(command, "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_config(preset: str, tmp_path: Path) -> None:
    shown = run("config", preset, cwd=tmp_path)
    assert shown.returncode == 0
    assert CoreConfig.from_json(json.loads(shown.stdout)) == PRESETS[preset]


def test_verilog(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"preset": "fpga_small", "name": "mine", "mesh_bits": 4}')
    done = run("verilog", "peg", "esu", "peg", "--config", "mine.json", "-o", "out", "--prefix", "my_", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "my_esu.json", "my_esu.v", "my_peg.json", "my_peg.v"]
    assert json.loads((tmp_path / "out/my_peg.json").read_text())["parameters"]["mesh_bits"] == 4
    assert "module my_peg(" in (tmp_path / "out/my_peg.v").read_text()


def test_area(tmp_path: Path) -> None:
    arguments = ("area", "peg", "--config", "fpga_small", "--target", "cmos")
    done = run(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report, = json.loads(done.stdout)["area"]
    assert (report["top"], report["target"], report["config"]) == ("peg", "cmos", "fpga_small")
    table = run(*arguments, cwd=tmp_path)
    assert f"{report['transistors']:,}" in table.stdout and "abc -g cmos" in table.stdout


@pytest.mark.parametrize(("arguments", "says"), [
    (("verilog", "cpu"), "unknown block 'cpu'; there are: peg, "),
    (("verilog", "peg", "--config", "nowhere.json"), "'nowhere.json' is neither a preset"),
    (("verilog", "peg", "--config", "bad.json"), "not JSON"),
    (("config", "wrong.json"), "unknown configuration fields: colour"),
    (("config", "conflict.json"), "'banks' = 3 must be a power of two"),
    (("verilog", "peg", "-o", "bad.json"), "File exists"),
    (("area", "peg", "--liberty", "nowhere.lib"), "'nowhere.lib' is not a file"),
    (("area", "cpu"), "unknown block 'cpu'"),
])
def test_one_line_of_error(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "wrong.json").write_text('{"colour": 3}')
    (tmp_path / "conflict.json").write_text('{"banks": 3}')
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("synapress: ") and says in lines[0]


def test_public_names_exist_and_are_light() -> None:
    """Every public name can be had; importing the package alone brings in nothing heavy."""
    for name in synapress.__all__:
        assert getattr(synapress, name) is not None
    assert set(synapress.__all__) == {"__version__", *synapress._WHERE}
    code = "import sys, synapress; assert not {'amaranth', 'numpy', 'typer'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        synapress.nothing  # noqa: B018
