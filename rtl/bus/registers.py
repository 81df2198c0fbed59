"""The bus's own registers, and the interrupt."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.bus.address_map import REGISTER_BYTES, AddressMap, BusRegister, BusStatus, Interrupt, Page

BITS = 8 * REGISTER_BYTES


class BusRegisters(wiring.Component):
    """Registers of `golden.bus.address_map.BUS_REGISTERS`.

    Ports:
        number: which register. value: what it holds, in the same cycle.
        write: of each byte, whether it is written. data: what.
        idle, offered: levels, the bits of STATUS. error, frame: pulses. All are registers where they come from.
        irq: level, a register: a bit is set in PENDING and ENABLE.

    Latency: what happens is pending in the next cycle, and an interrupt in the one after.
    """

    def __init__(self, address_map: AddressMap):
        self.map = address_map
        super().__init__({
            "number": In(range(max(address_map.access(Page.BUS)[0]) + 1)), "value": Out(BITS),
            "write": In(REGISTER_BYTES), "data": In(BITS),
            "idle": In(1), "offered": In(1), "error": In(1), "frame": In(1), "irq": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        causes = 3
        happens, pending, enable = (Signal(causes, name=name) for name in ("happens", "pending", "enable"))
        was_idle = Signal(name="was_idle", init=1)
        places = {Interrupt.IDLE: self.idle & ~was_idle, Interrupt.ERROR: self.error, Interrupt.FRAME: self.frame}
        m.d.comb += [happens[mask.bit_length() - 1].eq(cause) for mask, cause in places.items()]
        status = {BusStatus.IDLE: self.idle, BusStatus.OFFERED: self.offered}
        clear = Mux(self.write[0] & (self.number == BusRegister.PENDING), self.data[:causes], 0)
        m.d.sync += [
            was_idle.eq(self.idle), pending.eq(pending & ~clear | happens), self.irq.eq((pending & enable).any()),
        ]
        with m.If(self.write[0] & (self.number == BusRegister.ENABLE)):
            m.d.sync += enable.eq(self.data)
        registers: dict[int, Value] = {
            **{number: Const(value, BITS) for number, value in self.map.constants().items()},
            BusRegister.STATUS: Cat(status[1 << bit] for bit in range(len(status))),
            BusRegister.PENDING: pending, BusRegister.ENABLE: enable,
        }
        with m.Switch(self.number):
            for number, value in registers.items():
                with m.Case(number):
                    m.d.comb += self.value.eq(value)
        return m
