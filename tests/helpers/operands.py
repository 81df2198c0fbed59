"""Operands of a compute-in-memory array read from an image bit by bit, by the formulas of docs/architecture.md.

No code is shared with the mapper or the golden models but the bit positions of `golden.words` and `golden.cim.layer`.
"""

import itertools
from collections import Counter

from golden.cim.layer import layer_words
from golden.words import EdgeKind, layouts
from tests.helpers.synapses import peg, taps


def layer_of(image, index):
    """All fields of the descriptor of a population's layer."""
    words, fields = image.memory(), {}
    for number, layout in enumerate(layer_words(image.config)):
        fields |= layout.unpack(words[image.config.memory_words - 4 * (index + 1) + number])
    return fields


def operand(words, address, rows, columns, groups, word_bits):
    """The values of an operand in memory, a bit at a time: bit i of group g is in row i div columns, in even rows at
    column i mod columns, in odd ones from the other end."""
    def bit(place):
        return words[address + place // word_bits] >> place % word_bits & 1

    values = []
    for group in range(groups):
        value = 0
        for i in range(rows * columns):
            row, column = divmod(i, columns)
            column = columns - 1 - column if row % 2 else column
            value |= bit(row * groups * columns + group * columns + column) << i
        values.append(value - (value >> rows * columns - 1 << rows * columns))
    return values


def groups_of(layer, block):
    return layer["last_groups"] if block == layer["blocks"] - 1 else layer["groups"]


def potentials(words, layer, shape, word_bits):
    """(c, x, y) → potential of a layer in memory."""
    found = {}
    for x, y, block in itertools.product(range(shape[1]), range(shape[2]), range(layer["blocks"])):
        number = (x * shape[2] + y) * layer["blocks"] + block
        values = operand(words, layer["potential_base"] + number * layer["potential_words"], layer["potential_rows"],
                         layer["columns"], groups_of(layer, block), word_bits)
        found |= {(block * layer["groups"] + group, x, y): value for group, value in enumerate(values)}
    return found


def thresholds(words, layer, word_bits):
    """Threshold of each channel; all blocks have an operand of a whole block."""
    found = [value for block in range(layer["blocks"]) for value in operand(
        words, layer["threshold_base"] + block * layer["potential_words"], layer["potential_rows"], layer["columns"],
        layer["groups"], word_bits)]
    return found[:(layer["blocks"] - 1) * layer["groups"] + layer["last_groups"]]


def event_operations(words, image, identifier, channel, anchors):
    """Of an event: (population, position and block or lane word, weight operand, lane or None)."""
    config, table = image.config, layouts(image.config)
    edge = table.edge.unpack(words[2 * image.populations + identifier])
    geometry = table.geometry.unpack(words[2 * edge["population"]])
    assert channel < edge["source_channels"]
    depthwise = edge["kind"] == EdgeKind.DEPTHWISE
    unit = 1 if depthwise else config.lanes
    first = channel // config.lanes if depthwise else 0
    for (tap_x, x), (tap_y, y) in itertools.product(
            taps(anchors[0], edge["kernel_width"], edge["step"], edge["dilated"], geometry["width"]),
            taps(anchors[1], edge["kernel_height"], edge["step"], edge["dilated"], geometry["height"])):
        state = geometry["state_base"] + x * geometry["x_stride"] + y * geometry["depth_words"] + first
        tap = tap_x * edge["kernel_height"] + tap_y
        weight = edge["weight_base"] * config.word_bits // 8 + channel * edge["weight_stride"]
        weight += tap * unit * (1 if depthwise else geometry["depth_words"])
        for block in range(1 if depthwise else geometry["depth_words"]):
            yield state + block, weight // unit + block, channel % config.lanes if depthwise else None


def array_synapses(image, program, destination):
    """As `tests.helpers.synapses.program_synapses`, from the words."""
    config, words = image.config, image.memory()
    table = {entry["name"]: entry for entry in image.manifest["population_table"]}
    target, found = table[destination], Counter()
    layer = layer_of(image, target["index"])
    cache = {}
    hosted = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    for source in program.populations:
        axons = hosted[source.name] if source.name in hosted else [
            layouts(config).axon.unpack(words[table[source.name]["base"] + i])
            for i in range(table[source.name]["axons"])]
        for axon in axons:
            if (axon["core_x"] != 0 and source.name not in hosted) or axon["id"] not in target["ids"]:
                continue
            for c, x, y in itertools.product(*map(range, source.shape)):
                anchors = peg(axon, x, y, config)
                for state, weight, lane in event_operations(
                        words, image, axon["id"], c + axon["c_offset"], anchors) if anchors else ():
                    population, number = divmod(state, 1 << config.address_bits - config.population_bits)
                    assert population == target["index"]
                    lanes = 1 << layer["lane_words_log2"]
                    position, rest = divmod(number, lanes if layer["depthwise"] else layer["blocks"])
                    block = 0 if layer["depthwise"] else rest
                    if (weight, block) not in cache:
                        cache[weight, block] = operand(
                            words, layer["weight_base"] + weight * layer["weight_words"], layer["weight_rows"],
                            layer["columns"], groups_of(layer, block), config.word_bits)
                    values = cache[weight, block]
                    chosen = [rest * config.lanes + lane] if layer["depthwise"] else range(len(values))
                    for group in chosen:
                        key = source.name, c, x, y, block * layer["groups"] + group, *divmod(
                            position, target["shape"][2])
                        found[key] += values[group]
    return Counter({synapse: weight for synapse, weight in found.items() if weight})
