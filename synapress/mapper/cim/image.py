"""Program → memory image of a core with a compute-in-memory array.

Words of populations, edges and axons as in any image; behind them the operands of each layer: weights, thresholds and
potentials, each operand as its rows in the array back to back; at the end of the memory the descriptor of each layer.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from golden.cim.layer import layer_address, layer_words
from golden.cim.operand import Shape, to_rows
from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Edge, Population, Program
from golden.types import IntArray
from synapress.mapper.cim.plan import CimLayer, CimPlan
from synapress.mapper.cim.rules import check_cim
from synapress.mapper.cim.shapes import LayerOptions, LayerShape
from synapress.mapper.image.image import Image, Writer, finished, put_descriptors, put_population


def build_cim_image(
    program: Program, config: CoreConfig, layers: Mapping[str, LayerOptions | LayerShape] | None = None, *,
    host: tuple[int, int] = (1, 0)
) -> Image:
    """The memory image of a whole program on one core with update "cim".

    Args:
        program: layers of integrate-and-fire neurons behind inputs that spike; edges as
            `synapress.mapper.network.legal_edges.legalize` leaves them.
        layers: population → what is asked of its operands, or where exactly they lie. If all that are named have a
            `LayerShape`, all populations must be named. Default: `synapress.mapper.cim.choose` decides.
        host: relative core address of the host.

    Raises:
        RuleError: the program has what the array does not compute, or does not fit it; nothing is written.
        NetworkError: a name in `layers` is no layer of the program, or some layers have a shape and others not.
        ConfigError: the core has no array.
    """
    if config.update != "cim":
        raise ConfigError(f"configuration field 'update' = {config.update} must be cim: operands lie in its array")
    return write_cim(check_cim(program, config, layers or {}, host=host))


def write_cim(plan: CimPlan) -> Image:
    """The words of a plan that keeps every rule, and their manifest."""
    config = plan.map.config
    writer = Writer(config, config.memory_words)
    put_descriptors(writer, plan.map)
    for index, (item, layer) in enumerate(zip(plan.map.populations, plan.layers, strict=True)):
        put_population(writer, item)
        population, rows = item.population, layer.shape
        potential = Shape(rows.potential_rows, rows.columns)
        parts = (
            ("weights", "weights", layer.weight_base, layer.weight_words, Shape(rows.weight_rows, rows.columns),
             _weights(layer), rows.weight_bits),
            ("thresholds", "parameters", layer.threshold_base, layer.potential_words, potential,
             _thresholds(population, layer), rows.potential_bits),
            ("potentials", "states", layer.potential_base, layer.potential_words, potential,
             _blocks(np.broadcast_to(_column(population.initial)[..., np.newaxis, np.newaxis],
                                     population.shape).transpose(1, 2, 0), layer), rows.potential_bits))
        for name, category, base, words, cells, values, bits in parts:
            writer.put_bytes(base, _packed(values, cells, words, config.word_bits))
            used = -(-sum(np.size(row) for row in values) * bits // 8)
            writer.region(category, population.name, base, layer.words[name], used)
        for number, (layout, word) in enumerate(zip(
                layer_words(config), layer.descriptor(config).pack(config, where=population.name), strict=True)):
            writer.put(layer_address(index, config) + number, layout, layout.unpack(word), population.name)
        writer.region("geometry words", population.name, layer_address(index, config), len(layer_words(config)))
    image = finished(writer, replace(plan.map, words=config.memory_words))
    for row, layer in zip(image.manifest["population_table"], plan.layers, strict=True):
        found = layer.shape
        row |= {
            "parameter_base": layer.threshold_base, "state_base": layer.potential_base,
            "state_words": layer.words["potentials"],
            "cim": vars(found) | {
                "weight_rows": found.weight_rows, "potential_rows": found.potential_rows,
                "weight_operands": layer.operands.weights, "potential_operands": layer.operands.potentials,
                "blocks": layer.operands.blocks, "stationary": found.stationary(layer.operands)}}
    return image


def _column(values: npt.ArrayLike | None) -> IntArray:
    """One number for all channels, or one for each."""
    return np.zeros(1, np.int64) if values is None else np.asarray(values, np.int64).reshape(-1)


def _thresholds(population: Population, layer: CimLayer) -> list[IntArray]:
    """Thresholds of each block; those of the last one are an operand of a whole block, too."""
    found = np.broadcast_to(_column(population.threshold), population.shape[0])
    whole = layer.operands.blocks * layer.shape.groups
    return _blocks(np.pad(found, (0, whole - len(found)), mode="edge"), layer)


def _blocks(values: IntArray, layer: CimLayer) -> list[IntArray]:
    """Values of all channels, the last axis, as those of each block, in the order of the operands."""
    groups = layer.shape.groups
    split = [values[..., first:first + groups].reshape(-1, min(groups, values.shape[-1] - first))
             for first in range(0, values.shape[-1], groups)]
    return [part[number] for number in range(len(split[0])) for part in split]


def _weights(layer: CimLayer) -> list[IntArray]:
    """Values of each weight operand: by source channel, column of the flipped kernel, row, block; numbers between two
    edges have none."""
    found: list[IntArray] = []
    for edge, first in zip(layer.edges, layer.operands.first_weights, strict=True):
        found += [np.zeros(0, np.int64)] * (first - len(found))
        found += _blocks(_ordered(edge, layer), layer)
    return found


def _ordered(edge: Edge, layer: CimLayer) -> IntArray:
    """The weights of an edge with the destination's channels as the last axis; of a depthwise one without source."""
    flipped = np.asarray(edge.weights, np.int64)[:, :, ::-1, ::-1]
    if not layer.depthwise:
        return flipped.transpose(1, 2, 3, 0)
    return np.broadcast_to(flipped[:, 0], (layer.shape.groups, *flipped.shape[2:])).transpose(1, 2, 0)


def _packed(values: list[IntArray], shape: Shape, words: int, word_bits: int) -> npt.NDArray[np.uint8]:
    """Operands as bytes of memory: (operands, bytes of an operand). Those with as many groups are packed at once."""
    found = np.zeros((len(values), words * word_bits // 8), np.uint8)
    sizes = np.array([row.size for row in values])
    for groups in np.unique(sizes[sizes > 0]):
        mine = np.flatnonzero(sizes == groups)
        rows = to_rows(np.concatenate([values[number] for number in mine]), shape)
        cells = rows.reshape(shape.rows, len(mine), -1).transpose(1, 0, 2).reshape(len(mine), -1)
        packed = np.packbits(cells, axis=1, bitorder="little")
        found[mine, :packed.shape[1]] = packed
    return found
