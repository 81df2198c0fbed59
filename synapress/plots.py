"""The pictures of reports: digits with their predictions, memory by category."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Colours that stay apart for colour-blind readers (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


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
        axis.set_title(text, fontsize=9, color=COLOURS[2] if right else COLOURS[5], pad=1)
    left, right_axis = bottom.subplots(1, 2)
    categories = list(dict.fromkeys(category for parts in memory.values() for category in parts))
    names = list(memory)
    for position, name in enumerate(names):
        start = 0.0
        for number, category in enumerate(categories):
            size = memory[name].get(category, 0) / 1024
            left.barh(position, size, left=start, color=COLOURS[number % len(COLOURS)], height=0.6,
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
                       color=COLOURS[number])
    right_axis.set_xticks(np.arange(len(layer_names)) + 0.4 - width / 2, layer_names)
    right_axis.set_yscale("log")
    right_axis.set_title("Work per digit, by layer", fontsize=11)
    right_axis.legend(fontsize=8)
    right_axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)
