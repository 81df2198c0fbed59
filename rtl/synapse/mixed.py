"""The decoder of a core with synapse tables: the ESU beside them."""

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from rtl.ports import ReadPort
from rtl.synapse.esu import Esu
from rtl.synapse.interface import Decoder
from rtl.synapse.lookup import Lookup


class Mixed(Decoder):
    """The ESU, and the lookup for the events of the IDs from `first_extended` on; see `golden.synapse.mixed`.

    Events are begun in order. The operations of both come as they are ready, those of tables first; sums do not depend
    on their order.

    Ports beside those of `rtl.synapse.interface.Decoder`:
        first_extended: the first ID whose edge is of kind EXTENDED; must not change while busy.
        index, synapse: read ports to tables. `descriptor` reads the header of a table, too, when the ESU does not.
        table_error: how many events, rows or synapses of tables have been dropped in this cycle.

    `unknown_channel` is how many events have been dropped in this cycle. `event.ready` depends on its payload.
    """

    latency = Esu.latency
    memory_ports = (*Decoder.memory_ports, "index", "synapse")

    def __init__(self, config: CoreConfig):
        tables = ReadPort(config)
        super().__init__(config, first_extended=In(config.edge_bits + 1), index=Out(tables), synapse=Out(tables),
                         table_error=Out(2), unknown_channel=Out(2))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, given, port = Module(), self.event, self.descriptor
        m.submodules.esu = esu = Esu(self.config)
        m.submodules.lookup = lookup = Lookup(self.config)
        looked_up = Signal(name="looked_up")
        m.d.comb += [
            looked_up.eq((given.payload.id >= self.first_extended) & (given.payload.id < self.edges)),
            esu.event.payload.eq(given.payload), esu.event.valid.eq(given.valid & ~looked_up),
            lookup.event.payload.eq(given.payload), lookup.event.valid.eq(given.valid & looked_up),
            given.ready.eq(Mux(looked_up, lookup.event.ready, esu.event.ready)),
            esu.edges.eq(self.edges), esu.populations.eq(self.populations), lookup.populations.eq(self.populations),
        ]
        # The ESU reads first, and tells first which population an event is for.
        m.d.comb += [
            port.valid.eq(esu.descriptor.valid | lookup.descriptor.valid),
            port.address.eq(Mux(esu.descriptor.valid, esu.descriptor.address, lookup.descriptor.address)),
            esu.descriptor.ready.eq(port.ready), lookup.descriptor.ready.eq(port.ready & ~esu.descriptor.valid),
            esu.descriptor.data.eq(port.data), lookup.descriptor.data.eq(port.data),
            lookup.told.eq(~esu.decoded), self.decoded.eq(esu.decoded | lookup.decoded),
            self.population.eq(Mux(esu.decoded, esu.population, lookup.population)),
            self.busy.eq(esu.busy | lookup.busy), self.unknown_id.eq(esu.unknown_id),
            self.unknown_channel.eq(esu.unknown_channel + lookup.unknown_channel),
            self.table_error.eq(lookup.table_error),
        ]
        for name in ("index", "synapse"):
            connect(m, getattr(lookup, name), flipped(getattr(self, name)))
        # What is offered stays until it is taken.
        waits, kept, chosen = Signal(name="waits"), Signal(name="kept"), Signal(name="chosen")
        m.d.comb += [
            chosen.eq(Mux(waits, kept, lookup.op.valid)), self.op.valid.eq(esu.op.valid | lookup.op.valid),
            self.op.payload.eq(Mux(chosen, lookup.op.payload, esu.op.payload)),
            lookup.op.ready.eq(self.op.ready & chosen), esu.op.ready.eq(self.op.ready & ~chosen),
        ]
        m.d.sync += [waits.eq(self.op.valid & ~self.op.ready), kept.eq(chosen)]
        return m
