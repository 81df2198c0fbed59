"""The demo of a network that is replayed core by core, with a small network: its figures against the golden network."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.network import dense
from synapress import demo_replay
from synapress.mapper import Network, legalize, lower

CONFIG = CoreConfig.load("fpga_small")
QUIET = Console(quiet=True)


def small() -> Network:
    rng, network = np.random.default_rng(1), Network("small")
    last = network.input("in", (2, 8, 8))
    last = network.conv("conv", last, rng.integers(-9, 15, (64, 2, 3, 3)), shift=5)
    last = network.conv("second", last, rng.integers(-9, 15, (64, 64, 3, 3)), shift=8)
    network.output(network.dense("dense", last, rng.integers(-9, 10, (4, *network.shape(last))), shift=9))
    return network


def test_report_and_picture(tmp_path: Path) -> None:
    """Firing, operations and layers as the dense network counts them; a second run goes on from what there is."""
    network = small()
    frame = np.random.default_rng(2).integers(1, 200, (2, 8, 8))
    told = demo_replay.run(CONFIG, of=network, directory=tmp_path, frame=frame, jobs=1, console=QUIET)
    program = demo_replay.lively(legalize(lower(network), CONFIG))
    outputs = {name: item.outputs for name, item in dense.run(program, {"in": frame[np.newaxis]}, CONFIG).items()}
    fired = [values for name, values in outputs.items() if name != "in"]
    assert told["firing"] == pytest.approx(
        sum(map(np.count_nonzero, fired)) / sum(values.size for values in fired))
    assert told["synapses"] == sum(dense.synaptic_operations(program, outputs).values()) > 0
    assert list(told["layers"]) == ["conv", "second", "dense"] and len(told["cores"]) > 1
    assert told["busiest"] > 0
    folder = tmp_path / "small"
    assert (folder / "mesh.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "report.json").read_text())["states"] == told["states"] > 0

    done = {path: path.stat().st_mtime_ns for path in folder.glob("replay/result_*.json")}
    again = demo_replay.run(CONFIG, of=network, directory=tmp_path, frame=frame, jobs=1, console=QUIET)
    assert again["cores"] == told["cores"]
    assert len(done) == len(told["cores"]) and all(path.stat().st_mtime_ns == when for path, when in done.items())


@pytest.mark.parametrize(("frame", "what"), [
    (np.zeros((2, 8, 7), int), "2, 8, 7"), (np.full((2, 8, 8), 256), "from 0 to 255"),
    (np.zeros((2, 8, 8)), "float64"), ({"other": np.zeros((2, 8, 8), int)}, "no array of this name"),
])
def test_frames_that_do_not_fit(tmp_path: Path, frame: object, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        demo_replay.run(CONFIG, of=small(), directory=tmp_path, frame=frame, console=QUIET)


def test_unknown_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are: resnet50, mobilenet"):
        demo_replay.run(CONFIG, network="alexnet", directory=tmp_path, console=QUIET)
