"""Where cores end the host takes over, if the user says so also with learned weights; refusals name what works."""

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from typer.testing import CliRunner

import synapress
from synapress.cli.main import app
from synapress.host import reading
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.importers.model import Model
from synapress.mapper.quantization.scales import sqnr
from synapress.model import float_outputs
from tests.helpers.onnx_net import Net, frames
from tests.host.test_host import SHAPE, by_onnxruntime, images, node, saved, tail

BINS = 8
"""Of the distribution of each distance of a box."""
WEIGHTS = {"v": np.random.default_rng(940).normal(0, 0.5, (4, 3, 1, 1)).astype(np.float32)}
LAST = node("Conv", ["e", "v"], ["y"], name="last")


def head(b: Net) -> list[str]:
    """A head as YOLOv8's: boxes as distributions over bins, whose mean a convolution of fixed weights takes."""
    first = b.conv("x", 8, 3, 2, "silu")
    parts = []
    for x in (first, b.conv(first, 8, 3, 2, "silu")):
        joined = b.node("Concat", b.bare(x, 4 * BINS, 1, bias=True), b.bare(x, 3, 1, bias=True), axis=1)
        parts.append(b.node("Reshape", joined, b.constant(np.array([0, 4 * BINS + 3, -1]))))
    box, scores = b.node("Split", b.node("Concat", *parts, axis=2), b.constant(np.array([4 * BINS, 3])), outputs=2,
                         axis=1)
    count = b.shape(box)[-1]
    x = b.node("Reshape", box, b.constant(np.array([0, 4, BINS, count])))
    x = b.node("Softmax", b.node("Transpose", x, perm=[0, 2, 1, 3]), axis=1)
    x = b.node("Conv", x, b.constant(np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1)))
    x = b.node("Reshape", x, b.constant(np.array([0, 4, count])))
    anchors = b.constant(np.arange(2 * count, dtype=np.float32).reshape(1, 2, count) / 10)
    near, far = b.node("Split", x, b.constant(np.array([2, 2])), outputs=2, axis=1)
    low, high = b.node("Sub", anchors, near), b.node("Add", anchors, far)
    return [b.node("Concat", low, high, b.node("Sigmoid", scores), axis=1)]


def refusal(path: Path, **given: Any) -> str:
    with pytest.raises(ModelError) as caught:
        synapress.load(path, **given)
    return str(caught.value)


def ways_out(text: str) -> tuple[dict[str, Any], list[str]]:
    """The line that a refusal gives, as arguments of `load` and of the command line."""
    found = re.search(r"load\(\.\.\., (.*?)\), or (--.*)\.$", text)
    assert found is not None, text
    return eval(f"dict({found[1]})"), shlex.split(found[2])  # as one would paste it


def followed(path: Path, **given: Any) -> Model:
    """A model by the way out that its refusal names; without a warning, as the user has said what is the host's."""
    choice, _ = ways_out(refusal(path, **given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if "cut" in choice else "error", ModelWarning)
        return synapress.load(path, **given | choice)


def agrees(model: Model, path: Path, x: np.ndarray, **more: np.ndarray) -> None:
    """The float model with onnxruntime, for all frames and for one."""
    for count in (len(x), 1):
        found, wanted = float_outputs(model, {"x": x[:count], **more}), by_onnxruntime(path, x[:count], **more)
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("count", ["n", 1])
def test_a_head_with_a_layer_in_it(count: str | int, tmp_path: Path, seed: int) -> None:
    """Refused with the line that works; that and `cut` give the file's outputs, compiled, saved and opened, too."""
    path, rng = saved(tmp_path, head, seed), np.random.default_rng(seed)
    proto = onnx.load(path)
    if count == 1:
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(proto, path)
    assert "behind this comes layer 'conv21' (Conv). To let the host compute it, and all that depends on it (8 " \
           "parameters and 4,800 multiplications a frame): load(..., host_after=" in refusal(path)
    model = followed(path)
    says = r"'concat16' \(Concat\).*in 'conv21': 2 Concat, .*\(8 parameters and 4,800 mult"
    with pytest.warns(ModelWarning, match=says):
        auto = synapress.load(path, cut="auto")
    assert auto.on_host == model.on_host == (
        "Concat", "Split", "Reshape", "Transpose", "Softmax", "Conv", "Reshape", "Split", "Sub", "Add", "Sigmoid",
        "Concat")
    assert len(auto.warnings) == 1 and not model.warnings
    x = frames(SHAPE, 3, rng)
    agrees(model, path, x[:1] if count == 1 else x)
    (wanted,), (same,) = float_outputs(model, x).values(), float_outputs(auto, x).values()
    np.testing.assert_array_equal(same, wanted)
    made = synapress.compile(auto, calibration=frames(SHAPE, 24, rng))
    made.save(tmp_path / "out")
    opened = synapress.CompiledModel.load(tmp_path / "out")
    assert opened.on_host == made.on_host == auto.on_host and opened.warnings == auto.warnings
    (found,) = synapress.simulate(opened, x).outputs.values()
    assert sqnr(wanted, found) > 25


MIDDLES: dict[str, list[onnx.NodeProto]] = {
    "sine": [node("Atan", ["c"], ["e"], name="sine")], "normalized": [node("LRN", ["c"], ["e"], name="norm", size=3)],
    "softmax": [node("Softmax", ["c"], ["e"], axis=1)],
    "residual": [node("Relu", ["c"], ["r"], name="relu"), node("Atan", ["r"], ["s"]), node("Add", ["s", "r"], ["e"])],
    "at two places": [node("Relu", ["c"], ["r"], name="a"), node("Sigmoid", ["c"], ["g"], name="b b"),
                      node("Atan", ["r"], ["s"]), node("Cosh", ["g"], ["t"]), node("Add", ["s", "t"], ["e"])]}


@pytest.mark.parametrize("name", MIDDLES)
def test_what_is_refused_in_the_middle_is_the_hosts_if_the_user_says_so(name: str, tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [*MIDDLES[name], LAST], constants=WEIGHTS)
    assert "behind this comes layer 'last' (Conv)" in refusal(path)
    model = followed(path)
    assert model.on_host[-1] == "Conv" and "Conv" not in model.on_host[:-1]
    agrees(model, path, images(seed))


def test_the_names_of_two_branches(tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [*MIDDLES["at two places"][:4], node("Conv", ["s", "v"], ["y"], name="first"),
                                 node("Conv", ["t", "v"], ["z"], name="second")], ("y", "z"), constants=WEIGHTS)
    choice, options = ways_out(refusal(path))
    assert choice == {"host_after": ["a", "b b"]} and options == ["--host-after", "a", "--host-after", "b b"]
    one = refusal(path, host_after="a")
    assert ways_out(one)[0] == choice and "layer 'second' (Conv)" in one, "what the user has chosen stays chosen"
    assert ways_out(refusal(path, host_after=["b b"]))[0] == {"host_after": ["b b", "a"]}
    model = synapress.load(path, host_after=["r", "g"])
    assert model.on_host == synapress.load(path, **choice).on_host == ("Atan", "Cosh", "Conv", "Conv"), "values, too"
    agrees(model, path, images(seed))


def test_a_recurrent_layer(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 941])
    known = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in (
        ("W", (2, 16, 5)), ("R", (2, 16, 4)), ("B", (2, 32)), ("p", (4, 2)))}
    known |= {"rows": np.array([12, -1, 5]), "first": np.array([0])}
    lstm = node("LSTM", ["s", "W", "R", "B"], ["h"], name="lstm", hidden_size=4, direction="bidirectional")
    nodes = [node("Reshape", ["c", "rows"], ["s"], name="rows"), lstm,
             node("ReduceMean", ["h"], ["m"], axes=[0, 1, 2], keepdims=0),
             node("Unsqueeze", ["m", "first"], ["u"]), node("MatMul", ["u", "p"], ["y"])]
    path = tail(tmp_path, seed, nodes, frames=1, constants=known)
    assert "It has learned weights (LSTM), which the host computes only if you say so" in refusal(path)
    x = images(seed, 1)
    np.testing.assert_allclose(float_outputs(followed(path), x)["y"], by_onnxruntime(path, x)["y"], rtol=1e-4)
    lstm.attribute.append(helper.make_attribute("clip", 0.1))
    path = tail(tmp_path, seed, nodes, frames=1, constants=known)
    says = r"Nor can the host .*'lstm', rule 'host: LSTM': .*no clip.* Export the layer without"
    assert re.search(says, refusal(path))
    with pytest.raises(ModelError, match="'lstm', rule 'host: LSTM'"):
        synapress.load(path, cut="auto")


def test_a_branch_of_the_input_is_cut_by_itself(tmp_path: Path, seed: int) -> None:
    """No node comes before it; so `cut` is the way out, and the layer beside it stays on the cores."""
    path = tail(tmp_path, seed, [node("Atan", ["x"], ["e"], name="sine"), node("Conv", ["e", "v"], ["d"], name="last"),
                                 node("Add", ["c", "d"], ["y"])],
                constants={"v": np.random.default_rng(seed).normal(0, 1, (3, 2, 1, 1)).astype(np.float32)})
    assert ways_out(refusal(path)) == ({"cut": "auto"}, ["--cut", "auto"])
    with pytest.warns(ModelWarning, match="'sine' \\(Atan\\)"):
        model = synapress.load(path, cut="auto")
    assert model.on_host == ("Atan", "Conv", "Add")
    agrees(model, path, images(seed))


def test_no_way_out_is_named_where_there_is_none(tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [])
    proto = onnx.load(path)
    proto.graph.node.insert(0, node("Atan", ["x"], ["s"], name="sine"))
    proto.graph.node[1].input[0] = "s"
    proto.graph.output[0].name = "c"
    onnx.save(proto, path)
    assert "load(" not in refusal(path)
    assert "No layer with weights comes before it" in refusal(path, cut="auto")


def test_the_choice_is_checked(tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [*MIDDLES["residual"], LAST], constants=WEIGHTS)
    assert "'Relu', which there is not. Names that are like it: relu" in refusal(path, host_after="Relu")
    assert synapress.load(path, host_after="relu").on_host == ("Atan", "Add", "Conv")
    assert "rule 'host_after': needs a node on which others depend" in refusal(path, host_after=["conv", "last"])
    assert synapress.load(path, host_after=["conv"]).on_host == ("Relu", "Atan", "Add", "Conv")
    assert "a layer in front of it" in refusal(path, host_after="x")
    assert "needs one of cut and host_after; given: both" in refusal(path, host_after="conv", cut="auto")
    assert "rule 'cut'" in refusal(path, cut="conv") and "given: 3" in refusal(path, host_after=[3])


def test_a_model_that_cores_can_compute_stays_whole(tmp_path: Path, seed: int) -> None:
    """`cut` moves nothing without need, `host_after` what it is told."""
    path = tail(tmp_path, seed, [node("Relu", ["c"], ["e"], name="relu"), LAST], constants=WEIGHTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert synapress.load(path, cut="auto").on_host == ()
        model = synapress.load(path, host_after="relu")
    assert model.on_host == ("Conv",)
    agrees(model, path, images(seed))


def test_the_command_line(tmp_path: Path, seed: int) -> None:
    """Its refusal's line is followed; one line says what the host computes; the report reads the file the same way."""
    path = tail(tmp_path, seed, [*MIDDLES["at two places"], LAST], constants=WEIGHTS)
    np.save(tmp_path / "x.npy", images(seed, 8))
    given = ["compile", str(path), "--calibration", str(tmp_path / "x.npy"), "-o", str(tmp_path / "out")]
    runner = CliRunner()
    _, options = ways_out(refusal(path))
    for chosen in (options, ["--cut", "auto"]):
        result = runner.invoke(app, [*given, *chosen])
        assert result.exit_code == 0, result.output
        assert "The host computes in float, behind the cores: Atan, Cosh, Add, Conv (12 parameters and 240 mult" in (
            result.output)
        report = runner.invoke(app, ["report", str(tmp_path / "out"), "-i", str(tmp_path / "x.npy"), "--no-cycles",
                                     "--model", str(path)])
        assert report.exit_code == 0 and "The host computes in float" in report.output, report.output
        assert ("warning" in report.output) == (chosen != options)


def test_a_file_may_name_its_values_as_the_split_would(tmp_path: Path, seed: int) -> None:
    """The host's part has values of its own, which tell the number of frames."""
    path = tail(tmp_path, seed, [node("Shape", ["x"], ["s"]), node("Gather", ["s", "f"], ["n"], axis=0),
                                 node("Concat", ["n", "minus"], ["to"], axis=0), node("Atan", ["c"], ["frames"]),
                                 node("Reshape", ["frames", "to"], ["y"])],
                constants={"f": np.array([0]), "minus": np.array([-1])})
    model = synapress.load(path)
    assert model.on_host == ("Gather", "Concat", "Atan", "Reshape")
    agrees(model, path, images(seed))


def layer(kind: str, *shapes: tuple[int, ...], **attributes: Any) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
    """A layer behind a sine, and its weights; of a batch norm all are positive."""
    rng = np.random.default_rng(942)
    known = {f"k{i}": np.abs(rng.normal(0, 1, shape)).astype(np.float32) for i, shape in enumerate(shapes)}
    return node(kind, ["e", *known], ["y"], name="layer", **attributes), known


LAYERS = {
    "grouped": layer("Conv", (6, 1, 3, 2), (6,), group=3, strides=[1, 2], pads=[1, 0, 2, 1]),
    "dilated": layer("Conv", (2, 3, 3, 2), dilations=[1, 2], pads=[1, 1, 0, 2]),
    "same": layer("Conv", (2, 3, 4, 3), strides=[1, 2], auto_pad="SAME_LOWER"),
    "transposed": layer("ConvTranspose", (3, 2, 3, 3), (6,), group=3, strides=[2, 2], output_padding=[1, 0]),
    "transposed, dilated": layer("ConvTranspose", (3, 2, 2, 3), dilations=[2, 1], pads=[1, 0, 0, 1]),
    "transposed, of a size": layer("ConvTranspose", (3, 2, 4, 4), strides=[2, 2], output_shape=[7, 9]),
    "transposed, same": layer("ConvTranspose", (3, 2, 4, 3), strides=[2, 1], auto_pad="SAME_LOWER"),
    "batch norm": layer("BatchNormalization", (3,), (3,), (3,), (3,), epsilon=0.1),
    "instance norm": layer("InstanceNormalization", (3,), (3,)), "matrix": layer("MatMul", (5, 4)),
    "slopes": layer("PRelu", (3, 1, 1)), "einsum": layer("Einsum", (3, 4), equation="nchw,cd->nd")}


@pytest.mark.parametrize(("name", "opset"), [(name, opset) for name in LAYERS for opset in (9, 12, 17)
                                             if opset > 9 or name != "einsum"])
def test_layers_on_the_host_are_those_of_onnxruntime(name: str, opset: int, tmp_path: Path, seed: int) -> None:
    last, known = LAYERS[name]
    path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"]), last], opset=opset, constants=known)
    model = synapress.load(path, host_after="conv")
    assert model.on_host == ("Atan", last.op_type)
    agrees(model, path, images(seed))


def test_the_work_is_counted(tmp_path: Path, seed: int) -> None:
    """By hand: of 6 * 6 * 3 results 3 * 2 taps each; weights and biases, also those that a constant node has."""
    last, known = LAYERS["grouped"]
    weights = known["k0"]
    path = tail(tmp_path, seed, [node("Constant", [], ["k0"], value=onnx.numpy_helper.from_array(weights)),
                                 node("Atan", ["c"], ["e"]), node("Mul", ["e", "e"], ["f"]),
                                 node(last.op_type, ["f", "k0", "k1"], ["y"], name="layer", group=3, strides=[1, 2],
                                      pads=[1, 0, 2, 1])], constants={"k1": known["k1"]})
    taps, results = 3 * 2, by_onnxruntime(path, images(seed, 1))["y"].size
    with pytest.warns(ModelWarning, match=rf"\({36 + 6} parameters and {3 * 4 * 5 + taps * results} multiplications"):
        synapress.load(path, cut="auto")


def heads(b: Net) -> list[str]:
    """Each refused for itself, behind layers whose weights are large enough to be left out of a trial."""
    x = b.bare(b.bare("x", 40, 3, 4), 40, 3)
    return [b.bare(b.node("Atan", b.bare(x, 32, 1)), 4, 1) for _ in range(3)]


def test_large_weights_are_read_once_and_left_out_of_trials(
        tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is loaded once; the refusal and what is read are the same with and without the trials' shortcut."""
    path, x, loaded = saved(tmp_path, heads, seed), frames(SHAPE, 2, np.random.default_rng(seed)), []
    load, as_usual = onnx.load, refusal(path)
    monkeypatch.setattr("onnx.load", lambda *given, **more: loaded.append(given) or load(*given, **more))
    read = []
    plain = reading.read_onnx
    monkeypatch.setattr(reading, "read_onnx", lambda model, **given: read.append(sum(
        tensor.ByteSize() for tensor in model.graph.initializer)) or plain(model, **given))
    monkeypatch.setattr(reading, "LIGHT", 0)
    text = refusal(path)
    assert text == as_usual and len(loaded) == 1 and ways_out(text)[0] == {
        "host_after": [f"conv{index}" for index in (2, 5, 8)]}
    assert max(read[1:]) < read[0] / 20 and len(read) == 4, "the whole, and three trials"
    with pytest.warns(ModelWarning):
        model = synapress.load(path, cut="auto")
    agrees(model, path, x)
