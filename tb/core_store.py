"""What a mesh's nodes have when only the way of accesses is tested: a store for a core, and no router."""

from collections.abc import Collection

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.noc.router import PORTS
from golden.registers import Register
from golden.words import layouts
from rtl.ports import request_layout
from rtl.words import struct


class CoreStore(wiring.Component):
    """Keeps what a host writes, and is never anything but idle. It compiles in a small part of a core's time.

    Ports:
        Those of `rtl.core.EventCore`, but `evaluated`. Events are taken and dropped; none comes out.

    Registers hold what was written last, whatever their meaning. Two are different: the first counter has the number of
    writes since it was cleared, that of the write to CLEAR not among them, and STATUS is always 0.

    Latency: a reading is answered two cycles after it is taken. Back-pressure: no access is taken before.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        event = stream.Signature(struct(layouts(config).event))
        super().__init__({
            "event_in": In(event), "event_out": Out(event),
            "host": In(stream.Signature(request_layout(config))),
            "host_data": Out(stream.Signature(unsigned(config.word_bits))),
            "idle": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, access, answer = Module(), self.host.payload, self.host_data
        bits = self.config.address_bits
        m.submodules.words = words = Memory(shape=unsigned(self.config.word_bits), depth=2 << bits, init=[])
        write, read = words.write_port(), words.read_port()
        taken, writes = Signal(name="taken"), Signal(32, name="writes")
        asked, counted = Signal(name="asked"), Signal(name="counted")
        place = Cat(access.address, access.register)
        m.d.comb += [
            self.event_in.ready.eq(1), self.idle.eq(1),
            self.host.ready.eq(~asked & ~answer.valid), taken.eq(self.host.valid & self.host.ready),
            write.addr.eq(place), write.data.eq(access.data), write.en.eq(taken & access.write),
            read.addr.eq(place), read.en.eq(taken),
        ]
        m.d.sync += asked.eq(taken & ~access.write)
        with m.If(taken):
            m.d.sync += counted.eq(access.register & (access.address == Register.COUNTER_BASE))
            with m.If(access.write):
                m.d.sync += writes.eq(writes + 1)
                with m.If(access.register & (access.address == Register.CLEAR)):
                    m.d.sync += writes.eq(0)
        with m.If(asked):
            m.d.sync += [answer.valid.eq(1), answer.payload.eq(read.data)]
            with m.If(counted):
                m.d.sync += answer.payload.eq(writes)
        with m.Elif(answer.ready):
            m.d.sync += answer.valid.eq(0)
        return m


class NoRouter(wiring.Component):
    """The ports of `rtl.noc.router.Router`: takes and drops all events, and sends none."""

    def __init__(self, config: CoreConfig, depth: int, *, entries: Collection[str] = ()):
        event = stream.Signature(struct(layouts(config).event))
        super().__init__({
            **{f"{port}_in": In(event) for port in PORTS}, **{f"{port}_out": Out(event) for port in PORTS},
            "dropped": Out(1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.d.comb += [self.empty.eq(1), *(getattr(self, f"{port}_in").ready.eq(1) for port in PORTS)]
        return m
