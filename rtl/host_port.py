"""The host's access to a core: memory words and registers, one at a time."""

from amaranth import Cat, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.registers import Register, Status, counters
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
        read_counter, counter: which counter is asked for; both hold until `counter_done`, when `counter_value` is it.
        clear: all counters become 0.

    An access is done in the cycle after it is taken, from registers; all outputs depend on registers only. One register
    is for the word to write and for the word read, as no access has both.

    Latency: what a register holds comes two cycles after the access is taken, a word of an idle memory three, a counter
    in one of its visits (`rtl.counters`). Throughput: one write in two cycles; one read in three, of memory in four.
    Back-pressure: no access is taken while an answer has not been.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.counters = len(counters(config))
        super().__init__({
            "host": In(stream.Signature(request_layout(config))),
            "host_data": Out(stream.Signature(unsigned(config.word_bits))),
            "memory": Out(MemoryPort(config)),
            "running": Out(1), "discard": Out(1),
            "edges": Out(config.edge_bits + 1), "populations": Out(config.population_bits + 1),
            "status": In(wiring.Signature({name: Out(1) for name in STATUS_BITS})),
            "read_counter": Out(1), "counter": Out(range(self.counters)),
            "counter_done": In(1), "counter_value": In(config.counter_bits), "clear": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, port, response = Module(), self.memory, self.host_data
        access = Signal(request_layout(self.config), name="access")
        is_counter, counter = Signal(name="is_counter"), Signal(self.config.address_bits, name="counter_address")
        registers: dict[int, Value] = {
            Register.CONTROL: Cat(self.running, self.discard), Register.EDGES: self.edges,
            Register.POPULATIONS: self.populations,
        }
        m.d.comb += [
            counter.eq(access.address - Register.COUNTER_BASE), self.counter.eq(counter),
            is_counter.eq((access.address >= Register.COUNTER_BASE) & (counter < self.counters)),
            port.address.eq(access.address), port.write.eq(access.write), port.write_data.eq(access.data),
            response.payload.eq(access.data),
        ]
        with m.FSM():
            with m.State("empty"):
                m.d.comb += self.host.ready.eq(1)
                m.d.sync += access.eq(self.host.payload)
                with m.If(self.host.valid):
                    m.next = "memory"
                    with m.If(self.host.payload.register):
                        m.next = "register"
            with m.State("memory"):
                m.d.comb += port.valid.eq(1)
                with m.If(port.ready):
                    m.next = "empty"
                    with m.If(~access.write):
                        m.next = "arriving"
            with m.State("arriving"):
                m.d.sync += access.data.eq(port.data)
                m.next = "answer"
            with m.State("register"):
                m.next = "empty"
                with m.If(access.write):
                    self._write(m, access, registers)
                with m.Else():
                    m.d.sync += access.data.eq(self._value(m, access, registers))
                    m.next = "answer"
                    with m.If(is_counter):
                        m.next = "counter"
            with m.State("counter"):
                m.d.comb += self.read_counter.eq(1)
                m.d.sync += access.data.eq(self.counter_value)
                with m.If(self.counter_done):
                    m.next = "answer"
            with m.State("answer"):
                m.d.comb += response.valid.eq(1)
                with m.If(response.ready):
                    m.next = "empty"
        return m

    def _write(self, m: Module, access: Signal, registers: dict[int, Value]) -> None:
        """A write of a register; those that are none are ignored."""
        with m.Switch(access.address):
            for address, register in registers.items():
                with m.Case(address):
                    m.d.sync += register.eq(access.data)
            with m.Case(Register.CLEAR):
                m.d.comb += self.clear.eq(1)

    def _value(self, m: Module, access: Signal, registers: dict[int, Value]) -> Value:
        """What a register holds that is not a counter; 0 of those that are none."""
        value = Signal(max(len(STATUS_BITS), *(len(register) for register in registers.values())), name="value")
        with m.Switch(access.address):
            for address, register in registers.items():
                with m.Case(address):
                    m.d.comb += value.eq(register)
            with m.Case(Register.STATUS):
                m.d.comb += [value[place].eq(getattr(self.status, name)) for name, place in STATUS_BITS.items()]
        return value
