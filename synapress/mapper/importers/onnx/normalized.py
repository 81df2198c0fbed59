"""Normalization of 8-bit inputs, such as pixels: x / 255, or (x - mean) / deviation by channel, perhaps of
colors in another order.

The host does it where frames are made: each integer has its value, so it needs no layer, whatever reads the map and
with whatever padding. Behind the host, the map and its quantization are those of the normalized values.
"""

from dataclasses import replace

import numpy as np

from golden.types import Floats
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.onnx.channels import selected
from synapress.mapper.importers.onnx.context import Context
from synapress.mapper.importers.tensor import Normalization, Port


def normalize_inputs(context: Context) -> None:
    """Make scales and offsets of 8-bit inputs the host's, and tell which values such an input can have."""
    graph = context.graph
    for port in context.ports.values():
        if port.node not in graph.nodes:
            continue
        integers = context.rounded.get(port.node)
        if integers is not None:
            rounding = _only_reader(graph, port.node)
            if not isinstance(rounding, g.Quantize) or not _foldable(graph, rounding.name):
                continue
            _remove(graph, rounding)  # integers of the input are integers
            port.normalization = Normalization(
                scale=(integers.scale,), offset=(-integers.scale * integers.zero_point,), low=integers.low,
                high=integers.high)
            port.scale, port.zero_point = None, 0
        if port.normalization is not None:
            _fold(graph, port, port.normalization)


def _foldable(graph: FloatGraph, name: str) -> bool:
    """Whether a map whose scale the file says is only normalized, and then rounded again if the file rounds at all."""
    node = _only_reader(graph, name)
    if node is None or _affine(node) is None or node.name in graph.outputs:
        return False
    while node is not None and _affine(node) is not None:
        name, node = node.name, _only_reader(graph, node.name)
    readers = [other for other in graph if name in other.sources]
    rounded = sum(isinstance(other, g.Quantize) for other in graph) > 1
    return not rounded or all(isinstance(other, g.Quantize) for other in readers)


def _fold(graph: FloatGraph, port: Port, integers: Normalization) -> None:
    """Compose all scales, offsets and orders of channels behind an input, up to what several nodes read."""
    depth = port.shape[0]
    scale, offset = (np.broadcast_to(np.array(numbers), depth) for numbers in (integers.scale, integers.offset))
    order = np.arange(depth)
    while (reader := _only_reader(graph, port.node)) is not None and reader.name not in graph.outputs:
        if (found := _affine(reader)) is not None:
            scale, offset = scale * found[0], offset * found[0] + found[1]
        elif (chosen := selected(reader)) is not None and sorted(chosen) == list(range(depth)):
            scale, offset, order = scale[chosen], offset[chosen], order[chosen]
        else:
            break
        _remove(graph, reader)
    one = bool((scale == scale[0]).all() and (offset == offset[0]).all())
    port.normalization = replace(integers, scale=_numbers(scale, one), offset=_numbers(offset, one),
                                 order=() if (np.diff(order) == 1).all() else tuple(order.tolist()))
    source = graph.nodes[port.node]
    assert isinstance(source, g.Input)
    graph.nodes[port.node] = replace(source, bounds=port.normalization.bounds)


def _affine(node: g.Node | None) -> tuple[Floats, Floats] | None:
    """Scale and offset of a node that computes nothing else."""
    if isinstance(node, g.Add) and len(node.sources) == 1:  # a constant minus a map
        return np.array([float(node.signs[0])]), np.zeros(1)
    return (node.scale, node.offset) if isinstance(node, g.Affine) else None


def _numbers(column: Floats, one: bool) -> tuple[float, ...]:
    return tuple(column[:1].tolist() if one else column.tolist())


def _only_reader(graph: FloatGraph, name: str) -> g.Node | None:
    """The node that alone reads a map, apart from constants, which read any map without regard to its values."""
    readers = [node for node in graph if name in node.sources and not (
        isinstance(node, g.Conv) and not node.weights.any())]
    return readers[0] if len(readers) == 1 and name not in graph.outputs else None


def _remove(graph: FloatGraph, gone: g.Node) -> None:
    """Let the readers of a node read what it reads."""
    source = gone.sources[0]
    graph.nodes = {node.name: replace(node, sources=tuple(source if name == gone.name else name
                                                         for name in node.sources))
                   for node in graph if node is not gone}
