"""Operands of the compute-in-memory array: which cell holds which bit, and how memory holds an operand's rows.

Chauvaux et al., arXiv 2410.23082, section II and figure 3: an operand has N_R rows and N_C columns, N_R * N_C bits, and
groups of N_C columns lie side by side. Bits run along the rows as a snake does, so that a carry goes on in the column
where it came out: bit i is in row i // N_C, in even rows at column i % N_C, in odd ones at N_C - 1 - i % N_C.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, ImageError, require_within
from golden.types import Array, Memory

Rows = npt.NDArray[np.bool_]
"""Cells of the array: (rows, columns)."""
INT64 = 63
"""Bits of a value that numpy computes with: sums of two then fit 64. Wider ones are Python's integers."""


@dataclass(frozen=True)
class Shape:
    """The cells of one value.

    Raises:
        ConfigError: on construction, naming what is no positive integer.
    """

    rows: int
    """N_R, rows one below the other."""
    columns: int
    """N_C, columns side by side."""

    def __post_init__(self) -> None:
        require_within("shape of an operand", self, {"rows": (1, 1 << 16), "columns": (1, 1 << 16)})

    @property
    def bits(self) -> int:
        """Of a value: two's complement in all of them."""
        return self.rows * self.columns

    @classmethod
    def of_bits(cls, bits: int, columns: int) -> "Shape":
        """The fewest rows of so many columns that hold so many bits; what is left are copies of the sign."""
        return cls(-(-bits // columns), columns)


def wrap(values: npt.ArrayLike, bits: int) -> Array:
    """The values of two's complement of `bits` bits that equal these modulo 2**bits; of more than 63 as objects."""
    found = _integers(values, bits)
    half = (1 << (bits - 1)) if bits <= INT64 else np.array(1 << (bits - 1), object)
    mask = (1 << bits) - 1 if bits <= INT64 else np.array((1 << bits) - 1, object)
    return (found & mask ^ half) - half


def to_rows(values: npt.ArrayLike, shape: Shape) -> Rows:
    """The cells of values side by side: (N_R, groups * N_C), the first group's at the lowest columns.

    Raises:
        ConfigError: a value does not fit its bits.
    """
    found = _integers(values, shape.bits)
    if found.size and (wrong := found[found != wrap(found, shape.bits)]).size:
        raise ConfigError(f"an operand of {shape.rows} × {shape.columns} cells holds {shape.bits} bits of two's "
                          f"complement; {wrong[0]} does not fit")
    # (groups, rows, columns): bit by bit, then every other row turned round.
    places = np.arange(shape.bits).astype(found.dtype)
    cells = ((found[:, None] >> places) & 1).astype(bool).reshape(len(found), shape.rows, shape.columns)
    cells[:, 1::2] = cells[:, 1::2, ::-1]
    return cells.transpose(1, 0, 2).reshape(shape.rows, -1)


def from_rows(rows: Rows, shape: Shape) -> Array:
    """The values (groups,) of cells (N_R, groups * N_C): the reverse of `to_rows`.

    Raises:
        ConfigError: the cells are not those of whole groups.
    """
    if rows.ndim != 2 or rows.shape[0] != shape.rows or rows.shape[1] % shape.columns:
        raise ConfigError(f"cells {rows.shape} are no groups of {shape.rows} × {shape.columns}")
    cells = rows.reshape(shape.rows, -1, shape.columns).transpose(1, 0, 2).copy()
    cells[:, 1::2] = cells[:, 1::2, ::-1]
    bits = cells.reshape(len(cells), shape.bits)
    kind = np.int64 if shape.bits <= INT64 else object
    values = np.zeros(len(bits), kind)
    for place in reversed(range(shape.bits)):
        values = (values << 1) | bits[:, place].astype(kind)
    return wrap(values, shape.bits)


def words_of(width: int, rows: int, word_bits: int) -> int:
    """Memory words of an operand of so many rows of `width` bits."""
    return -(-width * rows // word_bits)


def operand_words(shape: Shape, groups: int, word_bits: int) -> int:
    """Memory words of an operand of so many groups."""
    return words_of(shape.columns * groups, shape.rows, word_bits)


def to_words(rows: Rows, word_bits: int) -> list[int]:
    """Memory words of an operand's rows: back to back, row 0 first, the lowest column in bit 0, padded with zeros."""
    packed = np.packbits(np.asarray(rows, bool).reshape(-1), bitorder="little").tobytes()
    whole = int.from_bytes(packed, "little")
    return [(whole >> low) & ((1 << word_bits) - 1) for low in range(0, rows.size, word_bits)]


def from_words(words: Memory, word_bits: int, shape: Shape, groups: int) -> Rows:
    """The rows (N_R, groups * N_C) of an operand in memory: the reverse of `to_words`.

    Raises:
        ImageError: there are not enough words.
    """
    size = shape.bits * groups
    if len(words) < operand_words(shape, groups, word_bits):
        raise ImageError(f"an operand of {groups} groups of {shape.rows} × {shape.columns} needs "
                         f"{operand_words(shape, groups, word_bits)} words; there are {len(words)}")
    whole = sum(int(word) << (index * word_bits) for index, word in enumerate(words)) & ((1 << size) - 1)
    packed = np.frombuffer(whole.to_bytes(-(-size // 8), "little"), np.uint8)
    return np.unpackbits(packed, count=size, bitorder="little").astype(bool).reshape(shape.rows, -1)


def _integers(values: npt.ArrayLike, bits: int) -> Array:
    return np.atleast_1d(np.asarray(values, np.int64 if bits <= INT64 else object))
