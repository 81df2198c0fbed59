"""Pruned models of files whose dense layers lie in tables: ONNX and NIR, from the file to golden cores."""

import dataclasses
import itertools
import json

import nir
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import synapress
from golden.config import CoreConfig
from golden.words import TABLE_ORGANISATIONS
from synapress.cli.main import app
from synapress.mapper.errors import RuleError
from tests.helpers.onnx_models import Builder

CONFIG = dataclasses.replace(CoreConfig(), decoder="mixed", organisations=tuple(TABLE_ORGANISATIONS))


def pruned(rng: np.random.Generator, shape: tuple[int, int], density: float = 0.1) -> np.ndarray:
    return (rng.normal(0, 1 / np.sqrt(density * shape[1]), shape) * (rng.random(shape) < density)).astype(np.float32)


def classifier(rng: np.random.Generator) -> onnx.ModelProto:
    """A convolutional front, and dense layers of which nine in ten weights are 0."""
    b = Builder(rng, (2, 8, 8))
    x = b.conv("x", 2, 6, strides=[2, 2])
    x = b.node("Flatten", x)
    x = b.node("Relu", b.node("Gemm", x, b.constant(pruned(rng, (40, 96))), transB=1))
    return b.model(b.node("MatMul", x, b.constant(pruned(rng, (40, 10), 0.2))))


def spiking(rng: np.random.Generator) -> nir.NIRGraph:
    ones = np.ones(30, np.float32)
    nodes = {
        "input": nir.Input(input_type={"input": np.array([50])}),
        "hidden": nir.Linear(weight=pruned(rng, (30, 50))),
        "neurons": nir.LIF(tau=2 * ones, r=2 * ones, v_leak=0 * ones, v_threshold=ones),
        "dense": nir.Affine(weight=pruned(rng, (4, 30), 0.2), bias=np.zeros(4, np.float32)),
        "output": nir.Output(output_type={"output": np.array([4])}),
    }
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)))


@pytest.fixture
def file(tmp_path, seed):
    onnx.save(classifier(np.random.default_rng(seed)), tmp_path / "pruned.onnx")
    return tmp_path / "pruned.onnx"


def test_a_pruned_classifier(file, seed):
    """Front in kernels, back in tables, on one core: the golden core computes what the kernels alone would."""
    rng = np.random.default_rng(seed)
    calibration, frames = rng.normal(0, 1, (16, 2, 8, 8)), rng.normal(0, 1, (3, 2, 8, 8))
    plain = synapress.compile(file, calibration=calibration)
    mixed = synapress.compile(file, config=CONFIG, calibration=calibration, organisation="auto", mesh=False)
    assert [choice.chosen for choice in mixed.choices] == [
        min(choice.candidates, key=lambda item: item.total).organisation for choice in mixed.choices]
    assert mixed.choices[0].chosen in TABLE_ORGANISATIONS
    assert all(choice.synapses <= 0.22 * choice.inputs * choice.outputs for choice in mixed.choices)  # zeros stay zeros
    assert mixed.words < 0.6 * plain.words
    done = synapress.simulate(mixed, frames, engine="golden")
    (name,) = done.outputs
    assert np.array_equal(done.outputs[name], synapress.simulate(plain, frames).outputs[name])


@pytest.mark.parametrize("organisation", ["auto", "crossbar"])
def test_a_pruned_spiking_network(organisation, tmp_path, seed):
    rng = np.random.default_rng(seed)
    nir.write(tmp_path / "pruned.nir", spiking(rng))
    spikes = (rng.random((2, 20, 50)) < 0.4).astype(float)
    config = dataclasses.replace(CONFIG, state_bits=32, lanes=2)
    compiled = synapress.compile(synapress.load(tmp_path / "pruned.nir", neurons="method=euler"), config=config,
                                 calibration=spikes, organisation=organisation)
    hidden, dense = compiled.choices
    assert hidden.chosen == dense.chosen == organisation if organisation != "auto" else hidden.chosen != "functional"
    done = synapress.simulate(compiled, spikes, engine="golden")
    assert done.counts[hidden.layer].events and done.counts[hidden.layer].operations


def test_on_the_command_line(file, tmp_path, seed):
    rng = np.random.default_rng(seed)
    np.save(tmp_path / "data.npy", rng.normal(0, 1, (16, 2, 8, 8)))
    (tmp_path / "core.json").write_text(json.dumps(CONFIG.to_json()))

    def run(*options: object):
        line = ["compile", file, "--calibration", tmp_path / "data.npy", "--output", tmp_path / "model", *options]
        return CliRunner().invoke(app, [str(item) for item in line])

    core = ("--config", tmp_path / "core.json")
    told = json.loads(run(*core, "--organisation", "bitmap", "--json").stdout)
    assert [item["chosen"] for item in told["model"]["organisations"]] == ["bitmap", "bitmap"]
    shown = run(*core, "--organisation", "auto", "--cheapest", "cycles").stdout
    assert "compressed_rows" in shown and "chosen" in shown
    refused = run("--organisation", "bitmap").exception
    assert isinstance(refused, RuleError) and "add 'bitmap' to organisations" in str(refused)
