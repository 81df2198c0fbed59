"""The layers that a float graph is lowered to, under construction; what fusing and resampling share."""

from dataclasses import replace

import numpy as np

from golden.types import Floats, Pair, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.layers import FloatBranch, FloatLayer, Part, Value

Region = tuple[Pair, Shape, Floats, Pair, Pair, Pair, int]
"""Where a region of the result lies, its shape, and weights, stride, padding, dilation, upsampling of its branches."""


class LayerBuilder:
    """The layers so far, where each value of the graph lies in them, and how layers join them."""

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
