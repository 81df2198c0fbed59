"""Functional connectivity with a bitmap of taps (Func-BMP): taps without a weight are neither stored nor visited.

One word of the index memory holds a bit for each tap of the transposed kernel, bit 8·column + row, for all source
channels; the weights of the taps whose bit is 1 follow one another. Or each source channel has a word of its own
(`per_source`): its bits, and above them how many taps are stored before its own. Storage: K² bits, or with `per_source`
sources · K². Schaefer et al. do not say what theirs does: an inference.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.synapse.esu import ValueEvent
from golden.synapse.organisations.convolution import SIDE, Convolution, Map, Tap, common_fields
from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.kernel import tap_words, transposed
from golden.synapse.organisations.packing import require_room
from golden.types import IntArray, Words
from golden.words import Field, WordLayout

PLACE_BITS = 16
"""With `per_source`: taps that are stored before those of a source channel."""


def pattern_bits(sizes: Sizes, per_source: int) -> int:
    """Bits of a word that hold taps."""
    return min(SIDE * SIDE, sizes.word_bits - PLACE_BITS) if per_source else SIDE * SIDE


class FunctionalBitmap(Convolution):
    """The weights of the taps that are not zero for all channels, and a bit for each tap."""

    name = "functional_bitmap"
    first_step = 3
    index_reads = 1

    @staticmethod
    def layer_layout(sizes: Sizes) -> WordLayout:
        return WordLayout("functional layer", (
            *common_fields(sizes), Field("bitmap_base", sizes.address_bits), Field("per_source", 1)))

    @classmethod
    def pack(  # type: ignore[override]  # `per_source` is its own option
            cls, matrix: npt.ArrayLike, *, place: Map, weight_bits: int, sizes: Sizes, index_base: int = 0,
            bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None,
            per_source: int = 0) -> "FunctionalBitmap":
        """The words of a kernel (channels, sources, width, height); see `Organisation.pack`.

        Args:
            bitmap_base: None: `index_base`.
            per_source: 1: source channels have taps of their own; 0: a tap is stored if one of them has it.

        Raises:
            NetworkError: also with `per_source` if the bits of the kernel leave no room for the place.
        """
        weights, there, fields = transposed(matrix, place, weight_bits=weight_bits, sizes=sizes,
                                            weight_base=weight_base, stored=stored)
        sources, width, height, channels = weights.shape
        base = index_base if bitmap_base is None else bitmap_base
        ones = there.any(axis=3)
        if not per_source:
            ones = np.broadcast_to(ones.any(axis=0), ones.shape)
        bits = SIDE * np.arange(width)[:, np.newaxis] + np.arange(height)
        counts = ones.sum(axis=(1, 2))
        places = np.cumsum(counts) - counts
        limit = pattern_bits(sizes, per_source)
        if per_source and (bits.max() >= limit or places.max() >> PLACE_BITS):
            raise NetworkError(f"a kernel of {width}×{height} with a bitmap for each of {sources} source channels does "
                               f"not fit words of {sizes.word_bits} bits: use one bitmap for all")
        patterns = (ones << bits.astype(np.uint64)).astype(np.uint64).sum(axis=(1, 2), dtype=np.uint64)
        index: Words = patterns if per_source else patterns[:1]
        if sizes.word_bits > 64:
            index = np.stack([index, places.astype(np.uint64)[:len(index)] * np.uint64(per_source)], axis=1)
        elif per_source:
            index = index | places.astype(np.uint64) << np.uint64(limit)
        require_room("bitmap of taps", base, len(index), sizes)
        words = tap_words(weights[ones].reshape(-1, channels), fields, sizes)
        fields |= {"source_words": int(counts[0]) * fields["tap_words"], "bitmap_base": base, "per_source": per_source}
        if sizes.learning:
            fields["stored_taps"] = int(counts.sum())
        return cls(sizes, fields, index, words, index_origin=base, weight_origin=weight_base)

    def index_address(self, event: ValueEvent) -> int:
        return self.layer["bitmap_base"] + (event.c if self.layer["per_source"] else 0)

    def words_back(self) -> int:
        room = (1 << self.sizes.address_bits) - self.layer["bitmap_base"]
        return min(self.layer["sources"], room) if self.layer["per_source"] else 1

    def parted(self) -> bool:
        return bool(self.layer["per_source"])

    def walk(self, event: ValueEvent) -> Iterator[Tap]:
        word = self.index_word(self.index_address(event))
        yield from self._stored(word, self.source_base(event), self.survivors(event))

    def walk_back(self, x: int, y: int) -> Iterator[list[Tap] | None]:
        layer, origins = self.layer, list(self.origins(x, y))
        for source in range(layer["sources"]):
            address = layer["bitmap_base"] + source * layer["per_source"]
            if address >> self.sizes.address_bits:
                yield None
                return
            base = layer["weight_base"] + source * layer["source_words"]
            found = list(self._stored(self.index_word(address), base, origins))
            # A word without a tap that leads here takes a cycle.
            yield found or [Tap(inside=False)] * layer["per_source"]

    def _stored(self, word: int, base: int, met: Iterable[tuple[int, int, int]]) -> Iterator[Tap]:
        """Those of the taps that are met whose bit in a word is 1. `base`: first weights of the source channel, which
        with `per_source` the word says."""
        layer, limit = self.layer, pattern_bits(self.sizes, self.layer["per_source"])
        pattern = word & (1 << limit) - 1
        if layer["per_source"]:
            base = layer["weight_base"] + (word >> limit & (1 << PLACE_BITS) - 1) * layer["tap_words"]
        for column, row, neuron in met:
            bit = SIDE * column + row
            if pattern >> bit & 1:
                yield Tap(base + (pattern & (1 << bit) - 1).bit_count() * layer["tap_words"], neuron)

    def _patterns(self) -> IntArray:
        """The stored taps: (words, columns, rows) of 0 and 1."""
        begin = self.layer["bitmap_base"] - self.index_origin
        words = self.index_words[begin:begin + (self.layer["sources"] if self.layer["per_source"] else 1)]
        low = words[:, 0] if words.ndim > 1 else words
        bits = SIDE * np.arange(self.layer["kernel_width"])[:, np.newaxis] + np.arange(self.layer["kernel_height"])
        return (low[:, np.newaxis, np.newaxis] >> bits.astype(np.uint64) & np.uint64(1)).astype(np.int64)

    def visited(self, inside: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        patterns = self._patterns()
        return (inside * patterns[c if self.layer["per_source"] else 0 * c]).sum(axis=(1, 2)), 0 * c

    def visited_back(self, inside: IntArray) -> tuple[IntArray, IntArray]:
        if not self.layer["per_source"]:
            return super().visited_back(inside)
        hits = np.einsum("pcr,scr->ps", inside, self._patterns())
        return hits.sum(axis=1), (hits == 0).sum(axis=1)

    def pattern(self) -> npt.NDArray[np.bool_]:
        return np.broadcast_to(self._patterns() > 0, super().pattern().shape)

    @property
    def stored_taps(self) -> int:
        return int(self._patterns().sum()) * (1 if self.layer["per_source"] else self.layer["sources"])

    def storage_bits(self) -> dict[str, int]:
        taps = self.layer["kernel_width"] * self.layer["kernel_height"]
        return {**super().storage_bits(), "bitmap": taps * len(self.index_words)}
