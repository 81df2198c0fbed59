"""Train the digits network in floating point, then quantize it to integers.

``python -m examples.train_digits`` needs PyTorch, takes a few minutes on one processor and
writes ``digits.npz``.  ``--validate`` trains on four fifths of the training images, reports on
the last fifth and writes nothing: network, penalties and augmentation were chosen that way.
``--quantize`` quantizes the stored float network again, and ``--check`` recomputes what the file
claims; both in numpy only.  `examples.quantize_digits` has the layers and the quantization.

Feature maps are (channel, x, y) and kernels ``[c_out, c_in / groups, j, k]`` with j along x and
k along y: PyTorch is fed with transposed images, so its kernels have that order already.
"""

import argparse
import hashlib
import json
import math
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from examples.quantize_digits import CHANNELS, LAYERS, Arrays, integer_forward, quantize
from golden.files import Writing
from synapress.zoo.digits.data import INPUT_LEVELS, SPLIT_SEED, Digits, feature_maps, load_digits
from synapress.zoo.digits.float_model import BATCH, NETWORK_FILE, Network, accuracy, forward, load_network

if TYPE_CHECKING:
    import torch

# -- settings of the training --------------------------------------------------------------------
TRAINING_SEED = 1
EPOCHS = 150
TRAINING_BATCH = 64
RATE = 0.01
WEIGHT_DECAY = 1e-3
DENSITY_PENALTY = 0.1  # fewer active neurons, so fewer events
SILENCE_PENALTY = 0.1  # times the positive biases: where nothing comes in, nothing goes out
ROTATION, SCALE, SHEAR = math.radians(12), 0.12, 0.15
SHIFT, ELASTIC = 2.0, 0.45  # pixels; ELASTIC is a standard deviation

# -- training ----------------------------------------------------------------------------------


def build() -> "dict[str, torch.nn.Module]":
    """Return the layers of :data:`LAYERS` in order, with batch norm (``<layer>_norm``)."""
    from torch import nn

    modules: dict[str, nn.Module] = {}
    channels = 1
    for name, layer in LAYERS.items():
        if layer["kind"] == "max_pool":
            modules[name] = nn.MaxPool2d(layer["kernel"][0], layer["stride"])
            continue
        hidden = layer["saturation"] == "relu"
        modules[name] = nn.Conv2d(
            channels,
            CHANNELS[name],
            layer["kernel"][0],
            layer["stride"],
            layer["padding"],
            groups=layer["groups"],
            bias=not hidden,
        )
        channels = CHANNELS[name]
        if hidden:
            modules[f"{name}_norm"] = nn.BatchNorm2d(channels)
            modules[f"{name}_relu"] = nn.ReLU()
    return modules


def augment(images: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
    """Rotate, scale, shear, shift and elastically distort each image by its own random amounts."""
    import torch
    from torch.nn import functional

    count, side = len(images), images.shape[-1]

    def uniform(limit: float) -> torch.Tensor:
        return limit * (torch.rand(count, generator=generator) * 2 - 1)

    pixel = 2 / side  # in the coordinates of affine_grid, -1..1
    angle = uniform(ROTATION)
    scale_x, scale_y = 1 + uniform(SCALE), 1 + uniform(SCALE)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    shear, shift_x, shift_y = uniform(SHEAR), uniform(SHIFT * pixel), uniform(SHIFT * pixel)
    rows = [
        torch.stack([cosine * scale_x, shear - sine * scale_y, shift_x], 1),
        torch.stack([sine * scale_x, cosine * scale_y, shift_y], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    coarse = torch.randn(count, 2, 6, 6, generator=generator)
    elastic = functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    grid = grid + ELASTIC * pixel * elastic.permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, align_corners=False)


def train(maps: NDArray[np.uint8], labels: NDArray[np.int64]) -> Arrays:
    """Train on feature maps ``[n, 1, x, y]``; return the float weights, batch norm folded in."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(TRAINING_SEED)
    generator = torch.Generator().manual_seed(TRAINING_SEED)
    images, targets = torch.from_numpy(maps).float() / 255, torch.from_numpy(labels)
    modules = build()
    network = nn.Sequential(*modules.values())
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    batches = len(images) // TRAINING_BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches)
    start = time.monotonic()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for batch in range(batches):
            chosen = order[batch * TRAINING_BATCH : (batch + 1) * TRAINING_BATCH]
            values = augment(images[chosen], generator)
            penalty = torch.zeros(())
            for module in network:
                values = module(values)
                if isinstance(module, nn.BatchNorm2d):
                    _, bias = fold(module)
                    penalty = penalty + SILENCE_PENALTY * bias.relu().mean()
                elif isinstance(module, nn.ReLU):
                    # (sum |a|)^2 / (n sum a^2), in [0, 1]: the density, if all active are equal.
                    energy = values.numel() * values.square().sum() + 1e-9
                    penalty = penalty + DENSITY_PENALTY * values.sum().square() / energy
            loss = functional.cross_entropy(values.flatten(1), targets[chosen])
            optimizer.zero_grad()
            (loss + penalty).backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        if (epoch + 1) % 20 == 0 or epoch + 1 == EPOCHS:
            elapsed = time.monotonic() - start
            print(f"epoch {epoch + 1}: loss {total / batches:.4f}, {elapsed:.0f} s", flush=True)
    network.eval()
    with torch.no_grad():
        predictions = torch.cat([network(part).flatten(1) for part in images.split(BATCH)])
        arrays = {}
        for name, module in modules.items():
            if not isinstance(module, nn.Conv2d):
                continue
            weight, bias = module.weight, module.bias
            if f"{name}_norm" in modules:
                factor, bias = fold(modules[f"{name}_norm"])
                weight = weight * factor[:, None, None, None]
            assert bias is not None
            arrays[f"float_{name}_weight"] = weight.numpy().copy()
            arrays[f"float_{name}_bias"] = bias.numpy().copy()
    folded = forward(Network(arrays=arrays, meta={"layers": LAYERS}), maps)
    if not np.allclose(folded, predictions.numpy(), atol=1e-2):
        raise RuntimeError("the numpy model of the folded network differs from PyTorch's")
    if not np.array_equal(folded.argmax(axis=1), predictions.numpy().argmax(axis=1)):
        raise RuntimeError("the numpy model of the folded network decides otherwise than PyTorch")
    return arrays


def fold(norm: Any) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the factor on the weights and the bias that replace a batch norm."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor, norm.bias - norm.running_mean * factor


# -- the file ----------------------------------------------------------------------------------


def describe(arrays: Arrays, digits: Digits) -> Network:
    """Measure ranges, densities and accuracies, and put together all that ``digits.npz`` holds."""
    train_maps, test_maps = feature_maps(digits.train_images), feature_maps(digits.test_images)
    layers: dict[str, dict[str, Any]] = {name: dict(layer) for name, layer in LAYERS.items()}
    network = Network(arrays=arrays, meta={"layers": layers})
    train_logits, seen = integer_forward(network, train_maps)
    test_logits, _ = integer_forward(network, test_maps)
    for name in LAYERS:
        layers[name] |= seen[name]
    network.meta.update(
        input={
            "shape": [1, 28, 28],
            "order": "channel, x (column), y (row)",
            "rule": "(pixel + 8) // 17",
            "range": [0, INPUT_LEVELS],
            "density": seen["input"]["density"],
        },
        sums="measured on the training images, with a headroom of 2",
        measured_on="the training images: measured_sums, measured_values, density",
        state_bits=16,
        split_seed=SPLIT_SEED,
        training_seed=TRAINING_SEED,
        test_images_sha256=hashlib.sha256(test_maps.tobytes()).hexdigest(),
        train_accuracy={
            "float": accuracy(forward(network, train_maps), digits.train_labels),
            "integer": accuracy(train_logits, digits.train_labels),
        },
        test_accuracy={
            "float": accuracy(forward(network, test_maps), digits.test_labels),
            "integer": accuracy(test_logits, digits.test_labels),
        },
    )
    return network


def save_network(network: Network, path: Path) -> None:
    """Write an npz file that is the same, byte for byte, for the same network."""
    arrays = network.arrays | {"meta": np.array(json.dumps(network.meta))}
    with Writing() as files, files.open(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.asarray(array, order="C"), allow_pickle=False)


def report(network: Network) -> None:
    """Print accuracies and, per layer, ranges and density."""
    meta = network.meta
    for part in ("train_accuracy", "test_accuracy"):
        print(f"{part}: float {meta[part]['float']:.2%}, integer {meta[part]['integer']:.2%}")
    print(f"input: density {meta['input']['density']:.1%}")
    for name, layer in meta["layers"].items():
        facts = ("measured_sums", "measured_values")
        ranges = ", ".join(f"{fact} {layer[fact]}" for fact in facts)
        print(f"{name}: {ranges}, density {layer['density']:.1%}")


def fifth(digits: Digits) -> Digits:
    """Return the training images alone, every fifth of each digit as the new test images."""
    order = np.argsort(digits.train_labels, kind="stable")
    held = np.zeros(len(order), dtype=bool)
    held[order[::5]] = True
    return Digits(
        train_images=digits.train_images[~held],
        train_labels=digits.train_labels[~held],
        test_images=digits.train_images[held],
        test_labels=digits.train_labels[held],
    )


def main() -> None:
    """Train, quantize, write ``digits.npz``; or one of the options of the module's text."""
    parser = argparse.ArgumentParser(description="Train and quantize the digits network.")
    options = parser.add_mutually_exclusive_group()
    options.add_argument("--validate", action="store_true", help="leave the test images alone")
    options.add_argument("--quantize", action="store_true", help="quantize the stored floats again")
    options.add_argument("--check", action="store_true", help="recompute what the file claims")
    arguments = parser.parse_args()
    digits = load_digits()
    if arguments.check:
        stored = load_network()
        again = describe(stored.arrays, digits)
        report(again)
        if again.meta != stored.meta:
            raise SystemExit(f"{NETWORK_FILE.name} does not agree with what was recomputed")
        return
    if arguments.validate:
        digits = fifth(digits)
    maps = feature_maps(digits.train_images)
    if arguments.quantize:
        floats = {name: array for name, array in load_network().arrays.items() if name.startswith("float_")}
    else:
        floats = train(maps, digits.train_labels)
    network = describe(quantize(floats, maps) | floats, digits)
    report(network)
    if not arguments.validate:
        save_network(network, NETWORK_FILE)


if __name__ == "__main__":
    main()
