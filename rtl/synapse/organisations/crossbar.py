"""Crossbar in hardware: a row of weights, one after the other."""

from amaranth import Module, Signal

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
        fetch = (offset == 0) | bool(sizes.serial)
        m.d.comb += [
            self.checked.eq(1), self.given.eq(1), beyond.eq(fetch & address[-1]),
            step.synapse.eq(~beyond), step.error.eq(beyond), step.end.eq(beyond | (neuron == held.layer.outputs)),
            step.fetch.eq(fetch & ~beyond), step.address.eq(address), step.offset.eq(offset), step.neuron.eq(neuron),
        ]
        row, (next_address, next_offset) = self.row(m, held.layer.weight_base), self.following(address, offset)
        with m.If(self.taken):
            m.d.sync += [address.eq(next_address), offset.eq(next_offset), neuron.eq(neuron + 1)]
        with m.If(~self.walking):
            m.d.sync += [address.eq(row), offset.eq(0), neuron.eq(0)]
