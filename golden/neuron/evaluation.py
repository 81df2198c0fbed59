"""The evaluation: at the end of a timestep the states of a population in a core's memory become values that fire.

Bamberg et al., arXiv 2112.07019, section 4.2. What a state becomes is the neuron type's (`golden.neuron.types`).
"""

from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, takewhile

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.states import pack_lanes, pack_states, unpack_lanes, unpack_states, wrap, wrap_array
from golden.neuron.types import neuron_model
from golden.types import IntArray, Memory, Words
from golden.widths import TABLE_ENTRY_BITS
from golden.words import layouts

# -- value tables ------------------------------------------------------------------------------


def table_words(type: int, saturation: int, config: CoreConfig) -> int:
    """Words of a population's table, which lies in front of its base: of values, of thresholds, or none."""
    model = neuron_model(type, config)
    return config.threshold_words if model.falling_threshold else config.table_words * model.looks_up(saturation)


def threshold(memory: Sequence[int], base: int, index: int, config: CoreConfig) -> int:
    """Entry `index` of the thresholds that end before the word `base`, as `table_entry`."""
    word, entry = divmod(index, config.lanes)
    address = (base - config.threshold_words + word) % config.memory_words
    return unpack_lanes(int(memory[address]), config)[entry]


def pack_thresholds(thresholds: npt.ArrayLike, config: CoreConfig) -> Words:
    """The words of the thresholds of the values 1..`ttfs_times` as (threshold_words, word_bits // 64) uint64."""
    lanes = np.zeros(config.threshold_words * config.lanes, np.int64)
    lanes[:config.ttfs_times] = np.asarray(thresholds, np.int64)
    return pack_states(lanes.reshape(-1, config.lanes), config).reshape(config.threshold_words, -1)


def unpack_thresholds(words: Words, config: CoreConfig) -> IntArray:
    """The inverse of `pack_thresholds`."""
    return unpack_states(words.squeeze(-1) if config.word_bits == 64 else words, config).reshape(-1)[
        :config.ttfs_times]


def table_entry(memory: Sequence[int], base: int, index: int, config: CoreConfig) -> int:
    """Entry `index` of the value table that ends before the word `base`; addresses wrap at the end of the memory."""
    word, entry = divmod(index, config.word_bits // TABLE_ENTRY_BITS)
    address = (base - config.table_words + word) % config.memory_words
    return wrap(int(memory[address]) >> (TABLE_ENTRY_BITS * entry), config.value_bits)


def pack_table(table: npt.ArrayLike, config: CoreConfig) -> Words:
    """The words of a value table as (table_words, word_bits // 64) uint64; entries from that of the lowest value."""
    entries = np.zeros(config.table_words * config.word_bits // TABLE_ENTRY_BITS, np.uint16)
    entries[:1 << config.value_bits] = np.asarray(table, np.int64).astype(np.uint16)
    return entries.astype("<u2").view("<u8").astype(np.uint64).reshape(config.table_words, -1)


def unpack_table(words: Words, config: CoreConfig) -> IntArray:
    """The inverse of `pack_table`."""
    entries = np.ascontiguousarray(words, "<u8").reshape(-1).view("<u2").astype(np.int64)
    return wrap_array(entries[:1 << config.value_bits], config.value_bits)


# -- a population in a core's memory -----------------------------------------------------------


@dataclass(frozen=True)
class PopulationMap:
    """Where a population's words lie, from its population word (`golden.words`); addresses in words, before wrap.

    A value table lies right before the first axon word.
    """

    axons: int
    """First axon word; behind the second population word, if there is one."""
    axon_words: int
    """Words of an axon: 2 if each has a second axon word, which comes first."""
    parameters: int
    """First parameter word: one if uniform, else one per channel."""
    states: int
    """State word of channel word 0 at (0, 0): behind the parameters, or with `apart` where the second word says."""
    depth_words: int
    """Channel words of one position."""
    y_stride: int
    x_stride: int

    @classmethod
    def of(cls, population: Mapping[str, int], config: CoreConfig, second: Mapping[str, int] | None = None
           ) -> "PopulationMap":
        """From the fields of a population word and of its second word, if it has one: see `second_word`."""
        depth_words = -(-population["depth"] // config.lanes)
        y_stride = depth_words | population["pad"]
        axons = population["base"] + population["extended"]
        axon_words = 1 + (0 if second is None else second["far_axons"])
        parameters = axons + population["axons"] * axon_words
        each = parameter_words(population["type"], config)
        behind = parameters + each * (1 if population["uniform"] else population["depth"])
        return cls(
            axons=axons, axon_words=axon_words, parameters=parameters,
            states=behind if second is None or not second["apart"] else second["state_base"],
            depth_words=depth_words, y_stride=y_stride, x_stride=population["height"] * y_stride,
        )


def parameter_words(type: int, config: CoreConfig) -> int:
    """Parameter words of a channel: 2 for a neuron type that needs a second one, which comes first."""
    return 1 + neuron_model(type, config).second_parameter


def second_word(memory: Memory, population: Mapping[str, int], config: CoreConfig) -> dict[str, int]:
    """The fields of a population's second word, at its base; zeros if it has none."""
    layout = layouts(config).second_population
    word = int(memory[population["base"] % config.memory_words]) if population["extended"] else 0
    return layout.unpack(word & ((1 << layout.bits) - 1))


def axon_fields(
    memory: Memory, population: Mapping[str, int], place: PopulationMap, config: CoreConfig
) -> list[dict[str, int]]:
    """The fields of a population's axons; a second word, which lies in front, replaces those that both have."""
    table, found = layouts(config), []
    for number in range(population["axons"]):
        address = place.axons + number * place.axon_words
        fields = table.axon.unpack(int(memory[(address + place.axon_words - 1) % config.memory_words]))
        if place.axon_words == 2:
            fields |= table.second_axon.unpack(int(memory[address % config.memory_words]))
        found.append(fields)
    return found


def state_words(place: PopulationMap, population: Mapping[str, int]) -> Iterator[tuple[int, int, int, int]]:
    """A population's state words in the order of their evaluation: address before wrap, channel word, x, y."""
    for channel_word in range(place.depth_words):
        for x in range(population["width"]):
            for y in range(population["height"]):
                yield place.states + x * place.x_stride + y * place.y_stride + channel_word, channel_word, x, y


def channel_parameters(
    memory: Memory, place: PopulationMap, population: Mapping[str, int], channel: int, config: CoreConfig
) -> dict[str, int]:
    """The fields of a channel's parameter word, and of its second one if its type has one."""
    table, each, size = layouts(config), parameter_words(population["type"], config), config.memory_words
    address = place.parameters + (0 if population["uniform"] else each * channel)
    fields = table.parameter.unpack(int(memory[(address + each - 1) % size]))
    if each == 2:
        fields |= table.second_parameter.unpack(int(memory[address % size]))
    return fields


def evaluate_population(
    memory: MutableSequence[int], index: int, word: int, config: CoreConfig
) -> tuple[list[dict[str, int]], list[tuple[int, int]]]:
    """Evaluate population `index`, given its packed population word, in place: literal, in the hardware's order.

    Channel words outermost, then x, y, lane. Each state word is read, its neurons evaluated, and the word written:
    with what its neurons keep, else zeros, as for lanes beyond the depth, which never fire. The evaluation ends at the
    first state word that is not in the memory: no word is read twice, so this bounds it. All other addresses wrap.

    Returns:
        The firing neurons in order, then the end neuron, as fields of `golden.messages.neuron`; and the state words
        in order, as (address, word before it was written).
    """
    table, size = layouts(config), config.memory_words
    population = table.population.unpack(word)
    place = PopulationMap.of(population, config, second_word(memory, population, config))
    common = {"axon_base": place.axons % size, "axons": population["axons"], "far": place.axon_words - 1,
              "population": index}
    model = neuron_model(population["type"], config)
    neurons: list[dict[str, int]] = []
    trace: list[tuple[int, int]] = []
    entry = partial(threshold if model.falling_threshold else table_entry, memory, population["base"], config=config)
    if sweeps(population["type"], config):
        spikes, trace = _sweep(memory, population, place, entry, config)
        return [spike | common | {"end": 0} for spike in spikes] + [
            {"x": 0, "y": 0, "c": 0, "v": 0, **common, "end": 1}], trace
    inside = takewhile(lambda item: item[0] < size, state_words(place, population))
    for channel_word, words in groupby(inside, lambda item: item[1]):
        channels = range(channel_word * config.lanes, min((channel_word + 1) * config.lanes, population["depth"]))
        parameters = [channel_parameters(memory, place, population, c, config) for c in channels]
        for address, _, x, y in words:
            trace.append((address, int(memory[address])))
            states = unpack_lanes(memory[address], config)[:len(channels)]
            kept = [0] * config.lanes
            for lane, (c, state, parameter) in enumerate(zip(channels, states, parameters, strict=True)):
                v, kept[lane] = model.evaluate_one(state, parameter, population["saturation"], config,
                                                   type=population["type"], table=entry)
                if v:
                    neurons.append({"x": x, "y": y, "c": c, "v": v, **common, "end": 0})
            memory[address] = pack_lanes(kept, config)
    neurons.append({"x": 0, "y": 0, "c": 0, "v": 0, **common, "end": 1})
    return neurons, trace


# -- time by time --------------------------------------------------------------------------------


def sweeps(type: int, config: CoreConfig) -> bool:
    """Whether the neurons of a type are evaluated time by time."""
    return config.encoder == "sweep" and neuron_model(type, config).falling_threshold


def _sweep(
    memory: MutableSequence[int], population: Mapping[str, int], place: PopulationMap, entry: Callable[[int], int],
    config: CoreConfig,
) -> tuple[list[dict[str, int]], list[tuple[int, int]]]:
    """One threshold after the other, from the highest value's on, all neurons in their order; then states are cleared.

    Returns:
        Spikes as {x, y, c, v}; and the trace, as `evaluate_population`.
    """
    spikes = []
    words = [*takewhile(lambda item: item[0] < config.memory_words, state_words(place, population))]
    trace = [(address, int(memory[address])) for address, *_ in words]
    for v in range(config.ttfs_times, 0, -1):
        for address, channel_word, x, y in words:
            first = channel_word * config.lanes
            channels = range(first, min(first + config.lanes, population["depth"]))
            for c, state in zip(channels, unpack_lanes(memory[address], config), strict=False):
                potential = state + channel_parameters(memory, place, population, c, config)["bias"]
                if potential >= entry(v - 1) and (v == config.ttfs_times or potential < entry(v)):
                    spikes.append({"x": x, "y": y, "c": c, "v": v})
    for address, *_ in words:
        memory[address] = 0
    return spikes, trace


def sweep_array(potentials: IntArray, thresholds: IntArray) -> tuple[IntArray, IntArray]:
    """The same on arrays: numbers of the neurons of `potentials`, flat, that spike, in order; and the values."""
    flat, found, values = potentials.reshape(-1), [], []
    for v in range(len(thresholds), 0, -1):
        before = flat >= thresholds[v] if v < len(thresholds) else np.zeros(len(flat), bool)
        (spiking,) = np.nonzero((flat >= thresholds[v - 1]) & ~before)
        found.append(spiking)
        values.append(np.full(len(spiking), v, np.int64))
    return np.concatenate(found), np.concatenate(values)
