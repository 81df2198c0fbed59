"""Where spikes of the integer network and of the real-valued one differ, and whether rounding explains it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.network import fast
from golden.types import Floats, IntArray, Shape
from synapress.mapper.importers.reference import convolve
from synapress.mapper.network.populations import lower
from synapress.spike_times import float_network
from synapress.spike_times.convert import Converted, IntegerLayer
from synapress.spike_times.trained import TrainedLayer


@dataclass(frozen=True, kw_only=True)
class LayerAgreement:
    """One layer that spikes, over a batch."""

    layer: str
    fraction_bits: int
    neurons: int
    """Of all frames."""
    alone: int
    """Neurons whose spikes differ where the real-valued layer, with quantized weights, gets the integer network's
    spikes."""
    whole: int
    """Neurons whose spikes differ where it gets those of the real-valued layer before."""
    unexplained: int
    """Of `alone`: where |V - θ| is not below the bound of rounding, for each threshold θ between the two spikes."""
    nearest: float
    """The largest |V - θ| of `alone`, of the bound of rounding."""


def integer_values(converted: Converted, values: IntArray) -> dict[str, IntArray]:
    """Values of every layer of the integer network, without events, by products of matrices."""
    results = fast.run(lower(converted.network), {"input": values}, converted.config)
    return {name: result.outputs.astype(np.int64) for name, result in results.items()}


def agreement(converted: Converted, frames: npt.ArrayLike) -> list[LayerAgreement]:
    """Compare all layers that spike, in order, on frames (N, D, W, H) of real numbers.

    Raises:
        NetworkError: the frames are not the network's.
    """
    trained = converted.trained
    values = float_network.code_inputs(trained, frames)
    integers = integer_values(converted, values)
    reals = float_network.run(trained, values).values
    found, source = [], "input"
    for layer in trained.layers[:-1]:
        if layer.kind != "max_pool":
            found.append(_compared(converted, layer, integers[source], integers[layer.name], reals[layer.name]))
        source = layer.name
    return found


def _compared(
    converted: Converted, layer: TrainedLayer, given: IntArray, spikes: IntArray, real: IntArray
) -> LayerAgreement:
    trained, ours = converted.trained, converted.layers[layer.name]
    sums = float_network.potentials(trained, layer, given, ours.source_threshold)
    alone = float_network.spike_values(trained, sums, layer.threshold)
    differs = alone != spikes
    # The sum crosses each threshold between the two spikes: the furthest is the later one's next, or the earlier one's.
    thresholds = float_network.kernel(trained, layer.threshold)
    furthest = thresholds[np.where(spikes > alone, spikes, np.minimum(spikes + 1, trained.steps))]
    share = (np.abs(sums - furthest) / _bound(ours, layer, given, trained.shapes[layer.name]))[differs]
    return LayerAgreement(
        layer=layer.name, fraction_bits=ours.fraction_bits, neurons=spikes.size, alone=int(differs.sum()),
        whole=int((real != spikes).sum()), unexplained=int((share >= 1).sum()), nearest=float(share.max(initial=0)))


def _bound(ours: IntegerLayer, layer: TrainedLayer, given: IntArray, shape: Shape) -> Floats:
    """How far a sum in integers may be from the real one: less than 1 for each product, and 1/2 for the bias.

    A power is rounded by 1/2 at most, and what it is shifted by is truncated: 1/2 where it is not shifted, else less
    than 1. With n such products the integer V is less than n + 1/2 away; a threshold is rounded up, which changes no
    comparison of integers.
    """
    met = convolve((given > 0).astype(np.float64), (ours.codes > 0).astype(np.float64), stride=layer.stride,
                   padding=layer.padding[:2], dilation=layer.dilation, groups=layer.groups, size=shape[1:])
    bound: Floats = (met + 0.5) * ours.source_threshold * 2.0 ** (ours.scale_log2 - ours.fraction_bits)
    return bound
