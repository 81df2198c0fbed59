"""What reports warn of: sums that exceed the states and wrap, and calibrations whose outliers make all else 0."""

import itertools
from pathlib import Path

import nir
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import synapress
from synapress.cli.main import app
from synapress.mapper.importers.nir.reader import read_nir
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.reports import report
from synapress.results import CompiledModel

DEPTH = 2048


def dense(weights: npt.NDArray[np.float32]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], name="fc")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", DEPTH, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])], [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def made(seed: int) -> tuple[CompiledModel, npt.NDArray[np.float32]]:
    """A dense layer, calibrated on noise, and frames of the same range: two that fit, two that do not."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1 / 64, (DEPTH, 8)).astype(np.float32)
    noise = rng.uniform(-1, 1, (64, DEPTH, 1, 1)).astype(np.float32)
    worst = np.sign(weights[:, 0]).reshape(1, DEPTH, 1, 1)
    frames = np.concatenate([noise[:2], 0.6 * worst, -0.9 * worst])
    return synapress.compile(read_onnx(dense(weights)), calibration=noise), frames


def test_wrapped_sums_are_counted(made: tuple[CompiledModel, npt.NDArray[np.float32]]) -> None:
    compiled, frames = made
    result = synapress.simulate(compiled, frames)
    (edge,) = compiled.lowered.edges
    values = np.stack(list(result.maps[edge.source])).reshape(4, DEPTH).astype(np.int64)
    sums = values @ edge.weights.reshape(8, DEPTH).astype(np.int64).T << edge.shift
    expected = int(np.count_nonzero(np.abs(sums + 0.5) > 1 << 15))
    assert expected >= 2 and result.wrapped == {"fc": expected} == result.to_json()["wrapped"]
    assert synapress.simulate(compiled, frames[:2]).wrapped == {}
    assert synapress.simulate(compiled, frames[2:3], engine="golden").wrapped["fc"] >= 1
    assert f"fc ({expected} of 32)" in report.wrap_warning(result)


def test_the_command_line_and_the_page_warn(
    made: tuple[CompiledModel, npt.NDArray[np.float32]], tmp_path: Path
) -> None:
    compiled, frames = made
    compiled.save(tmp_path / "out")
    np.save(tmp_path / "bad.npy", frames)
    np.save(tmp_path / "good.npy", frames[:2])
    for name, warned in (("bad", True), ("good", False)):
        given = ["-i", str(tmp_path / f"{name}.npy")]
        ran = CliRunner().invoke(app, ["simulate", str(tmp_path / "out"), *given])
        told = CliRunner().invoke(app, ["report", str(tmp_path / "out"), *given, "-o", str(tmp_path / "page.html")])
        for text in (ran.output, told.output, (tmp_path / "page.html").read_text()):
            assert ("exceeded the states" in " ".join(text.split())) == warned, text


def test_an_outlier_of_the_calibration_that_leaves_nothing_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-1, 1, (64, DEPTH, 1, 1)).astype(np.float32)
    model = read_onnx(dense(rng.normal(0, 1 / 64, (DEPTH, 8)).astype(np.float32)))
    fine = synapress.compile(model, calibration=noise)
    assert fine.layers[0].lost is None and "Warning" not in report.quantization_sheet(fine).caption
    noise[3, 5] = 1e30
    spoilt = synapress.compile(model, calibration=noise)
    assert spoilt.layers[0].lost is not None and spoilt.layers[0].lost > 0.99
    assert "became 0: fc (100.0%)" in report.quantization_sheet(spoilt).caption


def test_an_inhibited_neuron_wraps_on_sequences_longer_than_those_of_the_calibration(seed: int) -> None:
    rng = np.random.default_rng([seed, 940])
    nodes = {
        "input": nir.Input(input_type={"input": np.array([8])}),
        "w": nir.Linear(weight=rng.normal(-0.3, 0.1, (16, 8))),
        "n": nir.IF(r=np.ones(16), v_threshold=np.ones(16)),
        "output": nir.Output(output_type={"output": np.array([16])})}
    model = read_nir(nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes))))
    made = synapress.compile(model, calibration=(rng.random((30, 10, 8)) < 0.4).astype(float))
    for timesteps in (10, 100):
        result = synapress.simulate(made, (rng.random((timesteps, 8)) < 0.4).astype(float))
        assert bool(result.wrapped) == bool(result.outputs["output"].any()) == (timesteps > 10)
