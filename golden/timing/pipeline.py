"""The cycles of the ESU and the neuron update, replayed register by register from the word operations alone.

What decides a cycle is which word operation is where and which memory bank it wants; values do not matter. The model
holds the valid bits, queue levels and addresses of the ESU, the neuron update and the memory, and no data.
"""

from collections.abc import Generator
from dataclasses import dataclass, fields

import numpy as np

from golden.errors import ConfigError
from golden.timing.microarchitecture import OPERATION_QUEUE, PHASES, WEIGHT_REQUESTS, WEIGHT_WORDS
from golden.types import IntArray
from golden.widths import Widths


def require_replay(config: Widths) -> None:
    """Check that the cycle model has the update unit of a configuration.

    Raises:
        ConfigError: it has not.
    """
    if config.update != "neuron":
        raise ConfigError(f"configuration field 'update' = {config.update}: its cycles are not replayed; the counter "
                          "cim_cycles of the golden core has those in which its array works")


@dataclass(frozen=True, kw_only=True)
class OperationStream:
    """A run of events, one after another, and their word operations in order; all arrays are addresses or counts."""

    operations: IntArray
    """Word operations of each event; 0 for one sent in vain."""
    edge: IntArray
    """Address of each event's edge word, which is read, and the geometry word with it, when it changes."""
    geometry: IntArray
    """Address of each event's geometry word."""
    table: IntArray
    """Address of each event's kernel table word, or -1."""
    single: IntArray
    """1 for an event that another one with the same words may follow in the next cycle: with `short_events`, if its
    kernel is 1×1 and not of a table. Else 0."""
    state: IntArray
    """State word of each operation."""
    weight: IntArray
    """Weight word of each operation."""

    @classmethod
    def join(cls, parts: "list[OperationStream]") -> "OperationStream":
        """One run after another."""
        return cls(**{field.name: np.concatenate([getattr(part, field.name) for part in parts])
                      for field in fields(cls)})


@dataclass(frozen=True)
class Cycles:
    """What the performance counters would say."""

    busy: int
    """Cycles with the ESU or the neuron update at work, from the first event offered to the last state written."""
    stall_bank: int
    stall_hazard: int
    stall_weight: int
    weight_reads: int
    """Weight words read: one for all operations in a row that share it, if the neuron update is not idle in between."""
    descriptor_reads: int
    """Edge, geometry and table words read: edge and geometry of an event whose ID is not that of the one before."""
    forwarded: int = 0
    """Operations that neither read their state nor have the one before write it (`forward_states`)."""


def descriptor_reads(work: OperationStream) -> int:
    """Descriptor words that the ESU reads for events without a pause: it keeps those of one ID, if it has no table."""
    tables = work.table >= 0
    kept = (work.edge[1:] == work.edge[:-1]) & ~tables[:-1]
    return 2 * (len(tables) - int(kept.sum())) + int(tables.sum())


def replay(work: OperationStream, banks: int, forward: int = 0) -> Cycles:
    """The cycles of events that an idle core is given without a pause; nothing else wants the memory.

    Names are those of the hardware's registers. The ESU is a generator, as local variables are fast. `forward` is the
    configuration's `forward_states`.
    """
    state, weight, mask = work.state.tolist(), work.weight.tolist(), banks - 1
    esu = operations_offered(work, mask)
    # Operations pushed, at the front, loaded and written; weight words pushed, at the front, asked for, there and used.
    pushed = moved = loaded = written = requested = first = asked = arrived = used = 0
    fresh = bytearray(len(state))
    requests: list[int] = []
    coming, arriving, here, direct, previous = False, False, False, False, -1
    head = product = addend = sums = kept = -1  # state addresses in the pipeline
    # The address that was at its head last; operations that went without a read; whether the one in `product` did.
    read, forwarded, follows = 0, 0, False
    busy = stall_bank = stall_hazard = stall_weight = 0
    esu_busy, valid = next(esu)
    while True:
        neuron_busy = pushed != written
        if not (esu_busy or neuron_busy):
            # All weights that were requested have been read, as their operations are done.
            return Cycles(busy, stall_bank, stall_hazard, stall_weight, asked, descriptor_reads(work), forwarded)
        busy += 1

        # Memory: write-back, state, weight, in this order. The read goes before a write that can wait.
        issue = keep = request = False
        head_bank, weight_bank, both, after = -1, -1, kept >= 0 and sums >= 0, -1
        write_bank = kept & mask if kept >= 0 and not direct else sums & mask if sums >= 0 else -1
        if forward and 0 <= head == product:
            issue = True
        elif head >= 0:
            if head == product or head == addend or head == sums or head == kept:
                stall_hazard += 1
            else:
                head_bank = head & mask
                keep = write_bank == head_bank and not both
                issue = keep or write_bank != head_bank
                stall_bank += not issue
        write_bank = -1 if keep else write_bank
        written += write_bank >= 0
        if first != asked and asked - used != WEIGHT_WORDS:
            request = (weight_bank := requests[asked] & mask) not in (write_bank, head_bank)

        # The queues in front: the ESU offers an operation if `valid`.
        ready = pushed - moved != OPERATION_QUEUE - 1 and requested - first != WEIGHT_REQUESTS - 1
        front = moved != loaded
        if front and fresh[loaded] and arrived == used:
            front, stall_weight = False, stall_weight + (head < 0)

        # Next cycle.
        if not direct:  # else what was kept stays
            kept = sums if both or (keep and sums >= 0) else kept if keep else -1
        if follows:  # the write of the one before is its own
            addend, written = -1, written + 1
        follows = issue and head_bank < 0
        forwarded += follows
        sums, addend, product = addend, product, head if issue else -1
        arrived += here
        here, arriving, coming = arriving, coming, request
        first += requested != first and (first == asked or request)
        asked += request
        move = pushed != moved and moved == loaded
        if front and (head < 0 or issue):
            head = read = state[loaded]
            used += fresh[loaded]
            loaded += 1
            if move := pushed != moved:
                after = state[loaded] & mask
        elif issue:
            head = -1
        direct = kept >= 0 and sums >= 0 and passes(sums & mask, kept & mask, read & mask, after)
        moved += move
        if valid and ready:
            if weight[pushed] != previous or not neuron_busy:
                fresh[pushed], requested = 1, requested + 1
                requests.append(weight[pushed])
            previous = weight[pushed]
            pushed += 1
        esu_busy, valid = esu.send((ready, (write_bank, head_bank, weight_bank)))


def passes(sums: int, kept: int, read: int, after: int) -> bool:
    """Whether of two writes the newer one goes first: its bank is not read in this cycle, and that of the one held back
    is, or its own is read after that, if it is known what is (else -1). All are banks."""
    return sums != read and (kept == read or sums == after != kept)


def operations_offered(
    work: OperationStream, mask: int,
) -> Generator[tuple[bool, bool], tuple[bool, tuple[int, int, int]], None]:
    """The ESU, cycle by cycle; names are those of the hardware's registers.

    Yields whether it is busy, and whether it offers an operation; takes whether the neuron update is ready for one, and
    the banks that others use in the cycle.
    """
    counts, edge, geometry, table, single = (
        array.tolist() for array in (work.operations, work.edge, work.geometry, work.table, work.single))
    events = len(counts)
    # The event of each stage, -1 for none; phase of the beat. Without `short_events` the hardware has two stages, which
    # hold an event for a beat: here it goes through four for each.
    waiting = present = begun = -1
    stages = [-1] * (2 * PHASES)
    taken_event, descriptor, phase, offered = -1, -1, PHASES - 1, 0
    # The reads of the event that was taken last: what of its edge word, whether another one is asked for, or comes.
    missing = edge_comes = edge_nears = got_edge = asks_geometry = asks_table = comes = nears = late = awaited = False
    valid = held = follows = going = False
    left = 0  # operations that follow the one offered in its event
    while True:
        pending = waiting >= 0 or present >= 0 or max(stages) >= 0
        ready, banks = yield pending or valid or begun >= 0 or offered < events, valid
        full = begun >= 0
        if not valid or ready:  # the walk goes on
            if left:
                left -= 1
            elif full:
                left, valid, full = counts[begun] - 1, True, False
            else:
                valid = False
        if not full:
            begun = -1

        # A phase waits for the words read, and for the place of the last stage, whose event may begin in this cycle.
        step = not (full and stages[-1] >= 0)
        if phase == 1:
            step = step and not (awaited and late)
        elif phase == PHASES - 1:
            step = step and going and not missing
        enters = follows or (phase == PHASES - 1 and max(stages[:PHASES - 1]) < 0)
        moves = step and (enters or present < 0)
        going = pending or offered < events

        # The descriptor's reads are refused where another one wants the bank.
        awaited = (awaited and late) or (step and phase == PHASES - 1 and enters and present >= 0 and not follows)
        late = got_edge or asks_geometry or asks_table or comes or nears
        asks_edge, came = missing and not (edge_comes or edge_nears or got_edge), got_edge
        got_edge, edge_nears, edge_comes, nears, comes = edge_nears, edge_comes, False, comes, False
        if asks_geometry or asks_table:
            comes = (geometry if asks_geometry else table)[descriptor] & mask not in banks
            asks_table = comes and table[descriptor] >= 0 if asks_geometry else not comes
            asks_geometry = asks_geometry and not comes
        elif asks_edge:
            edge_comes = edge[taken_event] & mask not in banks
        if came:
            asks_geometry, missing, descriptor = True, False, taken_event

        if step:
            if stages[-1] >= 0:
                begun = stages[-1]
            stages.insert(0, present if enters else -1)
            stages.pop()
            if stages[PHASES + 1] >= 0 and not counts[stages[PHASES + 1]]:
                stages[PHASES + 1] = -1
            phase = (phase + 1) % PHASES
        # The next event.
        free = waiting < 0 or moves
        if moves:
            present = waiting
            if waiting >= 0:
                again = held and edge[taken_event] == edge[waiting] and table[taken_event] < 0
                missing, follows = not again, again and single[taken_event] > 0
                taken_event, held = waiting, True
        if free:
            waiting = -1
            if offered < events:
                waiting = offered
                offered += 1
