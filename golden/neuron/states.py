"""Words of neuron states: `lanes` two's complement numbers in one memory word, lane 0 the lowest bits."""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import IntArray, Words


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
