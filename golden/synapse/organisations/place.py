"""Where weight number j is, of those that lie side by side in memory words: a division by weights per word.

With p = word_bits // b weights per word, weight j is in word j // p at bit (j mod p)·b. There is one p for each
width b, so the hardware divides by a multiplication with a constant of b's: exact, see `Reciprocal`.
"""

from typing import NamedTuple

from golden.synapse.organisations.interface import Sizes


class Reciprocal(NamedTuple):
    """Division by the weights per word: j // p = j·`factor` >> `shift` for all j of `bits` bits.

    `factor` is 2^shift / p rounded up, by e / p with 0 <= e < p. So j·factor / 2^shift is j/p + j·e / (p·2^shift),
    which stays below the next multiple of 1/p as long as j·e < 2^shift; and 2^shift is 2^bits times at least p.
    """

    factor: int
    shift: int
    used_bits: int
    """Bits of a word that hold weights: p·b."""


def reciprocal(weight_bits: int, bits: int, sizes: Sizes) -> Reciprocal:
    """The constant that divides numbers of `bits` bits by the weights per word."""
    per_word = sizes.word_bits // weight_bits
    shift = bits + sizes.offset_bits
    return Reciprocal(-(-(1 << shift) // per_word), shift, per_word * weight_bits)


def place(number: int, weight_bits: int, sizes: Sizes) -> tuple[int, int]:
    """Word and bit of weight `number`, of weights side by side from word 0 on."""
    word, slot = divmod(number, sizes.word_bits // weight_bits)
    return word, slot * weight_bits
