"""Which scale each feature map gets: the file's, that of what it copies, counts as they are, or one by its range."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from golden.config import CoreConfig
from golden.types import Floats
from golden.words import Saturation
from synapress.mapper.importers.functions import Formula
from synapress.mapper.importers.reference import spike
from synapress.mapper.lowering.layers import FloatBranch, FloatLayer, FloatLayers, evaluate_layer, gathers, sum_branches
from synapress.mapper.quantization.quantized import Options
from synapress.mapper.quantization.ranges import (
    UNKNOWN,
    Range,
    copies,
    formula_of,
    function_range,
    own_range,
    passed_range,
    passes,
    reach,
)
from synapress.mapper.quantization.scales import (
    MAX_WEIGHT,
    NARROW_STATE_BITS,
    Scale,
    Span,
    activation_range,
    integer_scale,
    saturation_of,
    scale_for,
)
from synapress.mapper.quantization.spiking import shifted

_OUTPUT_MARGIN = 1.25
"""Range of an output, as a multiple of the calibration's: room for 25 % beyond it costs a third of a bit."""
_MAX_GATE = 2
"""Largest magnitude of a gate, such as a sigmoid or a tanh (1). Activations that are no gates, such as ReLU6, reach
further."""
_GUARD_RATIO = 32
"""A clip only guards against overflow if its bound is so many times all that it reads. As a range of values, it would
leave these 8 of 256 levels."""
_LEVEL_CANDIDATES = (255, 191, 127, 95, 63, 47, 31)
"""Levels tried for narrow states, half a bit apart: from all that 8 bits have to those of 5 bits."""
_TINY = 1e-30
"""Stands for 0 in a divisor. Any value below all real ranges and variances works."""


class MapScales:
    """The scales of feature maps, which are asked for in topological order."""

    def __init__(self, layers: FloatLayers, floats: Mapping[str, Floats], config: CoreConfig, options: Options,
                 timesteps: int):
        """
        Args:
            floats: by layer, its values (N, D, W, H) on the calibration.
        """
        self.layers, self.floats, self.config, self.options = layers, floats, config, options
        self.timesteps = timesteps
        self.scales: dict[str, Scale] = {}
        """By map, as far as they are settled; quantizing a map adds its scale."""
        self.grouped: dict[str, Scale] = {}
        """By group of layers, once one of them has its scale."""
        self.limit = (1 << (config.state_bits - 1)) - 1
        self.consumers: dict[str, list[tuple[FloatLayer, FloatBranch]]] = {name: [] for name in layers.layers}
        for layer in layers.layers.values():
            for branch in layer.branches:
                self.consumers[branch.source].append((layer, branch))
        self.output_layers = list(dict.fromkeys(
            part.layer for value in layers.outputs.values() for part in value.parts))
        self._shapes = {layer.name: layer.shape for layer in layers.layers.values()}
        self._ranges: dict[tuple[str, bool], Range] = {}
        self._by_definition = {item for name in (*self.output_layers, *self._gates())
                       for item in self._behind(name, self._passes)}
        """Outputs and gates, and layers from which their ranges come: these get the range that they have by
        definition."""
        self._copied_by = {name: self._behind(name, lambda layer: copies(layer, self._shapes))
                           for name in self.output_layers}
        self.clipped: dict[tuple[str, str], list[Span]] = {}
        """By layer and population of it, where the layer `feeds_output`: the integers that its range clips."""

    def of_input(self, layer: FloatLayer) -> Scale:
        """The scale of an input; that of known bounds holds all values within, as each may come."""
        values = self.floats[layer.name] if layer.bounds is None else np.append(self.floats[layer.name], layer.bounds)
        return self._given(layer) or self._spikes(values) or self._quantized_behind(layer) or self._chosen(
            layer, values, bool(values.min(initial=0) >= 0))

    def of(self, layer: FloatLayer, counts: Scale | None) -> tuple[Scale, bool]:
        """The scale of a computed layer, and whether it must stay as it is; `counts`: that of counts (`counts`)."""
        given = self._given(layer) or self._copied(layer) or counts or self.grouped.get(layer.group)
        return given or self._chosen(layer, self.floats[layer.name], self._nonnegative(layer)), given is not None

    def settle(self, layer: FloatLayer, scale: Scale) -> None:
        """Let the other layers of a group have the scale that one of them got."""
        if layer.group and layer.quantize is None:
            self.grouped[layer.group] = scale

    def counts(
        self, layer: FloatLayer, accumulator_scale: Floats, products: list[Floats], worst: Floats
    ) -> Scale | None:
        """The scale of a layer that only counts, such as a sum pool of spikes, whose sums stay what they are."""
        plain = layer.activation is None and layer.quantize is None and not layer.bias.any()
        if not (self.layers.spiking and plain and (accumulator_scale == accumulator_scale[0]).all()):
            return None
        lowest = 0.0 if self._nonnegative(layer) else -float(worst.max())
        return integer_scale(products, float(accumulator_scale[0]), lowest, float(worst.max()), self.config.value_bits)

    # -- ranges by definition ------------------------------------------------------------------

    def _behind(self, name: str, through: Callable[[FloatLayer], bool]) -> list[str]:
        """A layer, its sources if it is such as `through` says, their sources, and so on."""
        found = [name]
        for item in found:  # which grows
            layer = self.layers.layers[item]
            found += dict.fromkeys(branch.source for branch in layer.branches
                                   if branch.source not in found) if through(layer) else []
        return found

    def feeds_output(self, layer: FloatLayer) -> bool:
        """Whether a layer is an output, or an output copies it, and its range is chosen here."""
        return layer.quantize is None and any(layer.name in names for names in self._copied_by.values())

    def clips(self) -> dict[str, dict[str, list[Span]]]:
        """By output layer, and population with its values: the integers that the range clips, where there are any."""
        found = {output: {population: spans for (name, population), spans in self.clipped.items()
                          if name in names and spans} for output, names in self._copied_by.items()}
        return {output: clips for output, clips in found.items() if clips}

    def range_of(self, name: str, *, guards: bool = False) -> Range:
        """The range that a layer has by definition, whatever the calibration saw; infinite where there is no bound.

        Args:
            guards: count the bounds of clips that only guard, too.
        """
        if (name, guards) not in self._ranges:
            layer = self.layers.layers[name]
            if self._passes(layer):
                found = passed_range(layer, {branch.source: self.range_of(branch.source, guards=guards)
                                             for branch in layer.branches})
            else:
                found = UNKNOWN if not guards and self._guards(layer) else own_range(layer)
            self._ranges[name, guards] = found
        return self._ranges[name, guards]

    def _guards(self, layer: FloatLayer) -> bool:
        """Whether a layer's clip is far beyond all that it reads."""
        if layer.activation is None or layer.activation.function != "clip" or layer.quantize is not None:
            return False
        before = evaluate_layer(replace(layer, activation=None), {
            branch.source: self.floats[branch.source] for branch in layer.branches})
        bounds = np.abs([bound for bound in layer.activation.parameters if np.isfinite(bound)])
        seen = max(float(np.abs(before).max()), float(np.abs(layer.bias).max()))  # an offset shifts the bounds
        return 0 < _GUARD_RATIO * seen < float(bounds.max(initial=0))

    def _passes(self, layer: FloatLayer) -> bool:
        return passes(layer, self._shapes)

    def _gates(self) -> set[str]:
        """Factors of products with so small a range by definition that they are gates, such as sigmoids."""
        factors = {branch.source for layer in self.layers.layers.values() if layer.kind == "product"
                   for branch in layer.branches}
        return {name for name in factors if max(np.abs(self.range_of(name))) <= _MAX_GATE}

    def reach(self, layer: FloatLayer) -> float:
        """The largest sum that matters to a function with two bounds, if the layer gets its whole range; else 0."""
        formula = None if layer.activation is None else formula_of(layer.activation)
        if formula is None or layer.name not in self._by_definition or (
                not np.isfinite(function_range(formula)).all() or self._guards(layer)):
            return 0.0
        return reach(formula, (1 << (self.config.value_bits - 1)) - 1)

    # -- scales by range -----------------------------------------------------------------------

    def _limits(self, name: str) -> tuple[bool, int]:
        """Whether a map must fit 8 bits (for maxima and products), and its steps above 0."""
        kinds: set[str] = set()
        seen, todo = {name}, [name]
        while todo:  # what only copies a map keeps its scale, so what reads the copies needs it as well
            readers = [layer for layer, _ in self.consumers[todo.pop()]]
            kinds |= {layer.kind for layer in readers}
            copies = {layer.name for layer in readers if layer.quantize is None and self._gathers(layer)} - seen
            seen |= copies
            todo += copies
        eight = "max" in kinds or ("product" in kinds and self.config.operand_bits < self.config.value_bits)
        return eight, (1 << (self.config.value_bits - 1)) - 1

    def _gathers(self, layer: FloatLayer) -> bool:
        return gathers(layer, {branch.source: self.layers.layers[branch.source].shape for branch in layer.branches})

    def _levels(self, layer: FloatLayer, top: int, x: Floats) -> int:
        """Steps above 0 that make the least noise in the layers that read this one's values `x`, for narrow states."""
        if self.options.levels is not None:
            return min(top, self.options.levels)
        readers = [(reader, branch) for reader, branch in self.consumers[layer.name] if reader.kind == "sum"]
        if self.config.state_bits > NARROW_STATE_BITS or not readers:
            return top
        reach, power = max(float(np.abs(x).max()), _TINY), float(np.mean(x**2))
        read = [(branch, *self._held(reader), self.reach(reader)) for reader, branch in readers]

        def noise(levels: int) -> float:
            step, total = reach / levels, 0.0
            for branch, sums, held, least in read:
                most = max(held * self.options.headroom, least)
                quantum = max(float(np.abs(branch.weights).max()) / MAX_WEIGHT, most / (self.limit * step))
                terms = branch.weights[0].size
                rounding = quantum**2 * power * terms if np.unique(np.abs(branch.weights)).size > 2 else 0.0
                total += (rounding + float(np.mean(branch.weights**2)) * terms * step**2) / max(
                    float(np.var(sums)), _TINY)
            return total

        return min((levels for levels in _LEVEL_CANDIDATES if levels <= top), key=noise, default=top)

    def _held(self, layer: FloatLayer) -> tuple[Floats, float]:
        """What a layer sums on the calibration, and the largest magnitude that its state holds."""
        if layer.neuron is None:
            return (values := self.floats[layer.name]), float(np.abs(values).max())
        sums = sum_branches(layer, {branch.source: self.floats[branch.source] for branch in layer.branches})
        potentials = spike(layer.neuron, sums + layer.bias[:, None, None], self.timesteps)[1]
        return sums, float(np.abs(potentials - shifted(layer.neuron)[0][:, None, None]).max())

    def _chosen(self, layer: FloatLayer, values: Floats, nonnegative: bool) -> Scale:
        """The scale of a map that the file does not quantize."""
        parts = [part for part in self.layers.layers.values() if part.group and part.group == layer.group] or [layer]
        if len(parts) > 1:  # a part alone sees few values, and copies of parts with different scales are not exact
            values = np.concatenate([self.floats[part.name].reshape(-1) for part in parts])
            nonnegative = all(self._nonnegative(part) for part in parts)
        limits = [self._limits(part.name) for part in parts]
        eight, top = any(limit[0] for limit in limits), min(limit[1] for limit in limits)
        levels = self._levels(layer, top, values)
        bits = self.config.value_bits
        if layer.name in self.output_layers:  # few values, which nothing averages: leave room instead of clipping
            low, high = (end * _OUTPUT_MARGIN for end in activation_range(values, "max", 100.0, levels))
        else:
            low, high = activation_range(values, self.options.method, self.options.percentile, levels)
        if layer.bounds is not None:
            low, high = min(layer.bounds[0], 0.0), max(layer.bounds[1], 0.0)
        elif any(part.name in self._by_definition for part in parts):
            ends = np.array([self.range_of(part.name) for part in parts])
            low, high = (float(known) if np.isfinite(known) else seen for known, seen in (
                (min(ends[:, 0].min(), 0), low), (max(ends[:, 1].max(), 0), high)))
        if nonnegative:
            return scale_for(0.0, high, levels, Saturation.RELU, bits)
        mode = Saturation.SIGNED if eight else Saturation.FULL
        if eight:
            levels = min(levels, (1 << (bits - 2)) - 1)
        return scale_for(low, high, levels, mode, bits)

    def _given(self, layer: FloatLayer) -> Scale | None:
        """The file's own scale; integers count from the zero point."""
        node = layer.quantize
        if node is None:
            return None
        low, high = node.low - node.zero_point, node.high - node.zero_point
        mode = saturation_of(low, high, self.config.value_bits)
        return Scale(step=node.scale, low=low, high=high, saturation=Saturation.FULL if mode is None else mode)

    def _quantized_behind(self, layer: FloatLayer) -> Scale | None:
        """The file's scale of what only moves values or takes maxima of them: to round earlier changes nothing."""
        found: Scale | None = None
        todo = [layer.name]
        while todo:
            for reader, _ in self.consumers[name := todo.pop()]:
                moved = replace(reader, activation=None) if reader.quantize is not None and (
                    reader.activation is not None and reader.activation.function == "relu") else reader
                scale = self._given(reader)
                if not (reader.kind == "max" or self._gathers(moved)) or (
                        scale is not None and found is not None and scale != found):
                    return None
                found = found or scale
                todo += [reader.name] if scale is None else []
            if name in self.output_layers:
                return None
        return found

    def _copied(self, layer: FloatLayer) -> Scale | None:
        """The scale of a layer that only gathers values of one scale, or values between them: it keeps that."""
        scales = [self.scales[branch.source] for branch in layer.branches]
        if not (layer.interpolated or self._gathers(layer)) or len({scale.step for scale in scales}) > 1:
            return None
        low, high = min(scale.low for scale in scales), max(scale.high for scale in scales)
        mode = saturation_of(low, high, self.config.value_bits)
        return Scale(step=scales[0].step, low=low, high=high, saturation=Saturation.FULL if mode is None else mode)

    def _spikes(self, values: Floats) -> Scale | None:
        """The scale of an input of spikes or their counts: to neurons, whole numbers stay what they are."""
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        return integer_scale([values], 1.0, low, high, self.config.value_bits) if self.layers.spiking else None

    def _nonnegative(self, layer: FloatLayer) -> bool:
        """Whether a layer can give no negative value."""
        if layer.activation is not None:
            chosen = layer.activation
            return chosen.slope is None and (chosen.formula or Formula(
                chosen.function, chosen.parameters)).nonnegative()
        return bool((layer.bias >= 0).all()) and all(
            self.scales[branch.source].low >= 0 and bool((branch.weights >= 0).all()) for branch in layer.branches)
