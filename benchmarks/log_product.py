"""What a logarithmic product costs, against a linear one: one stage of each, and the neuron update with it.

    python -m benchmarks.log_product [--fmax SEEDS] [--json FILE]

Of states of 16 bits with 12 fraction bits, and of 32 with 20, four lanes each. The stage is all between a weight, a
value and a shift, and what is added to a state (`rtl.neuron.products`), its registers and the shift included. Energy
is that of transitions of the gates while they do the same drawn layer (`synapress.tools.lanes`). `--fmax` places and
routes whole cores, some minutes each.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks.clocks import clock_sheet, clocks, run
from golden.config import CoreConfig
from rtl.neuron.products import product_unit
from rtl.neuron.update import NeuronUpdate
from synapress.energy.controller import logic
from synapress.reports.tables import Sheet
from synapress.tools import area
from synapress.tools.lanes import trace_products, trace_update, work

TARGETS = {"cmos": "transistors", "xilinx": "LUTs"}
LINEAR = "linear"
PRODUCTS = (LINEAR, "log", "both")
FRACTION_BITS = {16: 12, 32: 20}
BARS = {16: 0.45, 32: 0.55}
"""The stage's transistors, at most so many of the linear one's."""
TECHNOLOGY = 32
"""nm, of the energy."""
PJ = "pJ"
"""Of one lane in one operation, the clock of its registers included."""


def configuration(product: str, bits: int) -> CoreConfig:
    return CoreConfig(name=f"{product}_{bits}", product=product, state_bits=bits, neuron_types=("sum",),
                      log_fraction_bits=FRACTION_BITS[bits])


def rows(console: Console, seed: int = 1) -> list[dict[str, Any]]:
    """Sizes of each product at each width of states, and its share of the linear one's."""
    found: list[dict[str, Any]] = []
    for bits in FRACTION_BITS:
        for product in PRODUCTS:
            config = configuration(product, bits)
            with console.status(f"synthesizes the product '{product}' for states of {bits} bits, and lets it work"):
                row: dict[str, Any] = {"states": bits, "product": product}
                for target, what in TARGETS.items():
                    row |= {what: int(area.estimate(product_unit(config), config, target).size),
                            f"update {what}": int(area.estimate(NeuronUpdate(config), config, target).size)}
                given = work(config, seed)
                for what, trace in ((PJ, trace_products), (f"update {PJ}", trace_update)):
                    moved = trace(config, given)
                    row[what] = logic(TECHNOLOGY).energy(moved.transitions + moved.clock) / config.lanes
            linear = row if product == LINEAR else found[-1 if found[-1]["product"] == LINEAR else -2]
            found.append(row | {"share": row["transistors"] / linear["transistors"], "bar": BARS[bits]})
    return found


def sheet(found: list[dict[str, Any]]) -> Sheet:
    """A table of all."""
    names = [name for name in found[0] if name not in ("states", "product", "share", "bar")]
    table = Sheet(title="Products", headings=("states", "product", "share", *names), caption=(
        "Estimates by yosys. Share: of the linear stage's transistors; bars of the logarithmic one: "
        + ", ".join(f"{bar:.0%} at {bits} bits" for bits, bar in BARS.items())
        + f". {PJ}: of a lane in one operation, {logic(TECHNOLOGY).source}."))
    for row in found:
        table.add_row(str(row["states"]), row["product"], f"{row['share']:.1%}", *(
            f"{row[name]:.3f}" if PJ in name else f"{row[name]:,}" for name in names))
    return table


def measure(seeds: int, console: Console) -> tuple[list[Sheet], dict[str, Any]]:
    """Sizes and energies; clocks of the whole core with either product, by seed of place and route."""
    found, chosen = rows(console), PRODUCTS[:2]
    blocks = {product: (f"a core with the product '{product}'", "core",
                        CoreConfig(name=product, product=product, neuron_types=("sum", "ttfs"))) for product in chosen}
    placed, tables = clocks("product", blocks, seeds, console), [sheet(found)]
    if placed:
        clocks_of = {product: [row["mhz"] for row in placed if row["product"] == product] for product in chosen}
        medians = (f"{product}: median {statistics.median(values):.1f} MHz" for product, values in clocks_of.items())
        tables.append(clock_sheet("Clock of a core of 256 kB, placed and routed", placed, left=(0, 4),
                                  caption=f"{'; '.join(medians)}."))
    return tables, {"products": found, "clocks": placed, "technology": logic(TECHNOLOGY).source}


def main(arguments: Sequence[str] | None = None) -> None:
    run(__doc__, arguments, measure)


if __name__ == "__main__":
    main()
