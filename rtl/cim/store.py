"""Operands on their way between memory and the compute-in-memory array."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from rtl.cim.array import RowPort
from rtl.cim.merge_shift import MergeShift, columns_below
from rtl.ports import ReadPort, WritePort
from rtl.words import struct

WORDS = READ_LATENCY + 2
"""Words that are on their way or wait: as many as come until the place of the first one is free again."""


class OperandStore(wiring.Component):
    """Loads operands from memory into the array, and stores potentials back; one at a time.

    One unit cuts words into rows and rows into words (`rtl.cim.merge_shift`). The number of rows and that of words say
    when a transfer ends, whatever they are: rows that have no words become zeros, words that have no rows, too, and
    what is left of either is not moved.
    Chauvaux et al., arXiv 2410.23082, section II ("merge & shift"); the pipeline is this project's.

    Ports:
        request: stream of transfers (`golden.messages.transfer`); the next one is taken when the one before is done.
            None may come while the macro is busy.
        done: the last row is written in this cycle, or the last word's address was granted in the one before. The next
            request may be taken in the same cycle; the macro may take an operation in the next one.
        state, weight: read ports, of potentials and of other operands; `ready` may be withheld at will.
        write_back: never refused: `ready` is not looked at.
        row: the array's rows (`rtl.cim.array.RowPort`). Loading writes only the columns of the operand.

    Latency: 7 cycles from a request taken to the first row written, if it is of one word, or 4 to the first word's
    address, if it is of one row; `done` comes as `golden.cim.merge_shift.transfer_cycles` says, and a cycle later if
    rows are to be stored right after others were loaded, of which they may be.
    Throughput: a word or a row per cycle, of whichever there are more, as far as memory grants.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "request": In(stream.Signature(struct(messages.transfer(config)))), "done": Out(1),
            "state": Out(ReadPort(config)), "weight": Out(ReadPort(config)), "write_back": Out(WritePort(config)),
            "row": Out(RowPort(config.cim_rows, config.cim_columns)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, row = Module(), self.config, self.row
        m.submodules.merge_shift = cut = MergeShift(config.cim_columns, config.word_bits)
        layout = struct(messages.transfer(config))
        now, busy, begins = Signal(layout, name="now", reset_less=True), Signal(name="busy"), Signal(name="begins")
        # Pieces that are still to be fetched, and cut, minus one.
        counts = max(len(now.rows), len(now.words))
        fetch, put = (Signal(counts, name=name, reset_less=True) for name in ("fetch", "put"))
        fetching, over, there = Signal(name="fetching"), Signal(name="over"), Signal(name="there")
        granted, moves, gives, ends = (Signal(name=name) for name in ("granted", "moves", "gives", "ends"))
        between = Signal(config.cim_columns, name="between", reset_less=True)
        free = self._fetch_words(m, now, cut, fetching, fetch, granted, over)

        begin, request = self.request.valid & self.request.ready, self.request.payload
        finishes = Signal(name="finishes")
        m.d.comb += [
            self.request.ready.eq(~busy), cut.start.eq(begins), cut.taken.ready.eq(busy & ~over),
            cut.load.eq(now.load), cut.base.eq(now.base), cut.width.eq(now.width),
            gives.eq(cut.taken.valid & cut.taken.ready), ends.eq(gives & (put == 0)),
            finishes.eq((ends | over) & ~fetching & (free == WORDS)),
        ]
        m.d.sync += [begins.eq(begin), busy.eq(begin | (busy & ~finishes)), self.done.eq(finishes),
                     over.eq((ends | over) & ~finishes), put.eq(put - gives), fetch.eq(fetch - (granted | moves)),
                     fetching.eq(fetching & ~ends & ~((granted | moves) & (fetch == 0)))]
        with m.If(now.load & granted | ~now.load & gives):
            m.d.sync += now.address.eq(now.address + 1)
        following = now.row + 1
        with m.If(moves | now.load & gives):
            m.d.sync += now.row.eq(following)

        # A row waits to be cut: the next one is read. Not so what was read a cycle after a write, as it may be older.
        wrote, stale = Signal(name="wrote"), Signal(name="stale")
        m.d.sync += [wrote.eq(row.write), stale.eq(begins & wrote)]
        m.d.comb += [moves.eq(fetching & ~now.load & ~begins & ~stale & (~there | cut.given.ready)),
                     row.read_row.eq(Mux(moves, following, now.row))]
        last = Signal(name="last", reset_less=True)
        m.d.sync += there.eq(Mux(now.load, gives, moves | (there & ~cut.given.ready)))
        with m.If(moves | now.load):
            m.d.sync += [between.eq(Mux(now.load, cut.taken.payload, row.read_data)),
                         last.eq(fetch == 0), row.write_row.eq(now.row)]
        with m.If(~now.load):
            m.d.comb += [cut.given.valid.eq(there & ~over), cut.given.payload.bits.eq(between),
                         cut.given.payload.last.eq(last)]
        m.d.comb += [row.write.eq(there & now.load), row.write_data.eq(between),
                     row.write_mask.eq(columns_below(m, now.base + now.width, config.cim_columns, "ends")
                                       & ~columns_below(m, now.base, config.cim_columns, "begins")),
                     self.write_back.valid.eq(gives & ~now.load), self.write_back.address.eq(now.address)]
        m.d.sync += self.write_back.write_data.eq(cut.taken.payload)
        with m.If(begin):
            m.d.sync += [
                now.eq(request), fetching.eq(1), there.eq(0),
                # A width beyond the array would never be whole.
                now.width.eq(Mux(request.width[-1], config.cim_columns, request.width)),
                fetch.eq(Mux(request.load, request.words - 1, request.rows)),
                put.eq(Mux(request.load, request.rows, request.words - 1)),
            ]
        return m

    def _fetch_words(self, m: Module, now: Value, cut: MergeShift, fetching: Value, fetch: Value, granted: Value,
                     over: Value) -> Value:
        """Ask for words as long as there is room for them, and give them to be cut; those that come late are dropped.

        Returns:
            Places for words that are free.
        """
        width = self.config.word_bits
        m.submodules.words = words = SyncFIFO(width=width + 1, depth=WORDS)
        free, used = Signal(range(WORDS + 1), init=WORDS, name="free"), Signal(name="used")
        coming, lasts = Signal(READ_LATENCY, name="coming"), Signal(READ_LATENCY, name="lasts", reset_less=True)
        asks = fetching & now.load & (free != 0)
        m.d.comb += [
            self.state.valid.eq(asks & now.state), self.weight.valid.eq(asks & ~now.state),
            self.state.address.eq(now.address), self.weight.address.eq(now.address),
            granted.eq(asks & Mux(now.state, self.state.ready, self.weight.ready)),
            words.w_en.eq(coming[-1]), words.w_data[:width].eq(Mux(now.state, self.state.data, self.weight.data)),
            words.w_data[width].eq(lasts[-1]),
            used.eq(words.r_rdy & (cut.given.ready | over)), words.r_en.eq(used),
        ]
        m.d.sync += [coming.eq((coming << 1 | granted)[:READ_LATENCY]),
                     lasts.eq((lasts << 1 | (fetch == 0))[:READ_LATENCY]), free.eq(free - granted + used)]
        with m.If(now.load):
            m.d.comb += [cut.given.valid.eq(words.r_rdy & ~over), cut.given.payload.bits.eq(words.r_data[:width]),
                         cut.given.payload.last.eq(words.r_data[width])]
        return free
