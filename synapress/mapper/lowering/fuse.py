"""Float graph → layers: what is linear is folded into weights and biases, what only moves channels costs nothing.

Batch norms, constant factors and offsets fold into the sum before them; a sum that only an addition reads accumulates
straight into it [B §4.4]; concat and split become the consumers' slices of weights; zero padding their padding.
"""

from dataclasses import replace

import numpy as np

from golden.config import CoreConfig
from golden.types import Pair, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import denominator
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.axis_kernels import tap_matrix
from synapress.mapper.lowering.layer_builder import LayerBuilder, Region
from synapress.mapper.lowering.layers import FloatBranch, FloatLayer, FloatLayers, Part, Value
from synapress.mapper.lowering.resampling import rectangles, resample
from synapress.mapper.lowering.strips import Lines, in_lines, lines_of


def fuse(graph: FloatGraph, config: CoreConfig | None = None) -> FloatLayers:
    """The layers of a graph, within the limits of cores of `config` (default: `grai_vip`).

    Raises:
        ModelError: a node has no form that the hardware knows; the message names it.
    """
    fuser = Fuser(graph, Limits.of(config or CoreConfig()))
    for node in graph:
        fuser.values[node.name] = fuser.lower(node)
    outputs = {name: fuser.computed(name) for name in dict.fromkeys(graph.outputs)}
    used = {part.layer for value in outputs.values() for part in value.parts}
    for layer in reversed(list(fuser.layers.values())):
        if layer.name in used:
            used |= {branch.source for branch in layer.branches}
    layers = {name: layer for name, layer in fuser.layers.items() if name in used or layer.kind == "input"}
    return FloatLayers(name=graph.name, layers=layers, outputs=outputs, inputs=graph.inputs)


def _cut(shape: Shape, stride: Pair, limits: Limits) -> list[tuple[int, int, Shape]]:
    """Where a result is cut, because the hardware has no such stride: along one column or row any stride will do.

    A result of too many columns and rows stays whole, and the mapper refuses it.
    """
    depth, width, height = shape
    odd = [stride[i] not in limits.strides and shape[1 + i] > 1 for i in (0, 1)]
    if not any(odd) and stride[0] != stride[1] and min(width, height) > 1:
        odd[int(height < width)] = True
    columns = [(x, 1) for x in range(width)] if odd[0] else [(0, width)]
    rows = [(y, 1) for y in range(height)] if odd[1] else [(0, height)]
    if len(columns) * len(rows) > limits.layers:
        columns, rows = [(0, width)], [(0, height)]
    return [(x, y, (depth, w, h)) for x, w in columns for y, h in rows]


class Fuser(LayerBuilder):
    """Lowers one node of the graph after another."""

    def lower(self, node: g.Node) -> Value:
        if isinstance(node, g.Input):
            return self.whole(self.new(node.name, "input", node.shape, [], bounds=node.bounds))
        if not isinstance(node, (g.Concat, g.Slice, g.Pad, g.Affine, g.Activation, g.Quantize, g.Spiking)):
            for source in node.sources:
                if len(self.values[source].parts) > self.limits.many_parts:
                    self.values[source] = self.materialized(source, self.values[source])
        sources = [self.values[source] for source in node.sources]
        if isinstance(node, g.Conv):
            lines = self.lines(node, sources[0])
            if lines is not None:
                return in_lines(self, node, sources[0], lines)
            left, top = node.padding[:2]
            regions: list[Region] = [
                ((x, y), shape, node.weights, node.stride, (left - x * node.stride[0], top - y * node.stride[1]),
                 node.dilation, 1) for x, y, shape in _cut(node.shape, node.stride, self.limits)]
            return self.regions(node, sources[0], regions, node.groups, node.bias, node.weight_scale)
        if isinstance(node, g.TransposedConv):
            return self.transposed(node, sources[0])
        if isinstance(node, g.Resample):
            return resample(self, node, sources[0])
        if isinstance(node, g.MaxPool):
            return self.max_pool(node, sources[0])
        if isinstance(node, g.Add):
            return self.add(node, sources)
        if isinstance(node, g.Multiply):
            return self.multiply(node, sources)
        if isinstance(node, g.Concat):
            return self.concat(node, sources)
        if isinstance(node, g.Slice):
            return self.channels(node, sources[0])
        if isinstance(node, g.Pad):
            return self.pad(node, sources[0])
        if isinstance(node, (g.Affine, g.Activation, g.Quantize, g.Spiking)):
            return self.elementwise(node, sources[0])
        raise ModelError(node.name, "operator", "one that the fuser knows", type(node).__name__, "Report this.")

    def lines(self, node: g.Conv, value: Value) -> Lines | None:
        """How a result with a stride that the hardware lacks is cut in lines, if in neither one piece nor few.

        Inputs need none: the host sends them in blocks.
        """
        if len(_cut(node.shape, node.stride, self.limits)) > 1 or len(value.parts) > self.limits.parts or any(
                self.layers[part.layer].kind == "input" for part in value.parts):
            return None
        return lines_of(node, value.shape[1:], self.limits)

    def transposed(self, node: g.TransposedConv, value: Value) -> Value:
        stride, kernel = node.stride, node.weights.shape[2:]
        size = [(kernel[i] - 1) * node.dilation[i] + 1 for i in (0, 1)]
        weights = np.zeros((*node.weights.shape[:2], *size))
        weights[:, :, ::node.dilation[0], ::node.dilation[1]] = node.weights
        axes = [tap_matrix(value.shape[1 + i], node.shape[1 + i], size[i], stride[i], node.padding[i]) for i in (0, 1)]
        if stride[0] == stride[1] and stride[0] in self.limits.upsampling:
            padding = (size[0] - 1 - node.padding[0], size[1] - 1 - node.padding[1])
            region: Region = ((0, 0), node.shape, weights[:, :, ::-1, ::-1], (1, 1), padding, (1, 1), stride[0])
            return self.regions(node, value, [region], node.groups, node.bias, node.weight_scale)
        padded = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0)))  # tap 0 of the matrices is no tap
        regions = rectangles(axes[0], axes[1], node.shape[0], self.limits.usual)
        return self.regions(node, value, [
            (at, shape, padded[:, :, np.rint(x.kernel).astype(int)[:, None], np.rint(y.kernel).astype(int)],
             (x.stride, y.stride), (x.padding, y.padding), (1, 1), x.upsample)
            for at, shape, x, y in regions], node.groups, node.bias, node.weight_scale)

    def max_pool(self, node: g.MaxPool, value: Value) -> Value:
        sizes = {self.layers[part.layer].shape[1:] for part in value.parts}
        aligned = all((part.x, part.y, part.first) == (0, 0, 0) and part.count == self.layers[part.layer].shape[0]
                      for part in value.parts)
        source = value
        if not (aligned and sizes == {value.shape[1:]}):
            source = self.materialized(node.name, value)
        parts = []
        for part in source.parts:
            cuts = _cut((part.count, *node.shape[1:]), node.stride, self.limits)
            own = (source is not value or self.exclusive(node.sources[0])) and len(cuts) == 1
            for x, y, shape in cuts:
                padding = (node.padding[0] - x * node.stride[0], node.padding[1] - y * node.stride[1])
                branch = FloatBranch(source=part.layer, weights=np.ones((1, 1, *node.kernel)), stride=node.stride,
                                     padding=padding, dilation=node.dilation, groups=part.count)
                layer = self.new(node.name, "max", shape, [branch], before=self.layers[part.layer] if own else None)
                parts.append(replace(part, layer=layer.name, x=x, y=y))
        return Value(shape=node.shape, parts=tuple(parts), exclusive=True)

    def add(self, node: g.Add, sources: list[Value]) -> Value:
        layer_branches: list[FloatBranch] = []
        bias = np.zeros(node.shape[0])
        own = {name: inner for name, value in zip(node.sources, sources, strict=True)
               if (inner := self.single(value)) is not None and inner.kind == "sum" and inner.activation is None
               and inner.neuron is None and inner.quantize is None and self.exclusive(name)
               and node.sources.count(name) == 1}
        crowded = sum(len(own[name].branches) if name in own else len(value.parts)
                      for name, value in zip(node.sources, sources, strict=True)) > self.limits.parts
        given = [inner.weight_scale for inner in own.values()]
        weight_scale = given[0] if len(own) == len(sources) and given[0] is not None and all(
            scale is not None and np.array_equal(scale, given[0]) for scale in given) else None
        for name, value, sign in zip(node.sources, sources, node.signs, strict=True):
            inner = own.get(name)
            if crowded and len(value.parts) > 1:
                value = self.materialized(name, value)
            if inner is not None and not (crowded and len(inner.branches) > 1):
                for branch in inner.branches:
                    branch.weights = branch.weights * sign
                layer_branches += inner.branches
                bias = bias + sign * inner.bias
                del self.layers[inner.name]
            else:
                for branch in self.identity(value):
                    branch.weights = branch.weights * sign
                    layer_branches.append(branch)
        while len(layer_branches) > self.limits.ids:
            layer_branches = self.partial_sums(node, layer_branches)
        return self.whole(self.new(node.name, "sum", node.shape, layer_branches, bias,
                                   weight_scale=None if crowded else weight_scale))

    def partial_sums(self, node: g.Add, branches: list[FloatBranch]) -> list[FloatBranch]:
        """Branches that read layers, each of which adds up some of the given ones."""
        value = Value(shape=node.shape, parts=tuple(
            Part(layer=self.new(f"{node.name}/part", "sum", node.shape, branches[i:i + self.limits.parts]).name,
                 first=0, count=node.shape[0]) for i in range(0, len(branches), self.limits.parts)))
        return self.identity(value)

    def multiply(self, node: g.Multiply, sources: list[Value]) -> Value:
        branches = []
        for name, value in zip(node.sources, sources, strict=True):
            layer = self.single(value) or self.single(self.materialized(name, value))
            assert layer is not None
            branches.append(FloatBranch(source=layer.name, weights=np.ones((1, 1, 1, 1)), groups=layer.shape[0]))
        return self.whole(self.new(node.name, "product", node.shape, branches))

    def concat(self, node: g.Concat, sources: list[Value]) -> Value:
        parts, offset = [], 0
        unique = len(set(node.sources)) == len(node.sources)
        for name, value in zip(node.sources, sources, strict=True):
            if not all(0 <= (part.x, part.y)[i] and (part.x, part.y)[i] + self.layers[part.layer].shape[1 + i]
                       <= value.shape[1 + i] for part in value.parts for i in (0, 1)):
                value = self.materialized(name, value)
            move = [offset if node.axis == axis else 0 for axis in range(3)]
            parts += [replace(part, c=part.c + move[0], x=part.x + move[1], y=part.y + move[2]) for part in value.parts]
            offset += value.shape[node.axis]
        return Value(shape=node.shape, parts=tuple(parts),
                     exclusive=unique and all(self.exclusive(name) for name in node.sources))

    def channels(self, node: g.Slice, value: Value) -> Value:
        parts = []
        for part in value.parts:
            first, last = max(node.first, part.c), min(node.last, part.c + part.count)
            if first < last:
                parts.append(replace(part, first=part.first + first - part.c, count=last - first, c=first - node.first))
        return Value(shape=node.shape, parts=tuple(parts))

    def pad(self, node: g.Pad, value: Value) -> Value:
        left, top = node.padding[:2]
        moved = Value(shape=node.shape, exclusive=False, parts=tuple(
            replace(part, x=part.x + left, y=part.y + top) for part in value.parts))
        return moved if min(node.padding) >= 0 else self.materialized(node.name, moved)

    # -- elements ------------------------------------------------------------------------------

    def elementwise(self, node: g.Affine | g.Activation | g.Quantize | g.Spiking, value: Value) -> Value:
        own = self.exclusive(node.sources[0])
        if not self.covers(value):
            value, own = self.materialized(node.sources[0], value), True
        parts = []
        for part in value.parts:
            layer = self.layers[part.layer]
            rows = slice(part.c, part.c + part.count)
            mutable = own and part.first == 0 and part.count == layer.shape[0]
            if mutable and isinstance(node, g.Quantize) and layer.kind == "input" and layer.quantize is None:
                layer.quantize = node
                parts.append(part)
                continue
            if not (mutable and self.absorb(layer, node, rows)):
                alone = Value(shape=(part.count, *layer.shape[1:]), parts=(replace(part, c=0, x=0, y=0),))
                layer = self.new(node.name, "sum", alone.shape, self.identity(alone),
                                 group=node.name if len(value.parts) > 1 else "")
                if not self.absorb(layer, node, rows):
                    raise AssertionError(f"an empty layer takes any element-wise node, not {node}")
            parts.append(replace(part, layer=layer.name, first=0))
        return Value(shape=value.shape, parts=tuple(parts), exclusive=True)

    def absorb(self, layer: FloatLayer, node: g.Node, rows: slice) -> bool:
        """Make a node part of the layer before it; False if the layer ends before that."""
        if layer.quantize is not None or layer.neuron is not None or layer.kind == "input":
            return False
        if isinstance(node, g.Spiking):
            if layer.kind != "sum" or layer.activation is not None:
                return False
            layer.neuron = replace(node, **{name: getattr(node, name)[rows] for name in (
                "decay", "threshold", "v_reset", "initial")})
            return True
        if isinstance(node, g.Quantize):
            if layer.kind == "max" and layer.before is not None and layer.before.quantize is None:
                return False
            if node.down:
                if layer.kind != "sum" or layer.activation is not None:
                    return False
                parts = denominator(np.concatenate([branch.weights.reshape(-1) for branch in layer.branches]))
                layer.bias = layer.bias - (parts - 1) / (2 * parts) * node.scale  # floor(n / m), to the nearest
                node = replace(node, down=False)
            layer.quantize = node
            return True
        if isinstance(node, g.Activation):
            chosen = node if node.slope is None else replace(node, slope=node.slope[rows])
            if layer.kind == "max":
                before = layer.before
                if before is None or node.function not in ("relu", "clip") or before.kind != "sum" or (
                        before.activation is not None or before.neuron is not None or before.quantize is not None):
                    return False
                before.activation = chosen
                return True
            if layer.activation is not None:
                return False
            layer.activation = chosen
            return True
        if isinstance(node, g.Affine):
            if layer.kind != "sum" or layer.activation is not None:
                return False
            scale = node.scale[rows]
            for branch in layer.branches:
                branch.weights = branch.weights * scale[:, None, None, None]
            layer.bias = layer.bias * scale + node.offset[rows]
            if layer.weight_scale is not None and not (scale == 1).all():
                layer.weight_scale = None
            return True
        return False
