"""`--json` on every command: one JSON object on stdout, and nothing else there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from rich.console import Console
from typer.testing import CliRunner

import synapress
from synapress.cli.main import app
from synapress.mapper.pipeline import NAMES
from tests.helpers import lava_files
from tests.helpers.onnx_models import TOPOLOGIES

FIRST = ["compile", "model.onnx", "--calibration", "x.npy", "-o", "out"]
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "footprint": (["model.onnx"], {"layers"}),
    "map": (["model.onnx", "-o", "images"], {"cores", "placement"}),
    "compile": (FIRST[1:], {"steps", "checks", "output", "model"}),
    "simulate": (["out", "-i", "x.npy", "-o", "y.npz", "--engine", "golden"], {"outputs", "counters", "engine"}),
    "report": (["out", "-i", "x.npy"], {"layers", "work"}),
    "verify": (["one.net", "-i", "spikes.npy", "--engine", "fast"], {"layers", "equal"}),
    "verilog": (["timestep", "-c", "fpga_small", "-o", "rtl"], {"config", "blocks"}),
    "testbench": (["-o", "bench"], {"testbench", "commands"}),
    "area": (["timestep", "-c", "fpga_small", "--target", "cmos"], {"area", "fmax", "parts"}),
    "organisations": (["--inputs", "9", "--outputs", "7", "--no-controllers"], {"rows", "models"}),
    "cim": (["--macros", "1", "--sparsity", "0.99"], {"choices", "gains", "sweep"}),
    "config": (["fpga_small"], {"name", "lanes"}),
    "demo": (["--digits", "1"], {"comparison"}),
    "demo-pilotnet": (["--cores", "3", "--frames", "1"], {"runs"}),
    "demo-ttfs": (["--digits", "1", "--network", "x.npz"], {"layers"}),
    "demo-learning": (["--epochs", "2", "--only", "bitmap"], {"losses"}),
    "demo-resnet50": (["--network", "mobilenet", "--input", "x.npy", "--jobs", "1"], {"network"}),
}
"""Arguments, and keys of what is printed."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(seed)
    onnx.save(TOPOLOGIES["plain"](rng), "model.onnx")
    lava_files.write(tmp_path / "one.net", [{"type": "dense", "shape": [2], "weight": np.ones((2, 3)),
                                             "neuron": lava_files.neurons()}])
    np.save("spikes.npy", rng.integers(0, 2, (3, 9)))
    np.save("x.npy", rng.normal(0, 1, (4, *synapress.load("model.onnx").inputs[0].dims[1:])))
    return tmp_path


def run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert isinstance(found, dict)
    return found


def test_every_command_prints_one_object(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(self: Any, *, area: bool) -> dict[str, Any]:
        """In place of the demo's half minute: what it does with its console, and its result."""
        assert isinstance(self.console, Console)
        self.console.print("✓ mapping the digits network")
        return {"comparison": {"frames": self.digits}}

    def run_on(self: Any, cores: int) -> dict[str, Any]:
        assert isinstance(self.console, Console) and len(self.task.frames) == 1
        self.console.print("✓ mapping")
        return {"cores": cores}

    def replayed(config: Any, *, network: str, frame: Any, jobs: int, console: Console, **_: Any) -> dict[str, Any]:
        assert np.array_equal(frame, np.load("x.npy")) and jobs == 1
        console.print("✓ mapping")
        return {"network": network}

    def spiked(config: Any, *, digits: int, network: Path, console: Console, **_: Any) -> dict[str, Any]:
        assert digits == 1 and network == Path("x.npz")
        console.print("✓ converting")
        return {"layers": {}}

    monkeypatch.setattr("synapress.demo_spike_times.run", spiked)

    def learned(*, organisations: Any, epochs: int, console: Console, **_: Any) -> dict[str, Any]:
        assert organisations == ["bitmap"] and epochs == 2
        console.print("✓ crossbar")
        return {"losses": {}}

    monkeypatch.setattr("synapress.demo.Demo.run", shown)
    monkeypatch.setattr("synapress.demo_learning.run", learned)
    monkeypatch.setattr("synapress.demo_replay.run", replayed)
    monkeypatch.setattr("synapress.demo_pilotnet.Demo.run", run_on)
    names = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    assert sorted(names) == sorted(COMMANDS)
    run(*FIRST, "--json")
    for name, (arguments, keys) in COMMANDS.items():
        assert keys <= set(run(name, *arguments, "--json")), name


def test_what_is_printed_is_what_was_done(folder: Path) -> None:
    found = run(*FIRST, "--check", "--keep", "kept", "--json")
    assert found["steps"] == list(NAMES) and found["model"]["cores"] == 1
    assert [item["step"] for item in found["checks"]] == [name for name in NAMES if name not in ("import", "quantize")]
    assert len(list((folder / "kept").glob("*.json"))) == 7 and (folder / "kept/8_write/image.bin").exists()
    result = run("simulate", "out", "-i", "x.npy", "--json")
    wanted = synapress.simulate(synapress.CompiledModel.load("out"), np.load("x.npy"))
    assert result["outputs"].keys() == wanted.outputs.keys()
    for name, array in wanted.outputs.items():
        assert result["outputs"][name] == {"shape": list(array.shape), "least": array.min(), "largest": array.max()}
    written = run("verilog", "timestep", "-c", "fpga_small", "-o", "rtl", "--json")["blocks"]
    assert [Path(item["verilog"]).exists() and Path(item["description"]).exists() for item in written] == [True]


def test_counters_of_accesses_are_shown_if_the_core_has_them(folder: Path) -> None:
    Path("counting.json").write_text(json.dumps({"preset": "grai_vip", "access_counters": 1}))
    run(*FIRST, "--config", "counting.json", "--json")
    simulate = ["simulate", *COMMANDS["simulate"][0]]
    counters = run(*simulate, "--json")["counters"]
    names = [name for name in counters if name.endswith(("_reads", "_writes"))]
    assert names == ["write_back_writes", "state_reads", "axon_reads", "table_reads", "evaluation_reads",
                     "evaluation_writes"]
    table = CliRunner().invoke(app, simulate).stdout
    for name in names:
        # The network has no value tables.
        assert (counters[name] == 0) == (name == "table_reads")
        assert f"{counters[name]:,}" in next(row for row in table.splitlines() if name in row)


def test_compile_stops_after_a_step(folder: Path) -> None:
    found = run(*FIRST, "--to", "quantize", "--json")
    assert found["steps"] == list(NAMES[:4]) and found["output"] is None and not (folder / "out").exists()
    done = CliRunner().invoke(app, [*FIRST, "--to", "partition", "--check", "--keep", "kept"])
    assert done.exit_code == 0 and "stopped after partition" in done.stdout and "checked: populations" in done.stdout
    assert not (folder / "out").exists() and (folder / "kept/6_partition.json").exists()
    done = CliRunner().invoke(app, [*FIRST, "--to", "fuse"])
    assert done.exit_code == 1 and "step 'fuse': there are import, lower" in str(done.exception)
