"""The performance counters of a core."""

from amaranth import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig

COUNTERS: dict[str, str] = {
    "cycles": "clock cycles while running",
    "busy": "cycles in which the ESU or the neuron update has work",
    "values_in": "value events taken from the input",
    "values_local": "value events taken from the core's own populations",
    "values_out": "value events sent to other cores",
    "ends": "ends of timestep taken",
    "word_ops": "word operations done (up to `lanes` synaptic operations each)",
    "synapses": "synaptic operations done (SOP)",
    "stall_bank": "cycles an operation waited for a memory bank",
    "stall_hazard": "cycles an operation waited for an earlier write to the same word",
    "stall_weight": "cycles an operation waited for its weights",
    "neurons_fired": "neurons fired",
    "stall_fire": "cycles a firing neuron waited for the PEG",
    "unknown_id": "events dropped: no edge has this ID",
    "unknown_channel": "events dropped: the edge has no such source channel",
    "address_error": "word operations dropped: state address outside the memory",
    "protocol_error": "events dropped: ends and credits that nobody waits for, and kinds that are none",
    "overflow": "events lost in a full queue: always 0",
}
"""Name and meaning, in the order of the host's addresses."""


class Counters(wiring.Component):
    """One counter for each of COUNTERS, `counter_bits` wide, wrapping.

    Ports: `increment` (one signal each, any width), `clear`, `select` (index), `value` (combinational).
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        bits = {"synapses": config.lanes.bit_length(), "protocol_error": 2}
        self.increment = {name: Signal(bits.get(name, 1), name=f"increment_{name}") for name in COUNTERS}
        super().__init__({
            "clear": In(1), "select": In(config.address_bits), "value": Out(config.counter_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        values = Array(Signal(self.config.counter_bits, name=name) for name in COUNTERS)
        for value, increment in zip(values, self.increment.values(), strict=True):
            m.d.sync += value.eq(value + increment)
            with m.If(self.clear):
                m.d.sync += value.eq(0)
        with m.If(self.select < len(COUNTERS)):
            m.d.comb += self.value.eq(values[self.select])
        return m
