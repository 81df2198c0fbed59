"""onnxruntime, which quantized files are compared with, against products of integers as numpy has them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.onnx_sessions import session, unsigned_weights

STEP = np.float32(2**15)
"""Of the output; all other scales are 1. Products with powers of two are exact, so halves are, too."""


def file(kind: type, form: str, operator: str, w: npt.NDArray[np.int8]) -> onnx.ModelProto:
    """One layer of int8 weights, whose activations of type `kind` have 0 as their lowest value.

    The form `integers` is QOperator without QuantizeLinear: its input are integers.
    """
    low, middle = kind(np.iinfo(kind).min), kind(np.iinfo(kind).min + 128)
    constants = {"w": w.T if operator == "MatMul" else w, "one": np.float32(1), "step": STEP, "low": low,
                 "middle": middle, "zero": np.int8(0)}
    more: dict[str, Any] = {"group": len(w)} if operator == "Depthwise" else {}
    operator = "MatMul" if operator == "MatMul" else "Conv"
    nodes = [] if form == "integers" else [helper.make_node("QuantizeLinear", ["x", "one", "low"], ["xq"])]
    code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    source, given = ("x", code) if form == "integers" else ("xq", TensorProto.FLOAT)
    if form != "QDQ":
        names = [source, "one", "low", "w", "one", "zero", "step", "middle"]
        nodes.append(helper.make_node(f"QLinear{operator}", names, ["y"], **more))
    else:
        nodes += [helper.make_node("DequantizeLinear", ["xq", "one", "low"], ["xd"]),
                  helper.make_node("DequantizeLinear", ["w", "one", "zero"], ["wd"]),
                  helper.make_node(operator, ["xd", "wd"], ["z"], **more),
                  helper.make_node("QuantizeLinear", ["z", "step", "middle"], ["y"])]
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info("x", given, None)],
        [helper.make_tensor_value_info("y", code, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("form", ["QDQ", "QOperator", "integers"])
@pytest.mark.parametrize("operator", ["MatMul", "Conv", "Depthwise"])
def test_sums_of_large_products_do_not_saturate(operator: str, form: str, kind: type, seed: int) -> None:
    """Weights and activations near their largest, of which two products exceed 16 bits."""
    rng = np.random.default_rng(seed)
    shape = {"MatMul": (16, 72), "Conv": (16, 8, 3, 3), "Depthwise": (8, 1, 3, 3)}[operator]
    signs = rng.choice([-1, 1], (shape[0], *([1] * (len(shape) - 1))))
    w = np.where(rng.random(shape) < 0.9, signs * 127, rng.integers(-128, 128, shape)).astype(np.int8)
    x = rng.integers(200, 256, (5, 72) if operator == "MatMul" else (5, 8, 3, 3)).astype(np.float32)
    sums = (x.reshape(5, 8, 9) * w.reshape(8, 9).astype(int)).sum(2) if operator == "Depthwise" else (
        x.reshape(5, 72) @ w.reshape(16, 72).T.astype(int))
    model = file(kind, form, operator, w)
    fed = (x + np.iinfo(kind).min).astype(kind) if form == "integers" else x
    (found,) = session(model, optimized=form == "QDQ").run(None, {"x": fed})
    expected = np.clip(np.rint(sums / STEP), -128, 127)
    np.testing.assert_array_equal(found.reshape(expected.shape).astype(int) - np.iinfo(kind).min - 128, expected)
    assert len(np.unique(expected)) > 4
    types = {item.data_type for item in unsigned_weights(model).graph.initializer} - {TensorProto.FLOAT}
    assert types == {helper.np_dtype_to_tensor_dtype(np.dtype(kind))}, "no product of uint8 by int8 is left"
