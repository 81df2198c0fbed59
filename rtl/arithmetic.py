"""Counting round, and sums written so that synthesis makes one LUT a bit of each, with what chooses the addend."""

from amaranth import Cat, Const, Mux, Value


def following(index: Value, count: int) -> Value:
    """The index after this one, of `count` that come round."""
    return Mux(index == count - 1, 0, index + 1)


def preceding(index: Value, count: int) -> Value:
    """The index before this one, of `count` that come round."""
    return Mux(index == 0, count - 1, index - 1)


def add(a: Value, b: Value, carry: Value, width: int) -> Value:
    """a + b + carry of `width` bits in one carry chain; as a difference, whose operands synthesis does not swap.

    So it is `a` that the carries are made from, and whatever makes `b` shares the LUTs of the sum.
    """
    return (Cat(carry, a) - Cat(Const(1, 1), ~Cat(b, Const(0, width))[:width]))[1:width + 1]


def booth_row(partial: Value, multiplicand: Value, digit: Value, width: int, low: int = 0) -> Value:
    """`partial` plus the multiplicand times a digit of -2 to 2, shifted by `low`: one adder.

    Args:
        multiplicand: unsigned, or of two's complement in all of `width` bits.
        digit: Booth's: two bits of the multiplier above the highest one of the digit below (0 below the lowest).
    """
    lowest, middle, negative = digit
    one, two = lowest ^ middle, (lowest == middle) & (lowest != negative)
    row = Cat(Mux(one, multiplicand, 0) | Mux(two, Cat(Const(0, 1), multiplicand), 0), Const(0, width))[:width]
    return add(partial, Cat(negative.replicate(low), row ^ negative.replicate(width))[:width], negative, width)
