"""Operands of a layer in a core's memory as integers, many at a time: see `golden.cim.operand` for one, literally."""

import numpy as np

from golden.config import CoreConfig
from golden.types import IntArray, Words


def _addresses(base: int, numbers: IntArray, distance: int, rows: int, columns: int, groups: int, config: CoreConfig
               ) -> IntArray:
    """(n, words) of operands."""
    words = np.arange(-(-rows * columns * groups // config.word_bits))
    return (base + numbers[:, np.newaxis] * distance + words) % config.memory_words


def read_operands(
    memory: Words, base: int, numbers: IntArray, distance: int, *, rows: int, columns: int, groups: int,
    config: CoreConfig,
) -> IntArray:
    """The signed values (n, groups) of operands, by their numbers: of rows · columns bits each, at most 62.

    Args:
        memory: (words, words of 64 bits). base: word of operand 0. distance: words from one operand to the next.
    """
    words = np.ascontiguousarray(memory[_addresses(base, numbers, distance, rows, columns, groups, config)], "<u8")
    bits = np.unpackbits(words.reshape(len(numbers), -1).view(np.uint8), axis=1, bitorder="little")
    held = bits[:, :rows * columns * groups].reshape(len(numbers), rows, groups, columns).astype(np.int64)
    held[:, 1::2] = held[:, 1::2, :, ::-1].copy()
    places = 1 << np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    places[-1, -1] *= -1
    return np.einsum("nrgc,rc->ng", held, places)


def write_operands(
    memory: Words, base: int, numbers: IntArray, distance: int, values: IntArray, *, rows: int, columns: int,
    config: CoreConfig,
) -> None:
    """Values (n, groups), taken modulo 2**(rows · columns), into memory: as `read_operands` reads them."""
    groups = values.shape[1]
    addresses = _addresses(base, numbers, distance, rows, columns, groups, config)
    held = values[:, np.newaxis, :, np.newaxis] >> np.arange(rows * columns).reshape(rows, 1, columns) & 1
    held[:, 1::2] = held[:, 1::2, :, ::-1].copy()
    bits = np.zeros((len(numbers), addresses.shape[1] * config.word_bits), np.uint8)
    bits[:, :rows * columns * groups] = held.reshape(len(numbers), -1)
    packed = np.packbits(bits, axis=1, bitorder="little")
    memory[addresses] = packed.view("<u8").reshape(*addresses.shape, -1)
