"""Check of a memory image, perhaps a foreign one: every pointer stays where it may point.

It reads nothing but the words and the two counts. What passes cannot make the core read or write outside its memory,
update a word that is not a state, or drop events between its own populations.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.fields import WordLayout
from golden.neuron.evaluation import PopulationMap, parameter_words, table_words
from golden.neuron.types import built_types, neuron_model
from golden.types import Memory
from golden.words import RESERVED, EdgeKind, NeuronType, Reset, layouts
from synapress.mapper.image.checked_words import Reader, check, check_equal
from synapress.mapper.image.validate_cim import CimLayers
from synapress.mapper.image.validate_tables import check_tables


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


def validate(words: Memory, config: CoreConfig, *, edges: int, populations: int) -> None:
    """Check an image's words.

    Args:
        words: as integers, or (n,) or (n, word_bits // 64) uint64; the memory beyond them is zero.
        edges, populations: the core's registers.

    Raises:
        ImageError: naming the word, the field, its value and its limits.
    """
    check("image", "edges", edges, 0, config.max_edges)
    check("image", "populations", populations, 0, config.max_populations)
    check("image", "descriptor words", 2 * populations + edges, 0, config.memory_words)
    reader = Reader(words, config)
    blocks = [_population(reader, edges, populations, index) for index in range(populations)]
    _disjoint(blocks)
    layers = None
    if config.update == "cim":
        layers = CimLayers(reader, 2 * populations + edges, [block.fields for block in blocks])
        for block in blocks:
            block.geometry.update(layers.geometry(block.index, block.fields))
    for block in blocks:
        _geometry(reader, block)
    incoming = sum(block.fields["incoming"] for block in blocks)
    check("population words", "incoming, summed", incoming, 0, 1 << config.incoming_bits)
    found = [_edge(reader, 2 * populations, identifier, blocks, layers) for identifier in range(edges)]
    if layers is not None:
        layers.check_regions()
    owners, depths = {owner for owner, _, _ in found}, [depth for _, depth, _ in found]
    for identifier, ((*_, first), (*_, second)) in enumerate(itertools.pairwise(found)):
        if first and not second:
            raise ImageError(f"edge word of ID {identifier + 1}, field 'kind': one with a kernel behind one in tables")
    for block in blocks:
        if block.index not in owners:
            raise ImageError(f"population {block.index}: no event ID leads into it, by field 'population' of its edge "
                             "word, so that it waits for ever")
        for address in block.axons:
            _axon(reader, address, block, depths)


def _population(reader: Reader, edges: int, populations: int, index: int) -> _Block:
    config, what = reader.config, f"population {index}"
    fields = reader.unpack(2 * index + 1, layouts(config).population, what)
    check(what, "depth", fields["depth"], 1, ((1 << config.depth_word_bits) - 1) * config.lanes)
    if fields["type"] not in built_types(config):
        raise ImageError(f"{what}, field 'type': {fields['type']} is no type of neuron that the core has")
    model = neuron_model(fields["type"], config)
    check(what, "saturation", fields["saturation"], min(model.modes), max(model.modes))
    in_array = config.update == "cim"
    if in_array:
        check_equal(what, "type", fields["type"], NeuronType.SPIKING, "what a core with an array evaluates")
        check(what, "saturation", fields["saturation"], Reset.SUBTRACT, Reset.ZERO)
        check_equal(what, "pad", fields["pad"], 0, "what a core with an array has")
    check(what, "incoming", fields["incoming"], 1, (1 << config.incoming_bits) - 1)
    depth_words = -(-fields["depth"] // config.lanes)
    y_stride = depth_words | fields["pad"]
    x_stride = fields["height"] * y_stride
    layout = layouts(config).second_population
    second = (_second(reader, fields["base"], layout, f"second word of {what}") if fields["extended"]
              else layout.unpack(0))
    place = PopulationMap.of(fields, config, second)
    each = parameter_words(fields["type"], config)
    channels = 0 if in_array else 1 if fields["uniform"] else fields["depth"]  # thresholds and states lie elsewhere
    behind = place.parameters + each * channels
    size = 0 if in_array else fields["width"] * x_stride
    length = behind - fields["base"] + (0 if second["apart"] else size)
    before = table_words(fields["type"], fields["saturation"], config)
    check(what, "base", fields["base"], 2 * populations + edges + before, config.memory_words - length)
    check(f"second word of {what}", "state_base", second["state_base"],
           *((2 * populations + edges, config.memory_words - size) if second["apart"] else (0, 0)))
    if in_array:
        check_equal(f"second word of {what}", "apart", second["apart"], 0, "what a core with an array has")
    axons = range(place.axons, place.parameters, place.axon_words)
    for address in range(place.parameters, behind, each):
        reader.unpack(address + each - 1, layouts(config).parameter, f"{what}, parameter word")
        if each == 2:
            layout = layouts(config).second_parameter
            given = _second(reader, address, layout, f"{what}, second parameter word")
            for name in {field.name for field in layout.fields} - set(model.second_fields):
                check_equal(f"{what}, second parameter word", name, given[name], 0, "what its type does not look at")
    states = range(place.states, place.states + size)
    own = range(fields["base"] - before, fields["base"] + length)
    return _Block(index, own, axons, states, bool(second["apart"]), model.keeps, fields, {
        "depth_words": depth_words, "last_lane": (fields["depth"] - 1) % config.lanes, "state_base": states.start,
        "width": fields["width"], "height": fields["height"], "x_stride": x_stride, "pad": fields["pad"],
        "max": int(fields["type"] == NeuronType.MAX)}, place.axon_words)


def _second(reader: Reader, address: int, layout: WordLayout, what: str) -> dict[str, int]:
    """A second word, whose reserved fields are 0."""
    fields = reader.unpack(address, layout, what)
    for name in RESERVED[layout.name]:
        check_equal(what, name, fields[name], 0, "what a reserved field holds")
    return fields


def _geometry(reader: Reader, block: _Block) -> None:
    what = f"geometry word of population {block.index}"
    geometry = reader.unpack(2 * block.index, layouts(reader.config).geometry, what)
    for field, value in geometry.items():
        check_equal(what, field, value, block.geometry[field], "what follows from its population word")


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


def _edge(reader: Reader, first: int, identifier: int, blocks: Sequence[_Block], layers: CimLayers | None
          ) -> tuple[int, int, bool]:
    """Check an edge word, `first` being ID 0's; returns its population, its number of source channels, and whether its
    synapses are in tables."""
    config, table = reader.config, layouts(reader.config)
    what = f"edge word of ID {identifier}"
    kind = table.edge.positions["kind"]
    if config.organisations and reader.word(first + identifier) >> kind & 3 == EdgeKind.EXTENDED:
        edge = reader.unpack(first + identifier, table.extended_edge, what)
        check(what, "population", edge["population"], 0, len(blocks) - 1)
        block = blocks[edge["population"]]
        check_equal(what, "state_base", edge["state_base"], block.geometry["state_base"], "its population's")
        return block.index, check_tables(reader, edge, identifier, len(block.states) * config.lanes), True
    edge = reader.unpack(first + identifier, table.edge, what)
    check(what, "population", edge["population"], 0, len(blocks) - 1)
    check(what, "kind", edge["kind"], EdgeKind.DENSE, EdgeKind.DEPTHWISE)
    block = blocks[edge["population"]]
    channels, words = edge["source_channels"], block.geometry["depth_words"]
    if layers is not None:
        check(what, "source_channels", channels, 1, block.fields["depth"] if layers.layers[block.index].depthwise
              else 1 << config.channel_bits)
        layers.edge(what, block.index, edge)
    elif edge["kind"] == EdgeKind.TABLE:
        check(what, "weight_base", edge["weight_base"], 0, config.memory_words - channels)
        for c in range(channels):
            address = edge["weight_base"] + c
            row_what = f"kernel table of ID {identifier}, channel {c} (word {address})"
            row = reader.unpack(address, table.table, row_what)
            first_word = row["first_channel"] // config.lanes
            check(row_what, "first_channel", first_word * config.lanes, 0, (words - 1) * config.lanes)
            check(row_what, "depth_words", row["depth_words"], 1, words - first_word)
            _kernel(row_what, row, row["depth_words"] * config.lanes, 1, 0, config)
    elif edge["kind"] == EdgeKind.DEPTHWISE:
        check(what, "source_channels", channels, 1, words * config.lanes)
        _kernel(what, edge, 1, channels, edge["weight_stride"], config)
    else:
        _kernel(what, edge, words * config.lanes, channels, edge["weight_stride"], config)
    return block.index, channels, False


def _kernel(what: str, fields: dict[str, int], unit: int, channels: int, stride: int, config: CoreConfig) -> None:
    """Check that the last weight of the last channel lies in the memory; `unit` bytes per position."""
    span = (channels - 1) * stride + fields["kernel_width"] * fields["kernel_height"] * unit
    word = config.word_bits // 8
    check(what, "weight_base", fields["weight_base"], 0, config.memory_words - -(-span // word))


def _axon(reader: Reader, address: int, block: _Block, depths: Sequence[int]) -> None:
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
        check(what, axis, fields[axis], -far, far)
    channels = fields["c_offset"] + block.fields["depth"]
    check(what, "c_offset", fields["c_offset"], 0, (1 << config.channel_bits) - block.fields["depth"])
    if (fields["core_x"], fields["core_y"]) == (0, 0):
        check(what, "id", fields["id"], 0, len(depths) - 1)
        if hits:  # else it sends ends of timestep only
            check(what, "c_offset", channels, 1, depths[fields["id"]])
