"""Crossbar in hardware: a row of weights, one after the other."""

from amaranth import Const, Module, Mux, Signal, Value

from golden.synapse.organisations import crossbar
from rtl.synapse.organisations.walk import Walking


class Crossbar(Walking):
    """See `golden.synapse.organisations.crossbar`; it has no index.

    Latency: `read_latency` + 3 cycles from a request to its first synapse. Throughput: one synapse per cycle; the next
    request is taken as many cycles after this one as it has synapses, and two.
    """

    model = crossbar.Crossbar

    def walk(self, m: Module) -> None:
        sizes, held, step = self.sizes, self.held, self.step
        address, offset = Signal(sizes.address_bits + 1), Signal(sizes.offset_bits)
        neuron, beyond = Signal(sizes.neuron_bits, name="neuron"), Signal(name="beyond")
        fetch, last = (offset == 0) | bool(sizes.serial), held.layer.outputs
        if sizes.learning:
            fetch, last = fetch | self.backward, Mux(self.backward, held.layer.inputs, held.layer.outputs)
        m.d.comb += [
            self.checked.eq(1), self.given.eq(1), beyond.eq(fetch & address[-1]),
            step.synapse.eq(~beyond), step.error.eq(beyond), step.end.eq(beyond | (neuron == last)),
            step.fetch.eq(fetch & ~beyond), step.address.eq(address), step.offset.eq(offset), step.neuron.eq(neuron),
        ]
        row = self.saturated(held.layer.weight_base + self.row(m))
        next_address, next_offset = self.following(address, offset)
        first_offset: Value = Const(0)
        if sizes.learning:
            # The way back: from the word of the neuron's weight in the first row to that of the next one.
            column, begin = self.weight_place(m, self.request.payload)
            row = Mux(self.backward, self.saturated(held.layer.weight_base + column), row)
            first_offset = Mux(self.backward, begin, 0)
            next_address = Mux(self.backward, self.saturated(address + held.layer.row_words), next_address)
            next_offset = Mux(self.backward, offset, next_offset)
        with m.If(self.taken):
            m.d.sync += [address.eq(next_address), offset.eq(next_offset), neuron.eq(neuron + 1)]
        with m.If(~self.walking):
            m.d.sync += [address.eq(row), offset.eq(first_offset), neuron.eq(0)]
