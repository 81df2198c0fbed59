"""A host's accesses to the cores of a mesh: words of memory and registers, on a network of their own.

Events can block each other, and the host's accesses must get through whatever they do: to look at a core that hangs, to
stop it, to load it. So accesses share no queue with events.

An access first counts rows, down the west edge, then columns, along its row: one station a row at the edge, one station
in each node. What was read goes back the same way.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from golden import messages
from golden.config import CoreConfig
from golden.fields import Field, WordLayout
from golden.types import Place

HOP_BITS = 8
"""Bits of a column and of a row: accesses reach 256 × 256 nodes."""
COUNTS = ("row", "column")
"""What the stations of an access's way count, in this order; each is dropped where it is 0."""
OUTSTANDING = 15
"""Readings that a station lets pass before the first of them is answered. A core answers one in six cycles, and each
station of the way costs a reading two: cores behind up to 40 stations are read at full speed."""


class Node(Protocol):
    """What an access is for."""

    def access(self, fields: Mapping[str, int]) -> int | None:
        """Do an access (`golden.messages.request`); returns what was read, None of a write."""


def request(config: CoreConfig) -> WordLayout:
    """An access to a node: columns and rows that are left to it, and what its core gets (`golden.messages.request`).

    Columns count from the west, rows from the north; both from 0, where the access came in.
    """
    return WordLayout("mesh request", (
        Field("column", HOP_BITS), Field("row", HOP_BITS), *messages.request(config).fields))


def counted(config: CoreConfig, count: str) -> WordLayout:
    """An access as the stations that count `count` get it: without what has been counted before."""
    before = COUNTS[:COUNTS.index(count)]
    return WordLayout(f"{count} request", tuple(field for field in request(config).fields if field.name not in before))


def missing_answer(config: CoreConfig) -> int:
    """What is read of a node that is not there: all ones. A memory word may be that, too; STATUS never is."""
    return (1 << config.word_bits) - 1


class AccessNetwork:
    """The accesses of a mesh, one after another: nothing of the hardware can change their order.

    Readings are answered in the order in which they came in, whatever nodes they are for; writes to a node are done in
    order, before later accesses to it.

    Args:
        nodes: by place (column, row).

    Attributes:
        errors: accesses to nodes that are not there. Such a write is dropped, such a reading has `missing_answer`.
    """

    def __init__(self, config: CoreConfig, nodes: Mapping[Place, Node]):
        self.config, self.nodes = config, nodes
        self.layout = request(config)
        self.errors = 0

    def run(self, accesses: Iterable[int]) -> list[int]:
        """Do packed accesses; returns what is read, in order."""
        answers = []
        for word in accesses:
            fields = self.layout.unpack(word)
            node = self.nodes.get((fields.pop("column"), fields.pop("row")))
            if node is None:
                self.errors += 1
                answer = None if fields["write"] else missing_answer(self.config)
            else:
                answer = node.access(fields)
            if answer is not None:
                answers.append(answer)
        return answers
