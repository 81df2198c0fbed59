"""The event queues of a core: what comes in goes to the block that its kind says, what goes out leaves in order."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import PEG_FLIGHT
from golden.words import EventKind, layouts
from rtl.ports import value_layout
from rtl.words import struct


class EventQueues(wiring.Component):
    """Three queues: events from outside, events of the core to itself, and events that leave.

    Local events are taken first. A value goes to the synapse decoder, an END to the scheduler as soon as all values
    before it are in memory, a CREDIT to the scheduler; events of other kinds are dropped. An event that is offered
    stays offered, though a local one may come meanwhile.

    `drained` goes through a register, as it comes late from far blocks: an END waits a cycle longer than it must.

    Ports:
        running, discard: see `golden.registers.Control`. While stopped, the first two queues are empty.
        event_in, event_out: streams of events, from and to outside.
        ready: the scheduler takes events. counting: it counts an end, and values wait, as they may come too early.
        drained: no value is on its way to the memory; but for one that is taken in this cycle.
        value, token: streams to the consumers; tokens are ENDs and CREDITs.
        sent: what the PEG sends; never refused, as it starts nothing without `room`.
        credit_event: stream of credits to other cores.
        empty: no queue holds an event.
        values_in, values_local, values_out, unknown_kind, overflow: pulses for the counters.

    Latency: two cycles from an event in to its offer to the consumer; as many from an event sent to its offer outside.
    Throughput: one event per cycle each way.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.event_layout = event = struct(layouts(config).event)
        super().__init__({
            "running": In(1), "discard": In(1), "ready": In(1), "counting": In(1), "drained": In(1),
            "event_in": In(stream.Signature(event)), "event_out": Out(stream.Signature(event)),
            "value": Out(stream.Signature(value_layout(config))), "token": Out(stream.Signature(event)),
            "sent": In(wiring.Signature({"payload": Out(event), "valid": Out(1)})), "room": Out(1),
            "credit_event": In(stream.Signature(event)), "empty": Out(1),
            "values_in": Out(1), "values_local": Out(1), "values_out": Out(1), "unknown_kind": Out(1),
            "overflow": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, running = Module(), self.config, self.running

        def queue(depth: int) -> SyncFIFOBuffered:
            return SyncFIFOBuffered(width=self.event_layout.size, depth=depth)

        m.submodules.input_queue = inputs = ResetInserter(~running)(queue(config.input_queue))
        m.submodules.local_queue = local = ResetInserter(~running)(queue(config.local_queue))
        # Not reset by a stop: an event that is offered stays offered until it is taken.
        m.submodules.output_queue = outputs = queue(config.output_queue)
        m.d.comb += [
            inputs.w_data.eq(self.event_in.payload), inputs.w_en.eq(self.event_in.valid & running),
            self.event_in.ready.eq(Mux(running, inputs.w_rdy, self.discard)),
            self.event_out.payload.eq(outputs.r_data), self.event_out.valid.eq(outputs.r_rdy),
            outputs.r_en.eq(self.event_out.ready),
            self.empty.eq((inputs.level == 0) & (local.level == 0) & (outputs.level == 0)),
        ]
        self._take(m, inputs, local)
        self._send(m, local, outputs)
        return m

    def _take(self, m: Module, inputs: SyncFIFOBuffered, local: SyncFIFOBuffered) -> None:
        """The first event, to the consumer of its kind."""
        head, valid, taken, use_local = (
            Signal(shape, name=name) for shape, name in (
                (self.event_layout, "head"), (1, "head_valid"), (1, "head_taken"), (1, "use_local")))
        waits, waits_local = Signal(name="waits"), Signal(name="waits_local")
        m.d.sync += [waits.eq(valid & ~taken), waits_local.eq(use_local)]
        m.d.comb += [
            use_local.eq(Mux(waits, waits_local, local.r_rdy)), head.eq(Mux(use_local, local.r_data, inputs.r_data)),
            valid.eq((use_local | inputs.r_rdy) & self.ready & self.running),
            local.r_en.eq(use_local & valid & taken), inputs.r_en.eq(~use_local & valid & taken),
            self.token.payload.eq(head),
            *(self.value.payload[name].eq(head[name]) for name in ("v", "c", "y", "x", "id")),
        ]
        # All values before are in memory; one taken in the last cycle was not yet where `drained` looks.
        value_taken, behind = Signal(name="value_taken"), Signal(name="behind")
        m.d.sync += behind.eq(self.drained & ~value_taken)
        # Kind → consumer, and whether it may have the event.
        consumers = {
            EventKind.VALUE: (self.value, ~self.counting), EventKind.END: (self.token, behind),
            EventKind.CREDIT: (self.token, 1),
        }
        with m.Switch(head.kind):
            for kind, (consumer, may) in consumers.items():
                with m.Case(kind):
                    m.d.comb += [consumer.valid.eq(valid & may), taken.eq(consumer.ready & may)]
            with m.Default():
                m.d.comb += [taken.eq(1), self.unknown_kind.eq(valid)]
        m.d.comb += [
            value_taken.eq(self.value.valid & self.value.ready),
            self.values_in.eq(value_taken & ~use_local), self.values_local.eq(value_taken & use_local),
        ]

    def _send(self, m: Module, local: SyncFIFOBuffered, outputs: SyncFIFOBuffered) -> None:
        """Events of the PEG, to the core itself or outside; credits in the cycles between them.

        A queue never overflows. The PEG sends in the PEG_FLIGHT cycles from the last one with `room` at most, in which
        so many places were free; and a cycle has one event, of the PEG or a credit.
        """
        config, event, credit = self.config, self.sent.payload, self.credit_event
        to_self = (event.core_x == 0) & (event.core_y == 0)
        send_credit = Signal()
        m.d.comb += [
            self.room.eq((local.level <= config.local_queue - PEG_FLIGHT)
                         & (outputs.level <= config.output_queue - PEG_FLIGHT)),
            send_credit.eq(credit.valid & ~self.sent.valid & outputs.w_rdy),
            credit.ready.eq(send_credit),
            local.w_data.eq(event), local.w_en.eq(self.sent.valid & to_self),
            outputs.w_data.eq(Mux(self.sent.valid, event, credit.payload)),
            outputs.w_en.eq((self.sent.valid & ~to_self) | send_credit),
            self.values_out.eq(self.event_out.valid & self.event_out.ready
                               & (self.event_out.payload.kind == EventKind.VALUE)),
            self.overflow.eq((local.w_en & ~local.w_rdy) | (outputs.w_en & ~outputs.w_rdy)),
        ]
