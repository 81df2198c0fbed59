"""How a network is trained, and the data with which."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapress.training.activation import Stage
from synapress.training.errors import TrainingError, check_real, check_whole
from synapress.training.torch_module import torch

_SEED_BITS = 43
"""Each epoch has a seed of its own, which torch holds in 63 bits: this one, and 20 bits for the number of the epoch."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Epochs, their stages, and the steps of stochastic gradient descent.

    The defaults are this project's: the paper's text, which may tell others, is not public.

    Raises:
        TrainingError: a number is out of its range.
    """

    epochs: int = 24
    batch: int = 100
    """Samples of a step."""
    clip_from: float = 1 / 6
    """The share of the epochs after which activations are clipped at θ0."""
    ttfs_from: float = 3 / 4
    """The share after which activations, and the inputs, are values of spikes. 1: never, so no conversion-aware
    training; `clip_from` 1, too: a network of ReLUs."""
    rate: float = 0.05
    """The learning rate, times 0.2 after each of the shares `slower_from` of the epochs."""
    slower_from: tuple[float, ...] = (0.5, 0.75, 0.92)
    momentum: float = 0.9
    """Of Nesterov's kind."""
    weight_decay: float = 5e-4
    seed: int = 0
    """Of the order of the samples and of dropout."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            check_whole(name, getattr(self, name))
        check_whole("seed", self.seed, bits=_SEED_BITS)
        for name in ("clip_from", "ttfs_from", "rate", "momentum", "weight_decay"):
            check_real(name, getattr(self, name))
        if not isinstance(self.slower_from, tuple | list):
            raise TrainingError("settings", "slower_from", "a tuple of shares", repr(self.slower_from),
                                "Use the default.")
        for share in self.slower_from:
            check_real("slower_from", share)
        if not self.clip_from <= self.ttfs_from:
            raise TrainingError("settings", "stages", "clip_from <= ttfs_from",
                                f"{self.clip_from} and {self.ttfs_from}", "Use the defaults.")

    def stage(self, epoch: int) -> Stage:
        """What activations compute in an epoch, of which the first is 0."""
        if epoch < self.clip_from * self.epochs:
            return Stage.RELU
        return Stage.CLIP if epoch < self.ttfs_from * self.epochs else Stage.TTFS

    def rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch."""
        return self.rate * float(0.2 ** sum(epoch >= share * self.epochs for share in self.slower_from))


def samples(images: npt.ArrayLike, labels: npt.ArrayLike, shape: tuple[int, ...], classes: int,
            what: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, channels, rows, columns) as float32 and labels (n,) as int64, checked.

    Raises:
        TrainingError: there are none, they do not match, or a number is not finite or no class.
    """
    x, y = _tensor(images, what, "images"), _tensor(labels, what, "labels")
    if len(x) == 0:
        raise TrainingError(what, "samples", "at least one image", "none", "Check the path or the split of the data.")
    if tuple(x.shape[1:]) != shape:
        raise TrainingError(what, "shape", f"(n, {', '.join(map(str, shape))})", tuple(x.shape),
                            "Reshape the images, or tell the network their shape.")
    if tuple(y.shape) != (len(x),):
        raise TrainingError(what, "labels", f"one label for each of {len(x)} images", tuple(y.shape),
                            "Give the numbers of the classes, not one-hot vectors.")
    if y.is_floating_point() or int(y.min()) < 0 or int(y.max()) >= classes:
        given = str(y.dtype) if y.is_floating_point() else f"{int(y.min())} to {int(y.max())}"
        raise TrainingError(what, "classes", f"integers of 0 to {classes - 1}", given,
                            "Number the classes from 0, or let the network have an output for each.")
    if not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise TrainingError(what, "finite images", "finite numbers", f"{bad} of {x.numel()} are NaN or infinite",
                            "Leave these samples out, or normalize without dividing by 0.")
    return x, y


def _tensor(array: Any, what: str, kind: str) -> torch.Tensor:
    """Real numbers of an array or a tensor as float32, or whole ones as int64."""
    if not isinstance(array, torch.Tensor):
        try:
            found = np.asarray(array)
        except ValueError as error:  # lists of several lengths
            raise TrainingError(what, kind, "an array of numbers", error, "Give lists of one length.") from error
        if found.dtype.kind not in "biuf":
            raise TrainingError(what, kind, "real numbers", found.dtype, "Convert them to float32 or int64.")
        whole = found.dtype.kind != "f" and kind == "labels"
        with np.errstate(over="ignore"):  # infinity is refused
            # torch knows neither all widths of integers nor another order of bytes.
            array = torch.from_numpy(np.ascontiguousarray(found, np.int64 if whole else np.float32))
    if array.is_complex():
        raise TrainingError(what, kind, "real numbers", array.dtype, "Convert them to float32 or int64.")
    return array.detach().cpu().to(torch.float32 if kind == "images" or array.is_floating_point() else torch.int64)
