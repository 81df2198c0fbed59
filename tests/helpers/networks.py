"""Random small networks, for whatever must hold for any network."""

from collections.abc import Mapping

import numpy as np

from golden.network.dense import Result
from golden.neuron.states import pack_states
from golden.words import Saturation
from synapress.mapper import Image, value_table
from synapress.mapper.network.network import Network

KINDS = ("conv", "conv", "depthwise", "grouped", "transposed", "max", "average", "dense", "add")
NEURONS = ("multiply", "multiply", "lif", "lif")
"""Kinds of layers that differ in how their states are evaluated."""


def random_network(
    rng: np.random.Generator, *, layers: int = 4, width: int = 8, depth: int = 10, neurons: bool = False
) -> Network:
    """A network of all layer kinds, branches and joins; of odd shapes, strides, pads and dilations.

    With `neurons` also products, slopes, tables and spiking layers, whose states stay from timestep to timestep.
    """
    network = Network(f"random-{rng.integers(1 << 30)}")
    names = [network.input("in", (int(rng.integers(1, 4)), int(rng.integers(3, width + 1)),
                                  int(rng.integers(3, width + 1))))]
    used: set[str] = set()
    for index in range(layers):
        source = names[-1] if rng.random() < 0.7 else str(rng.choice(names))
        name = _layer(rng, network, f"layer{index}", source, depth, neurons)
        used.update(branch.source for branch in network.layer(name).branches)
        names.append(name)
    for name in names[1:]:
        if name not in used or (rng.random() < 0.2 and len(network.outputs) < 2):
            network.output(name)
    return network


def _parameters(rng: np.random.Generator, depth: int, gain: float, neurons: bool = False) -> dict[str, object]:
    """Parameters that keep activations lively: about `gain` times the sum."""
    size = depth if rng.random() < 0.7 else 1
    shift = rng.integers(6, 14, size)
    parameters: dict[str, object] = {
        "bias": rng.integers(-60, 60, size), "shift": shift,
        "multiplier": np.maximum(1, (gain * (1 << shift) * rng.uniform(0.5, 1.5, size)).astype(int)),
        "saturation": int(rng.choice([Saturation.RELU, Saturation.RELU, Saturation.SIGNED, Saturation.FULL])),
    }
    if neurons and rng.random() < 0.4:
        slope = parameters["multiplier"] * rng.uniform(-1, 1, size) / 2  # type: ignore[operator]
        parameters["slope"] = np.clip(slope, -256, 255).astype(int)
    if neurons and rng.random() < 0.4:
        del parameters["saturation"]
        functions = (lambda v: 1 / (1 + np.exp(-v)), np.tanh, lambda v: v / (1 + np.exp(-v)))
        chosen = int(rng.integers(4))
        parameters["table"] = rng.integers(-256, 256, 512) if chosen == 3 else value_table(
            functions[chosen], scale=1 / 64, result_scale=1 / (255 if chosen == 0 else 127), low=-128)
    return parameters


def _range(network: Network, name: str) -> tuple[int, int]:
    """Lowest and highest value of a layer."""
    layer = network.layer(name)
    if layer.table is not None:
        return int(layer.table.min()), int(layer.table.max())
    return (0, 1) if layer.kind == "lif" else Saturation.bounds(layer.saturation, 9)


def _operand(network: Network, name: str) -> bool:
    """Whether a layer's values fit 8 bits, signed or not."""
    low, high = _range(network, name)
    return (low >= 0 and high < 256) or (low >= -128 and high < 128)


def _layer(
    rng: np.random.Generator, network: Network, name: str, source: str, depth: int, neurons: bool = False
) -> str:
    channels, width, height = network.shape(source)
    kind = rng.choice([*KINDS, *(NEURONS if neurons else ())])
    if kind == "max" and _range(network, source)[0] < 0:
        kind = "conv"
    if kind == "multiply" and not _operand(network, source):
        kind = "conv"
    if kind == "multiply":
        return _multiply(rng, network, name, source)
    if kind == "transposed" and max(width, height) > 6:
        kind = "conv"  # it must still fit a small core

    def kernel(size: int, dilation: int, pad: tuple[int, int]) -> int:
        room = (size + pad[0] + pad[1] - 1) // dilation + 1
        return int(rng.integers(1, min(5, room) + 1))

    pads = [int(pad) for pad in rng.integers(0, 3, 4)]
    stride, dilation = int(rng.choice([1, 1, 2, 4])), 1
    if stride == 1:
        dilation = int(rng.choice([1, 1, 2]))
    taps = (kernel(width, dilation, (pads[0], pads[2])), kernel(height, dilation, (pads[1], pads[3])))
    where = {"stride": stride, "padding": pads, "dilation": dilation}
    if kind in ("max", "average"):
        size = (min(taps[0], width), min(taps[1], height))
        pads = [min(pad, size[i % 2] - 1) for i, pad in enumerate(pads)]
        pool = network.max_pool if kind == "max" else network.average_pool
        return pool(name, source, size, stride=stride, padding=pads)
    if kind == "dense":
        count = int(rng.integers(1, depth))
        return network.dense(name, source, rng.integers(-20, 20, (count, channels * width * height)),
                             **_parameters(rng, count, 0.02, neurons))
    if kind == "transposed":
        count, scale = int(rng.integers(1, depth // 2)), int(rng.choice([1, 2]))
        taps = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        return network.transposed_conv(name, source, rng.integers(-128, 128, (count, channels, *taps)), stride=scale,
                                       product_shift=int(rng.integers(0, 3)), **_parameters(rng, count, 0.01, neurons))
    if kind == "lif":
        count = int(rng.integers(1, depth))
        branches = [network.branch(source, rng.integers(-60, 100, (count, channels, *taps)), **where)]
        size, leak = count if rng.random() < 0.5 else 1, int(rng.integers(5))
        return network.lif(
            name, branches, threshold=rng.integers(1, 250, size) if rng.random() < 0.5 else rng.integers(1, 9, size),
            bias=rng.integers(-20, 21, size), reset=str(rng.choice(["subtract", "zero"])),
            multiplier=1 if leak == 0 else rng.integers(100, 256, size), shift=0 if leak == 0 else 8,
            initial=rng.integers(-300, 300, count) if rng.random() < 0.5 else None)
    if kind == "depthwise":
        return network.depthwise(name, source, rng.integers(-128, 128, (channels, *taps)), **where,
                                 **_parameters(rng, channels, 0.02, neurons))
    if kind == "add":
        shape = network.shape(source)
        others = [other for other in network.layers if other != source and network.shape(other) == shape]
        sources: list = [source, *others[:1]]
        weights = rng.integers(-20, 20, (channels, channels, 1, 1))
        if rng.random() < 0.5:
            sources.append(network.branch(source, weights))
        return network.add(name, sources, **_parameters(rng, channels, 0.2, neurons))
    groups = 1
    if kind == "grouped":
        groups = int(rng.choice([divisor for divisor in range(1, channels + 1) if channels % divisor == 0]))
    count = groups * int(rng.integers(1, max(2, depth // groups + 1)))
    return network.conv(name, source, rng.integers(-128, 128, (count, channels // groups, *taps)), groups=groups,
                        **where, **_parameters(rng, count, 0.01, neurons))


def _multiply(rng: np.random.Generator, network: Network, name: str, source: str) -> str:
    """With any layer that it can be multiplied with, itself included, or as a gate computed of it."""
    channels = network.shape(source)[0]
    parameters = _parameters(rng, channels, float(rng.choice([0.02, 0.005])), True)
    weights = rng.integers(-60, 60, (channels, channels, 1, 1))
    if rng.random() < 0.4:
        signed = network.conv(f"{name} signed", source, weights, shift=8, saturation=Saturation.SIGNED)
        return network.multiply(name, signed, str(rng.choice([signed, signed, source])), **parameters)
    if rng.random() < 0.5:
        pooled = network.global_pool(f"{name} pool", source)
        gate = network.conv(f"{name} gate", pooled, weights, shift=6, table=value_table(
            lambda v: 1 / (1 + np.exp(-v)), scale=1 / 64, result_scale=1 / 255))
        return network.multiply(name, *map(str, rng.permutation([source, gate])), **parameters)
    shape = network.shape(source)
    others = [other for other in network.layers if _operand(network, other)
              and network.shape(other) in (shape, (channels, 1, 1))]
    return network.multiply(name, source, str(rng.choice(others)), **parameters)


def memory_after(image: Image, results: Mapping[str, Result]) -> np.ndarray:
    """The words of an image as they must be after a timestep of which `golden.network.dense` gave `results`."""
    config, parts = image.config, image.parts.copy()
    for entry in image.manifest["population_table"]:
        (depth, width, height), words = entry["shape"], entry["depth_words"]
        c, x, y = entry.get("origin", (0, 0, 0))
        kept = np.zeros((words * config.lanes, width, height), np.int64)
        kept[:depth] = results[entry.get("parent", entry["name"])].kept[c:c + depth, x:x + width, y:y + height]
        states = kept.reshape(words, config.lanes, width, height).transpose(2, 3, 0, 1)
        place = np.arange(width)[:, None, None] * entry["x_stride"] + np.arange(height)[:, None] * entry["y_stride"]
        address = entry["state_base"] + place + np.arange(words)
        parts[address] = pack_states(states, config).reshape(*address.shape, -1)
    return parts


def random_input(
    rng: np.random.Generator, network: Network, density: float = 0.4, largest: int = 255
) -> dict[str, np.ndarray]:
    """One frame for each input, with silent neurons in between."""
    return {name: (rng.integers(0, largest + 1, network.shape(name)) * (rng.random(network.shape(name)) < density))
            for name in network.inputs}
