"""ONNX file → float graph: reading, checks, constants; the operators are in the other files of this package."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from synapress.mapper.importers.model import Model, check_model_file
from synapress.mapper.importers.onnx.folding import Folder
from synapress.mapper.importers.onnx.relayout import renamed, viewed
from synapress.mapper.importers.tensor import FlattenedConcat, Port, Quantization, Tensor, default_labels, map_shape

Value = Tensor | FlattenedConcat | Array | None
Handler = Callable[["Reader", "Call"], Sequence[Value] | Value]
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
BYTES = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


@dataclass(kw_only=True)
class Call:
    """One ONNX node with its inputs resolved."""

    name: str
    op: str
    inputs: list[Value]
    attributes: dict[str, Any]
    version: int
    outputs: list[str]
    integers: Quantization | None = None
    """Of an operator on 8-bit integers: what they mean."""

    def tensor(self, index: int = 0) -> Tensor:
        """An input that must be a feature map."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Tensor):
            self.refuse("operand", f"a feature map as input {index}", "a constant or nothing",
                        "Fold constants when exporting.")
        assert isinstance(value, Tensor)
        return value

    def constant(self, index: int, default: Any = None) -> Any:
        """An input that must be known when compiling; `default` if it is absent."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(value, (Tensor, FlattenedConcat)):
            self.refuse("constant operand", f"input {index} known when compiling", "one that depends on the data",
                        "Make it an initializer, or bind it with `constants`.")
        return default if value is None else value

    def refuse(self, rule: str, needed: object, available: object, help: str) -> None:
        raise ModelError(self.name, f"{self.op}: {rule}", needed, available, help)


@dataclass
class Reader:
    """The state of one reading: values by name, and the graph so far."""

    graph: FloatGraph
    values: dict[str, Value] = field(default_factory=dict)
    """By name, as far as they are still to be read."""
    reads: Counter[str] = field(default_factory=Counter)
    """By name of a value: how many operands and outputs are still to read it."""
    ports: dict[str, Port] = field(default_factory=dict)
    """Inputs, by node."""
    batch: bool = True
    dynamic: bool = False
    """Whether the file leaves the number of frames open: they must then be a dimension of each output."""
    rounded: dict[str, Quantization] = field(default_factory=dict)
    """Input nodes whose arrays are integers, and what the file says they mean."""

    def take(self, name: str) -> Value:
        """A value as an operand; it is forgotten with the last one, so that only what is still to be read counts."""
        value = self.values[name]
        self.reads[name] -= 1
        if name and not self.reads[name]:
            del self.values[name]
        return value

    def fresh(self, name: str) -> str:
        """A name that no node has yet."""
        result, count = name, 1
        while result in self.graph.nodes:
            count += 1
            result = f"{name}_{count}"
        return result

    def add(self, node: g.Node) -> str:
        return self.graph.add(replace(node, name=self.fresh(node.name)))

    def sizes(self, tensor: Tensor) -> dict[str, int]:
        """Sizes of the axes of a tensor's map; N from its dimensions."""
        sizes = dict(zip("DWH", self.graph.shape(tensor.node), strict=True)) | {"N": 1}
        index = tensor.find("N")
        if index is not None and tensor.labels[index] == ("N",):
            sizes["N"] = tensor.dims[index]
        return sizes

    def canonical(self, call: Call, tensor: Tensor) -> Tensor:
        """The tensor as frames, channels, (rows,) columns; an input that nothing has read yet is laid out so.

        Raises:
            ModelError: data would have to move between channels, columns and rows.
        """
        wanted = (("N",), ("D",), *((axis,) for axis in "HW"[-(len(tensor.dims) - 2):])) if len(tensor.dims) > 2 else (
            ("N",), ("D",))
        if not 2 <= len(tensor.dims) <= 4:
            call.refuse("rank", "frames, channels and one or two spatial dimensions", tensor.dims,
                        "Feature maps have at most two spatial dimensions.")
        sizes = self.sizes(tensor)
        fits = all(label in (role, ()) and (label or size == 1)
                   for label, role, size in zip(tensor.labels, wanted, tensor.dims, strict=True))
        fits = fits and all(sizes[role[0]] == size for role, size in zip(wanted, tensor.dims, strict=True))
        if fits:
            return replace(tensor, labels=wanted)
        found = renamed(self, call, tensor, wanted) or viewed(self, call, tensor, tensor.dims, wanted)
        if found is None:
            call.refuse("layout", "frames, channels, rows, columns in this order",
                        f"dimensions {tensor.dims} that hold {tensor.labels}",
                        "Reshapes and transpositions must not move data between channels, columns and rows.")
        assert found is not None
        return found

    def like(self, tensor: Tensor, node: g.Node) -> Tensor:
        """A new node whose map is laid out as a tensor's."""
        return replace(tensor, node=self.add(node))


def handlers() -> dict[str, Handler]:
    """Handlers of all supported operators."""
    from synapress.mapper.importers.onnx import convolutions as onnx_convolutions
    from synapress.mapper.importers.onnx import elements as onnx_elements
    from synapress.mapper.importers.onnx import flattened_concat as onnx_joined
    from synapress.mapper.importers.onnx import layout as onnx_layout
    from synapress.mapper.importers.onnx import quantized as onnx_quantized
    from synapress.mapper.importers.onnx import resizing as onnx_resizing

    real = {**onnx_convolutions.HANDLERS, **onnx_resizing.HANDLERS, **onnx_elements.HANDLERS, **onnx_layout.HANDLERS,
            **onnx_joined.HANDLERS}
    return onnx_joined.on_joined({**onnx_quantized.on_integers(real), **onnx_quantized.HANDLERS})


def load_proto(path: str | Path) -> onnx.ModelProto:
    """A checked ONNX model with its external data.

    Raises:
        ModelError: the file is missing, truncated, not ONNX, invalid, or its external data is missing.
    """
    path = Path(path)
    check_model_file(path, "an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises several kinds of errors for invalid bytes
        raise ModelError(str(path), "file", "an ONNX model", f"not a valid ONNX protobuf ({error})",
                         "The file is truncated or damaged: export or copy it again.") from error
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        tensors = [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
        raise ModelError(", ".join(tensors[:3]) or str(path), "external data", "the files that hold the weights",
                         str(error), "Copy the external data into the model's folder.") from error
    return model


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
    model = source if isinstance(source, onnx.ModelProto) else load_proto(source)
    title = name or (Path(source).stem if not isinstance(source, onnx.ModelProto) else model.graph.name) or "network"
    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    known = {name: np.asarray(value) for name, value in (constants or {}).items()}
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # onnx raises many kinds for damaged models, none of its own for some
        where = title if isinstance(source, onnx.ModelProto) else str(source)
        raise ModelError(where, "ONNX checker", "a valid model", str(error).strip()[:400],
                         "Export the model again; the checker of the onnx package tells more.") from error
    _text_names(proto)
    inputs = [value.name for value in proto.graph.input]
    for unknown in sorted(set(known) - set(inputs)):
        raise ModelError(str(unknown), "constants", f"names of inputs: {', '.join(inputs)}", str(unknown),
                         "Check the name.")
    dynamic = _static_inputs(proto, known)
    return _read(proto, title, known, batch, dynamic)


def _text_names(proto: onnx.ModelProto) -> None:
    """Names are text: protobuf gives bytes for those that are no UTF-8, and the checker lets them pass."""
    graph = proto.graph
    names = [item.name for item in (*graph.input, *graph.output, *graph.initializer, *graph.node)]
    for name in (*names, *(name for node in graph.node for name in (*node.input, *node.output))):
        if isinstance(name, bytes):
            raise ModelError(repr(name), "name", "UTF-8 text", "other bytes", "The file is damaged: export it again.")


def _static_inputs(proto: onnx.ModelProto, known: Mapping[str, Array]) -> bool:
    """Give every input static dimensions: a dynamic first one is 1 frame. Whether there is one."""
    dynamic = False
    initial = {tensor.name for tensor in proto.graph.initializer} | set(known)
    read = _read_names(proto)
    for value in proto.graph.input:
        if value.name in initial or value.name not in read or not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            raise ModelError(value.name, "dynamic shape", "static dimensions", "an input without a shape",
                             "Export with fixed sizes.")
        for index, dim in enumerate(tensor.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value < 1:
                if index:
                    raise ModelError(value.name, "dynamic shape", "static dimensions besides the first",
                                     f"dimension {index} is {dim.dim_param or 'unknown'}", "Export with fixed sizes.")
                dim.dim_value, dynamic = 1, True
    return dynamic


def _read_names(proto: onnx.ModelProto) -> set[str]:
    """What nodes and outputs read."""
    return {name for node in proto.graph.node for name in node.input} | {value.name for value in proto.graph.output}


def _read(proto: onnx.ModelProto, title: str, known: Mapping[str, Array], batch: bool, dynamic: bool) -> Model:
    from synapress.mapper.importers.onnx.quantized import input_quantization

    reader = Reader(FloatGraph(title), batch=batch, dynamic=dynamic)
    for tensor in proto.graph.initializer:
        reader.values[tensor.name] = _array(tensor)
    if proto.graph.sparse_initializer:
        raise ModelError(title, "sparse weights", "dense initializers", "sparse ones", "Export without sparsity.")
    reader.values.update(known)
    reader.values[""] = None
    read, ignored = _read_names(proto), []
    for value in proto.graph.input:
        if value.name in reader.values:
            continue
        if value.name not in read:
            ignored.append(value.name)
            continue
        if not value.type.HasField("tensor_type"):
            raise ModelError(value.name, "type", "a tensor", value.type.WhichOneof("value"),
                             "Sequences, maps and optional values have no feature map.")
        kind = value.type.tensor_type.elem_type
        if kind not in FLOATS + BYTES:
            raise ModelError(value.name, "type", "float, uint8 or int8", onnx.TensorProto.DataType.Name(kind)
                             if kind in onnx.TensorProto.DataType.values() else kind,
                             "Convert the input to float, or quantize it to 8 bits.")
        dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        labels = default_labels(value.name, dims, batch)
        node = reader.add(g.Input(name=value.name, shape=map_shape(dims, labels), operator="input"))
        port = Port(name=value.name, node=node, dims=dims, labels=labels, shape=map_shape(dims, labels))
        integers = None
        if kind in BYTES:
            integers, told = input_quantization(proto, value.name, kind, dict(known))
            port.scale, port.zero_point = integers.scale, integers.zero_point
            if told:
                reader.rounded[node] = integers
        reader.ports[node] = port
        reader.values[value.name] = Tensor(node=node, dims=dims, labels=labels, integers=integers)
    imports = {item.domain: item.version for item in proto.opset_import}
    table = handlers()
    reader.reads.update([*(name for item in proto.graph.node for name in item.input),
                         *(output.name for output in proto.graph.output)])
    folder = Folder(imports, sum(value.nbytes for value in reader.values.values() if isinstance(value, np.ndarray)))
    for index, item in enumerate(proto.graph.node):
        _node(reader, table, item, item.name or f"{item.op_type}_{index}", imports, folder)
    _round_inputs(reader)
    outputs = _outputs(reader, proto)
    compose(reader.graph)
    inputs = [port for port in reader.ports.values() if port.node in reader.graph.nodes]
    ignored += [port.name for port in reader.ports.values() if port.node not in reader.graph.nodes]
    return Model(graph=reader.graph, inputs=inputs, outputs=outputs, source=title, ignored=tuple(ignored))


def _array(tensor: onnx.TensorProto) -> Array:
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelError(tensor.name, "initializer", "an array", str(error)[:300],
                         "The file is damaged, or its external data is missing.") from error


def _node(reader: Reader, table: Mapping[str, Handler], item: onnx.NodeProto, name: str,
          imports: Mapping[str, int], folder: Folder) -> None:
    missing = [source for source in item.input if source not in reader.values]
    if missing:
        raise ModelError(name, "input", "values made before it", f"unknown {', '.join(missing)}", "Export again.")
    inputs = [reader.take(source) for source in item.input]
    try:
        known = [value for value in inputs if not isinstance(value, (Tensor, FlattenedConcat))]
        if len(known) == len(inputs) and item.op_type not in ("Shape", "DequantizeLinear"):
            _keep(reader, item, folder.fold(item, name, known))
            return
        if item.op_type not in table or item.domain not in ("", "ai.onnx", "com.microsoft"):
            raise ModelError(name, "operator", f"one of {', '.join(sorted(table))}",
                             f"{item.domain + '.' if item.domain else ''}{item.op_type}",
                             "Replace it by supported operators, or run that part outside.")
        call = Call(name=name, op=item.op_type, inputs=inputs, outputs=list(item.output),
                    attributes={a.name: onnx.helper.get_attribute_value(a) for a in item.attribute},
                    version=imports.get(item.domain, 1))
        result = table[item.op_type](reader, call)
        results: list[Value] = list(result) if isinstance(result, (list, tuple)) else [result]  # type: ignore[list-item]
        _keep(reader, item, results)
    except SynapressError:
        raise
    except Exception as error:  # a handler met attributes or constants that make no sense together
        raise ModelError(name, item.op_type, "attributes and operands that fit together",
                         f"{type(error).__name__}: {error}", "Check the node in the file.") from error


def _keep(reader: Reader, item: onnx.NodeProto, results: Sequence[Value]) -> None:
    for output, value in zip(item.output, results, strict=False):
        reader.values[output] = value
    for output in item.output[len(results):]:
        reader.values.pop(output, None)


def _round_inputs(reader: Reader) -> None:
    """Inputs of integers are exactly those: whatever reads one reads it through its quantization."""
    nodes, reader.graph.nodes = list(reader.graph), {}
    through: dict[str, str] = {}
    for node in nodes:
        sources = tuple(through.get(source, source) for source in node.sources)
        reader.graph.nodes[node.name] = replace(node, sources=sources)
        known = reader.rounded.get(node.name)
        if known is not None:
            through[node.name] = reader.add(g.Quantize(
                name=f"{node.name}/integers", operator="input", sources=(node.name,), scale=known.scale,
                zero_point=known.zero_point, low=known.low, high=known.high))


def _outputs(reader: Reader, proto: onnx.ModelProto) -> list[Port]:
    from synapress.mapper.importers.onnx.flattened_concat import whole

    ports = []
    for output in proto.graph.output:
        value = reader.values.get(output.name)
        if isinstance(value, FlattenedConcat):
            value = whole(reader, Call(name=output.name, op="output", inputs=[value], attributes={}, version=1,
                                       outputs=[]), value)
        if not isinstance(value, Tensor):
            raise ModelError(output.name, "output", "a feature map", "a constant, or nothing that was computed",
                             "Remove this output.")
        if reader.dynamic and ("N",) not in value.labels:
            name = next((item.name or f"{item.op_type}_{index}" for index, item in enumerate(proto.graph.node)
                         if output.name in item.output), output.name)
            raise ModelError(name, "frames", "an output that has the frames, whose number the file leaves open, as a "
                             "dimension", value.dims, "Keep the first dimension, or export with one frame.")
        reader.graph.output(value.node)
        port = Port(name=output.name, node=value.node, dims=value.dims, labels=value.labels,
                    shape=reader.graph.shape(value.node))
        if value.integers is not None:
            port.scale, port.zero_point = value.integers.scale, value.integers.zero_point
        ports.append(port)
    if not ports:
        raise ModelError(reader.graph.name, "output", "at least one output", "none", "Export with outputs.")
    reader.graph.prune()
    return ports
