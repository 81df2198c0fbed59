"""What shared states save, and what they cost: neuron memory and cores, frames in flight, latency and interval.

    python -m benchmarks.shared_states [--network NAME]... [--frames N] [--seed N] [--no-rtl] [--json FILE]

Networks of the zoo with random weights, mapped to as few cores of `grai_vip` as hold them, with states of their own and
with shared ones, in both ways. Frames (drawn roads), as fast as credits let them, run through the RTL of all nodes of
the mesh and are compared with the golden mesh; with `--no-rtl` one runs through the golden mesh alone, which is enough
for large networks. All outputs must be those of the whole network.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.files import write
from golden.mesh import Mesh, Observer, decode_frame, encode_frame
from golden.network import fast
from golden.program import Program
from golden.types import IntArray
from synapress.demo_replay import lively
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.mapper import MeshImage, legalize, lower
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.mapper.sharing.exclusion import Order
from synapress.mapper.sharing.packing import WAYS
from synapress.reports.tables import Sheet, show
from synapress.zoo import ZOO
from synapress.zoo.road import road

QUIET = 100_000_000
"""Cycles without an event between cores before a mesh counts as hung: layers of one core take millions among them."""


class Untraced(Observer):
    """Keeps no states, which would be more than the memory of a large network."""

    def evaluated(self, place: Any, core: Any, done: Any) -> tuple[None, None]:
        return None, None


def measured(program: Program, config: CoreConfig, way: str | None, frames: dict[str, IntArray], rtl: bool
             ) -> dict[str, Any]:
    """One mapping of a program: its size, and what frames take."""
    work = run_steps(Compilation(source=program, config=config, mesh=True, share_states=way))
    cut, image = work.parts, work.image
    assert isinstance(cut, PartitionedProgram) and isinstance(image, MeshImage)
    states = sum(region["words"] for core in image.images.values() for region in core.manifest["regions"]
                 if region["category"] == "states")
    found = {"network": program.name, "states": way or "own", "neuron MB": states * config.word_bits / 8 / 2**20,
             "cores": len(image.images), "most frames in flight": Order(cut).in_flight(),
             "guards": 0 if work.sharing is None else work.sharing.guards}
    expected = fast.run(program, frames, config)
    if not rtl:
        mesh = Mesh(config, image.words(), host=image.host, observer=Untraced())
        events = mesh.run_frame(encode_frame({name: array[0] for name, array in frames.items()},
                                             image.manifest["inputs"], config))
        for name, values in decode_frame(events, image.manifest["outputs"], config).items():
            np.testing.assert_array_equal(values, expected[name].outputs[0])
        return found
    done = simulate_mesh(image, frames, Options(limit=QUIET))
    if not done.comparison.equal:
        raise AssertionError(f"{program.name}, {way}: {done.comparison.differences}")
    for name, values in done.outputs.items():
        np.testing.assert_array_equal(values, expected[name].outputs)
    ends = done.run.finished
    interval = (int(ends[-1]) - int(ends[0])) / (len(ends) - 1) if len(ends) > 1 else None
    return found | {"latency": int(done.run.latency[0]), "interval": interval}


def sheet(rows: list[dict[str, Any]]) -> Sheet:
    found = Sheet(title="Shared states", headings=("network", "states", "neuron memory", "cores", "most in flight",
                                                   "guards", "latency", "interval"), left=(0, 1),
                  caption="Cycles of the RTL of all nodes; the latency is that of the first frame.")
    for row in rows:
        cycles = [f"{row[name]:,.0f}" if row.get(name) else "–" for name in ("latency", "interval")]
        found.add_row(row["network"], row["states"], f"{row['neuron MB']:.2f} MB", str(row["cores"]),
                      str(row["most frames in flight"]), str(row["guards"]), *cycles)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=list(ZOO), help="default: pilotnet")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rtl", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    config, console, rows = CoreConfig.preset("grai_vip"), Console(), []
    for name in given.network or ["pilotnet"]:
        network = ZOO[name](given.seed)
        program = lively(legalize(lower(network), config))
        frames = {source: np.array([road(network.shape(source), given.seed + number) for number in range(given.frames)])
                  for source in network.inputs}
        for way in (None, *WAYS):
            rows.append(measured(program, config, way, frames, given.rtl))
            console.print(rows[-1])
    show([sheet(rows)], console)
    if given.json is not None:
        write(given.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
