"""Cutting strings of bits into rows and words, against lists of single bits."""

import random

import numpy as np
import pytest

from golden.cim.merge_shift import capacity, cycles, merge, pieces, split
from golden.cim.operand import Shape, from_words, operand_words, to_words, words_of

WORD_BITS = (32, 64, 128, 256)


def bits_of(numbers: list[int], width: int) -> list[int]:
    return [number >> place & 1 for number in numbers for place in range(width)]


@pytest.mark.parametrize("word_bits", WORD_BITS)
def test_rows_and_words_hold_the_same_bits(word_bits: int, seed: int) -> None:
    """In the order of the rows; and back again, whatever the padding is."""
    generator = random.Random(seed + word_bits)
    for width in range(1, 257):
        rows = [generator.getrandbits(width) for _ in range(generator.randint(1, 12))]
        words = split(rows, width, word_bits)
        assert len(words) == words_of(width, len(rows), word_bits)
        bits = bits_of(words, word_bits)
        assert bits[:width * len(rows)] == bits_of(rows, width) and not any(bits[width * len(rows):])
        padding = generator.getrandbits(word_bits) << width * len(rows) % word_bits & (1 << word_bits) - 1
        if width * len(rows) % word_bits:
            words[-1] |= padding
        assert merge(words, width, len(rows), word_bits) == rows


def test_operands_of_any_shape(seed: int) -> None:
    """The cells of an operand as the mapper and the golden array have them."""
    pick = np.random.default_rng(seed)
    for columns in range(1, 17):
        shape, groups = Shape(int(pick.integers(1, 10)), columns), int(pick.integers(1, 256 // columns + 1))
        rows = pick.integers(0, 2, (shape.rows, groups * columns)).astype(bool)
        numbers = [int("".join(str(int(cell)) for cell in reversed(row)), 2) for row in rows]
        for word_bits in WORD_BITS:
            words = to_words(rows, word_bits)
            assert split(numbers, groups * columns, word_bits) == words
            assert len(words) == operand_words(shape, groups, word_bits)
            assert merge(words, groups * columns, shape.rows, word_bits) == numbers
            assert np.array_equal(from_words(words, word_bits, shape, groups), rows)


def test_bits_above_a_piece_and_pieces_that_are_missing() -> None:
    assert pieces([0b11_01, 0b11_10], 2, 3, 3) == [0b001, 0b001, 0]


@pytest.mark.parametrize("word_bits", WORD_BITS)
def test_a_piece_of_the_shorter_length_per_cycle(word_bits: int) -> None:
    """One cycle more than the longer of both lists; two if the last piece is a rest beside a whole one."""
    for width in range(1, 257):
        for rows in (1, 2, 3, 7, 40):
            words, room = words_of(width, rows, word_bits), capacity(256, word_bits)
            assert cycles(words, word_bits, width, rows, room) == max(rows, words) + 1
            more = cycles(rows, width, word_bits, words, room) - max(rows, words)
            assert more == 1 or (more == 2 and width < word_bits and rows >= words)
