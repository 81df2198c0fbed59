"""Look-up tables at the source in hardware: a neuron's row of entries, each of which becomes an event."""

from dataclasses import replace
from typing import ClassVar

from amaranth import Cat, Module, Mux, Value
from amaranth.hdl._ast import Statement
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import Pass, Sizes, request_layout
from golden.synapse.tables import source
from golden.synapse.tables.source import neuron_layout, table_layout
from golden.words import EventKind
from rtl.ports import ReadPort
from rtl.synapse.organisations.compressed_rows import CompressedRows
from rtl.synapse.organisations.walk import Synapses
from rtl.words import struct


class _Entries(Synapses):
    """Entries as they are, instead of synapses."""

    @staticmethod
    def layout(sizes: Sizes) -> data.StructLayout:
        return data.StructLayout({"entry": ENTRY.bits, "value": struct(request_layout(sizes))["value"].shape})

    def fill(self, payload: data.View, found: data.View, word: Value, neuron: Value) -> list[Statement]:
        return [payload.entry.eq(word.word_select(found.offset[ENTRY.bits.bit_length() - 1:], ENTRY.bits)),
                payload.value.eq(found.value)]


class _Rows(CompressedRows):
    """The walk through rows of compressed rows, without a look at what their entries say."""

    entries = False

    @classmethod
    def synapse_layout(cls, sizes: Sizes) -> data.StructLayout:
        return _Entries.layout(sizes)

    def output(self, sizes: Sizes) -> Synapses:
        return _Entries(sizes)


class SourceTable(wiring.Component):
    """Makes an event of each entry of each firing neuron's row: see `golden.synapse.tables.source`.

    Args:
        sizes: the widths; of a configuration, those of a table in a core.

    Ports:
        neuron: stream of firing neurons and ends (`golden.synapse.tables.source.neuron_layout`), each with all that is
            known of its population's table.
        index, entry: read ports to pointers and entries.
        event: stream of events, in order.
        busy: a neuron is inside. While it is low nothing of the memory is remembered.
        done: pulse, all events of a neuron have been taken; or it has none, or has been dropped.
        error: pulse, a neuron, its row or the rest of it has been dropped.
        index_read, entry_read: pulses, an access has been granted.

    Latency: 2 · `read_latency` + 4 cycles from a neuron taken by the idle unit to its first event offered. Throughput:
    one event per cycle within a neuron; the next neuron is taken as many cycles after this one as it has entries, at
    least one, and `read_latency` + 3. Back-pressure: no word is asked for without room for it.
    """

    model: ClassVar[type[source.SourceTable]]
    """What it does, in the golden model."""

    def __init__(self, sizes: Sizes | CoreConfig):
        self.sizes = sizes = sizes if isinstance(sizes, Sizes) else Sizes.of(sizes)
        super().__init__({
            "neuron": In(stream.Signature(self.neuron_layout(sizes))),
            "index": Out(ReadPort(sizes)), "entry": Out(ReadPort(sizes)),
            "event": Out(stream.Signature(struct(self.model.event_layout(sizes)))),
            "busy": Out(1), "done": Out(1), "error": Out(1), "index_read": Out(1), "entry_read": Out(1),
        })

    @staticmethod
    def neuron_layout(sizes: Sizes) -> data.StructLayout:
        """A neuron, and its population's table as a packed word."""
        fields = {name: field.shape for name, field in struct(neuron_layout(sizes))}
        return data.StructLayout(fields | {"table": struct(table_layout(sizes))})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        # Whether it is an end goes with the value, as the next neuron is taken while entries are on their way.
        m.submodules.rows = rows = _Rows(replace(self.sizes, value_bits=self.sizes.value_bits + 1))
        wiring.connect(m, rows.index, wiring.flipped(self.index))
        wiring.connect(m, rows.weight, wiring.flipped(self.entry))
        neuron, request, found = self.neuron.payload, rows.request.payload, rows.synapse.payload
        table, layer = neuron.table, request.layer
        # The last row is that of an end; whoever else names it is dropped.
        known = neuron.end | (neuron.index < table.rows)
        m.d.comb += [
            rows.request.valid.eq(self.neuron.valid), self.neuron.ready.eq(rows.request.ready),
            request["pass"].eq(Mux(known, Pass.FORWARD, Pass.UPDATE)), layer.inputs.eq(table.rows),
            layer.index_base.eq(table.index_base), layer.weight_base.eq(table.entry_base),
            # Whatever an entry says is taken.
            layer.outputs.eq(-1), layer.weight_bits.eq(1),
            request.neuron.eq(Mux(neuron.end, table.rows, neuron.index)),
            request.value.eq(Cat(neuron.value, neuron.end)),
            self.busy.eq(rows.busy), self.done.eq(rows.done), self.error.eq(rows.error),
            self.index_read.eq(rows.index_read), self.entry_read.eq(rows.weight_read),
            self.event.valid.eq(rows.synapse.valid), rows.synapse.ready.eq(self.event.ready),
        ]
        end, value = found.value[-1], found.value[:-1].as_signed()
        entry, event = struct(self.model.entry)(found.entry), self.event.payload
        m.d.comb += [event.core_x.eq(entry.core_x), event.core_y.eq(entry.core_y),
                     event.kind.eq(Mux(end, EventKind.END, EventKind.VALUE))]
        self.fill(m, event, entry, Mux(end, 0, value))
        return m

    def fill(self, m: Module, event: data.View, entry: data.View, value: Value) -> None:
        """The rest of an event; the value of an end is 0."""
        raise NotImplementedError
