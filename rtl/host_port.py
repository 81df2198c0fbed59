"""The host's access to a core: memory words and registers, one at a time."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
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
        flush: with update "cim" only: FLUSH of CONTROL, until `flushed`, or while the core is stopped.

    An access is held in a register, and all outputs are registers or depend on few of them.

    Latency: a word of memory is written, or asked for, in the cycle after its access is taken, and comes four cycles
    later, if the memory is there at once. `clear` comes in the cycle after, too: what happened up to the cycle in which
    the access was taken is cleared. Another register is written or read two cycles after its access is taken, CONTROL
    included; what was read, of STATUS its bits of a cycle before, comes two cycles later. A counter comes in
    one of its visits (`rtl.counters`). Throughput: a word is written in two cycles and read in six, a register written
    in three and read in five.
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
            **({"flush": Out(1), "flushed": In(1)} if config.update == "cim" else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, port, response = Module(), self.memory, self.host_data
        cim = self.config.update == "cim"
        access = Signal(request_layout(self.config), name="access")
        word = Signal(self.config.word_bits, name="word", reset_less=True)
        counter = Signal(self.config.address_bits, name="counter_address")
        registers: dict[int, Value] = {
            Register.CONTROL: Cat(self.running, self.discard, *([self.flush] if cim else [])),
            Register.EDGES: self.edges, Register.POPULATIONS: self.populations,
        }
        m.d.comb += [
            counter.eq(access.address - Register.COUNTER_BASE), self.counter.eq(counter),
            port.address.eq(access.address), port.write.eq(access.write), port.write_data.eq(access.data),
            response.payload.eq(Mux(access.register, access.data, word)),
        ]
        comes = Signal(READ_LATENCY, name="comes")
        m.d.sync += comes.eq(Cat(port.valid & port.ready & ~access.write, comes)[:READ_LATENCY])
        with m.If(comes[-1]):
            m.d.sync += word.eq(port.data)
        # Which register an access is for, what it holds and the bits of STATUS are in registers, too.
        is_counter, status = Signal(name="is_counter"), Signal(len(STATUS_BITS), name="status_bits")
        addresses = (*registers, Register.STATUS)
        chosen = {address: Signal(name=f"chosen_{address}") for address in addresses}
        m.d.sync += [
            is_counter.eq((access.address >= Register.COUNTER_BASE) & (counter < self.counters)), self.clear.eq(0),
            *(signal.eq(access.address == address) for address, signal in chosen.items()),
            *(status[place].eq(getattr(self.status, name)) for name, place in STATUS_BITS.items()),
        ]
        value: Value = Const(0)
        for address, register in (*registers.items(), (Register.STATUS, status)):
            value = value | Mux(chosen[address], register, 0)
        held_value = Signal(value.shape(), name="held_value")
        m.d.sync += held_value.eq(value)
        if cim:
            with m.If(self.flushed | ~self.running):
                m.d.sync += self.flush.eq(0)
        with m.FSM():
            with m.State("empty"):
                m.d.comb += self.host.ready.eq(1)
                m.d.sync += access.eq(self.host.payload)
                with m.If(self.host.valid):
                    m.next = "memory"
                    with m.If(self.host.payload.register):
                        m.next = "decode"
                        # At once: an event that follows the access must count.
                        m.d.sync += self.clear.eq(
                            self.host.payload.write & (self.host.payload.address == Register.CLEAR))
            with m.State("memory"):
                m.d.comb += port.valid.eq(1)
                with m.If(port.ready):
                    m.next = "empty"
                    with m.If(~access.write):
                        m.next = "coming"
            with m.State("coming"):
                with m.If(comes[-1]):
                    m.next = "answer"
            with m.State("decode"):
                m.next = "register"
            with m.State("register"):
                m.next = "empty"
                with m.If(access.write):
                    for address, register in registers.items():
                        with m.If(chosen[address]):
                            m.d.sync += register.eq(access.data)
                with m.Else():
                    m.next = "value"
            with m.State("value"):
                m.d.comb += self.read_counter.eq(is_counter)
                m.d.sync += access.data.eq(Mux(is_counter, self.counter_value, held_value))
                with m.If(~is_counter | self.counter_done):
                    m.next = "answer"
            with m.State("answer"):
                m.d.comb += response.valid.eq(1)
                with m.If(response.ready):
                    m.next = "empty"
        return m
