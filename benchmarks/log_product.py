"""What a logarithmic product costs, against a linear one: one stage of each, and the neuron update with it.

    python -m benchmarks.log_product [--fmax SEEDS] [--json FILE]

Of states of 16 bits with 12 fraction bits, and of 32 with 20, four lanes each. The stage is all between a weight, a
value and a shift, and what is added to a state (`rtl.neuron.products`), its registers and the shift included. Energy
is that of transitions of the gates while they do the same drawn layer (`synapress.tools.lanes`). `--fmax` places and
routes whole cores, some minutes each.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from golden.config import CoreConfig
from golden.errors import SynapressError
from golden.files import write
from rtl.neuron.products import product_unit
from rtl.neuron.update import NeuronUpdate
from synapress.energy.controller import logic
from synapress.reports.tables import Sheet, show
from synapress.tools import area
from synapress.tools.frequency import fmax
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


def clocks(seeds: int, console: Console) -> list[dict[str, Any]]:
    """Clocks of the whole core with linear and with logarithmic products, by seed of place and route."""
    found = []
    for seed in range(1, seeds + 1):
        for product in PRODUCTS[:2]:
            config = CoreConfig(name=product, product=product, neuron_types=("sum", "ttfs"))
            with console.status(f"places and routes a core with the product '{product}', seed {seed}"):
                clock = fmax("core", config, seed=seed)
            found.append({"product": product, "seed": seed, "mhz": clock.mhz, "device": clock.device,
                          "path": clock.sentence})
    return found


def clock_sheet(found: list[dict[str, Any]]) -> Sheet:
    """A row for each run of place and route."""
    clocks_of = {product: [row["mhz"] for row in found if row["product"] == product] for product in PRODUCTS[:2]}
    medians = (f"{product}: median {statistics.median(values):.1f} MHz" for product, values in clocks_of.items())
    table = Sheet(title="Clock of a core of 256 kB, placed and routed", headings=(
        "product", "seed", "MHz", "device", "slowest path"), left=(0, 4), caption=f"{'; '.join(medians)}.")
    for row in found:
        table.add_row(row["product"], f"{row['seed']}", f"{row['mhz']:.1f}", row["device"], row["path"])
    return table


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fmax", type=int, default=0, metavar="SEEDS", help="so many runs of place and route each")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    if given.fmax < 0:
        parser.error("--fmax: at least 0 runs")
    console = Console()
    try:
        found, placed = rows(console), clocks(given.fmax, console)
    except SynapressError as error:
        parser.error(str(error))
    show([sheet(found), *([clock_sheet(placed)] if placed else [])], console)
    if given.json:
        write(given.json, json.dumps({
            "products": found, "clocks": placed, "technology": logic(TECHNOLOGY).source}, indent=1) + "\n")


if __name__ == "__main__":
    main()
