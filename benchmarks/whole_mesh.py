"""A frame of a large network through all its cores and routers at once, in RTL: long, for the cycles that count.

    python -m benchmarks.whole_mesh [--config PRESET|FILE] [--seed N] [--threads N] [--checkpoint DIR] [--json FILE]
                                    [NETWORK]

The replay (`benchmarks.replay`) runs one core after another, and knows nothing of routers. Here the whole mesh is
simulated cycle by cycle and compared with the golden mesh: states at their evaluation, memories, counters, and the
events over each link. The latency stands beside that of the model of the mesh. With a checkpoint an interrupted run
goes on.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.files import write
from synapress.demo_pilotnet import processor_seconds
from synapress.demo_replay import FIRING, Mapped, drawn, mapped
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import MeshSimulation, simulate_mesh
from synapress.engines.mesh_model import mesh_model
from synapress.reports.mesh_run import link_figures, link_sheet
from synapress.reports.tables import Sheet, show
from synapress.zoo import ZOO

SECONDS = {"mobilenet": 5400.0}
"""The bar: time of the simulation by the clock, on two processors."""
BUSIEST = 12
"""Links in the table."""


def whole(task: Mapped, options: Options, console: Console) -> MeshSimulation:
    """One frame through all nodes."""
    with console.status("golden mesh") as status:
        return simulate_mesh(task.image, {name: values[np.newaxis] for name, values in task.frame.items()}, options,
                             progress=status.update)


def figures(task: Mapped, done: MeshSimulation) -> dict[str, Any]:
    """What the run found, beside the model."""
    run = done.run
    model = mesh_model(task.cut, task.image, task.outputs, frames=0)
    latency = int(run.latency[0])
    same = all(np.array_equal(done.outputs[name][0], task.outputs[name]) for name in task.program.outputs)
    return {
        "network": task.name, "cores": len(task.image.images), "mesh": list(task.image.size), "firing": task.firing,
        "synapses": done.counters["synapses"], "comparison": asdict(done.comparison), "outputs equal": same,
        "latency": latency, "latency, model": model.latency, "latency error": model.latency / latency - 1,
        "busiest": max(count["busy"] for count in run.counters.values()),
        "node cycles": sum(run.evaluations.values()), "seconds": round(run.seconds, 1),
        "reached": same and done.comparison.equal and task.firing >= FIRING
        and run.seconds <= SECONDS.get(task.name, 1e9)}


def sheet(found: dict[str, Any]) -> Sheet:
    """The run in a table."""
    rows = Sheet(title=f"A frame of {found['network']} in all nodes at once", headings=("figure", "value"),
                 caption="Model: golden/timing/mesh_frames.py, an estimate.")
    same = found["comparison"]
    for name, text in (
            ("cores, mesh", f"{found['cores']}, {found['mesh'][0]} × {found['mesh'][1]}"),
            ("neurons that fire", f"{found['firing']:.1%}"), ("synaptic operations", f"{found['synapses']:,}"),
            ("states compared", f"{same['states']:,}"), ("memory words compared", f"{same['memory_words']:,}"),
            ("latency, cycles", f"{found['latency']:,}"),
            ("latency, model", f"{found['latency, model']:,.0f} ({found['latency error']:+.1%})"),
            ("cycles of the busiest core", f"{found['busiest']:,}"),
            ("node cycles simulated", f"{found['node cycles']:,}"), ("seconds", f"{found['seconds']:,}")):
        rows.add_row(name, text)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", default="mobilenet", help=f"of {', '.join(ZOO)}")
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.network not in ZOO:
        parser.error(f"unknown network: {arguments.network}")
    console, used = Console(), processor_seconds()
    network = ZOO[arguments.network](arguments.seed)
    with console.status(f"mapping {network.name}"):
        task = mapped(network, drawn(network, arguments.seed), CoreConfig.load(arguments.config))
    console.print(f"{network.name} on {len(task.image.images)} cores, seed {arguments.seed} of weights and frame")
    done = whole(task, Options(threads=arguments.threads, checkpoint=arguments.checkpoint), console)
    found = figures(task, done) | {"processor seconds": round(processor_seconds() - used, 1)}
    links = link_figures(done.run.links, done.run.sent, task.image.host, 1, found["latency"])[:BUSIEST]
    title = f"The {BUSIEST} busiest links"
    show([sheet(found), link_sheet(links, task.image.host, title=title, during="in the frame")],
         console)
    if arguments.json:
        write(arguments.json, json.dumps(found, indent=1) + "\n")
    if done.comparison.differences:
        raise SystemExit("RTL and golden differ: " + "; ".join(done.comparison.differences))
    if not found["reached"]:
        raise SystemExit(f"not reached: {network.name}")


if __name__ == "__main__":
    main()
