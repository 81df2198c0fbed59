"""Edges whose synapses are stored one by one, in tables: which they are, and what tables they take.

Their matrices are those of `golden.synapse_matrix`, the tables are made by `golden.synapse.organisations`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge, LookUpEdge
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import POINTER_BITS, Organisation
from golden.synapse_matrix import synapse_matrix
from golden.timing.look_up import MOST_WEIGHT_BITS, any_sizes
from golden.types import IntArray, Pair, Shape, Words
from golden.words import TABLE_ORGANISATIONS, layouts
from synapress.mapper.ways_out import signed_bits

HEADER_WORDS = 2
"""Of an edge in tables: the matrix, and where the tables are."""
MOST_PLACES = 1 << 26
"""Of a matrix, which is spread out to be packed: 512 MB in the packers."""
NEURON_BITS = 16
"""Of the neuron that an entry of compressed rows names."""


def in_tables(edge: Edge) -> bool:
    """Whether an edge names an organisation that stores synapses one by one."""
    return edge.organisation in TABLE_ORGANISATIONS


def look_up_edge(edge: Edge, source: Shape) -> LookUpEdge:
    """An edge between uncut populations with its synapses in tables; `source`: the source's shape."""
    if isinstance(edge, LookUpEdge):
        return edge
    plain = {field.name: getattr(edge, field.name) for field in dataclasses.fields(Edge)}
    return LookUpEdge(**plain | {"weights": ungrouped(edge, source[0]), "groups": 1}, extent=source[1:])


def ungrouped(edge: Edge, depth: int) -> IntArray:
    """Weights (D_dst, D_src, KW, KH) of an edge of `depth` source channels, with zeros between its groups."""
    if edge.groups == 1:
        return edge.weights
    results, sources = edge.weights.shape[:2]
    shared = results == 1 and edge.groups == depth  # one kernel of all channels
    results = depth if shared else results
    weights = np.zeros((results, depth, *edge.weights.shape[2:]), edge.weights.dtype)
    for channel in range(results):
        first = channel // (results // edge.groups) * sources
        weights[channel, first:first + sources] = edge.weights[0 if shared else channel]
    return weights


def by_kind(edges: Sequence[Edge]) -> list[Edge]:
    """Edges in the order of event IDs: a core has those in tables behind all others."""
    return sorted(edges, key=lambda edge: isinstance(edge, LookUpEdge))


def weight_bits(weights: IntArray) -> int:
    """Bits of two's complement that hold all of these integers, at least 1."""
    return max(map(signed_bits, (int(weights.min(initial=0)), int(weights.max(initial=0)))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """The tables of one edge, wherever they will lie."""

    organisation: str
    weight_bits: int
    inputs: int
    outputs: int
    synapses: int
    """Weights that are not 0."""
    words: int
    """Of pointers, bitmap and weights; an estimate if they are not packed."""
    packed: Organisation | None
    """None: they do not fit the fields of any organisation."""
    memory_words: int

    @property
    def index(self) -> Words:
        """Pointers and bitmap."""
        return self._made.index_words

    @property
    def weights(self) -> Words:
        """Weights, or entries."""
        return self._made.weight_words

    @property
    def parts(self) -> dict[str, int]:
        """Memory words by part: pointers, bitmap and weights, as far as the organisation has them."""
        index = len(self.index)
        bitmap = self.inputs * self._made.layer["row_words"] if self.organisation == "bitmap" else 0
        found = {"pointers": index - bitmap, "bitmap": bitmap, "weights": len(self.weights)}
        return {name: words for name, words in found.items() if words or name == "weights"}

    @property
    def carried(self) -> tuple[int, int]:
        """Bits of the words in front of the weights, and of the weights, that carry something."""
        pointers, bitmap = (self.inputs + 1) * POINTER_BITS, self.inputs * self.outputs
        index, each, count = {
            "crossbar": (0, self.weight_bits, bitmap), "bitmap": (pointers + bitmap, self.weight_bits, self.synapses),
            "compressed_rows": (pointers, NEURON_BITS + self.weight_bits, self.synapses)}[self.organisation]
        return index, each * count

    def bases(self, address: int) -> dict[str, int]:
        """Fields of the second header word, if the tables begin at an address. An empty one at the memory's end begins
        at its last word."""
        behind, fields = address + len(self.index), self._made.layer
        return {name: min(base + fields[name], self.memory_words - 1) for name, base in (
            ("index_base", address), ("bitmap_base", address), ("weight_base", behind))} | {
            "row_words": fields["row_words"]}

    @property
    def _made(self) -> Organisation:
        assert self.packed is not None
        return self.packed

    def to_json(self) -> dict[str, Any]:
        return {"organisation": self.organisation, "weight_bits": self.weight_bits, "inputs": self.inputs,
                "outputs": self.outputs, "synapses": self.synapses, "words": self.parts}


@lru_cache(maxsize=128)
def tables(edge: LookUpEdge, size: Pair, y_stride: int, config: CoreConfig) -> Tables:
    """The tables of an edge into a population; arguments as of `synapse_matrix`.

    They are not refused: whether they fit the core is asked of the plan.
    """
    assert edge.organisation is not None
    bits, outputs = weight_bits(edge.weights), (prod(size) - 1) * y_stride * config.lanes + edge.weights.shape[0]
    header = layouts(config).table_header
    found = Tables(
        organisation=edge.organisation, weight_bits=bits, inputs=edge.rows, outputs=outputs,
        synapses=_nonzero(edge), words=0, packed=None, memory_words=config.memory_words)
    large = edge.rows > header.field("inputs").high or outputs > header.field("outputs").high
    if large or bits > MOST_WEIGHT_BITS or edge.rows * outputs > MOST_PLACES:
        source = (edge.weights.shape[1], *edge.extent)
        return replace(found, words=estimated_words(edge, source, len(edge.weights), len(edge.weights), prod(size),
                                                    config))
    matrix = synapse_matrix(edge, size, y_stride, config.lanes)
    packed = ORGANISATIONS.load(edge.organisation, Organisation).pack(
        matrix, weight_bits=bits, sizes=any_sizes(config))
    return replace(found, synapses=int(np.count_nonzero(matrix)), words=packed.image_words, packed=packed)


def estimated_words(
    edge: Edge, source: Shape, depth: int, channels: int, positions: int, config: CoreConfig
) -> int:
    """Memory words, about, of an edge with its synapses in tables, into some channels of some positions.

    Args:
        source: the source's shape.
        depth: channels of the whole destination.
        channels, positions: of the part of it.
    """
    inputs, outputs = prod(source), positions * channels
    synapses = min(inputs * outputs, _nonzero(edge) * channels * positions // depth)
    word, bits = config.word_bits, weight_bits(edge.weights)
    weights, pointers = max(1, word // bits), -(-(inputs + 1) * POINTER_BITS // word)
    if edge.organisation == "crossbar":
        return 1 + HEADER_WORDS + inputs * -(-outputs // weights)
    if edge.organisation == "bitmap":
        return 1 + HEADER_WORDS + pointers + inputs * -(-outputs // word) - (-synapses // weights)
    return 1 + HEADER_WORDS + pointers - (-synapses * POINTER_BITS // word)


@lru_cache(maxsize=128)
def _nonzero(edge: Edge) -> int:
    return int(np.count_nonzero(edge.weights))
