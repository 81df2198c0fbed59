"""Small networks of one layer of every kind, and the configurations they are mapped to."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.words import Saturation
from synapress.mapper.network.network import Network

CONFIGS = {
    "grai_vip": CoreConfig(),
    "fpga_small": CoreConfig.preset("fpga_small"),
    "lanes8": CoreConfig(name="lanes8", lanes=8),
    "state32": CoreConfig(name="state32", lanes=2, state_bits=32),
    "kernel4": CoreConfig(
        name="kernel4", kernel_bits=2, weight_stride_bits=7, edge_bits=8, address_bits=14,
        coordinate_bits=6, incoming_bits=7, axon_count_bits=7),
}
"""`kernel4` has kernels of 4 × 4 and tiny strides between the weights of two channels, so that nearly every kernel is
split."""


def configs() -> st.SearchStrategy[CoreConfig]:
    return st.sampled_from(list(CONFIGS.values()))


def random_weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape)


@st.composite
def networks(draw, size: int = 8, depth: int = 9, kernel: int = 6) -> Network:
    """An input, perhaps a layer to be read as well, and one layer of a drawn kind into which up to three edges lead."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    number = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    network = Network("net")
    last = network.input("in", (number(1, depth), number(1, size), number(1, size)))
    if draw(st.booleans()):
        last = network.conv("first", last, random_weights(rng, number(1, depth), network.shape("in")[0], 1, 1), shift=7)
    channels, width, height = network.shape(last)
    kind = draw(st.sampled_from(["conv", "grouped", "depthwise", "multiplied", "transposed", "max", "average", "global",
                                 "dense", "add", "product", "lif"]))
    stride = draw(st.sampled_from([1, 1, 2, 4, 8]))
    dilation = (draw(st.sampled_from([1, 1, 2, 3, 4])), draw(st.sampled_from([1, 2])))
    taps = (number(1, kernel), number(1, kernel))
    pad = [number(0, 3) for _ in range(4)]
    for axis in (0, 1):  # enough padding for at least one position
        extent = (taps[axis] - 1) * dilation[axis] + 1
        pad[axis] += max(0, extent - (width, height)[axis] - pad[axis] - pad[axis + 2])
    common = {"stride": stride, "padding": pad, "dilation": dilation}
    results, groups = number(1, depth), 1
    if kind == "grouped":
        groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
        results = groups * number(1, max(1, 12 // groups))
    elif kind in ("depthwise", "multiplied", "product"):
        results = channels * (2 if kind == "multiplied" else 1)
    size = draw(st.sampled_from([1, results]))
    shift: dict = {"shift": rng.integers(0, 13, size), "bias": rng.integers(-99, 100, size),
                   "product_shift": number(0, 2)}
    if draw(st.booleans()):
        shift["slope"] = rng.integers(-250, 250, size)
    if draw(st.booleans()):
        shift["table"] = rng.integers(-256, 256, 512)
    if kind == "conv":
        network.conv("x", last, random_weights(rng, results, channels, *taps), **common, **shift)
    elif kind == "grouped":
        weights = random_weights(rng, results, channels // groups, *taps)
        network.conv("x", last, weights, groups=groups, **common, **shift)
    elif kind == "depthwise":
        network.depthwise("x", last, random_weights(rng, channels, *taps), **common, **shift)
    elif kind == "multiplied":
        network.depthwise("x", last, random_weights(rng, results, 1, *taps), **common, **shift)
    elif kind == "transposed":
        network.transposed_conv(
            "x", last, random_weights(rng, results, channels, *taps),
            stride=draw(st.sampled_from([1, 2, 4])), padding=0, output_padding=number(0, 2), **shift)
    elif kind == "max":
        pad = [min(p, 2) for p in pad]
        network.max_pool("x", last, (min(taps[0], width), min(taps[1], height)), stride=stride, padding=pad)
    elif kind == "average":
        network.average_pool("x", last, (min(taps[0], width), min(taps[1], height)), stride=stride, padding=pad)
    elif kind == "global":
        network.global_pool("x", last, kind=draw(st.sampled_from(["max", "average"])))
    elif kind == "product":
        del shift["product_shift"], shift["shift"], shift["bias"]
        names = draw(st.sampled_from([(last, last), (last, "gate"), ("gate", last)]))
        if "gate" in names:
            network.global_pool("gate", last)
        network.multiply("x", *names, **shift)
    elif kind == "lif":
        network.lif("x", [network.branch(last, random_weights(rng, results, channels, *taps), **common)],
                    threshold=rng.integers(1, 200, size), bias=shift["bias"], multiplier=3, shift=2,
                    reset=draw(st.sampled_from(["subtract", "zero"])))
    elif kind == "dense":
        network.dense("x", last, random_weights(rng, results, channels * width * height), **shift)
    else:
        branch = network.branch(last, random_weights(rng, channels, channels, 3, 1), padding=(1, 0))
        network.add("x", [last, branch, last], scales=[number(-3, 3), 1, 2], shifts=[number(0, 3), 0, 1],
                    saturation=Saturation.FULL)
    network.output("x")
    return network


def without(config: CoreConfig, **changes: int) -> CoreConfig:
    return dataclasses.replace(config, name="changed", **changes)
