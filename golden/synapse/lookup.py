"""The lookup of synapses in tables: an event of an extended edge into the operations of one row of its table.

The edge word says where the table's header is and how its synapses lie (`golden.synapse.organisations`); the header
makes a row of the event's place and channel. Other organizations beside the computed kernels: Bamberg et al., arXiv
2112.07019, section 3.2; the words are this project's (docs/architecture.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golden.config import CoreConfig
from golden.rooms import ORGANISATIONS
from golden.synapse.esu import LOW_64, ValueEvent
from golden.synapse.gather import GatheredOperation, gather
from golden.synapse.organisations.interface import Organisation, Pass, Sizes
from golden.types import Memory
from golden.words import TABLE_ORGANISATIONS, EdgeKind, layouts

INDEX_KINDS, WEIGHT_KINDS = ("index_read", "bitmap_read"), ("weight_read",)
"""Accesses of an organisation that the port `index` does, and those of the port `synapse` (`golden.ports`)."""


@dataclass(frozen=True)
class TableEdge:
    """An extended edge and its table's header."""

    organisation: str
    """Of `golden.words.TABLE_ORGANISATIONS`."""
    layer: Mapping[str, int]
    """What a request says about the table."""
    state_base: int
    shift: int
    x_stride: int
    y_stride: int

    @classmethod
    def load(cls, config: CoreConfig, memory: Memory, populations: int, identity: int) -> "TableEdge | None":
        """From memory; None if the edge is of another kind, or its organisation is not in the core."""
        words, size = layouts(config), config.memory_words
        edge = words.extended_edge.unpack(int(memory[(2 * populations + identity) % size]) & LOW_64)
        name = {code: name for name, code in TABLE_ORGANISATIONS.items()}.get(edge["organisation"])
        if edge["kind"] != EdgeKind.EXTENDED or name not in config.organisations:
            return None
        header = words.table_header.unpack(int(memory[edge["table_base"]]) & LOW_64)
        bases = words.table_bases.unpack(int(memory[(edge["table_base"] + 1) % size]) & LOW_64)
        layer = {"inputs": header["inputs"], "outputs": header["outputs"], "weight_bits": edge["weight_bits"], **bases}
        return cls(organisation=name, layer=layer, state_base=edge["state_base"], shift=edge["shift"],
                   x_stride=header["x_stride"], y_stride=header["y_stride"])

    def rows(self, config: CoreConfig, memory: Memory) -> Organisation:
        """The table."""
        kind = ORGANISATIONS.load(self.organisation, Organisation)
        return kind(Sizes.of(config), dict(self.layer), memory, memory)  # type: ignore[arg-type]


class Lookup:
    """The unit on a memory.

    Attributes:
        unknown_channel: events dropped so far, as their edge is none of the unit's.
        table_error: events, rows, parts of rows and synapses dropped so far.
        index_reads, synapse_reads: words read so far through these ports.
    """

    def __init__(self, config: CoreConfig, memory: Memory, populations: int):
        self.config, self.memory, self.populations = config, memory, populations
        self.unknown_channel = self.table_error = self.index_reads = self.synapse_reads = 0

    def expand(self, event: ValueEvent) -> list[GatheredOperation]:
        """The operations of one event, literally; none if it is dropped."""
        edge = TableEdge.load(self.config, self.memory, self.populations, event.id)
        if edge is None:
            self.unknown_channel += 1
            return []
        row = event.x * edge.x_stride + event.y * edge.y_stride + event.c
        if event.x < 0 or event.y < 0 or row >= 1 << Sizes.of(self.config).neuron_bits:
            self.table_error += 1
            return []
        request = {"pass": Pass.FORWARD, "neuron": row, "value": event.v}
        found = edge.rows(self.config, self.memory).expand(request)
        self.table_error += found.errors
        self.index_reads += sum(found.counts[kind] for kind in INDEX_KINDS)
        self.synapse_reads += sum(found.counts[kind] for kind in WEIGHT_KINDS)
        return gather(zip(found.neurons.tolist(), found.weights.tolist(), strict=True), state_base=edge.state_base,
                      shift=edge.shift, v=event.v, config=self.config)
