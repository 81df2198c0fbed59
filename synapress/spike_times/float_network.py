"""A trained network in real numbers: what its integer form is compared with.

φ_TTFS of Lew et al., arXiv 2208.04494 (abstract; the formula is that of T2FSNN's falling threshold): the value
θ0·2**(-t/τ) of the first time t at which x reaches it, t = 0..T-1, or 0. All values here are v = T - t, and 0 without
a spike, as those of events.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.network.dense import conv2d
from golden.types import Floats, IntArray
from synapress.mapper.importers.reference import convolve
from synapress.spike_times.trained import Trained, TrainedLayer, quantize, weights_of


def kernel(network: Trained, highest: float) -> Floats:
    """What the values 0 to T stand for, from a spike at time 0 of `highest` = θ0 down: 0, ..., θ0."""
    falling = highest * 2.0 ** (-np.arange(network.steps) / network.tau)
    return np.append(0.0, falling[::-1])


def spike_values(network: Trained, x: npt.ArrayLike, highest: float) -> IntArray:
    """Values of the first spikes of neurons that reach `x`, with `highest` = θ0.

    Raises:
        NetworkError: a number is not finite.
    """
    reached = np.asarray(x, np.float64)
    if not np.isfinite(reached).all():
        raise NetworkError(f"network '{network.name}': values to be coded by spikes must be finite: NaN or infinity "
                           "among them")
    return np.searchsorted(kernel(network, highest)[1:], reached, side="right").astype(np.int64)


def code_inputs(network: Trained, frames: npt.ArrayLike) -> IntArray:
    """What the host sends for frames (N, D, W, H) of real numbers, of which θ0 of the inputs is coded by time 0.

    Raises:
        NetworkError: a number is not finite, or the shape is another.
    """
    try:
        array = np.asarray(frames)
        real = array.dtype.kind in "biuf"
    except ValueError:  # lists of several lengths
        real = False
    if not real:
        raise NetworkError(f"network '{network.name}': frames must be arrays of real numbers")
    if array.ndim != 4 or array.shape[1:] != network.input_shape:
        raise NetworkError(f"network '{network.name}': needs frames (N, D, W, H) of {network.input_shape}; given: "
                           f"{array.shape}")
    return spike_values(network, array, network.threshold)


def pooled(layer: TrainedLayer, values: IntArray) -> IntArray:
    """The earliest spikes of windows."""
    depth = values.shape[1]
    return conv2d(values, np.ones((depth, 1, *layer.kernel), np.int64), stride=layer.stride, padding=layer.padding,
                  dilation=layer.dilation, groups=depth, maximum=True)


def potentials(
    network: Trained, layer: TrainedLayer, values: IntArray, source_threshold: float, *, quantized: bool = True
) -> Floats:
    """Sums of a layer with weights, (N, D_dst, W, H), of the values of its source.

    Args:
        source_threshold: θ0 of the source.
        quantized: by logarithmic weights, see `quantize`; else by those that were trained.
    """
    assert layer.weight is not None
    weights = weights_of(*quantize(layer.weight, network.levels), network.levels) if quantized else layer.weight
    sums = convolve(kernel(network, source_threshold)[values], weights, stride=layer.stride, padding=layer.padding[:2],
                    dilation=layer.dilation, groups=layer.groups, size=network.shapes[layer.name][1:])
    return sums + layer.biases[:, np.newaxis, np.newaxis]


@dataclass(frozen=True, kw_only=True)
class FloatValues:
    """What a network makes of a batch."""

    values: dict[str, IntArray]
    """Values of the spikes of "input" and of every layer but the last."""
    outputs: Floats
    """Sums of the last layer, (N, D, W, H)."""


def run(network: Trained, values: IntArray, *, quantized: bool = True) -> FloatValues:
    """All layers, of the values of the inputs (N, D, W, H)."""
    found, threshold = {"input": values}, network.threshold
    *hidden, last = network.layers
    for layer in hidden:
        if layer.kind == "max_pool":
            values = pooled(layer, values)
        else:
            sums = potentials(network, layer, values, threshold, quantized=quantized)
            threshold = layer.threshold
            values = spike_values(network, sums, threshold)
        found[layer.name] = values
    return FloatValues(values=found, outputs=potentials(network, last, values, threshold, quantized=quantized))
