"""The script that trains the digits' network, on a few digits."""

from pathlib import Path

import pytest

from synapress.spike_times.trained import load_trained
from synapress.training import as_module, predict
from synapress.zoo.spike_time_digits import FILE, train


def test_the_script_trains_goes_on_and_writes_the_file(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    x, y, tested, labels = train.images()
    monkeypatch.setattr(train, "images", lambda: (x[::20], y[::20], tested[::20], labels[::20]))
    arguments = ["--output", str(tmp_path / "digits.npz"), "--checkpoint", str(tmp_path / "digits.pt"), "--epochs", "2",
                 "--steps", "8", "--tau", "2"]
    train.main(arguments)
    first = capsys.readouterr().out
    assert [line.split(":")[0] for line in first.splitlines()[:2]] == ["epoch 1 of 2 (relu)", "epoch 2 of 2 (clip)"]
    content = (tmp_path / "digits.npz").read_bytes()
    train.main(arguments)
    again = capsys.readouterr().out
    assert "epoch" not in again and again.splitlines()[:2] == first.splitlines()[2:4]
    assert (tmp_path / "digits.npz").read_bytes() == content
    assert (load_trained(tmp_path / "digits.npz").steps, load_trained(tmp_path / "digits.npz").tau) == (8, 2)


def test_the_file_of_the_repository_tells_digits_apart() -> None:
    _, _, tested, labels = train.images()
    for quantized in (False, True):
        assert (predict(as_module(load_trained(FILE), quantized=quantized), tested) == labels).float().mean() >= 0.97


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--threads", "0"], ["--tau", "0"], ["--seed", str(1 << 70)]])
def test_wrong_options_end_in_a_sentence(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(wrong)
    assert "error: " in capsys.readouterr().err
