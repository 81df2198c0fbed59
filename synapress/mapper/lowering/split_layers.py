"""Layers that take too many event IDs or overflow their states → the same in several steps.

Averages over large windows are split into windows of at most 8 × 8, one after another: the intermediate maps have their
own scales and are rounded once more. Any other layer whose kernel has too many pieces, or whose stride the hardware
does not have, reads a copy of its source in which blocks of columns and rows are channels (space to depth). That is
exact, as is a maximum of maxima. A gate that multiplies a large map is copied to a smaller map first. The host sends
inputs in such blocks where they, or their strides and kernels, would be too large otherwise.
"""

import itertools
from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np

from golden.config import CoreConfig
from golden.types import Pair, Shape
from golden.words import Saturation
from synapress.mapper.importers.tensor import shape_in_blocks
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.layers import FloatBranch, FloatLayer, FloatLayers

_TARGET_PIECES = 4
"""Pieces of a kernel that blocks aim at, 2 × 2. Fewer would need larger blocks, of more channels and more zeros."""
_BLOCK_SIZES = (1, 2, 4, 8, 16)
"""Columns or rows of a block that are tried where no stride sets them, as along an axis of one result."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitLayers:
    """Float layers each of which the hardware computes in one step."""

    layers: FloatLayers
    blocks: dict[str, Pair]
    """By input that the host must bring in blocks (`synapress.mapper.importers.tensor.in_blocks`): their columns and
    rows."""
    shapes: dict[str, Shape]
    """Of every input, before it was brought in blocks."""


def split_layers(layers: FloatLayers, config: CoreConfig) -> SplitLayers:
    """The same layers, with more in front of those that the hardware cannot have in one step; names stay."""
    splitter = _LayerSplitter(layers, config)
    return SplitLayers(layers=splitter.run(), blocks=splitter.blocks_of,
                       shapes={name: layers.layers[name].shape for name in layers.inputs})


def on_blocks(branch: FloatBranch, steps: Pair) -> FloatBranch:
    """The branch on its source in blocks of columns and rows as channels
    (`synapress.mapper.importers.tensor.in_blocks`)."""
    weights, padding = branch.weights, branch.padding
    ahead = [-(-padding[i] // steps[i]) for i in (0, 1)]
    places = [np.arange(weights.shape[2 + i]) - padding[i] for i in (0, 1)]
    taps = [place // steps[i] + ahead[i] for i, place in enumerate(places)]
    size = [int(tap[-1]) + 1 for tap in taps]
    result = np.zeros((*weights.shape[:2], *steps, *size))
    result[:, :, (places[0] % steps[0])[:, None], places[1] % steps[1], taps[0][:, None], taps[1]] = weights
    return replace(branch, weights=result.reshape(len(weights), -1, *size), padding=(ahead[0], ahead[1]),
                   stride=(max(1, branch.stride[0] // steps[0]), max(1, branch.stride[1] // steps[1])))


class _LayerSplitter:
    def __init__(self, layers: FloatLayers, config: CoreConfig):
        self.given, self.config, self.limits = layers, config, Limits.of(config)
        self.window = max(self.limits.strides)
        self.layers: dict[str, FloatLayer] = {}
        self.made: dict[tuple[str, str, Pair], FloatLayer] = {}
        self.limit = (1 << (config.state_bits - 1)) - 1
        self.blocks_of: dict[str, Pair] = {}

    def run(self) -> FloatLayers:
        for layer in self.given.layers.values():
            if layer.kind == "input":
                layer = self.input(layer)
            elif layer.kind == "sum":
                layer = replace(layer, branches=[
                    on_blocks(self.per_channel_kernels(branch), self.blocks_of[branch.source])
                    if branch.source in self.blocks_of else branch for branch in layer.branches])
            if layer.kind in ("sum", "max"):
                trimmed = [self.trimmed(branch, layer.shape) for branch in layer.branches]
                taps = sum(branch.weights[0, 0].size for branch in trimmed if self.is_average(branch))
                layer = replace(layer, branches=[self.branch(layer, branch, taps) for branch in trimmed])
            elif layer.kind == "product":
                layer = replace(layer, branches=[self.spread(branch, layer.shape) for branch in layer.branches])
            self.layers[layer.name] = self.limit_pieces(layer) if layer.kind == "sum" else layer
        return replace(self.given, layers=self.layers)

    def new(self, key: tuple[str, str, Pair], kind: str, shape: Shape, branch: FloatBranch) -> FloatLayer:
        """A layer in front of others, shared by all that want the same of one source."""
        if key not in self.made:
            base = name = f"{key[0]}/{key[1]}"
            for number in itertools.count(2):
                if name not in self.layers and name not in self.given.layers:
                    break
                name = f"{base}_{number}"
            self.made[key] = self.layers[name] = FloatLayer(
                name=name, kind=kind, shape=shape, branches=[branch], bias=np.zeros(shape[0]))
        return self.made[key]

    # -- inputs --------------------------------------------------------------------------------

    def input(self, layer: FloatLayer) -> FloatLayer:
        """An input in blocks, if it is too large, or its readers have strides or kernels, for it to come as it is."""
        readers = [(reader, branch) for reader in self.given.layers.values() for branch in reader.branches
                   if branch.source == layer.name]
        self.layers[layer.name] = layer
        if any(reader.kind != "sum" or branch.upsample > 1 or branch.dilation != (1, 1) for reader, branch in readers):
            return layer
        strides = [gcd(*(branch.stride[i] if reader.shape[1 + i] > 1 else 0 for reader, branch in readers))
                   for i in (0, 1)]
        choices = [[step for step in (range(1, strides[i] + 1) if strides[i] else _BLOCK_SIZES)
                    if step <= layer.shape[1 + i] and strides[i] % step == 0] for i in (0, 1)]

        def fragments(steps: Pair) -> int:
            """Of the input, which the host numbers."""
            most = (1 << self.config.channel_bits, *[1 << self.config.coordinate_bits] * 2)
            size = shape_in_blocks(layer.shape, steps)
            return prod(-(-size[i] // most[i]) for i in range(3))

        def fits(steps: Pair, pieces: int) -> bool:
            return fragments(steps) <= self.config.max_populations // 2 and all(  # the mapper may cut once more
                self.pieces(branch, steps) <= pieces and all(
                    branch.stride[i] // steps[i] in self.limits.strides for i in (0, 1) if reader.shape[1 + i] > 1)
                for reader, branch in readers)

        if fits((1, 1), self.limits.ids):
            return layer
        fitting = [(x, y) for x in choices[0] for y in choices[1] if fits((x, y), _TARGET_PIECES)]
        if not fitting:
            return layer
        steps = min(fitting, key=lambda steps: (fragments(steps), prod(steps)))
        self.blocks_of[layer.name] = steps
        return replace(layer, shape=shape_in_blocks(layer.shape, steps))

    # -- one branch ----------------------------------------------------------------------------

    def trimmed(self, branch: FloatBranch, shape: Shape) -> FloatBranch:
        """Without the taps that meet nothing but padding, where the result is one position."""
        if shape[1:] != (1, 1) or branch.upsample > 1 or branch.dilation != (1, 1):
            return branch
        size, kernel = self.layers[branch.source].shape[1:], branch.weights.shape[2:]
        first = [min(max(branch.padding[i], 0), kernel[i] - 1) for i in (0, 1)]
        last = [max(min(kernel[i], size[i] + branch.padding[i]), first[i] + 1) for i in (0, 1)]
        return replace(branch, stride=(1, 1), weights=branch.weights[:, :, first[0]:last[0], first[1]:last[1]],
                       padding=(branch.padding[0] - first[0], branch.padding[1] - first[1]))

    def is_average(self, branch: FloatBranch) -> bool:
        """Whether a branch is an average: channel by channel, all taps the same."""
        depth, weights = self.layers[branch.source].shape[0], branch.weights
        return branch.groups == depth and len(weights) in (1, depth) and bool((weights == weights[:, :, :1, :1]).all())

    def branch(self, layer: FloatLayer, branch: FloatBranch, taps: int) -> FloatBranch:
        """A branch in steps, if it is an average or a maximum that needs them, or has a stride beyond the hardware's.

        Args:
            taps: of all averages that the layer adds up.
        """
        far = max(branch.stride) > self.window and all(stride % self.window == 0 for stride in branch.stride)
        if branch.upsample > 1 or branch.dilation != (1, 1):
            return branch
        if layer.kind == "max":
            return self.windows(layer, branch) if far or self.pieces(branch) > self.limits.ids else branch
        exact = layer.quantize is not None or self.given.spiking
        most = self.limit // -Saturation.bounds(Saturation.FULL, self.config.value_bits)[0]
        large = branch.weights[0, 0].size > self.window**2 and (taps > most or self.pieces(branch) > self.limits.ids)
        if (far or large) and not exact and self.is_average(branch):
            return self.windows(layer, branch)
        return self.blocks(branch, self.window) if far and branch.stride[0] == branch.stride[1] else branch

    def windows(self, layer: FloatLayer, branch: FloatBranch) -> FloatBranch:
        """A branch of equal weights that reads the averages, or maxima, of windows of its source."""
        source = self.layers[branch.source]
        kernel, size = branch.weights.shape[2:], source.shape[1:]
        whole = layer.shape[1:] == (1, 1) and branch.padding == (0, 0) and kernel == size
        strides = [branch.stride[i] for i in (0, 1) if layer.shape[1 + i] > 1]
        if not whole and any(value % self.window for value in (*kernel, *strides, *branch.padding)):
            return branch
        window = (min(self.window, size[0]), min(self.window, size[1])) if whole else (self.window, self.window)
        shape = (source.shape[0], -(-size[0] // self.window), -(-size[1] // self.window))
        maximum = layer.kind == "max"
        inner = FloatBranch(
            source=source.name, stride=(self.window, self.window), groups=source.shape[0],
            weights=np.ones((1, 1, *window)) if maximum else np.full((source.shape[0], 1, *window), 1 / prod(window)))
        first = self.new((source.name, "maxima" if maximum else "means", window), layer.kind, shape, inner)
        taps = shape[1:] if whole else (kernel[0] // self.window, kernel[1] // self.window)
        value = branch.weights[:, :, :1, :1] * (1 if maximum else prod(window))
        rest = replace(
            branch, source=first.name, weights=np.broadcast_to(value, (*value.shape[:2], *taps)).copy(),
            stride=(max(1, branch.stride[0] // self.window), max(1, branch.stride[1] // self.window)),
            padding=(branch.padding[0] // self.window, branch.padding[1] // self.window))
        return self.branch(layer, rest, prod(taps))

    def spread(self, branch: FloatBranch, shape: Shape) -> FloatBranch:
        """A factor of one position that meets a large map, by way of a smaller map of copies."""
        depth, width, height = self.layers[branch.source].shape
        side = self.limits.taps
        if (width, height) != (1, 1) or -(-shape[1] // side) * -(-shape[2] // side) < self.limits.ids:
            return branch
        step = min(self.window, max(self.limits.upsampling))
        size = (-(-shape[1] // step), -(-shape[2] // step))
        copy = self.new((branch.source, "spread", size), "sum", (depth, *size), FloatBranch(
            source=branch.source, weights=np.ones((depth, 1, *size)), groups=depth, padding=(size[0] - 1, size[1] - 1)))
        return FloatBranch(source=copy.name, weights=np.ones((1, 1, step, step)), groups=depth, upsample=step,
                           padding=(step - 1, step - 1))

    # -- kernels of many pieces ----------------------------------------------------------------

    def pieces(self, branch: FloatBranch, steps: Pair = (1, 1)) -> int:
        """Event IDs that a branch takes at least, on its source in blocks of columns and rows."""
        most = self.limits.taps
        places = [np.array([-branch.padding[i], branch.weights.shape[2 + i] - 1 - branch.padding[i]]) // steps[i]
                  for i in (0, 1)]
        kernels = prod(-(-(int(last - first) + 1) // most) for first, last in places)
        depth, served = self.layers[branch.source].shape[0] * prod(steps), 1 << self.config.channel_bits
        return kernels * (-(-depth // served) if branch.groups == 1 else 1)

    def limit_pieces(self, layer: FloatLayer) -> FloatLayer:
        """A sum whose branches take as many event IDs as there are, the largest ones on copies in blocks."""
        branches = list(layer.branches)
        while sum(map(self.pieces, branches)) > self.limits.ids:
            number = max(range(len(branches)), key=lambda i: self.pieces(branches[i]))
            branch = branches[number]
            steps = [step for step in self.limits.strides if step > 1 and all(
                branch.stride[i] % step == 0 for i in (0, 1) if layer.shape[1 + i] > 1)]
            if branch.upsample > 1 or branch.dilation != (1, 1) or not steps:
                break
            tried = {step: self.pieces(branch, (step, step)) for step in steps}
            step = next((step for step in steps if tried[step] <= _TARGET_PIECES), min(tried, key=lambda s: tried[s]))
            if tried[step] >= self.pieces(branches[number]):
                break
            branches[number] = self.blocks(branch, step)
        return replace(layer, branches=branches)

    def blocks(self, branch: FloatBranch, step: int) -> FloatBranch:
        """The branch on a copy of its source in blocks."""
        source = self.layers[branch.source]
        depth, width, height = source.shape
        kernels = np.tile(np.eye(step * step).reshape(step * step, 1, step, step), (depth, 1, 1, 1))
        copy = self.new((source.name, "blocks", (step, step)), "sum", (
            depth * step * step, -(-width // step), -(-height // step)), FloatBranch(
            source=source.name, weights=kernels, stride=(step, step), groups=depth))
        return replace(on_blocks(self.per_channel_kernels(branch), (step, step)), source=copy.name)

    def per_channel_kernels(self, branch: FloatBranch) -> FloatBranch:
        """With a kernel for each channel, if one serves all."""
        if branch.groups == 1 or len(branch.weights) > 1:
            return branch
        return replace(branch, weights=np.broadcast_to(branch.weights, (branch.groups, *branch.weights.shape[1:])))
