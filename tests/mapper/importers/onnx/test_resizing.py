"""Resizing that no single kernel serves: layers of one kernel each, none with more sources than a core takes."""

import dataclasses
from collections import Counter

import numpy as np
import onnx
import pytest

import synapress
from golden.config import CoreConfig
from golden.network import dense
from synapress.mapper import compile_mesh
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.limits import Limits
from synapress.mapper.lowering.axis_kernels import AxisKernel, Passes
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.scales import sqnr
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session

MODES = ("linear", "nearest", "cubic")
TRANSFORMATIONS = ("align_corners", "half_pixel", "asymmetric", "pytorch_half_pixel")
NARROW = CoreConfig()
WIDE = dataclasses.replace(NARROW, name="wide", state_bits=32)


def resizing(b: Builder, x: str, depth: int, target: tuple[int, ...], mode: str, transformation: str, **more) -> str:
    sizes = b.constant(np.array([1, depth, *target], np.int64))
    return b.node("Resize", x, "", "", sizes, mode=mode, coordinate_transformation_mode=transformation, **more)


def event_ids(model: onnx.ModelProto, frames: np.ndarray, config: CoreConfig = WIDE) -> Counter[str]:
    """IDs into each population, by name."""
    read = read_onnx(model)
    made = quantize(split_layers(fuse(read.graph), config), {"x": read.inputs[0].to_maps(frames)}, config)
    return Counter(edge.destination for edge in legalize(lower(made.network), config).edges)


@pytest.mark.parametrize("draw", range(24))
def test_any_resizing_is_layers_of_few_sources(draw: int, seed: int) -> None:
    """A resized map and a convolution behind it: the layers compute what the matrices do, within 15 IDs each."""
    rng = np.random.default_rng([seed, draw])
    size, target = rng.integers(1, 33, 2), rng.integers(1, 65, 2)
    if draw % 4 == 0:  # a single axis
        size[draw // 4 % 2] = target[draw // 4 % 2] = 1
    mode, transformation = MODES[draw % 3], TRANSFORMATIONS[draw // 3 % 4]
    b = Builder(rng, (2, *size.tolist()))
    resized = resizing(b, "x", 2, tuple(target.tolist()), mode, transformation)
    model = b.model(b.conv(resized, 2, 3, relu=False), resized)
    x = rng.normal(0, 1, (2, 2, *size)).astype(np.float32)
    read = read_onnx(model)
    maps = {"x": read.inputs[0].to_maps(x)}
    expected, layers = reference.run(read.graph, maps), fuse(read.graph)
    values = run_layers(layers, maps)
    for port in read.outputs:
        assert np.abs(assemble(layers.outputs[port.node], values) - expected[port.node]).max() < 1e-9
    if mode == "linear":
        frames = [session(model).run(None, {"x": frame[None]})[1] for frame in x]
        port = read.outputs[1]
        assert np.abs(port.from_maps(expected[port.node]) - np.concatenate(frames)).max() < 1e-4
    assert max(event_ids(model, x).values()) <= 15


@pytest.mark.parametrize(("size", "target"), [((8, 8), (64, 64)), ((48, 33), (64, 64)), ((64, 64), (37, 40))],
                         ids=lambda pair: f"{pair[0]}x{pair[1]}")
def test_large_maps_are_mapped(size: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (1, *size))
    model = b.model(b.conv(resizing(b, "x", 1, target, "linear", "align_corners"), 1, 2, relu=False))
    x = rng.normal(0, 1, (2, 1, *size))
    read = read_onnx(model)
    layers = fuse(read.graph)
    made = quantize(split_layers(layers, NARROW), {"x": read.inputs[0].to_maps(x)}, NARROW)
    assert len(layers.layers) < 30
    _, _, image = compile_mesh(made.network, NARROW)
    assert len(image.images) <= 4


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["32 bit", "16 bit"])
@pytest.mark.parametrize(("size", "target", "transformation"), [
    ((4, 4), (8, 8), "align_corners"), ((3, 16), (6, 32), "align_corners"), ((16, 16), (11, 11), "align_corners"),
    ((8, 16), (64, 16), "align_corners"), ((8, 8), (16, 16), "half_pixel"), ((4, 5), (7, 9), "half_pixel"),
    ((6, 6), (24, 24), "half_pixel")],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}")
def test_resizing_keeps_its_signal(
    size: tuple[int, int], target: tuple[int, int], transformation: str, config: CoreConfig, seed: int
) -> None:
    """Narrow parts see few values of the calibration, and few of an upsampling kernel's taps meet a value."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, *size))
    resized = resizing(b, b.conv("x", 2, 4), 4, target, "linear", transformation)
    read = read_onnx(b.model(b.conv(resized, 4, 3, relu=False), resized))
    x = read.inputs[0].to_maps(rng.normal(0, 1, (32, 2, *size)))
    layers, exact = fuse(read.graph), reference.run(read.graph, {"x": x})
    made = quantize(split_layers(layers, config), {"x": x}, config)
    results = dense.run(lower(made.network), {"x": made.scales["x"].integers(x)}, config)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items() if name in made.scales}
    behind, alone = (sqnr(exact[port.node], assemble(layers.outputs[port.node], real)) for port in read.outputs)
    assert alone > 30 and behind > (30 if config is WIDE else 28)
    for group in {layer.group for layer in layers.layers.values()} - {""}:
        assert len({made.scales[layer.name] for layer in layers.layers.values() if layer.group == group}) == 1


def test_parts_share_a_scale_where_only_some_reach_a_clip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (1, 8, 8))
    clipped = b.node("Clip", resizing(b, "x", 1, (64, 64), "linear", "align_corners"), b.constant(np.float32(0)),
                     b.constant(np.float32(6)))
    read = read_onnx(b.model(b.conv(clipped, 1, 2, relu=False)))
    x = np.abs(rng.normal(0, 0.2, (4, 1, 8, 8)))
    x[:, :, 0] = 8
    layers = fuse(read.graph)
    made = quantize(split_layers(layers, NARROW), {"x": read.inputs[0].to_maps(x)}, NARROW)
    parts = [layer.name for layer in layers.layers.values() if layer.activation is not None]
    assert len(parts) > 2 and len({made.scales[name].step for name in parts}) == 1


def test_event_ids_of_two_passes_are_counted() -> None:
    """Each strip of the second reads every strip of the first, by each piece of its kernel."""
    short, long = (AxisKernel(0, 4, np.ones(taps), 0, 1, 1) for taps in (3, 20))
    limits = Limits.of(NARROW)
    assert Passes(1, [short] * 5, [long] * 2, gathered=False).edges(limits) == 10
    assert Passes(1, [short] * 5, [long] * 2, gathered=True).edges(limits) == 5
    assert Passes(1, [long] * 2, [], gathered=False).edges(limits) == 2


def test_columns_and_rows_apart_are_the_same_event_by_event(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (1, 7, 9))
    model = read_onnx(b.model(b.conv(resizing(b, "x", 1, (16, 20), "linear", "align_corners"), 1, 2, relu=False)))
    compiled = synapress.compile(model, calibration=rng.normal(0, 1, (16, 1, 7, 9)))
    assert any("/columns" in layer.layer or "/rows" in layer.layer for layer in compiled.layers)
    x = rng.normal(0, 1, (1, 1, 7, 9))
    fast, golden = (synapress.simulate(compiled, x, engine=engine) for engine in ("fast", "golden"))
    for name, array in fast.integers.items():
        np.testing.assert_array_equal(golden.integers[name], array)
        assert np.unique(array).size > 20


def test_many_parts_are_brought_together_before_they_are_read(seed: int) -> None:
    """A concatenation of 20 maps, and a sum of two of 9 parts: more than the IDs of one population."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, 6, 6))
    many = b.node("Concat", *(b.conv("x", 2, 1, 1) for _ in range(20)), axis=1)
    pools = [b.node("AveragePool", b.conv("x", 2, 3), kernel_shape=[3, 3], pads=[1] * 4) for _ in range(2)]
    model = b.model(b.conv(many, 20, 3, relu=False), b.node("Relu", b.node("Add", *pools)))
    x = rng.normal(0, 1, (4, 2, 6, 6)).astype(np.float32)
    assert max(event_ids(model, x).values()) <= 15
    read = read_onnx(model)
    layers, maps = fuse(read.graph), {"x": read.inputs[0].to_maps(x)}
    values = run_layers(layers, maps)
    for port, expected in zip(read.outputs, session(model).run(None, {"x": x}), strict=True):
        assert np.abs(port.from_maps(assemble(layers.outputs[port.node], values)) - expected).max() < 1e-4


def test_a_kernel_of_too_many_pieces_is_named() -> None:
    """Averages of any size are `synapress.mapper.lowering.split_layers`'s; a triangle of 300 taps is nobody's."""
    triangle = 1 - np.abs(np.arange(300) - 150) / 151
    matrix = np.zeros((5, 700))
    for row in range(5):
        matrix[row, 100 * row:100 * row + 300] = triangle / triangle.sum()
    graph = g.FloatGraph("wide")
    graph.add(g.Input(name="x", shape=(1, 700, 700)))
    graph.add(g.Resample(name="shrink", sources=("x",), x_matrix=matrix, y_matrix=matrix))
    graph.outputs.append("shrink")
    with pytest.raises(ModelError, match=r"node 'shrink', rule 'resampling': needs kernels in at most 12 pieces of "
                       r"16 taps.*given: \d\d pieces from 700 × 700 to 5 × 5.*in two steps"):
        fuse(graph)
