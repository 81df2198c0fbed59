"""The host's registers: addresses, bits, and the performance counters in the order of their addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from golden.cim.layer import LAYER_WORDS
from golden.ports import ACCESSES, TABLE_ACCESSES, Port
from golden.widths import Widths


class Register:
    """Addresses of the host registers; the counters follow from COUNTER_BASE in the order of `counters`."""

    CONTROL = 0
    """Bits of `Control`; 0 after a reset."""
    EDGES = 1
    POPULATIONS = 2
    STATUS = 3
    """Bits of `Status`; read only."""
    CLEAR = 4
    """A write clears all counters; nothing else but a reset does."""
    COUNTER_BASE = 16


class Control:
    """Bits of the register CONTROL."""

    RUN = 1
    """Clearing it stops the core: all but the output queue is as after a reset, and stays so until it is set."""
    DISCARD = 2
    """While RUN is 0, events at the input are taken and dropped; without it they are not taken."""
    FLUSH = 4
    """With update "cim" only: potentials in the array go back to memory, and the array forgets all operands. It clears
    itself; STATUS is not IDLE until it is done. A host writes it, beside RUN, before it reads or writes memory behind
    the array, and before it stops the core, which else loses what the memory does not have yet."""


class Status:
    """Bits of the register STATUS."""

    READY = 1
    """Running, and ready for events: all population words are read."""
    IDLE = 2
    """Nothing in any queue or pipeline; if running, ready and no population being evaluated."""
    PARTIAL = 4
    """A population has some of its ends of timestep, and waits for the others."""
    UNPAID = 8
    """A population has all its ends, and waits for credits."""


@dataclass(frozen=True)
class Bit:
    """One bit of a register."""

    name: str
    mask: int
    meaning: str


@dataclass(frozen=True)
class HostRegister:
    """A register as an integrator sees it; `access` is rw, r or w."""

    name: str
    address: int
    access: str
    meaning: str
    bits: tuple[Bit, ...] = ()


REGISTERS = (
    HostRegister("CONTROL", Register.CONTROL, "rw", "starts and stops the core; 0 after a reset", (
        Bit("RUN", Control.RUN, "0 stops the core: what it holds is dropped, as by a reset; 1 starts it"),
        Bit("DISCARD", Control.DISCARD, "while RUN is 0, events at the input are taken and dropped"))),
    HostRegister("EDGES", Register.EDGES, "rw", "event IDs of the image; written while stopped"),
    HostRegister("POPULATIONS", Register.POPULATIONS, "rw", "populations of the image; written while stopped"),
    HostRegister("STATUS", Register.STATUS, "r", "what the core is doing", (
        Bit("READY", Status.READY, "running, and all population words are read: frames may come"),
        Bit("IDLE", Status.IDLE, "nothing in any queue or pipeline; if running, no evaluation either"),
        Bit("PARTIAL", Status.PARTIAL, "a population has some of its ENDs, and waits for the others"),
        Bit("UNPAID", Status.UNPAID, "a population has all its ENDs, and waits for CREDITs"))),
    HostRegister("CLEAR", Register.CLEAR, "w", "any write sets all counters to 0"),
)
"""All registers but the counters."""

FLUSH_BIT = Bit("FLUSH", Control.FLUSH, "with RUN at 1: potentials in the array go back to memory; clears itself, and "
                "IDLE is 0 until it is done")


def host_registers(config: Widths) -> tuple[HostRegister, ...]:
    """The registers of a core."""
    if config.update != "cim":
        return REGISTERS
    return tuple(replace(item, bits=(*item.bits, FLUSH_BIT)) if item.address == Register.CONTROL else item
                 for item in REGISTERS)


COUNTERS: dict[str, str] = {
    "cycles": "clock cycles while running",
    "busy": "cycles in which the ESU or the neuron update has work",
    "values_in": "value events taken from the input",
    "values_local": "value events taken from the core's own populations",
    "values_out": "value events sent to other cores",
    "ends": "ends of timestep taken",
    "word_ops": "word operations done (up to `lanes` synaptic operations each)",
    "synapses": "synaptic operations done (SOP)",
    "stall_bank": "cycles an operation waited for a memory bank",
    "stall_hazard": "cycles an operation waited for an earlier write to the same word",
    "stall_weight": "cycles an operation waited for its weights",
    "neurons_fired": "neurons fired",
    "stall_fire": "cycles a firing neuron waited for the PEG",
    "unknown_id": "events dropped: no edge has this ID",
    "unknown_channel": "events dropped: the edge has no such source channel, or its kind is not of this core",
    "address_error": "word operations dropped: state address outside the memory",
    "protocol_error": "ends and credits that nobody waits for and kinds that are none, which are dropped; "
                      "values for a population that has all its ends",
    "overflow": "events lost in a full queue: always 0",
}
"""Name and meaning of the counters that every core has, in the order of the host's addresses."""

ERRORS = ("unknown_id", "unknown_channel", "address_error", "protocol_error", "overflow")
"""Those of them that stay 0 unless something is wrong: an image, an event, a placement."""

TABLE_COUNTERS: dict[str, str] = {
    "table_error": "events, rows or synapses of tables dropped: what lies in memory, or the event, is of no neuron",
}
"""Those behind them in a core with `organisations`; an error, too."""

CIM_COUNTERS: dict[str, str] = {
    "cim_cycles": "row cycles of the compute-in-memory array",
    "column_ops": "active columns of these cycles, added up",
    "idle_column_ops": "the other columns of these cycles, added up",
    "operand_loads": "operands brought from memory into the array: potentials, weights, thresholds",
    "operand_stores": "potentials brought back to memory",
}
"""Those behind them in a core with the update "cim". Every one is a matter of the work and of its order alone."""


def _meanings(accesses: dict[str, tuple[Port, bool]]) -> dict[str, str]:
    return {name: f"words written: {port.writes}" if writes else f"words read: {port.reads}"
            for name, (port, writes) in accesses.items()}


ACCESS_COUNTERS = _meanings(ACCESSES)
"""Those behind them with `access_counters`: accesses that the memory granted, by port and direction."""
TABLE_ACCESS_COUNTERS = _meanings(TABLE_ACCESSES)
"""And with `organisations`, too, the last ones."""

TIMED = ("cycles", "busy", "stall_bank", "stall_hazard", "stall_weight", "stall_fire", "overflow",
         "weight_reads", "descriptor_reads", "host_reads", "host_writes")
"""Counters that depend on cycles, queues and the host, which the model of the core (`golden.core`) does not have.

Weights and descriptors are kept while a unit is busy, so their reads depend on when events come. `golden.timing` has
them, and the cycles, for a layer whose events come without a pause."""


def timed(config: Widths) -> tuple[str, ...]:
    """TIMED, and with `forward_states` the accesses to states: which of them are saved is a matter of cycles, too.

    With `skip_silent` also the evaluation's writes: the model of the core does not say which states stay. With update
    "cim" the words of weights are no matter of cycles: the array holds them until their slot is taken.
    """
    return (*(name for name in TIMED if name != "weight_reads" or config.update != "cim"),
            *(("state_reads", "write_back_writes") if config.forward_states else ()),
            *(("evaluation_writes",) if config.skip_silent else ()))


def counters(config: Widths) -> dict[str, str]:
    """Name and meaning of the counters of a core, in the order of the host's addresses."""
    of_tables = bool(config.organisations)
    return (COUNTERS | (TABLE_COUNTERS if of_tables else {}) | (CIM_COUNTERS if config.update == "cim" else {})
            | (ACCESS_COUNTERS if config.access_counters else {})
            | (TABLE_ACCESS_COUNTERS if config.access_counters and of_tables else {}))


def differing(config: Widths, wanted: Mapping[str, int], found: Mapping[str, int], populations: int) -> list[str]:
    """What counters of the hardware are not as the golden core has them, which it has but those of `timed`.

    With an array and several populations the words of layers among `weight_reads` are left out: when the register of
    layers changes is a matter of the order in which events of different populations come.
    """
    layers = {"weight_reads"} if config.update == "cim" and populations > 1 else set()
    return [f"counter {name}: {found[name]}, golden {value}" for name, value in wanted.items()
            if found[name] != value and not (name in layers and (found[name] - value) % LAYER_WORDS == 0)]


def errors(config: Widths) -> tuple[str, ...]:
    """Counters of a core that stay 0 unless something is wrong."""
    return (*ERRORS, *(TABLE_COUNTERS if config.organisations else ()))
