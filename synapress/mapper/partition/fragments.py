"""What a cut network is: fragments of populations, the edge descriptors that lead into them, and who shares them.

A descriptor belongs to a fragment of the destination and serves all fragments of the source: where a source fragment
starts goes into its axon's offsets [B §4.1], X_off = (X0_src << US) - extent + XP + 1 - X0_dst · stride and C_off =
C0_src, counted from the descriptor's first source channel.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import sub
from typing import NamedTuple

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge, LookUpEdge, Population, Program
from golden.synapse_matrix import meets
from golden.types import Pair, Place
from synapress.mapper.axon_entries import AxonEntry, axon_entry
from synapress.mapper.errors import Repair, Violation
from synapress.mapper.look_up import in_tables
from synapress.mapper.memory_map import MemoryMap, layout
from synapress.mapper.ways_out import either, raised


class Grid(NamedTuple):
    """Where a population is cut: ascending bounds of the parts along each axis, from 0 to the size."""

    c: tuple[int, ...]
    x: tuple[int, ...]
    y: tuple[int, ...]

    @property
    def parts(self) -> int:
        return (len(self.c) - 1) * (len(self.x) - 1) * (len(self.y) - 1)

    @property
    def largest(self) -> Pair:
        """Most columns, and most rows, of any part."""
        return max(map(sub, self.x[1:], self.x)), max(map(sub, self.y[1:], self.y))


@dataclass(kw_only=True, eq=False)
class Fragment(Population):
    """A part of a population that lives whole in one core; its neurons count from its origin."""

    parent: str
    origin: tuple[int, int, int]
    """(C0, X0, Y0): where it starts in the uncut population."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Descriptor:
    """One event ID of a destination fragment, and the source fragments that send to it."""

    edge: Edge
    """Legal; its source is the first of `sources`, its padding that of a source fragment at (0, 0)."""
    parent: str
    """The edge that it is part of."""
    first: int
    """First source channel it serves."""
    depth: int
    """Source channels it serves."""
    sources: tuple[str, ...]
    shifts: tuple[Pair, ...]
    """How far each source is from where the edge's padding counts: its origin, or as a stride beyond the hardware's
    needs it (`synapress.mapper.network.strides.Step.phase`)."""
    silent: bool = False
    """No neuron reaches the fragment: its one axon carries ends of timestep only."""

    def shift(self, source: str) -> Pair:
        """The shift of one of its sources."""
        return self.shifts[self.sources.index(source)]


class Output(NamedTuple):
    """One event ID of the host: fragments of an output, which share it by the offsets of their axons."""

    id: int
    name: str
    origin: tuple[int, int, int]
    shape: tuple[int, int, int]
    sources: tuple[str, ...]


@dataclass(kw_only=True, eq=False)
class PartitionedProgram:
    """A program cut into fragments, inputs included. Fragments of a population are in the order c, x, y."""

    program: Program
    config: CoreConfig
    grids: dict[str, Grid]
    fragments: list[Fragment]
    descriptors: list[Descriptor]
    outputs: list[Output]
    regions: tuple[tuple[str, ...], ...] = ()
    """Fragments that lie on one core and on the same states, one after the other (`synapress.mapper.sharing`)."""

    @cached_property
    def by_name(self) -> dict[str, Fragment]:
        return {fragment.name: fragment for fragment in self.fragments}

    @cached_property
    def hosted(self) -> list[Fragment]:
        """Fragments that live in cores: all but those of inputs."""
        return [fragment for fragment in self.fragments if fragment.parent not in self.program.inputs]

    @cached_property
    def inputs(self) -> list[Fragment]:
        return [fragment for name in self.program.inputs for fragment in self.fragments if fragment.parent == name]

    @cached_property
    def into(self) -> dict[str, list[Descriptor]]:
        """Descriptors by destination fragment."""
        found: dict[str, list[Descriptor]] = {fragment.name: [] for fragment in self.fragments}
        for descriptor in self.descriptors:
            found[descriptor.edge.destination].append(descriptor)
        return found

    def of_core(self, names: Sequence[str]) -> list[Descriptor]:
        """The descriptors of a core that hosts these fragments, in the order of their event IDs."""
        return sorted((item for name in names for item in self.into[name]), key=lambda item: in_tables(item.edge))

    @cached_property
    def numbers(self) -> dict[Descriptor, int]:
        """The number of each descriptor among those of its destination."""
        return {item: number for descriptors in self.into.values() for number, item in enumerate(descriptors)}

    @cached_property
    def region_of(self) -> dict[str, int]:
        """The number of the region of each fragment that shares its states."""
        return {name: number for number, names in enumerate(self.regions) for name in names}

    @cached_property
    def out_of(self) -> dict[str, list[Descriptor]]:
        """Descriptors that a source fragment has an axon to."""
        found: dict[str, list[Descriptor]] = {fragment.name: [] for fragment in self.fragments}
        for descriptor in self.descriptors:
            for source in descriptor.sources:
                found[source].append(descriptor)
        return found

    @cached_property
    def outputs_of(self) -> dict[str, list[Output]]:
        """IDs of the host that a fragment sends to; fragments of no output are left out."""
        found: dict[str, list[Output]] = {}
        for output in self.outputs:
            for name in output.sources:
                found.setdefault(name, []).append(output)
        return found

    @property
    def axons(self) -> int:
        """Axons between fragments, those of inputs included, those to the host not."""
        return sum(len(descriptor.sources) for descriptor in self.descriptors)


def host_violations(cut: PartitionedProgram) -> Iterator[Violation]:
    """What of a cut the host has no IDs for: it numbers input fragments like populations, outputs like edges.

    The credits for an input fragment carry its number in the field of a population, of `population_bits`.
    """
    config = cut.config
    for rule, needed, available, layer, field in (
        ("number of input fragments", len(cut.inputs), config.max_populations,
         max(cut.program.inputs, key=lambda name: cut.grids[name].parts, default=""), "population_bits"),
        ("number of output IDs", len(cut.outputs), config.max_edges,
         max(cut.program.outputs, key=lambda name: cut.grids[name].parts, default=""), "edge_bits"),
    ):
        if needed > available:
            yield Violation(layer=layer, rule=rule, needed=str(needed), available=str(available),
                            help=either("fewer or smaller feature maps of the host",
                                        raised(config, field, (needed - 1).bit_length())), repair=Repair.LARGER_PARTS)


def placed_edge(edge: Edge, source: Fragment, shift: Pair) -> Edge:
    """A descriptor's edge as it is from one source fragment: its shift is part of the padding, or in tables of the
    neurons' numbers."""
    if isinstance(edge, LookUpEdge):
        return dataclasses.replace(edge, source=source.name, origin=shift)
    padding = (edge.padding[0] + shift[0], edge.padding[1] + shift[1])
    return dataclasses.replace(edge, source=source.name, padding=padding)


def reach(edge: Edge, shift: Pair, source: Population, destination: Population) -> Pair:
    """How many columns and how many rows of a shifted source have a synapse: the neurons that send are their
    product. In tables all neurons send, if one has a synapse."""
    if isinstance(edge, LookUpEdge):
        hits = [any(low <= at < low + size for _, at, _ in meets(edge, axis, destination.shape[1 + axis]))
                for axis, (low, size) in enumerate(zip(shift, source.shape[1:], strict=True))]
        return (source.shape[1], source.shape[2]) if all(hits) else (0, 0)
    x, y = (_axis_reach(source.shape[1 + i], edge.upsample, edge.padding[i] + shift[i], edge.weights.shape[2 + i],
                        edge.dilation[i], edge.stride[i], destination.shape[1 + i]) for i in (0, 1))
    return x, y


@lru_cache(maxsize=1 << 16)
def _axis_reach(size: int, upsample: int, padding: int, kernel: int, dilation: int, stride: int, limit: int) -> int:
    """`reach` along one axis. Fragments of a grid have few sizes and distances, so most are asked for many times."""
    at = (np.arange(size) << upsample)[:, None] + padding - np.arange(kernel) * dilation
    hit = (at >= 0) & (at % stride == 0) & (at // stride < limit)
    return int(hit.any(axis=1).sum())


def link_axon(cut: PartitionedProgram, descriptor: Descriptor, source: str, identifier: int, core: Place) -> AxonEntry:
    """The axon from one source fragment to one descriptor."""
    fragment, config = cut.by_name[source], cut.config
    edge = placed_edge(descriptor.edge, fragment, descriptor.shift(source))
    axon = axon_entry(edge, fragment, cut.by_name[edge.destination], config, identifier, core)
    if not descriptor.silent:
        return dataclasses.replace(axon, fields=axon.fields | {"c_offset": fragment.origin[0] - descriptor.first})
    # Every anchor is below -1 with a kernel of 1: nothing is sent but the end of timestep.
    low = -(1 << (config.offset_bits - 1))
    silent = {"x_offset": low, "y_offset": low, "kernel_width": 1, "kernel_height": 1, "upsample": 0}
    anchors = [(low, low + fragment.shape[1 + i] - 1) for i in (0, 1)]
    return dataclasses.replace(axon, fields=axon.fields | silent, anchors=(anchors[0], anchors[1]))


def output_axon(cut: PartitionedProgram, output: Output, source: str, core: Place) -> AxonEntry:
    """The axon from one fragment of an output to the host."""
    fragment = cut.by_name[source]
    identity = Edge(name=f"{source}->host", source=source, destination=source,
                    weights=np.ones((1, 1, 1, 1), np.int64), groups=fragment.shape[0],
                    padding=(fragment.origin[1] - output.origin[1], fragment.origin[2] - output.origin[2]))
    whole = Population(name=output.name, shape=output.shape)
    axon = axon_entry(identity, fragment, whole, cut.config, output.id, core)
    return dataclasses.replace(axon, fields=axon.fields | {"c_offset": fragment.origin[0] - output.origin[0]})


def plan_fragments(
    cut: PartitionedProgram, names: Sequence[str], *, ids: Mapping[Descriptor, int],
    relative: Callable[[str, str | None], Place], pad: bool,
) -> MemoryMap:
    """The plan of a core that hosts some fragments.

    Args:
        names: the fragments, in the order of the core's populations.
        ids: of every descriptor, in its own core.
        relative: core of the second fragment (None: the host) as seen from the first's.
        pad: see `synapress.mapper.memory_map.layout`.
    """
    program, hosted = cut.program, [cut.by_name[name] for name in names]
    inputs = {fragment.name for fragment in cut.inputs}

    def address(source: str, destination: str) -> Place:
        if source not in inputs:
            return relative(source, destination)
        back = relative(destination, None)
        return -back[0], -back[1]

    descriptors = cut.of_core(names)
    axons = [link_axon(cut, descriptor, descriptor.sources[0], ids[descriptor],
                       address(descriptor.sources[0], descriptor.edge.destination)) for descriptor in descriptors]
    outgoing = {
        name: [link_axon(cut, descriptor, name, ids[descriptor], address(name, descriptor.edge.destination))
               for descriptor in cut.out_of[name]]
        + [output_axon(cut, output, name, relative(name, None)) for output in cut.outputs_of.get(name, ())]
        for name in names
    }
    others = {source.name: source for source in (cut.by_name[item.edge.source] for item in descriptors)
              if source.name not in names}
    seen = dataclasses.replace(
        program, populations=[*hosted, *others.values()], edges=[item.edge for item in descriptors],
        inputs=list(others), outputs=[])
    incoming = {name: sum(len(descriptor.sources) for descriptor in cut.into[name]) for name in names}
    owners: dict[int, str] = {}
    shares = {name: owners.setdefault(cut.region_of[name], name) for name in names if name in cut.region_of}
    return layout(seen, hosted, seen.edges, cut.config, depths=[descriptor.depth for descriptor in descriptors],
                  axons=axons, outgoing=outgoing, incoming=incoming, pad=pad, pad_identities=False, shares=shares,
                  host=relative(names[0], None) if names else (0, 0))


def plan_alone(cut: PartitionedProgram, name: str) -> MemoryMap:
    """The plan of a core with one fragment only, all others somewhere else: how much it needs at least."""
    return plan_fragments(cut, [name], ids=cut.numbers, pad=False,
                          relative=lambda source, other: (0, 0) if source == other else (1, 0))
