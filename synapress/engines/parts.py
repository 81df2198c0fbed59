"""Every fragment of a partitioned program computed alone, from its sources' neurons only."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from golden.network import fast
from golden.program import Edge, Population, Program
from golden.types import Array, Maps
from golden.words import Saturation
from synapress.engines import timesteps
from synapress.mapper.memory_map import TableEdge
from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram


def part_maps(cut: PartitionedProgram, maps: Maps, count: int) -> dict[str, tuple[Array, Array]]:
    """By fragment that is not an input's: its part of the uncut population's values, and its own.

    Args:
        maps: values (N, D, W, H) of every uncut population.
        count: timesteps N, if there are neurons with potentials.
    """
    found = {}
    for fragment in cut.hosted:
        c, x, y = (slice(at, at + size) for at, size in zip(fragment.origin, fragment.shape, strict=True))
        found[fragment.name] = (maps[fragment.parent][:, c, x, y], _values(cut, fragment, maps, count))
    return found


def _values(cut: PartitionedProgram, fragment: Fragment, maps: Mapping[str, Array], count: int) -> Array:
    """A fragment's values: a program of it alone, with an input for each of its descriptors."""
    populations: list[Population] = []
    edges, inputs = [], {}
    for number, descriptor in enumerate(cut.into[fragment.name]):
        name, parent = f"source {number}", cut.by_name[descriptor.sources[0]].parent
        values = _sent(cut, descriptor, maps[parent])
        if cut.program.population(parent).delays:
            values = _late(values, count)
        # A plain input: what the neurons have sent is given, whatever their type and their range.
        populations.append(Population(name=name, shape=(values.shape[1], values.shape[2], values.shape[3]),
                                      saturation=Saturation.FULL))
        edges.append(dataclasses.replace(_dense(descriptor.edge, values.shape[1]), source=name))
        inputs[name] = values
    plain = {item.name: getattr(fragment, item.name) for item in dataclasses.fields(Population)}
    program = Program(name=fragment.name, populations=[*populations, Population(**plain)], edges=edges,
                      inputs=list(inputs), outputs=[fragment.name])
    if timesteps.is_spiking(program):
        return timesteps.run(program, inputs, count, cut.config)[0][fragment.name]
    return fast.run(program, inputs, cut.config, keep=[fragment.name])[fragment.name].outputs


def _late(values: Array, count: int) -> Array:
    """What delays deliver: of each sequence of so many timesteps the values of the timestep before."""
    late = np.zeros_like(values).reshape(-1, count, *values.shape[1:])
    late[:, 1:] = values.reshape(late.shape)[:, :-1]
    return late.reshape(values.shape)


def _sent(cut: PartitionedProgram, descriptor: Descriptor, values: Array) -> Array:
    """The channels that a descriptor serves of an uncut population, without neurons that do not send to it."""
    if descriptor.silent:  # perhaps a guard, which has the channels of its destination
        return np.zeros((len(values), descriptor.depth, *values.shape[2:]), values.dtype)
    sent = np.zeros_like(values)
    for name in descriptor.sources:
        fragment = cut.by_name[name]
        c, x, y = (slice(at, at + size) for at, size in zip(fragment.origin, fragment.shape, strict=True))
        sent[:, c, x, y] = values[:, c, x, y]
    return sent[:, descriptor.first:descriptor.first + descriptor.depth]


def _dense(edge: Edge, depth: int) -> Edge:
    """An edge whose table, if it has one, is spread out as weights of all channels."""
    if not isinstance(edge, TableEdge):
        return edge
    weights = np.zeros((len(edge.weights), depth, *edge.weights.shape[2:]), np.int64)
    for channel, (first, number, index) in enumerate(edge.rows):
        weights[first:first + number, channel] = edge.weights[first:first + number, index]
    plain = {item.name: getattr(edge, item.name) for item in dataclasses.fields(Edge)}
    return Edge(**plain | {"weights": weights, "groups": 1})
