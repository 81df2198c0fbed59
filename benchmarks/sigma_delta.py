"""PilotNet as a sigma-delta network on three cores: work, frame rate and error over thresholds, on a scene that moves.

    python -m benchmarks.sigma_delta [--size 100x33] [--frames N] [--thresholds 0,1,2,...] [--rtl N] [--json FILE]

The camera turns by a pixel per frame, and each frame has noise of its own (`synapress.zoo.road.drive`). Weights are
random; the layers are scaled so that their values fill their range. A threshold of the table is that of the input, a
half of it that of the first convolution and a third that of the second; the layers behind, which have little to do,
send every change. Compared are the synaptic operations (SOP) with the network frame by frame, and its outputs: the
root of the mean square of the difference over that of the outputs. The first frame, in which all changes, does not
count.

The interval between frames is predicted, as `synapress.engines.interval` says: events of a frame replayed on each
core, and frames like it in flight, at 100 MHz; it is that of the frame with about the mean of the SOPs, and no shorter
than the work or the evaluations of a core. With `--rtl N` the Verilog of the three cores runs N frames, equal to the
golden model in every state, and its own interval is measured.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from golden.config import PRESETS, CoreConfig
from golden.files import write
from golden.network import fast
from golden.program import Program
from golden.timing.operations import EdgeOperations
from golden.types import Array, IntArray, Integers, Pair
from golden.words import Saturation
from synapress.engines.compare import MismatchError
from synapress.engines.interval import Interval, interval
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.engines.timesteps import run as run_timesteps
from synapress.mapper import MeshImage, Network, Throughput, lower
from synapress.mapper.network.sigma_delta import sigma_delta
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.reports.mesh_run import frame_interval
from synapress.zoo import pilotnet
from synapress.zoo.road import drive

CLOCK = 100e6
CORES = 3
CONFIG = dataclasses.replace(
    PRESETS["grai_vip"], name="grai_vip_sigma_delta", address_bits=14, state_bits=32,
    neuron_types=(*PRESETS["grai_vip"].neuron_types, "sigma_delta"))
"""Cores of 256 kB, as the preset's; the words are twice as wide, and half as many."""
THRESHOLDS = (0, 2, 4, 6, 8, 10, 12, 16, 24)
PARTS = {"input": 1, "conv1": 2, "conv2": 3}
"""By layer, the part of the threshold that it gets: 1 / so many."""
RATES = {(100, 33): 1200, (200, 66): 400}
"""Frames per second that are asked for, by input size."""
FILLED = 0.8
"""Of their range, what values of the first frame fill."""
FEWER, ERROR = 4.0, 0.05
"""What is asked of some threshold: so many times fewer SOPs, and no larger error."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """A network of frames, the frames, and what it makes of each."""

    network: Network
    frames: IntArray
    program: Program
    results: Mapping[str, Integers]

    @property
    def name(self) -> str:
        return self.network.inputs[0]


def calibrated(network: Network, frame: IntArray) -> Network:
    """The same layers, scaled so that the values of each fill their range in a frame, as quantization does."""
    made = Network(network.name)
    for layer in network.layers.values():
        name = made.insert(layer)
        if layer.kind != "input":
            states = fast.run(lower_to(made, name), {made.inputs[0]: frame}, CONFIG, keep=[name])[name].states
            most = states.max() if layer.saturation == Saturation.RELU else np.abs(states).max()
            scale = FILLED * Saturation.bounds(Saturation.FULL, CONFIG.value_bits)[1] / float(most)
            shift = CONFIG.multiplier_bits - 2 - int(np.ceil(np.log2(scale)))
            made.layers[name] = dataclasses.replace(
                layer, multiplier=np.array([round(scale * 2.0**shift)]), shift=np.array([shift]))
    for name in network.outputs:
        made.output(name)
    return made


def lower_to(network: Network, name: str) -> Program:
    """The layers so far, of which one is the output."""
    part = Network(network.name)
    part.layers.update(network.layers)
    part.output(name)
    return lower(part)


def scene(size: Pair, frames: int, seed: int) -> Scene:
    given = drive((3, *size), frames, seed)
    network = calibrated(pilotnet(seed, size), given[0])
    program = lower(network)
    results = fast.run(program, {network.inputs[0]: given}, CONFIG)
    return Scene(network=network, frames=given, program=program,
                 results={name: result.outputs for name, result in results.items()})


def thresholds(threshold: int) -> dict[str, int]:
    """Of the input and the layers behind it, rounded down."""
    return {name: threshold // part for name, part in PARTS.items()}


def operations(program: Program, outputs: Mapping[str, Integers]) -> IntArray:
    """Synaptic operations of each frame (N, D, W, H)."""
    work = [(edge.source, EdgeOperations.of(
        edge, program.population(edge.source), program.population(edge.destination), CONFIG)) for edge in program.edges]
    count = len(next(iter(outputs.values())))
    return np.array([sum(each.counts(outputs[source][n:n + 1]).synapses for source, each in work)
                     for n in range(count)])


def mapped(network: Network, sample: IntArray, config: CoreConfig) -> Compilation:
    return run_steps(Compilation(source=network, config=config, throughput=Throughput(
        cores=CORES, frames={network.inputs[0]: sample})))


def predicted(work: Compilation, outputs: Mapping[str, Integers], number: int) -> Interval:
    """Of frames like one."""
    assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
    assert work.placement is not None
    return interval(work.parts, work.image, work.placement.places,
                    {name: values[number] for name, values in outputs.items()}, cores=CORES)


def row(scene: Scene, threshold: int | None, work: Compilation) -> dict[str, Any]:
    """One line of the table; threshold None: frame by frame, on the same cores."""
    outputs: Mapping[str, Integers] = scene.results
    wrapped: Mapping[str, int] = {}
    if threshold is not None:
        program = lower(sigma_delta(scene.network, thresholds(threshold)))
        outputs, wrapped, _ = run_timesteps(program, {scene.name: scene.frames}, len(scene.frames), CONFIG)
    last = scene.network.outputs[0]
    exact, found = (np.asarray(maps[last][1:], float) for maps in (scene.results, outputs))
    of_frames = operations(scene.program, outputs)
    synapses, plain = float(of_frames[1:].mean()), float(operations(scene.program, scene.results)[1:].mean())
    model = predicted(work, outputs, 1 + int(np.argmin(np.abs(of_frames[1:] - synapses))))
    evaluation = max(core.evaluation for core in model.cores)
    cycles = max(model.cycles, model.busiest.busy, evaluation)
    return {
        "threshold": threshold, "SOP per frame": round(synapses), "times fewer": plain / synapses,
        "error": float(np.sqrt(np.mean((exact - found) ** 2) / np.mean(exact ** 2))),
        "events": round(sum(np.count_nonzero(array[1:]) for array in outputs.values()) / (len(scene.frames) - 1)),
        "interval": round(cycles), "frames per second": CLOCK / cycles, "exact": model.exact,
        "evaluation": evaluation, "wrapped": sum(wrapped.values())}


def table(size: Pair, rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(title=f"PilotNet, input {size[0]} × {size[1]}, on {CORES} cores; intervals predicted, at 100 MHz")
    for heading in ("threshold", "SOP per frame", "times fewer", "error", "events", "interval", "frames/s"):
        shown.add_column(heading, justify="right")
    for each in rows:
        shown.add_row(
            "frame by frame" if each["threshold"] is None else str(each["threshold"]), f"{each['SOP per frame']:,}",
            f"{each['times fewer']:.2f}", f"{each['error']:.1%}", f"{each['events']:,}", f"{each['interval']:,}",
            f"{each['frames per second']:,.0f}")
    return shown


def hardware(scene: Scene, threshold: int, sample: IntArray, frames: int, console: Console) -> dict[str, Any]:
    """The Verilog of the cores, equal to the golden model, on the first frames.

    Raises:
        MismatchError: they differ.
    """
    network = sigma_delta(scene.network, thresholds(threshold))
    work = mapped(network, sample, CONFIG)
    sent = run_timesteps(work.program, {scene.name: scene.frames[:frames]}, frames, CONFIG)[0][scene.name]
    given: dict[str, Array] = {scene.name: sent}
    with console.status("") as status:
        assert isinstance(work.image, MeshImage)
        done = simulate_mesh(work.image, given, Options(spread=True), progress=status.update)
    if done.comparison.differences:
        raise MismatchError("; ".join(done.comparison.differences))
    found = done.outputs[scene.network.outputs[0]]
    period = frame_interval(done.run)
    console.print(f"RTL = golden at threshold {threshold}: {done.comparison.states:,} state words at their evaluation; "
                  f"interval {period:,.0f} cycles, {CLOCK / period:,.0f} frames/s")
    return {"threshold": threshold, "frames": frames, "states": done.comparison.states, "interval": period,
            "frame by frame": bool(np.array_equal(found, scene.results[scene.network.outputs[0]][:frames]))}


def measure(size: Pair, frames: int, chosen: Sequence[int], seed: int, rtl: int, console: Console) -> dict[str, Any]:
    made = scene(size, frames, seed)
    work = mapped(sigma_delta(made.network), made.frames[0], CONFIG)
    rows = []
    for threshold in (None, *chosen):
        rows.append(row(made, threshold, work))
    console.print(table(size, rows))
    near = [each for each in rows[1:] if each["error"] <= ERROR]
    best = max(near, key=lambda each: float(each["times fewer"]), default=None)
    if best is not None:
        reached = best["times fewer"] >= FEWER and best["frames per second"] >= RATES.get(size, 0)
        console.print(f"threshold {best['threshold']}: {best['times fewer']:.2f} times fewer SOPs at an error of "
                      f"{best['error']:.1%} (asked: {FEWER:.0f} times at {ERROR:.0%}), "
                      f"{best['frames per second']:,.0f} frames/s (asked: {RATES.get(size, 0):,}): "
                      f"{'reached' if reached else 'not reached'}")
    found: dict[str, Any] = {"size": list(size), "frames": frames, "seed": seed, "rows": rows}
    if rtl:
        found["rtl"] = [hardware(made, threshold, made.frames[0], rtl, console)
                        for threshold in (0, 0 if best is None else best["threshold"])]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", help="columns × rows of the input, such as 200x66; default: both")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--thresholds", default=",".join(map(str, THRESHOLDS)))
    parser.add_argument("--seed", type=int, default=1, help="of weights and scene")
    parser.add_argument("--rtl", type=int, default=0, metavar="N", help="frames that the Verilog runs, too")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    console, found = Console(), []
    for size in given.size or ("100x33", "200x66"):
        columns, rows = map(int, size.split("x"))
        found.append(measure((columns, rows), given.frames, [int(each) for each in given.thresholds.split(",")],
                             given.seed, given.rtl, console))
    if given.json:
        write(given.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
