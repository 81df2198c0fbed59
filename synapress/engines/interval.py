"""The frame interval of a mapped network, from the real events of a frame: busy cycles of cores, and frames in flight.

The busy cycles are exact for each core's events, edge by edge, as if the events of an edge came without a pause
(`golden.timing.cycles`): they are the work of the core, and the busiest core's are a lower bound of the interval. The
frames in flight (`golden.timing.frames`) add that layers wait for each other; that is an estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from golden.timing.cycles import evaluation_cycles, events_cycles
from golden.timing.frames import FrameTimes, run_frames
from golden.timing.microarchitecture import END_LATENCY, EVENT_FILL
from golden.timing.operations import places
from golden.types import Integers
from golden.types import Place as Core
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram
from synapress.mapper.throughput.stages import Frame
from synapress.mapper.throughput.work import ideal_cycles, link_synapses


@dataclass(frozen=True, kw_only=True)
class FragmentCycles:
    """One fragment and one frame: what comes in, and what it takes of its core."""

    name: str
    parent: str
    """The population that it is part of."""
    core: Core
    neurons: int
    events: int
    synapses: int
    busy: int
    """Cycles of ESU and neuron update."""
    evaluation: int


@dataclass(frozen=True, kw_only=True)
class CoreCycles:
    """One core and one frame."""

    core: Core
    fragments: tuple[str, ...]
    busy: int
    """Cycles of ESU and neuron update."""
    evaluation: int
    """Cycles of its evaluations, if nothing holds them up; they run beside the updates."""
    synapses: int


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What the events of one frame take of all cores."""

    cores: list[CoreCycles]
    fragments: list[FragmentCycles]
    exact: bool
    """All edges were replayed in whole, none was sampled."""
    lanes: int
    allowed: int
    """Cores that the ideal counts: all of the mesh, or those that were asked for."""
    firing: float
    """Share of the neurons in cores that fired."""
    frames: FrameTimes | None
    """Frames in flight, if that was asked for."""

    @property
    def busiest(self) -> CoreCycles:
        return max(self.cores, key=lambda core: core.busy)

    @property
    def synapses(self) -> int:
        return sum(core.synapses for core in self.cores)

    @property
    def ideal(self) -> float:
        """Synaptic operations ÷ (cores · lanes)."""
        return ideal_cycles(self.synapses, self.allowed, self.lanes)

    @property
    def cycles(self) -> float:
        """The interval: of frames in flight, or if they were not run the busiest core's work."""
        return float(self.busiest.busy) if self.frames is None else self.frames.interval

    @property
    def ratio(self) -> float:
        """The interval over the ideal one."""
        return self.cycles / self.ideal if self.ideal else 1.0

    def to_json(self) -> dict[str, Any]:
        return {
            "interval": round(self.cycles), "busiest": list(self.busiest.core), "busy": self.busiest.busy,
            "ideal": round(self.ideal), "ratio": round(self.ratio, 4), "exact": self.exact, "synapses": self.synapses,
            "firing": round(self.firing, 4), "latency": None if self.frames is None else round(self.frames.latency),
            "cores": [{"core": list(item.core), "busy": item.busy, "evaluation": item.evaluation,
                       "synapses": item.synapses, "fragments": list(item.fragments)} for item in self.cores],
        }


def interval(
    cut: PartitionedProgram, image: MeshImage, at: Mapping[str, Core], outputs: Mapping[str, Integers],
    *, cores: int | None = None, frames: int = 6, limit: int = 500_000,
) -> Interval:
    """The interval of frames like one.

    Args:
        image: of the cut, for addresses, which decide on banks.
        at: the core of each fragment.
        outputs: values (D, W, H) of all populations of the uncut program, inputs included.
        cores: how many the ideal counts; default: those in use.
        frames: so many are simulated in flight; 0: only the work of the cores is replayed.
        limit: cycles to replay per edge and source; more are sampled. 0: no replay, but word operations and beats.
    """
    return _Model(cut, image, at, outputs, limit).interval(cores, frames)


class _Link(NamedTuple):
    """Of one source's events for a descriptor."""

    cycles: float
    whole: bool
    """Replayed in whole."""
    events: int
    synapses: int
    pace: float
    """`cycles` over what word operations and beats say."""


class _Model:
    def __init__(
        self, cut: PartitionedProgram, image: MeshImage, at: Mapping[str, Core], outputs: Mapping[str, Integers],
        limit: int
    ) -> None:
        self.cut, self.at, self.limit = cut, at, limit
        self.frame = Frame(cut, outputs)
        self.places = {core: places(each.manifest) for core, each in image.images.items()}
        self.order = list(image.images)

    def interval(self, cores: int | None, frames: int) -> Interval:
        config = self.cut.config
        links = {(descriptor, source): self._link(descriptor, source) for item in self.cut.hosted
                 for descriptor in self.cut.into[item.name] for source in descriptor.sources}
        fragments = [self._fragment(item, [found for (descriptor, _), found in links.items()
                                           if descriptor.edge.destination == item.name]) for item in self.cut.hosted]
        pace = {key: found.pace for key, found in links.items()}
        number = {name: self.order.index(core) for name, core in self.at.items()}
        stages = self.frame.stages(number, pace) if frames else []
        fired = sum(len(self.frame.firing(item.name)[0]) for item in self.cut.hosted)
        return Interval(
            cores=[_core(core, [item for item in fragments if item.core == core]) for core in self.order],
            fragments=fragments, exact=all(found.whole for found in links.values()),
            lanes=config.lanes, allowed=cores or len(self.order),
            frames=run_frames(stages, len(self.order), config, frames) if frames else None,
            firing=fired / sum(int(np.prod(item.shape)) for item in self.cut.hosted))

    def _fragment(self, item: Fragment, links: list[_Link]) -> FragmentCycles:
        busy = sum(link.cycles + EVENT_FILL + END_LATENCY for link in links)
        return FragmentCycles(
            name=item.name, parent=item.parent, core=self.at[item.name], neurons=int(np.prod(item.shape)),
            events=sum(link.events for link in links), synapses=sum(link.synapses for link in links),
            busy=round(busy), evaluation=evaluation_cycles(item, self.cut.config))

    def _link(self, descriptor: Descriptor, source: str) -> _Link:
        found = self.frame.events(descriptor, source)
        c, x, y = found.events
        if not len(c):
            return _Link(0.0, True, 0, 0, 1.0)
        place = self.places[self.at[descriptor.edge.destination]][descriptor.edge.name]
        cycles, whole = float(found.cycles.sum()), False
        if self.limit:
            cycles, whole = events_cycles(found.work, place, found.events, self.cut.config, limit=self.limit)
        synapses = int((found.work.positions()[x, y] * link_synapses(descriptor, found.work)[c]).sum())
        return _Link(cycles, whole, len(c), synapses, cycles / float(found.cycles.sum()))


def _core(core: Core, fragments: list[FragmentCycles]) -> CoreCycles:
    return CoreCycles(
        core=core, busy=sum(item.busy for item in fragments), evaluation=sum(item.evaluation for item in fragments),
        synapses=sum(item.synapses for item in fragments), fragments=tuple(item.name for item in fragments))
