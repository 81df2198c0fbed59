"""The ESU's first stage: takes an event, checks it and reads its edge descriptor."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import layouts
from rtl.arithmetic import add
from rtl.ports import ReadPort, value_layout
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

    The edge word is read first, then the geometry word of its population, then the table word, if any. The reads do not
    follow the phases of the beat: each is asked for in the cycle after the one before it is granted, or four later if
    its address is in that word. Those of an event may still be refused when the next event is taken. Words that are
    there already are not read again: those of the ID of the last event, unless they lead to a table or the unit has
    been idle since, as a host may have changed them.

    `descriptor.ready` is among the last signals of a cycle: it goes through one gate to registers. So do not depend on
    it in the same cycle. A word read goes to a register first.

    Ports:
        event, descriptor, edges, populations: those of the ESU.
        advance: the beat ends; never while `missing`.
        idle: nothing is in the ESU.
        pending: an event is here. missing: its edge word is not here yet.
        late: geometry or table word of the event of the beat before are not here yet, until they are read by the end of
            its phase 1.
        present: at the end of a beat, whether its event goes on. taken: that event.
        edge: edge word of `taken`, at the end of the beat.
        geometry, kernel, depth: in phase 1 of the next beat, once not `late`, of the edge and its population or of the
            table word.
        unknown_id: pulse, an event has been dropped.
        decoded: a pulse for each event of a known ID, dropped or not; `population` is then the one of its edge word.
        single, follows: only with `short_events`: the kernel of `edge` is 1×1, and not of a table; the event may follow
            the one before it without a beat of its own. `advance` is the end of a phase in which an event leaves or
            could have left.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        words = layouts(config)
        super().__init__({
            "event": In(stream.Signature(value_layout(config))), "descriptor": Out(ReadPort(config)),
            "edges": In(config.edge_bits + 1), "populations": In(config.population_bits + 1),
            "advance": In(1), "idle": In(1),
            "pending": Out(1), "missing": Out(1), "late": Out(1),
            "present": Out(1), "taken": Out(value_layout(config)),
            "edge": Out(struct(words.edge)), "geometry": Out(struct(words.geometry)),
            "kernel": Out(kernel_layout(config)), "depth": Out(depth_layout(config)),
            "unknown_id": Out(1), "decoded": Out(1), "population": Out(config.population_bits),
            **({"single": Out(1), "follows": Out(1)} if config.short_events else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()

        # The next event waits in a register, so that `ready` depends on nothing else, or else on `advance` alone.
        waiting, next_event = Signal(name="waiting"), Signal(value_layout(self.config), name="next_event")
        known_id, take = Signal(name="known_id"), Signal(name="take")
        m.d.comb += [
            self.event.ready.eq((~waiting | self.advance) if self.config.short_events else ~waiting),
            known_id.eq(next_event.id < self.edges),
            take.eq(self.advance & waiting & known_id), self.pending.eq(waiting | self.present),
        ]
        with m.If(self.event.ready):
            m.d.sync += [next_event.eq(self.event.payload), waiting.eq(self.event.valid)]
        with m.Elif(self.advance):
            m.d.sync += waiting.eq(0)
        m.d.sync += self.unknown_id.eq(self.advance & waiting & ~known_id)
        with m.If(self.advance):
            m.d.sync += self.present.eq(waiting & known_id)
        # The population is shown a cycle late, as the pulse is: the next edge word comes later still.
        m.d.sync += self.decoded.eq(self.advance & self.present)
        m.d.comb += self.population.eq(self.edge.population)
        with m.If(take):
            m.d.sync += self.taken.eq(next_event)
        again = Signal(name="again")
        self._read(m, take, again, next_event)
        if self.config.short_events:
            kernel = self.kernel
            m.d.comb += self.single.eq(~(kernel.kernel_width | kernel.kernel_height | self.edge.kind[0]).any())
            with m.If(take):
                m.d.sync += self.follows.eq(again & self.single)
        return m

    def _read(self, m: Module, take: Value, again: Signal, next_event: data.View) -> None:
        """The reads of the event that is taken, unless its words are here: `again` says so of the next event."""
        config, words, port, edge = self.config, layouts(self.config), self.descriptor, self.edge
        # Words of `taken` are here, or come.
        held = Signal(name="held")
        # The geometry and the table word are asked for: always after the edge word has come.
        asks_geometry, asks_table = Signal(name="asks_geometry"), Signal(name="asks_table")
        # A word comes, and is here.
        (edge_comes, geometry_comes, table_comes, edge_nears, geometry_nears, table_nears, got_edge, got_geometry,
         got_table) = (Signal(name=name.format(word)) for name in ("{}_comes", "{}_nears", "got_{}")
                       for word in ("edge", "geometry", "table"))
        new_edge, asks_edge, edge_granted = (Signal(name=name) for name in ("new_edge", "asks_edge", "edge_granted"))
        m.d.comb += [
            again.eq(held & (self.taken.id == next_event.id) & ~edge.kind[0]),
            port.valid.eq(asks_edge | asks_geometry | asks_table),
            edge_granted.eq(port.ready & ~asks_geometry & ~asks_table),
        ]
        m.d.sync += [
            held.eq((held | take) & ~self.idle),
            self.missing.eq((take & ~again) | (self.missing & ~got_edge)), new_edge.eq(got_edge),
            asks_edge.eq((take & ~again) | (asks_edge & ~edge_granted)),
            edge_comes.eq(asks_edge & edge_granted), edge_nears.eq(edge_comes), got_edge.eq(edge_nears),
            asks_geometry.eq(got_edge | (asks_geometry & ~port.ready)),
            asks_table.eq((asks_geometry & edge.kind[0] & port.ready) | (asks_table & ~port.ready)),
            geometry_comes.eq(asks_geometry & port.ready), geometry_nears.eq(geometry_comes),
            got_geometry.eq(geometry_nears),
            table_comes.eq(asks_table & port.ready), table_nears.eq(table_comes), got_table.eq(table_nears),
            # Whether they are granted or not.
            self.late.eq(Cat(got_edge, asks_geometry, asks_table, geometry_comes, table_comes, geometry_nears,
                             table_nears).any()),
        ]

        # Where: the edge word by ID behind two words per population, the geometry word, the table by channel. The
        # table's address is formed at once, as the next event may be taken before it is used.
        bits = min(config.address_bits, max(config.population_bits + 2, config.edge_bits) + 1)
        edge_address = Signal(bits, name="edge_address")
        table_address = Signal(config.address_bits, name="table_address")
        with m.If(take):
            m.d.sync += edge_address.eq((self.populations << 1) + next_event.id)
        with m.If(new_edge):
            m.d.sync += table_address.eq(add(self.kernel.weight_base, self.taken.c, Const(0, 1), config.address_bits))
        m.d.comb += port.address.eq(Mux(asks_geometry, edge.population << 1,
                                        Mux(asks_table, table_address, edge_address)))

        # A table word replaces kernel and depth, except what the checks and the state addresses need.
        with m.If(got_edge):
            m.d.sync += edge.eq(port.data[:words.edge.bits])
        with m.If(got_geometry):
            m.d.sync += self.geometry.eq(port.data[:words.geometry.bits])
        with m.If(got_edge | got_table):
            m.d.sync += self.kernel.eq(port.data[config.channel_bits:][:kernel_layout(config).size])
        with m.If(got_geometry | got_table):
            m.d.sync += self.depth.eq(port.data[:config.channel_bits])
