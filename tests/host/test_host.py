"""What follows the last layer of a file: the host computes it, and all outputs are those of the file."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import synapress
from synapress.mapper.errors import ModelError
from synapress.mapper.quantization.scales import sqnr
from synapress.model import float_outputs
from synapress.results import CompiledModel
from tests.helpers.onnx_net import Net, frames
from tests.helpers.onnx_sessions import session

SHAPE = (3, 20, 24)


def scores(b: Net) -> str:
    return b.dense(b.flatten(b.node("GlobalAveragePool", b.conv("x", 8, 3, 2))), 5)


def softmax(b: Net) -> list[str]:
    return [b.node("Softmax", scores(b), axis=1)]


def scores_and_class(b: Net) -> list[str]:
    x = scores(b)
    return [b.node("ArgMax", b.node("Softmax", x, axis=-1), axis=1, keepdims=0), x]


def grid(b: Net) -> list[str]:
    """Boxes by grid cell, as YOLO's heads are decoded: reshaped with a dynamic number of frames, moved, scaled."""
    x = b.bare(b.conv("x", 8, 3, 2), 18, 1, bias=True)
    count = b.node("Gather", b.node("Shape", x), b.constant(np.int64(0)), axis=0)
    sizes = b.constant(np.array([3, 6, *b.shape(x)[1:]]))
    shape = b.node("Concat", b.node("Unsqueeze", count, b.constant(np.array([0]))), sizes, axis=0)
    x = b.node("Sigmoid", b.node("Transpose", b.node("Reshape", x, shape), perm=[0, 1, 3, 4, 2]))
    cells = b.constant(np.arange(3 * 10 * 12 * 6, dtype=np.float32).reshape(1, 3, 10, 12, 6) / 100)
    return [b.node("Mul", b.node("Add", x, cells), b.constant(np.float32(8)))]


def boxes(b: Net) -> list[str]:
    """Anchors of two maps behind each other, as SSD has them, and one map as it is."""
    first = b.conv("x", 8, 3, 2)
    parts = []
    for x in (first, b.conv(first, 8, 3, 2)):
        x = b.node("Transpose", b.bare(x, 12, 3, bias=True), perm=[0, 2, 3, 1])
        parts.append(b.node("Reshape", x, b.constant(np.array([-1, int(np.prod(b.shape(x))) // 4, 4]))))
    return [b.node("Concat", *parts, axis=1), first]


CASES: dict[str, tuple[Callable[[Net], list[str]], set[str]]] = {
    "softmax": (softmax, {"Softmax"}), "scores and class": (scores_and_class, {"Softmax", "ArgMax"}),
    "grid": (grid, {"Add", "Mul"}), "boxes": (boxes, {"Concat"}),
}


def saved(path: Path, build: Callable[[Net], list[str]], seed: int) -> Path:
    b = Net(seed, SHAPE)
    outputs = build(b)
    graph = helper.make_graph(
        b.nodes, "own", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(b.values[name].dtype),
                                       ["n", *b.shape(name)]) for name in outputs], b.constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", b.opset)], ir_version=8), path / "m.onnx")
    return path / "m.onnx"


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_the_file(name: str, tmp_path: Path, seed: int) -> None:
    """Against onnxruntime: the float model nearly, the integers as well as 8 bits can; saved and opened, too."""
    build, on_host = CASES[name]
    path, rng = saved(tmp_path, build, seed), np.random.default_rng(seed)
    x = frames(SHAPE, 3, rng)
    runner = session(onnx.load(path))
    expected = dict(zip([item.name for item in runner.get_outputs()], runner.run(None, {"x": x}), strict=True))
    model = synapress.load(path)
    assert on_host <= set(model.on_host) <= on_host | {"Shape", "Gather", "Unsqueeze", "Concat", "Reshape"}
    exact = float_outputs(model, x)
    assert list(exact) == list(expected)
    made = synapress.compile(model, calibration=frames(SHAPE, 24, rng))
    made.save(tmp_path / "out")
    found = synapress.simulate(made, x).outputs
    again = synapress.simulate(CompiledModel.load(tmp_path / "out"), x, engine="golden").outputs
    assert made.to_json()["host"] == list(model.on_host) == list(made.on_host) and list(found) == list(expected)
    for key, wanted in expected.items():
        np.testing.assert_allclose(exact[key], wanted, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(again[key], found[key])
        assert found[key].shape == wanted.shape
        if np.issubdtype(wanted.dtype, np.floating):
            assert sqnr(wanted, found[key]) > 30


def test_learned_layers_are_not_the_hosts(tmp_path: Path, seed: int) -> None:
    """What is refused in the middle of a network stays refused."""
    def build(b: Net) -> list[str]:
        return [b.bare(b.node("LRN", b.conv("x", 8), size=5), 3, 1)]

    with pytest.raises(ModelError, match=r"rule 'operator'.*given: LRN"):
        synapress.load(saved(tmp_path, build, seed))


def test_what_the_host_cannot_compute_is_named(tmp_path: Path, seed: int) -> None:
    def build(b: Net) -> list[str]:
        x = b.bare(b.conv("x", 8), 4, 1)
        return [b.node("Softmax", b.node("Reshape", x, b.constant(np.array([2, 4 * 20 * 12, 2]))), axis=2)]

    with pytest.raises(ModelError, match=r"rule 'host'.*Reshape, Softmax: ValueError"):
        synapress.load(saved(tmp_path, build, seed))


def tail(path: Path, seed: int, nodes: Sequence[onnx.NodeProto], outputs: Mapping[str, int] | Sequence[str] = ("y",), *,
         opset: int = 17, frames: int | str = "n", constants: Mapping[str, npt.ArrayLike] | None = None,
         more: Sequence[onnx.ValueInfoProto] = (), kind: type = np.float32) -> Path:
    """A convolution `c` of `x` (frames, 2, 4, 5) with three channels, and nodes behind it."""
    rng = np.random.default_rng([seed, 930])
    known = {"w": rng.normal(0, 0.4, (3, 2, 3, 3)).astype(kind)} | {
        name: np.asarray(array) for name, array in (constants or {}).items()}
    kinds = outputs if isinstance(outputs, Mapping) else dict.fromkeys(
        outputs, helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1] * 4), *nodes], "tail",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [frames, 2, 4, 5]), *more],
        [helper.make_tensor_value_info(name, value, None) for name, value in kinds.items()],
        [numpy_helper.from_array(array, name) for name, array in known.items()])
    model = onnx.shape_inference.infer_shapes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8))
    for output in model.graph.output:
        if not output.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.dim.add().dim_param = "unknown"
    onnx.save(model, path / "m.onnx")
    return path / "m.onnx"


def images(seed: int, count: int = 3) -> npt.NDArray[np.float32]:
    return np.random.default_rng([seed, 931]).normal(0, 1, (count, 2, 4, 5)).astype(np.float32)


def by_onnxruntime(path: Path, x: npt.NDArray[Any], **more: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    runner = session(onnx.load(path), optimized=False)
    return dict(zip([item.name for item in runner.get_outputs()], runner.run(None, {"x": x, **more}), strict=True))


def agree(path: Path, x: npt.NDArray[Any], **more: npt.NDArray[Any]) -> None:
    """The float model with onnxruntime, for all frames and for one."""
    model = synapress.load(path)
    for count in (len(x), 1):
        expected = by_onnxruntime(path, x[:count], **more)
        found = float_outputs(model, {"x": x[:count], **more})
        assert list(found) == list(expected)
        for name, wanted in expected.items():
            assert found[name].shape == wanted.shape and found[name].dtype == wanted.dtype
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5)


node = helper.make_node


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 17])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_is_that_of_the_opset(kind: str, opset: int, tmp_path: Path, seed: int) -> None:
    """Before opset 13 over all axes from `axis` on; the default changed, too."""
    for axis in (None, 1, 2, 3, *((0, -1) if opset > 10 else ())):
        attributes = {} if axis is None else {"axis": axis}
        agree(tail(tmp_path, seed, [node(kind, ["c"], ["y"], **attributes)], opset=opset), 9 * images(seed))
        turned = [node("Atan", ["c"], ["e"]), node("Transpose", ["e"], ["t"], perm=[0, 3, 1, 2]),
                  node(kind, ["t"], ["y"], **attributes)]
        agree(tail(tmp_path, seed, turned, opset=opset), images(seed))


OTHERS = [
    node("LpNormalization", ["e"], ["y"], axis=1, p=1), node("LpNormalization", ["e"], ["y"], axis=2),
    node("ReduceLogSumExp", ["e"], ["y"], axes=[1, 2]), node("ReduceL1", ["e"], ["y"], axes=[1], keepdims=0),
    node("Celu", ["e"], ["y"]), node("LRN", ["e"], ["y"], size=3), node("LpPool", ["e"], ["y"], kernel_shape=[2, 2]),
    node("MeanVarianceNormalization", ["e"], ["y"]), node("CumSum", ["e", "axis"], ["y"], reverse=1),
    node("Resize", ["e", "", "scales"], ["y"], mode="cubic"), node("Pad", ["e", "pads"], ["y"], mode="reflect")]


@pytest.mark.parametrize("last", OTHERS, ids=lambda item: item.op_type)
def test_other_operators_are_as_in_onnxruntime(last: onnx.NodeProto, tmp_path: Path, seed: int) -> None:
    known = {"axis": np.int64(1), "scales": np.array([1, 1, 2, 2], np.float32),
             "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    agree(tail(tmp_path, seed, [node("Atan", ["c"], ["e"]), last],
               constants={key: known[key] for key in last.input if key in known}), images(seed))


ACROSS: dict[str, tuple[list[onnx.NodeProto], int]] = {
    "softmax": ([node("Softmax", ["c"], ["y"], axis=0)], TensorProto.FLOAT),
    "largest": ([node("ReduceMax", ["c"], ["y"], axes=[0], keepdims=0)], TensorProto.FLOAT),
    "largest of all": ([node("ReduceMax", ["c"], ["y"], keepdims=0)], TensorProto.FLOAT),
    "largest of all, kept": ([node("ReduceMax", ["c"], ["y"])], TensorProto.FLOAT),
    "index": ([node("ArgMax", ["c"], ["y"], axis=0)], TensorProto.INT64),
    "moved": ([node("Atan", ["c"], ["e"]), node("Transpose", ["e"], ["y"], perm=[1, 2, 0, 3])], TensorProto.FLOAT),
    "joined": ([node("Atan", ["c"], ["e"]), node("Reshape", ["e", "rows"], ["y"])], TensorProto.FLOAT),
    "non-zero": ([node("Relu", ["c"], ["r"]), node("NonZero", ["r"], ["y"])], TensorProto.INT64),
    "number": ([node("Shape", ["x"], ["s"]), node("Atan", ["c"], ["e"]), node("Gather", ["s", "first"], ["f"]),
                node("Concat", ["minus", "f"], ["to"], axis=0), node("Reshape", ["e", "to"], ["y"])],
               TensorProto.FLOAT),
    "number of a hidden map": (
        [node("Relu", ["c"], ["r"]), node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]), node("Shape", ["r"], ["s"]),
         node("Atan", ["p"], ["e"]), node("ConstantOfShape", ["s"], ["z"]), node("ReduceMax", ["e"], ["m"]),
         node("Add", ["z", "m"], ["y"])], TensorProto.FLOAT),
    "boxes": ([node("Reshape", ["c", "boxes"], ["b"]), node("Atan", ["b"], ["e"]),
               node("Split", ["e", "split"], ["corner", "rest"], axis=2),
               node("Transpose", ["rest"], ["t"], perm=[0, 2, 1]),
               node("Concat", ["corner", "corner"], ["four"], axis=2),
               node("NonMaxSuppression", ["four", "t", "ten", "half", "half"], ["y"])], TensorProto.INT64),
}
KNOWN = {"rows": np.array([-1, 5]), "first": np.array([0]), "minus": np.array([-1]), "boxes": np.array([0, -1, 3]),
         "split": np.array([2, 1]), "ten": np.array([10]), "half": np.array([0.5], np.float32)}


@pytest.mark.parametrize("name", ACROSS)
def test_frames_together_are_those_of_the_file(name: str, tmp_path: Path, seed: int) -> None:
    """What looks along the frames of a file with a dynamic number of them sees all of them."""
    nodes, kind = ACROSS[name]
    read = {source for item in nodes for source in item.input}
    path = tail(tmp_path, seed, nodes, {"y": kind}, constants={key: KNOWN[key] for key in KNOWN if key in read})
    agree(path, images(seed))


def test_a_file_of_several_frames_must_not_mix_them(tmp_path: Path, seed: int) -> None:
    apart = [node("Softmax", ["c"], ["s"], axis=1, name="soft"), node("Shape", ["s"], ["size"]),
             node("Gather", ["size", "first"], ["f"]), node("Concat", ["f", "minus"], ["to"], axis=0),
             node("Transpose", ["s"], ["t"], perm=[1, 0, 2, 3]), node("Transpose", ["t"], ["u"], perm=[1, 0, 2, 3]),
             node("Reshape", ["u", "to"], ["y"])]
    path = tail(tmp_path, seed, apart, frames=4, constants={key: KNOWN[key] for key in ("first", "minus")})
    x, model = images(seed, 4), synapress.load(path)
    expected = by_onnxruntime(path, x)["y"]
    np.testing.assert_allclose(float_outputs(model, x)["y"], expected, rtol=1e-4)
    np.testing.assert_allclose(float_outputs(model, x[1:])["y"], expected[1:], rtol=1e-4)
    for last, known in ((node("Reshape", ["s", "to"], ["y"], name="mixed"), {"to": np.array([4, -1])}),
                        (node("ReduceMax", ["s"], ["y"], name="mixed", axes=[0]), {}),
                        (node("Softmax", ["s"], ["y"], name="mixed", axis=0), {})):
        nodes = [node("Softmax", ["c"], ["s"], axis=1), last]
        with pytest.raises(ModelError, match=r"'mixed', rule 'host: .*dynamic number of frames"):
            synapress.load(tail(tmp_path, seed, nodes, frames=4, constants=known))


@pytest.mark.parametrize("last", [
    node("Squeeze", ["s", "first"], ["y"]), node("Transpose", ["s"], ["y"], perm=[1, 0, 2, 3]),
    node("Reshape", ["s", "rows"], ["y"]), node("ReduceMax", ["s"], ["y"], keepdims=0), node("Identity", ["s"], ["y"])])
def test_frames_of_a_file_of_one_are_apart(last: onnx.NodeProto, tmp_path: Path, seed: int) -> None:
    """Each is what the file makes of it; stacked, where the file's output has no frames first."""
    path = tail(tmp_path, seed, [node("Softmax", ["c"], ["s"], axis=1), last], frames=1,
                constants={key: KNOWN[key] for key in last.input if key in KNOWN})
    x, model = images(seed), synapress.load(path)
    alone = [by_onnxruntime(path, frame[None])["y"] for frame in x]
    expected = np.concatenate(alone) if alone[0].shape[:1] == (1,) else np.stack(alone)
    np.testing.assert_allclose(float_outputs(model, x)["y"], expected, rtol=1e-4)
    np.testing.assert_allclose(float_outputs(model, x[:1])["y"], alone[0], rtol=1e-4)


def test_shapes_that_depend_on_the_data_need_a_dynamic_number_of_frames(tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [node("Relu", ["c"], ["r"]), node("NonZero", ["r"], ["y"])], {"y": TensorProto.INT64},
                frames=1)
    with pytest.raises(ModelError, match=r"rule 'host'.*NonZero.*depends on the data"):
        synapress.load(path)


def test_an_input_for_the_host_alone_is_refused_or_bound(tmp_path: Path, seed: int) -> None:
    more = [helper.make_tensor_value_info("u", TensorProto.FLOAT, ["n", 3, 1, 1])]
    path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"]), node("Mul", ["e", "u"], ["y"])], more=more)
    with pytest.raises(ModelError, match=r"'u', rule 'host'.*Atan, Mul.*`constants`"):
        synapress.load(path)
    u, x = np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1), images(seed)
    found = float_outputs(synapress.load(path, constants={"u": u.tolist()}), x)["y"]
    np.testing.assert_allclose(found, by_onnxruntime(path, x, u=u)["y"], rtol=1e-4)


def test_an_input_that_layers_and_the_host_read_is_checked_and_broadcast(tmp_path: Path, seed: int) -> None:
    more = [helper.make_tensor_value_info("u", TensorProto.FLOAT, ["n", 3, 4, 5])]
    path = tail(tmp_path, seed, [node("Add", ["c", "u"], ["a"]), node("Atan", ["a"], ["e"]),
                                 node("Concat", ["e", "u"], ["m"], axis=1), node("Softmax", ["m"], ["y"], axis=0)],
                more=more)
    x, u = images(seed), np.random.default_rng([seed, 932]).normal(0, 1, (3, 3, 4, 5)).astype(np.float32)
    agree_all, model = by_onnxruntime(path, x, u=u)["y"], synapress.load(path)
    np.testing.assert_allclose(float_outputs(model, {"x": x, "u": u})["y"], agree_all, rtol=1e-3, atol=1e-6)
    once = by_onnxruntime(path, x, u=u[:1].repeat(3, 0))["y"]
    np.testing.assert_allclose(float_outputs(model, {"x": x, "u": u[:1]})["y"], once, rtol=1e-3, atol=1e-6)
    with pytest.raises(synapress.SynapressError, match="'u'"):
        float_outputs(model, {"x": x, "u": u[:, :2]})


WIDE = dataclasses.replace(synapress.CoreConfig.preset("grai_vip"), name="wide", state_bits=32, multiplier_bits=22)


class Frames(CalibrationDataReader):
    def __init__(self, x: npt.NDArray[Any]):
        self.left = iter(x)

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        frame = next(self.left, None)
        return None if frame is None else {"x": frame[None]}


@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("last", ["Softmax", "ArgMax", "both"])
def test_quantized_classifiers(last: str, form: QuantFormat, opset: int, tmp_path: Path, seed: int) -> None:
    """As onnxruntime quantizes them: to the bit, but for one step where a value lies between two integers."""
    nodes = [node("GlobalAveragePool", ["c"], ["g"]), node("Flatten", ["g"], ["f"])]
    if last != "ArgMax":
        nodes.append(node("Softmax", ["f"], ["y" if last == "Softmax" else "s"], axis=1))
    if last != "Softmax":
        nodes.append(node("ArgMax", ["f" if last == "ArgMax" else "s"], ["y"], axis=1, keepdims=0))
    x = 3 * images(seed, 24)
    plain = tail(tmp_path, seed, nodes, {"y": TensorProto.FLOAT if last == "Softmax" else TensorProto.INT64},
                 opset=opset)
    path = tmp_path / "quantized.onnx"
    quantize_static(plain, path, Frames(x), quant_format=form, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8)
    model, expected = synapress.load(path), by_onnxruntime(path, x)["y"]
    simulated = synapress.simulate(synapress.compile(model, config=WIDE), x).outputs["y"]
    for found in (float_outputs(model, x)["y"], simulated):
        assert found.shape == expected.shape and found.dtype == expected.dtype
        if last == "Softmax":
            np.testing.assert_allclose(found, expected, atol=2.1 / 255)
            assert np.mean(np.isclose(found, expected, atol=1e-6)) > 0.8
        else:
            assert np.mean(found == expected) > 0.9


def test_half_precision(tmp_path: Path, seed: int) -> None:
    path, x = tail(tmp_path, seed, [node("Softmax", ["c"], ["y"], axis=1)], kind=np.float16), images(seed)
    found, wanted = (each["y"] for each in (float_outputs(synapress.load(path), x),
                                            by_onnxruntime(path, x.astype(np.float16))))
    assert found.dtype == wanted.dtype == np.float16
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_names_that_begin_alike_are_others(tmp_path: Path, seed: int) -> None:
    """A node is not taken along because the refused one's name goes on from its own."""
    path = tail(tmp_path, seed, [
        node("Relu", ["c"], ["r"], name="/Mul"), node("Conv", ["r", "v"], ["d"], name="last"),
        node("Softmax", ["d"], ["y"], name="/Mul_1", axis=1)],
        constants={"v": np.random.default_rng(seed).normal(0, 1, (4, 3, 1, 1)).astype(np.float32)})
    assert synapress.load(path).on_host == ("Softmax",)
    agree(path, images(seed))


def test_refusals_say_what_is_behind(tmp_path: Path, seed: int) -> None:
    path = tail(tmp_path, seed, [node("Atan", ["c"], ["e"], name="sine"), node("Conv", ["e", "v"], ["y"], name="last")],
                constants={"v": np.ones((4, 3, 1, 1), np.float32)})
    with pytest.raises(ModelError, match=r"'sine', rule 'operator'.*: Atan.*behind this comes layer 'last' \(Conv\)"):
        synapress.load(path)
    for item in (node("RandomNormalLike", ["c"], ["y"], name="dice"), node("Bernoulli", ["c"], ["y"], name="dice")):
        with pytest.raises(ModelError, match=r"'dice', rule 'host': needs .* can be reproduced"):
            synapress.load(tail(tmp_path, seed, [item]))
