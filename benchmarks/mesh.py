"""Speed of the simulator of meshes: against the compiled single core, and what idle nodes cost.

    python -m benchmarks.mesh [--config PRESET] [--frames N] [--repeat N] [--json FILE]

- busy: a convolution on each of four cores, all of which work all the time, on two threads; beside it the same layer
  alone in the single-core harness. Compared are cycles in which a core works, per second.
- idle: three such cores in a mesh of 12 × 12 nodes, and in one of 3 × 1, on one thread. Compared is the processor's
  time.

Other work on the machine spoils what two threads do, as they wait for one another in each cycle. So runs are repeated,
each does the same in the same batch of cycles (of the single core: in the same frame), and of each batch the shortest
time counts. Times are by the clock, and of frames alone; those of idle nodes are the processor's.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import write
from golden.host import encode
from golden.types import IntArray, Words
from synapress.engines import verilated
from synapress.engines.mesh.run import MeshInput, MeshRun, Options, run
from synapress.engines.mesh.simulate import encode_inputs
from synapress.mapper import Network, build_mesh, compile_network, lower, partition

LEAST_BUSY, MOST_IDLE = 1.3, 1.5
"""The bars: busy node-cycles per second over those of the single core; time of 144 nodes over that of three."""
BATCH = 4096
"""Cycles, in about the time of a frame of the single core."""
SHAPE = (4, 12, 12)


def layers(count: int) -> Network:
    """So many convolutions of one input, each with 64 word operations and more for an event."""
    rng, network = np.random.default_rng(1), Network("layers")
    network.input("in", SHAPE)
    for number in range(count):
        network.output(network.conv(f"layer {number}", "in", rng.integers(-50, 50, (16, 4, 4, 4)), shift=9))
    return network


def frames_of(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    return [{"in": rng.integers(1, 9, SHAPE)} for _ in range(count)]


def mesh(config: CoreConfig, cores: int, size: tuple[int, int], frames: int) -> MeshInput:
    """Cores in the first row, each with a layer."""
    image = build_mesh(partition(lower(layers(cores)), config), {f"layer {n}": (n, 0) for n in range(cores)}, size,
                       host=(1, -1))
    table = image.manifest["inputs"]
    return MeshInput(config, size, ("north", 1), image.words(), [len(entry["axons"]) for entry in table],
                     {entry["id"]: 1 for entry in image.manifest["outputs"]},
                     [[in_turns(encode_inputs(frame, table, config)[0], cores)] for frame in frames_of(frames)])


def in_turns(events: Words, cores: int) -> Words:
    """Events of a frame, an event for each core in turn: else one core after another would work."""
    return np.concatenate([events[:-cores].reshape(cores, -1).T.ravel(), events[-cores:]])


def busy(done: MeshRun) -> int:
    return sum(counts["busy"] for counts in done.counters.values())


def single(config: CoreConfig, frames: int) -> tuple[int, IntArray]:
    """One core in its own harness: cycles in which it works, and nanoseconds of each frame."""
    _, image = compile_network(layers(1), config)
    entry = image.manifest["inputs"][0]
    packed = [encode([(frame["in"], entry["axons"])], config) for frame in frames_of(frames)]
    done = verilated.run(config, image.parts, image.edges, image.populations, packed, inputs=len(entry["axons"]),
                         outputs=1)
    return done.counters["busy"], np.diff(1e9 * np.array(done.seconds), prepend=0).astype(np.int64)


def measured(config: CoreConfig, frames: int, repeat: int) -> dict[str, Any]:
    """All speeds, of the best times."""
    four, three, many = (mesh(config, cores, size, frames) for cores, size in ((4, (4, 1)), (3, (3, 1)), (3, (12, 12))))
    alone, both = (Options(threads=threads, adapts=False, trace=False, batch=BATCH) for threads in (1, 2))
    work: dict[str, int] = {}
    best: dict[str, IntArray] = {}
    times = dict.fromkeys(("3 nodes", "144 nodes"), float("inf"))

    def note(name: str, cycles: int, nanoseconds: IntArray) -> None:
        work[name], best[name] = cycles, np.minimum(nanoseconds, best.get(name, nanoseconds))

    for _ in range(repeat):
        note("single core", *single(config, frames))
        for name, options in (("one thread", alone), ("two threads", both)):
            done = run(four, options)
            note(name, busy(done), done.batches)
        for name, given in (("3 nodes", three), ("144 nodes", many)):
            times[name] = min(times[name], run(given, alone).processor)
    speeds = {name: 1e9 * work[name] / int(best[name].sum()) for name in best}
    ratio, idle = speeds["two threads"] / speeds["single core"], times["144 nodes"] / times["3 nodes"]
    return {"config": config.name, "cycles": done.cycles - done.first,
            "busy share": busy(done) / (4 * (done.cycles - done.first)), "busy cycles per second": speeds,
            "two threads over one": speeds["two threads"] / speeds["one thread"], "two threads over single core": ratio,
            "seconds": times, "144 nodes over 3": idle, "reached": ratio >= LEAST_BUSY and idle <= MOST_IDLE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="fpga_small")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measured(CoreConfig.load(arguments.config), arguments.frames, arguments.repeat)
    table = Table(title=f"Meshes of {found['config']} in compiled RTL, {found['cycles']:,} cycles, cores busy in "
                        f"{found['busy share']:.0%}")
    for heading in ("measure", "value", "bar"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, speed in found["busy cycles per second"].items():
        table.add_row(f"busy cycles per second, {name}", f"{speed:,.0f}", "")
    table.add_row("two threads over single core", f"{found['two threads over single core']:.2f}", f"≥ {LEAST_BUSY}")
    for name, seconds in found["seconds"].items():
        table.add_row(f"seconds, {name}, three busy", f"{seconds:.2f}", "")
    table.add_row("144 nodes over 3", f"{found['144 nodes over 3']:.2f}", f"≤ {MOST_IDLE}")
    Console(width=120).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
