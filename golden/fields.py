"""A packed word as a table of fields: `golden.words` has the words, `golden.messages` what blocks tell each other."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.errors import FieldRangeError


@dataclass(frozen=True)
class Field:
    """One field: `bits` wide, perhaps signed, storing value - `bias`."""

    name: str
    bits: int
    signed: bool = False
    bias: int = 0

    @property
    def low(self) -> int:
        return (-(1 << (self.bits - 1)) if self.signed and self.bits else 0) + self.bias

    @property
    def high(self) -> int:
        return ((1 << (self.bits - 1)) - 1 if self.signed and self.bits else (1 << self.bits) - 1) + self.bias


@dataclass(frozen=True)
class WordLayout:
    """A packed word: an ordered table of fields."""

    name: str
    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        return sum(field.bits for field in self.fields)

    @property
    def positions(self) -> dict[str, int]:
        """Field → its lowest bit."""
        found, low = {}, 0
        for field in self.fields:
            found[field.name] = low
            low += field.bits
        return found

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def pack(self, values: Mapping[str, int] | None = None, *, where: str = "", **more: int) -> int:
        """Values by field name into one integer; a missing field holds its lowest stored pattern (0).

        Raises:
            FieldRangeError: a value does not fit; `where` names who asked.
        """
        given = {**(values or {}), **more}
        word, shift = 0, 0
        for field in self.fields:
            value = int(given.pop(field.name, field.bias))
            if not field.low <= value <= field.high:
                raise FieldRangeError(self.name, field.name, value, field.low, field.high, where)
            word |= ((value - field.bias) & ((1 << field.bits) - 1)) << shift
            shift += field.bits
        if given:
            raise KeyError(f"{self.name} word has no field {', '.join(given)}")
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """All fields of one packed integer."""
        values, word = {}, int(word)
        for field in self.fields:
            raw = word & ((1 << field.bits) - 1)
            if field.signed and field.bits and raw >> (field.bits - 1):
                raw -= 1 << field.bits
            values[field.name] = raw + field.bias
            word >>= field.bits
        return values

    def pack_array(self, values: Mapping[str, npt.ArrayLike], *, where: str = "") -> npt.NDArray[np.uint64]:
        """`pack` for arrays that broadcast, of a word of at most 64 bits.

        Raises:
            FieldRangeError: a value does not fit; it names the first that does not.
        """
        arrays = {name: np.asarray(array, np.int64) for name, array in values.items()}
        words = np.zeros(np.broadcast_shapes(*(array.shape for array in arrays.values())), np.uint64)
        shift = 0
        for field in self.fields:
            if field.name in arrays:
                array = arrays.pop(field.name)
                wrong = array[(array < field.low) | (array > field.high)]
                if wrong.size:
                    raise FieldRangeError(self.name, field.name, int(wrong[0]), field.low, field.high, where)
                raw = ((array - field.bias) & ((1 << field.bits) - 1)).astype(np.uint64)
                words |= raw << np.uint64(shift)
            shift += field.bits
        if arrays:
            raise KeyError(f"{self.name} word has no field {', '.join(arrays)}")
        return words

    def column(self, words: npt.NDArray[np.uint64], name: str) -> npt.NDArray[np.int64]:
        """One field of an array of packed words of at most 64 bits: quicker than `unpack_array` for few of them."""
        field = self.field(name)
        raw = ((words >> np.uint64(self.positions[name])) & np.uint64((1 << field.bits) - 1)).astype(np.int64)
        if field.signed and field.bits:
            raw -= (raw >> (field.bits - 1)) << field.bits
        return raw + field.bias

    def unpack_array(self, words: npt.NDArray[np.uint64]) -> dict[str, npt.NDArray[np.int64]]:
        """All fields of an array of packed words of at most 64 bits, as int64 arrays."""
        if self.bits > 64:
            raise ValueError(f"{self.name} word has {self.bits} bits; arrays hold 64")
        words = np.asarray(words, np.uint64)
        values, shift = {}, 0
        for field in self.fields:
            if not field.bits:
                values[field.name] = np.full(words.shape, field.bias, np.int64)
                continue
            raw = ((words >> np.uint64(shift)) & np.uint64((1 << field.bits) - 1)).astype(np.int64)
            if field.signed:
                raw -= (raw >> (field.bits - 1)) << field.bits
            values[field.name] = raw + field.bias
            shift += field.bits
        return values
