"""The memory ports of a core: who reads and writes its memory, and who goes before whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """One requester of the memory."""

    name: str
    priority: int
    """Lower goes first."""
    reads: bool
    writes: bool
    meaning: str
    promoted: int | None = None
    """The priority that it is lifted to when it has waited long."""


PORTS = (
    Port("write_back", 0, reads=False, writes=True, meaning="new states of word operations"),
    Port("state", 10, reads=True, writes=False, meaning="states that word operations update"),
    Port("weight", 20, reads=True, writes=False, meaning="weights"),
    Port("descriptor", 30, reads=True, writes=False, meaning="edge, geometry and kernel table words"),
    Port("axon", 40, reads=True, writes=False, meaning="axon words"),
    Port("evaluation", 50, reads=True, writes=True, promoted=15,
         meaning="population and parameter words, value tables, states that are evaluated, and their writing"),
    Port("host", 60, reads=True, writes=True, meaning="words that the host reads and writes"),
)
"""Those of the event core. Priorities have gaps, where other organisations put ports of their own."""
