"""The last stage of the evaluation with `skip_silent`: the places of the neurons that were evaluated, and who fires."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.timing.microarchitecture import SKIPPING_MASKS
from rtl.neuron.lookup import result_layout
from rtl.words import struct


class SkippingFire(wiring.Component):
    """Finds the place of each value that comes out of the evaluation, and sends those that are not 0.

    Which lanes of which words come is told as the words are tested. The next word that has some is looked for while the
    values of the one before are sent.

    Ports:
        tested, passes: a state word was looked at, in order, and these of its lanes will come. walked: the place of a
            word is known, so that another one may be tested; at most SKIPPING_MASKS are between the two.
        result, width, height, fired: as of `rtl.neuron.fire.Fire`; `last` is not looked at.

    Latency: four cycles from `tested` to the first value of the word, and one from a value to its neuron, two from an
    end. Throughput: one word without values and one value per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        coordinate = unsigned(config.coordinate_bits)
        self.layout = struct(messages.fired(config))
        super().__init__({
            "tested": In(1), "passes": In(config.lanes), "walked": Out(1),
            "result": In(stream.Signature(result_layout(config))),
            "width": In(coordinate), "height": In(coordinate),
            "fired": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, result, fired = self.config, Module(), self.result.payload, self.fired
        m.submodules.masks = masks = Memory(shape=unsigned(config.lanes), depth=SKIPPING_MASKS, init=[])
        newest, oldest = masks.write_port(), masks.read_port(domain="comb")
        # The mask of the next word is in a register.
        waiting, some, moves, walks = (Signal(name=name) for name in ("waiting", "some", "moves", "walks"))
        mask, blank = Signal(config.lanes, name="mask"), Signal(name="blank")
        place = Signal(data.StructLayout({
            "x": unsigned(config.coordinate_bits), "y": unsigned(config.coordinate_bits),
            "word": unsigned(config.depth_word_bits), "lanes": unsigned(config.lanes)}), name="place")
        there, rest = Signal(name="there"), Signal(config.lanes, name="rest")
        lane = Signal(config.lane_bits, name="lane")
        take, free, clear, cleared = (Signal(name=name) for name in ("take", "free", "clear", "cleared"))
        m.d.comb += [
            newest.en.eq(self.tested), newest.data.eq(self.passes), waiting.eq(newest.addr != oldest.addr),
            moves.eq(waiting & (~some | walks)),
            rest.eq(place.lanes & (place.lanes - 1)),
            # An end comes behind all words, and clears the counters before it is taken: an evaluation may stop early.
            clear.eq(self.result.valid & result.end & ~some & ~there & ~waiting),
            self.result.ready.eq(Mux(result.fires, ~fired.valid | fired.ready, 1) & Mux(result.end, cleared, there)),
            take.eq(self.result.valid & self.result.ready),
            free.eq(~there | (take & ~rest.any())), walks.eq(some & (free | blank)),
        ]
        for number in reversed(range(config.lanes)):
            with m.If(place.lanes[number]):
                m.d.comb += lane.eq(number)
        with m.If(self.tested):
            m.d.sync += newest.addr.eq(newest.addr + 1)  # wraps
        with m.If(moves):
            m.d.sync += [oldest.addr.eq(oldest.addr + 1), mask.eq(oldest.data), blank.eq(oldest.data == 0)]
        m.d.sync += [some.eq(moves | (some & ~walks)), self.walked.eq(walks), cleared.eq(clear & ~take)]

        x, y = Signal.like(self.width, name="x"), Signal.like(self.height, name="y")
        word = Signal(config.depth_word_bits, name="channel_word")
        column_ends, both_end = Signal(name="column_ends"), Signal(name="both_end")
        m.d.comb += [column_ends.eq(y == self.height), both_end.eq(column_ends & (x == self.width))]
        column, channel_word = walks & column_ends, walks & both_end
        # Each counts, and then, so that it is the reset of a flip-flop and costs no logic, begins anew.
        for counts, begins, counter in ((walks, column, y), (column, channel_word, x),
                                        (channel_word, Const(0), word)):
            with m.If(counts):
                m.d.sync += counter.eq(counter + 1)
            with m.If(begins | clear):
                m.d.sync += counter.eq(0)
        with m.If(take):
            m.d.sync += place.lanes.eq(rest)
        with m.If(free):
            m.d.sync += [there.eq(some & ~blank), place.x.eq(x), place.y.eq(y), place.word.eq(word),
                         place.lanes.eq(mask)]
        with m.If(clear):  # an end is all zeros
            m.d.sync += place.eq(0)
        with m.If(~fired.valid | fired.ready):
            m.d.sync += [
                fired.valid.eq(take & result.fires), fired.payload.x.eq(place.x), fired.payload.y.eq(place.y),
                fired.payload.c.eq(Cat(lane, place.word)),
                fired.payload.v.eq(Mux(result.end, 0, result.value)), fired.payload.end.eq(result.end),
            ]
        return m
