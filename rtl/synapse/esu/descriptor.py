"""The ESU's first stage: takes an event, checks it and reads its edge descriptor."""

from amaranth import Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import PHASES
from golden.words import EdgeKind, layouts
from rtl.ports import ReadPort, value_layout
from rtl.synapse.esu.range import add
from rtl.words import struct


def kernel_layout(config: CoreConfig) -> data.StructLayout:
    """What an edge word and a table word have at the same bits, above the lowest `channel_bits`.

    `last` holds the weight stride of an edge word, or the first channel of a table word, in its lowest bits.
    """
    edge = struct(layouts(config).edge)
    return data.StructLayout({
        **{name: edge[name].shape for name in ("kernel_width", "kernel_height", "weight_base")},
        "last": max(config.weight_stride_bits, config.channel_bits),
    })


def depth_layout(config: CoreConfig) -> data.StructLayout:
    """What a geometry word and a table word have at the lowest bits: words of a position and lanes of the last one."""
    geometry = struct(layouts(config).geometry)
    return data.StructLayout({name: geometry[name].shape for name in ("depth_words", "last_lane")})


class DescriptorFetch(wiring.Component):
    """An event and its descriptor; one event per beat (see `rtl.esu.Esu`).

    In phase 0 of a beat the edge word is read, in phase 2 the geometry word of its population, in phase 3 the table
    word, if any. Words that are there already are not read again: those of the ID of the last event, unless they lead
    to a table or the unit has been idle since, as a host may have changed them.

    Ports:
        event, descriptor, edges, populations, good: those of the ESU.
        phase: one-hot. step: the phase ends. advance: the beat ends.
        idle: nothing is in the ESU.
        stall: the phase must not end, as a read is refused. pending: an event is here.
        valid: at the end of a beat, whether its event goes on. taken: that event.
        edge: edge word of `taken`, at the end of the beat.
        geometry: geometry word, in phases 0 to 2 of the next beat.
        kernel, depth: in phase 1 of the next beat, those of the edge and its population or of the table word.
        unknown_id, unknown_channel: pulses, the event has been dropped.
        decoded: a pulse for each event of a known ID, dropped or not; `population` is then the one of its edge word.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        words = layouts(config)
        super().__init__({
            "event": In(stream.Signature(value_layout(config))), "descriptor": Out(ReadPort(config)),
            "edges": In(config.edge_bits + 1), "populations": In(config.population_bits + 1),
            "phase": In(PHASES), "step": In(1), "advance": In(1), "idle": In(1),
            "stall": Out(1), "pending": Out(1), "valid": Out(1), "taken": Out(value_layout(config)),
            "edge": Out(struct(words.edge)), "geometry": Out(struct(words.geometry)),
            "kernel": Out(kernel_layout(config)), "depth": Out(depth_layout(config)),
            "unknown_id": Out(1), "unknown_channel": Out(1),
            "decoded": Out(1), "population": Out(config.population_bits),
            **({"good": In(config.max_populations)} if config.guard_states else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, words = self.config, layouts(self.config)
        m = Module()
        port, phase, taken = self.descriptor, self.phase, self.taken

        # The next event waits in a register, so that `ready` depends on nothing else.
        waiting, next_event = Signal(name="waiting"), Signal(value_layout(config), name="next_event")
        known_id, take = Signal(name="known_id"), Signal(name="take")
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
        present = Signal()
        read = Signal()
        held = Signal()
        table_done = Signal()
        with m.If(self.advance):
            m.d.sync += [present.eq(take), read.eq(take)]
        with m.If(take):
            m.d.sync += [taken.eq(next_event), held.eq(1)]
            with m.If(held & (taken.id == next_event.id) & ~self.edge.kind[0]):
                m.d.sync += read.eq(0)
        with m.If(self.idle):
            m.d.sync += held.eq(0)

        # Where: the edge word by ID behind two words per population, the geometry word, the table by channel.
        where = Signal(config.address_bits)
        read_table, accepted = Signal(name="read_table"), Signal(name="accepted")
        index = (taken.id & phase[0].replicate(config.edge_bits)) | (taken.c & phase[3].replicate(config.channel_bits))
        m.d.comb += [
            read_table.eq(phase[3] & present & self.edge.kind[0] & ~table_done),
            port.valid.eq((read & (phase[0] | phase[2])) | read_table),
            port.address.eq(add(where, index, Const(0, 1), config.address_bits)),
            accepted.eq(port.valid & port.ready), self.stall.eq(port.valid & ~port.ready),
        ]
        got_edge = Signal()
        got_geometry = Signal()
        got_table = Signal()
        m.d.sync += [
            got_edge.eq(accepted & phase[0]), got_geometry.eq(accepted & phase[2]), got_table.eq(accepted & phase[3]),
            table_done.eq((table_done | (accepted & phase[3])) & ~self.advance),
        ]
        edge = data.View(struct(words.edge), port.data[:words.edge.bits])
        with m.If(self.step):
            m.d.sync += where.eq(self.populations << 1)
            with m.If(phase[1]):
                m.d.sync += where.eq(edge.population << 1)
            with m.If(phase[2]):
                m.d.sync += where.eq(self.kernel.weight_base)

        # A table word replaces kernel and depth, except what the checks and the state addresses need.
        with m.If(got_edge):
            m.d.sync += self.edge.eq(edge)
        with m.If(got_geometry):
            m.d.sync += self.geometry.eq(port.data[:words.geometry.bits])
        with m.If(got_edge | got_table):
            m.d.sync += self.kernel.eq(port.data[config.channel_bits:][:kernel_layout(config).size])
        with m.If(got_geometry | got_table):
            m.d.sync += self.depth.eq(port.data[:config.channel_bits])
        unknown_channel = Signal()
        refused = ~self.good.bit_select(self.edge.population, 1) if config.guard_states else Const(0, 1)
        m.d.comb += [
            unknown_channel.eq((taken.c > self.edge.source_channels) | (self.edge.kind == EdgeKind.EXTENDED) | refused),
            self.valid.eq(present & ~unknown_channel), self.pending.eq(waiting | present),
        ]
        m.d.sync += [
            self.unknown_channel.eq(self.advance & present & unknown_channel),
            self.decoded.eq(self.advance & present),
        ]
        # A cycle late, as the pulse is: the next edge word comes later still.
        m.d.comb += self.population.eq(self.edge.population)
        return m
