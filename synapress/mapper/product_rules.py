"""The rule of products, which edges must keep before they take the form of descriptors."""

from collections.abc import Iterator
from functools import partial

from golden.config import CoreConfig
from golden.neuron.types import neuron_model
from golden.neuron.types.product import Product
from golden.program import Program
from golden.words import NeuronType
from synapress.mapper.errors import Violation
from synapress.mapper.program_rules import layer_of
from synapress.mapper.time_rules import logarithmic
from synapress.mapper.ways_out import either, searched


def products(program: Program, config: CoreConfig) -> Iterator[Violation]:
    """The core has the products of edges; operands of neurons fit their part of a state, with weight 1 from one source.

    Checked before `synapress.mapper.network.legal_edges.legalize_edge` moves operand B to its place.
    """
    yield from logarithmic(program, config)
    bits = config.operand_bits
    for population in program.populations:
        if neuron_model(population.type) is not Product:
            continue
        layer = layer_of(population)
        unsigned = (population.type != NeuronType.PRODUCT, population.type == NeuronType.PRODUCT_UNSIGNED)
        incoming = [edge for edge in program.edges_into(population.name) if edge.weights.any()]
        if sorted(edge.operand for edge in incoming) != [0, 1] or any(
                edge.shift or not (edge.weights == 1).all() for edge in incoming):
            yield Violation(
                layer=layer, rule="product edges", needed="one edge per operand, with weights of 1",
                available=f"{len(incoming)} edges", help="Scale and add in a layer in front, or by the multiplier.")
        for edge in incoming:
            source = program.population(edge.source)
            low, high = source.bounds(config.value_bits)
            if not _holds(low, high, unsigned[edge.operand], config):
                least, most = _operand(config, unsigned[edge.operand])
                yield Violation(
                    layer=layer, rule="product operand", needed=f"[{low}, {high}] of '{edge.source}'",
                    available=f"[{least}, {most}]: an operand has {bits} of {config.state_bits} bits of a state",
                    help=either(f"give '{edge.source}' saturation SIGNED or RELU, or a table within", searched(
                        config, "state_bits", partial(_holds, low, high, unsigned[edge.operand]))))


def _operand(config: CoreConfig, unsigned: bool) -> tuple[int, int]:
    """What an operand may be."""
    least = 0 if unsigned else -1 << (config.operand_bits - 1)
    return least, least + (1 << config.operand_bits) - 1


def _holds(low: int, high: int, unsigned: bool, config: CoreConfig) -> bool:
    least, most = _operand(config, unsigned)
    return least <= low and high <= most
