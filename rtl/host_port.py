"""The host's access to a core: memory words and registers, one at a time."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.registers import Register, Status
from rtl.ports import MemoryPort, request_layout

STATUS_BITS = {name.lower(): mask.bit_length() - 1 for name, mask in vars(Status).items() if name.isupper()}
"""Name of each bit of STATUS, and its place."""


class HostPort(wiring.Component):
    """Reads and writes memory words and registers (`golden.registers`).

    Ports:
        host: stream of accesses (`golden.messages.request`). host_data: stream of the words read, in order.
        memory: port to all of memory.
        running, discard, edges, populations: what the host has written into the registers.
        status: bits of STATUS, by name.
        counter: which counter is read. counter_value: its value, at once. clear: all counters become 0.

    Latency: a read answers in the next cycle, if the memory is there at once. Throughput: one write per cycle; one read
    in two cycles. Back-pressure: no access is taken while an answer has not been.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "host": In(stream.Signature(request_layout(config))),
            "host_data": Out(stream.Signature(unsigned(config.word_bits))),
            "memory": Out(MemoryPort(config)),
            "running": Out(1), "discard": Out(1),
            "edges": Out(config.edge_bits + 1), "populations": Out(config.population_bits + 1),
            "status": In(wiring.Signature({name: Out(1) for name in STATUS_BITS})),
            "counter": Out(config.address_bits), "counter_value": In(config.counter_bits), "clear": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, port, response = Module(), self.memory, self.host_data
        request, access = self.host, self.host.payload
        pending, from_memory = Signal(name="pending"), Signal(name="from_memory")
        value, held = Signal(self.config.word_bits, name="value"), Signal(self.config.word_bits, name="held")
        m.d.comb += [
            port.valid.eq(request.valid & ~access.register & ~pending), port.address.eq(access.address),
            port.write.eq(access.write), port.write_data.eq(access.data),
            request.ready.eq(~pending & (access.register | port.ready)),
            self.counter.eq(access.address - Register.COUNTER_BASE),
            response.valid.eq(pending), response.payload.eq(Mux(from_memory, port.data, held)),
        ]
        registers = {
            Register.CONTROL: Cat(self.running, self.discard), Register.EDGES: self.edges,
            Register.POPULATIONS: self.populations,
        }
        with m.Switch(access.address):
            for address, register in registers.items():
                with m.Case(address):
                    m.d.comb += value.eq(register)
            with m.Case(Register.STATUS):
                m.d.comb += [value[place].eq(getattr(self.status, name)) for name, place in STATUS_BITS.items()]
            with m.Default():
                m.d.comb += value.eq(self.counter_value)
        # The memory's data stands for one cycle only: it is held from then on.
        with m.If(pending):
            m.d.sync += [held.eq(response.payload), from_memory.eq(0)]
            with m.If(response.ready):
                m.d.sync += pending.eq(0)
        with m.If(request.valid & request.ready):
            with m.If(~access.write):
                m.d.sync += [pending.eq(1), from_memory.eq(~access.register), held.eq(value)]
            with m.Elif(access.register), m.Switch(access.address):
                for address, register in registers.items():
                    with m.Case(address):
                        m.d.sync += register.eq(access.data)
                with m.Case(Register.CLEAR):
                    m.d.comb += self.clear.eq(1)
        return m
