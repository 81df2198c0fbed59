"""The sequencer of the compute-in-memory macro: operations become rows, one in each cycle."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.macro import Kind, operation_layout
from rtl.words import struct


def step_layout(rows: int, columns: int) -> data.StructLayout:
    """What the periphery does in a cycle with the two rows that were read in the cycle before."""
    column = (columns - 1).bit_length()
    return data.StructLayout({
        "valid": 1, "load": 1,  # a row cycle; or a row from outside
        "row": (rows - 1).bit_length(), "kind": 2, "low": column, "high": column + 1,
        "first": 1, "last": 1, "odd": 1,  # of the potential's rows
        "sign": 1, "above": 1,  # the weight's last row; above it
        "rewrite": 1,  # of what overflowed
        "again": 1,  # the row was written while it was read
    })


class Sequencer(wiring.Component):
    """Reads the rows of one operation after the other, and tells the periphery what they are.

    Chauvaux et al., arXiv 2410.23082, section II; the pipeline is this project's.

    Ports:
        op: stream of operations. hold: none may be taken.
        write, write_row: a row from outside is to be written, while not `busy`. read_row: one to be read then.
        a, b: rows to read in this cycle.
        step: what to do with the rows that were read in the cycle before (`step_layout`).
        writes: the row of `step` is written in this cycle.
        walking: an operation has rows to be read. empty: nor is one being added.

    Latency: the first row is read in the cycle after its operation was taken. Throughput: a row per cycle; a cycle is
    lost when the weight's row is being written, and when the sign of a weight of one row is needed right behind a
    COMPARE.
    """

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        super().__init__({
            "op": In(stream.Signature(struct(operation_layout(rows, columns)))), "hold": In(1), "write": In(1),
            "write_row": In(range(rows)), "read_row": In(range(rows)), "a": Out(range(rows)), "b": Out(range(rows)),
            "step": Out(step_layout(rows, columns)), "writes": Out(1), "walking": Out(1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, op, step = Module(), self.op, self.step
        now = Signal(op.payload.shape(), name="now")
        a, b, index = (Signal(range(self.rows), name=name) for name in ("row_a", "row_b", "index"))
        rewrite, last, above, waits, goes, done = (
            Signal(name=name) for name in ("rewrite", "last", "above", "waits", "goes", "done"))
        changes = (now.kind == Kind.ADD) | (now.kind == Kind.SUBTRACT)
        saturates, written = now.saturate & changes, self.writes & (step.row == b) & ~above
        # The periphery spreads either the spikes of the operation before, or the sign of this one's first row.
        spreads = step.valid & step.last & (step.kind == Kind.COMPARE)
        signed = (index == 0) & (now.b_rows == 0) & (saturates | ~last)
        m.d.comb += [
            last.eq(index == now.a_rows), above.eq(index > now.b_rows),
            waits.eq((written | (spreads & signed)) & ~rewrite & (now.kind != Kind.ZERO)),
            goes.eq(self.walking & ~waits), done.eq(goes & last & (rewrite | ~saturates)),
            op.ready.eq(~self.hold & (~self.walking | done)),
            self.a.eq(Mux(self.walking, a, self.write_row)), self.b.eq(Mux(self.walking, b, self.read_row)),
            self.writes.eq(step.load | (step.valid & (step.kind != Kind.COMPARE))),
            self.empty.eq(~self.walking & ~step.valid),
        ]
        with m.If(goes):
            m.d.sync += [index.eq(index + 1), a.eq(a + 1), b.eq(b + 1)]
        with m.If(goes & last):  # once more, if it is to be looked at what overflowed
            m.d.sync += [index.eq(0), a.eq(now.a), rewrite.eq(1)]
        with m.If(op.valid & op.ready):
            m.d.sync += [self.walking.eq(1), now.eq(op.payload), index.eq(0), a.eq(op.payload.a), b.eq(op.payload.b),
                         rewrite.eq(0)]
        with m.Elif(done):
            m.d.sync += self.walking.eq(0)

        m.d.sync += [
            step.valid.eq(goes), step.load.eq(self.write), step.row.eq(self.a), step.kind.eq(now.kind),
            step.low.eq(now.low), step.high.eq(now.high), step.first.eq(index == 0), step.last.eq(last),
            step.odd.eq(index[0]), step.sign.eq(index == now.b_rows), step.above.eq(above), step.rewrite.eq(rewrite),
            step.again.eq(self.writes & (step.row == self.a)),
        ]
        return m
