"""The thresholds of a population whose neurons spike once: read in front of its evaluation."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from rtl.ports import ReadPort


def loads_layout(config: CoreConfig) -> data.StructLayout:
    """A word of thresholds that is there, and its number."""
    return data.StructLayout({"valid": 1, "number": range(config.threshold_words), "word": config.word_bits})


class ThresholdReader(wiring.Component):
    """Reads the words in front of a population's base, one after the other, through the port of value tables.

    Ports:
        begins: a population with thresholds has been taken. base: the word behind them.
        table: read port; what it asks for depends on registers only.
        loads: the words as they come. busy: not all of them have come.

    Latency: READ_LATENCY + 1 cycles from `begins` to the first word. Throughput: a word per cycle while memory does not
    wait; there are `threshold_words`.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "begins": In(1), "base": In(config.address_bits), "table": Out(ReadPort(config)),
            "loads": Out(loads_layout(config)), "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, count = self.config, Module(), self.config.threshold_words
        address, left = Signal(config.address_bits, name="address"), Signal(range(count + 1), name="left")
        asked = Signal(name="asked")
        comes = Signal(READ_LATENCY, name="comes")
        number = Signal(range(count), name="number")
        m.d.comb += [
            self.table.valid.eq(left != 0), self.table.address.eq(address),
            asked.eq(self.table.valid & self.table.ready),
            self.loads.valid.eq(comes[-1]), self.loads.number.eq(number), self.loads.word.eq(self.table.data),
            self.busy.eq((left != 0) | comes.any()),
        ]
        m.d.sync += comes.eq(comes << 1 | asked)
        with m.If(asked):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        with m.If(self.loads.valid):
            m.d.sync += number.eq(number + 1)
        with m.If(self.begins):
            m.d.sync += [address.eq(self.base - count), left.eq(count), number.eq(0)]
        return m
