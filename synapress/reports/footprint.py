"""Memory of a network: by this technique and both references as the paper counts them, and as really written.

The figures are those of `synapress.mapper.footprint`; here they become one report, as tables, JSON and a figure
[B §5.2, Fig. 6].
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from golden.config import CoreConfig
from golden.program import Program
from synapress.mapper.footprint import (
    CORE_BYTES,
    MB,
    PUBLISHED,
    Connectivity,
    Footprint,
    RealConnectivity,
    by_layer,
    cells,
    connectivity,
    hierarchical_lut,
    lut,
    proposed,
    real_connectivity,
)
from synapress.mapper.image.image import Image, write_image
from synapress.mapper.image.schemas import CATEGORIES
from synapress.mapper.neuron_rules import check_types
from synapress.mapper.partition.fragments import PartitionedProgram, plan_alone
from synapress.mapper.partition.search import partition
from synapress.mapper.placement.bin_packing import available, needs, pack
from synapress.reports.tables import Sheet, size

IMAGE_PARTS = {
    "neurons": ("states",), "parameters": ("weights", "parameters"),
    "connectivity": tuple(item for item in CATEGORIES if item not in ("states", "weights", "parameters")),
    "padding": ("padding",),
}
"""What the categories of an image count as, in addition to the paper's."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One population, in bytes."""

    name: str
    shape: tuple[int, int, int]
    fragments: int
    techniques: dict[str, Footprint]
    image: dict[str, int]
    """By `IMAGE_PARTS`, all fragments together."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Memory of a network, layer by layer and in all."""

    network: str
    config: str
    core_bytes: int
    """Memory of a core of this configuration."""
    layers: list[Layer]
    totals: list[Footprint]
    """This technique, hierarchical LUT, LUT."""
    paper_words: Connectivity
    image: dict[str, int]
    image_words: dict[str, int]
    """By category, words of all images."""
    real: RealConnectivity
    cores: dict[str, int]
    """By technique; for those of the paper's accounting, bytes over the memory of the paper's core, 256 kB."""
    cells: dict[str, float]

    def residuals(self) -> dict[str, tuple[float, float, float, int]]:
        """Published cells: number, ours in its unit, difference in per cent, and the unit."""
        published = PUBLISHED.get(self.network, {})
        return {cell: (number, self.cells[cell] / unit, 100 * (self.cells[cell] / (number * unit) - 1), unit)
                for cell, (number, unit) in published.items()}

    def factors(self) -> dict[str, dict[str, float]]:
        """How many times this technique's bytes, and the packed images' cores, each technique needs."""
        ours = self.totals[0].total
        bytes_ = {"image as written": sum(self.image.values())} | {item.technique: item.total for item in self.totals}
        packed = self.cores["image as written"]
        return {name: {"total": total / ours, "cores": self.cores[name] / packed} for name, total in bytes_.items()}

    def claims(self) -> dict[str, tuple[str, float, float, str]]:
        """The paper's other figures for a network: as printed, number, ours, and why ours differs."""
        if self.network != "pilotnet":
            return {}
        factors = self.factors()
        less = "ours packs into fewer cores"
        return {
            "words of connectivity": ("405", 405, self.paper_words.words, ""),
            "LUT : this technique": ("262", 262, factors["LUT"]["total"], ""),
            "hierarchical LUT : this technique": ("166", 166, factors["hierarchical LUT"]["total"], ""),
            "cores": ("3", 3, self.cores["image as written"], "several populations share a core"),
            "cores, LUT : ours": ("at least 101", 101, self.cores["LUT"] / self.cores["image as written"], less),
            "cores, hierarchical LUT : ours": (
                "at least 101", 101, self.cores["hierarchical LUT"] / self.cores["image as written"], less),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network, "config": self.config,
            "layers": [{"name": layer.name, "shape": list(layer.shape), "fragments": layer.fragments,
                        "techniques": {name: item.to_json() for name, item in layer.techniques.items()},
                        "image": layer.image} for layer in self.layers],
            "totals": {item.technique: item.to_json() for item in self.totals},
            "connectivity_words": self.paper_words.to_json(), "image": self.image, "image_words": self.image_words,
            "real_connectivity": self.real.to_json(), "cores": self.cores, "cells": self.cells,
            "factors": self.factors(),
            "claims": {name: {"printed": printed, "paper": number, "ours": ours, "reason": reason}
                       for name, (printed, number, ours, reason) in self.claims().items()},
            "published": {cell: {"paper": number, "ours": ours, "residual_percent": percent, "unit_bytes": unit}
                          for cell, (number, ours, percent, unit) in self.residuals().items()},
        }


Written = tuple[dict[str, dict[str, int]], dict[str, int]]
"""Bytes by population and part (`IMAGE_PARTS`), and words by category."""


def _written(images: Iterable[Image], layers: Iterable[str]) -> Written:
    """What images hold, by the population that each word is of, or of a fragment of."""
    parts = {layer: dict.fromkeys(IMAGE_PARTS, 0) for layer in layers}
    words = dict.fromkeys(CATEGORIES, 0)
    part_of = {category: part for part, categories in IMAGE_PARTS.items() for category in categories}
    for image in images:
        tables, word_bytes = image.manifest, image.config.word_bits // 8
        owners = {row["name"]: row.get("parent") or row["name"] for row in tables["population_table"]}
        owners |= {row["name"]: owners[row["destination"]] for row in tables["edge_table"]}
        for region in tables["regions"]:
            layer, padding = parts[owners[region["owner"]]], region["padding_bytes"]
            layer[part_of[region["category"]]] += region["words"] * word_bytes - padding
            layer["padding"] += padding
            words[region["category"]] += region["words"]
    return parts, words


def _alone(result: PartitionedProgram, progress: Callable[[str], None]) -> Iterator[Image]:
    """Each fragment's image, as if it had a core of its own."""
    for number, fragment in enumerate(result.hosted):
        progress(f"image of fragment {number + 1} of {len(result.hosted)}")
        image = write_image(plan_alone(result, fragment.name))
        for row in image.manifest["population_table"]:
            row["parent"] = fragment.parent
        yield image


def account(program: Program, config: CoreConfig, *, images: Sequence[Image] | None = None,
            progress: Callable[[str], None] = lambda _: None) -> Report:
    """Account a program of `synapress.mapper.network.populations`: cut it for these cores, write the images, and count.

    Args:
        images: of all cores, if the program is mapped already.
        progress: called with what is being done.

    Raises:
        NetworkError, MappingError: as `synapress.mapper.compile_mesh`.
    """
    progress("cutting")
    check_types(program, config)
    result = partition(program, config)
    written = _written(_alone(result, progress) if images is None else images, result.grids)
    progress("packing")
    count = len(pack(result, needs(result), available(config), {})) if images is None else len(images)
    return _report(program, result, *written, count)


def _report(program: Program, result: PartitionedProgram, images: dict[str, dict[str, int]], words: dict[str, int],
            count: int) -> Report:
    totals = [proposed(program), hierarchical_lut(program), lut(program)]
    layers = [
        Layer(name=name, shape=program.population(name).shape, fragments=result.grids[name].parts,
              techniques=techniques, image=images[name])
        for name, techniques in by_layer(program).items()]
    return Report(
        network=program.name, config=result.config.name, core_bytes=result.config.memory_bytes, layers=layers,
        totals=totals,
        paper_words=connectivity(program),
        image={part: sum(layer.image[part] for layer in layers) for part in IMAGE_PARTS}, image_words=words,
        real=real_connectivity(result), cells=cells(program),
        cores={"image as written": count} | {item.technique: ceil(item.total / CORE_BYTES) for item in totals})


# -- tables ------------------------------------------------------------------------------------


def tables(report: Report) -> list[Sheet]:
    """The report for people: layers, totals, words of connectivity, published cells."""
    return [_layer_table(report), _total_table(report), _word_table(report)] + (
        [_cell_table(report)] if report.residuals() else []) + ([_claim_table(report)] if report.claims() else [])


def _layer_table(report: Report) -> Sheet:
    table = Sheet(
        title=f"{report.network}: memory by layer",
        headings=("layer", "shape", "fragments", "neurons", "connectivity", "parameters", "image", "hier. LUT",
                  "LUT", "LUT : this"),
        caption="Image: as really written, padding and biases included. All else by the paper's accounting.")
    for layer in report.layers:
        ours, two_level, flat = layer.techniques.values()
        table.add_row(layer.name, " × ".join(map(str, layer.shape)), str(layer.fragments), size(ours.neurons),
                      size(ours.connectivity), size(ours.parameters), size(sum(layer.image.values())),
                      size(two_level.total), size(flat.total), f"{flat.total / ours.total:,.1f}×")
    return table


def _total_table(report: Report) -> Sheet:
    table = Sheet(
        title=f"{report.network}: total memory ({report.config})",
        headings=("technique", "neurons", "connectivity", "parameters", "padding", "total", "to this technique",
                  "cores"),
        caption=f"Cores of the image: packed, {size(report.core_bytes)} each. Of the others: bytes over the paper's "
                "256 kB, rounded up.")
    whole, ours = sum(report.image.values()), report.totals[0].total
    table.add_row("image as written", size(report.image["neurons"]), size(report.image["connectivity"]),
                  size(report.image["parameters"]), size(report.image["padding"]), size(whole), f"{whole / ours:,.2f}×",
                  f"{report.cores['image as written']:,}")
    for item in report.totals:
        table.add_row(item.technique, size(item.neurons), size(item.connectivity), size(item.parameters), "",
                      size(item.total), f"{item.total / ours:,.2f}×", f"{report.cores[item.technique]:,}")
    return table


def _word_table(report: Report) -> Sheet:
    real, paper = report.real, report.real.paper
    table = Sheet(
        title=f"{report.network}: words of connectivity at the same cuts",
        headings=("", "paper's scheme", "ours"),
        caption=f"Ours is {real.factor:,.1f} times smaller: descriptors shared by all source channels, and "
                "no axon that cannot hit. The images' words and the axons that the host keeps.")
    table.add_row("kernel descriptors", f"{paper.kernel_descriptors:,}", f"{real.descriptors:,}")
    table.add_row("tables, a word per source channel", "", f"{real.tables:,}")
    table.add_row("axons", f"{paper.axons:,}", f"{real.axons:,}")
    table.add_row("axons to the host", "", f"{real.output_axons:,}")
    table.add_row("populations", f"{paper.population_descriptors:,}", f"{real.population_words:,}")
    table.add_row("geometry, shared by a population's kernels", "", f"{real.geometry_words:,}")
    table.add_section()
    table.add_row("in all", f"{paper.words:,}", f"{real.words:,}")
    return table


def _cell_table(report: Report) -> Sheet:
    table = Sheet(
        title=f"{report.network}: the paper's cells",
        headings=("cell", "paper", "ours", "residual", "to the printed digit"))
    names = {1 << 30: "GB", MB: "MB", 1 << 10: "kB"}
    for cell, (number, ours, percent, unit) in report.residuals().items():
        table.add_row(cell, f"{number:,.2f} {names[unit]}", f"{ours:,.2f} {names[unit]}", f"{percent:+.2f} %",
                      "yes" if f"{ours:.2f}" == f"{number:.2f}" else "no")
    return table


def _claim_table(report: Report) -> Sheet:
    table = Sheet(title=f"{report.network}: the paper's other figures",
                  headings=("figure", "paper", "ours", "residual", "reason"), left=(0, 4))
    for name, (printed, number, ours, reason) in report.claims().items():
        table.add_row(name, printed, f"{ours:,.1f}".removesuffix(".0"), f"{100 * (ours / number - 1):+.2f} %", reason)
    return table


def picture_parts(report: Report) -> dict[str, Any]:
    """What `synapress.reports.plots.footprint_picture` shows of it."""
    parts = ("neurons", "connectivity", "parameters")
    panels: dict[str, dict[str, list[float]]] = {
        "image as written": {part: [layer.image[part] for layer in report.layers] for part in (*parts, "padding")}}
    for technique in (item.technique for item in report.totals):
        panels[technique] = {part: [getattr(layer.techniques[technique], part) for layer in report.layers]
                             for part in parts}
    return {"network": report.network, "layers": [layer.name for layer in report.layers], "panels": panels}
