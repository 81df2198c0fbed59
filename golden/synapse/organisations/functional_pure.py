"""Functional connectivity by pure arithmetic (Func-Pure): no counter but that of the taps, all of which are visited.

Of tap k the column is k div the kernel's height, the row the rest; both are tested for every tap, and one outside costs
a cycle. Only weights are stored: sources · K² · channels. Schaefer et al. do not say what theirs does: an inference.
"""

from collections.abc import Iterator

import numpy.typing as npt

from golden.synapse.esu import ValueEvent
from golden.synapse.organisations.convolution import KERNEL_BITS, Convolution, Map, Tap, common_fields
from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.kernel import tap_words, transposed
from golden.types import IntArray
from golden.words import Field, WordLayout


class FunctionalPure(Convolution):
    """The weights of a kernel, all taps. The layer's `taps` are columns times rows."""

    name = "functional_pure"
    first_step = 3

    @staticmethod
    def layer_layout(sizes: Sizes) -> WordLayout:
        return WordLayout("functional layer", (*common_fields(sizes), Field("taps", 2 * KERNEL_BITS, bias=1)))

    @classmethod
    def pack(  # type: ignore[override]  # it has no options
            cls, matrix: npt.ArrayLike, *, place: Map, weight_bits: int, sizes: Sizes, index_base: int = 0,
            bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None
            ) -> "FunctionalPure":
        """The words of a kernel (channels, sources, width, height); see `Organisation.pack`."""
        weights, _, fields = transposed(matrix, place, weight_bits=weight_bits, sizes=sizes, weight_base=weight_base,
                                        stored=stored)
        words = tap_words(weights.reshape(-1, weights.shape[-1]), fields, sizes)
        fields["taps"] = fields["kernel_width"] * fields["kernel_height"]
        return cls(sizes, fields, words[:0], words, weight_origin=weight_base)

    def walk(self, event: ValueEvent) -> Iterator[Tap]:
        meets = {(column, row): neuron for column, row, neuron in self.survivors(event)}
        for tap in range(self.layer["taps"]):
            neuron = meets.get(divmod(tap, self.layer["kernel_height"]))
            yield Tap(inside=False) if neuron is None else Tap(
                self.source_base(event) + tap * self.layer["tap_words"], neuron)

    def walk_back(self, x: int, y: int) -> Iterator[list[Tap] | None]:
        layer, leads = self.layer, {(column, row): neuron for column, row, neuron in self.origins(x, y)}
        found = [leads.get(divmod(tap, layer["kernel_height"])) for tap in range(layer["taps"])]
        for source in range(layer["sources"]):
            base = layer["weight_base"] + source * layer["source_words"]
            yield [Tap(inside=False) if neuron is None else Tap(base + tap * layer["tap_words"], neuron)
                   for tap, neuron in enumerate(found)]

    def visited(self, inside: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        hits = inside.sum(axis=(1, 2))
        return hits, self.layer["taps"] - hits
