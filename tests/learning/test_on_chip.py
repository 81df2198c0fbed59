"""Learning by the update unit: the host's steps, and that all who learn do the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import learning as table
from benchmarks import on_chip as benchmark
from golden.errors import ConfigError, ToolError
from golden.synapse.learning.lfsr import Lfsr
from golden.synapse.organisations.interface import KINDS
from golden.types import Array, IntArray
from synapress.learning.hardware import Hardware, learn_rtl
from synapress.learning.learners import SIZES, first_random, learn_golden, learn_real, packed
from synapress.learning.on_chip import Layer, Neurons, Numbers, Settings, compared, learn

SMALL = Settings(inputs=20, hidden=12, outputs=9, steps=24, input_rate=0.25, epochs=4)
PRUNED = Settings(inputs=20, hidden=12, outputs=9, steps=24, input_rate=0.25, epochs=4, density=0.5, weight_bits=8,
                  rate_shift=13)
ALL = ("crossbar", "bitmap", "compressed_rows", "functional", "functional_bitmap", "functional_pure")


class Literal(Layer):
    """A layer weight by weight, in Python's integers: posts in the order of the requests, to each all its pres."""

    def __init__(self, weights: IntArray, stored: Array, settings: Settings, number: int):
        self.matrix, self.stored, self.settings = weights.tolist(), stored.tolist(), settings
        self.random = Lfsr(SIZES.polynomial, first_random(settings, number))

    def forward(self, fired: IntArray) -> Array:
        return np.array([sum(self.matrix[pre][post] for pre in fired) for post in range(len(self.matrix[0]))])

    def update(self, posts: IntArray, errors: Array, traces: Array) -> Array:
        sums = [0] * len(self.matrix)
        for post, error in zip(posts.tolist(), errors.tolist(), strict=True):
            for pre, trace in enumerate(traces.tolist()):
                before = self.matrix[pre][post]
                sums[pre] += before * error
                if self.settings.density < 1 and before == 0:
                    continue
                drawn = int(self.random.draw(1)[0]) % 2 ** self.settings.rate_shift
                after = before - (trace * error + drawn) // 2 ** self.settings.rate_shift
                self.matrix[pre][post] = max(-self.settings.most, min(self.settings.most, after))
        return np.array(sums)

    def weights(self) -> Array:
        return np.array(self.matrix)

    def accesses(self) -> dict[str, dict[str, int]]:
        return {}


@pytest.mark.parametrize("settings", [SMALL, PRUNED], ids=["all weights", "half of them"])
def test_golden_learner_equals_the_literal_one_in_every_organisation(settings: Settings) -> None:
    expected = learn(settings, Literal, keep_history=True)
    moved = [np.sum(first != last) for first, last in zip(settings.weights()[0], expected.weights, strict=True)]
    assert min(moved) > 20
    for name in ALL:
        found = learn_golden(settings, name, keep_history=True)
        same = compared(expected, found)
        assert same == {"weights": same["weights"], "differences": 0, "epochs": 4, "losses differ": 0,
                        "spikes differ": 0}
        assert same["weights"] == 5 * (20 * 12 + 12 * 9)
        assert found.accesses["UPDATE"]["weight_write"] > 0


@pytest.mark.parametrize("name", [
    "crossbar", *(pytest.param(name, marks=pytest.mark.long) for name in ALL[1:])])
@pytest.mark.parametrize("settings", [SMALL, PRUNED], ids=["all weights", "half of them"])
def test_hardware_equals_the_golden_model(settings: Settings, name: str) -> None:
    """Weights after each epoch, losses, spikes and accesses; also if memories and the host wait at random."""
    golden = learn_golden(settings, name, keep_history=True)
    for stall in (0.0, 0.4):
        found = learn_rtl(settings, name, keep_history=True, stall=stall)
        same = compared(golden, found)
        assert same["weights"] and not same["differences"] + same["losses differ"] + same["spikes differ"]
        for walk in ("FORWARD", "UPDATE"):
            for kind in (*KINDS, "requests"):
                assert found.accesses[walk][kind] == golden.accesses[walk][kind], (walk, kind)
            assert found.accesses[walk]["errors"] == found.accesses[walk]["beyond"] == 0


def test_hardware_that_hangs_is_an_error() -> None:
    weights, stored = SMALL.weights()
    layer = Hardware("crossbar", weights[0], stored[0], SMALL, 0, limit=0)
    with pytest.raises(ToolError, match="nothing moves any more"):
        layer.forward(np.array([1, 2]))


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_fifty_epochs(name: str) -> None:
    """Of the network of the benchmark."""
    settings = Settings(epochs=50)
    same = compared(learn_golden(settings, name, keep_history=True), learn_rtl(settings, name, keep_history=True))
    assert same["epochs"] == 50 and same["weights"] == 51 * (64 * 48 + 48 * 32)
    assert not same["differences"] + same["losses differ"] + same["spikes differ"]


@pytest.mark.long
def test_integers_learn_as_real_numbers_do() -> None:
    """The loss at the end, of each of three seeds, is at most a tenth above that in real numbers, and far below that
    of silence."""
    for seed in (1, 2, 3):
        settings = Settings(seed=seed)
        found, real = learn_golden(settings), learn_real(settings)
        assert found.final < 1.1 * real.final
        assert found.final < 0.7 * found.task.silence


def test_the_loss_falls_on_chip() -> None:
    """In a small network, from more than that of silence to well below it."""
    for seed in (1, 2):
        settings = Settings(inputs=40, hidden=24, outputs=16, steps=40, input_rate=0.15, epochs=20, seed=seed)
        for run in (learn_golden(settings), learn_real(settings)):
            assert np.mean(run.losses[-5:]) < 0.88 * run.task.silence < run.losses[0]


def test_host_in_integers_is_close_to_real_numbers(seed: int) -> None:
    """Neurons without firing: potentials to some 1/1024, traces to a step; distances and their slopes."""
    rng = np.random.default_rng(seed)
    drives = rng.integers(-100, 100, (60, 8))
    pair = [Neurons(Numbers(integers), 8) for integers in (True, False)]
    for drive in drives:
        fired = rng.random(8) < 0.1
        for neurons in pair:
            neurons.end(fired, drive)
    mine, real = pair
    np.testing.assert_allclose(mine.potential, real.potential, atol=16)
    np.testing.assert_allclose(mine.traces, real.traces, atol=1.5)
    assert mine.traces.max() > 4
    assert Numbers(True).down(np.array([3, 1, 2, -1, -2, -3, -4]), 1).tolist() == [2, 1, 1, 0, -1, -1, -2]
    assert Numbers(False).down(np.array([3]), 1).tolist() == [1.5]
    distances = np.array([0, 1024, -1024, 3072])
    assert Numbers(True).slope(distances).tolist() == [256, 64, 64, 16]


def test_a_trace_is_what_a_spike_does_to_a_potential() -> None:
    """Behind a weight of 1: the traces of a neuron that fired, and the potential of one that took the spike."""
    numbers = Numbers(integers=True)
    source, target = Neurons(numbers, 1), Neurons(numbers, 1)
    fired = np.array([True])
    for _ in range(20):
        source.end(fired, numbers.zeros(1))
        target.end(np.array([False]), fired * 1024)
        fired = np.array([False])
        assert source.trace == target.potential


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("weight_bits", 1), ("density", 0.0), ("seed", -1),
                                             ("rate_shift", 17), ("steps", 1)])
def test_settings_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"on-chip learning: {name} = "):
        Settings(**{name: value})


def test_organisations_that_are_not_there() -> None:
    weights, stored = SMALL.weights()
    with pytest.raises(ConfigError, match="there is no memory organisation 'tables'"):
        packed("tables", weights[0], stored[0], SMALL)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of the measured section write what they say; and refuse what cannot be."""
    benchmark.main(["--epochs", "1", "--seeds", "1", "--no-rtl", "--organisation", "crossbar", "--json",
                    str(tmp_path / "chip.json"), "--figure", str(tmp_path / "chip.png")])
    report = json.loads((tmp_path / "chip.json").read_text())
    assert report["same in all organisations"] and len(report["seeds"][0]["losses"]) == 1
    table.main(["--epochs", "1", "--seeds", "1", "--bits", "2,5", "--density", "1", "--json",
                str(tmp_path / "table.json")])
    report = json.loads((tmp_path / "table.json").read_text())
    assert [row["bits"] for row in report["rows"]] == [2, 5] and report["degradation"]["published"] == 0.04
    assert (tmp_path / "chip.png").stat().st_size > 1000
    for command, given, said in ((benchmark, ["--epochs", "0"], "epochs = 0 is outside"),
                                 (benchmark, ["--bits", "7"], "bits = 7 is outside [8, 12]"),
                                 (benchmark, ["--figure", "chip.txt"], "the suffix must be .png or .svg"),
                                 (table, ["--checkpoint", str(tmp_path)], "is a folder; name a file"),
                                 (table, ["--bits", "two"], "no list of numbers"),
                                 (table, ["--epochs", "0"], "at least one epoch")):
        with pytest.raises(SystemExit):
            command.main(given)
        assert said in capsys.readouterr().err
