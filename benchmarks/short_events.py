"""What events of few word operations cost known networks: cycles of the ESU by its shortest distance of two events.

    python -m benchmarks.short_events [--config PRESET|FILE] [--json FILE]

Every neuron fires once. An event takes as many cycles as it has word operations, but at least as many as a beat has;
with `short_events` one whose kernel is 1×1 takes a cycle for each operation. A short event that hides behind a long one
before it is counted as if it did not, so that these are the most that shorter beats can bring.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import write
from golden.program import Program
from golden.timing.microarchitecture import PHASES
from golden.timing.operations import EdgeOperations
from synapress.mapper import Network, legalize, lower
from synapress.zoo import mobilenet, pilotnet, resnet50
from synapress.zoo.digits.network import digits_network

NETWORKS: dict[str, Callable[[], Network]] = {
    "digits": digits_network, "pilotnet": pilotnet, "mobilenet": mobilenet, "resnet50": resnet50,
}


def cycles(program: Program, config: CoreConfig) -> dict[str, int]:
    """Cycles of all events of a program, by what is built."""
    total = {"beats of 4": 0, "1×1 kernels in every cycle": 0, "beats of 2": 0, "all in every cycle": 0}
    for population in program.populations:
        for edge in program.edges_into(population.name):
            work = EdgeOperations.of(edge, program.population(edge.source), population, config)
            positions = work.positions()[work.sends()]
            single = not work.table and edge.weights.shape[2:] == (1, 1)
            for words, channels in zip(*np.unique(work.words, return_counts=True), strict=True):
                operations = positions * words
                for name, least in zip(total, (PHASES, 1 if single else PHASES, PHASES // 2, 1), strict=True):
                    total[name] += int(channels) * int(np.maximum(operations, least).sum())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config = CoreConfig.load(arguments.config)
    rows: dict[str, dict[str, Any]] = {
        name: cycles(legalize(lower(make()), config), config) for name, make in NETWORKS.items()}
    table = Table(title=f"Cycles of the ESU, of the fewest ({config.name}, all neurons firing)")
    for heading in ("network", "cycles", *next(iter(rows.values()))):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, row in rows.items():
        least = row["all in every cycle"]
        table.add_row(name, f"{least:,}", *(f"{value / least:.1%}" for value in row.values()))
    Console(width=120).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
