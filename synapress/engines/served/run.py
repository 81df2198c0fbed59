"""One edge of a network in compiled hardware: as flat look-up table, as hierarchical one, and by PEG and ESU.

The three get the same firing neurons and must leave the same states. Their memories are files, which the C++ host
serves: so a whole layer runs, however large its tables.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from golden import messages
from golden.config import CoreConfig
from golden.errors import NetworkError, ToolError
from golden.network import fast
from golden.ports import READ_LATENCY
from golden.program import Edge, Population, Program
from golden.synapse.organisations.compressed_rows import ENTRY, CompressedRows
from golden.synapse.organisations.interface import Sizes, layer_layout
from golden.synapse.tables.accumulate import Sums
from golden.synapse.tables.flat import Flat
from golden.synapse.tables.routing import Routing
from golden.synapse.tables.source import neuron_layout, table_layout
from golden.types import IntArray, Integers
from golden.words import NeuronType, layouts
from rtl.synapse.tables.layers import ComputedLayer, FlatLayer, HierarchicalLayer, flat_states, table_states
from synapress.engines.cycle_model import cycle_model
from synapress.engines.served.tables import StateOrder, place_of, source_places, write_routes, write_table
from synapress.engines.verilated import compiled, limbs
from synapress.mapper.image.image import Image
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps

HARNESS = Path(__file__).with_name("served.cpp")
COMMON = tuple(Path(__file__).parents[1] / name for name in ("words.h", "reader.h"))
FLAT, HIERARCHICAL, COMPUTED = "flat LUT", "hierarchical LUT", "PEG + ESU"
TECHNIQUES = (FLAT, HIERARCHICAL, COMPUTED)
SIZES = Sizes(address_bits=28, neuron_bits=20, weight_bits=12, value_bits=9, read_latency=READ_LATENCY)
"""Of the tables: 2**20 states, 2**29 entries."""
CONFIG = CoreConfig(name="served", address_bits=18, population_bits=2, axon_count_bits=2, incoming_bits=4)
"""Of PEG and ESU: the widths of `grai_vip`, but a memory of 2 MB, so that a whole layer has one."""
LIMIT = 1_000_000
"""Cycles without an event or a write after which the hardware counts as hung."""

_CHUNK = 1 << 22
"""Synapses of the golden model at a time."""
_READERS = {
    FLAT: ("source index", "source entry", "state"),
    HIERARCHICAL: ("source index", "source entry", "index", "entry", "state"),
    COMPUTED: ("axon", "descriptor", "weight", "state"),
}


@dataclass(frozen=True, kw_only=True)
class EdgeRun:
    """What one edge took by one technique. Words are those of memory: 64 bits."""

    technique: str
    neurons: int
    """Firing neurons."""
    events: int
    """On the network, from source to destination."""
    synapses: int
    """Synaptic operations."""
    cycles: int
    """From the first neuron taken to the last state written, as no memory waits."""
    reads: dict[str, int]
    """By memory port."""
    writes: int
    """Of states."""
    errors: int
    words: dict[str, int]
    """Words served, by what they hold."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One edge with its two populations, and the values (D, W, H) of its source: zeros do not fire."""

    edge: Edge
    source: Population
    destination: Population
    values: IntArray

    def __post_init__(self) -> None:
        if self.destination.type != NeuronType.SUM or self.edge.operand:
            raise NetworkError(f"edge '{self.edge.name}': only sums can be served from tables")

    @property
    def program(self) -> Program:
        return Program(name=self.edge.name, populations=[self.source, self.destination], edges=[self.edge],
                       inputs=[self.source.name], outputs=[])

    def states(self, config: CoreConfig) -> Integers:
        """What the network's own model says: the sums of the destination."""
        given = replace(self.source, saturation=2, table=None)
        program = replace(self.program, populations=[given, self.destination])
        return fast.run(program, {self.source.name: self.values}, config)[self.destination.name].states


@cache
def build(technique: str, directory: Path = Path("build/simulate")) -> Path:
    """Compile the hardware of a technique with its host: once for all layers.

    Raises:
        ToolError: Verilator or the C++ compiler is missing or failed.
    """
    block = {FLAT: lambda: FlatLayer(SIZES), HIERARCHICAL: lambda: HierarchicalLayer(SIZES),
             COMPUTED: lambda: ComputedLayer(CONFIG)}[technique]()
    defines = {"KIND": TECHNIQUES.index(technique), "READ_LATENCY": READ_LATENCY, "WORD_BITS": 64,
               "LAYER_BITS": layer_layout(SIZES).bits, "SOURCE_BITS": table_layout(SIZES).bits}
    return compiled(cycle_model(block, "layer"), "layer", HARNESS, COMMON,
                    "served_" + technique.replace(" + ", "_").replace(" ", "_").lower(), directory, defines=defines)


class ServedEdge:
    """An edge on one core, as PEG and ESU have it, and its tables, which are written once.

    Args:
        folder: for tables, memories and states; the largest takes 4 bytes for each synapse.

    Raises:
        MappingError: PEG and ESU cannot have the edge.
    """

    def __init__(self, work: Work, folder: Path):
        self.work, self.folder = work, folder
        self.place = run_steps(Compilation(source=work.program, config=CONFIG, mesh=False, pad=False))
        assert isinstance(self.place.parts, MemoryMap) and isinstance(self.place.image, Image)
        self.parts, self.image = self.place.parts, self.place.image
        self.entry = self.parts.populations[0]
        self.order = StateOrder(work.destination.shape, self.entry.y_stride, CONFIG.lanes)
        self.neurons = int(np.prod(work.source.shape))
        self._written: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def fired(self) -> tuple[IntArray, IntArray]:
        """Places and values of the source's neurons that fire."""
        return source_places(self.work.source.shape, self.work.values)

    def table(self, technique: str) -> tuple[Path, Path]:
        """Pointers and entries of all synapses, which are written once.

        Raises:
            NetworkError: they do not fit a table.
        """
        flat = technique == FLAT
        files = self.folder / f"{'source_' * flat}index", self.folder / f"{'source_' * flat}entry"
        if technique not in self._written:
            self._written.clear()
            for path in self._files:
                path.unlink(missing_ok=True)
            write_table(self.work.edge, self.work.source, self.order, SIZES, *files, at_source=flat)
            if not flat:
                write_routes(self.neurons, *self._files[:2])
            self._written.add(technique)
        return files

    @property
    def _files(self) -> list[Path]:
        return [self.folder / name for name in ("source_index", "source_entry", "index", "entry")]

    def serve(self, technique: str, *, stall: float = 0.0, seed: int = 1,
              progress: Callable[[int], None] | None = None) -> tuple[EdgeRun, IntArray]:
        """Run the firing neurons by one technique; also returns the states (D, W, H).

        Args:
            stall: probability per cycle that a memory, or the source, waits. seed: of these.
            progress: called with the number of neurons done.

        Raises:
            NetworkError: the edge cannot be served so.
            ToolError: no simulator, or the hardware hangs.
        """
        base = 0
        if technique == COMPUTED:
            layers, neurons, words = self._computed()
            base = self.entry.state_base
        else:
            layers, neurons, words = self._tables(technique)
            np.zeros(self.order.words, np.uint64).tofile(self.folder / "states")
        _put(self.folder / "input", round(stall * 256), seed, LIMIT, max(1, len(neurons) // 20), *layers, neurons)
        _call(build(technique), self.folder, progress)
        numbers = np.fromfile(self.folder / "output", np.uint64).astype(int).tolist()
        cycles, taken, events, synapses, _, errors, writes, *reads = numbers
        run = EdgeRun(
            technique=technique, neurons=taken, events=events, synapses=synapses, cycles=cycles, errors=errors,
            writes=writes, words=words, reads=dict(zip(_READERS[technique], reads, strict=True)))
        states = np.fromfile(self.folder / "states", np.uint64)[base:]
        return run, self.order.states(states, CONFIG.state_bits)

    def _tables(self, technique: str) -> tuple[tuple[list[int], ...], IntArray, dict[str, int]]:
        """Files of a look-up table: layers at source and destination as the hardware has them, packed neurons, words by
        file."""
        self.table(technique)
        places, values = self.fired
        packed = neuron_layout(SIZES).pack_array({"index": places, "value": values}).astype(np.int64)
        words = {path.name.replace("_", " "): path.stat().st_size // 8 for path in self._files if path.exists()}
        tables = table_layout(SIZES).pack(rows=self.neurons + 1), layer_layout(SIZES).pack(self._layer)
        return tuple(map(limbs, tables)), packed, words | {"states": self.order.words}

    @property
    def _layer(self) -> dict[str, int]:
        """Of the table at the destination."""
        states = self.order.words * self.order.lanes
        return {"inputs": self.neurons, "outputs": states, "weight_bits": SIZES.weight_bits, "index_base": 0}

    def _computed(self) -> tuple[tuple[list[int], ...], IntArray, dict[str, int]]:
        """Files of PEG and ESU: IDs and populations, packed neurons, words by what they hold."""
        entry, axons = self.entry, self.image.manifest["inputs"][0]["axons"]
        np.array([layouts(CONFIG).axon.pack(axon) for axon in axons], np.uint64).tofile(self.folder / "axons")
        memory, given = np.zeros(CONFIG.memory_words, np.uint64), np.asarray(self.image.parts).reshape(-1)
        memory[:len(given)] = given
        memory[entry.state_base:entry.state_base + entry.state_words] = 0
        memory.tofile(self.folder / "states")
        ordered = np.moveaxis(self.work.values, 0, -1)
        x, y, c = np.nonzero(ordered)
        payload = messages.neuron(CONFIG).pack_array({
            "x": x, "y": y, "c": c, "v": ordered[x, y, c], "axons": np.full(len(x), len(axons))})
        words = {"axons": len(axons), "descriptors and weights": self.parts.words - entry.state_words,
                 "states": entry.state_words}
        return ([self.image.edges, self.image.populations], []), payload.astype(np.int64), words

    def expected(self, technique: str) -> tuple[dict[str, int], IntArray]:
        """What the golden models say of a look-up table that has been served: numbers by their names of `EdgeRun` and
        of its reads, and the states (D, W, H)."""
        places, values = self.fired
        none = np.zeros(0, np.uint64)
        pointers = np.fromfile(self.folder / "source_index", np.uint64)
        at_source = CompressedRows(SIZES, self._layer | {"inputs": self.neurons + 1}, pointers, none)
        first = (Flat if technique == FLAT else Routing)(at_source).counts(places)
        found = {"neurons": len(places), "errors": 0, "events": int(first["events"].sum()),
                 "source index": int(first["index_read"].sum()), "source entry": int(first["entry_read"].sum())}
        index, lengths = at_source.index_words, first["events"]
        if technique == HIERARCHICAL:
            index = np.fromfile(self.folder / "index", np.uint64)
            second = CompressedRows(SIZES, self._layer, index, none).counts(places)
            lengths = second["synapses"]
            found |= {"index": int(second["index_read"].sum()), "entry": int(second["weight_read"].sum())}
        sums = self._sums(technique, index.view("<u4").astype(np.int64)[places], lengths, values)
        found |= {"synapses": int(lengths.sum()), "writes": sums.operations, "state": sums.operations}
        shape = self.order.shape
        return found, np.moveaxis(sums.states.reshape(*shape[1:], -1)[..., :shape[0]], -1, 0)

    def _sums(self, technique: str, begins: IntArray, lengths: IntArray, values: IntArray) -> Sums:
        """The entries of rows, some rows at a time, into states."""
        layout, sizes = (Flat.entry, flat_states(SIZES)) if technique == FLAT else (ENTRY, table_states(SIZES))
        entries = np.memmap(self.table(technique)[1], "<u4", "r")
        sums = Sums(sizes, np.zeros(self.order.words * self.order.lanes, np.int64))
        step = max(1, _CHUNK // max(1, int(lengths.max(initial=1))))
        for first in range(0, len(begins), step):
            some = slice(first, first + step)
            length, ends = lengths[some], np.cumsum(lengths[some])
            at = np.repeat(begins[some] - ends + length, length) + np.arange(ends[-1])
            places, weights = place_of(layout, np.asarray(entries[at]).astype(np.int64))
            sums.add(places, weights * np.repeat(values[some], length))
        return sums


def _put(path: Path, *values: int | list[int] | IntArray) -> None:
    with path.open("wb") as file:
        for value in values:
            if not isinstance(value, int):
                np.array([len(value)], np.uint64).tofile(file)
            np.atleast_1d(np.array(value, np.uint64)).tofile(file)


def _call(binary: Path, folder: Path, progress: Callable[[int], None] | None) -> None:
    process = subprocess.Popen([str(binary), str(folder)], stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        match line.split():
            case ["neurons", number]:
                if progress:
                    progress(int(number))
            case _:
                said.append(line.strip())
    if process.wait():
        raise ToolError(f"simulation of a layer failed: {' '.join(said[-5:]) or process.returncode}")
