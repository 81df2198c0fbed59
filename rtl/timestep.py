"""The timestep scheduler: counts ends of timestep, keeps credits, starts evaluations."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import EventKind, layouts
from rtl.ports import ReadPort, command_layout
from rtl.words import struct


class _Scheduling:
    """Registers of the scheduler, and what its control and its data path tell each other."""

    def __init__(self, config: CoreConfig):
        count = config.max_populations

        def one(name: str) -> Signal:
            return Signal(name=name)

        self.population = Signal(config.population_bits, name="population")
        self.word = Signal(struct(layouts(config).population), name="word")
        self.identifier = Signal(config.edge_bits + 1, name="identifier")
        self.slot = Signal(config.incoming_bits + 1, name="slot")
        self.ready, self.credited = Signal(count, name="ready"), Signal(count, name="credited")
        # The population that is being evaluated, and whether it has sent its last neuron.
        self.current = Signal(config.population_bits, name="current")
        self.evaluating, self.finished = one("evaluating"), one("finished")
        # Credits that the last evaluated population owes, and where the ways back are.
        self.owed = Signal(config.incoming_bits, name="owed")
        self.owed_slot = Signal(config.incoming_bits, name="owed_slot")
        # Populations that have some of their ends.
        self.incomplete = Signal(config.population_bits + 1, name="incomplete")
        # From the control: what it does in this cycle.
        self.store, self.fill, self.own = one("store"), one("fill"), one("own")
        self.take_credit, self.take_end, self.local_taken = one("take_credit"), one("take_end"), one("local_taken")
        self.to_start, self.fetch, self.to_finish, self.finish = (
            one(name) for name in ("to_start", "fetch", "to_finish", "finish"))
        self.read_edge, self.in_reset, self.in_idle = one("read_edge"), one("in_reset"), one("in_idle")
        # From the data path.
        self.any_ready, self.local_credit = one("any_ready"), one("local_credit")
        self.last_population, self.last_edge = one("last_population"), one("last_edge")
        self.credit_unknown, self.end_unknown = one("credit_unknown"), one("end_unknown")
        self.credits_full, self.end_surplus = one("credits_full"), one("end_surplus")


class _Tables:
    """What is remembered of each population, and the way back to each source whose end was counted."""

    def __init__(self, m: Module, config: CoreConfig):
        count = config.max_populations
        limits = data.StructLayout({
            "incoming": config.incoming_bits, "axons": config.axon_count_bits, "slot": config.incoming_bits + 1,
        })
        owner = data.StructLayout({"population": config.population_bits, "known": 1})
        back = data.StructLayout({
            "x": signed(config.mesh_bits), "y": signed(config.mesh_bits), "population": config.population_bits,
        })

        def table(name: str, shape, depth: int):  # type: ignore[no-untyped-def]
            m.submodules[name] = mem = memory.Memory(shape=shape, depth=depth, init=[])
            return mem.write_port(), mem.read_port(domain="comb")

        # What each population waits for; read by the scheduler and, for the slot, by the returning of credits.
        self.limits_write, self.limits_read = table("limits", limits, count)
        self.owner_write, self.owner_read = table("owner", owner, config.max_edges)
        self.received_write, self.received_read = table("received", unsigned(config.incoming_bits), count)
        self.credits_write, self.credits_read = table("credits", unsigned(config.axon_count_bits), count)
        # In the order of arrival.
        self.returns_write, self.returns_read = table("returns", back, 1 << config.incoming_bits)
        self.by_population = (self.limits_write, self.limits_read, self.received_write, self.received_read,
                              self.credits_write, self.credits_read)


class Timestep(wiring.Component):
    """Decides which population is evaluated, and when.

    A population is ready when it has counted `incoming` ends of timestep, and may be evaluated when it holds a credit
    on each of its axons. After its evaluation it returns one credit to each source whose end it counted. One evaluation
    runs at a time; ends and credits are consumed all the while, so that nothing in a queue ever waits for an evaluation
    or for the way out (docs/architecture.md, "No deadlock"). Bamberg et al., arXiv 2112.07019, section 4; the credits
    are this project's.

    Out of reset it reads all population words, and from the edge words which population owns each ID, and starts with
    full credits. The core holds it in reset while stopped.

    Ports:
        populations, edges: how many the image has; must not change but in reset.
        good: only with `guard_states`: populations whose words agree; others stay unpaid.
        end: END events. credit: population index that gets a credit. value: a VALUE with the ID that `end` shows is
            taken, though not from here.
        memory: reads population and edge words. command: what to evaluate. done: the evaluation has sent its last
            neuron.
        credit_event: credits for sources on other cores; those of this core are counted at once.
        ready: all these words are read. idle: in reset, or nothing is being evaluated or waits to be.
        partial: a population has some of its ends, not all. unpaid: one has all and waits for credits, and none is
            being evaluated.
        protocol_error: pulses for an END or a credit that no population waits for, and is dropped. early: pulses a
            cycle after a value for a population that has all its ends and has not finished its evaluation.

    Latency: an end or a credit takes two cycles; the start of an evaluation four, with memory at once. From reset to
    `ready`, three cycles per population and two per ID. Credits go out one per cycle, and wait for nothing else.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        event = struct(layouts(config).event)
        super().__init__({
            "populations": In(config.population_bits + 1), "edges": In(config.edge_bits + 1),
            "end": In(stream.Signature(event)), "value": In(1), "early": Out(1),
            "credit": In(stream.Signature(unsigned(config.edge_bits))),
            "memory": Out(ReadPort(config)),
            "command": Out(stream.Signature(command_layout(config))),
            "done": In(1),
            "credit_event": Out(stream.Signature(event)),
            "ready": Out(1), "idle": Out(1), "partial": Out(1), "unpaid": Out(1), "protocol_error": Out(1),
            **({"good": In(config.max_populations)} if config.guard_states else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        s, tables = _Scheduling(config), _Tables(m, config)
        local = self._returns(m, s, tables)
        starting = self._control(m, s, tables, local)
        self._data(m, s, tables, local)
        busy = s.evaluating | s.any_ready | (s.owed != 0)
        m.d.comb += [
            self.ready.eq(~starting.any()), self.partial.eq(s.incomplete != 0),
            self.unpaid.eq((s.ready & ~s.credited).any() & ~s.evaluating),
            self.idle.eq(s.in_reset | (s.in_idle & ~busy)),
        ]
        return m

    def _returns(self, m: Module, s: _Scheduling, tables: _Tables) -> data.View:
        """Credits that the last evaluated population owes, returned in the background; the way back of the next one."""
        back, event = tables.returns_read.data, self.credit_event
        is_local = (back.x == 0) & (back.y == 0)
        m.d.comb += [
            tables.returns_read.addr.eq(s.owed_slot),
            s.local_credit.eq((s.owed != 0) & is_local), event.valid.eq((s.owed != 0) & ~is_local),
            event.payload.kind.eq(EventKind.CREDIT), event.payload.core_x.eq(-back.x), event.payload.core_y.eq(-back.y),
            event.payload.id.eq(back.population),
        ]
        with m.If((event.valid & event.ready) | s.local_taken):
            m.d.sync += [s.owed.eq(s.owed - 1), s.owed_slot.eq(s.owed_slot + 1)]
        return back

    def _control(self, m: Module, s: _Scheduling, tables: _Tables, back: data.View) -> Value:
        """What is done next; returns which of the states of the start it is in."""
        with m.FSM() as fsm:
            with m.State("reset"):
                m.next = "idle"
                with m.If(self.populations != 0):
                    m.next = "read"
            with m.State("read"):
                m.d.comb += self.memory.valid.eq(1)
                with m.If(self.memory.ready):
                    m.next = "store"
            with m.State("store"):
                m.d.comb += s.store.eq(1)
                m.next = "fill"
            with m.State("fill"):
                m.d.comb += s.fill.eq(1)
                m.next = "read"
                with m.If(s.last_population):
                    m.next = "read edge"
                    with m.If(self.edges == 0):
                        m.next = "idle"
            with m.State("read edge"):
                m.d.comb += [self.memory.valid.eq(1), s.read_edge.eq(1)]
                with m.If(self.memory.ready):
                    m.next = "own"
            with m.State("own"):
                m.d.comb += s.own.eq(1)
                m.next = "read edge"
                with m.If(s.last_edge):
                    m.next = "idle"
            with m.State("idle"):
                # Consuming comes first: an event at the head of a queue must never wait.
                with m.If(self.credit.valid):
                    m.d.comb += self.credit.ready.eq(1)
                    m.next = "credit"
                    with m.If(s.credit_unknown):
                        m.d.comb += self.protocol_error.eq(1)
                        m.next = "idle"
                with m.Elif(s.local_credit):
                    m.d.comb += s.local_taken.eq(1)
                    m.next = "credit"
                with m.Elif(self.end.valid):
                    m.d.comb += self.end.ready.eq(1)
                    m.next = "end"
                    with m.If(s.end_unknown):
                        m.d.comb += self.protocol_error.eq(1)
                        m.next = "idle"
                with m.Elif(s.evaluating & s.finished & (s.owed == 0)):
                    m.d.comb += s.to_finish.eq(1)
                    m.next = "finish"
                with m.Elif(~s.evaluating & s.any_ready):
                    m.d.comb += s.to_start.eq(1)
                    m.next = "start"
            with m.State("credit"):
                m.d.comb += [s.take_credit.eq(1), self.protocol_error.eq(s.credits_full)]
                m.next = "idle"
            with m.State("end"):
                m.d.comb += [s.take_end.eq(1), self.protocol_error.eq(s.end_surplus)]
                m.next = "idle"
            with m.State("start"):
                m.d.comb += self.memory.valid.eq(1)
                with m.If(self.memory.ready):
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.comb += s.fetch.eq(1)
                m.next = "command"
            with m.State("command"):
                m.d.comb += self.command.valid.eq(1)
                with m.If(self.command.ready):
                    m.next = "idle"
            with m.State("finish"):
                m.d.comb += s.finish.eq(1)
                m.next = "idle"
        m.d.comb += [s.in_reset.eq(fsm.ongoing("reset")), s.in_idle.eq(fsm.ongoing("idle"))]
        return Cat(fsm.ongoing(state) for state in ("reset", "read", "store", "fill", "read edge", "own"))

    def _refusals(self, m: Module, s: _Scheduling, tables: _Tables) -> Value:
        """Which ends are dropped, and values that come too early; returns whether the population may be evaluated."""
        end, owner = self.end.payload, tables.owner_read.data
        good, backward = Const(1, 1), Const(0, 1)
        if self.config.guard_states:
            good = self.good.bit_select(s.population, 1)
            # Within the core ends lead from a population to a later one: a flipped bit closes no circle.
            backward = (end.x == 0) & (end.y == 0) & (end.c >= owner.population)
        m.d.comb += s.end_unknown.eq((end.id >= s.identifier) | ~owner.known | backward)
        m.d.sync += self.early.eq(self.value & (end.id < s.identifier) & owner.known
                                  & s.ready.bit_select(owner.population, 1))
        return good

    def _data(self, m: Module, s: _Scheduling, tables: _Tables, back: data.View) -> None:
        """Everything that the control's decisions change."""
        end, word, limits = self.end.payload, s.word, tables.limits_read.data
        edge = struct(layouts(self.config).edge)(self.memory.data[:layouts(self.config).edge.bits])
        # The lowest population that may be evaluated.
        next_population = Signal(self.config.population_bits, name="next_population")
        m.d.comb += s.any_ready.eq((s.ready & s.credited).any())
        for number in reversed(range(self.config.max_populations)):
            with m.If(s.ready[number] & s.credited[number]):
                m.d.comb += next_population.eq(number)
        received, credits = tables.received_read.data, tables.credits_read.data
        taken_end = Signal.like(end, name="taken_end")
        m.d.comb += [
            tables.owner_read.addr.eq(end.id), tables.owner_write.addr.eq(s.identifier),
            tables.owner_write.data.population.eq(edge.population),
            tables.owner_write.data.known.eq(edge.population < self.populations),
            *(port.addr.eq(s.population) for port in tables.by_population),
            tables.returns_write.addr.eq(limits.slot + received),
            tables.returns_write.data.x.eq(taken_end.x), tables.returns_write.data.y.eq(taken_end.y),
            tables.returns_write.data.population.eq(taken_end.c),
            tables.limits_write.data.incoming.eq(word.incoming), tables.limits_write.data.axons.eq(word.axons),
            tables.limits_write.data.slot.eq(s.slot),
            self.memory.address.eq(Mux(
                s.read_edge, (self.populations << 1) + s.identifier, Cat(Const(1, 1), s.population))),
            self.command.payload.population.eq(s.current), self.command.payload.word.eq(word),
            s.last_population.eq(s.population + 1 == self.populations),
            s.credit_unknown.eq(self.credit.payload >= self.populations),
            s.last_edge.eq(s.identifier + 1 == self.edges),
            s.credits_full.eq(credits == limits.axons),
            s.end_surplus.eq(s.ready.bit_select(s.population, 1) | (limits.incoming == 0)),
        ]
        good = self._refusals(m, s, tables)
        with m.If(self.done):
            m.d.sync += s.finished.eq(1)
        with m.If(s.store | s.fetch):
            m.d.sync += word.eq(self.memory.data)
        with m.If(s.fill):
            m.d.comb += [tables.limits_write.en.eq(1), tables.received_write.en.eq(1), tables.credits_write.en.eq(1),
                         tables.credits_write.data.eq(word.axons)]
            m.d.sync += [s.slot.eq(s.slot + word.incoming), s.credited.bit_select(s.population, 1).eq(good),
                         s.population.eq(s.population + 1)]
        with m.If(s.own):
            m.d.comb += tables.owner_write.en.eq(~s.identifier[-1])
            m.d.sync += s.identifier.eq(s.identifier + 1)
        with m.If(self.credit.ready):
            m.d.sync += s.population.eq(self.credit.payload)
        with m.If(s.local_taken):
            m.d.sync += s.population.eq(back.population)
        with m.If(self.end.ready):
            m.d.sync += [s.population.eq(tables.owner_read.data.population), taken_end.eq(end)]
        with m.If(s.take_credit):
            m.d.comb += [tables.credits_write.en.eq(~s.credits_full), tables.credits_write.data.eq(credits + 1)]
            with m.If(~s.credits_full & (credits + 1 == limits.axons)):
                m.d.sync += s.credited.bit_select(s.population, 1).eq(1)
        with m.If(s.take_end):
            m.d.comb += tables.received_write.data.eq(received + 1)
            with m.If(~s.end_surplus):
                m.d.comb += [tables.returns_write.en.eq(1), tables.received_write.en.eq(1)]
                first, last = received == 0, received + 1 == limits.incoming
                m.d.sync += s.incomplete.eq(s.incomplete + first - last)
                with m.If(last):
                    m.d.sync += s.ready.bit_select(s.population, 1).eq(1)
        with m.If(s.to_start):
            m.d.sync += [s.population.eq(next_population), s.current.eq(next_population)]
        with m.If(s.fetch):
            # The credits are spent before the first event, as the ends that earn new ones follow it.
            m.d.comb += tables.credits_write.en.eq(1)
            m.d.sync += [s.evaluating.eq(1), s.finished.eq(0),
                         s.credited.bit_select(s.population, 1).eq(limits.axons == 0)]
        with m.If(s.to_finish):
            m.d.sync += s.population.eq(s.current)
        with m.If(s.finish):
            m.d.comb += tables.received_write.en.eq(1)
            m.d.sync += [s.ready.bit_select(s.population, 1).eq(0), s.evaluating.eq(0), s.finished.eq(0),
                         s.owed.eq(limits.incoming), s.owed_slot.eq(limits.slot)]
