"""What a mapping promises: cycles of each core per frame, and the interval, by the work model and an activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from golden.types import Place
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.throughput.interval import Bounds, bounds, sending
from synapress.mapper.throughput.search import Balanced
from synapress.mapper.throughput.work import Rates, WorkModel, ideal_cycles, synaptic_operations


@dataclass(frozen=True, kw_only=True)
class CorePrediction:
    """One core and one frame; all estimates."""

    busy: float
    """Cycles of ESU and neuron update."""
    evaluation: float
    """Cycles of evaluations, beside the updates."""
    word_ops: float
    synapses: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Expected cycles per frame of all cores in use."""

    cores: dict[Place, CorePrediction]
    bounds: Bounds
    allowed: int
    """Cores that the ideal counts."""
    ideal: float
    """Synaptic operations ÷ (cores · lanes)."""
    lanes: int
    flight: float | None
    """Interval of frames in flight, run coarsely, if the mapping was made for throughput."""

    @property
    def busiest(self) -> Place:
        return max(self.cores, key=lambda core: self.cores[core].busy)

    @property
    def interval(self) -> float:
        """Of frames in flight, else the least that the bounds allow."""
        return self.bounds.interval if self.flight is None else self.flight

    @property
    def ratio(self) -> float:
        """The interval over the ideal one."""
        return self.interval / self.ideal if self.ideal else 1.0

    def to_json(self) -> dict[str, Any]:
        return {
            "estimate": "by word operations at an expected activity", "interval": round(self.interval),
            "frames_in_flight": self.flight is not None, "busiest": list(self.busiest),
            "bounds": {name: round(value) for name, value in vars(self.bounds).items()}, "allowed": self.allowed,
            "ideal": round(self.ideal), "ratio": round(self.ratio, 4),
            "cores": [{"core": list(core)} | {name: round(value) for name, value in vars(item).items()}
                      for core, item in self.cores.items()],
        }


def predict(
    cut: PartitionedProgram, places: Mapping[str, Place], rates: Rates, *, balanced: Balanced | None = None
) -> Prediction:
    """What a cut and placed network takes of its cores.

    Args:
        places: the core of each fragment.
        balanced: what the mapping for throughput found, whose rates are then those used.
    """
    works = WorkModel(rates).of(cut) if balanced is None else balanced.works
    sends = sending(cut, works) if balanced is None else balanced.sends
    members: dict[Place, list[str]] = {}
    for name in works:
        members.setdefault(places[name], []).append(name)
    cores = {core: CorePrediction(
        busy=sum(works[name].busy for name in members[core]),
        evaluation=sum(works[name].evaluation for name in members[core]),
        word_ops=sum(works[name].word_ops for name in members[core]),
        synapses=sum(works[name].synapses for name in members[core]))
        for core in sorted(members, key=lambda core: (core[1], core[0]))}
    allowed = len(cores) if balanced is None else balanced.cores
    return Prediction(
        cores=cores, bounds=bounds(works, sends, members.values()), allowed=allowed, lanes=cut.config.lanes,
        ideal=ideal_cycles(synaptic_operations(cut, works), allowed, cut.config.lanes),
        flight=None if balanced is None else balanced.interval)
