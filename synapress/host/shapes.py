"""Element types and shapes of the values of an ONNX graph: inferred, and evaluated where inference finds none.

Inference sees the graph without its weights: of a large constant only the type counts, and no copy of it is made. Where
it finds no shape (a shape that is computed by Compress, an operator of onnxruntime's own), the node alone is evaluated
by onnx's reference evaluator, on ones where data come in and on the values themselves where only shapes do. What that
may cost is bounded, as for constants that are folded; a shape that would cost more stays unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from golden.types import Array
from synapress.host.nodes import reads
from synapress.mapper.importers.onnx.folding import Folder

SMALL = 1024
"""Constants of so many elements at most can be shapes; inference sees the values of no others."""
EVALUATED = 1 << 24
"""Elements of an array that may be evaluated for its shape: 64 MiB of float."""
WORK = 4 * EVALUATED
"""Elements of all arrays that evaluations may read: some seconds."""
CONTRIB = "com.microsoft"
NEWEST = onnx.defs.onnx_opset_version()

Known = Mapping[str, TensorProto]


class Types:
    """Types of values, for one number of frames."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], inputs: Sequence[onnx.ValueInfoProto], known: Known,
                 model: onnx.ModelProto, *, frames: int = 1):
        """
        Args:
            nodes: in order.
            inputs: those that are no constants; a dynamic first dimension becomes `frames`.
            known: constants.
            model: whose operator sets, functions and outputs count.
        """
        self._nodes, self._known = nodes, known
        self._imports = {item.domain: item.version for item in model.opset_import}
        self._maker = {output: index for index, node in enumerate(nodes) for output in node.output if output}
        self._found: dict[str, tuple[int, tuple[int, ...] | None]] = {
            name: (tensor.data_type, tuple(tensor.dims)) for name, tensor in known.items()}
        given = [_static_input(value, frames) for value in inputs]
        self._varies = {value.name for value in inputs}
        for node in nodes:
            if node.op_type not in ("Shape", "Size") and self._varies & set(reads(node)):
                self._varies |= set(filter(None, node.output))
        graph = _without_weights(nodes, given, known, self._imports)
        for output in model.graph.output:
            kind = output.type.tensor_type.elem_type
            graph.output.append(helper.make_tensor_value_info(output.name, kind, None) if kind
                                else helper.make_empty_tensor_value_info(output.name))
        bare = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version,
                                 functions=model.functions)
        try:
            told = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
        except Exception:  # of many kinds, for a node that makes no sense; evaluation may tell more
            told = graph
        for value in (*told.value_info, *told.output, *told.input):
            tensor = value.type.tensor_type
            if tensor.elem_type:
                dims = [dim.dim_value for dim in tensor.shape.dim]
                static = tensor.HasField("shape") and all(dim > 0 for dim in dims)
                self._found[value.name] = tensor.elem_type, tuple(dims) if static else None
        self._values: dict[str, Array] = {}
        self._tried: set[int] = set()
        self._folder = Folder(self._imports, 0)
        self._work = WORK

    def kind(self, name: str) -> int:
        """Type of a value's elements; 0: unknown."""
        return self._of(name)[0]

    def dims(self, name: str) -> tuple[int, ...] | None:
        """Shape of a value; None: unknown."""
        return self._of(name)[1]

    def info(self, name: str) -> onnx.ValueInfoProto:
        """The type as a graph's output has it, which must have a shape, be it an unknown one."""
        kind, dims = self._of(name)
        return helper.make_tensor_value_info(name, kind, ["unknown"] if dims is None else dims)

    def _of(self, name: str) -> tuple[int, tuple[int, ...] | None]:
        if self._found.get(name, (0, None))[1] is None and name in self._maker:
            self._evaluate_up_to(name)
        return self._found.get(name, (TensorProto.UNDEFINED, None))

    def _evaluate_up_to(self, name: str) -> None:
        """Evaluate whatever has no shape yet and is needed for a value, in order."""
        needed = sources([name], self._maker, self._nodes)
        for index in sorted(needed - self._tried):
            node = self._nodes[index]
            made = [output for output in node.output if output]
            if self._varies.isdisjoint(made) or any(self._found.get(output, (0, None))[1] is None for output in made):
                self._tried.add(index)
                self._evaluate(node)

    def _evaluate(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Shape" and (dims := self._found.get(node.input[0], (0, None))[1]) is not None:
            start, end = shape_range(node, len(dims))
            self._keep(node.output[0], np.array(dims[start:end], np.int64))
            return
        inputs = [self._value(source) if source else None for source in node.input]
        if any(source and value is None for source, value in zip(node.input, inputs, strict=True)):
            return
        self._work -= sum(value.size for value in inputs if value is not None)
        if self._work < 0:
            return
        folder, asked = self._folder, node
        if node.domain == CONTRIB:  # onnxruntime's own, by the name of one of onnx
            asked = onnx.NodeProto()
            asked.CopyFrom(node)
            asked.domain, folder = "", Folder({"": NEWEST}, 0)
        try:
            results = folder.fold(asked, node.name, inputs)
        except Exception:  # refused for its size, or the evaluator does not have it: the shape stays unknown
            return
        for output, result in zip(node.output, results, strict=True):
            if output and result is not None:
                self._keep(output, result)

    def _keep(self, name: str, value: Array) -> None:
        self._found[name] = helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        if name not in self._varies:
            self._values[name] = value

    def _value(self, name: str) -> Array | None:
        """A constant, or ones in place of data; None: of unknown or too large shape."""
        if name in self._values:
            return self._values[name]
        tensor = self._known.get(name)
        if tensor is not None and prod(tensor.dims) <= SMALL:
            return np.asarray(numpy_helper.to_array(tensor))
        kind, dims = self._found.get(name, (0, None))
        if dims is None or prod(dims) > EVALUATED:
            return None
        return np.broadcast_to(np.ones((), helper.tensor_dtype_to_np_dtype(kind)), dims)


def shape_range(node: onnx.NodeProto, rank: int) -> tuple[int, int]:
    """First and last but one of the dimensions that a Shape node tells."""
    start, end = (next((a.i for a in node.attribute if a.name == key), default)
                  for key, default in (("start", 0), ("end", rank)))
    return start, end


def _static_input(value: onnx.ValueInfoProto, frames: int) -> onnx.ValueInfoProto:
    result = onnx.ValueInfoProto()
    result.CopyFrom(value)
    dims = result.type.tensor_type.shape.dim
    if dims and dims[0].dim_value < 1:
        dims[0].dim_value = frames
    return result


def _without_weights(nodes: Sequence[onnx.NodeProto], inputs: Sequence[onnx.ValueInfoProto], known: Known,
                     imports: Mapping[str, int]) -> onnx.GraphProto:
    """The graph with its large constants as inputs, and onnxruntime's operators like onnx's."""
    graph = onnx.GraphProto(name="types")
    graph.input.extend(inputs)
    for name, tensor in known.items():
        if prod(tensor.dims) <= SMALL:
            graph.initializer.append(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    for node in nodes:
        value = next((a.t for a in node.attribute if a.name == "value"), None) if node.op_type == "Constant" else None
        if value is not None and prod(value.dims) > SMALL:
            graph.input.append(helper.make_tensor_value_info(node.output[0], value.data_type, value.dims))
            continue
        item = graph.node.add()
        item.CopyFrom(node)
        if item.domain == CONTRIB:
            _as_onnx(item, imports.get("", NEWEST))
    return graph


def _as_onnx(item: onnx.NodeProto, version: int) -> None:
    """An operator of onnxruntime as the one of onnx that has the same result's type, if there is one."""
    if not item.op_type.startswith("Q"):
        if onnx.defs.has(item.op_type, version, ""):
            item.domain = ""
        return
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


def sources(names: Iterable[str], maker: Mapping[str, int], nodes: Sequence[onnx.NodeProto]) -> set[int]:
    """All nodes on which values depend."""
    found: set[int] = set()
    todo = [maker[name] for name in names if name in maker]
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo += [maker[name] for name in reads(nodes[index]) if name in maker]
    return found
