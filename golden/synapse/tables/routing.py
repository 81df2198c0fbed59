"""The source side of the hierarchical look-up table: of each neuron the cores that it leads to, one event for each.

At the destination the event's tag is a row of a table of compressed rows, which holds the synapses. Bamberg et al.,
arXiv 2112.07019, section 3.2.2.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables.source import (
    AXIS_BITS,
    CORE_BITS,
    NEURON_BITS,
    TARGET_BITS,
    SourceTable,
    entry_layout,
)
from golden.types import Fields, IntArray, Pair
from golden.words import KIND_BITS, EventKind, Field, WordLayout, layouts

ID_BITS = 8
"""The edge's ID in the destination core."""


class Routing(SourceTable):
    """Entries of core, edge and tag."""

    name = "routing"
    entry = entry_layout("route", "tag", Field("id", ID_BITS))

    @staticmethod
    def event_layout(sizes: Sizes) -> WordLayout:
        return WordLayout("tagged event", (
            Field("v", sizes.value_bits, signed=True), Field("tag", TARGET_BITS), Field("id", ID_BITS),
            Field("kind", KIND_BITS), Field("core_y", AXIS_BITS, signed=True), Field("core_x", AXIS_BITS, signed=True)))

    def events(self, entries: dict[str, IntArray], value: int, end: int) -> dict[str, IntArray]:
        like = np.zeros_like(entries["tag"])
        return entries | {"v": like + (0 if end else value), "kind": like + (EventKind.END if end else EventKind.VALUE)}

    def storage_bits(self) -> dict[str, int]:
        """A neuron and a core each: the destination's table has the synapses."""
        return {"entries": self.entries * (NEURON_BITS + CORE_BITS)}

    @classmethod
    def of(cls, matrix: npt.ArrayLike, parts: npt.ArrayLike, cores: Sequence[Pair], ids: Sequence[int], *,
           sizes: Sizes, index_base: int = 0, entry_base: int = 0) -> Self:
        """Of a matrix whose destinations are spread over cores; the tag is the source neuron, in every core.

        Args:
            matrix: (inputs, outputs).
            parts: (outputs,): which of the cores each destination is in.
            cores, ids: place of each core relative to the source, and the edge's ID there.
        """
        part, leads = np.asarray(parts), np.asarray(matrix) != 0
        reached = np.stack([leads[:, part == core].any(axis=1) for core in range(len(cores))], axis=1)
        neurons, core = np.nonzero(reached)
        place, identity = np.array(cores, np.int64).reshape(-1, 2), np.array(ids, np.int64)
        every = np.flatnonzero(reached.any(axis=0))
        return cls.pack(
            reached.sum(axis=1),
            {"tag": neurons, "id": identity[core], "core_x": place[core, 0], "core_y": place[core, 1]},
            {"tag": 0 * every, "id": identity[every], "core_x": place[every, 0], "core_y": place[every, 1]},
            sizes=sizes, index_base=index_base, entry_base=entry_base)


def event_word(config: CoreConfig, event: Fields) -> int:
    """The event as a word of the network: the tag's low bits in c, the rest in y, so that a table's header with
    y_stride 2**channel_bits gives the row.

    Raises:
        ConfigError: the tag does not fit.
        FieldRangeError: another field does not.
    """
    if config.channel_bits + config.offset_bits - 1 < TARGET_BITS:
        raise ConfigError(f"{config.name}: a tag of {TARGET_BITS} bits does not fit c and y of an event: raise "
                          "channel_bits or offset_bits")
    y, c = divmod(event["tag"], 1 << config.channel_bits)
    same = {name: event[name] for name in ("v", "id", "kind", "core_x", "core_y")}
    return layouts(config).event.pack(same, x=0, y=y, c=c)
