"""A frame of a network of ImageNet size through the RTL of every core of its mesh, one core after another.

Maps the network, records in the golden mesh what each core gets, replays the cores in compiled RTL, and compares all
states and events.
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import write
from golden.network import fast
from golden.program import Program
from golden.types import IntArray, Integers
from synapress.engines.compare import MismatchError
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.results import Replay
from synapress.engines.replay.run import replay_mesh
from synapress.mapper import MeshImage, Network, legalize, lower
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.mapper.sharing.packing import Sharing
from synapress.reports.plots import replay_picture
from synapress.reports.replay import core_sheet, layer_sheet
from synapress.reports.tables import Sheet, show
from synapress.zoo import ZOO
from synapress.zoo.road import road

OUTPUT = Path("build/demo-replay")
NETWORKS = ("resnet50", "mobilenet", "darknet53", "resnet101")
FIRING = 0.4
"""So many of the neurons fire at least, by the bar of the demo."""
PIXELS = 255
"""The largest value of an input."""
GAIN = 3
"""Of each population's multiplier, over 2: without it random networks fall silent layer by layer."""


def lively(program: Program) -> Program:
    """A gain of 1.5 in each population whose multiplier has room for it."""
    return dataclasses.replace(program, populations=[
        dataclasses.replace(item, multiplier=item.multiplier * GAIN, shift=item.shift + 1)
        if GAIN * np.max(item.multiplier, initial=0) < 1 << 16 else item for item in program.populations])


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A network on a mesh, and one frame: values (D, W, H) of its inputs, and of all its populations."""

    name: str
    program: Program
    cut: PartitionedProgram
    image: MeshImage
    frame: Mapping[str, IntArray]
    outputs: Mapping[str, Integers]
    sharing: Sharing | None

    @property
    def firing(self) -> float:
        """Share of the neurons in cores that fire."""
        mine = [values for name, values in self.outputs.items() if name not in self.program.inputs]
        return float(sum(np.count_nonzero(values) for values in mine) / sum(values.size for values in mine))


def drawn(network: Network, seed: int) -> dict[str, IntArray]:
    """A drawn frame for each input."""
    return {name: road(network.shape(name), seed + number) for number, name in enumerate(network.inputs)}


def given(network: Network, found: Any) -> dict[str, IntArray]:
    """A frame for each input, from one array, or from arrays by name.

    Raises:
        ConfigError: one is missing, or is not of the input's shape, or not of integers from 0 to 255.
    """
    frames = dict(found) if isinstance(found, Mapping) else {network.inputs[0]: found}
    for name in network.inputs:
        shape = tuple(network.shape(name))
        array = np.asarray(frames.get(name, ()))
        if array.shape != shape or array.dtype.kind not in "iu" or array.min() < 0 or array.max() > PIXELS:
            raise ConfigError(f"demo: input '{name}' of {network.name} needs integers {shape} (channels, columns, "
                              f"rows) from 0 to {PIXELS}; given: " + (
                                  f"{array.shape} of {array.dtype}" if name in frames else "no array of this name"))
        frames[name] = array.astype(np.int64)
    return {name: frames[name] for name in network.inputs}


def mapped(
    network: Network, frame: Mapping[str, IntArray], config: CoreConfig, share_states: str | None = None
) -> Mapped:
    """Map a network with random weights to the smallest mesh that holds it.

    Args:
        share_states: see `synapress.mapper.pipeline.Compilation`.

    Raises:
        MappingError: no mesh holds it.
    """
    program = lively(legalize(lower(network), config))
    work = run_steps(Compilation(source=program, config=config, mesh=True, share_states=share_states))
    assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
    outputs: dict[str, Integers] = {name: result.outputs for name, result in fast.run(program, frame, config).items()}
    return Mapped(name=network.name, program=program, cut=work.parts, image=work.image, frame=frame,
                  sharing=work.sharing, outputs=outputs | {name: np.asarray(frame[name]) for name in program.inputs})


def replayed(task: Mapped, options: ReplayOptions, console: Console) -> Replay:
    """Replay all cores, each held to the whole network as well."""
    with console.status("golden mesh") as status:
        return replay_mesh(task.image, {name: values[np.newaxis] for name, values in task.frame.items()}, options,
                           expected={name: values[np.newaxis] for name, values in task.outputs.items()},
                           progress=status.update)


def totals(task: Mapped, replay: Replay) -> dict[str, Any]:
    """What all cores together did."""
    return {"network": task.name, "firing": task.firing,
            "word operations": sum(item.words for rows in replay.operations.values() for item in rows),
            "events in": sum(item.given for item in replay.cores),
            "events out": sum(item.sent for item in replay.cores),
            "states": sum(item.states for item in replay.cores)}


def run(config: CoreConfig, *, network: str = "resnet50", directory: Path = OUTPUT, seed: int = 1,
        jobs: int | None = None, scheduler: str | None = None, frame: Any = None, share_states: str | None = None,
        console: Console | None = None, of: Network | None = None) -> dict[str, Any]:
    """Run the demo; returns the report that is also written as JSON.

    What was recorded and replayed is kept in `directory`, and an interrupted run goes on from there.

    Args:
        network: of NETWORKS. seed: of weights and the drawn frame.
        jobs, scheduler: see `synapress.engines.replay.jobs.ReplayOptions`.
        frame: see `given`; default: drawn.
        share_states: see `mapped`; such a run has a folder of its own.
        of: another network instead.

    Raises:
        ConfigError: there is no such network, or the frame is not of its inputs.
        MismatchError: a core's RTL and the golden model differ anywhere.
        ToolError: no simulator, or the folder has another run.
    """
    if of is None and network not in NETWORKS:
        raise ConfigError(f"demo: there is no network '{network}'; there are: {', '.join(NETWORKS)}")
    console, begin = console or Console(), time.perf_counter()
    made = of or ZOO[network](seed)
    folder = directory / (made.name + (f"-{share_states}" if share_states else ""))
    with console.status(f"mapping {made.name}"):
        task = mapped(made, drawn(made, seed) if frame is None else given(made, frame), config, share_states)
    console.print(f"{made.name} on {len(task.image.images)} cores, a mesh of {task.image.size[0]} × "
                  f"{task.image.size[1]}; {task.firing:.0%} of the neurons fire")
    if task.sharing is not None:
        console.print(str(task.sharing))
    replay = replayed(task, ReplayOptions(jobs=jobs, scheduler=scheduler, folder=folder / "replay"), console)
    if replay.differences:
        raise MismatchError("RTL and golden differ: " + "; ".join(replay.differences))
    for name in task.program.outputs:
        if not np.array_equal(replay.outputs[name][0], task.outputs[name]):
            raise MismatchError(f"the mesh's output '{name}' is not that of the whole network")
    report = _report(task, replay)
    report["seconds"] |= {"all": round(time.perf_counter() - begin, 1)}
    report |= {} if task.sharing is None else {"sharing": task.sharing.to_json()}
    show([layer_sheet(replay), core_sheet(replay), _sheet(report)], console)
    drawing = folder / "mesh.png"
    picture(drawing, task, replay)
    write(folder / "report.json", json.dumps(report, indent=1) + "\n")
    console.print(f"[bold green]RTL = golden, bit for bit[/]: {report['states']:,} state words at their evaluation, "
                  f"{report['events out']:,} events sent, memories and counters, of every core; everything is in "
                  f"{folder}/ : replay/, report.json, {drawing.name}")
    return report


def _report(task: Mapped, replay: Replay) -> dict[str, Any]:
    return replay.to_json() | totals(task, replay) | {
        "mesh": list(task.image.size), "host": list(task.image.host), "synapses": replay.counters["synapses"],
        "busiest": max(item.counters["busy"] for item in replay.cores),
        "stalls": {name: count for name, count in replay.counters.items() if name.startswith("stall_")}}


def _sheet(report: Mapping[str, Any]) -> Sheet:
    sheet = Sheet(title=f"A frame of {report['network']}", headings=("figure", "value"))
    for name in ("word operations", "synapses", "events in", "events out", "states", "busiest"):
        sheet.add_row(name if name != "busiest" else "cycles of the busiest core", f"{report[name]:,}")
    sheet.add_row("neurons that fire", f"{report['firing']:.1%}" + (
        "" if report["firing"] >= FIRING else f", less than the {FIRING:.0%} of the bar"))
    return sheet


def picture(path: Path, task: Mapped, replay: Replay) -> None:
    """Draw the mesh with the cycles of its cores, and the layers' cycles and lanes."""
    replay_picture(
        path, title=f"{task.name}: a frame in the RTL of {len(replay.cores)} cores, "
        f"{totals(task, replay)['word operations']:,} word operations, {task.firing:.0%} of the neurons fire",
        size=task.image.size, busy={item.place: item.counters["busy"] for item in replay.cores if item.counters},
        layers={name: (item.busy, item.evaluation, item.lanes) for name, item in replay.layers().items()})
