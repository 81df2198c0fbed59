"""How long mapping takes, and how that grows with the network: cut, placed, images written to files.

    python -m benchmarks.mapping [--json FILE] [--figure FILE] [NETWORK]...

Every network is mapped in a process of its own, with random weights, so that its memory can be told: the most that the
process held at any time, Python and numpy included. Times are of this machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import Writing, write
from synapress.reports.mapping import map_network
from synapress.zoo import ZOO

SECONDS = {"resnet101": 60.0, "pilotnet": 3.0}
"""Bars."""
GIGABYTES = {"resnet101": 4.0}


def measure(name: str, config: CoreConfig) -> dict[str, Any]:
    """Map one network in this process."""
    started = time.perf_counter()
    steps: dict[str, float] = {}
    last = ["weights", started]

    def step(text: str) -> None:
        now = time.perf_counter()
        steps[last[0]] = now - last[1]
        last[:] = [text.split(" ")[0], now]

    network = ZOO[name](1)
    mapped = map_network(network, config, progress=step)
    with tempfile.TemporaryDirectory() as folder:
        step("saving")
        mapped.images.save(folder)
        step("done")
    weights = sum(branch.weights.size for layer in network.layers.values() for branch in layer.branches
                  if branch.weights is not None)
    neurons = sum(int(np.prod(layer.shape)) for layer in network.layers.values() if layer.kind != "input")
    return {
        "network": name, "layers": len(network.layers), "neurons": neurons, "weights": weights,
        "fragments": len(mapped.program.hosted), "cores": len(mapped.placement.used),
        "gain": round(mapped.placement.gain, 3), "seconds": time.perf_counter() - started, "steps": steps,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20),
    }


def picture(path: Path, rows: list[dict[str, Any]]) -> None:
    """Seconds against cores, step by step."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    rows = sorted(rows, key=lambda row: row["cores"])
    figure, axis = pyplot.subplots(figsize=(7, 4), constrained_layout=True)
    cores = [row["cores"] for row in rows]
    steps = [step for step in rows[-1]["steps"] if any(row["steps"][step] > 0.01 for row in rows)]
    axis.stackplot(cores, [[row["steps"][step] for row in rows] for step in steps], labels=steps, alpha=0.8)
    for row in rows:
        axis.annotate(row["network"], (row["cores"], row["seconds"]), fontsize=8, ha="right", va="bottom")
    axis.set_xlabel("cores")
    axis.set_ylabel("seconds")
    axis.legend(loc="upper left", fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    with Writing() as files, files.open(path) as file:
        figure.savefig(file, format=path.suffix[1:] or None, dpi=120, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(ZOO)}; default: all")
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - set(ZOO):
        parser.error(f"unknown networks: {', '.join(sorted(unknown))}")
    if arguments.alone:
        print(json.dumps(measure(arguments.networks[0], CoreConfig.load(arguments.config))))
        return
    rows = []
    with Console(stderr=True).status("") as status:
        for name in arguments.networks or ZOO:
            status.update(name)
            done = subprocess.run([sys.executable, "-m", "benchmarks.mapping", "--alone", "--config", arguments.config,
                                   name], stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout))
    headings = ("layers", "neurons", "weights", "fragments", "cores", "row-major : placed", "seconds", "memory")
    table = Table("network", title=f"Mapping, images written to files ({arguments.config})")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row["network"], f"{row['layers']}", f"{row['neurons']:,}", f"{row['weights']:,}",
                      f"{row['fragments']}", f"{row['cores']}", f"{row['gain']:.2f}", f"{row['seconds']:.1f}",
                      f"{row['gigabytes']:.2f} GB")
    Console(width=130).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")
    if arguments.figure:
        picture(arguments.figure, rows)
    missed = [row["network"] for row in rows if row["seconds"] > SECONDS.get(row["network"], 1e9)
              or row["gigabytes"] > GIGABYTES.get(row["network"], 1e9)]
    if missed:
        raise SystemExit(f"over the bar: {', '.join(missed)}")


if __name__ == "__main__":
    main()
