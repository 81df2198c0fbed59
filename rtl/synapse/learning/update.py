"""The update unit in hardware: weights that come with their errors, and leave for memory as they are then."""

from itertools import pairwise

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.learning import lfsr
from golden.synapse.learning.update import RULE, SUM_BITS, UPDATE_LATENCY, LearningSizes, write_layout
from golden.synapse.organisations.interface import synapse_layout
from golden.synapse.tables.accumulate import increment_layout
from rtl.synapse.learning.lfsr import Lfsr
from rtl.synapse.organisations.numbers import weight_number
from rtl.words import struct


class EntryRead(wiring.Signature):
    """Reads a memory of the unit's own: `data` is the entry in the cycle after `enable`, and stays until the next."""

    def __init__(self, address_bits: int, entry_bits: int):
        super().__init__({"enable": Out(1), "address": Out(address_bits), "data": In(entry_bits)})


class EntryWrite(wiring.Signature):
    """Writes an entry in the cycle in which `enable` is high."""

    def __init__(self, address_bits: int, entry_bits: int):
        super().__init__({"enable": Out(1), "address": Out(address_bits), "data": Out(entry_bits)})


class Update(wiring.Component):
    """See `golden.synapse.learning.update`.

    Args:
        sizes: the widths; of a configuration, those for a memory as large as a core's.

    Ports:
        rule: `golden.synapse.learning.update.RULE`. weight_bits, weight_base: of the layer. apply: synapses are those
            of an APPLY. None of them may change while the unit is busy.
        synapse: stream of synapses, of whatever pass.
        trace: read port to the traces.
        gradient, gradient_write: with `gradient_bits`, ports to the gradients.
        increment: stream, always ready, of what is added to the sums
            (`golden.synapse.tables.accumulate.increment_layout`).
        write: stream of weights for memory (`golden.synapse.learning.update.write_layout`).
        retired: pulse, a synapse of an UPDATE or APPLY is done with: its weight or gradient is written with this edge,
            or stays.
        beyond: pulse, a synapse has no sum, trace or gradient, and changes nothing.
        load, seed, state: of the random numbers (`rtl.synapse.learning.lfsr`).
        busy: a synapse is inside.

    A weight must not come again before its synapse has retired.

    Latency: UPDATE_LATENCY cycles from a synapse to its write. Throughput: one synapse per cycle. Back-pressure: a
    write that waits stops all.
    """

    def __init__(self, sizes: LearningSizes | CoreConfig):
        self.sizes = sizes = sizes if isinstance(sizes, LearningSizes) else LearningSizes.of(sizes)
        memory, gradients = sizes.memory, sizes.gradient_bits
        super().__init__({
            "rule": In(struct(RULE)), "apply": In(1), "weight_bits": In(4), "weight_base": In(memory.address_bits),
            "synapse": In(stream.Signature(struct(synapse_layout(memory)))),
            "trace": Out(EntryRead(sizes.entry_bits, sizes.trace_bits)),
            **({"gradient": Out(EntryRead(gradients, SUM_BITS)),
                "gradient_write": Out(EntryWrite(gradients, SUM_BITS))} if gradients else {}),
            "increment": Out(stream.Signature(struct(increment_layout(sizes.sums)), always_ready=True)),
            "write": Out(stream.Signature(struct(write_layout(memory)))),
            "retired": Out(1), "beyond": Out(1), "busy": Out(1),
            "load": In(1), "seed": In(lfsr.BITS), "state": Out(lfsr.BITS),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given = Module(), self.synapse.payload
        # Of each stage: a synapse is there, of an update; it has no sum or gradient; its weight is not written.
        stage = data.StructLayout({
            "valid": 1, "update": 1, "lacks": 1, "stays": 1,
            "address": given.weight_address.shape(), "weight": given.weight.shape()})
        read, multiplied, rounded, written = stages = [
            Signal(stage, name=name) for name in ("read", "multiplied", "rounded", "written")]
        assert len(stages) == UPDATE_LATENCY
        moves = Signal(name="moves")
        m.d.comb += [
            moves.eq(~written.valid | written.stays | self.write.ready), self.synapse.ready.eq(moves),
            self.busy.eq(Cat(held.valid for held in stages).any()),
            self.retired.eq(written.valid & written.update & moves),
            self.beyond.eq(written.valid & written.lacks & moves),
        ]
        for before, after in pairwise(stages):
            with m.If(moves):
                m.d.sync += after.eq(before)
        value = Signal.like(given.value, name="value_read")
        number = self._enter(m, moves, read)
        with m.If(moves):
            m.d.sync += value.eq(given.value)
        product = self._multiply(m, moves, read, value)
        change = self._gradient(m, moves, number, read, multiplied, product)
        step = self._round(m, moves, multiplied, change)
        self._write(m, moves, rounded, written, step)
        return m

    def _enter(self, m: Module, moves: Value, read: data.View) -> Value:
        """The synapse, and what can be said of it at once; returns the number of its gradient, in the next cycle."""
        sizes, rule, given = self.sizes, self.rule, self.synapse.payload
        number = weight_number(sizes.memory, self, given.weight_address)
        lacks, moving = Signal(name="lacks"), Signal(name="moving")
        without_gradient = number[sizes.gradient_bits:].any() if sizes.gradient_bits else Const(1, 1)
        m.d.comb += [
            moving.eq(given.update & (self.apply | ~rule.accumulate)),
            lacks.eq((~self.apply & given.neuron[sizes.entry_bits:].any())
                     | ((self.apply | (given.update & rule.accumulate)) & without_gradient)),
            self.trace.enable.eq(moves & self.synapse.valid), self.trace.address.eq(given.neuron),
        ]
        place = Signal(sizes.gradient_bits, name="gradient_number", reset_less=True)
        with m.If(moves):
            m.d.sync += [
                read.valid.eq(self.synapse.valid), read.update.eq(given.update), read.lacks.eq(lacks),
                read.stays.eq(lacks | ~moving | (rule.keep_zeros & (given.weight == 0))),
                read.address.eq(given.weight_address), read.weight.eq(given.weight), place.eq(number),
            ]
        return place

    def _multiply(self, m: Module, moves: Value, read: data.View, value: Value) -> Value:
        """Weight and value for the sums, trace and value for the weight; returns the latter, in the next cycle."""
        increment, valid = self.increment.payload, Signal(name="increment_valid")
        product = Signal(signed(self.sizes.product_bits), name="product", reset_less=True)
        neuron = Signal.like(increment.neuron, name="neuron_read", reset_less=True)
        with m.If(moves):
            m.d.sync += [
                neuron.eq(self.synapse.payload.neuron), increment.neuron.eq(neuron),
                increment.increment.eq(read.weight * value), valid.eq(read.valid & ~read.lacks & ~self.apply),
                product.eq((self.trace.data >> self.rule.trace_shift) * value),
            ]
        m.d.comb += self.increment.valid.eq(valid & moves)
        return product

    def _gradient(self, m: Module, moves: Value, number: Value, read: data.View, multiplied: data.View, product: Value
                  ) -> Value:
        """The gradient: read, increased or cleared. Returns what moves the weight."""
        if not self.sizes.gradient_bits:
            return product
        place = Signal.like(number, name="gradient_place", reset_less=True)
        total = Signal(signed(SUM_BITS), name="total")
        accumulates = multiplied.update & self.rule.accumulate
        with m.If(moves):
            m.d.sync += place.eq(number)
        m.d.comb += [
            self.gradient.enable.eq(moves & read.valid), self.gradient.address.eq(number),
            total.eq(self.gradient.data.as_signed() + product), self.gradient_write.address.eq(place),
            self.gradient_write.enable.eq(multiplied.valid & ~multiplied.lacks & (self.apply | accumulates)),
            self.gradient_write.data.eq(Mux(self.apply, 0, total)),
        ]
        change = Signal(signed(SUM_BITS), name="change")
        m.d.comb += change.eq(Mux(self.apply, self.gradient.data.as_signed(), product))
        return change

    def _round(self, m: Module, moves: Value, multiplied: data.View, change: Value) -> Value:
        """The step of the weight, in the next cycle, and its draw."""
        sizes, rule = self.sizes, self.rule
        m.submodules.lfsr = random = Lfsr(sizes.polynomial, sizes.seed)
        m.d.comb += [
            random.load.eq(self.load), random.seed.eq(self.seed), self.state.eq(random.state),
            random.advance.eq(moves & multiplied.valid & ~multiplied.stays & ~rule.nearest),
        ]
        one, addend = Signal(lfsr.BITS + 1, name="one"), Signal(lfsr.BITS, name="addend")
        step = Signal(signed(len(change) + 1), name="step", reset_less=True)
        m.d.comb += [one.eq(1 << rule.rate_shift),
                     addend.eq(Mux(rule.nearest, one >> 1, random.state & (one - 1)[:lfsr.BITS]))]
        with m.If(moves):
            m.d.sync += step.eq((change + addend) >> rule.rate_shift)
        return step

    def _write(self, m: Module, moves: Value, rounded: data.View, written: data.View, step: Value) -> None:
        """The weight after its step, and its place in the word."""
        memory, bits = self.sizes.memory, self.weight_bits
        # Of few bits of traces and errors the step is narrower than a weight.
        after = Signal(signed(max(len(step), memory.weight_bits) + 1), name="after")
        most = Signal(signed(memory.weight_bits), name="most")
        clipped = Signal(signed(memory.weight_bits), name="clipped")
        m.d.comb += [
            after.eq(rounded.weight + Mux(self.rule.ascend, step, -step)), most.eq((1 << bits >> 1) - 1),
            clipped.eq(Mux(after > most, most, Mux(after < -most, -most, after))),
        ]
        with m.If(moves):
            m.d.sync += written.weight.eq(clipped)
        low, write = memory.offset_bits, self.write.payload
        mask = Signal(memory.weight_bits, name="weight_mask")
        m.d.comb += [
            mask.eq((1 << bits) - 1), self.write.valid.eq(written.valid & ~written.stays),
            write.address.eq(written.address[low:]),
            write.mask.eq(mask << written.address[:low]),
            write.data.eq((written.weight.as_unsigned() & mask) << written.address[:low]),
        ]
