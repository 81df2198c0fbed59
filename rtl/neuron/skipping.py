"""The reading side of the evaluation with `skip_silent`: a state word per cycle, of which only some lanes go on."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import SKIPPING_MASKS, SKIPPING_WORDS
from rtl.arithmetic import following
from rtl.neuron.reading import Purpose, StateReader, _State
from rtl.neuron.silent import SilenceTest
from rtl.ports import MemoryPort, WritePort
from rtl.skid import SkidBuffer


class SkippingReader(StateReader):
    """Reads one population per command; gives the neurons that can fire, and writes words that need no arithmetic.

    The parameters of a channel word are read before its state words, and are kept for two channel words, as neurons of
    the one before may wait. A state word is looked at as it arrives (`rtl.neuron.silent`); it waits for its neurons to
    be taken only if there are some, or if it is the last one of its channel word.

    Ports, besides those of `StateReader` (whose `write` is not used):
        collects, collect_address: the neuron is one of a word whose states come out of the arithmetic; of its first one
            that is taken, `collect` says that the word will be written there.
        tested, passes: a word was looked at, and which of its lanes go on. walked: the place of a word is known.
        stores: the write port. word, word_address, word_valid, word_granted: what the arithmetic made, to be written.

    Latency: five cycles from a command to its first access, five more with a second population word; six from the
    access of a word to its first neuron.
    Throughput: one word per cycle, if no neuron of it goes on, or one neuron per cycle, as far as the memory allows: a
    read and, of most words, a write per word; a read per parameter.
    """

    def __init__(self, config: CoreConfig):
        super().__init__(config)
        # `mark`: of a state word, that it is the last one of its channel word; of a parameter, where it is kept.
        self.requests = data.StructLayout({**self.requests.members, "mark": 1})

    def _signature(self) -> dict:
        config = self.config
        return super()._signature() | {
            "collects": Out(1), "collect": Out(1), "collect_address": Out(config.address_bits),
            "tested": Out(1), "passes": Out(config.lanes), "walked": In(1),
            "stores": Out(WritePort(config)), "word_valid": In(1), "word_granted": Out(1),
            "word_address": In(config.address_bits), "word": In(config.word_bits),
        }

    def _control(self, m: Module, s: _State) -> None:
        """The parameters of each channel word, and then its state words."""
        population = self.population
        # Channel words whose parameters are kept, and where the next ones go.
        self._sets, self._set = Signal(2, name="sets"), Signal(name="set")
        self._unwalked = unwalked = Signal(range(SKIPPING_MASKS + 1), name="unwalked")
        # A channel word's last neuron is taken; a word waits to be written; so does a word, or one that is cleared.
        self._closed, self._waiting, self._storing = (Signal(name=name) for name in ("closed", "stored", "storing"))
        ends, loaded = Signal(name="channel_word_ends"), Signal(name="parameters_asked")
        with m.FSM():
            self._begin(m, s, "parameters")
            with m.State("parameters"):
                m.d.comb += [
                    s.request.eq(~s.left & (self._sets != 2)), s.read_parameter.eq(1),
                    s.parameter_taken.eq(s.request & s.served),
                    loaded.eq(s.parameter_taken & s.last_parameter & (s.half | ~s.doubled)),
                ]
                with m.If(s.left):
                    m.next = "end"
                with m.Elif(loaded):
                    m.next = "words"
            with m.State("words"):
                m.d.comb += [
                    s.request.eq(~s.left & (s.reserved != SKIPPING_WORDS) & (unwalked != SKIPPING_MASKS)),
                    s.ask.eq(s.request & s.served), s.step.eq(s.ask), ends.eq(s.step & s.column_ends & s.row_ends),
                ]
                with m.If(s.left):
                    m.next = "end"
                with m.Elif(ends & s.in_last_word):
                    m.next = "end"
                with m.Elif(ends & ~population.word.uniform):
                    m.next = "parameters"
            with m.State("end"):
                m.d.comb += s.ended.eq(~self._storing)
                with m.If(self.ended & self.end):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(self.done):
                    m.next = "idle"
        closed = Signal(name="was_closed")
        m.d.sync += [closed.eq(self._closed), self._sets.eq(self._sets + loaded - closed),
                     unwalked.eq(unwalked + s.ask - self.walked)]
        with m.If(loaded & ~population.word.uniform):
            m.d.sync += self._set.eq(~self._set)
        with m.If(s.accept):
            m.d.sync += [self._sets.eq(0), self._set.eq(0)]

    def _last_word(self, s: _State, last: Value) -> list[Any]:
        """Known ahead: see `_position`."""
        return []

    def _position(self, m: Module, s: _State, last_x: Value, last_y: Value) -> None:
        """A step may follow at once: known ahead, from counters that count down to 0."""
        word, column = self.population.word, s.step & s.column_ends
        words = self.population.last_channel[self.config.lane_bits:]
        for name, count, steps, ends in (
                ("rows_left", word.height, s.step, s.column_ends), ("columns_left", word.width, column, s.row_ends),
                ("words_left", words, column & s.row_ends, s.in_last_word)):
            left = Signal.like(count, name=name)
            with m.If(s.start | steps):
                m.d.sync += [left.eq(Mux(s.start | ends, count, left - 1)),
                             ends.eq(Mux(s.start | ends, count == 0, left == 1))]

    # -- the memory -----------------------------------------------------------------------------------

    def _port(self, m: Module, s: _State) -> Any:
        """Reads; a state word of a type that does not keep it is cleared from the cycle after its read on."""
        memory, inner = self.memory, MemoryPort(self.config).create(path=("read",))
        m.submodules.clears = clears = SkidBuffer(data.StructLayout({"address": self.config.address_bits}))
        self._clears = clears
        m.d.comb += [
            memory.valid.eq(inner.valid & clears.given.ready), inner.ready.eq(memory.ready & clears.given.ready),
            memory.address.eq(inner.address), inner.data.eq(memory.data),
            clears.given.payload.address.eq(inner.address),
        ]
        return inner

    def _stores(self, m: Module, s: _State, state: Signal, address: Signal, store: Value) -> None:
        """What is written: words that are cleared, those whose states are known, and those of the arithmetic."""
        port, clears, keeps = self.stores, self._clears, self.population.keeps
        waiting, from_here = self._waiting, Signal(name="from_here")
        where, word = (Signal.like(signal, name=f"stored_{name}", reset_less=True)
                       for signal, name in ((address, "address"), (state, "word")))
        first = s.requests.first
        m.d.comb += [
            clears.given.valid.eq(first.valid & self.memory.ready & (first.payload.purpose == Purpose.STATE) & ~keeps),
            port.valid.eq(clears.first.valid | waiting | self.word_valid),
            port.address.eq(Mux(keeps, Mux(self.word_valid, self.word_address, where), clears.first.payload.address)),
            clears.first.ready.eq(port.ready), self.word_granted.eq(self.word_valid & port.ready),
            # `word` is 0 where nothing is written that the arithmetic made.
            port.write_data.eq(Mux(from_here, word, self.word)),
            self._storing.eq(waiting | ~clears.empty),
        ]
        m.d.sync += from_here.eq(waiting & ~self.word_valid)
        with m.If(waiting & ~self.word_valid & port.ready):
            m.d.sync += waiting.eq(0)
        with m.If(store):
            m.d.sync += [waiting.eq(1), where.eq(address), word.eq(state)]

    # -- words and their neurons ------------------------------------------------------------------------

    def _buffers(self, m: Module, s: _State) -> None:
        """Words of which lanes go on, or which are the last of their channel word; a lane of the oldest per cycle."""
        config, population = self.config, self.population
        m.submodules.test = test = SilenceTest(config)
        arrives, mark = s.arrives[Purpose.STATE], Signal(name="arriving_mark")
        tested, closes = Signal(name="tested"), Signal(name="closes")
        address = Signal(config.address_bits, name="address")
        ends = s.column_ends & s.row_ends & ~population.word.uniform
        m.d.comb += [
            s.requests.given.payload.mark.eq(Mux(s.read_parameter, self._set, ends)),
            test.type.eq(population.word.type), test.saturation.eq(population.word.saturation),
            test.uniform.eq(population.word.uniform), test.top_lane.eq(population.last_channel[:config.lane_bits]),
            test.load.eq(s.arrives[Purpose.PARAMETER]), test.parameter.eq(self.memory.data), test.lane.eq(s.arriving),
            test.state.eq(self.memory.data), test.in_last_word.eq(s.coming.in_last_word),
        ]
        m.d.sync += [mark.eq(s.coming.mark), tested.eq(arrives), closes.eq(mark), address.eq(self.evaluated.address)]
        goes, goes_on = Signal(name="goes"), Signal(name="goes_on")
        m.d.comb += [goes.eq(test.passes.any() | closes), goes_on.eq(tested & goes), self.tested.eq(tested),
                     self.passes.eq(test.passes)]
        # What a word holds, and what is to be done with it: that of the oldest one is in registers.
        kinds = {"words": {"states": config.word_bits, "address": config.address_bits},
                 "flags": {"passes": config.lanes, "closes": 1, "at_once": 1}}
        ports = []
        for name, fields in kinds.items():
            m.submodules[name] = buffer = Memory(shape=data.StructLayout(fields), depth=SKIPPING_WORDS, init=[])
            ports.append((buffer.write_port(), buffer.read_port(domain="comb")))
        (words, oldest), (flags, next_flags) = ports
        word, following_flags = oldest.data, next_flags.data
        m.d.comb += [
            words.en.eq(goes_on), words.data.states.eq(test.kept), words.data.address.eq(address),
            flags.en.eq(goes_on), flags.data.passes.eq(test.passes), flags.data.closes.eq(closes),
            flags.data.at_once.eq(test.at_once),
        ]
        left, rest = Signal(config.lanes, name="left"), Signal(config.lanes, name="rest")
        present, blank, first, last_of_channel_word, at_once, moves = (Signal(name=name) for name in (
            "present", "blank", "first", "last_of_channel_word", "at_once", "moves"))
        m.d.comb += [
            rest.eq(left & (left - 1)), self.last.eq(~rest.any()),
            self.there.eq(present & ~blank & ~(first & at_once & self._waiting)),
            s.pop.eq(Mux(blank, present, self.take & self.last)), self._closed.eq(s.pop & last_of_channel_word),
            moves.eq((s.there != 0) & (~present | s.pop)),
        ]
        for lane in reversed(range(config.lanes)):
            with m.If(left[lane]):
                m.d.comb += s.lane.eq(lane)
        m.d.sync += [
            s.reserved.eq(s.reserved + s.ask - s.pop - (tested & ~goes)), s.there.eq(s.there + goes_on - moves),
            present.eq(moves | (present & ~s.pop)),
        ]
        with m.If(self.take):
            m.d.sync += [left.eq(rest), first.eq(0)]
        with m.If(moves):
            m.d.sync += [left.eq(following_flags.passes), blank.eq(following_flags.passes == 0), first.eq(1),
                         last_of_channel_word.eq(following_flags.closes), at_once.eq(following_flags.at_once)]
        for moved, address_of in ((goes_on, words.addr), (goes_on, flags.addr), (s.pop, oldest.addr),
                                  (moves, next_flags.addr)):
            with m.If(moved):
                m.d.sync += address_of.eq(following(address_of, SKIPPING_WORDS))
        # A neuron that fires, and whose state is known already, gets the highest one into the arithmetic: 1 comes out.
        highest = Const((1 << config.state_bits - 1) - 1, config.state_bits)
        m.d.comb += [
            self.state.eq(Mux(at_once, highest, word.states.word_select(s.lane, config.state_bits))),
            self.collects.eq(population.keeps & ~at_once), self.collect.eq(self.take & first & self.collects),
            self.collect_address.eq(word.address),
        ]
        self._stores(m, s, word.states, word.address, self.take & first & at_once)
        self._tables(m, s, mark)

    def _tables(self, m: Module, s: _State, mark: Signal) -> None:
        """The parameters of two channel words; a word's are those behind the ones of the word that closed before it."""
        used = Signal(name="set_used")
        with m.If(self._closed):
            m.d.sync += used.eq(~used)
        with m.If(s.accept):
            m.d.sync += used.eq(0)
        kinds = [("parameters", self.parameter, Purpose.PARAMETER)]
        if self.second_words:
            kinds.append(("second_parameters", self.second, Purpose.SECOND_PARAMETER))
        for name, result, purpose in kinds:
            m.submodules[name] = table = Memory(shape=result.shape(), depth=2 * self.config.lanes, init=[])
            write, read = table.write_port(), table.read_port(domain="comb")
            m.d.comb += [write.en.eq(s.arrives[purpose]), write.addr.eq(Cat(s.arriving, mark)),
                         write.data.eq(self.memory.data),
                         read.addr.eq(Cat(Mux(self.population.word.uniform, 0, s.lane), used)), result.eq(read.data)]
