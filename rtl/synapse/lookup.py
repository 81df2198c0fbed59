"""The lookup of synapses in tables: an event of an extended edge in, the operations of its row out."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.synapse.organisations.interface import Pass, Sizes
from golden.words import TABLE_ORGANISATIONS, EdgeKind, layouts
from rtl.ports import ReadPort, op_layout, value_layout
from rtl.rooms import ORGANISATIONS
from rtl.synapse.gather import Gather
from rtl.synapse.organisations.interface import Organisation
from rtl.words import struct

WORDS = 3
"""Edge word and the two of the header."""


class Lookup(wiring.Component):
    """Looks the synapses of an event up in the table of its edge; see `golden.synapse.lookup`.

    The edge word is read first, then both words of the header; those of the event before do for one of the same ID, as
    long as the unit has not been idle since. The row comes of the event's place in as many cycles as the larger
    coordinate has bits, and is asked for while the row before it is still on its way, if that is of the same edge.

    Ports:
        event: stream of events (`golden.messages.value`) of known IDs. populations: those of the core.
        descriptor: reads edge and header words; `ready` and the word may depend on others that read.
        index, synapse: read pointers and bitmaps, weights and entries.
        op: stream of operations with `immediate`.
        busy: an event or something of it is inside. While it is low nothing of the memory is remembered.
        unknown_channel: pulse, an event has been dropped, as its edge is none of the unit's.
        table_error: how many events, rows or synapses have been dropped in this cycle.
        decoded, population: stream of one bit for each event, when its edge word is here: the population in it.

    Latency: from an event taken by the idle unit to its row asked for, with memory at once, 18 cycles and one per bit
    of the larger coordinate; of the same ID as the one before, 3. Behind it, those of the organisation and of `Gather`.
    Throughput: a synapse per cycle, see the organisation.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "event": In(stream.Signature(value_layout(config))), "populations": In(config.population_bits + 1),
            "descriptor": Out(ReadPort(config)), "index": Out(ReadPort(config)), "synapse": Out(ReadPort(config)),
            "op": Out(stream.Signature(op_layout(config))), "busy": Out(1),
            "unknown_channel": Out(1), "table_error": Out(2),
            "decoded": Out(1), "told": In(1), "population": Out(config.population_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config, words, port = Module(), self.config, layouts(self.config), self.descriptor
        here, event = Signal(name="here"), Signal(value_layout(config), name="held", reset_less=True)
        edge, header, bases = (Signal(struct(layout), name=name, reset_less=True) for name, layout in (
            ("edge", words.extended_edge), ("header", words.table_header), ("bases", words.table_bases)))
        cached, tells, leaves, arrives = (Signal(name=name) for name in ("cached", "tells", "leaves", "arrives"))
        known, failed = Signal(name="known"), Signal(name="failed")
        self._asks, self._begins = Signal(name="asks"), Signal(name="begins")
        added, wrong = self._row(m, event, header)
        granted, walking = self._organisations(m, event, edge, header, bases)
        m.d.comb += [
            self.event.ready.eq(~here), self.decoded.eq(tells), self.population.eq(edge.population),
            self.busy.eq(here | walking), self.table_error.eq(failed + self._error), known.eq(
                (edge.kind == EdgeKind.EXTENDED)
                & Cat(edge.organisation == TABLE_ORGANISATIONS[name] for name in config.organisations).any()),
        ]
        with m.If(~self.busy):
            m.d.sync += cached.eq(0)
        with m.If(self.event.ready & self.event.valid):
            m.d.sync += [here.eq(1), event.eq(self.event.payload),
                         cached.eq(cached & self.busy & (self.event.payload.id == event.id))]
        with m.Elif(leaves):
            m.d.sync += here.eq(0)
        with m.If(self.told):
            m.d.sync += tells.eq(0)

        word, coming = Signal(range(WORDS), name="word"), Signal(READ_LATENCY, name="coming")
        m.d.sync += coming.eq(Cat(port.valid & port.ready, coming))
        m.d.comb += arrives.eq(coming[-1])
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [word.eq(0), port.address.eq((self.populations << 1) + event.id)]
                with m.If(here & cached):
                    m.d.sync += tells.eq(1)
                    m.d.comb += self._begins.eq(1)
                    m.next = "ROW"
                with m.Elif(here & ~self._walks):  # a walk needs its own edge to the end
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += port.valid.eq(1)
                with m.If(port.ready):
                    m.next = "WAIT"
            with m.State("WAIT"):
                for place, register in enumerate((edge, header, bases)):
                    with m.If(arrives & (word == place)):
                        m.d.sync += register.eq(port.data[:len(register.as_value())])
                with m.If(arrives):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += [word.eq(word + 1), port.address.eq(edge.table_base + word)]
                with m.If(word == 0):
                    m.d.sync += tells.eq(1)
                with m.If(~known):
                    m.next = "UNKNOWN"
                with m.Elif(word == WORDS - 1):
                    m.d.sync += cached.eq(1)
                    m.d.comb += self._begins.eq(1)
                    m.next = "ROW"
                with m.Else():
                    m.next = "READ"
            with m.State("ROW"):
                with m.If(added):
                    m.next = "ASK"
                with m.If(wrong):
                    m.next = "WRONG"
            with m.State("ASK"):
                m.d.comb += [self._asks.eq(~tells), leaves.eq(granted)]
                with m.If(granted):
                    m.next = "IDLE"
            for name, pulse in (("UNKNOWN", self.unknown_channel), ("WRONG", failed)):
                with m.State(name):
                    m.d.comb += [leaves.eq(~tells), pulse.eq(~tells)]
                    with m.If(~tells):
                        m.next = "IDLE"
        return m

    def _row(self, m: Module, event: data.View, header: data.View) -> tuple[Value, Value]:
        """x · x_stride + y · y_stride + c, bit by bit of x and y; whether it is there, and whether there is none."""
        bits = self.config.offset_bits
        width = bits + len(header.x_stride)
        places, strides = ([Signal(size, name=f"{axis}_{name}", reset_less=True) for axis in "xy"]
                           for name, size in (("left", bits), ("stride", width)))
        self._total = total = Signal(width, name="total", reset_less=True)
        negative = event.x[-1] | event.y[-1]
        with m.If(self._begins):
            m.d.sync += [total.eq(event.c), places[0].eq(event.x), places[1].eq(event.y),
                         strides[0].eq(header.x_stride), strides[1].eq(header.y_stride)]
        with m.Else():
            m.d.sync += total.eq(total + Mux(places[0][0], strides[0], 0) + Mux(places[1][0], strides[1], 0))
            for place, stride in zip(places, strides, strict=True):
                m.d.sync += [place.eq(place[1:]), stride.eq(stride << 1)]
        added = ~Cat(places).any()
        return added, negative | (added & total[Sizes.of(self.config).neuron_bits:].any())

    def _organisations(self, m: Module, event: data.View, edge: data.View, header: data.View, bases: data.View
                       ) -> tuple[Value, Value]:
        """Rows from memory, and their synapses into operations.

        Returns:
            The organisation of the edge has taken the row; a synapse is inside.
        """
        config = self.config
        m.submodules.gather = gather = Gather(config)
        units = {name: ORGANISATIONS.load(name, Organisation)(config) for name in config.organisations}
        taken, self._walks, self._error = (Signal(name=name) for name in ("taken", "walks", "error"))
        for name, unit in units.items():
            m.submodules[name] = unit
            request = unit.request.payload
            chosen = self._asks & (edge.organisation == TABLE_ORGANISATIONS[name])
            m.d.comb += [
                unit.request.valid.eq(chosen), request["pass"].eq(Pass.FORWARD), request.neuron.eq(self._total),
                request.value.eq(event.v), request.layer.inputs.eq(header.inputs),
                request.layer.outputs.eq(header.outputs), request.layer.weight_bits.eq(edge.weight_bits),
                *(request.layer[base].eq(bases[base])
                  for base in ("index_base", "bitmap_base", "weight_base", "row_words")),
                unit.synapse.ready.eq(gather.synapse.ready),
            ]
            for port, mine in ((self.index, unit.index), (self.synapse, unit.weight)):
                m.d.comb += [mine.ready.eq(port.ready), mine.data.eq(port.data)]

        def one(given: list[tuple[Value, Value]]) -> Value:
            """Of several of which one is valid at most."""
            return reduce(or_, (Mux(valid, Value.cast(value), 0) for valid, value in given))

        for port, name in ((self.index, "index"), (self.synapse, "weight")):
            mine = [getattr(unit, name) for unit in units.values()]
            m.d.comb += [port.valid.eq(Cat(item.valid for item in mine).any()),
                         port.address.eq(one([(item.valid, item.address) for item in mine]))]
        found = [unit.synapse for unit in units.values()]
        m.d.comb += [
            gather.synapse.valid.eq(Cat(item.valid for item in found).any()),
            gather.synapse.payload.eq(one([(item.valid, item.payload) for item in found])),
            gather.done.eq(Cat(unit.done for unit in units.values()).any()),
            gather.state_base.eq(edge.state_base), gather.shift.eq(edge.shift),
            taken.eq(Cat(unit.request.valid & unit.request.ready for unit in units.values()).any()),
            self._walks.eq(Cat(unit.busy for unit in units.values()).any()),
            self._error.eq(Cat(unit.error for unit in units.values()).any()),
        ]
        connect(m, gather.op, flipped(self.op))
        return taken, self._walks | gather.busy
