"""The last stage of the evaluation: which neuron a value belongs to, and whether it fires."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from rtl.neuron.lookup import result_layout
from rtl.words import struct


class Fire(wiring.Component):
    """Finds the place of each value that comes out of the evaluation, in its order, and sends those that are not 0.

    Ports:
        result: stream of values and ends (`rtl.neuron.lookup.result_layout`).
        width, height, last_channel: of the population, each minus one.
        fired: stream of {x, y, c, v, end}. An end is all zeros.

    Latency: one cycle, two for an end. Throughput: one neuron per cycle. Values that are 0 are taken while a neuron
    waits.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        coordinate, channel = unsigned(config.coordinate_bits), unsigned(config.channel_bits)
        self.layout = struct(messages.fired(config))
        super().__init__({
            "result": In(stream.Signature(result_layout(config))),
            "width": In(coordinate), "height": In(coordinate), "last_channel": In(channel),
            "fired": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        lane_bits, m, result = self.config.lane_bits, Module(), self.result.payload
        x = Signal.like(self.width)
        y = Signal.like(self.height)
        c = Signal.like(self.last_channel)
        lane, channel_word = c[:lane_bits], c[lane_bits:]
        fired, take, last_word = self.fired, Signal(name="take"), Signal(name="last_word")
        # The counters have come round at an end; but not where an evaluation stops early, so an end clears them first.
        cleared = Signal(name="cleared")
        m.d.comb += [
            last_word.eq(channel_word == self.last_channel[lane_bits:]),
            self.result.ready.eq(Mux(result.fires, (~fired.valid | fired.ready) & (~result.end | cleared), 1)),
            take.eq(self.result.valid & self.result.ready),
        ]
        with m.If(take & ~result.end):
            m.d.sync += lane.eq(lane + 1)
            with m.If(result.last):
                m.d.sync += [lane.eq(0), y.eq(y + 1)]
                with m.If(y == self.height):
                    m.d.sync += [y.eq(0), x.eq(x + 1)]
                    with m.If(x == self.width):
                        m.d.sync += [x.eq(0), channel_word.eq(Mux(last_word, 0, channel_word + 1))]
        m.d.sync += cleared.eq(self.result.valid & result.end & ~take)
        with m.If(self.result.valid & result.end):
            m.d.sync += [x.eq(0), y.eq(0), c.eq(0)]

        with m.If(~fired.valid | fired.ready):
            m.d.sync += [
                fired.valid.eq(take & result.fires), fired.payload.x.eq(x), fired.payload.y.eq(y),
                fired.payload.c.eq(c), fired.payload.v.eq(Mux(result.end, 0, result.value)),
                fired.payload.end.eq(result.end),
            ]
        return m
