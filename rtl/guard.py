"""The check at the start: whether the two words of each population agree about where its states lie."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.neuron.types import built_types
from golden.ports import READ_LATENCY
from golden.words import layouts
from rtl.ports import ReadPort
from rtl.words import struct


class Guard(wiring.Component):
    """Reads geometry, population and second population word of each population, once after a reset (`golden.guard`).

    Ports:
        populations: how many the image has; must not change but in reset.
        memory: reads the words.
        good: per population, whether its words agree. done: all have been compared.

    Latency: 10 cycles per population, 3 more with a second population word, and one per row; with memory at once.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "populations": In(config.population_bits + 1), "memory": Out(ReadPort(config)),
            "good": Out(config.max_populations), "done": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, words, port = Module(), self.config, layouts(self.config), self.memory
        index = Signal(config.population_bits + 1, name="index")
        geometry, word = Signal(struct(words.geometry), name="geometry"), Signal(struct(words.population), name="word")
        second = struct(words.second_population)(port.data[:words.second_population.bits])
        far, doubled, apart = Signal(name="far"), Signal(name="doubled"), Signal(name="apart")
        place = Signal.like(geometry.state_base, name="place")
        # All sums are as wide as they can get: what does not fit the geometry word's fields differs from it.
        most = config.memory_words + 2 * (1 << config.axon_count_bits) + 2 * (1 << config.channel_bits)
        states = Signal(most.bit_length(), name="states")
        last_word = (word.depth - 1)[config.lane_bits:config.channel_bits]
        depth_words = Signal(config.depth_word_bits + 1, name="depth_words")
        x_stride = Signal(config.coordinate_bits + config.depth_word_bits + 1, name="x_stride")
        rows = Signal.like(word.height, name="rows")
        m.d.comb += [
            depth_words.eq(last_word + 1),
            doubled.eq(Cat(word.type == code for code, model in built_types(config).items()
                           if model.second_parameter).any()),
        ]

        def reading(state: str, following: str, address: Value) -> None:
            """A read, whose word comes READ_LATENCY cycles later."""
            with m.State(state):
                m.d.comb += [port.valid.eq(1), port.address.eq(address)]
                with m.If(port.ready):
                    m.next = f"{following} comes 1"
            for number in range(1, READ_LATENCY):
                with m.State(f"{following} comes {number}"):
                    m.next = f"{following} comes {number + 1}" if number < READ_LATENCY - 1 else following

        with m.FSM():
            with m.State("begin"):
                m.next = "read geometry"
                with m.If(index == self.populations):
                    m.next = "done"
            reading("read geometry", "geometry", Cat(Const(0, 1), index))
            with m.State("geometry"):
                m.d.sync += geometry.eq(port.data[:words.geometry.bits])
                m.next = "read population"
            reading("read population", "population", Cat(Const(1, 1), index))
            with m.State("population"):
                arriving = struct(words.population)(port.data[:words.population.bits])
                m.d.sync += [word.eq(arriving), far.eq(0), apart.eq(0), states.eq(arriving.base), x_stride.eq(0),
                             rows.eq(0)]
                m.next = "axons"
                with m.If(arriving.extended):
                    m.next = "read second"
            reading("read second", "second", word.base)
            with m.State("second"):
                m.d.sync += [far.eq(second.far_axons), states.eq(states + 1), apart.eq(second.apart),
                             place.eq(second.state_base)]
                m.next = "axons"
            with m.State("axons"):
                m.d.sync += states.eq(states + (word.axons << far))
                m.next = "parameters"
            with m.State("parameters"):
                m.d.sync += states.eq(states + (Mux(word.uniform, 1, word.depth) << doubled))
                m.next = "rows"
            with m.State("rows"):
                m.d.sync += [x_stride.eq(x_stride + (depth_words | word.pad)), rows.eq(rows + 1)]
                with m.If(rows == word.height):
                    m.next = "compare"
            with m.State("compare"):
                m.d.sync += [
                    index.eq(index + 1),
                    self.good.bit_select(index[:config.population_bits], 1).eq(
                        (word.depth != 0) & (geometry.state_base == Mux(apart, place, states))
                        & (geometry.x_stride == x_stride) & (geometry.width == word.width)
                        & (geometry.height == word.height) & (geometry.depth_words == depth_words)
                        & (geometry.pad == word.pad)),
                ]
                m.next = "begin"
            with m.State("done"):
                m.d.comb += self.done.eq(1)
        return m
