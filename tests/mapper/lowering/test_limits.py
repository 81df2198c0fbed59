"""Limits of the core come from its configuration: many parts in one layer, on cores with wide and narrow fields."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import synapress
from golden.config import PRESETS, CoreConfig
from golden.network import dense
from synapress.mapper import lower
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.scales import max_split, split, sqnr
from synapress.mapper.rules import most_ids
from synapress.results import CompiledModel
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session

SHAPE = (2, 6, 5)


def parts(b: Builder, count: int, **more) -> list[str]:
    return [b.conv("x", 2, 2, 1, **more) for _ in range(count)]


def joined(b: Builder, count: int, axis: int = 1) -> str:
    return b.node("Concat", *parts(b, count), axis=axis)


def chain(b: Builder, count: int) -> str:
    first, *rest = parts(b, count, relu=False)
    for part in rest:
        first = b.node("Add", first, part)
    return first


def flattened(b: Builder, count: int) -> str:
    return b.gemm(b.node("Concat", *(b.node("Flatten", x) for x in parts(b, count)), axis=1), 60 * count, 4)


def sliced(b: Builder) -> str:
    ends = [b.constant(np.array([value])) for value in (1, 19, 1)]
    return b.conv(b.node("Slice", joined(b, 10), *ends), 18, 4)


def pooled(b: Builder) -> str:
    return b.conv(b.node("MaxPool", joined(b, 10), kernel_shape=[2, 2]), 20, 4)


def doubled(b: Builder) -> str:
    return b.node("Resize", b.conv("x", 2, 2), "", b.constant(np.array([1, 1, 2, 2], np.float32)), mode="linear")


MODELS: dict[str, Callable[[Builder], str]] = {
    "concat of 7": lambda b: b.conv(joined(b, 7), 14, 4),
    "concat of 8": lambda b: b.conv(joined(b, 8), 16, 4),
    "concat of 10": lambda b: b.conv(joined(b, 10), 20, 4),
    "concat of 20": lambda b: b.conv(joined(b, 20), 40, 4),
    "concat of 10 rows": lambda b: b.conv(joined(b, 10, axis=2), 2, 4),
    "concat of 10, depthwise": lambda b: b.conv(b.conv(joined(b, 10), 20, 20, group=20), 20, 4),
    "concat of 10, dense": lambda b: b.gemm(b.node("Flatten", joined(b, 10)), 600, 4),
    "concat of 10, added": lambda b: b.node("Add", joined(b, 10), b.conv("x", 2, 20)),
    "concat of 10, pooled": pooled, "concat of 10, sliced": sliced, "flattened": lambda b: flattened(b, 10),
    "sum of 10": lambda b: b.node("Sum", *parts(b, 10)),
    "sum of 20": lambda b: b.node("Sum", *parts(b, 20)),
    "chain of 10 sums": lambda b: chain(b, 10),
    "resized": doubled,
}


def compiled(build: Callable[[Builder], str], config: str, folder: Path, seed: int) -> tuple[
        CompiledModel, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    made = b.model(build(b))
    onnx.save(made, folder / "model.onnx")
    x = rng.normal(0, 1, (24, *SHAPE)).astype(np.float32)
    return (synapress.compile(synapress.load(folder / "model.onnx"), config=config, calibration=x), x[:2],
            session(made).run(None, {"x": x[:2]})[0])


@pytest.mark.parametrize("config", PRESETS)
@pytest.mark.parametrize("name", MODELS)
def test_many_parts_fit_every_core(name: str, config: str, tmp_path: Path, seed: int) -> None:
    """Event by event as the dense reference, integer by integer, and near onnxruntime."""
    made, x, expected = compiled(MODELS[name], config, tmp_path, seed)
    result = synapress.simulate(made, x, engine="golden")
    (node,) = made.lowered.inputs
    for number in range(len(x)):
        values = {node: made.scales[node].integers(made.inputs[0].to_maps(x)[number])}
        exact = dense.run(made.lowered, values, made.config)
        for population, array in result.maps.items():
            np.testing.assert_array_equal(array[number], exact[population].outputs)
    (outputs,) = result.outputs.values()
    assert outputs.shape == expected.shape and sqnr(expected, outputs) > 20
    most = most_ids(made.config)
    assert max(len(made.program.edges_into(item.name)) for item in made.program.populations) <= most


@pytest.mark.parametrize("name", MODELS)
def test_layers_for_narrow_cores_compute_the_same(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    read = read_onnx(b.model(MODELS[name](b)))
    maps = {"x": read.inputs[0].to_maps(rng.normal(0, 1, (2, *SHAPE)))}
    expected = reference.run(read.graph, maps)
    narrow = dataclasses.replace(PRESETS["fpga_small"], name="narrow", edge_bits=3, population_bits=3)
    for config in (*PRESETS.values(), narrow):
        layers = fuse(read.graph, config)
        found = run_layers(layers, maps)
        for node, value in layers.outputs.items():
            np.testing.assert_allclose(assemble(value, found), expected[node], atol=1e-9)
        sums = [layer for layer in layers.layers.values() if layer.kind == "sum"]
        assert max(len(layer.branches) for layer in sums) <= most_ids(config)


def test_limits_are_those_of_the_fields() -> None:
    wide, small = (Limits.of(PRESETS[name]) for name in ("grai_vip", "fpga_small"))
    assert (wide.ids, wide.taps, wide.readers, wide.upsampling[-1]) == (15, 16, 63, 128)
    assert (small.ids, small.taps, small.readers, small.strides) == (7, 8, 15, (1, 2, 4, 8))
    assert (wide.parts, wide.layers, small.parts, small.layers) == (12, 16, 7, 15)
    narrow = dataclasses.replace(CoreConfig(), name="narrow", upsample_bits=1, kernel_bits=3)
    assert Limits.of(narrow).upsampling == (1, 2) and Limits.of(narrow).taps == 8


def test_a_refused_resampling_tells_the_limits_of_the_core(seed: int) -> None:
    b = Builder(np.random.default_rng(seed), (1, 1, 160))
    target = b.constant(np.array([1, 1, 1, 3]))
    graph = read_onnx(b.model(b.node("Resize", "x", "", "", target, mode="cubic", antialias=1), opset=18)).graph
    fuse(graph)
    with pytest.raises(ModelError, match="at most 7 pieces of 8 taps"):
        fuse(graph, PRESETS["fpga_small"])


@pytest.mark.parametrize("top", range(8))
def test_weights_are_split_within_the_product_shift(top: int) -> None:
    most = max_split(top)
    weights = np.array([[most, -most, 5, -1]])
    made = split(weights, top)
    assert sum(part.astype(int) << shift for part, shift in made).tolist() == weights.tolist()
    assert max(shift for _, shift in made) <= top and all(abs(part).max() <= 128 for part, _ in made)
    if top:
        with pytest.raises(OverflowError):
            split(np.array([[max_split(top) + 300 * (1 << top)]]), top)


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_quantized_files_keep_the_product_shift(bits: int, seed: int) -> None:
    """Weights of a file's own scales that exceed int8 get no shift that the core lacks."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, SHAPE)
    scale, zero = b.constant(np.float32(2**-4)), b.constant(np.int8(0))
    x = b.node("DequantizeLinear", b.node("QuantizeLinear", "x", scale, zero), scale, zero)
    x = b.node("GlobalAveragePool", b.conv(x, 2, 4, relu=False))
    read = read_onnx(b.model(b.node("DequantizeLinear", b.node("QuantizeLinear", x, scale, zero), scale, zero)))
    config = dataclasses.replace(CoreConfig(), name="shifts", state_bits=32, multiplier_bits=22,
                                 product_shift_bits=bits)
    maps = {"x": read.inputs[0].to_maps(rng.normal(0, 1, (8, *SHAPE)))}
    program = lower(quantize(split_layers(fuse(read.graph, config), config), maps, config).network)
    assert max(edge.shift for edge in program.edges) < 1 << bits
