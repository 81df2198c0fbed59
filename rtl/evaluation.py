"""The evaluation unit: at the end of a timestep the states of a population become values, and neurons fire."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.widths import TABLE_ENTRY_BITS
from golden.words import NeuronType, Saturation, layouts
from rtl.ports import MemoryPort, command_layout, neuron_layout
from rtl.requantize import Requantize
from rtl.state_writer import StateWriter
from rtl.words import struct


class Fire(wiring.Component):
    """Finds the place of each value that comes out of the evaluation, in its order, and sends those that are not 0.

    Ports:
        evaluated, value: a neuron's value is there. ended: the population's values have all been; never both.
        width, height, last_channel: of the population, each minus one.
        advance: the pipeline in front may move; depends on registers only.
        lane, word_ends: of the neuron whose value is there.
        fired: stream of {x, y, c, v, end}; the zeros of `end` come from counters that have come round.

    Latency: one cycle. Throughput: one neuron per cycle. A second register takes the neuron that comes out in the cycle
    in which the first one is refused, so that `advance` need not wait for `fired.ready`.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        coordinate, channel = unsigned(config.coordinate_bits), unsigned(config.channel_bits)
        self.layout = struct(messages.fired(config))
        super().__init__({
            "evaluated": In(1), "ended": In(1), "value": In(signed(config.value_bits)),
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

        fired = self.fired
        with m.If(~fired.valid | fired.ready):
            m.d.sync += [fired.valid.eq(fires | waits), fired.payload.eq(Mux(waits, spilled, place)), waits.eq(0)]
        with m.Elif(fires & ~waits):
            m.d.sync += [spilled.eq(place), waits.eq(1)]
        return m


class Evaluation(wiring.Component):
    """Evaluates one population per command and fires its neurons.

    Each state word is read, its neurons are evaluated (`Requantize`), and it is cleared, or if they are SPIKING written
    with what they keep (`StateWriter`). With saturation TABLE each value is looked up. Neurons with a value other
    than 0 are sent (`Fire`), and after the last one an `end` neuron. Order: channel word, x, y, lane. The rule follows
    Bamberg et al., arXiv 2112.07019, section 4.2; types and requantization are this project's (docs/architecture.md).

    Ports:
        command: stream of populations to evaluate (`golden.messages.command`).
        memory: parameters, states and tables are read, states written, one access at a time; `valid` depends on
            registers only.
        neuron: stream of firing neurons (`golden.messages.neuron`). done: pulses as the `end` neuron is taken.
        evaluated: each state word as it is read: {valid, address, state}; for verification.

    Latency: four cycles from a command to its first read; two from a word read to the evaluation of its first lane, and
    9 from there to its neuron. Throughput: one neuron per cycle while memory and `neuron` do not wait, from one channel
    word to the next; with a table one in two cycles. Memory bounds it where a channel word has few neurons: two
    accesses per state word and one per parameter word. Lanes beyond the depth cost no cycle.
    Back-pressure: a neuron that is not taken stops the pipeline one neuron later, and the reading two words later.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(config))),
            "memory": Out(MemoryPort(config)),
            "neuron": Out(stream.Signature(neuron_layout(config))),
            "done": Out(1),
            "evaluated": Out(struct(messages.evaluated(config))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, memory = self.config, self.memory
        lane_bits = config.lane_bits
        m = Module()

        word = Signal(struct(layouts(config).population))
        index = Signal(config.population_bits)
        last_channel = Signal(config.channel_bits)
        """Depth - 1."""
        y_stride = Signal(config.depth_word_bits + 1)
        last_word, top_lane = last_channel[lane_bits:], last_channel[:lane_bits]

        # Words read and not yet evaluated: at most two, which are counted as soon as they are asked for.
        buffered = data.StructLayout({"states": unsigned(config.word_bits), "in_last_word": unsigned(1)})
        m.submodules.buffer = buffer = Memory(shape=buffered, depth=2, init=[])
        arrived, waiting = buffer.write_port(), buffer.read_port(domain="comb")
        # Parameters of one channel word. Each is overwritten as soon as its last neuron has used it.
        m.submodules.parameters = table = Memory(shape=struct(layouts(config).parameter), depth=config.lanes, init=[])
        parameter_write, parameter_read = table.write_port(), table.read_port(domain="comb")
        # `fresh`: the youngest word reserved is the first of its channel word, of which `loaded` parameters are there.
        reserved = Signal(2)
        fresh = Signal()
        loaded = Signal(range(config.lanes + 1))
        full = reserved[1]
        ask = Signal()
        take = Signal()
        lane = Signal(lane_bits)
        last_lane = Signal(lane_bits)
        spiking, looks_up = Signal(name="spiking"), Signal(name="looks_up")
        m.d.sync += [
            spiking.eq(word.type == NeuronType.SPIKING),
            looks_up.eq((word.saturation == Saturation.TABLE) & (word.type != NeuronType.SPIKING))]
        pop = take & (lane == last_lane)
        m.d.sync += reserved.eq(reserved + ask - pop)

        # -- reading: a word, the parameters if it is the first of its channel word, and its clearing.
        parameter_address = Signal(config.address_bits)
        address = Signal(config.address_bits)
        next_base = Signal(config.address_bits)
        """The first state word of the next channel word."""
        channel_word = Signal(config.depth_word_bits)
        x = Signal.like(word.width)
        y = Signal.like(word.height)
        load = Signal()
        parameter_lane = Signal(lane_bits)
        arriving_lane = Signal(lane_bits)
        state_arrives, parameter_arrives = Signal(name="state_arrives"), Signal(name="parameter_arrives")
        # Reading has the memory except in the cycles in which a table is read or kept states are written.
        request = Signal()
        clear = Signal()
        read_parameter = Signal()
        served = Signal()
        lookup, lookup_address = Signal(name="lookup"), Signal(config.address_bits, name="lookup_address")
        m.submodules.writer = writer = StateWriter(config)
        in_last_word = Signal()
        column_ends = Signal()
        row_ends = Signal()
        m.d.comb += [
            in_last_word.eq(channel_word == last_word), column_ends.eq(y == word.height), row_ends.eq(x == word.width),
            memory.valid.eq(request | lookup | writer.write), served.eq(memory.ready & ~lookup & ~writer.write),
            memory.address.eq(Mux(lookup, lookup_address, Mux(
                writer.write, writer.write_address, Mux(read_parameter, parameter_address, address)))),
            memory.write.eq(writer.write | (clear & ~lookup)), memory.write_data.eq(writer.write_data),
            writer.read.eq(ask & spiking), writer.address.eq(address), writer.granted.eq(writer.write & memory.ready),
            arrived.en.eq(state_arrives), arrived.data.states.eq(memory.data),
            arrived.data.in_last_word.eq(in_last_word),
            parameter_write.en.eq(parameter_arrives), parameter_write.addr.eq(arriving_lane),
            parameter_write.data.eq(memory.data),
            self.evaluated.valid.eq(state_arrives), self.evaluated.address.eq(address),
            self.evaluated.state.eq(memory.data),
        ]
        m.d.sync += [state_arrives.eq(ask), parameter_arrives.eq(0), arriving_lane.eq(parameter_lane)]
        with m.If(state_arrives):
            m.d.sync += arrived.addr.eq(~arrived.addr)
        with m.If(parameter_arrives):
            m.d.sync += loaded.eq(Mux(word.uniform, config.lanes, loaded + 1))

        ended, advance = Signal(name="ended"), Signal(name="advance")
        with m.FSM():
            with m.State("idle"):
                command = data.View(command_layout(config), self.command.payload)
                fields = data.View(struct(layouts(config).population), command.word)
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [
                    word.eq(fields), index.eq(command.population), parameter_address.eq(fields.base), load.eq(1),
                    channel_word.eq(0), parameter_lane.eq(0), x.eq(0), y.eq(0),
                ]
                with m.If(self.command.valid):
                    m.next = "place parameters"
            with m.State("place parameters"):
                m.d.sync += [parameter_address.eq(parameter_address + word.axons), last_channel.eq(word.depth - 1)]
                m.next = "place states"
                with m.If(word.depth == 0):
                    m.next = "end"
            with m.State("place states"):
                m.d.sync += [
                    next_base.eq(parameter_address + Mux(word.uniform, 1, word.depth)),
                    y_stride.eq((last_word + 1) | word.pad),
                ]
                m.next = "start"
            with m.State("start"):
                m.d.sync += [address.eq(next_base), next_base.eq(next_base + 1)]
                m.next = "read"
            with m.State("read"):
                m.d.comb += [request.eq(~full), ask.eq(~full & served)]
                with m.If(ask):
                    m.d.sync += fresh.eq(load)
                    m.next = "clear"
                    with m.If(load):
                        m.d.sync += loaded.eq(0)
                        m.next = "parameters"
            with m.State("parameters"):
                # With two words reserved, the older one is of the channel word before and may still need the parameter.
                m.d.comb += [request.eq(~full | (lane > parameter_lane)), read_parameter.eq(1)]
                with m.If(request & served):
                    m.d.sync += [
                        parameter_arrives.eq(1), parameter_address.eq(parameter_address + 1),
                        parameter_lane.eq(parameter_lane + 1),
                    ]
                    with m.If(word.uniform | (parameter_lane == Mux(in_last_word, top_lane, config.lanes - 1))):
                        m.d.sync += [parameter_lane.eq(0), load.eq(0)]
                        m.next = "clear"
            with m.State("clear"):
                m.d.comb += [request.eq(~spiking), clear.eq(~spiking)]
                with m.If(spiking | served):
                    m.d.sync += [address.eq(address + y_stride), y.eq(y + 1)]
                    m.next = "read"
                    with m.If(column_ends):
                        m.d.sync += [y.eq(0), x.eq(x + 1)]
                        with m.If(row_ends):
                            m.d.sync += [
                                x.eq(0), channel_word.eq(channel_word + 1), load.eq(~word.uniform),
                                address.eq(next_base), next_base.eq(next_base + 1),
                            ]
                            with m.If(in_last_word):
                                m.next = "end"
            with m.State("end"):
                m.d.comb += ended.eq(reserved == 0)
                with m.If(ended & advance):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(self.done):
                    m.next = "idle"

        # -- evaluating: one lane per cycle.
        m.submodules.requantize = requantize = Requantize(config)
        present = reserved[1] | (reserved[0] & ~state_arrives)
        m.d.comb += [
            last_lane.eq(Mux(waiting.data.in_last_word, top_lane, config.lanes - 1)),
            take.eq(advance & present & ((fresh & full) | (lane < loaded))),
            parameter_read.addr.eq(Mux(word.uniform, 0, lane)),
            requantize.advance.eq(advance), requantize.type.eq(word.type), requantize.saturation.eq(word.saturation),
            requantize.parameter.eq(parameter_read.data),
            requantize.state.eq(waiting.data.states.word_select(lane, config.state_bits)),
        ]
        with m.If(take):
            m.d.sync += lane.eq(lane + 1)
        with m.If(pop):
            m.d.sync += [lane.eq(0), waiting.addr.eq(~waiting.addr)]

        # -- firing.
        m.submodules.fire = fire = Fire(config)
        evaluating, ending = Signal(requantize.stages, name="evaluating"), Signal(requantize.stages, name="ending")
        with m.If(advance):
            m.d.sync += [evaluating.eq(Cat(take, evaluating)), ending.eq(Cat(ended, ending))]
        # A value that is looked up waits one cycle for the word that has its entry; `looked`: it is there.
        looked, hold = Signal(name="looked"), Signal(name="hold")
        number = Cat(requantize.value[:-1], ~requantize.value[-1])
        entry_bits = (config.word_bits // TABLE_ENTRY_BITS - 1).bit_length()
        entry = memory.data.word_select(number[:entry_bits], TABLE_ENTRY_BITS)
        m.d.comb += [
            lookup.eq(looks_up & evaluating[-1] & ~looked & fire.advance),
            # The table ends before the axons: its address counts down from theirs.
            lookup_address.eq(word.base + Cat(number[entry_bits:], Const(-1, config.address_bits))),
            hold.eq((looks_up & evaluating[-1] & ~looked) | (evaluating[-1] & writer.waits)
                    | (ending[-1] & writer.pending)),
            writer.neuron.eq(evaluating[-1] & advance & spiking), writer.state.eq(requantize.kept),
            writer.lane.eq(fire.lane), writer.last.eq(fire.word_ends),
        ]
        m.d.sync += looked.eq(lookup & memory.ready)

        neuron, sent = self.neuron, fire.fired.payload
        m.d.comb += [
            fire.evaluated.eq(evaluating[-1] & ~hold), fire.ended.eq(ending[-1] & ~hold),
            fire.value.eq(Mux(looks_up, entry[:config.value_bits].as_signed(), requantize.value)),
            fire.width.eq(word.width), fire.height.eq(word.height), fire.last_channel.eq(last_channel),
            advance.eq(fire.advance & ~hold),
            neuron.valid.eq(fire.fired.valid), fire.fired.ready.eq(neuron.ready),
            *(neuron.payload[name].eq(sent[name]) for name, _ in sent.shape()),
            neuron.payload.axon_base.eq(word.base), neuron.payload.axons.eq(word.axons),
            neuron.payload.population.eq(index),
            self.done.eq(neuron.valid & neuron.ready & sent.end),
        ]
        return m
