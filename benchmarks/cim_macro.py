"""What the periphery of the compute-in-memory macro costs, for arrays of 64, 128 and 256 columns.

    python -m benchmarks.cim_macro [--fmax SEEDS] [--json FILE]

Transistors of the gates, without the array's cells: of the periphery (adders, carries, what columns tell each other),
and of all that is not the array. LUTs of the same. `--fmax` places and routes the whole macro, array included.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from golden.cim.macro import ROWS
from golden.config import CoreConfig
from golden.errors import SynapressError
from golden.files import write
from rtl.cim.macro import CimMacro
from rtl.cim.periphery import Periphery
from synapress.reports.tables import Sheet, show
from synapress.tools import area
from synapress.tools.frequency import fmax

COLUMNS = (64, 128, 256)
TARGETS = {"cmos": "transistors", "xilinx": "LUT6", "ecp5": "LUT4"}
CONFIG = CoreConfig(name="cim_macro")
"""Of no block here: a macro has its sizes."""


def rows(console: Console) -> list[dict[str, Any]]:
    """Sizes for each number of columns."""
    found: list[dict[str, Any]] = []
    for columns in COLUMNS:
        with console.status(f"synthesizes a macro of {columns} columns"):
            row: dict[str, Any] = {"columns": columns}
            for target, what in TARGETS.items():
                row[what] = int(area.estimate(Periphery(ROWS, columns), CONFIG, target).size)
                whole = area.estimate(CimMacro(ROWS, columns), CONFIG, target, memory=False)
                row |= {f"macro {what}": int(whole.size), "flip-flops": whole.flip_flops}
            found.append(row)
    return found


def clocks(seeds: int, console: Console) -> list[dict[str, Any]]:
    """Clocks of the macro, by seed of place and route."""
    found = []
    for seed in range(1, seeds + 1):
        for columns in COLUMNS:
            with console.status(f"places and routes a macro of {columns} columns, seed {seed}"):
                clock = fmax(CimMacro(ROWS, columns), CONFIG, seed=seed)
            found.append({"columns": columns, "seed": seed, "mhz": clock.mhz, "device": clock.device,
                          "path": clock.sentence})
    return found


def sheet(found: list[dict[str, Any]]) -> Sheet:
    """A row for each number of columns."""
    table = Sheet(title=f"Periphery of the compute-in-memory macro, {ROWS} rows", headings=tuple(found[0]), caption=(
        "Estimates by yosys. Macro: all but the array's cells, as are the flip-flops."))
    for row in found:
        table.add_row(*(f"{value:,}" for value in row.values()))
    return table


def clock_sheet(found: list[dict[str, Any]]) -> Sheet:
    """A row for each run of place and route."""
    table = Sheet(title="Clock of the macro, placed and routed", left=(4,), headings=(
        "columns", "seed", "MHz", "device", "slowest path"))
    for row in found:
        table.add_row(f"{row['columns']}", f"{row['seed']}", f"{row['mhz']:.1f}", row["device"], row["path"])
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
        write(given.json, json.dumps({"rows": ROWS, "sizes": found, "clocks": placed}, indent=1) + "\n")


if __name__ == "__main__":
    main()
