"""What a lowered network is: populations and the edges between them, before any address is given.

The mapper makes programs; the golden models and the memory images are made from them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.neuron.types import neuron_model
from golden.types import IntArray, Pair
from golden.words import NeuronType, Saturation


@dataclass(kw_only=True, eq=False)
class Population:
    """A feature map of neurons that lives whole in one core; shape (D, W, H).

    `bias`, `multiplier`, `shift`, `slope`, `threshold` and `initial` are per channel (D) or hold one entry for all. See
    docs/architecture.md for what they do.
    """

    name: str
    shape: tuple[int, int, int]
    type: int = NeuronType.SUM
    saturation: int = Saturation.RELU
    bias: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    multiplier: IntArray = field(default_factory=lambda: np.ones(1, np.int64))
    shift: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    slope: IntArray | None = None
    """The multiplier of negative sums, if it is another one. Not for types with a threshold."""
    threshold: IntArray | None = None
    """Of types that fire at one (SPIKING), and needed there; their `saturation` is a `golden.words.Reset`."""
    second: Mapping[str, IntArray] | None = None
    """Of types with a second parameter word: its fields (`golden.words`), each per channel or one for all."""
    initial: IntArray | None = None
    """Of types that keep their states: those before the first timestep, default 0. They lie in the memory image."""
    table: IntArray | None = None
    """With saturation TABLE, and needed there: the values of all 2**value_bits event values, the lowest first. Of types
    with a falling threshold: those of the values 1..`ttfs_times`."""
    layer: str = ""
    """The layer it comes from, for messages and reports."""

    @property
    def looks_up(self) -> bool:
        """Whether its values come from a table."""
        return neuron_model(self.type).looks_up(self.saturation)

    @property
    def needs_table(self) -> bool:
        """It has a table: its values come from there, or it holds the thresholds of spikes in time."""
        return self.looks_up or neuron_model(self.type).falling_threshold

    @property
    def keeps(self) -> bool:
        """Its states stay from timestep to timestep."""
        return neuron_model(self.type).keeps

    @property
    def delays(self) -> bool:
        """Its values are delivered in the next timestep."""
        return neuron_model(self.type).delays

    def given(self, value_bits: int) -> tuple[int, int]:
        """Of an input: lowest and highest value of a frame, whether it is sent or its differences are."""
        return Saturation.bounds(self.saturation, value_bits)

    def bounds(self, value_bits: int) -> tuple[int, int]:
        """Lowest and highest value that its neurons can have."""
        if self.looks_up and self.table is not None:
            return int(np.min(self.table)), int(np.max(self.table))
        return neuron_model(self.type).bounds(self.saturation, self.type, value_bits)


@dataclass(kw_only=True, eq=False)
class Edge:
    """Synapses from one population to another: one convolution [B §4.1].

    `weights` is (D_dst, D_src / groups, KW, KH), unflipped: W[c, i, j, k]. Where every source channel has the same
    weights (pools), depthwise weights may be (1, 1, KW, KH), stored once. Pairs are (x, y).
    """

    name: str
    source: str
    destination: str
    weights: IntArray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    """Left and top, negative to crop; what is needed on the right and bottom follows from the shapes."""
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    upsample: int = 0
    """log2 of the upsampling of the source, zeros between."""
    shift: int = 0
    """Left shift of every product."""
    operand: int = 0
    """1: what it adds is operand B of a product, and goes `CoreConfig.operand_bits` bits higher."""
    logarithmic: bool = False
    """Its weights are codes, of values of spikes in time, and its shift takes fraction bits away:
    `golden.neuron.products.log`."""
    organisation: str | None = None
    """How a core stores its synapses: as one kernel (None, or "functional"), or one by one in tables, by the name of
    an organisation. "auto" until the mapper has chosen."""

    def product_shift(self, config: CoreConfig) -> int:
        """The shift field of its word, of whose highest bit a core with both products makes the choice."""
        choice = self.logarithmic and config.product == "both"
        return self.shift | choice << max(config.product_shift_bits - 1, 0)


@dataclass(kw_only=True, eq=False)
class LookUpEdge(Edge):
    """An edge in tables, by the organisation that it names. Its weights are a convolution's, of one group.

    A source neuron's synapses are a row, in the order x · x_stride + y · y_stride + c of the whole source.
    """

    extent: Pair
    """Columns and rows of the source that its rows are for: all of it, wherever it is cut."""
    origin: Pair = (0, 0)
    """Column and row of the source where the fragment begins that sends."""

    @property
    def strides(self) -> Pair:
        """x_stride and y_stride: what a column, and a row, of the source adds to the number of a row."""
        depth = self.weights.shape[1]
        return self.extent[1] * depth, depth

    @property
    def rows(self) -> int:
        """Source neurons."""
        return self.weights.shape[1] * self.extent[0] * self.extent[1]


@dataclass(kw_only=True, eq=False)
class Program:
    """A network of populations. `inputs` have no states: their events come from outside."""

    name: str
    populations: list[Population]
    edges: list[Edge]
    inputs: list[str]
    outputs: list[str]

    def population(self, name: str) -> Population:
        return next(population for population in self.populations if population.name == name)

    def edges_into(self, name: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.destination == name]

    def edges_from(self, name: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == name]

    def topological_order(self) -> list[str]:
        """Names of all populations, sources before destinations, otherwise in the order of `populations`.

        What delays its values comes behind its sources, and in any order to its destinations: they get what it
        computed in the timestep before.

        Raises:
            NetworkError: a name is missing or used twice; or edges form a cycle in which nothing delays, or all does.
        """
        names = [population.name for population in self.populations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise NetworkError(f"program '{self.name}': two populations are named {', '.join(twice)}")
        ends = {(edge.name, end) for edge in self.edges for end in (edge.source, edge.destination)}
        asked = ends | {("inputs", name) for name in self.inputs} | {("outputs", name) for name in self.outputs}
        missing = sorted(f"'{name}' (of {where})" for where, name in asked if name not in names)
        if missing:
            raise NetworkError(f"program '{self.name}': there is no population {', '.join(missing)}")
        late = {population.name for population in self.populations if population.delays}
        # In a circle of delays alone each would wait for the credit of the one behind it.
        self._ordered([name for name in names if name in late], late, "delays alone form a cycle")
        return self._ordered(names, set(names) - late, "its edges form a cycle")

    def _ordered(self, names: Sequence[str], sources: Collection[str], refusal: str) -> list[str]:
        """Names, each behind those of its sources that are among `sources`."""
        waits = {name: {edge.source for edge in self.edges_into(name)} & set(sources) for name in names}
        order: list[str] = []
        while len(order) < len(names):
            ready = [name for name in names if name not in order and waits[name] <= set(order)]
            if not ready:
                left = ", ".join(name for name in names if name not in order)
                raise NetworkError(f"program '{self.name}': {refusal} through some of {left}")
            order.append(ready[0])
        return order
