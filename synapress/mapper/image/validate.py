"""Check of a memory image, perhaps a foreign one: every pointer stays where it may point.

It reads nothing but the words and the two counts. What passes cannot make the core read or write outside its memory,
update a word that is not a state, or drop events between its own populations.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.neuron.evaluation import PopulationMap, parameter_words, table_words
from golden.neuron.types import built_types, neuron_model
from golden.types import Memory
from golden.widths import CONNECTIVITY_BITS
from golden.words import RESERVED, EdgeKind, NeuronType, WordLayout, layouts


@dataclass(frozen=True)
class _Block:
    """A population's block, in words."""

    index: int
    own: range
    """Its value table, second population word, axons and parameters; and its states, where they lie behind them."""
    axons: range
    states: range
    apart: bool
    """Its states lie apart, perhaps on those of another population."""
    keeps: bool
    fields: dict[str, int]
    geometry: dict[str, int]
    """What the geometry word must say."""
    axon_words: int
    """Words of an axon."""


class _Reader:
    """Words by address, zero beyond the image."""

    def __init__(self, words: Memory, config: CoreConfig):
        self.config = config
        array = np.asarray(words, dtype=object) if not isinstance(words, np.ndarray) else words
        if array.ndim == 2:
            if array.shape[1] != config.word_bits // CONNECTIVITY_BITS:
                raise ImageError(f"image: words come in {array.shape[1]} parts of 64 bits, the configuration has "
                                 f"{config.word_bits // CONNECTIVITY_BITS}")
        if len(array) > config.memory_words:
            raise ImageError(f"image: {len(array)} words, the memory has {config.memory_words}")
        self.array = array
        whole = array.dtype == np.uint64 and (array.ndim == 2 or config.word_bits == CONNECTIVITY_BITS)
        for address in range(0 if whole else len(array)):
            word = self.word(address)
            if not 0 <= word < 1 << config.word_bits:
                raise ImageError(f"word {address}: {word:#x} does not fit {config.word_bits} bits")

    def word(self, address: int) -> int:
        """One word; few of an image are looked at, so they are made one by one."""
        if address >= len(self.array):
            return 0
        parts = self.array[address]
        return int(parts) if self.array.ndim == 1 else sum(int(part) << (64 * i) for i, part in enumerate(parts))

    def unpack(self, address: int, layout: WordLayout, what: str) -> dict[str, int]:
        word = self.word(address)
        if word >> layout.bits:
            raise ImageError(f"{what} (word {address}): bits above the {layout.bits} of the {layout.name} word are "
                             f"set: {word:#x}")
        return layout.unpack(word)


def _check(what: str, field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ImageError(f"{what}, field '{field}': {value} is outside [{low}, {high}]")


def _check_equal(what: str, field: str, value: int, expected: int, of: str) -> None:
    if value != expected:
        raise ImageError(f"{what}, field '{field}': {value}, but {of} is {expected}")


def validate(words: Memory, config: CoreConfig, *, edges: int, populations: int) -> None:
    """Check an image's words.

    Args:
        words: as integers, or (n,) or (n, word_bits // 64) uint64; the memory beyond them is zero.
        edges, populations: the core's registers.

    Raises:
        ImageError: naming the word, the field, its value and its limits.
    """
    _check("image", "edges", edges, 0, config.max_edges)
    _check("image", "populations", populations, 0, config.max_populations)
    _check("image", "descriptor words", 2 * populations + edges, 0, config.memory_words)
    reader = _Reader(words, config)
    blocks = [_population(reader, edges, populations, index) for index in range(populations)]
    _disjoint(blocks)
    for block in blocks:
        _geometry(reader, block)
    incoming = sum(block.fields["incoming"] for block in blocks)
    _check("population words", "incoming, summed", incoming, 0, 1 << config.incoming_bits)
    found = [_edge(reader, 2 * populations, identifier, blocks) for identifier in range(edges)]
    owners, depths = {owner for owner, _ in found}, [depth for _, depth in found]
    for block in blocks:
        if block.index not in owners:
            raise ImageError(f"population {block.index}: no event ID leads into it, so that it waits for ever")
        for address in block.axons:
            _axon(reader, address, block, depths)


def _population(reader: _Reader, edges: int, populations: int, index: int) -> _Block:
    config, what = reader.config, f"population {index}"
    fields = reader.unpack(2 * index + 1, layouts(config).population, what)
    _check(what, "depth", fields["depth"], 1, ((1 << config.depth_word_bits) - 1) * config.lanes)
    if fields["type"] not in built_types(config):
        raise ImageError(f"{what}, field 'type': {fields['type']} is no type of neuron that the core has")
    model = neuron_model(fields["type"], config)
    _check(what, "saturation", fields["saturation"], min(model.modes), max(model.modes))
    _check(what, "incoming", fields["incoming"], 1, (1 << config.incoming_bits) - 1)
    depth_words = -(-fields["depth"] // config.lanes)
    y_stride = depth_words | fields["pad"]
    x_stride = fields["height"] * y_stride
    layout = layouts(config).second_population
    second = (_second(reader, fields["base"], layout, f"second word of {what}") if fields["extended"]
              else layout.unpack(0))
    place = PopulationMap.of(fields, config, second)
    each = parameter_words(fields["type"], config)
    behind = place.parameters + each * (1 if fields["uniform"] else fields["depth"])
    size = fields["width"] * x_stride
    length = behind - fields["base"] + (0 if second["apart"] else size)
    before = table_words(fields["type"], fields["saturation"], config)
    _check(what, "base", fields["base"], 2 * populations + edges + before, config.memory_words - length)
    _check(f"second word of {what}", "state_base", second["state_base"],
           *((2 * populations + edges, config.memory_words - size) if second["apart"] else (0, 0)))
    axons = range(place.axons, place.parameters, place.axon_words)
    for address in range(place.parameters, behind, each):
        reader.unpack(address + each - 1, layouts(config).parameter, f"{what}, parameter word")
        if each == 2:
            layout = layouts(config).second_parameter
            given = _second(reader, address, layout, f"{what}, second parameter word")
            for name in {field.name for field in layout.fields} - set(model.second_fields):
                _check_equal(f"{what}, second parameter word", name, given[name], 0, "what its type does not look at")
    states = range(place.states, place.states + size)
    own = range(fields["base"] - before, fields["base"] + length)
    return _Block(index, own, axons, states, bool(second["apart"]), model.keeps, fields, {
        "depth_words": depth_words, "last_lane": (fields["depth"] - 1) % config.lanes, "state_base": states.start,
        "width": fields["width"], "height": fields["height"], "x_stride": x_stride, "pad": fields["pad"],
        "max": int(fields["type"] == NeuronType.MAX)}, place.axon_words)


def _second(reader: _Reader, address: int, layout: WordLayout, what: str) -> dict[str, int]:
    """A second word, whose reserved fields are 0."""
    fields = reader.unpack(address, layout, what)
    for name in RESERVED[layout.name]:
        _check_equal(what, name, fields[name], 0, "what a reserved field holds")
    return fields


def _geometry(reader: _Reader, block: _Block) -> None:
    what = f"geometry word of population {block.index}"
    geometry = reader.unpack(2 * block.index, layouts(reader.config).geometry, what)
    for field, value in geometry.items():
        _check_equal(what, field, value, block.geometry[field], "what follows from its population word")


def _disjoint(blocks: Sequence[_Block]) -> None:
    """No block lies in another one; states that lie apart may lie on others, if both are cleared by the evaluation."""
    ordered = sorted(blocks, key=lambda block: block.own.start)
    for first, second in itertools.pairwise(ordered):
        if second.own.start < first.own.stop:
            raise ImageError(f"population {second.index}, field 'base': {second.fields['base']} lies in the block of "
                             f"population {first.index}, which ends at {first.own.stop - 1}, or its table does")
    for block, other in itertools.product((block for block in blocks if block.apart), blocks):
        fixed = other.own if other.apart else range(other.own.start, other.states.start)
        kept = block is not other and (block.keeps or other.keeps)
        if _meet(block.states, fixed) or (kept and _meet(block.states, other.states)):
            raise ImageError(f"second word of population {block.index}, field 'state_base': {block.states.start} lies "
                             f"in the block of population {other.index}, or leads to states that are kept")


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)


def _edge(reader: _Reader, first: int, identifier: int, blocks: Sequence[_Block]) -> tuple[int, int]:
    """Check an edge word, `first` being ID 0's; returns its population and its number of source channels."""
    config, table = reader.config, layouts(reader.config)
    what = f"edge word of ID {identifier}"
    edge = reader.unpack(first + identifier, table.edge, what)
    _check(what, "population", edge["population"], 0, len(blocks) - 1)
    _check(what, "kind", edge["kind"], EdgeKind.DENSE, EdgeKind.DEPTHWISE)
    block = blocks[edge["population"]]
    channels, words = edge["source_channels"], block.geometry["depth_words"]
    if edge["kind"] == EdgeKind.TABLE:
        _check(what, "weight_base", edge["weight_base"], 0, config.memory_words - channels)
        for c in range(channels):
            address = edge["weight_base"] + c
            row_what = f"kernel table of ID {identifier}, channel {c} (word {address})"
            row = reader.unpack(address, table.table, row_what)
            first_word = row["first_channel"] // config.lanes
            _check(row_what, "first_channel", first_word * config.lanes, 0, (words - 1) * config.lanes)
            _check(row_what, "depth_words", row["depth_words"], 1, words - first_word)
            _kernel(row_what, row, row["depth_words"] * config.lanes, 1, 0, config)
    elif edge["kind"] == EdgeKind.DEPTHWISE:
        _check(what, "source_channels", channels, 1, words * config.lanes)
        _kernel(what, edge, 1, channels, edge["weight_stride"], config)
    else:
        _kernel(what, edge, words * config.lanes, channels, edge["weight_stride"], config)
    return block.index, channels


def _kernel(what: str, fields: dict[str, int], unit: int, channels: int, stride: int, config: CoreConfig) -> None:
    """Check that the last weight of the last channel lies in the memory; `unit` bytes per position."""
    span = (channels - 1) * stride + fields["kernel_width"] * fields["kernel_height"] * unit
    word = config.word_bits // 8
    _check(what, "weight_base", fields["weight_base"], 0, config.memory_words - -(-span // word))


def _axon(reader: _Reader, address: int, block: _Block, depths: Sequence[int]) -> None:
    config, what = reader.config, f"axon word {address} of population {block.index}"
    fields = reader.unpack(address + block.axon_words - 1, layouts(config).axon, what)
    if block.axon_words == 2:
        fields |= _second(reader, address, layouts(config).second_axon, f"second word of {what}")
    low, high = -(1 << (config.offset_bits + 1)), (1 << (config.offset_bits + 1)) - 1
    hits = True
    for axis, size, extent in (("x", block.fields["width"], "kernel_width"),
                               ("y", block.fields["height"], "kernel_height")):
        reach = ((size - 1) << fields["upsample"]) + fields[f"{axis}_offset"]
        if reach > high:
            raise ImageError(f"{what}, field 'upsample': {fields['upsample']} takes {axis}_min to {reach}, outside "
                             f"[{low}, {high}]")
        hits &= not config.hit_test or reach + fields[extent] > 0 or fields[extent] == 1 << config.kernel_bits
    far = config.mesh_reach
    for axis in ("core_x", "core_y"):
        _check(what, axis, fields[axis], -far, far)
    channels = fields["c_offset"] + block.fields["depth"]
    _check(what, "c_offset", fields["c_offset"], 0, (1 << config.channel_bits) - block.fields["depth"])
    if (fields["core_x"], fields["core_y"]) == (0, 0):
        _check(what, "id", fields["id"], 0, len(depths) - 1)
        if hits:  # else it sends ends of timestep only
            _check(what, "c_offset", channels, 1, depths[fields["id"]])
