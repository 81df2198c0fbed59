"""Functional connectivity by pure arithmetic in hardware."""

from amaranth import Array, Const, Module, Mux, Signal

from golden.synapse.organisations import functional_pure
from golden.synapse.organisations.convolution import KERNEL_BITS, SIDE
from rtl.synapse.organisations.convolution import ConvolutionWalk

RECIPROCAL_BITS = 9
"""Enough for k div h of any tap k of at most SIDE · SIDE and h of at most SIDE."""


class FunctionalPure(ConvolutionWalk):
    """See `golden.synapse.organisations.functional_pure`; it has no index.

    Latency: `read_latency` + 4 cycles from a request to its first synapse if the first tap meets a neuron. Throughput:
    one synapse per cycle, and a cycle for each tap that meets no neuron; the next request is taken as many cycles after
    this one, and three. In a walk back a tap that leads from no source costs a cycle for each source channel.
    """

    model = functional_pure.FunctionalPure

    def taps(self, m: Module) -> None:
        layer, tap, learning = self.held.layer, self.tap, self.sizes.learning
        # In a walk back: all taps of a source channel, then of the next one; that of the tap's place, and of its test.
        source, source_tested = (Signal.like(layer.sources, name=name) for name in ("source", "source_tested"))
        test_free = Signal(name="test_free")
        base, (x_axis, y_axis) = self.source_base(m, back=source, load=test_free), self.axes()
        # The tap's place and its test; a cycle later its address and neuron.
        number, going, more = Signal.like(layer.taps, name="number"), Signal(name="going"), Signal(name="more")
        column, row = Signal.like(number, name="column"), Signal(range(SIDE), name="row")
        reciprocals = Array(Const(-(-(1 << RECIPROCAL_BITS) // (height + 1)), RECIPROCAL_BITS + 1)
                            for height in range(SIDE))
        m.d.comb += [
            column.eq((number * reciprocals[layer.kernel_height]) >> RECIPROCAL_BITS),
            row.eq(number - column * (layer.kernel_height + 1)),
        ]
        (x, x_meets), (y, y_meets) = self.placed(m, x_axis, column[:KERNEL_BITS]), self.placed(m, y_axis, row)
        tested, test_there, last = Signal.like(number, name="tested"), Signal(name="test_there"), Signal(name="is_last")
        inside, x_tested, y_tested = Signal(name="meets"), Signal.like(x, name="x"), Signal.like(y, name="y")
        free, goes_on, is_last = Signal(name="free"), number != layer.taps, number == layer.taps
        neuron = x_tested * x_axis.stride + y_tested * y_axis.stride
        if learning:
            turns, final = is_last, ~self.backward | (source == layer.sources)
            goes_on, is_last, neuron = goes_on | ~final, turns & final, neuron + Mux(self.backward, source_tested, 0)
            with m.If(test_free):
                m.d.sync += source_tested.eq(source)
                with m.If(going & turns):
                    m.d.sync += source.eq(source + 1)
        m.d.comb += [
            self.checked.eq(1), going.eq(self.starts | more), free.eq(~self.there | self.next),
            test_free.eq(~test_there | free),
        ]
        with m.If(test_free):
            m.d.sync += [
                test_there.eq(going), tested.eq(number), last.eq(is_last), x_tested.eq(x), y_tested.eq(y),
                inside.eq(x_meets & y_meets & (column <= layer.kernel_width)),
            ]
            with m.If(going):
                m.d.sync += [number.eq(Mux(number == layer.taps, 0, number + 1)), more.eq(goes_on)]
        with m.If(free):
            m.d.sync += [
                self.there.eq(test_there), tap.inside.eq(inside), tap.last.eq(last),
                tap.address.eq(base + tested * layer.tap_words),
                tap.neuron.eq(neuron),
            ]
        with m.If(self.taken & self.step.end):
            m.d.sync += [self.there.eq(0), test_there.eq(0), more.eq(0), number.eq(0)]
            if learning:
                m.d.sync += source.eq(0)
