"""The address plan of one core: where everything lies, and every field of every word, before it is packed.

The plan never refuses: `synapress.mapper.rules` compares it with the hardware, `synapress.mapper.image.image` packs
it. Orders and formulas are those of docs/architecture.md [B §4.2, §4.3].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from golden.config import CoreConfig
from golden.neuron.evaluation import table_words
from golden.program import Edge, LookUpEdge, Population, Program
from synapress.mapper.axon_entries import AxonEntry, axon_entry, is_far, output_axon_entry
from synapress.mapper.look_up import HEADER_WORDS, Tables, by_kind, in_tables, look_up_edge, tables
from synapress.mapper.parameters import parameter_size, parameter_words

SHARED, DEPTHWISE, TABLE, LOOK_UP = "shared", "depthwise", "table", "look-up"
"""The three kinds of kernels that an edge descriptor can describe, and synapses that lie one by one in tables."""


TableRow = tuple[int, int, int]
"""What one source channel's table word leads to: first destination channel, how many, and the weights' second index."""


@dataclass(kw_only=True, eq=False)
class TableEdge(Edge):
    """Part of a grouped edge whose cuts do not follow its groups: the table says where each source channel leads.

    `weights` are (D_dst, D_src / groups, KW, KH) of the destination's own channels; `groups` is not used.
    """

    rows: tuple[TableRow, ...]
    """By source channel; one that leads to no channel here has a count of 0 and a kernel of one zero."""


def table_rows(edge: Edge, source_depth: int, destination_depth: int) -> tuple[TableRow, ...]:
    """The rows of an edge of kind TABLE."""
    if isinstance(edge, TableEdge):
        return edge.rows
    per_group, sources = destination_depth // edge.groups, source_depth // edge.groups
    return tuple((c // sources * per_group, per_group, c % sources) for c in range(source_depth))


def row_words(row: TableRow, lanes: int) -> int:
    """Channel words of a position of a table row's kernel."""
    first, count, _ = row
    return (first + count - 1) // lanes - first // lanes + 1 if count else 1


def edge_kind(edge: Edge, source_depth: int, destination_depth: int) -> str:
    """SHARED: all channels to all; DEPTHWISE: channel c to c; TABLE: groups, with a table word per source channel;
    LOOK_UP: no kernel."""
    if in_tables(edge):
        return LOOK_UP
    if isinstance(edge, TableEdge):
        return TABLE
    if edge.groups == source_depth == destination_depth:
        return DEPTHWISE
    return SHARED if edge.groups == 1 else TABLE


def position_bytes(edge: Edge, source_depth: int, destination_depth: int, config: CoreConfig) -> int:
    """Bytes of weights per kernel position and source channel; with TABLE the most of any channel."""
    if edge_kind(edge, source_depth, destination_depth) == DEPTHWISE:
        return 1
    if isinstance(edge, TableEdge):
        return config.lanes * max(row_words(row, config.lanes) for row in edge.rows)
    per_group = destination_depth // edge.groups
    return config.lanes * max(
        (first + per_group - 1) // config.lanes - first // config.lanes + 1
        for first in range(0, destination_depth, per_group))


@dataclass(frozen=True, kw_only=True)
class EdgeEntry:
    """One event ID: its edge, its kernel's place and its axon at the source."""

    id: int
    edge: Edge
    kind: str
    source_depth: int
    position_bytes: int
    weight_stride: int
    rows: tuple[TableRow, ...]
    """TABLE: see `table_rows`; else empty."""
    table_words: tuple[int, ...]
    """TABLE: channel words of the kernel by source channel; else empty."""
    channel_words: tuple[int, ...]
    """TABLE: memory words of weights by source channel; else empty."""
    table_base: int
    """TABLE: of the table words; LOOK_UP: of the two header words."""
    weight_base: int
    weight_words: int
    """Words of weights; LOOK_UP: of everything behind the headers."""
    uniform: bool
    """DEPTHWISE: one kernel, stored once, serves all channels."""
    tables: Tables | None
    """LOOK_UP: what lies at `weight_base`."""
    axon: AxonEntry
    """The axon at its source; of several sources the first's."""


@dataclass(frozen=True, kw_only=True)
class PopulationEntry:
    """One population's block: perhaps a value table, which ends before `base`; axons, parameters, states from there."""

    index: int
    population: Population
    base: int
    axons: tuple[AxonEntry, ...]
    far: bool
    """Some axon leads to a core beyond what an axon word reaches: each has a second word in front."""
    table_words: int
    parameters: int
    """Channels with parameters of their own: 1 if uniform, else all."""
    parameter_size: int
    """Parameter words of each: 2 for neuron types with a second one, which comes first."""
    ids: tuple[int, ...]
    incoming: int
    """Axons that lead into it: one per ID, unless several sources share an ID."""
    pad: int
    depth_words: int
    room: int | None = None
    """Words behind its parameters for states: those of the largest that shares them, 0 if they lie apart."""
    apart: int | None = None
    """Where its states lie, if on those of another population; None: behind its parameters."""

    @property
    def y_stride(self) -> int:
        return self.depth_words | self.pad

    @property
    def x_stride(self) -> int:
        return self.population.shape[2] * self.y_stride

    @property
    def extended(self) -> int:
        """1 if there is a second population word, which lies at the base."""
        return int(self.far or self.apart is not None)

    @property
    def axon_base(self) -> int:
        return self.base + self.extended

    @property
    def axon_size(self) -> int:
        """Words of an axon."""
        return 2 if self.far else 1

    @property
    def parameter_base(self) -> int:
        return self.axon_base + self.axon_size * len(self.axons)

    @property
    def own_states(self) -> int:
        """The word behind its parameters: where its states lie, unless apart."""
        return self.parameter_base + self.parameter_size * self.parameters

    @property
    def state_base(self) -> int:
        return self.own_states if self.apart is None else self.apart

    @property
    def state_room(self) -> int:
        """Words behind its parameters for states."""
        return self.state_words if self.room is None else self.room

    @property
    def state_words(self) -> int:
        return self.population.shape[1] * self.x_stride

    def last_lane(self, config: CoreConfig) -> int:
        """Of the last channel word of a position."""
        return (self.population.shape[0] - 1) % config.lanes


@dataclass(frozen=True, kw_only=True)
class MemoryMap:
    """Everything of one core, in address order."""

    program: Program
    config: CoreConfig
    host: tuple[int, int]
    populations: tuple[PopulationEntry, ...]
    edges: tuple[EdgeEntry, ...]
    words: int
    inputs: int
    """Inputs that the host makes events for, of this core alone."""

    def population(self, name: str) -> PopulationEntry:
        return next(plan for plan in self.populations if plan.population.name == name)


def build_memory_map(
    program: Program, config: CoreConfig, *, pad: bool = True, host: tuple[int, int] = (1, 0)
) -> MemoryMap:
    """The plan of a whole program on one core.

    Args:
        program: legal edges (see `synapress.mapper.network.legal_edges.legalize`); others give a plan that
            `synapress.mapper.rules` refuses.
        pad: make the words per position odd where depthwise edges lead, which spreads them over the banks, and the
            core has room for it.
        host: relative core address of the host, which sends the inputs and takes the outputs.
    """
    program = replace(program, edges=[
        look_up_edge(edge, program.population(edge.source).shape) if in_tables(edge) else edge
        for edge in program.edges])
    hosted = [population for population in program.populations if population.name not in program.inputs]
    order = by_kind([edge for population in hosted for edge in program.edges_into(population.name)])
    axons = {
        id(edge): axon_entry(
            edge, program.population(edge.source), program.population(edge.destination), config, number,
            (-host[0], -host[1]) if edge.source in program.inputs else (0, 0))
        for number, edge in enumerate(order)
    }
    outgoing = {
        population.name: [axons[id(edge)] for edge in program.edges_from(population.name) if id(edge) in axons] + [
            output_axon_entry(population, number, config, host)
            for number, output in enumerate(program.outputs) if output == population.name]
        for population in hosted
    }
    depths = [program.population(edge.source).shape[0] for edge in order]
    return layout(
        program, hosted, order, config, depths=depths, axons=[axons[id(edge)] for edge in order], outgoing=outgoing,
        incoming={population.name: len(program.edges_into(population.name)) for population in hosted}, pad=pad,
        pad_identities=True, host=host, inputs=len(program.inputs))


def layout(
    program: Program, hosted: Sequence[Population], order: Sequence[Edge], config: CoreConfig, *,
    depths: Sequence[int], axons: Sequence[AxonEntry], outgoing: Mapping[str, Sequence[AxonEntry]],
    incoming: Mapping[str, int], pad: bool, pad_identities: bool, host: tuple[int, int], inputs: int = 0,
    shares: Mapping[str, str] | None = None,
) -> MemoryMap:
    """The plan of one core of which everything is known but the addresses.

    Args:
        program: for lookups by the rules.
        hosted: its populations.
        order: its edges by ID, those of one kernel in front; else those of a population are consecutive, in the
            order of the populations.
        depths: source channels of each edge.
        axons: the axon, or the first of the axons, of each edge.
        outgoing: axons of each population.
        incoming: how many axons lead into each population.
        pad: see `build_memory_map`; populations are padded in their order as long as all still fits.
        pad_identities: pad for depthwise edges of one tap, too, which need no spreading.
        shares: populations that share states → the first of those that do; that one itself, too.
    """
    sizes = {population.name: population.shape[0] for population in hosted}
    spread = {
        edge.destination for edge, depth in zip(order, depths, strict=True)
        if edge_kind(edge, depth, sizes[edge.destination]) == DEPTHWISE
        and (pad_identities or edge.weights[0, 0].size > 1)}
    spread -= {edge.destination for edge in order if isinstance(edge, LookUpEdge)}  # pads are columns of its matrix

    room = 0
    if pad and spread:
        tight = layout(program, hosted, order, config, depths=depths, axons=axons, outgoing=outgoing,
                       incoming=incoming, pad=False, pad_identities=pad_identities, host=host, inputs=inputs,
                       shares=shares)
        room = max(0, config.memory_words - tight.words)
    pads = {}
    for population in hosted:
        depth, width, height = population.shape
        depth_words = -(-depth // config.lanes)
        more = width * height * ((depth_words | 1) - depth_words)
        pads[population.name] = int(pad and population.name in spread and more <= room)
        room -= more * pads[population.name]
    address = 2 * len(hosted) + len(order)
    populations = []
    for index, population in enumerate(hosted):
        address += table_words(population.type, population.saturation, config)
        populations.append(population_entry(
            index, population, address, config, outgoing[population.name], incoming[population.name],
            pads[population.name],
            tuple(number for number, edge in enumerate(order) if edge.destination == population.name)))
        address = _placed_states(populations, hosted, pads, shares or {}, config)
    table_bases = []
    for edge, depth in zip(order, depths, strict=True):
        table_bases.append(address)
        address += {TABLE: depth, LOOK_UP: HEADER_WORDS}.get(edge_kind(edge, depth, sizes[edge.destination]), 0)
    edges = []
    into = {item.population.name: item for item in populations}
    for number, edge in enumerate(order):
        edges.append(edge_entry(edge, depths[number], into[edge.destination], number, config, table_bases[number],
                                address, axons[number]))
        address += edges[-1].weight_words
    return MemoryMap(program=program, config=config, host=host, populations=tuple(populations), edges=tuple(edges),
                words=address, inputs=inputs)


def population_entry(
    index: int, population: Population, base: int, config: CoreConfig, axons: Sequence[AxonEntry], incoming: int,
    pad: int, ids: tuple[int, ...]
) -> PopulationEntry:
    """One population's block, with its states behind its parameters."""
    return PopulationEntry(
        index=index, population=population, base=base, axons=tuple(axons),
        table_words=table_words(population.type, population.saturation, config),
        far=any(is_far(axon, config) for axon in axons), parameters=len(parameter_words(population)),
        parameter_size=parameter_size(population), incoming=incoming, pad=pad, ids=ids,
        depth_words=-(-population.shape[0] // config.lanes))


def _placed_states(
    populations: list[PopulationEntry], hosted: Sequence[Population], pads: Mapping[str, int],
    shares: Mapping[str, str], config: CoreConfig
) -> int:
    """Give the last of the populations its states, which may be those of another; returns the word behind its block.

    The first of those that share states has room for the largest.
    """
    name = populations[-1].population.name
    if name not in shares:
        return populations[-1].own_states + populations[-1].state_words
    room, apart = 0, None
    if shares[name] == name:
        room = max(item.shape[1] * item.shape[2] * (-(-item.shape[0] // config.lanes) | pads[item.name])
                   for item in hosted if shares.get(item.name) == name)
    else:
        apart = next(item.state_base for item in populations if item.population.name == shares[name])
    populations[-1] = replace(populations[-1], room=room, apart=apart)
    return populations[-1].own_states + room


def edge_entry(
    edge: Edge, source_depth: int, destination: PopulationEntry, identifier: int, config: CoreConfig, table_base: int,
    weight_base: int, axon: AxonEntry
) -> EdgeEntry:
    """One edge's kernel, or tables: its kind, and the size and the stride of its weights."""
    if isinstance(edge, LookUpEdge):
        made = tables(edge, destination.population.shape[1:], destination.y_stride, config)
        return EdgeEntry(
            id=identifier, edge=edge, kind=LOOK_UP, source_depth=source_depth, position_bytes=0, weight_stride=0,
            rows=(), table_words=(), channel_words=(), table_base=table_base, weight_base=weight_base,
            weight_words=made.words, uniform=False, axon=axon, tables=made)
    destination_depth = destination.population.shape[0]
    kind = edge_kind(edge, source_depth, destination_depth)
    width, height = edge.weights.shape[2:]
    word = config.word_bits // 8
    unit = position_bytes(edge, source_depth, destination_depth, config)
    rows: tuple[TableRow, ...] = ()
    table_words: tuple[int, ...] = ()
    channel_words: tuple[int, ...] = ()
    uniform, weight_stride = False, 0
    if kind == TABLE:
        rows = table_rows(edge, source_depth, destination_depth)
        table_words = tuple(row_words(row, config.lanes) for row in rows)
        channel_words = tuple(-(-width * height * words * config.lanes // word) if row[1] else 0
                              for row, words in zip(rows, table_words, strict=True))
        total = sum(channel_words) + (1 if 0 in channel_words else 0)  # one zero serves all channels that lead nowhere
    else:
        uniform = kind == DEPTHWISE and bool((edge.weights == edge.weights[:1]).all())
        kernels = 1 if uniform else source_depth
        weight_stride = 0 if kernels == 1 else width * height * unit
        total = -(-kernels * width * height * unit // word)
    return EdgeEntry(
        id=identifier, edge=edge, kind=kind, source_depth=source_depth, position_bytes=unit,
        weight_stride=weight_stride, rows=rows, table_words=table_words, channel_words=channel_words,
        table_base=table_base, weight_base=weight_base, weight_words=total, uniform=uniform, axon=axon, tables=None)
