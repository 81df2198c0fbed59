"""The periphery of the compute-in-memory array: an adder below each column, and what columns tell each other."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.cim.macro import Kind
from rtl.cim.carry import carries, reaches, spread, turned
from rtl.cim.merge_shift import columns_below
from rtl.cim.sequencer import step_layout


class Periphery(wiring.Component):
    """Adds two rows, bit by bit, the carries of each group from where the row below stopped: `golden.cim.macro`.

    Chauvaux et al., arXiv 2410.23082, section II. Two's complement is compared, and overflows are seen, by a carry out
    of the last bit whose operands' signs count as weights of their own: with the potential's sign inverted, and in a
    comparison the threshold's too, numbers are in the order of their bits. That is this project's.

    Ports:
        lefts: the left end of each group. step: what there is to do (`rtl.cim.sequencer.step_layout`).
        a, b: the rows read. load, load_mask: cells from outside.
        write_data: the row to be written, its other columns as they were.
        spikes, compared: as the macro has them (`rtl.cim.macro.CimMacro`). pending: they come.

    Latency: `write_data` follows the rows at once. Spikes come two cycles after the last row of their COMPARE, and
    operations that depend on them may follow it at once; none whose sign is needed may come in the cycle after it.
    Throughput: a row per cycle.
    """

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        super().__init__({
            "lefts": In(columns), "step": In(step_layout(rows, columns)), "a": In(columns), "b": In(columns),
            "load": In(columns), "load_mask": In(columns), "write_data": Out(columns), "spikes": Out(columns),
            "compared": Out(1), "pending": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, columns, step = Module(), self.columns, self.step

        def every(bit: Value) -> Value:
            return bit.replicate(columns)

        active, a, b, ends, starts, addend, total, carry_in = (
            Signal(columns, name=name)
            for name in ("active", "cells_a", "cells_b", "ends", "starts", "addend", "total", "carry_in"))
        carry, sign, written = (Signal(columns, name=name) for name in ("carry", "sign", "written"))
        odd_end = Signal(name="odd_end")
        rights = Cat(self.lefts[1:], Const(1, 1))
        inverts = (step.kind == Kind.COMPARE) | (step.kind == Kind.SUBTRACT)
        adds, ripples = step.kind != Kind.ZERO, step.valid & ~step.rewrite
        m.d.comb += [
            active.eq(columns_below(step.high, columns) & ~columns_below(step.low, columns)),
            starts.eq(Mux(step.odd, rights, self.lefts)), ends.eq(Mux(step.odd, self.lefts, rights)),
            a.eq(Mux(step.again, written, self.a)), b.eq(Mux(step.above, sign, self.b)),
            addend.eq(b ^ every(inverts)),
        ]
        m.d.sync += written.eq(self.write_data)

        # The signs, as bits that count up.
        last = ends & every(step.last)
        ordered_a, ordered_b = a ^ last, addend ^ (last & every(step.kind == Kind.COMPARE))
        generate, propagate, begins = (Signal(columns, name=name) for name in ("generate", "propagate", "begins"))
        m.d.comb += [
            begins.eq(Mux(step.first, every(inverts), carry)),
            generate.eq(ordered_a & ordered_b), propagate.eq(ordered_a ^ ordered_b),
        ]
        out = carries(m, turned(m, generate | (starts & propagate & begins), step.odd, "begun"),
                      turned(m, propagate & ~starts, step.odd, "going_on"))
        before = Cat(Const(0, 1), out[:-1])  # the carry out of the column before
        m.d.comb += [
            carry_in.eq((starts & begins) | (~starts & turned(m, before, step.odd, "before"))),
            total.eq(a ^ addend ^ carry_in),
        ]
        # One tree for both: a weight's sign, of the row that is read; and in the cycle after the last row its carry.
        seeds, late = Signal(columns, name="seeds"), self.pending | step.rewrite
        m.d.comb += seeds.eq(Mux(late, carry & Mux(odd_end, self.lefts, rights), self.b & ends))
        known = spread(m, seeds, reaches(m, rights), "known")
        with m.If(ripples):
            m.d.sync += [carry.eq((generate | (propagate & carry_in)) & active), odd_end.eq(step.odd)]
            with m.If(step.sign):
                m.d.sync += sign.eq(known)

        spikes, chosen, changed = (Signal(columns, name=name) for name in ("spikes_now", "chosen", "changed"))
        m.d.comb += [
            spikes.eq(Mux(self.pending, known, self.spikes)),
            chosen.eq(active & Mux(step.kind == Kind.ADD, every(Const(1, 1)), spikes)),
            changed.eq(Mux(step.load, self.load_mask, Mux(
                step.rewrite, chosen & (known ^ sign ^ every(inverts)), chosen & every(step.valid)))),
            self.write_data.eq(
                (a & ~changed) | (changed & Mux(step.load, self.load, Mux(
                    step.rewrite, known ^ last, total & every(adds))))),
        ]
        m.d.sync += [
            self.pending.eq(ripples & step.last & (step.kind == Kind.COMPARE)),
            self.compared.eq(self.pending), self.spikes.eq(spikes),
        ]
        return m
