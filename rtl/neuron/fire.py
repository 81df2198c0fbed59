"""The last stage of the evaluation: which neuron a value belongs to, and whether it fires."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from rtl.words import struct


class Fire(wiring.Component):
    """Finds the place of each value that comes out of the evaluation, in its order, and sends those that are not 0.

    Ports:
        evaluated, value: a neuron's value is there. ended: the population's values have all been; never both.
        ending: `ended` comes next, and no value before it.
        width, height, last_channel: of the population, each minus one.
        advance: the pipeline in front may move; depends on registers only.
        lane, word_ends: of the neuron whose value is there.
        fired: stream of {x, y, c, v, end}; the zeros of `end` come from counters that have come round, or
            that `ending` has cleared where an evaluation stops early.

    Latency: one cycle. Throughput: one neuron per cycle. A second register takes the neuron that comes out in the cycle
    in which the first one is refused, so that `advance` need not wait for `fired.ready`.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        coordinate, channel = unsigned(config.coordinate_bits), unsigned(config.channel_bits)
        self.layout = struct(messages.fired(config))
        super().__init__({
            "evaluated": In(1), "ended": In(1), "ending": In(1), "value": In(signed(config.value_bits)),
            "width": In(coordinate), "height": In(coordinate), "last_channel": In(channel),
            "advance": Out(1), "lane": Out(self.config.lane_bits), "word_ends": Out(1),
            "fired": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        lane_bits, m = self.config.lane_bits, Module()
        x = Signal.like(self.width)
        y = Signal.like(self.height)
        c = Signal.like(self.last_channel)
        lane, channel_word = c[:lane_bits], c[lane_bits:]
        place, spilled = Signal(self.layout, name="place"), Signal(self.layout, reset_less=True, name="spilled")
        waits, fires, last_word = Signal(name="waits"), Signal(name="fires"), Signal(name="last_word")
        m.d.comb += [
            self.advance.eq(~waits), self.lane.eq(lane),
            self.word_ends.eq(lane.all() | (last_word & (lane == self.last_channel[:lane_bits]))),
            last_word.eq(channel_word == self.last_channel[lane_bits:]),
            fires.eq(self.ended | (self.evaluated & self.value.any())),
            place.x.eq(x), place.y.eq(y), place.c.eq(c), place.v.eq(Mux(self.ended, 0, self.value)),
            place.end.eq(self.ended),
        ]
        with m.If(self.evaluated & ~waits):
            m.d.sync += lane.eq(lane + 1)
            with m.If(self.word_ends):
                m.d.sync += [lane.eq(0), y.eq(y + 1)]
                with m.If(y == self.height):
                    m.d.sync += [y.eq(0), x.eq(x + 1)]
                    with m.If(x == self.width):
                        m.d.sync += [x.eq(0), channel_word.eq(Mux(last_word, 0, channel_word + 1))]

        with m.If(self.ending):
            m.d.sync += [x.eq(0), y.eq(0), c.eq(0)]

        fired = self.fired
        with m.If(~fired.valid | fired.ready):
            m.d.sync += [fired.valid.eq(fires | waits), fired.payload.eq(Mux(waits, spilled, place)), waits.eq(0)]
        with m.Elif(fires & ~waits):
            m.d.sync += [spilled.eq(place), waits.eq(1)]
        return m
