"""The rules of edges whose synapses lie in tables: what a core must have, and what the header words hold."""

from collections.abc import Iterator
from dataclasses import replace

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Edge, Population
from golden.timing.look_up import MOST_WEIGHT_BITS
from golden.words import NeuronType, layouts
from synapress.mapper.errors import Repair, Violation
from synapress.mapper.image.word_fields import header_fields
from synapress.mapper.look_up import MOST_PLACES
from synapress.mapper.memory_map import EdgeEntry, MemoryMap
from synapress.mapper.program_rules import layer_of
from synapress.mapper.ways_out import either, raised

ONE_KERNEL = "store it as one kernel: leave its organisation out"
NO_SUMS = (NeuronType.MAX, *NeuronType.PRODUCTS)
"""Types of populations to which no synapses in tables lead."""
_REPAIRS = {"outputs": Repair.CHANNELS, "row_words": Repair.CHANNELS}
"""What a cut may mend, by field of the header words."""


def look_ups(plan: MemoryMap) -> Iterator[Violation]:
    """A core has the organisation of every edge in tables, and the header words hold what they say."""
    for item in plan.edges:
        if item.tables is not None:
            yield from of_edge(item, plan.program.population(item.edge.destination), plan.config)


def of_edge(item: EdgeEntry, destination: Population, config: CoreConfig) -> Iterator[Violation]:
    """The rule of one edge in tables."""
    assert item.tables is not None
    layer, name, bits = layer_of(destination), item.tables.organisation, item.tables.weight_bits
    if name not in config.organisations:
        yield missing(layer, item.edge.name, name, config)
        return
    yield from no_sum(destination, item.edge)
    if bits > config.table_weight_bits:
        yield Violation(
            layer=layer, rule="table weight_bits", needed=f"{bits} bits for the weights of edge '{item.edge.name}'",
            available=f"{config.table_weight_bits} bits", help=either(
                raised(config, "table_weight_bits", bits) if bits <= MOST_WEIGHT_BITS else "",
                "scale the branch by its product shift"))
    header = layouts(config).table_header
    sides = {"inputs": item.tables.inputs, "outputs": item.tables.outputs}
    large = [name for name, count in sides.items() if count > header.field(name).high]
    for name in large:
        yield _outside(item, layer, name, sides[name], header.field(name).high)
    if not large and item.tables.packed is not None:
        yield from _headers(item, layer, config)
    elif not large and bits <= MOST_WEIGHT_BITS:
        yield Violation(
            layer=layer, rule="table size", needed=f"{sides['inputs']} × {sides['outputs']} (edge '{item.edge.name}')",
            available=f"{MOST_PLACES} places of a matrix", help=either(ONE_KERNEL), repair=Repair.CHANNELS)


def missing(layer: str, edge: str, name: str, config: CoreConfig) -> Violation:
    """That a core does not have an organisation."""
    try:
        replace(config, decoder="mixed", organisations=(*config.organisations, name))
        help = f"set decoder to 'mixed' and add '{name}' to organisations"
    except ConfigError:
        help = ""
    there = ", ".join(config.organisations)
    return Violation(
        layer=layer, rule="organisation", needed=f"{name} (edge '{edge}')",
        available=f"a core with {there}" if there else f"a core without tables (decoder '{config.decoder}')",
        help=either(help, ONE_KERNEL))


def no_sum(destination: Population, edge: Edge) -> Iterator[Violation]:
    """That synapses in tables lead to what is no sum, or have codes for weights."""
    what = "of logarithmic weights" if edge.logarithmic else ""
    if destination.type in NO_SUMS:
        what = "into a maximum" if destination.type == NeuronType.MAX else "into a product"
    if what:
        yield Violation(layer=layer_of(destination), rule="organisation", available="sums of synapses in tables",
                        needed=f"{edge.organisation} {what} (edge '{edge.name}')", help=either(ONE_KERNEL))


def _headers(item: EdgeEntry, layer: str, config: CoreConfig) -> Iterator[Violation]:
    words = layouts(config)
    for layout, fields in zip((words.table_header, words.table_bases), header_fields(item), strict=True):
        for name, value in fields.items():
            field = layout.field(name)
            if value > field.high and not name.endswith("_base"):  # an address beyond the memory is refused as such
                yield _outside(item, layer, name, value, field.high)


def _outside(item: EdgeEntry, layer: str, name: str, value: int, most: int) -> Violation:
    return Violation(
        layer=layer, rule=f"table {name}", needed=f"{value} (edge '{item.edge.name}')", available=f"at most {most}",
        help=either(ONE_KERNEL), repair=_REPAIRS.get(name))
