"""Rows of the compute-in-memory array and words of the buffer, cut out of one another."""

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.merge_shift import capacity


def columns_below(number: Value, columns: int) -> Value:
    """One bit for each column, set below `number`."""
    return ~(Const(-1, columns) << number)[:columns]


class MergeShift(wiring.Component):
    """Cuts a string of bits that comes in pieces of one length into pieces of another: `golden.cim.merge_shift`.

    Words into rows and rows into words are the same work, of which one is done at a time; so one unit does both.
    Chauvaux et al., arXiv 2410.23082, section II.

    Args:
        columns: of the array, the widest row. word_bits: of a word of the buffer.

    Ports:
        start: forget what is held: the next piece is the first of its operand. Nothing is taken or given away in this
            cycle.
        given_bits, taken_bits: lengths of pieces, one of them `word_bits` and the other at most `columns`; constant
            from the cycle of `start` on.
        given: stream of pieces, whose bits above `given_bits` do not count. `last`: the operand's last one, after which
            there come zeros, and none is taken before the next `start`.
        taken: stream of pieces, their other bits 0. It has no end: whoever takes them counts, and stops by `start`.

    Latency: a piece comes in the cycle after its last bit.
    Throughput: a piece of the shorter length per cycle. Back-pressure: `given.ready` follows `taken.ready` at once.
    """

    def __init__(self, columns: int, word_bits: int):
        self.columns, self.word_bits = columns, word_bits
        longest = max(columns, word_bits)
        super().__init__({
            "start": In(1), "given_bits": In(range(longest + 1)), "taken_bits": In(range(longest + 1)),
            "given": In(stream.Signature(data.StructLayout({"bits": longest, "last": 1}))),
            "taken": Out(stream.Signature(longest)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given, taken = Module(), self.given, self.taken
        longest, room = len(taken.payload), capacity(self.columns, self.word_bits)
        held, ended = Signal(room, name="held", reset_less=True), Signal(name="ended")
        # `left`: what is held after a piece has been given away, negative as long as there is none.
        count = Signal(range(room + 1), name="count")
        left, stays, next_count = (Signal(range(-longest, room + 1), name=name)
                                   for name in ("left", "stays", "next_count"))
        full, gives, takes = left >= 0, Signal(name="gives"), Signal(name="takes")
        m.d.comb += [
            taken.valid.eq((full | ended) & ~self.start), gives.eq(taken.valid & taken.ready),
            taken.payload.eq(held[:longest] & columns_below(self.taken_bits, longest)),
            # A piece that is not whole is the last one: it does not matter what is counted then.
            stays.eq(Mux(gives, left, count)),
            given.ready.eq(~ended & ~self.start & (stays + self.given_bits <= room)),
            takes.eq(given.valid & given.ready),
            next_count.eq(Mux(self.start, 0, stays + Mux(takes, self.given_bits, 0))),
        ]
        piece = given.payload.bits & columns_below(self.given_bits, longest)
        place = stays[:len(count)]
        kept = Mux(gives, held >> self.taken_bits, held)
        m.d.sync += [
            count.eq(next_count), left.eq(next_count - self.taken_bits),
            held.eq(Mux(self.start, 0, kept | (Mux(takes, piece, 0) << place)[:room])),
            ended.eq(~self.start & (ended | (takes & given.payload.last))),
        ]
        return m
