"""Training: stochastic gradient descent through the stages of the activations, epoch by epoch, from checkpoints."""

import io
import os
import warnings
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from golden.errors import FileError
from golden.files import Writing, read_bytes
from synapress.mapper.errors import ModelWarning
from synapress.training.activation import Stage
from synapress.training.arrays import export
from synapress.training.errors import TrainingError
from synapress.training.network import SpikeTimeNetwork
from synapress.training.settings import Settings, samples
from synapress.training.torch_module import torch

VERSION = 2
CHECKSUM = 4
"""Bytes at the end of a checkpoint: CRC-32 of the others."""
_EVALUATED = 500
"""Samples that are evaluated at once."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What is told of an epoch when it ends."""

    number: int
    """The first is 1."""
    epochs: int
    stage: Stage
    loss: float
    """Mean cross-entropy of the training samples as they were met."""
    accuracy: float
    """Of these, 0 to 1."""
    test_accuracy: float | None
    """After the epoch, if there are test samples."""

    def __str__(self) -> str:
        test = "" if self.test_accuracy is None else f", test {self.test_accuracy:.1%}"
        return (f"epoch {self.number} of {self.epochs} ({self.stage}): loss {self.loss:.4f}, "
                f"training {self.accuracy:.1%}{test}")


def train(
    network: SpikeTimeNetwork, images: npt.ArrayLike, labels: npt.ArrayLike, settings: Settings | None = None, *,
    test: tuple[npt.ArrayLike, npt.ArrayLike] | None = None, checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train a network in place; afterwards its activations are in the stage of the last epoch, and it is in eval mode.

    With a checkpoint, a file that is written after each epoch, training that was interrupted goes on where the last
    epoch ended, with the same result as without the interruption, on the same machine and number of threads: the order
    of the samples and dropout depend on the seed and the number of the epoch alone.

    Args:
        network: of `SpikeTimeNetwork`, with weights as they shall be at first.
        images: (n, channels, rows, columns), best of 0 to θ0, as inputs are clipped to that in the last stage.
        labels: (n,), the numbers of the classes.
        settings: of the training; default: `Settings()`.
        test: images and labels that are only evaluated.
        checkpoint: the file; of a run with other settings, data or network it is refused.
        progress: is called after each epoch.

    Returns:
        All epochs, also those before an interruption.

    Raises:
        TrainingError: the data are empty, not finite or do not fit; the loss or a weight is not finite; the checkpoint
            is of another run.
        FileError: the checkpoint cannot be read or written.
    """
    settings = settings or Settings()
    export(network)  # what the hardware has not is refused before hours of training
    with torch.no_grad():
        outputs = network.eval()(torch.zeros((1, *network.shape))).shape[1]
    x, y = samples(images, labels, network.shape, outputs, "training data")
    if test is not None and not (isinstance(test, tuple | list) and len(test) == 2):
        raise TrainingError("test data", "pair", "images and labels", type(test).__name__, "Give both, as a tuple.")
    tested = None if test is None else samples(*test, network.shape, outputs, "test data")
    _check_batches(network, settings, x)
    optimizer = torch.optim.SGD(network.parameters(), lr=settings.rate, momentum=settings.momentum,
                                weight_decay=settings.weight_decay, nesterov=settings.momentum > 0)
    run = _Run(network, optimizer, settings, _fingerprint(network, settings, x, y))
    done = run.resume(Path(checkpoint)) if checkpoint is not None and Path(checkpoint).exists() else []
    for number in range(len(done), settings.epochs):
        network.set_stage(settings.stage(number))
        loss, accuracy = run.epoch(number, x, y)
        accuracy_of_test = None if tested is None else float((predict(network, tested[0]) == tested[1]).float().mean())
        done.append(Epoch(number=number + 1, epochs=settings.epochs, stage=settings.stage(number), loss=loss,
                          accuracy=accuracy, test_accuracy=accuracy_of_test))
        if checkpoint is not None:
            run.keep(Path(checkpoint), done)
        if progress is not None:
            progress(done[-1])
    network.set_stage(settings.stage(settings.epochs - 1))
    network.eval()
    return done


def predict(module: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The class of each image; the module is in eval mode afterwards."""
    module.eval()
    with torch.no_grad():
        return torch.cat([module(part).argmax(1) for part in images.split(_EVALUATED)])


def _check_batches(network: SpikeTimeNetwork, settings: Settings, x: torch.Tensor) -> None:
    """Whether each step has the samples that it needs; warnings of what spikes do not learn or cannot tell."""
    if _has_norms(network):
        for where, rule, count in (("settings", "batch", settings.batch), ("training data", "samples", len(x))):
            if count < 2:
                raise TrainingError(where, rule, "at least 2, as a batch norm has no variance of one sample", count,
                                    "Give more, or leave out batch norms.")
    if settings.stage(settings.epochs - 1) != Stage.TTFS:
        if settings.ttfs_from < 1:
            warnings.warn(f"settings: {settings.epochs} epochs are too few for one in the stage of spikes, which "
                          f"begins after {settings.ttfs_from:.0%} of them", ModelWarning, stacklevel=3)
        return
    outside = float(((x < 0) | (x > network.threshold)).float().mean())
    if outside:
        warnings.warn(
            f"training data: {outside:.1%} of the images' numbers are outside 0 to θ0 = {network.threshold:g}, to "
            "which spikes clip them. Scale the images, or raise the threshold", ModelWarning, stacklevel=3)


def _has_norms(network: SpikeTimeNetwork) -> bool:
    return any(section.norm is not None for section in network.sections)


def _fingerprint(network: SpikeTimeNetwork, settings: Settings, x: torch.Tensor, y: torch.Tensor) -> dict[str, str]:
    """What must be the same for a run to go on."""
    structure = " ".join(str(network.layers).split())
    content = zlib.crc32(y.numpy().tobytes(), zlib.crc32(x.numpy().tobytes()))
    return {
        "settings": repr(sorted(asdict(settings).items())),
        "network": f"T = {network.steps}, τ = {network.tau}, θ0 = {network.threshold}, {structure}",
        "training data": f"{tuple(x.shape)}, checksum {content}",
    }


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM, "big")


class _Run:
    """A training: what an epoch needs and a checkpoint keeps."""

    def __init__(self, network: SpikeTimeNetwork, optimizer: torch.optim.Optimizer, settings: Settings,
                 fingerprint: dict[str, str]):
        self.network, self.optimizer, self.settings, self.fingerprint = network, optimizer, settings, fingerprint

    def epoch(self, number: int, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
        """Train for an epoch; mean loss and accuracy of its samples."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_of(number)
        self.network.train()
        total, right, met, alone = 0.0, 0, 0, not _has_norms(self.network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self.settings.seed << 20) + number)
            for step, chosen in enumerate(torch.randperm(len(x)).split(self.settings.batch)):
                if len(chosen) == 1 and not alone:
                    continue  # a batch norm has no variance of one sample
                met += len(chosen)
                logits = self.network(x[chosen])
                loss = torch.nn.functional.cross_entropy(logits, y[chosen])
                if not bool(torch.isfinite(loss)):
                    raise TrainingError(f"epoch {number + 1}, step {step + 1}", "finite loss", "a finite loss",
                                        float(loss.detach()), "Lower the learning rate, or set the checkpoint aside.")
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += float(loss.detach()) * len(chosen)
                right += int((logits.argmax(1) == y[chosen]).sum())
        for name, tensor in self.network.state_dict().items():
            if not bool(torch.isfinite(tensor).all()):
                raise TrainingError(f"epoch {number + 1}, '{name}'", "finite weights", "finite numbers",
                                    "NaN or infinity", "Lower the learning rate.")
        return total / met, right / met

    def keep(self, path: Path, done: list[Epoch]) -> None:
        """Write the checkpoint: all of it, or the old one stays."""
        with Writing() as files, files.open(path) as file:
            told = [asdict(epoch) | {"stage": str(epoch.stage)} for epoch in done]  # torch loads no classes
            content = io.BytesIO()
            torch.save({"version": VERSION, "run": self.fingerprint, "done": told, "network": self.network.state_dict(),
                        "optimizer": self.optimizer.state_dict()}, content)
            file.write(content.getvalue() + _checksum(content.getvalue()))  # torch.load does not check what it reads

    def resume(self, path: Path) -> list[Epoch]:
        """Take up a checkpoint; the epochs that it has behind it."""
        try:
            content = read_bytes(path)
            if _checksum(content[:-CHECKSUM]) != content[-CHECKSUM:]:
                raise FileError(path, "is no checkpoint, or a damaged one. Remove it to start anew")
            kept: dict[str, Any] = torch.load(io.BytesIO(content[:-CHECKSUM]), weights_only=True)
            version, run, done = kept["version"], dict(kept["run"]), kept["done"]
        except FileError:
            raise
        except Exception as error:  # zipfile, pickle and torch raise several kinds
            raise FileError(path, f"is no checkpoint: {type(error).__name__}. Remove it to start anew") from error
        if version != VERSION:
            raise FileError(path, f"is a checkpoint of version {version}, not {VERSION}. Remove it to start anew")
        for what, value in self.fingerprint.items():
            if run.get(what) != value:
                raise TrainingError(f"checkpoint '{path}'", what, value, run.get(what),
                                    "Remove the checkpoint to start anew, or name another file.")
        try:
            self.network.load_state_dict(kept["network"])
            self.optimizer.load_state_dict(kept["optimizer"])
            return [Epoch(**epoch | {"stage": Stage(epoch["stage"])}) for epoch in done]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise FileError(path, f"is no checkpoint: {type(error).__name__}. Remove it to start anew") from error
