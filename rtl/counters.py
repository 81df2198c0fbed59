"""The performance counters of a core."""

from amaranth import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.registers import counters


class Counters(wiring.Component):
    """One counter for each of `golden.registers.counters`, `counter_bits` wide, wrapping.

    Ports: `increment` (one signal each, any width), `clear`, `select` (index), `value` (combinational).
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        bits = {"synapses": config.lanes.bit_length(), "protocol_error": 2}
        self.increment = {name: Signal(bits.get(name, 1), name=f"increment_{name}") for name in counters(config)}
        super().__init__({
            "clear": In(1), "select": In(config.address_bits), "value": Out(config.counter_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        values = Array(Signal(self.config.counter_bits, name=name) for name in self.increment)
        for value, increment in zip(values, self.increment.values(), strict=True):
            m.d.sync += value.eq(value + increment)
            with m.If(self.clear):
                m.d.sync += value.eq(0)
        with m.If(self.select < len(self.increment)):
            m.d.comb += self.value.eq(values[self.select])
        return m
