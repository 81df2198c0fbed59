"""The timestep scheduler: counts ends of timestep, keeps credits, starts evaluations."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.words import EdgeKind, EventKind, layouts
from rtl.ports import ReadPort, command_layout
from rtl.scheduling import FOLLOWS, WRITES, Scheduling
from rtl.scratch import TablePort
from rtl.words import struct

STARTING = ("reset", "read", "fill", "read edge", "look", "owned")
"""States of the control before the scheduler is ready for events."""
_Step = tuple[str, Value, str]
"""From a state, when, to which state."""
GROUP = 4
"""Populations of which the lowest is found in a cycle."""


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
    With neurons that delay it looks through all populations once more, before it evaluates any: those that delay are
    evaluated without their neurons, so that they send their first ends, for which they owe no credits.

    Ports:
        populations, edges: how many the image has; must not change but in reset.
        good: only with `guard_states`: populations whose words agree; others stay unpaid.
        first_extended: only with `organisations`: the first ID whose edge is of kind EXTENDED, if there is one; else
            more than any.
        token: END and CREDIT events; a CREDIT's ID is the population that gets it.
        decoded, population: the decoder has found that a VALUE is for this population.
        memory: reads population and edge words. scratch: the tables.
        command: what to evaluate. done: the evaluation has sent its last neuron.
        credit_event: credits for sources on other cores; those of this core are counted at once.
        ready: all these words are read. idle: in reset, or nothing is being evaluated or waits to be, first ends too.
        counting: an end is being counted; a value behind it must not reach the decoder yet.
        partial: a population has some of its ends, not all. unpaid: one has all and waits for credits, and none is
            being evaluated.
        protocol_error: pulses for an END or a credit that no population waits for, and is dropped. early: pulses a
            cycle after `decoded`, for a population that has all its ends and has not finished its evaluation.

    Latency: a scratch access is done each SCRATCH_TURNS = 3 cycles, so that an end takes 12 to 16 cycles and a credit 6
    to 10. The start of an evaluation takes four, with memory at once. From reset to `ready`, six cycles per population
    and nine per ID; behind it, first ends take ten per population, and what the evaluations of delays take. Credits go
    out one in six cycles at best, and wait for nothing but the way out.
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
            **({"first_extended": Out(config.edge_bits + 1, init=config.max_edges)} if config.organisations else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, s = Module(), Scheduling(self.config)
        self._control(m, s)
        self._tables(m, s)
        self._returns(m, s)
        self._tokens(m, s)
        self._data(m, s)
        may = self._choose(m, s)
        if s.codes:
            self._first_ends(m, s)
        if self.config.organisations:
            with m.If(s.does("owned") & (s.edge_word.kind == EdgeKind.EXTENDED) & self.first_extended[-1]):
                m.d.sync += self.first_extended.eq(s.index)
        m.d.sync += self.early.eq(self.decoded & s.ready.bit_select(self.population, 1))
        busy = Cat(s.held, s.evaluating, may.any(), s.owed != 0, s.arriving, s.local_credit, s.far_credit,
                   *([s.first] if s.codes else [])).any()
        m.d.comb += [
            self.partial.eq(s.incomplete != 0), self.unpaid.eq((s.ready & ~s.credited).any() & ~s.evaluating),
            self.idle.eq(s.in_reset | (s.chooses & ~busy)),
        ]
        return m

    def _choose(self, m: Module, s: Scheduling) -> Value:
        """The lowest population that may be evaluated, of each group, then of the groups; returns which may.

        Nothing is found while a population is evaluated, as the end of that changes what is ready. Else populations
        only come to those that may be, and what was found before still may.
        """
        may = s.ready & s.credited
        groups = [may[low:low + GROUP] for low in range(0, len(may), GROUP)]
        found = [Signal(name=f"found_{number}") for number in range(len(groups))]
        m.d.sync += s.any_ready.eq(s.unless_first(Cat(found).any(), first=1) & ~s.evaluating)
        for number, group in reversed(list(enumerate(groups))):
            lowest = Signal(range(len(group)), name=f"lowest_{number}")
            m.d.sync += found[number].eq(group.any() & ~s.evaluating)
            for place in reversed(range(len(group))):
                with m.If(group[place]):
                    m.d.sync += lowest.eq(place)
            with m.If(found[number]):
                m.d.sync += s.next_population.eq(number * GROUP + lowest)
        return may

    def _first_ends(self, m: Module, s: Scheduling) -> None:
        """Before all else each population is begun once: delays without their neurons; others are let pass."""
        m.d.comb += s.passed.eq(s.in_command & s.first & ~(s.delays() & self._good(s)))
        with m.If(s.first):
            m.d.sync += s.next_population.eq(s.started)
            with m.If(s.fetch):
                m.d.sync += s.population_word.depth.eq(0)
            with m.If(s.passed):
                m.d.comb += self.command.valid.eq(0)
                m.d.sync += s.evaluating.eq(0)
            with m.If(s.passed | s.evaluated):
                m.d.sync += [s.started.eq(s.started + 1), s.first.eq(~s.last_population)]
            with m.If(s.in_reset & (self.populations == 0)):
                m.d.sync += s.first.eq(0)

    def _control(self, m: Module, s: Scheduling) -> None:
        """What is done next: states, one-hot, and what leads from one to another."""
        idle = (s.local_taken, s.begin & s.is_credit, s.begin & ~s.is_credit, s.to_finish, s.to_start)
        steps = [
            *zip(("idle",) * len(idle), idle, ("credit", "credit", "end", "finish", "start"), strict=True),
            *self._starting(s),
            ("credit", s.does("credit"), "pay"), ("pay", s.does("pay"), "idle"),
            ("end", s.does("end"), "find"), *self._branch(s, "find", s.end_unknown, "idle", "count"),
            *self._branch(s, "count", s.end_surplus, "idle", "return"), ("return", s.does("return"), "idle"),
            ("start", s.arrives, "command"), *([("command", s.passed, "idle")] if s.codes else []),
            ("command", self.command.ready & ~s.passed if s.codes else self.command.ready, "spend"),
            # The credits are spent before the next token is looked at: the ends that earn new ones follow the command.
            ("spend", s.does("spend"), "spent"), ("spent", s.does("spent"), "idle"),
            ("finish", s.does("finish"), "finished"), ("finished", s.does("finished"), "idle"),
        ]
        states = dict.fromkeys(state for source, _, target in steps for state in (source, target))
        state = {name: Signal(name=f"in_{name.replace(' ', '_')}", init=name == "reset") for name in states}
        for name, now in state.items():
            leaves = Cat(condition for source, condition, _ in steps if source == name).any()
            enters = Cat(state[source] & condition for source, condition, target in steps if target == name).any()
            m.d.sync += now.eq(enters | (now & ~leaves))

        def during(*names: str) -> Value:
            return Cat(state[name] for name in names).any()

        m.d.comb += [
            self.memory.valid.eq(s.asks), s.fetch.eq(during("start") & s.arrives), s.in_find.eq(during("find")),
            s.reads_edge.eq(during("read edge")), s.in_reset.eq(during("reset")),
            self.command.valid.eq(during("command")),
            *([s.in_command.eq(during("command"))] if s.codes else []),
        ]
        # What is done next is chosen in the second cycle of idle. Consuming comes first: it waits for nothing.
        chosen: Value = Const(0)
        for choice, wanted in ((s.local_taken, s.local_credit), (s.begin, s.held), (s.to_finish, s.may_finish),
                               (s.to_start, s.any_ready)):
            m.d.comb += choice.eq(s.chooses & wanted & ~chosen)
            chosen = chosen | wanted
        m.d.sync += [
            s.chooses.eq(during("idle") & ~(s.chooses & chosen)),
            s.may_finish.eq(s.evaluating & s.finished & (s.owed == 0) & ~s.evaluated),
            # The memory's `ready` comes late in its cycle, and goes nowhere else.
            s.asks.eq(during("read", "read edge", "start") & ~(s.asks & self.memory.ready)
                      & ~Cat(s.comes, s.arrives).any()),
            s.comes.eq(Cat(s.asks & self.memory.ready, s.comes)[:READ_LATENCY - 1]), s.arrives.eq(s.comes[-1]),
            self.ready.eq(~during(*STARTING)),
        ]
        # From the cycle before: a state that is left goes to another one with an access only after its turn.
        look_up = (s.owed != 0) & ~Cat(s.arriving, s.local_credit, s.far_credit, during(*FOLLOWS)).any()
        m.d.sync += [
            s.look_up.eq(look_up), s.granted.eq(self.scratch.soon & ~look_up),
            *(access.eq(state[name]) for name, access in s.access.items()),
        ]

    def _starting(self, s: Scheduling) -> list[_Step]:
        """The steps of the start: a word of each population, then the owner of each ID."""
        none, no_edges = self.populations == 0, self.edges == 0
        filled = s.does("fill") & s.last_population
        return [
            ("reset", none, "idle"), ("reset", ~none, "read"), ("read", s.arrives, "fill"),
            ("fill", s.does("fill") & ~s.last_population, "read"),
            ("fill", filled & no_edges, "idle"), ("fill", filled & ~no_edges, "read edge"),
            ("read edge", s.arrives, "look"), ("look", s.does("look"), "owned"),
            *self._branch(s, "owned", s.last_edge, "idle", "read edge"),
        ]

    def _branch(self, s: Scheduling, state: str, stop: Value, then: str, otherwise: str) -> list[_Step]:
        """The two ways out of a state after its turn."""
        return [(state, s.does(state) & stop, then), (state, s.does(state) & ~stop, otherwise)]

    def _tables(self, m: Module, s: Scheduling) -> None:
        """What the states write into the scratch memory: the word that was read, but for what each changes."""
        fields, scratch, word, edge = self._fields(s), self.scratch, s.population_word, s.edge_word
        changed = Signal(s.place.population, name="changed")
        m.d.comb += [
            scratch.valid.eq(s.look_up | Cat(s.access.values()).any()),
            scratch.write.eq(~s.look_up & Cat(s.access[state] for state in WRITES).any()),
            scratch.address.eq(s.place.of_population(s.index)), changed.eq(fields), scratch.write_data.eq(changed),
        ]
        with m.If(s.access["fill"]):
            m.d.comb += [
                changed.incoming.eq(word.incoming), changed.axons.eq(word.axons), changed.slot.eq(s.slot),
                changed.received.eq(0), changed.credits.eq(word.axons), changed.delays.eq(s.delays()),
            ]
        with m.If(s.access["owned"]):
            m.d.comb += [changed.owner.eq(edge.population), changed.known.eq(edge.population < self.populations)]
        with m.If(s.access["pay"]):  # what is refused is written as it was
            m.d.comb += changed.credits.eq(fields.credits + ~s.credits_full)
        with m.If(s.access["count"]):
            m.d.comb += changed.received.eq(fields.received + ~s.end_surplus)
        with m.If(s.access["spent"]):
            m.d.comb += changed.credits.eq(0)
        with m.If(s.access["finished"]):
            m.d.comb += changed.received.eq(s.unless_first(Const(0), first=fields.received))
        with m.If(s.access["return"]):
            m.d.comb += [
                scratch.address.eq(s.place.of_return(s.slot)),
                scratch.write_data.eq(Cat(s.taken_x, s.taken_y, s.source[:self.config.population_bits])),
            ]
        with m.If(s.look_up):  # a credit that is owed, between the accesses of the states
            m.d.comb += scratch.address.eq(s.place.of_return(s.owed_slot))

    def _good(self, s: Scheduling) -> Value:
        """Whether the words of the population that a state works on agree."""
        return self.good.bit_select(s.population, 1) if self.config.guard_states else Const(1, 1)

    def _fields(self, s: Scheduling):  # type: ignore[no-untyped-def]
        """The word of a population that was read a turn before."""
        return s.place.population(self.scratch.data[:s.place.population.size])

    def _returns(self, m: Module, s: Scheduling) -> None:
        """Credits that the last evaluated population owes, returned in the background."""
        event, arrived = self.credit_event, s.place.back(self.scratch.data[:s.place.back.size])
        is_local, looked_up = (arrived.x == 0) & (arrived.y == 0), s.look_up & self.scratch.ready
        m.d.comb += [
            event.valid.eq(s.far_credit), event.payload.kind.eq(EventKind.CREDIT),
            event.payload.core_x.eq(-s.back.x), event.payload.core_y.eq(-s.back.y),
            event.payload.id.eq(s.back.population),
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

    def _tokens(self, m: Module, s: Scheduling) -> None:
        """The token that is counted: taken when there is none, and gone when it is counted or refused."""
        token, fields = self.token.payload, self._fields(s)
        m.d.comb += [self.token.ready.eq(~s.held), self.counting.eq(s.counting)]
        with m.If(~s.held):
            m.d.sync += [
                s.held.eq(self.token.valid), s.is_credit.eq(token.kind == EventKind.CREDIT),
                s.counting.eq(self.token.valid & (token.kind == EventKind.END)), s.identifier.eq(token.id),
                s.taken_x.eq(token.x), s.taken_y.eq(token.y), s.source.eq(token.c),
            ]
        with m.If(s.does("find") & s.end_unknown | s.does("count")):
            m.d.sync += s.counting.eq(0)
        m.d.sync += s.drop.eq(s.begin & s.is_credit | s.does("find") & s.end_unknown | s.does("count") & s.end_surplus
                              | s.does("return"))
        with m.If(s.drop):
            m.d.sync += s.held.eq(0)
        backward: Value = Const(0, 1)
        if self.config.guard_states:
            # Within the core ends lead to a later population, or to a delay: no flipped bit closes a circle without.
            backward = ~Cat(s.taken_x, s.taken_y).any() & (s.source >= s.population) & ~fields.delays
        # What follows from the word that was read is found in the cycle that it comes in, and used in the next one.
        m.d.sync += [
            s.credit_unknown.eq(s.index >= self.populations), s.no_axons.eq(fields.axons == 0),
            s.credits_full.eq((fields.credits == fields.axons) | s.credit_unknown),
            s.last_credit.eq(fields.credits + 1 == fields.axons),
            s.end_unknown.eq((s.identifier >= self.edges) | ~fields.known),
            s.end_surplus.eq(s.ready.bit_select(s.population, 1) | (fields.incoming == 0) | backward),
            s.first_end.eq(fields.received == 0), s.last_end.eq(fields.received + 1 == fields.incoming),
        ]
        m.d.sync += self.protocol_error.eq(
            (s.does("pay") & s.credits_full) | (s.does("find") & s.end_unknown) | (s.does("count") & s.end_surplus))

    def _data(self, m: Module, s: Scheduling) -> None:
        """Everything else that the control's decisions change in registers."""
        fields, count = self._fields(s), s.does("count") & ~s.end_surplus
        ready, credited = s.ready.bit_select(s.population, 1), s.credited.bit_select(s.population, 1)
        m.d.comb += [
            self.command.payload.population.eq(s.current), self.command.payload.word.eq(s.word),
        ]
        m.d.sync += [
            self.memory.address.eq(
                Mux(s.reads_edge, (self.populations << 1) + s.index, Cat(Const(1, 1), s.population))),
            # A number that is too large ends with the last that there can be.
            s.last_population.eq((s.index + 1 == self.populations) | s.population.all()),
            s.last_edge.eq((s.index + 1 == self.edges) | s.index.all()),
            s.began.eq(count & s.first_end), s.completed.eq(count & s.last_end),
            s.incomplete.eq(s.incomplete + s.began - s.completed),
        ]
        with m.If(self.done):
            m.d.sync += s.finished.eq(1)
        with m.If(s.arrives):
            m.d.sync += s.word.eq(self.memory.data)
        sources = [
            (s.does("fill") & ~s.last_population, s.index + 1), (s.does("fill") & s.last_population, Const(0)),
            (s.does("owned"), s.index + 1), (s.begin, s.identifier), (s.local_taken, s.back.population),
            (s.access["find"] & s.in_find, fields.owner),  # the word is there from the cycle before the turn
            (s.to_start, s.next_population), (s.to_finish, s.current),
        ]
        with m.If(Cat(chosen for chosen, _ in sources).any()):
            m.d.sync += s.index.eq(reduce(or_, (Mux(chosen, value, 0) for chosen, value in sources)))
        with m.If(s.does("fill")):
            m.d.sync += s.slot.eq(s.slot + s.population_word.incoming)
        with m.If(s.does("count")):
            m.d.sync += s.slot.eq(fields.slot + fields.received)
        # The index stays for some cycles after a turn.
        m.d.sync += [
            s.paid.eq(s.does("pay") & ~s.credits_full & s.last_credit | s.does("spent") & s.no_axons),
            s.evaluated.eq(s.does("finished")),
        ]
        # One write of each, as every bit has its decoder.
        with m.If(s.paid | s.does("fill") | s.access["spend"]):
            m.d.sync += credited.eq(s.paid | (s.access["fill"] & self._good(s)))
        with m.If(s.completed | s.unless_first(s.evaluated)):
            m.d.sync += ready.eq(s.completed)
        with m.If(s.evaluated):
            m.d.sync += [s.evaluating.eq(0), s.finished.eq(0)]
        with m.If(s.to_start):
            m.d.sync += s.current.eq(s.next_population)
        with m.If(s.fetch):
            m.d.sync += [s.evaluating.eq(1), s.finished.eq(0)]
        with m.If(s.does("finished")):
            m.d.sync += [s.owed.eq(s.unless_first(fields.incoming)), s.owed_slot.eq(fields.slot)]
