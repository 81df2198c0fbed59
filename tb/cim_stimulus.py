"""Layers at random places of a compute-in-memory array, their operands in memory, and operations on them."""

import random
from dataclasses import dataclass

import numpy as np

from golden.cim.layer import LAYER_WORDS, MOST_BITS, Layer, layer_address, operand_index_bits
from golden.cim.operand import Shape, operand_words, to_rows, to_words
from golden.config import CoreConfig
from golden.synapse.esu import WordOperation

WIDEST = 24
"""Bits of the widest operand, unless a layer is `wide`."""


@dataclass(frozen=True)
class Placed:
    """A layer in array and memory, and the size of its map."""

    layer: Layer
    width: int
    height: int
    weights: int
    """Operands of weights that there are."""

    @property
    def potentials(self) -> int:
        return self.width * self.height * self.layer.blocks


def _values(generator: random.Random, bits: int, count: int) -> list[int]:
    """Signed numbers, the extremes among them."""
    half = 1 << bits - 1
    return [generator.choice((-half, half - 1, 0, -1)) if generator.random() < .2 else generator.randrange(-half, half)
            for _ in range(count)]


def operand(values: list[int], rows: int, columns: int, config: CoreConfig) -> list[int]:
    """The words of an operand."""
    return to_words(to_rows(values, Shape(rows, columns)), config.word_bits)


class Placement:
    """Places layers one behind the other: in the rows of the array, in the tags, and in memory.

    Attributes:
        memory: its words.
    """

    def __init__(self, config: CoreConfig, generator: random.Random, first_word: int = 0):
        self.config, self.generator = config, generator
        self.memory = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
        self.row = self.potential_tag = self.weight_tag = 0
        self.word = first_word
        self.placed: list[Placed] = []

    def _take(self, words: int) -> int:
        """Place for so many words."""
        self.word += words
        assert self.word <= layer_address(self.config.max_populations - 1, self.config), "the memory is full"
        return self.word - words

    def add(self, rows: int, *, depthwise: bool = False, blocks: int = 1, saturate: bool = False,
            stationary: bool = False, columns: int | None = None, potential_rows: int = 0, operands: int = 24,
            wide: bool = False) -> Placed:
        """A random layer in the next `rows` rows of the array; `operands`: potentials and weights, about. `wide`: of
        up to as many bits as the golden model holds, in groups of up to as many columns."""
        config, pick = self.config, self.generator.randint
        widest = MOST_BITS if wide else WIDEST
        columns = columns or pick(1, min(MOST_BITS if wide else 4 if depthwise else 8, config.cim_columns))
        most = config.cim_columns // columns
        # Blocks of two sizes; depthwise layers of several words of lanes, and of lanes without a group.
        groups = most if blocks > 1 else pick(max(1, most // 2) if depthwise else 1, most)
        groups -= int(depthwise and groups > 1 and groups % config.lanes == 0)
        lane_words = 1 << (-(-groups // config.lanes) - 1).bit_length()
        blocks = 1 if depthwise else blocks
        width, height = pick(1, 3), pick(1, 3)
        potentials, weights = width * height * blocks, pick(1, operands)
        while True:
            tall = potential_rows or pick(1, max(1, min(widest // columns, rows // 3)))
            weight_rows = pick(1, tall)
            slots = [pick(0, 2), pick(0, 4)]
            if stationary:
                slots = [(potentials - 1).bit_length(), (weights - 1).bit_length()]
            if (tall << slots[0]) + (weight_rows << slots[1]) + tall <= rows:
                potential_rows = tall
                break
            weights = pick(1, weights)
        last_groups = groups if blocks == 1 else pick(1, max(1, groups // 2))
        sizes = {f"{end}{name}_words": operand_words(Shape(tall, columns), count, config.word_bits)
                 for name, tall in (("potential", potential_rows), ("weight", weight_rows))
                 for end, count in (("", groups), ("last_", last_groups))}
        layer = Layer(
            columns=columns, base=pick(0, config.cim_columns - columns * groups), groups=groups,
            last_groups=last_groups, potential_rows=potential_rows, weight_rows=weight_rows, blocks=blocks,
            saturate=int(saturate), potential_row=self.row, potential_slot_bits=slots[0],
            potential_tag=self.potential_tag, weight_row=self.row + (potential_rows << slots[0]),
            weight_slot_bits=slots[1], weight_tag=self.weight_tag,
            threshold_row=self.row + (potential_rows << slots[0]) + (weight_rows << slots[1]),
            depthwise=int(depthwise), lane_words_log2=(lane_words - 1).bit_length() if depthwise else 0,
            potential_base=self._take(potentials * sizes["potential_words"]),
            threshold_base=self._take(blocks * sizes["potential_words"]),
            weight_base=self._take(weights * sizes["weight_words"]), **sizes)
        self.row += rows
        self.potential_tag += 1 << slots[0]
        self.weight_tag += 1 << slots[1]
        found = Placed(layer, width, height, weights)
        self._write(found, len(self.placed))
        self.placed.append(found)
        return found

    def _write(self, placed: Placed, population: int) -> None:
        layer, config, generator = placed.layer, self.config, self.generator
        address = layer_address(population, config)
        self.memory[address:address + LAYER_WORDS] = layer.pack(config)
        for base, count, rows, words in (
                (layer.potential_base, placed.potentials, layer.potential_rows, layer.potential_words),
                (layer.weight_base, placed.weights, layer.weight_rows, layer.weight_words)):
            for number in range(count):
                values = _values(generator, rows * layer.columns, layer.groups)
                self.memory[base + number * words:base + (number + 1) * words] = operand(
                    values, rows, layer.columns, config)
        for block in range(layer.blocks):
            base, half = layer.threshold_base + block * layer.potential_words, 1 << layer.potential.bits - 1
            # Many groups, of which any that spikes resets: of some blocks none should.
            low = generator.choice((-half, half - 1 - half // 16))
            values = [generator.randrange(low, half) for _ in range(layer.groups)]
            self.memory[base:base + layer.potential_words] = operand(
                values, layer.potential_rows, layer.columns, config)


def random_operation(
    generator: random.Random, placed: Placed, population: int, config: CoreConfig, near: WordOperation | None = None
) -> WordOperation:
    """An operation on a layer; with `near` perhaps one on the same potential or weight."""
    layer, index_bits = placed.layer, operand_index_bits(config)
    potential, weight = generator.randrange(placed.potentials), generator.randrange(placed.weights)
    full = (1 << config.lanes) - 1
    if layer.depthwise:
        word, lane = divmod(generator.randrange(layer.groups), config.lanes)
        state, address, mask = (potential << layer.lane_words_log2) + word, weight, 1 << lane
    else:
        state, address = potential, weight << config.lane_bits
        mask = 1 if layer.is_last(potential) else full
    op = WordOperation(state | population << index_bits, address, mask, layer.depthwise, 0, 0, 1)
    if near is not None and near.state_address >> index_bits == population and generator.random() < .5:
        if generator.random() < .5:
            return op._replace(state_address=near.state_address, mask=near.mask)
        return op._replace(weight_address=near.weight_address)
    return op


def spoiled(generator: random.Random, op: WordOperation, placed: Placed, config: CoreConfig) -> WordOperation:
    """An operation that must be dropped."""
    changes = [{"v": 2}, {"v": 0}, {"v": -1}, {"max": 1}, {"shift": 1},
               {"state_address": op.state_address | 1 << config.address_bits}]
    if placed.layer.depthwise and placed.layer.groups % config.lanes:  # the last lane of all has no group
        last = (1 << placed.layer.lane_words_log2) - 1
        changes += 3 * [{"state_address": op.state_address | last, "mask": 1 << config.lanes - 1}]
    return op._replace(**generator.choice(changes))


def as_parts(words: list[int], config: CoreConfig) -> np.ndarray:
    """Words as rows of 64 bits."""
    return np.array([[word >> 64 * part & (1 << 64) - 1 for part in range(config.word_bits // 64)] for word in words],
                    np.uint64)
