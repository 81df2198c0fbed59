"""Types and shapes where onnx's inference finds none: from a bounded evaluation."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import synapress
from synapress.host import shapes
from synapress.host.shapes import EVALUATED, Types
from synapress.model import float_outputs
from tests.host.test_cut import agrees
from tests.host.test_host import images, node, tail

FLOAT = TensorProto.FLOAT
BY_COMPRESS = [node("Shape", ["c"], ["s"]), node("Compress", ["s", "all"], ["to"]), node("Reshape", ["c", "to"], ["r"])]
ALL = {"all": np.ones(4, bool)}


def types(nodes: Sequence[onnx.NodeProto], dims: Sequence[int | str] = (1, 3, 4, 5), frames: int = 1,
          **known: np.ndarray) -> Types:
    tensors = {name: numpy_helper.from_array(np.asarray(array), name) for name, array in known.items()}
    graph = helper.make_graph(nodes, "some", [], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return Types(nodes, [helper.make_tensor_value_info("c", FLOAT, dims)], tensors, model, frames=frames)


def test_shapes_equal_those_that_the_evaluator_computes() -> None:
    """Of every value, for one frame and two, where a shape is computed by what inference does not follow."""
    nodes = [*BY_COMPRESS, node("Relu", ["r"], ["t"]), node("Shape", ["t"], ["u"], start=1),
             node("Compress", ["u", "some"], ["v"]), node("Expand", ["k", "v"], ["w"]),
             node("NonZero", ["k"], ["z"]), node("Mul", ["w", "one"], ["y"])]
    known = {**ALL, "some": np.array([True, False, True]), "k": np.ones((1, 1), np.float32), "one": np.float32(1)}
    for frames in (1, 2):
        found = types(nodes, ("n", 3, 4, 5), frames, **known)
        graph = helper.make_graph(nodes, "all", [helper.make_tensor_value_info("c", FLOAT, None)], [
            helper.make_empty_tensor_value_info("y")], [numpy_helper.from_array(np.asarray(array), name)
                                                        for name, array in known.items()])
        run = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
        wanted = run.run(None, {"c": np.ones((frames, 3, 4, 5), np.float32)}, intermediate=True)
        assert {"t", "w", "y", "z"} <= set(wanted)
        for item in nodes:
            (name,) = item.output
            assert found.dims(name) == np.shape(wanted[name]), name
            assert found.kind(name) == helper.np_dtype_to_tensor_dtype(np.asarray(wanted[name]).dtype), name


def test_what_inference_tells_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(shapes.Folder, "fold", never)
    found = types([node("Conv", ["c", "w"], ["d"], pads=[1] * 4), node("Reshape", ["d", "to"], ["y"])],
                  w=np.ones((8, 3, 3, 3), np.float32), to=np.array([1, -1]))
    assert found.dims("y") == (1, 160)


def test_evaluation_is_bounded() -> None:
    """A shape that would cost too much stays unknown, at once: huge results, huge inputs, and many of them."""
    started = time.process_time()
    large = types([node("Shape", ["c"], ["s"]), node("Compress", ["big", "two"], ["to"]),
                   node("Expand", ["c", "to"], ["y"])], big=np.array([1 << 20, 1, 1 << 20]), two=np.array([True] * 3))
    assert large.dims("y") is None
    root = int(EVALUATED**0.5) + 1
    inputs = types([node("Compress", ["c", "all"], ["y"], axis=0)], (root, root), all=np.ones(1, bool))
    assert inputs.dims("y") is None and inputs.kind("y") == FLOAT
    chain = [node("Compress", [f"v{i}" if i else "c", "all"], [f"v{i + 1}"], axis=0) for i in range(100)]
    many = types(chain, (1, 1 << 23), all=np.ones(1, bool))
    assert many.dims("v3") == (1, 1 << 23) and many.dims("v100") is None
    assert time.process_time() - started < 5


def test_a_supported_softmax_behind_a_shape_that_inference_does_not_find(tmp_path: Path, seed: int) -> None:
    """Compress hides a shape; the operator of onnxruntime hides shape and type."""
    path = tail(tmp_path, seed, [*BY_COMPRESS, node("Softmax", ["r"], ["y"], axis=1)], constants=ALL)
    model = synapress.load(path)
    assert model.on_host == ("Softmax",)
    agrees(model, path, images(seed))
    path = tail(tmp_path, seed, [])
    proto = onnx.load(path)
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    proto.graph.node.extend([helper.make_node("Gelu", ["c"], ["g"], domain="com.microsoft"),
                             node("Shape", ["g"], ["s"]), node("Atan", ["g"], ["e"]),
                             node("Reshape", ["e", "s"], ["r"]), node("Softmax", ["r"], ["y"], axis=1)])
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, ["n", 3, 4, 5]))
    onnx.save(proto, path)
    model = synapress.load(path)
    assert model.on_host == ("Atan", "Reshape", "Softmax")
    agrees(model, path, images(seed))
    assert float_outputs(model, images(seed))["y"].shape == (3, 3, 4, 5)
