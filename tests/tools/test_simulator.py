"""The bench launcher and the testbench parts, on a component small enough to be right."""

from pathlib import Path

import pytest

from golden.errors import ToolError
from synapress.tools import simulator as launcher
from synapress.tools.simulator import BenchFailure, launch
from tests.tb.demo import Demo

BENCH = "tests.tb.tb_demo"


@pytest.mark.parametrize("pause", ["never", "randomly", "bursts"])
def test_demo(simulator: str, pause: str, seed: int) -> None:
    run = launch(Demo(), name="demo", module=BENCH, simulator=simulator, parameters={"pause": pause, "count": 200},
                 seed=seed)
    assert "requests_are_answered" in (run / "results.xml").read_text()


@pytest.mark.parametrize(("fault", "says"), [
    (1, "was withdrawn before it was taken"), (2, "payload changed from"),
    (3, "reply.received == expected"), (4, "table.reads|reply.received == expected"),
])
def test_faults_fail(simulator: str, fault: int, says: str, seed: int) -> None:
    """A bench that fails makes the launch fail, with the reason in its message."""
    with pytest.raises(BenchFailure, match=says):
        launch(Demo(), name="demo", module=BENCH, simulator=simulator,
               parameters={"pause": "randomly", "count": 50, "fault": fault}, seed=seed)


@pytest.mark.parametrize(("module", "says"), [
    ("tests.tb.tb_empty", "No tests were discovered"), ("tests.tb.tb_dies", "no results"),
    ("tests.tb.no_such_bench", "no_such_bench"), ("tests.tb.tb_skipped", "no test ran"),
])
def test_no_test_ran(simulator: str, module: str, says: str) -> None:
    with pytest.raises(BenchFailure, match=says):
        launch(Demo(), name="demo", module=module, simulator=simulator)


def test_one_build_for_several_runs(tmp_path: Path, seed: int) -> None:
    simulator = launcher.available()[-1]  # Icarus compiles faster, where it is
    runs = [launch(Demo(), name=name, module=BENCH, simulator=simulator, build_dir=tmp_path,
                   parameters={"pause": "never", "count": count}, seed=seed)
            for name, count in [("demo", 20), ("demo", 21), ("other", 20)]]
    assert runs[0].parent == runs[1].parent and runs[0] != runs[1]
    assert runs[2].parent != runs[0].parent


def test_missing_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="apt-get install iverilog"):
        launch(None, name="demo", module=BENCH, simulator="icarus")  # type: ignore[arg-type]
    with pytest.raises(ToolError, match="unknown simulator 'modelsim'"):
        launch(None, name="demo", module=BENCH, simulator="modelsim")  # type: ignore[arg-type]


def test_outside_a_bench() -> None:
    with pytest.raises(RuntimeError, match="not inside a bench"):
        launcher.parameters()


def test_required_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert launcher.required() == ["verilator", "icarus"]
    monkeypatch.delenv("CI")
    assert launcher.required() == ["verilator"]


@pytest.mark.long
def test_waves(simulator: str, seed: int, tmp_path: Path) -> None:
    run = launch(Demo(), name="demo", module=BENCH, simulator=simulator, build_dir=tmp_path,
                 parameters={"pause": "never", "count": 3}, seed=seed, waves=True)
    assert (run / {"verilator": "dump.vcd", "icarus": "dump.fst"}[simulator]).stat().st_size > 1000
