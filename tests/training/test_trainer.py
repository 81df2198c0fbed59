"""Training: that it learns, goes on after an interruption with the same result, and says what is wrong with data."""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.errors import FileError, NetworkError
from synapress.mapper.errors import ModelWarning
from synapress.training import Epoch, Settings, SpikeTimeNetwork, Stage, TrainingError, predict, train
from synapress.training.torch_module import nn, torch
from synapress.training.trainer import CHECKSUM
from tests.training.networks import SHAPE, Functions, data

SETTINGS = Settings(epochs=8, batch=16, seed=5)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def network(**codes: int) -> SpikeTimeNetwork:
    torch.manual_seed(3)
    return SpikeTimeNetwork(Functions(), SHAPE, **{"steps": 12, "tau": 2} | codes)


def test_it_learns_through_all_stages() -> None:
    made, (images, labels), told = network(), data(1, 200), []
    done = train(made, images, labels, Settings(epochs=12, batch=20), test=data(2), progress=told.append)
    assert told == done and [epoch.number for epoch in done] == list(range(1, 13))
    assert [str(epoch.stage) for epoch in done] == ["relu"] * 2 + ["clip"] * 7 + ["ttfs"] * 3
    assert done[-1].accuracy > 0.9 and (done[-1].test_accuracy or 0) > 0.9
    assert done[-1].loss < done[0].loss / 2
    right = (predict(made, torch.from_numpy(data(2)[0])).numpy() == data(2)[1]).mean()
    assert right == pytest.approx(done[-1].test_accuracy) and made.inputs.stage == Stage.TTFS and not made.training
    assert str(done[-1]).startswith("epoch 12 of 12 (ttfs): loss 0.")


@pytest.mark.parametrize("epochs", [1, 3, 6, 8])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, epochs: int) -> None:
    """Interrupted after an epoch, so in the next one; dropout, the order of samples and momenta are as they were."""
    images, labels = data(1)
    whole = network()
    expected = train(whole, images, labels, SETTINGS)

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(network(), images, labels, SETTINGS, checkpoint=tmp_path / "run.pt", progress=interrupt)
    torch.manual_seed(99)
    again = SpikeTimeNetwork(Functions(), SHAPE, steps=12, tau=2)  # other weights, which the checkpoint replaces
    told: list[Epoch] = []
    found = train(again, images, labels, SETTINGS, checkpoint=tmp_path / "run.pt", progress=told.append)
    assert found == expected and told == expected[epochs:]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_the_seed_decides() -> None:
    images, labels = data(1)
    losses = [train(network(), images, labels, Settings(epochs=2, batch=16, seed=seed))[-1].loss for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_each_epoch_has_its_own_order_of_all_samples() -> None:
    made, (images, labels), seen = network(), data(1), []
    hook = made.layers[0].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    train(made, images, labels, Settings(epochs=2, batch=20, clip_from=1, ttfs_from=1))
    hook.remove()
    seen = [batch for batch in seen if len(batch) == 20]
    first, second = (torch.cat(seen[start:start + 3]).flatten(1) for start in (0, 3))
    assert not torch.equal(first, second) and torch.equal(first.sort(0).values, second.sort(0).values)


def test_the_random_numbers_of_the_user_are_left_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    made = network()
    torch.manual_seed(7)
    train(made, *data(1), Settings(epochs=1))
    assert torch.rand(1) == expected


@pytest.mark.parametrize(("other", "rule"), [
    ({"settings": Settings(epochs=8, batch=16, seed=6)}, "settings"), ({"images": data(2)[0]}, "training data"),
    ({"network": {"tau": 4}}, "network")])
def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path, other: dict[str, Any], rule: str) -> None:
    images, labels = data(1)
    train(network(), images, labels, SETTINGS, checkpoint=tmp_path / "run.pt")
    with pytest.raises(TrainingError, match=f"rule '{rule}'.*Remove the checkpoint"):
        train(network(**other.get("network", {})), other.get("images", images), labels,
              other.get("settings", SETTINGS), checkpoint=tmp_path / "run.pt")


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    images, labels = data(1)
    path = tmp_path / "run.pt"
    train(network(), images, labels, Settings(epochs=1), checkpoint=path)
    content = path.read_bytes()
    hostile = io.BytesIO()
    torch.save({"version": 1, "run": {}, "done": [Path("/")]}, hostile)
    flipped = [bytes([*content[:at], content[at] ^ 1, *content[at + 1:]])
               for at in np.random.default_rng(4).integers(0, len(content), 12)]
    for damaged in (content[:1000], b"", b"no checkpoint", hostile.getvalue(), *flipped):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match="is no checkpoint"):
            train(network(), images, labels, Settings(epochs=1), checkpoint=path)
    kept = torch.load(io.BytesIO(content[:-CHECKSUM]), weights_only=True)
    for change in ({"done": [{"number": 1}]}, {"run": 1}, {"network": {}}, {"optimizer": {}}):
        made = io.BytesIO()
        torch.save(kept | change, made)
        path.write_bytes(made.getvalue() + zlib.crc32(made.getvalue()).to_bytes(CHECKSUM, "big"))
        with pytest.raises(FileError, match="is no checkpoint"):
            train(network(), images, labels, Settings(epochs=1), checkpoint=path)
    with pytest.raises(FileError):
        train(network(), images, labels, Settings(epochs=1), checkpoint=tmp_path)
    with pytest.raises(FileError):
        train(network(), images, labels, Settings(epochs=1), checkpoint=path / "run.pt")


IMAGES, LABELS = data(1)


@pytest.mark.parametrize(("images", "labels", "rule"), [
    (IMAGES[:0], LABELS[:0], "samples"),
    (IMAGES[:, :1], LABELS, "shape"),
    (IMAGES, LABELS[:-1], "labels"),
    (IMAGES, np.eye(3)[LABELS], "labels"),
    (IMAGES, LABELS.astype(float), "classes"),
    (IMAGES, LABELS + 1, "classes"),
    (IMAGES, LABELS - 1, "classes"),
    (np.where(IMAGES > 0.99, np.nan, IMAGES), LABELS, "finite images"),
    (np.where(IMAGES > 0.99, np.inf, IMAGES), LABELS, "finite images"),
    (IMAGES.astype(np.float64) * 1e300, LABELS, "finite images"),
    (IMAGES.astype(object), LABELS, "images"),
    (IMAGES.astype(complex), LABELS, "images"),
    (None, LABELS, "images"),
    ([[1.0], [1.0, 2.0]], LABELS, "images"),
    (torch.from_numpy(IMAGES).to(torch.complex64), LABELS, "images"),
    (IMAGES, LABELS.astype(str), "labels"),
])
def test_data_that_cannot_be_trained_on_are_refused(images: Any, labels: Any, rule: str) -> None:
    for given in ({}, {"test": (images, labels)}):
        with pytest.raises(TrainingError, match=f"{'test' if given else 'training'} data, rule '{rule}'"):
            train(network(), IMAGES if given else images, LABELS if given else labels, **given)


def test_a_test_without_labels_is_refused() -> None:
    with pytest.raises(TrainingError, match="test data, rule 'pair'"):
        train(network(), IMAGES, LABELS, test=IMAGES)  # type: ignore[arg-type]


def test_numbers_of_any_width_and_order_of_bytes_are_the_same() -> None:
    one = Settings(epochs=1)
    expected = train(network(), IMAGES, LABELS, one)
    for images, labels in ((IMAGES.astype(">f8"), LABELS.astype(np.uint64)),
                           (IMAGES.tolist(), LABELS.astype(np.uint16)),
                           (torch.from_numpy(IMAGES).requires_grad_(), torch.from_numpy(LABELS).to(torch.uint8))):
        assert train(network(), images, labels, one) == expected


def test_images_that_spikes_cannot_tell_are_warned_of() -> None:
    with pytest.warns(ModelWarning, match=r"training data: \d+\.\d% of the images' numbers are outside 0 to θ0 = 1, "):
        train(network(), (IMAGES * 255).astype(np.uint8), LABELS, Settings(epochs=4))
    with pytest.warns(ModelWarning, match="3 epochs are too few"):
        train(network(), IMAGES, LABELS, Settings(epochs=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(network(), IMAGES * 255, LABELS, Settings(epochs=1, ttfs_from=1))
        train(network(), IMAGES, LABELS, Settings(epochs=4))


def test_steps_of_one_sample_train_where_no_batch_norm_is() -> None:
    made = SpikeTimeNetwork(nn.Sequential(nn.Flatten(), nn.Linear(96, 3)), SHAPE)
    before = made.layers[1].weight.detach().clone()
    done = train(made, IMAGES[:9], LABELS[:9], Settings(epochs=1, batch=1, ttfs_from=1))
    assert done[0].loss > 0 and not torch.equal(before, made.layers[1].weight)
    for images, settings, rule in ((IMAGES, Settings(batch=1), "batch"), (IMAGES[:1], Settings(), "samples")):
        with pytest.raises(TrainingError, match=f"rule '{rule}': needs at least 2"):
            train(network(), images, LABELS[:len(images)], settings)


def test_a_training_that_diverges_ends_with_its_epoch(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"epoch \d, .*rule 'finite (loss|weights)'.*Lower the learning rate"):
        train(network(), IMAGES, LABELS, Settings(rate=1e30), checkpoint=tmp_path / "run.pt")


def test_weights_that_are_not_finite_are_found_although_activations_hide_them() -> None:
    made = network()
    with torch.no_grad():
        next(made.parameters())[0] = float("nan")
    with pytest.raises(NetworkError, match="finite"):
        train(made, IMAGES, LABELS, SETTINGS)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"clip_from": 0.9}, {"clip_from": -1.0}, {"rate": -1.0},
                                   {"rate": float("nan")}, {"momentum": float("inf")}, {"epochs": 2.5},
                                   {"epochs": "3"}, {"batch": None}, {"rate": "1"}, {"seed": 1.5}, {"seed": 1 << 60},
                                   {"slower_from": 0.5}, {"slower_from": ("a",)}, {"ttfs_from": None}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="settings, rule"):
        Settings(**wrong)


def test_a_last_batch_of_one_sample_does_no_harm() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(96, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    train(SpikeTimeNetwork(module, SHAPE), IMAGES[:33], LABELS[:33], Settings(epochs=2, batch=16))


def test_rates_and_stages_by_epoch() -> None:
    settings = Settings(epochs=24)
    assert [settings.stage(epoch).value for epoch in (0, 3, 4, 17, 18, 23)] == [
        "relu", "relu", "clip", "clip", "ttfs", "ttfs"]
    assert [round(settings.rate_of(epoch), 6) for epoch in (0, 11, 12, 18, 22, 23)] == [
        0.05, 0.05, 0.01, 0.002, 0.002, 0.0004]
    assert Settings(epochs=3, clip_from=1, ttfs_from=1).stage(2) == Stage.RELU
