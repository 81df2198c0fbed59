"""The decoder of a core with synapse tables: the ESU beside the lookup, which takes the events of the last IDs."""

from collections.abc import Callable

from golden.config import CoreConfig
from golden.synapse.esu import LOW_64, Esu, ValueEvent, WordOperation
from golden.synapse.gather import GatheredOperation
from golden.synapse.lookup import Lookup
from golden.types import Memory
from golden.words import EdgeKind, layouts


def first_extended(config: CoreConfig, word: Callable[[int], int], edges: int, populations: int) -> int:
    """The first ID whose edge is of kind EXTENDED, as the scheduler finds it when the core starts; else `edges`.

    Args:
        word: gives the memory word at an address.

    Events of it and of the IDs behind it are looked up. The scheduler of a core without populations reads no edges.
    """
    if not config.organisations or not populations:
        return edges
    edge = layouts(config).edge
    return next((identity for identity in range(edges) if edge.unpack(
        word((2 * populations + identity) % config.memory_words) & LOW_64)["kind"] == EdgeKind.EXTENDED), edges)


class Mixed:
    """Both units on one memory.

    Attributes:
        first_extended: the first ID whose events are looked up.
    """

    def __init__(self, config: CoreConfig, memory: Memory, edges: int, populations: int):
        self.esu = Esu(config, memory, edges, populations)
        self.lookup = Lookup(config, memory, populations)
        self.first_extended = edges

    @property
    def dropped(self) -> dict[str, int]:
        """Events dropped so far, and other errors, by their counters."""
        found = {"unknown_id": self.esu.unknown_id,
                 "unknown_channel": self.esu.unknown_channel + self.lookup.unknown_channel}
        return found | ({"table_error": self.lookup.table_error} if self.esu.config.organisations else {})

    @property
    def accesses(self) -> dict[str, int]:
        """Words read from tables so far, by their counters."""
        return {"index_reads": self.lookup.index_reads, "synapse_reads": self.lookup.synapse_reads}

    def expand(self, event: ValueEvent) -> list[WordOperation] | list[GatheredOperation]:
        """The operations of one event, literally; none if it is dropped."""
        looked_up = self.first_extended <= event.id < self.esu.edges
        return self.lookup.expand(event) if looked_up else self.esu.expand(event)
