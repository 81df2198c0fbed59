"""Which operands are in the array: slots by the low bits of an operand's number, whose last visitor stays.

Loads and stores follow from the order of the visits alone.
"""

import numpy as np
import numpy.typing as npt

from golden.types import IntArray

NOBODY = -1


class Slots:
    """The slots of a layer's potentials or weights.

    Attributes:
        held: operand in each slot, or NOBODY. dirty: it is not in memory as it is here.
    """

    def __init__(self, slot_bits: int):
        self.held = np.full(1 << slot_bits, NOBODY, np.int64)
        self.dirty = np.zeros(1 << slot_bits, bool)

    def forget(self) -> None:
        """As after a reset."""
        self.held[:] = NOBODY
        self.dirty[:] = False

    def visit_all(self, operands: IntArray, writes: npt.ArrayLike) -> tuple[IntArray, IntArray]:
        """Operands used one after the other: those that are loaded, and those that are stored, in no order."""
        if not len(operands):
            return operands, operands
        slots = operands & len(self.held) - 1
        order = np.argsort(slots, kind="stable")
        slots, operands = slots[order], operands[order]
        writes = np.broadcast_to(np.asarray(writes, bool), len(order))[order]
        first = np.diff(slots, prepend=-1) != 0
        before = np.where(first, self.held[slots], np.roll(operands, 1))
        loaded = before != operands
        # Visits of a slot until the next load are a stay; the first stay goes on with what the slot held.
        starts = np.flatnonzero(loaded | first)
        dirty = np.logical_or.reduceat(writes, starts)
        dirty |= ~loaded[starts] & self.dirty[slots[starts]]
        left = np.where(first[starts], self.dirty[slots[starts]], np.roll(dirty, 1))
        stored = before[starts][loaded[starts] & left]
        last = np.flatnonzero(np.diff(slots, append=len(self.held)) != 0)
        self.held[slots[last]] = operands[last]
        self.dirty[slots[last]] = dirty[np.searchsorted(starts, last, "right") - 1]
        return operands[loaded], stored

    def flush(self) -> IntArray:
        """The dirty operands, by slot; all are forgotten."""
        found = self.held[self.dirty]
        self.forget()
        return found
