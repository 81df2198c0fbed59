"""The event core: queues, ESU, neuron update, evaluation, PEG, memory, host port and performance counters."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect

from golden.config import CoreConfig
from golden.registers import Register, Status
from golden.timing.microarchitecture import EVALUATION_PATIENCE, PEG_FLIGHT
from golden.words import EventKind, layouts
from rtl.counters import Counters
from rtl.memory import BankedMemory
from rtl.neuron.evaluation import Evaluation
from rtl.neuron.update import NeuronUpdate
from rtl.ports import request_layout
from rtl.synapse.esu.walk import Esu
from rtl.synapse.peg import Peg
from rtl.timestep import Timestep
from rtl.words import struct


class EventCore(wiring.Component):
    """One event core; see docs/architecture.md.

    Events go in and come out as packed event words (golden.words); the core address of an incoming event is not
    looked at, that of an outgoing one is as in the axon, never (0, 0), which stays inside.

    Ports:
        event_in, event_out: streams of events (kinds VALUE, END, CREDIT).
        host: stream of accesses (`request_layout`); host_data: the words read, in order. The registers are in
            `golden.registers`. CONTROL stops the core and starts it again: see "Stopping" in docs/architecture.md.
        evaluated: a state word at the moment of its evaluation, for verification; costs nothing when left open.

    Latency: from a value event to its last state written, about 25 cycles + one per word operation when nothing waits.
    Throughput: one word operation (`lanes` synaptic operations) per cycle; an evaluation in the background takes one
    cycle per neuron.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.event_layout = struct(layouts(config).event)
        self.evaluation = Evaluation(config)
        self.unknown_kind = Signal()
        super().__init__({
            "event_in": In(stream.Signature(self.event_layout)),
            "event_out": Out(stream.Signature(self.event_layout)),
            "host": In(stream.Signature(request_layout(config))),
            "host_data": Out(stream.Signature(unsigned(config.word_bits))),
            "evaluated": Out(self.evaluation.evaluated.shape()),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        m.submodules.memory = memory = BankedMemory(config)
        m.submodules.counters = counters = Counters(config)
        # All that works on events is held in reset while the core is stopped, and so starts as after a reset.
        running = Signal()
        m.submodules.esu = esu = ResetInserter(~running)(Esu(config))
        m.submodules.neuron = neuron = ResetInserter(~running)(NeuronUpdate(config))
        m.submodules.evaluation = evaluation = ResetInserter(~running)(self.evaluation)
        m.submodules.peg = peg = ResetInserter(~running)(Peg(config))
        m.submodules.timestep = timestep = ResetInserter(~running)(Timestep(config))

        connect(m, esu.op, neuron.op)
        connect(m, esu.descriptor, memory.descriptor)
        connect(m, neuron.state, memory.state)
        connect(m, neuron.weight, memory.weight)
        connect(m, neuron.write_back, memory.write_back)
        connect(m, peg.axon, memory.axon)
        connect(m, evaluation.neuron, peg.neuron)
        connect(m, timestep.command, evaluation.command)
        m.d.comb += [
            self.evaluated.eq(evaluation.evaluated), timestep.done.eq(evaluation.done),
        ]

        # The scheduler reads a population word before the evaluation starts: the two share a port.
        read, evaluate, port = timestep.memory, evaluation.memory, memory.evaluation
        m.d.comb += [
            port.valid.eq(read.valid | evaluate.valid),
            port.address.eq(Mux(read.valid, read.address, evaluate.address)),
            port.write.eq(evaluate.write & ~read.valid), port.write_data.eq(evaluate.write_data),
            read.ready.eq(port.ready), evaluate.ready.eq(port.ready & ~read.valid),
            read.data.eq(port.data), evaluate.data.eq(port.data),
        ]

        discard = Signal()
        idle = self._events(m, running, discard, esu, neuron, peg, timestep, counters)
        self._host(m, running, discard, idle, memory, esu, timestep, counters)

        # An evaluation that was refused so often goes above the weights, until it is granted once.
        waiting = Signal(range(EVALUATION_PATIENCE + 1))
        with m.If(port.valid & ~port.ready):
            m.d.sync += waiting.eq(waiting + (waiting != EVALUATION_PATIENCE))
        with m.Else():
            m.d.sync += waiting.eq(0)
        m.d.comb += memory.promote_evaluation.eq(waiting == EVALUATION_PATIENCE)

        busy = esu.busy | neuron.busy | esu.event.valid
        m.d.comb += [
            counters.increment["cycles"].eq(running),
            counters.increment["busy"].eq(busy),
            counters.increment["word_ops"].eq(neuron.retired),
            counters.increment["synapses"].eq(neuron.synapses),
            counters.increment["stall_bank"].eq(neuron.stall_bank),
            counters.increment["stall_hazard"].eq(neuron.stall_hazard),
            counters.increment["stall_weight"].eq(neuron.stall_weight),
            counters.increment["neurons_fired"].eq(evaluation.neuron.valid & evaluation.neuron.ready
                                                   & ~evaluation.neuron.payload.end),
            counters.increment["stall_fire"].eq(evaluation.neuron.valid & ~evaluation.neuron.ready),
            counters.increment["unknown_id"].eq(esu.unknown_id),
            counters.increment["unknown_channel"].eq(esu.unknown_channel),
            counters.increment["address_error"].eq(neuron.address_error),
            counters.increment["protocol_error"].eq(timestep.protocol_error + self.unknown_kind),
        ]
        return m

    def _events(self, m, running, discard, esu, neuron, peg, timestep, counters):  # type: ignore[no-untyped-def]
        """The three queues and who takes from and gives to them; returns 'nothing anywhere'."""
        config = self.config

        def queue(depth: int) -> SyncFIFOBuffered:
            return SyncFIFOBuffered(width=self.event_layout.size, depth=depth)

        m.submodules.input_queue = inputs = ResetInserter(~running)(queue(config.input_queue))
        m.submodules.local_queue = local = ResetInserter(~running)(queue(config.local_queue))
        # Not reset by a stop: an event that is offered stays offered until it is taken.
        m.submodules.output_queue = outputs = queue(config.output_queue)
        m.d.comb += [
            inputs.w_data.eq(self.event_in.payload), inputs.w_en.eq(self.event_in.valid & running),
            self.event_in.ready.eq(Mux(running, inputs.w_rdy, discard)),
            self.event_out.payload.eq(outputs.r_data), self.event_out.valid.eq(outputs.r_rdy),
            outputs.r_en.eq(self.event_out.ready),
        ]

        # In: local events first. An END waits until all values before it are in memory; an unknown kind is dropped.
        head = Signal(self.event_layout)
        head_valid = Signal()
        head_taken = Signal()
        use_local = Signal()
        waits, waits_local = Signal(name="waits"), Signal(name="waits_local")
        m.d.sync += [waits.eq(head_valid & ~head_taken), waits_local.eq(use_local)]
        drained = ~esu.busy & ~neuron.busy
        is_value, is_end = head.kind == EventKind.VALUE, head.kind == EventKind.END
        is_credit = head.kind == EventKind.CREDIT
        m.d.comb += [
            # What is offered stays offered, though a local event may come meanwhile.
            use_local.eq(Mux(waits, waits_local, local.r_rdy)),
            head.eq(Mux(use_local, local.r_data, inputs.r_data)),
            head_valid.eq((use_local | inputs.r_rdy) & timestep.ready & running),
            esu.event.valid.eq(head_valid & is_value),
            timestep.end.valid.eq(head_valid & is_end & drained), timestep.end.payload.eq(head),
            timestep.credit.valid.eq(head_valid & is_credit), timestep.credit.payload.eq(head.id),
            self.unknown_kind.eq(head_valid & ~is_value & ~is_end & ~is_credit),
            head_taken.eq(Mux(is_value, esu.event.ready, Mux(is_end, drained & timestep.end.ready,
                                                           ~is_credit | timestep.credit.ready))),
            local.r_en.eq(use_local & head_valid & head_taken),
            inputs.r_en.eq(~use_local & head_valid & head_taken),
        ]
        for field in ("v", "c", "y", "x", "id"):
            m.d.comb += esu.event.payload[field].eq(head[field])
        taken_value = head_valid & head_taken & is_value
        m.d.comb += [
            counters.increment["values_in"].eq(taken_value & ~use_local),
            counters.increment["values_local"].eq(taken_value & use_local),
            counters.increment["ends"].eq(timestep.end.valid & timestep.end.ready),
        ]

        # Out: the PEG is never refused, as it starts nothing without room; credits keep clear of what it may send.
        event = peg.event.payload
        to_self = (event.core_x == 0) & (event.core_y == 0)
        credit = timestep.credit_event
        send_credit = Signal()
        m.d.comb += [
            peg.room.eq((local.level <= config.local_queue - PEG_FLIGHT)
                        & (outputs.level <= config.output_queue - PEG_FLIGHT)),
            send_credit.eq(credit.valid & ~peg.event.valid & (outputs.level <= config.output_queue - PEG_FLIGHT - 2)),
            credit.ready.eq(send_credit),
            local.w_data.eq(event), local.w_en.eq(peg.event.valid & to_self),
            outputs.w_data.eq(Mux(peg.event.valid, event, credit.payload)),
            outputs.w_en.eq((peg.event.valid & ~to_self) | send_credit),
            counters.increment["values_out"].eq(self.event_out.valid & self.event_out.ready
                                                & (self.event_out.payload.kind == EventKind.VALUE)),
            counters.increment["overflow"].eq((local.w_en & ~local.w_rdy) | (outputs.w_en & ~outputs.w_rdy)),
        ]
        idle = Signal()
        m.d.comb += idle.eq(drained & timestep.idle & (timestep.ready | ~running) & ~peg.busy & ~peg.event.valid
                            & (inputs.level == 0) & (local.level == 0) & (outputs.level == 0))
        return idle

    def _host(self, m, running, discard, idle, memory, esu, timestep, counters):  # type: ignore[no-untyped-def]
        """Memory words and registers, read and written one access at a time."""
        request, response = self.host, self.host_data
        access, port = request.payload, memory.host
        pending, from_memory = Signal(name="pending"), Signal(name="from_memory")
        value = Signal(self.config.word_bits)
        edges, populations = Signal.like(esu.edges, name="edges"), Signal.like(esu.populations, name="populations")
        held = Signal(self.config.word_bits)
        m.d.comb += [
            esu.edges.eq(edges), esu.populations.eq(populations), timestep.populations.eq(populations),
            port.valid.eq(request.valid & ~access.register & ~pending), port.address.eq(access.address),
            port.write.eq(access.write), port.write_data.eq(access.data),
            request.ready.eq(~pending & (access.register | port.ready)),
            counters.select.eq(access.address - Register.COUNTER_BASE),
            response.valid.eq(pending), response.payload.eq(Mux(from_memory, port.data, held)),
        ]
        with m.Switch(access.address):
            with m.Case(Register.CONTROL):
                m.d.comb += value.eq(Cat(running, discard))
            with m.Case(Register.EDGES):
                m.d.comb += value.eq(edges)
            with m.Case(Register.POPULATIONS):
                m.d.comb += value.eq(populations)
            with m.Case(Register.STATUS):
                status = {Status.READY: timestep.ready & running, Status.IDLE: idle, Status.PARTIAL: timestep.partial,
                          Status.UNPAID: timestep.unpaid}
                m.d.comb += [value[bit.bit_length() - 1].eq(signal) for bit, signal in status.items()]
            with m.Default():
                m.d.comb += value.eq(counters.value)
        # The memory's data stands for one cycle only: it is held from then on.
        with m.If(pending):
            m.d.sync += [held.eq(response.payload), from_memory.eq(0)]
            with m.If(response.ready):
                m.d.sync += pending.eq(0)
        with m.If(request.valid & request.ready):
            with m.If(~access.write):
                m.d.sync += [pending.eq(1), from_memory.eq(~access.register), held.eq(value)]
            with m.Elif(access.register):
                with m.Switch(access.address):
                    with m.Case(Register.CONTROL):
                        m.d.sync += Cat(running, discard).eq(access.data)
                    with m.Case(Register.EDGES):
                        m.d.sync += edges.eq(access.data)
                    with m.Case(Register.POPULATIONS):
                        m.d.sync += populations.eq(access.data)
                    with m.Case(Register.CLEAR):
                        m.d.comb += counters.clear.eq(1)
