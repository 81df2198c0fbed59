"""What a program must keep to fit a core: one small named function per rule.

A rule yields a `Violation` for each thing that does not fit; `check` runs them all and raises one error listing them.
Every refusal names the layer, the rule, what is needed, what there is, and what would help.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from golden.config import CoreConfig
from golden.fields import Field
from golden.neuron.types import neuron_model
from golden.program import Edge, Program
from golden.words import NeuronType, layouts
from synapress.mapper.axon_entries import AxonEntry
from synapress.mapper.errors import Repair, RuleError, Violation
from synapress.mapper.image.word_fields import edge_fields, edge_layout, geometry_fields
from synapress.mapper.look_up import in_tables
from synapress.mapper.memory_map import LOOK_UP, MemoryMap, build_memory_map
from synapress.mapper.program_rules import check_program, layer_of
from synapress.mapper.table_rules import look_ups
from synapress.mapper.time_rules import thresholds
from synapress.mapper.ways_out import MESH, either, raised, searched, signed_bits

Rule = Callable[[MemoryMap], Iterator[Violation]]


def _edge_layer(plan: MemoryMap, edge: Edge) -> str:
    return layer_of(plan.program.population(edge.destination))


def _outside(value: int, field: Field) -> bool:
    return not field.low <= value <= field.high


def _range(field: Field) -> str:
    return f"{field.name} in [{field.low}, {field.high}]"


def steps(config: CoreConfig) -> set[int]:
    """The strides and dilation rates that the hardware has: powers of two."""
    return {1 << i for i in range(1 << config.step_bits)}


# -- edges and types --------------------------------------------------------------------------


def strides(plan: MemoryMap) -> Iterator[Violation]:
    """Strides and dilation rates are equal in x and y, powers of two, within the field, and not both above one."""
    known = steps(plan.config)
    for edge in plan.program.edges:
        if in_tables(edge):
            continue
        for rule, rates in (("stride", edge.stride), ("dilation", edge.dilation)):
            if rates[0] != rates[1] or rates[0] not in known:
                yield Violation(
                    layer=_edge_layer(plan, edge), rule=rule, needed=f"{rule} {rates} (edge '{edge.name}')",
                    available=f"a power of two up to {max(known)}, the same in x and y",
                    help="synapress.mapper.legalize adapts what can be adapted; else cut the destination into columns "
                         "and rows.")
        if edge.operand:
            yield Violation(
                layer=_edge_layer(plan, edge), rule="operand", needed=f"operand B by edge '{edge.name}'",
                available="weights and shifts",
                help="synapress.mapper.legalize moves the weights to where the operand lies.")
        if max(edge.stride) > 1 and max(edge.dilation) > 1:
            yield Violation(
                layer=_edge_layer(plan, edge), rule="dilation",
                needed=f"stride {edge.stride} and dilation {edge.dilation}", available="one of them",
                help="synapress.mapper.legalize fills the kernel with zeros instead.")


def maximum_sources(plan: MemoryMap) -> Iterator[Violation]:
    """A maximum starts from 0: its sources must not be negative."""
    for edge in plan.program.edges:
        destination, source = plan.program.population(edge.destination), plan.program.population(edge.source)
        if destination.type == NeuronType.MAX and edge.weights.any() and source.bounds(plan.config.value_bits)[0] < 0:
            yield Violation(
                layer=layer_of(destination), rule="maximum", needed=f"values of '{source.name}', which may be negative",
                available="maxima of non-negative values: no event means 0",
                help=f"Give '{source.name}' RELU saturation, or pool before the layer that makes it negative.")


# -- fields ------------------------------------------------------------------------------------


def population_size(plan: MemoryMap) -> Iterator[Violation]:
    """Width, height and depth of every population fit coordinates, channels and channel words."""
    config = plan.config
    most_words = min((1 << config.depth_word_bits) - 1, ((1 << config.channel_bits) - 1) // config.lanes)
    for population in plan.program.populations:
        depth, width, height = population.shape
        hosted = population.name not in plan.program.inputs
        columns = 1 << config.coordinate_bits
        limits = (("width", width, columns, Repair.COLUMNS), ("height", height, columns, Repair.ROWS), (
            "depth", depth, most_words * config.lanes if hosted else 1 << config.channel_bits, Repair.CHANNELS))
        for name, needed, available, repair in limits:
            if needed > available:
                yield Violation(
                    layer=layer_of(population), rule=f"population {name}", needed=str(needed), available=str(available),
                    help=either(_deeper(config, depth, hosted) if name == "depth" else
                                raised(config, "coordinate_bits", (needed - 1).bit_length())), repair=repair)


def _deeper(config: CoreConfig, depth: int, hosted: bool) -> str:
    """Advice on the channels of a population, or of one of the host's."""
    words = -(-depth // config.lanes)
    bits = max((words * config.lanes).bit_length(), words.bit_length() + config.lane_bits)
    return raised(config, "channel_bits", bits if hosted else (depth - 1).bit_length())


def kernel_size(plan: MemoryMap) -> Iterator[Violation]:
    """Taps fit the kernel fields, and the kernel's extent what an axon can tell."""
    taps, extent = 1 << plan.config.kernel_bits, 1 << (plan.config.offset_bits - 2)
    for item in plan.edges:
        if item.kind == LOOK_UP:
            continue
        layer, kernel = _edge_layer(plan, item.edge), item.edge.weights.shape[2:]
        if max(kernel) > taps:
            yield Violation(
                layer=layer, rule="kernel size", needed=f"{kernel[0]} × {kernel[1]}", available=f"{taps} × {taps}",
                help=either("synapress.mapper.legalize splits such a kernel",
                            raised(plan.config, "kernel_bits", (max(kernel) - 1).bit_length())))
        if max(item.axon.extent) > extent:
            yield Violation(
                layer=layer, rule="kernel extent", available=f"{extent} × {extent}",
                needed=f"{item.axon.extent[0]} × {item.axon.extent[1]} with dilation",
                help=either("synapress.mapper.legalize splits such a kernel",
                            raised(plan.config, "offset_bits", (max(item.axon.extent) - 1).bit_length() + 2)))


def descriptor_fields(plan: MemoryMap) -> Iterator[Violation]:
    """Strides between weights and states, product shifts and channel counts fit the geometry and the edge word."""
    table = layouts(plan.config)
    checked = {"x_stride", "shift", "weight_stride", "source_channels", "depth_words"}
    repairs = dict.fromkeys(("weight_stride", "x_stride", "depth_words"), Repair.CHANNELS)
    for item in plan.edges:
        destination = plan.population(item.edge.destination)
        values = geometry_fields(destination, plan.config) | edge_fields(item, destination, plan.config)
        for field in (*table.geometry.fields, *edge_layout(item, plan.config).fields):
            if field.name in checked and _outside(values[field.name], field):
                yield Violation(
                    layer=_edge_layer(plan, item.edge), rule=f"edge {field.name}",
                    needed=f"{values[field.name]} (edge '{item.edge.name}')", available=f"at most {field.high}",
                    help=_edge_help(field.name, values[field.name], plan.config), repair=repairs.get(field.name))


def _edge_help(name: str, value: int, config: CoreConfig) -> str:
    """What helps where a field of an edge word does not hold a value, besides what cuts do."""
    ways = {
        "shift": ("scale the weights instead",),
        "weight_stride": (raised(config, "weight_stride_bits", value.bit_length()),),
        "source_channels": (MESH, raised(config, "channel_bits", (value - 1).bit_length())),
    }
    return either(*ways.get(name, ()))


def weights(plan: MemoryMap) -> Iterator[Violation]:
    """Weights fit weight_bits."""
    high = (1 << (plan.config.weight_bits - 1)) - 1
    for item in plan.edges:
        if item.kind == LOOK_UP:
            continue
        lowest, highest = int(item.edge.weights.min()), int(item.edge.weights.max())
        if lowest < -high - 1 or highest > high:
            yield Violation(
                layer=_edge_layer(plan, item.edge), rule="weight range", needed=f"[{lowest}, {highest}]",
                available=f"[{-high - 1}, {high}]",
                help="Quantize the weights, or scale a branch by its product shift.")


def parameters(plan: MemoryMap) -> Iterator[Violation]:
    """Bias, multiplier, shift, slope or threshold fit the parameter word and what looks at them; so do states."""
    config = plan.config
    for item in plan.populations:
        for name in ("bias", "multiplier", "shift", "slope", "threshold", "initial"):
            column = getattr(item.population, name)
            if column is None or (
                    name == "threshold" and neuron_model(item.population.type).threshold_field != "slope"):
                continue  # the network looked at it
            field = _parameter_field(config, name)
            lowest, highest = int(np.min(column)), int(np.max(column))
            if _outside(lowest, field) or _outside(highest, field):
                yield Violation(
                    layer=layer_of(item.population), rule=f"parameter {name}", needed=f"[{lowest}, {highest}]",
                    available=_range(field), help=either("rescale the layer", _wider(
                        config, name, lowest, highest, int(np.max(item.population.multiplier)))))


def _parameter_field(config: CoreConfig, name: str) -> Field:
    """What a parameter has of the parameter word."""
    shared = {"threshold": "slope", "initial": "bias"}  # a state is as wide as a bias
    field = layouts(config).parameter.field(shared.get(name, name))
    widths = {"slope": config.multiplier_bits + 1, "threshold": config.state_bits + 1}
    return Field(field.name, min(field.bits, widths[name]), signed=True) if name in widths else field


def _holds(name: str, lowest: int, highest: int, multiplier: int, config: CoreConfig) -> bool:
    field = _parameter_field(config, name)
    return multiplier < 1 << config.multiplier_bits and not _outside(lowest, field) and not _outside(highest, field)


@lru_cache(maxsize=256)
def _wider(config: CoreConfig, name: str, lowest: int, highest: int, multiplier: int) -> str:
    """The field to be changed for a parameter, as there is room; a wide slope takes it from what the multiplier, which
    is at most the given one, does not need."""
    return searched(config, {"multiplier": "multiplier_bits", "shift": "shift_bits"}.get(
        name, "multiplier_bits" if name in ("slope", "threshold") else "state_bits"),
        partial(_holds, name, lowest, highest, multiplier))


def value_tables(plan: MemoryMap) -> Iterator[Violation]:
    """A value table has an entry for every event value, and entries are event values; thresholds are states."""
    size = 1 << plan.config.value_bits
    for item in plan.populations:
        table = item.population.table
        if table is not None and not item.population.looks_up:
            yield from thresholds(item.population, plan.config)
        elif table is not None and (np.size(table) != size or np.min(table) < -size // 2 or np.max(table) >= size // 2):
            yield Violation(
                layer=layer_of(item.population), rule="value table",
                needed=f"{np.size(table)} entries in [{np.min(table)}, {np.max(table)}]",
                available=f"{size} entries in [{-size // 2}, {size // 2 - 1}]",
                help="One entry for each event value, from the lowest.")


def axons(plan: MemoryMap) -> Iterator[Violation]:
    """Offsets, limits, upsampling and core addresses fit the axon word; no anchor leaves the PEG's adders."""
    listed = [(item.axon, _edge_layer(plan, item.edge)) for item in plan.edges]
    listed += [(axon, layer_of(item.population)) for item in plan.populations for axon in item.axons]
    for axon, layer in listed:
        yield from axon_violations(axon, layer, plan.config)


AXON_FIELDS: dict[str, tuple[Repair | None, Repair | None]] = {
    "x_offset": (Repair.SOURCE_COLUMNS, Repair.COLUMNS), "y_offset": (Repair.SOURCE_ROWS, Repair.ROWS),
    "x_limit": (Repair.COLUMNS, Repair.COLUMNS), "y_limit": (Repair.ROWS, Repair.ROWS),
    "upsample": (None, None), "stride": (None, None), "id": (None, None),
}
"""The checked fields of an axon word, and the cuts that may mend it where one does not fit: of a value below the
field's, and of one above. A source that begins far beyond its destination is one of smaller destinations."""


def _axon_help(name: str, value: int, config: CoreConfig) -> str:
    """What helps where a field of an axon word does not hold a value."""
    ways = {
        "offset": ("", raised(config, "offset_bits", signed_bits(value))),
        "limit": ("", raised(config, "offset_bits", value.bit_length() + 1 + config.extent_unit_log2)),
        "upsample": ("upsample in several layers", raised(config, "upsample_bits", value.bit_length())),
        "stride": ("use strides that the hardware has, in several layers if need be", ""),
        "id": ("", raised(config, "edge_bits", value.bit_length())),
    }
    return either(*ways[name.rpartition("_")[2]])


def axon_violations(axon: AxonEntry, layer: str, config: CoreConfig) -> Iterator[Violation]:
    """What of one axon does not fit."""
    layout = layouts(config).axon
    low, high = -(1 << (config.offset_bits + 1)), (1 << (config.offset_bits + 1)) - 1
    far = config.mesh_reach
    for name, (below, above) in AXON_FIELDS.items():
        if _outside(axon.fields[name], layout.field(name)):
            yield Violation(
                layer=layer, rule=f"axon {name}", needed=str(axon.fields[name]),
                available=_range(layout.field(name)), help=_axon_help(name, axon.fields[name], config),
                repair=above if axon.fields[name] > 0 else below)
    cuts = (Repair.SOURCE_COLUMNS, Repair.SOURCE_ROWS)
    for axis, (first, last), repair in zip("xy", axon.anchors, cuts, strict=True):
        if first < low or last > high:
            yield Violation(
                layer=layer, rule=f"anchor {axis}_min", needed=f"[{first}, {last}]", available=f"[{low}, {high}]",
                help="Use less upsampling.", repair=repair)
    for name in ("core_x", "core_y"):
        if abs(axon.fields[name]) > far:
            yield Violation(
                layer=layer, rule=f"axon {name}", needed=str(axon.fields[name]), available=f"[{-far}, {far}]",
                help=either("place the cores closer, as a credit must find its way back", raised(
                    config, "mesh_bits", abs(axon.fields[name]).bit_length() + 1)))


# -- counts and memory -------------------------------------------------------------------------


def counts(plan: MemoryMap) -> Iterator[Violation]:
    """Event IDs, populations, inputs and outputs fit their fields."""
    config = plan.config
    for name, needed, available, field in (
        ("event IDs", len(plan.edges), config.max_edges, "edge_bits"),
        ("populations", len(plan.populations), config.max_populations, "population_bits"),
        ("inputs", plan.inputs, config.max_populations, "population_bits"),
        ("outputs", len(plan.program.outputs), config.max_edges, "edge_bits"),
        ("ends of timestep of all populations", sum(item.incoming for item in plan.populations),
         1 << config.incoming_bits, "incoming_bits"),
    ):
        if needed > available:
            yield Violation(layer=plan.program.name, rule=f"number of {name}", needed=str(needed),
                            available=str(available),
                            help=either(raised(config, field, (needed - 1).bit_length())), repair=Repair.OTHER_CUTS)


def most_ids(config: CoreConfig) -> int:
    """Event IDs that one population may have: fewer than half of a core's, so that others have some."""
    return max(1, config.max_edges // 2 - 1)


def population_counts(plan: MemoryMap) -> Iterator[Violation]:
    """Axons, incoming ends of timestep and IDs of each population fit its word."""
    layout, taps = layouts(plan.config).population, 1 << plan.config.kernel_bits
    share = "insert identity layers that share the connections"
    remedies = {
        "axons": (share, "axon_count_bits"), "incoming": (share, "incoming_bits"), "edges": (
            "sum many branches in several layers, and go in two steps if a kernel is larger than "
            f"{taps} × {taps} taps, as pool 8 × 8 with stride 8 first does",
            "edge_bits"),
    }
    for item in plan.populations:
        for name, count, repair in (("axons", len(item.axons), Repair.FEWER_AXONS),
                                    ("incoming", item.incoming, Repair.FEWER_SOURCES),
                                    ("edges", len(item.ids), Repair.FEWER_PIECES)):
            most = layout.field(name).high if name != "edges" else most_ids(plan.config)
            bits = count.bit_length() if name != "edges" else (2 * count + 1).bit_length()
            if count > most:
                yield Violation(
                    layer=layer_of(item.population), rule=f"population {name}", needed=str(count),
                    available=f"{name} in [0, {most}]", repair=repair,
                    help=either(remedies[name][0], raised(plan.config, remedies[name][1], bits)))


def memory(plan: MemoryMap) -> Iterator[Violation]:
    """All words fit the memory."""
    if plan.words > plan.config.memory_words:
        sizes = {layer_of(item.population): item.table_words + len(item.axons) + item.parameters + item.state_words
                 for item in plan.populations}
        for item in plan.edges:
            sizes[_edge_layer(plan, item.edge)] += item.weight_words
        largest = max(sizes, key=lambda name: sizes[name])
        yield Violation(
            layer=largest, rule="memory",
            needed=f"{plan.words} words for the whole network, {sizes[largest]} of them for this, the largest layer",
            available=f"{plan.config.memory_words} words of {plan.config.word_bits} bits",
            help=either(raised(plan.config, "address_bits", (plan.words - 1).bit_length())), repair=Repair.CHANNELS)


RULES: tuple[Rule, ...] = (
    strides, maximum_sources, population_size, kernel_size, descriptor_fields, weights, look_ups, parameters,
    value_tables, axons, counts, population_counts, memory,
)


def check(program: Program, config: CoreConfig, *, pad: bool = True, host: tuple[int, int] = (1, 0)) -> MemoryMap:
    """The plan of a program that keeps every rule.

    Raises:
        RuleError: with one violation per thing that does not fit.
        NetworkError: the program names populations that do not exist, or has a cycle.
    """
    check_program(program)
    plan = build_memory_map(program, config, pad=pad, host=host)
    check_memory_map(plan)
    return plan


def check_memory_map(plan: MemoryMap) -> None:
    """The rules of `check` for one core."""
    violations = [violation for rule in RULES for violation in rule(plan)]
    if violations:
        raise RuleError(list(map(_on_mesh, violations)) if _divisible(plan) else violations)


_CUTS = (Repair.CHANNELS, Repair.COLUMNS, Repair.ROWS, Repair.SOURCE_COLUMNS, Repair.SOURCE_ROWS, Repair.OTHER_CUTS)
"""What a mesh does."""


def _on_mesh(violation: Violation) -> Violation:
    """With a mesh as a way out, where smaller parts on several cores mend it."""
    if violation.repair not in _CUTS:
        return violation
    others = violation.help[0].lower() + violation.help[1:].removesuffix(".")
    return replace(violation, help=either(MESH, "" if violation.help == either() else others))


def _divisible(plan: MemoryMap) -> bool:
    """Whether the smallest part of each population, one channel word of one neuron, has room in a core."""
    least = {item.population.name: item.table_words + min(item.parameters, plan.config.lanes) + len(item.axons) + 3
             for item in plan.populations}
    for item in plan.edges:
        words = -(-plan.program.population(item.edge.destination).shape[0] // plan.config.lanes)
        least[item.edge.destination] += 1 + len(item.rows) - (-item.weight_words // words)
    return max(least.values(), default=0) <= plan.config.memory_words
