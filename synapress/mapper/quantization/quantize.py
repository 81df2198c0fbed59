"""Float layers + calibration data → a network of integer layers, and a report of where accuracy is lost.

Every feature map gets one scale (value = step · integer; 0 stays 0, so zeros cost no events). The accumulator of each
channel has its own scale, chosen so that weights are int8 and the sums seen fit the state with some headroom. Layer by
layer, on the integers that the layers before really give: weights, bias with the mean error of the sums taken out (bias
correction), multiplier and shift. Where a file brings its own quantization, that is kept exactly.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import Array, Floats, IntArray
from golden.words import Saturation, layouts
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.reference import convolve, spike
from synapress.mapper.importers.tensor import in_blocks
from synapress.mapper.lowering.layers import (
    FloatLayer,
    evaluate_layer,
    factor,
    largest_sums,
    max_branch,
    sum_branches,
)
from synapress.mapper.lowering.split_layers import SplitLayers
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network
from synapress.mapper.quantization.activations import clipped, evaluation, splits_leaky_relu
from synapress.mapper.quantization.branches import integer_branches
from synapress.mapper.quantization.map_scales import MapScales
from synapress.mapper.quantization.maps import FloatMaps, IntegerMaps, RealMaps
from synapress.mapper.quantization.quantized import METHODS, REPORTED_LOSS, LayerReport, Options, Quantized
from synapress.mapper.quantization.scales import (
    BIAS_MARGIN,
    MAX_WEIGHT,
    NARROW_STATE_BITS,
    SAME_STEP,
    Scale,
    accumulator_scales,
    largest,
    max_split,
    sqnr,
    uniform,
)
from synapress.mapper.quantization.spiking import agreement, check_order, grid, integer_neuron, room
from synapress.mapper.ways_out import either, raised

_MAX_ENLARGEMENTS = 8
"""Most attempts to enlarge a layer's units until sums and bias fit the states. Each enlarges them by the overflow
found, so that the next needs far less; what still does not fit is refused."""
_SUM_DEVIATIONS = 2.5
"""Standard deviations that sums are taken to reach, if few frames of a small map show less: 99 % of a normal
distribution."""
_MIN_SLOPE = 1e-30
"""Stands for a slope of 0, which has no multiplier. Any value that rounds to a multiplier of 0 works."""
_INT32 = np.iinfo(np.int32).max
_MIN_LEVELS = 8
"""Weights of fewer levels are not coarsened to make sums fit: they would lose what the layer learned."""


def quantize(
    split: SplitLayers, calibration: Mapping[str, npt.ArrayLike], config: CoreConfig, options: Options | None = None,
    *, timesteps: int | None = None,
) -> Quantized:
    """Quantize the float layers that `synapress.mapper.lowering.split_layers` gives.

    Args:
        calibration: by input, maps (N, D, W, H) like those to come, not in blocks.
        config: widths of states, values and multipliers.
        timesteps: of a model with neurons: so many frames in a row are one sequence; default: all are one.

    Raises:
        ModelError: sums, weights or factors do not fit, or a layer needs what the hardware lacks.
    """
    options, layers = options or Options(), split.layers
    if options.method not in METHODS:
        raise ModelError(layers.name, "method", f"one of {', '.join(METHODS)}", options.method, "Choose one of them.")
    arrays: dict[str, Array] = {name: np.asarray(values) for name, values in calibration.items()}
    for name in layers.inputs:
        shape = split.shapes[name]
        if name not in arrays or arrays[name].ndim != 4 or arrays[name].shape[1:] != shape or not len(arrays[name]):
            raise ModelError(name, "calibration", f"frames of shape {shape}",
                             arrays[name].shape if name in arrays else "none", "Give a few dozen typical inputs.")
        if not np.isfinite(arrays[name]).all():
            raise ModelError(name, "calibration", "finite numbers", "NaN or infinite", "Check the calibration data.")
    arrays |= {name: in_blocks(arrays[name], steps) for name, steps in split.blocks.items()}
    return _Quantizer(split, arrays, config, options, timesteps).run()


class _Quantizer:
    def __init__(self, split: SplitLayers, calibration: dict[str, Array], config: CoreConfig, options: Options,
                 timesteps: int | None):
        layers = split.layers
        self.layers, self.blocks, self.config, self.options = layers, split.blocks, config, options
        self.timesteps = timesteps or len(next(iter(calibration.values())))
        self.floats = FloatMaps(layers, calibration, self.timesteps)
        self.network = Network(layers.name)
        self.maps = MapScales(layers, self.floats, config, options, self.timesteps)
        self.scales = self.maps.scales
        self.values = IntegerMaps()
        self.sample: dict[str, IntArray] = {}
        self.firing: dict[str, npt.NDArray[np.float64]] = {}
        self.report: list[LayerReport] = []
        self.measured: dict[str, tuple[int, int]] = {}
        self.limit = (1 << (config.state_bits - 1)) - 1
        self.top_shift = layouts(config).edge.field("shift").high

    def run(self) -> Quantized:
        for layer in self.layers.layers.values():
            try:
                {"input": self._input, "max": self._max, "product": self._product}.get(layer.kind, self._sum)(layer)
            except OverflowError as error:
                raise ModelError(layer.name, "numbers", "weights and factors within the hardware's fields", str(error),
                                 "Calibrate with typical data, or rescale the layer.") from error
            for name in self.floats.done(layer.name):
                self.values.pop(name, None)
        for name in self.maps.output_layers:
            self.network.output(name)
        return Quantized(network=self.network, scales=self.scales, report=self.report, measured=self.measured,
                         clips=self.maps.clips(), blocks=self.blocks, sample=self.sample, firing=self.firing)

    # -- layers --------------------------------------------------------------------------------

    def _keep(self, layer: FloatLayer, scale: Scale, values: IntArray, states: tuple[int, int], weight: int,
              name: str = "") -> None:
        name = name or layer.name
        self.scales[name] = scale
        self.values.keep(name, values)
        self.sample[name] = values[:self.timesteps if self.layers.spiking else 1].astype(np.int64)
        self.firing[name] = (values != 0).mean(axis=0)
        if layer.kind == "input":
            return
        self.measured[name] = states
        if name == layer.name:
            real = self.floats[name]
            total, spikes = sqnr(real, values, scale.step), None if layer.neuron is None else agreement(real, values)
            del real
            own = evaluate_layer(layer, RealMaps(self.values, self.scales), self.timesteps)
            self.report.append(LayerReport(
                layer=name, step=scale.step, states=states, weight_levels=weight, sqnr=total,
                own_sqnr=sqnr(own, values, scale.step), lost=self._lost(layer), spikes=spikes,
                own_spikes=None if layer.neuron is None else agreement(own, values)))

    def _lost(self, layer: FloatLayer) -> float | None:
        """The share of values that became 0, of a layer or an input that it reads, if it is nearly all of them.

        A sigmoid is expected to be nearly 0, and the file's own scales are its own affair.
        """
        inputs = [branch.source for branch in layer.branches if self.layers.layers[branch.source].kind == "input"]
        shares = [0.0]
        for name in (layer.name, *inputs):
            item = self.layers.layers[name]
            if item.quantize is None and item.neuron is None and not (
                    item.activation is not None and item.activation.function == "sigmoid"):
                some = self.floats[name]
                some = np.abs(some[some != 0])
                shares.append(float(np.mean(some < self.scales[name].step / 2)) if some.size else 0.0)
        return most if (most := max(shares)) >= REPORTED_LOSS else None

    def _input(self, layer: FloatLayer) -> None:
        values = self.floats[layer.name]
        scale = self.maps.of_input(layer)
        self.network.input(layer.name, layer.shape, saturation=scale.saturation)
        self._keep(layer, scale, scale.integers(values), (0, 0), 0)

    def _sum(self, layer: FloatLayer) -> None:
        depth = layer.shape[0]
        sums = sum_branches(layer, self.floats)
        steps = [self.scales[branch.source].step for branch in layer.branches]
        if layer.neuron is not None:
            self._neurons(layer, layer.neuron, sums, steps)
            return
        products = [branch.weights.reshape(depth, -1) * step
                    for branch, step in zip(layer.branches, steps, strict=True)]
        reach = self.options.headroom * np.maximum(
            largest(sums),
            np.abs(sums.mean(axis=(0, 2, 3))) + _SUM_DEVIATIONS * sums.std(axis=(0, 2, 3)))
        sources = list(dict.fromkeys(branch.source for branch in layer.branches))
        worst = largest_sums(
            layer, {source: self.scales[source].step * max(-self.scales[source].low, self.scales[source].high)
                    for source in sources}, {source: self.layers.layers[source].shape for source in sources})
        if least := self.maps.reach(layer):
            reach = np.maximum(reach, np.minimum(least + np.abs(layer.bias), worst))
        given = layer.weight_scale is not None and layer.quantize is not None and len(set(steps)) == 1
        if given:
            assert layer.weight_scale is not None
            accumulator_scale = layer.weight_scale * steps[0]
        else:
            exact = layer.quantize is not None and self.config.state_bits > NARROW_STATE_BITS
            accumulator_scale = accumulator_scales(
                products, reach, layer.bias, self.limit, worst,
                max_split(self.top_shift) if exact else MAX_WEIGHT, top_shift=self.top_shift, finest=self._finest())
        for _ in range(_MAX_ENLARGEMENTS):
            counts = self.maps.counts(layer, accumulator_scale, products, worst)
            weights, states, bias = self._integers(layer, steps, accumulator_scale, sums, counts is not None)
            over = np.abs(bias) / self.limit
            most = np.max([np.abs(integers).max(axis=(1, 2, 3)) for integers in weights], axis=0)
            wide = np.where(most >= _MIN_LEVELS, largest(states) / self.limit, 0)
            if (np.maximum(over, wide) <= 1).all() or given:
                break
            # Rounding and correction moved the bias past the limit, or the noise of the layers before the sums.
            excess = np.maximum(over, wide)
            accumulator_scale = np.where(excess > 1, accumulator_scale * excess * BIAS_MARGIN, accumulator_scale)
        self._check_states(layer, int(states.min()), int(states.max()))
        if (over > 1).any():
            raise ModelError(layer.name, "bias", f"at most {self.limit}", float(np.abs(bias).max()),
                             either(raised(self.config, "state_bits", 32), "rescale the layer"))
        branches = self._branches(layer, weights)
        sums_of = np.asarray(states.astype(np.int32 if self.limit <= _INT32 else np.int64))
        del sums, states  # large
        weight = max(int(np.abs(integers).max()) for integers in weights)
        if splits_leaky_relu(layer, sums_of, np.rint(bias).astype(np.int64), accumulator_scale, self.config):
            self._halves(layer, weights, sums_of, bias, accumulator_scale, weight)
            return
        self._evaluate(layer, partial(self.network.add, layer.name, branches), sums_of, bias, accumulator_scale, weight,
                       counts, reach=min(least, float((worst + np.abs(layer.bias)).max())))

    def _halves(self, layer: FloatLayer, weights: list[IntArray], states: IntArray, bias: Floats,
                accumulator_scale: Floats, weight: int) -> None:
        """A leaky ReLU as relu(x) - relu(-slope · x), of which one is 0; each has all bits of the multiplier."""
        assert layer.activation is not None and layer.activation.slope is not None
        slope, scale = layer.activation.slope, self.maps.of(layer, None)[0]
        saturation = Saturation.RELU
        half = Scale(step=scale.step, low=0, high=Saturation.bounds(saturation, self.config.value_bits)[1],
                     saturation=saturation)
        parts = {}
        down = np.maximum(np.abs(slope), _MIN_SLOPE)
        for part, sign, gain in (("positive", 1, np.ones_like(down)), ("negative", -1, down)):
            name = f"{layer.name}/{part}"
            parameters, self.scales[name], offsets, parts[name] = evaluation(
                None, half, True, states=sign * states, bias=sign * bias, accumulator_scale=accumulator_scale * gain,
                config=self.config)
            self.network.add(name, self._branches(layer, [sign * integers for integers in weights]), bias=offsets,
                             **parameters)
            if self.maps.feeds_output(layer):
                self.maps.clipped[layer.name, name] = [(half.high + 1, None)]
            ends = sorted((sign * int(states.min()), sign * int(states.max())))
            self.measured[name] = ends[0], ends[1]
        (positive, first), (negative, second) = parts.items()
        signs = np.where(slope < 0, 1, -1) * np.ones(len(accumulator_scale), np.int64)
        lowered = Branch(source=negative, scale=int(signs[0])) if (signs == signs[0]).all() else Branch(
            source=negative, weights=signs[:, None, None, None], groups=len(signs))
        self._evaluate(
            layer, partial(self.network.add, layer.name, [Branch(source=positive), lowered]),
            np.asarray(first + signs[:, None, None] * second, np.int64), np.zeros(len(accumulator_scale)),
            np.full(len(accumulator_scale), scale.step), weight, activated=True)

    def _finest(self) -> float:
        """The least unit of a state, as a share of a map's range, whose multiplier has all its bits."""
        return 2.0 ** (self.config.multiplier_bits - (1 << self.config.shift_bits) - self.config.value_bits + 1)

    def _integers(self, layer: FloatLayer, steps: list[float], accumulator_scale: Floats, sums: Floats, counts: bool,
                  ) -> tuple[list[IntArray], Floats, Floats]:
        """Weights of each branch, states of the calibration and bias (D), all in units of the states.

        The bias of a layer that only `counts` is not corrected.
        """
        weights = [np.rint(branch.weights * step / accumulator_scale[:, None, None, None]).astype(np.int64)
                   for branch, step in zip(layer.branches, steps, strict=True)]
        states = self._states(layer, weights)
        bias = layer.bias / accumulator_scale
        if self.options.bias_correction and layer.quantize is None and not counts:
            error = sums / accumulator_scale[:, None, None]
            error -= states
            bias = bias + np.mean(error, axis=(0, 2, 3))
        return weights, states, bias

    def _states(self, layer: FloatLayer, weights: list[IntArray]) -> Floats:
        """Integer sums (N, D, W, H) of a layer's branches, on the integers that the layers before give."""
        states = np.zeros((len(self.values[layer.branches[0].source]), *layer.shape))
        for branch, integers in zip(layer.branches, weights, strict=True):
            convolve(
                self.values[branch.source], integers.astype(np.float64), stride=branch.stride,
                padding=branch.padding, dilation=branch.dilation, groups=branch.groups, size=layer.shape[1:],
                upsample=(branch.upsample,) * 2, to=states)
        return states

    def _neurons(self, layer: FloatLayer, node: g.Spiking, sums: Floats, steps: list[float]) -> None:
        """Neurons with a potential: their unit, the weights, threshold, leak, and the bias that goes with them."""
        check_order(layer.name, node)
        depth = layer.shape[0]
        potentials = spike(node, sums + layer.bias[:, None, None], self.timesteps)[1]
        products = [branch.weights.reshape(depth, -1) * step
                    for branch, step in zip(layer.branches, steps, strict=True)]
        # Of an input the values that were seen count: spikes, which are 1, and no counts.
        bounds = [(int(self.values[branch.source].min()), int(self.values[branch.source].max()))
                  if self.layers.layers[branch.source].kind == "input" else
                  (self.scales[branch.source].low, self.scales[branch.source].high) for branch in layer.branches]
        saturate = self.options.saturate
        chosen = grid(node, products, potentials, layer.bias, self.options.headroom, self.config,
                      timestep=(np.abs(sums).max(axis=(0, 2, 3)), room(products, bounds)) if saturate else None)
        accumulator_scale = chosen.accumulator_scale
        weights = [chosen.weights(branch.weights * step) for branch, step in zip(layer.branches, steps, strict=True)]
        states = self._states(layer, weights)
        bias = layer.bias / accumulator_scale
        if self.options.bias_correction:
            bias = bias + np.mean(sums / accumulator_scale[:, None, None] - states, axis=(0, 2, 3))
        made = integer_neuron(layer.name, node, accumulator_scale, bias, self.config, saturate=saturate)
        spikes, span = made.run(states.astype(np.int64), self.timesteps, self.config)
        self._check_states(layer, *span, way="give more headroom (Options.headroom, --headroom)")
        branches = self._branches(layer, weights)
        self.network.lif(
            layer.name, branches, threshold=uniform(made.threshold), bias=uniform(made.bias), reset=made.reset,
            multiplier=uniform(made.multiplier), shift=uniform(made.shift), initial=uniform(made.initial),
            saturate=saturate)
        scale = Scale(step=1.0, low=0, high=1, saturation=Saturation.RELU)
        self._keep(layer, scale, spikes, span, max(int(np.abs(integers).max()) for integers in weights))

    def _check_states(self, layer: FloatLayer, low: int, high: int, *,
                      way: str = "give fewer activation levels (Options.levels, --levels)") -> None:
        if low < -self.limit - 1 or high > self.limit:
            raise ModelError(layer.name, "sums", f"states of [{low}, {high}]", f"{self.config.state_bits} bits",
                             either(raised(self.config, "state_bits", 32), way))

    def _evaluate(self, layer: FloatLayer, add: Callable[..., str], states: IntArray, bias: Floats,
                  accumulator_scale: Floats, weight: int, counts: Scale | None = None, *, activated: bool = False,
                  reach: float = 0.0) -> None:
        """Choose the scale of a result, add the layer by `add`, and keep its integers on the calibration.

        States that are `activated` have the layer's activation function behind them. `reach`: as of `evaluation`.
        """
        scale, given = self.maps.of(layer, counts)
        activation = None if activated else layer.activation
        parameters, scale, offsets, values = evaluation(
            activation, scale, given, states=states, bias=bias, accumulator_scale=accumulator_scale, config=self.config,
            reach=reach)
        if self.maps.feeds_output(layer):
            self.maps.clipped[layer.name, layer.name] = clipped(
                activation, self.maps.range_of(layer.name, guards=True), scale, parameters, accumulator_scale,
                self.config)
        add(bias=offsets, **parameters)
        self.maps.settle(layer, scale)
        self._keep(layer, scale, values, (int(states.min()), int(states.max())), weight)

    def _branches(self, layer: FloatLayer, weights: list[IntArray]) -> list[Branch]:
        """The branches of a layer with integer weights, in the network's terms."""
        return [made for branch, integers in zip(layer.branches, weights, strict=True)
                for made in integer_branches(branch, integers, self.network.shape(branch.source), layer.shape[1:],
                                             self.top_shift)]

    # -- maxima, products, other activations ---------------------------------------------------

    def _max(self, layer: FloatLayer) -> None:
        branch = layer.branches[0]
        scale, values = self.scales[branch.source], self.values[branch.source]
        source, name = branch.source, layer.name
        signed = scale.low < 0
        other = layer.quantize is not None and not _holds_integers(self.maps.of(layer, None)[0], scale)
        if other or signed:
            name = f"{layer.name}/maximum"
        if signed:  # a maximum starts from 0: raise all values so far that none is negative, and lower the result
            source = f"{layer.name}/raised"
            self.network.add(source, [Branch(source=branch.source)], bias=-scale.low, saturation=Saturation.RELU)
            values = values - scale.low
            self.scales[source] = Scale(step=scale.step, low=0, high=scale.high - scale.low,
                                        saturation=Saturation.RELU)
            self.measured[source] = (scale.low, scale.high)
            if scale.high - scale.low > Saturation.bounds(Saturation.RELU, self.config.value_bits)[1]:
                raise ModelError(layer.name, "maximum", "a source of 8 bits", f"[{scale.low}, {scale.high}]",
                                 "Quantize the source to 8 bits.")
        _, width, height = self.network.shape(source)
        kernel = (branch.weights.shape[2], branch.weights.shape[3])
        after = tuple((layer.shape[1 + i] - 1) * branch.stride[i] + (kernel[i] - 1) * branch.dilation[i] + 1
                      - (width, height)[i] - branch.padding[i] for i in (0, 1))
        self.network.pool_maximum(name, Branch(source=source, kernel=kernel, stride=branch.stride,
                                               dilation=branch.dilation, padding=(*branch.padding, *after)))
        result = max_branch(branch, values.astype(np.float64), layer.shape[1:]).astype(np.int64)
        span = (0, int(result.max()))
        lowered = partial(self.network.add, layer.name, [Branch(source=name)])
        if name != layer.name:
            self.scales[name], self.measured[name] = self.scales[source], span
        if other:  # the file quantizes the maximum with another scale
            bias = np.full(layer.shape[0], float(scale.low if signed else 0))
            self._evaluate(layer, lowered, result, bias, np.full(layer.shape[0], scale.step), 1)
            return
        if signed:
            result = result + scale.low
            lowered(bias=scale.low, saturation=scale.saturation)
        self._keep(layer, scale, result, span, 1)

    def _product(self, layer: FloatLayer) -> None:
        first, second = (branch.source for branch in layer.branches)
        accumulator_scale = np.full(layer.shape[0], self.scales[first].step * self.scales[second].step)
        add = partial(self.network.multiply, layer.name, first, second)
        products = factor(layer.branches[0], self.values[first].astype(np.int64), layer.shape[1:]) * factor(
            layer.branches[1], self.values[second], layer.shape[1:])
        self._evaluate(layer, add, products, np.zeros(layer.shape[0]), accumulator_scale, 1,
                       reach=self.maps.reach(layer))


def _holds_integers(given: Scale, own: Scale) -> bool:
    """Whether integers of a map's `own` scale are those of the file's."""
    return bool(np.isclose(given.step, own.step, rtol=SAME_STEP)) and given.low <= own.low and given.high >= own.high
