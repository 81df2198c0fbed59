"""The frame interval of a mapped network, from the real events of a frame: busy cycles of cores, and frames in flight.

The busy cycles are exact for each core's events, edge by edge, as if the events of an edge came without a pause
(`golden.timing.cycles`): they are the work of the core, and the busiest core's are a lower bound of the interval. The
frames in flight (`golden.timing.frames`) add that layers wait for each other; that is an estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.timing.cycles import Events, evaluation_cycles, events_cycles, firing_order
from golden.timing.frames import HOST, FrameTimes, Stage, run_frames
from golden.timing.microarchitecture import END_LATENCY, EVENT_FILL, EVENT_MINIMUM
from golden.timing.operations import places
from golden.types import IntArray, Integers
from golden.types import Place as Core
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram
from synapress.mapper.throughput.work import ideal_cycles, link_operations, link_synapses


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
        limit: cycles to replay per edge and source; more are sampled.
    """
    return _Model(cut, image, at, outputs, limit).interval(cores, frames)


class _Model:
    def __init__(
        self, cut: PartitionedProgram, image: MeshImage, at: Mapping[str, Core], outputs: Mapping[str, Integers],
        limit: int
    ) -> None:
        self.cut, self.at, self.limit, self.config = cut, at, limit, cut.config
        self.maps = {item.name: _crop(outputs[item.parent], item) for item in cut.fragments}
        self.places = {core: places(each.manifest) for core, each in image.images.items()}
        self.order = list(image.images)
        self.number = {item.name: number for number, item in enumerate([*cut.inputs, *cut.hosted])}

    def interval(self, cores: int | None, frames: int) -> Interval:
        busy, synapses = dict.fromkeys(self.order, 0.0), dict.fromkeys(self.order, 0)
        pace: dict[tuple[Descriptor, str], float] = {}
        exact = True
        for item in self.cut.hosted:
            core = self.at[item.name]
            for descriptor in self.cut.into[item.name]:
                for source in descriptor.sources:
                    found, whole, work, cost = self._link(descriptor, source)
                    exact &= whole
                    pace[descriptor, source] = found / cost if cost else 1.0
                    busy[core] += found + EVENT_FILL + END_LATENCY
                    synapses[core] += work
        evaluation = dict.fromkeys(self.order, 0)
        for item in self.cut.hosted:
            evaluation[self.at[item.name]] += evaluation_cycles(item, self.config)
        fired = sum(int(np.count_nonzero(self.maps[item.name])) for item in self.cut.hosted)
        times = run_frames(self._stages(pace), len(self.order), self.config, frames) if frames else None
        return Interval(
            cores=[CoreCycles(
                core=core, busy=round(busy[core]), evaluation=evaluation[core], synapses=synapses[core],
                fragments=tuple(item.name for item in self.cut.hosted if self.at[item.name] == core))
                for core in self.order],
            exact=exact, lanes=self.config.lanes, allowed=cores or len(self.order), frames=times,
            firing=fired / sum(int(np.prod(item.shape)) for item in self.cut.hosted))

    def _events(self, descriptor: Descriptor, source: str) -> tuple[Events, IntArray, IntArray]:
        """Events that a fragment sends to a descriptor, in order: channels of the descriptor, x and y; which of its
        firing neurons they are of; and the word operations of each, or its beat if that is longer."""
        fragment = self.cut.by_name[source]
        c, x, y = firing_order(self.maps[source], self.config, host=fragment.parent in self.cut.program.inputs)
        if descriptor.silent:
            nothing = np.zeros(0, np.int64)
            return (nothing, nothing, nothing), nothing, nothing
        work = link_operations(self.cut, descriptor, source)
        sent = np.flatnonzero(work.sends()[x, y])
        c, x, y = c[sent] + fragment.origin[0] - descriptor.first, x[sent], y[sent]
        least = 1 if work.single(self.config) else EVENT_MINIMUM
        return (c, x, y), sent, np.maximum(work.positions()[x, y] * work.words[c], least)

    def _link(self, descriptor: Descriptor, source: str) -> tuple[float, bool, int, float]:
        """Of one source's events for a descriptor: cycles, whether replayed in whole, synapses, and cycles without
        banks."""
        (c, x, y), _, cost = self._events(descriptor, source)
        if not len(c):
            return 0.0, True, 0, 0.0
        work = link_operations(self.cut, descriptor, source)
        place = self.places[self.at[descriptor.edge.destination]][descriptor.edge.name]
        cycles, whole = events_cycles(work, place, (c, x, y), self.config, limit=self.limit)
        synapses = int((work.positions()[x, y] * link_synapses(descriptor, work)[c]).sum())
        return cycles, whole, synapses, float(cost.sum())

    def _stages(self, pace: Mapping[tuple[Descriptor, str], float]) -> list[Stage]:
        return [self._stage(item, pace) for item in (*self.cut.inputs, *self.cut.hosted)]

    def _stage(self, item: Fragment, pace: Mapping[tuple[Descriptor, str], float]) -> Stage:
        host = item.parent in self.cut.program.inputs
        out, ids = self.cut.out_of[item.name], self.cut.outputs_of.get(item.name, ())
        c, x, y = firing_order(self.maps[item.name], self.config, host=host)
        axons = len(out) + len(ids)
        # An evaluation takes a cycle per neuron, and one more for each further axon of one that fires.
        ready = _neurons(item, c, x, y, self.config) + np.arange(len(c)) * max(0, axons - 1)
        of, axon, cost = [], [], []
        for number, descriptor in enumerate(out):
            _, sent, cycles = self._events(descriptor, item.name)
            of.append(sent)
            axon.append(np.full(len(sent), number))
            cost.append(cycles * pace[descriptor, item.name])
        for number in range(len(out), axons):
            of.append(np.arange(len(c)))
            axon.append(np.full(len(c), number))
            cost.append(np.zeros(len(c)))
        neurons, numbers, costs = (np.concatenate(parts) for parts in (of, axon, cost))
        times = ready[neurons]
        length = evaluation_cycles(item, self.config) + len(c) * max(0, axons - 1)
        if host:  # which can send in any order: the same share of each axon's events at any time
            length = len(numbers)
            times = np.zeros(length, np.int64)
            for number in range(axons):
                mine = np.flatnonzero(numbers == number)
                times[mine] = (2 * np.arange(len(mine)) + 1) * length // max(1, 2 * len(mine))
        order = np.lexsort((numbers, times))
        return Stage(
            core=HOST if host else self.order.index(self.at[item.name]), length=length,
            targets=[self.number[descriptor.edge.destination] for descriptor in out] + [HOST] * len(ids),
            axons=numbers[order].tolist(), times=times[order].tolist(), cycles=costs[order].tolist())


def _crop(values: Integers, item: Fragment) -> Integers:
    (c, x, y), (depth, width, height) = item.origin, item.shape
    return values[c:c + depth, x:x + width, y:y + height]


def _neurons(item: Fragment, c: IntArray, x: IntArray, y: IntArray, config: CoreConfig) -> IntArray:
    """The number of each neuron in the order of evaluation: channel word, x, y, lane."""
    depth, width, height = item.shape
    first = c // config.lanes * config.lanes
    return np.asarray(first * width * height + (x * height + y) * np.minimum(config.lanes, depth - first) + c - first)
