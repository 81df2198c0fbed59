"""What follows the last layer of a file: the host computes it, and all outputs are those of the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import synapress
from mapper.errors import ModelError
from mapper.scales import sqnr
from synapress.host import operators
from synapress.model_files import open_compiled, save_compiled
from synapress.models import float_outputs
from tests.own_networks import Net, frames

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
    session = onnxruntime.InferenceSession(path)
    expected = dict(zip([item.name for item in session.get_outputs()], session.run(None, {"x": x}), strict=True))
    model = synapress.load(path)
    assert on_host <= set(operators(model.host)) <= on_host | {"Shape", "Gather", "Unsqueeze", "Concat", "Reshape"}
    exact = float_outputs(model, x)
    assert list(exact) == list(expected)
    made = synapress.compile(model, calibration=frames(SHAPE, 24, rng))
    save_compiled(made, tmp_path / "out")
    found = synapress.simulate(made, x).outputs
    again = synapress.simulate(open_compiled(tmp_path / "out"), x, engine="golden").outputs
    assert made.to_json()["host"] == operators(model.host) and list(found) == list(expected)
    for key, wanted in expected.items():
        np.testing.assert_allclose(exact[key], wanted, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(again[key], found[key])
        assert found[key].shape == wanted.shape
        if np.issubdtype(wanted.dtype, np.floating):
            assert sqnr(wanted, found[key]) > 15


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
