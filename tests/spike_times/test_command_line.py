"""Trained networks of spikes in time on the command line, where a network's file goes."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from synapress.cli.main import app
from synapress.spike_times.trained import save_trained
from tests.helpers.trained_networks import drawn


def test_files_of_trained_networks_are_mapped(tmp_path: Path, seed: int) -> None:
    network = drawn(np.random.default_rng([seed, 840]), steps=12, tau=2)
    save_trained(network, tmp_path / "drawn.npz")
    for command in (["footprint", str(tmp_path / "drawn.npz")],
                    ["map", str(tmp_path / "drawn.npz"), "-o", str(tmp_path / "images")]):
        done = CliRunner().invoke(app, [*command, "--json"])
        assert done.exit_code == 0, (done.output, done.exception)
        assert json.loads(done.stdout)
    config = json.loads(next((tmp_path / "images").rglob("*manifest.json")).read_text())["config"]
    assert (config["product"], config["ttfs_times"], config["ttfs_tau"]) == ("log", 12, 2)
    np.savez(tmp_path / "other.npz", array=np.zeros(3))
    done = CliRunner().invoke(app, ["footprint", str(tmp_path / "other.npz")])
    assert done.exit_code == 1 and "no trained network in" in str(done.exception)
