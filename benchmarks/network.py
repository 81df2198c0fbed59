"""The fast whole-network model: how fast, how exact, and its cycles against the RTL's counters.

    python -m benchmarks.network [frame] [sparse] [ratio] [cycles] [skipping]
                                 [--config PRESET|FILE] [--seed N] [--repeat N] [--json FILE]

frame: a ResNet50 frame of 224 × 224 with random weights, every population compared with the dense reference.
sparse: synaptic operations per second (of firing neurons only) by density of the input.
ratio: time of the event-by-event model for a PilotNet frame, on as many cores as it needs, over this model's.
cycles: every layer of the digits network alone, by the cycle model and by the counters of the compiled RTL.
skipping: cycles of PilotNet's updates and evaluations by the cycle model, without and with `skip_silent`, where one
neuron in ten fires, and one input in ten is not 0, at random.
Without names all of them. Times are wall-clock, the best and the median of the repeats. BLAS has one thread, or
OPENBLAS_NUM_THREADS of them.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.console import Console
from rich.table import Table

from golden import kernel_products
from golden.config import CoreConfig
from golden.files import write
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import dense
from golden.network import fast as network
from golden.program import Program
from golden.timing.cycles import evaluation_cycles, layer_cycles
from synapress.engines.layer_cycles import alone
from synapress.mapper import Network, compile_mesh, legalize, lower
from synapress.zoo import pilotnet, resnet50
from synapress.zoo.digits.data import feature_maps, load_digits, quantize_input
from synapress.zoo.digits.network import digits_network

FRAME_SECONDS, FRAME_GIGABYTES = 60, 8
SPARSE_RATE = 50e6
SPARSE_DENSITY = 0.1
RATIO = 100
CYCLES = 0.02
SKIPPED = 0.35
"""The bars."""

Row = dict[str, Any]


def timed(work: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Best and median seconds; once before, to warm up."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times)


def gigabytes() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def lively(program: Program) -> Program:
    """A gain of 1.5 in each population, without which random networks fall silent layer by layer."""
    return dataclasses.replace(program, populations=[
        dataclasses.replace(population, multiplier=population.multiplier * 3, shift=population.shift + 1)
        for population in program.populations])


def frame(config: CoreConfig, seed: int, repeat: int) -> list[Row]:
    program = lively(legalize(lower(resnet50(seed)), config))
    name = program.inputs[0]
    inputs = {name: np.random.default_rng(seed).integers(0, 256, program.population(name).shape)}
    start = time.perf_counter()
    result = network.run(program, inputs, config)
    first, memory = time.perf_counter() - start, gigabytes()
    best, median = timed(lambda: network.run(program, inputs, config), repeat)
    work = network.counts(program, inputs, config).values()
    reference = dense.run(program, inputs, config)
    equal = [np.array_equal(result[key].states, reference[key].states)
             and np.array_equal(result[key].outputs, reference[key].outputs) for key in reference]
    synapses = dense.synaptic_operations(program, {population.name: np.ones(population.shape, np.int8)
                                                   for population in program.populations})
    return [{"network": "ResNet50, 224 × 224", "synapses": sum(synapses.values()),
             "events": sum(c.events for c in work), "SOP": sum(c.synapses for c in work), "populations": len(equal),
             "equal to dense": sum(equal), "first run, s": first, "best, s": best,
             "median, s": median, "peak memory, GB": memory,
             "reached": all(equal) and median < FRAME_SECONDS and memory < FRAME_GIGABYTES}]


def sparse(config: CoreConfig, seed: int, repeat: int) -> list[Row]:
    rows = []
    for density in (1.0, SPARSE_DENSITY, 0.01, 0.001):
        rng = np.random.default_rng(seed)
        net = Network("conv 3×3, 64→64, 56 × 56")
        net.input("in", (64, 56, 56))
        net.output(net.conv("layer", "in", rng.integers(-127, 128, (64, 64, 3, 3)), padding=1, shift=9))
        program = lower(net)
        shape = (8, 64, 56, 56)
        inputs = {"in": rng.integers(1, 256, shape) * (rng.random(shape) < density)}
        operations = sum(count.synapses for count in network.counts(program, inputs, config).values())
        best, median = timed(lambda program=program, inputs=inputs: network.run(program, inputs, config), repeat)
        rows.append({"layer": net.name, "frames": shape[0], "density": density, "SOP": operations, "best, s": best,
                     "median, s": median, "million SOP/s (median)": operations / median / 1e6,
                     "reached": density != SPARSE_DENSITY or operations / median > SPARSE_RATE})
    return rows


def ratio(config: CoreConfig, seed: int, repeat: int) -> list[Row]:
    net = pilotnet(seed)
    _, _, image = compile_mesh(net, config)
    program, shape = legalize(lower(net), config), net.shape("input")
    inputs = {"input": np.random.default_rng(seed).integers(0, 256, shape)}
    mesh = Mesh(config, image.words(), host=image.host)
    packed = encode_frame(inputs, image.manifest["inputs"], config)
    events = decode_frame(mesh.run_frame(packed), image.manifest["outputs"], config)
    with mock.patch.object(kernel_products, "FEWEST", 1 << 62):  # event by event
        slow = timed(lambda: mesh.run_frame(packed), max(1, repeat // 3))[0]
    fast = timed(lambda: network.run(program, inputs, config), 3 * repeat)[1]
    outputs = network.run(program, inputs, config)
    equal = all(np.array_equal(events[name], outputs[name].outputs) for name in program.outputs)
    return [{"network": "PilotNet, one frame", "cores": len(mesh.cores), "event by event, s (best)": slow,
             "this model, s (median)": fast, "ratio": slow / fast, "equal outputs": equal,
             "reached": equal and slow / fast > RATIO}]


def cycles(config: CoreConfig, seed: int, repeat: int) -> list[Row]:
    program = legalize(lower(digits_network()), config)
    digit = quantize_input(feature_maps(load_digits().test_images[seed:seed + 1]))[0]
    inputs = {program.inputs[0]: digit}
    outputs = {name: result.outputs for name, result in network.run(program, inputs, config).items()}
    counts, rows = network.counts(program, inputs, config), []
    for population in program.populations:
        if not (edges := program.edges_into(population.name)):
            continue
        layer = alone(program, population.name, outputs, config)
        counters = layer.simulate().counters
        model = layer_cycles(program, population.name, outputs, config, places=layer.places)
        error = model.busy / counters["busy"] - 1
        rows.append({"layer": population.name, "events": sum(counts[edge.name].events for edge in edges),
                     "SOP": sum(counts[edge.name].synapses for edge in edges),
                     "word ops": sum(counts[edge.name].word_ops for edge in edges),
                     "partial": sum(counts[edge.name].partial_ops for edge in edges), "ideal": model.ideal,
                     "cycles, model": model.busy, "cycles, RTL": counters["busy"], "error": error,
                     "evaluation": model.evaluation, "reached": abs(error) <= CYCLES})
    return rows


def skipping(config: CoreConfig, seed: int, repeat: int) -> list[Row]:
    program, rng = legalize(lower(pilotnet(seed)), config), np.random.default_rng(seed)
    fires = {population.name: rng.random(population.shape) < SPARSE_DENSITY for population in program.populations}
    without, skips = (dataclasses.replace(config, skip_silent=skip) for skip in (0, 1))
    rows: list[Row] = []
    for population in program.populations:
        name = population.name
        if not program.edges_into(name):
            continue
        # Sums of neurons that fire are above 0, after their biases too, and those of the others below.
        size = int(np.abs(population.bias).max()) + 1
        cycles = layer_cycles(program, name, fires, skips, states=np.where(fires[name], size, -size))
        rows.append({"layer": name, "neurons": fires[name].size, "updates": cycles.busy,
                     "evaluation without": evaluation_cycles(population, without), "with": cycles.evaluation})
    rows.append({"layer": "all", **{key: sum(row[key] for row in rows) for key in list(rows[0])[1:]}})
    for row in rows:
        for key in ("evaluation without", "with"):
            row[f"share {key.removeprefix('evaluation ')}"] = f"{row[key] / (row['updates'] + row[key]):.1%}"
        row["reached"] = row["layer"] != "all" or row["with"] <= SKIPPED * row["evaluation without"]
    return rows


PARTS: dict[str, tuple[Callable[[CoreConfig, int, int], list[Row]], str]] = {
    "frame": (frame, f"under {FRAME_SECONDS} s and {FRAME_GIGABYTES} GB, equal"),
    "sparse": (sparse, f"at least {SPARSE_RATE / 1e6:.0f} million SOP/s at {SPARSE_DENSITY:.0%}"),
    "ratio": (ratio, f"at least {RATIO} times as fast, equal"), "cycles": (cycles, f"within {CYCLES:.0%}"),
    "skipping": (skipping, f"at most {SKIPPED:.0%} of the evaluation's cycles"),
}


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "[green]yes[/]" if value else "[red]no[/]"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    config, results = CoreConfig.load(arguments.config), {}
    for name in arguments.parts or PARTS:
        measure, bar = PARTS[name]
        rows = results[name] = measure(config, arguments.seed, arguments.repeat)
        table = Table(title=f"{name} ({config.name}, seed {arguments.seed}, "
                            f"BLAS threads: {os.environ['OPENBLAS_NUM_THREADS']}); bar: {bar}")
        for heading in rows[0]:
            table.add_column(heading, justify="left" if heading in ("layer", "network") else "right")
        for row in rows:
            table.add_row(*map(text, row.values()))
        Console(width=150).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(results, indent=1, default=float) + "\n")
    if not all(row["reached"] for rows in results.values() for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
