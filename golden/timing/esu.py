"""The ESU event by event: when it takes one, and until when its word operations last.

`golden.timing.pipeline` has the ESU register by register. Of refused memory accesses this knows nothing.
"""

from collections import deque
from math import ceil

from golden.timing.microarchitecture import (
    ESU_LATENCY,
    OTHER_CYCLES,
    PHASES,
    STATE_LATENCY,
    TABLE_CYCLES,
    WRITE_DELAY,
)

READ_AHEAD = 4
"""Events that the ESU works on in front of the one whose operations it offers: a register and three beats."""
VAIN_CYCLES = 3 * PHASES + 1
"""Cycles that the ESU works on an event without operations: it goes no further than the beat for its geometry word."""
REFUSED = 0.9
"""Cycles that the read of a geometry or table word waits on average while there is an operation in every cycle, which
wants most of four banks; by replays of random events (`golden.timing.pipeline`)."""


class EventsOfEsu:
    """The events that an ESU is given, one after another."""

    def __init__(self) -> None:
        self.taken_up, self.edge, self.other, self.cycles = -2.0 * PHASES, -1, False, 0.0
        """When it took up the last event, which until then was in the register in front; its event ID; whether that was
        another one than before; and its operations."""
        self.begun = deque([0.0] * READ_AHEAD, READ_AHEAD)
        """When the operations of the last events began."""
        self.offers, self.written, self.idle = 0.0, 0, 0
        """After the last operation; after the last state written; and after the last event without operations."""
        self.busy = 0.0

    def take(self, offered: int, edge: int, cycles: float, table: bool = False) -> int:
        """In which cycle it takes an event, which is offered from a cycle on and has `cycles` of operations.

        Args:
            edge: its event ID. table: it has a table word.
        """
        taken = max(offered, ceil(self.taken_up))
        # What is read anew delays the event, or the one behind it.
        other, before = edge != self.edge, self.other
        beat = PHASES + (TABLE_CYCLES if table else OTHER_CYCLES if other or before else 0.0)
        if beat > PHASES and self.written > self.taken_up + PHASES:
            beat += REFUSED * (1 + table) * min(1.0, self.cycles / beat)
        self.other, self.cycles = other, cycles
        self.taken_up, self.edge = max(taken + 1, self.taken_up + beat, self.begun[0] - 1), edge
        if cycles:
            begin = max(self.taken_up + ESU_LATENCY - 1 + table, self.offers)
            self.offers = begin + cycles
            self.begun.append(begin)
            self.idle = self.written = ceil(self.offers) + STATE_LATENCY + WRITE_DELAY
        else:
            self.idle = max(self.idle, ceil(self.taken_up) + VAIN_CYCLES + table)
        self.busy += max(PHASES, cycles)
        return taken
