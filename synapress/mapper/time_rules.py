"""What networks of spikes in time need of a core: its products, and thresholds as it has them."""

from collections.abc import Iterator

import numpy as np

from golden.config import CoreConfig
from golden.program import Population, Program
from synapress.mapper.errors import Violation
from synapress.mapper.program_rules import layer_of


def logarithmic(program: Program, config: CoreConfig) -> Iterator[Violation]:
    """A core has the products of all edges, and their shifts leave room for what chooses one of two."""
    needed = {"log" if edge.logarithmic else "linear" for edge in program.edges}
    missing = needed - {"log": {"log"}, "both": {"linear", "log"}}.get(config.product, {"linear"})
    for edge in program.edges:
        layer = layer_of(program.population(edge.destination))
        if ("log" if edge.logarithmic else "linear") in missing:
            ways = f"'{needed.pop()}'" if len(needed) == 1 else "'both', and leave the neuron type 'product' out"
            ways += ", and leave organisations out, with decoder 'esu'" if config.organisations else ""
            yield Violation(
                layer=layer, rule="product", needed=f"{'logarithmic' if edge.logarithmic else 'linear'} products",
                available=f"a core with the product '{config.product}'", help=f"Set product to {ways}.")
            return  # the others need the same
        most = (1 << config.product_shift_bits - 1) - 1 if config.product == "both" else edge.shift
        if edge.shift > most:
            yield Violation(
                layer=layer, rule="product shift", needed=f"a shift of {edge.shift} (edge '{edge.name}')",
                available=f"at most {most}, as with both products the highest bit chooses one",
                help="Scale the weights instead.")


def thresholds(population: Population, config: CoreConfig) -> Iterator[Violation]:
    """There is a threshold for each value of a spike in time, and each is a state."""
    assert population.table is not None
    half, count = 1 << config.state_bits - 1, config.ttfs_times
    lowest, highest = int(np.min(population.table)), int(np.max(population.table))
    if np.size(population.table) != count or lowest < -half or highest >= half:
        yield Violation(
            layer=layer_of(population), rule="falling thresholds",
            needed=f"{np.size(population.table)} thresholds in [{lowest}, {highest}]",
            available=f"{count} thresholds in [{-half}, {half - 1}]",
            help="One threshold for each value of a spike in time, from that of 1 on.")
