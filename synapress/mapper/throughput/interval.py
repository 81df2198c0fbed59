"""The frame interval that fragments on cores allow: bounds from who must wait for whom.

Frames follow one another as pipelined timesteps. A fragment takes the events of a frame, then evaluates and sends, and
only then takes those of the next frame (docs/architecture.md, "Timesteps and credits"). Queues hold a few events, so it
sends no faster than its destinations take: their updates are part of its own period. From this follow three bounds:

- a core cannot be busy with updates longer than the interval;
- a fragment takes its events and sends within it;
- a core evaluates one fragment at a time, so the sending times of its fragments add up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.throughput.work import FragmentWork

Box = tuple[str, tuple[int, int]]
"""A population, and the column and row where a part of it begins."""


def sending(cut: PartitionedProgram, works: Mapping[str, FragmentWork]) -> dict[str, float]:
    """Cycles from a fragment's first firing neuron to its last event taken, by fragment, if nothing else delays it.

    Neurons fire position by position. So destinations that lie at other positions take their events one after another,
    and those that lie at the same ones, with other channels, take them at once. Fragments of a layer with the same
    positions and other channels send at the same time, and share what their destinations can take.
    """
    box = {item.name: (item.parent, item.origin[1:]) for item in cut.fragments}
    taken: dict[Box, dict[Box, dict[str, float]]] = {}
    for name, work in works.items():
        for source, cycles in work.sources.items():
            at = taken.setdefault(box[source], {}).setdefault(box[name], {})
            at[name] = at.get(name, 0.0) + cycles
    found = {}
    for name, work in works.items():
        layers: dict[str, float] = {}
        for (layer, _), shares in taken.get(box[name], {}).items():
            layers[layer] = layers.get(layer, 0.0) + max(shares.values())
        whole = max((works[other].updates for shares in taken.get(box[name], {}).values() for other in shares),
                    default=0.0)
        found[name] = max(work.evaluation, whole, *layers.values(), 0.0)
    return found


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Lower bounds of the frame interval, in cycles."""

    busiest: float
    """Updates of the busiest core."""
    period: float
    """Longest time in which a fragment takes its events and sends its own."""
    evaluating: float
    """Longest sum of the sending times of a core's fragments."""

    @property
    def interval(self) -> float:
        return max(self.busiest, self.period, self.evaluating)


def longest_period(works: Mapping[str, FragmentWork], sends: Mapping[str, float]) -> float:
    """Longest time in which a fragment takes its events and sends its own, wherever it lies."""
    return max((work.busy + sends[name] for name, work in works.items()), default=0.0)


def bounds(
    works: Mapping[str, FragmentWork], sends: Mapping[str, float], cores: Iterable[Iterable[str]]
) -> Bounds:
    """The bounds of fragments that lie together in cores."""
    together = [list(names) for names in cores]
    return Bounds(
        busiest=max((sum(works[name].busy for name in names) for names in together), default=0.0),
        period=longest_period(works, sends),
        evaluating=max((sum(sends[name] for name in names) for names in together), default=0.0))
