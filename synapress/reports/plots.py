"""The pictures of reports: digits with their predictions, memory by layer, a mesh with its links and its time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from golden.files import Writing
from synapress.reports.tables import size, unit

# Colors that stay apart for color-blind readers (Okabe and Ito).
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def _figure():  # type: ignore[no-untyped-def]
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    return pyplot


def demo_picture(path: Path, *, images: npt.NDArray[np.uint8], labels: Sequence[int], predictions: Sequence[int],
                 memory: Mapping[str, Mapping[str, float]], layers: Mapping[str, Mapping[str, float]]) -> None:
    """One page: digits with what the RTL said, memory of each technique by category, work per layer.

    Args:
        images: (n, 28, 28), row-major. labels, predictions: n each.
        memory: technique → category → bytes.
        layers: quantity → layer → count per digit.
    """
    pyplot = _figure()
    figure = pyplot.figure(figsize=(12, 7.2), constrained_layout=True)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    rows, columns = 4, 16
    axes = top.subplots(rows, columns)
    top.suptitle("Test digits as the RTL classified them", fontsize=11)
    for index, axis in enumerate(axes.flat):
        axis.axis("off")
        if index >= len(images):
            continue
        axis.imshow(images[index], cmap="gray_r")
        right = predictions[index] == labels[index]
        text = str(predictions[index]) if right else f"{predictions[index]} (is {labels[index]})"
        axis.set_title(text, fontsize=9, color=COLORS[2] if right else COLORS[5], pad=1)
    left, right_axis = bottom.subplots(1, 2)
    categories = list(dict.fromkeys(category for parts in memory.values() for category in parts))
    names = list(memory)
    for position, name in enumerate(names):
        start = 0.0
        for number, category in enumerate(categories):
            size = memory[name].get(category, 0) / 1024
            left.barh(position, size, left=start, color=COLORS[number % len(COLORS)], height=0.6,
                      label=category if position == 0 else None)
            start += size
        left.text(start, position, f" {start:,.1f} kB", va="center", fontsize=9)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.margins(x=0.15)
    left.set_xlabel("memory (kB)")
    left.set_title("Memory by technique", fontsize=11)
    left.legend(fontsize=8, loc="upper right")
    left.spines[["top", "right"]].set_visible(False)
    quantities = list(layers)
    layer_names = list(dict.fromkeys(layer for counts in layers.values() for layer in counts))
    width = 0.8 / max(1, len(quantities))
    for number, quantity in enumerate(quantities):
        heights = [layers[quantity].get(layer, 0) for layer in layer_names]
        right_axis.bar(np.arange(len(layer_names)) + number * width, heights, width=width, label=quantity,
                       color=COLORS[number])
    right_axis.set_xticks(np.arange(len(layer_names)) + 0.4 - width / 2, layer_names)
    right_axis.set_yscale("log")
    right_axis.set_title("Work per digit, by layer", fontsize=11)
    right_axis.legend(fontsize=8)
    right_axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _legend(axis, handles: Mapping[str, object]) -> None:  # type: ignore[no-untyped-def]
    """Above the axis, at the right, where nothing is drawn."""
    axis.legend(handles.values(), handles.keys(), fontsize=8, ncols=len(handles), frameon=False, loc="lower right",
                bbox_to_anchor=(1, 1), borderaxespad=0.2)


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Write a PNG or SVG, by the suffix, the same bytes every time."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with _figure().rc_context({"svg.hashsalt": "synapress"}), Writing() as files, files.open(path) as file:
        figure.savefig(file, format=path.suffix[1:] or None, dpi=120, metadata=metadata)
    _figure().close(figure)


def footprint_picture(path: Path, *, network: str, layers: Sequence[str],
                      panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Memory per layer, stacked by category, a panel per technique, as in the paper's Fig. 6 [B §5.2].

    Args:
        path: PNG or SVG.
        panels: technique → category → bytes, one number per layer.
    """
    pyplot = _figure()
    shape = min(24, max(8, 2.5 + 0.3 * len(layers))), 2.6 * len(panels)
    figure, axes = pyplot.subplots(len(panels), 1, figsize=shape, sharex=True, constrained_layout=True, squeeze=False)
    categories = list(dict.fromkeys(category for parts in panels.values() for category in parts))
    for axis, (technique, parts) in zip(axes[:, 0], panels.items(), strict=True):
        bottom = np.zeros(len(layers))
        divisor, unit_name = unit(np.sum([*parts.values()], axis=0).max(initial=0))
        for category, values in parts.items():
            heights = np.asarray(values, float) / divisor
            axis.bar(range(len(layers)), heights, bottom=bottom, width=0.8, label=category,
                     color=COLORS[categories.index(category) % len(COLORS)])
            bottom += heights
        axis.set_title(f"{network}, {technique}: {size(bottom.sum() * divisor)}", fontsize=10, loc="left")
        axis.set_ylabel(unit_name)
        axis.spines[["top", "right"]].set_visible(False)
    handles = {label: handle for axis in axes[:, 0]
               for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    _legend(axes[0, 0], handles)
    axes[-1, 0].set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axes[-1, 0].set_xlim(-0.6, len(layers) - 0.4)
    _save(figure, path)


def mesh_picture(path: Path, *, title: str, size: tuple[int, int], host: tuple[int, int],
                 fill: Mapping[tuple[int, int], Mapping[str, float]], labels: Mapping[tuple[int, int], str],
                 links: Mapping[tuple[tuple[int, int], tuple[int, int]], int]) -> None:
    """The mesh: every core's memory as a stack by category, and arrows as wide as their links are loaded.

    Args:
        path: PNG or SVG.
        size: columns and rows. host: its place, perhaps beside the mesh.
        fill: core → category → share of its memory, from 0 to 1.
        labels: core → what is written on it.
        links: events by link between neighbors.
    """
    pyplot = _figure()
    from matplotlib.patches import Rectangle

    scale = 1.25 if max(size) <= 8 else 0.85
    figure, axis = pyplot.subplots(figsize=(max(5, scale * size[0] + 2), max(4, scale * size[1] + 2)),
                                   constrained_layout=True)
    categories = list(dict.fromkeys(category for parts in fill.values() for category in parts))
    side = 0.62
    for (x, y), parts in fill.items():
        bottom = y + side / 2
        for category, share in parts.items():
            axis.add_patch(Rectangle((x - side / 2, bottom - side * share), side, side * share, linewidth=0,
                                     color=COLORS[categories.index(category) % len(COLORS)]))
            bottom -= side * share
        if max(size) <= 10:
            axis.text(x, y, labels.get((x, y), ""), ha="center", va="center", fontsize=5.5)
    for x in range(size[0]):
        for y in range(size[1]):
            axis.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, fill=False, linewidth=0.8))
    axis.add_patch(Rectangle((host[0] - side / 2, host[1] - side / 2), side, side, facecolor="#eeeeee",
                             edgecolor="black", linewidth=0.8))
    axis.text(*host, "host", ha="center", va="center", fontsize=7)
    most = max(links.values(), default=1)
    for ((from_x, from_y), (to_x, to_y)), events in links.items():
        dx, dy = to_x - from_x, to_y - from_y
        aside = 0.09
        start = (from_x + dx * side / 2 - dy * aside, from_y + dy * side / 2 + dx * aside)
        end = (to_x - dx * side / 2 - dy * aside, to_y - dy * side / 2 + dx * aside)
        axis.annotate("", end, start, arrowprops={
            "arrowstyle": "-|>", "linewidth": 0.4 + 3.6 * events / most, "color": "#D55E00", "shrinkA": 0, "shrinkB": 0,
            "mutation_scale": 5})
    axis.set_xlim(min(-0.5, host[0] - 0.5), max(size[0] - 0.5, host[0] + 0.5))
    axis.set_ylim(max(size[1] - 0.5, host[1] + 0.5), min(-0.5, host[1] - 0.5))
    axis.set_aspect("equal")
    axis.axis("off")
    arrows = f"\narrows: events per frame over each link, at most {most:,}" if links else ""
    axis.set_title(title + arrows, fontsize=9)
    handles = [Rectangle((0, 0), 1, 1, color=COLORS[number % len(COLORS)]) for number in range(len(categories))]
    axis.legend(handles, categories, fontsize=7, ncols=len(categories), loc="upper center",
                bbox_to_anchor=(0.5, 0.0), frameon=False)
    _save(figure, path)


def layer_picture(path: Path, *, layers: Sequence[str], bars: Mapping[str, Sequence[float]], label: str,
                  log: bool = False) -> None:
    """Quantities side by side for each layer.

    Args:
        path: PNG or SVG.
        bars: quantity → one number per layer.
        label: of the axis.
    """
    pyplot = _figure()
    figure, axis = pyplot.subplots(figsize=(min(24, max(6, 2 + 0.45 * len(layers))), 3), constrained_layout=True)
    width = 0.8 / max(1, len(bars))
    for number, (name, values) in enumerate(bars.items()):
        axis.bar(np.arange(len(layers)) + (number - (len(bars) - 1) / 2) * width, values, width=width, label=name,
                 color=COLORS[number])
    axis.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axis.set_xlim(-0.6, len(layers) - 0.4)
    axis.set_ylabel(label)
    if log:
        axis.set_yscale("symlog")
    _legend(axis, dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True)))
    axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def gantt_picture(path: Path, *, title: str, rows: Sequence[str], layers: Sequence[str],
                  bars: Sequence[tuple[int, str, int, int, int]], ends: Sequence[int]) -> None:
    """What each core works on over the time: events that come in (pale) and evaluations (dark), a color per layer.

    Args:
        path: PNG or SVG.
        rows: names of the cores, from above.
        layers: in the order of their colors.
        bars: number of the row, layer, and the cycles of the first event in, of the evaluation's begin and its end.
        ends: cycles in which frames were out.
    """
    pyplot = _figure()
    from matplotlib.patches import Patch

    figure, axis = pyplot.subplots(figsize=(12, 1.6 + 0.16 * len(layers) * len(rows) ** 0.7), constrained_layout=True)
    height = 0.9 / max(1, len(layers))
    for row, layer, first, evaluates, last in bars:
        number = layers.index(layer)
        at, color = row - 0.45 + (number + 0.5) * height, COLORS[number % len(COLORS)]
        axis.barh(at, evaluates - first, left=first, height=0.8 * height, color=color, alpha=0.45, linewidth=0)
        axis.barh(at, last - evaluates + 1, left=evaluates, height=0.8 * height, color=color, linewidth=0)
    for cycle in ends:
        axis.axvline(cycle, color="black", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(left=0)
    axis.xaxis.set_major_formatter(lambda cycle, _: f"{cycle:,.0f}")
    axis.set_xlabel("cycle; pale: events come in, dark: evaluation; dotted: a frame is out")
    axis.set_title(title, fontsize=10, loc="left", pad=22)
    axis.spines[["top", "right"]].set_visible(False)
    _legend(axis, {layer: Patch(color=COLORS[number % len(COLORS)]) for number, layer in enumerate(layers)})
    _save(figure, path)


def replay_picture(path: Path, *, title: str, size: tuple[int, int], busy: Mapping[tuple[int, int], float],
                   layers: Mapping[str, tuple[float, float, float]]) -> None:
    """A mesh with the busy cycles of each core; and by layer busy cycles, cycles of evaluation, and the lanes in use.

    Args:
        path: PNG or SVG. size: columns and rows.
        busy: by core. layers: (busy cycles, cycles of evaluation, share of the lanes) of each.
    """
    pyplot = _figure()
    figure = pyplot.figure(figsize=(13, max(5.0, 1.2 + 0.17 * len(layers))), constrained_layout=True)
    figure.suptitle(title, fontsize=11)
    grid, axis = figure.subplots(1, 2, width_ratios=(1, 1.15))
    cycles = np.full((size[1], size[0]), np.nan)
    for (column, row), count in busy.items():
        cycles[row, column] = count / 1e6
    shown = grid.imshow(cycles, cmap="Blues", vmin=0)
    figure.colorbar(shown, ax=grid, shrink=0.7, label="busy, million cycles")
    grid.set_xlabel("column")
    grid.set_ylabel("row")
    grid.set_title("Cores of the mesh", fontsize=10)
    at = np.arange(len(layers))
    values = np.array(list(layers.values())).reshape(-1, 3)
    axis.barh(at - 0.2, values[:, 0] / 1e6, height=0.4, color=COLORS[0], label="busy (ESU and neuron update)")
    axis.barh(at + 0.2, values[:, 1] / 1e6, height=0.4, color=COLORS[1], label="evaluation")
    for place, (count, _, lanes) in zip(at, values, strict=True):
        axis.text(count / 1e6, place - 0.2, f" {lanes:.0%}", va="center", fontsize=6)
    axis.set_yticks(at, list(layers), fontsize=7)
    axis.set_ylim(len(layers) - 0.5, -0.5)
    axis.set_xlabel("million cycles, summed over cores; with the share of the lanes in use")
    axis.set_title("Layers", fontsize=10)
    axis.legend(fontsize=8, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def organisations_picture(path: Path, *, title: str, label: str,
                          panels: Mapping[str, Sequence[tuple[str, str, Sequence[tuple[float, float]]]]],
                          crossovers: Mapping[str, Mapping[str, float]]) -> None:
    """What a layer costs in each memory organisation.

    Args:
        path: PNG or SVG. label: of what is drawn.
        panels: what it is drawn against → organisation, text at the end and points of each line.
        crossovers: panel → text → place.
    """
    pyplot = _figure()
    figure, axes = pyplot.subplots(1, len(panels), figsize=(max(6, 5.5 * len(panels)), 4.4), constrained_layout=True,
                                   sharey=True, squeeze=False)
    figure.suptitle(title, fontsize=11)
    names = list(dict.fromkeys(name for lines in panels.values() for name, _, _ in lines))
    for axis, (of, lines) in zip(axes[0], panels.items(), strict=True):
        for name, text, points in lines:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.1,
                      color=COLORS[names.index(name) % len(COLORS)])
            axis.annotate(text, points[-1], fontsize=7, xytext=(3, 0), textcoords="offset points", va="center")
        axis.set_xlabel(of)
        axis.set_yscale("log")
        places = [place for _, _, points in lines for place, _ in points]
        if min(places) > 0 and max(places) > 9 * min(places):
            axis.set_xscale("log")
        axis.spines[["top", "right"]].set_visible(False)
        for number, (text, place) in enumerate(crossovers.get(of, {}).items()):
            axis.axvline(place, color="black", linewidth=0.8, linestyle=":")
            axis.text(place, 0.02 + 0.05 * number, f" {text}", fontsize=7, transform=axis.get_xaxis_transform())
    axes[0, 0].set_ylabel(label)
    from matplotlib.lines import Line2D

    axes[0, -1].legend([Line2D([], [], color=COLORS[number % len(COLORS)]) for number in range(len(names))], names,
                       fontsize=8, frameon=False)
    _save(figure, path)


def spike_time_picture(path: Path, *, steps: int, spikes: Mapping[str, npt.NDArray[np.int64]],
                       accuracies: Mapping[str, Mapping[int, float]] | None) -> None:
    """When the neurons of each layer spike, one layer after the other; and accuracy against the number of times.

    Args:
        path: PNG or SVG.
        steps: T, times of a layer.
        spikes: layer → values T - t of its neurons, 0 of those that do not spike, in the order of the layers.
        accuracies: line → T → share of right answers; None: no such axis.
    """
    pyplot = _figure()
    figure, axes = pyplot.subplots(1, 1 if accuracies is None else 2, squeeze=False, constrained_layout=True,
                                   figsize=(8 if accuracies is None else 13, 5), width_ratios=(
                                       (1,) if accuracies is None else (1.6, 1)))
    raster, gap = axes[0, 0], 0.25
    for row, values in enumerate(spikes.values()):
        flat = np.asarray(values).reshape(-1)
        (firing,) = np.nonzero(flat)
        color = COLORS[row % 6]  # those that show on white
        raster.scatter(row * steps + steps - flat[firing], row + firing / flat.size * (1 - gap), s=1.5, color=color,
                       linewidths=0)
        raster.axvspan(row * steps - 0.5, (row + 1) * steps - 0.5, color=color, alpha=0.07, linewidth=0)
    raster.set_yticks(np.arange(len(spikes)) + (1 - gap) / 2, [
        f"{name}\n{np.count_nonzero(values):,} of {np.size(values):,}" for name, values in spikes.items()], fontsize=8)
    raster.set_xticks(np.arange(len(spikes) + 1) * steps - 0.5, np.arange(len(spikes) + 1) * steps)
    raster.set_xlabel("time, a layer after the other")
    raster.set_title("Spikes of one digit: each neuron once or never", fontsize=11)
    raster.margins(x=0.01)
    if accuracies is not None:
        axis = axes[0, 1]
        for number, (name, line) in enumerate(accuracies.items()):
            axis.plot(list(line), [100 * share for share in line.values()], "o-", color=COLORS[number], label=name)
        axis.set_xticks(sorted({number for line in accuracies.values() for number in line}))
        axis.set_xlabel("times T of a layer")
        axis.set_ylabel("accuracy (%)")
        axis.set_title("Accuracy on test digits, mean of the seeds", fontsize=11)
        axis.legend(fontsize=8, loc="lower right")
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
