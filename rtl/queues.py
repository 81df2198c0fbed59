"""The event queues of a core: what comes in goes to the block that its kind says, what goes out leaves in order."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import SENT_FLIGHT
from golden.words import EventKind, layouts
from rtl.ports import value_layout
from rtl.words import struct


class EventQueues(wiring.Component):
    """Three queues: events from outside, events of the core to itself, and events that leave.

    The first two end in one register, which takes local events first. From there a value goes to the synapse decoder,
    an END to the scheduler as soon as all values before it are in memory, a CREDIT to the scheduler; events of other
    kinds are dropped.

    No `ready` of a consumer goes further than to that register, and what comes late from far blocks goes through a
    register first: `drained`, so that an END waits a cycle longer than it must, and what the PEG sends.

    Ports:
        running, discard: see `golden.registers.Control`. While stopped, the first two queues are empty.
        event_in, event_out: streams of events, from and to outside.
        ready: the scheduler takes events. counting: it counts an end, and values wait, as they may come too early.
        drained: no value is on its way to the memory; low from the cycle after one is taken.
        value, token: streams to the consumers; tokens are ENDs and CREDITs.
        sent: what the PEG sends; never refused, as it starts nothing without `room`.
        credit_event: stream of credits to other cores.
        empty: no queue holds an event.
        values_in, values_local, values_out, unknown_kind, overflow: pulses for the counters.

    Latency: two cycles from an event in to its offer to the consumer; three from an event sent to its offer outside.
    Throughput: an event in two cycles to the consumers, which is more than they take, or with `short_events` in one;
    one per cycle to outside.
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
        m, config, running, width = Module(), self.config, self.running, self.event_layout.size
        m.submodules.input_queue = inputs = ResetInserter(~running)(SyncFIFO(width=width, depth=config.input_queue))
        m.submodules.local_queue = local = ResetInserter(~running)(SyncFIFO(width=width, depth=config.local_queue))
        # Not reset by a stop: an event that is offered stays offered until it is taken.
        m.submodules.output_queue = outputs = SyncFIFOBuffered(width=width, depth=config.output_queue)
        m.d.comb += [
            inputs.w_data.eq(self.event_in.payload), inputs.w_en.eq(self.event_in.valid & running),
            self.event_in.ready.eq(Mux(running, inputs.w_rdy, self.discard)),
            self.event_out.payload.eq(outputs.r_data), self.event_out.valid.eq(outputs.r_rdy),
            outputs.r_en.eq(self.event_out.ready),
        ]
        held = self._take(m, inputs, local)
        waits = self._send(m, local, outputs)
        m.d.comb += self.empty.eq(~Cat(inputs.r_rdy, local.r_rdy, outputs.level != 0, held, waits).any())
        return m

    def _take(self, m: Module, inputs: SyncFIFO, local: SyncFIFO) -> Signal:
        """The first event, to the consumer of its kind; returns whether there is one."""
        head, is_local = Signal(self.event_layout, name="head", reset_less=True), Signal(name="head_is_local")
        held, taken, free = Signal(name="head_held"), Signal(name="head_taken"), Signal(name="head_free")
        value_taken, behind = Signal(name="value_taken"), Signal(name="behind")
        kinds = {kind: Signal(name=f"head_is_kind_{kind}") for kind in
                 (EventKind.VALUE, EventKind.END, EventKind.CREDIT)}
        first = Mux(local.r_rdy, local.r_data, inputs.r_data)
        # Short events may be taken in every cycle; others are not, so that `ready` need not go to the queues.
        short = self.config.short_events
        m.d.comb += [free.eq(~held | (value_taken if short else 0)),
                     local.r_en.eq(free), inputs.r_en.eq(free & ~local.r_rdy)]
        with m.If(free):
            m.d.sync += [held.eq(local.r_rdy | inputs.r_rdy), is_local.eq(local.r_rdy),
                         head.eq(first),
                         *(is_kind.eq(self.event_layout(first).kind == kind) for kind, is_kind in kinds.items())]
        with m.Elif(taken):
            m.d.sync += held.eq(0)
        with m.If(~self.running):
            m.d.sync += held.eq(0)

        valid = Signal(name="head_valid")
        m.d.comb += [
            valid.eq(held & self.ready & self.running), self.token.payload.eq(head),
            *(self.value.payload[name].eq(head[name]) for name in ("v", "c", "y", "x", "id")),
        ]
        # All values before are in memory. Without short events an END is here two cycles after the value before it was
        # taken, or later, and `drained` is low in the one between.
        m.d.sync += behind.eq(self.drained & ~(value_taken if short else 0))
        m.d.comb += [
            self.value.valid.eq(valid & kinds[EventKind.VALUE] & ~self.counting),
            self.token.valid.eq(valid & (kinds[EventKind.CREDIT] | (kinds[EventKind.END] & behind))),
            self.unknown_kind.eq(valid & ~Cat(kinds.values()).any()),
            value_taken.eq(self.value.valid & self.value.ready),
            taken.eq(value_taken | (self.token.valid & self.token.ready) | self.unknown_kind),
            self.values_in.eq(value_taken & ~is_local), self.values_local.eq(value_taken & is_local),
        ]
        return held

    def _send(self, m: Module, local: SyncFIFO, outputs: SyncFIFOBuffered) -> Signal:
        """Events of the PEG, to the core itself or outside; credits in the cycles between them.

        A queue never overflows. The PEG sends in the SENT_FLIGHT cycles from the last one with `room` at most, in which
        so many places were free; and a cycle has one event, of the PEG or a credit. Returns whether an event waits that
        is in no queue yet.
        """
        config, credit = self.config, self.credit_event
        event = Signal(self.event_layout, name="sent_event", reset_less=True)
        to_self, away = Signal(name="sent_to_self"), Signal(name="sent_away")
        is_self = (self.sent.payload.core_x == 0) & (self.sent.payload.core_y == 0)
        m.d.sync += [
            event.eq(self.sent.payload), to_self.eq(self.sent.valid & is_self), away.eq(self.sent.valid & ~is_self),
        ]
        # A credit has none of these, and comes when they are 0 already: no multiplexer.
        unsaid = ("x", "y", "c", "v")
        with m.If(~self.sent.valid):
            m.d.sync += [event[name].eq(0) for name in unsaid]
        send_credit = Signal(name="send_credit")
        m.d.comb += [
            self.room.eq((local.level <= config.local_queue - SENT_FLIGHT)
                         & (outputs.level <= config.output_queue - SENT_FLIGHT)),
            credit.ready.eq(~away & ~to_self & outputs.w_rdy), send_credit.eq(credit.valid & credit.ready),
            local.w_data.eq(event), local.w_en.eq(to_self & self.running),
            outputs.w_data.eq(Cat(event[name] if name in unsaid else Mux(away, event[name], credit.payload[name])
                                  for name, _ in self.event_layout)),
            outputs.w_en.eq(away | send_credit),
            self.values_out.eq(self.event_out.valid & self.event_out.ready
                               & (self.event_out.payload.kind == EventKind.VALUE)),
            self.overflow.eq((local.w_en & ~local.w_rdy) | (away & ~outputs.w_rdy)),
        ]
        return to_self | away
