"""`synapress verify` and the other commands on one of Lava's files: what is the same, what differs, and bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from golden.config import CoreConfig
from synapress.cli.main import app
from synapress.cli.verify import against, maps
from synapress.mapper.importers.lava.reader import CORE
from tests.helpers import lava_files

TIMESTEPS = 9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> Path:
    """A network, its input in SLAYER's layout, and what two of its layers sent, from one timestep later on."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng([seed, 8])
    layers = lava_files.random_layers(rng)
    lava_files.write(tmp_path / "random.net", layers)
    frames = lava_files.inputs(rng, layers, TIMESTEPS)
    spikes = lava_files.loihi(layers, frames)[-2:]
    assert all(each.any() for each in spikes)
    np.save("input.npy", frames.transpose(1, 2, 3, 0)[None].astype(np.float32))
    for name, each in zip(("first", "last"), spikes, strict=True):
        late = np.concatenate([np.zeros_like(each[:1]), each])[..., 0, 0]
        np.save(f"{name}.npy", late.T[None])
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", "random.net", "-i", "input.npy", "--engine", "fast", *arguments])


def test_recordings_that_are_the_same(folder: Path) -> None:
    done = run("-e", "dense5=first.npy:NCT", "-e", "dense6=last.npy", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["equal"] and found["timesteps"] == TIMESTEPS
    seen = {layer["layer"]: layer["recorded"] for layer in found["layers"]}
    assert seen["conv1"] is None
    for name, file in (("dense5", "first.npy"), ("dense6", "last.npy")):
        spikes = np.count_nonzero(np.load(file))
        assert seen[name] == {"different": 0, "late": 1, "timesteps": TIMESTEPS, "spikes": spikes}
    told = run("-e", "dense6=last.npy")
    assert told.exit_code == 0 and "all spikes are the same" in told.output


def test_a_recording_that_differs(folder: Path) -> None:
    array = np.load("last.npy")
    array[0, 2, 5] = 1 - array[0, 2, 5]
    np.save("last.npy", array)
    done = run("-e", "dense6=last.npy")
    assert done.exit_code == 1 and "spikes differ" in done.output


@pytest.mark.parametrize(("arguments", "text"), [
    (("-e", "dense7=last.npy"), "--expect dense7=last.npy: needs LAYER=FILE.npy, with one of the layers"),
    (("-e", "dense5=last.npy"), "the layer has 1 of"), (("-e", "dense6=last.npy:NC"), "give FILE:LAYOUT with a letter"),
    (("-e", "dense6=last.npy:NCC"), "give FILE:LAYOUT with a letter"), (("-e", "dense6=none.npy"), "no such file"),
    (("-i", "constant.npy:CHW"), "give --timesteps"), (("-i", "halves.npy"), "no integers"),
    (("-i", "complex.npy"), "no integers"), (("-i", "text.npy"), "no integers"), (("-i", "huge.npy"), "too large"),
    (("-e", "dense6=none at all.npy"), "has no timesteps"), (("--skip", "9"), "none of the 9 timesteps"),
    (("--config", "grai_vip"), "Add '")])
def test_bad_input(folder: Path, arguments: tuple[str, ...], text: str) -> None:
    frames = np.load("input.npy")
    np.save("constant.npy", frames[0, ..., 0])
    np.save("halves.npy", frames + 0.5)
    np.save("complex.npy", frames + 0j)
    np.save("text.npy", np.full(frames.shape, "a"))
    np.save("huge.npy", frames + 1e30)
    np.save("none at all.npy", np.load("last.npy")[..., :0])
    done = run(*arguments)
    assert done.exit_code == 1 and text in str(done.exception), (done.output, done.exception)


def test_layouts(tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    np.save(tmp_path / "x.npy", array)
    whole = maps(f"{tmp_path / 'x.npy'}:WHC", 5)
    assert whole.shape == (1, 5, 4, 2, 3)
    np.testing.assert_array_equal(whole[0, 3, 1], array[..., 1])
    np.testing.assert_array_equal(maps(str(tmp_path / "x.npy"), None)[1, 3, :, 0, 0], array[1, :, 3])


def test_how_late_a_recording_is() -> None:
    rng = np.random.default_rng(3)
    found = (rng.random((1, 6, 2, 1, 1)) < 0.5).astype(np.int64)
    late = np.concatenate([np.zeros((1, 2, 2, 1, 1), np.int64), found], axis=1)
    assert against(found, late) == {"different": 0, "late": 2, "timesteps": 6, "spikes": found.sum()}
    assert against(found, found)["late"] == 0


def test_a_silent_recording_differs_from_spikes() -> None:
    """However late it is said to be, as it does not tell."""
    found = np.zeros((1, 6, 2, 1, 1), np.int64)
    found[:, 5, 1] = 1
    assert against(found, np.zeros_like(found)) == {"different": 1, "late": 0, "timesteps": 6, "spikes": 0}


def test_other_commands_take_the_file(folder: Path) -> None:
    """With the configuration that `examples/lava.json` has."""
    example = Path(__file__).parents[2] / "examples/lava.json"
    assert CoreConfig.load(str(example)) == CORE
    for arguments, text in ((("compile", "random.net", "-c", str(example), "-o", "out"), "on 1 core of lava"),
                            (("map", "random.net", "-c", str(example)), "populations, fragments"),
                            (("footprint", "random.net", "-c", str(example)), "conv1")):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0 and text in done.output, (done.output, done.exception)
    for command in ("map", "footprint"):
        done = CliRunner().invoke(app, [command, "random.net"])
        assert "to neuron_types" in str(done.exception), done.exception
