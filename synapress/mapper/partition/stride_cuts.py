"""Cuts that strides beyond the hardware's need: of the destination into lines, of the source into strips.

Along each axis whose stride the descriptors do not have, either the destination is cut into parts of one column
(lines), or the source into parts of at most as many columns as the descriptors' stride (strips), see
`synapress.mapper.network.strides`. Lines copy the destination's weights; strips copy those of the source and make
kernels larger. All choices are weighed by what they take of cores: memory words, event IDs, ends of timestep and
populations; of equal ones the one with fewer axons is chosen, each of which costs the source a cycle per firing neuron.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from golden.config import CoreConfig
from golden.program import Edge, Program
from golden.types import Pair
from synapress.mapper.look_up import estimated_words, in_tables
from synapress.mapper.memory_map import DEPTHWISE, edge_kind
from synapress.mapper.network.strides import Step, step_kernel, step_of
from synapress.mapper.rules import most_ids, steps

Parts = dict[str, list[int]]
"""By population: least parts along x and y."""


@dataclass(frozen=True, kw_only=True)
class EdgeCost:
    """What an edge takes in every part of its destination."""

    ids: int
    """Event IDs."""
    ends: int
    """Axons that lead into the part by this edge."""
    words: int
    """Memory words of its kernels."""


def stride_cuts(program: Program, config: CoreConfig) -> Parts:
    """The fewest parts, along x and y, with which every edge has a stride; those of the coordinates' range at least."""
    most = 1 << config.coordinate_bits
    parts = {item.name: [-(-size // most) for size in item.shape[1:]] for item in program.populations}
    for name in program.topological_order():
        for edge in program.edges_into(name):
            if not in_tables(edge) and step_of(
                    edge, _largest(program, parts, name), _largest(program, parts, edge.source), config) is None:
                parts = min(_choices(program, parts, edge, config), key=lambda choice: _cost(
                    program, choice, edge, config), default=parts)
    return parts


def _largest(program: Program, parts: Mapping[str, list[int]], name: str) -> Pair:
    """Columns and rows of the largest part."""
    shape = program.population(name).shape
    return -(-shape[1] // parts[name][0]), -(-shape[2] // parts[name][1])


def _choices(program: Program, parts: Parts, edge: Edge, config: CoreConfig) -> Iterator[Parts]:
    """All ways to cut the ends of an edge so that it has a stride."""
    source, destination = program.population(edge.source).shape[1:], program.population(edge.destination).shape[1:]
    if edge.upsample:
        return
    seen = set()
    for stride in sorted(steps(config)):
        axes = []
        for i in (0, 1):
            own, other = parts[edge.source][i], parts[edge.destination][i]
            ways = {(own, max(other, destination[i])), (max(own, -(-source[i] // stride)), other)}
            axes.append({(own, other)} if edge.stride[i] == stride or destination[i] == other else ways)
        for (own_x, other_x), (own_y, other_y) in itertools.product(*(sorted(ways) for ways in axes)):
            key = (own_x, own_y, other_x, other_y)
            if key not in seen:
                seen.add(key)
                yield parts | {edge.source: [own_x, own_y], edge.destination: [other_x, other_y]}


def _cost(program: Program, parts: Parts, edge: Edge, config: CoreConfig) -> tuple[bool, float, int]:
    """Whether counts exceed a field, then cores, then axons, of what an edge's cuts change."""
    ends = (edge.source, edge.destination)
    last = len(program.edges_from(edge.destination)) + 1
    cores, over, axons = 0.0, False, 0
    for name in ends:
        count, into = prod(parts[name]), [edge_cost(program, parts, item, config) for item in program.edges_into(name)]
        needs = (sum(item.words for item in into), sum(item.ids for item in into), sum(item.ends for item in into), 1)
        limits = (config.memory_words, config.max_edges, 1 << config.incoming_bits, config.max_populations)
        cores += sum(count * need / limit for need, limit in zip(needs, limits, strict=True))
        over |= needs[1] > most_ids(config) or needs[2] >= 1 << config.incoming_bits
    over |= prod(parts[edge.destination]) * (last > 1) >= 1 << config.incoming_bits  # a reader of all of it
    cores += last * prod(parts[edge.destination]) / (1 << config.incoming_bits)
    into_all = edge_cost(program, parts, edge, config)
    axons = into_all.ends * prod(parts[edge.destination]) // prod(parts[edge.source])
    more = -(-axons // ((1 << config.axon_count_bits) - 1))  # the source is cut for them
    if edge.source in program.inputs:
        hosted = sum(prod(parts[name]) for name in program.inputs) * more
        over |= hosted > config.max_populations // 2  # the search may cut once more
    else:
        words = sum(edge_cost(program, parts, item, config).words for item in program.edges_into(edge.source))
        cores += (more - 1) * prod(parts[edge.source]) * words / config.memory_words
    return over, cores, axons


def edge_cost(program: Program, parts: Parts, edge: Edge, config: CoreConfig) -> EdgeCost:
    """What an edge takes in every part, of all channels, of its destination."""
    source, destination = program.population(edge.source), program.population(edge.destination)
    if in_tables(edge):
        size = prod(_largest(program, parts, edge.destination))
        words = estimated_words(edge, source.shape, destination.shape[0], destination.shape[0], size, config)
        return EdgeCost(ids=1, ends=prod(parts[edge.source]), words=words)
    largest = [_largest(program, parts, name) for name in (edge.destination, edge.source)]
    step = step_of(edge, largest[0], largest[1], config) or Step(stride=1, parts=(None, None))
    kernel, phases = step_kernel(edge, step)
    pieces = prod(-(-size >> config.kernel_bits) for size in kernel) * -(-source.shape[0] >> config.channel_bits)
    reaching = 1
    for i in (0, 1):
        spans = largest[0][i] * edge.stride[i] + edge.weights.shape[2 + i] * edge.dilation[i]
        reaching *= min(parts[edge.source][i], -(-spans // max(1, largest[1][i] << edge.upsample)) + 1)
    kinds = min(prod(phases), prod(parts[edge.source]))
    return EdgeCost(
        ids=pieces * kinds, ends=pieces * reaching,
        words=kinds * kernel_words(edge, source.shape[0], destination.shape[0], prod(kernel), config))


def kernel_words(edge: Edge, source_depth: int, depth: int, taps: int, config: CoreConfig) -> int:
    """Memory words, about, of one kernel of so many taps into all channels."""
    word = config.word_bits // 8
    if edge_kind(edge, source_depth, depth) == DEPTHWISE:
        return -(-(1 if edge.weights.shape[0] == 1 else depth) * taps // word)
    return -(-source_depth * taps * -(-depth // edge.groups // config.lanes) * config.lanes // word)
