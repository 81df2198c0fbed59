"""Flattened maps that are concatenated, split or scaled: kept apart, for the matrix product behind.

A flattened map of more than channels has no place for other elements beside its own. `tensor.FlattenedConcat` remembers
which elements of which maps are meant, and factors and offsets of single elements; the matrix product that reads them
has a branch per map, with its columns of the matrix. Whatever else reads them needs a map of them, by an identity
matrix.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from golden.types import Floats
from synapress.mapper.importers.onnx.build.elements import add_values, multiply_constant
from synapress.mapper.importers.onnx.build.matrices import contract
from synapress.mapper.importers.onnx.build.reshaping import MOST_SPREAD
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Policy, Result, Value
from synapress.mapper.importers.onnx.integers import rounded
from synapress.mapper.importers.tensor import FlattenedConcat, Segment, Tensor

Picked = Callable[[Call], list[list[int]] | None]
"""Of an array (frames, elements): the elements in each result of an operator; None if it moves frames."""
Line = Callable[[Call, bool, list[Floats]], tuple[Floats, Floats]]
"""Factor and offset of each element; whether the maps are the first operand, and the constant operands."""


# -- arrays of flattened maps ------------------------------------------------------------------


def is_flat(value: Value) -> bool:
    """Whether a value is a flattened map of columns or rows."""
    return isinstance(value, Tensor) and len(value.dims) == 2 and len(value.labels[1]) > 1


def joined(value: Value) -> FlattenedConcat:
    """A flattened map, or several, as what they may be joined to."""
    assert isinstance(value, (Tensor, FlattenedConcat))
    return value if isinstance(value, FlattenedConcat) else FlattenedConcat.of(value)


def product(context: Context, call: Call, maps: FlattenedConcat, matrix: Floats, weight_scale: Any = None) -> Tensor:
    """matrix (results, elements) times the elements: a sum over the maps that they lie in."""
    terms: list[Value] = []
    offset = np.zeros(len(matrix))
    for segment, place in maps.slices():
        if segment.tensor.integers is not None:
            call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
        columns = matrix[:, place]
        weights = np.zeros((segment.tensor.dims[1], len(matrix)))
        np.add.at(weights, segment.chosen, (columns * segment.scale).T)
        offset = offset + columns @ segment.offset
        terms.append(contract(context, replace(call, name=f"{call.name}/part"), segment.tensor, 1, weights.T,
                              weight_scale if segment.plain else None))
    return add_values(context, call, [*terms, offset], [1.0] * (len(terms) + 1))


def whole(context: Context, call: Call, maps: FlattenedConcat) -> Tensor:
    """One map of the elements, as channels."""
    size = maps.dims[1]
    if size > MOST_SPREAD:
        call.refuse("flattened parts", f"a matrix product, or at most {MOST_SPREAD} elements",
                    f"{size} elements of {len(maps.segments)} flattened maps",
                    "Read them by Gemm or MatMul, or join the maps before they are flattened.")
    kind = maps.segments[0].tensor.integers
    tensor = product(context, call, maps.mapped(lambda tensor: replace(tensor, integers=None)), np.eye(size))
    return tensor if kind is None else rounded(context, call, tensor, kind)


def concatenated(call: Call, values: Sequence[Value]) -> FlattenedConcat:
    """Flattened maps behind each other."""
    segments = tuple(segment for value in values for segment in joined(value).segments)
    first = segments[0].tensor.integers
    for kind in (segment.tensor.integers for segment in segments):
        if (kind is None) != (first is None) or (kind is not None and first is not None and not kind.agrees(first)):
            call.refuse("scale", "integers of one scale and zero point, or none", (first, kind),
                        "Requantize them to one scale.")
    return FlattenedConcat(segments=segments)


def _cut(maps: FlattenedConcat, chosen: Sequence[int] | np.ndarray) -> FlattenedConcat:
    """Elements of it, in the order of `chosen`; a run of them that lies in one map is one segment."""
    chosen = np.asarray(chosen, int)
    owner = np.concatenate([np.full(len(segment), i) for i, segment in enumerate(maps.segments)])[chosen]
    starts = np.concatenate([np.full(len(segment), place.start) for segment, place in maps.slices()])[chosen]
    bounds = [0, *(np.flatnonzero(np.diff(owner)) + 1), len(chosen)]
    return FlattenedConcat(segments=tuple(
        maps.segments[owner[low]].cut(chosen[low:high] - starts[low:high]) for low, high in pairwise(bounds)))


def scaled(call: Call, maps: FlattenedConcat, scale: Floats, offset: Floats) -> FlattenedConcat:
    """Each element times a factor plus an offset."""
    if any(segment.tensor.integers is not None for segment in maps.segments):
        call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
    return FlattenedConcat(segments=tuple(
        replace(segment, scale=segment.scale * scale[place], offset=segment.offset * scale[place] + offset[place])
        for segment, place in maps.slices()))


def _vector(call: Call, value: Any, size: int) -> Floats:
    array = np.asarray(value, np.float64)
    if array.size not in (1, size):
        call.refuse("broadcast", f"1 or {size} numbers", array.shape, "Only the constant may be repeated.")
    return np.broadcast_to(array.reshape(-1), (size,))


# -- what operators do on them -----------------------------------------------------------------


def as_map(context: Context, call: Call, handler: Handler) -> Result:
    """The operator reads one map of their elements."""
    if any(isinstance(value, FlattenedConcat) for value in call.inputs):
        call = replace(call, inputs=[
            whole(context, call, value) if isinstance(value, FlattenedConcat) else value for value in call.inputs])
    return handler(context, call)


def elementwise(context: Context, call: Call, handler: Handler) -> Result:
    """A function of single elements: of each map; factors and offsets come first."""
    maps = call.input(0)
    if not isinstance(maps, FlattenedConcat):
        return as_map(context, call, handler)
    segments = []
    for segment in maps.segments:
        tensor = segment.tensor
        if not segment.plain:
            scale, offset = np.ones(tensor.dims[1]), np.zeros(tensor.dims[1])
            scale[segment.chosen], offset[segment.chosen] = segment.scale, segment.offset
            named = replace(call, name=f"{call.name}/scaled")
            tensor = multiply_constant(context, named, tensor, scale)
            tensor = add_values(context, named, [tensor, offset], [1.0, 1.0])
        done = handler(context, replace(call, inputs=[tensor, *call.inputs[1:]]))
        assert isinstance(done, Tensor)
        segments.append(Segment(tensor=done, chosen=segment.chosen, scale=np.ones(len(segment)),
                                offset=np.zeros(len(segment))))
    return FlattenedConcat(segments=tuple(segments))


def picked_by(picked: Picked) -> Policy:
    """The operator picks elements: of a flattened map, too."""
    def policy(context: Context, call: Call, handler: Handler) -> Result:
        first = call.input(0)
        if not (isinstance(first, FlattenedConcat) or is_flat(first)):
            return handler(context, call)
        maps = joined(first)
        numbers = Tensor(node="", dims=(1, maps.dims[1]), labels=((), ("D",)))
        results = picked(replace(call, inputs=[numbers, *call.inputs[1:]]))
        if results is None:
            return as_map(context, call, handler)
        cuts = [_cut(maps, chosen) for chosen in results]
        return cuts if len(cuts) > 1 else cuts[0]
    return policy


def linear(line: Line) -> Policy:
    """The operator multiplies by constants and adds some; several maps need one of their own."""
    def policy(context: Context, call: Call, handler: Handler) -> Result:
        constants = [value for value in call.inputs if isinstance(value, np.ndarray)]
        maps = next((value for value in call.inputs if isinstance(value, FlattenedConcat)), None)
        if maps is None or len(call.inputs) - len(constants) > 1:
            return as_map(context, call, handler)
        size = maps.dims[1]
        scale, offset = line(call, maps is call.inputs[0], [_vector(call, value, size) for value in constants])
        return scaled(call, maps, np.broadcast_to(scale, size), np.broadcast_to(offset, size))
    return policy
