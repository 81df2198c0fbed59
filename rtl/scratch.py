"""The scratch memory of a core: what the scheduler remembers and the long parts of the counters, in one small SRAM."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.registers import counters
from golden.timing.microarchitecture import SCRATCH_TURNS
from rtl.memory import Sram


class ScratchMap:
    """Where what lies in the scratch memory, and how it is packed.

    The returns have the upper half, the counters the second quarter, the populations the first one. All begin at powers
    of two, so that an address is a concatenation.

    Attributes:
        population: word of population p. The owner of the event ID p is in the same word: so the two tables share the
            words that either has alone.
        back: word of a return, the way back to the source of an end.
        width, address_bits: of the memory. depth: its words.
    """

    def __init__(self, config: CoreConfig):
        self.population = data.StructLayout({
            "incoming": config.incoming_bits, "axons": config.axon_count_bits, "slot": config.incoming_bits,
            "received": config.incoming_bits, "credits": config.axon_count_bits,
            "owner": config.population_bits, "known": 1, "delays": config.guard_states,
        })
        self.back = data.StructLayout({
            "x": signed(config.mesh_bits), "y": signed(config.mesh_bits), "population": config.population_bits,
        })
        self.width = max(config.counter_bits, self.population.size, self.back.size)
        self._quarter_bits = max(config.edge_bits, (len(counters(config)) - 1).bit_length())
        self._half_bits = max(config.incoming_bits, self._quarter_bits + 1)
        self.address_bits = self._half_bits + 1
        self.depth = 1 << self.address_bits

    def of_population(self, index: Value) -> Value:
        """Address of the word of a population, or of the owner of an event ID."""
        return Cat(index, Const(0, self.address_bits - len(index)))

    def of_counter(self, index: Value) -> Value:
        return Cat(index, Const(0, self._quarter_bits - len(index)), Const(1, self.address_bits - self._quarter_bits))

    def of_return(self, slot: Value) -> Value:
        return Cat(slot, Const(0, self._half_bits - len(slot)), Const(1, 1))


class TablePort(wiring.Signature):
    """The scheduler's view of the scratch memory.

    An access is taken when `valid & ready`. `data` holds the word read in the second and in the third cycle after: the
    third is the one in which the next access can be taken. `valid` may be withdrawn. `soon` is `ready` a cycle before.
    """

    def __init__(self, config: CoreConfig):
        place = ScratchMap(config)
        super().__init__({
            "valid": Out(1), "ready": In(1), "soon": In(1), "write": Out(1), "address": Out(place.address_bits),
            "write_data": Out(place.width), "data": In(place.width),
        })


class CountPort(wiring.Signature):
    """The view of the counters: each turn they read a word, and write it two cycles later.

    `turn` is one-hot: 0 the scheduler's, 1 the counters' write, 2 their read. In turn 1 `data` is the word that turn 2
    before it has read, or 0 if `stale` was high in the turn 0 between them.
    """

    def __init__(self, config: CoreConfig):
        place = ScratchMap(config)
        super().__init__({
            "turn": In(SCRATCH_TURNS), "address": Out(place.address_bits), "write_data": Out(place.width),
            "data": In(place.width), "stale": Out(1),
        })


class Scratch(wiring.Component):
    """Shares the SRAM between the scheduler and the counters by turns, whatever either does.

    In each SCRATCH_TURNS cycles the scheduler has one access, and the counters have a read and a write: so nobody waits
    for anybody, and how often a counter is visited is known (`rtl.counters`).

    Ports:
        table: the scheduler's accesses. count: those of the counters. See `TablePort` and `CountPort`.

    Latency: a word that is read is in a register two cycles later. The register is there for the clock: an SRAM's
    output comes late in its cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({"table": In(TablePort(config)), "count": In(CountPort(config))})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, place, table, count = Module(), ScratchMap(self.config), self.table, self.count
        # The name makes it an instance of the module of SRAM banks in Verilog (rtl.conversion).
        m.submodules.bank_0 = sram = Sram(place.width, place.depth, {"ram_style": "block"})
        turn = Signal(SCRATCH_TURNS, init=1, name="turn")
        word = Signal(place.width, name="word", reset_less=True)
        reads = Signal(name="reads")
        mine = turn[0]
        m.d.comb += [
            table.ready.eq(mine), table.soon.eq(turn[-1]), table.data.eq(word),
            count.turn.eq(turn), count.data.eq(word),
            sram.enable.eq(~mine | table.valid), sram.write.eq(Mux(mine, table.write, turn[1])),
            sram.address.eq(Mux(mine, table.address, count.address)),
            sram.write_data.eq(Mux(mine, table.write_data, count.write_data)),
        ]
        m.d.sync += [turn.eq(turn.rotate_left(1)), reads.eq(sram.enable & ~sram.write)]
        with m.If(reads):
            m.d.sync += word.eq(sram.read_data)
        with m.If(mine & count.stale):
            m.d.sync += word.eq(0)
        return m
