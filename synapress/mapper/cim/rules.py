"""What a program must keep to run on a core with a compute-in-memory array: one small named function per rule.

As `synapress.mapper.rules`, whose rules of strides, kernels, fields, axons and counts hold here, too. All are checked
before anything is written.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from golden.cim.layer import MOST_BITS
from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Reset
from synapress.mapper.cim.choose import Layer, choose, least
from synapress.mapper.cim.plan import CimPlan, build_plan
from synapress.mapper.cim.shapes import (
    STATIONARY,
    LayerOptions,
    LayerShape,
    is_depthwise,
    most_blocks,
    state_numbers,
    weight_numbers,
)
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.look_up import in_tables, weight_bits
from synapress.mapper.program_rules import check_program, layer_of
from synapress.mapper.rules import (
    axons,
    counts,
    descriptor_fields,
    kernel_size,
    population_counts,
    population_size,
    strides,
)
from synapress.mapper.ways_out import either, raised, signed_bits

Given = Mapping[str, LayerOptions | LayerShape]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A layer, before its operands have a place."""

    layer: Layer
    config: CoreConfig
    program: Program

    @property
    def population(self) -> Population:
        return self.layer.population

    @property
    def name(self) -> str:
        return layer_of(self.population)


def _set(layer: str, **fields: int) -> str:
    """The advice to give `LayerOptions` of a layer other numbers."""
    return " and ".join(f"set {name} of '{layer}' to {value}" for name, value in fields.items())


# -- before operands have a place ----------------------------------------------------------------


def neurons(asked: Asked) -> Iterator[Violation]:
    """Neurons integrate and fire, without leak and bias."""
    item = asked.population
    if item.type != NeuronType.SPIKING:
        yield Violation(layer=asked.name, rule="array neurons", needed=f"neurons of type {item.type}",
                        available="integrate-and-fire neurons (SPIKING)",
                        help="Make it a layer of spiking neurons, without leak and bias.")
        return
    if np.any(np.asarray(item.multiplier) != 1) or np.any(item.shift):
        yield Violation(layer=asked.name, rule="array leak", needed="a leak, by multiplier and shift",
                        available="potentials that do not leak: the array adds, and shifts nothing",
                        help="Make it a layer of spiking neurons, without leak and bias.")
    if np.any(item.bias):
        yield Violation(layer=asked.name, rule="array bias", needed="a bias", available="what events add",
                        help="Give it by the weights of a channel that spikes in each timestep.")
    if item.saturation not in (Reset.SUBTRACT, Reset.ZERO):
        yield Violation(layer=asked.name, rule="array reset", needed="potentials kept in half of a state's range",
                        available="reset by subtraction or to zero",
                        help="Leave saturate of the network's layer out: that of LayerOptions clips additions.")


def sources(asked: Asked) -> Iterator[Violation]:
    """What comes in are spikes: each event is one addition of a weight."""
    for edge in asked.layer.edges:
        source = asked.program.population(edge.source)
        if source.name not in asked.program.inputs and source.type != NeuronType.SPIKING:
            yield Violation(
                layer=asked.name, rule="array sources", needed=f"values of '{source.name}'", available="spikes, of 1",
                help="Make it a layer of spiking neurons, without leak and bias.")


def kinds(asked: Asked) -> Iterator[Violation]:
    """Edges are convolutions of all channels, or depthwise; not both into one layer."""
    item, depth = asked.population, asked.population.shape[0]
    for edge, channels in zip(asked.layer.edges, asked.layer.depths, strict=True):
        if in_tables(edge):
            yield Violation(
                layer=asked.name, rule="array tables", needed=f"synapses in tables (edge '{edge.name}')",
                available="kernels", help="Store it as one kernel: leave its organisation out.")
        if edge.shift or edge.operand or edge.logarithmic:
            yield Violation(
                layer=asked.name, rule="array products", needed=f"more than adding weights (edge '{edge.name}')",
                available="edges without shift, operand and logarithmic weights", help="Scale the weights instead.")
        if edge.groups > 1 and not edge.groups == channels == depth:
            yield Violation(
                layer=asked.name, rule="array groups", needed=f"{edge.groups} groups of channels (edge '{edge.name}')",
                available="one group, or one of each channel",
                help="Write it with groups=1, and zeros between the groups.")
    if len({is_depthwise(edge) for edge in asked.layer.edges}) > 1:
        yield Violation(
            layer=asked.name, rule="array kinds", needed=f"depthwise and other edges into '{item.name}'",
            available="one kind of them", help="Write it with groups=1, and zeros between the groups.")


def resolutions(asked: Asked) -> Iterator[Violation]:
    """Bits of operands are at least one, and hold weights, thresholds and initial states."""
    item, options, config = asked.population, asked.layer.options, asked.config
    bits = {"weight_bits": asked.layer.weight_bits, "potential_bits": asked.layer.potential_bits(config)}
    for name, value in bits.items():
        if not 1 <= value <= MOST_BITS:
            yield Violation(layer=asked.name, rule=f"array {name}", needed=f"operands of {value} bits",
                            available=f"1 to {MOST_BITS} bits",
                            help=either(_set(item.name, **{name: min(max(value, 1), MOST_BITS)})))
    for name in ("columns", "groups", "weight_slots", "potential_slots"):
        size = getattr(options, name, None)
        if size is not None and size < 1:
            yield Violation(layer=asked.name, rule=f"array {name}", needed=f"{name} = {size}", available="1 or more",
                            help=either(_set(item.name, **{name: 1})))
    if isinstance(options, LayerOptions) and options.stationary not in (None, *STATIONARY):
        yield Violation(layer=asked.name, rule="array stationary", needed=repr(options.stationary),
                        available=", ".join(STATIONARY), help="Choose one of them.")
    least_bits = max(weight_bits(edge.weights) for edge in asked.layer.edges)
    if least_bits > bits["weight_bits"] >= 1:
        yield Violation(
            layer=asked.name, rule="array weight range", needed=f"weights of {least_bits} bits",
            available=f"weights of {bits['weight_bits']} bits",
            help=either(_set(item.name, weight_bits=least_bits)))
    for name, values in (("threshold", item.threshold), ("initial", item.initial)):
        if values is None:
            continue
        low, high = int(np.min(values)), int(np.max(values))
        least_bits = max(signed_bits(low), signed_bits(high))
        if least_bits > bits["potential_bits"] >= 1:
            yield Violation(
                layer=asked.name, rule=f"array {name}", needed=f"{name} in [{low}, {high}]",
                available=f"potentials of {bits['potential_bits']} bits",
                help=either(_set(item.name, potential_bits=least_bits)))
        if name == "threshold" and low < 1:
            yield Violation(layer=asked.name, rule="array threshold", needed=f"threshold {low}",
                            available="thresholds of at least 1", help="Raise the threshold.")


BEFORE: tuple[Callable[[Asked], Iterator[Violation]], ...] = (neurons, sources, kinds, resolutions)
"""Rules of a layer by itself."""


# -- of the plan -----------------------------------------------------------------------------------


def columns(plan: CimPlan) -> Iterator[Violation]:
    """The groups of a block lie side by side in the array; a depthwise layer has one block."""
    most = plan.map.config.cim_columns
    for layer in plan.layers:
        shape, depth = layer.shape, plan.map.population(layer.name).population.shape[0]
        if not 0 <= shape.base <= most - shape.width or shape.groups > depth:
            yield Violation(
                layer=layer.name, rule="array columns", available=f"{most} columns, and {depth} channels",
                needed=f"{shape.groups} groups of {shape.columns} columns from column {shape.base} on",
                help="Leave columns of LayerOptions open, or give fewer.")
        elif layer.depthwise and layer.operands.blocks > 1:
            yield Violation(
                layer=layer.name, rule="array depthwise", needed=f"{depth} channels of {shape.columns} columns",
                available=f"one block, in {most} columns",
                help="Leave columns of LayerOptions open, or give fewer.")


def rows(plan: CimPlan) -> Iterator[Violation]:
    """Regions lie within the rows of the array, and on no other."""
    most = plan.map.config.cim_rows
    found = [(layer, part, lines) for layer in plan.layers for part, lines in layer.shape.regions().items()]
    for layer, part, lines in found:
        if lines.start < 0 or lines.stop > most:
            yield Violation(
                layer=layer.name, rule="array rows", needed=f"{part} in rows {lines.start} to {lines.stop - 1}",
                available=f"{most} rows", help="Leave places in the array open: LayerOptions.")
    for (one, part, lines), (other, second, others) in itertools.combinations(found, 2):
        beside = one.shape.base + one.shape.width <= other.shape.base or \
            other.shape.base + other.shape.width <= one.shape.base
        if not beside and max(lines.start, others.start) < min(lines.stop, others.stop):
            yield Violation(
                layer=other.name, rule="array rows", needed=f"{second} in rows {others.start} to {others.stop - 1}",
                available=f"rows without {part} of '{one.name}', {lines.start} to {lines.stop - 1}",
                help="Leave places in the array open: LayerOptions.")


def slots(plan: CimPlan) -> Iterator[Violation]:
    """A region has a slot for each operand, or a power of two; each slot a tag of its own."""
    config = plan.map.config
    for layer in plan.layers:
        for part, given, needed in (("weight", layer.shape.weight_slots, layer.operands.weights),
                                    ("potential", layer.shape.potential_slots, layer.operands.potentials)):
            if given.bit_count() != 1 and given != needed:
                yield Violation(
                    layer=layer.name, rule="array slots", needed=f"{given} slots of {part} operands",
                    available=f"a power of two, or {needed}, one for each",
                    help=either(_set(layer.name, **{f"{part}_slots": 1 << given.bit_length() - 1})))
    for part in ("weights", "potentials"):
        found = [(layer, layer.shape.tags()[part]) for layer in plan.layers]
        for layer, tags in found:
            if tags.start < 0 or tags.stop > config.cim_tags:
                yield Violation(
                    layer=layer.name, rule="array tags", needed=f"tags {tags.start} to {tags.stop - 1} of {part}",
                    available=f"{config.cim_tags} tags", help="Leave places in the array open: LayerOptions.")
        for (one, tags), (other, others) in itertools.combinations(found, 2):
            if max(tags.start, others.start) < min(tags.stop, others.stop):
                yield Violation(
                    layer=other.name, rule="array tags", needed=f"tags {others.start} to {others.stop - 1} of {part}",
                    available=f"tags without those of '{one.name}', {tags.start} to {tags.stop - 1}",
                    help="Leave places in the array open: LayerOptions.")


def operand_rows(plan: CimPlan) -> Iterator[Violation]:
    """A weight has no more rows than a potential, to which it is added row by row."""
    for layer in plan.layers:
        if layer.shape.weight_rows > layer.shape.potential_rows:
            yield Violation(
                layer=layer.name, rule="array operand rows", needed=f"{layer.shape.weight_rows} rows of a weight",
                available=f"{layer.shape.potential_rows} rows of a potential",
                help=either(_set(layer.name, potential_bits=layer.shape.weight_bits)))


def operand_counts(plan: CimPlan) -> Iterator[Violation]:
    """The event-to-synapse unit can name every operand, and the descriptor says where they lie."""
    config = plan.map.config
    for layer in plan.layers:
        found, most = layer.operands, weight_numbers(config, layer.depthwise)
        if not found.named(config):
            more = max(-(-found.states // state_numbers(config)), -(-found.weights // most))
            yield Violation(
                layer=layer.name, rule="array operands",
                needed=f"{found.states} potentials and {found.weights} weights",
                available=f"{state_numbers(config)} and {most} that an address can name",
                help=either(raised(config, "address_bits", config.address_bits + (more - 1).bit_length()),
                            "map the layer in parts of fewer positions"))


def blocks(plan: CimPlan) -> Iterator[Violation]:
    """The words of a layer count its blocks."""
    most = most_blocks(plan.map.config)
    for layer in plan.layers:
        if layer.operands.blocks > most:
            yield Violation(
                layer=layer.name, rule="array blocks", needed=f"{layer.operands.blocks} blocks of channels",
                available=f"at most {most}", help="Leave columns of LayerOptions open, or give fewer.")


def memory(plan: CimPlan) -> Iterator[Violation]:
    """All operands and descriptors fit the memory."""
    config = plan.map.config
    if plan.needed > config.memory_words:
        sizes = {layer.name: sum(layer.words.values()) for layer in plan.layers}
        largest = max(sizes, key=lambda name: sizes[name])
        yield Violation(
            layer=largest, rule="memory",
            needed=f"{plan.needed} words for the whole network, {sizes[largest]} of them for this, the largest layer",
            available=f"{config.memory_words} words of {config.word_bits} bits",
            help=either(raised(config, "address_bits", (plan.needed - 1).bit_length()),
                        "map fewer layers to the core"))


RULES: tuple[Callable[[CimPlan], Iterator[Violation]], ...] = (
    columns, rows, slots, operand_rows, operand_counts, blocks, memory)
SHARED = (strides, population_size, kernel_size, descriptor_fields, axons, counts, population_counts)
"""Rules of every core."""


# -- all of them -----------------------------------------------------------------------------------


def check_cim(program: Program, config: CoreConfig, given: Given, *, host: tuple[int, int] = (1, 0)) -> CimPlan:
    """The plan of a program that keeps every rule; arguments and errors as of
    `synapress.mapper.cim.image.build_cim_image`."""
    check_program(program)
    hosted = [item for item in program.populations if item.name not in program.inputs]
    if unknown := sorted(set(given) - {item.name for item in hosted}):
        raise NetworkError(f"program '{program.name}': there is no layer {', '.join(unknown)}; layers are: "
                           f"{', '.join(item.name for item in hosted)}")
    layers = {item.name: _layer(program, item, given.get(item.name)) for item in hosted}
    asked = [Asked(layer=layer, config=config, program=program) for layer in layers.values()]
    _refuse([violation for rule in BEFORE for layer in asked for violation in rule(layer)])
    plan = build_plan(program, config, _shapes(layers, given, config), host=host)
    _refuse([violation for rule in RULES for violation in rule(plan)])
    _refuse([violation for rule in SHARED for violation in rule(plan.map)])
    return plan


def _layer(program: Program, population: Population, options: LayerOptions | LayerShape | None) -> Layer:
    edges: Sequence[Edge] = program.edges_into(population.name)
    return Layer(population=population, edges=edges, options=options or LayerOptions(),
                 depths=[program.population(edge.source).shape[0] for edge in edges])


def _refuse(violations: Sequence[Violation]) -> None:
    if violations:
        raise RuleError(violations)


def _shapes(layers: Mapping[str, Layer], given: Given, config: CoreConfig) -> dict[str, LayerShape]:
    """The shapes that are given, or are chosen for all layers.

    Raises:
        RuleError: the array does not hold them.
        NetworkError: some layers have a shape and others not.
    """
    shapes = {name: item for name, item in given.items() if isinstance(item, LayerShape)}
    if shapes:
        if missing := [name for name in layers if name not in shapes]:
            raise NetworkError(f"layers {', '.join(shapes)} have a LayerShape, and {', '.join(missing)} not: "
                               "give the places of all in the array, or of none")
        return shapes
    found = choose(layers, config)
    if isinstance(found, dict):
        return found
    needed = least(layers[found], config)
    raise RuleError([Violation(
        layer=layer_of(layers[found].population), rule="array",
        needed="more columns or operands than there are" if needed is None else
        f"at least {needed} rows, for one operand of each kind, beside the other layers",
        available=f"{config.cim_rows} rows of {config.cim_columns} columns",
        help="Leave columns and stationary of LayerOptions open, give fewer bits, or map fewer layers to the core.")])
