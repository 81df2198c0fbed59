"""Trained networks of spikes in time on the command line, where a network's file goes."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from synapress.cli.main import app
from synapress.spike_times.trained import save_trained
from tests.helpers.trained_networks import drawn


def test_a_file_to_compile_is_a_model(tmp_path: Path) -> None:
    """Who trained a network is told what makes one of it."""
    np.savez(tmp_path / "mine.npz", array=np.zeros(3))
    done = CliRunner().invoke(app, ["compile", str(tmp_path / "mine.npz"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1 and "given: arrays. Convert a trained network" in str(done.exception)


@pytest.mark.parametrize("seed", ["-1", str(1 << 32)])
def test_seeds_are_those_of_every_generator(seed: str) -> None:
    for command in typer.main.get_command(app).commands.values():
        if any("--seed" in option.opts for option in command.params):
            done = CliRunner().invoke(app, [command.name, "--seed", seed])
            assert done.exit_code == 2 and "Invalid value for '--seed'" in done.output, command.name


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
