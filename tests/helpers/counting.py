"""The counters and the scratch memory as one block, for their bench."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from rtl.counters import Counters
from rtl.scratch import Scratch, TablePort


class Counting(wiring.Component):
    """Counters on the scratch memory that they share with a table; `increments` are one behind the other."""

    def __init__(self, config: CoreConfig):
        self.counters, self.scratch = Counters(config), Scratch(config)
        super().__init__({
            "increments": In(sum(map(len, self.counters.increment.values()))),
            "clear": In(1), "read": In(1), "select": In(len(self.counters.select)),
            "done": Out(1), "value": Out(config.counter_bits), "table": In(TablePort(config)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.counters, m.submodules.scratch = counters, scratch = self.counters, self.scratch
        connect(m, counters.scratch, scratch.count)
        connect(m, flipped(self.table), scratch.table)
        m.d.comb += [
            Cat(counters.increment.values()).eq(self.increments), counters.clear.eq(self.clear),
            counters.read.eq(self.read), counters.select.eq(self.select),
            self.done.eq(counters.done), self.value.eq(counters.value),
        ]
        return m
