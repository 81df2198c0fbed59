"""The evaluation unit: at the end of a timestep the states of a population become values, and neurons fire."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import Saturation, layouts
from rtl.ports import MemoryPort, command_layout, neuron_layout
from rtl.words import struct


class Evaluation(wiring.Component):
    """Evaluates one population per command and fires its neurons.

    y = saturate(((state + bias) · multiplier + round) >> shift), round half up; then the state is cleared. Neurons with
    y ≠ 0 are sent, and after the last one an `end` neuron. Order: channel word, x, y, lane. The rule follows Bamberg et
    al., arXiv 2112.07019, section 4.2; the requantisation is this project's (docs/architecture.md).

    Ports:
        command: stream of populations to evaluate (`rtl.ports.command_layout`).
        memory: parameters and states are read, states cleared, one access at a time.
        neuron: stream of firing neurons (`rtl.ports.neuron_layout`). done: pulses as the `end` neuron is taken.
        trace: each state word as it is read: {valid, address, state}; for verification.

    Latency: from a state word read to its first neuron sent 7 cycles. Throughput: one neuron per cycle when memory and
    `neuron` do not wait (with 2 lanes, one in two cycles), plus `lanes` + 8 cycles per channel word, or 9 if uniform.
    Back-pressure: a neuron that is not taken stops the pipeline and, one word later, the reading.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(config))),
            "memory": Out(MemoryPort(config)),
            "neuron": Out(stream.Signature(neuron_layout(config))),
            "done": Out(1),
            "trace": Out(data.StructLayout({
                "valid": unsigned(1), "address": unsigned(config.address_bits), "state": unsigned(config.word_bits)})),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, memory = self.config, self.memory
        m = Module()
        coordinate, lanes = config.coordinate_bits, config.lanes
        place = data.StructLayout({"x": unsigned(coordinate), "y": unsigned(coordinate)})
        buffer = data.StructLayout({"word": unsigned(config.word_bits), "place": place})

        word = Signal(struct(layouts(config).population))
        index = Signal(config.population_bits)
        depth_words, y_stride = Signal(config.depth_word_bits + 1), Signal(config.depth_word_bits + 1)
        channel_word = Signal(config.depth_word_bits + 1)
        is_last_word, last_lane = Signal(), Signal(range(lanes))
        parameter_address, state_base = Signal(config.address_bits), Signal(config.address_bits)
        m.d.comb += [
            depth_words.eq((word.depth + lanes - 1) >> config.lane_bits), y_stride.eq(depth_words | word.pad),
            is_last_word.eq(channel_word + 1 == depth_words),
            last_lane.eq(Mux(is_last_word, word.depth - 1, lanes - 1)),
        ]

        # Reading: parameters of a channel word, then its states, each cleared right after it is read.
        parameters = [Signal(struct(layouts(config).parameter), name=f"parameter{lane}") for lane in range(lanes)]
        parameter_lane, arriving_lane = Signal(range(lanes)), Signal(range(lanes))
        parameter_arrives, state_arrives = Signal(), Signal()
        address, clear_address, clearing = Signal(config.address_bits), Signal(config.address_bits), Signal()
        position, fetched, fetched_valid = Signal(place), Signal(buffer), Signal()
        current, current_valid, lane = Signal(buffer), Signal(), Signal(range(lanes))
        move, advance, empty = Signal(), Signal(), Signal()
        row_ends, column_ends = position.y == word.height, position.x == word.width
        m.d.sync += [parameter_arrives.eq(0), state_arrives.eq(0)]
        with m.If(parameter_arrives):
            for number, parameter in enumerate(parameters):
                with m.If((arriving_lane == number) | word.uniform):
                    m.d.sync += parameter.eq(memory.data)
        with m.If(move):
            m.d.sync += [current.eq(fetched), current_valid.eq(1), lane.eq(0), fetched_valid.eq(0)]
        with m.Elif(current_valid & advance):
            m.d.sync += lane.eq(lane + 1)
            with m.If(lane == last_lane):
                m.d.sync += current_valid.eq(0)
        with m.If(state_arrives):
            m.d.sync += [fetched.word.eq(memory.data), fetched_valid.eq(1)]
        m.d.comb += [
            move.eq(fetched_valid & (~current_valid | (advance & (lane == last_lane)))),
            self.trace.valid.eq(state_arrives), self.trace.address.eq(clear_address), self.trace.state.eq(memory.data),
        ]

        with m.FSM() as fsm:
            with m.State("idle"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [word.eq(self.command.payload.word), index.eq(self.command.payload.population),
                             channel_word.eq(0), parameter_lane.eq(0)]
                with m.If(self.command.valid):
                    m.next = "place"
            with m.State("place"):
                m.d.sync += [
                    parameter_address.eq(word.base + word.axons),
                    state_base.eq(word.base + word.axons + Mux(word.uniform, 1, word.depth)),
                ]
                m.next = "parameters"
                with m.If(word.depth == 0):
                    m.next = "end"
            with m.State("parameters"):
                m.d.comb += [memory.valid.eq(1), memory.address.eq(parameter_address)]
                m.d.sync += [address.eq(state_base + channel_word), arriving_lane.eq(parameter_lane),
                             position.eq(0), clearing.eq(0)]
                with m.If(memory.ready):
                    m.d.sync += [parameter_arrives.eq(1), parameter_lane.eq(parameter_lane + 1)]
                    with m.If(~word.uniform):
                        m.d.sync += parameter_address.eq(parameter_address + 1)
                    with m.If((parameter_lane == last_lane) | word.uniform):
                        m.d.sync += parameter_lane.eq(0)
                        m.next = "states"
            with m.State("states"):
                # A word is read when there is room for it, and cleared before the next one is read. Whether room is
                # just being made is not asked: memory requests must not depend on the PEG, which waits for memory.
                room = ~state_arrives & ~fetched_valid
                m.d.comb += [
                    memory.write.eq(clearing), memory.valid.eq(clearing | room),
                    memory.address.eq(Mux(clearing, clear_address, address)),
                ]
                with m.If(memory.valid & memory.ready):
                    m.d.sync += clearing.eq(~clearing)
                    with m.If(clearing):
                        m.d.sync += [address.eq(address + y_stride), position.y.eq(position.y + 1)]
                        with m.If(row_ends):
                            m.d.sync += [position.y.eq(0), position.x.eq(position.x + 1)]
                            with m.If(column_ends):
                                m.next = "drain"
                    with m.Else():
                        m.d.sync += [state_arrives.eq(1), clear_address.eq(address), fetched.place.eq(position)]
            with m.State("drain"):
                # The parameters stay until the last neuron of this channel word has used them.
                with m.If(~state_arrives & ~fetched_valid & ~current_valid):
                    m.d.sync += channel_word.eq(channel_word + 1)
                    m.next = "parameters"
                    with m.If(is_last_word):
                        m.next = "end"
            with m.State("end"):
                with m.If(empty & self.neuron.ready):
                    m.d.comb += self.done.eq(1)
                    m.next = "idle"

        # Evaluating: select and add bias; multiply; shift; round and saturate.
        stages = [(Signal(name=f"valid{number}"), Signal(data.StructLayout({
            "place": place, "c": unsigned(config.channel_bits)}), name=f"at{number}")) for number in range(4)]
        sum_bits = config.state_bits + 1
        product_bits = sum_bits + config.multiplier_bits + 1
        selected, biased = Signal(layouts(config).parameter.bits), Signal(signed(sum_bits))
        parameter = data.View(struct(layouts(config).parameter), selected)
        state = Signal(signed(config.state_bits))
        multiplier, shifts = Signal(config.multiplier_bits), [Signal(config.shift_bits, name=f"shift{n}") for n in (0, 1)]
        product, doubled = Signal(signed(product_bits)), Signal(signed(product_bits + 1))
        value, rounded = Signal(signed(config.value_bits)), Signal(signed(product_bits + 1))
        m.d.comb += [
            selected.eq(Cat(*(item.as_value() for item in parameters)).word_select(lane, len(selected))),
            state.eq(current.word.word_select(lane, config.state_bits)),
            rounded.eq((doubled + 1) >> 1),
        ]
        with m.If(advance):
            m.d.sync += [
                biased.eq(state + parameter.bias), multiplier.eq(parameter.multiplier), shifts[0].eq(parameter.shift),
                product.eq(biased * multiplier), shifts[1].eq(shifts[0]),
                # One bit below the binary point is kept, to round half up: floor(x + 1/2) = (floor(2x) + 1) >> 1.
                doubled.eq((product << 1) >> shifts[1]),
                value.eq(rounded),
                stages[0][0].eq(current_valid), stages[0][1].place.eq(current.place),
                stages[0][1].c.eq((channel_word << config.lane_bits) | lane),
                *(mine[1].eq(earlier[1]) for earlier, mine in zip(stages, stages[1:], strict=False)),
                *(mine[0].eq(earlier[0]) for earlier, mine in zip(stages[:2], stages[1:], strict=False)),
                stages[3][0].eq(0),
            ]
            with m.Switch(word.saturation):
                for mode in (Saturation.RELU, Saturation.SIGNED, Saturation.FULL):
                    with m.Case(mode) if mode != Saturation.FULL else m.Default():
                        low, high = Saturation.bounds(mode, config.value_bits)
                        with m.If(rounded < low):
                            m.d.sync += [value.eq(low), stages[3][0].eq(stages[2][0] & (low != 0))]
                        with m.Elif(rounded > high):
                            m.d.sync += [value.eq(high), stages[3][0].eq(stages[2][0])]
                        with m.Else():
                            m.d.sync += stages[3][0].eq(stages[2][0] & (rounded != 0))

        neuron, (fires, at) = self.neuron, stages[3]
        m.d.comb += [
            advance.eq(~fires | neuron.ready),
            empty.eq(~Cat(valid for valid, _ in stages).any()),
            neuron.valid.eq(fires | (fsm.ongoing("end") & empty)),
            neuron.payload.end.eq(~fires),
            neuron.payload.axon_base.eq(word.base), neuron.payload.axons.eq(word.axons),
            neuron.payload.population.eq(index),
        ]
        with m.If(fires):
            m.d.comb += [neuron.payload.x.eq(at.place.x), neuron.payload.y.eq(at.place.y),
                         neuron.payload.c.eq(at.c), neuron.payload.v.eq(value)]
        return m
