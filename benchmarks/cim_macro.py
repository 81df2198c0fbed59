"""What the periphery of the compute-in-memory macro costs, for arrays of 64, 128 and 256 columns.

    python -m benchmarks.cim_macro [--fmax SEEDS] [--json FILE]

Transistors of the gates, without the array's cells: of the periphery (adders, carries, what columns tell each other),
and of all that is not the array. LUTs of the same. `--fmax` places and routes the whole macro, array included.
"""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks.clocks import clock_sheet, clocks, run
from golden.cim.macro import ROWS
from golden.config import CoreConfig
from rtl.cim.macro import CimMacro
from rtl.cim.periphery import Periphery
from synapress.reports.tables import Sheet
from synapress.tools import area

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


def sheet(found: list[dict[str, Any]]) -> Sheet:
    """A row for each number of columns."""
    table = Sheet(title=f"Periphery of the compute-in-memory macro, {ROWS} rows", headings=tuple(found[0]), caption=(
        "Estimates by yosys. Macro: all but the array's cells, as are the flip-flops."))
    for row in found:
        table.add_row(*(f"{value:,}" for value in row.values()))
    return table


def measure(seeds: int, console: Console) -> tuple[list[Sheet], dict[str, Any]]:
    """Sizes; clocks of the macro, by seed of place and route."""
    found, blocks = rows(console), {columns: (f"a macro of {columns} columns", CimMacro(ROWS, columns), CONFIG)
                                    for columns in COLUMNS}
    placed = clocks("columns", blocks, seeds, console)
    tables = [clock_sheet("Clock of the macro, placed and routed", placed)] if placed else []
    return [sheet(found), *tables], {"rows": ROWS, "sizes": found, "clocks": placed}


def main(arguments: Sequence[str] | None = None) -> None:
    run(__doc__, arguments, measure)


if __name__ == "__main__":
    main()
