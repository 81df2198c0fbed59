"""Loss against energy: a step's energy is that of its layers' passes, and what no point beats is found."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import frontier as benchmark
from golden.errors import ConfigError
from synapress.energy.memory import memory_model
from synapress.reports.organisations.frontier import frontier
from synapress.reports.organisations.layers import Drawn
from synapress.reports.organisations.learning import learned

MODEL = memory_model("cacti22")
TRAINED: dict[str, Any] = {"epochs": 3, "silence": 50.0, "shapes": [[20, 30], [30, 9]], "rows": [
    {"bits": bits, "density": density, "final": loss, "lowest": loss - 1, "highest": loss + 2,
     "not zero": [density * 0.9, density]}
    for bits, density, loss in ((2, 1.0, 30.0), (8, 1.0, 10.0), (8, 0.5, 12.0), (12, 1.0, 11.0))]}


def test_points() -> None:
    points = {(point.organisation, point.weight_bits, point.density): point for point in frontier(TRAINED, MODEL)}
    assert len(points) == 12
    point, energy = points["bitmap", 8, 0.5], 0.0
    for (inputs, outputs), share in zip(TRAINED["shapes"], (0.45, 0.5), strict=True):
        row = learned(Drawn(name="x", inputs=inputs, outputs=outputs, density=share), models=[MODEL], seed=1,
                      named=["bitmap"])[0]
        energy += sum(row.passes[name].energy["cacti22"] or 0 for name in ("forward", "update"))
    assert point.energy == pytest.approx(energy) and (point.loss, point.lowest, point.highest) == (12, 11, 14)
    for one in points.values():
        beaten = any((other.energy < one.energy and other.loss <= one.loss)
                     or (other.energy <= one.energy and other.loss < one.loss) for other in points.values())
        assert one.best == (not beaten)
    assert sum(one.best for one in points.values()) in range(1, 12)


def test_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, told, drawn = (tmp_path / name for name in ("learned.json", "frontier.json", "frontier.svg"))
    given.write_text(json.dumps(TRAINED))
    benchmark.main([str(given), "--json", str(told), "--figure", str(drawn)])
    assert len(json.loads(told.read_text())["points"]) == 12 and drawn.read_text().startswith("<?xml")
    with pytest.raises(SystemExit):
        benchmark.main([str(tmp_path / "none.json")])
    assert "writes it" in capsys.readouterr().err


def test_what_is_no_training() -> None:
    with pytest.raises(ConfigError, match="has no 'shapes'"):
        frontier({"rows": [{}]}, MODEL)
    with pytest.raises(ConfigError, match="nothing was learned"):
        frontier(TRAINED | {"rows": []}, MODEL)
    with pytest.raises(ConfigError, match="nothing was learned whose memories 'schaefer' has"):
        frontier(TRAINED | {"shapes": [[600, 400]] * 2, "rows": TRAINED["rows"][1:2]}, memory_model("schaefer"),
                 named=["crossbar"])


@pytest.mark.parametrize("changed", [
    {"shapes": [[20, 30, 1]] * 2}, {"shapes": [[20, 30]]}, {"rows": 5},
    {"rows": [{**TRAINED["rows"][0], "final": "x"}]},
    {"rows": [{**TRAINED["rows"][0], "density": None}]}, {"rows": [{**TRAINED["rows"][0], "final": float("nan")}]},
    {"silence": "x"}, {"epochs": None}], ids=str)
def test_what_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="what was learned is malformed"):
        frontier(TRAINED | changed, MODEL, named=["crossbar"])


def test_files_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told before anything is counted."""
    for options, text in ((["--figure", f"{tmp_path}/a.txt"], "--figure .*a.txt: the suffix must be .png or .svg"),
                          (["--json", str(tmp_path)], "--json .*: is a folder; name a file")):
        with pytest.raises(SystemExit):
            benchmark.main([str(tmp_path / "none.json"), *options])
        assert re.search(text, capsys.readouterr().err)
