"""The memory ports of a core: who reads and writes its memory, and who goes before whom."""

from dataclasses import dataclass

from golden.widths import Widths

READ_LATENCY = 3
"""Cycles from an access to its word: the access waits in a register of its bank, the bank needs a cycle, and its word
waits in a register, which may be the bank's own."""


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
    shares: str = ""
    """The port whose access it shares: in a cycle, one of all that share it may access the memory, in any bank. For
    ports that seldom meet; each access costs a word wide choice among the banks."""


PORTS = (
    Port("write_back", 0, writes="new states of word operations"),
    Port("state", 10, reads="states that word operations update"),
    Port("weight", 20, reads="weights"),
    Port("descriptor", 30, reads="edge, geometry and kernel table words"),
    Port("axon", 40, reads="axon words", shares="descriptor"),
    Port("table", 45, reads="value tables, thresholds", shares="descriptor"),
    Port("evaluation", 50, reads="population, parameter and edge words, states that are evaluated",
         writes="states after their evaluation, cleared or kept", promoted=15),
    Port("host", 60, reads="what the host asks for", writes="what the host writes", shares="evaluation"),
)
"""Those of every event core. Priorities have gaps, where other organisations put ports of their own."""

EVALUATED = Port("evaluated", 47, writes="states after their evaluation, a word per cycle", promoted=14)
"""The evaluation's writes with `skip_silent`, beside its reads; counted as `evaluation_writes`."""

TABLE_PORTS = (
    Port("synapse", 25, reads="weights and entries of synapse tables"),
    Port("index", 35, reads="pointers and bitmaps of synapse tables", shares="descriptor"),
)
"""What a core with `organisations` has besides."""


def ports(config: Widths) -> tuple[Port, ...]:
    """Those of an event core."""
    return (*PORTS, *((EVALUATED,) if config.skip_silent else ()), *(TABLE_PORTS if config.organisations else ()))


def _accesses(ports: tuple[Port, ...]) -> dict[str, tuple[Port, bool]]:
    return {f"{port.name}_{direction}": (port, direction == "writes")
            for port in ports for direction in ("reads", "writes") if getattr(port, direction)}


ACCESSES = _accesses(PORTS)
"""The kinds of access of every core, by the name of their counter: the port, and whether it writes."""
TABLE_ACCESSES = _accesses(TABLE_PORTS)
"""Those of a core with `organisations` besides."""


def accesses(config: Widths) -> dict[str, tuple[Port, bool]]:
    """The kinds of access of a core."""
    return ACCESSES | TABLE_ACCESSES if config.organisations else ACCESSES
