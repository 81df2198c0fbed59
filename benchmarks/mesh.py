"""Speed of the simulator of meshes: against the compiled single core, and what idle nodes cost.

    python -m benchmarks.mesh [--config PRESET] [--frames N] [--repeat N] [--json FILE]

- busy: a convolution on each of four cores, all of which work all the time, on two threads; beside it the same layer
  alone in the single-core harness. Compared are cycles in which a core works, per second.
- idle: three such cores in a mesh of 12 × 12 nodes, and in one of 3 × 1, on one thread. Compared is the processor's
  time.

Other work on the machine spoils what two threads do, as they wait for one another in each cycle. So that speed is taken
where it was highest, in the fastest of many short batches of cycles, and compared with that of one thread alike; the
latter is compared with the single core by the processor's time. Times are of frames alone, and the best of the repeats.
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
from golden.types import Words
from synapress.engines import verilated
from synapress.engines.mesh.run import MeshInput, MeshRun, Options, run
from synapress.engines.mesh.simulate import encode_inputs
from synapress.mapper import Network, build_mesh, compile_network, lower, partition

LEAST_BUSY, MOST_IDLE = 1.3, 1.5
"""The bars: busy node-cycles per second over those of the single core; time of 144 nodes over that of three."""
BATCH = 256
"""Cycles of which the fastest are taken: about a millisecond, in which others may leave two processors alone."""
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


def single(config: CoreConfig, frames: int) -> float:
    """Cycles per processor second of one core in its own harness, in which it works."""
    _, image = compile_network(layers(1), config)
    entry = image.manifest["inputs"][0]
    packed = [encode([(frame["in"], entry["axons"])], config) for frame in frames_of(frames)]
    done = verilated.run(config, image.parts, image.edges, image.populations, packed, inputs=len(entry["axons"]),
                         outputs=1)
    return done.counters["busy"] / done.processor


def measured(config: CoreConfig, frames: int, repeat: int) -> dict[str, Any]:
    """All speeds, the best of each."""
    four, three, many = (mesh(config, cores, size, frames) for cores, size in ((4, (4, 1)), (3, (3, 1)), (3, (12, 12))))
    alone = Options(threads=1, trace=False, batch=BATCH)
    both = Options(threads=2, adapts=False, trace=False, batch=BATCH)
    speeds = dict.fromkeys(("single core", "one thread"), 0.0)
    fastest = dict.fromkeys(("one thread", "two threads"), float("inf"))
    times = dict.fromkeys(("3 nodes", "144 nodes"), float("inf"))
    for _ in range(repeat):
        speeds["single core"] = max(speeds["single core"], single(config, frames))
        done = run(four, alone)
        speeds["one thread"] = max(speeds["one thread"], busy(done) / done.processor)
        fastest["one thread"] = min(fastest["one thread"], done.fastest)
        fastest["two threads"] = min(fastest["two threads"], run(four, both).fastest)
        for name, given in (("3 nodes", three), ("144 nodes", many)):
            times[name] = min(times[name], run(given, alone).processor)
    gain, idle = fastest["one thread"] / fastest["two threads"], times["144 nodes"] / times["3 nodes"]
    speeds["two threads"] = speeds["one thread"] * gain
    ratio = speeds["two threads"] / speeds["single core"]
    return {"config": config.name, "cycles": done.cycles - done.first,
            "busy share": busy(done) / (4 * (done.cycles - done.first)), "busy cycles per second": speeds,
            "two threads over one": gain, "two threads over single core": ratio, "seconds": times,
            "144 nodes over 3": idle, "reached": ratio >= LEAST_BUSY and idle <= MOST_IDLE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="fpga_small")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=4)
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
