"""The cycles of the ESU and the neuron update, replayed register by register from the word operations alone.

What decides a cycle is which word operation is where and which memory bank it wants; values do not matter. The model
holds the valid bits, queue levels and addresses of the ESU, the neuron update and the memory, and no data.
"""

from dataclasses import dataclass, fields

import numpy as np

from golden.timing.microarchitecture import OPERATION_QUEUE, WEIGHT_REQUESTS, WEIGHT_WORDS
from golden.types import IntArray


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


def replay(work: OperationStream, banks: int) -> Cycles:
    """The cycles of events that an idle core is given without a pause; nothing else wants the memory.

    Names are those of the hardware's registers.
    """
    state, weight = work.state.tolist(), work.weight.tolist()
    counts, edge, geometry, table = (
        array.tolist() for array in (work.operations, work.edge, work.geometry, work.table))
    events, mask = len(counts), banks - 1
    # ESU: the event of each stage, -1 for none; phase of the beat.
    waiting = present = in_range = starting = begun = -1
    taken_event, phase, offered = -1, 3, 0
    read = table_done = valid = held = False
    at, left = -1, 0  # the operation offered; operations of its event that follow
    # Neuron update: operations pushed and loaded so far, weight words pushed, asked for, there and used.
    pushed = loaded = requested = asked = arrived = used = 0
    fresh = bytearray(len(state))
    requests: list[int] = []
    arriving, previous = False, -1
    head = product = addend = sums = kept = -1  # state addresses in the pipeline
    busy = stall_bank = stall_hazard = stall_weight = 0
    while True:
        neuron_busy = pushed != loaded or head >= 0 or product >= 0 or addend >= 0 or sums >= 0 or kept >= 0
        pending = waiting >= 0 or present >= 0 or in_range >= 0 or starting >= 0
        if pending or neuron_busy or valid or begun >= 0 or offered < events:
            busy += 1
        else:
            break

        # Memory: write-back, state, weight, in this order. The read goes before a write that can wait.
        issue = False
        head_bank = write_bank = weight_bank = -1
        both = kept >= 0 and sums >= 0
        if kept >= 0:
            write_bank = kept & mask
        elif sums >= 0:
            write_bank = sums & mask
        keep = False
        if head >= 0:
            if head == product or head == addend or head == sums or head == kept:
                stall_hazard += 1
            else:
                head_bank = head & mask
                if write_bank == head_bank:
                    keep = not both
                    issue = keep
                else:
                    issue = True
                stall_bank += not issue
        if keep:
            write_bank = -1
        request = False
        if requested != asked and asked - used != WEIGHT_WORDS:
            weight_bank = requests[asked] & mask
            request = weight_bank != write_bank and weight_bank != head_bank

        # The walk offers an operation, the queue of operations takes it.
        ready = pushed - loaded != OPERATION_QUEUE and requested - asked != WEIGHT_REQUESTS
        front = pushed != loaded and (not fresh[loaded] or arrived != used)
        stall_weight += pushed != loaded and not front and head < 0
        load = front and (head < 0 or issue)
        take = valid and ready
        walk = not valid or ready
        begin = walk and left == 0 and begun >= 0

        # The descriptor's reads are refused where another one wants the bank; the beat waits for them.
        stall = accepted = False
        if phase == 0 or phase == 2:
            if read:
                bank = (geometry if phase else edge)[taken_event] & mask
                stall = bank == write_bank or bank == head_bank or bank == weight_bank
        elif phase == 3 and present >= 0 and table[present] >= 0 and not table_done:
            bank = table[present] & mask
            stall = bank == write_bank or bank == head_bank or bank == weight_bank
            accepted = not stall
        step = not (stall or (phase == 3 and ((starting >= 0 and begun >= 0 and not begin) or not pending)))
        advance = step and phase == 3

        # Next cycle. Neuron update:
        if issue:
            following = head
        else:
            following = -1
        if sums >= 0:
            kept = sums if both or keep else -1
        elif not keep:
            kept = -1
        sums, addend, product = addend, product, following
        if issue:
            head = -1
        arrived += arriving
        arriving = request
        asked += request
        if load:
            head = state[loaded]
            used += fresh[loaded]
            loaded += 1
        if take:
            if weight[at] != previous or not neuron_busy:
                fresh[at] = 1
                requests.append(weight[at])
                requested += 1
            previous = weight[at]
            pushed += 1
        # ESU: the walk,
        if walk:
            if left:
                left -= 1
                at += 1
            elif begun >= 0:
                left = counts[begun] - 1
                at += 1
                valid = True
            else:
                valid = False
        if begin:
            begun = -1
        # its stages,
        table_done = (table_done or accepted) and not advance
        if advance:
            if starting >= 0:
                begun = starting
            starting, in_range = in_range, present
            present, read = -1, False
            if waiting >= 0:
                present = waiting
                read = not (held and edge[taken_event] == edge[waiting] and table[taken_event] < 0)
                taken_event, held = waiting, True
        elif step and phase == 0 and starting >= 0 and not counts[starting]:
            starting = -1
        if step:
            phase = phase + 1 & 3
        # and the next event.
        if waiting < 0:
            if offered < events:
                waiting = offered
                offered += 1
        elif advance:
            waiting = -1
    return Cycles(busy, stall_bank, stall_hazard, stall_weight)
