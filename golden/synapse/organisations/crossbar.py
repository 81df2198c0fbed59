"""Crossbar: every weight has its place, whether it is zero or not.

Weight j of row i is in word weight_base + i·row_words + j // p, at bit (j mod p)·b, with p = word_bits // b. The way
back from neuron j leads from row to row, by row_words words: one weight of a word.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.synapse.organisations.interface import Expansion, Organisation, Pass, Sizes
from golden.synapse.organisations.packing import checked, layer, pack_words, require_room, stored_places, unpacked
from golden.synapse.organisations.place import place
from golden.synapse.organisations.walk import Walk, field, following, refused
from golden.types import IntArray, Words

WALK = 2
"""The cycle of the first step, the request being taken in cycle 0."""


class Crossbar(Organisation):
    """The full matrix, row after row, each row from a word of its own on."""

    name = "crossbar"

    @staticmethod
    def start_up(sizes: Sizes, walk: int = Pass.FORWARD) -> int:
        return WALK + sizes.read_latency + 1

    @classmethod
    def pack(cls, matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes, index_base: int = 0,
             bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None) -> "Crossbar":
        weights = checked(matrix, weight_bits=weight_bits, sizes=sizes)
        stored_places(weights, stored)
        rows = pack_words(weights, weight_bits, sizes)
        words: Words = rows.reshape(-1, *rows.shape[2:])
        require_room("crossbar", weight_base, len(words), sizes)
        fields = layer(weights, sizes, weight_bits=weight_bits, row_words=rows.shape[1], weight_base=weight_base)
        return cls(sizes, fields, words[:0], words, weight_origin=weight_base)

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk = self.sizes, self.layer, Walk(self.sizes)
        if refused(self, request):
            walk.drop(WALK)
            return walk.expansion()
        if request["pass"] != Pass.FORWARD:
            return self._column(request, walk)
        bits, offset = layer["weight_bits"], 0
        address = layer["weight_base"] + request["neuron"] * layer["row_words"]
        for j in range(layer["outputs"]):
            fetch = bool(sizes.serial) or offset == 0
            if fetch and address >= 1 << sizes.address_bits:
                walk.drop(WALK + j)
                break
            weight = field(self.weight_word(address), offset, bits)
            walk.give(WALK + j, j, weight, address * sizes.word_bits + offset, fetch)
            address, offset = following(address, offset, bits, sizes)
        return walk.expansion()

    def _column(self, request: Mapping[str, int], walk: Walk) -> Expansion:
        sizes, layer = self.sizes, self.layer
        word, offset = place(request["neuron"], layer["weight_bits"], sizes)
        for i in range(layer["inputs"]):
            address = layer["weight_base"] + word + i * layer["row_words"]
            if address >= 1 << sizes.address_bits:
                walk.drop(WALK + i)
                break
            weight = field(self.weight_word(address), offset, layer["weight_bits"])
            walk.give(WALK + i, i, weight, address * sizes.word_bits + offset, True)
        return walk.expansion(writes=request["pass"] == Pass.UPDATE)

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        per_word, outputs = self.sizes.word_bits // self.layer["weight_bits"], self.layer["outputs"]
        return self._counts(neurons, outputs, outputs if self.sizes.serial else -(-outputs // per_word))

    def backward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        return self._counts(neurons, self.layer["inputs"], self.layer["inputs"])

    def _counts(self, neurons: IntArray, synapses: int, reads: int) -> dict[str, IntArray]:
        like = np.zeros_like(neurons)
        return {
            "index_read": like, "bitmap_read": like, "weight_write": like, "synapses": like + synapses,
            "weight_read": like + reads, "interval": like + WALK + synapses,
            "cycles": like + WALK + synapses + self.sizes.read_latency,
        }

    def weights(self) -> IntArray:
        inputs, words = self.layer["inputs"], self.layer["row_words"]
        begin = self.layer["weight_base"] - self.weight_origin
        rows = self.weight_words[begin:begin + inputs * words].reshape(inputs, words, -1)
        return unpacked(rows, self.layer["weight_bits"], self.layer["outputs"], self.sizes)

    def storage_bits(self) -> dict[str, int]:
        inputs, outputs = self.layer["inputs"], self.layer["outputs"]
        return self.formula_bits(inputs, outputs, inputs * outputs, self.layer["weight_bits"])
