"""Where to cut: few fragments that fit, by an estimate first, and then by repair of whatever the rules still refuse.

Channel cuts come first, as they copy no weights; x and y are cut where a width, an offset, a stride or one channel word
of states leaves no choice. All parts along the channels are as large as fits but the last: so most cores are full, and
the rests of several populations share one. Populations joined by depthwise edges are cut at common channels, so that
the edges stay depthwise: every bound of a destination is one of its source.
"""

import itertools
from collections.abc import Mapping, Sequence
from math import gcd, prod

from golden.config import CoreConfig
from golden.program import Edge, Population, Program
from mapper.cut import cut
from mapper.errors import RuleError, Violation
from mapper.fragments import CutProgram, Grid, link_axon, plan_alone
from mapper.lower import filled_rates
from mapper.plan import DEPTHWISE, edge_kind
from mapper.rules import RULES, axon_violations, axons, steps

Counts = dict[str, list[int]]
"""By population: most channel words of a part, and parts along x and y."""

RESERVED_WORDS = 16
"""Words kept free in the estimate for the fragment's own two, and for axons and descriptors, whose number follows from
the other cuts."""
ROUNDS = 200

REPAIRS = {
    "memory": 0, "edge weight_stride": 0, "edge x_stride": 0, "edge depth_words": 0,
    "population depth": 0, "population width": 1, "population height": 2,
}
"""Rules that smaller parts of the destination, along this axis, may satisfy."""


def choose_grids(program: Program, config: CoreConfig) -> CutProgram:
    """Cut a program into few fragments, each of which fits a core.

    Raises:
        RuleError: something does not fit however it is cut.
    """
    counts = {population.name: _first_counts(program, population, config) for population in program.populations}
    for _ in range(ROUNDS):
        result = cut(program, config, _grids(program, counts, config))
        violations, repairs = _problems(result)
        if not violations:
            return result
        grown = [_grow(program.population(name), counts[name], axis, config) for name, axis in sorted(repairs)]
        if not any(grown):
            break
    raise RuleError(violations)


def _most_words(config: CoreConfig) -> int:
    """Channel words of the deepest population."""
    return min((1 << config.depth_word_bits) - 1, ((1 << config.channel_bits) - 1) // config.lanes)


def even(size: int, parts: int) -> tuple[int, ...]:
    """Bounds of equal parts, within one."""
    return tuple(size * i // parts for i in range(parts + 1))


# -- estimate ----------------------------------------------------------------------------------


def _first_counts(program: Program, population: Population, config: CoreConfig) -> list[int]:
    depth, width, height = population.shape
    most = 1 << config.coordinate_bits
    parts = [1, -(-width // most), -(-height // most)]
    if population.name in program.inputs:
        return [max(1, (1 << config.channel_bits) // config.lanes), parts[1], parts[2]]
    for edge in program.edges_into(population.name):
        for axis in _free_axes(edge, population, config):
            parts[axis] = population.shape[axis]
    words = -(-depth // config.lanes)
    most_words = min(words, _most_words(config))
    best: tuple[int, list[int]] | None = None
    for _ in range(width + height):
        size = [-(-population.shape[i] // parts[i]) for i in (1, 2)]
        fitting = next((part for part in range(most_words, 0, -1) if estimate(
            program, population, part, size[0], size[1], config) <= config.memory_words), None)
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


def _free_axes(edge: Edge, population: Population, config: CoreConfig) -> list[int]:
    """Axes to be cut into columns or rows of one, along which then any stride works."""
    axes = [i for i in (1, 2) if population.shape[i] > 1 and edge.stride[i - 1] not in steps(config)]
    if not axes and edge.stride[0] != edge.stride[1] and min(population.shape[1:]) > 1:
        axes = [1 if population.shape[1] <= population.shape[2] else 2]
    return axes


def estimate(
    program: Program, population: Population, words: int, width: int, height: int, config: CoreConfig
) -> int:
    """Memory words of a fragment of so many channel words, columns and rows, with all that leads into it."""
    word, channels = config.word_bits // 8, min(words * config.lanes, population.shape[0])
    total = RESERVED_WORDS + channels + population.looks_up * config.table_words + width * height * words
    for edge in program.edges_into(population.name):
        depth = program.population(edge.source).shape[0]
        fill = filled_rates(edge, config)
        kernel = [(edge.weights.shape[2 + i] - 1) * fill[i] + 1 for i in (0, 1)]
        taps, pieces = prod(kernel), prod(-(-size // (1 << config.kernel_bits)) for size in kernel)
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
    # Of a group that begins within a word, the word counts for the group before it as well.
    split = 0 if per_group % lanes == 0 else groups - 1
    positions = min(words + split, groups * min(words, (per_group - 1) // lanes + 1 + bool(split)))
    rounding = pieces * groups * (pieces > 1 or bool(taps * lanes % word))
    return pieces * (source_depth + 1) + per_source * (-(-positions * taps * lanes // word) + rounding)


# -- grids of counts ---------------------------------------------------------------------------


def _grids(program: Program, counts: Counts, config: CoreConfig) -> dict[str, Grid]:
    channels = _channel_bounds(program, counts, config)
    return {item.name: Grid(channels[item.name], even(item.shape[1], counts[item.name][1]),
                            even(item.shape[2], counts[item.name][2])) for item in program.populations}


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
        kept = {0, words, *range(0, words, shared), *(bound for item in consumers[name] for bound in bounds[item])}
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


def _problems(result: CutProgram) -> tuple[list[Violation], set[tuple[str, int]]]:
    """What the rules refuse of fragments alone and of axons, and which (population, axis) may be cut once more."""
    violations: list[Violation] = []
    repairs: set[tuple[str, int]] = set()
    for fragment in result.hosted:
        plan = plan_alone(result, fragment.name)
        for violation in itertools.chain.from_iterable(rule(plan) for rule in RULES if rule is not axons):
            violations.append(violation)
            if violation.rule in REPAIRS:
                repairs.add((fragment.parent, REPAIRS[violation.rule]))
    for descriptor in result.descriptors:
        for name in descriptor.sources:
            source, destination = result.by_name[name], result.by_name[descriptor.edge.destination]
            axon = link_axon(result, descriptor, name, 0, (0, 0))
            for violation in axon_violations(axon, destination.layer, result.config):
                violations.append(violation)
                axis = 1 if violation.rule.split()[1].startswith("x") else 2
                repairs.add((destination.parent if violation.rule.endswith("limit") else source.parent, axis))
    return violations, repairs


def _grow(population: Population, count: list[int], axis: int, config: CoreConfig) -> bool:
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
