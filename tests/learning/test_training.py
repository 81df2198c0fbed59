"""Training goes on from files, is the same whatever runs beside it, and learns."""

from pathlib import Path

import numpy as np
import pytest

from golden.errors import ConfigError, FileError, NetworkError
from synapress.learning.task import Task, draw, traces, van_rossum
from synapress.learning.training import Network, Training, adamax

SMALL = {"inputs": 300, "outputs": 20, "steps": 40, "rate": 0.1}
HIDDEN = 100
NETWORKS = [Network(2, 1.0, 1), Network(8, 0.5, 2)]


def small() -> Training:
    return Training(draw(**SMALL), NETWORKS, hidden=HIDDEN)


def test_the_loss_falls() -> None:
    training = small()
    training.train(25)
    for losses in training.losses:
        assert np.mean(losses[-5:]) < 0.85 * min(training.task.silence, losses[0])


def test_adamax_equals_its_definition(seed: int) -> None:
    """Algorithm 2 of Kingma and Ba, in double precision and for one weight at a time; some gradients are always 0."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=6).astype(np.float32)
    expected, mean, largest = weights.astype(float).tolist(), [0.0] * 6, [0.0] * 6
    means, maxima = np.zeros(6, np.float32), np.zeros(6, np.float32)
    for epoch in range(1, 30):
        gradient = (rng.integers(-2, 3, 6) / 128).astype(np.float32) * (np.arange(6) > 1)
        adamax(weights, means, maxima, gradient, epoch)
        for place, given in enumerate(gradient.tolist()):
            mean[place] = 0.9 * mean[place] + 0.1 * given
            largest[place] = max(0.999 * largest[place], abs(given) + 1e-8)
            expected[place] -= 1 / (1 - 0.9 ** epoch) * mean[place] / largest[place]
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-5)


def test_codes_are_what_the_network_uses() -> None:
    training = small()
    training.train(3)
    for which, network in enumerate(NETWORKS):
        for layer, codes in enumerate(training.codes(which)):
            used, most = training.quantized()[layer][which], 2 ** (network.weight_bits - 1) - 1
            assert np.abs(codes).max() <= most
            np.testing.assert_array_equal(codes * (used.max() / codes.max()), used)
    assert 0.4 < np.mean(training.codes(1)[0] != 0) < 0.55


def test_interrupted_training_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    whole, first, second = small(), small(), small()
    whole.train(6)
    first.train(4, checkpoint=tmp_path / "training.npz", every=2)
    second.load(tmp_path / "training.npz")
    assert second.epochs == 4
    np.testing.assert_array_equal(second.spikes, first.spikes)
    assert second.spikes.any()
    second.train(6)
    assert second.losses == whole.losses
    for mine, expected in zip(second.quantized(), whole.quantized(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_weights_are_clipped_and_those_that_are_not_there_stay(tmp_path: Path) -> None:
    """By the file: a weight that leaves the range of its bits must come back with the next step against it."""
    training = small()
    training.save(tmp_path / "before.npz")
    training.train(8, checkpoint=tmp_path / "after.npz")
    with np.load(tmp_path / "before.npz") as before, np.load(tmp_path / "after.npz") as after:
        for network, weights in zip(NETWORKS, after["weights_0"], strict=True):
            assert np.abs(weights).max() == 1 - 2.0 ** (1 - network.weight_bits)
        moved, there = before["weights_0"][1] != after["weights_0"][1], training._there[0][1]
        assert moved[there].any() and not moved[~there].any() and 0.45 < there.mean() < 0.55


def test_a_network_is_the_same_whatever_is_beside_it() -> None:
    both, alone = small(), Training(draw(**SMALL), NETWORKS[1:], hidden=HIDDEN)
    both.train(5)
    alone.train(5)
    assert both.losses[1] == alone.losses[0]


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    first = small()
    first.train(1, checkpoint=tmp_path / "training.npz")
    with pytest.raises(FileError, match="other networks or another task"):
        Training(draw(**SMALL), NETWORKS[:1], hidden=HIDDEN).load(tmp_path / "training.npz")
    with pytest.raises(FileError, match="other networks or another task"):
        Training(draw(**SMALL, seed=2), NETWORKS, hidden=HIDDEN).load(tmp_path / "training.npz")
    (tmp_path / "text").write_text("no file of a training")
    with pytest.raises(FileError, match="is no file of a training"):
        small().load(tmp_path / "text")


@pytest.mark.parametrize("given", [{"weight_bits": 1}, {"density": 0}, {"density": 1.5}, {"seed": -1}])
def test_networks_that_cannot_be(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Network(**given)


def test_tasks_that_cannot_be() -> None:
    with pytest.raises(NetworkError, match="at least one step"):
        draw(steps=0)
    with pytest.raises(NetworkError, match="shares from 0 to 1"):
        draw(rate=2)
    with pytest.raises(NetworkError, match="booleans"):
        Task(inputs=np.zeros((3, 2)), target=np.zeros((3, 2), bool))
    with pytest.raises(NetworkError, match="3 steps go in, but the target has 4"):
        Task(inputs=np.zeros((3, 2), bool), target=np.zeros((4, 2), bool))
    with pytest.raises(ConfigError, match="needs networks"):
        Training(draw(**SMALL), [])


def test_the_distance_of_a_spike() -> None:
    """By hand: one spike against none, then against itself; its trace is 1, 3/4, 9/16."""
    spikes = np.zeros((3, 1), bool)
    spikes[0] = True
    assert traces(spikes)[:, 0].tolist() == [1, 0.75, 0.5625]
    distance, gradient = van_rossum(np.stack([spikes, ~spikes & False]), spikes)
    assert distance[0] == 0 and not gradient[0].any()
    assert distance[1] == pytest.approx(np.sqrt((1 + 0.75 ** 2 + 0.5625 ** 2) / 5e-3))


def test_the_picture_is_drawn_by_formula_and_seed() -> None:
    first, again, other = draw(), draw(), draw(seed=2)
    np.testing.assert_array_equal(first.target, again.target)
    assert np.any(first.inputs != other.inputs) and np.any(first.target != other.target)
    assert abs(first.inputs.mean() - 0.04) < 0.002
    assert not first.target[:, [0, -1]].any() and 900 < first.target.sum() < 1100
