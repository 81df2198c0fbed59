"""Train the network of spikes in time on the 4,000 digits and write its file: `make train-digits`.

It needs the extras `training` and `data`; `make train-digits` installs them into an environment of its own.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

from golden.errors import SynapressError
from synapress.spike_times.trained import Trained, save_trained
from synapress.training import Settings, SpikeTimeNetwork, as_module, export, predict, train
from synapress.training.torch_module import nn, torch
from synapress.zoo.digits.data import load_digits
from synapress.zoo.spike_time_digits import FILE

CHANNELS, HIDDEN, CLASSES = (16, 32, 32), 64, 10


def images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images (n, 1, rows, columns) of 0 to 1 and labels, for training, and the same for testing."""
    digits = load_digits()
    x, tested = (torch.from_numpy(part[:, None].astype(np.float32) / np.float32(255))
                 for part in (digits.train_images, digits.test_images))
    return x, torch.from_numpy(digits.train_labels), tested, torch.from_numpy(digits.test_labels)


def module(seed: int) -> nn.Sequential:
    """Three convolutions, of which two have a max pool behind them, and two dense layers; weights drawn by the seed."""
    first, second, third = CHANNELS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1, bias=False), nn.BatchNorm2d(second), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(second, third, 3, padding=1, bias=False), nn.BatchNorm2d(third), nn.ReLU(), nn.Flatten(),
            nn.Linear(third * 49, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))


def halved(trained: Trained) -> Trained:
    """The network with weights of 16 bits, so that its file is small; logarithmic ones need fewer."""
    return dataclasses.replace(trained, layers=tuple(
        layer if layer.weight is None else dataclasses.replace(layer, weight=layer.weight.astype(np.float16))
        for layer in trained.layers))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=FILE, help="the network's file")
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train-digits/digits.pt"),
                        help="written after each epoch; training goes on from it")
    parser.add_argument("--steps", type=int, default=24, help="T")
    parser.add_argument("--tau", type=int, default=4, help="τ")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; the result depends on it")
    given = parser.parse_args(arguments)
    if given.threads < 1:
        parser.error("--threads: at least 1")
    try:
        _train(given)
    except SynapressError as error:
        parser.error(str(error))


def _train(given: argparse.Namespace) -> None:
    settings = Settings(epochs=given.epochs, seed=given.seed)
    torch.set_num_threads(given.threads)
    start = time.monotonic()
    x, y, tested, labels = images()
    network = SpikeTimeNetwork(module(given.seed), tuple(x.shape[1:]), steps=given.steps, tau=given.tau)
    train(network, x, y, settings, test=(tested, labels),
          checkpoint=given.checkpoint, progress=lambda epoch: print(epoch, flush=True))
    trained = halved(export(network, name="spike_time_digits", classes=[str(digit) for digit in range(CLASSES)]))
    save_trained(trained, given.output)
    for kind, quantized in (("its own weights", False), ("logarithmic weights of 5 bits", True)):
        right = (predict(as_module(trained, quantized=quantized), tested) == labels).float().mean()
        print(f"{given.output}: {float(right):.1%} of {len(labels):,} test digits with {kind}")
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
