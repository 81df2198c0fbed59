"""Functional connectivity with a bitmap of taps in hardware."""

from amaranth import Cat, Module, Mux, Signal

from golden.synapse.organisations import functional_bitmap
from golden.synapse.organisations.convolution import SIDE
from golden.synapse.organisations.functional_bitmap import PLACE_BITS, pattern_bits
from rtl.synapse.organisations.convolution import ConvolutionWalk


class FunctionalBitmap(ConvolutionWalk):
    """See `golden.synapse.organisations.functional_bitmap`; the index memory holds the bitmap.

    Latency: 2 · `read_latency` + 4 cycles from a request to its first synapse. Throughput: one synapse per cycle, as
    neither taps without a weight nor those that meet no neuron are visited; the next request is taken as many cycles
    after this one as it has synapses, and `read_latency` + 3.
    """

    model = functional_bitmap.FunctionalBitmap

    def taps(self, m: Module) -> None:
        sizes, layer, tap, index = self.sizes, self.held.layer, self.tap, self.index
        arrives = self.after(m, sizes.read_latency)[-1]
        address = self.saturated(layer.bitmap_base + Mux(layer.per_source, self.anchor.c, 0))
        m.d.comb += [
            self.refused.eq(address[-1]), index.valid.eq(self.checking), index.address.eq(address),
            self.checked.eq(index.ready), self.bitmap_read.eq(index.valid & index.ready),
        ]
        # While the bitmap comes: which columns and rows meet a neuron.
        x_axis, y_axis = self.axes()
        meets = []
        for axis in (x_axis, y_axis):
            found = Signal(SIDE, name=f"{axis.name}_meets")
            for number in range(SIDE):
                _, here = self.placed(m, axis, number, name=f"_{number}")
                m.d.sync += found[number].eq(here & (number <= axis.kernel))
            meets.append(found)
        low = pattern_bits(sizes, 1)
        word = Mux(layer.per_source, index.data[:low], index.data[:SIDE * SIDE])
        pattern, left = Signal(SIDE * SIDE, name="pattern"), Signal(SIDE * SIDE, name="left")
        place, scanning = Signal(PLACE_BITS, name="place"), Signal(name="scanning")
        base = Signal.like(tap.address, name="base")
        m.d.sync += base.eq(layer.weight_base + Mux(layer.per_source, place, self.anchor.c)
                            * Mux(layer.per_source, layer.tap_words, layer.source_words))

        # The next tap that is left: its place, and a cycle later its address and neuron.
        below, rest = Signal.like(left, name="below"), Signal.like(left, name="rest")
        number, stored = Signal(range(SIDE * SIDE), name="number"), Signal(range(SIDE * SIDE), name="stored")
        m.d.comb += [below.eq(~left & (left - 1)), rest.eq(left & (left - 1)), number.eq(sum(below)),
                     stored.eq(sum(pattern & below))]
        (x, _), (y, _) = self.placed(m, x_axis, number[3:]), self.placed(m, y_axis, number[:3])
        rank, x_found, y_found = (Signal.like(item, name=f"{name}_found")
                                  for name, item in (("rank", stored), ("x", x), ("y", y)))
        with m.If(arrives):
            m.d.sync += [
                pattern.eq(word), left.eq(word & Cat(meets[0][i].replicate(SIDE) & meets[1] for i in range(SIDE))),
                place.eq(index.data[low:low + PLACE_BITS]), scanning.eq(1),
            ]
        with m.Elif(~self.there | self.next):
            m.d.sync += [self.there.eq(scanning), tap.inside.eq(left != 0), tap.last.eq(rest == 0), left.eq(rest),
                         rank.eq(stored), x_found.eq(x), y_found.eq(y), scanning.eq(scanning & (rest != 0))]
        with m.If(self.taken & self.step.end):
            m.d.sync += [self.there.eq(0), scanning.eq(0)]
        m.d.comb += [tap.address.eq(base + rank * layer.tap_words),
                     tap.neuron.eq(x_found * layer.x_stride + y_found * layer.y_stride)]
