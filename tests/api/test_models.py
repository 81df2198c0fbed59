"""Trained models through the public interface and the command line."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import synapress
from golden.core import Core
from golden.errors import ConfigError, ImageError, NetworkError
from golden.host import decode, encode, run_frame
from synapress.cli.main import app
from synapress.mapper.errors import ModelError, RuleError
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.results import CompiledModel
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.onnx_file import digits_onnx
from tests.helpers.onnx_models import TOPOLOGIES, Builder
from tests.helpers.onnx_sessions import session

WIDE = dataclasses.replace(synapress.CoreConfig(), name="wide", state_bits=32)


def compiled(name: str, seed: int, folder: Path, config: synapress.CoreConfig | str = "grai_vip") -> tuple[
        CompiledModel, np.ndarray, np.ndarray]:
    """A compiled model, two frames, and what onnxruntime makes of them."""
    rng = np.random.default_rng(seed)
    model = TOPOLOGIES[name](rng)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    made = synapress.compile(synapress.load(path), config=config, calibration=rng.normal(0, 1, (48, *shape)))
    x = rng.normal(0, 1, (2, *shape)).astype(np.float32)
    return made, x, session(model).run(None, {"x": x})[0]


@pytest.mark.parametrize("config", ["grai_vip", WIDE], ids=["16 bit", "32 bit"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_image_computes_what_the_program_does(
    name: str, config: synapress.CoreConfig | str, tmp_path: Path, seed: int
) -> None:
    """One frame through the memory image in the golden core, event by event."""
    made, x, _ = compiled(name, seed, tmp_path, config)
    result = synapress.simulate(made, x[:1])
    core = Core(made.config, made.image.parts, edges=made.image.edges, populations=made.image.populations)
    inputs = [(result.maps[entry["name"]][0], entry["axons"]) for entry in made.image.manifest["inputs"]]
    events = run_frame(core, encode(inputs, made.config))
    for entry in made.image.manifest["outputs"]:
        got = decode(events, entry["id"], tuple(entry["shape"]), made.config)
        np.testing.assert_array_equal(got, result.maps[entry["name"]][0])


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_outputs_are_real_values_in_the_layout_of_the_file(name: str, tmp_path: Path, seed: int) -> None:
    made, x, expected = compiled(name, seed, tmp_path)
    result = synapress.simulate(made, {"x": x})
    (output,) = result.outputs.values()
    assert output.shape == expected.shape
    assert 10 * np.log10((expected**2).sum() / ((output - expected) ** 2).sum()) > 18
    assert sum(count.operations for count in result.counts.values()) > 1000
    assert result.counts["x"].events == np.count_nonzero(result.maps["x"])
    assert {item.verdict for item in made.sums} <= {"proved", "measured"}


@pytest.mark.parametrize(("config", "method", "least"), [
    ("grai_vip", "percentile", 0.98), ("grai_vip", "error", 0.98), (WIDE, "max", 0.98)])
def test_trained_digits_keep_their_accuracy(config: synapress.CoreConfig | str, method: str, least: float) -> None:
    """1,000 test digits, float 98.9 %; 250 training digits calibrate."""
    data = load_digits()
    made = synapress.compile(read_onnx(digits_onnx()), config=config, calibration=data.train_images[::16, None] / 255,
                             options=synapress.Options(method=method))
    result = synapress.simulate(made, data.test_images[:, None] / 255)
    (scores,) = result.outputs.values()
    assert float(np.mean(scores.argmax(axis=1) == data.test_labels)) >= least


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_rtl_gives_the_same_integers(name: str, tmp_path: Path, seed: int) -> None:
    made, x, _ = compiled(name, seed, tmp_path)
    golden, rtl = (synapress.simulate(made, x[:1], engine=engine) for engine in ("golden", "rtl"))
    for name, array in golden.integers.items():
        np.testing.assert_array_equal(rtl.integers[name], array)
    assert golden.counters is not None and rtl.counters is not None
    assert rtl.counters["values_out"] == golden.counters["values_out"] > 0


def test_a_model_too_large_for_a_core_goes_to_a_mesh(tmp_path: Path, seed: int) -> None:
    """Event by event on the golden mesh, as the fast model; saved and opened again."""
    rng = np.random.default_rng(seed)
    onnx.save(TOPOLOGIES["residual"](rng), tmp_path / "model.onnx")
    model = synapress.load(tmp_path / "model.onnx")
    shape = model.inputs[0].shape
    x = rng.normal(0, 1, (40, *shape))
    small = dataclasses.replace(synapress.CoreConfig(), name="small", address_bits=10)
    with pytest.raises(RuleError, match="rule 'memory'"):
        synapress.compile(model, config=small, calibration=x, mesh=False)
    made = synapress.compile(model, config=small, calibration=x)
    assert len(made.images) > 1 and made.loads
    assert synapress.compile(model, config="grai_vip", calibration=x).images[0].config.name == "grai_vip"
    made.save(tmp_path / "out")
    fast, golden = (synapress.simulate(item, x[:2], engine=engine, cycles=True) for item, engine in (
        (made, "fast"), (CompiledModel.load(tmp_path / "out"), "golden")))
    for name, array in fast.integers.items():
        np.testing.assert_array_equal(golden.integers[name], array)
    assert golden.counters is not None
    assert golden.counters["synapses"] == sum(count.operations for count in fast.counts.values())
    assert fast.counts == golden.counts
    with pytest.raises(ConfigError, match="only the engines 'rtl' and 'replay' of a mesh save their runs"):
        synapress.simulate(made, x[:1], engine="golden", checkpoint=tmp_path / "saved")


def test_cycles_of_the_layers_are_the_busy_cycles_of_the_core(tmp_path: Path, seed: int) -> None:
    """A core that overlaps nothing but start-up: the sum of the layers is close to what its counters say."""
    made, x, _ = compiled("plain", seed, tmp_path)
    result = synapress.simulate(made, x[:1], engine="rtl", cycles=True)
    assert result.counters is not None
    total = sum(count.cycles or 0 for count in result.counts.values())
    assert abs(total / result.counters["busy"] - 1) < 0.15


def test_integer_inputs_and_outputs_are_those_of_the_file(tmp_path: Path, seed: int) -> None:
    """A file whose input and output are uint8, which needs no calibration."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, 6, 6))
    numbers = [b.constant(value) for value in (
        np.float32(0.02), np.uint8(100), rng.integers(-90, 90, (3, 2, 3, 3)).astype(np.int8), np.float32(0.01),
        np.int8(0), np.float32(0.0317), np.uint8(30), rng.integers(-500, 500, 3).astype(np.int32))]
    model = b.model(b.node("QLinearConv", "x", *numbers, pads=[1] * 4), kind=onnx.TensorProto.UINT8)
    onnx.save(model, tmp_path / "bytes.onnx")
    x = rng.integers(0, 256, (8, 2, 6, 6)).astype(np.uint8)
    result = synapress.simulate(synapress.compile(synapress.load(tmp_path / "bytes.onnx"), config=WIDE), x)
    (expected,) = session(model).run(None, {"x": x})
    (got,), (real,) = result.integers.values(), result.outputs.values()
    assert np.abs(got - expected.astype(int)).max() <= 1 and np.mean(got != expected) < 0.001
    np.testing.assert_allclose(real, (got - 30) * 0.0317, atol=1e-6)


def test_a_folder_gives_the_same_model_back(tmp_path: Path, seed: int) -> None:
    made, x, _ = compiled("squeeze_excite", seed, tmp_path)
    made.save(tmp_path / "out")
    again = CompiledModel.load(tmp_path / "out")
    first, second = (synapress.simulate(item, x) for item in (made, again))
    for name, array in first.outputs.items():
        np.testing.assert_array_equal(second.outputs[name], array)
    assert again.to_json() == made.to_json()
    small = dataclasses.replace(synapress.CoreConfig(), name="small", address_bits=9)
    model = synapress.load(tmp_path / "squeeze_excite.onnx")
    synapress.compile(model, config=small, calibration=x).save(tmp_path / "out")
    assert len(CompiledModel.load(tmp_path / "out").images) > 1
    made.save(tmp_path / "out")
    assert len(CompiledModel.load(tmp_path / "out").images) == 1, "nothing of the model before is left"
    files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "report.json")
    for number, path in enumerate(files):
        kept = bytearray(path.read_bytes())
        path.write_bytes(kept[:number] + bytes([kept[number] ^ 1]) + kept[number + 1:])
        with pytest.raises(ImageError, match="no compiled model"):
            CompiledModel.load(tmp_path / "out")
        path.write_bytes(kept)
    assert len(CompiledModel.load(tmp_path / "out").images) == 1
    with pytest.raises(ImageError, match="needs a folder"):
        made.save(files[0])


def test_command_line(tmp_path: Path, seed: int) -> None:
    made, x, _ = compiled("plain", seed, tmp_path)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "labels.npy", np.zeros(len(x), int))
    folder, runner = str(tmp_path / "out"), CliRunner()
    for arguments, text in (
        (["compile", str(tmp_path / "plain.onnx"), "--calibration", str(tmp_path / "x.npy"), "-o", folder], "SQNR"),
        (["report", folder], "states"),
        (["report", folder, "-i", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "labels.npy"), "-o",
          str(tmp_path / "page.html")], "accuracy"),
        (["simulate", folder, "-i", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npz")], "SOP"),
    ):
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert text in done.output
    with np.load(tmp_path / "y.npz") as file:
        assert file[made.outputs[0].name].shape == (2, 5)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 4
    assert not re.search(r"<script|<link|@import|(src|href)=\"(?!#)|url\((?!#)", page), "nothing comes from elsewhere"
    simulated = synapress.simulate(CompiledModel.load(folder), x)
    for name, count in simulated.counts.items():
        assert f'<td class="left">{name}</td><td>{count.neurons:,}</td><td>{count.events / 2:,.1f}</td>' in page
    done = runner.invoke(app, ["report", folder, "-i", str(tmp_path / "x.npy"), "--model", str(tmp_path / "plain.onnx"),
                               "--labels", str(tmp_path / "labels.npy"), "--json"])
    report = json.loads(done.output[done.output.index("{"):], parse_constant=lambda name: pytest.fail(name))
    assert report["work"]["layers"]["x"]["events"] == simulated.counts["x"].events
    assert set(report["accuracy"]) == {"accuracy", "accuracy, float", "same class as float", "SQNR of the output"}
    assert report["accuracy"]["SQNR of the output"] > 15
    for title in ("Network", "Accuracy against float", "Memory", "Mapping", "Work and sparsity"):
        assert f">{title}" in page
    done = runner.invoke(app, ["report", folder, "--labels", str(tmp_path / "labels.npy")])
    assert done.exit_code == 1 and "about the frames of --inputs" in str(done.exception)


def test_frames_for_inputs_without_effect_are_ignored(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, 5, 5))
    model = b.model(b.conv("x", 2, 3))
    model.graph.input.append(onnx.helper.make_tensor_value_info("idle", onnx.TensorProto.FLOAT, ["n", 4]))
    model.graph.node.append(onnx.helper.make_node("Relu", ["idle"], ["lost"]))
    onnx.save(model, tmp_path / "model.onnx")
    read = synapress.load(tmp_path / "model.onnx")
    x, idle = rng.normal(0, 1, (6, 2, 5, 5)), np.zeros((6, 4))
    made = synapress.compile(read, calibration={"x": x, "idle": idle})
    assert [port.name for port in made.inputs] == ["x"] and made.ignored == ("idle",)
    made.save(tmp_path / "out")
    for item in (made, CompiledModel.load(tmp_path / "out")):
        results = [synapress.simulate(item, given) for given in (x, {"x": x}, {"x": x, "idle": idle})]
        for result in results[1:]:
            for name, array in results[0].outputs.items():
                np.testing.assert_array_equal(result.outputs[name], array)
        with pytest.raises(NetworkError, match="inputs x; given: x, other"):
            synapress.simulate(item, {"x": x, "other": idle})
        with pytest.raises(NetworkError, match="inputs x; given: none"):
            synapress.simulate(item, {"idle": idle})


def test_mistakes_are_named(tmp_path: Path, seed: int) -> None:
    made, x, _ = compiled("plain", seed, tmp_path)
    with pytest.raises(NetworkError, match="inputs x; given: y"):
        synapress.simulate(made, {"y": x})
    with pytest.raises(ModelError, match="node 'x', rule 'input shape'"):
        synapress.simulate(made, x[:, :1])
    with pytest.raises(NetworkError, match="engine 'quick': there are fast, golden, rtl, replay"):
        synapress.simulate(made, x, engine="quick")
    for wrong, message in ((x[:0], "at least one frame"), (x * 1j, "real numbers, not complex"),
                           (np.full_like(x, np.nan), "not finite"), ([[1], [1, 2]], "array of real numbers"),
                           (np.array(["a"]), "needs real numbers")):
        with pytest.raises(NetworkError, match=message):
            synapress.simulate(made, wrong)
    for option in ({"percentile": 200.0}, {"levels": 0}, {"headroom": 0.0}, {"levels": 2.5}, {"levels": "3"},
                   {"levels": True}, {"headroom": float("inf")}, {"headroom": "2"}, {"percentile": None}):
        with pytest.raises(ConfigError, match=f"option '{next(iter(option))}' of the quantization: needs"):
            synapress.Options(**option)
    with pytest.raises(ModelError, match="rule 'calibration'"):
        synapress.compile(synapress.load(tmp_path / "plain.onnx"))
    with pytest.raises(ModelError, match="rule 'file'"):
        synapress.load(tmp_path / "missing.onnx")


@pytest.mark.parametrize(("options", "message"), [
    ({"mesh": "2x2"}, r"mesh: needs \(columns, rows\).*'2x2'"), ({"mesh": [2, 2]}, "mesh"), ({"mesh": 5}, "mesh"),
    ({"mesh": (0, 2)}, "mesh: needs"), ({"config": None}, "config: needs a configuration")])
def test_arguments_of_the_wrong_kind_are_named(options: dict, message: str, seed: int) -> None:
    model = read_onnx(TOPOLOGIES["plain"](np.random.default_rng(seed)))
    with pytest.raises(ConfigError, match=message):
        synapress.compile(model, calibration=np.zeros((2, *model.inputs[0].shape)), **options)


def test_options_of_another_kind_of_file_are_refused(tmp_path: Path, seed: int) -> None:
    onnx.save(TOPOLOGIES["plain"](np.random.default_rng(seed)), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="rule 'neurons': needs a NIR file"):
        synapress.load(tmp_path / "model.onnx", neurons="snntorch")
    with pytest.raises(ModelError, match="'weights', rule 'constants': needs names of inputs: x"):
        synapress.load(tmp_path / "model.onnx", constants={"weights": 1.0})
    with pytest.raises(ModelError, match="needs the path of a file"):
        synapress.load(None)  # type: ignore[arg-type]
