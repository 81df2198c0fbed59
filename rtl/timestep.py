"""The timestep scheduler: counts ends of timestep, keeps credits, starts evaluations."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import EventKind, layouts
from rtl.ports import ReadPort, command_layout
from rtl.scratch import ScratchMap, TablePort
from rtl.words import struct

STARTING = ("reset", "read", "store", "fill", "read edge", "own", "look", "owned")
"""States of the control before the scheduler is ready for events."""
COUNTING = ("end", "find", "count")
"""States in which it is not settled yet whether an end was the last one of its population."""
FOLLOWS = ("owned", "pay", "find", "count", "return", "spent", "finished")
"""States that work on the word that was read a turn before: no other access may come between."""


class _Scheduling:
    """Registers of the scheduler, and what its control and its data path tell each other."""

    def __init__(self, config: CoreConfig):
        count, self.place = config.max_populations, ScratchMap(config)

        def one(name: str) -> Signal:
            return Signal(name=name)

        # The population that a state works on.
        self.population = Signal(config.population_bits, name="population")
        self.word = Signal(struct(layouts(config).population), name="word")
        self.identifier = Signal(config.edge_bits + 1, name="identifier")
        # The first return slot of the next population; after the start the one of the end that is counted.
        self.slot = Signal(config.incoming_bits, name="slot")
        self.ready, self.credited = Signal(count, name="ready"), Signal(count, name="credited")
        # Of the token that is counted: its ID, its way back and its source.
        self.taken_id, self.taken_source = (
            Signal(bits, name=name) for bits, name in ((config.edge_bits, "taken_id"), (config.channel_bits, "source")))
        self.taken_x, self.taken_y = (Signal(config.mesh_bits, name=f"taken_{axis}") for axis in "xy")
        # The lowest population that may be evaluated, a cycle late.
        self.next_population, self.any_ready = Signal(config.population_bits, name="next_population"), one("any_ready")
        # The population that is being evaluated, and whether it has sent its last neuron.
        self.current = Signal(config.population_bits, name="current")
        self.evaluating, self.finished = one("evaluating"), one("finished")
        # Credits that the last evaluated population owes and that have not been looked up, and where their ways are.
        self.owed = Signal(config.incoming_bits, name="owed")
        self.owed_slot = Signal(config.incoming_bits, name="owed_slot")
        # The one that has been: on its way from the scratch memory, or here for this core or for another one.
        self.back, self.arriving = Signal(self.place.back, name="back"), Signal(2, name="arriving")
        self.local_credit, self.far_credit = one("local_credit"), one("far_credit")
        # Populations that have some of their ends.
        self.incomplete = Signal(config.population_bits + 1, name="incomplete")
        # The scratch memory: a look-up wants its turn; a state has it; a state needs the word of the turn before.
        self.look_up, self.granted, self.follows = one("look_up"), one("granted"), one("follows")
        # From the control: what it does in this cycle.
        self.fill, self.owned, self.pay, self.found, self.count, self.spent, self.finish = (
            one(name) for name in ("fill", "owned", "pay", "found", "count", "spent", "finish"))
        self.store, self.own, self.fetch, self.read_edge = (
            one(name) for name in ("store", "own", "fetch", "read_edge"))
        self.local_taken, self.to_start, self.to_finish, self.refuse = (
            one(name) for name in ("local_taken", "to_start", "to_finish", "refuse"))
        self.in_reset, self.in_idle = one("in_reset"), one("in_idle")
        # From the data path.
        self.last_population, self.last_edge = one("last_population"), one("last_edge")
        self.credit_unknown, self.end_unknown = one("credit_unknown"), one("end_unknown")
        self.credits_full, self.end_surplus = one("credits_full"), one("end_surplus")


class Timestep(wiring.Component):
    """Decides which population is evaluated, and when.

    A population is ready when it has counted `incoming` ends of timestep, and may be evaluated when it holds a credit
    on each of its axons. After its evaluation it returns one credit to each source whose end it counted. One evaluation
    runs at a time; ends and credits are consumed all the while, so that nothing in a queue ever waits for an evaluation
    or for the way out (docs/architecture.md, "No deadlock"). Bamberg et al., arXiv 2112.07019, section 4; the credits
    are this project's.

    Out of reset it reads all population words, and from the edge words which population owns each ID, and starts with
    full credits. The core holds it in reset while stopped. Its tables are in the scratch memory (`rtl.scratch`), one
    word per population and one per end counted; in flip-flops it has which populations are ready and have all credits.

    Ports:
        populations, edges: how many the image has; must not change but in reset.
        good: only with `guard_states`: populations whose words agree; others stay unpaid.
        token: END and CREDIT events; a CREDIT's ID is the population that gets it.
        decoded, population: the decoder has found that a VALUE is for this population.
        memory: reads population and edge words. scratch: the tables.
        command: what to evaluate. done: the evaluation has sent its last neuron.
        credit_event: credits for sources on other cores; those of this core are counted at once.
        ready: all these words are read. idle: in reset, or nothing is being evaluated or waits to be.
        counting: an end is being counted; a value behind it must not reach the decoder yet.
        partial: a population has some of its ends, not all. unpaid: one has all and waits for credits, and none is
            being evaluated.
        protocol_error: pulses for an END or a credit that no population waits for, and is dropped. early: pulses a
            cycle after `decoded`, for a population that has all its ends and has not finished its evaluation.

    Latency, with scratch accesses each SCRATCH_TURNS = 3 cycles: an end takes 11 to 13 cycles, a credit 5 to 7. From
    the last end or credit counted, a command comes five cycles later, with memory at once, but for tokens that wait.
    From reset to `ready`, three to five cycles per population and six to eight per ID. Credits go out one in six cycles
    at best, and wait for nothing but the way out.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        event = struct(layouts(config).event)
        super().__init__({
            "populations": In(config.population_bits + 1), "edges": In(config.edge_bits + 1),
            "token": In(stream.Signature(event)),
            "decoded": In(1), "population": In(config.population_bits), "early": Out(1),
            "memory": Out(ReadPort(config)), "scratch": Out(TablePort(config)),
            "command": Out(stream.Signature(command_layout(config))),
            "done": In(1),
            "credit_event": Out(stream.Signature(event)),
            "ready": Out(1), "idle": Out(1), "counting": Out(1), "partial": Out(1), "unpaid": Out(1),
            "protocol_error": Out(1),
            **({"good": In(config.max_populations)} if config.guard_states else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, s = Module(), _Scheduling(self.config)
        self._control(m, s)
        self._returns(m, s)
        self._data(m, s)
        may = s.ready & s.credited
        m.d.sync += [
            # Nothing is found while a population is evaluated: the end of that changes what is ready.
            s.any_ready.eq(may.any() & ~s.evaluating),
            self.early.eq(self.decoded & s.ready.bit_select(self.population, 1)),
        ]
        for number in reversed(range(self.config.max_populations)):
            with m.If(may[number]):
                m.d.sync += s.next_population.eq(number)
        busy = Cat(s.evaluating, may.any(), s.owed != 0, s.arriving, s.local_credit, s.far_credit).any()
        m.d.comb += [
            self.partial.eq(s.incomplete != 0), self.unpaid.eq((s.ready & ~s.credited).any() & ~s.evaluating),
            self.idle.eq(s.in_reset | (s.in_idle & ~busy)),
        ]
        return m

    def _control(self, m: Module, s: _Scheduling) -> None:
        """What is done next, and which words the states read and write."""
        fields, scratch = self._fields(s), self.scratch
        changed = Signal(s.place.population, name="changed")
        m.d.comb += [
            scratch.address.eq(s.place.of_population(s.population)), changed.eq(fields), scratch.write_data.eq(changed),
            s.granted.eq(scratch.ready & ~s.look_up),
        ]
        with m.FSM() as fsm:
            self._starting(m, s, changed)
            self._idle(m, s)
            self._counting(m, s, changed)
            self._wait(m, "start", "fetch", self.memory.ready)
            self._wait(m, "fetch", "command", Const(1))
            self._wait(m, "command", "spend", self.command.ready)
            # The credits are spent before the next token is taken: the ends that earn new ones follow the command.
            self._access(m, s, "spend", "spent")
            self._access(m, s, "spent", "idle", write=changed.credits.eq(0))
            self._access(m, s, "finish", "finished")
            self._access(m, s, "finished", "idle", write=changed.received.eq(0))

        def during(*states: str) -> Value:
            return Cat(fsm.ongoing(state) for state in states).any()

        m.d.comb += [
            self.memory.valid.eq(during("read", "read edge", "start")), s.read_edge.eq(during("read edge")),
            s.store.eq(during("store")), s.own.eq(during("own")), s.fetch.eq(during("fetch")),
            self.command.valid.eq(during("command")), self.counting.eq(during(*COUNTING)),
            s.follows.eq(during(*FOLLOWS)), s.in_reset.eq(during("reset")), s.in_idle.eq(during("idle")),
            self.ready.eq(~during(*STARTING)),
            *(signal.eq(during(state) & s.granted) for signal, state in (
                (s.fill, "fill"), (s.owned, "owned"), (s.pay, "pay"), (s.found, "find"), (s.count, "count"),
                (s.spent, "spent"), (s.finish, "finished"))),
        ]
        # A credit that is owed is looked up between the accesses of the states.
        with m.If(s.look_up):
            m.d.comb += [scratch.valid.eq(1), scratch.write.eq(0), scratch.address.eq(s.place.of_return(s.owed_slot))]

    def _fields(self, s: _Scheduling):  # type: ignore[no-untyped-def]
        """The word of a population that was read a turn before."""
        return s.place.population(self.scratch.data[:s.place.population.size])

    def _wait(self, m: Module, state: str, then: str, going: Value) -> None:
        """A state that ends when it may go on."""
        with m.State(state), m.If(going):
            m.next = then

    def _access(self, m: Module, s: _Scheduling, state: str, then: str, *, index: Value | None = None,
                write: Any = None, useful: Value | int = 1, stop: Value | int = 0) -> None:
        """A state with an access to the word of a population or ID.

        Args:
            index: whose word, if not that of `population`.
            write: what changes of the word read before, which is written.
            useful: else nothing is accessed in its turn.
            stop: then it is idle instead that follows.
        """
        with m.State(state):
            m.d.comb += [self.scratch.valid.eq(useful), self.scratch.write.eq(write is not None)]
            if write is not None:
                m.d.comb += write
            if index is not None:
                m.d.comb += self.scratch.address.eq(s.place.of_population(index))
            with m.If(s.granted):
                m.next = then
                with m.If(stop):
                    m.next = "idle"

    def _starting(self, m: Module, s: _Scheduling, changed: data.View) -> None:
        """The states of the start: a word of each population, then the owner of each ID."""
        word = s.word
        with m.State("reset"):
            m.next = "idle"
            with m.If(self.populations != 0):
                m.next = "read"
        self._wait(m, "read", "store", self.memory.ready)
        self._wait(m, "store", "fill", Const(1))
        with m.State("fill"):
            m.d.comb += [
                self.scratch.valid.eq(1), self.scratch.write.eq(1),
                changed.incoming.eq(word.incoming), changed.axons.eq(word.axons), changed.slot.eq(s.slot),
                changed.received.eq(0), changed.credits.eq(word.axons),
            ]
            with m.If(s.granted):
                m.next = "read"
                with m.If(s.last_population):
                    m.next = "read edge"
                    with m.If(self.edges == 0):
                        m.next = "idle"
        self._wait(m, "read edge", "own", self.memory.ready)
        self._wait(m, "own", "look", Const(1))
        identifier = s.identifier[:self.config.edge_bits]
        self._access(m, s, "look", "owned", index=identifier)
        self._access(
            m, s, "owned", "read edge", index=identifier, useful=~s.identifier[-1], stop=s.last_edge,
            write=Cat(changed.owner, changed.known).eq(Cat(s.population, s.population < self.populations)))

    def _idle(self, m: Module, s: _Scheduling) -> None:
        """The state in which is chosen what comes next. Consuming comes first: it waits for nothing."""
        with m.State("idle"):
            m.d.comb += self.token.ready.eq(~s.local_credit)
            with m.If(s.local_credit):
                m.d.comb += s.local_taken.eq(1)
                m.next = "credit"
            with m.Elif(self.token.valid):
                m.next = "end"
                with m.If(self.token.payload.kind == EventKind.CREDIT):
                    m.next = "credit"
            with m.Elif(s.evaluating & s.finished & (s.owed == 0)):
                m.d.comb += s.to_finish.eq(1)
                m.next = "finish"
            with m.Elif(s.any_ready):
                m.d.comb += s.to_start.eq(1)
                m.next = "start"

    def _counting(self, m: Module, s: _Scheduling, changed: data.View) -> None:
        """The states that count a credit or an end."""
        fields = self._fields(s)
        with m.State("credit"):
            m.d.comb += self.scratch.valid.eq(1)
            with m.If(s.credit_unknown):
                m.d.comb += s.refuse.eq(1)
                m.next = "idle"
            with m.Elif(s.granted):
                m.next = "pay"
        self._access(m, s, "pay", "idle", useful=~s.credits_full, write=changed.credits.eq(fields.credits + 1))
        self._access(m, s, "end", "find", index=s.taken_id)
        self._access(m, s, "find", "count", index=fields.owner, stop=s.end_unknown)
        self._access(m, s, "count", "return", useful=~s.end_surplus, stop=s.end_surplus,
                     write=changed.received.eq(fields.received + 1))
        with m.State("return"):
            m.d.comb += [
                self.scratch.valid.eq(1), self.scratch.write.eq(1), self.scratch.address.eq(s.place.of_return(s.slot)),
                self.scratch.write_data.eq(Cat(s.taken_x, s.taken_y, s.taken_source[:self.config.population_bits])),
            ]
            with m.If(s.granted):
                m.next = "idle"

    def _returns(self, m: Module, s: _Scheduling) -> None:
        """Credits that the last evaluated population owes, returned in the background."""
        event, arrived = self.credit_event, s.place.back(self.scratch.data[:s.place.back.size])
        is_local, looked_up = (arrived.x == 0) & (arrived.y == 0), s.look_up & self.scratch.ready
        m.d.comb += [
            event.valid.eq(s.far_credit), event.payload.kind.eq(EventKind.CREDIT),
            event.payload.core_x.eq(-s.back.x), event.payload.core_y.eq(-s.back.y),
            event.payload.id.eq(s.back.population),
            s.look_up.eq((s.owed != 0) & ~Cat(s.arriving, s.local_credit, s.far_credit, s.follows).any()),
        ]
        m.d.sync += s.arriving.eq(Cat(looked_up, s.arriving[0]))
        with m.If(looked_up):
            m.d.sync += [s.owed.eq(s.owed - 1), s.owed_slot.eq(s.owed_slot + 1)]
        with m.If(event.ready):
            m.d.sync += s.far_credit.eq(0)
        with m.If(s.local_taken):
            m.d.sync += s.local_credit.eq(0)
        with m.If(s.arriving[1]):
            m.d.sync += [s.back.eq(arrived), s.local_credit.eq(is_local), s.far_credit.eq(~is_local)]

    def _refusals(self, m: Module, s: _Scheduling) -> Value:
        """Which tokens are dropped; returns whether the population may be evaluated."""
        fields = self._fields(s)
        good, backward = Const(1, 1), Const(0, 1)
        if self.config.guard_states:
            good = self.good.bit_select(s.population, 1)
            # Within the core ends lead from a population to a later one: a flipped bit closes no circle.
            backward = ~Cat(s.taken_x, s.taken_y).any() & (s.taken_source >= fields.owner)
        m.d.comb += [
            s.credit_unknown.eq(s.taken_id >= self.populations), s.credits_full.eq(fields.credits == fields.axons),
            s.end_unknown.eq((s.taken_id >= self.edges) | ~fields.known | backward),
            s.end_surplus.eq(s.ready.bit_select(s.population, 1) | (fields.incoming == 0)),
            self.protocol_error.eq(s.refuse | (s.pay & s.credits_full) | (s.found & s.end_unknown)
                                   | (s.count & s.end_surplus)),
        ]
        return good

    def _data(self, m: Module, s: _Scheduling) -> None:
        """Everything that the control's decisions change in registers."""
        token, word, fields = self.token.payload, s.word, self._fields(s)
        edge = struct(layouts(self.config).edge)(self.memory.data[:layouts(self.config).edge.bits])
        m.d.comb += [
            self.memory.address.eq(Mux(
                s.read_edge, (self.populations << 1) + s.identifier, Cat(Const(1, 1), s.population))),
            self.command.payload.population.eq(s.current), self.command.payload.word.eq(word),
            s.last_population.eq(s.population + 1 == self.populations),
            s.last_edge.eq(s.identifier + 1 == self.edges),
        ]
        good = self._refusals(m, s)
        with m.If(self.done):
            m.d.sync += s.finished.eq(1)
        with m.If(s.store | s.fetch):
            m.d.sync += word.eq(self.memory.data)
        with m.If(s.fill):
            m.d.sync += [s.slot.eq(s.slot + word.incoming), s.credited.bit_select(s.population, 1).eq(good),
                         s.population.eq(s.population + 1)]
        with m.If(s.own):
            m.d.sync += s.population.eq(edge.population)
        with m.If(s.owned):
            m.d.sync += s.identifier.eq(s.identifier + 1)
        with m.If(s.in_idle):
            m.d.sync += [s.population.eq(token.id), s.taken_id.eq(token.id), s.taken_x.eq(token.x),
                         s.taken_y.eq(token.y), s.taken_source.eq(token.c)]
        with m.If(s.local_taken):
            m.d.sync += [s.population.eq(s.back.population), s.taken_id.eq(s.back.population)]
        with m.If(s.pay & ~s.credits_full & (fields.credits + 1 == fields.axons)):
            m.d.sync += s.credited.bit_select(s.population, 1).eq(1)
        with m.If(s.found):
            m.d.sync += s.population.eq(fields.owner)
        with m.If(s.count & ~s.end_surplus):
            first, last = fields.received == 0, fields.received + 1 == fields.incoming
            m.d.sync += [s.slot.eq(fields.slot + fields.received), s.incomplete.eq(s.incomplete + first - last)]
            with m.If(last):
                m.d.sync += s.ready.bit_select(s.population, 1).eq(1)
        with m.If(s.to_start):
            m.d.sync += [s.population.eq(s.next_population), s.current.eq(s.next_population)]
        with m.If(s.fetch):
            m.d.sync += [s.evaluating.eq(1), s.finished.eq(0)]
        with m.If(s.spent):
            m.d.sync += s.credited.bit_select(s.population, 1).eq(fields.axons == 0)
        with m.If(s.to_finish):
            m.d.sync += s.population.eq(s.current)
        with m.If(s.finish):
            m.d.sync += [s.ready.bit_select(s.population, 1).eq(0), s.evaluating.eq(0), s.finished.eq(0),
                         s.owed.eq(fields.incoming), s.owed_slot.eq(fields.slot)]
