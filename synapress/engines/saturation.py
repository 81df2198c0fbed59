"""Values of outputs that the range chosen for them clipped, though the true ones lie beyond."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.network.evaluation import unsaturated
from golden.network.fast import Result
from golden.program import Program
from golden.types import IntArray
from synapress.mapper.lowering.layers import Value
from synapress.mapper.quantization.scales import Span

Clips = dict[str, dict[str, list[Span]]]
"""By output layer, and population with its values: see `synapress.mapper.quantization.quantized.Quantized.clips`."""
Channels = dict[str, IntArray]
"""Values that were clipped, by population and channel (D)."""


def count(clips: Clips, results: Mapping[str, Result], program: Program, config: CoreConfig) -> Channels:
    """The values (N, D, W, H) of the populations in `clips` that were clipped."""
    spans = {name: found for populations in clips.values() for name, found in populations.items()}
    return {name: _inside(unsaturated(results[name].states, program.population(name), config), found).sum((0, 2, 3))
            for name, found in spans.items()}


def _inside(values: IntArray, spans: Iterable[Span]) -> npt.NDArray[np.bool_]:
    within = np.zeros(values.shape, bool)
    for first, last in spans:
        within |= (True if first is None else values >= first) & (True if last is None else values <= last)
    return within


def by_output(clips: Clips, clipped: Channels, places: Mapping[str, Value]) -> dict[str, dict[str, int]]:
    """By output and population, how many values were clipped; only those of which any was.

    Args:
        places: by output, where it lies. If an output has some channels of a layer, only these count; if it copies
            a layer, all channels count.
    """
    found: dict[str, dict[str, int]] = {}
    for output, value in places.items():
        counts: dict[str, int] = {}
        for part in value.parts:
            for name in clips.get(part.layer, {}):
                own = slice(part.first, part.first + part.count) if name == part.layer else slice(None)
                counts[name] = counts.get(name, 0) + int(clipped[name][own].sum())
        if any(counts.values()):
            found[output] = {name: number for name, number in counts.items() if number}
    return found
