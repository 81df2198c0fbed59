"""Maps of the calibration while a network is quantized: given up when no layer needs them, in files where large."""

from typing import Any

import numpy as np
import pytest

from golden.config import CoreConfig
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import run_layers
from synapress.mapper.lowering.split_layers import SplitLayers, split_layers
from synapress.mapper.quantization import maps
from synapress.mapper.quantization.quantize import quantize
from tests.helpers.onnx_net import frames
from tests.helpers.own_networks import NETWORKS

CONFIG = CoreConfig.preset("grai_vip")


@pytest.fixture(scope="module")
def split() -> SplitLayers:
    """A U-Net: its skip connections are needed long after they are made."""
    return split_layers(fuse(read_onnx(NETWORKS["unet"](size=32)).graph, CONFIG), CONFIG)


def given(split: SplitLayers, count: int) -> dict[str, Any]:
    (name,) = split.layers.inputs
    return {name: frames((3, 32, 32), count, np.random.default_rng(1))}


def test_maps_in_files_change_nothing(split: SplitLayers, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = given(split, 1)
    held = quantize(split, calibration, CONFIG)
    monkeypatch.setattr(maps, "_IN_MEMORY", 0)
    stored = quantize(split, calibration, CONFIG)
    assert held.scales == stored.scales and held.report == stored.report and held.measured == stored.measured
    for name, values in held.sample.items():
        assert np.array_equal(values, stored.sample[name])


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_a_map_is_made_again_when_it_was_dropped(split: SplitLayers, memory: int, monkeypatch: pytest.MonkeyPatch,
                                                 ) -> None:
    monkeypatch.setattr(maps, "_IN_MEMORY", memory)
    inputs = given(split, 2)
    expected, made = run_layers(split.layers, inputs), maps.FloatMaps(split.layers, inputs, 2)
    last = list(expected)[-1]
    assert np.array_equal(made[last], expected[last])
    for name in expected:
        made.done(name)
    assert all(np.array_equal(made[name], expected[name]) for name in reversed(expected))


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_maps_are_given_up(split: SplitLayers, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "_IN_MEMORY", memory)
    made, left = maps.FloatMaps(split.layers, given(split, 1), 1), set(split.layers.layers)
    for name, layer in split.layers.layers.items():
        assert left >= {name, *(branch.source for branch in layer.branches)}  # nothing that is needed is gone
        assert made[name].any()
        left -= set(made.done(name))
    assert not left and not made._made and not made._stored
