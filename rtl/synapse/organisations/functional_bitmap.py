"""Functional connectivity with a bitmap of taps in hardware."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl._ast import Assign
from amaranth.lib import data, wiring

from golden.synapse.organisations import functional_bitmap
from golden.synapse.organisations.convolution import SIDE
from golden.synapse.organisations.functional_bitmap import PLACE_BITS, pattern_bits
from rtl.synapse.organisations.convolution import ConvolutionWalk
from rtl.synapse.organisations.reader import Reader


class FunctionalBitmap(ConvolutionWalk):
    """See `golden.synapse.organisations.functional_bitmap`; the index memory holds the bitmap.

    Latency: 2 · `read_latency` + 4 cycles from a request to its first synapse. Throughput: one synapse per cycle, as
    neither taps without a weight nor those that meet no neuron are visited; the next request is taken as many cycles
    after this one as it has synapses, and `read_latency` + 3. With `per_source` a walk back reads a word for each
    source channel, ahead; one without a tap costs a cycle.
    """

    model = functional_bitmap.FunctionalBitmap

    def taps(self, m: Module) -> None:
        sizes, layer, tap = self.sizes, self.held.layer, self.tap
        arrives, bitmap = self._words(m) if sizes.learning else self._word(m)
        # While the bitmap comes: which columns and rows meet a neuron.
        x_axis, y_axis = self.axes()
        meets = []
        for axis in (x_axis, y_axis):
            found = Signal(SIDE, name=f"{axis.name}_meets")
            for number in range(SIDE):
                _, here = self.placed(m, axis, number, name=f"_{number}")
                m.d.sync += found[number].eq(here & (number <= axis.kernel))
            meets.append(found)
        self.met = Cat(meets[0][i].replicate(SIDE) & meets[1] for i in range(SIDE))
        low = pattern_bits(sizes, 1)
        word = Mux(layer.per_source, bitmap[:low], bitmap[:SIDE * SIDE])
        self.pattern, self.left = Signal(SIDE * SIDE, name="pattern"), Signal(SIDE * SIDE, name="left")
        place, self.scanning = Signal(PLACE_BITS, name="place"), Signal(name="scanning")
        pattern, left, base = self.pattern, self.left, Signal.like(tap.address, name="base")

        # The next tap that is left: its place, and a cycle later its address and neuron.
        below, rest = Signal.like(left, name="below"), Signal.like(left, name="rest")
        number, stored = Signal(range(SIDE * SIDE), name="number"), Signal(range(SIDE * SIDE), name="stored")
        if not sizes.learning:
            m.d.sync += base.eq(layer.weight_base + Mux(layer.per_source, place, self.anchor.c)
                                * Mux(layer.per_source, layer.tap_words, layer.source_words))
        m.d.comb += [below.eq(~left & (left - 1)), rest.eq(left & (left - 1)), number.eq(sum(below)),
                     stored.eq(sum(pattern & below))]
        (x, _), (y, _) = self.placed(m, x_axis, number[3:]), self.placed(m, y_axis, number[:3])
        rank, x_found, y_found = (Signal.like(item, name=f"{name}_found")
                                  for name, item in (("rank", stored), ("x", x), ("y", y)))
        neuron = x_found * x_axis.stride + y_found * y_axis.stride
        arrival = [pattern.eq(word), left.eq(word & self.met), place.eq(bitmap[low:low + PLACE_BITS]),
                   self.scanning.eq(1)]
        found_tap = [rank.eq(stored), x_found.eq(x), y_found.eq(y)]
        if sizes.learning:
            source, source_found = self._scan(m, rest, arrives, arrival, found_tap)
            first = Mux(layer.per_source, place, Mux(self.backward, source, self.anchor.c))
            neuron = neuron + Mux(self.backward, source_found, 0)
            with m.If(~self.there | self.next):
                m.d.sync += base.eq(self.weight_base() + first * Mux(layer.per_source, layer.tap_words,
                                                                     layer.source_words))
        else:
            with m.If(arrives):
                m.d.sync += arrival
            with m.Elif(~self.there | self.next):
                m.d.sync += [self.there.eq(self.scanning), tap.inside.eq(left != 0), tap.last.eq(rest == 0),
                             left.eq(rest), *found_tap, self.scanning.eq(self.scanning & (rest != 0))]
        with m.If(self.taken & self.step.end):
            m.d.sync += [self.there.eq(0), self.scanning.eq(0)]
        m.d.comb += [tap.address.eq(base + rank * layer.tap_words), tap.neuron.eq(neuron)]

    def _word(self, m: Module) -> tuple[Value, Value]:
        """The request's word of the index memory: a pulse when it is there, and the word."""
        layer, index = self.held.layer, self.index
        arrives = self.after(m, self.sizes.read_latency)[-1]
        address = self.saturated(layer.bitmap_base + Mux(layer.per_source, self.anchor.c, 0))
        m.d.comb += [
            self.refused.eq(address[-1]), index.valid.eq(self.checking), index.address.eq(address),
            self.checked.eq(index.ready), self.bitmap_read.eq(index.valid & index.ready),
        ]
        return arrives, index.data

    def _words(self, m: Module) -> tuple[Value, Value]:
        """With `learning`: the words of the source channels that a request looks at, asked for ahead.

        `found`: the words, each `last` or not, or `lost` behind the memory.
        """
        sizes, layer = self.sizes, self.held.layer
        m.submodules.index_reader = reader = Reader(sizes, data.StructLayout({"last": 1, "lost": 1}), bypass=True,
                                                    keep=False)
        wiring.connect(m, reader.port, wiring.flipped(self.index))
        given, asking, asked = reader.given, Signal(name="asking"), Signal.like(layer.sources, name="asked")
        address = self.saturated(
            layer.bitmap_base + Mux(layer.per_source, Mux(self.backward, asked, self.anchor.c), 0))
        several = self.backward & layer.per_source & (asked != layer.sources) & ~address[-1]
        m.d.comb += [
            self.refused.eq(address[-1] & ~asking & ~self.applying), self.checked.eq(given.ready | self.applying),
            given.valid.eq(self.starts | asking), given.payload.address.eq(address),
            given.payload.fetch.eq(~address[-1]), given.payload.tag.last.eq(~several),
            given.payload.tag.lost.eq(address[-1]), self.bitmap_read.eq(reader.granted),
        ]
        with m.If(given.valid & given.ready):
            m.d.sync += [asking.eq(several), asked.eq(Mux(several, asked + 1, 0))]
        self.found = reader.found
        return self.found.valid & self.found.ready, self.found.payload.word

    def _scan(self, m: Module, rest: Value, loads: Value, arrival: list[Assign], found_tap: list[Assign]
              ) -> tuple[Value, Value]:
        """With `learning`: the taps of one source channel after the other; the channel of `left`, and that of `tap`.

        Args:
            rest: what is left behind the next tap. loads: a word is taken, which `arrival` does. found_tap: what else
                a tap takes.
        """
        layer, tap, left, scanning = self.held.layer, self.tap, self.left, self.scanning
        source, coming, found = (Signal.like(layer.sources, name=name) for name in ("source", "coming", "source_found"))
        last, lost, final = Signal(name="last_word"), Signal(name="lost_word"), Signal(name="final")
        turns, moves, again, gives_up, ended = (
            Signal(name=name) for name in ("turns", "moves", "again", "gives_up", "tap_turns"))
        shared, parted = self.backward & ~layer.per_source, Signal(name="tap_parted")
        m.d.comb += [
            turns.eq(rest == 0), moves.eq(~self.there | self.next),
            final.eq(last & (~shared | (source == layer.sources) | (left == 0))),
            # The same word once more, for the next source channel.
            again.eq(moves & scanning & turns & shared & ~final), self.parted.eq(parted & self.there),
            # Behind an error within a source channel the tap that waits is one of it, too.
            gives_up.eq(self.taken & self.step.error & self.parted & ~ended),
            self.found.ready.eq(~scanning | gives_up | (moves & turns & ~again)),
        ]
        with m.If(moves):
            m.d.sync += [
                self.there.eq(scanning & ~gives_up), tap.inside.eq(left != 0), tap.last.eq(turns & final), *found_tap,
                left.eq(Mux(again, self.pattern & self.met, rest)), found.eq(source), ended.eq(turns),
                scanning.eq(scanning & ~gives_up & (~turns | again)), self.lost.eq(scanning & lost),
                parted.eq(self.backward & layer.per_source & ~final),
            ]
        with m.If(loads):
            m.d.sync += [*arrival, last.eq(self.found.payload.tag.last), lost.eq(self.found.payload.tag.lost)]
            with m.If(self.found.payload.tag.lost):
                m.d.sync += left.eq(0)
        with m.If(loads | again):
            m.d.sync += [source.eq(coming), coming.eq(coming + 1)]
        with m.If(self.starts):
            m.d.sync += coming.eq(0)
        return source, found
