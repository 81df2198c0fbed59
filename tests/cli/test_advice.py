"""What the program advises works as it stands: options on how a file is read, constants, engines, Python networks."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from typer.testing import CliRunner

import synapress
from golden.config import CoreConfig
from golden.errors import ConfigError, NetworkError, SynapressError
from synapress.cli.main import app
from synapress.hardware import verilog_testbench
from synapress.mapper import MeshImage
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.onnx.proto import fitted

NETWORK = """
import numpy as np
import synapress

def network():
    net = synapress.Network("mine")
    net.input("in", (2, 5, 4))
    net.conv("sums", "in", np.arange(-6, 6).reshape(3, 2, 2, 1), shift=1)
    net.output("sums")
    return net
"""


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.exception
    return done.stdout


def refusal(*arguments: object) -> str:
    error = CliRunner().invoke(app, list(map(str, arguments))).exception
    assert isinstance(error, SynapressError), error
    return str(error)


@pytest.fixture
def files(tmp_path: Path, seed: int) -> Path:
    """dyn.onnx, of open sizes; bound.onnx, of which an input is the shape of a Reshape; x.npy for both."""
    rng = np.random.default_rng([seed, 962])
    weights = numpy_helper.from_array(rng.normal(0, 1, (3, 2, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv"), helper.make_node("Relu", ["c"], ["r"], "relu")]
    for name, sizes, made, last, more in (
            ("dyn", ["N", 2, "h", "w"], ["N", 3, 1, 1],
             helper.make_node("GlobalAveragePool", ["r"], ["y"], "mean"), []),
            ("bound", ["N", 2, 6, 7], ["n", "m"], helper.make_node("Reshape", ["r", "k"], ["y"], "flat"),
             [helper.make_tensor_value_info("k", TensorProto.INT64, [2])])):
        graph = helper.make_graph(
            [*nodes, last], name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes), *more],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)], [weights])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  tmp_path / f"{name}.onnx")
    np.save(tmp_path / "x.npy", rng.normal(0, 1, (4, 2, 6, 7)).astype(np.float32))
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def test_every_command_that_reads_a_model_takes_sizes(files: Path) -> None:
    shape = ["--shape", "x=1,2,6,7"]
    for command in ("map", "footprint"):
        assert "--shape x=1,2,…,…" in refusal(command, files / "dyn.onnx")
        assert "mean" in run(command, files / "dyn.onnx", *shape, "--json")
        found = json.loads(run(command, files / "dyn.onnx", *shape, "--host-after", "relu", "--json"))
        assert "mean" not in str(found), "the host's"
    layers = json.loads(run("footprint", files / "dyn.onnx", *shape, "--json"))["totals"]["this technique"]
    assert layers["neurons"] == 2 * (3 * 5 * 4 + 3)


def test_a_compiled_model_remembers_the_sizes(files: Path) -> None:
    run("compile", files / "dyn.onnx", "--shape", "x=1,2,6,7", "--calibration", files / "x.npy", "-o", files / "made")
    assert synapress.CompiledModel.load(files / "made").shapes == {"x": (1, 2, 6, 7)}
    told = run("report", files / "made", "-i", files / "x.npy", "--model", files / "dyn.onnx", "--no-cycles")
    assert "SQNR of the output" in told


def test_an_input_that_is_known_can_be_bound(files: Path) -> None:
    source, x = files / "bound.onnx", np.load(files / "x.npy")
    np.save(files / "k.npy", np.array([-1, 60], np.int32))
    assert "constants={'k': […, …]}), on the command line --constant k=…,…. Else convert" in refusal(
        "compile", source, "--calibration", files / "x.npy")
    (wanted,) = ReferenceEvaluator(onnx.load(source)).run(None, {"x": x, "k": np.array([-1, 60])})
    for k in ([-1, 60], np.load(files / "k.npy")):
        found = synapress.float_outputs(synapress.load(source, constants={"k": k}), x)
        np.testing.assert_allclose(found["y"], wanted, rtol=1e-4, atol=1e-5)
    for number, given in enumerate(("k=-1,60", f"k={files / 'k.npy'}")):
        made = files / f"made{number}"
        run("compile", source, "--constant", given, "--calibration", files / "x.npy", "-o", made)
        assert "SQNR" in run("report", made, "-i", files / "x.npy", "--model", source, "--constant", given,
                             "--no-cycles")
    run("footprint", source, "--constant", "k=-1,60")


@pytest.mark.parametrize(("given", "says"), [
    ("k=1", "rule 'constants': needs values of the sizes (2); given: (1,)"), ("k=1.5,2", "needs values of int64"),
    ("k=one", "needs the input's name and its values"), ("60", "needs the input's name and its values"),
    ("k=none.npy", "no such file"), ("j=1", "needs names of inputs")])
def test_constants_that_do_not_fit_are_refused(given: str, says: str, files: Path) -> None:
    assert says in refusal("map", files / "bound.onnx", "--constant", given)


def test_constants_get_the_type_and_sizes_of_the_file() -> None:
    graph = helper.make_graph([], "g", [helper.make_tensor_value_info(name, kind, sizes) for name, kind, sizes in (
        ("one", TensorProto.FLOAT, []), ("map", TensorProto.FLOAT, [2, 2]), ("open", TensorProto.INT64, ["n"]),
        ("flag", TensorProto.BOOL, [1]))], [])
    found = fitted(helper.make_model(graph), {"one": [3], "map": [1, 2, 3, 4], "open": [5, 6], "flag": [1]})
    assert {name: (array.dtype.name, array.tolist()) for name, array in found.items()} == {
        "one": ("float32", 3.0), "map": ("float32", [[1, 2], [3, 4]]), "open": ("int64", [5, 6]),
        "flag": ("bool", [True])}
    for wrong in ({"flag": [2]}, {"map": [1, 2]}, {"open": [[1]]}, {"one": ["a"]}):
        with pytest.raises(ModelError, match="rule 'constants'"):
            fitted(helper.make_model(graph), wrong)


# -- Python networks -----------------------------------------------------------------------------


def test_a_python_network_is_compiled_and_simulated(files: Path, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 100, (2, 2, 5, 4))
    np.save(files / "frames.npy", frames)
    run("compile", files / "net.py", "-o", files / "made")
    run("simulate", files / "made", "-i", files / "frames.npy", "-o", files / "out.npz", "--engine", "golden")
    weights = np.arange(-6, 6).reshape(3, 2, 2)
    sums = sum(np.einsum("oc,ncwh->nowh", weights[..., tap], frames[:, :, tap:4 + tap]) for tap in (0, 1))
    found = np.load(files / "out.npz")["sums"]
    assert found.shape == sums.shape and np.all((found == 0) == (sums <= 0)), "a ReLU"


def test_options_that_are_about_files_are_refused_elsewhere(files: Path) -> None:
    for arguments in (("compile", files / "net.py"), ("map", files / "net.py"), ("footprint", "digits")):
        assert "--cut, --shape: for models of" in refusal(*arguments, "--cut", "auto", "--shape", "in=1,2,5,4")
    assert "--levels, --saturate): a Network has integers" in refusal("compile", files / "net.py", "--headroom", "3")
    assert "(--calibration): a Network" in refusal("compile", files / "net.py", "--calibration", files / "x.npy")
    assert "is no file; give a Python file" in refusal("compile", files / "none.py")
    with pytest.raises(ModelError, match=r"synapress\.compile\(network\)"):
        synapress.load(files / "net.py")


# -- from a mesh to one core --------------------------------------------------------------------------


def _network(depth: int = 64) -> synapress.Network:
    net = synapress.Network("net")
    net.input("in", (16, 4, 4))
    net.conv("sums", "in", np.ones((depth, 16, 2, 2), int), shift=4)
    net.output("sums")
    return net


def _told(config: CoreConfig, network: synapress.Network, mesh: tuple[int, int] | None = None) -> str:
    frames, made = np.ones((1, 16, 4, 4), int), synapress.compile(network, config=config, mesh=mesh)
    assert isinstance(made.image, MeshImage)
    with pytest.raises(NetworkError, match=r"a testbench is for one core.*For one core ") as caught:
        verilog_testbench(made, frames)
    return str(caught.value)


def test_a_mesh_without_need_is_to_be_left_out() -> None:
    assert "leave --mesh out" in _told(CoreConfig(), _network(), (1, 1))
    assert len(synapress.compile(_network(), config=CoreConfig()).images) == 1


def test_memory_is_advised_where_a_configuration_has_it() -> None:
    small = dataclasses.replace(CoreConfig(), name="small", address_bits=8)
    told = _told(small, _network())
    (bits,) = re.findall(r"raise address_bits to (\d+)", told)
    larger = dataclasses.replace(small, address_bits=int(bits))
    assert len(synapress.compile(_network(), config=larger, mesh=False).images) == 1
    with pytest.raises(SynapressError):
        synapress.compile(_network(), config=dataclasses.replace(small, address_bits=int(bits) - 1), mesh=False)
    assert "compile it for grai_vip" in told
    assert len(synapress.compile(_network(), config="grai_vip", mesh=False).images) == 1


def test_memory_is_not_advised_where_no_configuration_has_it() -> None:
    with pytest.raises(ConfigError):
        dataclasses.replace(CoreConfig(), address_bits=CoreConfig().address_bits + 3)
    net = synapress.Network("large")  # more than 1 MB
    net.input("in", (128, 8, 8))
    net.conv("sums", "in", np.ones((1000, 128, 3, 3), int), shift=8)
    net.output("sums")
    made = synapress.compile(net)
    with pytest.raises(NetworkError, match="For one core use a smaller network"):
        verilog_testbench(made, np.ones((1, 128, 8, 8), int))


# -- texts ---------------------------------------------------------------------------------------


def test_one_core_has_nothing_to_place(files: Path) -> None:
    told = run("compile", files / "net.py", "-o", files / "made", "--check")
    assert "checked: place: one core: nothing to place\n" in told
    told = run("compile", files / "net.py", "-o", files / "made", "--check", "--mesh", "1x1")
    assert "place: fragments on cores of the mesh: 1 values agree exactly" in told


def test_all_inputs_to_be_bound_are_told_at_once(files: Path) -> None:
    model = onnx.load(files / "bound.onnx")
    model.graph.node[-1].input[1] = "both"
    model.graph.node.insert(2, helper.make_node("Concat", ["k", "i"], ["both"], axis=0))
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, [1]))
    onnx.save(model, files / "two.onnx")
    assert "on the command line --constant k=… --constant i=…. Else" in refusal("map", files / "two.onnx")
    run("map", files / "two.onnx", "--constant", "k=-1", "--constant", "i=60")
    del model.graph.input[0], model.graph.node[:2]
    model.graph.node[-1].input[0] = "i"
    onnx.save(model, files / "none.onnx")
    assert "INT64. Convert the input to float" in refusal("map", files / "none.onnx"), "none would be left"


def test_text_cannot_be_bound(files: Path) -> None:
    model = onnx.load(files / "bound.onnx")
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.STRING
    onnx.save(model, files / "text.onnx")
    assert "STRING. Convert the input to float" in refusal("map", files / "text.onnx")


def test_a_full_stop_is_not_doubled() -> None:
    assert "given: it is missing. Report this." in str(ModelError("a", "b", "c", "it is missing.", "Report this."))
