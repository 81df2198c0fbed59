"""An ONNX file in two: what cores compute, and what follows, which the host does."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEARNED = frozenset((
    "Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "MatMulInteger", "Einsum", "LSTM", "GRU", "RNN",
    "Attention", "MultiHeadAttention", "BatchNormalization", "LayerNormalization", "InstanceNormalization",
    "GroupNormalization", "PRelu", "QLinearConv", "QLinearMatMul", "QGemm", "If", "Loop", "Scan"))
"""What is part of the network itself: where it follows, a file is not split."""

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_BYTES = (TensorProto.UINT8, TensorProto.INT8)
FRAMES = "frames"
"""Prefix of the values in the host's part that tell the number of frames."""


class Split:
    """A file, and how many of its last nodes are the host's."""

    def __init__(self, model: onnx.ModelProto, constants: Mapping[str, npt.ArrayLike] | None = None):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        kinds = {value.name: value.type.tensor_type.elem_type for value in graph.input}
        for tensor in [tensor for tensor in graph.initializer if tensor.name in (constants or {})]:
            graph.initializer.remove(tensor)  # a default
        for name, array in (constants or {}).items():
            kind = helper.tensor_dtype_to_np_dtype(kinds[name]) if kinds.get(name) else None
            graph.initializer.append(numpy_helper.from_array(np.asarray(array, kind), name))
        initial = {tensor.name for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in initial]
        del graph.input[:]
        graph.input.extend(inputs)
        self.names = [item.name or f"{item.op_type}_{index}" for index, item in enumerate(graph.node)]
        for item, name in zip(graph.node, self.names, strict=True):
            item.name = name
        self.maker = {output: index for index, item in enumerate(graph.node) for output in item.output if output}
        self.dynamic = {value.name for value in inputs if (dims := value.type.tensor_type.shape.dim)
                        and dims[0].dim_value < 1}
        """Inputs of any number of frames."""
        self.varies = {value.name for value in inputs}
        """Values that depend on data, not only on shapes."""
        for item in graph.node:
            if item.op_type not in ("Shape", "Size") and self.varies & set(item.input):
                self.varies |= set(filter(None, item.output))
        self.types, self.of_two = _inferred(self.model, 1), _inferred(self.model, 2)
        self.host: set[int] = set()
        self.behind = ""
        """The learned layer for which a cut was refused."""

    def cut(self, node: str) -> bool:
        """Assign a node and all that follow it to the host; False if only the cores can compute them."""
        names = {name for name in self.names if node == name} or {max(
            (name for name in self.names if node.startswith((f"{name}/", f"{name}_"))), key=len, default="")}
        chosen = {index for index, name in enumerate(self.names) if name in names} - self.host
        if not chosen:
            return False
        behind = {output for index in chosen for output in self.model.graph.node[index].output}
        for index, item in enumerate(self.model.graph.node):
            if index not in chosen and behind & set(item.input):
                chosen.add(index)
                behind |= set(item.output)
        learned = [index for index in sorted(chosen) if self.model.graph.node[index].op_type in _LEARNED]
        if learned:
            if self.names[learned[0]] not in names:
                self.behind = f"'{self.names[learned[0]]}' ({self.model.graph.node[learned[0]].op_type})"
            return False
        self.host |= chosen
        return True

    def parts(self) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """The cores' model, and the host's, whose inputs are outputs of the cores' and inputs of the file."""
        graph = self.model.graph
        known = {tensor.name: tensor for tensor in graph.initializer}
        own, crossing = dict.fromkeys(sorted(self.host)), []
        todo = [name for index in own for name in graph.node[index].input]
        constants: dict[str, TensorProto] = {}
        sizes: dict[str, list[int]] = {}
        while todo:
            name = todo.pop()
            index = self.maker.get(name)
            if not name or index in own or name in constants or name in crossing or name in sizes:
                continue
            if name in known:
                constants[name] = known[name]
            elif index is None:
                crossing.append(name)
            elif graph.node[index].op_type == "Shape" and (dims := self.dims(graph.node[index])) is not None:
                if 0 in dims:
                    sizes[name] = dims[1:]
                else:
                    constants[name] = numpy_helper.from_array(np.array(dims, np.int64), name)
            elif self.crosses(name):
                crossing.append(name)
            else:
                own[index] = None
                todo += graph.node[index].input
        nodes = []
        if sizes:
            if not set(crossing) & self.dynamic:
                crossing.append(min(self.dynamic))
            constants[f"{FRAMES}/first"] = numpy_helper.from_array(np.array([0]), f"{FRAMES}/first")
            nodes += [helper.make_node("Shape", [min(set(crossing) & self.dynamic)], [f"{FRAMES}/shape"]),
                      helper.make_node("Gather", [f"{FRAMES}/shape", f"{FRAMES}/first"], [FRAMES], axis=0)]
        for name, dims in sizes.items():
            constants[f"{name}/dims"] = numpy_helper.from_array(np.array(dims, np.int64), f"{name}/dims")
            nodes.append(helper.make_node("Concat", [FRAMES, f"{name}/dims"], [name], axis=0))
        rest = [value.name for value in graph.output if self.maker.get(value.name) not in self.host]
        host = helper.make_graph(
            [*nodes, *(graph.node[index] for index in sorted(own))], "host",
            [helper.make_tensor_value_info(name, self.kind(name), None)
             for name in dict.fromkeys((*crossing, *rest))], list(graph.output), list(constants.values()))
        needed = [self.types[name] for name in dict.fromkeys((*rest, *crossing)) if name in self.maker]
        used, kept = {value.name for value in needed}, []
        for index in reversed(range(len(graph.node))):
            if index not in self.host and used & set(graph.node[index].output):
                kept.append(graph.node[index])
                used |= set(graph.node[index].input)
        core = helper.make_graph(kept[::-1], graph.name, list(graph.input), needed, list(graph.initializer))
        return self.made(core), self.made(host)

    def kind(self, name: str) -> int:
        """Type of a value's elements; 0: unknown."""
        value = self.types.get(name)
        return value.type.tensor_type.elem_type if value is not None else TensorProto.UNDEFINED

    def crosses(self, name: str) -> bool:
        """Whether a value is one that cores can make: of real numbers, or of the integers that stand for some."""
        item, kind = self.model.graph.node[self.maker[name]], self.kind(name)
        if name not in self.varies or item.op_type.startswith("DynamicQ"):
            return False
        while kind in _BYTES and item.op_type != "QuantizeLinear" and not item.op_type.startswith(("QLinear", "QGemm")):
            index = self.maker.get(item.input[0]) if item.input else None
            if index is None or self.kind(item.input[0]) != kind:
                return False
            item = self.model.graph.node[index]
        return kind in _FLOATS + _BYTES

    def dims(self, shape: onnx.NodeProto) -> list[int] | None:
        """What a Shape node tells; 0 for the number of frames, if that comes first; None: unknown."""
        one, two = (_static(types.get(shape.input[0])) for types in (self.types, self.of_two))
        if one is None or two is None:
            return None
        if self.dynamic and one[1:] == two[1:] and (one[:1], two[:1]) == ([1], [2]):
            one[0] = 0
        elif one != two:
            return None
        start, end = (next((a.i for a in shape.attribute if a.name == key), default)
                      for key, default in (("start", 0), ("end", len(one))))
        return one[start:end]

    def made(self, graph: onnx.GraphProto) -> onnx.ModelProto:
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def _inferred(model: onnx.ModelProto, frames: int) -> dict[str, onnx.ValueInfoProto]:
    """Types of all values, with so many frames where that is dynamic; onnxruntime's operators like onnx's."""
    static = onnx.ModelProto()
    static.CopyFrom(model)
    for value in static.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value < 1:
            dims[0].dim_value = frames
    del static.graph.value_info[:]
    for output in static.graph.output:
        output.type.tensor_type.ClearField("shape")
    for item in static.graph.node:
        if item.domain == "com.microsoft" and item.op_type.startswith("Q"):
            inputs = [item.input[0]]
            if item.op_type in ("QLinearAdd", "QLinearMul", "QGemm"):
                inputs.append(item.input[3])
            elif item.op_type == "QLinearConcat":
                inputs = list(item.input[2::3])
            del item.input[:]
            item.input.extend(inputs)
            item.domain, item.op_type = "", item.op_type.removeprefix("QLinear").removeprefix("Q")
            for attribute in list(item.attribute):
                if attribute.name in ("channels_last", "opset"):
                    item.attribute.remove(attribute)
    graph = onnx.shape_inference.infer_shapes(static, data_prop=True).graph
    return {value.name: value for value in (*graph.value_info, *graph.output, *graph.input)}


def _static(value: onnx.ValueInfoProto | None) -> list[int] | None:
    found = [dim.dim_value for dim in value.type.tensor_type.shape.dim] if value is not None else []
    return found if found and min(found) > 0 else None
