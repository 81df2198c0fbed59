"""ONNX files: the float reference against onnxruntime, fused layers against the reference, and bad files."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from golden.config import CoreConfig
from golden.errors import SynapressError
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble, run_layers
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from tests.helpers.onnx_models import TOPOLOGIES, Builder
from tests.helpers.onnx_sessions import session


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_reference_and_layers_equal_onnxruntime(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = TOPOLOGIES[name](rng)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    x = rng.normal(0, 1, (3, *shape)).astype(np.float32)
    expected = session(model).run(None, {"x": x})[0]
    read = read_onnx(model)
    port = read.outputs[0]
    maps = {"x": read.inputs[0].to_maps(x)}
    got = reference.run(read.graph, maps)
    assert np.abs(port.from_maps(got[port.node]) - expected).max() < 1e-4
    layers = fuse(read.graph)
    fused = assemble(layers.outputs[port.node], run_layers(layers, maps))
    assert np.abs(fused - got[port.node]).max() < 1e-9
    assert len(layers.layers) < len(read.graph.nodes)


def single(op: str, shape: list[int], *constants: np.ndarray, result: int = 4, **attributes) -> onnx.ModelProto:
    names = [f"c{i}" for i in range(len(constants))]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], name="the_node", **attributes)], "single",
        [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info("y", 1, [None] * result)],
        [numpy_helper.from_array(array, name) for name, array in zip(names, constants, strict=True)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("mode", "transformation", "factors"), [
    ("linear", "half_pixel", (2, 2)), ("linear", "half_pixel", (4, 8)), ("linear", "align_corners", (2, 2)),
    ("linear", "asymmetric", (2, 4)), ("nearest", "asymmetric", (8, 8)), ("nearest", "half_pixel", (2, 4)),
    ("linear", "half_pixel", (3, 0.5)), ("cubic", "half_pixel", (2, 2))])
def test_resizing(mode: str, transformation: str, factors: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scales = np.array([1, 1, *factors], np.float32)
    model = single("Resize", [1, 2, 5, 8], np.zeros(0, np.float32), scales, mode=mode,
                   coordinate_transformation_mode=transformation, nearest_mode="floor")
    x = rng.normal(0, 1, (1, 2, 5, 8)).astype(np.float32)
    read = read_onnx(model)
    layers = fuse(read.graph)
    got = assemble(layers.outputs[read.outputs[0].node], run_layers(layers, {"x": read.inputs[0].to_maps(x)}))
    assert np.abs(read.outputs[0].from_maps(got) - session(model).run(None, {"x": x})[0]).max() < 1e-4


def test_linear_upsampling_repeats_the_border_instead_of_cutting_the_result() -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    layers = fuse(read_onnx(single("Resize", [1, 3, 16, 20], np.zeros(0, np.float32), scales, mode="linear")).graph)
    (value,) = layers.outputs.values()
    assert len(value.parts) == 1
    assert max(branch.weights[0].size for branch in layers.layers[value.parts[0].layer].branches) == 16


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(5, 7), (4, 4), (8, 8)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_linear_upsampling_has_small_kernels(size: tuple[int, int], factor: int, seed: int) -> None:
    scales = np.array([1, 1, factor, factor], np.float32)
    model = single("Resize", [1, 2, *size], np.zeros(0, np.float32), scales, mode="linear")
    x = np.random.default_rng(seed).normal(0, 1, (2, 2, *size)).astype(np.float32)
    read = read_onnx(model)
    layers = fuse(read.graph)
    value = layers.outputs[read.outputs[0].node]
    taps = [branch.weights[0].size for part in value.parts for branch in layers.layers[part.layer].branches]
    assert len(taps) <= 9 and max(taps) <= max((2 * factor) ** 2, 64)
    got = assemble(value, run_layers(layers, {"x": read.inputs[0].to_maps(x)}))
    expected = np.concatenate([session(model).run(None, {"x": frame[None]})[0] for frame in x])
    assert np.abs(read.outputs[0].from_maps(got) - expected).max() < 1e-4


@pytest.mark.parametrize("strides", [(3, 3), (2, 1), (1, 4), (5, 3)])
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool", "ConvTranspose"])
def test_any_stride_fits_the_hardware(op: str, strides: tuple[int, int], seed: int) -> None:
    """Strides that no descriptor has become columns and rows of their own."""
    rng = np.random.default_rng(seed)
    size = [1, 2, 4, 3] if op == "ConvTranspose" else [1, 2, 11, 9]
    weights = [] if op.endswith("Pool") else [rng.normal(0, 1, (2, 2, 3, 3)).astype(np.float32)]
    shape = {"kernel_shape": [3, 3]} if op.endswith("Pool") else {}
    model = single(op, size, *weights, strides=strides, pads=[1, 0, 1, 1], **shape)
    x = np.abs(rng.normal(0, 1, size)).astype(np.float32)
    read = read_onnx(model)
    layers, maps = fuse(read.graph), {"x": read.inputs[0].to_maps(x)}
    got = assemble(layers.outputs[read.outputs[0].node], run_layers(layers, maps))
    assert np.abs(read.outputs[0].from_maps(got) - session(model).run(None, {"x": x})[0]).max() < 1e-4
    legalize(lower(quantize(split_layers(layers, CoreConfig()), maps, CoreConfig()).network), CoreConfig())


@pytest.mark.parametrize("attributes", [
    {"op": "DepthToSpace", "blocksize": 2}, {"op": "DepthToSpace", "blocksize": 2, "mode": "CRD"},
    {"op": "DepthToSpace", "blocksize": 4}, {"op": "SpaceToDepth", "blocksize": 2}], ids=str)
def test_channels_become_blocks_of_positions(attributes: dict, seed: int) -> None:
    """With the integers of the source: nothing is computed."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (3, 4, 6))
    op = attributes["op"]
    y = b.node(op, b.conv("x", 3, 32), **{name: value for name, value in attributes.items() if name != "op"})
    model = b.model(y)
    x = rng.normal(0, 1, (3, 3, 4, 6)).astype(np.float32)
    read = read_onnx(model)
    port, maps = read.outputs[0], {"x": read.inputs[0].to_maps(x)}
    got = reference.run(read.graph, maps)[port.node]
    assert np.abs(port.from_maps(got) - session(model).run(None, {"x": x})[0]).max() < 1e-4
    layers = fuse(read.graph)
    made = quantize(split_layers(layers, CoreConfig()), maps, CoreConfig())
    (part,) = layers.outputs[port.node].parts
    assert made.scales[part.layer].step == made.scales["conv0"].step
    assert next(item.own_sqnr for item in made.report if item.layer == part.layer) == np.inf


def test_channels_last_is_laid_out_on_the_way_in(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = Builder(rng, (6, 5, 3))
    x = b.conv(b.node("Transpose", "x", perm=[0, 3, 1, 2]), 3, 4)
    model = b.model(b.node("Transpose", x, perm=[0, 2, 3, 1]))
    data = rng.normal(0, 1, (2, 6, 5, 3)).astype(np.float32)
    read = read_onnx(model)
    assert read.inputs[0].shape == (3, 5, 6)
    got = reference.run(read.graph, {"x": read.inputs[0].to_maps(data)})
    port = read.outputs[0]
    assert np.abs(port.from_maps(got[port.node]) - session(model).run(None, {"x": data})[0]).max() < 1e-4


# -- bad files ---------------------------------------------------------------------------------


def conv_model(weights: np.ndarray, shape: list[int | str] | None = None) -> onnx.ModelProto:
    return single("Conv", shape or [1, 2, 5, 5], weights)  # type: ignore[arg-type]


WEIGHTS = np.ones((3, 2, 3, 3), np.float32)


def test_unsupported_operator_is_named() -> None:
    with pytest.raises(ModelError, match=r"node 'the_node', rule 'operator': needs a supported operator.*given: Det"):
        read_onnx(single("Det", [1, 2, 5, 5], result=2))


def test_dynamic_shape_is_named() -> None:
    with pytest.raises(ModelError, match=r"node 'x', rule 'dynamic shape'.*dimension 2 is height"):
        read_onnx(conv_model(WEIGHTS, [1, 2, "height", 5]))


def test_a_dynamic_batch_is_one_frame() -> None:
    assert read_onnx(conv_model(WEIGHTS, ["n", 2, 5, 5])).inputs[0].dims == (1, 2, 5, 5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(bad: float) -> None:
    weights = WEIGHTS.copy()
    weights[1, 0, 2, 2] = bad
    with pytest.raises(ModelError, match=r"node 'the_node', rule 'finite weights'.*1 of 54"):
        read_onnx(conv_model(weights))


def resized(factor: float, size: int, **attributes: str) -> onnx.ModelProto:
    scales = np.array([1, 1, factor, factor], np.float32)
    return single("Resize", [1, 2, size, size], np.zeros(0, np.float32), scales, mode="linear", **attributes)



def test_a_resized_map_beyond_reason_is_refused_before_it_is_made() -> None:
    with pytest.raises(ModelError, match=r"node 'the_node', rule 'Resize: size'.*67108864.*28800000000"):
        read_onnx(resized(30_000, 4))


def test_an_input_that_no_output_needs_is_ignored(seed: int) -> None:
    b = Builder(np.random.default_rng(seed), (2, 5, 5))
    model = b.model(b.conv("x", 2, 3))
    model.graph.input.append(onnx.helper.make_tensor_value_info("idle", onnx.TensorProto.FLOAT, ["n", 4]))
    model.graph.node.append(onnx.helper.make_node("Relu", ["idle"], ["lost"]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("unread", onnx.TensorProto.INT64, ["n", "length"]))
    read = read_onnx(model)
    assert [port.name for port in read.inputs] == ["x"] and set(read.ignored) == {"idle", "unread"}
    layers = fuse(read.graph)
    x = np.random.default_rng(seed).normal(0, 1, (2, 2, 5, 5))
    made = quantize(split_layers(layers, CoreConfig()), {"x": read.inputs[0].to_maps(x)}, CoreConfig())
    assert lower(made.network).inputs == ["x"]


def test_scales_are_passed_on_in_linear_time() -> None:
    b = Builder(np.random.default_rng(1), (2, 4, 4))
    scale, zero = b.constant(np.float32(0.1)), b.constant(np.uint8(0))
    ends = [b.constant(np.array([n])) for n in (0, 2, 1)]
    y = b.node("QuantizeLinear", "x", scale, zero)
    for _ in range(60):
        y = b.node("Slice", b.node("Concat", y, y, axis=1), *ends)
    read = read_onnx(b.model(b.node("DequantizeLinear", y, scale, zero)))
    assert read.outputs[0].shape == (2, 4, 4)


def test_wrong_channels_are_named() -> None:
    with pytest.raises(ModelError, match=r"node 'the_node'.*source channels"):
        read_onnx(conv_model(np.ones((3, 4, 3, 3), np.float32)))


def test_too_many_dimensions_are_named() -> None:
    with pytest.raises(ModelError, match=r"rule 'rank'"):
        read_onnx(single("Relu", [1, 2, 3, 4, 5], result=5))


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    data = conv_model(WEIGHTS).SerializeToString()
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(ModelError, match=r"model.onnx.*given:"):
        read_onnx(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such file"):
        read_onnx(tmp_path / "none.onnx")


def test_missing_external_data_names_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(conv_model(np.ones((30, 2, 3, 3), np.float32)), path, save_as_external_data=True, location="weights.bin",
              size_threshold=0)
    read_onnx(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"node 'c0', rule 'external data'"):
        read_onnx(path)


def test_damaged_files_are_never_a_traceback(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = [make(rng).SerializeToString() for make in TOPOLOGIES.values()]
    path, refused = tmp_path / "model.onnx", 0
    for number in range(120):
        data = bytearray(whole[number % len(whole)])
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(len(data)))
            match rng.integers(3):
                case 0:
                    data[at] = int(rng.integers(256))
                case 1:
                    del data[at:at + int(rng.integers(1, 40))]
                case _:
                    data[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 9)), np.uint8))
        path.write_bytes(bytes(data))
        try:
            fuse(read_onnx(path).graph)
        except SynapressError:
            refused += 1
    assert 20 < refused < 120, "both damaged weights and damaged structure must occur"
