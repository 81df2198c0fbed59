"""Products in logic: the rows of Booth's radix-4 recoding, added one after another.

A bit of a row and its addition to the rows before are one function of six bits at most, which the LUT of an FPGA beside
its carry chain holds; in gates it is about half of a plain array.
"""

from dataclasses import dataclass

from amaranth import Cat, Const, Mux, Value


@dataclass(frozen=True)
class Product:
    """A number times a part of a factor: (total + carry) · 2**place, where total is signed."""

    place: int
    total: Value
    carry: Value


def rows_of(bits: int) -> int:
    """Rows of a signed factor of so many bits: one of the lowest bit, and one of each two bits above."""
    return bits // 2 + 1


def place_of(row: int) -> int:
    """The power of two that a row counts."""
    return max(0, 2 * row - 1)


def products(number: Value, factor: Value, count: int) -> list[Product]:
    """Products of a signed number with parts of a signed factor, of `count` rows each, from the lowest.

    The number has two bits at least. The sum is the product with the whole factor. The carry of the first part is 0.
    """
    rows = rows_of(len(factor))
    return [_part(number, factor, range(first, min(first + count, rows))) for first in range(0, rows, count)]


def add(one: Value, other: Value, carry: Value) -> Value:
    """The signed sum of two signed numbers and a carry; one adder, whose carry comes out of a bit below."""
    return (Cat(carry, one).as_signed() + Cat(carry, other).as_signed())[1:].as_signed()


def _part(number: Value, factor: Value, rows: range) -> Product:
    """The rows of a part, one added to the other.

    A row below zero is the complement of its number, and lacks one: the carry of its addition. The first row has none,
    and leaves that to the caller.
    """
    total, carry = _row(number, factor, rows[0])
    place = place_of(rows[0])
    for row in rows[1:]:
        below = place_of(row) - place
        addend, one = _row(number, factor, row)
        # The digits up to this one are less than 2 in size at its place, and so the sum gets two bits more than number.
        high = add(total[below:], addend, one)[:len(number) + 2]
        total = Cat(total[:below], high)
    return Product(place, total.as_signed(), carry)


def _row(number: Value, factor: Value, row: int) -> tuple[Value, Value]:
    """The number times a digit of the factor, -2 to 2, less one if that is below zero; and whether it is."""
    def bit(index: int) -> Value:
        return factor[min(index, len(factor) - 1)]

    if row == 0:
        return Mux(bit(0), number, 0), Const(0, 1)
    place = place_of(row)
    # The digit is low + middle - 2 · high; the lowest bit of the factor has a row of its own.
    low, middle, high = bit(place - 1) if row > 1 else Const(0, 1), bit(place), bit(place + 1)
    once, twice = Cat(number, number[-1]), Cat(Const(0, 1), number)
    size = Mux(low ^ middle, once, Mux(middle ^ high, twice, 0))
    return (size ^ high.replicate(len(once))).as_signed(), high
