"""What Lava computes of a network, by its equations in integers of 24 bits: to compare with, not to compile.

As lava's `PyLifModelBitAcc` (`lava/proc/lif/models.py`), without the timestep that Lava's layers are apart.
"""

from dataclasses import dataclass

import numpy as np

from golden.neuron.decay import decayed_array
from golden.types import IntArray
from synapress.mapper.importers.lava.layers import FRACTION_LOG2, LOIHI_BITS, LavaLayer, LavaNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class LavaRun:
    """What one layer does in a sequence."""

    spikes: IntArray
    """(timesteps, channels, columns, rows)"""
    currents: tuple[int, int]
    potentials: tuple[int, int]
    """Lowest and highest, in 1/2**6 of a weight."""


def run(network: LavaNetwork, frames: IntArray) -> dict[str, LavaRun]:
    """All layers of one sequence, by name; frames (timesteps, channels, columns, rows)."""
    found, given = {}, np.asarray(frames, np.int64)
    for layer in network.layers:
        found[layer.name] = _layer(layer, given)
        given = found[layer.name].spikes
    return found


def _layer(layer: LavaLayer, given: IntArray) -> LavaRun:
    neurons, most = layer.neurons, 1 << LOIHI_BITS - 1

    def column(values: IntArray) -> IntArray:
        return values.reshape(-1, 1, 1)

    bias, threshold = (column(values) << FRACTION_LOG2 for values in (layer.bias, neurons.threshold))
    current = potential = np.zeros(layer.shape, np.int64)
    spikes, lows, highs = [], [], []
    for sums in dendrites(layer, given):
        current = decayed_array(current, column(neurons.current_decay)) + (sums << FRACTION_LOG2)
        current = current - 2 * most * (current > most) + 2 * most * (current <= -most)
        potential = decayed_array(potential, column(neurons.potential_decay)) + current + bias
        potential = np.clip(potential, 1 - most, most - 1)
        lows.append((current.min(), potential.min()))
        highs.append((current.max(), potential.max()))
        fires = potential > threshold
        potential = np.where(fires, 0, potential)
        spikes.append(fires.astype(np.int64))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return LavaRun(spikes=np.array(spikes), currents=(int(low[0]), int(high[0])),
                   potentials=(int(low[1]), int(high[1])))


def dendrites(layer: LavaLayer, given: IntArray) -> IntArray:
    """What arrives of spikes, tap by tap: (timesteps, channels, columns, rows)."""
    left, top, right, bottom = layer.padding
    padded = np.pad(given, ((0, 0), (0, 0), (left, right), (top, bottom)))
    alone = layer.kind in ("input", "pool")
    weights = np.broadcast_to(layer.weights, (layer.shape[0], *layer.weights.shape[1:]))
    groups = layer.shape[0] if alone else layer.groups
    each = layer.shape[0] // groups
    total = np.zeros((len(given), *layer.shape), np.int64)
    (_, width, height), (across, down) = layer.shape, layer.stride
    for j in range(weights.shape[2]):
        for k in range(weights.shape[3]):
            x, y = j * layer.dilation[0], k * layer.dilation[1]
            seen = padded[:, :, x:x + (width - 1) * across + 1:across, y:y + (height - 1) * down + 1:down]
            parts = seen.reshape(len(given), groups, -1, width, height)
            taps = weights[:, :, j, k].reshape(groups, each, -1)
            total += np.einsum("gce,tgexy->tgcxy", taps, parts, optimize=True).reshape(total.shape)
    return total
