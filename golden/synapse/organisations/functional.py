"""Functional connectivity with row and column counters (Func-RowCol): only taps that meet a neuron are visited.

First and number of the surviving columns and rows follow in closed form (`golden.synapse.esu.surviving`); the walk then
counts: columns outermost, rows, channels. Only weights are stored: sources · K² · channels.
"""

from collections.abc import Iterator

import numpy.typing as npt

from golden.synapse.esu import ValueEvent
from golden.synapse.organisations.convolution import Convolution, Map, Tap, common_fields
from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.kernel import tap_words, transposed
from golden.types import IntArray
from golden.words import Field, WordLayout


class Functional(Convolution):
    """The weights of a kernel, all taps. The layer's `column_words` lead from one column's taps to the next's."""

    name = "functional"
    first_step = 4

    @staticmethod
    def layer_layout(sizes: Sizes) -> WordLayout:
        words = next(field for field in common_fields(sizes) if field.name == "source_words")
        return WordLayout("functional layer", (*common_fields(sizes), Field("column_words", words.bits)))

    @classmethod
    def pack(  # type: ignore[override]  # it has no options
            cls, matrix: npt.ArrayLike, *, place: Map, weight_bits: int, sizes: Sizes, index_base: int = 0,
            bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None) -> "Functional":
        """The words of a kernel (channels, sources, width, height); see `Organisation.pack`."""
        weights, _, fields = transposed(matrix, place, weight_bits=weight_bits, sizes=sizes, weight_base=weight_base,
                                        stored=stored)
        words = tap_words(weights.reshape(-1, weights.shape[-1]), fields, sizes)
        fields["column_words"] = fields["kernel_height"] * fields["tap_words"]
        return cls(sizes, fields, words[:0], words, weight_origin=weight_base)

    def walk(self, event: ValueEvent) -> Iterator[Tap]:
        for column, row, neuron in self.survivors(event):
            yield Tap(self.source_base(event) + column * self.layer["column_words"] + row * self.layer["tap_words"],
                      neuron)

    def walk_back(self, x: int, y: int) -> Iterator[list[Tap] | None]:
        layer, origins = self.layer, list(self.origins(x, y))
        for source in range(layer["sources"]):
            base = layer["weight_base"] + source * layer["source_words"]
            yield [Tap(base + column * layer["column_words"] + row * layer["tap_words"], neuron)
                   for column, row, neuron in origins]

    def visited(self, inside: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        return inside.sum(axis=(1, 2)), 0 * c
