"""What a core with the compute-in-memory update does with its memory: the engines that `golden.core` runs.

An event's word operations (`golden.synapse.esu`) are additions of operands, in order: the weights of a tap to the
potentials of a position. Both must be in the array (`golden.cim.residency`); who is not comes from memory, after a
potential that was changed and lies in its way has gone there. At the end of a timestep each potential of the
population, by column, row and block, is compared with its thresholds, and reset where it spikes.

What is counted, in this order of operations:

- An operation whose value is not 1, whose geometry or edge says maximum or shift, or whose state address has left the
  memory, is dropped, as an `address_error`, before anything is read for it. So is one whose lane has no group, after
  its layer's descriptor.
- The descriptor of the layer is four words of `weight_reads`, whenever an operation, an evaluation or a store of a
  flush has another layer than the one before; after a start and after a flush there is none.
- A population of another type than SPIKING, or without channels, is not looked at: its evaluation is an END.
- A load or store moves the words of an operand as its block has them. Thresholds are operands of a whole block each.
  A layer holds those of one block, until an evaluation needs another block's, or a flush.
- ADD and SUBTRACT take potential_rows cycles each, twice as many if the layer saturates; COMPARE and ZERO
  potential_rows. A reset is made if any group of the operand spikes. Active are the columns of its groups, of which an
  operation with `broadcast` has one.
- A flush goes through the tags in order, and stores what is dirty.

In the hardware all of it is equal if the word operations come in the same order: always, if the core has one population
and its events come in order. Else loads and stores depend on when events and evaluations come. cim_cycles and columns
do not, unless a layer saturates.
Chauvaux et al., arXiv 2410.23082, sections II and III; slots and traffic are this project's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from golden.cim.layer import LAYER_WORDS, Layer, layer_address, operand_index_bits
from golden.cim.residency import NOBODY, Slots
from golden.cim.storage import read_operands, write_operands
from golden.cim.update import add_in_order, compare, reset
from golden.config import CoreConfig
from golden.engine import CHUNK_EVENTS, Engine, Evaluated, fired
from golden.memory_words import number
from golden.neuron.evaluation import PopulationMap, second_word
from golden.synapse.esu import WordOperations, expand_events
from golden.types import Fields, IntArray, Words
from golden.words import NeuronType, Reset, layouts


class Resident:
    """A layer, and which of its operands are in the array."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self.potentials = Slots(layer.potential_slot_bits)
        self.weights = Slots(layer.weight_slot_bits)
        self.block = NOBODY
        """Whose thresholds are in the array."""

    def forget(self) -> None:
        self.potentials.forget()
        self.weights.forget()
        self.block = NOBODY


class Traffic:
    """Layers by their populations, what of them is in the array, and the counters of what that costs."""

    def __init__(self, config: CoreConfig, counters: dict[str, int]):
        self.config = config
        self.counters = counters
        self.residents: dict[int, Resident] = {}
        self.current = NOBODY
        """Population of the descriptor that was read last."""

    def count(self, **counts: int) -> None:
        """Add to the counters that the configuration has."""
        for name, value in counts.items():
            if name in self.counters:
                self.counters[name] += int(value)

    def resident(self, population: int, memory: Words) -> Resident:
        """A layer, read from memory when it is needed first."""
        if population not in self.residents:
            first = layer_address(population, self.config)
            words = [int(word) for word in memory[first:first + LAYER_WORDS, 0]]
            self.residents[population] = Resident(Layer.unpack(words, self.config).checked(
                self.config, f"population {population}"))
        return self.residents[population]

    def descriptors(self, populations: Sequence[int]) -> None:
        """Operations of these populations come one after the other."""
        given = np.array([self.current, *populations])
        self.count(weight_reads=LAYER_WORDS * int(np.sum(np.diff(given) != 0)))
        self.current = int(given[-1])

    def potentials(self, layer: Layer, loaded: IntArray, stored: IntArray) -> None:
        """Potentials moved."""
        self.count(operand_loads=len(loaded), operand_stores=len(stored), **{
            name: _words(layer, operands, layer.potential_words, layer.last_potential_words)
            for name, operands in (("state_reads", loaded), ("write_back_writes", stored))})

    def weights(self, layer: Layer, loaded: IntArray) -> None:
        """Weights loaded."""
        self.count(operand_loads=len(loaded),
                   weight_reads=_words(layer, loaded, layer.weight_words, layer.last_weight_words))

    def work(self, cycles: int, columns: int) -> None:
        """Row cycles, and the active columns of all of them."""
        self.count(cim_cycles=cycles, column_ops=columns, idle_column_ops=cycles * self.config.cim_columns - columns)

    def evaluation(self, population: int, resident: Resident, spiked: IntArray, mode: int) -> None:
        """All potentials of a population, compared in order, and reset where one of their groups has spiked (1)."""
        layer, numbers = resident.layer, np.arange(len(spiked))
        self.descriptors([population])
        self.potentials(layer, *resident.potentials.visit_all(numbers, spiked != 0))
        self.thresholds(resident, numbers % layer.blocks)
        cycles = layer.potential_rows * (1 + spiked * self.reset_passes(layer, mode))
        columns = layer.groups_of(numbers) * layer.columns
        self.work(int(cycles.sum()), int((cycles * columns).sum()))

    @staticmethod
    def reset_passes(layer: Layer, mode: int) -> int:
        """How often a reset goes through the rows of a potential."""
        return 1 if mode & Reset.ZERO else 1 + layer.saturate

    def thresholds(self, resident: Resident, blocks: IntArray) -> None:
        """Operands of these blocks are compared, one after the other."""
        changes = int(np.sum(np.diff(np.concatenate([[resident.block], blocks])) != 0))
        self.count(operand_loads=changes, weight_reads=changes * resident.layer.potential_words)
        resident.block = int(blocks[-1])

    def flush(self) -> None:
        """All potentials go to memory, and everything is forgotten."""
        by_tag = sorted((resident.layer.potential_tag, population) for population, resident in self.residents.items())
        for _, population in by_tag:
            resident = self.residents[population]
            stored = resident.potentials.flush()
            self.potentials(resident.layer, stored[:0], stored)
            if len(stored):
                self.descriptors([population])
        self.forget()

    def forget(self) -> None:
        """As after a reset: nothing is in the array, and descriptors are read anew."""
        self.residents.clear()
        self.current = NOBODY


def _words(layer: Layer, operands: IntArray, whole: int, of_last: int) -> int:
    """Words of operands, by their numbers: of a whole block, and of the last one."""
    last = int(np.sum(layer.is_last(operands)))
    return last * of_last + (len(operands) - last) * whole


def _by_block(layer: Layer, numbers: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Operands that have the same groups, and how many these are."""
    last = layer.is_last(numbers)
    for groups, chosen in ((layer.groups, ~last), (layer.last_groups, last)):
        if chosen.any():
            yield groups, numbers[chosen]


def _lanes(mask: IntArray) -> IntArray:
    """The lowest lane of each mask."""
    return np.log2(mask & -mask).astype(np.int64)


def is_scanned(population: Fields) -> bool:
    """Whether an evaluation looks at a population's potentials: it integrates and fires, and has channels."""
    return population["type"] == NeuronType.SPIKING and population["depth"] > 0


@runtime_checkable
class CimEngine(Engine, Protocol):
    """An engine whose states lie in an array. `words` has all potentials as a flush would bring them back."""

    def flush(self) -> None:
        """The hardware's FLUSH."""
        ...

    def forget(self) -> None:
        """What a reset of the hardware does to the array, after a flush."""
        ...


class FastCimEngine:
    """Potentials and weights as integers, many operations at a time; `golden.cim.literal` has the same step by step."""

    def __init__(self, config: CoreConfig, memory: Words, edges: int, populations: int, counters: dict[str, int]):
        self.config = config
        self.edges, self.populations = edges, populations
        self.memory = np.ascontiguousarray(memory, "<u8")
        self.counters = counters
        self.good: list[bool] | None = None
        self.first_extended = edges
        self.done = np.zeros((edges, 2), np.int64)
        self.traffic = Traffic(config, counters)
        self._tables: dict[tuple[int, str], IntArray] = {}

    def word(self, address: int) -> int:
        return number(self.memory[address])

    def words(self) -> Words:
        for (population, kind), table in self._tables.items():
            if kind == "potential":
                layer = self.traffic.resident(population, self.memory).layer
                for groups, numbers in _by_block(layer, np.arange(len(table))):
                    write_operands(self.memory, layer.potential_base, numbers, layer.potential_words, layer.potential,
                                   table[numbers, :groups], self.config)
        return self.memory

    def flush(self) -> None:
        self.words()
        self.traffic.flush()
        self._tables.clear()

    def forget(self) -> None:
        self.words()
        self.traffic.forget()
        self._tables.clear()

    def _table(self, population: int, kind: str, count: int) -> IntArray:
        """Operands of a layer as (at least `count`, groups): of kind "potential", "weight", "threshold"."""
        key = population, kind
        table, layer = self._tables.get(key), self.traffic.resident(population, self.memory).layer
        begin = 0 if table is None else len(table)
        if table is not None and begin >= count:
            return table
        more = np.zeros((count - begin, layer.groups), np.int64)
        base, shape, words = {
            "potential": (layer.potential_base, layer.potential, layer.potential_words),
            "weight": (layer.weight_base, layer.weight, layer.weight_words),
            "threshold": (layer.threshold_base, layer.potential, layer.potential_words),
        }[kind]
        added = np.arange(begin, count)
        for groups, numbers in _by_block(layer, added) if kind != "threshold" else [(layer.groups, added)]:
            more[numbers - begin, :groups] = read_operands(
                self.memory, base, numbers, words, shape, groups, self.config)
        self._tables[key] = more if table is None else np.concatenate([table, more])
        return self._tables[key]

    def integrate(self, events: Mapping[str, IntArray]) -> None:
        """Operation by operation as far as order matters: for what is loaded, and in layers that saturate."""
        for first in range(0, len(events["v"]), CHUNK_EVENTS):
            self._integrate({name: array[first:first + CHUNK_EVENTS] for name, array in events.items()})

    def _integrate(self, events: Mapping[str, IntArray]) -> None:
        config, counters = self.config, self.counters
        ops = expand_events(config, self.memory[:, 0], self.edges, self.populations, events)
        counters["unknown_id"] += ops.unknown_id
        counters["unknown_channel"] += ops.unknown_channel
        number_bits = operand_index_bits(config)
        taken = (ops.state_address < config.memory_words) & (ops.v == 1) & (ops.max == 0) & (ops.shift == 0)
        population = ops.state_address >> number_bits
        lane = _lanes(ops.mask)
        self.traffic.descriptors(population[taken].tolist())
        for index in np.unique(population[taken]).tolist():
            layer = self.traffic.resident(index, self.memory).layer
            if layer.depthwise:
                group = (ops.state_address & (1 << layer.lane_words_log2) - 1) * config.lanes + lane
                taken &= (population != index) | (group < layer.groups)
        counters["address_error"] += int(np.sum(~taken))
        counters["word_ops"] += int(np.sum(taken))
        groups = np.zeros(len(ops), np.int64)
        for index in np.unique(population[taken]).tolist():
            mine = np.flatnonzero(taken & (population == index))
            groups[mine] = self._add(index, ops, mine, ops.state_address[mine] & (1 << number_bits) - 1, lane[mine])
        counters["synapses"] += int(groups.sum())
        edge = events["id"][ops.event]
        self.done += np.stack([np.bincount(edge, weights, self.edges) for weights in (taken, groups)],
                              axis=1).astype(np.int64)

    def _add(self, population: int, ops: WordOperations, mine: IntArray, index: IntArray, lane: IntArray) -> IntArray:
        """Operations of one population: the groups that each adds to."""
        config = self.config
        resident = self.traffic.resident(population, self.memory)
        layer, rows = resident.layer, resident.layer.potential_rows
        byte_address = ops.weight_address[mine]
        if layer.depthwise:
            operand, weight = index >> layer.lane_words_log2, byte_address
            group = (index & (1 << layer.lane_words_log2) - 1) * config.lanes + lane
            groups = np.ones(len(mine), np.int64)
        else:
            operand, weight = index, byte_address >> config.lane_bits
            groups = layer.groups_of(operand)
        potentials = self._table(population, "potential", int(operand.max()) + 1)
        weights = self._table(population, "weight", int(weight.max()) + 1)
        if layer.depthwise:
            add_in_order(potentials.reshape(-1, 1), weights[weight, group][:, np.newaxis],
                         operand * layer.groups + group, layer.potential.bits, layer.saturate)
        else:
            add_in_order(potentials, weights[weight], operand, layer.potential.bits, layer.saturate)
        self.traffic.potentials(layer, *resident.potentials.visit_all(operand, True))
        self.traffic.weights(layer, resident.weights.visit_all(weight, False)[0])
        cycles = rows * (1 + layer.saturate)
        self.traffic.work(cycles * len(mine), cycles * layer.columns * int(groups.sum()))
        return groups

    def evaluate(self, index: int, word: int) -> Evaluated:
        config = self.config
        population = layouts(config).population.unpack(word)
        operand, c = self._scan(index, population) if is_scanned(population) else np.zeros((2, 0), np.int64)
        x, y = np.divmod(operand, population["height"])
        v = np.ones_like(c)
        place = PopulationMap.of(population, config, second_word(self.memory[:, 0], population, config))
        events = fired(config, self.memory, index, population, place, x, y, c, v)
        parts = config.word_bits // 64
        return events, np.zeros(0, np.int64), np.zeros((0, parts), np.uint64), np.stack([c, x, y, v], axis=1)

    def _scan(self, index: int, population: Fields) -> tuple[IntArray, IntArray]:
        """Compare and reset a whole population: the position and the channel of each spike, in order."""
        resident = self.traffic.resident(index, self.memory)
        layer = resident.layer
        count = population["width"] * population["height"] * layer.blocks
        numbers = np.arange(count)
        potentials = self._table(index, "potential", count)
        thresholds = self._table(index, "threshold", layer.blocks)[numbers % layer.blocks]
        spikes = compare(potentials[:count], thresholds)
        spikes[layer.is_last(numbers), layer.last_groups:] = False
        potentials[:count] = reset(potentials[:count], thresholds, spikes, layer.potential.bits,
                                   population["saturation"], layer.saturate)
        spiked = np.zeros(count, np.int64)
        spiked[np.flatnonzero(spikes.any(axis=1))] = 1
        self.traffic.evaluation(index, resident, spiked, population["saturation"])
        operand, group = np.nonzero(spikes)
        position, block = np.divmod(operand, layer.blocks)
        return position, block * layer.groups + group
