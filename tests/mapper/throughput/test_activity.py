"""How often neurons fire, for mapping for throughput: measured on the calibration, given, or assumed."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from typer.testing import CliRunner

import synapress
from synapress.cli.main import app
from synapress.mapper.throughput.options import Throughput
from synapress.mapper.throughput.work import assumed
from tests.helpers.onnx_models import TOPOLOGIES


@pytest.fixture
def folder(tmp_path: Path, seed: int) -> Path:
    """A model, and frames of which only the left half has values, so that neurons fire unlike one another."""
    rng = np.random.default_rng(seed)
    onnx.save(TOPOLOGIES["plain"](rng), tmp_path / "model.onnx")
    x = rng.normal(0, 1, (12, *synapress.load(tmp_path / "model.onnx").inputs[0].dims[1:])).astype(np.float32)
    x[..., x.shape[-1] // 2:] = 0
    np.save(tmp_path / "x.npy", x)
    return tmp_path


def test_calibrated_layers_have_what_was_measured(folder: Path) -> None:
    """Neuron by neuron what the compiled model itself gives on these frames, and about what onnx does."""
    x = np.load(folder / "x.npy")
    work = synapress.compile_to("write", folder / "model.onnx", calibration=x, throughput=Throughput(cores=2))
    found = work.activity
    assert found is not None and "measured on the calibration" in found.how
    maps = synapress.simulate(synapress.CompiledModel.of(work), x).maps
    assert found.measured and set(found.rates) == {item.name for item in work.program.populations}
    for name in found.measured:
        np.testing.assert_allclose(found.rates[name], (maps[name] != 0).mean(axis=0), err_msg=name)
    for name in found.rates.keys() - found.measured:
        assert found.rates[name] == assumed(work.program)[name]
    (name,) = work.program.inputs
    assert found.shares[name] < 0.51

    proto = onnx.load(folder / "model.onnx")
    first = next(node.output[0] for node in proto.graph.node if node.op_type == "Relu")
    proto.graph.output.extend([onnx.helper.make_empty_tensor_value_info(first)])
    (values,) = ReferenceEvaluator(proto).run([first], {proto.graph.input[0].name: x})
    layer = next(layer for layer in work.program.topological_order() if layer not in work.program.inputs)
    assert found.shares[layer] == pytest.approx(float(np.mean(values > 0)), abs=0.05)


def test_the_option_goes_before_what_was_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    arguments = ["compile", "model.onnx", "--calibration", "x.npy", "-o", "out", "--throughput", "--cores", "2", "--to",
                 "place"]

    def told(*more: str) -> tuple[str, dict[str, dict[str, float]], float]:
        done = CliRunner().invoke(app, [*arguments, *more, "--json"])
        assert done.exit_code == 0, (done.output, done.exception)
        found = json.loads(done.stdout)
        return found["activity"]["how"], found["activity"]["layers"], found["cycles"]["interval"]

    measured, given = told(), told("--activity", "0.05")
    assert measured[0].startswith("measured on the calibration") and given[0] == "given: 5% of each layer"
    inner = [name for name, layer in given[1].items() if layer["share"] == 0.05 and not layer["measured"]]
    assert len(inner) == len(given[1]) - 1
    assert any(measured[1][name]["measured"] and measured[1][name]["share"] > 0.1 for name in inner)
    assert given[2] < measured[2]
    assert "activity, given: 5% of each layer: " in " ".join(
        CliRunner().invoke(app, [*arguments, "--activity", "0.05"]).stdout.split())
