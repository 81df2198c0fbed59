"""Training with Adamax: several networks side by side, that differ in the bits and the density of their weights.

As spytorch_precise.py of Schaefer et al. has it: full passes of one pattern, weights clipped after each, gradients
rounded by chance, and Adamax (Kingma and Ba, ICLR 2015, section 7.1) with a rate of 1. What is drawn in an epoch
depends on the network and the epoch alone: so training that was interrupted gives the same as training that was not,
and a network gives the same whatever others are trained beside it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import ConfigError, FileError
from golden.files import Writing, load_arrays, save_arrays
from golden.types import Array, IntArray
from synapress.learning import quantizers
from synapress.learning.network import Precision, backward, forward
from synapress.learning.task import Task, van_rossum

HIDDEN = 400
RATE, DECAY, DECAY_LARGEST, LEAST = 1.0, 0.9, 0.999, 1e-8
"""Of Adamax."""
GRADIENT_BITS, GRADIENT_RATE = 8, 0.1


@dataclass(frozen=True)
class Network:
    """What is trained.

    Raises:
        ConfigError: on construction, naming the field.
    """

    weight_bits: int = 8
    density: float = 1.0
    """Share of the weights that there are. Which, is drawn once; the others stay 0."""
    seed: int = 1
    """Of the first weights, of which there are, and of the gradients' rounding."""

    def __post_init__(self) -> None:
        quantizers.require_bits("weights", self.weight_bits)
        if not 0 < self.density <= 1:
            raise ConfigError(f"learning: density = {self.density!r} is outside (0, 1]")
        if self.seed < 0:
            raise ConfigError(f"learning: seed = {self.seed!r} is below 0")

    def rng(self, epoch: int) -> np.random.Generator:
        """What is drawn in an epoch, or, of epoch 0, before."""
        return np.random.default_rng([self.seed, self.weight_bits, round(self.density * 1e6), epoch])


def adamax(weights: Array, means: Array, largest: Array, gradient: Array, epoch: int) -> None:
    """One step. The weights change in place, and so do the gradients' fading mean and fading maximum, 0 before the
    first epoch, which is 1."""
    means += np.float32(1 - DECAY) * (gradient - means)
    np.maximum(largest * np.float32(DECAY_LARGEST), np.abs(gradient) + np.float32(LEAST), out=largest)
    weights -= np.float32(RATE / (1 - DECAY ** epoch)) * (means / largest)


class Training:
    """Networks that learn a task, from their first weights on or from a file on.

    Args:
        hidden: neurons between inputs and outputs.

    Attributes:
        epochs: done. losses: of each network, at the begin of each epoch and so before its change of the weights.
    """

    def __init__(self, task: Task, networks: Sequence[Network], *, hidden: int = HIDDEN,
                 precision: Precision | None = None):
        if not networks or hidden < 1:
            raise ConfigError(f"learning: needs networks and hidden neurons, not {len(networks)} and {hidden}")
        self.task, self.networks, self.precision = task, list(networks), precision or Precision()
        self.shapes = ((task.inputs.shape[1], hidden), (hidden, task.target.shape[1]))
        self.epochs = 0
        self.losses: list[list[float]] = [[] for _ in networks]
        self.spikes: Array = np.zeros((len(networks), *task.target.shape), bool)
        """What came out in the last epoch, (networks, steps, outputs)."""
        self._scales = [quantizers.widest(network.weight_bits) for network in networks]
        self._weights: list[list[Array]] = [[], []]
        self._there: list[list[Array]] = [[], []]
        for network, (most, _) in zip(networks, self._scales, strict=True):
            rng, highest = network.rng(0), quantizers.limit(network.weight_bits)
            for layer, shape in enumerate(self.shapes):
                drawn = rng.uniform(-most, most, shape).astype(np.float32)
                self._weights[layer].append(np.clip(drawn, -highest, highest))
                self._there[layer].append(rng.random(shape) < network.density)
        self._means, self._largest = (
            [[np.zeros_like(weights) for weights in layer] for layer in self._weights] for _ in range(2))

    def quantized(self) -> list[list[Array]]:
        """The weights as the networks use them, of each layer those of each network."""
        return [[quantizers.quantize(weights, network.weight_bits) / np.float32(scale) * there
                 for network, (_, scale), weights, there
                 in zip(self.networks, self._scales, layer, exists, strict=True)]
                for layer, exists in zip(self._weights, self._there, strict=True)]

    def codes(self, which: int) -> list[IntArray]:
        """The weights of a network as the integers that a memory holds, of each layer."""
        bits = self.networks[which].weight_bits
        return [quantizers.codes(layer[which], bits) * exists[which]
                for layer, exists in zip(self._weights, self._there, strict=True)]

    def train(self, epochs: int, progress: Callable[[int], None] | None = None, *, checkpoint: Path | None = None,
              every: int = 50) -> None:
        """Go on until so many epochs are done in all.

        Args:
            progress: called with the number of epochs done.
            checkpoint: a file that is written each `every` epochs, and at the end.

        Raises:
            FileError: the file cannot be written.
        """
        while self.epochs < epochs:
            self._epoch()
            if progress:
                progress(self.epochs)
            if checkpoint and (self.epochs % every == 0 or self.epochs == epochs):
                self.save(checkpoint)

    def _epoch(self) -> None:
        used = self.quantized()
        layers = forward(self.task.inputs, used, self.precision)
        self.spikes = np.moveaxis(layers[1].spikes, 1, 0) > 0
        losses, by_spikes = van_rossum(self.spikes, self.task.target)
        gradients = backward(self.task.inputs, used, layers, by_spikes, self.precision)
        self.epochs += 1
        for which, network in enumerate(self.networks):
            self.losses[which].append(float(losses[which]))
            rng = network.rng(self.epochs)
            most = quantizers.limit(network.weight_bits)
            for number, exists in enumerate(self._there):
                wanted = gradients[number][which] * exists[which]
                weights = self._weights[number][which]
                adamax(weights, self._means[number][which], self._largest[number][which],
                       quantizers.gradient(wanted, GRADIENT_BITS, GRADIENT_RATE, rng), self.epochs)
                np.clip(weights, -most, most, out=weights)

    # -- a file --------------------------------------------------------------------------------

    @property
    def _facts(self) -> dict[str, Any]:
        """What a file must have been written for."""
        return {"networks": [asdict(network) for network in self.networks], "shapes": self.shapes,
                "precision": asdict(self.precision),
                "spikes": [int(self.task.inputs.sum()), int(self.task.target.sum()), self.task.steps]}

    def save(self, path: Path) -> None:
        """Write all that training goes on from; the file before it is kept until it is written whole.

        Raises:
            FileError: it cannot be written.
        """
        arrays = {f"{name}_{layer}": np.stack(values[layer]) for layer in range(2)
                  for name, values in (("weights", self._weights), ("means", self._means), ("largest", self._largest))}
        arrays |= {"losses": np.array(self.losses), "spikes": self.spikes, "facts": np.array(json.dumps(self._facts))}
        with Writing() as files, files.open(path) as file:
            save_arrays(file, arrays)

    def load(self, path: Path) -> None:
        """Go on from a file.

        Raises:
            FileError: it is none of these files, or of other networks or another task.
        """
        try:
            arrays = load_arrays(path)
            facts = json.loads(str(arrays["facts"]))
            losses, spikes = arrays["losses"].tolist(), arrays["spikes"]
            kept = [[[*map(np.array, arrays[f"{name}_{layer}"])] for layer in range(2)]
                    for name in ("weights", "means", "largest")]
        except OSError:
            raise
        except Exception as error:
            raise FileError(path, f"is no file of a training ({error})") from error
        if facts != json.loads(json.dumps(self._facts)):
            raise FileError(path, "was written for other networks or another task")
        self._weights, self._means, self._largest = kept
        self.losses, self.epochs, self.spikes = losses, len(losses[0]), spikes
