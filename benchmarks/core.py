"""Lane utilization of the event core on typical layers: from its performance counters, and counted by hand.

    python -m benchmarks.core [--config PRESET|FILE] [--events N] [--seed N] [--json FILE]

Each layer gets events of interior neurons only (no tap of theirs leaves the destination), one after another, from a
host that never waits. `busy` counts every cycle in which the ESU or the neuron update has work: ESU start-up, bank
conflicts and the draining of the pipeline included.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import write
from golden.host import encode
from synapress.engines.verilated import run
from synapress.mapper import Network, compile_network


@dataclass(frozen=True)
class Case:
    """A layer: name, depths, kernel, stride, and what is asked of it."""

    name: str
    source_depth: int
    depth: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    size: int = 16
    bar: float = 0.97
    short_bar: float = 0.0
    """The bar with `short_events`, if it is another one."""


CASES = (
    Case("conv 3×3, 32→32", 32, 32, 3),
    Case("conv 5×5 stride 2, 24→36", 24, 36, 5, 2, size=32),
    Case("conv 1×1, 64→256", 64, 256, 1),
    Case("conv 3×3, 32→36", 32, 36, 3),
    Case("depthwise 3×3, 32", 32, 32, 3, depthwise=True, bar=0.98),
    Case("depthwise 3×3, 36", 36, 36, 3, depthwise=True, bar=0.98),
    # One word operation per event: four cycles each, or with `short_events` at most 1.6.
    Case("depthwise 1×1, 32", 32, 32, 1, depthwise=True, bar=0.24, short_bar=1 / 1.6),
    Case("local 1×1, 4→4", 4, 4, 1, size=32, bar=0.24, short_bar=1 / 1.6),
)


def network(case: Case, rng: np.random.Generator) -> Network:
    net = Network(case.name)
    net.input("in", (case.source_depth, case.size, case.size))
    pad = case.kernel // 2
    if case.depthwise:
        weights = rng.integers(-8, 8, (case.depth, case.kernel, case.kernel))
        net.depthwise("layer", "in", weights, padding=pad, stride=case.stride, shift=4)
    else:
        weights = rng.integers(-8, 8, (case.depth, case.source_depth, case.kernel, case.kernel))
        net.conv("layer", "in", weights, padding=pad, stride=case.stride, shift=4)
    net.output("layer")
    return net


def interior(case: Case, rng: np.random.Generator, events: int) -> npt.NDArray[np.int64]:
    """A feature map with `events` firing neurons, all of whose taps stay inside."""
    frame = np.zeros((case.source_depth, case.size, case.size), np.int64)
    inner = case.size - 2 * case.kernel
    chosen = rng.permutation(case.source_depth * inner * inner)[:events]
    c, rest = np.divmod(chosen, inner * inner)
    x, y = np.divmod(rest, inner)
    frame[c, x + case.kernel, y + case.kernel] = rng.integers(1, 256, len(chosen))
    return frame


def by_hand(case: Case, frame: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Synaptic operations and positions, counted from the definition of the convolution."""
    pad, positions = case.kernel // 2, 0
    for _, x, y in zip(*np.nonzero(frame), strict=True):
        columns = sum((int(x) + pad - j) % case.stride == 0 for j in range(case.kernel))
        rows = sum((int(y) + pad - k) % case.stride == 0 for k in range(case.kernel))
        positions += columns * rows
    return positions * (1 if case.depthwise else case.depth), positions


def measure(case: Case, config: CoreConfig, events: int, seed: int) -> dict[str, float | int | str]:
    rng = np.random.default_rng(seed)
    _, image = compile_network(network(case, rng), config)
    frame = interior(case, rng, events)
    axons = image.manifest["inputs"][0]["axons"]
    result = run(config, image.parts, image.edges, image.populations, [encode([(frame, axons)], config)],
                 inputs=len(axons), outputs=1)
    counters = result.counters
    synapses, positions = by_hand(case, frame)
    word_ops = positions * (1 if case.depthwise else -(-case.depth // config.lanes))
    if (counters["synapses"], counters["word_ops"]) != (synapses, word_ops):
        raise SystemExit(f"{case.name}: counters say {counters['synapses']} synaptic operations in "
                         f"{counters['word_ops']} word operations, by hand there are {synapses} in {word_ops}")
    useful = synapses / (config.lanes * counters["busy"])
    return {
        "layer": case.name, "events": counters["values_in"], "synapses": synapses, "word_ops": word_ops,
        "busy": counters["busy"], "lane_utilization": useful, "word_ops_per_cycle": word_ops / counters["busy"],
        "stall_bank": counters["stall_bank"], "stall_hazard": counters["stall_hazard"],
        "stall_weight": counters["stall_weight"],
        "bar": case.short_bar if config.short_events and case.short_bar else case.bar,
        "cycles_per_event": counters["busy"] / counters["values_in"],
        "reached": word_ops / counters["busy"] if case.depthwise or case.short_bar else useful,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config = CoreConfig.load(arguments.config)
    rows = [measure(case, config, arguments.events, arguments.seed) for case in CASES]
    table = Table(title=f"Core on interior events ({config.name}, {config.lanes} lanes, {config.banks} banks, "
                        f"seed {arguments.seed}); operations by counter = by hand")
    for heading in ("layer", "events", "SOP", "word ops", "busy cycles", "cycles / event", "lanes useful",
                    "word ops / cycle", "stalls bank / hazard / weight", "bar"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for row in rows:
        reached, bar = float(row["reached"]), float(row["bar"])
        color = "green" if reached >= bar else "red"
        table.add_row(str(row["layer"]), f"{row['events']:,}", f"{row['synapses']:,}", f"{row['word_ops']:,}",
                      f"{row['busy']:,}", f"{row['cycles_per_event']:.2f}",
                      f"{row['lane_utilization']:.1%}", f"{row['word_ops_per_cycle']:.3f}",
                      f"{row['stall_bank']:,} / {row['stall_hazard']:,} / {row['stall_weight']:,}",
                      f"[{color}]{reached:.1%} (≥ {bar:.0%})[/]")
    Console(width=150).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")
    if any(float(row["reached"]) < float(row["bar"]) for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
