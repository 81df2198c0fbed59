"""What benchmarks share that place and route some blocks with `--fmax`, once for each seed."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from golden.config import CoreConfig
from golden.errors import SynapressError
from golden.files import write
from synapress.reports.tables import Sheet, show
from synapress.tools.frequency import fmax

Rows = list[dict[str, Any]]
Block = tuple[str, Any, CoreConfig]
"""How messages call it; a component or the name of one; its configuration."""


def clocks(key: str, blocks: Mapping[Any, Block], seeds: int, console: Console) -> Rows:
    """A row for each run of place and route: `key` and a block's name, seed, MHz, device, slowest path."""
    found = []
    for seed in range(1, seeds + 1):
        for name, (called, block, config) in blocks.items():
            with console.status(f"places and routes {called}, seed {seed}"):
                clock = fmax(block, config, seed=seed)
            found.append({key: name, "seed": seed, "mhz": clock.mhz, "device": clock.device, "path": clock.sentence})
    return found


def clock_sheet(title: str, found: Rows, *, left: Sequence[int] = (4,), caption: str = "") -> Sheet:
    """A table of `clocks`."""
    key = next(iter(found[0]))
    table = Sheet(title=title, headings=(key, "seed", "MHz", "device", "slowest path"), left=tuple(left),
                  caption=caption)
    for row in found:
        table.add_row(f"{row[key]}", f"{row['seed']}", f"{row['mhz']:.1f}", row["device"], row["path"])
    return table


def run(document: str | None, arguments: Sequence[str] | None,
        measure: Callable[[int, Console], tuple[list[Sheet], dict[str, Any]]]) -> None:
    """The command line of such a benchmark.

    Args:
        measure: given the seeds of `--fmax` and where to tell progress, makes the tables and what `--json` holds.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fmax", type=int, default=0, metavar="SEEDS", help="so many runs of place and route each")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    if given.fmax < 0:
        parser.error("--fmax: at least 0 runs")
    console = Console()
    try:
        sheets, found = measure(given.fmax, console)
    except SynapressError as error:
        parser.error(str(error))
    show(sheets, console)
    if given.json:
        write(given.json, json.dumps(found, indent=1) + "\n")
