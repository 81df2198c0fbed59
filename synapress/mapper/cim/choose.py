"""Shapes for the layers of a core, where a user leaves them open: what keeps most operands in the array.

Layers get rows below one another. Of every layer all shapes are looked at, and of their combinations the best that the
rows and tags hold is found exactly, by a knapsack: most bits kept, then fewest cycles per event, then fewest rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from golden.config import CoreConfig
from golden.program import Edge, Population
from synapress.mapper.cim.shapes import (
    BOTH,
    POTENTIALS,
    STATIONARY,
    WEIGHTS,
    LayerOptions,
    LayerShape,
    Operands,
    best_groups,
)
from synapress.mapper.look_up import weight_bits


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A population and what leads into it."""

    population: Population
    edges: Sequence[Edge]
    """In the order of their IDs."""
    depths: Sequence[int]
    """Source channels of each edge."""
    options: LayerOptions | LayerShape

    @property
    def weight_bits(self) -> int:
        """As asked for, or the fewest that hold the weights."""
        if self.options.weight_bits is not None:
            return self.options.weight_bits
        return max((weight_bits(edge.weights) for edge in self.edges), default=1)

    def potential_bits(self, config: CoreConfig) -> int:
        """As asked for, or those of a state."""
        return config.state_bits if self.options.potential_bits is None else self.options.potential_bits

    def operands(self, groups: int, config: CoreConfig) -> Operands:
        return Operands.of(self.population, self.edges, self.depths, groups, config)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A shape of a layer whose rows and tags are not given yet, and what it is worth."""

    shape: LayerShape
    rows: int
    kept: int
    """Bits of operands that stay in the array."""
    cycles: int
    """Of a tap: rows of a potential, of all blocks."""

    @property
    def worth(self) -> tuple[int, int, int]:
        return self.kept, -self.cycles, -self.rows

    def needs(self, config: CoreConfig) -> tuple[int, int, int]:
        """Rows, tags of weights and of potentials; no tags if there are enough for all rows."""
        if config.cim_tags >= config.cim_rows:
            return self.rows, 0, 0
        return self.rows, self.shape.weight_slots, self.shape.potential_slots


def candidates(layer: Layer, config: CoreConfig) -> list[Candidate]:
    """Every shape that the array holds, as far as the options leave it open."""
    asked, found = layer.options, []
    assert isinstance(asked, LayerOptions)
    bits_of_weight, potential_bits = layer.weight_bits, layer.potential_bits(config)
    widths = range(1, min(config.cim_columns, potential_bits) + 1) if asked.columns is None else [asked.columns]
    for columns in widths:
        groups = best_groups(layer.population.shape[0], columns, config)
        if not groups:
            continue
        counts = layer.operands(groups, config)
        if (counts.lane_words and counts.blocks > 1) or not counts.named(config):
            continue
        used = layer.population.shape[0]
        bits = {WEIGHTS: counts.weights * used // counts.blocks * bits_of_weight,
                POTENTIALS: counts.potentials * used // counts.blocks * potential_bits}
        for stays in STATIONARY if asked.stationary is None else [asked.stationary]:
            shape = LayerShape(
                weight_bits=bits_of_weight, potential_bits=potential_bits, columns=columns, groups=groups,
                weight_slots=counts.weights if stays in (WEIGHTS, BOTH) else 1,
                potential_slots=counts.potentials if stays in (POTENTIALS, BOTH) else 1,
                weight_row=0, potential_row=0, threshold_row=0, saturate=asked.saturate)
            rows = sum(map(len, shape.regions().values()))
            if rows <= config.cim_rows and max(shape.weight_slots, shape.potential_slots) <= config.cim_tags:
                kept = sum(bits[part] for part in (WEIGHTS, POTENTIALS) if stays in (part, BOTH))
                found.append(Candidate(shape=shape, rows=rows, kept=kept,
                                       cycles=counts.blocks * shape.potential_rows))
    return _undominated(found, config)


def least(layer: Layer, config: CoreConfig) -> int | None:
    """The fewest rows of a layer; None if the array does not hold it in any shape."""
    return min((item.rows for item in candidates(layer, config)), default=None)


def _undominated(found: Sequence[Candidate], config: CoreConfig) -> list[Candidate]:
    """Those than which no other is better with as few rows and tags, by their rows."""
    best: list[Candidate] = []
    for candidate in sorted(found, key=lambda item: (item.rows, *(-part for part in item.worth))):
        needed = candidate.needs(config)
        if not any(other.worth[:2] >= candidate.worth[:2]
                   and all(few <= many for few, many in zip(other.needs(config), needed, strict=True))
                   for other in best):
            best.append(candidate)
    return best


def choose(layers: Mapping[str, Layer], config: CoreConfig) -> dict[str, LayerShape] | str:
    """Shapes of all layers in one array; or the layer that has no room, by itself or beside those before it."""
    options = {name: candidates(layer, config) for name, layer in layers.items()}
    for name, found in options.items():
        if not found:
            return name
    # rows and tags used so far → worth, and what was chosen
    Best = tuple[tuple[int, int, int], tuple[Candidate, ...]]
    Needs = tuple[int, int, int]
    most: Needs = config.cim_rows, config.cim_tags, config.cim_tags
    best: dict[Needs, Best] = {(0, 0, 0): ((0, 0, 0), ())}
    for name, found in options.items():
        ahead: dict[Needs, Best] = {}
        for used, (worth, chosen) in best.items():
            for item in found:
                rows, weights, potentials = map(sum, zip(used, item.needs(config), strict=True))
                if rows > most[0] or weights > most[1] or potentials > most[2]:
                    continue
                more = rows, weights, potentials
                kept, cycles, fewer = map(sum, zip(worth, item.worth, strict=True))
                total = kept, cycles, fewer
                if more not in ahead or ahead[more][0] < total:
                    ahead[more] = total, (*chosen, item)
        if not ahead:
            return name
        best = ahead
    _, chosen = max(best.values(), key=lambda item: item[0])
    shapes = _grown(dict(zip(layers, (item.shape for item in chosen), strict=True)), layers, config)
    return placed(shapes)


def _grown(shapes: dict[str, LayerShape], layers: Mapping[str, Layer], config: CoreConfig) -> dict[str, LayerShape]:
    """More slots for what is streamed, as rows and tags are left: twice as many at a time, layer by layer."""
    def fits(shape: LayerShape) -> bool:
        others = [item for name, item in shapes.items() if name != grown]
        rows = sum(len(rows) for item in (*others, shape) for rows in item.regions().values())
        tags = max(sum(getattr(item, part) for item in (*others, shape))
                   for part in ("weight_slots", "potential_slots"))
        return rows <= config.cim_rows and tags <= config.cim_tags

    growing = True
    while growing:
        growing = False
        for part, total in (("potential_slots", "potentials"), ("weight_slots", "weights")):
            for grown, shape in list(shapes.items()):
                slots = getattr(shape, part)
                more = replace(shape, **{part: 2 * slots})
                if 2 * slots < getattr(layers[grown].operands(shape.groups, config), total) and fits(more):
                    shapes[grown], growing = more, True
    return shapes


def placed(shapes: Mapping[str, LayerShape]) -> dict[str, LayerShape]:
    """The shapes with rows and tags below one another: weights, potentials and threshold of each layer."""
    row = weight_tag = potential_tag = 0
    found = {}
    for name, shape in shapes.items():
        regions = shape.regions()
        potential_row = row + len(regions["weights"])
        found[name] = replace(
            shape, weight_row=row, potential_row=potential_row,
            threshold_row=potential_row + len(regions["potentials"]),
            weight_tag=weight_tag, potential_tag=potential_tag)
        row += sum(map(len, regions.values()))
        weight_tag += shape.weight_slots
        potential_tag += shape.potential_slots
    return found
