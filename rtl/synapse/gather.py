"""Synapses that come one by one into word operations."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.organisations.interface import Sizes, synapse_layout
from rtl.ports import op_layout
from rtl.words import struct


class Gather(wiring.Component):
    """One operation for consecutive synapses of a state word; see `golden.synapse.gather`.

    An operation grows until a synapse of another word comes, or of a lane that it has already, or until `done`. So
    which synapses share one does not depend on when they come.

    Ports:
        synapse: stream of synapses (`golden.synapse.organisations.interface`). done: the one that is taken in this
            cycle, or the last one before, was the last of its request.
        state_base, shift: of the request; they may change when none is under way.
        op: stream of operations with `immediate`, from registers.
        busy: a synapse is inside.

    Latency: two cycles from the last synapse of an operation to the operation. Throughput: one synapse per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config, sizes = config, Sizes.of(config)
        super().__init__({
            "synapse": In(stream.Signature(struct(synapse_layout(sizes)))), "done": In(1),
            "state_base": In(config.address_bits), "shift": In(config.product_shift_bits),
            "op": Out(stream.Signature(op_layout(config))), "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, given = Module(), self.config, self.synapse.payload
        lane_bits = config.lane_bits
        grown = Signal(data.StructLayout({
            "word": len(given.neuron) - lane_bits, "address": config.address_bits + 1, "mask": config.lanes,
            "weights": data.ArrayLayout(signed(config.table_weight_bits), config.lanes),
            "shift": config.product_shift_bits, "v": given.value.shape(),
        }), name="grown", reset_less=True)
        there, closed = Signal(name="there"), Signal(name="closed")
        joins, moves, taken = Signal(name="joins"), Signal(name="moves"), Signal(name="taken")
        lane, word = given.neuron[:lane_bits], given.neuron[lane_bits:]
        m.d.comb += [
            joins.eq(there & ~closed & (grown.word == word) & ~grown.mask.bit_select(lane, 1)),
            moves.eq(there & (closed | (self.synapse.valid & ~joins)) & (~self.op.valid | self.op.ready)),
            self.synapse.ready.eq(~there | joins | moves), taken.eq(self.synapse.valid & self.synapse.ready),
            self.busy.eq(there | self.op.valid),
        ]
        stays = there & ~moves
        # Of the one that is here in the next cycle.
        m.d.sync += [there.eq(taken | stays), closed.eq((self.done & (taken | stays)) | (closed & stays))]
        address = self.state_base + word
        with m.If(taken & ~joins):
            m.d.sync += [
                grown.word.eq(word), grown.shift.eq(self.shift), grown.v.eq(given.value), grown.mask.eq(1 << lane),
                grown.address.eq(Cat(address[:config.address_bits], address[config.address_bits:].any())),
            ]
        with m.Elif(taken):
            m.d.sync += grown.mask.eq(grown.mask | (1 << lane))
        for place in range(config.lanes):
            with m.If(taken & (lane == place)):
                m.d.sync += grown.weights[place].eq(given.weight)

        op = self.op.payload
        with m.If(~self.op.valid | self.op.ready):
            m.d.sync += [
                self.op.valid.eq(moves), op.state_address.eq(grown.address), op.mask.eq(grown.mask),
                op.shift.eq(grown.shift), op.v.eq(grown.v), op.weights.eq(grown.weights), op.immediate.eq(1),
            ]
        return m
