"""The pictures of a compute-in-memory update unit: operands by layer, energy by sparsity, energy by shape."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synapress.reports.figures import COLORS, figure, save

WEIGHTS, POTENTIALS, MOVED = COLORS[0], COLORS[1], COLORS[7]
"""One color for each kind of operand, and one for what does not stay."""


def footprint_picture(path: Path, *, title: str, layers: Sequence[str], weights: Sequence[float],
                      potentials: Sequence[float], modes: Mapping[str, tuple[float, float]]) -> None:
    """How large the operands of each layer are, and what each choice keeps in the array and moves.

    Args:
        path: PNG or SVG.
        weights, potentials: kB, one of each layer.
        modes: name of the choice → kB kept, kB moved in a timestep.
    """
    pyplot = figure()
    drawn, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.2), constrained_layout=True)
    drawn.suptitle(title, fontsize=11)
    places = np.arange(len(layers))
    for shift, kb, name, color in ((-0.2, weights, "weights", WEIGHTS), (0.2, potentials, "potentials", POTENTIALS)):
        bars = left.bar(places + shift, kb, width=0.4, label=name, color=color)
        left.bar_label(bars, [f"{value:,.4g}" for value in kb], fontsize=7)
    left.set_yscale("log")
    left.set_xticks(places, layers, rotation=90 if len(layers) > 8 else 0, fontsize=8)
    left.set_ylabel("kB of operands")
    names = list(modes)
    kept, moved = (np.array([modes[name][part] for name in names]) for part in (0, 1))
    rows = np.arange(len(names))
    right.barh(rows, kept, height=0.6, color=COLORS[2], label="stay in the array")
    right.barh(rows, moved, left=kept, height=0.6, color=MOVED, label="moved in a timestep")
    for row, (stay, move) in enumerate(zip(kept, moved, strict=True)):
        right.text(stay + move, row, f" {stay:,.2f} / {move:,.2f}", va="center", fontsize=8)
    right.set_yticks(rows, names, fontsize=8)
    right.invert_yaxis()
    right.margins(x=0.2)
    right.set_xlabel("kB")
    _finish(path, drawn, left, right)


def energy_picture(path: Path, *, title: str, energy: Mapping[str, Sequence[tuple[float, float]]],
                   gains: Mapping[str, Sequence[tuple[float, float]]],
                   published: Mapping[str, tuple[float, float]]) -> None:
    """Energy of a timestep against sparsity, and what is gained.

    Args:
        path: PNG or SVG.
        energy: name → points of sparsity in % and µJ. gains: name → points of sparsity in % and gain in %.
        published: text → least and largest gain in %, drawn as a band.
    """
    pyplot = figure()
    drawn, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.4), constrained_layout=True)
    drawn.suptitle(title, fontsize=11)
    for axis, lines in ((left, energy), (right, gains)):
        for number, (name, points) in enumerate(lines.items()):
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.1, label=name,
                      color=COLORS[number % len(COLORS)])
        axis.set_xlabel("sparsity, % of the neurons that are silent")
    left.set_yscale("log")
    left.set_ylabel("energy of a timestep (µJ)")
    for number, (text, (low, high)) in enumerate(published.items()):
        right.axhspan(low, high, alpha=0.2, linewidth=0, color=COLORS[-1 - 2 * number], label=text)
    right.set_ylabel("energy saved, %")
    _finish(path, drawn, left, right)


def shapes_picture(path: Path, *, title: str, shapes: Mapping[str, Sequence[float]], labels: Sequence[str],
                   published: float) -> None:
    """Energy of an operation by the shape of its operands.

    Args:
        path: PNG or SVG.
        shapes: what is assumed → energy of each shape, relative to the cheapest. labels: of the shapes.
        published: the dearest is below this.
    """
    pyplot = figure()
    drawn, axis = pyplot.subplots(figsize=(max(7, 1.1 * len(labels)), 4.2), constrained_layout=True)
    width = 0.8 / len(shapes)
    for number, (name, values) in enumerate(shapes.items()):
        places = np.arange(len(labels)) + (number - (len(shapes) - 1) / 2) * width
        bars = axis.bar(places, values, width=width, label=name, color=COLORS[number % len(COLORS)])
        axis.bar_label(bars, [f"{value:.2f}" for value in values], fontsize=7)
    axis.axhline(published, color=COLORS[5], linewidth=0.8, linestyle="--", label=f"paper: below {published:.2f}")
    axis.set_xticks(range(len(labels)), labels)
    axis.set_xlabel("shape of the operands, rows × columns")
    axis.set_ylabel("energy of a synaptic operation, relative")
    axis.set_title(title, fontsize=11)
    _finish(path, drawn, axis)


def _finish(path: Path, drawn, *axes) -> None:  # type: ignore[no-untyped-def]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=8, frameon=False)
    save(drawn, path)
