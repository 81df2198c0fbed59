"""Puts the states that spiking neurons keep back into words, and writes these where they were read."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import KEPT_WORDS


class StateWriter(wiring.Component):
    """Collects new states lane by lane, and writes each word to its address; part of the evaluation.

    Lanes that get no state are written as zeros. While nothing is to be written, and has not been in the last cycle,
    `write_data` is 0, so that it serves for clearing too.

    Ports:
        read, address: a word is read that will be written; words are written in this order.
        neuron, state, last: the next neuron's new state; `last` of its word. Not while `waits`.
        waits, pending: no state can be taken; something is not written yet. Both depend on registers only.
        write, write_address, write_data: to memory; `write` stays until `granted`.

    Latency: two cycles from the last state of a word to its write. Throughput: one state per cycle; a word every two.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        address = unsigned(config.address_bits)
        super().__init__({
            "read": In(1), "address": In(address), "neuron": In(1), "state": In(signed(config.state_bits)),
            "last": In(1), "waits": Out(1), "pending": Out(1),
            "write": Out(1), "write_address": Out(address), "write_data": Out(config.word_bits), "granted": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        m.submodules.addresses = addresses = Memory(shape=unsigned(config.address_bits), depth=KEPT_WORDS, init=[])
        newest, oldest = addresses.write_port(), addresses.read_port(domain="comb")
        collected = Signal(data.ArrayLayout(unsigned(config.state_bits), config.lanes))
        full, move, lane_now = Signal(name="full"), Signal(name="move"), Signal(config.lane_bits, name="lane")
        m.d.comb += [
            newest.en.eq(self.read), newest.data.eq(self.address), self.write_address.eq(oldest.data),
            move.eq(full & ~self.write), self.waits.eq(full & self.write), self.pending.eq(full | self.write),
        ]
        m.d.sync += full.eq((self.neuron & self.last) | (full & ~move))
        with m.If(self.read):
            m.d.sync += newest.addr.eq(newest.addr + 1)
        with m.If(self.neuron):
            m.d.sync += lane_now.eq(Mux(self.last, 0, lane_now + 1))
        # Written so that what becomes 0 is the reset of a flip-flop, and costs no logic.
        for lane in range(config.lanes):
            chosen = self.neuron & (lane_now == lane)
            with m.If(chosen):
                m.d.sync += collected[lane].eq(self.state)
            with m.If(move & ~chosen):
                m.d.sync += collected[lane].eq(0)
        # The memory takes the word a cycle after it granted the write, even if the core has been stopped since.
        word = Signal(config.word_bits, name="word", reset_less=True)
        m.d.comb += self.write_data.eq(word)
        with m.If(move):
            m.d.sync += [self.write.eq(1), word.eq(collected)]
        with m.Elif(~self.write):
            m.d.sync += word.eq(0)
        with m.If(self.granted):
            m.d.sync += [self.write.eq(0), oldest.addr.eq(oldest.addr + 1)]
        return m
