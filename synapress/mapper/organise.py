"""How the synapses of each edge are stored: as one kernel, or one by one in tables, as told or the cheapest way.

The ways are compared on the uncut edge: by the memory words that really are placed; or by the cycles, or the energy of
the accesses to the core's memory, that one event of each source neuron takes.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Edge, LookUpEdge, Population, Program
from golden.timing.look_up import LookUpOperations
from golden.timing.microarchitecture import EVENT_MINIMUM
from golden.timing.operations import EdgeOperations, Place
from synapress.energy.memory import memory_model
from synapress.mapper.axon_entries import AxonEntry
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.look_up import HEADER_WORDS, in_tables, look_up_edge, weight_bits
from synapress.mapper.memory_map import SHARED, EdgeEntry, edge_entry, edge_kind, population_entry
from synapress.mapper.network.layer import AUTO, FUNCTIONAL, ORGANISATIONS
from synapress.mapper.network.legal_edges import legalize_edge
from synapress.mapper.program_rules import layer_of
from synapress.mapper.table_rules import NO_SUMS, missing, no_sum, of_edge

BITS, CYCLES, ENERGY = CRITERIA = ("bits", "cycles", "energy")
"""What the cheapest way takes least of."""
MODEL = "cacti22"
"""Of the energy of an access to one of a core's banks (`synapress.energy.memory`)."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to store the synapses of an edge."""

    organisation: str
    words: dict[str, int] = field(default_factory=dict)
    """Memory words by part, descriptors among them."""
    cycles: int = 0
    """Of one event of each source neuron, if nothing waits."""
    reads: int = 0
    """Of weights, pointers and bitmaps, in words, for the same events; descriptors are kept from event to event."""
    word_ops: int = 0
    """State words that these events read and write."""
    energy: float | None = None
    """pJ of these accesses to the memory, by MODEL; None: it has no such memory."""
    refused: str = ""
    """Why it cannot be; empty: it can."""

    @property
    def total(self) -> int:
        """All memory words."""
        return sum(self.words.values())

    def cost(self, cheapest: str) -> float:
        """What it takes of one of CRITERIA."""
        return {BITS: self.total, CYCLES: self.cycles, ENERGY: self.energy or 0.0}[cheapest]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the synapses of one edge are stored, and what else there was."""

    edge: str
    layer: str
    asked: str
    """What it was told, perhaps "auto"."""
    chosen: str
    inputs: int
    outputs: int
    synapses: int
    """Weights that are not 0."""
    weight_bits: int
    candidates: tuple[Candidate, ...]
    """The chosen one among them, which may be refused, if it was told."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"candidates": [
            dataclasses.asdict(item) | {"total": item.total} for item in self.candidates]}


def organise(
    program: Program, config: CoreConfig, organisation: str | None = None, cheapest: str = BITS
) -> tuple[Program, list[Choice]]:
    """A lowered program in which every edge names the organisation that it has, if it, or the caller, asked for one.

    Args:
        organisation: of all dense layers into sums that name none, or "auto"; None: those stay one kernel.
        cheapest: of `CRITERIA`.

    Returns:
        The program, and the choices, on a core that has any.

    Raises:
        ConfigError: there is no such organisation or criterion, no layer is dense, or no energy is known.
        RuleError: an edge names an organisation that the core does not have, or that its destination does not take.
    """
    if organisation is not None and organisation not in ORGANISATIONS:
        raise ConfigError(f"organisation: needs one of {', '.join(ORGANISATIONS)}, not {organisation!r}")
    if cheapest not in CRITERIA:
        raise ConfigError(f"cheapest: needs one of {', '.join(CRITERIA)}, not {cheapest!r}")
    if cheapest == ENERGY:
        _access_energy(config)
    edges: list[Edge] = []
    choices: list[Choice] = []
    violations: list[Violation] = []
    for edge in program.edges:
        source, destination = program.population(edge.source), program.population(edge.destination)
        asked = edge.organisation
        if organisation is not None and asked in (None, AUTO) and (asked or _dense(edge, source, destination)):
            asked = organisation
        if asked is None:
            edges.append(edge)
            continue
        wrong = list(_refused(dataclasses.replace(edge, organisation=asked), destination, config))
        violations += wrong
        if config.organisations and not wrong:
            choices.append(_choose(edge, source, destination, asked, cheapest, config))
            asked = choices[-1].chosen
        edges.append(dataclasses.replace(edge, organisation=FUNCTIONAL if asked == AUTO else asked))
    if violations:
        raise RuleError(violations)
    if organisation not in (None, AUTO, FUNCTIONAL) and not any(map(in_tables, edges)):
        raise ConfigError(f"organisation: needs a dense layer whose synapses are stored by {organisation}; '"
                          f"{program.name}' has none; leave it out")
    return dataclasses.replace(program, edges=edges), choices


def _dense(edge: Edge, source: Population, destination: Population) -> bool:
    """Whether an edge is a matrix of weights already: of all its source into channels of one position."""
    return (destination.shape[1:] == (1, 1) and edge_kind(edge, source.shape[0], destination.shape[0]) == SHARED
            and destination.type not in NO_SUMS and not edge.logarithmic)


def _refused(edge: Edge, destination: Population, config: CoreConfig) -> Iterator[Violation]:
    """Why an edge cannot have the organisation that it names."""
    if in_tables(edge):
        assert edge.organisation is not None
        wrong = list(no_sum(destination, edge))
        yield from wrong
        if edge.organisation not in config.organisations and not wrong:
            yield missing(layer_of(destination), edge.name, edge.organisation, config)


def _choose(
    edge: Edge, source: Population, destination: Population, asked: str, cheapest: str, config: CoreConfig
) -> Choice:
    candidates = [functional(edge, source, destination, config)]
    for name in config.organisations:
        item = _planned(look_up_edge(dataclasses.replace(edge, organisation=name), source.shape), source, destination,
                        config)
        candidates.append(_in_tables(item, source, destination, config))
    made = item.tables
    assert made is not None
    chosen = asked
    if asked == AUTO:
        possible = [candidate for candidate in candidates if not candidate.refused] or candidates
        chosen = min(possible, key=lambda candidate: candidate.cost(cheapest)).organisation
    return Choice(edge=edge.name, layer=layer_of(destination), asked=asked, chosen=chosen, inputs=made.inputs,
                  outputs=made.outputs, synapses=made.synapses, weight_bits=made.weight_bits,
                  candidates=tuple(candidates))


def _planned(edge: Edge, source: Population, destination: Population, config: CoreConfig) -> EdgeEntry:
    """An edge as it is planned, wherever it lies."""
    nowhere = AxonEntry(fields={}, anchors=((0, 0), (0, 0)), extent=(1, 1))
    return edge_entry(edge, source.shape[0], population_entry(0, destination, 0, config, (), 1, 0, ()), 0, config, 0, 0,
                      nowhere)


def _access_energy(config: CoreConfig) -> tuple[float, float]:
    """pJ of a read and a write of a bank.

    Raises:
        ConfigError: MODEL has no such memory.
    """
    model, bits = memory_model(MODEL), config.memory_words * config.word_bits / config.banks
    return model.read(bits, config.word_bits), model.write(bits, config.word_bits)


def _costed(candidate: Candidate, config: CoreConfig) -> Candidate:
    """With its energy, if that is known."""
    try:
        read, write = _access_energy(config)
    except ConfigError:
        return candidate
    energy = (candidate.reads + candidate.word_ops) * read + candidate.word_ops * write
    return dataclasses.replace(candidate, energy=round(energy, 3))


def _in_tables(item: EdgeEntry, source: Population, destination: Population, config: CoreConfig) -> Candidate:
    """An edge in tables."""
    assert item.tables is not None
    name = item.tables.organisation
    if refused := list(of_edge(item, destination, config)):
        why = "; ".join(f"{violation.rule}: needs {violation.needed}" for violation in refused)
        return Candidate(organisation=name, refused=why)
    assert isinstance(item.edge, LookUpEdge)
    work = LookUpOperations.of(item.edge, source, destination, config)
    return _costed(Candidate(
        organisation=name, words={"descriptors": 1 + HEADER_WORDS, **item.tables.parts}, cycles=int(work.cycles.sum()),
        reads=int(work.reads.sum()), word_ops=int(work.word_ops.sum())), config)


def functional(edge: Edge, source: Population, destination: Population, config: CoreConfig) -> Candidate:
    """An edge as one kernel, or in the pieces that descriptors need."""
    pieces = legalize_edge(dataclasses.replace(edge, organisation=None), source, destination, config)
    if isinstance(pieces, Violation):
        return Candidate(organisation=FUNCTIONAL, refused=f"{pieces.rule}: needs {pieces.needed}")
    if weight_bits(edge.weights) > config.weight_bits:
        return Candidate(organisation=FUNCTIONAL, refused=f"weights: needs {weight_bits(edge.weights)} bits")
    words, cycles, reads, word_ops = {"descriptors": 0, "weights": 0}, 0, 0, 0
    events = tuple(np.indices(source.shape).reshape(3, -1))
    for piece in pieces:
        item = _planned(piece, source, destination, config)
        words["descriptors"] += 1 + len(item.rows)
        words["weights"] += item.weight_words
        work = EdgeOperations.of(piece, source, destination, config)
        least = 1 if work.single(config) else EVENT_MINIMUM
        operations = work.positions()[np.newaxis] * work.words[:, np.newaxis, np.newaxis]
        cycles += int((np.maximum(operations, least) * work.sends()).sum())
        stream = work.work((events[0], events[1], events[2]), Place(), config)
        # A weight word is read once for the operations of an event that follow one another.
        new = np.ones(len(stream.weight), bool)
        new[1:] = stream.weight[1:] != stream.weight[:-1]
        new[(np.cumsum(stream.operations) - stream.operations)[stream.operations > 0]] = True
        reads += int(new.sum())
        word_ops += len(stream.weight)
    found = Candidate(organisation=FUNCTIONAL, words=words, cycles=cycles, reads=reads, word_ops=word_ops)
    return _costed(found, config)
