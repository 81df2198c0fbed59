"""Operands of the compute-in-memory array: cells and words, against the rule of each bit."""

import numpy as np
import pytest

from golden.cim.operand import Shape, from_rows, from_words, operand_words, to_rows, to_words, wrap
from golden.errors import ConfigError, ImageError

SHAPES = [Shape(rows, columns) for rows in range(1, 9) for columns in (1, 2, 3, 5, 8)] + [Shape(2, 100), Shape(1, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_bit_is_where_it_belongs(shape: Shape, seed: int) -> None:
    pick = np.random.default_rng(seed)
    values = [int.from_bytes(pick.bytes(32), "little") % (1 << shape.bits) - (1 << shape.bits - 1) for _ in range(7)]
    values[:2] = [-1 << shape.bits - 1, (1 << shape.bits - 1) - 1]
    rows = to_rows(values, shape)
    assert rows.shape == (shape.rows, 7 * shape.columns)
    for group, value in enumerate(values):
        for bit in range(shape.bits):
            row, column = divmod(bit, shape.columns)
            column = shape.columns - 1 - column if row % 2 else column
            assert rows[row, group * shape.columns + column] == bool(value >> bit & 1)
    assert list(from_rows(rows, shape)) == values
    for word_bits in (32, 64, 128):
        words = to_words(rows, word_bits)
        assert len(words) == operand_words(shape, 7, word_bits) and max(words) < 1 << word_bits
        flat = sum(word << word_bits * index for index, word in enumerate(words))
        assert [flat >> place & 1 for place in range(rows.size)] == rows.reshape(-1).astype(int).tolist()
        assert flat >> rows.size == 0
        assert (from_words(words, word_bits, shape, 7) == rows).all()


def test_values_wrap() -> None:
    assert wrap([127, 128, -129, 256], 8).tolist() == [127, -128, 127, 0]
    assert wrap([1 << 63], 65).tolist() == [1 << 63] and wrap([1 << 64], 65).tolist() == [-1 << 64]
    assert wrap([1, 2, 3], 1).tolist() == [-1, 0, -1]
    assert wrap(np.array([np.iinfo(np.int64).min]), 64).tolist() == [np.iinfo(np.int64).min]
    for bits in (63, 64):  # sums of two values of so many bits are wider than numpy's integers
        assert wrap(np.array([1 << 64, (1 << 63) + 5, -1 << 63], object), bits).tolist() == [
            0, (1 << 63) + 5 - (1 << 64) if bits == 64 else 5, -1 << 63 if bits == 64 else 0]


def test_resolutions_are_rounded_up() -> None:
    assert [Shape.of_bits(bits, 4).bits for bits in (1, 4, 5, 12)] == [4, 4, 8, 12]


def test_what_is_refused() -> None:
    for rows, columns in ((0, 4), (4, 0), (-1, 1), (1.5, 2)):
        with pytest.raises(ConfigError, match="shape of an operand"):
            Shape(rows, columns)  # type: ignore[arg-type]
    for value in (8, -9, 1 << 70):
        with pytest.raises(ConfigError, match=f"holds 4 bits of two's complement; {value} does not fit"):
            to_rows([0, value], Shape(2, 2))
    with pytest.raises(ConfigError, match="no groups of 2 × 3"):
        from_rows(np.zeros((2, 4), bool), Shape(2, 3))
    with pytest.raises(ImageError, match="needs 2 words; there are 1"):
        from_words([0], 32, Shape(3, 4), 3)
