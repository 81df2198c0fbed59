"""The core's Verilog in every mode of the simulators, by the testbench that users get: the same events everywhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synapress
from golden.config import CoreConfig
from golden.errors import NetworkError
from rtl.verilog import generate
from synapress.engines.testbench import commands
from synapress.tools.simulator import verilator_environment

CONFIG = CoreConfig.preset("fpga_small")
SPECIFIC = "-g2012"
ICARUS = pytest.mark.parametrize("simulator", ["icarus"], indirect=True)
"""One simulator is enough, the one that knows X."""
MODES = ("-g2005", "-g2005-sv", SPECIFIC)


def network() -> synapress.Network:
    """Convolution, maximum and a dense layer: local events, both kinds of states, several axons."""
    rng = np.random.default_rng(3)
    net = synapress.Network("small")
    net.input("in", (2, 6, 6))
    net.conv("conv", "in", rng.integers(-60, 60, (4, 2, 3, 3)).tolist(), shift=5)
    net.max_pool("pool", "conv", 2)
    net.conv("dense", "pool", rng.integers(-60, 60, (5, 4, 2, 2)).tolist(), shift=4)
    net.output("dense")
    return net


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("testbench")
    compiled = synapress.compile(network(), config=CONFIG)
    frames = np.random.default_rng(4).integers(0, 100, (3, 2, 6, 6))
    assert synapress.hardware.verilog_testbench(compiled, frames, path) == path / "core_testbench.v"
    return path


def icarus(folder: Path, mode: str, *more: str, sources: tuple[str, ...] = ("core.v", "core_testbench.v")) -> str:
    made = folder / f"core{mode}.vvp"
    subprocess.run(["iverilog", mode, "-Wall", "-o", str(made), *more, *sources], cwd=folder, check=True,
                   capture_output=True)
    return subprocess.run(["vvp", str(made)], cwd=folder, check=True, capture_output=True, text=True).stdout


def values(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("frame")]


def test_all_modes_give_the_same_events(folder: Path, simulator: str) -> None:
    if simulator == "verilator":
        _, command = commands("core")
        command = command.replace("--binary", "--binary --output-split 0 -CFLAGS -O0")  # sooner compiled
        done = subprocess.run(command, shell=True, cwd=folder, env=verilator_environment(), capture_output=True,
                              text=True, check=False)
        assert "%Warning" not in done.stderr, done.stderr
        found = [done.stdout]
    else:
        found = [icarus(folder, mode) for mode in MODES]
    events = len((folder / "answers.hex").read_text().split())
    for text in found:
        assert re.search(rf"^PASS: 3 frames, {events} events as expected, \d+ cycles$", text, re.MULTILINE), text
        assert len(values(text)) == events - 3 >= 10
        assert values(text) == values(found[0])


@ICARUS
@pytest.mark.parametrize("damage", ["answers", "events", "accesses"])
def test_what_differs_is_told(folder: Path, tmp_path: Path, simulator: str, damage: str) -> None:
    """A wrong answer, a value that is not sent as it should be, a wrong word of the image."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    lines = (copy / f"{damage}.hex").read_text().split()
    index = {"answers": 1, "events": 0, "accesses": len(lines) // 2}[damage]
    lines[index] = f"{int(lines[index], 16) ^ (1 << 40 if damage == 'accesses' else 2):x}"
    (copy / f"{damage}.hex").write_text("\n".join(lines))
    text = icarus(copy, SPECIFIC)
    assert "FAIL: " in text and "PASS" not in text


@ICARUS
def test_another_memory_module_serves(folder: Path, tmp_path: Path, simulator: str) -> None:
    """As an integrator does it: a macro of the same ports, whose contents are unknown before they are written."""
    (tmp_path / "macro.v").write_text("""
module core_sram #(parameter WIDTH = 64, parameter DEPTH = 1024, parameter ADDRESS_BITS = 10) (
  input clk, input enable, input write, input [ADDRESS_BITS-1:0] address, input [WIDTH-1:0] write_data,
  output reg [WIDTH-1:0] read_data);
  reg [WIDTH-1:0] cells [0:DEPTH-1];
  always @(posedge clk) begin
    read_data <= {WIDTH{1'bx}};
    if (enable && write) cells[address] <= write_data;
    if (enable && !write) read_data <= cells[address];
  end
endmodule
""")
    text = icarus(folder, SPECIFIC, "-Dcore_sram_EXTERNAL",
                  sources=("core.v", "core_testbench.v", str(tmp_path / "macro.v")))
    assert "PASS: 3 frames" in text


@ICARUS
def test_yosys_reads_it(folder: Path, tmp_path: Path, simulator: str) -> None:
    """Read by Yosys and written again, with its own idea of the memories: still the same events."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "script.ys").write_text("read_verilog core.v\nhierarchy -check -top core\nproc\nopt_clean\ncheck -assert\n"
                                    "write_verilog -noattr again.v\n")
    code = "from pyosys import libyosys; libyosys.run_pass('script script.ys', libyosys.Design())"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    text = icarus(copy, MODES[0], sources=("again.v", "core_testbench.v"))
    assert "PASS: 3 frames" in text and values(text) == values(icarus(copy, SPECIFIC))


def test_names_need_no_escapes(folder: Path) -> None:
    text = (folder / "core.v").read_text()
    assert "\\" not in text and "dump_module" not in text
    assert not re.search(r"always @\*|always_comb", text)
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules[0] == "core" and "core_sram" in modules and "core_evaluation_fire" in modules
    assert not [name for name in modules if "bank" in name]
    assert len(text.splitlines()) < 17_000


@pytest.mark.parametrize(("block", "options"), [
    ("core", {}), ("peg", {}), ("memory", {}), ("cim_macro", {}),
    ("cim_update", {}), ("learner", {"organisation": "functional_pure"}),
    ("learner", {"organisation": "functional_bitmap"})])
def test_lint_has_nothing_to_say(block: str, options: dict[str, str], tmp_path: Path) -> None:
    path = generate(block, CONFIG, tmp_path, **options)
    lint = ["verilator", "--lint-only", "-Wall", "--top-module", block]
    how = {"env": verilator_environment(), "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*lint, str(path.with_suffix(".vlt")), str(path)], **how)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert subprocess.run([*lint, str(path)], **how).returncode != 0  # the waivers are needed


def test_only_what_can_be_checked_is_written(tmp_path: Path) -> None:
    net = network()
    net.output("pool")
    frames = np.zeros((1, 2, 6, 6), int)
    with pytest.raises(NetworkError, match="one output, in order; this image has 2"):
        synapress.hardware.verilog_testbench(synapress.compile(net, config=CONFIG), frames, tmp_path)
    on_mesh = synapress.compile(network(), config=CONFIG, mesh=(2, 1))
    with pytest.raises(NetworkError, match="for one core; this model lies on a mesh"):
        synapress.hardware.verilog_testbench(on_mesh, frames, tmp_path)
    assert not list(tmp_path.iterdir())


def test_same_files_in_every_run(folder: Path, tmp_path: Path) -> None:
    compiled = synapress.compile(network(), config=CONFIG)
    frames = np.random.default_rng(4).integers(0, 100, (3, 2, 6, 6))
    synapress.hardware.verilog_testbench(compiled, frames, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert json.loads((tmp_path / "core.json").read_text())["module"] == "core"
