"""The trained digits network as a float ONNX model, as a training framework would export it."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from synapress.zoo.digits.float_model import load_network


def digits_onnx() -> onnx.ModelProto:
    """Input "x" (n, 1, rows, columns) of pixels 0 … 1, output "scores" (n, 10)."""
    stored = load_network()
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    x = "x"
    for name, layer in stored.meta["layers"].items():
        where = {"strides": [layer["stride"]] * 2, "pads": [layer["padding"]] * 4}
        if layer["kind"] == "max_pool":
            x = node("MaxPool", name, x, kernel_shape=layer["kernel"], **where)
            continue
        weights = stored.arrays[f"float_{name}_weight"].swapaxes(2, 3)  # stored as columns, rows
        bias = constant(f"{name}_bias", stored.arrays[f"float_{name}_bias"])
        if layer["kind"] == "dense":
            flat = constant(f"{name}_weight", weights.reshape(len(weights), -1))
            x = node("Gemm", "scores", node("Flatten", "flat", x), flat, bias, transB=1)
        else:
            x = node("Conv", name, x, constant(f"{name}_weight", weights), bias, group=layer["groups"], **where)
        x = node("Relu", f"{name}_relu", x) if layer["saturation"] == "relu" else x
    graph = helper.make_graph(
        nodes, "digits", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 1, 28, 28])],
        [helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, ["n", 10])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model
