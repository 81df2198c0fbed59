"""What a core does with its memory: integrate value events, evaluate a population, fire its neurons.

`LiteralEngine` goes event by event, operation by operation, neuron by neuron, through the literal models of the blocks;
`FastEngine` does the same on arrays. Both give the same memory and the same events in the same order.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from golden import kernel_products, table_products
from golden.config import CoreConfig
from golden.memory_words import number, numbers
from golden.neuron.evaluation import (
    PopulationMap,
    axon_fields,
    evaluate_population,
    parameter_words,
    second_word,
    sweep_array,
    sweeps,
    unpack_table,
    unpack_thresholds,
)
from golden.neuron.products import product
from golden.neuron.states import pack_lanes, pack_states, unpack_lanes, unpack_states
from golden.neuron.types import neuron_model
from golden.neuron.update import accumulate
from golden.synapse.esu import ValueEvent, WordOperation, WordOperations, expand_events
from golden.synapse.gather import GatheredOperation
from golden.synapse.mixed import Mixed
from golden.synapse.peg import generate_all, generate_array
from golden.types import IntArray, Memory, Words
from golden.words import EventKind, layouts

Evaluated = tuple[Words, IntArray, Words, IntArray]
"""Events sent; addresses and (n, words of 64 bits) of the state words evaluated, in order; (n, 4) channel, column, row
and value of the neurons that fired."""

LOW_64 = (1 << 64) - 1
CHUNK_EVENTS = 1 << 12
"""Events that `FastEngine` expands at a time: bounds its working memory."""


class Engine(Protocol):
    """The memory of a core and the work on it; adds to the counters it was given.

    `good`: which populations may be worked on, if the configuration has `guard_states` (`golden.guard`).
    `first_extended`: the first ID whose events are looked up in tables (`golden.synapse.mixed`).
    `done`: (edges, 2) word operations and synapses of each edge so far.
    """

    good: list[bool] | None
    first_extended: int
    done: IntArray

    def __init__(
        self, config: CoreConfig, memory: Words, edges: int, populations: int, counters: dict[str, int]
    ) -> None: ...

    def word(self, address: int) -> int:
        """One memory word."""
        ...

    def words(self) -> Words:
        """All of memory, (words, words of 64 bits)."""
        ...

    def integrate(self, events: Mapping[str, IntArray]) -> None:
        """Take value events, given as arrays by field."""
        ...

    def evaluate(self, index: int, word: int) -> Evaluated:
        """Evaluate the population with this population word, and fire."""
        ...


class LiteralEngine:
    """Block by block, one event, one operation, one neuron at a time."""

    def __init__(self, config: CoreConfig, memory: Words, edges: int, populations: int, counters: dict[str, int]):
        self.config = config
        self.counters = counters
        self.memory = numbers(memory)
        self.decoder = Mixed(config, self.memory, edges, populations)
        self.good: list[bool] | None = None
        self.first_extended = edges
        self.done = np.zeros((edges, 2), np.int64)

    def word(self, address: int) -> int:
        return self.memory[address]

    def words(self) -> Words:
        parts = self.config.word_bits // 64
        return np.array([[word >> (64 * i) & LOW_64 for i in range(parts)] for word in self.memory], np.uint64)

    def integrate(self, events: Mapping[str, IntArray]) -> None:
        config, counters, decoder = self.config, self.counters, self.decoder
        before = decoder.dropped | decoder.accesses
        decoder.esu.good, decoder.first_extended = self.good, self.first_extended
        for row in zip(*(events[name].tolist() for name in ValueEvent._fields), strict=True):
            for op in decoder.expand(ValueEvent(*row)):
                if op.state_address >= config.memory_words:
                    counters["address_error"] += 1
                    continue
                counters["word_ops"] += 1
                counters["synapses"] += op.mask.bit_count()
                self.done[row[0]] += 1, op.mask.bit_count()
                mask = [bool(op.mask >> lane & 1) for lane in range(config.lanes)]
                weights = op.weights if isinstance(op, GatheredOperation) else [
                    self._weight(op.weight_address + (0 if op.broadcast else lane)) for lane in range(config.lanes)]
                maximum = isinstance(op, WordOperation) and bool(op.max)
                states = accumulate(unpack_lanes(self.memory[op.state_address], config), weights, op.v, mask,
                                    shift=op.shift, maximum=maximum, config=config)
                self.memory[op.state_address] = pack_lanes(states, config)
        for name, count in (decoder.dropped | (decoder.accesses if config.access_counters else {})).items():
            if name in counters:
                counters[name] += count - before[name]

    def _weight(self, byte_address: int) -> int:
        address, byte = divmod(byte_address, self.config.word_bits // 8)
        value = self.memory[address % self.config.memory_words] >> (8 * byte) & 255
        return value - 256 if value > 127 else value

    def evaluate(self, index: int, word: int) -> Evaluated:
        table = layouts(self.config)
        neurons, trace = evaluate_population(self.memory, index, word, self.config)
        fields = table.population.unpack(word)
        place = PopulationMap.of(fields, self.config, second_word(self.memory, fields, self.config))
        events, fired_neurons = fired_literally(self.config, self.memory, fields, place, neurons)
        parts = self.config.word_bits // 64
        states = np.array([[state >> (64 * i) & LOW_64 for i in range(parts)] for _, state in trace], np.uint64)
        return (events, np.array([address for address, _ in trace], np.int64), states.reshape(-1, parts),
                fired_neurons)


class FastEngine:
    """The same on arrays, for whole networks."""

    def __init__(self, config: CoreConfig, memory: Words, edges: int, populations: int, counters: dict[str, int]):
        self.config = config
        self.counters = counters
        self.edges, self.populations = edges, populations
        self.memory = np.ascontiguousarray(memory, "<u8")
        self.good: list[bool] | None = None
        self.first_extended = edges
        self.done = np.zeros((edges, 2), np.int64)

    def word(self, address: int) -> int:
        return number(self.memory[address])

    def words(self) -> Words:
        return self.memory

    def integrate(self, events: Mapping[str, IntArray]) -> None:
        """Many events at a time: a state's products are added up first and wrapped last, which is the same."""
        events = table_products.integrate(self.config, self.memory, self.edges, self.populations, events,
                                          self.first_extended, self.counters, self.done)
        events = kernel_products.integrate(self.config, self.memory, self.edges, self.populations, events, self.good,
                                           self.counters, self.done)
        for first in range(0, len(events["v"]), CHUNK_EVENTS):
            self._integrate({name: array[first:first + CHUNK_EVENTS] for name, array in events.items()})

    def _integrate(self, events: Mapping[str, IntArray]) -> None:
        config, counters = self.config, self.counters
        ops = expand_events(config, self.memory[:, 0], self.edges, self.populations, events, self.good)
        inside = ops.state_address < config.memory_words
        counters["unknown_id"] += ops.unknown_id
        counters["unknown_channel"] += ops.unknown_channel
        counters["address_error"] += int(np.sum(~inside))
        counters["word_ops"] += int(np.sum(inside))
        lanes = np.arange(config.lanes)
        mask = (ops.mask[:, np.newaxis] >> lanes & 1).astype(bool) & inside[:, np.newaxis]
        counters["synapses"] += int(mask.sum())
        if not len(ops):
            return
        edge = events["id"][ops.event]
        self.done += np.stack([np.bincount(edge, weights, self.edges) for weights in (inside, mask.sum(axis=1))],
                              axis=1).astype(np.int64)
        products = self._products(ops, lanes)
        addresses, slot = np.unique(ops.state_address[inside], return_inverse=True)
        states = unpack_states(self.memory[addresses].squeeze(-1) if config.word_bits == 64
                               else self.memory[addresses], config)
        maximum = ops.max[inside] != 0
        slots = np.broadcast_to(slot[:, np.newaxis], (len(slot), config.lanes))
        columns = np.broadcast_to(lanes, slots.shape)
        for kind, update in ((~maximum, np.add), (maximum, np.maximum)):
            chosen = mask[inside] & kind[:, np.newaxis]
            update.at(states, (slots[chosen], columns[chosen]), products[inside][chosen])
        self.memory[addresses] = pack_states(states, config).reshape(len(addresses), -1)

    def _products(self, ops: WordOperations, lanes: IntArray) -> IntArray:
        weights = self.memory.view(np.int8).reshape(-1)
        address = ops.weight_address[:, np.newaxis] + np.where(ops.broadcast[:, np.newaxis] != 0, 0, lanes)
        return product(self.config).of(weights[address % weights.size], ops.v[:, np.newaxis], ops.shift[:, np.newaxis],
                                       self.config)

    def evaluate(self, index: int, word: int) -> Evaluated:
        config = self.config
        table, size = layouts(config), config.memory_words
        population = table.population.unpack(word)
        place = PopulationMap.of(population, config, second_word(self.memory[:, 0], population, config))
        each = parameter_words(population["type"], config)
        depth, width, height = population["depth"], population["width"], population["height"]
        addresses = (place.states + np.arange(place.depth_words)[:, np.newaxis, np.newaxis]
                     + np.arange(width)[:, np.newaxis] * place.x_stride + np.arange(height) * place.y_stride)
        # The first word that is not in the memory ends the evaluation.
        taken = np.logical_and.accumulate((addresses < size).ravel()).reshape(addresses.shape)
        before = self.memory[addresses % size]
        states = unpack_states(before.squeeze(-1) if config.word_bits == 64 else before, config)
        channels = np.arange(place.depth_words * config.lanes).reshape(-1, 1, 1, config.lanes)
        # Lanes beyond the depth borrow the last channel's parameters, and are silenced below.
        parameter = 0 * channels if population["uniform"] else np.minimum(channels, max(0, depth - 1))
        at = place.parameters + each * parameter
        parameters = table.parameter.unpack_array(self.memory[(at + each - 1) % size, 0])
        if each == 2:
            parameters |= table.second_parameter.unpack_array(self.memory[at % size, 0])
        model = neuron_model(population["type"], config)
        unpack, length = ((unpack_thresholds, config.threshold_words) if model.falling_threshold
                          else (unpack_table, config.table_words))
        table_at = (population["base"] + np.arange(-length, 0)) % size
        values, kept = model.evaluate(states, parameters, population["saturation"], config, type=population["type"],
                                      table=unpack(self.memory[table_at], config))
        beyond = np.broadcast_to(channels >= depth, values.shape)
        values[beyond] = kept[beyond] = 0
        values[~taken] = 0
        self.memory[addresses[taken]] = pack_states(kept, config).reshape(before.shape)[taken]
        word_index, x, y, lane = np.nonzero(values)
        v = values[word_index, x, y, lane]
        if sweeps(population["type"], config):
            silent = beyond | ~taken[..., np.newaxis]
            potentials = np.where(silent, np.iinfo(np.int64).min, states + parameters["bias"])
            place_of, v = sweep_array(potentials, unpack_thresholds(self.memory[table_at], config))
            word_index, x, y, lane = np.unravel_index(place_of, values.shape)
        c = word_index * config.lanes + lane
        events = fired(config, self.memory, index, population, place, x, y, c, v)
        return events, addresses[taken], before[taken], np.stack([c, x, y, v], axis=1)


# -- firing ----------------------------------------------------------------------------------------


def fired_literally(
    config: CoreConfig, memory: Memory, population: Mapping[str, int], place: PopulationMap,
    neurons: Sequence[Mapping[str, int]],
) -> tuple[Words, IntArray]:
    """The events of neurons, of which the last one is the end; and (n, 4) channel, column, row, value of the others."""
    axons = axon_fields(memory, population, place, config)
    events = generate_all(neurons, axons, config)
    return (np.array([layouts(config).event.pack(event) for event in events], np.uint64),
            np.array([[neuron[name] for name in ("c", "x", "y", "v")] for neuron in neurons[:-1]],
                     np.int64).reshape(-1, 4))


def fired(config: CoreConfig, memory: Words, index: int, population: Mapping[str, int], place: PopulationMap,
          x: IntArray, y: IntArray, c: IntArray, v: IntArray) -> Words:
    """Events of the neurons that fire, in order, neuron by neuron, axons innermost; then an end on each axon."""
    table, count = layouts(config), population["axons"]
    axons = axon_fields(memory[:, 0], population, place, config)
    sent = np.zeros((len(x), count), np.uint64)
    hits = np.zeros((len(x), count), bool)
    for slot, axon in enumerate(axons):
        hits[:, slot], events = generate_array(x, y, c, v, axon, config)
        sent[hits[:, slot], slot] = table.event.pack_array(events)
    ends = [table.event.pack(kind=EventKind.END, core_x=axon["core_x"], core_y=axon["core_y"], id=axon["id"],
                             x=axon["core_x"], y=axon["core_y"], c=index) for axon in axons]
    return np.concatenate([sent[hits], np.array(ends, np.uint64)])
