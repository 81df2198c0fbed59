"""The timestep scheduler: counts ends of timestep, keeps credits, starts evaluations."""

from amaranth import Cat, Const, Module, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import EventKind, layouts
from rtl.ports import ReadPort, command_layout
from rtl.words import struct


class Timestep(wiring.Component):
    """Decides which population is evaluated, and when.

    A population is ready when it has counted `incoming` ends of timestep, and may be evaluated when it holds a credit
    on each of its axons. After its evaluation it returns one credit to each source whose end it counted. One evaluation
    runs at a time; ends and credits are consumed all the while, so that nothing in a queue ever waits for an evaluation
    or for the way out (docs/architecture.md, "No deadlock"). Bamberg et al., arXiv 2112.07019, section 4; the credits
    are this project's.

    Out of reset it reads all population words, and starts with full credits. The core holds it in reset while stopped.

    Ports:
        populations: how many the image has; must not change but in reset.
        end: END events. credit: population index that gets a credit.
        memory: reads population words. command: what to evaluate. done: the evaluation has sent its last neuron.
        credit_event: credits for sources on other cores; those of this core are counted at once.
        ready: all population words are read. idle: in reset, or nothing is being evaluated or waits to be.
        partial: a population has some of its ends, not all. unpaid: one has all and waits for credits, and none is
            being evaluated.
        protocol_error: pulses for an END or a credit that no population waits for, and is dropped.

    Latency: an end or a credit takes two cycles; the start of an evaluation four, with memory at once. From reset to
    `ready`, four cycles per population and one per ID. Credits go out one per cycle, and wait for nothing else.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        event = struct(layouts(config).event)
        super().__init__({
            "populations": In(config.population_bits + 1),
            "end": In(stream.Signature(event)),
            "credit": In(stream.Signature(unsigned(config.edge_bits))),
            "memory": Out(ReadPort(config)),
            "command": Out(stream.Signature(command_layout(config))),
            "done": In(1),
            "credit_event": Out(stream.Signature(event)),
            "ready": Out(1), "idle": Out(1), "partial": Out(1), "unpaid": Out(1), "protocol_error": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        count = config.max_populations
        word_layout = struct(layouts(config).population)

        def table(name: str, shape, depth: int):  # type: ignore[no-untyped-def]
            m.submodules[name] = mem = memory.Memory(shape=shape, depth=depth, init=[])
            return mem.write_port(), mem.read_port(domain="comb")

        limits_layout = data.StructLayout({
            "incoming": config.incoming_bits, "axons": config.axon_count_bits, "slot": config.incoming_bits + 1,
        })
        return_layout = data.StructLayout({
            "x": signed(config.mesh_bits), "y": signed(config.mesh_bits), "population": config.population_bits,
        })
        # What each population waits for; read by the scheduler and, for the slot, by the returning of credits.
        limits_write, limits_read = table("limits", limits_layout, count)
        owner_write, owner_read = table("owner", unsigned(config.population_bits), config.max_edges)
        received_write, received_read = table("received", unsigned(config.incoming_bits), count)
        credits_write, credits_read = table("credits", unsigned(config.axon_count_bits), count)
        # The way back to each source whose end was counted, in order of arrival.
        returns_write, returns_read = table("returns", return_layout, 1 << config.incoming_bits)

        population = Signal(config.population_bits)
        word = Signal(word_layout)
        identifier = Signal(config.edge_bits + 1)
        edges_left = Signal(config.edge_count_bits)
        slot = Signal(config.incoming_bits + 1)
        ready = Signal(count)
        credited = Signal(count)
        evaluating = Signal()
        finished = Signal()
        current = Signal(config.population_bits)
        incomplete = Signal(config.population_bits + 1)
        """Populations that have some of their ends."""

        # The lowest population that may be evaluated.
        next_population, any_ready = Signal(config.population_bits, name="next_population"), Signal(name="any_ready")
        m.d.comb += any_ready.eq((ready & credited).any())
        for number in reversed(range(count)):
            with m.If(ready[number] & credited[number]):
                m.d.comb += next_population.eq(number)

        # Credits that the last evaluated population owes, returned in the background.
        owed = Signal(config.incoming_bits)
        owed_slot = Signal(config.incoming_bits)
        local_credit = Signal()
        local_taken = Signal()
        m.d.comb += returns_read.addr.eq(owed_slot)
        back = returns_read.data
        is_local = (back.x == 0) & (back.y == 0)
        m.d.comb += [
            local_credit.eq((owed != 0) & is_local),
            self.credit_event.valid.eq((owed != 0) & ~is_local),
            self.credit_event.payload.kind.eq(EventKind.CREDIT),
            self.credit_event.payload.core_x.eq(-back.x),
            self.credit_event.payload.core_y.eq(-back.y),
            self.credit_event.payload.id.eq(back.population),
        ]
        with m.If((self.credit_event.valid & self.credit_event.ready) | local_taken):
            m.d.sync += [owed.eq(owed - 1), owed_slot.eq(owed_slot + 1)]

        end = self.end.payload
        m.d.comb += [
            owner_read.addr.eq(end.id),
            limits_read.addr.eq(population), received_read.addr.eq(population), credits_read.addr.eq(population),
            limits_write.addr.eq(population), received_write.addr.eq(population), credits_write.addr.eq(population),
            returns_write.addr.eq(limits_read.data.slot + received_read.data),
            owner_write.addr.eq(identifier), owner_write.data.eq(population),
            self.memory.address.eq(Cat(Const(1, 1), population)),
            self.command.payload.population.eq(current), self.command.payload.word.eq(word),
            limits_write.data.incoming.eq(word.incoming), limits_write.data.axons.eq(word.axons),
            limits_write.data.slot.eq(slot),
        ]
        taken_end = Signal.like(end)
        last_population = Signal()
        m.d.comb += last_population.eq(population + 1 == self.populations)

        with m.If(self.done):
            m.d.sync += finished.eq(1)

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
                m.d.sync += word.eq(self.memory.data)
                m.next = "fill"
            with m.State("fill"):
                m.d.comb += [
                    limits_write.en.eq(1), received_write.en.eq(1), received_write.data.eq(0),
                    credits_write.en.eq(1), credits_write.data.eq(word.axons),
                ]
                m.d.sync += [
                    slot.eq(slot + word.incoming), credited.bit_select(population, 1).eq(1), edges_left.eq(word.edges),
                ]
                m.next = "own"
            with m.State("own"):
                with m.If(edges_left != 0):
                    m.d.comb += owner_write.en.eq(~identifier[-1])
                    m.d.sync += [identifier.eq(identifier + 1), edges_left.eq(edges_left - 1)]
                with m.Else():
                    m.d.sync += population.eq(population + 1)
                    m.next = "read"
                    with m.If(last_population):
                        m.next = "idle"
            with m.State("idle"):
                # Consuming comes first: an event at the head of a queue must never wait.
                with m.If(self.credit.valid):
                    m.d.comb += self.credit.ready.eq(1)
                    m.d.sync += population.eq(self.credit.payload)
                    m.next = "credit"
                    with m.If(self.credit.payload >= self.populations):
                        m.d.comb += self.protocol_error.eq(1)
                        m.next = "idle"
                with m.Elif(local_credit):
                    m.d.comb += local_taken.eq(1)
                    m.d.sync += population.eq(back.population)
                    m.next = "credit"
                with m.Elif(self.end.valid):
                    m.d.comb += self.end.ready.eq(1)
                    m.d.sync += [population.eq(owner_read.data), taken_end.eq(end)]
                    m.next = "end"
                    with m.If(end.id >= identifier):  # no population owns this ID
                        m.d.comb += self.protocol_error.eq(1)
                        m.next = "idle"
                with m.Elif(evaluating & finished & (owed == 0)):
                    m.d.sync += population.eq(current)
                    m.next = "finish"
                with m.Elif(~evaluating & any_ready):
                    m.d.sync += [population.eq(next_population), current.eq(next_population)]
                    m.next = "start"
            with m.State("credit"):
                m.d.comb += [
                    credits_write.en.eq(credits_read.data != limits_read.data.axons),
                    credits_write.data.eq(credits_read.data + 1),
                ]
                with m.If(credits_read.data == limits_read.data.axons):
                    m.d.comb += self.protocol_error.eq(1)
                with m.Elif(credits_read.data + 1 == limits_read.data.axons):
                    m.d.sync += credited.bit_select(population, 1).eq(1)
                m.next = "idle"
            with m.State("end"):
                m.d.comb += [
                    returns_write.data.x.eq(taken_end.x), returns_write.data.y.eq(taken_end.y),
                    returns_write.data.population.eq(taken_end.c),
                    received_write.data.eq(received_read.data + 1),
                ]
                with m.If(ready.bit_select(population, 1) | (limits_read.data.incoming == 0)):
                    m.d.comb += self.protocol_error.eq(1)
                with m.Else():
                    m.d.comb += [returns_write.en.eq(1), received_write.en.eq(1)]
                    first, last = received_read.data == 0, received_read.data + 1 == limits_read.data.incoming
                    m.d.sync += incomplete.eq(incomplete + first - last)
                    with m.If(last):
                        m.d.sync += ready.bit_select(population, 1).eq(1)
                m.next = "idle"
            with m.State("start"):
                m.d.comb += self.memory.valid.eq(1)
                with m.If(self.memory.ready):
                    m.next = "fetch"
            with m.State("fetch"):
                # The credits are spent before the first event, as the ends that earn new ones follow it.
                m.d.comb += [credits_write.en.eq(1), credits_write.data.eq(0)]
                m.d.sync += [
                    word.eq(self.memory.data), evaluating.eq(1), finished.eq(0),
                    credited.bit_select(population, 1).eq(limits_read.data.axons == 0),
                ]
                m.next = "command"
            with m.State("command"):
                m.d.comb += self.command.valid.eq(1)
                with m.If(self.command.ready):
                    m.next = "idle"
            with m.State("finish"):
                m.d.comb += [received_write.en.eq(1), received_write.data.eq(0)]
                m.d.sync += [
                    ready.bit_select(population, 1).eq(0), evaluating.eq(0), finished.eq(0),
                    owed.eq(limits_read.data.incoming), owed_slot.eq(limits_read.data.slot),
                ]
                m.next = "idle"

        starting = Cat(fsm.ongoing(state) for state in ("reset", "read", "store", "fill", "own"))
        m.d.comb += [
            self.ready.eq(~starting.any()), self.partial.eq(incomplete != 0),
            self.unpaid.eq((ready & ~credited).any() & ~evaluating),
            self.idle.eq(fsm.ongoing("reset") | (fsm.ongoing("idle") & ~evaluating & ~any_ready & (owed == 0))),
        ]
        return m
