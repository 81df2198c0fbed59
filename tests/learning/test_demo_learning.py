"""The demo that learns on chip: what it compares, counts and draws, and that a difference ends it."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from golden.errors import ConfigError
from synapress import demo_learning
from synapress.energy.memory import memory_model
from synapress.engines.compare import MismatchError
from synapress.learning.learners import learn_golden
from synapress.learning.on_chip import Run, Settings

QUIET = Console(file=io.StringIO())


def test_two_epochs_in_rtl(tmp_path: Path) -> None:
    told = demo_learning.run(organisations=["crossbar"], epochs=2, directory=tmp_path, console=QUIET)
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(told))
    assert (tmp_path / "learning.png").stat().st_size > 10000
    same = told["comparison"]["crossbar"]
    assert same["weights"] == 3 * (64 * 48 + 48 * 32) and not same["differences"] and same["epochs"] == 2
    assert len(told["losses"]["integers"]) == len(told["losses"]["real numbers"]) == 2
    assert told["accesses"]["crossbar"]["update"]["weight_write"] > 0 < told["energy"]["crossbar"]["update"]


def test_energy_of_compressed_rows() -> None:
    """Forward reads pointers; an update links. Both layers lie in the same memories."""
    settings, model = Settings(epochs=1, density=0.5), memory_model("cacti22")
    run = learn_golden(settings, "compressed_rows")
    weights, stored = settings.weights()
    entries = [int(there.sum()) for there in stored]
    assert all(each.size > there for each, there in zip(weights, entries, strict=True))
    links = sum((each.shape[1] + 2) // 2 + there for each, there in zip(weights, entries, strict=True))
    rows, words = ((64 + 2) // 2 + (48 + 2) // 2), sum((there + 1) // 2 for there in entries)
    found, counts = demo_learning.energy("compressed_rows", settings, run, model), demo_learning.accesses(run)
    assert found["forward"] == pytest.approx((counts["forward"]["index_read"] * model.read(max(64 * rows, 8192), 64)
                                              + counts["forward"]["weight_read"] * model.read(64 * words, 64)) / 1000)
    update = counts["update"]
    assert found["update"] == pytest.approx((
        update["index_read"] * model.read(64 * links, 64) + update["weight_read"] * model.read(64 * words, 64)
        + update["weight_write"] * model.write(64 * words, 64)) / 1000)


def test_a_difference_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any, **options: Any) -> Run:
        run = learn_golden(*given, **options)
        run.history[0][1][3, 4] += 1
        accesses = {**run.accesses, "UPDATE": {**run.accesses["UPDATE"], "weight_write": 7}}
        return dataclasses.replace(run, accesses=accesses)

    monkeypatch.setattr(demo_learning, "learn_rtl", wrong)
    with pytest.raises(MismatchError,
                       match=r"crossbar: 1 differences of RTL and golden model; .*7 weight_write update"):
        demo_learning.run(organisations=["crossbar"], epochs=1, directory=tmp_path, console=QUIET)


def test_what_is_refused(tmp_path: Path) -> None:
    for options, message in (({"organisations": ["functional"]}, "no organisation 'functional' of dense layers"),
                             ({"model": "x"}, "no energy model 'x'"), ({"weight_bits": 1}, "weight_bits")):
        with pytest.raises(ConfigError, match=message):
            demo_learning.run(directory=tmp_path, console=QUIET, **options)  # type: ignore[arg-type]
