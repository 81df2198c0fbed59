"""Adds increments that come one by one to neuron states in memory."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.tables.accumulate import StateSizes, increment_layout
from rtl.ports import ReadPort
from rtl.words import struct


class StateWrite(wiring.Signature):
    """A word is written in the cycle in which `valid` is high; what is read from the next cycle on is the new one."""

    def __init__(self, sizes: StateSizes):
        super().__init__({"valid": Out(1), "address": Out(sizes.address_bits), "data": Out(sizes.word_bits)})


class Accumulate(wiring.Component):
    """state[neuron] += increment, wrapping: `golden.synapse.tables.accumulate`.

    Increments that follow each other in one state word are gathered in a register, and take one read and one write. The
    word leaves the register when an increment of another word comes, or with `drain`. Sums of the last cycles go back
    to the adder, so the same words may come in any order without a pause.

    Args:
        sizes: the widths; of a configuration, those of its states.

    Ports:
        increment: stream of increments (`golden.synapse.tables.accumulate.increment_layout`).
        drain: no more increments come for now: what has been gathered goes, too. Without it, it stays inside.
        state: read port to the states. write: their new words, of a memory that reads and writes in one cycle.
        busy: something is inside.

    Latency: from an increment of another word taken, or `drain`, to the write of what had been gathered
    `read_latency` + 1 cycles. Throughput: one increment per cycle. Back-pressure: a read that waits stops the stream.
    """

    def __init__(self, sizes: StateSizes | CoreConfig):
        self.sizes = sizes = sizes if isinstance(sizes, StateSizes) else StateSizes.of(sizes)
        super().__init__({
            "increment": In(stream.Signature(struct(increment_layout(sizes)))), "drain": In(1),
            "state": Out(ReadPort(sizes)), "write": Out(StateWrite(sizes)), "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        sizes, m = self.sizes, Module()
        lanes = data.ArrayLayout(signed(sizes.state_bits), sizes.lanes)
        place = {"valid": unsigned(1), "address": unsigned(sizes.address_bits)}
        stage = data.StructLayout(place | {"sums": lanes})
        gathered = Signal(stage, name="gathered")
        offered = self.increment.payload
        lane, address = offered.neuron[:sizes.lane_bits], offered.neuron[sizes.lane_bits:]

        other, leaves = Signal(name="other"), Signal(name="leaves")
        m.d.comb += [
            other.eq(self.increment.valid & (address != gathered.address)),
            self.state.valid.eq(gathered.valid & (other | (self.drain & ~self.increment.valid))),
            self.state.address.eq(gathered.address), leaves.eq(self.state.valid & self.state.ready),
            self.increment.ready.eq(~gathered.valid | (address == gathered.address) | self.state.ready),
        ]
        with m.If(self.increment.valid & self.increment.ready):
            m.d.sync += [gathered.valid.eq(1), gathered.address.eq(address)]
            for number in range(sizes.lanes):
                before = Mux(gathered.valid & ~other, gathered.sums[number], 0)
                m.d.sync += gathered.sums[number].eq(before + Mux(lane == number, offered.increment, 0))
        with m.Elif(leaves):
            m.d.sync += gathered.valid.eq(0)

        waiting = [Signal(stage, name=f"waiting_{number}") for number in range(sizes.read_latency)]
        for number, held in enumerate(waiting):
            before = waiting[number - 1] if number else gathered
            m.d.sync += [held.eq(before), held.valid.eq(before.valid if number else leaves)]

        # The words written last: a read of one of them came too early.
        written = [Signal(data.StructLayout(place | {"word": lanes}), name=f"written_{number}")
                   for number in range(sizes.read_latency + 1)]
        last = waiting[-1]
        word: Value = self.state.data
        for held in reversed(written):
            word = Mux(held.valid & (held.address == last.address), held.word.as_value(), word)
        states = Signal(lanes, name="states")
        m.d.comb += states.eq(word)
        m.d.sync += [written[0].valid.eq(last.valid), written[0].address.eq(last.address)]
        m.d.sync += [written[0].word[number].eq(states[number] + last.sums[number]) for number in range(sizes.lanes)]
        m.d.sync += [after.eq(before) for before, after in pairwise(written)]
        m.d.comb += [
            self.write.valid.eq(written[0].valid), self.write.address.eq(written[0].address),
            self.write.data.eq(written[0].word),
            self.busy.eq(gathered.valid | written[0].valid | Cat(held.valid for held in waiting).any()),
        ]
        return m
