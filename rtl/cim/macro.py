"""The compute-in-memory macro: array, periphery and sequencer."""

from amaranth import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.macro import COLUMNS, ROWS, operation_layout, shape_layout
from golden.config import CoreConfig
from rtl.cim.array import CimArray, RowPort
from rtl.cim.groups import Groups
from rtl.cim.periphery import Periphery
from rtl.cim.sequencer import Sequencer
from rtl.words import struct


class CimMacro(wiring.Component):
    """An array that adds weights to potentials, groups of columns side by side: `golden.cim.macro`.

    Chauvaux et al., arXiv 2410.23082, section II. Two stages: a row of each operand is read; added and written back.

    Args:
        rows, columns: of the array, powers of two.

    Ports:
        shape: stream of shapes of groups (`golden.cim.macro.shape_layout`). One is taken when the macro is empty; the
            groups' ends are found in the `rtl.cim.groups.shape_steps` cycles after. While one is offered, no operation
            is taken: operations taken before are of the shape before.
        op: stream of operations (`golden.cim.macro.operation_layout`).
        spikes: of the last COMPARE, by column, each column of a group alike; 0 outside of its active columns.
        compared: they are new in this cycle.
        row: the array's rows (`rtl.cim.array.RowPort`), for use while `busy` is 0.
        busy: something is inside. It falls in the cycle after the last row is written, or with `compared`.
        working: a row cycle. active: its active columns.

    Latency: from an operation taken to its first row read 1 cycle, to the last row written a_rows + 1 cycles, twice
    a_rows if it saturates; to `compared` a_rows + 3. Throughput: one row of the potential per cycle, back to back,
    also on the same potential. A cycle is lost as `golden.cim.macro.loses_a_cycle` says: where a weight was just
    written as a potential, or has one row and comes right behind a COMPARE. Back-pressure: none but that.
    """

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS):
        self.rows, self.columns = rows, columns
        super().__init__({
            "shape": In(stream.Signature(struct(shape_layout(columns)))),
            "op": In(stream.Signature(struct(operation_layout(rows, columns)))),
            "spikes": Out(columns), "compared": Out(1), "row": In(RowPort(rows, columns)), "busy": Out(1),
            "working": Out(1), "active": Out(range(columns + 1)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, row = Module(), self.row
        m.submodules.array = array = CimArray(self.rows, self.columns)
        m.submodules.sequencer = sequencer = Sequencer(self.rows, self.columns)
        m.submodules.groups = groups = Groups(self.columns)
        m.submodules.periphery = periphery = Periphery(self.rows, self.columns)
        wiring.connect(m, wiring.flipped(self.shape), groups.shape)
        wiring.connect(m, wiring.flipped(self.op), sequencer.op)
        step = sequencer.step
        m.d.sync += [periphery.load.eq(row.write_data), periphery.load_mask.eq(row.write_mask)]
        m.d.comb += [
            groups.empty.eq(sequencer.empty & ~periphery.pending),
            sequencer.hold.eq(self.shape.valid | groups.busy),
            self.busy.eq(~sequencer.empty | periphery.pending | groups.busy),
            sequencer.write.eq(row.write & ~self.busy), sequencer.write_row.eq(row.write_row),
            sequencer.read_row.eq(row.read_row), row.read_data.eq(array.data_b),
            array.a.eq(sequencer.a), array.b.eq(sequencer.b),
            periphery.a.eq(array.data_a), periphery.b.eq(array.data_b), periphery.step.eq(step),
            periphery.lefts.eq(groups.lefts),
            array.write.eq(sequencer.writes), array.write_row.eq(step.row), array.write_data.eq(periphery.write_data),
            self.spikes.eq(periphery.spikes), self.compared.eq(periphery.compared),
            self.working.eq(step.valid), self.active.eq(Mux(step.valid, step.high - step.low, 0)),
        ]
        return m


def macro_of(config: CoreConfig) -> CimMacro:
    """The macro of a core."""
    return CimMacro(config.cim_rows, config.cim_columns)
