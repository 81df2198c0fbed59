"""The demo of spikes in time with a small network: its tables against sums by hand, and what it refuses."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from golden.errors import ConfigError, ImageError
from synapress import demo_spike_times as demo
from synapress.engines.compare import MismatchError
from synapress.spike_times import float_network
from synapress.spike_times.trained import load_trained, save_trained
from synapress.zoo import spike_time_digits
from synapress.zoo.spike_time_digits import accuracies
from tests.helpers.spike_times import SMALL
from tests.helpers.trained_networks import drawn, frames


@pytest.fixture
def task(tmp_path: Path, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 830])
    network = drawn(rng)
    save_trained(network, tmp_path / "drawn.npz")
    images = frames(rng, network, 30)
    return {"digits": 3, "network": tmp_path / "drawn.npz", "directory": tmp_path / "out", "stall": 0.1,
            "images": demo.Images(calibration=images[20:], test=images[:20], labels=rng.integers(0, 4, 20)),
            "console": Console(quiet=True)}


def record(rng: np.random.Generator) -> dict[str, Any]:
    def cell() -> dict[str, Any]:
        return {"cat": rng.random(), "cat, spikes": rng.random(), "cat, 5 bits": {p: rng.random() for p in "124"},
                "without": {"1, down": 0.25, "0.99, nearest": 0.75}, "without, 5 bits": dict.fromkeys("124", 0.5)}

    return {"epochs": 2, "training": 40, "test": 20, "seeds": [
        {"seed": number, "ann": 0.5 + number / 10, "codes": {"24, 4": cell(), "6, 1": cell()}} for number in (1, 2)]}


def test_the_report_tells_what_the_spikes_are(task: dict[str, Any]) -> None:
    """The run itself has found RTL, golden core and integer network equal."""
    told = demo.run(SMALL, **task)
    network, images = load_trained(task["network"]), task["images"]
    values = float_network.code_inputs(network, images.test[:3])
    layers = told["layers"]
    assert list(layers) == ["input", *(layer.name for layer in network.layers)]
    assert layers["input"]["spikes"] == pytest.approx(np.count_nonzero(values) / 3)
    assert layers["input"]["mean time"] == pytest.approx((24 - values[values > 0]).mean())
    dense = np.prod(network.shapes["hidden"]) * layers["second"]["spikes"]
    assert layers["hidden"]["synaptic operations"] == pytest.approx(dense)
    assert told["counters"]["synapses"] == pytest.approx(3 * sum(
        item["synaptic operations"] for item in layers.values()))
    assert layers["last"]["spikes"] == 0 and layers["last"]["neurons"] == 4
    plain = float_network.run(network, float_network.code_inputs(network, images.test), quantized=False).outputs
    right = plain.reshape(20, -1).argmax(axis=1) == images.labels
    assert told["accuracy"]["float, trained weights"] == pytest.approx(right.mean())
    assert {item["fraction_bits"] for item in told["real numbers"]} == set(demo.FRACTION_BITS)
    folder = task["directory"]
    assert json.loads((folder / "report.json").read_text()) == json.loads(json.dumps(told))
    for name in ("core.v", "image/manifest.json", "spikes.png"):
        assert (folder / name).stat().st_size > 1000


def test_accuracies_of_training_are_told(task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         seed: int) -> None:
    found = record(np.random.default_rng([seed, 831]))
    (tmp_path / "accuracies.json").write_text(json.dumps(found))
    monkeypatch.setattr(spike_time_digits, "FILE", task["network"])
    monkeypatch.setattr(accuracies, "RECORD", tmp_path / "accuracies.json")
    monkeypatch.setattr(demo, "FRACTION_BITS", (20,))
    with (tmp_path / "shown").open("w") as file:
        demo.run(SMALL, **task | {"network": None, "digits": 1, "console": Console(file=file)})
    shown = (tmp_path / "shown").read_text()
    first, second = (seed["codes"]["6, 1"]["cat"] for seed in found["seeds"])
    least, most = sorted((100 * first, 100 * second))
    assert f"{(least + most) / 2:.1f} ({least:.1f} to {most:.1f})" in shown and "75.0 (75.0 to 75.0)" in shown
    assert "the same, weights of 5 bits, 4 per octave" in shown


def test_spikes_at_other_times_are_told(task: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def early(*given: Any) -> dict[str, Any]:
        found = integers(*given)
        found["second"] = np.where(found["second"] > 1, found["second"] - 1, found["second"])
        return found

    integers = demo.integer_values
    monkeypatch.setattr(demo, "integer_values", early)
    with pytest.raises(MismatchError, match=r"RTL and integer network differ: \d+ neurons of second"):
        demo.run(SMALL, **task)


def test_spikes_that_rounding_does_not_explain_are_told(
    task: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexplained(*given: Any) -> Any:
        return [dataclasses.replace(item, unexplained=7) for item in agreement(*given)]

    agreement = demo.agreement
    monkeypatch.setattr(demo, "agreement", unexplained)
    with pytest.raises(MismatchError, match="more than rounding: 7 neurons of first, 7 neurons of second"):
        demo.run(SMALL, **task)


def test_what_cannot_be_run_is_refused(task: dict[str, Any], tmp_path: Path) -> None:
    for digits in (0, 21):
        with pytest.raises(ConfigError, match=rf"--digits {digits} is outside \[1, 20\]"):
            demo.run(SMALL, **task | {"digits": digits})
    with pytest.raises(ImageError, match="no trained network in"):
        demo.run(SMALL, **task | {"network": tmp_path / "none.npz"})


def test_the_network_of_the_zoo_is_one_of_digits() -> None:
    network = load_trained(spike_time_digits.FILE)
    assert network.shapes["input"] == (1, 28, 28) and len(network.classes or range(10)) == 10
    assert network.layers[-1].weight is not None and len(network.layers[-1].weight) == 10
