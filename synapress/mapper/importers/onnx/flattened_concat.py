"""ONNX operators on flattened maps that are concatenated, split or scaled: lazily, for the matrix product behind.

A flattened map of more than channels has no place for other elements beside its own. `tensor.FlattenedConcat` remembers
which elements of which maps are meant, and factors and offsets of single elements; the matrix product that reads them
has a branch per map, with its columns of the matrix. Whatever else reads them needs a map of them, by an identity
matrix.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx import convolutions as onnx_convolutions
from synapress.mapper.importers.onnx import elements as onnx_elements
from synapress.mapper.importers.onnx import layout as onnx_layout
from synapress.mapper.importers.onnx.convolutions import contract
from synapress.mapper.importers.onnx.elements import add_values
from synapress.mapper.importers.onnx.reader import Call, Handler, Reader, Value
from synapress.mapper.importers.tensor import FlattenedConcat, Segment, Tensor

UNARY = ("Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Swish", "Elu", "Selu", "Celu",
         "Gelu", "Mish", "Softplus", "Softsign", "ThresholdedRelu", "Abs", "Sqrt", "Exp", "Log", "Erf", "Pow",
         "Reciprocal", "Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear", "QLinearLeakyRelu",
         "QLinearSigmoid")


def _flat(value: Value) -> bool:
    """Whether a value is a flattened map of columns or rows."""
    return isinstance(value, Tensor) and len(value.dims) == 2 and len(value.labels[1]) > 1


def _joined(value: Value) -> FlattenedConcat:
    assert isinstance(value, (Tensor, FlattenedConcat))
    return value if isinstance(value, FlattenedConcat) else FlattenedConcat.of(value)


def product(
    reader: Reader, call: Call, joined: FlattenedConcat, matrix: np.ndarray, weight_scale: Any = None
) -> Tensor:
    """matrix (results, elements) times the elements: a sum over the maps that they lie in."""
    terms: list[Value] = []
    offset = np.zeros(len(matrix))
    for segment, place in joined.slices():
        if segment.tensor.integers is not None:
            call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
        columns = matrix[:, place]
        weights = np.zeros((segment.tensor.dims[1], len(matrix)))
        np.add.at(weights, segment.chosen, (columns * segment.scale).T)
        offset = offset + columns @ segment.offset
        terms.append(contract(reader, replace(call, name=f"{call.name}/part"), segment.tensor, 1, weights.T,
                              weight_scale if segment.plain else None))
    return add_values(reader, call, [*terms, offset], [1.0] * (len(terms) + 1))


def whole(reader: Reader, call: Call, joined: FlattenedConcat) -> Tensor:
    """A map of the elements, as channels."""
    size = joined.dims[1]
    if size > onnx_layout.MOST_SPREAD:
        call.refuse("flattened parts", f"a matrix product, or at most {onnx_layout.MOST_SPREAD} elements",
                    f"{size} elements of {len(joined.segments)} flattened maps",
                    "Read them by Gemm or MatMul, or join the maps before they are flattened.")
    kind = joined.segments[0].tensor.integers
    tensor = product(reader, call, joined.mapped(lambda tensor: replace(tensor, integers=None)), np.eye(size))
    if kind is not None:
        tensor = reader.like(tensor, g.Quantize(
            name=call.name, operator=call.op, sources=(tensor.node,), scale=kind.scale, zero_point=kind.zero_point,
            low=kind.low, high=kind.high))
    return replace(tensor, integers=kind)


# -- operators ---------------------------------------------------------------------------------


def concat(reader: Reader, call: Call) -> Value:
    values = [value for value in call.inputs if value is not None]
    if not any(isinstance(value, FlattenedConcat) or _flat(value) for value in values):
        return onnx_layout.concat(reader, call)
    ranks = {len(value.dims) if isinstance(value, (Tensor, FlattenedConcat)) else value.ndim for value in values}
    if ranks != {2} or int(call.attributes.get("axis", 1)) % 2 == 0:
        call.refuse("axis", "the elements of flattened maps", f"axis {call.attributes.get('axis', 1)}",
                    "Frames are independent.")
    if any(isinstance(value, np.ndarray) for value in values):
        call.refuse("operand", "feature maps", "a constant", "Put the constant into the bias of what reads it.")
    return FlattenedConcat(segments=tuple(segment for value in values for segment in _joined(value).segments))


def _cut(joined: FlattenedConcat, chosen: Sequence[int] | np.ndarray) -> FlattenedConcat:
    """Elements of it, in the order of `chosen`; a run of them that lies in one map is one segment."""
    chosen = np.asarray(chosen, int)
    owner = np.concatenate([np.full(len(segment), i) for i, segment in enumerate(joined.segments)])[chosen]
    starts = np.concatenate([np.full(len(segment), place.start) for segment, place in joined.slices()])[chosen]
    bounds = [0, *(np.flatnonzero(np.diff(owner)) + 1), len(chosen)]
    return FlattenedConcat(segments=tuple(
        joined.segments[owner[low]].cut(chosen[low:high] - starts[low:high])
        for low, high in pairwise(bounds)))


def _chosen(reader: Reader, call: Call, own: Handler) -> Any:
    """Split, Slice and Gather: by what they make of the indices."""
    joined = _joined(call.inputs[0])
    size = joined.dims[1]
    numbers = Tensor(node="", dims=(1, size), labels=((), ("D",)))
    picked = onnx_layout.picked(replace(call, inputs=[numbers, *call.inputs[1:]]))
    if picked is None:
        return own(reader, replace(call, inputs=[whole(reader, call, joined), *call.inputs[1:]]))
    cuts = [_cut(joined, chosen) for chosen in picked]
    return cuts if call.op == "Split" else cuts[0]


def _vector(call: Call, value: Any, size: int) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.size not in (1, size):
        call.refuse("broadcast", f"1 or {size} numbers", array.shape, "Only the constant may be repeated.")
    return np.broadcast_to(array.reshape(-1), (size,))


def scaled(call: Call, joined: FlattenedConcat, scale: np.ndarray, offset: np.ndarray) -> FlattenedConcat:
    """Each element times a factor plus an offset."""
    if any(segment.tensor.integers is not None for segment in joined.segments):
        call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
    return FlattenedConcat(segments=tuple(
        replace(segment, scale=segment.scale * scale[place], offset=segment.offset * scale[place] + offset[place])
        for segment, place in joined.slices()))


def batch_normalization(reader: Reader, call: Call) -> Value:
    value = call.inputs[0]
    if not (isinstance(value, FlattenedConcat) or _flat(value)):
        return onnx_elements.batch_normalization(reader, call)
    factor, offset = onnx_elements.normalization(call)
    return scaled(call, _joined(value), factor, offset)


def _arithmetic(reader: Reader, call: Call, own: Handler) -> Any:
    """Sums and products with constants; of several maps, which need one of their own."""
    first = call.inputs[0]
    constants = [value for value in call.inputs if isinstance(value, np.ndarray)]
    if len(call.inputs) - len(constants) > 1:
        return own(reader, replace(call, inputs=[
            whole(reader, call, value) if isinstance(value, FlattenedConcat) else value for value in call.inputs]))
    joined = next(value for value in call.inputs if isinstance(value, FlattenedConcat))
    one, zero = np.ones(joined.dims[1]), np.zeros(joined.dims[1])
    if call.op == "Neg":
        return scaled(call, joined, -one, zero)
    vectors = [_vector(call, value, len(one)) for value in constants]
    if call.op in ("Add", "Sum"):
        return scaled(call, joined, one, np.sum(vectors, axis=0))
    if call.op == "Sub":
        return scaled(call, joined, one, -vectors[0]) if joined is first else scaled(call, joined, -one, vectors[0])
    if call.op == "Div" and (joined is not first or not vectors[0].all()):
        call.refuse("divisor", "constants other than 0", "a map, or a 0", "Check the model.")
    return scaled(call, joined, 1 / vectors[0] if call.op == "Div" else vectors[0], zero)


def _product(reader: Reader, call: Call, own: Handler) -> Any:
    first, second = call.inputs[:2]
    if isinstance(first, FlattenedConcat) and isinstance(second, np.ndarray) and not call.attributes.get("transA"):
        matrix = np.asarray(second, np.float64)
        if matrix.ndim == 2:
            alpha, beta = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
            matrix = alpha * (matrix if call.attributes.get("transB") else matrix.T)
            scale = onnx_convolutions.weight_scale(call, 1, len(matrix)) if alpha == 1 else None
            result = product(reader, call, first, matrix, scale)
            if len(call.inputs) < 3 or call.inputs[2] is None or beta == 0:
                return result
            return add_values(reader, call, [result, call.inputs[2]], [1.0, beta])
    return own(reader, replace(call, inputs=[
        whole(reader, call, value) if isinstance(value, FlattenedConcat) else value for value in call.inputs]))


def gemm(reader: Reader, call: Call) -> Value:
    if any(isinstance(value, FlattenedConcat) for value in call.inputs):
        return _product(reader, call, onnx_convolutions.gemm)
    return onnx_convolutions.gemm(reader, call)


def matmul(reader: Reader, call: Call) -> Value:
    if any(isinstance(value, FlattenedConcat) for value in call.inputs):
        return _product(reader, call, onnx_convolutions.matmul)
    return onnx_convolutions.matmul(reader, call)


def _each(reader: Reader, call: Call, own: Handler) -> FlattenedConcat:
    """A function of single elements, of each map; factors and offsets come first."""
    joined = _joined(call.inputs[0])
    segments = []
    for segment in joined.segments:
        tensor: Any = segment.tensor
        if not segment.plain:
            scale, offset = np.ones(tensor.dims[1]), np.zeros(tensor.dims[1])
            scale[segment.chosen], offset[segment.chosen] = segment.scale, segment.offset
            name = f"{call.name}/scaled"
            tensor = onnx_elements.multiply(reader, replace(call, name=name, op="Mul", inputs=[tensor, scale]))
            tensor = add_values(reader, replace(call, name=name), [tensor, offset], [1.0, 1.0])
        done = own(reader, replace(call, inputs=[tensor, *call.inputs[1:]]))
        assert isinstance(done, Tensor)
        segments.append(Segment(tensor=done, chosen=segment.chosen, scale=np.ones(len(segment)),
                                offset=np.zeros(len(segment))))
    return FlattenedConcat(segments=tuple(segments))


def _reshape(reader: Reader, call: Call, own: Handler) -> Any:
    joined = _joined(call.inputs[0])
    size = joined.dims[1]
    wanted = onnx_layout.reshaped_dims(call, joined.dims)
    if wanted == [joined.dims[0], size]:
        return joined
    return own(reader, replace(call, inputs=[whole(reader, call, joined), *call.inputs[1:]]))


_SPECIAL = {"Split": _chosen, "Slice": _chosen, "Gather": _chosen, "Reshape": _reshape, "Flatten": _reshape,
            **dict.fromkeys(("Add", "Sum", "Sub", "Mul", "Div", "Neg"), _arithmetic), **dict.fromkeys(UNARY, _each)}
_OWN = ("Concat", "QLinearConcat", "BatchNormalization", "Gemm", "MatMul", "QGemm", "QLinearMatMul")
"""Operators whose handlers know flattened parts."""


def on_joined(table: dict[str, Handler]) -> dict[str, Handler]:
    """Operators as what they are to flattened parts as well."""
    return {name: handler if name in _OWN else _aware(name, handler) for name, handler in table.items()}


def _aware(name: str, own: Handler) -> Handler:
    special = _SPECIAL.get(name)

    def run(reader: Reader, call: Call) -> Any:
        first = call.inputs[0] if call.inputs else None
        if any(isinstance(value, FlattenedConcat) for value in call.inputs):
            if special is not None:
                return special(reader, call, own)
            return own(reader, replace(call, inputs=[
                whole(reader, call, value) if isinstance(value, FlattenedConcat) else value for value in call.inputs]))
        if special is _chosen and _flat(first):
            return special(reader, call, own)
        return own(reader, call)
    return run


HANDLERS: dict[str, Handler] = {"Concat": concat, "BatchNormalization": batch_normalization, "Gemm": gemm,
                                "MatMul": matmul}
