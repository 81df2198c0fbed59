"""The model of whole meshes beside their simulation: latency of a frame, and interval of frames in flight.

    python -m benchmarks.mesh_model [--networks N] [--seed N] [--pilotnet CORES]... [--json FILE]

Random networks are cut anywhere and lie on any cores of meshes of up to 3 × 3; their cores are small, with four banks.
`--pilotnet` adds PilotNet, mapped for throughput to so many cores of `grai_vip`, which takes minutes each. All frames
of a run are alike. The latency is that of a frame alone in the mesh, and the interval that of frames in flight, without
those that fill and empty the mesh (`golden.timing.mesh_stage.steady_interval`).
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.files import write
from golden.network import fast
from golden.program import Program
from golden.timing.mesh_stage import steady_interval
from golden.types import IntArray
from synapress.demo_pilotnet import pilotnet_task
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.engines.mesh_model import mesh_model
from synapress.mapper import MeshImage, RuleError, Throughput, lower
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.reports.tables import Sheet, show
from tests.helpers.cuts import random_mesh
from tests.helpers.networks import random_input, random_network
from tests.tb.test_mesh import CONFIG as MESH_CONFIG

CONFIG = dataclasses.replace(MESH_CONFIG, banks=4)
"""Cores as small as those of the tests, with as many banks as the presets."""
BAR = 0.05
FRAMES, FRAMES_OF_PILOTNET = 16, 8
"""In flight. Small networks take turns of early and late frames, which average over many."""


class Case(NamedTuple):
    """A mapped network, and a frame for it."""

    name: str
    program: Program
    cut: PartitionedProgram
    image: MeshImage
    frame: dict[str, IntArray]
    spread: bool


def random_case(seed: int, config: CoreConfig = CONFIG) -> Case:
    """A random network of four layers, cut anywhere, on any cores."""
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    while True:
        network = random_network(rng, layers=4, width=12, depth=16)
        try:
            cut, image = random_mesh(rng, lower(network), config, size=size, host=(int(rng.integers(size[0])), -1))
            break
        except (AssertionError, RuleError):  # too many parts for so few cores
            continue
    return Case(f"random {seed}", lower(network), cut, image, random_input(rng, network), False)


def pilotnet_case(cores: int, seed: int) -> Case:
    """PilotNet mapped for throughput."""
    task = pilotnet_task(1, seed)
    name = task.network.inputs[0]
    work = run_steps(Compilation(source=task.network, config=CoreConfig.load("grai_vip"), throughput=Throughput(
        cores=cores, frames={name: task.sample})))
    assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
    return Case(f"PilotNet on {cores} cores", lower(task.network), work.parts, work.image, {name: task.frames[0]}, True)


def compared(case: Case, frames: int = FRAMES) -> dict[str, Any]:
    """Latency and interval of a case, by the model and simulated."""
    options = Options(threads=1, adapts=False, spread=case.spread, trace=False)
    runs = [simulate_mesh(case.image, {name: np.repeat(values[np.newaxis], count, axis=0)
                                       for name, values in case.frame.items()}, options).run for count in (1, frames)]
    outputs = {name: result.outputs for name, result in fast.run(case.program, case.frame, case.image.config).items()}
    model = mesh_model(case.cut, case.image, outputs, frames=frames, spread=case.spread)
    latency, interval = float(runs[0].latency[0]), steady_interval(runs[1].finished.tolist())
    return {"network": case.name, "mesh": list(case.image.size), "fragments": len(case.cut.hosted),
            "latency": latency, "latency, model": model.latency, "latency error": model.latency / latency - 1,
            "interval": interval, "interval, model": model.interval, "interval error": model.interval / interval - 1}


def sheet(rows: list[dict[str, Any]]) -> Sheet:
    """One row per network."""
    found = Sheet(
        title="Latency and interval, simulated and by the model", headings=(
            "network", "mesh", "fragments", "latency", "model", "error", "interval", "model", "error"),
        caption="Cycles. Simulated: all cores and routers in RTL.")
    for row in rows:
        found.add_row(row["network"], "×".join(map(str, row["mesh"])), f"{row['fragments']}", *(
            text for what in ("latency", "interval") for text in (
                f"{row[what]:,.0f}", f"{row[f'{what}, model']:,.0f}", f"{row[f'{what} error']:+.1%}")))
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By figure, the mean and the largest error, and how many are within the bar."""
    found: dict[str, Any] = {}
    for what in ("latency", "interval"):
        errors = np.abs([row[f"{what} error"] for row in rows])
        found[what] = {"mean": float(errors.mean()), "largest": float(errors.max()),
                       "within": int((errors <= BAR).sum()), "of": len(rows)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first random network")
    parser.add_argument("--pilotnet", type=int, action="append", default=[], metavar="CORES")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    def cases() -> Iterator[Case]:
        yield from (random_case(arguments.seed + number) for number in range(arguments.networks))
        yield from (pilotnet_case(cores, 1) for cores in arguments.pilotnet)

    console, rows = Console(), []
    with console.status("mesh model") as status:
        for case in cases():
            status.update(f"{case.name}: mesh of {case.image.size[0]} × {case.image.size[1]}")
            rows.append(compared(case, FRAMES_OF_PILOTNET if case.spread else FRAMES))
    show([sheet(rows)], console)
    found = summary(rows)
    console.print_json(json.dumps(found))
    if arguments.json:
        write(arguments.json, json.dumps({"networks": rows, "summary": found}, indent=1) + "\n")
    if missed := [row["network"] for row in rows
                  if max(abs(row["latency error"]), abs(row["interval error"])) > BAR]:
        raise SystemExit(f"more than {BAR:.0%} from the simulation: {', '.join(missed)}")


if __name__ == "__main__":
    main()
