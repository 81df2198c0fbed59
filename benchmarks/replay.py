"""A frame of a network of ImageNet size through the RTL, core by core: how long, and whether all is equal.

    python -m benchmarks.replay [--config PRESET|FILE] [--seed N] [--jobs N] [--folder DIR] [--json FILE]
                                [--figures DIR] [NETWORK]...

Weights are random, with a gain that keeps the layers alive. Seconds are by the clock, from the network to the last
core: mapping, golden mesh, and the simulators, but not the weights, nor the compiler, as the compiled core is kept for
the next time. Seconds of processors are those of all; on a machine that is busy with other things
they tell more. With a folder a run goes on from what is there: then the bars say nothing.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.files import write
from golden.network import fast
from golden.program import Program
from synapress.demo_pilotnet import processor_seconds
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.run import RECORDED, replay_mesh
from synapress.mapper import MeshImage, legalize, lower
from synapress.mapper.pipeline import Compilation, run
from synapress.reports.plots import replay_picture
from synapress.reports.replay import core_sheet, layer_sheet
from synapress.reports.tables import show
from synapress.zoo import ZOO

SECONDS = {"resnet50": 900.0, "mobilenet": 180.0, "resnet101": 1800.0}
FIRING, OPERATIONS = 0.4, {"resnet50": 450_000_000}
"""The bars: time on two processors, share of the neurons that fire, word operations."""
GAIN = 3
"""Of each population's multiplier, over 2: without it random networks fall silent layer by layer."""


def lively(program: Program) -> Program:
    """A gain of 1.5 in each population whose multiplier has room for it."""
    return dataclasses.replace(program, populations=[
        dataclasses.replace(item, multiplier=item.multiplier * GAIN, shift=item.shift + 1)
        if GAIN * np.max(item.multiplier, initial=0) < 1 << 16 else item for item in program.populations])


def measure(name: str, config: CoreConfig, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Map and replay one network."""
    program = lively(legalize(lower(ZOO[name](arguments.seed)), config))
    frames = {item: np.random.default_rng(arguments.seed).integers(0, 256, (1, *program.population(item).shape))
              for item in program.inputs}
    folder = arguments.folder and arguments.folder / name
    resumed = folder is not None and (folder / RECORDED).exists()
    begin, used = time.perf_counter(), processor_seconds()
    image = run(Compilation(source=program, config=config, mesh=True)).image
    assert isinstance(image, MeshImage)
    mapped = time.perf_counter()
    results = fast.run(program, frames, config)
    neurons = sum(result.outputs.size for result in results.values())
    firing = sum(np.count_nonzero(result.outputs) for result in results.values()) / neurons
    with console.status(name) as status:
        replay = replay_mesh(image, frames, ReplayOptions(
            jobs=arguments.jobs, folder=folder),
            expected={item: result.outputs[np.newaxis] for item, result in results.items()}, progress=status.update)
    outputs = all(np.array_equal(replay.outputs[item], results[item].outputs) for item in program.outputs)
    seconds = {"mapping": mapped - begin} | replay.seconds
    spent = sum(seconds.values()) - seconds["compiling"]
    processors = processor_seconds() - used
    operations = sum(item.words for rows in replay.operations.values() for item in rows)
    show([layer_sheet(replay), core_sheet(replay)], console)
    if arguments.figures:
        path = arguments.figures / f"{name}.png"
        replay_picture(
            path, title=f"{name}: a frame in the RTL of {len(replay.cores)} cores, {operations:,} word operations, "
            f"{firing:.0%} of the neurons fire", size=image.size,
            busy={item.place: item.counters["busy"] for item in replay.cores if item.counters},
            layers={layer: (item.busy, item.evaluation, item.lanes) for layer, item in replay.layers().items()})
        console.print(f"picture: {path}")
    return {
        "network": name, "cores": len(replay.cores), "differ": replay.differences, "outputs equal": outputs,
        "firing": firing, "word operations": operations, "cycles": sum(item.cycles for item in replay.cores),
        "states": sum(item.states for item in replay.cores), "events in": sum(item.given for item in replay.cores),
        "events out": sum(item.sent for item in replay.cores), "seconds": seconds, "seconds, compiler apart": spent,
        "processor seconds": processors,
        "resumed": resumed,
        "reached": not resumed and not replay.differences and outputs and firing >= FIRING
        and operations >= OPERATIONS.get(name, 0) and spent <= SECONDS.get(name, 1e9)}


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
