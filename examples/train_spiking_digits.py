"""Train a spiking network on the digits of `synapress/zoo/digits` with snnTorch, and write it as NIR.

``python -m examples.train_spiking_digits`` needs PyTorch and snnTorch (not dependencies of Synapress), takes a few
minutes on one processor, and writes ``spiking_digits.nir``. An image is a constant input current over all timesteps;
the class is the output neuron that spikes most often.
"""

import time
from pathlib import Path

import nir
import snntorch
import torch
from snntorch import surrogate
from snntorch.export_nir import export_to_nir
from snntorch.utils import reset
from torch import nn
from torch.nn import functional

from synapress.zoo.digits.data import load_digits
from synapress.zoo.spiking_digits import data
from synapress.zoo.spiking_digits.data import TIMESTEPS, frames

FILE = Path(data.__file__).with_name("spiking_digits.nir")
SEED = 1
EPOCHS = 30
BATCH = 64
RATE = 3e-3
DECAY = 1e-3
SPIKE_PENALTY = 0.3  # times the mean share of neurons that fire: fewer events
SHIFT = 2  # pixels, of the random translation


def build() -> nn.Sequential:
    """Two convolutions with stride 2 and a dense layer, each with leaky neurons."""
    def leaky(*shape: int) -> nn.Module:
        return snntorch.Leaky(beta=torch.full(shape, 0.8), threshold=torch.ones(shape), init_hidden=True,
                              spike_grad=surrogate.atan())

    return nn.Sequential(nn.Conv2d(1, 12, 5, stride=2, padding=2), leaky(12, 14, 14),
                         nn.Conv2d(12, 24, 3, stride=2, padding=1), leaky(24, 7, 7),
                         nn.Flatten(), nn.Linear(24 * 7 * 7, 10), leaky(10))


def run(network: nn.Sequential, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes of the output neurons (N, 10), summed over timesteps; and the mean share of hidden neurons that fire."""
    reset(network)
    counts, shares = torch.zeros(len(images), 10), []
    for _ in range(TIMESTEPS):
        x = images
        for layer in network:
            x = layer(x)
            if isinstance(layer, snntorch.Leaky) and x.ndim == 4:
                shares.append(x.mean())
        counts = counts + x
    return counts, torch.stack(shares).mean()


def accuracy(network: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    with torch.no_grad():
        counts, share = run(network, images)
    return float((counts.argmax(1) == labels).float().mean()), float(share)


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    digits = load_digits()
    images, labels = torch.from_numpy(frames(digits.train_images)), torch.from_numpy(digits.train_labels)
    test, expected = torch.from_numpy(frames(digits.test_images)), torch.from_numpy(digits.test_labels)
    network = build()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * (len(images) // BATCH))
    start = time.monotonic()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images))
        for first in range(0, len(images) - BATCH + 1, BATCH):
            chosen = order[first:first + BATCH]
            dx, dy = (int(n) for n in torch.randint(-SHIFT, SHIFT + 1, (2,)))
            counts, share = run(network, images[chosen].roll((dy, dx), (2, 3)))
            loss = functional.cross_entropy(counts, labels[chosen]) + SPIKE_PENALTY * share
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {time.monotonic() - start:.0f} s", flush=True)
    right, share = accuracy(network, test, expected)
    print(f"test: {right:.1%} right, {share:.1%} of the hidden neurons fire per timestep")
    graph = export_to_nir(network, test[:1], ignore_dims=[0])
    graph.edges = sorted(graph.edges)
    nir.write(FILE, graph)


if __name__ == "__main__":
    main()
