"""Two layers of spiking neurons, forward and backward through time, of several networks side by side.

Equations of Schaefer et al., spytorch_precise.py: in each step a neuron fires if its potential is above the threshold;
its current fades by CURRENT and takes the weighted spikes; its potential fades by POTENTIAL, takes the current of the
step before and loses 1 if it fires. Current, potential and distance from the threshold are quantized. Backward, a spike
counts as the smooth function whose slope is 1 / (STEEP·distance + 1)² (Zenke and Ganguli, SuperSpike, 2018), what
firing takes from the potential is left out, an error passes a quantizer only where it has not clipped, and each
quantizer relates the errors of a step to the largest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.types import Array
from synapress.learning.quantizers import errors, limit, quantize, require_bits

CURRENT, POTENTIAL, THRESHOLD, STEEP = 0.75, 0.875, 0.9, 100.0


@dataclass(frozen=True)
class Precision:
    """Bits of states and errors; None: single precision, not quantized.

    Raises:
        ConfigError: on construction, a width that no quantizer has.
    """

    states: int | None = 8
    errors: int | None = 8

    def __post_init__(self) -> None:
        require_bits("states", self.states)
        require_bits("errors", self.errors)


@dataclass(frozen=True, eq=False)
class Layer:
    """What one layer did: spikes and distances from the threshold, and where the quantizers did not clip.

    All are (steps, runs, neurons); without quantizers the last three are empty.
    """

    spikes: Array
    distances: Array
    inside: tuple[Array, ...]
    """Of distance, current and potential."""


def layer_forward(drive: Array, precision: Precision) -> Layer:
    """The layer's spikes.

    Args:
        drive: weighted spikes that come in, (steps, runs, neurons).
    """
    bits, shape = precision.states, drive.shape
    spikes, distances = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inside = () if bits is None else tuple(np.zeros(shape, bool) for _ in range(3))
    current, potential = np.zeros(shape[1:], np.float32), np.zeros(shape[1:], np.float32)
    for step in range(shape[0]):
        given = (potential - np.float32(THRESHOLD),
                 np.float32(CURRENT) * current + drive[step], np.float32(POTENTIAL) * potential + current)
        if bits is None:
            distances[step] = given[0]
            spikes[step] = distances[step] > 0
            current, potential = given[1], given[2] - spikes[step]
            continue
        distances[step] = quantize(given[0], bits)
        spikes[step] = distances[step] > 0
        given = (*given[:2], given[2] - spikes[step])
        for kept, values in zip(inside, given, strict=True):
            kept[step] = np.abs(values) <= limit(bits)
        current, potential = quantize(given[1], bits), quantize(given[2], bits)
    return Layer(spikes=spikes, distances=distances, inside=inside)


def layer_backward(layer: Layer, wanted: Array, precision: Precision) -> Array:
    """The gradient by the layer's drive, from that by its spikes (both steps, runs, neurons).

    With quantized errors it is right up to a positive factor for each step.
    """
    def passed(error: Array, which: int, step: int) -> Array:
        through = errors(error, precision.errors)
        return through * layer.inside[which][step] if layer.inside else through

    slope = 1 / np.square(np.float32(STEEP) * np.abs(layer.distances) + 1)
    found = np.zeros_like(wanted)
    current, potential = np.zeros_like(wanted[0]), np.zeros_like(wanted[0])
    for step in reversed(range(len(wanted))):
        by_current, by_potential = passed(current, 1, step), passed(potential, 2, step)
        found[step] = by_current
        current = np.float32(CURRENT) * by_current + by_potential
        potential = np.float32(POTENTIAL) * by_potential + passed(wanted[step] * slope[step], 0, step)
    return found


def forward(inputs: Array, weights: Sequence[Sequence[Array]], precision: Precision) -> list[Layer]:
    """Both layers of each network.

    Args:
        inputs: (steps, neurons). weights: of each layer those of each run, (neurons, neurons behind).
    """
    given = inputs.astype(np.float32)
    first = layer_forward(np.stack([given @ run for run in weights[0]], axis=1), precision)
    spikes = np.ascontiguousarray(np.moveaxis(first.spikes, 1, 0))
    second = np.stack([one @ run for one, run in zip(spikes, weights[1], strict=True)], axis=1)
    return [first, layer_forward(second, precision)]


def backward(inputs: Array, weights: Sequence[Sequence[Array]], layers: Sequence[Layer], wanted: Array,
             precision: Precision) -> list[list[Array]]:
    """Gradients by the weights, of each layer those of each run.

    Args:
        wanted: gradient by the spikes of the last layer, (runs, steps, neurons).
    """
    given = inputs.astype(np.float32)
    second = np.moveaxis(layer_backward(layers[1], np.ascontiguousarray(np.moveaxis(wanted, 0, 1)), precision), 1, 0)
    second = errors(second, precision.errors, (1, 2))
    spikes = np.moveaxis(layers[0].spikes, 1, 0)
    hidden = np.stack([error @ run.T for error, run in zip(second, weights[1], strict=True)], axis=1)
    first = errors(np.moveaxis(layer_backward(layers[0], hidden, precision), 1, 0), precision.errors, (1, 2))
    return [[given.T @ error for error in first],
            [one.T @ error for one, error in zip(spikes, second, strict=True)]]
