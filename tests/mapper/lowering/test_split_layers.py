"""Layers in several steps compute what they computed in one."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from synapress.mapper.importers import reference
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.importers.tensor import in_blocks
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import FloatLayers, assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.rules import most_ids
from tests.helpers.onnx_net import Net, frames

NARROW, SMALL = CoreConfig(), CoreConfig.preset("fpga_small")
WIDE = dataclasses.replace(NARROW, name="wide", state_bits=32, multiplier_bits=22)


def _dense(b: Net, x: str) -> str:
    return b.dense(b.node("Flatten", x), 4)


MODELS = {
    "average": (NARROW, (2, 30, 13), lambda b: b.node("GlobalAveragePool", b.conv("x", 4))),
    "average of 112 × 112": (NARROW, (1, 112, 112), lambda b: b.node("GlobalAveragePool", b.conv("x", 2))),
    "average on 32 bits": (WIDE, (1, 80, 64), lambda b: b.node("GlobalAveragePool", b.conv("x", 2))),
    "average of a concat": (NARROW, (2, 20, 20), lambda b: b.node(
        "GlobalAveragePool", b.node("Concat", b.conv("x", 4), b.conv("x", 6), axis=1))),
    "maximum of 16 with stride 16": (NARROW, (2, 128, 96), lambda b: b.node(
        "MaxPool", b.conv("x", 4, 1), kernel_shape=[16, 16], strides=[16, 16])),
    "maximum of 80 × 72": (NARROW, (1, 80, 72), lambda b: b.node("GlobalMaxPool", b.conv("x", 2))),
    "gate of 70 × 64": (NARROW, (2, 70, 64), lambda b: b.squeeze(b.conv("x", 4), 4)),
    "dense of 72 × 64": (NARROW, (2, 72, 64), lambda b: _dense(b, b.conv("x", 4))),
    "dense of 17 × 40": (SMALL, (1, 17, 40), lambda b: _dense(b, b.conv("x", 2))),
    "stride 16": (NARROW, (2, 128, 96), lambda b: b.bare(b.conv("x", 3, 1), 4, 19, 16, pads=[3, 2, 1, 0])),
    "input: dense of 72 × 64": (NARROW, (3, 72, 64), lambda b: _dense(b, "x")),
    "input: stride 3": (NARROW, (2, 100, 91), lambda b: b.bare("x", 4, 5, 3, pads=[1, 2, 1, 0])),
    "input: strides 3 and 5": (NARROW, (2, 100, 91), lambda b: b.bare("x", 4, (5, 6), (3, 5), pads=[1, 2, 1, 0])),
    "input: 9001 samples": (NARROW, (1, 9001), lambda b: b.bare("x", 4, 80, 4, pads=[3, 2])),
}
"""Each needs more than one step, or blocks."""


def model(name: str, seed: int) -> tuple[CoreConfig, Model, FloatLayers, dict[str, np.ndarray]]:
    config, shape, build = MODELS[name]
    b = Net(seed, shape)
    read = read_onnx(b.model(build(b)))
    x = frames(shape, 3, np.random.default_rng(seed))
    return config, read, fuse(read.graph), {"x": read.inputs[0].to_maps(x)}


@pytest.mark.parametrize("name", MODELS)
def test_steps_compute_the_same(name: str, seed: int) -> None:
    config, read, layers, maps = model(name, seed)
    split = split_layers(layers, config)
    divided, blocks = split.layers, split.blocks
    assert len(divided.layers) > len(layers.layers) or blocks
    assert bool(blocks) == name.startswith("input")
    expected = reference.run(read.graph, maps)
    inputs = {key: in_blocks(value, blocks.get(key, (1, 1))) for key, value in maps.items()}
    found = run_layers(divided, inputs)
    for node, value in divided.outputs.items():
        np.testing.assert_allclose(assemble(value, found), expected[node], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_steps_fit_the_hardware(name: str, seed: int) -> None:
    """Edges are legal, no population takes more event IDs than there are, and averages cannot overflow a state."""
    config, _, layers, maps = model(name, seed)
    made = quantize(split_layers(layers, config), maps, config)
    program = legalize(lower(made.network), config)
    for population in program.populations:
        assert len(program.edges_into(population.name)) <= most_ids(config)
    assert all(layer.own_sqnr > 15 for layer in made.report)
    if name.startswith("average"):
        assert all(layer.own_sqnr > 25 for layer in made.report if "/means" in layer.layer)


def test_what_fits_stays_whole(seed: int) -> None:
    b = Net(seed, (3, 32, 32))
    x = b.squeeze(b.conv("x", 8, 3, 4), 4)
    layers = fuse(read_onnx(b.model(_dense(b, x))).graph)
    split = split_layers(layers, NARROW)
    divided, blocks = split.layers, split.blocks
    assert list(divided.layers) == list(layers.layers) and not blocks


def test_kernels_lose_the_taps_that_meet_padding_only(seed: int) -> None:
    b = Net(seed, (3, 4, 4))
    x = b.conv(b.conv("x", 8, 4, 4, pads=[0] * 4), 8, 3)
    layers = fuse(read_onnx(b.model(b.conv(x, 4, 5))).graph)
    divided = split_layers(layers, NARROW).layers
    assert [layer.branches[0].weights.shape[2:] for layer in divided.layers.values() if layer.branches] == [
        (4, 4), (1, 1), (1, 1)]
    maps = {"x": np.random.default_rng(seed).normal(size=(2, 3, 4, 4))}
    for name, value in run_layers(layers, maps).items():
        np.testing.assert_allclose(run_layers(divided, maps)[name], value, rtol=1e-12)


def test_quantized_averages_stay_exact(seed: int) -> None:
    """A file that brings its own quantization has no roundings between: its map is copied in blocks."""
    rng = np.random.default_rng(seed)
    b = Net(seed, (2, 72, 64))

    def rounded(x: str) -> str:
        scale, zero = b.constant(np.float32(2**-4)), b.constant(np.int8(0))
        return b.node("DequantizeLinear", b.node("QuantizeLinear", x, scale, zero), scale, zero)

    pooled = rounded(b.node("GlobalAveragePool", rounded(b.node("Relu", rounded("x")))))
    read = read_onnx(b.model(pooled))
    maps = {"x": rng.normal(0, 3, (6, 2, 64, 72)) + rng.normal(0, 2, (6, 2, 1, 1))}
    maps = {"x": read.inputs[0].to_maps(maps["x"].swapaxes(2, 3))}
    made = quantize(split_layers(fuse(read.graph), WIDE), maps, WIDE)
    assert len(made.network.layers) == 4 and not made.blocks
    (name,) = made.network.outputs
    report = next(layer for layer in made.report if layer.layer == name)
    sums = np.clip(np.rint(maps["x"] * 16), 0, 127).sum(axis=(2, 3))
    assert report.sqnr > 50 and report.states == (sums.min(), sums.max())


def test_the_stages_are_those_of_the_averages() -> None:
    """112 × 112 by 8 × 8 to 14 × 14, by 8 × 8 to 2 × 2, and those at once."""
    b = Net(1, (1, 112, 112))
    read = read_onnx(b.model(b.node("GlobalAveragePool", b.conv("x", 4))))
    layers = split_layers(fuse(read.graph), NARROW).layers
    assert [layer.shape for layer in layers.layers.values()][1:] == [(4, 112, 112), (4, 14, 14), (4, 2, 2), (4, 1, 1)]
