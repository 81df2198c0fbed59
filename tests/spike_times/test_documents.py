"""The example of docs/models.md that brings a trained network to a core, as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from synapress.spike_times import float_network
from synapress.spike_times.trained import load_trained, save_trained
from tests.helpers.trained_networks import drawn

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    example, = [code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "core_for" in code]
    (tmp_path / "build").mkdir()
    save_trained(drawn(np.random.default_rng([seed, 850])), tmp_path / "build" / "mine.npz")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, str(PAGE), "exec"), names)
    trained = load_trained("build/mine.npz")
    outputs = names["result"].outputs["last"].reshape(10, -1)
    reals = float_network.run(trained, float_network.code_inputs(trained, names["images"][40:])).outputs.reshape(10, -1)
    assert (outputs.argmax(axis=1) == reals.argmax(axis=1)).mean() >= 0.5 and np.ptp(outputs) > 0
