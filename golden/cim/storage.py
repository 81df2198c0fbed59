"""Operands of a layer in a core's memory as integers, many at a time; `golden.cim.operand` has the words of one."""

import numpy as np

from golden.cim.operand import Shape, from_rows, operand_words, to_rows, wrap
from golden.config import CoreConfig
from golden.types import IntArray, Words


def _addresses(base: int, numbers: IntArray, distance: int, words: int, config: CoreConfig) -> IntArray:
    """(n, words) of operands."""
    return (base + numbers[:, np.newaxis] * distance + np.arange(words)) % config.memory_words


def read_operands(
    memory: Words, base: int, numbers: IntArray, distance: int, shape: Shape, groups: int, config: CoreConfig
) -> IntArray:
    """The values (n, groups) of operands, by their numbers.

    Args:
        memory: (words, words of 64 bits). base: word of operand 0. distance: words from one operand to the next.
    """
    addresses = _addresses(base, numbers, distance, operand_words(shape, groups, config.word_bits), config)
    parts = np.ascontiguousarray(memory[addresses], "<u8").reshape(len(numbers), -1)
    bits = np.unpackbits(parts.view(np.uint8), axis=1, bitorder="little", count=shape.bits * groups)
    rows = bits.reshape(len(numbers), shape.rows, -1).swapaxes(0, 1).reshape(shape.rows, -1)
    return np.asarray(from_rows(rows.astype(bool), shape), np.int64).reshape(len(numbers), groups)


def write_operands(
    memory: Words, base: int, numbers: IntArray, distance: int, shape: Shape, values: IntArray, config: CoreConfig
) -> None:
    """Values (n, groups), taken modulo 2**bits, into memory, where `read_operands` reads them."""
    addresses = _addresses(base, numbers, distance, operand_words(shape, values.shape[1], config.word_bits), config)
    rows = to_rows(wrap(values.reshape(-1), shape.bits), shape)
    bits = np.zeros((len(numbers), addresses.shape[1] * config.word_bits), bool)
    bits[:, :shape.bits * values.shape[1]] = rows.reshape(shape.rows, len(numbers), -1).swapaxes(0, 1).reshape(
        len(numbers), -1)
    memory[addresses] = np.packbits(bits, axis=1, bitorder="little").view("<u8").reshape(*addresses.shape, -1)
