"""The source side of the hierarchical look-up table in hardware."""

from amaranth import Module, Value
from amaranth.lib import data

from golden.synapse.tables import routing
from rtl.synapse.tables.source import SourceTable


class Routing(SourceTable):
    """See `golden.synapse.tables.routing` and `SourceTable`."""

    model = routing.Routing

    def fill(self, m: Module, event: data.View, entry: data.View, value: Value) -> None:
        m.d.comb += [event.v.eq(value), event.tag.eq(entry.tag), event.id.eq(entry.id)]
