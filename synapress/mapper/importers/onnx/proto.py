"""ONNX files: reading, and checks of a model as a whole."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx.inliner import inline_local_functions

from golden.types import Array
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.model import check_model_file

MOST_NODES = 1 << 20
"""With the bodies of functions: a file of a few bytes can call functions that call others twice, and so on."""
MOST_LISTED = 4
"""Values of an input that a hint has a place for, as the shape of a map has; more come from a file."""


def load_proto(path: str | Path, shapes: Mapping[str, Sequence[int]] | None = None) -> onnx.ModelProto:
    """An ONNX model with its external data, its local functions inlined.

    Args:
        shapes: by input, all its sizes, where the file leaves some open.

    Raises:
        ModelError: the file is missing, truncated or not ONNX, its external data is missing, or `shapes` contradict it.
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
    if model.functions:
        _check(model, str(path))
        model = _inlined(model, str(path))
    _fix_inputs(model, shapes or {})
    return model


def prepared(proto: onnx.ModelProto, where: str, known: Mapping[str, Array]) -> tuple[onnx.ModelProto, bool]:
    """A checked copy of a model, in which local functions are inlined and all inputs have sizes.

    Args:
        where: the file or model, for messages.
        known: inputs that are constants.

    Returns:
        The copy, and whether an input leaves the number of frames open.

    Raises:
        ModelError: the model is not valid, an input is unknown, or a size stays open.
    """
    _check(proto, where)
    if proto.functions:
        proto = _inlined(proto, where)
    else:
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        proto = copy
    _text_names(proto)
    _check_names(proto, "constants", known)
    return proto, _static_inputs(proto, known)


def _check(proto: onnx.ModelProto, where: str) -> None:
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # onnx raises many kinds for damaged models, none of its own for some
        raise ModelError(where, "ONNX checker", "a valid model", str(error).strip()[:400],
                         "Export the model again; the checker of the onnx package tells more.") from error


def node_names(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes in messages: those of the file, else the operator and its place."""
    return [item.name or f"{item.op_type}_{index}" for index, item in enumerate(graph.node)]


def data_inputs(
    proto: onnx.ModelProto, known: Mapping[str, Array]
) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    """Inputs that depend on data: those that a node or output reads, and those that none does."""
    constant = {tensor.name for tensor in proto.graph.initializer} | set(known)
    read = {name for node in proto.graph.node for name in node.input} | {value.name for value in proto.graph.output}
    found = [value for value in proto.graph.input if value.name not in constant]
    return [value for value in found if value.name in read], [value for value in found if value.name not in read]


# -- local functions ---------------------------------------------------------------------------


def _inlined(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model with the bodies of its functions in place of the nodes that call them."""
    bodies = {(body.domain, body.name): [(node.domain, node.op_type) for node in body.node] for body in proto.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], open_: tuple[tuple[str, str], ...] = ()) -> int:
        """Nodes that stand for one; functions that call others twice grow as powers of two."""
        if key not in bodies:
            return 1
        if key in open_:
            raise ModelError(where, "functions", "functions that do not call themselves", key[1], "Check the file.")
        if key not in sizes:
            sizes[key] = sum(size(inner, (*open_, key)) for inner in bodies[key])
        return sizes[key]

    total = sum(size((node.domain, node.op_type)) for node in proto.graph.node)
    if total > MOST_NODES:
        raise ModelError(where, "functions", f"at most {MOST_NODES:,} nodes with functions inlined", f"{total:,}",
                         "Check the file.")
    return inline_local_functions(proto)


# -- sizes of inputs ---------------------------------------------------------------------------


def _check_names(proto: onnx.ModelProto, option: str, names: Collection[str]) -> None:
    inputs = [value.name for value in proto.graph.input]
    for unknown in sorted(set(names) - set(inputs)):
        raise ModelError(str(unknown), option, f"names of inputs: {', '.join(map(str, inputs))}", str(unknown),
                         "Check the name.")


def _fix_inputs(proto: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give inputs the sizes that the user says; what the file says of other values is left to be inferred again."""
    _check_names(proto, "shapes", shapes)
    for value in proto.graph.input:
        if value.name in shapes:
            _fix(value, shapes[value.name])
    if shapes:
        del proto.graph.value_info[:]


def _fix(value: onnx.ValueInfoProto, sizes: Sequence[int]) -> None:
    """Give an input the sizes that the user says.

    Raises:
        ModelError: they contradict the file.
    """
    tensor = value.type.tensor_type
    given = [int(size) for size in sizes]
    stated = [dim.dim_value for dim in tensor.shape.dim] if tensor.HasField("shape") else [0] * len(given)
    if len(given) != len(stated) or min(given, default=1) < 1 or any(
            size > 0 and size != other for size, other in zip(stated, given, strict=True)):
        raise ModelError(value.name, "shapes", f"{len(stated)} sizes of at least 1, as in the file: "
                         f"{_shown(tensor)}", tuple(given), "Give the sizes that the file leaves open.")
    del tensor.shape.dim[:]
    for size in given:
        tensor.shape.dim.add().dim_value = size


def fitted(proto: onnx.ModelProto, constants: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Values of inputs that are known, in the types and sizes that the file states for them.

    Raises:
        ModelError: an input is unknown, or the values are of another type or number.
    """
    _check_names(proto, "constants", constants)
    return {value.name: _fitted(value, np.asarray(constants[value.name])) for value in proto.graph.input
            if value.name in constants}


def _numbers(value: onnx.ValueInfoProto) -> bool:
    """Whether an input is a tensor of numbers that numpy has."""
    kind = value.type.tensor_type.elem_type
    return (kind in onnx.TensorProto.DataType.values() and kind != onnx.TensorProto.UNDEFINED
            and onnx.helper.tensor_dtype_to_np_dtype(kind).kind in "biuf")


def _fitted(value: onnx.ValueInfoProto, array: Array) -> Array:
    tensor = value.type.tensor_type
    if _numbers(value):
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if array.dtype.kind not in "biuf" or not (np.can_cast(array.dtype, kind, "same_kind")
                                                  or np.array_equal(array.astype(kind), array)):
            raise ModelError(value.name, "constants", f"values of {kind}", array.dtype, "Give values of this type.")
        array = array.astype(kind)
    sizes = tuple(dim.dim_value for dim in tensor.shape.dim)
    if not tensor.HasField("shape") or array.shape == sizes:
        return array
    if array.ndim < 2 and (sizes == () or min(sizes) > 0) and array.size == prod(sizes):
        return array.reshape(sizes)
    if array.ndim != len(sizes) or any(size > 0 and size != other
                                       for size, other in zip(sizes, array.shape, strict=True)):
        raise ModelError(value.name, "constants", f"values of the sizes {_shown(tensor)}", array.shape,
                         "Give as many values as the input has.")
    return array


def bind(values: Sequence[onnx.ValueInfoProto]) -> str:
    """How to give the values of inputs, if they are known when compiling; empty: one cannot be."""
    if not values or not all(map(_numbers, values)):
        return ""
    counts = {}
    for value in values:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        integers = value.type.tensor_type.elem_type in (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
        if not integers or len(sizes) > 1 or prod(sizes) > MOST_LISTED:
            return "If it is known when compiling, bind it with `constants` (--constant NAME=FILE.npy)."
        counts[value.name] = max(prod(sizes), 1)
    python = ", ".join(f"{name!r}: [{', '.join(['…'] * count)}]" for name, count in counts.items())
    line = " ".join(f"--constant {shlex.quote(name)}={','.join(['…'] * count)}" for name, count in counts.items())
    return f"If it is known when compiling, give it: load(..., constants={{{python}}}), on the command line {line}."


def _shown(tensor: onnx.TypeProto.Tensor) -> str:
    """Sizes of an input as the file has them, with names or ? for those that it leaves open."""
    if not tensor.HasField("shape"):
        return "(…)"
    sizes = [str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?" for dim in tensor.shape.dim]
    return f"({', '.join(sizes)})"


def _ask(value: onnx.ValueInfoProto) -> str:
    """How to give the sizes of an input."""
    tensor = value.type.tensor_type
    sizes = [dim.dim_value if dim.dim_value > 0 else (0 if index else 1) for index, dim in enumerate(tensor.shape.dim)]
    text = ",".join(str(size) if size else "…" for size in sizes) or "1,…"
    return (f"Give sizes: load(..., shapes={{'{value.name}': ({text.replace(',', ', ')})}}), on the command line "
            f"--shape {value.name}={text}; or export with fixed sizes.")


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
    for value in data_inputs(proto, known)[0]:
        if not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            raise ModelError(value.name, "dynamic shape", "static dimensions", "an input without a shape", _ask(value))
        shown = _shown(tensor)
        for index, dim in enumerate(tensor.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value < 1:
                if index:
                    raise ModelError(value.name, "dynamic shape", "static dimensions besides the first",
                                     f"dimension {index} is {dim.dim_param or 'unknown'} in {shown}", _ask(value))
                dim.dim_value, dynamic = 1, True
    return dynamic
