"""The figures of Schaefer et al. (arXiv 2003.11639) beside what this project's counts give, with the residuals.

Nothing is fitted here. The authors read one weight at a time, so the counts are those of serial decoders. Energy of an
access is the saw (`synapress.energy.memory`), which was derived from the authors' own dense layers: their crossbars and
bitmaps of 784 × 128 agree by construction, compressed rows and other shapes do not. Backward figures, which hold the
weight update, rest on the relations between accesses that the authors' figures show, not on counts: the decoders of
this project have no backward pass yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from golden.errors import ConfigError
from synapress.energy.memory import SLOT_PJ, WRITE, memory_model
from synapress.energy.tables import rows
from synapress.reports.organisations.compare import (
    MATRICES,
    Row,
    crossovers,
    formula_bits,
    packed,
    requests,
    sizes_of,
)
from synapress.reports.organisations.layers import Convolved, Drawn
from synapress.reports.tables import Sheet

WATTS_PER_BIT = 5.67e-8
"""Of the authors' column of memory power, whose unit they do not give: what a bit of their large memories adds."""
BACKWARD_SLOT_PJ = 6.39
"""What a bitmap's backward pass costs for each place of the matrix, beside its accesses to weights."""
SEED = 1
CONVOLUTION_MODEL = "cacti65"
"""For kernels, which are smaller than the saw's smallest memory."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A published figure and ours; None where the model says nothing."""

    what: str
    published: float
    ours: float | None
    note: str = ""

    @property
    def residual(self) -> float | None:
        """Of ours, relative."""
        return None if self.ours is None else self.ours / self.published - 1

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "published": self.published, "ours": self.ours, "residual": self.residual,
                "note": self.note}


@dataclass(kw_only=True)
class Published:
    """Groups of cells, by title."""

    seed: int
    groups: dict[str, list[Cell]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "notes": self.notes,
                "groups": {title: [cell.to_json() for cell in cells] for title, cells in self.groups.items()}}


def published(seed: int = SEED, progress: Callable[[str], None] = lambda _: None) -> Published:
    """All groups."""
    found = Published(seed=seed)

    def add(title: str, cells: list[Cell], note: str) -> None:
        found.groups[title], found.notes[title] = cells, note

    progress("published storage")
    add("Storage, bits", _storage(), f"Published: memory power / {WATTS_PER_BIT:g}. Mean over the layers, worst in the "
        "note. Kernels are so small that what the memories have beside their cells shows: for them the second group")
    add("Storage of kernels that hold as many bits", _kernels(), "Memory power of one against that of the other: the "
        "formula C·K²·b says that they are equal, whatever the image and the walk")
    progress("published dense layers")
    dense = _dense(seed)
    add("784 × 128, forward, µJ", dense["cells"], "Accesses by the golden models of serial decoders, times the saw at "
        f"the formula's bits; bitmaps: {SLOT_PJ} pJ for each place besides. Pointers are left out, as in the authors' "
        "formula of compressed rows")
    add("Density from which compressed rows take more energy than a bitmap, 8 bits", dense["crossovers"],
        "On straight lines between densities of .05, .1, .15 ...")
    progress("published convolutions")
    add("Convolutions, forward, µJ", _convolutions(seed), "Functional organisations: weight reads by the golden models "
        f"of serial decoders, times {CONVOLUTION_MODEL} (words of 8 bits or as many as the weight has). The authors' "
        "bitmap and compressed rows share the kernel's weights; those of this project are tables of all synapses, and "
        "cannot be compared")
    add("Ratios", _ratios(), "Backward by relations, not by counts; see the notes")
    return found


def _layer(row: Mapping[str, str]) -> Drawn:
    return Drawn(name="published", inputs=int(row["inputs"]), outputs=int(row["outputs"]),
                 density=float(row["density"] or 1), weight_bits=int(row["weight_bits"]))


def _dense_rows(inputs: str = "") -> list[dict[str, str]]:
    return [row for row in rows("schaefer.csv") if row["layer"] == "dense" and inputs in ("", row["inputs"])]


def _storage() -> list[Cell]:
    """By organisation the mean of formula over published bits."""
    found = []
    for name in MATRICES:
        shares = [sum(formula_bits(name, _layer(row)).values()) / (float(row["memory_power"]) / WATTS_PER_BIT)
                  for row in _dense_rows() if row["organisation"] == name]
        worst = max(shares, key=lambda share: abs(share - 1))
        found.append(Cell(what=f"{name}, mean of {len(shares)} layers", published=1.0, ours=sum(shares) / len(shares),
                          note=f"worst {worst - 1:+.1%}"))
    for name in ("functional", "functional_pure"):
        shares = [_kernel_bits(row) / (float(row["memory_power"]) / WATTS_PER_BIT) for row in rows("schaefer.csv")
                  if row["organisation"] == name]
        found.append(Cell(what=f"{name}, mean of {len(shares)} kernels", published=1.0, ours=sum(shares) / len(shares),
                          note=f"{min(shares):.2f} to {max(shares):.2f}: the power has a share that no bit explains"))
    return found


def _kernel_bits(row: Mapping[str, str]) -> int:
    return int(row["outputs"]) * int(row["kernel"]) ** 2 * int(row["weight_bits"])


def _kernels() -> list[Cell]:
    """Pairs of layers whose kernels have equal bits, the first of a size against each other one."""
    first: dict[int, Mapping[str, str]] = {}
    found = []
    for row in rows("schaefer.csv"):
        if row["organisation"] in ("functional", "functional_pure"):
            other = first.setdefault(_kernel_bits(row), row)
            if other is not row:
                found.append(Cell(what=f"{_kernel_bits(row)} bits: {_shape(row)} and {_shape(other)}",
                                  published=float(other["memory_power"]), ours=float(row["memory_power"])))
    return found


def _shape(row: Mapping[str, str]) -> str:
    return (f"{row['organisation']} {row['kernel']}×{row['kernel']}, {row['outputs']} channels, image {row['image']}, "
            f"{row['weight_bits']} bits")


def _dense(seed: int) -> dict[str, list[Cell]]:
    saw, cells, swept, theirs = memory_model("schaefer"), [], [], []
    for row in _dense_rows("784"):
        layer, name, note = _layer(row), row["organisation"], ""
        made = packed(name, layer, sizes_of(serial=True), seed)
        reads = int(made.counts(requests(name, layer))["weight_read"].sum())
        parts = formula_bits(name, layer)
        entry = parts["weights"] + parts.get("indices", 0)
        slots = SLOT_PJ * layer.inputs * layer.outputs * (name == "bitmap")
        try:
            ours: float | None = (reads * saw.read(entry, layer.weight_bits) + slots) / 1e6
        except ConfigError:
            ours, note = None, f"{entry:,} bits are beyond the saw"
        cells.append(Cell(what=f"{name}, density {layer.density:g}, {layer.weight_bits} bits",
                          published=float(row["forward_uj"]), ours=ours, note=note))
        if layer.weight_bits == 8:
            common: dict[str, Any] = {
                "layer": layer.name, "organisation": name, "inputs": layer.inputs, "outputs": layer.outputs,
                "density": layer.density, "weight_bits": 8, "synapses": layer.synapses, "bits": parts}
            swept.append(Row(**common, cycles=0, energy={"saw": ours}))
            power = {"bits": round(float(row["memory_power"]) / WATTS_PER_BIT)}
            theirs.append(Row(**common | {"bits": power}, cycles=0,
                              energy={"saw": float(row["forward_uj"])}))
    found = {whose: {item.quantity: item.density for item in crossovers(part)}
             for whose, part in (("published", theirs), ("ours", swept))}
    return {"cells": cells, "crossovers": [
        Cell(what=quantity, published=density, ours=found["ours"].get(quantity),
             note="" if quantity in found["ours"] else "ours do not cross")
        for quantity, density in found["published"].items() if quantity != "bits"]}


def _convolved(row: Mapping[str, str], image: int) -> Convolved:
    """Padded such that no synapse is clipped, as the authors count them."""
    kernel = int(row["kernel"])
    return Convolved.square("published", kernel=kernel, image=image, channels=int(row["outputs"]), padding=kernel - 1,
                            weight_bits=int(row["weight_bits"]))


def _convolutions(seed: int) -> list[Cell]:
    model, found = memory_model(CONVOLUTION_MODEL), []
    reads: dict[tuple[str, ...], float] = {}
    for row in rows("schaefer.csv"):
        name = row["organisation"]
        if not name.startswith("functional"):
            continue
        key = name, row["kernel"], row["outputs"], row["weight_bits"]
        if key not in reads:  # every event has as many: a small image does for all
            layer = _convolved(row, 8)
            counts = packed(name, layer, sizes_of(serial=True), seed).counts(requests(name, layer))
            reads[key] = int(counts["weight_read"].sum()) / layer.inputs
        count, width = reads[key] * int(row["image"]) ** 2, max(8, int(row["weight_bits"]))
        found.append(Cell(what=_shape(row), published=float(row["forward_uj"]),
                          ours=count * model.read(_kernel_bits(row), width) / 1e6,
                          note=f"{count:,.0f} reads; published: {1e6 * float(row['forward_uj']) / count:.3f} pJ each"))
    return found


def _ratios() -> list[Cell]:
    network = {(row["organisation"], row["inputs"], row["weight_bits"], row["density"]): row
               for row in rows("schaefer_network.csv")}
    chosen = {"crossbar": [("crossbar", "700", "5", ""), ("crossbar", "400", "5", "")],
              "bitmap": [("bitmap", "700", "2", "0.65"), ("bitmap", "400", "2", "0.63")]}
    theirs = {name: sum(float(network[key][column]) for key in keys for column in ("forward_uj", "backward_uj"))
              for name, keys in chosen.items()}
    ours = {name: sum(_related(network[key]) for key in keys) for name, keys in chosen.items()}
    cells = [Cell(what="700-400-250, forward and backward: crossbar, 5 bits ÷ bitmap, 2 bits, densities .65, .63",
                  published=theirs["crossbar"] / theirs["bitmap"], ours=ours["crossbar"] / ours["bitmap"],
                  note="published claim 1.37; ours: accesses of the relations, the energy of each layer's access from "
                       "its own forward figure")]
    by = {(row["organisation"], row["image"]): row for row in rows("schaefer.csv")
          if (row["layer"], row["outputs"], row["kernel"], row["weight_bits"]) == ("convolution", "32", "3", "8")}
    for column, what in (("backward_uj", "backward and update"), ("forward_uj", "forward")):
        for image in ("28", "128"):
            cells.append(Cell(
                what=f"functional ÷ compressed rows, {what}, {image} × {image}, 3×3, 32 channels, 8 bits",
                published=float(by["functional", image][column]) / float(by["compressed_rows", image][column]),
                ours=None, note="no counts of a backward pass yet" if column == "backward_uj" else
                "the authors' compressed rows share weights; ours are a table of all synapses"))
    return cells


def _related(row: Mapping[str, str]) -> float:
    """µJ forward and backward of a layer, by the relations between its accesses and its own forward figure."""
    layer = _layer(row)
    slots, synapses, forward = layer.inputs * layer.outputs, layer.synapses, 1e6 * float(row["forward_uj"])
    if row["organisation"] == "crossbar":
        return forward * (1 + 1 + WRITE) / 1e6
    access = (forward - SLOT_PJ * slots) / synapses
    return (forward + BACKWARD_SLOT_PJ * slots + access * (slots + WRITE * synapses)) / 1e6


def sheets(found: Published) -> list[Sheet]:
    """A table for each group."""
    made = []
    for title, cells in found.groups.items():
        sheet = Sheet(title=title, headings=("figure", "published", "ours", "residual", "note"), left=(0, 4),
                      caption=f"{found.notes[title]}.")
        for cell in cells:
            sheet.add_row(cell.what, f"{cell.published:.4g}", "" if cell.ours is None else f"{cell.ours:.4g}",
                          "" if cell.residual is None else f"{cell.residual:+.1%}", cell.note)
        made.append(sheet)
    return made
