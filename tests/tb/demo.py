"""A tiny component with every kind of port that the testbench parts serve."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from rtl.ports import MemoryPort, ReadPort

REQUEST = data.StructLayout({"address": 4, "add": signed(9), "store": 1})
REPLY = data.StructLayout({"address": 4, "sum": signed(16)})
CONFIG = CoreConfig.preset("fpga_small")


class Demo(wiring.Component):
    """Adds a number to a word read from `table`; with `store` it also writes the sum through `memory`.

    The input `fault` gives it one of the faults that the testbench is to find: 1 offers a reply for one cycle only,
    2 changes it while it waits, 3 takes the read word before it is there, 4 does not wait for the grant.
    """

    def __init__(self) -> None:
        super().__init__({
            "fault": In(3),
            "request": In(stream.Signature(REQUEST)), "reply": Out(stream.Signature(REPLY)),
            "echo": Out(stream.Signature(REPLY, always_ready=True)),
            "table": Out(ReadPort(CONFIG)), "memory": Out(MemoryPort(CONFIG)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(REQUEST)
        read = Signal(16)
        total = Signal(signed(16))
        m.d.comb += [
            self.table.address.eq(now.address), self.memory.address.eq(now.address), self.memory.write.eq(1),
            self.memory.write_data.eq(total.as_unsigned()), self.reply.payload.address.eq(now.address),
            self.reply.payload.sum.eq(total), self.echo.payload.eq(self.reply.payload),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.request.ready.eq(1)
                with m.If(self.request.valid):
                    m.d.sync += now.eq(self.request.payload)
                    m.next = "read"
            with m.State("read"):
                m.d.comb += self.table.valid.eq(1)
                m.d.sync += read.eq(self.table.data)
                with m.If(self.table.ready | (self.fault == 4)):
                    m.next = "coming 1"
            for number in range(1, READ_LATENCY):
                with m.State(f"coming {number}"):
                    m.next = f"coming {number + 1}" if number < READ_LATENCY - 1 else "data"
            with m.State("data"):
                m.d.sync += total.eq(Mux(self.fault == 3, read, self.table.data[:16]).as_signed() + now.add)
                m.next = "store"
            with m.State("store"):
                m.d.comb += self.memory.valid.eq(now.store)
                with m.If(self.memory.ready | ~now.store):
                    m.d.comb += self.echo.valid.eq(1)
                    m.next = "reply"
            with m.State("reply"):
                m.d.comb += self.reply.valid.eq(1)
                with m.If(self.fault == 2):
                    m.d.sync += total.eq(total + 1)
                with m.If(self.reply.ready | (self.fault == 1)):
                    m.next = "idle"
        return m
