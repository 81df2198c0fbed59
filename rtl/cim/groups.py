"""Where the groups of columns begin: the periphery's masks of a shape."""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.macro import shape_layout
from rtl.words import struct

PARTS = 8
"""Parts of the columns, of which one is made in a cycle."""


def shape_steps(columns: int) -> int:
    """Cycles in which the masks are made."""
    return (columns - 1).bit_length() + PARTS


class Groups(wiring.Component):
    """Makes the left end of each group of N_C columns, of which one begins at column `base`.

    First `base` modulo N_C, a bit of the quotient per cycle; then the columns from the lowest one on, an eighth of them
    per cycle. The paper loads such masks into cells of the array (Chauvaux et al., arXiv 2410.23082, "PC state").

    Ports:
        shape: stream of shapes. empty: one may be taken, and `lefts` may change.
        lefts: the leftmost column of each group, also of those that `base` does not count: below it, and above the last
            one. busy: they are being made.

    Latency: `shape_steps` cycles from a shape taken to `lefts`.
    """

    def __init__(self, columns: int):
        self.columns = columns
        super().__init__({
            "shape": In(stream.Signature(struct(shape_layout(columns)))), "empty": In(1), "lefts": Out(columns),
            "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, columns, part = Module(), self.columns, self.columns // PARTS
        width = Signal(range(columns + 1), name="width")
        base, first = Signal(range(columns), name="base"), Signal(range(columns), name="first")
        left = Signal(range(shape_steps(columns) + 1), name="left")
        shape = self.shape
        m.d.comb += [self.busy.eq(left.any()), shape.ready.eq(self.empty & ~self.busy)]
        with m.If(shape.valid & shape.ready):
            m.d.sync += [width.eq(shape.payload.columns + 1), base.eq(shape.payload.base), first.eq(0),
                         left.eq(shape_steps(columns))]
        with m.Elif(self.busy):
            m.d.sync += left.eq(left - 1)

        remainder = Cat(base[-1], first)
        with m.If(left > PARTS):
            m.d.sync += [base.eq(base << 1), first.eq(Mux(remainder >= width, remainder - width, remainder))]
        # `first`: the first left end from this part on. The part's size modulo N_C is how much nearer it comes.
        with m.Elif(self.busy):
            ends = Cat(Cat(width == distance for distance in range(1, place + 1) if place % distance == 0).any()
                       if place else Const(1, 1) for place in range(part))
            here = Mux(first < part, ends << first[:max(1, (part - 1).bit_length())], 0)
            step = Array([0, *(part % number for number in range(1, part + 1))])[
                Mux(width > part, 0, width[:part.bit_length()])]
            nearer = first - Mux(width > part, part, step)
            m.d.sync += [
                self.lefts.eq(Cat(self.lefts[part:], here[:part])),
                first.eq(Mux(nearer < 0, nearer + width, nearer)),
            ]
        return m
