"""The trained network in floating point, in numpy only, so that nobody needs PyTorch to check it.

``python -m synapress.zoo.digits.float_model`` prints its accuracy on the 1,000 test images.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synapress.zoo.digits.data import feature_maps, load_digits

NETWORK_FILE = Path(__file__).with_name("digits.npz")
BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Network:
    """What ``digits.npz`` holds: its arrays by name, and its metadata."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]


def load_network(path: Path = NETWORK_FILE) -> Network:
    """Read the trained network."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(arrays.pop("meta").item())
    return Network(arrays=arrays, meta=meta)


def convolve(
    maps: NDArray[Any], weight: NDArray[Any], *, stride: int, padding: int, groups: int
) -> NDArray[Any]:
    """Cross-correlate maps ``[n, c, x, y]`` with a kernel ``[c_out, c_in / groups, j, k]``."""
    maps = np.pad(maps, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    count, channels, width, height = maps.shape
    out_channels, per_group, kw, kh = weight.shape
    out_w, out_h = (width - kw) // stride + 1, (height - kh) // stride + 1
    grouped = weight.reshape(groups, out_channels // groups, per_group, kw, kh)
    result = np.zeros((count, groups, out_channels // groups, out_w * out_h), dtype=maps.dtype)
    for j in range(kw):
        for k in range(kh):
            tap = maps[:, :, j : j + stride * out_w : stride, k : k + stride * out_h : stride]
            tap = tap.reshape(count, groups, channels // groups, out_w * out_h)
            if per_group == 1:
                result += grouped[:, :, 0, j, k, None] * tap
            else:
                result += grouped[:, :, :, j, k] @ tap
    return result.reshape(count, out_channels, out_w, out_h)


def max_pool(maps: NDArray[Any], *, size: int, stride: int) -> NDArray[Any]:
    """Take the maximum of each ``size`` x ``size`` window, without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(maps, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].max(axis=(-2, -1))


def forward(network: Network, maps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits ``[n, 10]`` of feature maps ``[n, 1, x, y]`` of pixels 0..255."""
    logits = []
    for first in range(0, len(maps), BATCH):
        *_, (_, values) = layer_values(network, maps[first : first + BATCH])
        logits.append(values.reshape(len(values), -1))
    return np.concatenate(logits)


def layer_values(
    network: Network, maps: NDArray[np.uint8]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the name and the values ``[n, c, x, y]`` of each layer, in order."""
    values: NDArray[np.float32] = maps.astype(np.float32) / np.float32(255)
    for name, layer in network.meta["layers"].items():
        if layer["kind"] == "max_pool":
            values = max_pool(values, size=layer["kernel"][0], stride=layer["stride"])
        else:
            weight = network.arrays[f"float_{name}_weight"]
            geometry = {key: layer[key] for key in ("stride", "padding", "groups")}
            values = convolve(values, weight, **geometry)
            values += network.arrays[f"float_{name}_bias"][:, None, None]
            if layer["saturation"] == "relu":
                values = np.maximum(values, 0)
        yield name, values


def accuracy(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the share of the rows whose largest entry is the label's (first of equals)."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def main() -> None:
    """Print the accuracy on the test images."""
    digits = load_digits()
    logits = forward(load_network(), feature_maps(digits.test_images))
    share = accuracy(logits, digits.test_labels)
    print(f"float, {len(logits)} test images: {share:.2%}")


if __name__ == "__main__":
    main()
