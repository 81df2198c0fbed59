"""Accuracy of networks of spikes in time on digits, with and without conversion-aware training: `make conversion`.

    python -m studies.conversion                    # train what is missing, evaluate, write the record
    python -m studies.conversion --seeds 2 --train  # only train these seeds, e.g. beside another process

Runs in the environment of `synapress.training`. Checkpoints are in build/conversion: a run that was interrupted goes
on, and one that was not is only evaluated. Each network has one thread, so that the results do not depend on the
number of processors.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from synapress.spike_times.trained import LEVELS, Trained
from synapress.training import Settings, SpikeTime, SpikeTimeNetwork, Stage, as_module, export, predict, train
from synapress.training.torch_module import torch
from synapress.zoo.spike_time_digits.accuracies import RECORD, rows
from synapress.zoo.spike_time_digits.train import images, module

FOLDER = Path("build/conversion")
CODES = ((24, 4), (12, 2), (8, 2), (6, 1))
"""T and τ."""
SEEDS, EPOCHS = (1, 2, 3), 24
QUANTILES = (1.0, 0.999, 0.99)
"""Of a layer's activations: what θ0 is without conversion-aware training; 1: the largest."""
CALIBRATED = 1000
"""Training images whose activations are looked at."""
Data = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def trained(kind: str, seed: int, steps: int, tau: int, data: Data, console: Console) -> SpikeTimeNetwork:
    """A network that was trained as `kind` says, "ann" (ReLU) or "cat"; from its checkpoint if there is one."""
    shares = {"ann": (1.0, 1.0), "cat": (1 / 6, 3 / 4)}[kind]
    network = SpikeTimeNetwork(module(seed), tuple(data[0].shape[1:]), steps=steps, tau=tau)
    name = f"{kind}-{seed}" + (f"-{steps}-{tau}" if kind == "cat" else "")
    train(network, data[0], data[1], Settings(epochs=EPOCHS, seed=seed, clip_from=shares[0], ttfs_from=shares[1]),
          test=data[2:], checkpoint=FOLDER / f"{name}.pt", progress=lambda epoch: console.print(f"{name}: {epoch}"))
    return network


def accuracy(found: torch.nn.Module, data: Data) -> float:
    """Share of the test digits, 0 to 1."""
    return float((predict(found, data[2]) == data[3]).double().mean())


def logarithmic(network: Trained, data: Data) -> dict[str, float]:
    """With logarithmic weights of 5 bits, by levels per octave."""
    return {str(p): accuracy(as_module(dataclasses.replace(network, levels=p), quantized=True), data) for p in LEVELS}


def calibrated(network: SpikeTimeNetwork, data: Data) -> list[list[float]]:
    """Quantiles of the activations of each layer that spikes, in order."""
    found: list[list[float]] = []

    def look(_: torch.nn.Module, __: Any, result: torch.Tensor) -> None:
        found.append(np.quantile(result.numpy(), QUANTILES).tolist())

    hooks = [layer.register_forward_hook(look) for layer in network.layers if isinstance(layer, SpikeTime)]
    with torch.no_grad():
        network.eval()(data[0][:: len(data[0]) // CALIBRATED])
    for hook in hooks:
        hook.remove()
    return found


def converted(network: SpikeTimeNetwork, highest: Sequence[float], steps: int, tau: int, rounding: str) -> Trained:
    """A network trained with ReLUs, as one of spikes in time, each layer with its own θ0.

    A spike at time t comes from values of θ(t) up to θ(t - 1), of which the middle by logarithm is θ(t) · 2**(1/2τ).

    Args:
        rounding: "down": a spike stands for θ(t), as in a network that was trained for it; "middle": for θ(t) ·
            2**(1/2τ), which the next weights are multiplied by; "nearest": that, and θ0 is 2**(1/2τ) smaller, so that
            the largest value stands for itself.
    """
    half = 2 ** (1 / (2 * tau))
    plain, scale = export(network), 1.0 if rounding == "down" else half
    lower = half if rounding == "nearest" else 1.0
    heights = iter(highest)
    layers = []
    for number, layer in enumerate(plain.layers):
        if layer.weight is None:
            layers.append(layer)
            continue
        spikes = number < len(plain.layers) - 1
        layers.append(dataclasses.replace(layer, weight=layer.weight * scale,
                                          threshold=next(heights) / lower if spikes else 1.0))
    return dataclasses.replace(plain, steps=steps, tau=tau, threshold=1 / lower, layers=tuple(layers))


def evaluated(seed: int, data: Data, console: Console) -> dict[str, Any]:
    """All accuracies of a seed."""
    ann = trained("ann", seed, 24, 4, data, console)
    found: dict[str, Any] = {"seed": seed, "ann": accuracy(ann, data), "codes": {}}
    heights = calibrated(ann, data)
    for steps, tau in CODES:
        cat = trained("cat", seed, steps, tau, data, console)
        plain = export(cat)
        conversions = {f"{quantile:g}, {rounding}": converted(
            ann, [height[number] for height in heights], steps, tau, rounding)
            for number, quantile in enumerate(QUANTILES) for rounding in ("down", "middle", "nearest")}
        without = {name: accuracy(as_module(one), data) for name, one in conversions.items()}
        best = max(without, key=lambda name: without[name])
        cat.set_stage(Stage.TTFS)
        found["codes"][f"{steps}, {tau}"] = {
            "cat": accuracy(cat, data), "cat, spikes": accuracy(as_module(plain), data),
            "cat, 5 bits": logarithmic(plain, data), "without": without,
            "without, 5 bits": logarithmic(conversions[best], data)}
    return found


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--train", action="store_true", help="write no results")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    console, data = Console(), images()
    found = [evaluated(seed, data, console) for seed in given.seeds]
    headings, *lines = rows(found)
    table = Table(*headings)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    if not given.train:
        RECORD.write_text(json.dumps({"epochs": EPOCHS, "training": len(data[0]), "test": len(data[2]), "seeds": found},
                                     indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
