"""The work of each layer of a simulation: events, synaptic operations, cycles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.program import Program
from golden.timing.cycles import layer_cycles
from golden.timing.look_up import edge_operations
from golden.timing.operations import places
from synapress.mapper import Image, MeshImage


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """Work of one layer, summed over the frames."""

    neurons: int
    events: int
    """Neurons that fired."""
    operations: int
    """Synaptic operations of the events that came in."""
    cycles: int | None = None
    """Cycles of ESU and neuron update for these events, by the cycle model (`golden.timing.cycles`), with the layer
    alone on a core; None unless asked for."""


def layer_counts(
    program: Program, image: Image | MeshImage, maps: Mapping[str, npt.NDArray[Any]], config: CoreConfig, cycles: bool
) -> dict[str, LayerCount]:
    """The work of all frames by population; `maps` are its values (N, D, W, H), `cycles` asks for those, too."""
    found = {}
    where = places(image.manifest) if isinstance(image, Image) else None
    for population in program.populations:
        name, edges = population.name, program.edges_into(population.name)
        took = sum(
            layer_cycles(program, name, {edge.source: maps[edge.source][number] for edge in edges}, config,
                         places=where).busy
            for number in range(len(maps[name]))) if cycles and edges else None
        found[name] = LayerCount(
            neurons=int(np.prod(population.shape)), events=int(np.count_nonzero(maps[name])), cycles=took,
            operations=sum(edge_operations(edge, program.population(edge.source), population, config).counts(
                maps[edge.source]).synapses for edge in edges))
    return found
