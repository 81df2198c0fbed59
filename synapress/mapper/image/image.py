"""Program → memory image: the words of one core, and a manifest that says what lies where.

The image is deterministic, byte for byte. Besides the words, a host needs from the manifest the counts for the core's
`edges` and `populations` registers, the axons of the inputs (it makes their events as a PEG would) and the outputs.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.fields import WordLayout
from golden.files import Writing, open_read
from golden.memory_words import numbers
from golden.neuron.evaluation import pack_table, pack_thresholds
from golden.neuron.states import pack_states
from golden.program import Program
from golden.widths import CONNECTIVITY_BITS, TABLE_ENTRY_BITS
from golden.words import layouts
from synapress.mapper.accumulator_range import AccumulatorRange, sums
from synapress.mapper.image.manifest import read_manifest
from synapress.mapper.image.schemas import ImageContent, check_image
from synapress.mapper.image.validate import validate
from synapress.mapper.image.word_fields import (
    edge_fields,
    edge_layout,
    geometry_fields,
    header_fields,
    population_fields,
    table_fields,
)
from synapress.mapper.look_up import HEADER_WORDS
from synapress.mapper.memory_map import DEPTHWISE, LOOK_UP, TABLE, EdgeEntry, MemoryMap, PopulationEntry
from synapress.mapper.parameters import parameter_words
from synapress.mapper.rules import check

FORMAT, VERSION = "synapress-image", 3
FILES = ("image.bin", "image.hex", "manifest.json")
"""What an image is saved to."""

@dataclass(eq=False)
class Image:
    """The memory image of one core.

    `parts` is (words, word_bits // 64) uint64: the 64-bit parts of each word, the least significant first. Words beyond
    the image are zero.
    """

    config: CoreConfig
    parts: npt.NDArray[np.uint64]
    edges: int
    """Event IDs: the core's register of that name."""
    populations: int
    manifest: dict[str, Any]

    @property
    def words(self) -> npt.NDArray[np.uint64] | list[int]:
        """The words: a uint64 array if they have 64 bits, else a list of integers."""
        return self.parts[:, 0] if self.parts.shape[1] == 1 else self.integers()

    def integers(self) -> list[int]:
        """The words as Python integers, whatever their width."""
        return numbers(self.parts)

    def memory(self) -> list[int]:
        """The whole memory of the core as integers, zeros beyond the image."""
        return self.integers() + [0] * (self.config.memory_words - len(self.parts))

    def __len__(self) -> int:
        return len(self.parts)

    # -- files ---------------------------------------------------------------------------------

    def hex(self) -> str:
        """The words for Verilog's `$readmemh`: one per line, from address 0."""
        digits = self.config.word_bits // 4
        return "".join(f"{word:0{digits}x}\n" for word in self.integers())

    def save(self, directory: str | Path, *, files: Writing | None = None) -> None:
        """Write `image.bin` (little endian), `image.hex` and `manifest.json` into a directory, made if needed.

        Args:
            files: what they are written together with, all or none; default: these three alone.

        Raises:
            FileError: a file cannot be written; all are as they were.
        """
        path = Path(directory)
        with Writing() if files is None else contextlib.nullcontext(files) as out:
            out.write(path / "image.bin", self.to_bytes())
            out.write(path / "image.hex", self.hex())
            out.write(path / "manifest.json", json.dumps(self.manifest, indent=1) + "\n")

    def to_bytes(self) -> bytes:
        """The words, little endian."""
        return self.parts.astype("<u8").tobytes()

    @classmethod
    def load(cls, directory: str | Path) -> "Image":
        """Read what `save` wrote, and check it.

        Raises:
            ImageError: a file is missing or damaged, or the image points outside its memory.
        """
        path = Path(directory)
        found = read_manifest(path / "manifest.json", "image", FORMAT, VERSION)
        content = found.parse(ImageContent)
        config = found.config(content.config)
        try:
            with open_read(path / "image.bin") as file:
                size = os.fstat(file.fileno()).st_size
                if size != content.words * config.word_bits // 8:
                    raise ImageError(f"'{path}': image.bin has {size} bytes, needs {content.words} words of "
                                     f"{config.word_bits} bits")
                data = file.read()
        except OSError as error:
            raise ImageError(f"no image in '{path}': 'image.bin': {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != content.sha256:
            raise ImageError(f"'{path}': image.bin does not have the checksum that manifest.json gives")
        parts = np.frombuffer(data, "<u8").astype(np.uint64).reshape(-1, config.word_bits // 64)
        try:
            validate(parts, config, edges=content.edges, populations=content.populations)
        except ImageError as error:
            raise ImageError(f"'{path}': {error}") from error
        check_image(found, content, config, parts)
        return cls(config, parts, content.edges, content.populations, found.data)


class Writer:
    """Words under construction, as bytes."""

    def __init__(self, config: CoreConfig, words: int):
        self.config = config
        self.word = config.word_bits // 8
        self.bytes = np.zeros(words * self.word, np.uint8)
        self.regions: list[dict[str, Any]] = []

    def put(self, address: int, layout: WordLayout, fields: Mapping[str, int], where: str) -> None:
        packed = layout.pack(fields, where=where).to_bytes(CONNECTIVITY_BITS // 8, "little")
        first = address * self.word
        self.bytes[first:first + CONNECTIVITY_BITS // 8] = np.frombuffer(packed, np.uint8)

    def put_bytes(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        self.bytes[address * self.word:address * self.word + data.size] = data.reshape(-1)

    def region(self, category: str, owner: str, first: int, words: int, used: int | None = None) -> None:
        """Note a run of words; `used` bytes of them carry something (default: 8 per word)."""
        if words:
            used = words * CONNECTIVITY_BITS // 8 if used is None else used
            self.regions.append({"category": category, "owner": owner, "first": first, "words": words,
                                 "padding_bytes": words * self.word - used})


def build_image(
    program: Program, config: CoreConfig, *, pad: bool = True, host: tuple[int, int] = (1, 0),
    measured: Mapping[str, tuple[int, int]] | None = None,
) -> Image:
    """The memory image of a whole program on one core.

    Args:
        program: legal edges, see `synapress.mapper.network.legal_edges.legalize`.
        pad: odd words per position for populations with depthwise edges, which spreads them over the banks, where the
            core has room for it.
        host: relative address of the host, of at most one core's reach; outputs go there, inputs come from there.
        measured: population → range of its states without wrap, for the report on sums in the manifest.

    Raises:
        RuleError: the program does not fit the core.
    """
    return write_whole(check(program, config, pad=pad, host=host), sums(program, config, measured=measured))


def write_whole(plan: MemoryMap, reports: Iterable[AccumulatorRange]) -> Image:
    """The image of a plan of a whole program that keeps every rule, with the report on its sums."""
    image = write_image(plan)
    image.manifest["sums"] = [report.to_json() for report in reports]
    return image


def write_image(plan: MemoryMap) -> Image:
    """The words of a plan that keeps every rule, and their manifest, without the report on sums."""
    config = plan.config
    table, writer = layouts(config), Writer(config, plan.words)
    put_descriptors(writer, plan)
    for item in plan.populations:
        name, (depth, width, height) = item.population.name, item.population.shape
        if item.table_words and item.population.table is not None:
            if item.population.looks_up:
                packed, used = pack_table(item.population.table, config), TABLE_ENTRY_BITS // 8 << config.value_bits
            else:
                packed = pack_thresholds(item.population.table, config)
                used = config.ttfs_times * config.state_bits // 8
            writer.put_bytes(item.base - item.table_words, packed.astype("<u8").view(np.uint8))
            writer.region("value tables", name, item.base - item.table_words, item.table_words, used)
        put_population(writer, item)
        for number, fields in enumerate(parameter_words(item.population)):
            address = item.parameter_base + number * item.parameter_size
            words = [table.second_parameter, table.parameter][2 - item.parameter_size:]
            _put_words(writer, address, words, fields, name)
        writer.region("parameters", name, item.parameter_base, item.parameter_size * item.parameters)
        if item.population.initial is not None:
            _put_states(writer, item, item.population.initial)
        states = depth * width * height * config.state_bits // 8
        more = (item.state_room - item.state_words) * writer.word  # of which others that share the states use some
        writer.region("states", name, item.state_base, item.state_room, states + max(0, more))
    for edge in plan.edges:
        rows = table_fields(edge, config)
        for number, fields in enumerate(rows):
            writer.put(edge.table_base + number, table.table, fields, edge.edge.name)
        writer.region("tables", edge.edge.name, edge.table_base, len(rows))
    for edge in plan.edges:
        if edge.kind == LOOK_UP:
            _put_tables(writer, edge)
            continue
        used = _put_weights(writer, edge, plan.population(edge.edge.destination).population.shape[0])
        writer.region("weights", edge.edge.name, edge.weight_base, edge.weight_words, used)
    return finished(writer, plan)


def put_descriptors(writer: Writer, plan: MemoryMap) -> None:
    """Write the words of populations and edges, with which every image begins."""
    config, table = plan.config, layouts(plan.config)
    for item in plan.populations:
        name, address = item.population.name, 2 * item.index
        writer.put(address, table.geometry, geometry_fields(item, config), name)
        writer.region("geometry words", name, address, 1)
        writer.put(address + 1, table.population, population_fields(item), name)
        writer.region("population words", name, address + 1, 1)
    for edge in plan.edges:
        address = 2 * len(plan.populations) + edge.id
        writer.put(address, edge_layout(edge, config),
                   edge_fields(edge, plan.population(edge.edge.destination), config),
                   edge.edge.name)
        writer.region("edge descriptors", edge.edge.name, address, 1)


def put_population(writer: Writer, item: PopulationEntry) -> None:
    """Write what lies at the base of a population: its second word, if it has one, and its axons."""
    table, name = layouts(writer.config), item.population.name
    if item.extended:
        apart = {} if item.apart is None else {"apart": 1, "state_base": item.apart}
        writer.put(item.base, table.second_population, {"far_axons": int(item.far)} | apart, name)
    for number, axon in enumerate(item.axons):
        address = item.axon_base + number * item.axon_size
        _put_words(writer, address, [table.second_axon, table.axon][2 - item.axon_size:], axon.fields, name)
    writer.region("population words", name, item.base, item.extended)
    writer.region("axons", name, item.axon_base, item.axon_size * len(item.axons))


def finished(writer: Writer, plan: MemoryMap) -> Image:
    """The image of words that are all written, checked, with its manifest."""
    config = plan.config
    parts = writer.bytes.view("<u8").astype(np.uint64).reshape(-1, config.word_bits // 64)
    image = Image(config, parts, len(plan.edges), len(plan.populations), {})
    image.manifest = _manifest(plan, image, writer.regions)
    validate(parts, config, edges=image.edges, populations=image.populations)
    return image


def _put_words(writer: Writer, address: int, words: list[WordLayout], fields: Mapping[str, int], name: str) -> None:
    """A word, or a second word and the first behind it; a field of both is in the second one, and 0 in the first."""
    left = dict(fields)
    for number, layout in enumerate(words):
        mine = {field.name: left.pop(field.name) for field in layout.fields if field.name in left}
        writer.put(address + number, layout, mine, name)
    if left:
        raise KeyError(f"'{name}': no word has a field {', '.join(left)}")


def _put_states(writer: Writer, item: PopulationEntry, initial: npt.NDArray[np.int64]) -> None:
    """Write the states of a population before the first timestep; lanes beyond its depth stay 0."""
    config, (depth, width, height) = writer.config, item.population.shape
    states = np.zeros(item.depth_words * config.lanes, np.int64)
    states[:depth] = initial
    column = pack_states(states.reshape(-1, config.lanes), config).astype("<u8").reshape(-1).view(np.uint8)
    for x, y in np.ndindex(width, height):
        writer.put_bytes(item.state_base + x * item.x_stride + y * item.y_stride, column)


def _put_tables(writer: Writer, plan: EdgeEntry) -> None:
    """Write an edge's tables: two header words; pointers and bitmaps; weights or entries."""
    name, made, words = plan.edge.name, plan.tables, layouts(writer.config)
    assert made is not None
    for number, (layout, fields) in enumerate(zip((words.table_header, words.table_bases), header_fields(plan),
                                                  strict=True)):
        writer.put(plan.table_base + number, layout, fields, name)
    writer.region("tables", name, plan.table_base, HEADER_WORDS)
    address = plan.weight_base
    for category, part, bits in zip(("tables", "weights"), (made.index, made.weights), made.carried, strict=True):
        writer.put_bytes(address, part.astype("<u8").view(np.uint8))
        writer.region(category, name, address, len(part), -(-bits // 8))
        address += len(part)


def _put_weights(writer: Writer, plan: EdgeEntry, depth: int) -> int:
    """Write an edge's weights, flipped: per source channel, column outermost, then row, then channel."""
    lanes, edge = writer.config.lanes, plan.edge
    flipped = edge.weights[:, :, ::-1, ::-1].astype(np.int8).view(np.uint8)
    if plan.kind == DEPTHWISE:
        kernels = flipped[:1, 0] if plan.uniform else flipped[:, 0]
        writer.put_bytes(plan.weight_base, kernels)
        return kernels.size
    ordered = flipped.transpose(1, 2, 3, 0)  # source channel within its group, column, row, destination channel
    if plan.kind != TABLE:
        padded = np.zeros((*ordered.shape[:3], plan.position_bytes), np.uint8)
        padded[..., :depth] = ordered
        writer.put_bytes(plan.weight_base, padded)
        return ordered.size
    address, used = plan.weight_base, 0
    for (first, count, index), words, size in zip(plan.rows, plan.table_words, plan.channel_words, strict=True):
        if not count:
            continue
        padded = np.zeros((*ordered.shape[1:3], words * lanes), np.uint8)
        padded[..., first % lanes:first % lanes + count] = ordered[index, :, :, first:first + count]
        writer.put_bytes(address, padded)
        address += size
        used += count * ordered.shape[1] * ordered.shape[2]
    return used


def _manifest(plan: MemoryMap, image: Image, regions: list[dict[str, Any]]) -> dict[str, Any]:
    program = plan.program
    return {
        "format": FORMAT, "version": VERSION, "network": program.name, "config": plan.config.to_json(),
        "edges": len(plan.edges), "populations": len(plan.populations), "words": plan.words, "host": list(plan.host),
        "sha256": hashlib.sha256(image.to_bytes()).hexdigest(),
        "population_table": [
            {
                "name": item.population.name, "index": item.index, "layer": item.population.layer,
                "shape": list(item.population.shape), "type": item.population.type,
                "saturation": item.population.saturation, "base": item.base, "axons": len(item.axons),
                "table_words": item.table_words,
                "parameter_base": item.parameter_base, "parameters": item.parameters, "state_base": item.state_base,
                "state_words": item.state_words, "x_stride": item.x_stride, "y_stride": item.y_stride,
                "depth_words": item.depth_words, "ids": list(item.ids),
            }
            for item in plan.populations
        ],
        "edge_table": [
            {
                "id": item.id, "name": item.edge.name, "source": item.edge.source,
                "destination": item.edge.destination, "kind": item.kind, "kernel": list(item.edge.weights.shape[2:]),
                "table_base": item.table_base if item.kind in (TABLE, LOOK_UP) else None,
                "weight_base": item.weight_base,
                "weight_words": item.weight_words, "axon": item.axon.fields,
                **({} if item.tables is None else {"tables": item.tables.to_json()}),
            }
            for item in plan.edges
        ],
        "inputs": [
            {
                "name": name, "index": index, "shape": list(program.population(name).shape),
                "saturation": program.population(name).saturation,
                "axons": [item.axon.fields for item in plan.edges if item.edge.source == name],
                **({"differences": True} if program.population(name).keeps else {}),
            }
            for index, name in enumerate(program.inputs)
        ],
        "outputs": [
            {"name": name, "id": number, "index": plan.population(name).index,
             "shape": list(program.population(name).shape), "saturation": program.population(name).saturation}
            for number, name in enumerate(program.outputs)
        ],
        "regions": regions,
    }
