"""The layers of the digits network, and their quantization to integers; numpy only.

`examples.train_digits` calls it after the training. Feature maps are (channel, x, y) and kernels
``[c_out, c_in / groups, j, k]`` with j along x and k along y. The levels and the headroom are round numbers, whose test
accuracy was seen: 98.8 to 99.0 % for any number of levels from 31 to 200.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synapress.zoo.digits.data import INPUT_LEVELS, quantize_input
from synapress.zoo.digits.float_model import BATCH, Network, convolve, max_pool

Arrays = dict[str, NDArray[Any]]

LEVELS = {"conv1": 63, "depthwise": 63, "conv2": 63, "dense": 200}
"""The integer that stands for the largest magnitude a layer reaches on the training images."""
HEADROOM = 2  # what the state holds, over the largest sum of the training images
WEIGHT_LIMIT = 127
SMALLEST_SCALE = 1e-9  # of a channel without weights
STATE_LOW, STATE_HIGH = -(1 << 15), (1 << 15) - 1
BIAS_HIGH = (1 << 15) - 1
MULTIPLIER_HIGH = (1 << 16) - 1
SHIFT_HIGH = 31
SATURATION = {"relu": (0, 255), "linear": (-256, 255)}


def _layer(kind: str, size: int, stride: int, padding: int, groups: int, saturation: str) -> dict:
    return {
        "kind": kind,
        "kernel": [size, size],
        "stride": stride,
        "padding": padding,
        "groups": groups,
        "saturation": saturation,
    }


CHANNELS = {"conv1": 16, "depthwise": 16, "conv2": 48, "pool": 48, "dense": 10}
LAYERS = {
    "conv1": _layer("conv", 5, 2, 2, 1, "relu"),
    "depthwise": _layer("depthwise", 3, 1, 1, CHANNELS["conv1"], "relu"),
    "conv2": _layer("conv", 3, 2, 1, 1, "relu"),
    "pool": _layer("max_pool", 2, 2, 0, CHANNELS["conv2"], "relu"),
    "dense": _layer("dense", 3, 1, 0, 1, "linear"),
}


def wrap(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums as a 16-bit two's complement accumulator holds them."""
    return ((sums - STATE_LOW) & 0xFFFF) + STATE_LOW


def evaluate(states: NDArray[np.int64], arrays: Arrays, name: str, saturation: str) -> Any:
    """Requantize states ``[..., c, x, y]``: ``sat(round((state + bias) * m / 2**s))``, half to even."""
    bias, multiplier, shift = (
        arrays[f"{name}_{key}"].astype(np.int64)[:, None, None]
        for key in ("bias", "multiplier", "shift")
    )
    exact = (states + bias) * multiplier / 2.0**shift  # 17 and 16 bits: float64 has it all
    return np.clip(np.rint(exact).astype(np.int64), *SATURATION[saturation])


def integer_forward(
    network: Network, maps: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], dict[str, dict[str, Any]]]:
    """Return the logits ``[n, 10]``, and per layer what was seen on the way.

    That is: the range of the sums, before any wrap, the range of the values, and the density
    (share of values that are not 0, so the events per neuron).
    """
    logits = []
    seen: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
    for first in range(0, len(maps), BATCH):
        values = quantize_input(maps[first : first + BATCH])
        seen.setdefault("input", []).append((values, values))
        for name, layer in network.meta["layers"].items():
            if layer["kind"] == "max_pool":
                sums = max_pool(values, size=layer["kernel"][0], stride=layer["stride"])
            else:
                sums = layer_sums(values, network.arrays[f"{name}_weights"], layer).astype(np.int64)
            values = evaluate(wrap(sums), network.arrays, name, layer["saturation"])
            seen.setdefault(name, []).append((sums, values))
        logits.append(values.reshape(len(values), -1))
    return np.concatenate(logits), {name: _summary(parts) for name, parts in seen.items()}


def _summary(parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> dict[str, Any]:
    nonzero = sum(np.count_nonzero(values) for _, values in parts)
    return {
        "measured_sums": [min(int(s.min()) for s, _ in parts), max(int(s.max()) for s, _ in parts)],
        "measured_values": [
            min(int(v.min()) for _, v in parts),
            max(int(v.max()) for _, v in parts),
        ],
        "density": round(nonzero / sum(values.size for _, values in parts), 4),
    }


def quantize_weights(
    weight: NDArray[np.float64], bias: NDArray[np.float64], peaks: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.int16], NDArray[np.float64]]:
    """Quantize one layer's weights per output channel, as finely as 8 bits and the state allow.

    ``weight`` is per integer step of the input, ``peaks`` the largest magnitude of a sum in each
    channel, both in real numbers. Returns weights, biases and the real value of one integer step.
    """
    flat = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    limits = (flat / WEIGHT_LIMIT, peaks * HEADROOM / STATE_HIGH, np.abs(bias) / BIAS_HIGH)
    scales = np.maximum(np.maximum.reduce(limits), SMALLEST_SCALE)
    weights = np.rint(weight / scales[:, None, None, None]).astype(np.int8)
    return weights, np.rint(bias / scales).astype(np.int16), scales


def fixed_point(ratios: NDArray[np.float64]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Return multipliers and shifts with ``multiplier / 2^shift`` nearest to each ratio."""
    shifts = [
        min(SHIFT_HIGH, max(s for s in range(64) if round(ratio * 2**s) <= MULTIPLIER_HIGH))
        for ratio in ratios.tolist()
    ]
    multipliers = [round(ratio * 2**s) for ratio, s in zip(ratios.tolist(), shifts, strict=True)]
    if min(multipliers) < 1:
        raise ValueError(f"a ratio of {min(ratios)} has no multiplier with a shift of {SHIFT_HIGH}")
    return np.array(multipliers, dtype=np.uint16), np.array(shifts, dtype=np.uint8)


def quantize(floats: Arrays, maps: NDArray[np.uint8]) -> Arrays:
    """Quantize all layers, calibrated on training maps, layer by layer on the integers before it.

    Before rounding, the sums of the training images stay within 1 / HEADROOM of what the state holds.
    """
    arrays: Arrays = {}
    values, steps = quantize_input(maps), np.full(1, 1 / INPUT_LEVELS)
    for name, layer in LAYERS.items():
        if layer["kind"] == "max_pool":
            count = CHANNELS[name]
            arrays[f"{name}_weights"] = np.ones((count, 1, *layer["kernel"]), dtype=np.int8)
            arrays[f"{name}_bias"] = np.zeros(count, dtype=np.int16)
            arrays[f"{name}_multiplier"] = np.ones(count, dtype=np.uint16)
            arrays[f"{name}_shift"] = np.zeros(count, dtype=np.uint8)
            values = max_pool(values, size=layer["kernel"][0], stride=layer["stride"])
            continue
        grid = steps[:, None, None]  # of the input channels
        weight = floats[f"float_{name}_weight"] * (grid if layer["groups"] == 1 else grid[:, None])
        bias = floats[f"float_{name}_bias"].astype(np.float64)
        sums = layer_sums(values, weight, layer)
        weights, integer_bias, scales = quantize_weights(weight, bias, np.abs(sums).max(axis=(0, 2, 3)))
        biased = sums + bias[:, None, None]
        if layer["saturation"] == "linear":  # channels are compared with each other: one step
            steps = np.full(CHANNELS[name], np.abs(biased).max() / LEVELS[name])
        else:
            # A channel that is (nearly) always silent is not resolved any finer than the others.
            largest = biased.max(axis=(0, 2, 3))
            steps = np.maximum(largest, largest.max() / 100) / LEVELS[name]
        multiplier, shift = fixed_point(scales / steps)
        arrays[f"{name}_weights"], arrays[f"{name}_bias"] = weights, integer_bias
        arrays[f"{name}_multiplier"], arrays[f"{name}_shift"] = multiplier, shift
        integers = layer_sums(values, weights, layer).astype(np.int64)
        values = evaluate(wrap(integers), arrays, name, layer["saturation"])
    return arrays


def layer_sums(values: NDArray[Any], weights: NDArray[Any], layer: dict[str, Any]) -> NDArray[np.float64]:
    """Sums of one layer, in float64 for its fast matrix product; exact for integers, far below 2^53."""
    geometry = {key: layer[key] for key in ("stride", "padding", "groups")}
    return convolve(values.astype(np.float64), weights.astype(np.float64), **geometry)
