"""Whole layers, from firing neurons to states: by a flat look-up table, by a hierarchical one, and by PEG and ESU.

What stands between the firing neurons of a layer and the states that they change, with all its memory ports brought
out: so a simulation serves tables of any size. Bamberg et al., arXiv 2112.07019, section 3.2, compare the three.
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.synapse.organisations.interface import Pass, Sizes, layer_layout
from golden.synapse.tables import flat, source
from golden.synapse.tables.accumulate import StateSizes
from golden.words import EventKind
from rtl import rooms
from rtl.neuron.interface import UpdateUnit
from rtl.ports import ReadPort, WritePort, neuron_layout
from rtl.synapse.interface import Decoder
from rtl.synapse.organisations.compressed_rows import CompressedRows
from rtl.synapse.peg import Peg
from rtl.synapse.tables.accumulate import Accumulate, StateWrite
from rtl.synapse.tables.flat import Flat
from rtl.synapse.tables.routing import Routing
from rtl.words import struct

EVENT_QUEUE = 8
"""Events between PEG and decoder, as in a core's local queue."""
LANES, STATE_BITS = 4, 16


def flat_states(sizes: Sizes) -> StateSizes:
    """The states that a flat table leads to: those of all cores that an entry can name, one core after the other."""
    return StateSizes(neuron_bits=source.TARGET_BITS + 2 * source.AXIS_BITS, lanes=LANES, state_bits=STATE_BITS,
                      increment_bits=flat.WEIGHT_BITS + sizes.value_bits, read_latency=sizes.read_latency)


def table_states(sizes: Sizes) -> StateSizes:
    """The states that the destination's table leads to."""
    return StateSizes(neuron_bits=sizes.neuron_bits, lanes=LANES, state_bits=STATE_BITS,
                      increment_bits=sizes.weight_bits + sizes.value_bits, read_latency=sizes.read_latency)


class FlatLayer(wiring.Component):
    """Flat look-up table: the source has an entry for each synapse, and sends an event for each.

    Ports:
        neuron: stream of firing neurons (`golden.synapse.tables.source.neuron_layout`).
        source: where the source's table is (`golden.synapse.tables.source.table_layout`).
        drain: no more neurons come for now.
        source_index, source_entry: read ports to its pointers and entries.
        state, write: see `rtl.synapse.tables.accumulate.Accumulate`.
        sent: pulse, an event goes from source to destination. synapse: pulse, an increment is taken.
        error: pulse, a table dropped something. busy: something is inside.

    Latency and throughput: those of `rtl.synapse.tables.flat.Flat`; one synapse per cycle.
    """

    def __init__(self, sizes: Sizes):
        self.sizes, self.states = sizes, flat_states(sizes)
        super().__init__(_ports(sizes, self.states))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.source_table = table = Flat(self.sizes)
        m.submodules.accumulate = accumulate = Accumulate(self.states)
        _connect(m, self, table, accumulate)
        event, increment = table.event.payload, accumulate.increment.payload
        is_value = event.kind == EventKind.VALUE
        m.d.comb += [
            increment.neuron.eq(Cat(event.neuron, event.core_y, event.core_x)),
            increment.increment.eq(event.increment), accumulate.increment.valid.eq(table.event.valid & is_value),
            table.event.ready.eq(accumulate.increment.ready), accumulate.drain.eq(self.drain & ~table.busy),
            self.error.eq(table.error), self.busy.eq(table.busy | accumulate.busy),
        ]
        return m


class HierarchicalLayer(wiring.Component):
    """Hierarchical look-up table: the source has an entry for each destination core, the row of a table there.

    The row is the route's edge ID and tag; compressed rows give its synapses, whose products a register takes.

    Ports: those of `FlatLayer`, and
        destination: the layer of the destination's table.
        index, entry: read ports to its pointers and entries.

    Latency and throughput: those of `rtl.synapse.tables.routing.Routing` and of compressed rows, and a cycle for the
    product; one synapse per cycle.
    """

    def __init__(self, sizes: Sizes):
        self.sizes, self.states = sizes, table_states(sizes)
        super().__init__(_ports(sizes, self.states) | {
            "destination": In(struct(layer_layout(sizes))), "index": Out(ReadPort(sizes)),
            "entry": Out(ReadPort(sizes))})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.source_table = table = Routing(self.sizes)
        m.submodules.rows = rows = CompressedRows(self.sizes)
        m.submodules.accumulate = accumulate = Accumulate(self.states)
        _connect(m, self, table, accumulate)
        connect(m, rows.index, flipped(self.index))
        connect(m, rows.weight, flipped(self.entry))
        event, request, synapse = table.event.payload, rows.request.payload, rows.synapse.payload
        increment, valid = Signal(accumulate.increment.payload.shape(), name="product"), Signal(name="product_valid")
        free = ~valid | accumulate.increment.ready
        m.d.comb += [
            request["pass"].eq(Pass.FORWARD), request.neuron.eq(Cat(event.tag, event.id)), request.value.eq(event.v),
            request.layer.eq(self.destination), table.event.ready.eq(rows.request.ready),
            rows.request.valid.eq(table.event.valid & (event.kind == EventKind.VALUE)), rows.synapse.ready.eq(free),
            accumulate.increment.payload.eq(increment), accumulate.increment.valid.eq(valid),
            accumulate.drain.eq(self.drain & ~table.busy & ~rows.busy & ~valid),
            self.error.eq(table.error | rows.error), self.busy.eq(table.busy | rows.busy | valid | accumulate.busy),
        ]
        with m.If(free):
            m.d.sync += [valid.eq(rows.synapse.valid), increment.neuron.eq(synapse.neuron),
                         increment.increment.eq(synapse.weight * synapse.value)]
        return m


def _ports(sizes: Sizes, states: StateSizes) -> dict[str, wiring.Member]:
    return {
        "neuron": In(stream.Signature(struct(source.neuron_layout(sizes)))),
        "source": In(struct(source.table_layout(sizes))),
        "drain": In(1), "source_index": Out(ReadPort(sizes)), "source_entry": Out(ReadPort(sizes)),
        "state": Out(ReadPort(states)), "write": Out(StateWrite(states)),
        "sent": Out(1), "synapse": Out(1), "error": Out(1), "busy": Out(1),
    }


def _connect(m: Module, layer: FlatLayer | HierarchicalLayer, table: Flat | Routing, accumulate: Accumulate) -> None:
    """What both tables have: neurons to the source's table, its memory, and that of the states."""
    connect(m, table.index, flipped(layer.source_index))
    connect(m, table.entry, flipped(layer.source_entry))
    connect(m, accumulate.state, flipped(layer.state))
    connect(m, accumulate.write, flipped(layer.write))
    taken, given = table.neuron.payload, layer.neuron.payload
    m.d.comb += [
        *(taken[name].eq(given[name]) for name in given.shape().members), taken.table.eq(layer.source),
        table.neuron.valid.eq(layer.neuron.valid), layer.neuron.ready.eq(table.neuron.ready),
        layer.sent.eq(table.event.valid & table.event.ready),
        layer.synapse.eq(accumulate.increment.valid & accumulate.increment.ready),
    ]


class ComputedLayer(wiring.Component):
    """PEG, decoder and update unit of a core: the layer's synapses are computed.

    Ports:
        neuron: stream of firing neurons (`golden.messages.neuron`).
        edges, populations: see `rtl.synapse.interface.Decoder`.
        axon, descriptor, weight, state, write_back: memory ports of PEG, decoder and update unit.
        sent: pulse, an event goes from source to destination.
        word_operation: pulse; synapses: how many it is for. error: pulse, something was dropped.
        busy: something is inside.

    Latency and throughput: those of the blocks; up to `lanes` synapses per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "neuron": In(stream.Signature(neuron_layout(config))),
            "edges": In(config.edge_bits + 1), "populations": In(config.population_bits + 1),
            **{name: Out(ReadPort(config)) for name in ("axon", "descriptor", "weight", "state")},
            "write_back": Out(WritePort(config)), "sent": Out(1), "word_operation": Out(1),
            "synapses": Out(range(config.lanes + 1)), "error": Out(1), "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        m.submodules.peg = peg = Peg(config)
        m.submodules.decoder = decoder = rooms.DECODERS.load(config.decoder, Decoder)(config)
        m.submodules.update = update = rooms.UPDATES.load(config.update, UpdateUnit)(config)
        event, value = peg.event.payload, Signal(decoder.event.payload.shape(), name="value")
        m.submodules.queue = queue = SyncFIFOBuffered(width=len(value.as_value()), depth=EVENT_QUEUE)
        connect(m, flipped(self.neuron), peg.neuron)
        connect(m, peg.axon, flipped(self.axon))
        for block in (decoder, update):
            for name in block.memory_ports:
                connect(m, getattr(block, name), flipped(getattr(self, name)))
        connect(m, decoder.op, update.op)
        m.d.comb += [
            *(value[name].eq(event[name]) for name in value.shape().members),
            queue.w_data.eq(value), queue.w_en.eq(peg.event.valid & (event.kind == EventKind.VALUE)),
            peg.room.eq(queue.level <= EVENT_QUEUE - 3), decoder.event.payload.eq(queue.r_data),
            decoder.event.valid.eq(queue.r_rdy), queue.r_en.eq(decoder.event.ready),
            decoder.edges.eq(self.edges), decoder.populations.eq(self.populations),
            self.sent.eq(queue.w_en), self.word_operation.eq(update.retired), self.synapses.eq(update.synapses),
            self.error.eq(decoder.unknown_id | decoder.unknown_channel | update.address_error),
            self.busy.eq(peg.busy | peg.event.valid | (queue.level != 0) | decoder.busy | update.busy),
        ]
        return m
