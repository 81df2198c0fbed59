"""The example of docs/models.md, as it stands there."""

import re
from pathlib import Path

import pytest

from synapress.spike_times.trained import load_trained

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_the_example_of_the_page_runs_and_learns(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example, = [code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
                if "synapress.training" in code]
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 and float(re.findall(r"training ([\d.]+)%", lines[-1])[0]) > 90, lines
    assert load_trained("build/mine.npz").name == "mine"
