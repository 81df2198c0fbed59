"""Files as lava-dl exports them, of random networks, and what Loihi makes of them by its equations in floats.

Maps are (channels, rows, columns) here, as in the files. Sums come from a matrix with a row for each neuron, which is
filled tap by tap.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from golden.types import IntArray

Layer = dict[str, Any]
"""The data sets of a layer by name, those of its neurons under "neuron"."""


def neurons(**changed: Any) -> Layer:
    return {"type": "CUBA", "iDecay": 1024, "vDecay": 512, "vThMant": 20, "refDelay": 1, "gradedSpike": False} | changed


def write(path: Path, layers: list[Layer]) -> Path:
    """A file of layers, with the types that lava-dl writes."""
    with h5py.File(path, "w") as file:
        file.create_dataset("simulation/Ts", data=1)
        for number, layer in enumerate(layers):
            for key, value in layer.items():
                if key == "type":
                    file.create_dataset(f"layer/{number}/type", (1,), "S10", [value.encode()])
                elif key == "neuron":
                    for name, content in value.items():
                        file.create_dataset(f"layer/{number}/neuron/{name}", data=content)
                else:
                    content = np.asarray(value, np.float32) if key in ("weight", "bias") else value
                    file.create_dataset(f"layer/{number}/{key}", data=content)
    return path


def random_layers(rng: np.random.Generator) -> list[Layer]:
    """An input, perhaps with neurons, two convolutions with a pool between them, and two dense layers."""
    def some(currents: int) -> Layer:
        return neurons(iDecay=int(rng.choice([currents, 4096])), vDecay=int(rng.integers(256, 3000)),
                       vThMant=int(rng.integers(12, 40)))

    height, width = (int(size) for size in rng.integers(11, 15, 2))
    layers: list[Layer] = [{"type": "input", "shape": [2, height, width]}]
    if rng.random() < 0.5:
        layers[0] |= {"neuron": some(4096) | {"type": "LOIHI", "wgtExp": 0}, "weight": [[30.]], "bias": [[4.]]}
    shape = [2, height, width]

    def reduced(kernel: list[int], stride: list[int], padding: list[int], dilation: list[int]) -> list[int]:
        return [(size + 2 * pad - (taps - 1) * apart - 1) // step + 1 for size, taps, step, pad, apart
                in zip(shape[1:], kernel, stride, padding, dilation, strict=True)]

    groups = int(rng.integers(1, 3))
    geometry = [3, 2], [int(rng.integers(1, 3))] * 2, [1, 0], [1, 1]
    shape = [4, *reduced(*geometry)]
    weights = rng.integers(-14, 20, (4, 2 // groups, 3, 2, 1))
    decays = {"iDecay": rng.integers(500, 4000, 4), "vDecay": rng.integers(300, 4096, 4)} if rng.random() < 0.5 else {}
    layers.append({"type": "conv", "shape": shape, "inChannels": 2, "outChannels": 4, "groups": groups,
                   "weight": weights, "bias": rng.integers(-3, 8, 4), "neuron": some(2000) | decays,
                   **dict(zip(("kernelSize", "stride", "padding", "dilation"), geometry, strict=True))})
    shape = [4, *(-(-size // 2) for size in shape[1:])]
    layers.append({"type": "pool", "shape": shape, "kernelSize": [2, 2], "stride": [2, 2], "padding": [0, 0],
                   "dilation": [1, 1], "weight": np.full((1, 1, 2, 2, 1), 18.), "neuron": some(4096) | {"vThMant": 10}})
    geometry = [2, 2], [1, 1], [0, 0], [1, int(rng.integers(1, 3))]
    shape = [5, *reduced(*geometry)]
    layers.append({"type": "conv", "shape": shape, "groups": 1, "weight": rng.integers(-110, 110, (5, 4, 2, 2, 1)) * 2,
                   "neuron": some(4096) | {"vThMant": 100},
                   **dict(zip(("kernelSize", "stride", "padding", "dilation"), geometry, strict=True))})
    layers.append({"type": "flatten", "shape": [int(np.prod(shape)), 1, 1]})
    for before, after in ((int(np.prod(shape)), 9), (9, 6)):
        layers.append({"type": "dense", "shape": [after, 1, 1], "inFeatures": before, "outFeatures": after,
                       "weight": rng.integers(-7, 9, (after, before)), "neuron": some(2500),
                       "delay": np.zeros(after)})
    return layers


def inputs(rng: np.random.Generator, layers: list[Layer], timesteps: int) -> IntArray:
    """Frames (timesteps, channels, rows, columns): spikes, or what input neurons get."""
    shape = timesteps, *layers[0]["shape"]
    return rng.integers(-6, 30, shape) if "neuron" in layers[0] else (rng.random(shape) < 0.3).astype(np.int64)


def loihi(layers: list[Layer], frames: IntArray) -> list[IntArray]:
    """The spikes of all layers that have neurons: (timesteps, channels, rows, columns), of dense ones (…, 1, 1)."""
    found, given = [], frames
    for layer in layers:
        if "neuron" not in layer:
            continue
        shape = tuple(layer["shape"])
        matrix = _matrix(layer, given.shape[1:], shape)
        given = _fired(layer, (given.reshape(len(given), -1) @ matrix.T).reshape(-1, *shape))
        found.append(given)
    return found


def _matrix(layer: Layer, source: tuple[int, ...], shape: tuple[int, ...]) -> IntArray:
    if layer["type"] == "input":
        return np.eye(int(np.prod(shape)), dtype=np.int64)
    if layer["type"] == "dense":
        return np.asarray(layer["weight"], np.int64)
    weights = np.asarray(layer["weight"], np.int64)[..., 0]
    pool, matrix = layer["type"] == "pool", np.zeros((*shape, *source), np.int64)
    each = shape[0] // layer.get("groups", 1)
    for c, y, x in np.ndindex(shape):
        for i, j, k in np.ndindex(weights.shape[1:]):
            row = y * layer["stride"][0] - layer["padding"][0] + j * layer["dilation"][0]
            column = x * layer["stride"][1] - layer["padding"][1] + k * layer["dilation"][1]
            channel = c if pool else c // each * weights.shape[1] + i
            if 0 <= row < source[1] and 0 <= column < source[2]:
                matrix[c, y, x, channel, row, column] += weights[0 if pool else c, i, j, k]
    return matrix.reshape(int(np.prod(shape)), -1)


def _fired(layer: Layer, sums: IntArray) -> IntArray:
    neuron = layer["neuron"]

    def column(value: Any) -> Any:
        return np.asarray(value, float).reshape(-1, 1, 1)

    bias = 64 * column(0 if layer["type"] == "input" else layer.get("bias", 0))
    u = v = np.zeros(sums.shape[1:])
    spikes = []
    for each in sums:
        u = np.fix(u * (4096 - column(neuron["iDecay"])) / 4096) + 64 * each
        v = np.fix(v * (4096 - column(neuron["vDecay"])) / 4096) + u + bias
        fires = v > 64 * column(neuron["vThMant"])
        v = np.where(fires, 0, v)
        spikes.append(fires.astype(np.int64))
    return np.array(spikes)
