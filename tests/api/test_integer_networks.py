"""A `Network` or a `Program` through the same verbs as a trained model: integers in, integers out, on every engine."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

import synapress
from golden.errors import ConfigError, EventError, NetworkError
from golden.network import dense
from synapress.mapper import lower
from synapress.mapper.image.mesh import MeshImage
from synapress.reports.report import quantization_sheet
from tests.helpers.onnx_models import TOPOLOGIES

SMALL = dataclasses.replace(synapress.CoreConfig(), name="small", address_bits=8)


def network(rng: np.random.Generator) -> synapress.Network:
    made = synapress.Network("own")
    made.input("in", (2, 6, 6))
    made.conv("a", "in", rng.integers(-20, 20, (8, 2, 3, 3)), padding=1, shift=4)
    made.conv("b", "a", rng.integers(-20, 20, (8, 8, 3, 3)), padding=1, shift=7)
    made.output("b")
    made.dense("scores", "b", rng.integers(-20, 20, (4, 8 * 6 * 6)), shift=6, saturation=synapress.Saturation.FULL)
    made.output("scores")
    return made


@pytest.mark.parametrize("config", ["grai_vip", SMALL], ids=["core", "mesh"])
def test_engines_give_what_the_dense_network_gives(
    config: synapress.CoreConfig | str, tmp_path: Path, seed: int
) -> None:
    """Also after a folder kept it; the expectation is plain convolution."""
    rng = np.random.default_rng(seed)
    made = network(rng)
    frames = rng.integers(0, 256, (2, 2, 6, 6)) * (rng.random((2, 2, 6, 6)) < 0.4)
    compiled = synapress.compile(made, config=config)
    assert isinstance(compiled.image, MeshImage) == (config is SMALL) == bool(compiled.loads)
    compiled.save(tmp_path / "out")
    wanted = [dense.run(lower(made), {"in": frame}, compiled.config) for frame in frames]
    for item, engine in ((compiled, "fast"), (synapress.CompiledModel.load(tmp_path / "out"), "golden")):
        result = synapress.simulate(item, {"in": frames}, engine=engine)
        assert list(result.outputs) == ["b", "scores"] and result.outputs["b"].dtype == np.int64
        for name, array in result.outputs.items():
            np.testing.assert_array_equal(array, [each[name].outputs for each in wanted])
    assert compiled.to_json()["words"] == compiled.words > 0
    sheet = quantization_sheet(compiled)
    assert [row[0] for row in sheet.rows] == ["a", "b", "scores"]
    assert [row[-1] for row in sheet.rows] == [item["verdict"] for item in compiled.to_json()["sums"]]


def test_rtl_runs_a_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = network(rng)
    frames = rng.integers(0, 256, (1, 2, 6, 6)) * (rng.random((1, 2, 6, 6)) < 0.4)
    result = synapress.simulate(synapress.compile(lower(made)), frames, engine="rtl")
    np.testing.assert_array_equal(result.outputs["scores"], synapress.simulate(
        synapress.compile(made), frames).outputs["scores"])
    assert result.counters is not None and result.counters["synapses"] > 100


def test_a_path_is_compiled_as_the_model_that_it_holds(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    onnx.save(TOPOLOGIES["plain"](rng), tmp_path / "model.onnx")
    model = synapress.load(tmp_path / "model.onnx")
    x = rng.normal(0, 1, (4, *model.inputs[0].dims[1:]))
    first, second = (synapress.compile(source, calibration=x) for source in (model, tmp_path / "model.onnx"))
    assert first.images[0].to_bytes() == second.images[0].to_bytes()
    assert synapress.compile_to("split", str(tmp_path / "model.onnx")).done == ["import", "lower", "split"]


def test_what_integer_layers_do_not_take_is_named(seed: int) -> None:
    made = network(np.random.default_rng(seed))
    with pytest.raises(ConfigError, match=r"calibration \(--calibration\): a Network has integers already; leave it"):
        synapress.compile(made, calibration=np.zeros((1, 2, 6, 6)))
    with pytest.raises(ConfigError, match=r"options \(--method, .*\): a Program has integers already; leave it out"):
        synapress.compile(lower(made), options=synapress.Options())
    compiled = synapress.compile(made)
    with pytest.raises(NetworkError, match="inputs 'in': needs integers"):
        synapress.simulate(compiled, np.full((1, 2, 6, 6), 0.5))
    with pytest.raises(EventError, match="in"):
        synapress.simulate(compiled, np.full((1, 2, 6, 6), 256))
    with pytest.raises(EventError, match="in"):
        synapress.simulate(compiled, np.full((1, 2, 6, 6), -1))
