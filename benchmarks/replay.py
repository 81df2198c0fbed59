"""A frame of a network of ImageNet size through the RTL, core by core: how long, and whether all is equal.

    python -m benchmarks.replay [--config PRESET|FILE] [--seed N] [--jobs N] [--folder DIR] [--json FILE]
                                [--figures DIR] [NETWORK]...

Weights are random, with a gain that keeps the layers alive. Seconds are by the clock, from the network to the last
core: mapping, golden mesh, and the simulators, but not the weights, nor the compiler, as the compiled core is kept for
the next time. Seconds of processors are those of all; on a machine that is busy with other things
they tell more. With a folder a run goes on from what is there: then the bars say nothing.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.files import write
from synapress.demo_pilotnet import processor_seconds
from synapress.demo_replay import FIRING, mapped, picture, replayed, totals
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.run import RECORDED
from synapress.reports.replay import core_sheet, layer_sheet
from synapress.reports.tables import show
from synapress.zoo import ZOO

SECONDS = {"resnet50": 900.0, "mobilenet": 180.0, "resnet101": 1800.0}
OPERATIONS = {"resnet50": 450_000_000}
"""The bars: time on two processors, and word operations."""


def measure(name: str, config: CoreConfig, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Map and replay one network."""
    network = ZOO[name](arguments.seed)
    frame = {item: np.random.default_rng(arguments.seed).integers(0, 256, network.shape(item))
             for item in network.inputs}
    folder = arguments.folder and arguments.folder / name
    resumed = folder is not None and (folder / RECORDED).exists()
    begin, used = time.perf_counter(), processor_seconds()
    task = mapped(network, frame, config)
    seconds = {"mapping": time.perf_counter() - begin}
    replay = replayed(task, ReplayOptions(jobs=arguments.jobs, folder=folder), console)
    outputs = all(np.array_equal(replay.outputs[item][0], task.outputs[item]) for item in task.program.outputs)
    seconds |= replay.seconds
    spent = sum(seconds.values()) - seconds["compiling"]
    processors, found = processor_seconds() - used, totals(task, replay)
    show([layer_sheet(replay), core_sheet(replay)], console)
    if arguments.figures:
        path = arguments.figures / f"{name}.png"
        picture(path, task, replay)
        console.print(f"picture: {path}")
    return found | {
        "cores": len(replay.cores), "differ": replay.differences, "outputs equal": outputs,
        "cycles": sum(item.cycles for item in replay.cores), "seconds": seconds, "seconds, compiler apart": spent,
        "processor seconds": processors, "resumed": resumed,
        "reached": not resumed and not replay.differences and outputs and found["firing"] >= FIRING
        and found["word operations"] >= OPERATIONS.get(name, 0) and spent <= SECONDS.get(name, 1e9)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=["mobilenet"], help=f"of {', '.join(ZOO)}")
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - set(ZOO):
        parser.error(f"unknown networks: {', '.join(sorted(unknown))}")
    console = Console()
    rows = [measure(name, CoreConfig.load(arguments.config), arguments, console) for name in arguments.networks]
    console.print_json(json.dumps(rows))
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")
    if missed := [row["network"] for row in rows if not row["reached"] and (not row["resumed"] or row["differ"])]:
        raise SystemExit(f"not reached: {', '.join(missed)}")


if __name__ == "__main__":
    main()
