"""The values of the evaluation on their way to the neurons: through a value table, or past it."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import LOOKUP_WORDS
from golden.widths import TABLE_ENTRY_BITS
from rtl.arithmetic import following
from rtl.ports import ReadPort
from rtl.skid import SkidBuffer


def result_layout(config: CoreConfig) -> data.StructLayout:
    """A neuron's value, or the end of the population; `last`: of its state word; `fires`: the value is not 0."""
    return data.StructLayout({"value": signed(config.value_bits), "fires": 1, "last": 1, "end": 1})


class Lookup(wiring.Component):
    """Replaces each value by its entry in the population's value table, if it has one.

    Ports:
        value: what comes out of the arithmetic; with a table the number of the entry. last, end: see `result_layout`.
            valid: there is one. ready: it is taken; depends on registers only.
        looks_up: the population has a table. base: the word behind the table.
        table: read port.
        result: stream of results, in order.

    Latency: six cycles. Throughput: one value per cycle, with a table as well, while memory and `result` do not wait.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "valid": In(1), "ready": Out(1), "value": In(signed(config.value_bits)), "last": In(1), "end": In(1),
            "looks_up": In(1), "base": In(config.address_bits),
            "table": Out(ReadPort(config)), "result": Out(stream.Signature(result_layout(config))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, table = self.config, Module(), self.table
        entry_bits = (config.word_bits // TABLE_ENTRY_BITS - 1).bit_length()
        # A value, or where its entry is: the table ends before the axons, and its address counts down from theirs.
        number = Cat(self.value[:-1], ~self.value[-1])
        address = self.base + Cat(number[entry_bits:], Const(-1, config.address_bits))
        # A word may have room for more entries than there are values: the upper bits of the entry are then 0.
        place = Cat(Cat(number, Const(0, entry_bits))[:entry_bits], address[:config.address_bits])
        layout = data.StructLayout({"bits": max(len(place), config.value_bits), "last": 1, "end": 1})
        m.submodules.waiting = buffer = SkidBuffer(layout)
        given, first, go = buffer.given.payload, buffer.first.payload, Signal(name="go")
        needs, room = Signal(name="needs"), Signal(name="room")
        m.d.comb += [
            buffer.given.valid.eq(self.valid), self.ready.eq(buffer.given.ready), given.last.eq(self.last),
            given.end.eq(self.end), given.bits.eq(Mux(self.looks_up, place, self.value)),
            needs.eq(self.looks_up & ~first.end), table.valid.eq(buffer.first.valid & room & needs),
            table.address.eq(first.bits[entry_bits:]), go.eq(buffer.first.valid & room & (~needs | table.ready)),
            buffer.first.ready.eq(go),
        ]
        # While the word comes; what has gone that far cannot wait, so it has a place behind.
        under_way = data.StructLayout({"valid": 1, "looked": 1, "bits": config.value_bits, "last": 1, "end": 1})
        coming, arriving, here, found = (
            Signal(under_way, name=name) for name in ("coming", "arriving", "here", "found"))
        entry = Signal(config.value_bits, name="entry", reset_less=True)
        m.d.sync += [
            coming.valid.eq(go), coming.looked.eq(needs), coming.bits.eq(first.bits), coming.last.eq(first.last),
            coming.end.eq(first.end), arriving.eq(coming), here.eq(arriving), found.eq(here),
            entry.eq(table.data.word_select(here.bits[:entry_bits], TABLE_ENTRY_BITS)),
        ]
        m.submodules.results = results = Memory(shape=self.result.payload.shape(), depth=LOOKUP_WORDS, init=[])
        write, read = results.write_port(), results.read_port(domain="comb")
        waiting, reserved = (Signal(range(LOOKUP_WORDS + 1), name=name) for name in ("waiting", "reserved"))
        value, taken = Signal(signed(config.value_bits), name="looked_up"), Signal(name="taken")
        m.d.comb += [
            value.eq(Mux(found.looked, entry, found.bits)),
            write.en.eq(found.valid), write.data.value.eq(value), write.data.fires.eq(found.end | value.any()),
            write.data.last.eq(found.last), write.data.end.eq(found.end),
            self.result.valid.eq(waiting != 0), self.result.payload.eq(read.data),
            taken.eq(self.result.valid & self.result.ready), room.eq(reserved != LOOKUP_WORDS),
        ]
        m.d.sync += [waiting.eq(waiting + found.valid - taken), reserved.eq(reserved + go - taken)]
        for moves, address in ((found.valid, write.addr), (taken, read.addr)):
            with m.If(moves):
                m.d.sync += address.eq(following(address, LOOKUP_WORDS))
        return m
