"""The report of a compiled model: terminal, JSON and the page."""

import json
import re
from pathlib import Path

import nir
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from synapress.cli import app
from synapress.model_files import open_compiled
from tests.onnx_models import TOPOLOGIES
from tests.spiking_graphs import graph


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def spiking(tmp_path: Path, seed: int) -> Path:
    """A folder with a compiled spiking model `out`, its file `snn.nir` and frames `x.npy`."""
    rng = np.random.default_rng([seed, 920])
    nir.write(tmp_path / "snn.nir", graph(rng, "snntorch", 4)[0])
    np.save(tmp_path / "x.npy", (rng.random((3, 6, 2, 4, 4)) < 0.5).astype(float))
    run("compile", tmp_path / "snn.nir", "--calibration", tmp_path / "x.npy", "--neurons", "snntorch",
        "-o", tmp_path / "out")
    return tmp_path


def test_layers_with_neurons_say_which_spikes_are_right(spiking: Path) -> None:
    shares = {layer.layer: (layer.spikes, layer.own_spikes) for layer in open_compiled(spiking / "out").layers}
    assert [name for name, (share, _) in shares.items() if share is not None] == ["c1", "c2", "dense"]
    text = run("report", spiking / "out", "-o", spiking / "page.html")
    page = (spiking / "page.html").read_text()
    found = json.loads(run("report", spiking / "out", "--json"))["layers"]
    assert page.count("<th>spikes</th><th>own spikes</th>") == 1
    for layer in found:
        share, own = shares[layer["layer"]]
        if share is None or own is None:
            assert not {"spikes", "own_spikes"} & set(layer)
            continue
        assert (layer["spikes"], layer["own_spikes"]) == (share, own)
        assert re.search(rf"{layer['layer']} .*│\s+{share:.1%} │\s+{own:.1%} │", text), text
        assert f"<td>{share:.1%}</td><td>{own:.1%}</td>" in page


def test_layers_without_neurons_tell_of_no_spikes(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 921])
    onnx.save(TOPOLOGIES["one_dimensional"](rng), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", rng.normal(0, 1, (8, 4, 32)))
    run("compile", tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy", "-o", tmp_path / "out")
    text = run("report", tmp_path / "out", "-o", tmp_path / "page.html") + run("report", tmp_path / "out", "--json")
    assert "spikes" not in text + (tmp_path / "page.html").read_text()
