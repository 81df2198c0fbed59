"""The quantizer: signal-to-noise ratios, exactness of quantized files against onnxruntime, scales and weights."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from golden.config import CoreConfig
from golden.network import dense
from golden.words import Saturation
from studies.quantized_files import (
    WIDE,
    by_onnx_in_float64,
    by_onnxruntime,
    integers_apart,
    model_and_frames,
    shape_of,
    statically_quantized,
    transposed_on_a_grid,
)
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.quantized import Options, Quantized
from synapress.mapper.quantization.scales import (
    Scale,
    accumulator_scales,
    activation_range,
    integer_ratio,
    requantization,
    split,
    sqnr,
)
from tests.helpers.onnx_models import TOPOLOGIES, Builder
from tests.mapper.importers.onnx.test_onnx import single

NARROW = CoreConfig()


def run(model: onnx.ModelProto, calibration: np.ndarray, x: np.ndarray, config: CoreConfig,
        options: Options | None = None) -> tuple[np.ndarray, np.ndarray, Quantized]:
    """Float and integer outputs of a model's first output, and the quantizer's result."""
    read = read_onnx(model)
    layers, port = fuse(read.graph), read.outputs[0]
    made = quantize(split_layers(layers, config), {"x": read.inputs[0].to_maps(calibration)}, config, options)
    maps = {"x": read.inputs[0].to_maps(x)}
    exact = reference.run(read.graph, maps)[port.node]
    results = dense.run(lower(made.network), {"x": made.scales["x"].integers(maps["x"])}, config)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items()}
    return exact, assemble(layers.outputs[port.node], real), made


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["32 bit", "16 bit"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_topologies_keep_their_signal(name: str, config: CoreConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = TOPOLOGIES[name](rng)
    calibration, x = rng.normal(0, 1, (64, *shape_of(model))), rng.normal(0, 1, (8, *shape_of(model)))
    exact, got, made = run(model, calibration, x, config)
    assert sqnr(exact, got) > (21 if config is WIDE else 18)
    assert {layer.layer for layer in made.report} >= set(made.network.outputs)
    assert all(layer.own_sqnr > 18 for layer in made.report)


# -- files that are quantized already ----------------------------------------------------------


def assert_nearly_equal(apart: dict[str, np.ndarray]) -> None:
    """Layer by layer, in the frames of which no layer before differs: at most 0.1 % are 1 apart, none more.

    What follows from an integer that is 1 apart may be more: a steep sigmoid makes 3 of it.
    """
    total = wrong = 0
    same = np.ones(24, bool)
    for name, difference in apart.items():
        own = np.abs(difference[same])
        assert own.max(initial=0) <= 1, name
        total, wrong = total + own.size, wrong + int(own.sum())
        same &= ~difference.any(axis=tuple(range(1, difference.ndim)))
    everything = sum(difference.size for difference in apart.values())
    assert total > everything / 2, f"only {total} of {everything} are of frames without a difference before"
    assert wrong <= 0.001 * total, f"{wrong} of {total} integers differ"
    assert sum(np.count_nonzero(difference) for difference in apart.values()) <= 0.01 * everything


UINT8_OR_INT8 = pytest.mark.parametrize("activations", [QuantType.QUInt8, QuantType.QInt8], ids=["uint8", "int8"])


@UINT8_OR_INT8
@pytest.mark.parametrize(("name", "form"), [
    *((name, QuantFormat.QDQ) for name in ("residual", "inception", "squeeze_excite", "one_dimensional")),
    *((name, QuantFormat.QOperator) for name in TOPOLOGIES)],
    ids=lambda value: value if isinstance(value, str) else value.name)
def test_quantized_files_equal_onnxruntime(
    name: str, form: QuantFormat, activations: QuantType, tmp_path: Path, seed: int
) -> None:
    """Every layer's integers. The other QDQ files have averages and resizing that float32 does not round exactly."""
    model, calibration, x = model_and_frames(name, seed)
    if form == QuantFormat.QOperator:
        model = transposed_on_a_grid(model)
    quantized = statically_quantized(model, calibration, form, activations, tmp_path)
    assert_nearly_equal(integers_apart(quantized, by_onnxruntime(quantized, x, form == QuantFormat.QOperator), x))


@UINT8_OR_INT8
@pytest.mark.parametrize("name", [name for name in TOPOLOGIES if name != "plain"])
def test_quantized_files_equal_onnx_in_float64(name: str, activations: QuantType, tmp_path: Path, seed: int) -> None:
    """With ties of bilinear resizing and of global means over 2**k elements; plain has means over six."""
    model, calibration, x = model_and_frames(name, seed)
    quantized = statically_quantized(model, calibration, QuantFormat.QDQ, activations, tmp_path)
    assert_nearly_equal(integers_apart(quantized, by_onnx_in_float64(quantized, x), x))


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (4, 4), (2, 3), (3, 4)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_means_differ_from_onnxruntime_in_halves_only(size: tuple[int, int], tmp_path: Path, seed: int) -> None:
    """Means over 2**k elements are onnx's, whose halves go to even; over others the nearest, whose halves go up here.

    onnxruntime computes both in float32, in which some halves are none.
    """
    rng = np.random.default_rng(seed)
    b, (width, height) = Builder(rng, (3, 12, 12)), (size[1], size[0])
    model = b.model(b.node("AveragePool", b.conv("x", 3, 4), kernel_shape=size, strides=size))
    calibration, x = (rng.normal(0, 1, (16, 3, 12, 12)).astype(np.float32) for _ in range(2))
    quantized = statically_quantized(model, calibration, QuantFormat.QDQ, QuantType.QUInt8, tmp_path)
    expected, exact = by_onnxruntime(quantized, x), by_onnx_in_float64(quantized, x)
    apart = integers_apart(quantized, expected, x)
    name, before = (read_onnx(quantized).outputs[index] for index in (-1, -2))
    source = expected[before.name].astype(int) - before.zero_point
    sums = source.reshape(16, 4, 12 // height, height, 12 // width, width).sum((3, 5))
    halves = 2 * sums % (2 * width * height) == width * height
    wrong = apart.pop(name.name) != 0
    assert not any(rest.any() for rest in apart.values())
    assert 0 < wrong.sum() < halves.sum() and not (wrong & ~halves).any()
    ours = integers_apart(quantized, exact, x)[name.name]
    assert ours.any() == (width * height % 3 == 0) and not ours[~halves].any()


def test_a_zero_point_leaves_zero_silent(seed: int) -> None:
    """Asymmetric activations with padding: integers count from the zero point, so borders need no correction."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, 6, 6))
    scale, zero = b.constant(np.float32(0.05)), b.constant(np.uint8(77))

    def rounded(x: str) -> str:
        return b.node("DequantizeLinear", b.node("QuantizeLinear", x, scale, zero), scale, zero)

    def conv(x: str, source: int, result: int) -> str:
        weights = b.constant(rng.integers(-100, 100, (result, source, 3, 3)).astype(np.int8))
        real = b.node("DequantizeLinear", weights, b.constant(np.float32(0.006)), b.constant(np.int8(0)))
        return b.node("Conv", x, real, pads=[1] * 4)
    model = b.model(rounded(conv(rounded(conv(rounded("x"), 2, 4)), 4, 3)))
    data = rng.normal(0, 6, (8, 2, 6, 6)).astype(np.float32)
    exact, got, made = run(model, data, data, WIDE)
    assert {(item.low, item.high) for item in made.scales.values()} == {(-77, 178)}
    assert np.abs(got).max() == pytest.approx(178 * 0.05), "some values must be clipped"
    assert np.abs(np.rint((got - exact) / 0.05)).max() <= 1


# -- parts -------------------------------------------------------------------------------------


def test_small_ratios_become_small_weights() -> None:
    assert integer_ratio(np.array([1.0]), 127) == 1
    assert integer_ratio(np.array([9.0, 3.0, 1.0]) / 16, 127) == 9
    assert integer_ratio(np.array([1.0, 1 / 3]), 127) == 3


def test_pools_and_copies_have_weights_of_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (3, 8, 8))
    model = b.model(b.node("AveragePool", b.conv("x", 3, 4), kernel_shape=[2, 2], strides=[2, 2]))
    data = rng.normal(0, 1, (8, 3, 8, 8))
    _, _, made = run(model, data, data, NARROW)
    pool = made.network.layer(made.network.outputs[0])
    assert pool.branches[0].weights is None and pool.branches[0].scale == 1


def constant_behind(first: str, constants: np.ndarray, rng: np.random.Generator) -> onnx.ModelProto:
    """A map plus a constant per channel."""
    b = Builder(rng, (len(constants), 8, 8))
    source = b.node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]) if first == "MaxPool" else b.node(first, "x")
    return b.model(b.node("Add", source, b.constant(constants.reshape(1, -1, 1, 1).astype(np.float32))))


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["32 bit", "16 bit"])
@pytest.mark.parametrize("first", ["MaxPool", "Sigmoid"])
def test_constants_added_to_maps_are_finer_than_their_steps(first: str, config: CoreConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = constant_behind(first, rng.normal(0, 1, 4), rng)
    data = rng.normal(0, 1, (32, 4, 8, 8))
    _, _, made = run(model, data, data, config)
    layer = made.network.layer(made.network.outputs[0])
    assert len(layer.branches) == 1 and layer.branches[0].weights is None, "one weight for all channels"
    assert layer.branches[0].scale << layer.branches[0].shift >= 16
    (last,) = (item for item in made.report if item.layer == layer.name)
    assert last.own_sqnr > 42, "what rounding to the result's step leaves"


def test_biases_that_are_whole_keep_small_weights() -> None:
    ones, limit = [np.full((2, 1), 0.5)], (1 << 31) - 1
    arguments = (np.ones(2), np.array([1.5, -4.0]), limit, np.ones(2))
    assert accumulator_scales(ones, *arguments, top_shift=7).tolist() == [0.5, 0.5]
    halves = accumulator_scales(ones, np.ones(2), np.array([1.25, 0.75]), limit, np.ones(2), top_shift=7)
    assert halves.tolist() == [0.25, 0.25]
    fine = accumulator_scales(ones, np.ones(2), np.array([0.1234567, 0.7]), limit, np.ones(2), top_shift=7)
    assert (fine == 0.5 / 8192).all(), "64 with a product shift of 7"


@pytest.mark.parametrize("top", [100, 200, 1000, 16319])
def test_large_weights_are_two_branches(top: int, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(-top, top + 1, (4, 5))
    weights.flat[0] = top
    parts = split(weights)
    assert len(parts) == 1 + (top > 127)
    assert all(part.min() >= -128 and part.max() <= 127 for part, _ in parts)
    assert (sum(part << shift for part, shift in parts) == weights).all()
    with pytest.raises(OverflowError):
        split(np.array([1 << 15]))


def test_requantization_is_as_near_as_the_multiplier_allows(seed: int) -> None:
    ratios = np.exp(np.random.default_rng(seed).uniform(-20, 8, 200))
    multiplier, shift = requantization(ratios, 16, 6)
    assert np.abs(multiplier / 2.0**shift / ratios - 1).max() < 2.0**-16
    assert multiplier.max() < 1 << 16 and shift.min() >= 0
    with pytest.raises(OverflowError):
        requantization(np.array([1e6]), 16, 6)


def test_units_keep_sums_within_the_states() -> None:
    products = [np.full((2, 40), 0.3) * np.arange(1, 41)]
    reach = np.array([1.0, 5000.0])
    unit = accumulator_scales(products, reach, np.zeros(2), 32767, np.full(2, 1e9))
    assert (reach / unit <= 32767).all()
    assert unit[0] == pytest.approx(12 / 127) and unit[1] == pytest.approx(5000 / 32767)


@pytest.mark.parametrize("method", ["max", "percentile", "error"])
def test_ranges(method: str, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, 20_000)
    values[0] = 40.0
    low, high = activation_range(values, method, 99.9, 255)
    assert low < 0 and (high == 40 if method == "max" else high < 40)

    def noise(top: float) -> float:
        scale = Scale(step=top / 255, low=-256, high=255, saturation=Saturation.FULL)
        return float(np.mean((values - scale.integers(values) * scale.step) ** 2))
    assert method != "error" or noise(high) < noise(40.0)


def test_bias_correction_takes_the_mean_error_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (8, 6, 6))
    model = b.model(b.conv(b.conv("x", 8, 16), 16, 8, relu=False))
    data = np.abs(rng.normal(0, 1, (32, 8, 6, 6)))
    errors = {}
    for correct in (False, True):
        exact, got, _ = run(model, data, data, NARROW, Options(bias_correction=correct, levels=31))
        errors[correct] = float(np.abs((got - exact).mean(axis=(0, 2, 3))).mean())
    assert errors[True] < errors[False] / 2


def test_sums_that_cannot_fit_are_named(seed: int) -> None:
    model = single("AveragePool", [1, 1, 40, 40], kernel_shape=[24, 24])
    data = np.abs(np.random.default_rng(seed).normal(5, 1, (4, 1, 40, 40)))
    with pytest.raises(ModelError, match=r"node 'the_node', rule 'sums'.*16 bits.*Raise state_bits to 32"):
        run(model, data, data, NARROW)
    exact, got, _ = run(model, data, data, WIDE)
    assert sqnr(exact, got) > 40


def test_calibration_is_checked() -> None:
    layers = fuse(read_onnx(single("Relu", [1, 2, 3, 3])).graph)
    for bad in ({}, {"x": np.zeros((4, 2, 3, 4))}, {"x": np.full((4, 2, 3, 3), np.nan)}):
        with pytest.raises(ModelError, match="rule 'calibration'"):
            quantize(split_layers(layers, WIDE), bad, WIDE)


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["32 bit", "16 bit"])
def test_a_bias_that_dominates_its_weights_fits(config: CoreConfig, seed: int) -> None:
    for draw in range(10):
        rng = np.random.default_rng([seed, draw])
        b = Builder(rng, (4, 8, 8))
        weights = rng.normal(0, 0.02, (8, 4, 3, 3)).astype(np.float32)
        bias = rng.normal(0, 1, 8).astype(np.float32)
        y = b.node("Relu", b.node("Conv", "x", b.constant(weights), b.constant(bias), pads=[1] * 4))
        data = rng.normal(0, 1, (16, 4, 8, 8))
        exact, got, made = run(b.model(y), data, data, config)
        assert sqnr(exact, got) > 30
        assert all(np.abs(layer.bias).max() < 1 << (config.state_bits - 1) for layer in lower(made.network).populations)


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["32 bit", "16 bit"])
def test_channels_that_batch_norm_prunes_keep_their_offset(config: CoreConfig, seed: int) -> None:
    for draw in range(10):
        rng = np.random.default_rng([seed, draw])
        b = Builder(rng, (4, 8, 8))
        x = b.conv("x", 4, 8, relu=False)
        gamma = np.where(rng.random(8) < 0.5, 1e-6 * rng.random(8), 1).astype(np.float32)
        gamma[:2] = 1e-5, 1
        normal = [gamma, rng.normal(0, 1, 8), rng.normal(0, 0.1, 8), rng.uniform(0.5, 1.5, 8)]
        y = b.node("Relu", b.node("BatchNormalization", x, *(b.constant(row.astype(np.float32)) for row in normal)))
        data = rng.normal(0, 1, (16, 4, 8, 8))
        exact, got, _ = run(b.model(b.conv(y, 8, 4, relu=False)), data, data, config)
        assert sqnr(exact, got) > 25


@pytest.mark.parametrize("reader", ["MaxPool", "Mul"])
@pytest.mark.parametrize("copy", ["Split", "Slice", "Pad"])
def test_copies_of_signed_maps_fit_what_reads_them(copy: str, reader: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (4, 6, 6))
    if copy == "Split":
        first, second = b.node("Split", "x", b.constant(np.array([2, 2])), outputs=2, axis=1)
    elif copy == "Slice":
        first, second = (b.node("Slice", "x", *(b.constant(np.array([n])) for n in (k, k + 2, 1))) for k in (0, 2))
    else:
        first = b.node("Pad", "x", b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])))
        second = first
    y = b.node("Mul", first, second) if reader == "Mul" else b.node(
        "MaxPool", second, kernel_shape=[2, 2], strides=[2, 2])
    data = rng.normal(0, 1, (16, 4, 6, 6))
    exact, got, _ = run(b.model(y), data, data, NARROW)
    assert sqnr(exact, got) > 25


def test_a_bias_far_above_its_only_weight_fits() -> None:
    model = single("Conv", [1, 1, 3, 3], np.ones((1, 1, 1, 1), np.float32), np.array([1e6], np.float32), result=4)
    exact, got, _ = run(model, np.zeros((2, 1, 3, 3)) + 1, np.zeros((1, 1, 3, 3)) + 1, NARROW)
    assert sqnr(exact, got) > 40
