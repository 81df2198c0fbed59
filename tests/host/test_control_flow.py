"""Control flow behind the cores: If is the host's, loops are refused; subgraphs count with all that they read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import synapress
from synapress.mapper.errors import ModelError
from synapress.model import float_outputs
from tests.host.test_cut import agrees, followed, refusal
from tests.host.test_host import by_onnxruntime, images, node, tail

FLOAT = TensorProto.FLOAT
LEVEL = {"level": np.array(0.5, np.float32)}
CONDITION = [node("ReduceMax", ["c"], ["m"], keepdims=0), node("GreaterOrEqual", ["m", "level"], ["q"], name="enough")]


def graph(nodes: Sequence[onnx.NodeProto], output: str = "o") -> onnx.GraphProto:
    """A branch."""
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info(output, FLOAT, None)])


def branches(then: Sequence[onnx.NodeProto], other: Sequence[onnx.NodeProto]) -> onnx.NodeProto:
    return node("If", ["q"], ["y"], name="decides", then_branch=graph(then), else_branch=graph(other))


@pytest.mark.parametrize("count", ["n", 1])
def test_a_last_decision(count: str | int, tmp_path: Path, seed: int) -> None:
    """Its branches read values of the graph around them: a map of the cores, and a constant."""
    last = branches([node("Softmax", ["c"], ["o"], axis=1)], [node("Mul", ["c", "level"], ["o"])])
    path = tail(tmp_path, seed, [*CONDITION, last], frames=count, constants=LEVEL)
    model = synapress.load(path)
    assert model.on_host == ("ReduceMax", "GreaterOrEqual", "If")
    taken = set()
    for scale in (1, 1e-3):
        x = scale * images(seed, 1)
        taken.add(bool(by_onnxruntime(path, x)["y"].min() >= 0))
        agrees(model, path, x)
    assert taken == {True, False}, "each branch once"


def test_both_branches_are_tried(tmp_path: Path, seed: int) -> None:
    """Also the one that the numbers drawn when loading do not take."""
    for wrong in (True, False):
        bad, good = [node("Reshape", ["c", "to"], ["o"], name="wrong")], [node("Atan", ["c"], ["o"])]
        path = tail(tmp_path, seed, [*CONDITION, branches(*((bad, good) if wrong else (good, bad)))], frames=1,
                    constants=LEVEL | {"to": np.array([7, 7])})
        with pytest.raises(ModelError, match=r"rule 'host'.*ReduceMax, GreaterOrEqual, If: .*reshape"):
            synapress.load(path)


def test_weights_in_a_branch_are_no_surprise(tmp_path: Path, seed: int) -> None:
    """The refusal says that the branch has them, and not that If were a layer; its way out works."""
    last = branches([node("Conv", ["c", "v"], ["o"], name="inside")], [node("Atan", ["c"], ["o"])])
    path = tail(tmp_path, seed, [*CONDITION, last], frames=1,
                constants=LEVEL | {"v": np.random.default_rng(seed).normal(0, 1, (3, 3, 1, 1)).astype(np.float32)})
    assert "behind this comes layer 'decides' (If, with Conv in it)" in refusal(path)
    model = followed(path)
    for scale in (1, 1e-3):
        agrees(model, path, (scale * images(seed, 1)).astype(np.float32))


def test_a_decision_in_the_middle(tmp_path: Path, seed: int) -> None:
    """Without weights in a branch it is refused for the layer behind it; both are the host's if the user says so."""
    decides = node("If", ["q"], ["e"], name="decides", then_branch=graph([node("Atan", ["c"], ["o"])]),
                   else_branch=graph([node("Neg", ["c"], ["o"])]))
    path = tail(tmp_path, seed, [*CONDITION, decides, node("Conv", ["e", "v"], ["y"], name="last")], frames=1,
                constants=LEVEL | {"v": np.ones((1, 3, 1, 1), np.float32)})
    text = refusal(path)
    assert "'last' (Conv)" in text and "learned weights (If" not in text
    agrees(followed(path), path, images(seed, 1))


def test_loops_are_refused_and_unrolled_taken(tmp_path: Path, seed: int) -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Atan", ["a"], ["b"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info(
            "go", TensorProto.BOOL, []), helper.make_tensor_value_info("a", FLOAT, None)],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_tensor_value_info("b", FLOAT, None)])
    loop = node("Loop", ["times", "", "e"], ["y"], name="again", body=body)
    path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"]), loop], constants={"times": np.array(2)})
    text = refusal(path)
    assert "'again', rule 'host: control flow': needs operators without loops" in text and "learned" not in text
    assert text.endswith("Export it unrolled, or end the file before it.")
    rolled = by_onnxruntime(path, images(seed))["y"]
    path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"]), node("Atan", ["e"], ["f"]), node("Atan", ["f"], ["y"])])
    np.testing.assert_allclose(float_outputs(synapress.load(path), images(seed))["y"], rolled, rtol=1e-3, atol=1e-5)


def test_functions_of_the_file(tmp_path: Path, seed: int) -> None:
    """The host computes them; one with weights in it only if the user says so."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    waves = helper.make_function("own", "Waves", ["a"], ["b"], [node("Atan", ["a"], ["s"]), node("Mul", ["s", "a"], [
        "b"])], imports[:1])
    layer = helper.make_function("own", "Layer", ["a", "k"], ["b"], [node("Conv", ["a", "k"], ["b"])], imports[:1])
    for last, known in ((helper.make_node("Waves", ["e"], ["y"], name="call", domain="own"), {}),
                        (helper.make_node("Layer", ["e", "v"], ["y"], name="call", domain="own"),
                         {"v": np.ones((1, 3, 1, 1), np.float32)})):
        path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"])], ("e",), constants=known)
        proto = onnx.load(path)
        proto.graph.node.append(last)
        proto.functions.extend([waves, layer])
        proto.opset_import.extend(imports[1:])
        proto.graph.output[0].name = "y"
        proto.graph.output[0].type.tensor_type.ClearField("shape")
        proto.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "unknown"
        onnx.save(proto, path)
        if known:
            assert "(Conv)" in refusal(path)
        agrees(followed(path) if known else synapress.load(path), path, images(seed))
