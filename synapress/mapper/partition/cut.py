"""Program → fragments: populations too large for a core or for a field are cut, and edges lead between fragments.

`cut` applies any cuts, given as a grid per population; `partition.search` finds few [B §4.1]. No cut changes what the
network computes.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.program import Edge, LookUpEdge, Population, Program
from golden.types import Pair
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.look_up import in_tables, look_up_edge
from synapress.mapper.memory_map import TableEdge
from synapress.mapper.network.legal_edges import edge_pieces, stride_violation
from synapress.mapper.network.strides import step_of
from synapress.mapper.partition.fragments import (
    Descriptor,
    Fragment,
    Grid,
    Output,
    PartitionedProgram,
    reach,
)
from synapress.mapper.product_rules import products
from synapress.mapper.program_rules import check_program


def uncut(population: Population) -> Grid:
    """The grid that does not cut."""
    depth, width, height = population.shape
    return Grid((0, depth), (0, width), (0, height))


def check_cuttable(program: Program, config: CoreConfig) -> None:
    """What no cut can mend is refused first.

    Raises:
        RuleError: the program is inconsistent, or a product has operands that do not fit.
    """
    check_program(program)
    if wrong := list(products(program, config)):
        raise RuleError(wrong)


def cut(program: Program, config: CoreConfig, grids: Mapping[str, Grid]) -> PartitionedProgram:
    """Cut a lowered program at given bounds.

    The program comes from `synapress.mapper.network.populations.lower`; its edges are legalized here, per fragment.

    Args:
        grids: by population; those not named stay whole.

    Raises:
        RuleError: an edge that descriptors cannot express even after these cuts, or a population that does not fit.
        MappingError: a grid that does not fit its population.
    """
    return Cutter(program, config).cut(grids)


class Cutter:
    """Cuts of one program, one after the other: what two of them have in common is made once and shared.

    Raises:
        RuleError: something that no cut can mend.
    """

    def __init__(self, program: Program, config: CoreConfig) -> None:
        check_cuttable(program, config)
        self.program, self.config = program, config
        self._fragments: dict[tuple[str, Grid], list[Fragment]] = {}
        self._edges: dict[tuple[str, Grid, Grid], list[tuple[list[Descriptor], list[Violation]]]] = {}
        self._silents: dict[Descriptor, Descriptor] = {}

    def cut(self, grids: Mapping[str, Grid]) -> PartitionedProgram:
        """`cut` of this program."""
        program, config = self.program, self.config
        all_grids = {population.name: uncut(population) for population in program.populations}
        for name, grid in grids.items():
            if name not in all_grids:
                raise MappingError(f"program '{program.name}' has no population '{name}' to cut; there are: "
                                   f"{', '.join(all_grids)}")
            _check_grid(name, grid, all_grids[name])
            all_grids[name] = grid
        fragments: dict[str, list[Fragment]] = {}
        for population in program.populations:
            known = population.name, all_grids[population.name]
            if known not in self._fragments:
                self._fragments[known] = _fragments(population, known[1])
            fragments[population.name] = self._fragments[known]
        descriptors: list[Descriptor] = []
        violations: list[Violation] = []
        late = {edge.name: program.population(edge.source).delays for edge in program.edges}
        for population in program.populations:
            into = [self._of_edge(edge, all_grids, fragments) for edge in program.edges_into(population.name)]
            for number in range(len(fragments[population.name])):
                found = [item for edge in into for item in edge[number][0]]
                violations += [item for edge in into for item in edge[number][1]]
                used = [item for item in found if item.sources]
                if found and not used:  # all of it is padding: it still waits for an end of timestep
                    used = [self._silent(next((item for item in found if not late[item.parent]), found[0]), fragments)]
                elif not population.delays and all(late[item.parent] for item in used):
                    # Delays alone would let it run ahead: it waits for an end of this timestep as well.
                    used += [self._silent(item, fragments) for item in found if not late[item.parent]][:1]
                descriptors += used
        if violations:
            raise RuleError(violations)
        return PartitionedProgram(
            program=program, config=config, grids=all_grids, descriptors=descriptors,
            fragments=[fragment for population in program.populations for fragment in fragments[population.name]],
            outputs=_outputs(program, all_grids, fragments, config))

    def _of_edge(
        self, edge: Edge, grids: Mapping[str, Grid], fragments: Mapping[str, Sequence[Fragment]]
    ) -> list[tuple[list[Descriptor], list[Violation]]]:
        """By fragment of the destination, an edge's descriptors, or what is wrong with it."""
        key = edge.name, grids[edge.source], grids[edge.destination]
        if key not in self._edges:
            self._edges[key] = []
            for fragment in fragments[edge.destination]:
                found: tuple[list[Descriptor], list[Violation]] = [], []
                try:
                    found[0].extend(_descriptors(
                        edge, self.program, grids, fragments[edge.source], fragment, self.config))
                except RuleError as error:
                    found[1].extend(error.violations)
                self._edges[key].append(found)
        return self._edges[key]

    def _silent(self, first: Descriptor, fragments: Mapping[str, Sequence[Fragment]]) -> Descriptor:
        """A descriptor that no neuron reaches, with one source all the same."""
        source, up = first.edge.source, first.edge.upsample
        if first not in self._silents:
            origin = next(item.origin for items in fragments.values() for item in items if item.name == source)
            self._silents[first] = dataclasses.replace(
                first, sources=(source,), silent=True, shifts=((origin[1] << up, origin[2] << up),))
        return self._silents[first]


def _check_grid(name: str, grid: Grid, full: Grid) -> None:
    for axis, bounds, ends in zip("cxy", grid, full, strict=True):
        if (bounds[0], bounds[-1]) != ends or any(low >= high for low, high in itertools.pairwise(bounds)):
            raise MappingError(f"population '{name}' cannot be cut in {axis} at {bounds}: bounds ascend from "
                               f"{ends[0]} to {ends[1]}; give each bound once, the ends included")


def _fragments(population: Population, grid: Grid) -> list[Fragment]:
    parts = []
    for c, x, y in itertools.product(*map(itertools.pairwise, grid)):
        name = population.name if grid.parts == 1 else (
            f"{population.name}[{c[0]}:{c[1]},{x[0]}:{x[1]},{y[0]}:{y[1]}]")
        parameters = {}
        for column in ("bias", "multiplier", "shift", "slope", "threshold", "initial"):
            if (given := getattr(population, column)) is not None:
                values = np.asarray(given, np.int64).reshape(-1)
                parameters[column] = values if values.size == 1 else values[c[0]:c[1]]
        second = {} if population.second is None else {
            field: values if np.size(values) == 1 else values[c[0]:c[1]]
            for field, values in population.second.items()}
        parts.append(Fragment(
            name=name, shape=(c[1] - c[0], x[1] - x[0], y[1] - y[0]), type=population.type, **parameters,
            second=second or None, saturation=population.saturation, table=population.table,
            layer=population.layer or population.name, parent=population.name, origin=(c[0], x[0], y[0])))
    return parts


# -- edges -------------------------------------------------------------------------------------


def _descriptors(
    edge: Edge, program: Program, grids: Mapping[str, Grid], sources: Sequence[Fragment], destination: Fragment,
    config: CoreConfig
) -> Iterator[Descriptor]:
    """Everything of one edge that leads into one fragment; `sources` of a descriptor are those that reach it."""
    whole = program.population(edge.source).shape
    depth = whole[0]
    if in_tables(edge):
        edge = look_up_edge(edge, whole)
    parts = _parts(edge, grids[edge.source].c, depth, program.population(edge.destination).shape[0], destination,
                   1 << config.channel_bits)
    several = grids[edge.destination].parts > 1
    largest = grids[edge.source].largest
    for (low, high), part in parts:
        suffix = f"->{destination.name}" if several else ""
        suffix += f"({low}:{high})" if (low, high) != (0, depth) else ""
        candidates = [fragment for fragment in sources
                      if low <= fragment.origin[0] and fragment.origin[0] + fragment.shape[0] <= high]
        if isinstance(part, LookUpEdge):
            yield _in_tables(part, suffix, low, high - low, candidates, destination)
            continue
        step = step_of(part, destination.shape[1:], largest, config)
        if step is None:
            raise RuleError([stride_violation(part, destination, config, mesh=True)])
        phases: dict[Pair, list[tuple[Fragment, Pair]]] = {}
        for fragment in candidates:
            phase, shift = step.phase(part, fragment.origin[1:])
            phases.setdefault(phase, []).append((fragment, shift))
        for phase, members in phases.items():
            stepped = step.apply(part, phase)
            if stepped is None:
                nothing = dataclasses.replace(part, weights=part.weights[:, :, :1, :1], stride=(1, 1),
                                              source=members[0][0].name)
                yield Descriptor(edge=nothing, parent=edge.name, first=low, depth=high - low, sources=(), shifts=())
                continue
            for piece in edge_pieces(stepped, high - low, destination.shape[0], config):
                name = piece.name + suffix + (f"@{phase[0]},{phase[1]}" if len(phases) > 1 else "")
                piece = dataclasses.replace(piece, name=name, source=members[0][0].name)
                hit = [(fragment.name, shift) for fragment, shift in members
                       if all(reach(piece, shift, fragment, destination))]
                named = dataclasses.replace(piece, source=hit[0][0]) if hit else piece
                yield Descriptor(edge=named, parent=edge.name, first=low, depth=high - low,
                                 sources=tuple(name for name, _ in hit), shifts=tuple(shift for _, shift in hit))


def _in_tables(
    part: LookUpEdge, suffix: str, first: int, depth: int, candidates: Sequence[Fragment], destination: Fragment
) -> Descriptor:
    """The one descriptor of an edge in tables from so many source channels into a fragment, whatever its kernel."""
    hit = [item for item in candidates if all(reach(part, (item.origin[1], item.origin[2]), item, destination))]
    named = dataclasses.replace(part, name=part.name + suffix, source=(hit or candidates)[0].name)
    return Descriptor(edge=named, parent=part.name, first=first, depth=depth, sources=tuple(item.name for item in hit),
                      shifts=tuple((item.origin[1], item.origin[2]) for item in hit))


def _parts(
    edge: Edge, bounds: Sequence[int], source_depth: int, destination_depth: int, destination: Fragment, most: int
) -> Iterator[tuple[Pair, Edge]]:
    """The edge into one fragment, by ranges of source channels (whole source fragments, at most `most` channels).

    Groups that lie in the fragment whole, with sources that lie in whole source fragments, stay groups (and depthwise
    stays depthwise); any others need a table, and events of channels without synapses are sent all the same.
    """
    c0, x0, y0 = destination.origin
    c1 = c0 + destination.shape[0]
    edge = dataclasses.replace(
        edge, destination=destination.name,
        padding=(edge.padding[0] - x0 * edge.stride[0], edge.padding[1] - y0 * edge.stride[1]))
    intervals = list(itertools.pairwise(bounds))
    weights = edge.weights
    if edge.groups == 1:
        for low, high in _chunks(intervals, most):
            yield (low, high), dataclasses.replace(edge, weights=weights[c0:c1, low:high])
        return
    per_source, per_group = source_depth // edge.groups, destination_depth // edge.groups
    first, last = c0 // per_group, -(-c1 // per_group)
    needed = (first * per_source, last * per_source)
    over = [(low, high) for low, high in intervals if low < needed[1] and high > needed[0]]
    shared = weights.shape[:2] == (1, 1) and edge.groups > 1
    if (over[0][0], over[-1][1]) == needed and c0 % per_group == c1 % per_group == 0 and needed[1] - needed[0] <= most:
        kept = weights if shared else weights[c0:c1]
        yield needed, dataclasses.replace(edge, weights=kept, groups=last - first)
        return
    own = np.broadcast_to(weights, (c1 - c0, *weights.shape[1:])) if shared else weights[c0:c1]
    for low, high in _chunks(over, most):
        rows = []
        for channel in range(low, high):
            group = channel // per_source
            begin, end = max(group * per_group, c0), min((group + 1) * per_group, c1)
            rows.append((begin - c0, end - begin, channel % per_source) if begin < end else (0, 0, 0))
        plain = {field.name: getattr(edge, field.name) for field in dataclasses.fields(edge)}
        yield (low, high), TableEdge(**(plain | {"weights": own, "groups": 1}), rows=tuple(rows))


def _chunks(intervals: Sequence[Pair], most: int) -> Iterator[Pair]:
    """Neighboring intervals joined while they have at most `most` channels."""
    low, high = intervals[0]
    for begin, end in intervals[1:]:
        if end - low > most:
            yield low, high
            low = begin
        high = end
    yield low, high


def _outputs(
    program: Program, grids: Mapping[str, Grid], fragments: Mapping[str, Sequence[Fragment]], config: CoreConfig
) -> list[Output]:
    """Event IDs of the host: one per output, place in x and y, and range of at most 2**channel_bits channels.

    Where that takes more IDs than there are, parts at several places share one, as far as an event's coordinates reach.
    """
    reach = 1 << (config.offset_bits - 1)
    for most in ((1, 1), (reach, reach)):
        outputs: list[Output] = []
        for name in program.outputs:
            ranges = [list(_chunks(list(itertools.pairwise(bounds)), size)) for bounds, size in zip(
                grids[name], (1 << config.channel_bits, *most), strict=True)]
            for x, y, c in itertools.product(ranges[1], ranges[2], ranges[0]):
                sources = [item.name for item in fragments[name] if all(
                    low <= at < high for at, (low, high) in zip(item.origin, (c, x, y), strict=True))]
                outputs.append(Output(len(outputs), name, (c[0], x[0], y[0]), (c[1] - c[0], x[1] - x[0], y[1] - y[0]),
                                      tuple(sources)))
        if len(outputs) <= config.max_edges:
            break
    return outputs
