"""A layer in the compute-in-memory array: its descriptor of four words, and where its operands lie.

An operand is a value per group of a block: the potentials of up to `groups` channels at one position, the weights of
one source channel and tap into them, or their thresholds. In memory it is its rows back to back, row 0 first, each
`groups · columns` bits wide, padded to whole words (`golden.cim.operand`). In the array it lies in a slot of its
region: operand i in slot i mod 2**slot_bits, which is entry tag + slot of the tags, and the rows from row + slot · rows
of an operand on. A region with a slot for each operand is stationary: it is loaded once. One with fewer streams: who
comes takes the slot of who was there.

A word operation of population p has the state address p << operand_index_bits | i. Potentials are numbered by column,
row, block: i = (x · height + y) · blocks + block; so the geometry word has depth_words = blocks and pad 0, and with
last_lane = 0 the mask of an operation lacks the highest lane for a last block, and only then. Weights are numbered by
source channel, tap column, tap row, block: the byte address of the operation, by `lanes`; the first one of every edge
is a multiple of `blocks`. Thresholds by block. A layer
with `depthwise` has one block, whose lanes are counted as elsewhere: i = (x · height + y) << lane_words_log2 | lane
word, the operand without the low bits; the group is that of the lane in `mask`; and the weight operand, one per tap
with the weights of all channels side by side, is the byte address itself.
Chauvaux et al., arXiv 2410.23082, section II; the descriptor and the slots are this project's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self, overload

import numpy as np
import numpy.typing as npt

from golden.cim.operand import Shape, operand_words
from golden.errors import ConfigError, ImageError
from golden.fields import Field, WordLayout
from golden.types import IntArray
from golden.widths import CONNECTIVITY_BITS, Widths

LAYER_WORDS = 4
"""Memory words of a descriptor; of memories wider than 64 bits the low 64 bits of each."""
MOST_BITS = 62
"""The widest operand that the integers of the golden model hold exactly, differences included."""


def layer_address(population: int, config: Widths) -> int:
    """The first word of a population's descriptor: they lie at the end of the memory, the first one last."""
    return config.memory_words - LAYER_WORDS * (population + 1)


def operand_index_bits(config: Widths) -> int:
    """Low bits of a word operation's state address that number the operand; those above are the population."""
    return config.address_bits - config.population_bits


@cache
def layer_words(config: Widths) -> tuple[WordLayout, ...]:
    """The layouts of the descriptor's words.

    columns: N_C of every operand. base: first column of the layer. groups: channels of a block; last_groups: of the
    last block. potential_rows, weight_rows: rows of an operand. blocks: of a position. saturate: additions do, instead
    of wrapping. potential_row, weight_row, threshold_row: the first row of each region. potential_slot_bits,
    weight_slot_bits: log2 of the slots. potential_tag, weight_tag: entry of slot 0 in the tags of either kind.
    depthwise, lane_words_log2: operations name a lane of 2**lane_words_log2 words per position, whose group alone is
    added to; such a layer has one block. potential_base, threshold_base, weight_base: word of operand 0.
    potential_words, weight_words: words of an operand of a whole block, and the distance of potentials and of
    thresholds; last_potential_words, last_weight_words: of the last block, of which no more is moved.

    Raises:
        ConfigError: they have more than 64 bits.
    """
    column, row, tag = ((size - 1).bit_length() for size in (config.cim_columns, config.cim_rows, config.cim_tags))
    address = config.address_bits
    words = (
        WordLayout("first layer", (
            Field("columns", column, bias=1), Field("base", column), Field("groups", column, bias=1),
            Field("last_groups", column, bias=1), Field("potential_rows", row, bias=1),
            Field("weight_rows", row, bias=1), Field("blocks", 8, bias=1), Field("saturate", 1))),
        WordLayout("second layer", (
            Field("potential_row", row), Field("potential_slot_bits", 4), Field("potential_tag", tag),
            Field("weight_row", row), Field("weight_slot_bits", 4), Field("weight_tag", tag),
            Field("threshold_row", row), Field("depthwise", 1), Field("lane_words_log2", 3))),
        WordLayout("third layer", (
            Field("potential_base", address), Field("potential_words", 8), Field("threshold_base", address),
            Field("last_potential_words", 8))),
        WordLayout("fourth layer", (
            Field("weight_base", address), Field("weight_words", 8), Field("last_weight_words", 8))),
    )
    for word in words:
        if word.bits > CONNECTIVITY_BITS:
            raise ConfigError(f"the {word.name} word needs {word.bits} bits and has {CONNECTIVITY_BITS}")
    return words


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A decoded descriptor: true sizes, by the names of `layer_words`."""

    columns: int
    base: int
    groups: int
    last_groups: int
    potential_rows: int
    weight_rows: int
    blocks: int = 1
    saturate: int = 0
    potential_row: int
    potential_slot_bits: int
    potential_tag: int
    weight_row: int
    weight_slot_bits: int
    weight_tag: int
    threshold_row: int
    depthwise: int = 0
    lane_words_log2: int = 0
    potential_base: int
    potential_words: int
    threshold_base: int
    last_potential_words: int
    weight_base: int
    weight_words: int
    last_weight_words: int

    @classmethod
    def unpack(cls, words: Sequence[int], config: Widths) -> Self:
        """From the words of a descriptor."""
        fields: dict[str, int] = {}
        for layout, word in zip(layer_words(config), words, strict=True):
            fields |= layout.unpack(word & (1 << CONNECTIVITY_BITS) - 1)
        return cls(**fields)

    def pack(self, config: Widths, *, where: str = "") -> list[int]:
        """The words of the descriptor.

        Raises:
            FieldRangeError: a value does not fit; `where` names the layer.
        """
        return [layout.pack({field.name: getattr(self, field.name) for field in layout.fields}, where=where)
                for layout in layer_words(config)]

    def checked(self, config: Widths, where: str) -> Self:
        """Itself, if its operands are numbers that the model can hold, and lie in the array.

        Of the regions with slots only the first slot is looked at: a stationary one may have fewer slots than numbers
        of 2**slot_bits, as many as there are operands, which the descriptor does not say.

        Raises:
            ImageError: they do not; `where` names the layer.
        """
        needs = {
            "bits of a potential": (self.potential.bits, MOST_BITS),
            "bits of a weight": (self.weight.bits, self.potential.bits),
            "columns": (self.base + self.columns * max(self.groups, self.last_groups), config.cim_columns),
            "rows of potentials": (self.potential_row + self.potential_rows, config.cim_rows),
            "rows of weights": (self.weight_row + self.weight_rows, config.cim_rows),
            "rows of thresholds": (self.threshold_row + self.potential_rows, config.cim_rows),
            "tags of potentials": (self.potential_tag + 1, config.cim_tags),
            "tags of weights": (self.weight_tag + 1, config.cim_tags),
            "groups of the last block": (self.last_groups, self.groups),
            "words of a potential": (operand_words(self.potential, self.groups, config.word_bits),
                                     self.potential_words),
            "words of a weight": (operand_words(self.weight, self.groups, config.word_bits),
                                  self.weight_words),
        }
        for what, (needed, available) in needs.items():
            if needed > available:
                raise ImageError(f"{where}: the layer's descriptor needs {needed} {what}; available: {available}")
        return self

    @property
    def potential(self) -> Shape:
        """Of potentials, and of thresholds."""
        return Shape(self.potential_rows, self.columns)

    @property
    def weight(self) -> Shape:
        return Shape(self.weight_rows, self.columns)

    @overload
    def is_last(self, potential: int) -> bool: ...
    @overload
    def is_last(self, potential: IntArray) -> npt.NDArray[np.bool_]: ...
    def is_last(self, potential: int | IntArray) -> bool | npt.NDArray[np.bool_]:
        """Whether a potential operand is of the last block of its position; also of many at a time."""
        return potential % self.blocks == self.blocks - 1

    @overload
    def groups_of(self, potential: int) -> int: ...
    @overload
    def groups_of(self, potential: IntArray) -> IntArray: ...
    def groups_of(self, potential: int | IntArray) -> int | IntArray:
        """Groups of a potential operand, and of the weights that are added to it; also of many at a time."""
        return self.groups + (self.last_groups - self.groups) * self.is_last(potential)
