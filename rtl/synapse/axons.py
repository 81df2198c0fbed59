"""Axon words on their way from the memory to the event generator: few of them are kept, many are read ahead."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import AXON_WORDS
from golden.words import layouts
from rtl.arithmetic import following
from rtl.ports import ReadPort


class AxonWords(wiring.Component):
    """Gives the axon words of neuron after neuron of a population, in order.

    Up to AXON_WORDS words are read once for a population, and kept until its end neuron is done. More are read anew for
    each neuron, ahead of their use, and ahead of their neuron if it is in sight.

    Ports:
        load: a neuron is taken. base, words: of the neuron that is offered, its first axon word and how many it has.
        first: the neuron before it was an end, so that these words are others.
        ahead: the neuron that is there has words to use, is no end, and the next one is offered.
        take: the word is used. last: it is the neuron's last one. done: it is the last one of an end neuron.
        there, word: the next word, and whether it is there.
        axon: read port.

    Latency: five cycles from `load` to the first word, if the memory is there at once. Throughput: one word per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.count_bits = config.axon_count_bits + 1
        super().__init__({
            "load": In(1), "first": In(1), "base": In(config.address_bits), "words": In(self.count_bits),
            "ahead": In(1), "take": In(1), "last": In(1), "done": In(1),
            "there": Out(1), "word": Out(layouts(config).axon.bits), "axon": Out(ReadPort(config)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, axon, m = self.config, self.axon, Module()
        # Words to be asked for, of this neuron or already of the next one (`early`); minus them, as counting up is
        # cheaper.
        left, address = Signal(signed(self.count_bits + 1), name="left"), Signal(config.address_bits, name="address")
        early, begin, granted = Signal(name="early"), Signal(name="begin"), Signal(name="granted")
        # `kept`: all words of a neuron have a slot; `whole`: they have all been used once, so all are there.
        kept, whole = Signal(name="kept"), Signal(name="whole")
        free, waiting = Signal(range(AXON_WORDS + 1), init=AXON_WORDS, name="free"), Signal(range(AXON_WORDS + 1))
        m.d.comb += [
            axon.valid.eq(left[-1] & (free != 0)), axon.address.eq(address),
            granted.eq(axon.valid & axon.ready),
            begin.eq((self.load & (self.first | ~(kept | early)))
                     | (self.ahead & ~self.load & ~kept & ~early & (~left[-1] | (granted & left[:-1].all())))),
        ]
        with m.If(granted | begin):
            m.d.sync += [left.eq(Mux(begin, -self.words, left + 1)), address.eq(Mux(begin, self.base, address + 1))]
        with m.If(begin | self.load):
            m.d.sync += early.eq(~self.load)
        with m.If(self.load):
            m.d.sync += [kept.eq(self.words <= AXON_WORDS), whole.eq(~self.first & kept)]

        m.submodules.ring = ring = Memory(shape=layouts(config).axon.bits, depth=AXON_WORDS, init=[])
        write, read = ring.write_port(), ring.read_port(domain="comb")
        coming, comes, arrives, used = (Signal(name=name) for name in ("coming", "comes", "arrives", "used"))
        m.d.sync += [coming.eq(granted), comes.eq(coming), arrives.eq(comes)]
        m.d.comb += [write.en.eq(arrives), write.data.eq(axon.data), self.word.eq(read.data),
                     used.eq(self.take & ~whole)]
        left_over = Signal.like(waiting, name="left_over")
        m.d.comb += left_over.eq(waiting + arrives - used)
        # A register, as the taking of neurons depends on it.
        m.d.sync += [waiting.eq(left_over), self.there.eq(
            (left_over != 0) | Mux(self.load, ~self.first & kept, whole))]
        with m.If(~kept):
            m.d.sync += free.eq(free - granted + used)
        with m.If(arrives):
            m.d.sync += write.addr.eq(following(write.addr, AXON_WORDS))
        with m.If(self.take):
            m.d.sync += read.addr.eq(Mux((self.last & kept) | (read.addr == AXON_WORDS - 1), 0, read.addr + 1))
        with m.If(self.done):
            m.d.sync += Cat(write.addr, read.addr).eq(0)
        return m
