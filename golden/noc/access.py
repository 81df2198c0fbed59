"""A host's accesses to the cores of a mesh: words of memory and registers, on a network of their own.

Events can block each other, and the host's accesses must get through whatever they do: to look at a core that hangs, to
stop it, to load it. So accesses share no queue with events.
"""

from golden import messages
from golden.config import CoreConfig
from golden.words import Field, WordLayout

HOP_BITS = 8
"""Bits of a column and of a row: accesses reach 256 × 256 nodes."""


def request(config: CoreConfig) -> WordLayout:
    """An access to a node: columns and rows that are left to it, and what its core gets (`golden.messages.request`).

    Columns count from the west, rows from the north; both from 0, where the access came in.
    """
    return WordLayout("mesh request", (
        Field("column", HOP_BITS), Field("row", HOP_BITS), *messages.request(config).fields))
