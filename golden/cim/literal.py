"""The compute-in-memory core step by step: words of memory, cells of the array, tags. Read it with `golden.cim.engine`,
which says what is counted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from golden.cim.engine import is_scanned
from golden.cim.layer import LAYER_WORDS, Layer, layer_address, operand_index_bits
from golden.cim.macro import Kind, LiteralMacro, Macro, MacroOperation
from golden.cim.operand import Shape, from_words, to_words
from golden.config import CoreConfig
from golden.engine import LOW_64, Evaluated, fired_literally
from golden.memory_words import numbers
from golden.neuron.evaluation import PopulationMap, second_word
from golden.synapse.esu import Esu, ValueEvent, WordOperation
from golden.types import Fields, IntArray, Words
from golden.words import Reset, layouts


@dataclass
class Tag:
    """What a slot of the array holds."""

    population: int
    operand: int
    dirty: bool = False


class LiteralCimEngine:
    """One event, one operation, one operand at a time, in an array of cells.

    Args:
        macro: the model of the array, column by column or with integers.
    """

    def __init__(self, config: CoreConfig, memory: Words, edges: int, populations: int, counters: dict[str, int],
                 macro: type[Macro] = LiteralMacro):
        self.config = config
        self.counters = counters
        self.memory = numbers(memory)
        self.esu = Esu(config, self.memory, edges, populations)
        self.macro = macro(config.cim_rows, config.cim_columns)
        self.good: list[bool] | None = None
        self.first_extended = edges
        self.done = np.zeros((edges, 2), np.int64)
        self._empty()

    def word(self, address: int) -> int:
        return self.memory[address]

    def words(self) -> Words:
        held = list(self.memory)
        for tag in self.potentials.values():
            if tag.dirty:
                layer = self._descriptor(tag.population)
                for place, word in enumerate(self._words_of(layer, tag.operand)):
                    held[(self._potential_address(layer, tag.operand) + place) % len(held)] = word
        parts = self.config.word_bits // 64
        return np.array([[word >> (64 * i) & LOW_64 for i in range(parts)] for word in held], np.uint64)

    def forget(self) -> None:
        self.memory[:] = numbers(self.words())
        self._empty()

    def _empty(self) -> None:
        """An array that holds nothing."""
        self.potentials: dict[int, Tag] = {}
        self.weights: dict[int, Tag] = {}
        self.thresholds: dict[int, int] = {}
        """Block of each population's thresholds in the array."""
        self.population: int | None = None

    def flush(self) -> None:
        for _, tag in sorted(self.potentials.items()):
            if tag.dirty:
                self._store(tag)
        self.forget()

    # -- operands ------------------------------------------------------------------------------

    def _count(self, **counts: int) -> None:
        for name, count in counts.items():
            if name in self.counters:
                self.counters[name] += count

    def _descriptor(self, population: int) -> Layer:
        first = layer_address(population, self.config)
        return Layer.unpack(self.memory[first:first + LAYER_WORDS], self.config).checked(
            self.config, f"population {population}")

    def _select(self, population: int) -> None:
        """Make a layer the current one."""
        if population != self.population:
            self.layer, self.population = self._descriptor(population), population
            self.macro.configure(self.layer.columns, self.layer.base, self.layer.groups)
            self._count(weight_reads=LAYER_WORDS)

    def _potential_address(self, layer: Layer, operand: int) -> int:
        return layer.potential_base + operand * layer.potential_words

    def _potential_row(self, layer: Layer, operand: int) -> int:
        return layer.potential_row + (operand & (1 << layer.potential_slot_bits) - 1) * layer.potential_rows

    def _words_of(self, layer: Layer, operand: int) -> list[int]:
        """The words of a potential that is in the array."""
        row, columns = self._potential_row(layer, operand), layer.columns * layer.groups_of(operand)
        return to_words(self.macro.array[row:row + layer.potential_rows, layer.base:layer.base + columns],
                        self.config.word_bits)

    def _load(self, row: int, address: int, shape: Shape, groups: int, words: int) -> None:
        size, layer = self.config.memory_words, self.layer
        given = [self.memory[(address + place) % size] for place in range(words)]
        self.macro.array[row:row + shape.rows, layer.base:layer.base + groups * shape.columns] = from_words(
            given, self.config.word_bits, shape, groups)
        self._count(operand_loads=1)

    def _store(self, tag: Tag) -> None:
        self._select(tag.population)
        words = self._words_of(self.layer, tag.operand)
        for place, word in enumerate(words):
            self.memory[(self._potential_address(self.layer, tag.operand) + place) % len(self.memory)] = word
        self._count(operand_stores=1, write_back_writes=len(words))

    def _fetch_potential(self, operand: int) -> tuple[int, Tag]:
        """First row and tag of a potential, which is brought into the array if it is not there."""
        layer, population = self.layer, self.population
        assert population is not None
        entry = layer.potential_tag + (operand & (1 << layer.potential_slot_bits) - 1)
        row, tag = self._potential_row(layer, operand), self.potentials.get(entry)
        if tag is None or (tag.population, tag.operand) != (population, operand):
            if tag is not None and tag.dirty:
                self._store(tag)
            words = layer.last_potential_words if layer.is_last(operand) else layer.potential_words
            self._load(row, self._potential_address(layer, operand), layer.potential, layer.groups_of(operand), words)
            self._count(state_reads=words)
            self.potentials[entry] = tag = Tag(population, operand)
        return row, tag

    def _fetch_weight(self, operand: int, potential: int) -> int:
        """First row of a weight."""
        layer, population = self.layer, self.population
        assert population is not None
        slot = operand & (1 << layer.weight_slot_bits) - 1
        row, entry = layer.weight_row + slot * layer.weight_rows, layer.weight_tag + slot
        tag = self.weights.get(entry)
        if tag is None or (tag.population, tag.operand) != (population, operand):
            words = layer.last_weight_words if layer.is_last(potential) else layer.weight_words
            self._load(row, layer.weight_base + operand * layer.weight_words, layer.weight,
                       layer.groups_of(potential), words)
            self._count(weight_reads=words)
            self.weights[entry] = Tag(population, operand)
        return row

    # -- work ----------------------------------------------------------------------------------

    def _execute(self, kind: Kind, row: int, other: int, rows: int, low: int, groups: int) -> IntArray:
        """One operation on groups from `low` on; of a COMPARE, the groups that spike."""
        layer = self.layer
        first = layer.base + low * layer.columns
        before = self.macro.cycles, self.macro.column_ops, self.macro.idle_column_ops
        spikes = self.macro.execute(MacroOperation(
            kind, row, other, layer.potential_rows, rows, first, first + groups * layer.columns, bool(layer.saturate)))
        after = self.macro.cycles, self.macro.column_ops, self.macro.idle_column_ops
        for name, old, new in zip(("cim_cycles", "column_ops", "idle_column_ops"), before, after, strict=True):
            self._count(**{name: new - old})
        return np.zeros(0, np.int64) if spikes is None else np.flatnonzero(spikes[first::layer.columns][:groups])

    def integrate(self, events: Mapping[str, IntArray]) -> None:
        before = self.esu.unknown_id, self.esu.unknown_channel
        for row in zip(*(events[name].tolist() for name in ValueEvent._fields), strict=True):
            for op in self.esu.expand(ValueEvent(*row)):
                groups = self._add(op)
                taken = int(groups > 0)
                self._count(address_error=1 - taken, word_ops=taken, synapses=groups)
                self.done[row[0]] += taken, groups
        self._count(unknown_id=self.esu.unknown_id - before[0], unknown_channel=self.esu.unknown_channel - before[1])

    def _add(self, op: WordOperation) -> int:
        """Groups that an operation adds to; 0 if it is dropped."""
        config = self.config
        if op.state_address >= config.memory_words or op.v != 1 or op.max or op.shift:
            return 0
        population, index = divmod(op.state_address, 1 << operand_index_bits(config))
        self._select(population)
        layer = self.layer
        if layer.depthwise:
            operand, lane_word = divmod(index, 1 << layer.lane_words_log2)
            low, weight = lane_word * config.lanes + op.mask.bit_length() - 1, op.weight_address
            if low >= layer.groups:
                return 0
            groups = 1
        else:
            operand, weight = index, op.weight_address // config.lanes
            low, groups = 0, layer.groups_of(operand)
        row, tag = self._fetch_potential(operand)
        self._execute(Kind.ADD, row, self._fetch_weight(weight, operand), layer.weight_rows, low, groups)
        tag.dirty = True
        return groups

    def _fetch_thresholds(self, block: int) -> None:
        layer, population = self.layer, self.population
        assert population is not None
        if self.thresholds.get(population) != block:
            self._load(layer.threshold_row, layer.threshold_base + block * layer.potential_words, layer.potential,
                       layer.groups, layer.potential_words)
            self._count(weight_reads=layer.potential_words)
            self.thresholds[population] = block

    def evaluate(self, index: int, word: int) -> Evaluated:
        config = self.config
        population = layouts(config).population.unpack(word)
        place = PopulationMap.of(population, config, second_word(self.memory, population, config))
        neurons = self._neurons(index, population) if is_scanned(population) else []
        neurons.append({"x": 0, "y": 0, "c": 0, "v": 0, "end": 1})
        common = {"axon_base": place.axons % config.memory_words, "axons": population["axons"],
                  "far": place.axon_words - 1, "population": index}
        events, found = fired_literally(config, self.memory, population, place, [item | common for item in neurons])
        return events, np.zeros(0, np.int64), np.zeros((0, config.word_bits // 64), np.uint64), found

    def _neurons(self, index: int, population: Fields) -> list[Fields]:
        """The neurons of a population that spike."""
        self._select(index)
        layer, found = self.layer, []
        for x in range(population["width"]):
            for y in range(population["height"]):
                for block in range(layer.blocks):
                    operand = (x * population["height"] + y) * layer.blocks + block
                    for group in self._scan(operand, block, population["saturation"]).tolist():
                        found.append({"x": x, "y": y, "c": block * layer.groups + group, "v": 1, "end": 0})
        return found

    def _scan(self, operand: int, block: int, mode: int) -> IntArray:
        """The groups of a potential that spike, after which they are reset."""
        layer = self.layer
        row, tag = self._fetch_potential(operand)
        self._fetch_thresholds(block)
        groups = layer.groups_of(operand)
        spikes = self._execute(Kind.COMPARE, row, layer.threshold_row, layer.potential_rows, 0, groups)
        if len(spikes):
            kind = Kind.ZERO if mode & Reset.ZERO else Kind.SUBTRACT
            self._execute(kind, row, layer.threshold_row, layer.potential_rows, 0, groups)
            tag.dirty = True
        return spikes
