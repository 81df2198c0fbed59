"""Random small networks, for whatever must hold for any network."""

import numpy as np

from golden.words import Saturation
from mapper.network import Network


def random_network(rng: np.random.Generator, *, layers: int = 4, width: int = 8, depth: int = 10) -> Network:
    """A network of all layer kinds, branches and joins; of odd shapes, strides, pads and dilations."""
    network = Network(f"random-{rng.integers(1 << 30)}")
    names = [network.input("in", (int(rng.integers(1, 4)), int(rng.integers(3, width + 1)),
                                  int(rng.integers(3, width + 1))))]
    used: set[str] = set()
    for index in range(layers):
        source = names[-1] if rng.random() < 0.7 else str(rng.choice(names))
        name = _layer(rng, network, f"layer{index}", source, depth)
        used.update(branch.source for branch in network.layer(name).branches)
        names.append(name)
    for name in names[1:]:
        if name not in used or (rng.random() < 0.2 and len(network.outputs) < 2):
            network.output(name)
    return network


def _parameters(rng: np.random.Generator, depth: int, gain: float) -> dict[str, object]:
    """Parameters that keep activations lively: about `gain` times the sum."""
    size = depth if rng.random() < 0.7 else 1
    shift = rng.integers(6, 14, size)
    return {
        "bias": rng.integers(-60, 60, size), "shift": shift,
        "multiplier": np.maximum(1, (gain * (1 << shift) * rng.uniform(0.5, 1.5, size)).astype(int)),
        "saturation": int(rng.choice([Saturation.RELU, Saturation.RELU, Saturation.SIGNED, Saturation.FULL])),
    }


def _layer(rng: np.random.Generator, network: Network, name: str, source: str, depth: int) -> str:
    channels, width, height = network.shape(source)
    kind = rng.choice(["conv", "conv", "depthwise", "grouped", "transposed", "max", "average", "dense", "add"])
    if kind == "max" and network.layer(source).saturation != Saturation.RELU:
        kind = "conv"
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
                             **_parameters(rng, count, 0.02))
    if kind == "transposed":
        count, scale = int(rng.integers(1, depth // 2)), int(rng.choice([1, 2]))
        taps = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        return network.transposed_conv(name, source, rng.integers(-128, 128, (count, channels, *taps)), stride=scale,
                                       product_shift=int(rng.integers(0, 3)), **_parameters(rng, count, 0.01))
    if kind == "depthwise":
        return network.depthwise(name, source, rng.integers(-128, 128, (channels, *taps)), **where,
                                 **_parameters(rng, channels, 0.02))
    if kind == "add":
        shape = network.shape(source)
        others = [other for other in network.layers if other != source and network.shape(other) == shape]
        sources: list = [source, *others[:1]]
        weights = rng.integers(-20, 20, (channels, channels, 1, 1))
        if rng.random() < 0.5:
            sources.append(network.branch(source, weights))
        return network.add(name, sources, **_parameters(rng, channels, 0.2))
    groups = 1
    if kind == "grouped":
        groups = int(rng.choice([divisor for divisor in range(1, channels + 1) if channels % divisor == 0]))
    count = groups * int(rng.integers(1, max(2, depth // groups + 1)))
    return network.conv(name, source, rng.integers(-128, 128, (count, channels // groups, *taps)), groups=groups,
                        **where, **_parameters(rng, count, 0.01))


def random_input(rng: np.random.Generator, network: Network, density: float = 0.4) -> dict[str, np.ndarray]:
    """One frame for each input, with silent neurons in between."""
    return {name: (rng.integers(0, 256, network.shape(name)) * (rng.random(network.shape(name)) < density))
            for name in network.inputs}
