"""Operands on their way between memory and the compute-in-memory array."""

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from rtl.cim.merge_shift import MergeShift, columns_below
from rtl.ports import ReadPort, WritePort
from rtl.words import struct

WORDS = READ_LATENCY + 2
"""Words that are on their way or wait: as many as come until the place of the first one is free again."""


class RowPort(wiring.Signature):
    """The array's rows, as its user sees them while the macro is not busy.

    `read_data` holds row `read_row` in the cycle after, always. With `write` the columns of `write_mask` of row
    `write_row` become `write_data`, which a read in the next cycle sees.
    """

    def __init__(self, rows: int, columns: int):
        super().__init__({
            "read_row": Out(range(rows)), "read_data": In(columns), "write": Out(1), "write_row": Out(range(rows)),
            "write_data": Out(columns), "write_mask": Out(columns),
        })


class OperandStore(wiring.Component):
    """Loads operands from memory into the array, and stores potentials back; one at a time.

    One unit cuts words into rows and rows into words (`rtl.cim.merge_shift`), one rotator moves rows to their columns
    and back. The number of rows and the number of words say when a transfer ends, whatever they are: rows that have no
    words become zeros, words that have no rows, too, and what is left of either is not moved.
    Chauvaux et al., arXiv 2410.23082, section II ("merge & shift"); the pipeline is this project's.

    Ports:
        request: stream of transfers (`golden.messages.transfer`); the next one is taken when the one before is done.
            None may come while the macro is busy.
        done: the last access is made in the cycle before, or is written to the array in this one: the next request may
            be taken in it, and the macro may start in the next.
        state, weight: read ports, of potentials and of other operands; `ready` may be withheld at will.
        write_back: never refused: `ready` is not looked at.
        row: the array's rows. Loading writes only the columns of the operand.

    Latency: 6 cycles from a request taken to the first row written, 4 to the first word's address; `done` comes as
    `golden.cim.merge_shift.transfer_cycles` says. Throughput: a word or a row per cycle, of whichever there are more,
    as far as memory grants.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "request": In(stream.Signature(struct(messages.transfer(config)))), "done": Out(1),
            "state": Out(ReadPort(config)), "weight": Out(ReadPort(config)), "write_back": Out(WritePort(config)),
            "row": Out(RowPort(config.cim_rows, config.cim_columns)),
        })
