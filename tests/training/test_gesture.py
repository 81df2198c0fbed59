"""The script that trains the gesture network, on a few recordings; its neurons are the integer model's."""

from pathlib import Path

import numpy as np
import pytest

from synapress.mapper.cim.activity import run
from synapress.mapper.network.populations import lower
from synapress.training.torch_module import torch
from synapress.zoo.gesture import gesture, train
from synapress.zoo.gesture.recordings import data


def test_the_script_trains_goes_on_and_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(train, "data", lambda count, seed: data(count, seed, timesteps=2))
    arguments = ["--output", str(tmp_path / "one.npz"), "--epochs", "1", "--count", "11", "--tested", "11"]
    train.main(arguments)
    train.main([*arguments[2:], "--start", str(tmp_path / "one.npz"), "--output", str(tmp_path / "two.npz")])
    assert sum("epoch 1 of 1" in line for line in capsys.readouterr().out.splitlines()) == 2
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert set(one) == set(two) and any(not np.array_equal(one[name], two[name]) for name in one)


def test_trained_neurons_are_those_of_the_integer_model(tmp_path: Path) -> None:
    maps, _ = data(2, 1, timesteps=3)
    network = train.Spiking()
    with torch.no_grad():
        network(torch.from_numpy(maps).float(), fit=True)
    train.export(network, tmp_path / "drawn.npz")
    train.start_from(network, tmp_path / "drawn.npz")
    with torch.no_grad():
        counts, _, rates = network(torch.from_numpy(maps).float())
    with np.load(tmp_path / "drawn.npz") as arrays:
        program = lower(gesture(
            classifier=True, weights={name: arrays[f"{name}.weights"].astype(np.int64) for name in train.NAMES},
            thresholds={name: int(arrays[f"{name}.threshold"]) for name in train.NAMES}))
    found = dict(run(program, {"events": maps}))
    assert rates == pytest.approx([1 - found[name].sparsity for name in train.NAMES], abs=1e-3)
    assert np.abs(counts.numpy() - found["F3"].spikes.sum(axis=1).reshape(2, -1)).max() <= 1
