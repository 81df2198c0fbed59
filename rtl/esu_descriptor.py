"""The ESU's first stage: takes an event, checks it and reads its edge descriptor."""

from amaranth import Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import layouts
from rtl.esu_range import add
from rtl.ports import ReadPort
from rtl.words import struct

PHASES = 4
"""Cycles of a beat: what every stage of the ESU has for an event, and so the least distance of two events."""


def value_layout(config: CoreConfig) -> data.StructLayout:
    """What the ESU gets to see of a VALUE event."""
    event = struct(layouts(config).event)
    return data.StructLayout({name: event[name].shape for name in ("v", "c", "y", "x", "id")})


class DescriptorFetch(wiring.Component):
    """An event and its descriptor; one event per beat (see `rtl.esu.Esu`).

    In phase 0 of a beat the geometry word is read, in phase 1 the kernel word, in phase 3 the table word, if any. Words
    that are there already are not read again: those of the ID of the last event, unless they lead to a table or the
    unit has been idle since, as a host may have changed them.

    Ports:
        event, descriptor, edges: those of the ESU.
        phase: one-hot. step: the phase ends. advance: the beat ends.
        idle: nothing is in the ESU.
        stall: the phase must not end, as a read is refused. pending: an event is here.
        valid: at the end of a beat, whether its event goes on. taken: that event.
        geometry: descriptor word of `taken`, at the end of the beat.
        kernel: in phase 1 of the next beat, kernel word or table word. depth_words: then, of the kernel word.
        unknown_id, unknown_channel: pulses, the event has been dropped.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        words = layouts(config)
        super().__init__({
            "event": In(stream.Signature(value_layout(config))), "descriptor": Out(ReadPort(config)),
            "edges": In(config.edge_bits + 1),
            "phase": In(PHASES), "step": In(1), "advance": In(1), "idle": In(1),
            "stall": Out(1), "pending": Out(1), "valid": Out(1), "taken": Out(value_layout(config)),
            "geometry": Out(struct(words.edge_geometry)), "kernel": Out(struct(words.edge_kernel)),
            "depth_words": Out(config.depth_word_bits), "unknown_id": Out(1), "unknown_channel": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, words = self.config, layouts(self.config)
        m = Module()
        port, phase, taken = self.descriptor, self.phase, self.taken

        # The next event waits in a register, so that `ready` depends on nothing else.
        waiting, next_event = Signal(), Signal(value_layout(config))
        known_id, take = Signal(), Signal()
        m.d.comb += [
            self.event.ready.eq(~waiting), known_id.eq(next_event.id < self.edges),
            take.eq(self.advance & waiting & known_id),
        ]
        with m.If(~waiting):
            m.d.sync += [next_event.eq(self.event.payload), waiting.eq(self.event.valid)]
        with m.Elif(self.advance):
            m.d.sync += waiting.eq(0)
        m.d.sync += self.unknown_id.eq(self.advance & waiting & ~known_id)

        # Which words to read.
        present, read, held, table_done = Signal(), Signal(), Signal(), Signal()
        with m.If(self.advance):
            m.d.sync += [present.eq(take), read.eq(take)]
        with m.If(take):
            m.d.sync += [taken.eq(next_event), held.eq(1)]
            with m.If(held & (taken.id == next_event.id) & ~self.geometry.table):
                m.d.sync += read.eq(0)
        with m.If(self.idle):
            m.d.sync += held.eq(0)

        # Where: geometry and kernel word by ID, then the table, to which the channel is added.
        where = Signal(config.address_bits)
        read_table, accepted = Signal(), Signal()
        channel = taken.c & phase[3].replicate(config.channel_bits)
        m.d.comb += [
            read_table.eq(phase[3] & present & self.geometry.table & ~table_done),
            port.valid.eq((read & (phase[0] | phase[1])) | read_table),
            port.address.eq(add(where, channel, Const(0, 1), config.address_bits)),
            accepted.eq(port.valid & port.ready), self.stall.eq(port.valid & ~port.ready),
        ]
        got_geometry, got_kernel, got_table = Signal(), Signal(), Signal()
        kernel = data.View(struct(words.edge_kernel), port.data[:words.edge_kernel.bits])
        m.d.sync += [
            got_geometry.eq(accepted & phase[0]), got_kernel.eq(accepted & phase[1]),
            got_table.eq(accepted & phase[3]), table_done.eq((table_done | (accepted & phase[3])) & ~self.advance),
        ]
        with m.If(self.advance):
            m.d.sync += where.eq(next_event.id << 1)
        with m.Elif(got_kernel):
            m.d.sync += where.eq(kernel.weight_base)
        with m.Elif(phase[0]):
            m.d.sync += where[0].eq(self.step)

        # A table word replaces the kernel word, but for what the checks and the state addresses need.
        source_channels = Signal(config.channel_bits)
        with m.If(got_geometry):
            m.d.sync += self.geometry.eq(port.data[:words.edge_geometry.bits])
        with m.If(got_kernel | got_table):
            m.d.sync += self.kernel.eq(kernel)
        with m.If(got_kernel):
            m.d.sync += [self.depth_words.eq(kernel.depth_words), source_channels.eq(kernel.source_channels)]
        unknown_channel = Signal()
        m.d.comb += [
            unknown_channel.eq(taken.c > source_channels),
            self.valid.eq(present & ~unknown_channel), self.pending.eq(waiting | present),
        ]
        m.d.sync += self.unknown_channel.eq(self.advance & present & unknown_channel)
        return m
