"""Rows of the compute-in-memory array and words of the buffer, cut out of one another."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.merge_shift import capacity

_LOW = 4
"""Low bits of a number that are compared apart: then a place below it costs a LUT."""


def columns_below(m: Module, number: Value, columns: int, name: str) -> Signal:
    """One bit for each column, set below `number`."""
    blocks = -(-columns >> _LOW)
    low, more, same = (Signal(size, name=f"{name}_{part}") for part, size in (
        ("low", 1 << _LOW), ("more", blocks), ("same", blocks)))
    below = Signal(columns, name=name)
    m.d.comb += [
        low.eq(Cat(number[:_LOW] > place for place in range(1 << _LOW))),
        more.eq(Cat(number[_LOW:] > block for block in range(blocks))),
        same.eq(Cat(number[_LOW:] == block for block in range(blocks))),
        below.eq(Cat(more[block].replicate(1 << _LOW) | (same[block].replicate(1 << _LOW) & low)
                     for block in range(blocks))),
    ]
    return below


class MergeShift(wiring.Component):
    """Cuts the words of an operand into its rows, or its rows into words: `golden.cim.merge_shift`.

    The bits go round in a ring of twice the longest row or word. Words lie in it at whole words, and so need no
    shifter. Rows lie wherever they come to lie; one rotator moves them from there to their columns, or from these to
    there. Both directions are the same work, of which one is done at a time.
    Chauvaux et al., arXiv 2410.23082, section II ("merge & shift"); the ring is this project's.

    Args:
        columns: of the array, and so of the widest row. word_bits: of a word of the buffer. Both are powers of two.

    Ports:
        start: forget what is held: the next piece is the first of its operand. Nothing is taken or given away in this
            cycle.
        load: words into rows, else rows into words. base, width: first column and columns, at least one, of the
            operand's rows. They are constant from the cycle of `start` on.
        given: stream of words or rows; of a row other columns do not count. `last`: the operand's last one, after which
            there come zeros, and none is taken before the next `start`.
        taken: stream of rows or words, all other bits of which are 0. It has no end: whoever takes them counts, and
            stops by `start`.

    Latency: a piece comes in the cycle after its last bit.
    Throughput: a row or a word per cycle, of whichever is shorter. Back-pressure: `given.ready` follows `taken.ready`
    at once.
    """

    def __init__(self, columns: int, word_bits: int):
        assert columns.bit_count() == word_bits.bit_count() == 1, "a ring of whole words, in which columns come round"
        self.columns, self.word_bits = columns, word_bits
        self.longest = max(columns, word_bits)
        super().__init__({
            "start": In(1), "load": In(1), "base": In(range(columns)), "width": In(range(columns + 1)),
            "given": In(stream.Signature(data.StructLayout({"bits": self.longest, "last": 1}))),
            "taken": Out(stream.Signature(self.longest)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given, taken, load = Module(), self.given, self.taken, self.load
        longest, room, word = self.longest, capacity(self.columns, self.word_bits), self.word_bits
        ended = Signal(name="ended")
        # `left`: what is held after a piece has been given away, negative as long as there is no whole one.
        count = Signal(range(room + 1), name="count")
        left, stays, next_count = (Signal(range(-longest, room + 1), name=name)
                                   for name in ("left", "stays", "next_count"))
        full, gives, takes = left >= 0, Signal(name="gives"), Signal(name="takes")
        given_bits, taken_bits = (Signal(range(longest + 1), name=name) for name in ("given_bits", "taken_bits"))
        m.d.comb += [
            given_bits.eq(Mux(load, word, self.width)), taken_bits.eq(Mux(load, self.width, word)),
            taken.valid.eq((full | ended) & ~self.start), gives.eq(taken.valid & taken.ready),
            stays.eq(Mux(gives, Mux(full, left, 0), count)),
            given.ready.eq(~ended & ~self.start & (stays + given_bits <= room)),
            takes.eq(given.valid & given.ready),
            next_count.eq(Mux(self.start, 0, stays + Mux(takes, given_bits, 0))),
        ]
        m.d.sync += [count.eq(next_count), left.eq(next_count - taken_bits),
                     ended.eq(~self.start & (ended | (takes & given.payload.last)))]

        # Where the next row and the next word are, or come to be.
        place, slot = Signal(range(room), name="place"), Signal(range(room // word), name="slot")
        with m.If(self.start):
            m.d.sync += [place.eq(0), slot.eq(0)]
        with m.Else():
            m.d.sync += [place.eq(place + Mux(Mux(load, gives, takes), self.width, 0)),
                         slot.eq(slot + Mux(load, takes, gives))]
        held = Signal(room, name="held", reset_less=True)
        row = self._window(m, place, Mux(load & ~full, count, self.width))
        mine = held & row
        rotated = self._rotate(m, Mux(load, mine[:longest] | mine[longest:], given.payload.bits),
                               Mux(load, place - self.base, self.base - place))
        rest = columns_below(m, count, word, "rest")
        m.d.comb += taken.payload.eq(Mux(load, rotated[:self.columns],
                                         held.word_select(slot, word) & (rest | full.replicate(word))))
        with m.If(takes & ~load):
            m.d.sync += held.eq((held & ~row) | (Cat(rotated, rotated) & row))
        with m.If(takes & load):
            m.d.sync += held.word_select(slot, word).eq(given.payload.bits)
        return m

    def _window(self, m: Module, place: Value, width: Value) -> Value:
        """So many bits of the ring from a place on."""
        end = Signal(len(place) + 1, name="end")
        m.d.comb += end.eq(place + width)
        room = 1 << len(place)
        begins, ends = columns_below(m, place, room, "begins"), columns_below(m, end[:-1], room, "ends")
        window = Signal(room, name="window")
        m.d.comb += window.eq(Mux(end[-1], ~begins | ends, ~begins & ends))
        return window

    def _rotate(self, m: Module, given: Value, by: Value) -> Value:
        """Bits of the longest row or word, rotated to the right."""
        amount = Signal(range(self.longest), name="amount")
        m.d.comb += amount.eq(by)
        rotated = given
        for place in range(len(amount)):
            stage = Signal(self.longest, name=f"by_{1 << place}")  # which is used twice
            m.d.comb += stage.eq(rotated)
            rotated = Mux(amount[place], stage.rotate_right(1 << place), stage)
        last = Signal(self.longest, name="rotated")
        m.d.comb += last.eq(rotated)
        return last
