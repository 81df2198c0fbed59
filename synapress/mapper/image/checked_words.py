"""Words of an image that is being checked: read by address, unpacked, and held to their limits."""

import numpy as np

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.fields import WordLayout
from golden.memory_words import number
from golden.types import Memory, Words
from golden.widths import CONNECTIVITY_BITS


class Reader:
    """Words by address, zero beyond the image.

    Raises:
        ImageError: what is read does not fit the configuration, or a layout.
    """

    def __init__(self, words: Memory, config: CoreConfig):
        self.config = config
        array = np.asarray(words, dtype=object) if not isinstance(words, np.ndarray) else words
        if array.ndim == 2:
            if array.shape[1] != config.word_bits // CONNECTIVITY_BITS:
                raise ImageError(f"image: words come in {array.shape[1]} parts of 64 bits, the configuration has "
                                 f"{config.word_bits // CONNECTIVITY_BITS}")
        if len(array) > config.memory_words:
            raise ImageError(f"image: {len(array)} words, the memory has {config.memory_words}")
        self.array = array
        whole = array.dtype == np.uint64 and (array.ndim == 2 or config.word_bits == CONNECTIVITY_BITS)
        for address in range(0 if whole else len(array)):
            word = self.word(address)
            if not 0 <= word < 1 << config.word_bits:
                raise ImageError(f"word {address}: {word:#x} does not fit {config.word_bits} bits")

    def word(self, address: int) -> int:
        """One word; few of an image are looked at, so they are made one by one."""
        if address >= len(self.array):
            return 0
        return number(self.array[address])

    def parts(self, first: int, count: int) -> Words:
        """Words as (count, words of 64 bits); all must lie in the memory."""
        found = np.zeros((count, self.config.word_bits // CONNECTIVITY_BITS), np.uint64)
        there = self.array[first:first + count]
        if isinstance(there, np.ndarray) and there.dtype == np.uint64:
            found[:len(there)] = there.reshape(len(there), found.shape[1])
        else:
            for i in range(len(there)):
                word = self.word(first + i)
                found[i] = [word >> (CONNECTIVITY_BITS * j) & ((1 << CONNECTIVITY_BITS) - 1)
                            for j in range(found.shape[1])]
        return found

    def unpack(self, address: int, layout: WordLayout, what: str) -> dict[str, int]:
        word = self.word(address)
        if word >> layout.bits:
            raise ImageError(f"{what} (word {address}): bits above the {layout.bits} of the {layout.name} word are "
                             f"set: {word:#x}")
        return layout.unpack(word)


def check(what: str, field: str, value: int, low: int, high: int) -> None:
    """That a field is within its limits."""
    if not low <= value <= high:
        raise ImageError(f"{what}, field '{field}': {value} is outside [{low}, {high}]")


def check_equal(what: str, field: str, value: int, expected: int, of: str) -> None:
    """That a field is what another one says."""
    if value != expected:
        raise ImageError(f"{what}, field '{field}': {value}, but {of} is {expected}")
