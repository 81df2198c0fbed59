"""The neuron update and the evaluation: what happens to a neuron's state.

Bamberg et al., arXiv 2112.07019, algorithm 4 (accumulation) and section 4.2 (firing). Accumulation in two's complement
that wraps, and the requantisation of the evaluation, are this project's. Functions named `*_one` are literal, on Python
integers; the others do the same on numpy arrays, exactly, for every configuration.
"""

from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.words import Saturation, layouts

IntArray = npt.NDArray[np.int64]


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


def unpack_states(words: npt.NDArray[np.uint64], config: CoreConfig) -> IntArray:
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


def pack_states(states: npt.ArrayLike, config: CoreConfig) -> npt.NDArray[np.uint64]:
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


def evaluate_one(state: int, bias: int, multiplier: int, shift: int, saturation: int, config: CoreConfig) -> int:
    """The value of one neuron at the end of a timestep: see `evaluate`."""
    rounding = 1 << (shift - 1) if shift else 0
    low, high = Saturation.bounds(saturation, config.value_bits)
    return min(max(((state + bias) * multiplier + rounding) >> shift, low), high)


def evaluate(
    state: npt.ArrayLike, bias: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike, saturation: int,
    config: CoreConfig,
) -> IntArray:
    """Values of neurons at the end of a timestep; all arrays broadcast, e.g. parameters of shape (D, 1, 1).

    y = saturate(((state + bias) · multiplier + round) >> shift) with round = 1 << (shift - 1), or 0 for shift 0: half
    is rounded up (towards +infinity). No step wraps: the widest sum has 1 + 32 + 24 bits plus a rounding bit below
    2**62, so int64 is exact. A neuron fires where y is not zero; its state is then cleared either way.
    """
    state, bias, multiplier, shift = (np.asarray(array, np.int64) for array in (state, bias, multiplier, shift))
    rounding = np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)
    low, high = Saturation.bounds(saturation, config.value_bits)
    return np.clip(((state + bias) * multiplier + rounding) >> shift, low, high)


# -- a population in a core's memory -----------------------------------------------------------


@dataclass(frozen=True)
class PopulationMap:
    """Where a population's words lie, from its population word (`golden.words`); addresses in words, before wrap."""

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

    Channel words outermost, then x, y, lane. Each state word is read, its neurons evaluated and the whole word
    cleared, lanes beyond the depth too, which never fire. Addresses wrap at the end of the memory.

    Returns:
        The firing neurons in order, then the end neuron, as fields of `rtl.ports.neuron_layout`; and the state words
        in order, as (address, word before it was cleared).
    """
    table, size = layouts(config), config.memory_words
    population = table.population.unpack(word)
    place = PopulationMap.of(population, config)
    common = {"axon_base": population["base"], "axons": population["axons"], "population": index}
    neurons, trace = [], []
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
                for c, state, parameter in zip(channels, states, parameters, strict=True):
                    v = evaluate_one(state, **parameter, saturation=population["saturation"], config=config)
                    if v:
                        neurons.append({"x": x, "y": y, "c": c, "v": v, **common, "end": 0})
                memory[address] = 0
    neurons.append({"x": 0, "y": 0, "c": 0, "v": 0, **common, "end": 1})
    return neurons, trace
