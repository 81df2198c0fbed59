"""Cycles per neuron of the evaluation, in RTL: maps of which every neuron fires, sent to the host.

    python -m benchmarks.evaluation [--config PRESET|FILE] [--sparse] [--json FILE]

Biases make all neurons fire, so no event but the end of the timestep goes in. From the cycles of a map those of one
position of it are taken away, so that what a population costs once does not count. Sums with parameters of their own
per channel, the same through a value table, and spiking neurons, which keep their states. A second table has maps of
which some neurons fire, without and with `skip_silent`; with `--sparse` it is the only one.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from golden.config import CoreConfig
from golden.files import write
from golden.host import encode
from synapress.engines.verilated import run
from synapress.mapper import Network, compile_network

SHAPES = ((4, 32, 32), (6, 32, 32), (32, 16, 16), (64, 8, 8))
BARS = {"sums": 1.005, "value table": 1.05, "spiking": 1.05}
"""What is asked of channel words that all lanes fill; 1.005 is 1.00 as it is printed."""

SPARSE_SHAPES = ((32, 8, 8),)
RATES = (0.0, 0.1, 0.5)
SPARSE_BAR = 0.35
"""What is asked of the rate 10 % with `skip_silent` and four lanes; a word per cycle is 0.25."""


def sparse_network(kind: str, shape: tuple[int, int, int], rate: float) -> tuple[Network, int]:
    """One layer of which this rate of channels fires without an input, and how many neurons do.

    Spiking ones by their first states, sums by their biases.
    """
    net, depth, generator = Network(kind), shape[0], np.random.default_rng(1)
    net.input("in", shape)
    fires = generator.permutation(depth) < round(rate * depth)
    if kind == "spiking":
        net.lif("layer", ["in"], threshold=2, initial=np.where(fires, 2, generator.integers(-9, 2, depth)))
    else:
        net.depthwise("layer", "in", np.ones((depth, 1, 1), np.int64), np.where(fires, 5, -5))
    net.output("layer")
    return net, int(fires.sum()) * shape[1] * shape[2]


def network(kind: str, shape: tuple[int, int, int], config: CoreConfig) -> Network:
    """One layer of which all neurons fire without an input."""
    net, depth = Network(kind), shape[0]
    net.input("in", shape)
    bias = np.arange(1, depth + 1) % 100 + 1
    if kind == "spiking":
        net.lif("layer", ["in"], threshold=1, bias=bias)
    else:
        table = {"table": np.full(1 << config.value_bits, 5)} if kind == "value table" else {}
        net.depthwise("layer", "in", np.ones((depth, 1, 1), np.int64), bias, **table)
    net.output("layer")
    return net


def cycles(kind: str, shape: tuple[int, int, int], config: CoreConfig) -> int:
    """From the end of the timestep going in to the last event coming out."""
    _, image = compile_network(network(kind, shape, config), config)
    axons = image.manifest["inputs"][0]["axons"]
    frame = encode([(np.zeros(shape, np.int64), axons)], config)
    result = run(config, image.parts, image.edges, image.populations, [frame], inputs=len(axons), outputs=1)
    neurons = int(np.prod(shape))
    if result.counters["neurons_fired"] != neurons:
        raise SystemExit(f"{kind} {shape}: {result.counters['neurons_fired']} of {neurons} neurons fired")
    return int(result.latency[0])


def sparse_cycles(kind: str, shape: tuple[int, int, int], rate: float, config: CoreConfig) -> int:
    """From the end of the timestep going in to the last event coming out, with this rate of firing neurons."""
    net, fires = sparse_network(kind, shape, rate)
    _, image = compile_network(net, config)
    axons = image.manifest["inputs"][0]["axons"]
    frame = encode([(np.zeros(shape, np.int64), axons)], config)
    result = run(config, image.parts, image.edges, image.populations, [frame], inputs=len(axons), outputs=1)
    if result.counters["neurons_fired"] != fires:
        raise SystemExit(f"{kind} {shape}: {result.counters['neurons_fired']} neurons fired")
    return int(result.latency[0])


def sparse_table(config: CoreConfig) -> list[dict[str, Any]]:
    """Cycles per neuron where some neurons fire, without and with `skip_silent`."""
    rows: list[dict[str, Any]] = []
    table = Table(title=f"Evaluation with few neurons firing, to the host ({config.name}, {config.lanes} lanes)")
    for heading in ("neurons are", "map", "skip_silent", *(f"{rate:.0%} fire" for rate in RATES)):
        table.add_column(heading, justify="left" if heading in ("neurons are", "map") else "right")
    for kind in ("sums", "spiking"):
        for shape in SPARSE_SHAPES:
            for skip in (0, 1):
                asked = dataclasses.replace(config, skip_silent=skip)
                # A map of one position takes what a population costs once.
                once = sparse_cycles(kind, (shape[0], 1, 1), 0, asked)
                neurons = int(np.prod(shape))
                found = [(sparse_cycles(kind, shape, rate, asked) - once) / (neurons - shape[0]) for rate in RATES]
                rows.append({"kind": kind, "shape": "×".join(map(str, shape)), "skip_silent": skip,
                             "per_neuron": dict(zip(map(str, RATES), found, strict=True)),
                             "bar": SPARSE_BAR if skip and config.lanes == 4 else None})
                table.add_row(kind, rows[-1]["shape"], str(skip), *(f"{cycles:.3f}" for cycles in found))
    Console(width=110).print(table)
    return rows


def dense_table(config: CoreConfig) -> list[dict[str, Any]]:
    """Cycles per neuron where every neuron fires."""
    rows: list[dict[str, Any]] = []
    for kind, bar in BARS.items():
        for shape in SHAPES:
            whole, once = cycles(kind, shape, config), cycles(kind, (shape[0], 1, 1), config)
            neurons = int(np.prod(shape))
            # Words of few neurons wait for the memory: two accesses each, and those of tables and kept states.
            asked = bar if kind == "sums" or shape[0] % config.lanes == 0 else None
            rows.append({"kind": kind, "shape": "×".join(map(str, shape)), "neurons": neurons, "cycles": whole,
                         "per_neuron": (whole - once) / (neurons - shape[0]), "bar": asked})
    table = Table(title=f"Evaluation with every neuron firing, to the host ({config.name})")
    for heading in ("neurons are", "map", "neurons", "cycles of the timestep", "cycles per neuron"):
        table.add_column(heading, justify="left" if heading in ("neurons are", "map") else "right")
    for row in rows:
        color = "yellow" if row["bar"] is None else "green" if row["per_neuron"] <= row["bar"] else "red"
        table.add_row(str(row["kind"]), str(row["shape"]), f"{row['neurons']:,}", f"{row['cycles']:,}",
                      f"[{color}]{row['per_neuron']:.3f}[/]")
    Console(width=110).print(table)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--sparse", action="store_true", help="only the table of maps of which some neurons fire")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config = CoreConfig.load(arguments.config)
    rows = [] if arguments.sparse else dense_table(config)
    sparse = sparse_table(config)
    if arguments.json:
        write(arguments.json, json.dumps(rows + sparse, indent=1) + "\n")
    if any(row["bar"] is not None and row["per_neuron"][str(RATES[1])] > row["bar"] for row in sparse):
        raise SystemExit(1)
    if any(row["bar"] is not None and row["per_neuron"] > row["bar"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
