"""The frame interval of PilotNet on few and on many cores, against all lanes of all cores at work.

    python -m benchmarks.throughput [cores ...] [--config PRESET|FILE] [--seed N] [--frames N] [--json FILE]

The network is mapped for throughput (`synapress map pilotnet --throughput`), with the firing of one frame, and judged
by another one: all its events are replayed on each core (`busy`), and frames of it are run in flight through the queues
of the cores (`interval`, an estimate). The frames are drawn: a road between verges under a sky, with noise. The weights
are those of the zoo, random of this seed; about half of the neurons fire with them as they are.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import write
from golden.network import fast
from synapress.engines.interval import Interval, interval
from synapress.mapper import Throughput, lower
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation, run
from synapress.zoo import pilotnet
from synapress.zoo.road import road

BARS = {3: 1.2, 12: 1.4}
"""By cores, the interval over synaptic operations ÷ (cores · lanes) that must be reached; for others the last one."""
FIRING = 0.4
"""So many of the neurons must fire at least."""


def measure(cores: int, config: CoreConfig, seed: int, frames: int) -> tuple[Interval, float, float]:
    """The interval on so many cores, what the mapping expected, and the seconds that mapping took."""
    network = pilotnet(seed)
    program, shape = lower(network), network.shape("input")
    start = time.perf_counter()
    work = run(Compilation(source=program, config=config, throughput=Throughput(
        cores=cores, frames={"input": road(shape, seed)})))
    took = time.perf_counter() - start
    assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
    assert work.placement is not None and work.balanced is not None
    outputs = {name: result.outputs for name, result in fast.run(
        program, {"input": road(shape, seed + 1)}, config).items()}
    found = interval(work.parts, work.image, work.placement.places, outputs, cores=cores, frames=frames)
    return found, work.balanced.interval, took


def row(cores: int, found: Interval, expected: float, took: float) -> dict[str, Any]:
    bar = BARS.get(cores, max(BARS.values()))
    return {"cores": cores, "in use": len(found.cores), "firing": found.firing, "SOP": found.synapses,
            "ideal": found.ideal, "busiest core": found.busiest.busy,
            "busiest ÷ ideal": found.busiest.busy / found.ideal,
            "interval, mapper": expected, "interval": found.cycles, "ratio": found.ratio, "bar": bar,
            "mapping, s": took, "reached": found.ratio <= bar and found.firing >= FIRING}


def tables(found: Interval, figures: dict[str, Any], config: CoreConfig) -> list[Table]:
    whole = Table(title=f"PilotNet on {figures['cores']} cores ({config.name}), cycles per frame")
    for name in figures:
        whole.add_column(name, justify="right")
    whole.add_row(*("yes" if value is True else "no" if value is False else
                    f"{value:,.3f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
                    for value in figures.values()))
    each = Table(caption="updates: replay of all events" + ("" if found.exact else ", large edges in samples"))
    for name in ("core", "updates", "lanes used", "evaluation", "fragments"):
        each.add_column(name, justify="left" if name == "fragments" else "right")
    for core in found.cores:
        used = core.synapses / core.busy / found.lanes
        each.add_row(f"({core.core[0]}, {core.core[1]})", f"{core.busy:,}", f"{used:.1%}", f"{core.evaluation:,}",
                     ", ".join(core.fragments))
    return [whole, each]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cores", nargs="*", type=int, default=list(BARS), help=", ".join(map(str, BARS)))
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=4, help="in flight, at least 2")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config, results = CoreConfig.load(arguments.config), []
    for cores in arguments.cores:
        found, expected, took = measure(cores, config, arguments.seed, arguments.frames)
        figures = row(cores, found, expected, took)
        for table in tables(found, figures, config):
            Console(width=170).print(table)
        results.append({**figures, **found.to_json()})
    if arguments.json:
        write(arguments.json, json.dumps(results, indent=1) + "\n")
    if not all(result["reached"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
