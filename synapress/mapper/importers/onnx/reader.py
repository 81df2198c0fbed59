"""ONNX file → float graph: the walk over its nodes; the operators are in `operators`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from golden.errors import SynapressError
from golden.types import Array
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.composing import compose
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.flattened import whole
from synapress.mapper.importers.onnx.folding import Folder
from synapress.mapper.importers.onnx.inputs import add_input
from synapress.mapper.importers.onnx.normalized import normalize_inputs
from synapress.mapper.importers.onnx.proto import data_inputs, load_proto, node_names, prepared
from synapress.mapper.importers.onnx.registry import find
from synapress.mapper.importers.tensor import FlattenedConcat, Port, Tensor


def read_onnx(
    source: str | Path | onnx.ModelProto, *, constants: Mapping[str, npt.ArrayLike] | None = None, batch: bool = True,
    name: str = "",
) -> Model:
    """Read an ONNX model.

    Args:
        source: a file, or a model in memory.
        constants: graph inputs that are known when compiling (weights that the file leaves open).
        batch: whether the first dimension of inputs of rank 2 and more counts frames; a dynamic one counts as 1.

    Raises:
        ModelError: naming the node, the rule, what is needed, what is given and what would help.
    """
    proto = source if isinstance(source, onnx.ModelProto) else load_proto(source)
    title = name or (Path(source).stem if not isinstance(source, onnx.ModelProto) else proto.graph.name) or "network"
    known = {name: np.asarray(value) for name, value in (constants or {}).items()}
    where = title if isinstance(source, onnx.ModelProto) else str(source)
    proto, dynamic = prepared(proto, where, known)
    return _read(proto, title, known, batch, dynamic)


def _read(proto: onnx.ModelProto, title: str, known: Mapping[str, Array], batch: bool, dynamic: bool) -> Model:
    given, unread = data_inputs(proto, known)
    _check_operators(proto, given)
    if proto.graph.sparse_initializer:
        raise ModelError(title, "sparse weights", "dense initializers", "sparse ones", "Export without sparsity.")
    context = Context(FloatGraph(title), batch=batch, dynamic=dynamic)
    context.values.update({tensor.name: _array(tensor) for tensor in proto.graph.initializer})
    context.values.update(known)
    context.values[""] = None
    for value in given:
        add_input(context, proto, value, known)
    context.reads.update([*(name for item in proto.graph.node for name in item.input),
                          *(output.name for output in proto.graph.output)])
    imports = {item.domain: item.version for item in proto.opset_import}
    folder = Folder(imports, sum(value.nbytes for value in context.values.values() if isinstance(value, np.ndarray)))
    for item, name in zip(proto.graph.node, node_names(proto.graph), strict=True):
        _node(context, item, name, imports, folder)
    _round_inputs(context)
    outputs = _outputs(context, proto)
    normalize_inputs(context)
    compose(context.graph)
    ports, nodes = context.ports.values(), context.graph.nodes
    ignored = [value.name for value in unread]
    return Model(graph=context.graph, inputs=[port for port in ports if port.node in nodes], outputs=outputs,
                 source=title, ignored=(*ignored, *(port.name for port in ports if port.node not in nodes)))


def _check_operators(proto: onnx.ModelProto, given: Sequence[onnx.ValueInfoProto]) -> None:
    """Refuse what is not supported before anything is computed.

    Nodes of constants are folded, whatever their operator; what depends on shapes alone is constant, too.
    """
    varies = {value.name for value in given}
    for item, name in zip(proto.graph.node, node_names(proto.graph), strict=True):
        if not varies & set(item.input):
            continue
        if item.op_type != "Shape":
            varies.update(filter(None, item.output))
        if find(item.domain, item.op_type) is None:
            raise ModelError(name, "operator", "a supported operator (docs/models.md lists them, and says "
                             "how to declare others)",
                             f"{item.domain + '.' if item.domain else ''}{item.op_type}",
                             "Replace it by supported operators, or run that part outside.")


def _array(tensor: onnx.TensorProto) -> Array:
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelError(tensor.name, "initializer", "an array", str(error)[:300],
                         "The file is damaged, or its external data is missing.") from error


def _node(context: Context, item: onnx.NodeProto, name: str, imports: Mapping[str, int], folder: Folder) -> None:
    missing = [source for source in item.input if source not in context.values]
    if missing:
        raise ModelError(name, "input", "values made before it", f"unknown {', '.join(missing)}", "Export again.")
    inputs = [context.take(source) for source in item.input]
    operator = find(item.domain, item.op_type)
    try:
        known = [value for value in inputs if not isinstance(value, (Tensor, FlattenedConcat))]
        if len(known) == len(inputs) and (operator is None or not operator.constants):
            _keep(context, item, folder.fold(item, name, known))
            return
        assert operator is not None, "checked before"
        call = Call(name=name, op=item.op_type, inputs=inputs, outputs=list(item.output),
                    attributes={a.name: onnx.helper.get_attribute_value(a) for a in item.attribute},
                    version=imports.get(item.domain, 1))
        operator.check_version(call)
        result = operator(context, call)
        results: list[Value] = list(result) if isinstance(result, (list, tuple)) else [result]  # type: ignore[list-item]
        _keep(context, item, results)
    except SynapressError:
        raise
    except Exception as error:  # attributes or constants that make no sense together
        raise ModelError(name, item.op_type, "attributes and operands that fit together",
                         f"{type(error).__name__}: {error}", "Check the node in the file.") from error


def _keep(context: Context, item: onnx.NodeProto, results: Sequence[Value]) -> None:
    for output, value in zip(item.output, results, strict=False):
        context.values[output] = value
    for output in item.output[len(results):]:
        context.values.pop(output, None)


def _round_inputs(context: Context) -> None:
    """Inputs of integers are exactly those: whatever reads one reads it through its quantization."""
    nodes, context.graph.nodes = list(context.graph), {}
    through: dict[str, str] = {}
    for node in nodes:
        sources = tuple(through.get(source, source) for source in node.sources)
        context.graph.nodes[node.name] = replace(node, sources=sources)
        known = context.rounded.get(node.name)
        if known is not None:
            through[node.name] = context.add(g.Quantize(
                name=f"{node.name}/integers", operator="input", sources=(node.name,), scale=known.scale,
                zero_point=known.zero_point, low=known.low, high=known.high))


def _outputs(context: Context, proto: onnx.ModelProto) -> list[Port]:
    ports = []
    for output in proto.graph.output:
        value = context.values.get(output.name)
        if isinstance(value, FlattenedConcat):
            value = whole(context, Call(name=output.name, op="output", inputs=[value]), value)
        if not isinstance(value, Tensor):
            raise ModelError(output.name, "output", "a feature map", "a constant, or nothing that was computed",
                             "Remove this output.")
        if context.dynamic and ("N",) not in value.labels:
            raise ModelError(_maker(proto, output.name), "frames", "an output that has the frames, whose number the "
                             "file leaves open, as a dimension", value.dims,
                             "Keep the first dimension, or export with one frame.")
        if output.type.tensor_type.elem_type == onnx.TensorProto.BOOL:
            raise ModelError(_maker(proto, output.name), "output", "real numbers", "truth values",
                             "End the network at what is compared.")
        context.graph.output(value.node)
        port = Port(name=output.name, node=value.node, dims=value.dims, labels=value.labels,
                    shape=context.graph.shape(value.node))
        if value.integers is not None:
            port.scale, port.zero_point = value.integers.scale, value.integers.zero_point
        ports.append(port)
    if not ports:
        raise ModelError(context.graph.name, "output", "at least one output", "none", "Export with outputs.")
    context.graph.prune()
    return ports


def _maker(proto: onnx.ModelProto, value: str) -> str:
    """The node that makes a value, or the value itself."""
    named = zip(proto.graph.node, node_names(proto.graph), strict=True)
    return next((name for item, name in named if value in item.output), value)
