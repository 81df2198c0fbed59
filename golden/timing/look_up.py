"""The work of one edge whose synapses are looked up: synapses, word operations and cycles of each source neuron.

Synapses are gathered into word operations as `golden.synapse.gather` does; cycles are those of the organisation alone,
if no access waits (`golden.synapse.organisations`), one event after the other.
"""

from dataclasses import dataclass, replace

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge, LookUpEdge, Population
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import Organisation, Sizes
from golden.synapse_matrix import synapse_matrix
from golden.timing.operations import EdgeCounts, EdgeOperations
from golden.types import IntArray, Integers

MOST_WEIGHT_BITS, MOST_ADDRESS_BITS = 12, 24
"""Of any organisation (`golden.synapse.organisations.interface.Sizes`): where tables lie, and how wide their weights
are, changes no operation."""


def any_sizes(config: CoreConfig) -> Sizes:
    """Those of a core, but for a memory and weights of any size."""
    return replace(Sizes.of(config), address_bits=MOST_ADDRESS_BITS, weight_bits=MOST_WEIGHT_BITS)


@dataclass(frozen=True, kw_only=True, eq=False)
class LookUpOperations:
    """Arrays by source neuron (D, W, H), each of which sends an event when it fires."""

    synapses: IntArray
    """Those visited: of a crossbar zeros and places of no state, too."""
    word_ops: IntArray
    partial_ops: IntArray
    """Word operations with fewer synapses than lanes."""
    reads: IntArray
    """Words of tables that are read."""
    cycles: IntArray
    """From an event to the next one."""

    @classmethod
    def of(cls, edge: LookUpEdge, source: Population, destination: Population, config: CoreConfig
           ) -> "LookUpOperations":
        """Of an edge into a population without pads; `source`: all of it, or its part that begins at `edge.origin`."""
        lanes = config.lanes
        matrix = synapse_matrix(edge, (destination.shape[1], destination.shape[2]), -(-destination.shape[0] // lanes),
                                lanes)
        visited = np.zeros((len(matrix), -(-matrix.shape[1] // lanes) * lanes), bool)
        visited[:, :matrix.shape[1]] = True if edge.organisation == "crossbar" else matrix != 0
        each = visited.reshape(len(matrix), -1, lanes).sum(axis=2)
        assert edge.organisation is not None
        made = ORGANISATIONS.load(edge.organisation, Organisation).pack(
            matrix, weight_bits=MOST_WEIGHT_BITS, sizes=any_sizes(config))
        counts = made.counts(np.arange(len(matrix)))
        found = {
            "synapses": each.sum(axis=1), "word_ops": np.count_nonzero(each, axis=1),
            "partial_ops": np.count_nonzero(each % lanes, axis=1),
            "reads": counts["index_read"] + counts["bitmap_read"] + counts["weight_read"], "cycles": counts["interval"]}
        (x, y), (width, height) = edge.origin, source.shape[1:]
        return cls(**{name: array.reshape(*edge.extent, -1)[x:x + width, y:y + height].transpose(2, 0, 1)
                      for name, array in found.items()})

    def counts(self, outputs: Integers) -> EdgeCounts:
        """The work of one or more frames of the source, (..., D, W, H); a zero does not fire."""
        firing = (outputs != 0).reshape(-1, *outputs.shape[-3:]).sum(axis=0, dtype=np.int64)
        return EdgeCounts(events=int(firing.sum()), synapses=int((firing * self.synapses).sum()),
                          word_ops=int((firing * self.word_ops).sum()),
                          partial_ops=int((firing * self.partial_ops).sum()))


def edge_operations(
    edge: Edge, source: Population, destination: Population, config: CoreConfig
) -> EdgeOperations | LookUpOperations:
    """The work of an edge, however its synapses are stored."""
    if isinstance(edge, LookUpEdge):
        return LookUpOperations.of(edge, source, destination, config)
    return EdgeOperations.of(edge, source, destination, config)
