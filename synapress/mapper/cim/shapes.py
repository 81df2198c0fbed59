"""How the operands of a layer lie in the array of a compute-in-memory unit, and how many there are.

An operand is one value per group of a block: a block of destination channels at one position (potentials), or a block
at one source channel and tap (weights). A region of the array is a number of slots, one below the other; with a slot
for every operand of a layer these stay, with fewer they are loaded when they are needed.
Chauvaux et al., arXiv 2410.23082, sections II and III; the regions with slots are this project's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from golden.cim.layer import layer_words
from golden.config import CoreConfig
from golden.program import Edge, Population

WEIGHTS, POTENTIALS, BOTH, NONE = "weights", "potentials", "both", "none"
STATIONARY = (BOTH, WEIGHTS, POTENTIALS, NONE)
"""What of a layer stays in the array."""


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """What is asked of a layer; None leaves the choice to `synapress.mapper.cim.choose`."""

    weight_bits: int | None = None
    """Bits of a weight, two's complement; None: the fewest that hold the layer's weights."""
    potential_bits: int | None = None
    """Bits of a potential, two's complement; None: `state_bits` of the configuration."""
    columns: int | None = None
    """Columns of a group, N_C."""
    stationary: str | None = None
    """One of `STATIONARY`."""
    saturate: bool = False
    """Potentials are clipped, addition by addition, in place of wrapping: the order of events then matters."""


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """Where the operands of one layer lie in the array; rows and columns count from 0."""

    weight_bits: int
    potential_bits: int
    columns: int
    """Columns of a group, N_C; of weights and potentials alike."""
    groups: int
    """Channels of a full block, side by side."""
    weight_slots: int
    """As many as there are weight operands, which then stay, or a power of two."""
    potential_slots: int
    """As many as there are potential operands, which then stay, or a power of two."""
    weight_row: int
    """First row of the weights' region."""
    potential_row: int
    threshold_row: int
    base: int = 0
    """First column."""
    weight_tag: int = 0
    """First of the tags of the weights' region, one for each slot."""
    potential_tag: int = 0
    saturate: bool = False

    @property
    def weight_rows(self) -> int:
        """Rows of a weight operand, N_R,W."""
        return -(-self.weight_bits // self.columns)

    @property
    def potential_rows(self) -> int:
        """Rows of a potential operand, N_R,O: the cycles of an operation."""
        return -(-self.potential_bits // self.columns)

    @property
    def width(self) -> int:
        """Columns of a full block."""
        return self.groups * self.columns

    def regions(self) -> dict[str, range]:
        """Rows of each region of the array."""
        return {
            "weights": range(self.weight_row, self.weight_row + self.weight_slots * self.weight_rows),
            "potentials": range(self.potential_row, self.potential_row + self.potential_slots * self.potential_rows),
            "threshold": range(self.threshold_row, self.threshold_row + self.potential_rows),
        }

    def tags(self) -> dict[str, range]:
        """Tags of each region that has some."""
        return {"weights": range(self.weight_tag, self.weight_tag + self.weight_slots),
                "potentials": range(self.potential_tag, self.potential_tag + self.potential_slots)}

    def stationary(self, counts: "Operands") -> str:
        """What stays in the array, of `STATIONARY`."""
        stays = self.weight_slots >= counts.weights, self.potential_slots >= counts.potentials
        return {(True, True): BOTH, (True, False): WEIGHTS, (False, True): POTENTIALS, (False, False): NONE}[stays]


def is_depthwise(edge: Edge) -> bool:
    """A source channel leads to the same destination channel; one channel of one is any convolution."""
    return edge.groups > 1


def slot_bits(slots: int) -> int:
    """Low bits of an operand's number that name its slot."""
    return (slots - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class Operands:
    """The operands of a layer, for a number of groups in a block."""

    blocks: int
    last_groups: int
    """Groups of the last block."""
    weights: int
    potentials: int
    first_weights: tuple[int, ...]
    """Number of the first weight operand of each edge."""
    weight_strides: tuple[int, ...]
    """Weight operands from one source channel of an edge to the next."""
    lane_words: int
    """Of a depthwise layer, whose states the event-to-synapse unit counts in words of lanes: words of a position, a
    power of two; else 0."""

    @classmethod
    def of(cls, population: Population, edges: Sequence[Edge], depths: Sequence[int], groups: int, config: CoreConfig
           ) -> "Operands":
        """Of a population and the edges into it, in the order of their IDs, with the source channels of each.

        The weights of each edge begin at a whole memory word of the event-to-synapse unit, and with block 0, so that
        between two edges there may be numbers without an operand.
        """
        depth, width, height = population.shape
        blocks = -(-depth // groups)
        depthwise = any(map(is_depthwise, edges))
        step = lcm(config.word_bits // 8 // (1 if depthwise else config.lanes), blocks)
        first, strides, total = [], [], 0
        for edge, channels in zip(edges, depths, strict=True):
            total = -(-total // step) * step
            first.append(total)
            taps = edge.weights.shape[2] * edge.weights.shape[3]
            strides.append(0 if depthwise else taps * blocks)
            total += taps if depthwise else channels * taps * blocks
        words = -(-depth // config.lanes)
        return cls(blocks=blocks, last_groups=depth - (blocks - 1) * groups, weights=total,
                   potentials=width * height * blocks, first_weights=tuple(first), weight_strides=tuple(strides),
                   lane_words=1 << (words - 1).bit_length() if depthwise else 0)

    @property
    def position_words(self) -> int:
        """What the event-to-synapse unit counts as channel words of a position."""
        return self.lane_words or self.blocks

    @property
    def states(self) -> int:
        """State addresses of the layer."""
        return self.potentials * (self.lane_words or 1)

    def named(self, config: CoreConfig) -> bool:
        """Whether the event-to-synapse unit can name every operand."""
        return (self.blocks <= most_blocks(config) and self.states <= state_numbers(config)
                and self.weights <= weight_numbers(config, bool(self.lane_words)))


def most_blocks(config: CoreConfig) -> int:
    """Blocks of a position, which the event-to-synapse unit counts as channel words."""
    return min(layer_words(config)[0].field("blocks").high, (1 << config.depth_word_bits) - 1)


def state_numbers(config: CoreConfig) -> int:
    """State addresses that each layer has, in the event-to-synapse unit."""
    return 1 << config.address_bits - config.population_bits


def weight_numbers(config: CoreConfig, depthwise: bool) -> int:
    """Weight operands that the event-to-synapse unit can name."""
    return 1 << config.weight_address_bits - (0 if depthwise else config.lane_bits)


def best_groups(depth: int, columns: int, config: CoreConfig) -> int:
    """Channels of a block, if blocks are as few and as equal as they can be; 0 if a group does not fit."""
    most = config.cim_columns // columns
    return -(-depth // -(-depth // most)) if most else 0

