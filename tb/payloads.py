"""Payloads of streams as numbers, and back."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from amaranth.hdl import Shape
from amaranth.lib import data

from golden.fields import WordLayout

Layout: TypeAlias = WordLayout | data.StructLayout | int
"""How a payload is packed: a word, a struct, or a plain unsigned number of so many bits."""


def width(layout: Layout) -> int:
    """Bits of a payload."""
    if isinstance(layout, int):
        return layout
    return layout.bits if isinstance(layout, WordLayout) else layout.size


def pack(layout: Layout, value: Any) -> int:
    """A payload as one unsigned integer. A struct's missing fields are 0; fields may be structs themselves.

    Raises:
        ValueError, golden.errors.FieldRangeError: a value does not fit its field.
        KeyError: there is no such field.
    """
    if isinstance(value, int):
        if not 0 <= value < 1 << width(layout):
            raise ValueError(f"{value} does not fit {width(layout)} bits")
        return value
    if isinstance(layout, WordLayout):
        return layout.pack(value)
    if isinstance(layout, int):
        return pack(layout, int(value))
    word = 0
    for name, item in value.items():
        field = layout[name]
        if isinstance(item, Mapping):
            raw = pack(field.shape, item)
        else:
            shape = Shape.cast(field.shape)
            item = int(item)
            low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
            if not low <= item < high:
                raise ValueError(f"field '{name}': {item} is outside [{low}, {high - 1}]")
            raw = item & ((1 << shape.width) - 1)
        word |= raw << field.offset
    return word


def unpack(layout: Layout, word: int) -> Any:
    """The reverse of `pack`: a dict of fields, or the number itself."""
    if isinstance(layout, int):
        return word
    if isinstance(layout, WordLayout):
        return layout.unpack(word)
    return {name: unpack(inner, word >> low & mask) if inner is not None else (word >> low & mask ^ sign) - sign
            for name, low, mask, sign, inner in _fields(layout)}


_found: dict[int, tuple[data.StructLayout, list[tuple[str, int, int, int, data.StructLayout | None]]]] = {}


def _fields(layout: data.StructLayout) -> list[tuple[str, int, int, int, data.StructLayout | None]]:
    """Of each field of a struct its name, lowest bit, mask, sign bit, and layout if it is a struct itself."""
    if id(layout) not in _found:
        fields = []
        for name, field in layout:
            shape, inner = Shape.cast(field.shape), isinstance(field.shape, data.StructLayout)
            sign = 1 << shape.width - 1 if shape.signed and shape.width and not inner else 0
            fields.append((name, field.offset, (1 << shape.width) - 1, sign, field.shape if inner else None))
        _found[id(layout)] = layout, fields  # with the layout, so that no other one gets its id
    return _found[id(layout)][1]
