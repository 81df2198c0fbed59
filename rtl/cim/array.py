"""The array of the compute-in-memory macro, and its rows as those see them who load and store."""

from amaranth import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class RowPort(wiring.Signature):
    """The array's rows, as its user sees them while the macro is not busy.

    `read_data` holds row `read_row` in the cycle after, always. With `write` the columns of `write_mask` of row
    `write_row` become `write_data`: what reads that row two cycles later or after sees them, and so does an operation
    that is taken in the next cycle or later. Writes while the macro is busy are ignored.
    """

    def __init__(self, rows: int, columns: int):
        super().__init__({
            "read_row": Out(range(rows)), "read_data": In(columns), "write": Out(1), "write_row": Out(range(rows)),
            "write_data": Out(columns), "write_mask": Out(columns),
        })


class CimArray(wiring.Component):
    """Cells, of which two rows are read and one is written in each cycle. Replace this class by an SRAM macro.

    Rows are written whole: a write follows a read of the same row, whose other columns it keeps. So no column needs an
    enable of its own, which block RAMs of FPGAs do not have.

    Ports:
        a, b: rows to read. data_a, data_b: their cells, a cycle later; of a row that is written in the cycle of its
            read, the old ones or the new ones: nothing relies on either.
        write, write_row, write_data: a row is written; a read in the next cycle sees it.

    Nothing may rely on the initial contents, which are zeros here for repeatable simulation.
    Chauvaux et al., arXiv 2410.23082, section II; there the adders share the bit lines with the cells.
    """

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        super().__init__({
            "a": In(range(rows)), "b": In(range(rows)), "data_a": Out(columns), "data_b": Out(columns),
            "write": In(1), "write_row": In(range(rows)), "write_data": In(columns),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.cells = cells = memory.Memory(shape=self.columns, depth=self.rows, init=[])
        write = cells.write_port()
        for row, found in ((self.a, self.data_a), (self.b, self.data_b)):
            read = cells.read_port()
            m.d.comb += [read.en.eq(1), read.addr.eq(row), found.eq(read.data)]
        m.d.comb += [write.en.eq(self.write), write.addr.eq(self.write_row), write.data.eq(self.write_data)]
        return m
