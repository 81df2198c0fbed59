"""Strides that one core does not have: a mesh cuts the layer, and the refusals of one core come only without a mesh."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import synapress
from synapress.mapper.errors import RuleError
from synapress.mapper.importers.model import Model
from synapress.mapper.quantization.scales import sqnr
from synapress.model import float_outputs
from tests.helpers.onnx_models import Builder
from tests.helpers.onnx_sessions import session


def strided(folder: Path, seed: int, size: int, strides: tuple[int, int]) -> tuple[
        Model, np.ndarray, np.ndarray]:
    """A convolution with these strides behind another; frames, and what onnxruntime makes of them."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, size, size))
    made = b.model(b.conv(b.conv("x", 2, 4), 4, 6, 5, strides=strides, pads=[0] * 4))
    onnx.save(made, folder / "strided.onnx")
    x = rng.normal(0, 1, (4, 2, size, size)).astype(np.float32)
    return synapress.load(folder / "strided.onnx"), x, session(made).run(None, {"x": x})[0]


@pytest.mark.parametrize(("size", "strides"), [(25, (5, 5)), (20, (3, 5)), (23, (1, 3))])
@pytest.mark.parametrize("mesh", [True, None])
def test_a_mesh_has_any_stride(
    mesh: bool | None, size: int, strides: tuple[int, int], tmp_path: Path, seed: int
) -> None:
    """The golden mesh, event by event, gives the integers of the fast model, which are near the float results."""
    model, x, expected = strided(tmp_path, seed, size, strides)
    (real,) = float_outputs(model, x).values()
    np.testing.assert_allclose(real, expected, atol=1e-4)
    made = synapress.compile(model, calibration=x, mesh=mesh)
    fast, golden = (synapress.simulate(made, x[:2], engine=engine, cycles=True) for engine in ("fast", "golden"))
    for name, array in fast.integers.items():
        assert array.any()
        np.testing.assert_array_equal(golden.integers[name], array)
    (outputs,) = golden.outputs.values()
    assert outputs.shape == expected[:2].shape and sqnr(expected[:2], outputs) > 25
    assert golden.counters is not None
    assert golden.counters["synapses"] == sum(count.operations for count in fast.counts.values())
    assert {item.verdict for item in made.sums} <= {"proved", "measured"}


def test_one_core_refuses_with_hints_that_work(tmp_path: Path, seed: int) -> None:
    """A mesh, and a stride of the list."""
    model, x, _ = strided(tmp_path, seed, 45, (5, 5))
    with pytest.raises(RuleError, match=r"'conv2', rule 'stride': needs stride 5.*strides 1, 2, 4, 8.*"
                                        r"or map it to a mesh, which cuts the maps for it\.$"):
        synapress.compile(model, calibration=x, mesh=False)
    assert len(synapress.compile(model, calibration=x, mesh=True).images) >= 1
    usual, x, expected = strided(tmp_path, seed, 45, (4, 4))
    (outputs,) = synapress.simulate(synapress.compile(usual, calibration=x, mesh=False), x).outputs.values()
    assert sqnr(expected, outputs) > 25


@pytest.mark.parametrize("mesh", [False, True])
@pytest.mark.parametrize("kind", ["conv", "max"])
def test_a_stride_of_3_between_other_layers(mesh: bool, kind: str, tmp_path: Path, seed: int) -> None:
    """16 × 16 to 5 × 5, behind one convolution and before another: more parts than a core has layers for one by one."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, (2, 16, 16))
    name = b.conv("x", 2, 4)
    if kind == "conv":
        name = b.conv(name, 4, 8, strides=[3, 3], pads=[0] * 4)
    else:
        name = b.node("MaxPool", name, kernel_shape=[3, 3], strides=[3, 3])
    made = b.model(b.conv(name, 8 if kind == "conv" else 4, 3))
    onnx.save(made, tmp_path / "between.onnx")
    x = rng.normal(0, 1, (4, 2, 16, 16)).astype(np.float32)
    model = synapress.load(tmp_path / "between.onnx")
    if kind == "max" and not mesh:
        with pytest.raises(RuleError, match=r"rule 'stride': needs stride 3.*or map it to a mesh"):
            synapress.compile(model, calibration=x, mesh=False)
        return
    compiled = synapress.compile(model, calibration=x, mesh=mesh)
    fast, golden = (synapress.simulate(compiled, x[:2], engine=engine) for engine in ("fast", "golden"))
    for port, values in fast.integers.items():
        np.testing.assert_array_equal(golden.integers[port], values)
    (outputs,) = golden.outputs.values()
    assert outputs.shape == (2, 3, 5, 5) and sqnr(session(made).run(None, {"x": x[:2]})[0], outputs) > 25
