"""The pictures of memory organisations: what a layer costs in each, and what a loss costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synapress.reports.figures import COLORS, figure, save


def organisations_picture(path: Path, *, title: str,
                          rows: Mapping[str, Mapping[str, Sequence[tuple[str, str, Sequence[tuple[float, float]]]]]],
                          crossovers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """What a layer costs in each memory organisation.

    Args:
        path: PNG or SVG.
        rows: label of what is drawn → what it is drawn against → organisation, perhaps with a comma and a variant of
            it, which is dashed; text at the end and points of each line. All rows are drawn against the same.
        crossovers: label of the row → what it is drawn against → text → place.
    """
    pyplot = figure()
    columns = list(next(iter(rows.values())))
    shape = max(6, 5.5 * len(columns)), 4.4 + 3.6 * (len(rows) - 1)
    drawn, axes = pyplot.subplots(len(rows), len(columns), figsize=shape, constrained_layout=True, sharey="row",
                                   squeeze=False)
    drawn.suptitle(title, fontsize=11)
    names = list(dict.fromkeys(name for panels in rows.values() for lines in panels.values() for name, _, _ in lines))
    kinds = list(dict.fromkeys(name.partition(", ")[0] for name in names))
    dashes = ("-", "--", ":", "-.")
    looks: dict[str, dict[str, Any]] = {}
    for name in names:
        kind = name.partition(", ")[0]
        alike = [other for other in names if other.partition(", ")[0] == kind]
        looks[name] = {"color": COLORS[kinds.index(kind) % len(COLORS)],
                       "linestyle": dashes[alike.index(name) % len(dashes)]}
    for (label, panels), line in zip(rows.items(), axes, strict=True):
        for axis, (of, lines) in zip(line, panels.items(), strict=True):
            _cost_lines(axis, of, lines, looks, crossovers[label].get(of, {}))
        line[0].set_ylabel(label)
    from matplotlib.lines import Line2D

    axes[0, -1].legend([Line2D([], [], **looks[name]) for name in names], names, fontsize=8, frameon=False)
    save(drawn, path)


def _cost_lines(axis, of: str, lines: Sequence[tuple[str, str, Sequence[tuple[float, float]]]],  # type: ignore[no-untyped-def]
                looks: Mapping[str, Mapping[str, Any]], crossovers: Mapping[str, float]) -> None:
    """One panel of `organisations_picture`."""
    for name, text, points in lines:
        axis.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.1, **looks[name])
        axis.annotate(text, points[-1], fontsize=7, xytext=(3, 0), textcoords="offset points", va="center")
    axis.set_xlabel(of)
    axis.set_yscale("log")
    places = [place for _, _, points in lines for place, _ in points]
    if min(places) > 0 and max(places) > 9 * min(places):
        axis.set_xscale("log")
    axis.spines[["top", "right"]].set_visible(False)
    for number, (text, place) in enumerate(crossovers.items()):
        axis.axvline(place, color="black", linewidth=0.8, linestyle=":")
        axis.text(place, 0.02 + 0.05 * number, f" {text}", fontsize=7, transform=axis.get_xaxis_transform())


def frontier_picture(path: Path, *, points: Mapping[str, Sequence[tuple[float, float, float, float, str]]],
                     best: Sequence[tuple[float, float]], silence: float, label: str) -> None:
    """Loss against energy.

    Args:
        path: PNG or SVG.
        points: organisation → energy, loss, its least and most, and a text, of each point.
        best: energy and loss of the points that no other beats, ascending.
        silence: the loss of no spikes at all. label: of the energy.
    """
    pyplot = figure()
    drawn, axis = pyplot.subplots(figsize=(9, 5.4), constrained_layout=True)
    for number, (name, items) in enumerate(points.items()):
        energy, loss, low, high = np.array([item[:4] for item in items]).T
        axis.errorbar(energy, loss, yerr=(loss - low, high - loss), fmt="o", markersize=4, linewidth=0.8,
                      color=COLORS[number % len(COLORS)], label=name)
        for item in items:
            axis.annotate(item[4], item[:2], fontsize=6, xytext=(4, 2), textcoords="offset points")
    axis.plot(*zip(*best, strict=True), color="black", linewidth=0.8, linestyle="--", label="no point beats these")
    axis.axhline(silence, color="black", linestyle=":", linewidth=0.8, label="no spikes")
    axis.set_xscale("log")
    axis.set_xlabel(label)
    axis.set_ylabel("van Rossum distance, mean, least and most of the seeds")
    axis.legend(fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(drawn, path)
