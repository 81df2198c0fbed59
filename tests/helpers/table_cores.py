"""Images of one core, built word by word, whose populations are reached through tables beside kernels of all kinds."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from golden.config import CoreConfig
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import Organisation, Sizes
from golden.types import IntArray, Words
from golden.words import TABLE_ORGANISATIONS, EdgeKind, EventKind, layouts

WAY_BACK = (3, -2)
"""Where the ends come from, as they say it."""


def mixed(config: CoreConfig, organisations: tuple[str, ...] = tuple(TABLE_ORGANISATIONS), **fields: int) -> CoreConfig:
    """The same core with tables."""
    return dataclasses.replace(config, name=f"{config.name}_mixed", decoder="mixed", organisations=organisations,
                               access_counters=1, **fields)


@dataclass
class Population:
    """Where a population of shape (D, W, H) lies."""

    shape: tuple[int, int, int]
    depth_words: int
    base: int = 0
    states: int = 0
    incoming: int = 0
    axons: list[dict[str, int]] = field(default_factory=list)

    def place(self, c: int, x: int, y: int, lanes: int) -> int:
        """A neuron's place among the states."""
        return ((x * self.shape[2] + y) * self.depth_words + c // lanes) * lanes + c % lanes

    def places(self, lanes: int) -> int:
        return self.shape[1] * self.shape[2] * self.depth_words * lanes


@dataclass(frozen=True)
class Table:
    """An extended edge: its ID is `first` + its number."""

    population: int
    source: tuple[int, int, int]
    """Shape of the source, whose neuron (c, x, y) is row (x · H + y) · D + c."""
    matrix: IntArray
    organisation: str
    weight_bits: int
    shift: int = 0


class TableCore:
    """An image that grows.

    Attributes:
        memory: (words, words of 64 bits). edges: packed edge words, by ID. tables: those of the last IDs.
    """

    def __init__(self, config: CoreConfig, shapes: list[tuple[int, int, int]]):
        self.config, self.words = config, layouts(config)
        self.memory: Words = np.zeros((config.memory_words, config.word_bits // 64), np.uint64)
        self.populations = [Population(shape, -(-shape[0] // config.lanes)) for shape in shapes]
        self.edges: list[int] = []
        self.tables: list[Table] = []
        self.ends: list[int] = []
        """IDs whose ends come from outside."""
        self.bases: list[int] = []
        """Where the second words of the tables' headers are."""
        self._next = 2 * len(shapes) + config.max_edges
        for population in self.populations:
            population.states = self._take(population.places(config.lanes) // config.lanes)

    def _take(self, words: int) -> int:
        first, self._next = self._next, self._next + words
        assert self._next <= self.config.memory_words, "the image does not fit"
        return first

    def put(self, words: Words) -> int:
        """Place packed words; returns the address of the first."""
        words = np.asarray(words, np.uint64).reshape(len(words), -1)
        first = self._take(len(words))
        self.memory[first:first + len(words), :words.shape[1]] = words
        return first

    def weights(self, weights: IntArray) -> int:
        """Place bytes; returns the word address of the first."""
        data = np.asarray(weights, np.int8).ravel()
        data = np.concatenate([data, np.zeros(-len(data) % (self.config.word_bits // 8), np.int8)])
        return self.put(data.view("<u8").reshape(-1, self.config.word_bits // 64))

    def kernel(self, population: int, channels: int, size: tuple[int, int], kind: int, rng: np.random.Generator,
               *, outside: bool = True) -> int:
        """An edge with a random kernel; returns its ID."""
        config, target = self.config, self.populations[population]
        each = 1 if kind == EdgeKind.DEPTHWISE else target.depth_words * config.lanes
        stride = size[0] * size[1] * each
        base = self.weights(rng.integers(-128, 128, channels * stride))
        if kind == EdgeKind.TABLE:
            step = config.word_bits // 8
            words = [self.words.table.pack(
                depth_words=target.depth_words, last_lane=(target.shape[0] - 1) % config.lanes, kernel_width=size[0],
                kernel_height=size[1], weight_base=base + channel * stride // step) for channel in range(channels)]
            base = self.put(np.array(words, np.uint64))
        self._incoming(population, outside)
        self.edges.append(self.words.edge.pack(
            source_channels=channels, kernel_width=size[0], kernel_height=size[1], weight_base=base,
            weight_stride=stride, kind=kind, population=population, shift=int(rng.integers(2))))
        return len(self.edges) - 1

    def table(self, table: Table, *, outside: bool = True) -> int:
        """An extended edge; returns its ID."""
        sizes = Sizes.of(self.config)
        kind = ORGANISATIONS.load(table.organisation, Organisation)
        size = kind.pack(table.matrix, weight_bits=table.weight_bits, sizes=sizes)
        index, weight = self._take(len(size.index_words)), self._take(len(size.weight_words))
        made = kind.pack(table.matrix, weight_bits=table.weight_bits, sizes=sizes, index_base=index, weight_base=weight)
        for first, words in ((index, made.index_words), (weight, made.weight_words)):
            self.memory[first:first + len(words)] = np.asarray(words).reshape(len(words), self.memory.shape[1])
        depth, _, height = table.source
        header = self.words.table_header.pack(
            inputs=made.layer["inputs"], outputs=made.layer["outputs"], x_stride=depth * height, y_stride=depth)
        bases = self.words.table_bases.pack(
            {name: made.layer[name] for name in ("index_base", "bitmap_base", "weight_base", "row_words")})
        self._incoming(table.population, outside)
        base = self.put(np.array([header, bases], np.uint64))
        self.bases.append(base + 1)
        self.edges.append(self.words.extended_edge.pack(
            table_base=base, weight_bits=table.weight_bits,
            organisation=TABLE_ORGANISATIONS[table.organisation], shift=table.shift, kind=EdgeKind.EXTENDED,
            state_base=self.populations[table.population].states, population=table.population))
        self.tables.append(table)
        return len(self.edges) - 1

    def _incoming(self, population: int, outside: bool) -> None:
        self.populations[population].incoming += 1
        if outside:
            self.ends.append(len(self.edges))

    def axon(self, population: int, identity: int, core: tuple[int, int] = (0, 0)) -> None:
        """An axon to an edge of the core itself, which takes neurons where they are, or to another core."""
        limit = self.words.axon.field("x_limit").high
        self.populations[population].axons.append({
            "core_x": core[0], "core_y": core[1], "id": identity, "x_limit": limit, "y_limit": limit})

    def finish(self, rng: np.random.Generator) -> Words:
        """Write what is known at the end; returns the memory."""
        config, words = self.config, self.words
        for number, population in enumerate(self.populations):
            depth, width, height = population.shape
            self.axon(number, number, (-3, 2))
            extended = words.second_population.pack(apart=1, state_base=population.states)
            base = self.put(np.array([extended, *(words.axon.pack(axon) for axon in population.axons),
                                      *(words.parameter.pack(bias=int(rng.integers(-50, 50)), multiplier=3, shift=9)
                                        for _ in range(depth))], np.uint64))
            population.base = base
            self.memory[2 * number, 0] = words.geometry.pack(
                depth_words=population.depth_words, last_lane=(depth - 1) % config.lanes,
                state_base=population.states, width=width, height=height, x_stride=height * population.depth_words)
            self.memory[2 * number + 1, 0] = words.population.pack(
                base=base, width=width, height=height, depth=depth, axons=len(population.axons),
                incoming=population.incoming, extended=1)
        first = 2 * len(self.populations)
        self.memory[first:first + len(self.edges), 0] = self.edges
        return self.memory[:self._next]

    def value(self, identity: int, neuron: tuple[int, int, int], v: int) -> int:
        """A packed value event: of neuron (c, x, y)."""
        c, x, y = neuron
        return self.words.event.pack(kind=EventKind.VALUE, id=identity, c=c, x=x, y=y, v=v)

    def end(self, identity: int) -> int:
        return self.words.event.pack(kind=EventKind.END, id=identity, x=WAY_BACK[0], y=WAY_BACK[1], c=0)


def random_matrix(rng: np.random.Generator, inputs: int, outputs: IntArray, places: int, bits: int, density: float
                  ) -> IntArray:
    """A matrix (inputs, places) with weights in some of its columns."""
    matrix = np.zeros((inputs, places), np.int64)
    matrix[:, outputs] = rng.integers(-(1 << bits - 1), 1 << bits - 1, (inputs, len(outputs)))
    matrix[rng.random(matrix.shape) >= density] = 0
    return matrix


def neurons(population: Population, lanes: int) -> IntArray:
    """The places of all neurons."""
    depth, width, height = population.shape
    return np.array([population.place(c, x, y, lanes) for x in range(width) for y in range(height)
                     for c in range(depth)])


def random_core(rng: np.random.Generator, config: CoreConfig, *, corrupt: int = 0, events: int = 8, frames: int = 2,
                astray: float = 0) -> tuple[Words, TableCore, list[list[int]]]:
    """Populations behind kernels of all kinds and tables of all organisations, one behind the other; and frames.

    Args:
        corrupt: bits that are flipped in tables and their headers, but for bases and the number of outputs: so no part
            of a table comes to lie on states, and no state on it, where it would matter which event is first.
        astray: share of the events whose neuron is not in the table.
    """
    shapes = [tuple(int(size) for size in rng.integers(1, (11, 4, 4))) for _ in range(3)]
    core = TableCore(config, shapes)  # type: ignore[arg-type]
    wide = config.table_weight_bits
    for number, kind in enumerate((EdgeKind.DENSE, EdgeKind.TABLE, EdgeKind.DEPTHWISE)):
        channels = shapes[number][0] if kind == EdgeKind.DEPTHWISE else int(rng.integers(1, 5))
        core.kernel(number, channels, (int(rng.integers(1, 4)), int(rng.integers(1, 4))), kind, rng)
    after_kernels = core._next
    last = core.populations[2]
    sources: dict[int, tuple[int, int, int]] = {}
    for name in rng.permutation(config.organisations).tolist():
        for _ in range(int(rng.integers(1, 3))):
            target = int(rng.integers(2))
            population, bits = core.populations[target], int(rng.integers(1, wide + 1))
            source = tuple(int(size) for size in rng.integers(1, (9, 5, 5)))
            matrix = random_matrix(rng, int(np.prod(source)), neurons(population, config.lanes),
                                   population.places(config.lanes), bits, float(rng.choice([0, 0.1, 0.5, 1])))
            shift = int(rng.integers(3))
            sources[core.table(Table(target, source, matrix, name, bits, shift))] = source  # type: ignore[arg-type]
    for number in range(2):  # from population to population, within the core
        matrix = random_matrix(rng, int(np.prod(shapes[number])), neurons(last, config.lanes),
                               last.places(config.lanes), wide, 0.4)
        table = Table(2, shapes[number], matrix, str(rng.choice(config.organisations)), wide)  # type: ignore[arg-type]
        core.axon(number, core.table(table, outside=False))
    before_populations = core._next
    image = core.finish(rng)
    for _ in range(corrupt):
        word, bit, part = core.bases[0], 0, int(rng.integers(image.shape[1]))
        while word in core.bases or (word + 1 in core.bases and 16 <= bit < 32):
            word, bit = int(rng.integers(after_kernels, before_populations)), int(rng.integers(64))
        image[word, part] ^= np.uint64(1 << bit)
    given = []
    for _ in range(frames):
        frame = []
        for identity in core.ends:
            shape = sources.get(identity, (1, 3, 3))
            for _ in range(int(rng.integers(events + 1))):
                neuron = tuple(int(rng.integers(size)) for size in shape)
                if identity in sources and rng.random() < astray:
                    neuron = neuron[0], *[(-1, 3), (5, -7), (70, 90)][int(rng.integers(3))]
                frame.append(core.value(identity, neuron, int(rng.integers(-40, 41))))  # type: ignore[arg-type]
        rng.shuffle(frame)
        given.append([int(event) for event in frame] + [core.end(identity) for identity in core.ends])
    return image, core, given
