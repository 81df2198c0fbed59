"""Spiking digits on recordings unlike those that they were calibrated with: what wraps, and whether classes stay.

    python -m benchmarks.recordings [--images N] [--calibration N] [--unbounded] [--json FILE]

The trained network of `synapress/zoo/spiking_digits` is calibrated with a few training images, for states of 16 and of
32 bits, and gets test images as they are, mirrored, shifted, noisier, upside down and as negatives. It was trained with
images that were shifted by up to 2 pixels, and with nothing else of that. Compared is the class, the output that spikes
most often, with that of the float network on the same images. Of mirrored images the float network often says no class:
two outputs spike equally often. So there are two shares: `decided` is of the images for which one output of the float
network spikes more often than all others; `all` counts the others too, with the first of their outputs as the class.

`--unbounded` lets potentials use all of the states, as `synapress.Options(saturate=False)` does.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import synapress
from golden.config import PRESETS, CoreConfig
from golden.files import write
from synapress.zoo.digits.data import load_digits
from synapress.zoo.spiking_digits import FILE
from synapress.zoo.spiking_digits.data import sequences

Images = NDArray[np.uint8]
IMAGES = 1000
CALIBRATION = 100
SEED = 14
CONFIGS: dict[int, CoreConfig] = {
    16: PRESETS["grai_vip"],
    32: dataclasses.replace(PRESETS["grai_vip"], name="grai_vip_wide", state_bits=32, multiplier_bits=8)}
"""By bits of a state."""
BAR = 0.98


def _shifted(images: Images, columns: int, rows: int) -> Images:
    """Moved to the right and down, with black behind."""
    moved = np.roll(images, (rows, columns), (1, 2))
    moved[:, :rows], moved[:, :, :columns] = 0, 0
    return moved


def _noisier(images: Images, deviation: float) -> Images:
    """With normal noise, whose deviation is a share of the largest value, clipped to what a pixel holds."""
    noise = np.random.default_rng(SEED).normal(0, 255 * deviation, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


RECORDINGS: dict[str, Callable[[Images], Images]] = {
    "as they are": lambda images: images,
    "mirrored": lambda images: images[:, :, ::-1],
    "shifted by 2, 2": lambda images: _shifted(images, 2, 2),
    "shifted by 3, 1": lambda images: _shifted(images, 3, 1),
    "noise of 10 %": lambda images: _noisier(images, 0.1),
    "noise of 20 %": lambda images: _noisier(images, 0.2),
    "upside down": lambda images: images[:, ::-1],
    "negative": lambda images: 255 - images,
}
"""What is made of images (n, y, x)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """Classes of the integer network on one kind of recordings."""

    bits: int
    recordings: str
    wrapped: int
    """Sums that wrapped, over all layers, neurons and timesteps."""
    undecided: float
    """Share of the images for which no output of the float network spikes more often than all others."""
    decided: float
    """Share of the others that are classified as by the float network."""
    all: float
    """The same of all images, where the first of the outputs that spike most often is the class."""


def agreement(
    model: synapress.Model, compiled: synapress.CompiledModel, recordings: str, images: Images
) -> Agreement:
    """Classify images (n, y, x), made into recordings, by the float and the integer network."""
    given = sequences(RECORDINGS[recordings](images))
    result = synapress.simulate(compiled, given)
    (spikes,), (expected,) = result.outputs.values(), synapress.float_outputs(model, given).values()
    counts, wanted = np.asarray(spikes).sum(axis=1), np.asarray(expected).sum(axis=1)
    same = counts.argmax(axis=1) == wanted.argmax(axis=1)
    decided = (wanted == wanted.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return Agreement(bits=compiled.config.state_bits, recordings=recordings, wrapped=sum(result.wrapped.values()),
                     undecided=float(1 - decided.mean()), decided=float(same[decided].mean()), all=float(same.mean()))


def compiled(model: synapress.Model, bits: int, images: Images, *, saturate: bool = True) -> synapress.CompiledModel:
    """The network for a core with states of so many bits, calibrated with images (n, y, x) as they are."""
    return synapress.compile(model, config=CONFIGS[bits], calibration=sequences(images),
                             options=synapress.Options(saturate=saturate))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--calibration", type=int, default=CALIBRATION)
    parser.add_argument("--unbounded", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    digits, console = load_digits(), Console()
    model = synapress.load(FILE, neurons="snntorch")
    found: list[dict[str, Any]] = []
    for bits in CONFIGS:
        made = compiled(model, bits, digits.train_images[:arguments.calibration], saturate=not arguments.unbounded)
        sums = ", ".join(f"layer {item.layer} {item.verdict} ({item.bits} bits)" for item in made.sums)
        table = Table(title=f"States of {bits} bits, calibrated with {arguments.calibration} images; sums: {sums}")
        for heading in ("recordings", "wrapped", "undecided", "same class, decided", "same class, all"):
            table.add_column(heading, justify="left" if heading == "recordings" else "right")
        for recordings in RECORDINGS:
            one = agreement(model, made, recordings, digits.test_images[:arguments.images])
            below = " < 98 %" if one.decided < BAR else ""
            table.add_row(recordings, f"{one.wrapped:,}", f"{one.undecided:.1%}", f"{one.decided:.1%}{below}",
                          f"{one.all:.1%}")
            found.append(dataclasses.asdict(one))
        console.print(table)
    if arguments.json:
        write(arguments.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
