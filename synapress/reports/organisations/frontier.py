"""Accuracy against energy: a network that learned at several widths and densities, in each memory organisation.

The question of Schaefer et al.'s frontier: what a loss costs. A step of learning is a pass forward and an update of
each layer, one event from each of its sources and an error from each of its destinations; its accesses are counted by
the golden models at the shares of weights that were not zero when the learning ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from golden.errors import ConfigError
from synapress.energy.memory import MemoryModel
from synapress.reports.organisations.compare import MATRICES
from synapress.reports.organisations.layers import Drawn
from synapress.reports.organisations.learning import learned
from synapress.reports.organisations.learning_tables import STEP, spent
from synapress.reports.tables import Sheet


@dataclass(frozen=True, kw_only=True)
class Point:
    """A width and a density in one organisation."""

    organisation: str
    weight_bits: int
    density: float
    """Of the weights that there are; fewer may be other than zero."""
    loss: float
    lowest: float
    highest: float
    """Of the seeds."""
    energy: float
    """nJ of a step of learning."""
    best: bool = False
    """No other point has less energy and less loss."""


def frontier(trained: Mapping[str, Any], model: MemoryModel, *, seed: int = 1, named: Sequence[str] = MATRICES,
             progress: Callable[[str], None] = lambda _: None) -> list[Point]:
    """A point for each group of networks and each organisation whose memories the model has.

    Args:
        trained: with `epochs`, `silence`, `shapes`, (inputs, outputs) of each layer, and `rows`, each with bits,
            density, final, lowest, highest and `not zero`, the share of each layer, as
            `python -m benchmarks.learning --json` writes it.

    Raises:
        ConfigError: it is not that, or all memories are beyond the model.
    """
    try:
        every = [_point(name, row, trained["shapes"], model, seed, progress) for row in trained["rows"]
                 for name in named]
        made = [point for point in every if point is not None]
        if not all(isfinite(value) for point in made for value in (point.loss, point.lowest, point.highest,
                                                                   point.density, trained["epochs"],
                                                                   trained["silence"])):
            raise ValueError("a loss or density is no finite number")
    except KeyError as error:
        raise ConfigError(f"frontier: what was learned has no {error}; it is what benchmarks.learning writes with "
                          "--json") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"frontier: what was learned is malformed ({error}); it is what benchmarks.learning writes "
                          "with --json") from error
    if not made:
        raise ConfigError(f"frontier: nothing was learned whose memories '{model.name}' has")
    return [Point(**asdict(point) | {"best": not any(_beats(other, point) for other in made)}) for point in made]


def _beats(other: Point, point: Point) -> bool:
    return (other.energy <= point.energy and other.loss <= point.loss
            and (other.energy, other.loss) != (point.energy, point.loss))


def _point(name: str, row: Mapping[str, Any], shapes: Sequence[tuple[int, int]], model: MemoryModel, seed: int,
           progress: Callable[[str], None]) -> Point | None:
    """None if a memory is beyond the model."""
    energy = 0.0
    for (inputs, outputs), share in zip(shapes, row["not zero"], strict=True):
        layer = Drawn(name=f"{inputs} × {outputs}", inputs=inputs, outputs=outputs, density=share,
                      weight_bits=row["bits"])
        result = learned(layer, models=[model], seed=seed, named=[name], progress=progress)[0]
        value = spent(result, STEP, model.name)
        if value is None:
            return None
        energy += value
    return Point(organisation=name, weight_bits=row["bits"], density=row["density"], loss=row["final"],
                 lowest=row["lowest"], highest=row["highest"], energy=energy)


def sheet(points: Sequence[Point], model: MemoryModel) -> Sheet:
    """The points by energy, those that no other beats marked."""
    made = Sheet(title="Loss against energy", headings=(
        "organisation", "weight bits", "density", f"nJ a step, {model.name}", "loss", "lowest", "highest", "best"),
        left=(0, 7), caption=f"A step: a pass forward and an update of all layers. Without a point: what has a memory "
        f"of more than {model.most_bits:,} bits. {model.name}: {model.source}.")
    for point in sorted(points, key=lambda point: point.energy):
        made.add_row(point.organisation, f"{point.weight_bits}", f"{point.density:g}", f"{point.energy:,.4g}",
                     f"{point.loss:,.0f}", f"{point.lowest:,.0f}", f"{point.highest:,.0f}", "yes" if point.best else "")
    return made


def picture_parts(points: Sequence[Point], model: MemoryModel, silence: float) -> dict[str, Any]:
    """What `pictures.frontier_picture` draws."""
    return {"points": {name: [(point.energy, point.loss, point.lowest, point.highest,
                               f"{point.weight_bits} b, {point.density:g}")
                              for point in points if point.organisation == name]
                       for name in dict.fromkeys(point.organisation for point in points)},
            "best": sorted((point.energy, point.loss) for point in points if point.best), "silence": silence,
            "label": f"nJ of a step of learning, {model.name}"}
