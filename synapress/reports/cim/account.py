"""What a compute-in-memory core keeps, moves and takes on a network, as JSON: the tables and pictures are made of it.

Totals are counted in the cells of arrays that were really placed. Cycles and operations are counted on drawn events.
Energy is that of published constants and of memory models, never a measurement.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from golden.cim.macro import ROWS
from golden.errors import ConfigError
from synapress.energy.cim import (
    IDLE,
    POINTS,
    PUBLISHED_SPREAD,
    SHAPE_CHANNELS,
    SHAPES,
    Point,
    fitted_idle,
    shape_energy,
    spread,
    standby_pairs,
)
from synapress.mapper.cim.comparison import FIXED_BITS, MODEL, Design, compare
from synapress.mapper.cim.gains import SPARSITIES, Case, cases, tuned
from synapress.mapper.cim.macros import best_held, held, place
from synapress.mapper.cim.stationarity import (
    KILOBYTE,
    PUBLISHED,
    Choice,
    Kind,
    Layer,
    hybrid_least,
    hybrid_most,
    output_stationary,
    weight_stationary,
)

RULES: tuple[Callable[[Sequence[Layer]], Choice], ...] = (
    weight_stationary, output_stationary, hybrid_least, hybrid_most)
"""What stays of each layer, whatever the number of macros."""
HELD = (weight_stationary, hybrid_least)
"""Of these the paper compares what two macros hold."""
MACROS = (1, 2, 16)
SOP_BITS = FIXED_BITS
"""Resolutions of the paper's energy of a synaptic operation."""
MOST_MACROS = 4096
MOST_COUNTS, MOST_SPARSITIES = 32, 200
"""Different numbers of macros, each a column of a table; sparsities, each of which is counted event by event."""

Found = dict[str, Any]
Progress = Callable[[str], None]


def account(name: str, layers: Sequence[Layer], *, pools: Sequence[str] = (), macros: Sequence[int] = MACROS,
            sparsities: Sequence[float] = SPARSITIES, shapes: Sequence[tuple[int, int]] = SHAPES, seed: int = 1,
            model: str = MODEL, progress: Progress = lambda _: None) -> Found:
    """All tables of a network.

    Args:
        pools: names of layers that are left out.
        macros: numbers of arrays; the sweep over sparsities has the largest.
        shapes: rows and columns of operands whose energies are compared.
        seed: of weights and events. model: of the energy of memories.

    Raises:
        ConfigError: a number of macros, a sparsity, a resolution or a shape that there is not.
    """
    if len(macros) > MOST_COUNTS or len(sparsities) > MOST_SPARSITIES:
        raise ConfigError(f"{len(macros)} numbers of macros and {len(sparsities)} sparsities: at most {MOST_COUNTS} "
                          f"and {MOST_SPARSITIES} are counted: choose larger steps")
    if tall := [shape for shape in shapes if not 1 <= shape[0] <= ROWS]:
        raise ConfigError(f"shape {tall[0][0]}×{tall[0][1]}: its rows are outside [1, {ROWS}]")
    if wrong := [count for count in macros if not 1 <= count <= MOST_MACROS]:
        raise ConfigError(f"macros: {wrong[0]} is outside [1, {MOST_MACROS}]")
    if wrong_share := [share for share in sparsities if not 0 <= share < 1]:
        raise ConfigError(f"sparsity: {wrong_share[0]:g} is outside [0, 1)")
    most = max(macros)
    progress("what stays, placed in arrays")
    found: Found = {
        "network": name, "published_network": is_published(layers), "seed": seed, "pools": list(pools), "model": model,
        "layers": [_layer(layer) for layer in layers],
        "choices": [_choice(rule(layers), None, seed) for rule in RULES]
        + [_choice(best_held(layers, count), count, seed) for count in macros],
        "held": [{"macros": count, "kilobytes": {choice.name: held(choice, count, seed=seed).bits() / KILOBYTE
                                                 for choice in (rule(layers) for rule in HELD)}} for count in macros]}
    designs = []
    for sparsity in sparsities:
        progress(f"a timestep at a sparsity of {sparsity:.1%}")
        designs.append({"sparsity": sparsity, "designs": [
            _design(each) for each in compare(layers, sparsity, macros=most, seed=seed, model=model)]})
    published = cases() if found["published_network"] else ()
    mine = () if published and most == max(MACROS) else (tuned(f"{name}, {most} macros", layers, most),)
    gains = [_case(case, sparsities) for case in mine] + [_case(case, sparsities, case.published) for case in published]
    return found | {"macros": most, "sweep": designs, "gains": gains,
                    "operations": [_operations(point) for point in POINTS], "shapes": _shapes(shapes)}


def is_published(layers: Sequence[Layer]) -> bool:
    """Whether these are the layers that the paper's figures are about."""
    return list(layers) == list(PUBLISHED)


def _layer(layer: Layer) -> Found:
    return {"name": layer.name, "inputs": layer.inputs, "outputs": layer.outputs, "kernel": layer.kernel,
            "height": layer.height, "weight_bits": layer.weight_bits, "potential_bits": layer.potential_bits,
            "weights": layer.bits(Kind.WEIGHTS) / KILOBYTE, "potentials": layer.bits(Kind.POTENTIALS) / KILOBYTE}


def _choice(choice: Choice, macros: int | None, seed: int) -> Found:
    """Kilobytes of a choice, those that stay counted in the cells of the arrays."""
    placed = place(choice, macros, seed=seed)
    layers = [{"stays": choice.of(at), "kept": placed.bits(at) / KILOBYTE, "moved": choice.moved(at) / KILOBYTE}
              for at in range(len(choice.layers))]
    return {"name": choice.name if macros is None else f"optimum, {macros} macro{'s' if macros > 1 else ''}",
            "macros": placed.macros if macros is None else macros, "kept": placed.bits() / KILOBYTE,
            "moved": choice.moved() / KILOBYTE,
            "occupancy": float(placed.occupancy().mean()) if placed.macros else 0.0,
            "layers": layers}


def _design(design: Design) -> Found:
    return {"name": design.name, "cycles": design.cycles, "moved_words": design.moved_words, "pj": dict(design.pj),
            "total": design.total, "layers": [dict(part) for part in design.layers],
            "microseconds": {point.name: list(design.latency(point)) for point in POINTS}}


def _case(case: Case, sparsities: Sequence[float], published: tuple[float, float] | None = None) -> Found:
    return {"name": case.name, "assumes": case.assumes, "published": published and list(published),
            "gains": [{"sparsity": sparsity, "gain": case.gain(sparsity), "ours": list(case.ours.energy(sparsity)),
                       "other": list(case.other.energy(sparsity))} for sparsity in sparsities]}


def _operations(point: Point) -> Found:
    """A synaptic operation at a published operating point."""
    weights, potentials = SOP_BITS
    return {"point": point.name, "clock": point.clock, "column": point.column, "sop": point.per_sop(potentials),
            "per_bits": point.per_bits(weights, potentials), "rate": point.rate(potentials)}


def _shapes(shapes: Sequence[tuple[int, int]]) -> Found:
    """Energies of an operation by shape: with the standby of idle columns as published, as would fit, and without."""
    fitted = fitted_idle()
    return {
        "channels": SHAPE_CHANNELS, "spread": spread(), "fitted_spread": spread(fitted), "pairs": standby_pairs(),
        "published_spread": PUBLISHED_SPREAD, "idle": {"published": IDLE, "fitted": fitted},
        "rows": [{"rows": rows, "columns": columns, "published": shape_energy(rows, columns),
                  "fitted": shape_energy(rows, columns, idle=fitted), "without": shape_energy(rows, columns, idle=1)}
                 for rows, columns in shapes]}


def counted(found: Found, name: str) -> Mapping[str, Any]:
    """The choice of a name."""
    return next(choice for choice in found["choices"] if choice["name"] == name)
