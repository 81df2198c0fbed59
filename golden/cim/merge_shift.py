"""Operands between their rows in the compute-in-memory array and the words of the buffer, for rows of any width.

In the buffer the rows of an operand lie back to back, row 0 first and its lowest column in bit 0, from the lowest bit
of a word on; the rest of the last word is padding. A row and a word are both pieces of one string of bits, cut in
different lengths.

Chauvaux et al., arXiv 2410.23082, section II: transfers of 32 to 256 bits for operands of any resolution and shape
("merge & shift"). The order of the bits and the unit that both directions share are this project's.
"""

from collections.abc import Sequence

from golden.ports import READ_LATENCY


def pieces(given: Sequence[int], given_bits: int, taken_bits: int, count: int) -> list[int]:
    """A string of bits in pieces of `given_bits`, cut into the first `count` pieces of `taken_bits`.

    Bits of a piece above its length do not count; zeros come after the last one.
    """
    text = 0
    for place, piece in enumerate(given):
        text |= (piece & (1 << given_bits) - 1) << place * given_bits
    return [text >> place * taken_bits & (1 << taken_bits) - 1 for place in range(count)]


def merge(words: Sequence[int], width: int, rows: int, word_bits: int) -> list[int]:
    """The rows of an operand, `width` bits each, out of its words of `word_bits`."""
    return pieces(words, word_bits, width, rows)


def split(rows: Sequence[int], width: int, word_bits: int) -> list[int]:
    """The words of an operand out of its rows of `width` bits; padded with zeros."""
    return pieces(rows, width, word_bits, words_of(width, len(rows), word_bits))


def words_of(width: int, rows: int, word_bits: int) -> int:
    """Words of an operand of so many rows of `width` bits."""
    return -(-width * rows // word_bits)


def capacity(columns: int, word_bits: int) -> int:
    """Bits that the unit holds: a ring of whole words, with room for a row and a word that comes, or the reverse."""
    return 2 * max(columns, word_bits)


def cycles(given: int, given_bits: int, taken_bits: int, count: int, room: int) -> int:
    """Cycles from the first piece taken to the last one of `count` given away, both included, when nobody waits.

    The unit takes a piece where there is `room` for it beside what stays in this cycle, and gives one away that it held
    whole in the cycle before; after the last piece it gives away what there is.

    Args:
        given: pieces that come.
        room: bits that the unit holds (`capacity`).
    """
    held = cycle = 0
    while count:
        full = held >= taken_bits or not given
        if full:
            held, count = max(held - taken_bits, 0), count - 1
        if given and held + given_bits <= room:
            held, given = held + given_bits, given - 1
        cycle += 1
    return cycle


def transfer_cycles(load: bool, rows: int, width: int, words: int, columns: int, word_bits: int) -> int:
    """Cycles from a request of the store (`rtl.cim.store`) taken to its `done`, when memory grants at once.

    To load, the first word is asked for in the cycle after the request, and waits a cycle when it comes; to store, a
    row is asked for in the cycle after the request, comes a cycle later, and is cut another one later. `done` comes in
    the cycle after the last piece was cut.
    """
    room = capacity(columns, word_bits)
    if load:
        return 2 + READ_LATENCY + cycles(words, word_bits, width, rows, room)
    return 3 + cycles(rows, width, word_bits, words, room)
