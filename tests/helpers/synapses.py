"""All synapses of an image, enumerated from its words by the formulas of docs/architecture.md, neuron by neuron.

No code is shared with the mapper or the golden models but the bit positions of `golden.words`.
"""

import itertools
from collections import Counter

from golden.words import EdgeKind, layouts


def program_synapses(program, destination, operand_bits=0):
    """(source, c, x, y, c', x', y') → sum of weights, from the definition of the convolution."""
    found = Counter()
    population = program.population(destination)
    depth, width, height = population.shape
    for edge in program.edges_into(destination):
        source = program.population(edge.source)
        weights = edge.weights
        per_source, per_group = source.shape[0] // edge.groups, depth // edge.groups
        one_kernel = weights.shape[:2] == (1, 1)
        for c, x, y, i, j, k in itertools.product(
                range(depth), range(width), range(height), range(per_source), range(weights.shape[2]),
                range(weights.shape[3])):
            u = x * edge.stride[0] + j * edge.dilation[0] - edge.padding[0]
            v = y * edge.stride[1] + k * edge.dilation[1] - edge.padding[1]
            scale = 1 << edge.upsample
            if u % scale or v % scale or not 0 <= u // scale < source.shape[1] or not 0 <= v // scale < source.shape[2]:
                continue
            weight = int(weights[(0, 0, j, k) if one_kernel else (c, i, j, k)])
            weight <<= edge.shift + edge.operand * operand_bits
            found[edge.source, c // per_group * per_source + i, u // scale, v // scale, c, x, y] += weight
    return Counter({synapse: weight for synapse, weight in found.items() if weight})


def peg(axon, x, y, config):
    """The anchors that one axon sends for a neuron, or None."""
    anchors = []
    for u, axis, size in ((x, "x", "kernel_width"), (y, "y", "kernel_height")):
        low = (u << axon["upsample"]) + axon[f"{axis}_offset"]
        assert -(1 << (config.offset_bits + 1)) <= low < 1 << (config.offset_bits + 1)
        extent = axon[size] if axon[size] < 1 << config.kernel_bits else 1 << (config.offset_bits - 2)
        phase = low <= 0 or (-low) % (1 << axon["stride"]) < extent
        if not (low + extent > 0 and low >> config.extent_unit_log2 <= axon[f"{axis}_limit"] and phase):
            return None
        assert -(1 << (config.offset_bits - 1)) <= low < 1 << (config.offset_bits - 1)
        anchors.append(low)
    return anchors


def taps(low, kernel, step, dilated, size):
    """(tap, destination) of one dimension."""
    for tap in range(kernel):
        at = low + (tap << step) if dilated else low + tap
        if dilated and 0 <= at < size:
            yield tap, at
        elif not dilated and at >= 0 and at % (1 << step) == 0 and at >> step < size:
            yield tap, at >> step


def esu(words, populations, identifier, channel, anchors, config, strict=True):
    """(state word, lane, weight << shift) of every synapse of one event."""
    table, word_bytes = layouts(config), config.word_bits // 8

    def byte(address):
        value = words[address // word_bytes] >> (8 * (address % word_bytes)) & 0xFF
        return value - 256 if value > 127 else value

    edge = table.edge.unpack(words[2 * populations + identifier])
    geometry = table.geometry.unpack(words[2 * edge["population"]])
    assert channel < edge["source_channels"]
    y_stride = geometry["depth_words"] | geometry["pad"]
    kernel = edge | {name: geometry[name] for name in ("depth_words", "last_lane")}
    first, origin = 0, word_bytes * edge["weight_base"] + channel * edge["weight_stride"]
    if edge["kind"] == EdgeKind.TABLE:
        kernel = table.table.unpack(words[edge["weight_base"] + channel])
        first, origin = kernel["first_channel"], word_bytes * kernel["weight_base"]
    if edge["kind"] == EdgeKind.DEPTHWISE:
        lanes_of = {channel // config.lanes: range(channel % config.lanes, channel % config.lanes + 1)}
        unit = 1
    else:
        lanes_of = {first // config.lanes + op: range(config.lanes) for op in range(kernel["depth_words"])}
        unit = config.lanes * kernel["depth_words"]
        last = max(lanes_of)
        lanes_of[last] = range(kernel["last_lane"] + 1)
        head = first // config.lanes
        lanes_of[head] = range(first % config.lanes, lanes_of[head].stop)
    for (tap_x, x), (tap_y, y) in itertools.product(
            taps(anchors[0], kernel["kernel_width"], edge["step"], edge["dilated"], geometry["width"]),
            taps(anchors[1], kernel["kernel_height"], edge["step"], edge["dilated"], geometry["height"])):
        at = origin + (tap_x * kernel["kernel_height"] + tap_y) * unit
        for op, (word, lanes) in enumerate(lanes_of.items()):
            state = geometry["state_base"] + x * geometry["x_stride"] + y * y_stride + word
            for lane in lanes:
                weight = byte(at if edge["kind"] == EdgeKind.DEPTHWISE else at + config.lanes * op + lane)
                yield state, lane, weight << edge["shift"]
            if strict and edge["kind"] != EdgeKind.DEPTHWISE:
                for lane in set(range(config.lanes)) - set(lanes):
                    assert byte(at + config.lanes * op + lane) == 0, "weights outside an op's lanes are zeros"


def image_synapses(image, program, destination):
    """The same as `program_synapses`, from the words, the host's axons, and where the manifest says the states are."""
    config, words = image.config, image.memory()
    table = {entry["name"]: entry for entry in image.manifest["population_table"]}
    target = table[destination]
    depth, width, height = target["shape"]
    place = {(target["state_base"] + x * target["x_stride"] + y * target["y_stride"] + c // config.lanes,
              c % config.lanes): (c, x, y) for c in range(depth) for x in range(width) for y in range(height)}
    assert {word for word, _ in place} <= set(range(target["state_base"], target["state_base"] + target["state_words"]))
    found = Counter()
    hosted = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    for source in program.populations:
        if source.name in hosted:
            axons = hosted[source.name]
        else:
            entry = table[source.name]
            axons = [layouts(config).axon.unpack(words[entry["base"] + i]) for i in range(entry["axons"])]
            axons = [axon for axon in axons if axon["core_x"] == axon["core_y"] == 0]
        for axon in axons:
            if axon["id"] not in target["ids"]:
                continue
            for c, x, y in itertools.product(*map(range, source.shape)):
                anchors = peg(axon, x, y, config)
                if anchors is not None:
                    channel = c + axon["c_offset"]
                    for state, lane, weight in esu(words, image.populations, axon["id"], channel, anchors, config):
                        found[(source.name, c, x, y, *place[state, lane])] += weight
    return Counter({synapse: weight for synapse, weight in found.items() if weight})
