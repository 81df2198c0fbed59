"""Where to cut: few fragments that fit, by an estimate first, and then by repair of whatever the rules still refuse.

Channel cuts come first, as they copy no weights; x and y are cut where a width, an offset, a stride or one channel word
of states leaves no choice. All parts along the channels are as large as fits but the last: so most cores are full, and
the rests of several populations share one. Populations joined by depthwise edges are cut at common channels, so that
the edges stay depthwise: every bound of a destination is one of its source.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from math import gcd, prod

from golden.config import CoreConfig
from golden.neuron.evaluation import table_words
from golden.program import Edge, Population, Program
from golden.types import Pair
from synapress.mapper.errors import Repair, RuleError, Violation
from synapress.mapper.look_up import estimated_words, in_tables
from synapress.mapper.memory_map import DEPTHWISE, edge_kind
from synapress.mapper.network.legal_edges import filled_rates
from synapress.mapper.network.strides import step_kernel, step_of
from synapress.mapper.partition.cut import Cutter
from synapress.mapper.partition.fragments import (
    Descriptor,
    Fragment,
    Grid,
    PartitionedProgram,
    host_violations,
    link_axon,
    plan_alone,
)
from synapress.mapper.partition.stride_cuts import Parts, stride_cuts
from synapress.mapper.rules import RULES, axon_violations, axons, most_ids

Counts = dict[str, list[int]]
"""By population: most channel words of a part, and parts along x and y."""

ESTIMATE_MARGIN_WORDS = 16
"""Words kept free in the estimate for the fragment's own two, and for axons and descriptors, whose number follows from
the other cuts. Any value gives cuts that fit: fewer words cost rounds of repair, more could cut more than needed."""
MAX_REPAIR_ROUNDS = 200
"""Most times that all cuts are repaired and checked again. Each round cuts something finer, so repair also ends without
this limit, but too late: what does not fit after so many rounds is refused."""

OWN_CUTS = {Repair.CHANNELS: 0, Repair.COLUMNS: 1, Repair.ROWS: 2}
"""Repairs by smaller parts of the layer, along this axis."""
SOURCE_CUTS = {Repair.SOURCE_COLUMNS: 1, Repair.SOURCE_ROWS: 2}
"""Repairs by smaller parts of an axon's source, along this axis."""
HOPEFUL = (Repair.FEWER_AXONS, Repair.FEWER_SOURCES, Repair.FEWER_PIECES, Repair.OTHER_CUTS)
"""What other repairs may mend as well, where these have nothing to cut."""

Finer = tuple[str, int]
"""A population, and the axis along which it is cut once more."""


def partition(program: Program, config: CoreConfig) -> PartitionedProgram:
    """Cut a program into few fragments, each of which fits a core.

    Raises:
        RuleError: something does not fit however it is cut.
    """
    return fewest_cuts(Cutter(program, config))[0]


def fewest_cuts(cutter: Cutter, *, room: int | None = None) -> tuple[PartitionedProgram, Counts]:
    """`partition` of a cutter's program, and the sizes of parts from which finer cuts can start.

    Args:
        room: words that a part may take, by the estimate; default: a core's memory.

    Raises:
        RuleError: something does not fit however it is cut.
    """
    program, config, checked = cutter.program, cutter.config, Checked()
    least = stride_cuts(program, config)
    room = config.memory_words if room is None else room
    counts = {population.name: _first_counts(program, population, least, config, room)
              for population in program.populations}
    for _ in range(MAX_REPAIR_ROUNDS):
        result = cutter.cut(grids_of(program, counts, config))
        problems = found_problems(result, checked)
        if not problems:
            return result, counts
        finer = {cut_: _cut_finer(program.population(cut_[0]), counts[cut_[0]], cut_[1], config)
                 for cut_ in sorted({cut_ for _, cut_ in problems if cut_ is not None})}
        hopeless = [violation for violation, cut_ in problems
                    if (violation.repair not in HOPEFUL if cut_ is None else not finer[cut_])]
        if hopeless:
            raise RuleError(hopeless)
        if not any(finer.values()):
            break
    raise RuleError([violation for violation, _ in problems])


def _most_words(config: CoreConfig) -> int:
    """Channel words of the deepest population."""
    return min((1 << config.depth_word_bits) - 1, ((1 << config.channel_bits) - 1) // config.lanes)


def even_bounds(size: int, parts: int) -> tuple[int, ...]:
    """Bounds of equal parts, within one."""
    return tuple(size * i // parts for i in range(parts + 1))


# -- estimate ----------------------------------------------------------------------------------


def _first_counts(
    program: Program, population: Population, least: Parts, config: CoreConfig, room: int
) -> list[int]:
    depth, width, height = population.shape
    parts = [1, *least[population.name]]
    sources = {name: (-(-shape[1] // least[name][0]), -(-shape[2] // least[name][1]))
               for name, shape in ((item.name, item.shape) for item in program.populations)}
    if population.name in program.inputs:
        return [max(1, (1 << config.channel_bits) // config.lanes), parts[1], parts[2]]
    for edge in program.edges_into(population.name):
        source = program.population(edge.source).shape
        for axis in (1, 2):  # an offset tells how far from its destinations a part of a source begins
            parts[axis] = max(parts[axis], min(population.shape[axis], -(-source[axis] >> (config.offset_bits - 1))))
    words = -(-depth // config.lanes)
    most_words = min(words, _most_words(config))
    best: tuple[int, list[int]] | None = None
    for _ in range(width + height):
        size = [-(-population.shape[i] // parts[i]) for i in (1, 2)]
        fitting = next((part for part in range(most_words, 0, -1) if estimate(
            program, population, part, size[0], size[1], config, sources) <= room), None)
        if fitting is not None:
            total = -(-words // fitting) * parts[1] * parts[2]
            if best is None or total < best[0]:
                best = total, [fitting, parts[1], parts[2]]
            if best[1][1:] == [1, 1] or parts[1] * parts[2] > best[0]:
                break
        longer = 1 if size[0] >= size[1] else 2
        if size[longer - 1] == 1:
            break
        parts[longer] += 1
    return best[1] if best else [1, *parts[1:]]


def estimate(
    program: Program, population: Population, words: int, width: int, height: int, config: CoreConfig,
    sources: Mapping[str, Pair] | None = None,
) -> int:
    """Memory words of a fragment of so many channel words, columns and rows, with all that leads into it.

    Args:
        sources: columns and rows of the largest part of each population; default: all are whole.
    """
    word, channels = config.word_bits // 8, min(words * config.lanes, population.shape[0])
    total = ESTIMATE_MARGIN_WORDS + channels + width * height * words
    total += table_words(population.type, population.saturation, config)
    for edge in program.edges_into(population.name):
        depth = program.population(edge.source).shape[0]
        if in_tables(edge):
            total += estimated_words(edge, program.population(edge.source).shape, population.shape[0], channels,
                                     width * height, config)
            continue
        fill = filled_rates(edge, config)
        kernel = [(edge.weights.shape[2 + i] - 1) * fill[i] + 1 for i in (0, 1)]
        taps, pieces = prod(kernel), prod(-(-size // (1 << config.kernel_bits)) for size in kernel)
        step = step_of(edge, (width, height), sources[edge.source], config) if sources is not None else None
        if step is not None and step.parts != (None, None):
            size, phases = step_kernel(edge, step)
            taps = prod(size) * prod(phases)
            pieces = prod(-(-n // (1 << config.kernel_bits)) for n in size) * prod(phases)
        if edge_kind(edge, depth, population.shape[0]) == DEPTHWISE:
            kernels = 1 if edge.weights.shape[0] == 1 else channels
            total += 1 - (-kernels * taps // word)
        elif edge.groups == 1:
            total += 1 - (-depth * taps * words * config.lanes // word)
        else:
            total += 1 + _table_words(edge, depth, population.shape[0], words, taps, pieces, config)
    return total


def _table_words(
    edge: Edge, source_depth: int, depth: int, words: int, taps: int, pieces: int, config: CoreConfig
) -> int:
    """Most memory words of a grouped edge's table and weights into so many adjacent channel words.

    Args:
        taps, pieces: of the kernel, and how many descriptors it takes.
    """
    lanes, word = config.lanes, config.word_bits // 8
    per_source, per_group = source_depth // edge.groups, depth // edge.groups
    channels = min(words * lanes, depth)
    groups = min(edge.groups, -(-(channels - gcd(lanes, per_group)) // per_group) + 1)  # cut at any channel word
    # A word in which a group begins counts for the group before it as well.
    split = 0 if per_group % lanes == 0 else groups - 1
    positions = min(words + split, groups * min(words, (per_group - 1) // lanes + 1 + bool(split)))
    rounding = pieces * groups * (pieces > 1 or bool(taps * lanes % word))
    return pieces * (source_depth + 1) + per_source * (-(-positions * taps * lanes // word) + rounding)


# -- grids of counts ---------------------------------------------------------------------------


def grids_of(program: Program, counts: Counts, config: CoreConfig) -> dict[str, Grid]:
    channels = _channel_bounds(program, counts, config)
    return {item.name: Grid(channels[item.name], even_bounds(item.shape[1], counts[item.name][1]),
                            even_bounds(item.shape[2], counts[item.name][2])) for item in program.populations}


def _channel_bounds(program: Program, counts: Counts, config: CoreConfig) -> dict[str, tuple[int, ...]]:
    """Bounds of all populations along the channels; those that depthwise edges join are chosen together."""
    consumers: dict[str, list[str]] = {item.name: [] for item in program.populations}
    group = {name: name for name in consumers}
    for edge in program.edges:
        depths = [program.population(end).shape[0] for end in (edge.source, edge.destination)]
        if edge_kind(edge, depths[0], depths[1]) == DEPTHWISE:
            consumers[edge.source].append(edge.destination)
            old, new = group[edge.source], group[edge.destination]
            group = {name: new if owner == old else owner for name, owner in group.items()}
    bounds: dict[str, tuple[int, ...]] = {}
    order = program.topological_order()[::-1]
    for owner in dict.fromkeys(group.values()):
        members = [name for name in order if group[name] == owner]
        depth = program.population(owner).shape[0]
        words = -(-depth // config.lanes)
        most = {name: min(counts[name][0], words) for name in members}
        if any(program.population(name).delays for name in members):  # round a circle all have the same bounds
            most = dict.fromkeys(members, min(most.values()))
        choices = [_nested(members, consumers, most, unit, words, (1 << config.channel_bits) // config.lanes, balanced)
                   for balanced in (False, True) for unit in dict.fromkeys(most.values())]
        best = min(choices, key=lambda choice: sum(map(len, choice.values())))
        bounds |= {name: tuple(min(bound * config.lanes, depth) for bound in best[name]) for name in members}
    return bounds


def _nested(
    members: Sequence[str], consumers: Mapping[str, Sequence[str]], most: Mapping[str, int], unit: int, words: int,
    shared: int, balanced: bool
) -> dict[str, tuple[int, ...]]:
    """Bounds in channel words: every member has those of its consumers, and parts of at most `most` words.

    Args:
        members: destinations before sources.
        unit: parts but the last have a multiple of so many words where they may be that large.
        shared: channel words that one descriptor can serve: a bound at each multiple lets it serve whole sources.
        balanced: parts of about the same size; else as large as can be but the last.
    """
    bounds: dict[str, tuple[int, ...]] = {}
    for name in members:
        kept = {0, words, *range(0, words, shared)}
        kept |= {bound for item in consumers[name] for bound in bounds.get(item, ())}
        part = most[name] // unit * unit or most[name]
        found = [0]
        for high in sorted(kept - {0}):
            low, count = found[-1], -(-(high - found[-1]) // most[name])
            step = min(part, -(-(high - low) // (count * unit)) * unit) if balanced else part
            while high - found[-1] > most[name]:
                found.append(found[-1] + step)
            found.append(high)
        bounds[name] = tuple(found)
    return bounds


# -- repair ------------------------------------------------------------------------------------


class Checked:
    """What the rules refuse of fragments and axons, by all that this depends on: rounds of repair change few."""

    def __init__(self) -> None:
        self._fragments: dict[Hashable, list[Violation]] = {}
        self._axons: dict[Descriptor, list[tuple[str, Violation]]] = {}

    def of_fragment(self, result: PartitionedProgram, fragment: Fragment) -> list[Violation]:
        """Of a fragment alone, but for its axons."""
        name = fragment.name
        key = (fragment, *result.into[name], *((item, result.numbers[item]) for item in result.out_of[name]),
               *result.outputs_of.get(name, ()))
        if key not in self._fragments:
            plan = plan_alone(result, name)
            self._fragments[key] = [violation for rule in RULES if rule is not axons for violation in rule(plan)]
        return self._fragments[key]

    def of_axons(self, result: PartitionedProgram, descriptor: Descriptor) -> list[tuple[str, Violation]]:
        """Of the axons to a descriptor, with the source of each."""
        if descriptor not in self._axons:
            layer = result.by_name[descriptor.edge.destination].layer
            self._axons[descriptor] = [
                (name, violation) for name in descriptor.sources for violation in axon_violations(
                    link_axon(result, descriptor, name, 0, (0, 0)), layer, result.config)]
        return self._axons[descriptor]


def found_problems(result: PartitionedProgram, checked: Checked) -> list[tuple[Violation, Finer | None]]:
    """What the rules refuse of fragments alone, of axons and of the host; and what may be cut once more for it."""
    problems: list[tuple[Violation, Finer | None]] = [(violation, None) for violation in host_violations(result)]
    for fragment in result.hosted:
        problems += [_problem(result, violation, fragment) for violation in checked.of_fragment(result, fragment)]
    for descriptor in result.descriptors:
        for name, violation in checked.of_axons(result, descriptor):
            end = result.by_name[name if violation.repair in SOURCE_CUTS else descriptor.edge.destination]
            problems.append(_problem(result, violation, end))
    return problems


def _problem(
    result: PartitionedProgram, violation: Violation, fragment: Fragment
) -> tuple[Violation, Finer | None]:
    """A violation with what of a fragment's population may be cut once more; without hope if that is known."""
    repair = violation.repair
    if repair in OWN_CUTS:
        return violation, (fragment.parent, OWN_CUTS[repair])
    if repair in SOURCE_CUTS:
        return violation, (fragment.parent, SOURCE_CUTS[repair])
    if repair is Repair.FEWER_PIECES:
        return violation, _fewer_pieces(result, fragment)
    if repair is Repair.FEWER_AXONS:
        ends = [result.by_name[item.edge.destination] for item in result.out_of[fragment.name]]
        return violation, _where_spread(fragment, ends)
    if repair is Repair.FEWER_SOURCES:
        ends = [result.by_name[name] for item in result.into[fragment.name] for name in item.sources]
        together = max(Counter(end.origin[1:] for end in ends).values())  # they reach each part, however small
        if together >= 1 << result.config.incoming_bits or result.program.population(
                fragment.parent).shape[1:] == (1, 1):
            return replace(violation, repair=None), None
        return violation, _where_spread(fragment, ends)
    return violation, None


def _fewer_pieces(result: PartitionedProgram, fragment: Fragment) -> Finer | None:
    """Channels of a fragment whose kernels are in pieces because the weights of a source channel exceed a field."""
    edges = {edge.name: edge for edge in result.program.edges_into(fragment.parent)}
    parts = {(item.parent, item.first) for item in result.into[fragment.name]}
    most = 1 << result.config.kernel_bits
    least = sum(prod(-(-size // most) for size in edges[name].weights.shape[2:]) for name, _ in parts)
    return (fragment.parent, 0) if least <= most_ids(result.config) and fragment.shape[0] > 1 else None


def _where_spread(fragment: Fragment, ends: Sequence[Fragment]) -> Finer | None:
    """The axis of a fragment along which those at the other ends have most parts: smaller parts meet fewer of them."""
    places = [len({(end.parent, end.origin[axis]) for end in ends}) - len({end.parent for end in ends})
              if fragment.shape[axis] > 1 else 0 for axis in (1, 2)]
    return (fragment.parent, 1 if places[0] >= places[1] else 2) if any(places) else None


def _cut_finer(population: Population, count: list[int], axis: int, config: CoreConfig) -> bool:
    """Smaller parts along an axis; where a part is one channel word, along the longer of x and y."""
    size = population.shape
    if axis == 0 and count[0] > 1:
        count[0] = min(count[0], -(-size[0] // config.lanes)) - 1
        return True
    if axis == 0:
        axis = 1 if size[1] * count[2] >= size[2] * count[1] else 2
    if count[axis] >= size[axis]:
        return False
    count[axis] += 1
    return True
