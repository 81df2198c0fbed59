"""What a useful operation per cycle costs, by the number of lanes: core logic, and lanes in use on a dense layer.

    python -m benchmarks.lanes [--config PRESET|FILE] [--lanes N ...] [--events N] [--seed N] [--json FILE]

Each core has the memory of the configuration, in words of as many states as it has lanes. Transistors and LUTs are
those of `synapress area core` without multipliers; SRAM is left out. They are divided by the lanes that
the RTL's counters find in use on a 3×3 layer of 64 to 64 channels, events of interior neurons. Bars are for 16 lanes.

For comparison, by the same tool: the engine of SNE, which does 3×3 kernels of stride 1 with weights of 4 bits only, at
its peak of 16 operations per cycle.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.core import Case, measure
from golden.config import CoreConfig
from golden.files import write
from synapress.tools import area

LAYER = Case("conv 3×3, 64→64", 64, 64, 3)
BANKS = {4: 4, 8: 4, 16: 8}
"""Banks by lanes."""
RIVAL = {"lanes": 16, "useful": 1.0, "transistors_per_operation": 26_000, "luts_per_operation": 1_086}
"""SNE's engine, taken at its peak."""
BARS = {16: {"useful": 0.90, "transistors_per_operation": 45_000, "luts_per_operation": 800}}


def with_lanes(config: CoreConfig, lanes: int) -> CoreConfig:
    """The configuration with so many lanes and a memory of the same bytes."""
    wider = lanes.bit_length() - config.lanes.bit_length()
    return dataclasses.replace(config, name=f"{config.name}_{lanes}_lanes", lanes=lanes, banks=BANKS[lanes],
                               address_bits=config.address_bits - wider)


def row(config: CoreConfig, events: int, seed: int) -> dict[str, Any]:
    """A core's cost, use and cost per useful operation per cycle."""
    used = float(measure(LAYER, config, events, seed)["lane_utilization"])
    gates, luts = (area.estimate("core", config, target) for target in ("cmos", "xilinx"))
    assert isinstance(gates, area.CmosArea) and isinstance(luts, area.FpgaArea)
    return {
        "lanes": config.lanes, "banks": config.banks, "useful": used, "transistors": gates.size, "luts": luts.size,
        "transistors_per_operation": gates.size / (config.lanes * used),
        "luts_per_operation": luts.size / (config.lanes * used),
    }


def missed(entry: dict[str, Any]) -> list[str]:
    """The bars that a core misses, by name."""
    return [name for name, bar in BARS.get(entry["lanes"], {}).items()
            if (entry[name] < bar if name == "useful" else entry[name] > bar)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--lanes", type=int, nargs="+", choices=BANKS, default=list(BANKS))
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config, console = CoreConfig.load(arguments.config), Console(width=130)
    rows = []
    for lanes in arguments.lanes:
        with console.status(f"{lanes} lanes: compiles the RTL, and synthesizes it twice"):
            rows.append(row(with_lanes(config, lanes), arguments.events, arguments.seed))
    table = Table(title=f"Logic per useful operation and cycle ({LAYER.name}, {config.name}, seed {arguments.seed})")
    for heading in ("lanes", "banks", "lanes useful", "transistors", "Xilinx LUTs", "transistors / operation",
                    "LUTs / operation"):
        table.add_column(heading, justify="right")
    for entry in rows:
        costs = [f"[red]{entry[name]:,.0f} (≤ {BARS[entry['lanes']][name]:,})[/]" if name in missed(entry)
                 else f"{entry[name]:,.0f}" for name in ("transistors_per_operation", "luts_per_operation")]
        table.add_row(str(entry["lanes"]), str(entry["banks"]), f"{entry['useful']:.1%}",
                      f"{entry['transistors']:,}", f"{entry['luts']:,}", *costs)
    table.add_row("SNE's engine: 16", "", "at its peak", "", "", f"{RIVAL['transistors_per_operation']:,}",
                  f"{RIVAL['luts_per_operation']:,}")
    console.print(table)
    if arguments.json:
        write(arguments.json, json.dumps({"layer": LAYER.name, "cores": rows, "rival": RIVAL}, indent=1) + "\n")
    if any(missed(entry) for entry in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
