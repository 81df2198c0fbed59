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
from synapress.mapper.importers.model import Model
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


def integrators(weights: npt.NDArray[np.float64], neurons: str) -> Model:
    """Neurons that pass the input's spikes on, and integrators behind them."""
    count, inputs = weights.shape
    nodes = {
        "input": nir.Input(input_type={"input": np.array([inputs])}), "pass": nir.Linear(weight=np.eye(inputs)),
        "passed": nir.IF(r=np.ones(inputs), v_threshold=np.ones(inputs)), "w": nir.Linear(weight=weights),
        "n": nir.IF(r=np.ones(count), v_threshold=np.ones(count)),
        "output": nir.Output(output_type={"output": np.array([count])})}
    return read_nir(nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes))), neurons=neurons)


@pytest.mark.filterwarnings("ignore:node 'n' never fires")
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("saturate", [False, True])
def test_potentials_on_sequences_longer_than_those_of_the_calibration(saturate: bool, sign: int, seed: int) -> None:
    """One that falls, or that gets more than its threshold in every timestep, wraps, unless its potential saturates."""
    rng = np.random.default_rng([seed, 940])
    model = integrators(sign * np.abs(rng.normal(0.6, 0.1, (16, 8))), "nir,reset=subtract,fires=>=")
    made = synapress.compile(model, calibration=(rng.random((30, 10, 8)) < 0.6).astype(float),
                             options=synapress.Options(saturate=saturate))
    assert made.sums[-1].verdict == ("proved" if saturate else "measured")
    for timesteps in (10, 100):
        frames = (rng.random((timesteps, 8)) < 0.6).astype(float)
        result, expected = synapress.simulate(made, frames), synapress.float_outputs(model, frames)
        wrong = result.outputs["output"] != expected["output"]
        assert bool(result.wrapped) == bool(wrong.any()) == (timesteps > 10 and not saturate)


def test_what_is_proved_holds_for_any_spikes(seed: int) -> None:
    """Spikes into positive weights only, into negative ones only, and any: on a calibration with next to none."""
    verdicts = set()
    for inputs in (6, 60, 1500):
        rng = np.random.default_rng([seed, 941, inputs])
        weights = rng.normal(0, 1, (4, inputs))
        made = synapress.compile(integrators(weights, "nir,reset=subtract,fires=>="),
                                 calibration=(rng.random((4, 10, weights.shape[1])) < 0.02).astype(float))
        report_of = made.sums[-1]
        verdicts.add(report_of.verdict)
        some = np.concatenate([weights > 0, weights < 0, rng.random(weights.shape) < 0.5]).astype(float)
        result = synapress.simulate(made, np.repeat(some[:, None], 8, axis=1))
        assert bool(result.wrapped) == (report_of.verdict != "proved")
    assert verdicts == {"proved", "measured"}


@pytest.mark.filterwarnings("ignore:node 'n' never fires")
def test_more_than_the_room_is_counted_and_told(seed: int) -> None:
    """Where the room was only measured, what exceeds it wraps, as sums do."""
    weights = -np.abs(np.random.default_rng([seed, 942]).normal(0, 1, (4, 1000)))
    frames = np.zeros((5, 10, 1000))
    frames[..., :20] = 1
    made = synapress.compile(integrators(weights, "nir,fires=>="), calibration=frames)
    assert made.sums[-1].verdict == "measured" and not synapress.simulate(made, frames).wrapped
    assert list(synapress.simulate(made, np.ones((3, 1000))).wrapped) == [made.sums[-1].layer]
