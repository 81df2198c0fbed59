"""Clock frequency by place and route, of small blocks."""

from pathlib import Path

import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError, ToolError
from synapress.tools import frequency
from synapress.tools.frequency import duration, fmax, stage
from tests.helpers.blocks import Adder, Nands

CONFIG = CoreConfig.preset("fpga_small")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_frequency(cache: Path) -> None:
    """Of an addition between registers: the path is told, and the stages as they come."""
    told: list[str] = []
    found = fmax(Adder(), CONFIG, cache=cache, progress=told.append)
    assert found.device == "ECP5-25k"
    assert 50 < found.mhz < 1000
    assert [step.block for step in (found.path[0], found.path[-1])] == ["adder", "adder"]
    assert found.path[0].signal in ("a", "b") and found.path[-1].signal == "q"
    assert sum(step.delay for step in found.path) == pytest.approx(1000 / found.mhz, rel=0.01)
    assert f"adder ({found.path[0].signal}) -> adder (q); " in found.sentence
    assert found.to_json()["path"][-1] == {"block": "adder", "signal": "q", "delay": 0, "routing": 0}
    assert told[:2] == ["synthesis for place and route", "place and route, under a minute in all"]
    with pytest.raises(ConfigError, match="unknown device '12k'; there are: 25k, 45k, 85k"):
        fmax("timestep", CONFIG, device="12k", cache=cache)


def test_path_of_a_block_of_the_core(cache: Path) -> None:
    """Both ends are registers that the source names, or ports; no name of a mapped cell is left."""
    found = fmax("timestep", CONFIG, cache=cache)
    assert 50 < found.mhz < 500
    assert found.path[0].block == found.path[-1].block == "timestep"
    assert not any("TRELLIS" in step.signal or "LUT4" in step.signal for step in found.path)
    assert sum(step.delay for step in found.path) == pytest.approx(1000 / found.mhz, rel=0.01)
    names = set(Path("rtl/timestep.py").read_text().replace(".", " ").replace("(", " ").replace(",", " ").split())
    assert {found.path[0].signal, found.path[-1].signal} <= names | {"shift register of the ports"}


def test_too_large_for_every_device(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = {"stat.json": {"design": {"num_cells_by_type": {"DP16KD": 209}}}, "net.json": {}}
    monkeypatch.setattr(frequency, "run_yosys", lambda *arguments, **options: statistics)
    with pytest.raises(ToolError, match="nands does not fit any ECP5: the largest, 85k, has 208 block RAMs"):
        fmax(Nands(1), CONFIG, cache=cache)


def test_how_long_and_how_far() -> None:
    assert [duration(luts) for luts in (0, 3000, 3050, 9000, 50000)] == [
        "under a minute", "under a minute", "about 2 minutes", "about 3 minutes", "about 17 minutes"]
    log = "Info: Packing IOs..\nInfo: Creating initial analytic placement for 4 cells\n"
    assert (stage(""), stage(log), stage(f"{log}Info: Routing..\n")) == ("reading", "placing", "routing")
