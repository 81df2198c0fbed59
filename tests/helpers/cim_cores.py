"""Images of one core with a compute-in-memory array, built word by word, and what their layers do by plain numpy."""

from dataclasses import dataclass, field

import numpy as np

from golden.cim.layer import MOST_BITS, Layer, layer_address, operand_index_bits
from golden.cim.operand import Shape, operand_words, to_rows, to_words
from golden.config import CoreConfig
from golden.types import Fields, IntArray, Words
from golden.words import EdgeKind, NeuronType, Reset, layouts


@dataclass
class CimEdge:
    """A convolution into a layer, of the input or of an earlier layer."""

    source: int
    """Layer, or -1 for the input."""
    weights: IntArray
    """(D, C, KW, KH) unflipped; of a depthwise one (D, 1, KW, KH)."""
    padding: tuple[int, int]
    stride: int


@dataclass
class CimLayer:
    """A layer of spiking neurons, of shape (D, W, H), and the shapes of its operands."""

    shape: tuple[int, int, int]
    columns: int
    potential_rows: int
    weight_rows: int
    groups: int
    edges: list[CimEdge]
    thresholds: IntArray
    initial: IntArray
    reset: int = Reset.SUBTRACT
    """Of which bit 0 counts."""
    saturate: int = 0
    depthwise: int = 0
    potential_slot_bits: int = 0
    weight_slot_bits: int = 0
    place: dict[str, int] = field(default_factory=dict)
    """First column, rows and tags of its regions."""

    @property
    def blocks(self) -> int:
        return -(-self.shape[0] // self.groups)

    @property
    def bits(self) -> int:
        return self.potential_rows * self.columns


class CimCore:
    """An image of such layers, one population each, in order.

    Attributes:
        memory: (words, words of 64 bits). inputs: shape of the input and its axons, for `golden.host.encode`.
    """

    def __init__(self, config: CoreConfig, source: tuple[int, int, int], layers: list[CimLayer], outputs: set[int], *,
                 far: bool = False):
        """`far`: populations and axons have second words."""
        self.far = far
        self.config, self.layers, self.source, self.outputs = config, layers, source, sorted(outputs)
        self.words = layouts(config)
        self.memory: Words = np.zeros((config.memory_words, config.word_bits // 64), np.uint64)
        self.populations = len(layers)
        self.edges: list[tuple[int, CimEdge]] = [(p, edge) for p, layer in enumerate(layers) for edge in layer.edges]
        self.weights_at: dict[int, int] = {}
        self._next = 2 * self.populations + len(self.edges)
        self.descriptors = [self._operands(number, layer) for number, layer in enumerate(layers)]
        for number, (population, edge) in enumerate(self.edges):
            self.memory[2 * self.populations + number, 0] = self._edge(number, population, edge)
        for number, layer in enumerate(layers):
            self._population(number, layer)
        self.inputs: list[Fields] = [self._axon(number, edge, layers[population])
                                     for number, (population, edge) in enumerate(self.edges) if edge.source < 0]

    def _take(self, words: int) -> int:
        first, self._next = self._next, self._next + words
        assert self._next <= layer_address(self.populations - 1, self.config), "the image does not fit"
        return first

    def _put(self, base: int, distance: int, operands: list[IntArray], shape: Shape) -> None:
        bits = self.config.word_bits
        for number, values in enumerate(operands):
            for place, word in enumerate(to_words(to_rows(values, shape), bits)):
                for part in range(bits // 64):
                    self.memory[base + number * distance + place, part] = word >> 64 * part & (1 << 64) - 1

    def _operands(self, number: int, layer: CimLayer) -> Layer:
        """Place potentials, thresholds and weights."""
        config, blocks, groups = self.config, layer.blocks, layer.groups
        depth, width, height = layer.shape
        last = depth - (blocks - 1) * groups
        potential, weight = Shape(layer.potential_rows, layer.columns), Shape(layer.weight_rows, layer.columns)
        words = {f"{end}{name}_words": operand_words(shape, count, config.word_bits)
                 for end, count in (("", groups), ("last_", last))
                 for name, shape in (("potential", potential), ("weight", weight))}

        def split(values: IntArray) -> list[IntArray]:
            """(D, n) as operands: n outer, blocks inner."""
            return [column[low:low + groups] for column in values.T for low in range(0, depth, groups)]

        potentials = self._take(width * height * blocks * words["potential_words"])
        self._put(potentials, words["potential_words"], split(layer.initial.reshape(depth, -1)), potential)
        thresholds = self._take(blocks * words["potential_words"])
        padded = np.zeros(blocks * groups, np.int64)
        padded[:depth] = layer.thresholds
        self._put(thresholds, words["potential_words"], list(padded.reshape(blocks, groups)), potential)
        # An edge word counts its first weight in memory words of `lanes` operands per word of bytes.
        align = int(np.lcm(config.word_bits // 8 // (1 if layer.depthwise else config.lanes), blocks))
        operands: list[IntArray] = []
        for identity, (population, edge) in enumerate(self.edges):
            if population == number:
                operands += [np.zeros(1, np.int64)] * (-len(operands) % align)
                self.weights_at[identity] = len(operands)
                flipped = edge.weights[:, :, ::-1, ::-1]
                operands += split(flipped.reshape(depth, -1))
        weights = self._take(len(operands) * words["weight_words"])
        self._put(weights, words["weight_words"], operands, weight)
        made = Layer(
            columns=layer.columns, groups=groups, last_groups=last,
            potential_rows=layer.potential_rows, weight_rows=layer.weight_rows, blocks=blocks, saturate=layer.saturate,
            potential_slot_bits=layer.potential_slot_bits, weight_slot_bits=layer.weight_slot_bits,
            depthwise=layer.depthwise, lane_words_log2=(-(-depth // config.lanes) - 1).bit_length()
            if layer.depthwise else 0,
            potential_base=potentials, threshold_base=thresholds, weight_base=weights, **words, **layer.place)
        first = layer_address(number, config)
        self.memory[first:first + 4, 0] = made.pack(config)
        return made

    def _edge(self, number: int, population: int, edge: CimEdge) -> int:
        config, layer = self.config, self.layers[population]
        kernel, weights = edge.weights.shape[2:], self.weights_at[number]
        return self.words.edge.pack(
            source_channels=layer.shape[0] if layer.depthwise else edge.weights.shape[1], kernel_width=kernel[0],
            kernel_height=kernel[1],
            weight_base=weights * (1 if layer.depthwise else config.lanes) // (config.word_bits // 8),
            weight_stride=0 if layer.depthwise else config.lanes * kernel[0] * kernel[1] * layer.blocks,
            step=edge.stride.bit_length() - 1, kind=EdgeKind.DEPTHWISE if layer.depthwise else EdgeKind.DENSE,
            population=population)

    def _axon(self, number: int, edge: CimEdge, layer: CimLayer) -> Fields:
        kernel = edge.weights.shape[2:]
        limits = [(size - 1) * edge.stride >> self.config.extent_unit_log2 for size in layer.shape[1:]]
        return {"x_offset": edge.padding[0] + 1 - kernel[0], "y_offset": edge.padding[1] + 1 - kernel[1],
                "c_offset": 0, "x_limit": limits[0], "y_limit": limits[1], "kernel_width": kernel[0],
                "kernel_height": kernel[1], "upsample": 0, "stride": edge.stride.bit_length() - 1, "core_x": 0,
                "core_y": 0, "id": number}

    def _population(self, number: int, layer: CimLayer) -> None:
        """Geometry and population word, and axons: to later layers, and as an output."""
        depth, width, height = layer.shape
        made = self.descriptors[number]
        axons = [self._axon(identity, edge, self.layers[population])
                 for identity, (population, edge) in enumerate(self.edges) if edge.source == number]
        if number in self.outputs:
            high = self.words.axon.field("x_limit").high
            axons.append({"core_x": -1, "core_y": 1, "id": number, "x_limit": high, "y_limit": high})
        words = [self.words.axon.pack(axon) for axon in axons]
        if self.far:
            second = [self.words.second_axon.pack(core_x=axon["core_x"], core_y=axon["core_y"]) for axon in axons]
            words = [self.words.second_population.pack(far_axons=1),
                     *(word for pair in zip(second, words, strict=True) for word in pair)]
        base = self._take(len(words))
        self.memory[base:base + len(words), 0] = words
        lane_words = 1 << made.lane_words_log2 if layer.depthwise else layer.blocks
        assert width * height * lane_words <= 1 << operand_index_bits(self.config), "too many states"
        self.memory[2 * number, 0] = self.words.geometry.pack(
            depth_words=lane_words, last_lane=0, state_base=number << operand_index_bits(self.config), width=width,
            height=height, x_stride=height * lane_words)
        self.memory[2 * number + 1, 0] = self.words.population.pack(
            base=base, width=width, height=height, depth=depth, type=NeuronType.SPIKING, saturation=layer.reset,
            axons=len(axons), incoming=len(layer.edges), extended=int(self.far))

    def potentials(self, memory: Words, number: int) -> IntArray:
        """The potentials (D, W, H) of a layer in memory, bit by bit."""
        layer, made, bits = self.layers[number], self.descriptors[number], self.config.word_bits
        depth, width, height = layer.shape
        found = np.zeros(layer.shape, np.int64)
        for c in range(depth):
            block, group = divmod(c, layer.groups)
            groups = made.last_groups if block == layer.blocks - 1 else layer.groups
            for x, y in np.ndindex(width, height):
                first = made.potential_base + ((x * height + y) * layer.blocks + block) * made.potential_words
                for bit in range(layer.bits):
                    row, column = divmod(bit, layer.columns)
                    column = layer.columns - 1 - column if row % 2 else column
                    place = (row * groups + group) * layer.columns + column
                    word = int(memory[first + place // bits, place % bits // 64]) >> place % 64 & 1
                    found[c, x, y] |= word << bit
        return np.where(found >> layer.bits - 1, found - (1 << layer.bits), found)


class PlainLayers:
    """The same layers, by convolutions of maps of spikes; of layers that wrap."""

    def __init__(self, core: CimCore):
        self.core = core
        self.potentials = [layer.initial.astype(object) for layer in core.layers]
        self.adds = [0] * len(core.layers)
        """Synapses, so far."""

    def step(self, spikes: IntArray) -> list[IntArray]:
        """One timestep: the spikes (D, W, H) of each layer, for those of the input."""
        found: list[IntArray] = []
        for number, layer in enumerate(self.core.layers):
            potential, half = self.potentials[number], 1 << layer.bits - 1
            for edge in layer.edges:
                source = spikes if edge.source < 0 else found[edge.source]
                self._convolve(number, layer, edge, source, potential)
            potential[:] = (potential + half) % (2 * half) - half
            theta = layer.thresholds[:, np.newaxis, np.newaxis]
            fires = (potential >= theta).astype(np.int64)
            after = 0 * potential if layer.reset & Reset.ZERO else potential - theta
            potential[:] = np.where(fires, (after + half) % (2 * half) - half, potential)
            found.append(fires)
        return found

    def _convolve(self, number: int, layer: CimLayer, edge: CimEdge, source: IntArray, potential: IntArray) -> None:
        depth, width, height = layer.shape
        kernel_width, kernel_height = edge.weights.shape[2:]
        columns, rows = ((size - 1) * edge.stride + kernel for size, kernel in (
            (width, kernel_width), (height, kernel_height)))
        padded = np.zeros((len(source), columns + edge.padding[0] + source.shape[1],
                           rows + edge.padding[1] + source.shape[2]), np.int64)
        padded[:, edge.padding[0]:edge.padding[0] + source.shape[1],
               edge.padding[1]:edge.padding[1] + source.shape[2]] = source
        for i, j in np.ndindex(kernel_width, kernel_height):
            seen = padded[:, i:i + columns - kernel_width + 1:edge.stride, j:j + rows - kernel_height + 1:edge.stride]
            if layer.depthwise:
                potential += seen * edge.weights[:, 0, i, j][:, np.newaxis, np.newaxis]
                self.adds[number] += int(seen.sum())
            else:
                potential += np.einsum("cxy,dc->dxy", seen, edge.weights[:, :, i, j])
                self.adds[number] += int(seen.sum()) * depth


def _slot_bits(rng: np.random.Generator, count: int, rows: int, room: int) -> int:
    """Slots for some of `count` operands, or for all, in so many rows."""
    most = (room // rows).bit_length() - 1
    return int(rng.integers(0, min(most, (count - 1).bit_length()) + 1))


def random_layer(rng: np.random.Generator, config: CoreConfig, sources: list[tuple[int, tuple[int, int, int]]],
                 rows: int, *, saturate: bool = False, depthwise: bool | None = None, wide: bool = False) -> CimLayer:
    """A layer of random shape and resolution into which all these lead, in at most so many rows of the array.

    `wide`: of up to as many bits as the golden model holds, in groups of up to as many columns, and more channels.
    """
    bits, most_columns, most_weight_rows, depths = (MOST_BITS, MOST_BITS, MOST_BITS, 40) if wide else (24, 8, 3, 12)
    depthwise = rng.random() < .3 and len(sources) == 1 if depthwise is None else depthwise
    depth = sources[0][1][0] if depthwise else int(rng.integers(1, depths))
    columns = int(rng.integers(1, min(most_columns, config.cim_columns) + 1))
    potential_rows = int(rng.integers(1, min(MOST_BITS if wide else 6, bits // columns, rows // 4) + 1))
    weight_rows = int(rng.integers(1, min(potential_rows, most_weight_rows) + 1))
    groups = min(depth, config.cim_columns // columns)
    if not depthwise and depth > 1 and rng.random() < .4:
        groups = int(rng.integers(-(-depth // 4), groups + 1))
    if depthwise and groups < depth:
        columns = 1
        groups = depth
    bits, stride = potential_rows * columns, int(rng.integers(1, 3))
    kernel = [int(rng.integers(1, min(3, size) + 1)) for size in sources[0][1][1:]]
    padding = (int(rng.integers(0, kernel[0])), int(rng.integers(0, kernel[1])))
    size = [(given + 2 * p - k) // stride + 1 for given, p, k in zip(sources[0][1][1:], padding, kernel, strict=True)]
    half = 1 << weight_rows * columns - 1
    edges = [CimEdge(number, rng.integers(-half, half, (depth, 1 if depthwise else shape[0], *kernel)), padding, stride)
             for number, shape in sources]
    half, shape = 1 << bits - 1, (depth, size[0], size[1])
    small = max(1, half >> int(rng.integers(0, 4)))
    low = -small if rng.random() < .3 else 0
    layer = CimLayer(shape, columns, potential_rows, weight_rows, groups, edges, rng.integers(low, small, depth),
                     rng.integers(-half, half, shape) if rng.random() < .5 else np.zeros(shape, np.int64),
                     reset=int(rng.integers(4)), saturate=int(saturate), depthwise=int(depthwise))
    room = (rows - potential_rows) // 2
    taps = int(np.prod(kernel)) * layer.blocks * (1 if depthwise else sum(shape[0] for _, shape in sources))
    layer.potential_slot_bits = _slot_bits(rng, size[0] * size[1] * layer.blocks, potential_rows, room)
    layer.weight_slot_bits = _slot_bits(rng, taps, weight_rows, room)
    layer.place["base"] = int(rng.integers(0, config.cim_columns - columns * groups + 1))
    return layer


def place_regions(layers: list[CimLayer]) -> None:
    """Regions one below the other, and tags one behind the other."""
    row = potential_tag = weight_tag = 0
    for layer in layers:
        weight_row = row + (layer.potential_rows << layer.potential_slot_bits)
        threshold_row = weight_row + (layer.weight_rows << layer.weight_slot_bits)
        layer.place |= {"potential_row": row, "weight_row": weight_row, "threshold_row": threshold_row,
                        "potential_tag": potential_tag, "weight_tag": weight_tag}
        row = threshold_row + layer.potential_rows
        potential_tag += 1 << layer.potential_slot_bits
        weight_tag += 1 << layer.weight_slot_bits


def random_cim_core(rng: np.random.Generator, config: CoreConfig, *, layers: int = 3, saturate: bool = False,
                    far: bool = False, wide: bool = False) -> CimCore:
    """A chain of layers, of which some have two sources of one shape; every one an output or a source.

    `wide`: as `random_layer` has it.
    """
    source = tuple(int(rng.integers(1, most)) for most in (5, 7, 7))
    shape: tuple[int, int, int] = (source[0], source[1], source[2])
    made: list[CimLayer] = []
    sources = [(-1, shape)]
    for number in range(layers):
        layer = random_layer(rng, config, sources, config.cim_rows // layers, saturate=saturate and rng.random() < .7,
                             wide=wide)
        made.append(layer)
        sources = [(number, layer.shape)]
        if number and rng.random() < .3 and made[number - 1].shape[1:] == layer.shape[1:]:
            sources.append((number - 1, made[number - 1].shape))
    place_regions(made)
    used = {edge.source for layer in made for edge in layer.edges}
    outputs = {number for number in range(layers) if number not in used or rng.random() < .3}
    return CimCore(config, shape, made, outputs, far=far)


def core_pair(rng: np.random.Generator, config: CoreConfig) -> tuple[CimCore, CimCore]:
    """Two cores of a layer each: that of the first, which a host south of it feeds, leads to the second, east of it."""
    first = random_cim_core(rng, config, layers=1)
    layer = random_layer(rng, config, [(-1, first.layers[0].shape)], config.cim_rows)
    place_regions([layer])
    second = CimCore(config, first.layers[0].shape, [layer], {0})
    axons = first.words.population.unpack(int(first.memory[1, 0]))["base"]
    first.memory[axons, 0] = first.words.axon.pack(second.inputs[0] | {"core_x": 1})
    first.inputs = [axon | {"core_y": -1} for axon in first.inputs]
    return first, second
