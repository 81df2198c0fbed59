"""The neuron update and the evaluation: what happens to a neuron's state.

Bamberg et al., arXiv 2112.07019, algorithm 4 (accumulation) and section 4.2 (firing). Accumulation in two's complement
that wraps, and the requantization of the evaluation, are this project's. Functions named `*_one` are literal, on Python
integers; the others do the same on numpy arrays, exactly, for every configuration.
"""

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import IntArray, Words
from golden.widths import TABLE_ENTRY_BITS
from golden.words import NeuronType, Reset, Saturation, layouts

# -- words of states ---------------------------------------------------------------------------


def wrap(value: int, bits: int) -> int:
    """The two's complement number of `bits` bits that is congruent to `value`."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


def unpack_lanes(word: int, config: CoreConfig) -> list[int]:
    """The `lanes` signed states of one memory word (any width), lane 0 from the least significant bits."""
    return [wrap(int(word) >> (lane * config.state_bits), config.state_bits) for lane in range(config.lanes)]


def pack_lanes(states: npt.ArrayLike, config: CoreConfig) -> int:
    """One memory word of `lanes` states; each is taken modulo 2**state_bits."""
    mask, word = (1 << config.state_bits) - 1, 0
    for lane, state in enumerate(np.asarray(states).tolist()):
        word |= (state & mask) << (lane * config.state_bits)
    return word


def unpack_states(words: Words, config: CoreConfig) -> IntArray:
    """States of an array of memory words: shape (...) of 64-bit words gives (..., lanes).

    Wider words come as uint64 parts in a last axis of word_bits // 64, the least significant first.
    """
    words = np.asarray(words, np.uint64)
    parts = config.word_bits // 64
    if parts == 1:
        words = words[..., np.newaxis]
    if words.shape[-1] != parts:
        raise ValueError(f"words of {config.word_bits} bits need a last axis of {parts} parts, not {words.shape[-1]}")
    per_part = 64 // config.state_bits
    shifts = np.arange(per_part, dtype=np.uint64) * np.uint64(config.state_bits)
    raw = (words[..., np.newaxis] >> shifts) & np.uint64((1 << config.state_bits) - 1)
    return wrap_array(raw.astype(np.int64).reshape(*words.shape[:-1], config.lanes), config.state_bits)


def pack_states(states: npt.ArrayLike, config: CoreConfig) -> Words:
    """The inverse of `unpack_states`; each state is taken modulo 2**state_bits."""
    states = np.asarray(states, np.int64)
    if states.shape[-1] != config.lanes:
        raise ValueError(f"a word has {config.lanes} states, not {states.shape[-1]}")
    per_part = 64 // config.state_bits
    raw = (states & ((1 << config.state_bits) - 1)).astype(np.uint64)
    raw = raw.reshape(*states.shape[:-1], config.word_bits // 64, per_part)
    shifts = np.arange(per_part, dtype=np.uint64) * np.uint64(config.state_bits)
    words = np.bitwise_or.reduce(raw << shifts, axis=-1)
    return words[..., 0] if config.word_bits == 64 else words


def wrap_array(values: IntArray, bits: int) -> IntArray:
    """`wrap` for int64 arrays."""
    half = 1 << (bits - 1)
    return ((values + half) & ((1 << bits) - 1)) - half


# -- neuron update -----------------------------------------------------------------------------


def accumulate_one(state: int, weight: int, v: int, *, shift: int, maximum: bool, state_bits: int) -> int:
    """The new state of one neuron after one synaptic operation: see `accumulate`."""
    product = wrap((weight * v) << shift, state_bits)
    return max(state, product) if maximum else wrap(state + product, state_bits)


def accumulate(
    states: npt.ArrayLike, weights: npt.ArrayLike, v: npt.ArrayLike, mask: npt.ArrayLike, *, shift: int,
    maximum: bool, state_bits: int,
) -> IntArray:
    """New states of neurons after one synaptic operation each [B alg. 4]; all arrays broadcast, e.g. over lanes.

    The product (weight · v) << shift wraps to state_bits. A masked lane (mask true) gets state + product, which wraps
    too, or with `maximum` the larger of state and product; the others stay.
    """
    states = np.asarray(states, np.int64)
    product = wrap_array((np.asarray(weights, np.int64) * np.asarray(v, np.int64)) << shift, state_bits)
    updated = np.maximum(states, product) if maximum else wrap_array(states + product, state_bits)
    return np.where(np.asarray(mask, bool), updated, states)


# -- evaluation --------------------------------------------------------------------------------


def evaluate_one(
    state: int, bias: int, multiplier: int, shift: int, saturation: int, config: CoreConfig, *, leaky: int = 0,
    slope: int = 0, type: int = NeuronType.SUM, table: Callable[[int], int] | None = None,
) -> int:
    """The value of one neuron at the end of a timestep: see `evaluate`; `table` gives the entry of an index."""
    low, high = Saturation.bounds(saturation, config.value_bits)
    if type in NeuronType.PRODUCTS:
        bits = config.operand_bits
        a = state & ((1 << bits) - 1) if type != NeuronType.PRODUCT else wrap(state, bits)
        b = (state - a) >> bits
        state = a * (b & ((1 << bits) - 1) if type == NeuronType.PRODUCT_UNSIGNED else wrap(b, bits))
    biased = state + bias
    factor = wrap(slope, config.multiplier_bits + 1) if leaky and biased < 0 else multiplier
    value = min(max(shift_rounded(biased * factor, shift), low), high)
    if saturation == Saturation.TABLE:
        assert table is not None
        return table(value - low)
    return value


def spike_one(
    state: int, bias: int, multiplier: int, shift: int, reset: int, config: CoreConfig, *, slope: int, leaky: int = 0
) -> tuple[int, int]:
    """Whether one SPIKING neuron fires at the end of a timestep, and the state it keeps: see `spike`."""
    potential = state + bias
    threshold = wrap(slope, config.state_bits + 1)
    fires = potential >= threshold
    if fires:
        potential = 0 if reset & 1 == Reset.ZERO else potential - threshold
    half = 1 << (config.state_bits - 1)
    return int(fires), min(max(shift_rounded(potential * multiplier, shift), -half), half - 1)


def shift_rounded(value: int, shift: int) -> int:
    """value / 2**shift, rounded to the nearest integer, half to even as in IEEE 754 and ONNX."""
    half = 1 << shift >> 1
    rounded = (value + half) >> shift
    tie = shift > 0 and value & ((1 << shift) - 1) == half
    return rounded - (rounded & 1) if tie else rounded


def shift_rounded_array(values: IntArray, shift: IntArray) -> IntArray:
    """`shift_rounded` for int64 arrays of values in [-2**62, 2**62) and shifts up to 63."""
    half = np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)
    rounded = (values + half) >> shift
    tie = (half > 0) & (values & (half | (half - 1)) == half)
    return np.asarray(rounded - (tie & (rounded & 1)))


def evaluate(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, saturation: int,
    config: CoreConfig, *, leaky: npt.ArrayLike = 0, slope: npt.ArrayLike = 0, type: int = NeuronType.SUM,
    table: npt.ArrayLike | None = None,
) -> IntArray:
    """Values of neurons at the end of a timestep; all arrays broadcast, e.g. parameters of shape (D, 1, 1).

    t = state + bias, or with a product type a · b + bias, where A lies in the state's low `operand_bits` bits and B in
    as many above; a signed A takes one from B's bits where it is negative. Then

    y = saturate(round(t · factor / 2**shift)) with factor = slope where `leaky` is set and t < 0, else the multiplier;
    to the nearest integer, half to even. Only the low multiplier_bits + 1 bits of `slope` are used. With saturation
    TABLE, y is the table's entry y + 2**(value_bits - 1).

    No step wraps: the widest product has 34 + 25 bits plus a rounding bit below 2**62, so int64 is exact. A neuron
    fires where y is not zero; its state is then cleared either way. For SPIKING see `spike`.
    """
    low, high = Saturation.bounds(saturation, config.value_bits)
    values = requantized(state, bias, multiplier, shift, config, leaky=leaky, slope=slope, type=type)
    values = np.clip(values, low, high)
    if saturation == Saturation.TABLE:
        if table is None:
            raise ValueError("saturation TABLE needs a table")
        return np.asarray(table, np.int64)[values - low]
    return values


def requantized(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig, *,
    leaky: npt.ArrayLike = 0, slope: npt.ArrayLike = 0, type: int = NeuronType.SUM,
) -> IntArray:
    """The values of `evaluate` before they are saturated or looked up: round(t · factor / 2**shift)."""
    state, bias, multiplier, shift, leaky, slope = (
        np.asarray(array, np.int64) for array in (state, bias, multiplier, shift, leaky, slope))
    if type in NeuronType.PRODUCTS:
        a, b = operands(state, type, config)
        state = a * b
    biased = state + bias
    factor = multiplier
    if leaky.any():
        factor = np.where((leaky != 0) & (biased < 0), wrap_array(slope, config.multiplier_bits + 1), multiplier)
    return shift_rounded_array(biased * factor, shift)


def operands(state: IntArray, type: int, config: CoreConfig) -> tuple[IntArray, IntArray]:
    """The operands A and B of the states of a population of a product type."""
    bits = config.operand_bits
    mask = (1 << bits) - 1
    a = wrap_array(state, bits) if type == NeuronType.PRODUCT else state & mask
    b = (state - a) >> bits
    return a, b & mask if type == NeuronType.PRODUCT_UNSIGNED else wrap_array(b, bits)


def spike(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, reset: int,
    config: CoreConfig, *, slope: npt.ArrayLike, leaky: npt.ArrayLike = 0,
) -> tuple[IntArray, IntArray]:
    """SPIKING neurons at the end of a timestep: 1 where they fire, and the states they keep; all arrays broadcast.

    In this order: integrate, u = state + bias; fire where u >= threshold, which is the slope field (signed, its low
    state_bits + 1 bits); reset, for those that fire, u - threshold or 0 (`Reset`); leak, for the next timestep,
    u · multiplier / 2**shift, rounded to nearest, half to even, clipped to the state's range. Multiplier 1 and shift 0
    do not leak: IF; others are LIF. `leaky` does not matter.
    """
    state, bias, multiplier, shift, slope = (
        np.asarray(array, np.int64) for array in (state, bias, multiplier, shift, slope))
    potential = state + bias
    threshold = wrap_array(slope, config.state_bits + 1)
    fires = potential >= threshold
    potential = np.where(fires, 0 if reset & 1 == Reset.ZERO else potential - threshold, potential)
    half = 1 << (config.state_bits - 1)
    return fires.astype(np.int64), np.clip(shift_rounded_array(potential * multiplier, shift), -half, half - 1)


# -- value tables ------------------------------------------------------------------------------


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
    """First axon word."""
    parameters: int
    """First parameter word: one if uniform, else one per channel."""
    states: int
    """State word of channel word 0 at (0, 0)."""
    depth_words: int
    """Channel words of one position."""
    y_stride: int
    x_stride: int

    @classmethod
    def of(cls, population: Mapping[str, int], config: CoreConfig) -> "PopulationMap":
        """From the fields of a population word."""
        depth_words = -(-population["depth"] // config.lanes)
        y_stride = depth_words | population["pad"]
        parameters = population["base"] + population["axons"]
        return cls(
            axons=population["base"], parameters=parameters,
            states=parameters + (1 if population["uniform"] else population["depth"]),
            depth_words=depth_words, y_stride=y_stride, x_stride=population["height"] * y_stride,
        )


def evaluate_population(
    memory: MutableSequence[int], index: int, word: int, config: CoreConfig
) -> tuple[list[dict[str, int]], list[tuple[int, int]]]:
    """Evaluate population `index`, given its packed population word, in place: literal, in the hardware's order.

    Channel words outermost, then x, y, lane. Each state word is read, its neurons evaluated, and the word written:
    with what SPIKING neurons keep, else zeros, as for lanes beyond the depth, which never fire. Addresses wrap at the
    end of the memory.

    Returns:
        The firing neurons in order, then the end neuron, as fields of `golden.messages.neuron`; and the state words
        in order, as (address, word before it was written).
    """
    table, size = layouts(config), config.memory_words
    population = table.population.unpack(word)
    place = PopulationMap.of(population, config)
    common = {"axon_base": population["base"], "axons": population["axons"], "population": index}
    neurons, trace = [], []
    entry = partial(table_entry, memory, population["base"], config=config)
    for channel_word in range(place.depth_words):
        channels = range(channel_word * config.lanes, min((channel_word + 1) * config.lanes, population["depth"]))
        parameters = [
            table.parameter.unpack(memory[(place.parameters + (0 if population["uniform"] else c)) % size])
            for c in channels
        ]
        for x in range(population["width"]):
            for y in range(population["height"]):
                address = (place.states + x * place.x_stride + y * place.y_stride + channel_word) % size
                trace.append((address, int(memory[address])))
                states = unpack_lanes(memory[address], config)[:len(channels)]
                kept = [0] * config.lanes
                for lane, (c, state, parameter) in enumerate(zip(channels, states, parameters, strict=True)):
                    if population["type"] == NeuronType.SPIKING:
                        v, kept[lane] = spike_one(state, **parameter, reset=population["saturation"], config=config)
                    else:
                        v = evaluate_one(state, **parameter, saturation=population["saturation"], config=config,
                                         type=population["type"], table=entry)
                    if v:
                        neurons.append({"x": x, "y": y, "c": c, "v": v, **common, "end": 0})
                memory[address] = pack_lanes(kept, config)
    neurons.append({"x": 0, "y": 0, "c": 0, "v": 0, **common, "end": 1})
    return neurons, trace
