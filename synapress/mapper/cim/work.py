"""What a compute-in-memory core, and an event core with lanes, do for one timestep of a layer, counted from its events.

An event is an addition for each tap that hits, in each block of channels side by side; then the potentials of each
position are compared with the threshold, and those of a block in which some neuron fires are reset. Each of these takes
as many cycles as a potential has rows. What is moved is the accounting of `synapress.mapper.cim.stationarity`; a core
that has fewer slots than a layer has operands moves more, which its counters say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from golden.accesses import operation_accesses
from golden.cim.macro import COLUMNS
from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Edge, Population, Program
from golden.timing.cycles import layer_cycles
from golden.timing.operations import EdgeOperations
from golden.types import Integers
from synapress.energy.cim import COLUMN_COUNTERS, MOVED_COUNTERS
from synapress.mapper.cim.stationarity import Kind, Layer

SOURCE, DESTINATION = "source", "destination"


def widest(layer: Layer, columns: int = COLUMNS) -> int:
    """N_C with which a potential has fewest rows while all channels are side by side: fewest cycles of an addition.

    Of those the fewest columns, so that least is lost to rounding; 1 if the channels take several blocks anyway.
    """
    most = max(columns // layer.outputs, 1)
    return min(range(1, most + 1), key=lambda width: (-(-layer.potential_bits // width), width))


def program_of(layer: Layer) -> Program:
    """A layer alone, with weights 0; padded so that source and layer have as many positions."""
    size = (layer.height, layer.height)
    weights = np.zeros((layer.outputs, layer.inputs, layer.kernel, layer.kernel), np.int64)
    return Program(
        name=layer.name, inputs=[SOURCE], outputs=[DESTINATION],
        populations=[Population(name=SOURCE, shape=(layer.inputs, *size)),
                     Population(name=DESTINATION, shape=(layer.outputs, *size))],
        edges=[Edge(name=layer.name, source=SOURCE, destination=DESTINATION, weights=weights,
                    padding=((layer.kernel - 1) // 2,) * 2)])


def edge_operations(layer: Layer, config: CoreConfig) -> EdgeOperations:
    """Which neurons an event of each source neuron reaches."""
    program = program_of(layer)
    return EdgeOperations.of(program.edges[0], program.population(SOURCE), program.population(DESTINATION), config)


@dataclass(frozen=True)
class Frame:
    """Which neurons fire in one timestep."""

    events: Integers
    """(inputs, height, height): of the source."""
    fires: Integers
    """(outputs, height, height): of the layer."""


def drawn(layer: Layer, sparsity: float, seed: int) -> Frame:
    """Neurons that fire independently, each with the probability 1 − sparsity.

    Raises:
        ConfigError: the sparsity is no share.
    """
    if not 0 <= sparsity <= 1:
        raise ConfigError(f"sparsity: {sparsity:g} is outside [0, 1]")
    random = np.random.default_rng(seed)
    size = (layer.height, layer.height)
    return Frame(*((random.random((channels, *size)) >= sparsity).astype(np.int64)
                   for channels in (layer.inputs, layer.outputs)))


def cim_work(layer: Layer, frame: Frame, config: CoreConfig, columns: int | None = None,
             array_columns: int = COLUMNS) -> dict[str, int]:
    """Counters of a timestep in an array, by their names (`golden.registers`), and `adds`, `compares`, `resets`.

    Args:
        config: of which only the arithmetic of edges is used.
        columns: N_C; default: `widest`.
        array_columns: of the array.

    Raises:
        ConfigError: an operand is wider than the array.
    """
    width = widest(layer, array_columns) if columns is None else columns
    if not 1 <= width <= array_columns:
        raise ConfigError(f"layer '{layer.name}': {width} columns of an operand are outside [1, {array_columns}]")
    edge = edge_operations(layer, config)
    hits = int((frame.events * edge.positions()).sum())
    block = min(layer.outputs, array_columns // width)
    groups = [min(block, layer.outputs - first) for first in range(0, layer.outputs, block)]
    fires = [int(part.any(axis=0).sum()) for part in np.split(frame.fires != 0, np.cumsum(groups)[:-1])]
    rows = -(-layer.potential_bits // width)
    positions = layer.height ** 2
    done = [hits + positions + reset for reset in fires]  # operations of each block
    active = rows * width * sum(many * size for many, size in zip(done, groups, strict=True))
    cycles = rows * sum(done)
    return {"events": int((frame.events != 0).sum()), "synapses": hits * layer.outputs, "adds": hits * len(groups),
            "compares": positions * len(groups), "resets": sum(fires), "cim_cycles": cycles,
            **dict(zip(COLUMN_COUNTERS, (active, cycles * array_columns - active), strict=True))}


def moved_words(layer: Layer, stays: str, word_bits: int) -> dict[str, int]:
    """Words that a timestep moves between the array and the memory behind it.

    Args:
        stays: `weights`, `potentials`, `both` or `none`.
    """
    potentials, weights = (0 if stays in (kind, "both") else -(-layer.bits(kind) // word_bits)
                           for kind in (Kind.POTENTIALS, Kind.WEIGHTS))
    return dict(zip(MOVED_COUNTERS, (potentials, weights, potentials), strict=True))


def lanes_work(layer: Layer, frame: Frame, config: CoreConfig) -> dict[str, int]:
    """Counters of a timestep in an event core with `lanes`, and `evaluation`: cycles of the evaluation, `busy` apart.

    Cycles and reads of weights are replayed (`golden.timing.cycles`), as if the layer were alone in its core.
    """
    edge = edge_operations(layer, config)
    counts = edge.counts(frame.events)
    cycles = layer_cycles(program_of(layer), DESTINATION, {SOURCE: frame.events}, config)
    states = -(-layer.outputs // config.lanes) * layer.height ** 2
    return {"events": counts.events, "synapses": counts.synapses, "word_ops": counts.word_ops, "busy": cycles.busy,
            "evaluation": cycles.evaluation, "weight_reads": cycles.weight_reads,
            **operation_accesses(counts.word_ops), "evaluation_reads": states, "evaluation_writes": states}


def summed(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Counters of several layers, one after the other."""
    return {name: sum(part[name] for part in parts) for name in parts[0]} if parts else {}
