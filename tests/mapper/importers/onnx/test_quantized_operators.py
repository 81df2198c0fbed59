"""Single operators between QuantizeLinear and DequantizeLinear against onnxruntime without optimizations."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import synapress
from golden.config import CoreConfig
from synapress.mapper.importers.onnx.reader import read_onnx
from tests.helpers.onnx_sessions import session

WIDE = replace(CoreConfig.preset("grai_vip"), name="wide", state_bits=32, multiplier_bits=22)
SHAPE = (3, 8, 8)
Node = onnx.NodeProto
BASE = {"sx": np.float32(0.03), "zx": np.uint8(118), "sy": np.float32(0.025), "zy": np.uint8(97)}
BEFORE = (helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
          helper.make_node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]))
AFTER = (helper.make_node("QuantizeLinear", ["z", "sy", "zy"], ["yq"]),
         helper.make_node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]))


def file(nodes: list[Node], constants: Mapping[str, npt.ArrayLike]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "d", "h", "w"])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (BASE | dict(constants)).items()])
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)])


def apart(model: onnx.ModelProto, x: npt.NDArray[np.float32], *, config: CoreConfig = WIDE, step: float = 0.025,
          engine: str = "fast") -> npt.NDArray[np.int64]:
    """By how many steps the outputs differ."""
    (expected,) = session(model, optimized=False).run(None, {"x": x})
    made = synapress.compile(read_onnx(model), config=config, calibration=x)
    got = synapress.simulate(made, x, engine=engine).outputs["y"]
    assert len(np.unique(expected)) > 10
    return np.rint((got - expected) / step).astype(np.int64)


def frames(seed: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1, (8, *SHAPE)).astype(np.float32)


def assert_nearly_equal(found: npt.NDArray[np.int64], count: int = 2) -> None:
    """Float32 halves may be rounded otherwise in one or two places."""
    assert np.abs(found).max() <= 1 and np.count_nonzero(found) <= count


def f32(values: list[float]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def u8(values: list[int]) -> npt.NDArray[np.uint8]:
    return np.array(values, np.uint8)


CHANNEL = (1, 3, 1, 1)


@pytest.mark.parametrize(("nodes", "constants"), [
    pytest.param([helper.make_node("Add", ["xd", "k"], ["z"])],
                 {"k": f32([0.37, -0.811, 1.234]).reshape(CHANNEL)}, id="Add"),
    pytest.param([helper.make_node("DequantizeLinear", ["kq", "sk", "zk"], ["k"]),
                  helper.make_node("Add", ["xd", "k"], ["z"])],
                 {"kq": u8([250, 3, 140]).reshape(CHANNEL), "sk": np.float32(0.0113), "zk": np.uint8(100)},
                 id="Add, quantized"),
    pytest.param([helper.make_node("Sub", ["xd", "k"], ["z"])], {"k": np.float32(0.37)}, id="Sub"),
    pytest.param([helper.make_node("BatchNormalization", ["xd", "a", "b", "m", "v"], ["z"])],
                 {"a": f32([0.9, 1.1, 0.7]), "b": f32([0.1, 0.2, -0.3]),
                  "m": f32([0.1, 0.2, -0.3]), "v": f32([0.8, 1, 1.2])}, id="BatchNormalization")])
def test_constants_of_quantized_files(nodes: list[Node], constants: dict[str, npt.ArrayLike], seed: int) -> None:
    assert_nearly_equal(apart(file([*BEFORE, *nodes, *AFTER], constants), frames(seed)))


@pytest.mark.parametrize("engine", ["fast", "golden"])
@pytest.mark.parametrize("slopes", [[0.37, 0.11, 0.234], [0.37, -0.11, 0.0], [0.17] * 3], ids=str)
def test_slopes_have_all_bits_of_the_multiplier(slopes: list[float], engine: str, seed: int) -> None:
    """With 32-bit states and long multipliers a parameter word has room for slopes of two bits."""
    nodes = [helper.make_node("Add", ["xd", "k"], ["s"]), helper.make_node("PRelu", ["s", "slopes"], ["z"])]
    model = file([*BEFORE, *nodes, *AFTER], {
        "k": f32([0.4, -0.3, 0.1]).reshape(CHANNEL), "slopes": f32(slopes).reshape(3, 1, 1)})
    assert_nearly_equal(apart(model, frames(seed)[:2 if engine == "golden" else 8], engine=engine))


def test_slopes_of_float_models_are_fine(seed: int) -> None:
    model = file([helper.make_node("PRelu", ["x", "slopes"], ["y"])],
                 {"slopes": f32([0.37, -0.11, 0.0]).reshape(3, 1, 1)})
    x = frames(seed)
    for config in (WIDE, CoreConfig.preset("grai_vip")):
        made = synapress.compile(read_onnx(model), config=config, calibration=x)
        assert all(layer.sqnr > 40 and layer.own_sqnr > 40 for layer in made.layers)


@pytest.mark.parametrize("scale", [0.025, 0.03, 0.05])
@pytest.mark.parametrize("zero", [0, 97])
@pytest.mark.parametrize("pool", [helper.make_node("MaxPool", ["xd"], ["z"], kernel_shape=[2, 2], strides=[2, 2]),
                                  helper.make_node("GlobalMaxPool", ["xd"], ["z"])], ids=lambda node: node.op_type)
def test_maxima_with_scales_of_their_own(pool: Node, zero: int, scale: float, seed: int) -> None:
    model = file([*BEFORE, pool, *AFTER], {"sy": np.float32(scale), "zy": np.uint8(zero)})
    assert_nearly_equal(apart(model, frames(seed), step=scale))


def test_signed_maxima_are_operands_of_16_bit_states(seed: int) -> None:
    nodes = [helper.make_node("GlobalMaxPool", ["x"], ["m"]), helper.make_node("Mul", ["x", "m"], ["y"])]
    x = frames(seed) - 1
    made = synapress.compile(read_onnx(file(nodes, {})), config="grai_vip", calibration=x)
    assert made.layers[-1].sqnr > 30


@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "HardSwish", "SiLU"])
@pytest.mark.parametrize("scale", [0.0, 1e-9])
def test_tables_of_maps_that_are_zero_in_the_calibration(activation: str, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (3, 3, 1, 1)).astype(np.float32)
    weights[1] = 0
    last = [helper.make_node("Sigmoid", ["c"], ["s"]), helper.make_node("Mul", ["c", "s"], ["y"])]
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]),
             *(last if activation == "SiLU" else [helper.make_node(activation, ["c"], ["y"])])]
    made = synapress.compile(read_onnx(file(nodes, {"w": weights})), calibration=frames(seed) * scale)
    (got,) = synapress.simulate(made, np.zeros((1, *SHAPE))).outputs.values()
    assert np.abs(got - (0.5 if activation == "Sigmoid" else 0)).max() < 0.02


@pytest.mark.parametrize(("nodes", "zero"), [
    pytest.param([helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2], strides=[2, 2])], 97, id="MaxPool"),
    pytest.param([helper.make_node("Relu", ["x"], ["z"])], 0, id="Relu"),
    pytest.param([helper.make_node("SpaceToDepth", ["x"], ["z"], blocksize=2)], 97, id="SpaceToDepth"),
    pytest.param([helper.make_node("SpaceToDepth", ["x"], ["m"], blocksize=2),
                  helper.make_node("MaxPool", ["m"], ["z"], kernel_shape=[2, 2])], 97, id="both")])
def test_inputs_have_the_scale_of_what_moves_them(nodes: list[Node], zero: int, seed: int) -> None:
    model = file([*nodes, *AFTER], {"zy": np.uint8(zero)})
    assert_nearly_equal(apart(model, frames(seed)))
