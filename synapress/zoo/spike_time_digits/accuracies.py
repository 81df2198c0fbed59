"""What conversion-aware training is worth on digits: accuracies that `studies.conversion` measured."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from synapress.spike_times.trained import LEVELS

RECORD = Path(__file__).with_suffix(".json")
"""What was measured: see `accuracy`."""
NETWORKS: dict[str, tuple[str, ...]] = {
    "ReLU network (ANN)": ("ann",),
    "conversion-aware, as trained": ("cat",),
    "the same, exported": ("cat, spikes",),
    **{f"the same, weights of 5 bits, {p} per octave": ("cat, 5 bits", str(p)) for p in LEVELS},
    "ReLU network converted, θ0 the largest": ("without", "1, down"),
    "ReLU network converted, best θ0 and rounding": ("without",),
    "the same, weights of 5 bits, best levels": ("without, 5 bits",),
}
"""By line, where its accuracy is in a cell of the results; of several the best."""


def accuracy(seed: dict[str, Any], code: str, way: tuple[str, ...]) -> float:
    """Of a seed and a code, 0 to 1."""
    found: Any = seed | seed["codes"][code]
    for name in way:
        found = found[name]
    return max(found.values()) if isinstance(found, dict) else float(found)


def rows(seeds: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Lines and columns, headings first: mean, and least to largest, of the seeds in percent."""
    codes = list(seeds[0]["codes"])
    table = [["accuracy, %: mean (least to largest)", *("T {}, τ {}".format(*code.split(", ")) for code in codes)]]
    for name, way in NETWORKS.items():
        cells = [[100 * accuracy(seed, code, way) for seed in seeds] for code in codes]
        table.append([name, *(f"{mean(cell):.1f} ({min(cell):.1f} to {max(cell):.1f})" for cell in cells)])
    return table
