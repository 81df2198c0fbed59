"""The figures of Schaefer et al. (arXiv 2003.11639) beside what this project's counts give, with the residuals.

Nothing is fitted here. The authors read one weight at a time, so the counts are those of serial decoders. Energy of an
access is the saw (`synapress.energy.memory`), which was derived from the authors' own dense layers: their crossbars and
bitmaps of 784 × 128 agree by construction, compressed rows and other shapes do not. Backward figures are in
`synapress.reports.organisations.published_learning`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from golden.errors import ConfigError
from synapress.energy.memory import SLOT_PJ, memory_model
from synapress.energy.tables import rows
from synapress.reports.cells import Cell, beside
from synapress.reports.organisations import published_learning
from synapress.reports.organisations.compare import (
    MATRICES,
    Row,
    crossovers,
    formula_bits,
    packed,
    requests,
    sizes_of,
)
from synapress.reports.organisations.published_layers import (
    CONVOLUTION_MODEL,
    convolved,
    dense_rows,
    drawn,
    kernel_bits,
    shape,
)
from synapress.reports.tables import Sheet

WATTS_PER_BIT = 5.67e-8
"""Of the authors' column of memory power, whose unit they do not give: what a bit of their large memories adds."""
SEED = 1


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
    for group in published_learning.groups(seed, progress):
        add(*group)
    return found


def _storage() -> list[Cell]:
    """By organisation the mean of formula over published bits."""
    found = []
    for name in MATRICES:
        shares = [sum(formula_bits(name, drawn(row)).values()) / (float(row["memory_power"]) / WATTS_PER_BIT)
                  for row in dense_rows() if row["organisation"] == name]
        worst = max(shares, key=lambda share: abs(share - 1))
        found.append(Cell(what=f"{name}, mean of {len(shares)} layers", published=1.0, ours=sum(shares) / len(shares),
                          note=f"worst {worst - 1:+.1%}"))
    for name in ("functional", "functional_pure"):
        shares = [kernel_bits(row) / (float(row["memory_power"]) / WATTS_PER_BIT) for row in rows("schaefer.csv")
                  if row["organisation"] == name]
        found.append(Cell(what=f"{name}, mean of {len(shares)} kernels", published=1.0, ours=sum(shares) / len(shares),
                          note=f"{min(shares):.2f} to {max(shares):.2f}: the power has a share that no bit explains"))
    return found


def _kernels() -> list[Cell]:
    """Pairs of layers whose kernels have equal bits, the first of a size against each other one."""
    first: dict[int, Mapping[str, str]] = {}
    found = []
    for row in rows("schaefer.csv"):
        if row["organisation"] in ("functional", "functional_pure"):
            other = first.setdefault(kernel_bits(row), row)
            if other is not row:
                found.append(Cell(what=f"{kernel_bits(row)} bits: {shape(row)} and {shape(other)}",
                                  published=float(other["memory_power"]), ours=float(row["memory_power"])))
    return found


def _dense(seed: int) -> dict[str, list[Cell]]:
    saw, cells, swept, theirs = memory_model("schaefer"), [], [], []
    for row in dense_rows("784"):
        layer, name, note = drawn(row), row["organisation"], ""
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


def _convolutions(seed: int) -> list[Cell]:
    model, found = memory_model(CONVOLUTION_MODEL), []
    reads: dict[tuple[str, ...], float] = {}
    for row in rows("schaefer.csv"):
        name = row["organisation"]
        if not name.startswith("functional"):
            continue
        key = name, row["kernel"], row["outputs"], row["weight_bits"]
        if key not in reads:  # every event has as many: a small image does for all
            layer = convolved(row, 8)
            counts = packed(name, layer, sizes_of(serial=True), seed).counts(requests(name, layer))
            reads[key] = int(counts["weight_read"].sum()) / layer.inputs
        count, width = reads[key] * int(row["image"]) ** 2, max(8, int(row["weight_bits"]))
        found.append(Cell(what=shape(row), published=float(row["forward_uj"]),
                          ours=count * model.read(kernel_bits(row), width) / 1e6,
                          note=f"{count:,.0f} reads; published: {1e6 * float(row['forward_uj']) / count:.3f} pJ each"))
    return found


def sheets(found: Published) -> list[Sheet]:
    """A table for each group."""
    return [beside(title, cells, f"{found.notes[title]}.") for title, cells in found.groups.items()]
