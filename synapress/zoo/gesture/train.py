"""Train the gesture network on drawn gestures and write its file: `make train-gesture`.

It needs the extra `training`; `make train-gesture` installs it into an environment of its own. Neurons integrate and
fire as the hardware's do; for gradients, a spike's is that of an arc tangent (Fang et al., arXiv 2007.05785). Weights
are rounded to 8 bits from the start, straight through (Bengio et al., arXiv 1308.3432).
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.files import Writing
from synapress.mapper.cim.stationarity import PUBLISHED
from synapress.training.torch_module import nn, torch
from synapress.zoo.gesture.network import DENSE, POLARITIES, POOLED, SIZE, WEIGHT_BITS
from synapress.zoo.gesture.recordings import TIMESTEPS, data
from synapress.zoo.gesture.trained import FILE

SLOPE = math.pi
"""Of the arc tangent, in thresholds."""
FREE, FAR = 2.0, 0.02
"""Potentials may be so many thresholds from zero; beyond, their mean square over neurons costs so much per timestep."""
RATE, COST = 0.05, 2.0
"""Neurons of a layer may fire so often in a timestep; beyond, the square of the excess costs so much, in shares of
it."""
HIGHEST = (1 << WEIGHT_BITS - 1) - 1
BATCH = 22


class _IntegrateAndFire(torch.autograd.Function):
    """Spikes of neurons over time, of what each timestep adds (timesteps, ...); the threshold is 1.

    The gradient of potentials that are far from zero is added here: of FAR times the mean square of how far.
    """

    @staticmethod
    def forward(context: Any, drive: Any) -> Any:
        potential, reached, spikes = torch.zeros_like(drive[0]), torch.empty_like(drive), torch.empty_like(drive)
        for step, added in enumerate(drive):
            reached[step] = potential.add_(added)
            spikes[step] = potential >= 1
            potential -= spikes[step]
        context.save_for_backward(reached)
        return spikes

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        (reached,) = context.saved_tensors
        outside = reached - reached.clamp(-FREE, FREE)
        found = outside.mul_(2 * FAR / reached[0].numel())
        found += gradients[0] / (SLOPE * (reached - 1)).square_().add_(1)
        for step in range(len(found) - 2, -1, -1):
            found[step] += found[step + 1]
        return found


def rounded(weight: Any) -> Any:
    """Weights as 8 bits round them, whose gradient passes."""
    step = weight.detach().abs().max() / HIGHEST
    return weight + (torch.round(weight / step) * step - weight).detach()


class Spiking(nn.Module):
    """Layers of `synapress.zoo.gesture.gesture` with their classifier; thresholds are 1."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [(facts.outputs, facts.inputs, facts.kernel, facts.kernel) for facts in PUBLISHED]
        last = PUBLISHED[-1]
        shapes += [(count, before, size, size) for count, before, size in zip(
            DENSE, (last.outputs, *DENSE), (last.height, 1, 1), strict=False)]
        self.weight = nn.ParameterList([nn.Parameter(torch.randn(shape) / math.sqrt(math.prod(shape[1:])))
                                        for shape in shapes])

    def forward(self, maps: Any, *, fit: bool = False) -> tuple[Any, Any, list[float]]:
        """Numbers of spikes of the classes (n, 11), what rates cost, and the rate of each layer.

        Args:
            maps: (n, timesteps, 2, size, size).
            fit: scale the weights so that potentials move by about a threshold.
        """
        number, steps = maps.shape[:2]
        x = maps.transpose(0, 1).reshape(-1, *maps.shape[2:])
        cost, rates = torch.zeros(()), []
        for place, weight in enumerate(self.weight):
            if fit:
                with torch.no_grad():
                    drive = self._drive(x, place, weight).reshape(steps, number, -1)
                    weight /= 0.4 * drive.cumsum(0).std() + 1e-9
            drive = self._drive(x, place, rounded(weight))
            x = _IntegrateAndFire.apply(drive.unflatten(0, (steps, number))).flatten(0, 1)
            rate = x.mean()
            rates.append(float(rate.detach()))
            if place < len(PUBLISHED):
                cost = cost + COST * torch.relu(rate / RATE - 1).square()
                if PUBLISHED[place].name in POOLED:
                    x = nn.functional.max_pool2d(x, 2)
        return x.reshape(steps, number, -1).sum(0), cost, rates

    @staticmethod
    def _drive(x: Any, place: int, weight: Any) -> Any:
        """What each timestep adds to potentials."""
        kernel = weight.shape[2]
        if place < len(PUBLISHED):
            before, after = (kernel - 1) // 2, kernel // 2
            x = nn.functional.pad(x, (before, after, before, after))
        return nn.functional.conv2d(x, weight)


NAMES = (*(facts.name for facts in PUBLISHED), *(f"F{number}" for number in range(1, len(DENSE) + 1)))
"""Of the layers with weights."""


def start_from(network: Spiking, path: Path) -> None:
    """Take the weights of a file of `export`, as 8 bits have rounded them."""
    with np.load(path) as arrays, torch.no_grad():
        for name, weight in zip(NAMES, network.weight, strict=True):
            weight.copy_(torch.from_numpy(arrays[f"{name}.weights"] / np.float32(arrays[f"{name}.threshold"])))


def export(network: Spiking, path: Path) -> None:
    """Write weights of 8 bits and thresholds in integers, by layer."""
    arrays: dict[str, Any] = {}
    for name, weight in zip(NAMES, network.weight, strict=True):
        found = weight.detach().numpy().astype(np.float64)
        step = np.abs(found).max() / HIGHEST
        arrays[f"{name}.weights"] = np.rint(found / step).astype(np.int8)
        arrays[f"{name}.threshold"] = np.int64(np.rint(1 / step))
    with Writing() as files, files.open(path) as file:
        np.savez_compressed(file, **arrays)


def accuracy(network: Spiking, maps: Any, labels: Any) -> float:
    with torch.no_grad():
        found = torch.cat([network(part.float())[0].argmax(1) for part in maps.split(BATCH)])
    return float((found == labels).float().mean())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=FILE, help="the network's file")
    parser.add_argument("--start", type=Path, help="a file with weights to go on from; default: drawn ones")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--count", type=int, default=1100, help="recordings for training")
    parser.add_argument("--tested", type=int, default=220, help="other recordings, which are only evaluated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; the result depends on it")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    start = time.monotonic()
    x, y = (torch.from_numpy(array) for array in data(given.count, 1))
    tested, labels = (torch.from_numpy(array) for array in data(given.tested, 2))
    print(f"{len(x)} recordings of {TIMESTEPS} timesteps of {POLARITIES} x {SIZE} x {SIZE}: "
          f"{time.monotonic() - start:.0f} s", flush=True)
    network = Spiking()
    with torch.no_grad():
        network(x[:2 * BATCH].float(), fit=True)
    if given.start is not None:
        start_from(network, given.start)
    optimizer = torch.optim.Adam(network.parameters(), lr=given.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.epochs * math.ceil(len(x) / BATCH))
    for epoch in range(1, given.epochs + 1):
        total, right, rates = 0.0, 0, [0.0]
        for chosen in torch.randperm(len(x)).split(BATCH):
            logits, cost, rates = network(x[chosen].float())
            loss = nn.functional.cross_entropy(logits, y[chosen]) + cost
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
            right += int((logits.argmax(1) == y[chosen]).sum())
        export(network, given.output)
        print(f"epoch {epoch} of {given.epochs}: loss {total / len(x):.3f}, training {right / len(x):.1%}, "
              f"test {accuracy(network, tested, labels):.1%}, rates {[f'{rate:.3f}' for rate in rates]}, "
              f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
