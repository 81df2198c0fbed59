"""The evaluation unit: at the end of a timestep the states of a population become values, and neurons fire."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.neuron.types import built_types
from golden.widths import TABLE_ENTRY_BITS
from golden.words import Saturation, layouts
from rtl.neuron.fire import Fire
from rtl.neuron.requantize import Requantize
from rtl.neuron.state_writer import StateWriter
from rtl.ports import MemoryPort, command_layout, neuron_layout
from rtl.words import struct


def reach_bits(config: CoreConfig) -> int:
    """Width of the address of a state word whatever the population word says: behind all parameters, or a row on."""
    most = {name: (1 << bits) - 1 for name, bits in (
        ("axons", config.axon_count_bits), ("depth", config.channel_bits))}
    first = config.memory_words + 2 * most["axons"] + 2 * most["depth"]
    return max(first, config.memory_words + (1 << config.depth_word_bits)).bit_length()


class _Reading:
    """What control and data path of the reading tell each other."""

    def __init__(self, config: CoreConfig):
        def strobe(name: str) -> Signal:
            return Signal(name=name)

        # From the control: in which state it is, and what it asks for.
        self.accept, self.take_second = strobe("accept"), strobe("take_second")
        self.place_parameters = strobe("place_parameters")
        self.place_states, self.start = strobe("place_states"), strobe("start")
        self.request, self.ask, self.clear, self.step = (strobe(name) for name in ("request", "ask", "clear", "step"))
        self.read_parameter, self.parameter_taken = strobe("read_parameter"), strobe("parameter_taken")
        self.ended = strobe("ended")
        # From the data path. `load`: the parameters of a channel word are to be read.
        self.served, self.load, self.last_parameter = strobe("served"), strobe("load"), strobe("last_parameter")
        self.column_ends, self.row_ends, self.in_last_word = (
            strobe(name) for name in ("column_ends", "row_ends", "in_last_word"))
        self.parameter_lane = Signal(config.lane_bits, name="parameter_lane")
        # Wide enough that an address which has left the memory is seen: what lies there is not evaluated.
        self.address = Signal(reach_bits(config), name="address")
        self.left = strobe("left")
        self.parameter_address = Signal(reach_bits(config), name="parameter_address")
        # Of a type with second parameter words, which come first: the next one to be read is a first word.
        self.half = strobe("half")
        # Words read and not yet evaluated: at most two, which are counted as soon as they are asked for. The youngest
        # is the first of its channel word (`fresh`), of which `loaded` parameters are there.
        self.reserved, self.fresh = Signal(2, name="reserved"), strobe("fresh")
        self.loaded = Signal(range(config.lanes + 1), name="loaded")
        self.full = self.reserved[1]
        # From the evaluation: the next lane, and that the oldest word's last neuron is taken.
        self.lane, self.pop = Signal(config.lane_bits, name="lane"), strobe("pop")


class _Population:
    """The population that is evaluated, and what is constant for it."""

    def __init__(self, m: Module, config: CoreConfig):
        self.word = word = Signal(struct(layouts(config).population), name="word")
        self.index = Signal(config.population_bits, name="index")
        self.last_channel = Signal(config.channel_bits, name="last_channel")
        self.axon_base, self.far = Signal(config.address_bits, name="axon_base"), Signal(name="far")
        self.keeps, self.looks_up = Signal(name="keeps"), Signal(name="looks_up")
        models = built_types(config)
        # What the type says is registered before it is used.
        keeping = [word.type == code for code, model in models.items() if model.keeps]
        comparing = [word.type == code for code, model in models.items() if model.thresholds]
        # Without a type that has them, there is nothing to be built for second parameter words.
        doubled = [word.type == code for code, model in models.items() if model.second_parameter]
        self.doubled: Value = Const(0, 1)
        if doubled:
            self.doubled = Signal(name="doubled")
            m.d.sync += self.doubled.eq(Cat(doubled).any())
        m.d.sync += [
            self.keeps.eq(Cat(keeping).any()),
            self.looks_up.eq((word.saturation == Saturation.TABLE) & ~Cat(comparing).any()),
        ]


class Evaluation(wiring.Component):
    """Evaluates one population per command and fires its neurons.

    Each state word is read, its neurons are evaluated (`Requantize`), and it is cleared, or if their type keeps states
    written with those (`StateWriter`). With saturation TABLE each value is looked up. Neurons with a value other
    than 0 are sent (`Fire`), and after the last one an `end` neuron. Order: channel word, x, y, lane. The rule follows
    Bamberg et al., arXiv 2112.07019, section 4.2; types and requantization are this project's (docs/architecture.md).

    Ports:
        command: stream of populations to evaluate (`golden.messages.command`).
        memory: parameters, states and tables are read, states written, one access at a time; `valid` depends on
            registers only.
        neuron: stream of firing neurons (`golden.messages.neuron`). done: pulses as the `end` neuron is taken.
        evaluated: each state word as it is read: {valid, address, state}; for verification.

    Bounded whatever the population word says: the evaluation ends at the first state word that is not in the memory,
    so it reads no word twice. With S state words, at most the memory's, it takes S · lanes · max(1 or with a table 2,
    axon words) cycles, and those in which memory or the PEG's queues refuse; see `golden.timing.cycles`.

    Latency: four cycles from a command to its first read, two more with a second population word; two from a word read
    to the evaluation of its first lane, and 9 from there to its neuron.
    Throughput: one neuron per cycle while memory and `neuron` do not wait, from one channel
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
        m = Module()
        population, reading = _Population(m, config), _Reading(config)
        advance = Signal(name="advance")
        m.submodules.writer = writer = StateWriter(config)
        m.submodules.requantize = requantize = Requantize(config)
        m.submodules.fire = fire = Fire(config)
        self._control(m, population, reading, advance)
        self._addresses(m, population, reading)
        oldest, parameter, second, present = self._buffers(m, population, reading)
        take = self._take(m, population, reading, oldest, present & advance)
        m.d.comb += [
            requantize.advance.eq(advance), requantize.type.eq(population.word.type),
            requantize.saturation.eq(population.word.saturation), requantize.parameter.eq(parameter),
            requantize.state.eq(oldest.states.word_select(reading.lane, config.state_bits)),
        ]
        if second is not None:
            m.d.comb += requantize.second.eq(second)
        lookup, lookup_address = self._finish(m, population, requantize, writer, fire, advance, take, reading.ended)
        self._send(m, population, fire)

        # Reading has the memory except in the cycles in which a table is read or kept states are written.
        m.d.comb += [
            memory.valid.eq(reading.request | lookup | writer.write),
            reading.served.eq(memory.ready & ~lookup & ~writer.write),
            memory.address.eq(Mux(lookup, lookup_address, Mux(writer.write, writer.write_address, Mux(
                reading.read_parameter, reading.parameter_address, reading.address)))),
            memory.write.eq(writer.write | (reading.clear & ~lookup)), memory.write_data.eq(writer.write_data),
            writer.read.eq(reading.ask & population.keeps), writer.address.eq(reading.address),
            writer.granted.eq(writer.write & memory.ready),
        ]
        return m

    # -- reading -----------------------------------------------------------------------------------

    def _control(self, m: Module, population: _Population, s: _Reading, advance: Value) -> None:
        """For each state word: its read, the parameters if it is the first of its channel word, and its clearing."""
        with m.FSM():
            with m.State("idle"):
                m.d.comb += [self.command.ready.eq(1), s.accept.eq(1)]
                with m.If(self.command.valid):
                    m.next = "place parameters"
                    with m.If(self._commanded().extended):
                        m.next = "read second"
            with m.State("read second"):
                m.d.comb += [s.request.eq(1), s.read_parameter.eq(1)]
                with m.If(s.served):
                    m.next = "take second"
            with m.State("take second"):
                m.d.comb += s.take_second.eq(1)
                m.next = "place parameters"
            with m.State("place parameters"):
                m.d.comb += s.place_parameters.eq(1)
                m.next = "place states"
                with m.If(population.word.depth == 0):
                    m.next = "end"
            with m.State("place states"):
                m.d.comb += s.place_states.eq(1)
                m.next = "start"
            with m.State("start"):
                m.d.comb += s.start.eq(1)
                m.next = "read"
            with m.State("read"):
                m.d.comb += [s.request.eq(~s.full & ~s.left), s.ask.eq(s.request & s.served)]
                with m.If(s.left):
                    m.next = "end"
                with m.Elif(s.ask):
                    m.next = "clear"
                    with m.If(s.load):
                        m.next = "parameters"
            with m.State("parameters"):
                # With two words reserved, the older one is of the channel word before and may still need the parameter.
                m.d.comb += [
                    s.request.eq(~s.full | (s.lane > s.parameter_lane)), s.read_parameter.eq(1),
                    s.parameter_taken.eq(s.request & s.served),
                ]
                with m.If(s.parameter_taken & s.last_parameter & (s.half | ~population.doubled)):
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += [s.request.eq(~population.keeps), s.clear.eq(~population.keeps),
                             s.step.eq(population.keeps | s.served)]
                with m.If(s.step):
                    m.next = "read"
                    with m.If(s.column_ends & s.row_ends & s.in_last_word):
                        m.next = "end"
            with m.State("end"):
                m.d.comb += s.ended.eq(s.reserved == 0)
                with m.If(s.ended & advance):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(self.done):
                    m.next = "idle"

    def _addresses(self, m: Module, population: _Population, s: _Reading) -> None:
        """Where the parameters and the state words are: channel word, x, y."""
        config, word, lane_bits = self.config, population.word, self.config.lane_bits
        last_word, top_lane = population.last_channel[lane_bits:], population.last_channel[:lane_bits]
        y_stride = Signal(config.depth_word_bits + 1)
        next_base = Signal.like(s.address, name="next_base")
        """The first state word of the next channel word."""
        channel_word = Signal(config.depth_word_bits)
        x, y = Signal.like(word.width, name="x"), Signal.like(word.height, name="y")
        m.d.comb += [
            s.left.eq(s.address[config.address_bits:].any()),
            s.in_last_word.eq(channel_word == last_word), s.column_ends.eq(y == word.height),
            s.row_ends.eq(x == word.width),
            s.last_parameter.eq(word.uniform | (s.parameter_lane == Mux(s.in_last_word, top_lane, config.lanes - 1))),
        ]
        second = struct(layouts(config).second_population)(self.memory.data[:layouts(config).second_population.bits])
        with m.If(s.accept):
            m.d.sync += [
                word.eq(self._commanded()), population.index.eq(self.command.payload.population),
                s.parameter_address.eq(self._commanded().base), population.far.eq(0),
                s.load.eq(1), channel_word.eq(0), s.parameter_lane.eq(0), x.eq(0), y.eq(0),
            ]
        with m.If(s.take_second):
            m.d.sync += [s.parameter_address.eq(s.parameter_address + 1), population.far.eq(second.far_axons)]
        with m.If(s.place_parameters):
            m.d.sync += [
                s.parameter_address.eq(s.parameter_address + (word.axons << population.far)),
                population.axon_base.eq(s.parameter_address), population.last_channel.eq(word.depth - 1),
            ]
        with m.If(s.place_states):
            m.d.sync += [next_base.eq(s.parameter_address + (Mux(word.uniform, 1, word.depth) << population.doubled)),
                         y_stride.eq((last_word + 1) | word.pad)]
        with m.If(s.start):
            m.d.sync += [s.address.eq(next_base), next_base.eq(next_base + 1)]
        with m.If(s.parameter_taken):
            m.d.sync += [s.parameter_address.eq(s.parameter_address + 1), s.half.eq(population.doubled & ~s.half)]
            with m.If(s.half | ~population.doubled):
                m.d.sync += s.parameter_lane.eq(s.parameter_lane + 1)
                with m.If(s.last_parameter):
                    m.d.sync += [s.parameter_lane.eq(0), s.load.eq(0)]
        with m.If(s.step):
            m.d.sync += [s.address.eq(s.address + y_stride), y.eq(y + 1)]
            with m.If(s.column_ends):
                m.d.sync += [y.eq(0), x.eq(x + 1)]
                with m.If(s.row_ends):
                    m.d.sync += [
                        x.eq(0), channel_word.eq(channel_word + 1), s.load.eq(~word.uniform),
                        s.address.eq(next_base), next_base.eq(next_base + 1),
                    ]

    def _commanded(self) -> data.View:
        """The population word of the command that is offered."""
        return data.View(struct(layouts(self.config).population), self.command.payload.word)

    def _buffers(self, m: Module, population: _Population, s: _Reading
                 ) -> tuple[data.View, data.View, data.View | None, Value]:
        """The words read ahead and their parameters.

        Returns:
            The oldest word; the parameter of the lane, and its second word if there is such a thing; whether all are
            there.
        """
        config, memory, word = self.config, self.memory, population.word
        buffered = data.StructLayout({"states": unsigned(config.word_bits), "in_last_word": unsigned(1)})
        m.submodules.buffer = buffer = Memory(shape=buffered, depth=2, init=[])
        arrived, waiting = buffer.write_port(), buffer.read_port(domain="comb")
        # Parameters of one channel word. Each is overwritten as soon as its last neuron has used it.
        m.submodules.parameters = table = Memory(shape=struct(layouts(config).parameter), depth=config.lanes, init=[])
        parameter_write, parameter_read = table.write_port(), table.read_port(domain="comb")
        state_arrives, parameter_arrives = Signal(name="state_arrives"), Signal(name="parameter_arrives")
        arriving_lane = Signal(config.lane_bits, name="arriving_lane")
        m.d.sync += [
            state_arrives.eq(s.ask), parameter_arrives.eq(s.parameter_taken & (s.half | ~population.doubled)),
            arriving_lane.eq(s.parameter_lane),
            s.reserved.eq(s.reserved + s.ask - s.pop),
        ]
        m.d.comb += [
            arrived.en.eq(state_arrives), arrived.data.states.eq(memory.data),
            arrived.data.in_last_word.eq(s.in_last_word),
            parameter_write.en.eq(parameter_arrives), parameter_write.addr.eq(arriving_lane),
            parameter_write.data.eq(memory.data), parameter_read.addr.eq(Mux(word.uniform, 0, s.lane)),
            self.evaluated.valid.eq(state_arrives), self.evaluated.address.eq(s.address),
            self.evaluated.state.eq(memory.data),
        ]
        with m.If(state_arrives):
            m.d.sync += arrived.addr.eq(~arrived.addr)
        with m.If(s.pop):
            m.d.sync += waiting.addr.eq(~waiting.addr)
        with m.If(parameter_arrives):
            m.d.sync += s.loaded.eq(Mux(word.uniform, config.lanes, s.loaded + 1))
        with m.If(s.ask):
            m.d.sync += s.fresh.eq(s.load)
            with m.If(s.load):
                m.d.sync += s.loaded.eq(0)
        present = s.reserved[1] | (s.reserved[0] & ~state_arrives)
        second = self._second_parameters(m, population, s, arriving_lane, parameter_read.addr)
        return waiting.data, parameter_read.data, second, present & ((s.fresh & s.full) | (s.lane < s.loaded))

    def _second_parameters(self, m: Module, population: _Population, s: _Reading, arriving_lane: Value, lane: Value
                           ) -> data.View | None:
        """The second parameter word of the lane; none where no type of the configuration has one."""
        if isinstance(population.doubled, Const):
            return None
        shape = struct(layouts(self.config).second_parameter)
        m.submodules.second_parameters = table = Memory(shape=shape, depth=self.config.lanes, init=[])
        write, read = table.write_port(), table.read_port(domain="comb")
        arrives = Signal(name="second_arrives")
        m.d.sync += arrives.eq(s.parameter_taken & population.doubled & ~s.half)
        m.d.comb += [write.en.eq(arrives), write.addr.eq(arriving_lane), write.data.eq(self.memory.data),
                     read.addr.eq(lane)]
        return read.data

    # -- evaluating --------------------------------------------------------------------------------

    def _take(self, m: Module, population: _Population, s: _Reading, oldest: data.View, may: Value) -> Value:
        """One lane of the oldest word per cycle; returns whether one is taken."""
        config = self.config
        last_lane, take = Signal(config.lane_bits, name="last_lane"), Signal(name="take")
        m.d.comb += [
            last_lane.eq(Mux(oldest.in_last_word, population.last_channel[:config.lane_bits], config.lanes - 1)),
            take.eq(may), s.pop.eq(take & (s.lane == last_lane)),
        ]
        with m.If(take):
            m.d.sync += s.lane.eq(s.lane + 1)
        with m.If(s.pop):
            m.d.sync += s.lane.eq(0)
        return take

    def _finish(self, m: Module, population: _Population, requantize: Requantize, writer: StateWriter, fire: Fire,
                advance: Signal, take: Value, ended: Value) -> tuple[Value, Value]:
        """What comes out of the arithmetic: looked up, kept, and fired; returns the lookup's request and address."""
        config, word, looks_up = self.config, population.word, population.looks_up
        evaluating, ending = Signal(requantize.stages, name="evaluating"), Signal(requantize.stages, name="ending")
        with m.If(advance):
            m.d.sync += [evaluating.eq(Cat(take, evaluating)), ending.eq(Cat(ended, ending))]
        # A value that is looked up waits one cycle for the word that has its entry; `looked`: it is there.
        looked, hold, lookup = (Signal(name=name) for name in ("looked", "hold", "lookup"))
        lookup_address = Signal(config.address_bits, name="lookup_address")
        number = Cat(requantize.value[:-1], ~requantize.value[-1])
        entry_bits = (config.word_bits // TABLE_ENTRY_BITS - 1).bit_length()
        entry = self.memory.data.word_select(number[:entry_bits], TABLE_ENTRY_BITS)
        m.d.comb += [
            lookup.eq(looks_up & evaluating[-1] & ~looked & fire.advance),
            # The table ends before the axons: its address counts down from theirs.
            lookup_address.eq(word.base + Cat(number[entry_bits:], Const(-1, config.address_bits))),
            hold.eq((looks_up & evaluating[-1] & ~looked) | (evaluating[-1] & writer.waits)
                    | (ending[-1] & writer.pending)),
            writer.neuron.eq(evaluating[-1] & advance & population.keeps), writer.state.eq(requantize.kept),
            writer.lane.eq(fire.lane), writer.last.eq(fire.word_ends),
            fire.ending.eq(ending[-2] & advance),
            fire.evaluated.eq(evaluating[-1] & ~hold), fire.ended.eq(ending[-1] & ~hold),
            fire.value.eq(Mux(looks_up, entry[:config.value_bits].as_signed(), requantize.value)),
            advance.eq(fire.advance & ~hold),
        ]
        m.d.sync += looked.eq(lookup & self.memory.ready)
        return lookup, lookup_address

    def _send(self, m: Module, population: _Population, fire: Fire) -> None:
        """Firing neurons, with what is their population's."""
        neuron, sent, word = self.neuron, fire.fired.payload, population.word
        m.d.comb += [
            fire.width.eq(word.width), fire.height.eq(word.height), fire.last_channel.eq(population.last_channel),
            neuron.valid.eq(fire.fired.valid), fire.fired.ready.eq(neuron.ready),
            *(neuron.payload[name].eq(sent[name]) for name, _ in sent.shape()),
            neuron.payload.axon_base.eq(population.axon_base), neuron.payload.axons.eq(word.axons),
            neuron.payload.far.eq(population.far),
            neuron.payload.population.eq(population.index),
            self.done.eq(neuron.valid & neuron.ready & sent.end),
        ]
