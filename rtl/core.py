"""The event core: queues, synapse decoder, neuron update, evaluation, PEG, memory, host port and counters."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.ports import accesses, ports
from golden.registers import errors
from golden.timing.microarchitecture import EVALUATION_PATIENCE
from golden.words import EventKind, layouts
from rtl import rooms
from rtl.cim.integration import connect_array
from rtl.counters import Counters
from rtl.guard import Guard
from rtl.host_port import HostPort
from rtl.memory import BankedMemory
from rtl.neuron.interface import UpdateUnit
from rtl.neuron.sweep import evaluation_unit
from rtl.ports import ReadPort, request_layout
from rtl.queues import EventQueues
from rtl.scratch import Scratch
from rtl.synapse.interface import Decoder
from rtl.synapse.peg import Peg
from rtl.timestep import Timestep
from rtl.words import struct


class EventCore(wiring.Component):
    """One event core; see docs/architecture.md. Decoder, update unit, product and neuron types are the configuration's.

    Events go in and come out as packed event words (golden.words); the core address of an incoming event is not
    looked at, that of an outgoing one is as in the axon, never (0, 0), which stays inside.

    Ports:
        event_in, event_out: streams of events (kinds VALUE, END, CREDIT).
        host: stream of accesses (`request_layout`); host_data: the words read, in order. The registers are in
            `golden.registers`. CONTROL stops the core and starts it again: see "Stopping" in docs/architecture.md.
        idle: STATUS.IDLE (`golden.registers`), of the cycle before.
        error: in the cycle before, a counter of `golden.registers.errors` counted.
        evaluated: a state word at the moment of its evaluation, for verification; costs nothing when left open.

    Latency: from a value event to its last state written, about 29 cycles + one per word operation when nothing waits.
    Throughput: one word operation (`lanes` synaptic operations) per cycle; an evaluation in the background takes one
    cycle per neuron.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        event = struct(layouts(config).event)
        self.evaluation = evaluation_unit(config)
        super().__init__({
            "event_in": In(stream.Signature(event)),
            "event_out": Out(stream.Signature(event)),
            "host": In(stream.Signature(request_layout(config))),
            "host_data": Out(stream.Signature(unsigned(config.word_bits))),
            "idle": Out(1), "error": Out(1),
            "evaluated": Out(self.evaluation.evaluated.shape()),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        m.submodules.host_port = host = HostPort(config)

        # All that works on events is held in reset while the core is stopped, and so starts as after a reset.
        def running(block: wiring.Component) -> wiring.Component:
            return ResetInserter(~host.running)(block)

        m.submodules.memory = memory = BankedMemory(config, ports(config))
        m.submodules.scratch = scratch = Scratch(config)
        m.submodules.counters = counters = Counters(config)
        m.submodules.queues = queues = EventQueues(config)
        m.submodules.decoder = decoder = running(rooms.DECODERS.load(config.decoder, Decoder)(config))
        m.submodules.update = update = running(rooms.UPDATES.load(config.update, UpdateUnit)(config))
        m.submodules.evaluation = evaluation = running(self.evaluation)
        m.submodules.peg = peg = running(Peg(config))
        if config.guard_states:
            # The scheduler begins when the words of all populations have been compared.
            m.submodules.guard = guard = running(Guard(config))
            m.submodules.timestep = timestep = ResetInserter(~host.running | ~guard.done)(Timestep(config))
            m.d.comb += [guard.populations.eq(host.populations), decoder.good.eq(guard.good),
                         timestep.good.eq(guard.good)]
            reader = guard.memory
        else:
            m.submodules.timestep = timestep = running(Timestep(config))
            reader = None

        for block, name in ((unit, name) for unit in (decoder, update) for name in unit.memory_ports):
            connect(m, getattr(block, name), getattr(memory, name))
        connect(m, host.memory, memory.host)
        self._evaluation_port(m, timestep, evaluation, memory, reader)
        connect(m, peg.axon, memory.axon)
        connect(m, evaluation.table, memory.table)
        connect(m, flipped(self.event_in), queues.event_in)
        connect(m, queues.event_out, flipped(self.event_out))
        connect(m, queues.value, decoder.event)
        connect(m, decoder.op, update.op)
        connect(m, queues.token, timestep.token)
        connect(m, timestep.scratch, scratch.table)
        connect(m, counters.scratch, scratch.count)
        connect(m, timestep.command, evaluation.command)
        connect(m, evaluation.neuron, peg.neuron)
        connect(m, peg.event, queues.sent)
        connect(m, timestep.credit_event, queues.credit_event)
        connect(m, flipped(self.host), host.host)
        connect(m, host.host_data, flipped(self.host_data))
        drained = ~decoder.busy & ~update.busy
        # All at the same time: an event goes from one of these to the next.
        idle = Signal(5, name="idle")
        m.d.sync += idle.eq(Cat(drained, timestep.idle, timestep.ready | ~host.running, ~(peg.busy | peg.event.valid),
                                queues.empty))
        m.d.comb += [
            self.evaluated.eq(evaluation.evaluated), timestep.done.eq(evaluation.done),
            timestep.decoded.eq(decoder.decoded), timestep.population.eq(decoder.population),
            queues.running.eq(host.running), queues.discard.eq(host.discard), queues.drained.eq(drained),
            queues.ready.eq(timestep.ready), queues.counting.eq(timestep.counting), peg.room.eq(queues.room),
            decoder.edges.eq(host.edges), decoder.populations.eq(host.populations),
            timestep.populations.eq(host.populations), timestep.edges.eq(host.edges),
            host.status.ready.eq(timestep.ready & host.running),
            host.status.idle.eq(self.idle), self.idle.eq(idle.all()),
            host.status.partial.eq(timestep.partial), host.status.unpaid.eq(timestep.unpaid),
            counters.read.eq(host.read_counter), counters.select.eq(host.counter), counters.clear.eq(host.clear),
            host.counter_done.eq(counters.done), host.counter_value.eq(counters.value),
        ]
        neuron = evaluation.neuron
        of_array = connect_array(m, host, update, evaluation) if config.update == "cim" else {}
        self._count(m, counters, self._accesses(memory) | self._tables(m, decoder, timestep) | of_array | {
            "cycles": host.running, "busy": decoder.busy | update.busy | queues.value.valid,
            "values_in": queues.values_in, "values_local": queues.values_local, "values_out": queues.values_out,
            "ends": timestep.token.valid & timestep.token.ready & (timestep.token.payload.kind == EventKind.END),
            "word_ops": update.retired, "synapses": update.synapses,
            "stall_bank": update.stall_bank, "stall_hazard": update.stall_hazard, "stall_weight": update.stall_weight,
            "neurons_fired": neuron.valid & neuron.ready & ~neuron.payload.end,
            "stall_fire": neuron.valid & ~neuron.ready,
            "unknown_id": decoder.unknown_id, "unknown_channel": decoder.unknown_channel,
            "address_error": update.address_error, "overflow": queues.overflow,
            "protocol_error": timestep.protocol_error + timestep.early + queues.unknown_kind,
        })
        return m

    def _evaluation_port(self, m: Module, timestep: Timestep, evaluation: wiring.Component,
                         memory: BankedMemory, guard: ReadPort | None) -> None:
        """The guard reads first, later the scheduler a word before each evaluation: the three share a port."""
        read, evaluate, port = timestep.memory, evaluation.memory, memory.evaluation
        m.d.comb += [
            port.valid.eq(read.valid | evaluate.valid),
            port.address.eq(Mux(read.valid, read.address, evaluate.address)),
            port.write.eq(evaluate.write & ~read.valid), port.write_data.eq(evaluate.write_data),
            read.ready.eq(port.ready), evaluate.ready.eq(port.ready & ~read.valid),
            read.data.eq(port.data), evaluate.data.eq(port.data),
        ]
        refused = port.valid & ~port.ready
        if self.config.skip_silent:
            stores = memory.evaluated
            connect(m, evaluation.stores, stores)
            refused = refused | (stores.valid & ~stores.ready)
            m.d.comb += memory.promote_evaluated.eq(memory.promote_evaluation)
        if guard is not None:
            m.d.comb += [guard.ready.eq(port.ready), guard.data.eq(port.data)]
            with m.If(guard.valid):
                m.d.comb += [port.valid.eq(1), port.address.eq(guard.address)]
        # An evaluation that was refused so often goes above the weights, until it is granted once.
        waiting = Signal(range(EVALUATION_PATIENCE + 1))
        with m.If(refused):
            m.d.sync += waiting.eq(waiting + (waiting != EVALUATION_PATIENCE))
        with m.Else():
            m.d.sync += waiting.eq(0)
        m.d.sync += memory.promote_evaluation.eq(refused & (waiting >= EVALUATION_PATIENCE - 1))

    def _tables(self, m: Module, decoder: Decoder, timestep: Timestep) -> dict[str, Value]:
        """What the scheduler tells the decoder of tables; the counter of its errors."""
        if not self.config.organisations:
            return {}
        m.d.comb += decoder.first_extended.eq(timestep.first_extended)
        return {"table_error": decoder.table_error}

    def _accesses(self, memory: BankedMemory) -> dict[str, Value]:
        """Accesses that the memory grants."""
        pulses: dict[str, Value] = {}
        for name, (port, writes) in accesses(self.config).items() if self.config.access_counters else ():
            requester = getattr(memory, port.name)
            granted = requester.valid & requester.ready
            if port.reads and port.writes:
                granted = granted & (requester.write if writes else ~requester.write)
            if name == "evaluation_writes" and self.config.skip_silent:
                granted = memory.evaluated.valid & memory.evaluated.ready
            pulses[name] = granted
        return pulses

    def _count(self, m: Module, counters: Counters, pulses: dict[str, Value]) -> None:
        """What the performance counters add up."""
        assert set(pulses) == set(counters.increment)
        m.d.sync += self.error.eq(Cat(pulses[name] for name in errors(self.config)).any())
        m.d.comb += [counters.increment[name].eq(pulse) for name, pulse in pulses.items()]
