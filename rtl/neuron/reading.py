"""The reading side of the evaluation: state words and parameters of a population, in the order of its neurons."""

from enum import IntEnum
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.neuron.types import built_types
from golden.timing.microarchitecture import EVALUATION_WORDS, SKIPPING_WORDS
from golden.words import Saturation, layouts
from rtl.ports import MemoryPort, command_layout
from rtl.skid import SkidBuffer
from rtl.words import struct


def reach_bits(config: CoreConfig) -> int:
    """Width of the address of a state word whatever the population word says: behind all parameters, or a row on."""
    most = {name: (1 << bits) - 1 for name, bits in (
        ("axons", config.axon_count_bits), ("depth", config.channel_bits))}
    first = config.memory_words + 2 * most["axons"] + 2 * most["depth"]
    return max(first, config.memory_words + (1 << config.depth_word_bits)).bit_length()


def population_layout(config: CoreConfig) -> data.StructLayout:
    """The population that is evaluated, and what is constant for it.

    `keeps`: its type keeps states. `looks_up`: its values go through a table.
    """
    return data.StructLayout({
        "word": struct(layouts(config).population), "index": config.population_bits,
        "last_channel": config.channel_bits, "axon_base": config.address_bits, "far": 1,
        "keeps": 1, "looks_up": 1,
    })


class Purpose(IntEnum):
    """What an access is for; those from CLEAR on write."""

    STATE = 0
    PARAMETER = 1
    SECOND_PARAMETER = 2
    SECOND_POPULATION = 3
    CLEAR = 4
    KEEP = 5


PURPOSE_BITS = 3


class _State:
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
        self.read_second, self.ended = strobe("read_second"), strobe("ended")
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
        self.half, self.doubled = strobe("half"), strobe("doubled")
        # Words asked for and not yet evaluated, and those of them that are there. The youngest is the first of
        # its channel word (`fresh`), of which `loaded` parameters are there once it has `begun`; before that, `loaded`
        # counts those of the channel word before.
        ahead = SKIPPING_WORDS if config.skip_silent else EVALUATION_WORDS
        self.reserved = Signal(range(ahead + 1), name="reserved")
        self.there = Signal(range(ahead + 1), name="there")
        self.fresh, self.begun = strobe("fresh"), Signal(init=1, name="begun")
        self.loaded = Signal(range(config.lanes + 1), name="loaded")
        self.full, self.alone = strobe("full"), strobe("alone")
        # The last word of the channel word before has used the parameter whose place is next.
        self.passed = strobe("passed")
        # From the evaluation: the next lane, and that the oldest word's last neuron is taken.
        self.lane, self.pop = Signal(config.lane_bits, name="lane"), strobe("pop")
        # Accesses that are asked for, and the one whose word comes.
        self.requests: Any = None
        self.coming: Any = None
        # What arrives from memory, and of which lane it is.
        self.arrives = {purpose: strobe(f"{purpose.name.lower()}_arrives") for purpose in Purpose}
        self.arriving = Signal(config.lane_bits, name="arriving")
        self.arriving_last = strobe("arriving_last")


class StateReader(wiring.Component):
    """Reads one population per command: its state words, the parameters of their neurons, and clears the words.

    Ports:
        command: stream of populations to evaluate (`golden.messages.command`), taken when the one before is `done`.
        population: the one that is evaluated, constant until `done`.
        memory: the accesses, one at a time; `valid` depends on registers only.
        there: the next neuron can be evaluated: its state, parameter, second parameter word, and whether it is the
            last one of its state word. take: it is.
        ended: there is no further neuron, and every word is cleared. end: that is known.
        read, address: a word is asked for whose states will be kept.
        write, write_address, write_data: a word to be written (`rtl.neuron.state_writer`), or 0; granted: it is.
        evaluated: each state word as it is read: {valid, address, state}; for verification.

    Latency: five cycles from a command to its first access, five more with a second population word; four from the
    access of a word to its first neuron.
    Throughput: one neuron per cycle, as far as the memory allows: two accesses per state word and one per parameter.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.second_words = any(model.second_parameter for model in built_types(config).values())
        self.requests = data.StructLayout({
            "address": config.address_bits, "purpose": PURPOSE_BITS, "lane": config.lane_bits, "in_last_word": 1})
        super().__init__(self._signature())

    def _signature(self) -> dict:
        config = self.config
        return {
            "command": In(stream.Signature(command_layout(config))), "population": Out(population_layout(config)),
            "memory": Out(MemoryPort(config)),
            "there": Out(1), "take": In(1), "last": Out(1), "state": Out(config.state_bits),
            "parameter": Out(struct(layouts(config).parameter)),
            "second": Out(struct(layouts(config).second_parameter)),
            "ended": Out(1), "end": In(1), "done": In(1),
            "read": Out(1), "address": Out(config.address_bits),
            "write": In(1), "write_address": In(config.address_bits), "write_data": In(config.word_bits),
            "granted": Out(1),
            "evaluated": Out(struct(messages.evaluated(config))),
        }

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, s = Module(), _State(self.config)
        self._control(m, s)
        self._addresses(m, s)
        self._types(m, s)
        self._access(m, s)
        self._buffers(m, s)
        return m

    # -- what is read, and in which order -----------------------------------------------------------

    def _control(self, m: Module, s: _State) -> None:
        """For each state word: its read, the parameters if it is the first of its channel word, and its clearing."""
        population = self.population
        with m.FSM():
            self._begin(m, s, "read")
            with m.State("read"):
                # Behind the first word of a channel word nothing is read while words of the one before are left; and
                # nothing of the next channel word before a parameter of this one is there.
                m.d.comb += [s.request.eq(~s.full & ~s.left & (~s.fresh | s.alone) & (~s.load | s.begun)),
                             s.ask.eq(s.request & s.served)]
                with m.If(s.left):
                    m.next = "end"
                with m.Elif(s.ask):
                    m.next = "clear"
                    with m.If(s.load):
                        m.next = "parameters"
            with m.State("parameters"):
                # The last word of the channel word before may still need its parameter.
                m.d.comb += [
                    s.request.eq(s.alone | ((s.reserved == 2) & s.passed)), s.read_parameter.eq(1),
                    s.parameter_taken.eq(s.request & s.served),
                ]
                with m.If(s.parameter_taken & s.last_parameter & (s.half | ~s.doubled)):
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += [s.request.eq(~population.keeps), s.clear.eq(~population.keeps),
                             s.step.eq(population.keeps | s.served)]
                with m.If(s.step):
                    m.next = "read"
                    with m.If(s.column_ends & s.row_ends & s.in_last_word):
                        m.next = "end"
            with m.State("end"):
                m.d.comb += s.ended.eq(1)
                with m.If(self.ended & self.end):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(self.done):
                    m.next = "idle"

    def _begin(self, m: Module, s: _State, following: str) -> None:
        """From a command to the places of the population's words: the first states of the control."""
        with m.State("idle"):
            m.d.comb += [self.command.ready.eq(1), s.accept.eq(1)]
            with m.If(self.command.valid):
                m.next = "place parameters"
                with m.If(self._commanded().extended):
                    m.next = "read second"
        with m.State("read second"):
            m.d.comb += [s.request.eq(1), s.read_parameter.eq(1), s.read_second.eq(1)]
            with m.If(s.served):
                m.next = "take second"
        with m.State("take second"):
            m.d.comb += s.take_second.eq(s.arrives[Purpose.SECOND_POPULATION])
            with m.If(s.take_second):
                m.next = "place parameters"
        with m.State("place parameters"):
            m.d.comb += s.place_parameters.eq(1)
            m.next = "place states"
            with m.If(self.population.word.depth == 0):
                m.next = "end"
        with m.State("place states"):
            m.d.comb += s.place_states.eq(1)
            m.next = "start"
        with m.State("start"):
            m.d.comb += s.start.eq(1)
            m.next = following

    def _addresses(self, m: Module, s: _State) -> None:
        """Where the parameters and the state words are: channel word, x, y."""
        config, population, lane_bits = self.config, self.population, self.config.lane_bits
        word = population.word
        last_word, top_lane = population.last_channel[lane_bits:], population.last_channel[:lane_bits]
        y_stride = Signal(config.depth_word_bits + 1)
        next_base = Signal.like(s.address, name="next_base")
        """The first state word of the next channel word."""
        apart = Signal(name="apart")
        channel_word = Signal(config.depth_word_bits)
        x, y = Signal.like(word.width, name="x"), Signal.like(word.height, name="y")
        m.d.comb += [
            s.left.eq(s.address[config.address_bits:].any()), *self._last_word(s, channel_word == last_word),
            s.last_parameter.eq(word.uniform | (s.parameter_lane == Mux(s.in_last_word, top_lane, config.lanes - 1))),
        ]
        # Registered, for the sake of the request: seen a cycle after its lane was taken.
        m.d.sync += s.passed.eq(
            ~s.pop & Mux(s.parameter_taken, s.lane > s.parameter_lane + 1, s.lane > s.parameter_lane))
        self._position(m, s, x == word.width, y == word.height)
        second = struct(layouts(config).second_population)(self.memory.data[:layouts(config).second_population.bits])
        with m.If(s.accept):
            m.d.sync += [
                word.eq(self._commanded()), population.index.eq(self.command.payload.population),
                population.far.eq(0), s.load.eq(1), apart.eq(0),
            ]
        with m.If(s.take_second):
            m.d.sync += [population.far.eq(second.far_axons), apart.eq(second.apart)]
        with m.If(s.place_parameters):
            m.d.sync += [population.axon_base.eq(s.parameter_address), population.last_channel.eq(word.depth - 1)]
        # One adder, whose operands are known early.
        further = s.parameter_address + Mux(s.place_parameters, word.axons << population.far, 1)
        with m.If(s.accept | s.take_second | s.place_parameters | s.parameter_taken):
            m.d.sync += s.parameter_address.eq(Mux(s.accept, self._commanded().base, further))
        with m.If(s.place_states):
            m.d.sync += y_stride.eq((last_word + 1) | word.pad)
        first_word = s.parameter_taken & (s.half | ~s.doubled)
        column, row = s.step & s.column_ends, s.step & s.column_ends & s.row_ends
        with m.If(s.parameter_taken):
            m.d.sync += s.half.eq(s.doubled & ~s.half)
        with m.If(first_word & s.last_parameter):
            m.d.sync += s.load.eq(0)
        with m.If(row):
            m.d.sync += s.load.eq(~word.uniform)
        # A word further, in the column; or the first one of the next channel word.
        with m.If(s.start | s.step):
            m.d.sync += s.address.eq(Mux(s.start | (s.column_ends & s.row_ends), next_base, s.address + y_stride))
        # States that lie apart: their place has waited here since the second word came.
        with m.If(s.take_second | (s.place_states & ~apart) | s.start | row):
            m.d.sync += next_base.eq(Mux(s.take_second, second.state_base, Mux(
                s.place_states, s.parameter_address + (Mux(word.uniform, 1, word.depth) << s.doubled), next_base + 1)))
        # Each counts, and then, so that it is the reset of a flip-flop and costs no logic, begins anew.
        for counts, begins, counter in ((first_word, first_word & s.last_parameter, s.parameter_lane),
                                        (s.step, column, y), (column, row, x), (row, Const(0), channel_word)):
            with m.If(counts):
                m.d.sync += counter.eq(counter + 1)
            with m.If(begins | s.accept):
                m.d.sync += counter.eq(0)

    def _last_word(self, s: _State, last: Value) -> list[Any]:
        """Whether the channel word is the last one."""
        return [s.in_last_word.eq(last)]

    def _position(self, m: Module, s: _State, last_x: Value, last_y: Value) -> None:
        """Whether a column or a row ends. Registered, as two steps are never in a row: a word is read in between."""
        m.d.sync += [s.column_ends.eq(last_y), s.row_ends.eq(last_x)]

    def _commanded(self) -> data.View:
        """The population word of the command that is offered."""
        return data.View(struct(layouts(self.config).population), self.command.payload.word)

    def _types(self, m: Module, s: _State) -> None:
        """What the population's type says, registered before it is used."""
        word, models = self.population.word, built_types(self.config)
        keeping = [word.type == code for code, model in models.items() if model.keeps]
        plain = [word.type == code for code, model in models.items() if not model.looks_up(Saturation.TABLE)]
        # Without a type that has them, there is nothing to be built for second parameter words.
        doubled = [word.type == code for code, model in models.items() if model.second_parameter]
        if doubled:
            m.d.sync += s.doubled.eq(Cat(doubled).any())
        m.d.sync += [
            self.population.keeps.eq(Cat(keeping).any()),
            self.population.looks_up.eq((word.saturation == Saturation.TABLE) & ~Cat(plain).any()),
        ]

    # -- the memory -----------------------------------------------------------------------------------

    def _access(self, m: Module, s: _State) -> None:
        """Accesses in the order in which they are asked for, written words before others; and what comes back."""
        memory = self._port(m, s)
        m.submodules.requests = requests = s.requests = SkidBuffer(self.requests)
        asked, first, written, writes = requests.given, requests.first, Signal(name="written"), Signal(name="writes")
        m.d.comb += [
            # A word to be written stays until it is granted: it is asked for once.
            writes.eq(self.write & ~written), asked.valid.eq(s.request | writes), s.served.eq(asked.ready & ~writes),
            asked.payload.address.eq(Mux(writes, self.write_address, Mux(
                s.read_parameter, s.parameter_address, s.address))),
            asked.payload.lane.eq(s.parameter_lane), asked.payload.in_last_word.eq(s.in_last_word),
            asked.payload.purpose.eq(Purpose.STATE),
            memory.valid.eq(first.valid), memory.address.eq(first.payload.address), first.ready.eq(memory.ready),
            memory.write.eq(first.payload.purpose[-1]), memory.write_data.eq(self.write_data),
            self.granted.eq(first.valid & memory.ready & (first.payload.purpose == Purpose.KEEP)),
            self.read.eq(s.ask & self.population.keeps), self.address.eq(s.address),
            self.ended.eq(s.ended & (s.reserved == 0) & requests.empty),
        ]
        with m.If(writes):
            m.d.comb += asked.payload.purpose.eq(Purpose.KEEP)
            m.d.sync += written.eq(asked.ready)
        with m.Elif(s.clear):
            m.d.comb += asked.payload.purpose.eq(Purpose.CLEAR)
        with m.Elif(s.read_second):
            m.d.comb += asked.payload.purpose.eq(Purpose.SECOND_POPULATION)
        with m.Elif(s.read_parameter):
            m.d.comb += asked.payload.purpose.eq(Mux(
                s.doubled & ~s.half, Purpose.SECOND_PARAMETER, Purpose.PARAMETER))
        with m.If(self.granted):
            m.d.sync += written.eq(0)
        # The word comes READ_LATENCY cycles after its grant.
        asked, coming = (Signal(self.requests, name=name) for name in ("asked", "coming"))
        s.coming = coming
        granted, comes = Signal(name="asked_valid"), Signal(name="comes")
        m.d.sync += [asked.eq(first.payload), granted.eq(first.valid & memory.ready), coming.eq(asked),
                     comes.eq(granted)]
        for purpose, arrives in s.arrives.items():
            m.d.sync += arrives.eq(comes & (coming.purpose == purpose))
        m.d.sync += [s.arriving.eq(coming.lane), s.arriving_last.eq(coming.in_last_word),
                     self.evaluated.address.eq(coming.address)]
        m.d.comb += [self.evaluated.valid.eq(s.arrives[Purpose.STATE]), self.evaluated.state.eq(memory.data)]

    def _port(self, m: Module, s: _State) -> Any:
        """The memory's port, where accesses are asked for."""
        return self.memory

    def _buffers(self, m: Module, s: _State) -> None:
        """The words read ahead and their parameters; one lane of the oldest word per cycle."""
        config, uniform = self.config, self.population.word.uniform
        buffered = data.StructLayout({"states": unsigned(config.word_bits), "in_last_word": unsigned(1)})
        m.submodules.buffer = buffer = Memory(shape=buffered, depth=EVALUATION_WORDS, init=[])  # addresses wrap
        arrived, oldest = buffer.write_port(), buffer.read_port(domain="comb")
        present = Signal(name="present")
        # Parameters of one channel word. Each is overwritten as soon as its last neuron has used it.
        self._parameters(m, s, "parameters", self.parameter, Purpose.PARAMETER)
        if self.second_words:
            self._parameters(m, s, "second_parameters", self.second, Purpose.SECOND_PARAMETER)
        state_arrives = s.arrives[Purpose.STATE]
        last_lane, last_channel = Signal(config.lane_bits, name="last_lane"), self.population.last_channel
        older, loaded = Signal(name="older"), Signal(name="lane_loaded")
        m.d.comb += [
            arrived.en.eq(state_arrives), arrived.data.states.eq(self.memory.data),
            arrived.data.in_last_word.eq(s.arriving_last),
            s.full.eq(s.reserved == EVALUATION_WORDS), s.alone.eq(s.reserved <= 1),
            self.state.eq(oldest.data.states.word_select(s.lane, config.state_bits)),
            older.eq(s.fresh & ~s.alone), loaded.eq(s.lane < s.loaded),
            self.there.eq(present & Mux(s.begun, older | loaded, older & loaded)),
            last_lane.eq(Mux(oldest.data.in_last_word, last_channel[:config.lane_bits], config.lanes - 1)),
            self.last.eq(s.lane == last_lane), s.pop.eq(self.take & self.last),
        ]
        m.d.sync += [
            s.reserved.eq(s.reserved + s.ask - s.pop), s.there.eq(s.there + state_arrives - s.pop),
            present.eq(state_arrives | (s.there > 1) | (present & ~s.pop)),
        ]
        with m.If(state_arrives):
            m.d.sync += arrived.addr.eq(arrived.addr + 1)
        with m.If(self.take):
            m.d.sync += s.lane.eq(s.lane + 1)
        with m.If(s.pop):
            m.d.sync += [s.lane.eq(0), oldest.addr.eq(oldest.addr + 1)]
        with m.If(s.arrives[Purpose.PARAMETER]):
            m.d.sync += [s.begun.eq(s.begun | (s.arriving == 0)),
                         s.loaded.eq(Mux(uniform, config.lanes, Mux(s.arriving == 0, 1, s.loaded + 1)))]
        with m.If(s.ask):
            m.d.sync += s.fresh.eq(s.load)
            with m.If(s.load):
                m.d.sync += s.begun.eq(0)

    def _parameters(self, m: Module, s: _State, name: str, result: data.View, purpose: Purpose) -> None:
        """First or second parameter words of a channel word; the result is that of the next neuron."""
        m.submodules[name] = table = Memory(shape=result.shape(), depth=self.config.lanes, init=[])
        write, read = table.write_port(), table.read_port(domain="comb")
        m.d.comb += [write.en.eq(s.arrives[purpose]), write.addr.eq(s.arriving), write.data.eq(self.memory.data),
                     read.addr.eq(Mux(self.population.word.uniform, 0, s.lane)), result.eq(read.data)]
