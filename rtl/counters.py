"""The performance counters of a core."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.registers import counters
from golden.timing.microarchitecture import SCRATCH_TURNS
from rtl.arithmetic import following
from rtl.scratch import CountPort, ScratchMap


def largest_increments(config: CoreConfig) -> dict[str, int]:
    """What a counter can get in a cycle, by its name."""
    several = {"synapses": config.lanes, "protocol_error": 3}
    if config.update == "cim":
        several |= {"address_error": 2} | dict.fromkeys(
            ("synapses", "column_ops", "idle_column_ops"), config.cim_columns)
    return dict.fromkeys(counters(config), 1) | several | (
        {"unknown_channel": 2, "table_error": 2} if config.organisations else {})


def period(config: CoreConfig) -> int:
    """Cycles from a visit of a counter to its next one."""
    return SCRATCH_TURNS * len(counters(config))


def short_bits(config: CoreConfig) -> dict[str, int]:
    """Width of each short counter: what it can get from a visit to the next one fits."""
    return {name: (period(config) * most).bit_length() for name, most in largest_increments(config).items()}


def _selected(values: list[Value], index: Value) -> Value:
    """One of the values, by pairs: a multiplexer of four is one LUT."""
    if len(values) == 1:
        return values[0]
    pairs = [Mux(index[0], *reversed(values[low:low + 2])) if low + 1 < len(values) else values[low]
             for low in range(0, len(values), 2)]
    return _selected(pairs, index[1:])


class Counters(wiring.Component):
    """One counter for each of `golden.registers.counters`, `counter_bits` wide, wrapping.

    A counter is a word of the scratch memory, and what has come since its last visit: a short counter of flip-flops.
    One counter after another is visited, SCRATCH_TURNS cycles each: its word is read, the short counter is added and
    begins anew, and the sum is written.

    No short counter overflows. Visits depend on nothing but the clock, and so a counter is emptied every `period` =
    SCRATCH_TURNS · counters cycles exactly. It then holds the increments of these cycles: at most `period` times the
    largest one, for which it has the bits (`short_bits`).

    A clearing empties the short counters at once, and makes all words stale: a visit takes zero for a stale word, and
    as all counters have their turn before one has it again, these are the next `counters` visits. So a reset needs no
    pass through the memory either, whose first contents do not matter.

    Ports:
        increment: a signal of each counter, with `most` its largest value.
        clear: all counters begin with what comes in this cycle.
        read: the host wants counter `select`, and holds both until `done`. done: `value` is it, in this cycle.
        scratch: see `rtl.scratch.CountPort`.

    Latency: a value read has all increments up to the cycle before `read` rose. It comes `period` + 2 cycles after
    that at most.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        most = largest_increments(config)
        self.increment = {name: Signal(range(most[name] + 1), name=f"increment_{name}") for name in most}
        super().__init__({
            "clear": In(1), "read": In(1), "select": In(range(len(self.increment))),
            "value": Out(config.counter_bits), "done": Out(1), "scratch": Out(CountPort(config)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, count, port = Module(), len(self.increment), self.scratch
        take, store, fetch = port.turn
        index = Signal(range(count), name="index")  # the counter that is visited
        stale = Signal(range(count + 1), init=count, name="stale")
        """Words that are stale: those of the next so many visits."""
        bits = short_bits(self.config)
        part, asked = Signal(max(bits.values()), name="part"), Signal(name="asked")
        parts = []
        for number, (name, increment) in enumerate(self.increment.items()):
            # An increment is among the last signals of a cycle: it is added in the next one.
            came = Signal(increment.shape(), name=f"came_{name}")
            short = Signal(bits[name], name=f"short_{name}")
            visited = Signal(name=f"visited_{name}")
            low, high = short[:len(came)], short[len(came):]
            m.d.comb += visited.eq(take & (index == number))
            m.d.sync += [came.eq(increment), short.eq(short + came)]
            # Written so that what becomes 0 is the reset of a flip-flop, and costs no logic.
            with m.If(visited):
                m.d.sync += low.eq(came)
            with m.If(self.clear):
                m.d.sync += low.eq(0)
            with m.If(visited | self.clear):
                m.d.sync += high.eq(0)
            parts.append(short)
        with m.If(take):
            m.d.sync += [part.eq(_selected(parts, index)), stale.eq(stale - (stale != 0))]
        with m.If(self.clear):  # goes before a visit, whose sum is then stale already when it is written
            m.d.sync += stale.eq(count)
        with m.If(store):
            m.d.sync += index.eq(following(index, count))
        # A host that asks in the middle of a visit waits for the next one: this one may have missed what it counted.
        with m.If(fetch):
            m.d.sync += asked.eq(self.read & (index == self.select))
        m.d.comb += [
            port.address.eq(ScratchMap(self.config).of_counter(index)),
            port.stale.eq(stale != 0), self.value.eq(port.data[:self.config.counter_bits] + part),
            port.write_data.eq(self.value), self.done.eq(store & asked),
        ]
        return m
