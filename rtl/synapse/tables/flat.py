"""The flat look-up table in hardware: one multiplier makes the increments."""

from amaranth import Module, Value
from amaranth.lib import data

from golden.synapse.tables import flat
from rtl.synapse.tables.source import SourceTable


class Flat(SourceTable):
    """See `golden.synapse.tables.flat` and `SourceTable`."""

    model = flat.Flat

    def fill(self, m: Module, event: data.View, entry: data.View, value: Value) -> None:
        m.d.comb += [event.increment.eq(entry.weight * value), event.neuron.eq(entry.neuron)]
