"""How much work the host's part of a model is: parameters, and multiplications for a frame."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import onnx
from onnx import helper

from synapress.host.nodes import CONTROL, LEARNED, Functions, functions, learned, reads
from synapress.host.shapes import Types

Dims = tuple[int, ...]

_BY_ELEMENT = ("Mul", "Div", "PRelu", "BatchNormalization", "LayerNormalization", "InstanceNormalization",
               "GroupNormalization", "RMSNormalization")
"""One multiplication for each element of the result: of two arrays, or by a learned scale."""
_WEIGHTS = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
"""Which input has the weights, where it is not the second."""


class Work(NamedTuple):
    """What the host stores and computes."""

    parameters: int
    """Elements of all constants that layers with learned weights read."""
    multiplications: int
    """For one frame."""
    exact: bool
    """Whether all are counted; else there are more, in control flow, attention, or where shapes are unknown."""

    def __str__(self) -> str:
        least = "" if self.exact else "at least "
        return f"{self.parameters:,} parameters and {least}{self.multiplications:,} multiplications a frame"


def work(host: onnx.ModelProto, inputs: Mapping[str, Dims]) -> Work:
    """The work of the host's part.

    Args:
        inputs: dimensions of its inputs, for one frame.
    """
    graph, calls = host.graph, functions(host)
    known = {tensor.name: tensor for tensor in graph.initializer}
    given = [helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, inputs.get(value.name))
             for value in graph.input]
    types = Types(graph.node, given, known, host)
    counts = [None if (node.domain, node.op_type) in calls else _multiplications(node, types) for node in graph.node]
    sizes = {name: prod(tensor.dims) for name, tensor in known.items()}
    return Work(_parameters(graph.node, sizes, calls, {value.name for value in given}),
                sum(count or 0 for count in counts), None not in counts)


def _parameters(nodes: Sequence[onnx.NodeProto], sizes: Mapping[str, int], calls: Functions, data: set[str]) -> int:
    """Elements of constants that layers with learned weights read, perhaps through operators on constants alone."""
    maker: dict[str, onnx.NodeProto] = {}
    varies = set(data)
    for node in nodes:
        maker |= dict.fromkeys(node.output, node)
        if varies & set(reads(node)):
            varies |= set(node.output)
    count, seen = 0, set()
    todo = [name for node in nodes if learned(node, calls) for name in reads(node)]
    while todo:
        name = todo.pop()
        if name in seen or name in varies:
            continue
        seen.add(name)
        count += sizes.get(name, 0)
        if name in maker:
            count += sum(prod(a.t.dims) for a in maker[name].attribute if a.name == "value")
            todo += reads(maker[name])
    return count


def _multiplications(node: onnx.NodeProto, types: Types) -> int | None:
    """Of a node; None: unknown."""
    kind = node.op_type
    if kind in CONTROL:
        return None
    if kind not in LEARNED and kind not in _BY_ELEMENT:
        return 0
    result, data = types.dims(node.output[0]), types.dims(node.input[0])
    if kind in _BY_ELEMENT:
        return None if result is None else prod(result)
    weights = types.dims(node.input[_WEIGHTS.get(kind, 1)])
    if data is None or weights is None or (result is None and node.output[0]):
        return None
    if kind == "ConvTranspose":
        return prod(data) * prod(weights[1:])
    if kind in ("Conv", "ConvInteger", "QLinearConv"):
        return prod(result or ()) * prod(weights[1:])
    if kind in ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm", "QGemm"):
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        return prod(result or ()) * data[-2 if turned else -1]
    if kind in ("LSTM", "GRU", "RNN"):
        state = types.dims(node.input[2])
        return None if state is None else prod(data[:2]) * (prod(weights) + prod(state))
    return None
