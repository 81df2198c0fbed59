"""From a trained network to layers of the hardware: codes, thresholds, biases, and fraction bits by calibration."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network import fast
from golden.types import IntArray, Pair
from golden.words import Saturation
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.network.spike_times import falling_thresholds
from synapress.mapper.quantization.scales import requantization
from synapress.mapper.ways_out import changed, either, searched
from synapress.spike_times.float_network import code_inputs, pooled
from synapress.spike_times.trained import Trained, TrainedLayer, quantize

HEADROOM = 1.25
"""The states hold sums so many times larger than the largest one of calibration."""
_FRACTION_BITS = {16: 12, 32: 20}
"""By bits of a state: as many as sums of many weights leave room for, and as make no difference any more."""


@dataclass(frozen=True, kw_only=True)
class IntegerLayer:
    """A layer with weights in integers. V = Σ product + bias stands for V · 2**(scale_log2 - fraction_bits) · θ0 of
    the source."""

    codes: IntArray
    """Logarithmic, (D_dst, D_src / groups, KW, KH)."""
    scale_log2: int
    """k0: log2 of what the largest code stands for."""
    product_shift: int
    fraction_bits: int
    """A, without the shift."""
    source_threshold: float
    """θ0 of the source."""
    bias: IntArray
    sums: Pair
    """Lowest and highest of calibration, without the bias."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What `convert` made."""

    trained: Trained
    config: CoreConfig
    network: Network
    """Its input is named "input", its layers as those that were trained; the last one is the output."""
    layers: dict[str, IntegerLayer]
    """Those with weights."""


def core_for(trained: Trained, config: CoreConfig) -> CoreConfig:
    """The core with the products, the neurons, the times and the levels of a trained network, and nothing else changed
    but the fraction bits.

    Raises:
        ConfigError: there is no such core.
    """
    return replace(
        config, product="log", neuron_types=("sum", "ttfs"), ttfs_times=trained.steps, ttfs_tau=trained.tau,
        log_levels=trained.levels, log_fraction_bits=_FRACTION_BITS[config.state_bits])


def convert(trained: Trained, config: CoreConfig, images: npt.ArrayLike) -> Converted:
    """A trained network in integers, for a core.

    Each layer has as many fraction bits as its states have room for, by the sums of the calibration images and
    `HEADROOM`. θ0 of its source scales its thresholds and biases, not its weights. The last layer does not spike: its
    sums, scaled to what an event can carry, are the outputs, of which the largest is the answer.

    Args:
        trained: what training made.
        config: the core, as `core_for` makes it.
        images: for calibration, (N, D, W, H) of real numbers in the units of the network's inputs.

    Raises:
        NetworkError: the images are not the network's.
        RuleError: the core has other times or levels, or its states cannot hold the sums of a layer.
    """
    wanted = {"ttfs_times": trained.steps, "ttfs_tau": trained.tau, "log_levels": trained.levels}
    there = {name: getattr(config, name) for name in wanted}
    if wanted != there:
        raise RuleError([Violation(
            layer=trained.name, rule="code of spikes", needed=_listed(wanted), available=_listed(there),
            help=either(changed(config, wanted)))])
    values = code_inputs(trained, images)
    if not len(values):
        raise NetworkError(f"network '{trained.name}': needs at least one image, by whose sums fraction bits are "
                           "chosen; given: none")
    network = Network(trained.name)
    network.input("input", trained.input_shape)
    source, threshold, layers = "input", trained.threshold, {}
    for layer in trained.layers:
        if layer.kind == "max_pool":
            network.pool_maximum(layer.name, layer.branch(source))
            values = pooled(layer, values)
        else:
            last = layer is trained.layers[-1]
            found = _fitted(layer, source, values, threshold, trained, config, last=last)
            layers[layer.name], threshold = found, layer.threshold
            values = _add(network, layer, found, source, values, config, last=last)
        source = layer.name
    network.output(source)
    return Converted(trained=trained, config=config, network=network, layers=layers)


def _listed(fields: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in fields.items())


def _branch(layer: TrainedLayer, found: IntegerLayer, source: str) -> Branch:
    """How codes reach a layer."""
    return replace(layer.branch(source), weights=found.codes, shift=found.product_shift, logarithmic=True)


def _add(
    network: Network, layer: TrainedLayer, found: IntegerLayer, source: str, values: IntArray, config: CoreConfig, *,
    last: bool,
) -> IntArray:
    """Add a layer to the network; returns its values."""
    alone = Network(layer.name)
    alone.input(source, values.shape[1:])
    branch, bias = _branch(layer, found, source), found.bias
    if last:
        reach = max(1, int(bias.max()) + found.sums[1], -int(bias.min()) - found.sums[0])
        ratio = Saturation.bounds(Saturation.FULL, config.value_bits)[1] / (HEADROOM * reach)
        multiplier, shift = requantization(np.array([min(1.0, ratio)]), config.multiplier_bits, config.shift_bits)
        network.add(layer.name, [branch], bias=bias, multiplier=multiplier, shift=shift, saturation=Saturation.FULL)
        return values
    thresholds = _thresholds(layer, found, config)
    for one in (network, alone):
        one.ttfs(layer.name, [branch], bias=bias, thresholds=thresholds)
    alone.output(layer.name)
    result: IntArray = fast.run(lower(alone), {source: values}, config)[layer.name].outputs.astype(np.int64)
    return result


def _thresholds(layer: TrainedLayer, found: IntegerLayer, config: CoreConfig) -> IntArray:
    return falling_thresholds(
        config, product_shift=found.product_shift, scale_log2=found.scale_log2,
        highest=Fraction(layer.threshold) / Fraction(found.source_threshold))


def _fitted(
    layer: TrainedLayer, source: str, values: IntArray, threshold: float, trained: Trained, config: CoreConfig, *,
    last: bool,
) -> IntegerLayer:
    """A layer with as many fraction bits as fit; the last one has no thresholds.

    Raises:
        RuleError: the fewest do not.
    """
    assert layer.weight is not None
    codes, largest = quantize(layer.weight, trained.levels)
    most = (1 << config.product_shift_bits - (config.product == "both")) - 1
    shift = 0
    while True:
        fraction = config.log_fraction_bits - shift
        with np.errstate(over="ignore"):  # infinity does not fit
            bias = np.rint(np.ldexp(layer.biases / threshold, fraction - largest))
            highest = 0.0 if last else float(np.ldexp(layer.threshold / threshold, fraction - largest))
        found = IntegerLayer(
            codes=codes, scale_log2=largest, product_shift=shift, fraction_bits=fraction, source_threshold=threshold,
            bias=np.clip(bias, -2.0 ** 62, 2.0 ** 62).astype(np.int64), sums=(0, 0))
        found = replace(found, sums=_sums(layer, found, source, values, config))
        numbers = (*(HEADROOM * end for end in found.sums), highest, float(bias.min()), float(bias.max()))
        if _holds(numbers, config, config):
            return found
        # Truncated products may add up to a little more than a whole fraction bit less would have: no bit is skipped.
        over = int(np.log2(min(max(map(abs, numbers)), np.finfo(float).max))) + 2 - config.state_bits
        if shift >= min(most, config.log_fraction_bits - 1):
            break
        shift = min(shift + max(1, over - 1), most, config.log_fraction_bits - 1)
    raise RuleError([Violation(
        layer=layer.name, rule="sums of spikes",
        needed=f"sums in [{found.sums[0]:,}, {found.sums[1]:,}] and {HEADROOM - 1:.0%} more, a threshold of "
               f"{_told(highest)}, and biases in [{_told(bias.min())}, {_told(bias.max())}], with "
               f"{fraction} fraction bits",
        available=f"states of {config.state_bits} bits, and product shifts up to {most}",
        help=either(searched(config, "log_fraction_bits", partial(_holds, numbers, config)),
                    searched(config, "state_bits", partial(_holds, numbers, config))))])


def _told(number: float) -> str:
    return f"{number:,.0f}" if abs(number) < 1e15 else f"{number:.3g}"


def _holds(numbers: tuple[float, ...], now: CoreConfig, config: CoreConfig) -> bool:
    """Whether a core's states hold numbers that are made with the fraction bits of another."""
    unit = 2.0 ** (config.log_fraction_bits - now.log_fraction_bits)
    return max(map(abs, numbers)) * unit < (1 << config.state_bits - 1) - 1


def _sums(layer: TrainedLayer, found: IntegerLayer, source: str, values: IntArray, config: CoreConfig) -> Pair:
    """Lowest and highest sum of the images, as if states had all bits."""
    alone = Network(layer.name)
    alone.input(source, values.shape[1:])
    alone.output(alone.add(layer.name, [_branch(layer, found, source)]))
    return fast.run(lower(alone), {source: values}, config)[layer.name].state_range


