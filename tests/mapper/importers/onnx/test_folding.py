"""Constants that files compute: equal to numpy, never random, and refused by size before they are made."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.graph import FloatGraph, Input
from synapress.mapper.importers.onnx import folding
from synapress.mapper.importers.onnx.reader import read_onnx

BIG = 100_000


def model(nodes: list[Any], **constants: np.ndarray) -> onnx.ModelProto:
    """x (1, 1, 2, 2) + the constant "c" that the nodes compute."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 2, 2]) for name in ("x", "y")]
    graph = helper.make_graph(
        [*nodes, helper.make_node("ReduceMax", ["c"], ["top"], keepdims=0, name="top"),
         helper.make_node("Add", ["x", "top"], ["y"])],
        "folded", ports[:1], ports[1:], initializer=[numpy_helper.from_array(a, n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def node(op: str, inputs: list[str], output: str = "c", **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [output], name="made", **attributes)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


RANDOM = {
    "RandomNormal": (node("RandomNormal", [], shape=[2]), {}),
    "RandomUniform": (node("RandomUniform", [], shape=[2], seed=1.0), {}),
    "RandomNormalLike": (node("RandomNormalLike", ["a"]), {"a": np.ones(3, np.float32)}),
    "RandomUniformLike": (node("RandomUniformLike", ["a"]), {"a": np.ones(3, np.float32)}),
    "Bernoulli": (node("Bernoulli", ["a"]), {"a": np.ones(3, np.float32) / 2}),
    "Multinomial": (node("Multinomial", ["a"], sample_size=3, dtype=6), {"a": np.ones((1, 3), np.float32)}),
    "Dropout": (node("Dropout", ["a", "ratio", "train"]), {
        "a": np.ones(3, np.float32), "ratio": np.array(0.5, np.float32), "train": np.array(True)}),
}


@pytest.mark.parametrize("op", RANDOM)
def test_what_differs_from_run_to_run_is_refused(op: str) -> None:
    made, constants = RANDOM[op]
    with pytest.raises(ModelError, match=f"node 'made', rule '{op}: constant'.*the same whenever.*initializer"):
        read_onnx(model([made], **constants))


one = np.ones((1, 1), np.float32)
image = np.ones((1, 1, 2, 2), np.float32)
empty = np.zeros(0, np.float32)
HUGE = {
    "Expand": (node("Expand", ["a", "s"]), {"a": one, "s": numbers(BIG, BIG)}),
    "Tile": (node("Tile", ["a", "s"]), {"a": one, "s": numbers(BIG, BIG)}),
    "ConstantOfShape": (node("ConstantOfShape", ["s"]), {"s": numbers(BIG, BIG)}),
    "Pad": (node("Pad", ["a", "s"]), {"a": one, "s": numbers(0, 0, BIG, BIG)}),
    "Range": (node("Range", ["a", "b", "d"]), {
        "a": np.array(0.0, np.float32), "b": np.array(1e10, np.float32), "d": np.array(1.0, np.float32)}),
    "Resize": (node("Resize", ["a", "", "", "s"]), {"a": image, "s": numbers(1, 1, BIG, BIG)}),
    "Resize by scales": (node("Resize", ["a", "", "s"]), {"a": image, "s": np.array([1, 1, 1e4, 1e4], np.float32)}),
    "ConvTranspose": (node("ConvTranspose", ["a", "w"], strides=[BIG, BIG]), {"a": image, "w": image}),
    "AveragePool": (node("AveragePool", ["a"], kernel_shape=[BIG, BIG], pads=[BIG // 2] * 4), {"a": image}),
    "Conv": (node("Conv", ["a", "w"], dilations=[BIG, BIG], pads=[BIG // 2] * 4), {"a": image, "w": image}),
    "OneHot": (node("OneHot", ["a", "n", "v"]), {
        "a": np.zeros((BIG,), np.int64), "n": numbers(BIG), "v": np.ones(2, np.float32)}),
    "Add": (node("Add", ["a", "b"]), {"a": np.ones((BIG, 1), np.float32), "b": np.ones((1, BIG), np.float32)}),
    "EyeLike": (node("EyeLike", ["e"]), {"s": numbers(BIG, BIG)}),
    "Concat": (node("Concat", ["e"] * 10, axis=0), {"s": numbers(1 << 24)}),
}


@pytest.mark.parametrize("name", HUGE)
def test_large_results_are_refused_before_they_are_computed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, constants = HUGE[name]
    nodes, given = [made], dict(constants)
    if "e" in made.input:  # of a constant that is computed itself, with room for that alone
        nodes = [node("ConstantOfShape", ["s"], "e"), made]
        monkeypatch.setattr(folding, "BASE_BYTES", 4 * int(np.prod(constants["s"])) + 8)
        monkeypatch.setattr(folding.Folder, "fold", _shapes_only(folding.Folder.fold))
    else:
        monkeypatch.setattr(folding, "ReferenceEvaluator", None)
    with pytest.raises(ModelError, match=rf"node 'made', rule '{name.split()[0]}: constant'.*(bytes|elements)"):
        read_onnx(model(nodes, **given))


def _shapes_only(fold: Any) -> Any:
    """ConstantOfShape without the memory: one element that is seen everywhere."""
    def instead(self: Any, item: Any, name: str, inputs: Any) -> Any:
        if item.op_type == "ConstantOfShape":
            made = np.broadcast_to(np.zeros(1, np.float32), inputs[0])
            self._left -= made.nbytes
            return [made]
        return fold(self, item, name, inputs)
    return instead


def test_all_constants_of_a_file_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone would fit; and weights of the file's own bring an allowance with them."""
    monkeypatch.setattr(folding, "BASE_BYTES", 1 << 16)
    names = [f"c{number}" for number in range(20)] + ["c"]
    chain = [node("Expand", ["one", "s"], "c0"), *(node("Neg", [names[i]], names[i + 1]) for i in range(20))]
    constants = {"one": np.ones(1, np.float32), "s": numbers(1 << 10)}
    with pytest.raises(ModelError, match=r"rule 'Neg: constant': needs computed constants of at most 65632 bytes"):
        read_onnx(model(chain, **constants))
    read_onnx(model(chain, **constants, weights=np.ones(1 << 12, np.float32)))
    large = np.ones((1 << 10, 1 << 5), np.float32)
    read_onnx(model([node("Transpose", ["a"])], a=large))
    read_onnx(model([node("Constant", [], "a", value=numpy_helper.from_array(large)), node("Transpose", ["a"])]))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "v"), numpy_helper.from_array(numbers(5)), [1 << 20])
    with pytest.raises(ModelError, match=r"rule 'Constant: constant': needs computed constants of at most 65536 bytes"):
        read_onnx(model([node("Constant", [], sparse_value=sparse)]))


@pytest.mark.parametrize(("op", "attributes", "rule"), [
    ("AveragePool", {"kernel_shape": [2, 2], "pads": [1 << 29] * 4}, "(AveragePool: )?size"),
    ("AveragePool", {"kernel_shape": [2, 2], "pads": [1 << 15, 0, 1 << 15, 0]}, "AveragePool: size"),
])
def test_maps_are_bounded_too(op: str, attributes: dict[str, Any], rule: str) -> None:
    """Paddings of a file of a few bytes."""
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1 << 12, 2]),
             helper.make_tensor_value_info("y", TensorProto.FLOAT, list("nchw"))]
    graph = helper.make_graph([node(op, ["x"], "y", **attributes)], "wide", ports[:1], ports[1:])
    with pytest.raises(ModelError, match=rf"node 'made', rule '{rule}'.*at most"):
        read_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


@pytest.mark.parametrize("shape", [(1, 1 << 23, 1), (1 << 10, 1 << 10, 1 << 10)])
def test_no_map_is_larger_than_any_image(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ModelError, match=r"node 'x', rule 'size': needs a result of at most \d+ elements.*\d+; given"):
        FloatGraph("wide").add(Input(name="x", shape=shape))


def test_negative_and_unknown_sizes_are_refused() -> None:
    with pytest.raises(ModelError, match="node 'made'"):
        read_onnx(model([node("ConstantOfShape", ["s"])], s=numbers(3, -4)))
    body = helper.make_graph([helper.make_node("Identity", ["a"], ["z"])], "body", [],
                             [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 1])])
    with pytest.raises(ModelError, match=r"rule 'If: constant'.*control flow"):
        read_onnx(model([node("If", ["t"], then_branch=body, else_branch=body)], t=np.array(True), a=one))


def test_folded_constants_equal_numpy() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(0, 1, (2, 3)).astype(np.float32)
    for nodes, expected in (
            ([node("Expand", ["a", "s"])], a.max()),
            ([node("Pad", ["a", "p"], mode="reflect")], a.max()),
            ([node("NonZero", ["a"])], 2.0),
            ([node("Range", ["r", "t", "d"])], 7.0),
            ([node("EyeLike", ["a"], "e"), node("Add", ["a", "e"])], (a + np.eye(2, 3)).max())):
        float_output = nodes[-1].op_type == "NonZero"
        if float_output:
            nodes = [node("NonZero", ["a"], "n"), node("Cast", ["n"], to=TensorProto.FLOAT)]
        read = read_onnx(model(nodes, a=a, s=numbers(4, 2, 3), p=numbers(0, 1, 0, 1), r=np.array(1.0, np.float32),
                               t=np.array(8.0, np.float32), d=np.array(2.0, np.float32)))
        got = reference.run(read.graph, {"x": np.zeros((1, 1, 2, 2))})[read.outputs[0].node]
        np.testing.assert_allclose(got, expected, rtol=1e-6)
