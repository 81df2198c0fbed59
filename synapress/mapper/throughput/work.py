"""What the fragments of a cut network cost their cores: cycles per frame, by an expected activity.

The cycles of an event are exact in its word operations, one cycle each, and in the beat that it takes at least
(`golden.timing.operations`); banks, hazards and start-up come on top, which the replay of real events tells
(`synapress.engines.interval`). How many neurons fire is an assumption, or what was measured of sample frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from golden.program import LookUpEdge, Population, Program
from golden.timing.cycles import evaluation_cycles
from golden.timing.look_up import LookUpOperations
from golden.timing.microarchitecture import END_LATENCY, EVENT_FILL, EVENT_MINIMUM
from golden.timing.operations import EdgeOperations
from golden.types import IntArray, Integers
from synapress.mapper.memory_map import TableEdge, row_words
from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram, placed_edge

ACTIVITY = 0.5
"""Share of neurons that fire, where nothing was measured: about that of layers with ReLU whose sums are centered."""

Rates = Mapping[str, float | npt.NDArray[np.float64]]
"""By population the share of frames in which a neuron fires: of all neurons, or of each (D, W, H)."""


def assumed(program: Program, activity: float = ACTIVITY) -> Rates:
    """The same share of all neurons; every input fires."""
    return {population.name: 1.0 if population.name in program.inputs else activity
            for population in program.populations}


def measured(outputs: Mapping[str, Integers]) -> Rates:
    """Of each neuron, by the values (N, D, W, H) or (D, W, H) of all populations, inputs included."""
    return {name: (values.reshape(-1, *values.shape[-3:]) != 0).mean(axis=0) for name, values in outputs.items()}


class LinkWork(NamedTuple):
    """What the events of one source fragment are for a destination fragment, on one event ID, in one frame."""

    events: float
    word_ops: float
    synapses: float
    cycles: float
    """One per word operation, and at least a beat per event (with `short_events` of a 1×1 kernel one)."""

    def plus(self, other: "LinkWork") -> "LinkWork":
        return LinkWork(*map(sum, zip(self, other, strict=True)))


NOTHING = LinkWork(0, 0, 0, 0)


def link_operations(
    cut: PartitionedProgram, descriptor: Descriptor, source: str
) -> EdgeOperations:
    """The operations of a descriptor's events by its source channels, counted from `first`, as they are for one source
    fragment."""
    fragment, config = cut.by_name[source], cut.config
    edge = placed_edge(descriptor.edge, fragment, descriptor.shift(source))
    whole = Population(name=source, shape=(descriptor.depth, *fragment.shape[1:]))
    found = EdgeOperations.of(edge, whole, cut.by_name[edge.destination], config)
    if isinstance(edge, TableEdge):
        rows = np.array(edge.rows, np.int64)
        found = replace(found, table=True, first_channel=rows[:, 0], words=np.array(
            [row_words(row, config.lanes) if row[1] else 0 for row in edge.rows], np.int64))
    return found


def link_synapses(descriptor: Descriptor, work: EdgeOperations) -> IntArray:
    """Synapses per position, by source channel of the descriptor."""
    if isinstance(descriptor.edge, TableEdge):
        return np.array([count for _, count, _ in descriptor.edge.rows], np.int64)
    return np.full(descriptor.depth, work.lanes, np.int64)


def link_work(cut: PartitionedProgram, descriptor: Descriptor, source: str, rates: Rates) -> LinkWork:
    """The expected work of one source fragment's events for a descriptor."""
    if descriptor.silent:
        return NOTHING
    fragment, config = cut.by_name[source], cut.config
    if isinstance(descriptor.edge, LookUpEdge):
        return _look_up_work(cut, descriptor, descriptor.edge, fragment, rates)
    work = link_operations(cut, descriptor, source)
    first = fragment.origin[0] - descriptor.first
    mine = slice(first, first + fragment.shape[0])
    words, synapses = work.words[mine], link_synapses(descriptor, work)[mine]
    sends, positions = work.sends(), work.positions()
    least = 1 if work.single(config) else EVENT_MINIMUM
    firing = crop(rates[fragment.parent], fragment)
    events = word_ops = sops = cycles = 0.0
    nowhere = words == 0
    if nowhere.any():  # a kernel of one zero at the anchor, for channels without synapses here
        visited = float((firing[nowhere].sum(axis=0) * sends * anchored(cut, descriptor, source)).sum())
        word_ops, sops = word_ops + visited, sops + visited
    for kind in np.unique(np.stack([words, synapses]), axis=1).T.tolist():  # few kinds of channels, often one
        alike = (words == kind[0]) & (synapses == kind[1])
        shares = firing[alike].sum(axis=0) * sends
        visited = float((shares * positions).sum())
        events += float(shares.sum())
        word_ops += visited * kind[0]
        sops += visited * kind[1]
        cycles += float((shares * np.maximum(positions * kind[0], least)).sum())
    return LinkWork(events, word_ops, sops, cycles)


def _look_up_work(
    cut: PartitionedProgram, descriptor: Descriptor, edge: LookUpEdge, fragment: Fragment, rates: Rates
) -> LinkWork:
    """`link_work` of an edge in tables: exact in its synapses, each event on its own."""
    whole = Population(name=fragment.name, shape=(descriptor.depth, *fragment.shape[1:]))
    placed = replace(edge, origin=descriptor.shift(fragment.name))
    found = LookUpOperations.of(placed, whole, cut.by_name[edge.destination], cut.config)
    first = fragment.origin[0] - descriptor.first
    mine, firing = slice(first, first + fragment.shape[0]), crop(rates[fragment.parent], fragment)
    return LinkWork(float(firing.sum()), *(float((firing * array[mine]).sum()) for array in (
        found.word_ops, found.synapses, found.cycles)))


def anchored(cut: PartitionedProgram, descriptor: Descriptor, source: str) -> npt.NDArray[np.bool_]:
    """By x and y of a source fragment, whether a neuron's anchor, the first tap of its kernel, is a neuron."""
    fragment, destination = cut.by_name[source], cut.by_name[descriptor.edge.destination]
    edge, inside = placed_edge(descriptor.edge, fragment, descriptor.shift(source)), []
    for axis in (0, 1):
        extent = (edge.weights.shape[2 + axis] - 1) * edge.dilation[axis] + 1
        at = (np.arange(fragment.shape[1 + axis]) << edge.upsample) + edge.padding[axis] + 1 - extent
        inside.append((at >= 0) & (at % edge.stride[axis] == 0)
                      & (at // edge.stride[axis] < destination.shape[1 + axis]))
    return np.logical_and.outer(inside[0], inside[1])


def crop(rate: float | npt.NDArray[np.float64], fragment: Fragment) -> npt.NDArray[np.float64]:
    """The rates (D, W, H) of a fragment's neurons."""
    if not isinstance(rate, np.ndarray):
        return np.broadcast_to(np.float64(rate), fragment.shape)
    return rate[box(fragment)]


def box(fragment: Fragment) -> tuple[slice, ...]:
    """Where a fragment lies in its population (D, W, H)."""
    return tuple(slice(first, first + size) for first, size in zip(fragment.origin, fragment.shape, strict=True))


@dataclass(frozen=True, kw_only=True)
class FragmentWork:
    """What one fragment costs its core in a frame, in cycles."""

    updates: float
    """ESU and neuron update: word operations, and beats of short events."""
    overhead: float
    """Ends of timestep: each waits until the ESU is empty, and is counted before the next event goes on."""
    evaluation: float
    """Evaluation, while nothing holds it up: one cycle a neuron, or one for each axon of a neuron that fires. It runs
    beside the updates of other fragments."""
    synapses: float
    word_ops: float
    events: float
    sources: Mapping[str, float] = field(default_factory=dict)
    """Cycles of `updates` by source fragment."""

    @property
    def busy(self) -> float:
        """Cycles in which nothing else can use ESU and neuron update."""
        return self.updates + self.overhead


class WorkModel:
    """The work of fragments by rates; links that several cuts have in common are counted once."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._links: dict[tuple[Descriptor, str], LinkWork] = {}

    def of(self, cut: PartitionedProgram) -> dict[str, FragmentWork]:
        """The work of every fragment in a core, by name, in the order of the fragments."""
        return {fragment.name: self._of_fragment(cut, fragment) for fragment in cut.hosted}

    def _of_fragment(self, cut: PartitionedProgram, fragment: Fragment) -> FragmentWork:
        total, ends, sources = NOTHING, 0, dict[str, float]()
        for descriptor in cut.into[fragment.name]:
            for source in descriptor.sources:
                key = descriptor, source
                if key not in self._links:
                    self._links[key] = link_work(cut, descriptor, source, self.rates)
                total, ends = total.plus(self._links[key]), ends + 1
                sources[source] = sources.get(source, 0.0) + self._links[key].cycles
        return FragmentWork(
            updates=total.cycles, overhead=ends * (EVENT_FILL + END_LATENCY), synapses=total.synapses,
            word_ops=total.word_ops, events=total.events, evaluation=self._evaluation(cut, fragment), sources=sources)

    def _evaluation(self, cut: PartitionedProgram, fragment: Fragment) -> float:
        axons = len(cut.out_of[fragment.name]) + len(cut.outputs_of.get(fragment.name, ()))
        firing = float(crop(self.rates[fragment.parent], fragment).sum())
        return evaluation_cycles(fragment, cut.config) + firing * max(0, axons - 1)


def synaptic_operations(cut: PartitionedProgram, works: Mapping[str, FragmentWork]) -> float:
    """All synaptic operations of a frame, which no cut changes."""
    return sum(works[fragment.name].synapses for fragment in cut.hosted)


def ideal_cycles(synapses: float, cores: int, lanes: int) -> float:
    """Cycles per frame if all lanes of so many cores had a synaptic operation in each cycle."""
    return synapses / (cores * lanes)
