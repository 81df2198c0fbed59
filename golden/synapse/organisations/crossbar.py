"""Crossbar: every weight has its place, whether it is zero or not.

Weight j of row i is in word weight_base + i·row_words + j // p, at bit (j mod p)·b, with p = word_bits // b.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.synapse.organisations.interface import Expansion, Organisation, Sizes
from golden.synapse.organisations.packing import checked, layer, pack_words, require_room
from golden.synapse.organisations.walk import Walk, field, following, refused
from golden.types import IntArray, Words

WALK = 2
"""The cycle of the first step, the request being taken in cycle 0."""


class Crossbar(Organisation):
    """The full matrix, row after row, each row from a word of its own on."""

    name = "crossbar"

    @staticmethod
    def start_up(sizes: Sizes) -> int:
        return WALK + sizes.read_latency + 1

    @classmethod
    def pack(cls, matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes, index_base: int = 0,
             bitmap_base: int | None = None, weight_base: int = 0) -> "Crossbar":
        weights = checked(matrix, weight_bits=weight_bits, sizes=sizes)
        rows = pack_words(weights, weight_bits, sizes)
        words: Words = rows.reshape(-1, *rows.shape[2:])
        require_room("crossbar", weight_base, len(words), sizes)
        fields = layer(weights, weight_bits=weight_bits, row_words=rows.shape[1], weight_base=weight_base)
        return cls(sizes, fields, words[:0], words, weight_origin=weight_base)

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk = self.sizes, self.layer, Walk(self.sizes)
        if refused(self, request):
            walk.drop(WALK)
            return walk.expansion()
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

    def counts(self, neurons: npt.ArrayLike) -> dict[str, IntArray]:
        like, outputs = np.zeros(np.shape(neurons), np.int64), self.layer["outputs"]
        per_word = self.sizes.word_bits // self.layer["weight_bits"]
        return {
            "index_read": like, "bitmap_read": like, "weight_write": like, "synapses": like + outputs,
            "weight_read": like + (outputs if self.sizes.serial else -(-outputs // per_word)),
            "interval": like + WALK + outputs, "cycles": like + WALK + outputs + self.sizes.read_latency,
        }

    def storage_bits(self) -> dict[str, int]:
        inputs, outputs = self.layer["inputs"], self.layer["outputs"]
        return self.formula_bits(inputs, outputs, inputs * outputs, self.layer["weight_bits"])
