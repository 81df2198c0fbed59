"""The inputs of an ONNX graph: their sizes, and what their integers mean."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from golden.types import Array
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.context import Context
from synapress.mapper.importers.onnx.integers import BOUNDS, Kept
from synapress.mapper.importers.onnx.proto import bind, data_inputs
from synapress.mapper.importers.onnx.readers import labels_read
from synapress.mapper.importers.onnx.registry import find
from synapress.mapper.importers.tensor import (
    Normalization,
    Port,
    Quantization,
    Tensor,
    default_labels,
    map_shape,
)

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
BYTES = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


def add_input(context: Context, proto: onnx.ModelProto, value: onnx.ValueInfoProto, known: Mapping[str, Array]) -> None:
    """A graph input as a map of the float graph.

    Raises:
        ModelError: it is no tensor of floats or bytes, or has too many dimensions.
    """
    if not value.type.HasField("tensor_type"):
        raise ModelError(value.name, "type", "a tensor", value.type.WhichOneof("value"),
                         "Sequences, maps and optional values have no feature map.")
    kind = value.type.tensor_type.elem_type
    if kind not in FLOATS + BYTES:
        way = _way_to_bind(proto, known)
        raise ModelError(value.name, "type", "float, uint8 or int8", onnx.TensorProto.DataType.Name(kind)
                         if kind in onnx.TensorProto.DataType.values() else kind,
                         f"{way} Else convert the input to float, or quantize it to 8 bits." if way else
                         "Convert the input to float, or quantize it to 8 bits.")
    dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    labels = (labels_read(proto, value.name, len(dims), known) if context.batch else None) or default_labels(
        value.name, dims, context.batch)
    node = context.add(g.Input(name=value.name, shape=map_shape(dims, labels), operator="input"))
    port = Port(name=value.name, node=node, dims=dims, labels=labels, shape=map_shape(dims, labels))
    integers = None
    if kind in BYTES:
        integers, told = _quantization(proto, value.name, kind, known)
        if told:
            port.scale, port.zero_point = integers.scale, integers.zero_point
            context.rounded[node] = integers
        else:
            port.normalization = Normalization(scale=(1.0,), offset=(0.0,), low=integers.low, high=integers.high)
    context.ports[node] = port
    context.values[value.name] = Tensor(node=node, dims=dims, labels=labels, integers=integers)


def _way_to_bind(proto: onnx.ModelProto, known: Mapping[str, Array]) -> str:
    """How to bind the inputs that no map can be; empty: none would be left that depends on data."""
    inputs = data_inputs(proto, known)[0]
    others = [value for value in inputs if value.type.tensor_type.elem_type not in FLOATS + BYTES]
    return bind(others) if len(others) < len(inputs) else ""


def _quantization(
    proto: onnx.ModelProto, name: str, kind: int, known: Mapping[str, Array]
) -> tuple[Quantization, bool]:
    """What the first reader of an integer input takes it for, and whether there is one; else scale 1, zero point 0."""
    values = {tensor.name: tensor for tensor in proto.graph.initializer}
    low, high = BOUNDS["int8" if kind == onnx.TensorProto.INT8 else "uint8"]

    def get(source: str) -> float:
        if source in known:
            return float(np.asarray(known[source]).reshape(-1)[0])
        return float(numpy_helper.to_array(values[source]).reshape(-1)[0]) if source in values else 0.0

    names = {name}
    for node in proto.graph.node:
        for index, source in enumerate(node.input):
            quantized = node.op_type == "DequantizeLinear" or node.op_type.startswith("Q")
            if source in names and quantized and len(node.input) > index + 1:
                zero = get(node.input[index + 2]) if len(node.input) > index + 2 else 0
                scale = get(node.input[index + 1])
                return Quantization(scale=scale or 1.0, zero_point=int(zero), low=low, high=high), scale > 0
        passes = (found := find(node.domain, node.op_type)) is not None and isinstance(found.integers, Kept)
        if passes and names & set(node.input):
            names |= set(node.output)
    return Quantization(scale=1.0, zero_point=0, low=low, high=high), False
