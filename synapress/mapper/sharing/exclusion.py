"""Which fragments may share states: those whose accumulations exclude each other, and what keeps them apart.

A population's states are in use from the first value that it gets in a timestep to the end of its evaluation, which
clears them. Bamberg et al., arXiv 2112.07019, section 5.1, allocate the states of such populations dynamically; here
the mapper gives several of them the same words, and two things keep their uses apart:

- *within a timestep*: every source that sends values to the later one descends from the earlier one. It fires only with
  an end of timestep that follows from the earlier one's evaluation;
- *from timestep to timestep*: a source of the first one fires again only with a credit that the last one's evaluation
  leads to. Where there is none, a *guard* makes one: an axon that no neuron hits, and whose end of timestep the
  last one counts and answers as any other.

So guards are ordinary axons, and lead from a population to one that descends from it: there is still no circle.

Delays, whose values are those of the timestep before, order nothing within a timestep. They, and what hears them, share
no states: a value of theirs may come as soon as its receiver has evaluated.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from golden.errors import MappingError
from golden.program import Edge
from synapress.mapper.partition.fragments import Descriptor, PartitionedProgram


def members(bits: int) -> Iterator[int]:
    """The numbers in a set that is kept as the bits of an integer."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


class Order:
    """What of a cut network follows from what within a timestep; sets of fragments are the bits of integers."""

    def __init__(self, cut: PartitionedProgram) -> None:
        self.cut = cut
        rank = {name: number for number, name in enumerate(cut.program.topological_order())}
        ordered = sorted(cut.fragments, key=lambda item: rank[item.parent])
        self.names = [item.name for item in ordered]
        """Sources before destinations."""
        self.number = {name: number for number, name in enumerate(self.names)}
        self.sources = [0] * len(self.names)
        self.destinations = [0] * len(self.names)
        senders = [0] * len(self.names)
        delays = {item.name for item in ordered if item.delays}
        self.late = sum(1 << self.number[name] for name in delays)
        """Delays."""
        for descriptor in cut.descriptors:
            destination = self.number[descriptor.edge.destination]
            for name in descriptor.sources:
                senders[destination] |= (not descriptor.silent) << self.number[name]
                if name not in delays:
                    self.sources[destination] |= 1 << self.number[name]
                    self.destinations[self.number[name]] |= 1 << destination
        self.senders = senders
        """By fragment, the sources that send it values."""
        self._behind: dict[int, int] = {}

    @cached_property
    def ancestors(self) -> list[int]:
        """By fragment, itself and all that it follows from."""
        found: list[int] = []
        for number, sources in enumerate(self.sources):
            found.append((1 << number) | self._union(found, sources))
        return found

    @cached_property
    def descendants(self) -> list[int]:
        """By fragment, itself and all that follows from it."""
        found = [0] * len(self.names)
        for number in reversed(range(len(self.names))):
            found[number] = (1 << number) | self._union(found, self.destinations[number])
        return found

    @staticmethod
    def _union(sets: Sequence[int], chosen: int) -> int:
        found = 0
        for number in members(chosen):
            found |= sets[number]
        return found

    def shareable(self, name: str) -> bool:
        """Whether a fragment's evaluation clears its states, and comes after values of its timestep."""
        number = self.number[name]
        heard = self.senders[number]
        return not self.cut.by_name[name].keeps and heard > 0 and not (heard | 1 << number) & self.late

    def precedes(self, first: str, second: str) -> bool:
        """Whether within a timestep the second one gets its first value after the first one's evaluation."""
        one = self.number[first]
        return not self.senders[self.number[second]] & ~(self.descendants[one] & ~(1 << one | self.late))

    def one_behind(self, name: str) -> int:
        """Those that are at most one timestep behind this fragment: it fires again only after they have evaluated.

        So are the destinations of what it follows from, and what these follow from: a credit of each is needed.
        """
        number = self.number[name]
        if number not in self._behind:
            waited = self._union(self.destinations, self.ancestors[number])
            self._behind[number] = self._union(self.ancestors, waited)
        return self._behind[number]

    def unguarded(self, first: str, last: str) -> list[str]:
        """Sources of the first fragment that may fire again before the last one has evaluated."""
        at = 1 << self.number[last]
        sources = [self.names[number] for number in members(self.senders[self.number[first]])]
        return [name for name in sources if not self.one_behind(name) & at]

    def in_flight(self) -> int:
        """Most timesteps that the host may be ahead of what was evaluated last: the price of guards.

        A source is at most one timestep ahead of its destinations, and a population never behind what follows from it.
        """
        most, ends = 0, sum(1 << self.number[name] for name in self.ends)
        for name in self.used_inputs:
            reached, before, steps = 1 << self.number[name], 0, 0
            while ends & ~reached and reached != before:  # parts of a network may have nothing to do with each other
                reached, before = reached | self._union(
                    self.ancestors, self._union(self.destinations, reached)), reached
                steps += reached != before
            most = max(most, steps)
        return most

    @property
    def used_inputs(self) -> list[str]:
        """Fragments of inputs that something follows from."""
        return [item.name for item in self.cut.inputs if self.destinations[self.number[item.name]]]

    @property
    def ends(self) -> list[str]:
        """Fragments in cores that nothing follows from but outputs."""
        return [item.name for item in self.cut.hosted if not self.destinations[self.number[item.name]]]


def guard(cut: PartitionedProgram, sources: Sequence[str], destination: str) -> Descriptor:
    """A descriptor without synapses, whose axons carry ends of timestep only."""
    edge = Edge(name=f"guard->{destination}", source=sources[0], destination=destination,
                weights=np.zeros((1, 1, 1, 1), np.int64), groups=cut.by_name[destination].shape[0])
    return Descriptor(edge=edge, parent=edge.name, first=0, depth=edge.groups, sources=tuple(sources),
                      shifts=((0, 0),) * len(sources), silent=True)


def frame_guards(cut: PartitionedProgram) -> list[Descriptor]:
    """Guards that keep one timestep in flight: from all inputs to all that the network ends with."""
    order = Order(cut)
    found = []
    for name in order.ends:
        direct = order.sources[order.number[name]]
        sources = [item for item in order.used_inputs if not direct >> order.number[item] & 1]
        found += [guard(cut, sources, name)] if sources else []
    return found


def region_guards(order: Order, regions: Iterable[Sequence[str]]) -> list[Descriptor]:
    """Guards of each region by itself: from sources of its first fragment to its last one."""
    found = []
    for names in regions:
        sources = order.unguarded(names[0], names[-1]) if len(names) > 1 else []
        found += [guard(order.cut, sources, names[-1])] if sources else []
    return found


def guarded(cut: PartitionedProgram, guards: Sequence[Descriptor]) -> PartitionedProgram:
    """A cut network with guards besides its descriptors; those of a fragment stay together."""
    extra = {item.edge.destination: item for item in guards}
    found: list[Descriptor] = []
    for name in (item.name for item in cut.fragments):
        found += [*cut.into[name], *([extra[name]] if name in extra else [])]
    return replace(cut, descriptors=found)


def check_sharing(cut: PartitionedProgram) -> None:
    """That fragments which share states exclude each other.

    Raises:
        MappingError: they do not, and results would be wrong.
    """
    if not cut.regions:
        return
    order = Order(cut)
    for names in cut.regions:
        for name in names:
            if not order.shareable(name):
                raise MappingError(f"'{name}' keeps its states, or gets no values, and cannot share states")
        for first, second in itertools.pairwise(names):
            if not order.precedes(first, second):
                raise MappingError(f"'{first}' and '{second}' share states, but '{second}' may get values before "
                                   f"'{first}' has evaluated")
        if ahead := order.unguarded(names[0], names[-1]):
            raise MappingError(f"'{names[0]}' and '{names[-1]}' share states, but '{ahead[0]}' may begin its next "
                               f"timestep before '{names[-1]}' has evaluated")
