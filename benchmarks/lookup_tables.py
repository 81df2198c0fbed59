"""Look-up tables against PEG and ESU, layer by layer, in simulated hardware: all that a frame takes.

    python -m benchmarks.lookup_tables [--network pilotnet|resnet-block] [--layer NAME ...] [--seed N]
        [--energy MODEL] [--json FILE] [--plot FILE] [--folder FOLDER] [--no-area]

Bamberg et al., arXiv 2112.07019, compare the memory of flat and hierarchical look-up tables with that of their
technique, on paper. Here each edge of a network's frame runs whole in compiled Verilog by all three, its tables served
from files: the states must be equal, bit for bit, with each other and with the golden models, and accesses and events
of the tables with theirs.

Each runs alone, with one memory port for each purpose, which never waits: no contention of cores, banks or routers.
Energy is that of the memory accesses alone: each is one to a core's memory of 256 kB, over as many of which the tables
would be spread. Energy of the network, of logic and of leakage is not in it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import write
from golden.network import fast
from golden.ports import READ_LATENCY
from golden.program import Edge, Program
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables.flat import Flat
from golden.synapse.tables.routing import Routing
from golden.types import IntArray
from golden.words import layouts
from rtl.synapse.tables.layers import ComputedLayer, FlatLayer, HierarchicalLayer
from synapress.demo_pilotnet import pilotnet_task
from synapress.energy.memory import MODELS, memory_model
from synapress.engines.compare import MismatchError
from synapress.engines.served.run import (
    COMPUTED,
    CONFIG,
    FLAT,
    HIERARCHICAL,
    SIZES,
    TECHNIQUES,
    EdgeRun,
    ServedEdge,
    Work,
    build,
)
from synapress.mapper import lower
from synapress.mapper.footprint import (
    CORE_BYTES,
    MB,
    PUBLISHED,
    Footprint,
    channel_cuts,
    hierarchical_lut,
    lut,
    proposed,
)
from synapress.reports.plots import layer_picture
from synapress.reports.tables import Sheet, show, size
from synapress.tools.area import estimate
from synapress.zoo import resnet50
from synapress.zoo.road import road

NETWORKS = ("pilotnet", "resnet-block")
BLOCK = "stage1.1."
"""ResNet50's first block, 56 × 56: 1×1, 3×3, 1×1 and the shortcut's 1×1."""
WORD_BITS = 64


def event_bits(technique: str) -> int:
    """Bits of an event: those of a flat table say core, neuron and increment; of a route core, edge, row and value; and
    ours is the event word of `grai_vip`."""
    return {FLAT: Flat.event_layout(SIZES), HIERARCHICAL: Routing.event_layout(SIZES),
            COMPUTED: layouts(CoreConfig()).event}[technique].bits


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A program, the values (D, W, H) of its populations for one frame, and the populations that are looked at."""

    program: Program
    results: Mapping[str, fast.Result]
    layers: Sequence[str]

    def edges(self) -> Iterator[Edge]:
        for name in self.layers:
            yield from self.program.edges_into(name)

    def work(self, edge: Edge) -> Work:
        source = self.program.population(edge.source)
        return Work(edge=edge, source=source, destination=self.program.population(edge.destination),
                    values=self.results[edge.source].outputs.astype(np.int64))


def frame_of(network: str, seed: int) -> Frame:
    """The frame of a network: drawn, and with weights drawn from the seed, as those of the demo."""
    if network == "pilotnet":
        task = pilotnet_task(1, seed)
        program, inputs = lower(task.network), {task.network.inputs[0]: task.frames[0]}
        wanted = [item.name for item in program.populations if item.name not in program.inputs]
    else:
        whole = resnet50(seed)
        program, name = lower(whole), whole.inputs[0]
        inputs = {name: road(whole.shape(name), seed + 1)}
        wanted = [item.name for item in program.populations if item.name.startswith(BLOCK)]
    needed = set(wanted) | {edge.source for name in wanted for edge in program.edges_into(name)}
    results = {}
    for part in fast.stream(program, inputs, CONFIG):
        if part.name in needed:
            results[part.name] = fast.Result(part.result.states[0], part.result.outputs[0], part.result.state_range)
        if len(results) == len(needed):
            break
    return Frame(program=program, results=results, layers=wanted)


def footprints(program: Program, cuts: Mapping[str, int]) -> dict[str, Footprint]:
    """By technique, as the paper counts."""
    return {FLAT: lut(program), HIERARCHICAL: hierarchical_lut(program), COMPUTED: proposed(program, cuts)}


def run_edge(work: Work, folder: Path, console: Console) -> tuple[dict[str, EdgeRun], IntArray, float]:
    """All techniques; returns what they took, the states, and the fewest simulated cycles per second.

    Raises:
        MismatchError: states, events or accesses differ.
    """
    served, golden, runs, slowest = ServedEdge(work, folder), work.states(CONFIG), {}, np.inf
    for technique in TECHNIQUES:
        build(technique)
        total = len(served.fired[0])
        with console.status(f"{work.edge.name}: {technique}") as status:
            def tell(done: int, technique: str = technique) -> None:
                status.update(f"{work.edge.name}: {technique}, {done:,} of {total:,} neurons")  # noqa: B023
            begin = time.perf_counter()
            run, states = served.serve(technique, progress=tell)
            slowest = min(slowest, run.cycles / (time.perf_counter() - begin))
        if not np.array_equal(states, golden):
            raise MismatchError(f"{work.edge.name}, {technique}: {np.count_nonzero(states != golden)} states differ "
                                "from those of the golden model")
        if technique != COMPUTED:
            numbers, table_states = served.expected(technique)
            found = vars(run) | run.reads
            wrong = [name for name, value in numbers.items() if found[name] != value]
            if wrong or not np.array_equal(states, table_states):
                raise MismatchError(f"{work.edge.name}, {technique}: differs from the golden model in "
                                    f"{', '.join(wrong) or 'states'}")
        elif run.errors or run.synapses != runs[FLAT].synapses:
            raise MismatchError(f"{work.edge.name}, {technique}: {run.errors} errors, {run.synapses} synapses")
        runs[technique] = run
    return runs, golden, slowest


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Where tables lie while they are needed."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given) as name:
        yield Path(name)


def measure(network: str, *, layers: Sequence[str] = (), seed: int = 1, energy: str = "cacti22",
            folder: Path | None = None, area: bool = True, console: Console | None = None) -> dict[str, Any]:
    """Run the edges of a network's frame; returns the report.

    Args:
        layers: only these.
        folder: for tables, up to 4 bytes for each synapse of an edge; default: that for temporary files.

    Raises:
        ConfigError: there is no such layer or energy model. MismatchError: something differs.
    """
    console, model = console or Console(), memory_model(energy)
    read, written = (access(8 * CORE_BYTES, WORD_BITS) for access in (model.read, model.write))
    frame = frame_of(network, seed)
    if unknown := sorted(set(layers) - set(frame.layers)):
        raise ConfigError(f"there is no layer {', '.join(unknown)}; there are {', '.join(frame.layers)}")
    cuts = channel_cuts(frame.program)
    rows: list[dict[str, Any]] = []
    sums: dict[str, IntArray] = {}
    for edge in frame.edges():
        if layers and edge.destination not in layers:
            continue
        work = frame.work(edge)
        with _folder(folder) as place:
            runs, states, speed = run_edge(work, place, console)
        sums[edge.destination] = sums.get(edge.destination, 0) + states
        formulas = footprints(work.program, cuts)
        console.print(f"{edge.name}: {runs[FLAT].synapses:,} synapses, states equal; {speed / 1e6:.1f} M cycles/s at "
                      "least, files included")
        for technique, run in runs.items():
            accesses = sum(run.reads.values()), run.writes
            formula = formulas[technique]
            rows.append({
                "edge": edge.name, "technique": technique, "formula bytes": formula.connectivity + formula.parameters,
                "served bytes": 8 * (sum(run.words.values()) - run.words["states"]), "events": run.events,
                "event bits": run.events * event_bits(technique), "synapses": run.synapses, "cycles": run.cycles,
                "reads": accesses[0], "writes": accesses[1], "uJ": (accesses[0] * read + accesses[1] * written) / 1e6,
                "run": run.to_json()})
    half = 1 << (CONFIG.state_bits - 1)
    for name, states in sums.items():
        if not np.array_equal((states + half) % (2 * half) - half, frame.results[name].states):
            raise MismatchError(f"{name}: the edges' sums are not the states of the network")
    return {"network": network, "seed": seed, "energy model": model.source, "rows": rows,
            "area": areas() if area else {}, "total": {technique: _total(rows, technique) for technique in TECHNIQUES}}


def _total(rows: Sequence[Mapping[str, Any]], technique: str) -> dict[str, Any]:
    mine = [row for row in rows if row["technique"] == technique]
    return {name: sum(row[name] for row in mine) for name in (
        "formula bytes", "served bytes", "events", "event bits", "synapses", "cycles", "reads", "writes", "uJ")}


def areas() -> dict[str, int]:
    """Transistors of what each technique needs beside a core's memory of 256 kB, queues between cores apart."""
    core = CoreConfig()
    sizes = Sizes(address_bits=core.address_bits, neuron_bits=16, weight_bits=core.weight_bits,
                  value_bits=core.value_bits, read_latency=READ_LATENCY)
    blocks = {FLAT: FlatLayer(sizes), HIERARCHICAL: HierarchicalLayer(sizes), COMPUTED: ComputedLayer(core)}
    return {technique: estimate(block, core, "cmos").size for technique, block in blocks.items()}



def sheets(report: Mapping[str, Any]) -> list[Sheet]:
    """What is printed."""
    sheet = Sheet(
        title=f"One frame of {report['network']} by look-up tables, and by PEG and ESU, in simulated hardware",
        headings=("edge", "technique", "memory, formula", "served", "events", "event bits", "synapses", "cycles",
                  "per cycle", "accesses", "energy"),
        caption="Memory: connectivity and weights, as the paper counts and as words served, without states. Cycles: "
                "alone, no memory waits. Energy: accesses to memories of 256 kB, words of 64 bits; "
                f"{report['energy model']}; without network, logic and leakage. States equal, bit for bit.",
        left=(0, 1))
    totals = [{"edge": "all", "technique": technique, **total} for technique, total in report["total"].items()]
    for number, row in enumerate([*report["rows"], *totals]):
        if number % len(TECHNIQUES) == 0:
            sheet.add_section()
        sheet.add_row(
            row["edge"] if number % len(TECHNIQUES) == 0 else "", row["technique"], size(row["formula bytes"]),
            size(row["served bytes"]), *(f"{row[name]:,}" for name in ("events", "event bits", "synapses", "cycles")),
            f"{row['synapses'] / max(1, row['cycles']):.2f}", f"{row['reads'] + row['writes']:,}",
            f"{row['uJ']:,.2f} µJ")
    found = [sheet]
    if report["network"] == "pilotnet":
        paper = PUBLISHED["pilotnet"]
        published = {FLAT: [paper["LUT connectivity"], paper["LUT parameters"]],
                     HIERARCHICAL: [paper["hierarchical LUT connectivity"], paper["LUT parameters"]],
                     COMPUTED: [paper["connectivity"], paper["parameters"]]}
        beside = Sheet(title="Memory of connectivity and weights beside the paper's", headings=(
            "technique", "paper", "formula", "served", "served ÷ formula"))
        for technique, cells in published.items():
            total = report["total"][technique]
            beside.add_row(technique, size(sum(number * unit for number, unit in cells)), size(total["formula bytes"]),
                           size(total["served bytes"]), f"{total['served bytes'] / total['formula bytes']:.2f}")
        found.append(beside)
    if report["area"]:
        area = Sheet(title="Transistors, memory apart", headings=("technique", "transistors"),
                     caption="static CMOS, Yosys; from firing neuron to state, one synapse per cycle, PEG + ESU "
                             f"{CONFIG.lanes}; at the widths of a core of 256 kB")
        for technique, transistors in report["area"].items():
            area.add_row(technique, f"{transistors:,}")
        found.append(area)
    return found


def picture(report: Mapping[str, Any], path: Path) -> None:
    """Served memory by edge and technique."""
    edges = list(dict.fromkeys(row["edge"] for row in report["rows"]))
    bars = {technique: [row["served bytes"] / MB for row in report["rows"] if row["technique"] == technique]
            for technique in TECHNIQUES}
    layer_picture(path, layers=edges, bars=bars, label="memory without states, MB", log=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="pilotnet")
    parser.add_argument("--layer", action="append", default=[], help="only this one; may be given several times")
    parser.add_argument("--seed", type=int, default=1, help="of weights and frame")
    parser.add_argument("--energy", choices=list(MODELS), default="cacti22")
    parser.add_argument("--folder", type=Path, help="for tables; default: where temporary files are")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--no-area", action="store_true", help="without synthesis")
    given, console = parser.parse_args(arguments), Console()
    console.print(f"{given.network}, seed {given.seed} of weights and frame")
    report = measure(given.network, layers=given.layer, seed=given.seed, energy=given.energy, folder=given.folder,
                     area=not given.no_area, console=console)
    show(sheets(report), console)
    if given.json:
        write(given.json, json.dumps(report, indent=1) + "\n")
    if given.plot:
        picture(report, given.plot)


if __name__ == "__main__":
    main()
