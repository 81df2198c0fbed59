"""Memory accounting: this technique as the paper counts it, its two references, and our real image [B §5.2].

The paper's conventions: 8-bit weights, 16-bit states, no biases, the input's neurons not counted, MB = 2**20 bytes,
padding taps counted as synapses, and adders into which convolutions and shortcuts accumulate directly. Every figure is
counted from the program as `synapress.mapper.network.populations.lower` makes it, before edges are adapted to
descriptors.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import prod
from typing import Any

from golden.program import Edge, LookUpEdge, Population, Program
from synapress.mapper.image.image import Image
from synapress.mapper.image.schemas import CATEGORIES
from synapress.mapper.look_up import HEADER_WORDS
from synapress.mapper.look_up import tables as look_up_tables
from synapress.mapper.memory_map import TABLE, edge_kind
from synapress.mapper.partition.fragments import PartitionedProgram

MB = 1 << 20
KB = 1 << 10

CORE_BYTES = 1 << 18
"""Memory of one core in the paper."""
NEURON_BITS, CORE_BITS = 15, 8
"""A synapse of the references addresses a neuron within a core, and a core."""
STATE_BYTES, WEIGHT_BYTES, WORD_BYTES = 2, 1, 8


PUBLISHED: dict[str, dict[str, tuple[float, int]]] = {
    "pilotnet": {
        "neurons": (0.20, MB), "connectivity": (3.16, KB), "parameters": (0.24, MB), "total": (0.45, MB),
        "LUT connectivity": (91.44, MB), "LUT parameters": (25.63, MB), "LUT total": (0.11, 1 << 30),
        "hierarchical LUT connectivity": (48.46, MB), "hierarchical LUT total": (74.30, MB),
    },
    "resnet50": {
        "neurons": (17.71, MB), "connectivity": (1.31, MB), "parameters": (24.45, MB), "total": (43.48, MB),
        "LUT connectivity": (11.03, 1 << 30), "LUT parameters": (3.54, 1 << 30), "LUT total": (14.60, 1 << 30),
        "hierarchical LUT connectivity": (6.70, 1 << 30), "hierarchical LUT total": (10.26, 1 << 30),
    },
    "mobilenet": {"total": (11.23, MB)},
    "darknet53": {"total": (51.21, MB)},
}
"""The cells that the paper prints, as (number, unit in bytes). Those of its MobileNet and DarkNet53 do not follow from
the standard networks, and ResNet50's references are a few per cent off by these rules: reports show the residual."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of one network by one technique, in bytes (connectivity may end in a fraction of one)."""

    network: str
    technique: str
    neurons: int
    connectivity: float
    parameters: int

    @property
    def total(self) -> float:
        return self.neurons + self.connectivity + self.parameters

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total": self.total}


@dataclass(frozen=True, kw_only=True)
class Connectivity:
    """Words of connectivity of this technique as the paper counts them, and the cuts that they follow from."""

    kernel_descriptors: int
    axons: int
    population_descriptors: int
    fragments: dict[str, int]
    """Channel fragments by population, the inputs included."""

    @property
    def words(self) -> int:
        return self.kernel_descriptors + self.axons + self.population_descriptors

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"words": self.words}


@dataclass(frozen=True, kw_only=True)
class ImageFootprint:
    """Every word really written, by category; `padding` are the bytes in them that carry nothing."""

    network: str
    word_bytes: int
    words: dict[str, int]
    bytes: dict[str, int]
    """Bytes by category without padding, and `padding`; they sum to all words."""

    @property
    def total_words(self) -> int:
        return sum(self.words.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_words": self.total_words}


def _computed(program: Program) -> list[Population]:
    return [population for population in program.populations if population.name not in program.inputs]


def neuron_bytes(program: Program) -> int:
    """16-bit states of all populations but the inputs."""
    return STATE_BYTES * sum(prod(population.shape) for population in _computed(program))


def parameter_bytes(program: Program) -> int:
    """8-bit weights; the kernels of pools and identities are counted for every channel."""
    return WEIGHT_BYTES * sum(_edge_weights(program, edge) for edge in program.edges)


def _edge_weights(program: Program, edge: Edge, channels: int | None = None) -> int:
    """Weights of an edge into all, or so many, channels of its destination."""
    source, destination = program.population(edge.source), program.population(edge.destination)
    channels = destination.shape[0] if channels is None else channels
    return channels * (source.shape[0] // edge.groups) * prod(edge.weights.shape[2:])


def synapses(program: Program) -> int:
    """Synapses counted at the destination: N_dst · KW · KH · C_src, with one source channel for pointwise edges."""
    return sum(prod(program.population(edge.destination).shape[1:]) * _edge_weights(program, edge)
               for edge in program.edges)


def source_synapses(program: Program) -> Fraction:
    """Synapses counted at the source, with real-valued kernel / stride, at most the destination's size."""
    total = Fraction(0)
    for edge in program.edges:
        source, destination = program.population(edge.source), program.population(edge.destination)
        fan_out = Fraction(destination.shape[0], edge.groups)
        for i in (0, 1):
            fan_out *= min(Fraction(edge.weights.shape[2 + i], edge.stride[i]), Fraction(destination.shape[1 + i]))
        total += prod(source.shape) * fan_out
    return total


def channel_cuts(program: Program, core_bytes: int = CORE_BYTES) -> dict[str, int]:
    """Fewest channel fragments of each population, such that each fits a core; 1 for inputs.

    A fragment has its states, its weights, its kernel descriptors (one per source channel and edge) and its population
    word. A fragment of one channel that is still too large stays one channel, and columns and rows are never cut.
    """
    cuts = dict.fromkeys(program.inputs, 1)
    for population in _computed(program):
        depth, edges = population.shape[0], program.edges_into(population.name)
        descriptors = WORD_BYTES * sum(program.population(edge.source).shape[0] for edge in edges)
        for count in range(1, depth + 1):
            channels = -(-depth // count)
            weights = WEIGHT_BYTES * sum(_edge_weights(program, edge, channels) for edge in edges)
            states = STATE_BYTES * channels * prod(population.shape[1:])
            if states + weights + descriptors + WORD_BYTES <= core_bytes or count == depth:
                cuts[population.name] = count
                break
    return cuts


def connectivity(program: Program, fragments: Mapping[str, int] | None = None) -> Connectivity:
    """The paper's words: a kernel descriptor per source channel, edge and destination fragment; an axon per pair of
    fragments; a population word per fragment.

    Args:
        fragments: by population; default `channel_cuts`. Use `dict.fromkeys(names, 1)` for uncut populations.
    """
    cuts = dict(channel_cuts(program) if fragments is None else fragments)
    return Connectivity(
        kernel_descriptors=sum(
            program.population(edge.source).shape[0] * cuts[edge.destination] for edge in program.edges),
        axons=sum(cuts[edge.source] * cuts[edge.destination] for edge in program.edges),
        population_descriptors=sum(cuts[population.name] for population in _computed(program)),
        fragments=cuts)


def proposed(program: Program, fragments: Mapping[str, int] | None = None) -> Footprint:
    """This technique by the paper's accounting."""
    return Footprint(
        network=program.name, technique="this technique", neurons=neuron_bytes(program),
        connectivity=WORD_BYTES * connectivity(program, fragments).words, parameters=parameter_bytes(program))


def lut(program: Program) -> Footprint:
    """Look-up tables: every source neuron lists all its synapses, each with neuron and core address and weight."""
    return Footprint(
        network=program.name, technique="LUT", neurons=neuron_bytes(program),
        connectivity=float(source_synapses(program) * (NEURON_BITS + CORE_BITS) / 8),
        parameters=WEIGHT_BYTES * synapses(program))


def hierarchical_lut(program: Program) -> Footprint:
    """Two levels: a source neuron lists destination cores, a table there lists the synapses."""
    entries = sum(prod(program.population(edge.source).shape) for edge in program.edges)
    return Footprint(
        network=program.name, technique="hierarchical LUT", neurons=neuron_bytes(program),
        connectivity=(NEURON_BITS * synapses(program) + (NEURON_BITS + CORE_BITS) * entries) / 8,
        parameters=WEIGHT_BYTES * synapses(program))


def layer_program(program: Program, name: str) -> Program:
    """One population and the edges into it, their sources as inputs: its share of every footprint."""
    edges = program.edges_into(name)
    sources = list(dict.fromkeys(edge.source for edge in edges))
    return Program(name=name, populations=[program.population(item) for item in (*sources, name)], edges=edges,
                   inputs=sources, outputs=[])


def by_layer(program: Program) -> dict[str, dict[str, Footprint]]:
    """Footprints by population and technique; they sum to those of the program."""
    cuts = channel_cuts(program)
    found = {}
    for population in _computed(program):
        part = layer_program(program, population.name)
        found[population.name] = {item.technique: item for item in (
            proposed(part, cuts), hierarchical_lut(part), lut(part))}
    return found


def cells(program: Program) -> dict[str, float]:
    """All cells of the paper's table for one program, in bytes, by the names of `PUBLISHED`."""
    ours, flat, two_level = proposed(program), lut(program), hierarchical_lut(program)
    return {
        "neurons": ours.neurons, "connectivity": ours.connectivity, "parameters": ours.parameters, "total": ours.total,
        "LUT connectivity": flat.connectivity, "LUT parameters": flat.parameters, "LUT total": flat.total,
        "hierarchical LUT connectivity": two_level.connectivity, "hierarchical LUT total": two_level.total,
    }


def image_footprint(image: Image) -> ImageFootprint:
    """Every word of a real image by category."""
    word_bytes = image.config.word_bits // 8
    words: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
    used: dict[str, int] = dict.fromkeys((*CATEGORIES, "padding"), 0)
    for region in image.manifest["regions"]:
        words[region["category"]] += region["words"]
        used[region["category"]] += region["words"] * word_bytes - region["padding_bytes"]
        used["padding"] += region["padding_bytes"]
    return ImageFootprint(network=image.manifest["network"], word_bytes=word_bytes, words=words, bytes=used)


@dataclass(frozen=True, kw_only=True)
class RealConnectivity:
    """Connectivity words that the images of a cut network have, and what the paper's scheme needs at the same cuts."""

    descriptors: int
    """One word each, one descriptor per edge (or part of one) and destination fragment."""
    tables: int
    axons: int
    """Between fragments that can hit, those of the inputs included."""
    output_axons: int
    geometry_words: int
    population_words: int
    paper: Connectivity
    layers: dict[str, int]
    """Words by population: its own two, and the descriptors, tables and axons that lead into it."""

    @property
    def words(self) -> int:
        return (self.descriptors + self.tables + self.axons + self.output_axons + self.geometry_words
                + self.population_words)

    @property
    def factor(self) -> float:
        """How many times smaller than the paper's."""
        return self.paper.words / self.words

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"paper": self.paper.to_json(), "words": self.words, "factor": round(self.factor, 2)}


def real_connectivity(cut: PartitionedProgram) -> RealConnectivity:
    """Where the words of connectivity go: equals what the images hold, plus the axons that the host keeps."""
    tables, layers = 0, dict.fromkeys((population.name for population in _computed(cut.program)), 0)
    for descriptor in cut.descriptors:
        destination = cut.by_name[descriptor.edge.destination]
        rows = 0
        if isinstance(descriptor.edge, LookUpEdge):
            words = -(-destination.shape[0] // cut.config.lanes)
            rows = HEADER_WORDS + len(look_up_tables(
                descriptor.edge, (destination.shape[1], destination.shape[2]), words, cut.config).index)
        elif edge_kind(descriptor.edge, descriptor.depth, destination.shape[0]) == TABLE:
            rows = descriptor.depth
        tables += rows
        layers[destination.parent] += 1 + rows + len(descriptor.sources)
    for fragment in cut.hosted:
        layers[fragment.parent] += 2
    outputs = sum(len(output.sources) for output in cut.outputs)
    return RealConnectivity(
        descriptors=len(cut.descriptors), tables=tables, axons=cut.axons, output_axons=outputs,
        geometry_words=len(cut.hosted), population_words=len(cut.hosted), layers=layers,
        paper=connectivity(cut.program, {name: grid.parts for name, grid in cut.grids.items()}))
