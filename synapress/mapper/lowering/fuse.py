"""Float graph → layers: what is linear is folded into weights and biases, what only moves channels costs nothing.

Batch norms, constant factors and offsets fold into the sum before them; a sum that only an addition reads accumulates
straight into it [B §4.4]; concat and split become the consumers' slices of weights; zero padding their padding.
"""

from dataclasses import replace

import numpy as np

from golden.config import CoreConfig
from golden.types import Floats, Pair, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import denominator
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.axis_kernels import tap_matrix
from synapress.mapper.lowering.layers import FloatBranch, FloatLayer, FloatLayers, Part, Value
from synapress.mapper.lowering.resampling import Region, rectangles, resample


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


class Fuser:
    """The layers so far, and where each value of the graph lies in them."""

    def __init__(self, graph: FloatGraph, limits: Limits):
        self.graph, self.uses, self.limits = graph, graph.uses(), limits
        self.layers: dict[str, FloatLayer] = {}
        self.values: dict[str, Value] = {}

    # -- layers and values ---------------------------------------------------------------------

    def new(self, name: str, kind: str, shape: Shape, branches: list[FloatBranch], bias: Floats | None = None,
            **more: object) -> FloatLayer:
        result, count = name, 1
        while result in self.layers:
            count += 1
            result = f"{name}_{count}"
        layer = FloatLayer(name=result, kind=kind, shape=shape, branches=branches,
                           bias=np.zeros(shape[0]) if bias is None else bias, **more)  # type: ignore[arg-type]
        self.layers[result] = layer
        return layer

    def whole(self, layer: FloatLayer) -> Value:
        return Value(shape=layer.shape, parts=(Part(layer=layer.name, first=0, count=layer.shape[0]),), exclusive=True)

    def exclusive(self, name: str) -> bool:
        """Whether only one node reads a value, and its layers nothing else."""
        return self.values[name].exclusive and self.uses[name] == 1

    def covers(self, value: Value) -> bool:
        """Whether the parts fill the value and none goes beyond it."""
        volume = 0
        for part in value.parts:
            _, width, height = self.layers[part.layer].shape
            if part.x < 0 or part.y < 0 or part.x + width > value.shape[1] or part.y + height > value.shape[2]:
                return False
            volume += part.count * width * height
        return volume == int(np.prod(value.shape))

    def single(self, value: Value) -> FloatLayer | None:
        """The layer that a value is, if it is one whole layer."""
        layer = self.layers[value.parts[0].layer]
        fits = len(value.parts) == 1 and value.parts[0].count == layer.shape[0] and value.shape == layer.shape
        return layer if fits and (value.parts[0].x, value.parts[0].y) == (0, 0) else None

    def stacked(self, value: Value) -> bool:
        """Whether a value consists of several maps behind each other, each of the whole size."""
        return len(value.parts) > 1 and self.covers(value) and all(
            self.layers[part.layer].shape[1:] == value.shape[1:] for part in value.parts)

    def branch(self, value: Value, part: Part, weights: Floats, *, groups: int = 1, stride: Pair = (1, 1),
               padding: Pair = (0, 0), dilation: Pair = (1, 1), upsample: int = 1) -> FloatBranch:
        """What one part of a value adds to a convolution of all of it."""
        depth = self.layers[part.layer].shape[0]
        if value.shape[0] != depth or part.count != depth or part.first:
            per_group = weights.shape[0] // groups
            rows = slice(part.c, part.c + part.count)
            full = np.zeros((weights.shape[0], depth, *weights.shape[2:]))
            for c in range(weights.shape[0]):
                first = c // per_group * weights.shape[1]
                dense = np.zeros((value.shape[0], *weights.shape[2:]))
                dense[first:first + weights.shape[1]] = weights[c]
                full[c, part.first:part.first + part.count] = dense[rows]
            weights, groups = full, 1
        moved = (padding[0] + upsample * part.x, padding[1] + upsample * part.y)
        return FloatBranch(source=part.layer, weights=weights, groups=groups, stride=stride, padding=moved,
                           dilation=dilation, upsample=upsample)

    def identity(self, value: Value) -> list[FloatBranch]:
        depth = value.shape[0]
        return [self.branch(value, part, np.ones((depth, 1, 1, 1)), groups=depth) for part in value.parts]

    def materialized(self, name: str, value: Value) -> Value:
        """The value as one layer of its own."""
        while len(value.parts) > self.limits.parts:
            value = self.fewer(name, value)
        return self.whole(self.new(f"{name}/map", "sum", value.shape, self.identity(value)))

    def fewer(self, name: str, value: Value) -> Value:
        """The value in as few parts as layers that read `Limits.parts` of them each can make."""
        parts, most = [], self.limits.parts
        for start in range(0, len(value.parts), most):
            chunk = value.parts[start:start + most]
            ends = [(part.c + part.count, part.x + shape[1], part.y + shape[2])
                    for part in chunk for shape in (self.layers[part.layer].shape,)]
            low = [max(0, min(getattr(part, axis) for part in chunk)) for axis in "cxy"]
            depth, width, height = (min(max(end[i] for end in ends), value.shape[i]) - low[i] for i in range(3))
            moved = tuple(replace(part, c=part.c - low[0], x=part.x - low[1], y=part.y - low[2]) for part in chunk)
            box = Value(shape=(depth, width, height), parts=moved)
            layer = self.new(f"{name}/part", "sum", box.shape, self.identity(box), group=f"{name}/part")
            parts.append(Part(layer=layer.name, first=0, count=depth, c=low[0], x=low[1], y=low[2]))
        return Value(shape=value.shape, parts=tuple(parts), exclusive=True)

    def computed(self, name: str) -> Value:
        """A value that the host can read: made of computed layers."""
        value = self.values[name]
        computed = all(self.layers[part.layer].kind != "input" for part in value.parts)
        if len(value.parts) > self.limits.many_parts or not self.covers(value) or not computed:
            value = self.materialized(name, value)
        return value

    # -- nodes ---------------------------------------------------------------------------------

    def lower(self, node: g.Node) -> Value:
        if isinstance(node, g.Input):
            return self.whole(self.new(node.name, "input", node.shape, []))
        if not isinstance(node, (g.Concat, g.Slice, g.Pad, g.Affine, g.Activation, g.Quantize, g.Spiking)):
            for source in node.sources:
                if len(self.values[source].parts) > self.limits.many_parts:
                    self.values[source] = self.materialized(source, self.values[source])
        sources = [self.values[source] for source in node.sources]
        if isinstance(node, g.Conv):
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

    def regions(self, node: g.Node, value: Value, regions: list[Region], groups: int, bias: Floats,
                weight_scale: Floats | None = None, interpolated: bool = False) -> Value:
        """One layer per region of the result, each a convolution of all parts.

        Maps behind each other of which each channel stays on its own (depthwise, pools) have layers of their own:
        together they would be one dense layer of mostly zeros.
        """
        parts: list[Part] = []
        if groups == value.shape[0] and self.stacked(value):
            for part in value.parts:
                times = node.shape[0] // groups
                rows = slice(part.c * times, (part.c + part.count) * times)
                own: list[Region] = [(region[0], (part.count * times, *region[1][1:]), region[2][rows], *region[3:])
                                     for region in regions]
                found = self.regions(
                    node, Value(shape=(part.count, *value.shape[1:]), parts=(replace(part, c=0),)), own,
                    part.count, bias[rows], None if weight_scale is None else weight_scale[rows],
                    interpolated)
                parts += [replace(item, c=rows.start) for item in found.parts]
            return Value(shape=node.shape, parts=tuple(parts), exclusive=True)
        if len(value.parts) > self.limits.ids:
            value = self.materialized(node.sources[0], value)
        for (x, y), shape, weights, stride, padding, dilation, upsample in regions:
            branches = [self.branch(value, part, weights, groups=groups, stride=stride, padding=padding,
                                    dilation=dilation, upsample=upsample) for part in value.parts]
            layer = self.new(node.name, "sum", shape, branches, bias.copy(), weight_scale=weight_scale,
                             interpolated=interpolated, group=node.name if len(regions) > 1 else "")
            parts.append(Part(layer=layer.name, first=0, count=shape[0], x=x, y=y))
        return Value(shape=node.shape, parts=tuple(parts), exclusive=True)

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
