"""The command line: what it writes, and that nothing a user does ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import synapress
from golden.config import PRESETS, CoreConfig
from synapress.mapper import MeshImage
from tests.helpers.onnx_models import TOPOLOGIES

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'synapress'; from synapress.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True,
                          text=True, check=False)


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"synapress {synapress.__version__}\n"
    shown = run("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("footprint", "map", "verilog", "area", "config", "demo"):
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
        "my_esu.json", "my_esu.v", "my_esu.vlt", "my_peg.json", "my_peg.v", "my_peg.vlt"]
    assert json.loads((tmp_path / "out/my_peg.json").read_text())["parameters"]["mesh_bits"] == 4
    assert "module my_peg(" in (tmp_path / "out/my_peg.v").read_text()


def test_testbench_of_a_model(tmp_path: Path) -> None:
    """Its commands stand in what is printed; they are run by tests/rtl/test_testbench.py."""
    model = TOPOLOGIES["plain"](np.random.default_rng(1))
    onnx.save(model, tmp_path / "model.onnx")
    shape = synapress.load(tmp_path / "model.onnx").inputs[0].dims[1:]
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(0, 1, (4, *shape)))
    made = run("compile", "model.onnx", "--calibration", "x.npy", "-o", "out", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    done = run("testbench", "out", "--inputs", "x.npy", "-o", "bench", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cd bench && iverilog -g2012" in done.stdout and (tmp_path / "bench/core_testbench.v").exists()
    for wrong in (("out",), ("out", "-i", "x.npy", "-c", "fpga_small")):
        done = run("testbench", *wrong, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "") and "give a folder and --inputs, or neither" in done.stderr


def test_area(tmp_path: Path) -> None:
    arguments = ("area", "timestep", "--config", "fpga_small", "--target", "cmos")
    done = run(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report, = json.loads(done.stdout)["area"]
    assert (report["top"], report["target"], report["config"]) == ("timestep", "cmos", "fpga_small")
    table = run(*arguments, cwd=tmp_path)
    assert f"{report['transistors']:,}" in table.stdout and "abc -g cmos" in table.stdout
    assert "Parts of" not in table.stdout  # it has none
    assert "add --fmax (seconds for a small block, minutes for a core)" in table.stdout


NETWORK = """
import numpy as np
import synapress

def network():
    net = synapress.Network("mine")
    net.input("in", (2, 12, 9))
    net.conv("a", "in", np.ones((8, 2, 3, 3), int), np.arange(8))
    net.depthwise("b", "a", np.ones((8, 3, 3), int))
    net.output("b")
    return net
"""


def test_footprint(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK)
    done = run("footprint", "mine.py", "--json", "--figure", "out/f.png", "--figure", "f.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [layer["name"] for layer in report["layers"]] == ["a", "b"]
    for technique, total in report["totals"].items():
        for part in ("neurons", "connectivity", "parameters", "total"):
            assert sum(layer["techniques"][technique][part] for layer in report["layers"]) == total[part]
    assert report["image"]["neurons"] == 2 * (8 * 10 * 7 + 8 * 8 * 5)
    assert sum(report["image"].values()) == 8 * sum(report["image_words"].values())
    assert (tmp_path / "out/f.png").read_bytes()[:4] == b"\x89PNG" and "<svg" in (tmp_path / "f.svg").read_text()
    assert "<dc:date>" not in (tmp_path / "f.svg").read_text(), "the same file every time"
    table = run("footprint", "mine.py", cwd=tmp_path).stdout
    assert "hierarchical LUT" in table and "words of connectivity" in table


def test_a_file_imports_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/helper_of_mine.py").write_text(NETWORK)
    (tmp_path / "nets/mine.py").write_text("from helper_of_mine import network\n")
    done = run("map", "nets/mine.py", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["network"] == "mine"


def test_published_cells_and_their_residuals(tmp_path: Path) -> None:
    done = run("footprint", "pilotnet", "--json", cwd=tmp_path)
    published = json.loads(done.stdout)["published"]
    assert len(published) == 9
    claims = json.loads(done.stdout)["claims"]
    assert (claims["cores"]["paper"], claims["cores"]["ours"]) == (3, 2)
    assert claims["words of connectivity"]["paper"] == claims["words of connectivity"]["ours"] == 405
    assert round(claims["LUT : this technique"]["ours"]) == 262
    assert round(claims["hierarchical LUT : this technique"]["ours"]) == 166
    assert (claims["cores, LUT : ours"]["ours"], claims["cores, hierarchical LUT : ours"]["ours"]) == (235, 149)
    for cell, entry in published.items():
        assert f"{entry['ours']:.2f}" == f"{entry['paper']:.2f}", cell


def test_map(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK)
    arguments = ("map", "mine.py", "--mesh", "2x1", "--pin", "b=1,0", "--pin", "a=0,0")
    done = run(*arguments, "--json", "-o", "images", "--figure", "m.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["placement"]["places"] == {"a": [0, 0], "b": [1, 0]}
    assert {(tuple(link["from"]), tuple(link["to"])): link["events"] for link in report["link_loads"]} == {
        ((0, -1), (0, 0)): 2 * 12 * 9 + 1, ((0, 0), (1, 0)): 8 * 10 * 7 + 1, ((1, 0), (0, 0)): 8 * 8 * 5 + 1,
        ((0, 0), (0, -1)): 8 * 8 * 5 + 1}
    loaded = MeshImage.load(tmp_path / "images")
    assert sorted(loaded.images) == [(0, 0), (1, 0)]
    for entry in report["cores"]:
        assert sum(entry["words"].values()) == len(loaded.images[tuple(entry["core"])])
    assert (tmp_path / "m.png").stat().st_size > 1000
    shown = run(*arguments, cwd=tmp_path).stdout
    assert "2 × 1 cores" in shown and "busiest" in shown


def test_throughput(tmp_path: Path) -> None:
    """Two layers on three cores: the table of cycles, and images for all of them."""
    (tmp_path / "mine.py").write_text(NETWORK)
    done = run("map", "mine.py", "--mesh", "3x1", "--throughput", "--activity", "0.4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    cycles = report["cycles"]
    assert [entry["core"] for entry in cycles["cores"]] == [[0, 0], [1, 0], [2, 0]]
    assert cycles["interval"] >= cycles["bounds"]["busiest"] == max(entry["busy"] for entry in cycles["cores"])
    assert cycles["ideal"] == pytest.approx(sum(entry["synapses"] for entry in cycles["cores"]) / (3 * 4), abs=2)
    done = run("compile", "mine.py", "--throughput", "--cores", "2", cwd=tmp_path)
    assert done.returncode == 0 and "interval, by frames in flight" in done.stdout, done.stderr
    for arguments, text in ((("--cores", "2"), "give it, too, or leave them out"),
                            (("--throughput",), "Give a mesh, such as 4x3, or a number of cores")):
        done = run("compile", "mine.py", *arguments, cwd=tmp_path)
        assert done.returncode and text in " ".join(done.stderr.split()), done.stderr


def test_shared_states(tmp_path: Path) -> None:
    """Three layers, of which the first and the last share: both commands tell memory, cores and frames in flight."""
    more = NETWORK.replace('    net.output("b")', """
    net.conv("c", "b", np.ones((8, 8, 1, 1), int))
    net.output("c")""")
    (tmp_path / "mine.py").write_text(more)
    done = run("compile", "mine.py", "--share-states", "frame", cwd=tmp_path)
    assert done.returncode == 0 and "at most 1 timesteps in flight instead of 3, 1 guard axons" in done.stdout
    done = run("map", "mine.py", "--share-states", "pipeline", cwd=tmp_path)
    assert done.returncode == 0 and "neuron memory without and with shared states" in done.stdout, done.stderr
    found = json.loads(run("map", "mine.py", "--share-states", "frame", "--json", cwd=tmp_path).stdout)["sharing"]
    assert found["state words"]["with"] < found["state words"]["without"] and found["regions"] == 1
    done = run("compile", "mine.py", "--share-states", "all", cwd=tmp_path)
    assert done.returncode and "there are frame, pipeline" in " ".join(done.stderr.split()), done.stderr


@pytest.mark.parametrize(("arguments", "says"), [
    (("footprint", "alexnet"), "'alexnet' is neither a known network nor a file; give pilotnet, "),
    (("footprint", "bad.json"), "suffix '.json'"),
    (("footprint", "fails.py"), "'fails.py' failed: ZeroDivisionError: division by zero"),
    (("footprint", "exits.py"), "'exits.py' failed: SystemExit: 3"),
    (("footprint", "empty.py"), "no function network()"),
    (("footprint", "number.py"), "returned int, not a synapress.Network"),
    (("footprint", "pilotnet", "--figure", "f.gif"), "--figure f.gif: the suffix must be .png or .svg"),
    (("map", "pilotnet", "--mesh", "3"), "--mesh 3: needs columns x rows, as 12x12"),
    (("map", "pilotnet", "--mesh", "2x²"), "--mesh 2x²: needs columns x rows, as 12x12"),
    (("map", "pilotnet", "--mesh", "2x0"), "--mesh 2x0: needs columns x rows, as 12x12"),
    (("map", "pilotnet", "--mesh", "1x1"), "rule 'placement': needs 2 cores; available: 1 × 1 = 1"),
    (("map", "pilotnet", "--pin", "conv1"), "--pin conv1: needs LAYER=COLUMN,ROW"),
    (("map", "pilotnet", "--pin", "conv1=a,b"), "'a,b' must be a column and a row"),
    (("map", "pilotnet", "--pin", "conv9=0,0"), "pin 'conv9': there is no such layer"),
    (("map", "pilotnet", "--mesh", "2x1", "--pin", "conv1=5,5"), "rule 'pin': needs core (5, 5)"),
    (("verilog", "cpu"), "unknown block 'cpu'; there are: peg, "),
    (("verilog", "peg", "--columns", "3", "--host", "north:0"),
     "--columns, --host: only the blocks mesh and mesh_axi have these"),
    (("verilog", "mesh", "--host", "north"), "--host north: needs an edge and the number of a node there"),
    (("verilog", "mesh", "--host", "north:2"), "there is no host place 2 at the north edge, which has 2"),
    (("verilog", "peg", "--config", "nowhere.json"), "'nowhere.json' is neither a preset"),
    (("verilog", "peg", "--config", "bad.json"), "not JSON"),
    (("config", "deep.json"), "deep.json: not JSON: maximum recursion"),
    (("config", "wrong.json"), "unknown configuration fields: color"),
    (("config", "conflict.json"), "'banks' = 3 must be a power of two"),
    (("verilog", "peg", "-o", "bad.json"), "File exists"),
    (("area", "peg", "--liberty", "nowhere.lib"), "'nowhere.lib' is not a file"),
    (("area", "cpu"), "unknown block 'cpu'"),
])
def test_one_line_of_error(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "wrong.json").write_text('{"color": 3}')
    (tmp_path / "conflict.json").write_text('{"banks": 3}')
    (tmp_path / "fails.py").write_text("def network():\n    return 1 / 0\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "number.py").write_text("def network():\n    return 1\n")
    (tmp_path / "empty.py").write_text("")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("synapress: ") and says in lines[0]


def test_several_broken_rules_are_a_line_each(tmp_path: Path) -> None:
    """Of 70 broken rules of one kind the first three and a count; of another kind its own lines."""
    (tmp_path / "wrong.py").write_text("""
import numpy as np
import synapress

def network():
    net = synapress.Network("wrong")
    last = net.input("in", (1, 8, 8))
    for number in range(70):
        last = net.conv(f"x{number}", last, np.full((1, 1, 1, 1), 300))
    net.output(net.conv("shifted", last, np.ones((1, 1, 1, 1), int), shift=64))
    return net
""")
    done = run("map", "wrong.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "synapress", *(f"layer 'x{number}', rule 'weight range'" for number in (1, 2)),
        "and 67 more by rule 'weight range'", "layer 'shifted', rule 'parameter shift'"]
    assert lines[0].startswith("synapress: layer 'x0', rule 'weight range': needs [300, 300]; available: [-128, 127]. ")


@pytest.mark.parametrize("command", ["map", "footprint"])
def test_seeds_are_not_negative(command: str, tmp_path: Path) -> None:
    done = run(command, "pilotnet", "--seed", "-1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr and "Invalid value for '--seed'" in done.stderr


def test_public_names_exist_and_are_light() -> None:
    """Every public name can be had; importing the package alone brings in nothing heavy."""
    for name in synapress.__all__:
        assert getattr(synapress, name) is not None
    assert set(synapress.__all__) == {"__version__", "hardware", "onnx_operators", *synapress._WHERE}
    code = "import sys, synapress; assert not {'amaranth', 'numpy', 'typer'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        synapress.nothing  # noqa: B018
