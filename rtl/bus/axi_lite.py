"""AXI4-Lite in front of a core's or a mesh's accesses: memory words of several beats, registers, interrupt."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.bus.address_map import PAGE_BITS, REGISTER_BYTES, STRIDE, AddressMap, Page
from golden.bus.axi_lite import OKAY, SLVERR
from golden.config import CoreConfig
from golden.noc.access import request
from rtl.bus.registers import BusRegisters
from rtl.words import struct

QUIET_BITS = 4
"""log2 of the cycles after which a word of which only some bytes have come is written: more than an interconnect leaves
between two beats of a copy, and nothing for a program that looks at what a core does with it."""


def axi_lite_ports(address_bits: int, data_bits: int) -> dict[str, wiring.Member]:
    """The ports of a subordinate, under the names of the standard."""
    return {
        "s_axil_awaddr": In(address_bits), "s_axil_awprot": In(3), "s_axil_awvalid": In(1), "s_axil_awready": Out(1),
        "s_axil_wdata": In(data_bits), "s_axil_wstrb": In(data_bits // 8), "s_axil_wvalid": In(1),
        "s_axil_wready": Out(1),
        "s_axil_bresp": Out(2), "s_axil_bvalid": Out(1), "s_axil_bready": In(1),
        "s_axil_araddr": In(address_bits), "s_axil_arprot": In(3), "s_axil_arvalid": In(1), "s_axil_arready": Out(1),
        "s_axil_rdata": Out(data_bits), "s_axil_rresp": Out(2), "s_axil_rvalid": Out(1), "s_axil_rready": In(1),
    }


class AxiLite(wiring.Component):
    """AXI4-Lite subordinate for images, registers and counters of all cores; `golden.bus.axi_lite` is its model.

    One word-wide register serves both directions. Beats that write are gathered in it until the word is whole, which is
    then written without being read. A word of which only some bytes have come is read, merged and written: when a beat
    of another word comes, before any reading of a core, or after 2**QUIET_BITS cycles without a beat. A reading takes a
    whole word into it, and each other beat of that word is answered from there, once, if nothing else of a core is read
    or written between.

    An address is looked at while it is offered, and taken when all that it needs is there: so there is no register for
    addresses and data. Which of the two channels is looked at is known a cycle before.

    Args:
        columns, rows: cores of the mesh; 1 × 1 is a core alone.
        data_bits: 32, which every processor and every interconnect has, or 64, for half of the beats.

    Ports:
        s_axil_*: the bus. Low bits of addresses, within a beat, and `prot` are not looked at.
        access: stream of accesses to cores (`golden.noc.access.request`). access_data: the words read, in order.
        idle, offered, error, frame, irq: see `BusRegisters`.

    Latency: an answer is offered two cycles after its beat, if no core is asked and nothing waits; a word that a core
    is asked for takes one cycle more than the core and the way to it.
    Throughput: a beat in two cycles, in both directions.
    Back-pressure: a beat waits while an access does, or an earlier answer of its direction. No input reaches an output
    within a cycle; those of the bus are registers.
    """

    def __init__(self, config: CoreConfig, columns: int = 1, rows: int = 1, data_bits: int = 32):
        self.config = config
        self.map = AddressMap(config, columns, rows, data_bits)
        self.buses = {"s_axil": ("AXI4-Lite", "target")}
        self.layout = struct(request(config))
        self.held = data.StructLayout({
            "number": config.address_bits, "column": self.map.column_bits, "row": self.map.row_bits, "register": 1,
            "all": 1,
        })
        """Whose word the register holds."""
        super().__init__({
            **axi_lite_ports(self.map.bits, data_bits),
            "access": Out(stream.Signature(self.layout)),
            "access_data": In(stream.Signature(unsigned(config.word_bits))),
            "idle": In(1), "offered": In(1), "error": In(1), "frame": In(1), "irq": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.registers = self.registers = BusRegisters(self.map)
        self._signals()
        self._channels(m)
        self._decode(m)
        m.d.comb += [
            *(getattr(self.registers, name).eq(getattr(self, name)) for name in ("idle", "offered", "error", "frame")),
            self.irq.eq(self.registers.irq), self.registers.data.eq(self.s_axil_wdata),
        ]
        access, held = self.access, self.holder
        m.d.comb += [
            access.payload.column.eq(held.column), access.payload.row.eq(held.row),
            access.payload.address.eq(held.number), access.payload.register.eq(held.register),
            access.payload.write.eq(self.complete), access.payload.data.eq(self.word),
            self.complete.eq(self.mask.all() | (held.register & self.mask[:REGISTER_BYTES].all())),
        ]
        self._control(m)
        return m

    def _signals(self) -> None:
        """Registers and wires of the block."""
        self.reading = Signal(name="reading")
        """Which channel is looked at."""
        self.asks = Signal(name="asks")
        """There is a beat on it that could be answered."""
        self.other_asks = Signal(name="other_asks")
        self.takes = Signal(name="takes")
        """The beat is answered."""
        self.target = Signal(self.held, name="target")
        self.beat = Signal(range(max(2, self.config.word_bits // self.map.data_bits)), name="beat")
        self.fine, self.is_own, self.uses = (Signal(name=name) for name in ("fine", "is_own", "uses"))
        """It exists and is permitted; it is the bus's own; a core is concerned."""
        self.strobe = Signal(self.map.beat_bytes, name="strobe")
        """What is written of the beat."""
        self.holder = Signal(self.held, name="held", reset_less=True)
        self.word = Signal(self.config.word_bits, name="word", reset_less=True)
        self.mask = Signal(self.config.word_bits // 8, name="mask", reset_less=True)
        """Bytes to write; or of a copy, bytes not read yet."""
        self.gathering, self.copy = Signal(name="gathering"), Signal(name="copy")
        """The word is to be written; it was read."""
        self.complete = Signal(name="complete")

    def _channels(self, m: Module) -> None:
        """The handshakes: an address is taken the cycle after it was looked at, its answer is offered one later."""
        asks_write, asks_read = Signal(name="asks_write"), Signal(name="asks_read")
        m.d.comb += [
            asks_write.eq(self.s_axil_awvalid & self.s_axil_wvalid & ~self.s_axil_awready
                          & (~self.s_axil_bvalid | self.s_axil_bready)),
            asks_read.eq(self.s_axil_arvalid & ~self.s_axil_arready & (~self.s_axil_rvalid | self.s_axil_rready)),
            self.asks.eq(Mux(self.reading, asks_read, asks_write)),
            self.other_asks.eq(Mux(self.reading, asks_write, asks_read)),
        ]
        takes_write, takes_read = self.takes & ~self.reading, self.takes & self.reading
        response = Mux(self.fine, OKAY, SLVERR)
        beats = [self.word[low:low + self.map.data_bits]
                 for low in range(0, self.config.word_bits, self.map.data_bits)]
        chosen = Signal(self.map.data_bits, name="chosen")
        with m.Switch(self.beat):
            for number, beat in enumerate(beats):
                with m.Case(number):
                    m.d.comb += chosen.eq(beat)
        own = Mux(self.beat[0], 0, self.registers.value) if self.map.data_bits == 8 * REGISTER_BYTES else (
            self.registers.value)
        m.d.sync += [
            self.s_axil_awready.eq(takes_write), self.s_axil_wready.eq(takes_write), self.s_axil_arready.eq(takes_read),
            self.s_axil_bvalid.eq(self.s_axil_awready | (self.s_axil_bvalid & ~self.s_axil_bready)),
            self.s_axil_rvalid.eq(self.s_axil_arready | (self.s_axil_rvalid & ~self.s_axil_rready)),
        ]
        with m.If(takes_write):
            m.d.sync += self.s_axil_bresp.eq(response)
        with m.If(takes_read):
            m.d.sync += [self.s_axil_rresp.eq(response),
                         self.s_axil_rdata.eq(Mux(self.uses, chosen, Mux(self.fine, own, 0)))]
        m.d.comb += [self.registers.number.eq(self.target.number),
                     self.registers.write.eq(Mux(takes_write & self.fine & self.is_own, self.strobe, 0))]

    def _decode(self, m: Module) -> None:
        """What the address is of: `golden.bus.address_map.AddressMap.target`."""
        places, target = self.map, self.target
        address = Signal(places.bits, name="address")
        m.d.comb += address.eq(Mux(self.reading, self.s_axil_araddr, self.s_axil_awaddr))
        offset, upper = address[:places.offset_bits], address[places.offset_bits:]
        column, row = upper[:places.column_bits], upper[places.column_bits:-1]
        in_memory, page = address[-1], offset[PAGE_BITS:]
        beat_low, stride_bits = (places.beat_bytes - 1).bit_length(), (STRIDE - 1).bit_length()
        number = offset[stride_bits:PAGE_BITS]
        # A register's beats are the word's first ones.
        in_register, in_word = offset[beat_low:stride_bits], offset[beat_low:self.config.byte_bits]
        pages = {item: Signal(name=f"page_{item.name.lower()}") for item in Page}
        numbers = {item: self._permitted(item, number) for item in Page}
        exists, first = Signal(name="exists"), Signal(name="is_first")
        m.d.comb += [
            *(signal.eq(~in_memory & (page == item.value)) for item, signal in pages.items()),
            exists.eq((column < places.columns) & (row < places.rows)),
            first.eq(~Cat(column, row).any()),
            self.is_own.eq(pages[Page.BUS]),
            target.column.eq(column), target.row.eq(row),
            target.register.eq(~in_memory), target.all.eq(pages[Page.ALL]),
            target.number.eq(Mux(in_memory, offset[self.config.byte_bits:places.memory_bits], number)),
            self.beat.eq(Mux(in_memory, in_word, in_register)),
        ]
        # Of a register only its first bytes are written, and of those of all cores all or none.
        low = self.s_axil_wstrb[:REGISTER_BYTES]
        upper_beat = in_register.any()
        to_register = Mux(upper_beat, 0, low)
        m.d.comb += self.strobe.eq(Mux(in_memory, self.s_axil_wstrb, to_register))
        whole = to_register.all() | ~to_register.any() | self.reading
        m.d.comb += [
            self.fine.eq(exists & Mux(in_memory, ~offset[places.memory_bits:].any(), (
                (pages[Page.BUS] & first & numbers[Page.BUS]) | (pages[Page.CORE] & numbers[Page.CORE])
                | (pages[Page.ALL] & first & numbers[Page.ALL] & whole)))),
            self.uses.eq(self.fine & ~self.is_own & (self.reading | self.strobe.any())),
        ]

    def _permitted(self, page: Page, number: Value) -> Value:
        """Whether a register of a page can be read, or written."""
        def among(numbers: frozenset[int]) -> Value:
            return number.matches(*sorted(numbers)) if numbers else Const(0)

        reads, writes = self.map.access(page)
        return Mux(self.reading, among(reads), among(writes))

    def _control(self, m: Module) -> None:
        """The word, and what is done with it."""
        access, held = self.access, self.holder
        same, first, fresh = Signal(name="same"), Signal(name="first"), Signal(name="fresh")
        quiet = Signal(QUIET_BITS, name="quiet")
        m.d.comb += [
            same.eq(held.as_value() == self.target.as_value()),
            # The word that is there must be written before.
            first.eq(self.uses & self.gathering & (self.reading | ~same)),
            # The beat must be asked for.
            fresh.eq(self.uses & self.reading & ~(self.copy & same & self._left())),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.takes.eq(self.asks & ~first & ~fresh)
                m.d.sync += quiet.eq(quiet + 1)
                with m.If(~self.asks | self.takes):
                    m.d.sync += self.reading.eq(self.reading ^ self.other_asks)
                with m.If(self.asks & first):
                    m.next = "access"
                with m.Elif(self.asks & fresh):
                    m.d.sync += [held.eq(self.target), self.copy.eq(1), self.mask.eq(0)]
                    m.next = "access"
                with m.Elif(self.takes & self.uses):
                    self._take(m, quiet)
                with m.Elif(self.gathering & quiet.all()):
                    m.next = "access"
            with m.State("access"):
                m.d.comb += access.valid.eq(1)
                with m.If(access.ready):
                    m.next = "arrive"
                    with m.If(self.complete):
                        m.d.sync += self.gathering.eq(0)
                        m.next = "idle"
                        self._next_core(m)
            with m.State("arrive"):
                m.d.comb += self.access_data.ready.eq(1)
                with m.If(self.access_data.valid):
                    for byte in range(len(self.mask)):
                        with m.If(~self.mask[byte]):
                            m.d.sync += self.word.word_select(byte, 8).eq(self.access_data.payload.word_select(byte, 8))
                    m.d.sync += self.mask.eq(~0)
                    m.next = "access"
                    with m.If(self.copy):
                        m.next = "idle"

    def _left(self) -> Value:
        """Whether the beat of the copy has not been read."""
        return self.mask[::self.map.beat_bytes].bit_select(self.beat, 1)

    def _take(self, m: Module, quiet: Signal) -> None:
        """A beat of the copy is read, or one that is written is put into the word."""
        size = self.map.beat_bytes
        following = Signal(len(self.mask), name="following")
        """The bytes to write, with those of the beat."""
        m.d.comb += following.eq(Mux(self.gathering, self.mask, 0))
        for beat in range(len(self.mask) // size):
            here = self.beat == beat
            with m.If(here):
                m.d.comb += following[beat * size:(beat + 1) * size].eq(
                    Mux(self.gathering, self.mask[beat * size:(beat + 1) * size], 0) | self.strobe)
            with m.If(here & self.reading):
                m.d.sync += self.mask[beat * size:(beat + 1) * size].eq(0)
            for byte in range(size):
                with m.If(here & ~self.reading & self.strobe[byte]):
                    m.d.sync += self.word.word_select(beat * size + byte, 8).eq(self.s_axil_wdata.word_select(byte, 8))
        with m.If(~self.reading):
            m.d.sync += [self.holder.eq(self.target), self.gathering.eq(1), self.copy.eq(0), self.mask.eq(following),
                         quiet.eq(0)]
            with m.If(self.target.register | following.all()):
                m.next = "access"

    def _next_core(self, m: Module) -> None:
        """A write to all cores goes to the next one."""
        places, held = self.map, self.holder
        if places.columns * places.rows == 1:
            return
        last_column, last_row = held.column == places.columns - 1, held.row == places.rows - 1
        with m.If(held.all & ~(last_column & last_row)):
            m.d.sync += [self.gathering.eq(1), held.column.eq(Mux(last_column, 0, held.column + 1)),
                         held.row.eq(held.row + last_column)]
            m.next = "access"
