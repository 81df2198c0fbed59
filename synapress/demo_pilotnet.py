"""Frames in flight through a mesh: PilotNet on a few cores, in RTL, bit for bit equal to the golden model.

Maps the network for throughput, runs several frames through the compiled Verilog of all cores, each as soon as the
first layer is ready for it, compares everything with the golden mesh, and tells what layers, cores and links had to
do, and when: beside what the models of the mapper had predicted.
"""

import json
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.status import Status

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import write
from golden.network import fast
from golden.noc.mesh import entries
from golden.program import Program
from golden.types import IntArray, Integers
from synapress.engines.compare import MismatchError
from synapress.engines.interval import Interval, interval
from synapress.engines.mesh.build import build
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import MeshSimulation, host_of, simulate_mesh
from synapress.engines.mesh.times import spans
from synapress.mapper import MeshImage, Network, Throughput, lower
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.reports.mesh_run import (
    core_sheet,
    frame_interval,
    frame_sheet,
    layer_figures,
    layer_sheet,
    link_figures,
    link_sheet,
)
from synapress.reports.plots import gantt_picture
from synapress.reports.tables import show
from synapress.zoo import pilotnet
from synapress.zoo.road import road

OUTPUT = Path("build/demo-pilotnet")
CORES = (3, 2)
"""Three as in the paper, and two, the least that hold PilotNet in cores of 256 kB."""
BARS = {3: 1.2, 12: 1.4}
"""By cores, what the interval over synaptic operations ÷ (cores · lanes) must not exceed."""
FIRING = 0.4
"""The bars are for frames in which so many of the neurons fire at least."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network, the frames (N, D, W, H) of its one input that are run, and a frame to map it with."""

    network: Network
    frames: IntArray
    sample: IntArray

    @property
    def inputs(self) -> dict[str, IntArray]:
        return {self.network.inputs[0]: self.frames}


def pilotnet_task(frames: int, seed: int) -> Task:
    """PilotNet with random weights of a seed, and drawn roads: the first to map with, the next ones to run."""
    network = pilotnet(seed)
    shape = network.shape(network.inputs[0])
    return Task(network=network, frames=np.array([road(shape, seed + 1 + number) for number in range(frames)]),
                sample=road(shape, seed))


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A task on so many cores."""

    cores: int
    program: Program
    cut: PartitionedProgram
    image: MeshImage
    places: Mapping[str, tuple[int, int]]


class Demo:
    """The steps of the demo, in order, on one console."""

    def __init__(self, task: Task, config: CoreConfig, directory: Path, console: Console, options: Options) -> None:
        self.task, self.config, self.directory, self.console = task, config, directory, console
        self.options = options
        self.setup = self.worked = 0.0
        """Processor seconds of what is kept for the next time, and of the rest."""

    @contextmanager
    def step(self, text: str, *, setup: bool = False) -> Iterator[Status]:
        start, used = time.perf_counter(), processor_seconds()
        with self.console.status(text) as status:
            yield status
        spent = processor_seconds() - used
        if setup:
            self.setup += spent
        else:
            self.worked += spent
        self.console.print(f"[green]✓[/] {text} [dim]({time.perf_counter() - start:.1f} s, {spent:.1f} s of "
                           "processors)[/]")

    def run(self, cores: int) -> dict[str, Any]:
        """The whole of it on so many cores; returns the report.

        Raises:
            MismatchError: RTL and golden model differ anywhere.
            MappingError: so many cores do not hold the network.
        """
        frames, before = len(self.task.frames), self.worked
        with self.step(f"mapping {self.task.network.name} to {cores} cores for throughput"):
            mapped = self._map(cores)
            mapped.image.save(self.directory / f"image_{cores}")
        with self.step("compiling the RTL of a node with Verilator (kept for the next time)", setup=True):
            # As `run` of the mesh calls it, which then has it without making the Verilog again.
            build(self.config, depth=self.options.depth, entries=entries([host_of(mapped.image)]),
                  waves=bool(self.options.waves))
        with self.step(f"golden mesh and RTL of {cores} cores, {_frames(frames)} in flight") as status:
            done = simulate_mesh(mapped.image, self.task.inputs, self.options,
                                 progress=lambda text: status.update(text))
        self._verdict(done)
        with self.step("models: events of the first frame replayed; frames like it in flight"):
            works, firing = self._predict(mapped)
        report = self._report(mapped, done, works, firing)
        report["processor seconds"] = round(self.worked - before, 1)
        self._show(report, mapped)
        return report

    # -- steps ---------------------------------------------------------------------------------

    def _map(self, cores: int) -> Mapped:
        name = self.task.network.inputs[0]
        work = run_steps(Compilation(source=self.task.network, config=self.config, throughput=Throughput(
            cores=cores, frames={name: self.task.sample})))
        assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
        assert work.placement is not None
        return Mapped(cores=cores, program=lower(self.task.network), cut=work.parts, image=work.image,
                      places=work.placement.places)

    def _verdict(self, done: MeshSimulation) -> None:
        same = done.comparison
        if not same.equal:
            raise MismatchError("RTL and golden differ: " + "; ".join(same.differences))
        self.console.print(
            f"[bold green]RTL = golden, bit for bit[/]: {same.frames} frames, {same.states:,} state words at their "
            f"evaluation, {same.events:,} events to the host, {same.memory_words:,} final memory words, all counters, "
            "all links")

    def _predict(self, mapped: Mapped) -> tuple[list[Interval], dict[str, float]]:
        """What the models say of each frame, and the share of neurons that fire.

        The first is replayed and run in flight, which takes long; what the others do is counted.
        """
        found, fired = [], dict.fromkeys((item.parent for item in mapped.cut.hosted), 0.0)
        for number, frame in enumerate(self.task.frames):
            outputs: dict[str, Integers] = {name: result.outputs for name, result in fast.run(
                mapped.program, {self.task.network.inputs[0]: frame}, self.config).items()}
            found.append(interval(mapped.cut, mapped.image, mapped.places, outputs, cores=mapped.cores,
                                  **{"frames": 0, "limit": 0} if number else {"frames": max(2, len(self.task.frames))}))
            for name in fired:
                fired[name] += np.count_nonzero(outputs[name]) / outputs[name].size / len(self.task.frames)
        return found, fired

    def _report(self, mapped: Mapped, done: MeshSimulation, works: Sequence[Interval], firing: Mapping[str, float]
                ) -> dict[str, Any]:
        run, frames, counters = done.run, len(works), done.counters
        layers = layer_figures([work.fragments for work in works], self.config.lanes)
        for what, count, all_of in (
                ("synaptic operations", counters["synapses"], "synapses"),
                ("value events", counters["values_in"] + counters["values_local"], "events")):
            model = sum(getattr(item, all_of) for work in works for item in work.fragments)
            if count != model:
                raise MismatchError(f"the RTL counted {count:,} {what}, the layers have {model:,}")
        period, mean = frame_interval(run), float(run.finished[-1] - run.started[0]) / frames
        cores = [{
            "core": list(place), "synapses": count["synapses"] / frames, "busy": count["busy"] / frames,
            "busy, model": sum(item.busy for item in works[0].cores if item.core == place),
            "share": count["busy"] / frames / mean,
            "lanes": count["synapses"] / count["busy"] / self.config.lanes if count["busy"] else 0.0,
            "layers": list(dict.fromkeys(item.parent for item in works[0].fragments if item.core == place)),
        } for place, count in run.counters.items()]
        ideal = counters["synapses"] / frames / (mapped.cores * self.config.lanes)
        first = works[0]
        return {
            "cores": mapped.cores, "mesh": list(mapped.image.size), "host": list(mapped.image.host), "frames": frames,
            "comparison": asdict(done.comparison), "firing": float(np.mean([work.firing for work in works])),
            "synapses": counters["synapses"] / frames, "latency": run.latency.tolist(), "interval": period,
            "mean": mean, "ideal": ideal, "ratio": period / ideal, "bar": BARS.get(mapped.cores),
            "busiest": max(count["busy"] for count in run.counters.values()) / frames, "predicted": first.to_json(),
            "how": _how(frames, first),
            "layers": {name: item | {"firing": firing[name]} for name, item in layers.items()},
            "cores_of": cores,
            "links": link_figures(run.links, run.sent, mapped.image.host, frames, period),
            "started": run.started.tolist(), "finished": run.finished.tolist(), "cycles": run.cycles - run.first,
            "seconds in RTL": round(run.seconds, 1), "node cycles": sum(run.evaluations.values()),
            "spans": [asdict(span) for span in spans(mapped.image, run)], "counters": counters,
        }

    def _show(self, report: dict[str, Any], mapped: Mapped) -> None:
        layers = report["layers"]
        show([layer_sheet(layers, {name: item["firing"] for name, item in layers.items()}, report["frames"]),
              core_sheet(report["cores_of"]), link_sheet(report["links"], mapped.image.host), frame_sheet(report)],
             self.console)
        self.console.print(f"{report['firing']:.0%} of the neurons fire, {report['synapses']:,.0f} synaptic operations "
                           f"per frame; {report['processor seconds']:,.0f} s of processors, setup apart")
        picture = self.directory / f"gantt_{report['cores']}.png"
        begin, rows = report["started"][0], [tuple(core["core"]) for core in report["cores_of"]]
        gantt_picture(
            picture,
            title=f"{self.task.network.name} on {report['cores']} cores, {_frames(report['frames'])} in flight",
            rows=[f"core ({x}, {y})" for x, y in rows], layers=list(layers),
            bars=[(rows.index(span["core"]), span["parent"], span["first"] - begin, span["evaluates"] - begin,
                   span["last"] - begin) for span in report["spans"]],
            ends=[cycle - begin for cycle in report["finished"]])
        self.console.print(f"picture: {picture}")


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count > 1 else ''}"


def _how(frames: int, predicted: Interval) -> str:
    sampled = "" if predicted.exact else ", large edges in samples"
    return (f"Interval: {'the latency, as there is one frame' if frames == 1 else 'between frames that are out'}. "
            f"Predicted: events of the first frame replayed on each core{sampled}, {max(2, frames)} like it in flight "
            "(golden/timing/frames.py, an estimate).")


def processor_seconds() -> float:
    """Time of processors of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def run(config: CoreConfig, *, cores: Sequence[int] = CORES, frames: int = 3, directory: Path = OUTPUT,
        stall: float = 0.0, seed: int = 1, threads: int = 2, console: Console | None = None, task: Task | None = None
        ) -> dict[str, Any]:
    """Run the demo; returns the report that is also written as JSON.

    Args:
        config: of the cores. cores: how many; one run for each.
        frames: in flight, at least 1.
        directory: where images, report and pictures go.
        stall: probability per cycle that the host neither offers nor takes an event.
        seed: of weights, frames and stalls.
        threads: of the simulator.
        task: what to run instead of PilotNet.

    Raises:
        ConfigError: no frames, or no cores.
        MismatchError: RTL and golden model differ anywhere.
        MappingError: so many cores do not hold the network.
    """
    if frames < 1:
        raise ConfigError(f"demo: {frames} frames; at least 1 must be run")
    if not cores:
        raise ConfigError("demo: on how many cores? Give at least one number")
    console, task = console or Console(), task or pilotnet_task(frames, seed)
    console.print(f"configuration {config.name}, seed {seed} of weights, frames and stalls")
    demo = Demo(task, config, directory, console, Options(
        stall_in=stall, stall_out=stall, seed=seed, threads=threads, spread=True))
    runs = [demo.run(count) for count in cores]
    report = {"config": config.to_json(), "network": task.network.name, "seed": seed, "stall": stall,
              "processor seconds": round(demo.worked, 1), "processor seconds of the setup": round(demo.setup, 1),
              "runs": runs}
    write(directory / "report.json", json.dumps(report, indent=1) + "\n")
    console.print(f"{demo.worked:,.0f} s of processors, and {demo.setup:,.0f} s of setup; everything is in "
                  f"{directory}/ : image_*/, report.json, gantt_*.png")
    return report
