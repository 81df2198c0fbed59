"""The packed words of `golden.words` as Amaranth layouts."""

from amaranth import signed, unsigned
from amaranth.lib import data

from golden.fields import WordLayout


def struct(layout: WordLayout) -> data.StructLayout:
    """The layout of a packed word; a field stored with a bias (minus one) holds the raw, stored bits."""
    return data.StructLayout({
        field.name: signed(field.bits) if field.signed else unsigned(field.bits) for field in layout.fields
    })
