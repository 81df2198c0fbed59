"""What of an ONNX file the host computes: operators behind the last layer, such as softmax or the decoding of boxes.

A file is split in front of the first node that cores cannot have, if nothing behind it has learned weights. The host
runs its part in float, frame by frame, by onnx's reference evaluator.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from golden.errors import NetworkError
from mapper.errors import ModelError
from mapper.frontend.model import Model

_LEARNED = frozenset((
    "Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "MatMulInteger", "Einsum", "LSTM", "GRU", "RNN",
    "Attention", "MultiHeadAttention", "BatchNormalization", "LayerNormalization", "InstanceNormalization",
    "GroupNormalization", "PRelu", "QLinearConv", "QLinearMatMul", "QGemm", "If", "Loop", "Scan"))
"""What is part of the network itself: where it follows, a file is not split."""


class Split:
    """A file, and how many of its last nodes are the host's."""

    def __init__(self, model: onnx.ModelProto):
        static = onnx.ModelProto()
        static.CopyFrom(model)
        for value in static.graph.input:
            dims = value.type.tensor_type.shape.dim
            if dims and dims[0].dim_value < 1:
                dims[0].dim_value = 1
        del static.graph.value_info[:]
        for output in static.graph.output:
            output.type.tensor_type.ClearField("shape")
        self.model = onnx.shape_inference.infer_shapes(static, data_prop=True)
        graph = self.model.graph
        self.names = [item.name or f"{item.op_type}_{index}" for index, item in enumerate(graph.node)]
        for item, name in zip(graph.node, self.names, strict=True):
            item.name = name
        self.maker = {output: index for index, item in enumerate(graph.node) for output in item.output if output}
        self.types = {value.name: value for value in (*graph.value_info, *graph.output, *graph.input)}
        self.host: set[int] = set()

    def cut(self, node: str) -> bool:
        """Give a node and all that follows to the host; False if that is no one's but the cores'."""
        chosen = {index for index, name in enumerate(self.names)
                  if node == name or node.startswith((f"{name}/", f"{name}_"))} - self.host
        if not chosen:
            return False
        behind = {output for index in chosen for output in self.model.graph.node[index].output}
        for index, item in enumerate(self.model.graph.node):
            if index not in chosen and behind & set(item.input):
                chosen.add(index)
                behind |= set(item.output)
        if any(self.model.graph.node[index].op_type in _LEARNED for index in chosen):
            return False
        self.host |= chosen
        return True

    def parts(self) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """The cores' model, and the host's, whose inputs are outputs of the cores' and inputs of the file."""
        graph = self.model.graph
        known = {tensor.name: tensor for tensor in graph.initializer}
        own, crossing = dict.fromkeys(sorted(self.host)), []
        todo = [name for index in own for name in graph.node[index].input]
        constants: dict[str, onnx.TensorProto] = {}
        while todo:
            name = todo.pop()
            index = self.maker.get(name)
            if not name or index in own or name in constants or name in crossing:
                continue
            if name in known:
                constants[name] = known[name]
            elif index is None:
                crossing.append(name)
            elif graph.node[index].op_type == "Shape" and (dims := self.dims(graph.node[index].input[0])):
                start, end = (next((a.i for a in graph.node[index].attribute if a.name == key), default)
                              for key, default in (("start", 0), ("end", len(dims))))
                constants[name] = numpy_helper.from_array(np.array(dims[start:end], np.int64), name)
            elif self.types[name].type.tensor_type.elem_type in (
                    onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE) and graph.node[index].op_type != "Constant":
                crossing.append(name)
            else:
                own[index] = None
                todo += graph.node[index].input
        rest = [value.name for value in graph.output if self.maker.get(value.name) not in self.host]
        host = helper.make_graph(
            [graph.node[index] for index in sorted(own)], "host",
            [self.types[name] for name in dict.fromkeys((*crossing, *rest))], list(graph.output),
            list(constants.values()))
        needed = [self.types[name] for name in dict.fromkeys((*rest, *crossing)) if name in self.maker]
        used, kept = {value.name for value in needed}, []
        for index in reversed(range(len(graph.node))):
            if index not in self.host and used & set(graph.node[index].output):
                kept.append(graph.node[index])
                used |= set(graph.node[index].input)
        core = helper.make_graph(kept[::-1], graph.name, list(graph.input), needed, list(graph.initializer))
        return self.made(core), self.made(host)

    def dims(self, name: str) -> list[int] | None:
        """Static dimensions of a value, with one frame."""
        value = self.types.get(name)
        found = [dim.dim_value for dim in value.type.tensor_type.shape.dim] if value is not None else []
        return found if found and min(found) > 0 else None

    def made(self, graph: onnx.GraphProto) -> onnx.ModelProto:
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def split(model: onnx.ModelProto, refused: ModelError, read: Callable[[onnx.ModelProto], Model]) -> Model | None:
    """What `read` makes of the cores' part of a model that it refused as a whole, with the host's; None: nothing."""
    try:
        parts = Split(model)
    except Exception:  # a damaged model, of which the reader has told more
        return None
    error = refused
    while parts.cut(error.violation.layer):
        core, host = parts.parts()
        if not core.graph.node:
            break
        try:
            found = read(core)
        except ModelError as again:
            error = again
        else:
            found.host = host.SerializeToString()
            return found
    return None


@cache
def _evaluator(host: bytes) -> ReferenceEvaluator:
    return ReferenceEvaluator(onnx.load_model_from_string(host))


def operators(host: bytes) -> list[str]:
    """Operators of the host's part, in order."""
    return [item.op_type for item in onnx.load_model_from_string(host).graph.node if item.op_type != "Constant"]


def finish(
    host: bytes, values: Mapping[str, npt.ArrayLike], inputs: Mapping[str, npt.ArrayLike]
) -> dict[str, npt.NDArray[Any]]:
    """All outputs of the file.

    Args:
        values: outputs of the cores' part, by name, frames first.
        inputs: of the file, by name.

    Raises:
        NetworkError: an operator cannot be computed.
    """
    run = _evaluator(host)
    given = {name: np.asarray(values[name] if name in values else inputs[name], np.float32) for name in run.input_names}
    frames = max(len(array) for array in given.values())
    results: list[list[Any]] = []
    try:
        for i in range(frames):
            results.append(list(run.run(None, {name: array[i:i + 1] for name, array in given.items()})))
    except Exception as error:  # onnx's evaluator raises whatever numpy does
        raise NetworkError(f"the host's part of the model ({', '.join(operators(host))}): {type(error).__name__}: "
                           f"{error}. Remove these operators from the file.") from error
    return {name: np.asarray(values[name]) if name in values else np.concatenate([
        np.atleast_1d(result[j]) for result in results]) for j, name in enumerate(run.output_names)}
