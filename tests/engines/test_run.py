"""The main job in small: images through the RTL by one call, and the demo itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from golden.config import CoreConfig
from golden.errors import ConfigError, EventError, NetworkError
from golden.network import dense
from synapress import demo
from synapress.engines.rtl import simulate_image
from synapress.mapper import Network, compile_network

SMALL = CoreConfig.preset("fpga_small")


def residual(rng: np.random.Generator) -> Network:
    net = Network("residual")
    net.input("in", (2, 8, 7))
    net.conv("stem", "in", rng.integers(-20, 20, (6, 2, 3, 2)), padding=1, stride=2, multiplier=3, shift=6)
    net.add("sum", ["stem", net.branch("stem", rng.integers(-20, 20, (6, 6, 1, 1)))], shift=3)
    net.output("sum")
    return net


def test_outputs_are_those_of_the_dense_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, image = compile_network(residual(rng), SMALL)
    frames = rng.integers(0, 256, (4, 2, 8, 7)) * (rng.random((4, 2, 8, 7)) < 0.5)
    done: list[tuple[str, int]] = []
    result = simulate_image(image, {"in": frames}, stall=0.3, seed=seed, progress=lambda *what: done.append(what))
    expected = dense.run(program, {"in": frames}, SMALL)
    assert result.comparison.equal and result.comparison.frames == 4 and result.comparison.states > 0
    np.testing.assert_array_equal(result.outputs["sum"], expected["sum"].outputs)
    np.testing.assert_array_equal(result.golden_outputs["sum"], expected["sum"].outputs)
    assert np.count_nonzero(result.outputs["sum"]) > 0
    synapses = dense.synaptic_operations(program, {name: item.outputs for name, item in expected.items()})
    assert result.counters["synapses"] == sum(synapses.values())
    assert done == [(who, number) for who in ("golden", "rtl") for number in range(1, 5)]


@pytest.mark.parametrize(("inputs", "error", "message"), [
    ({}, NetworkError, "the image has the inputs in; given: none"),
    ({"in": np.zeros((2, 7, 8), int)}, NetworkError, r"'in': needs integers of shape \(2, 8, 7\)"),
    ({"in": np.zeros((2, 8, 7))}, NetworkError, "given: float64"),
    ({"in": np.full((2, 8, 7), 256)}, EventError, r"'in': values from 256 to 256 do not fit its range: \[0, 255\]"),
    ({"in": np.full((2, 8, 7), -1)}, EventError, "do not fit its range"),
])
def test_wrong_inputs_are_refused(inputs: dict, error: type[Exception], message: str, seed: int) -> None:
    _, image = compile_network(residual(np.random.default_rng(seed)), SMALL)
    with pytest.raises(error, match=message):
        simulate_image(image, inputs)


def test_demo(tmp_path: Path, seed: int) -> None:
    """All steps but the area, on a few digits: RTL = golden, and the accuracy that the project claims."""
    report = demo.run(CoreConfig(), digits=6, directory=tmp_path, area=False, stall=0.1, seed=seed,
                      console=Console(quiet=True))
    assert report["comparison"]["differences"] == () and report["comparison"]["frames"] == 6
    assert report["accuracy"]["golden_all"] >= 0.97
    assert abs(report["accuracy"]["golden_all"] - report["accuracy"]["float_all"]) <= 0.005
    assert report["accuracy"]["rtl_simulated"] == report["accuracy"]["golden_simulated"]
    for name in ("core.v", "core.json", "demo.png", "image/image.hex", "image/manifest.json"):
        assert (tmp_path / name).stat().st_size > 1000
    assert json.loads((tmp_path / "report.json").read_text())["counters"]["synapses"] > 100_000


def test_demo_refuses_more_digits_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--digits 1001 is outside \[1, 1000\]"):
        demo.run(CoreConfig(), digits=1001, directory=tmp_path)
