"""The memory ports of a core: who reads and writes its memory, and who goes before whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """One requester of the memory."""

    name: str
    priority: int
    """Lower goes first."""
    reads: str = ""
    """What it reads; empty if it never does."""
    writes: str = ""
    """What it writes; empty if it never does."""
    promoted: int | None = None
    """The priority that it is lifted to when it has waited long."""
    latency: int = 1
    """Cycles from an access to its word: 2 if a register behind the banks holds it, as for requesters that need all of
    a cycle for what they do with it; with 1 they put it into a register themselves, before anything else."""


PORTS = (
    Port("write_back", 0, writes="new states of word operations"),
    Port("state", 10, reads="states that word operations update"),
    Port("weight", 20, reads="weights", latency=2),
    Port("descriptor", 30, reads="edge, geometry and kernel table words"),
    Port("axon", 40, reads="axon words and value tables", latency=2),
    Port("evaluation", 50, reads="population, parameter and edge words, states that are evaluated",
         writes="states after their evaluation, cleared or kept", promoted=15, latency=2),
    Port("host", 60, reads="what the host asks for", writes="what the host writes", latency=2),
)
"""Those of the event core. Priorities have gaps, where other organisations put ports of their own."""

LATENCIES = {port.name: port.latency for port in PORTS if port.reads}

ACCESSES: dict[str, tuple[Port, bool]] = {
    f"{port.name}_{direction}": (port, direction == "writes")
    for port in PORTS for direction in ("reads", "writes") if getattr(port, direction)
}
"""The kinds of access, by the name of their counter: the port, and whether it writes."""
