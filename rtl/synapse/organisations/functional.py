"""Functional connectivity with row and column counters in hardware."""

from amaranth import Const, Module, Mux, Signal, Value, signed

from golden.synapse.organisations import functional
from golden.synapse.organisations.convolution import KERNEL_BITS
from rtl.synapse.organisations.convolution import Axis, ConvolutionWalk


class Functional(ConvolutionWalk):
    """See `golden.synapse.organisations.functional`; it has no index. The ESU (`rtl.synapse.esu.walk`) does the same
    for a word of neurons at a time, and prepares events while it walks; this one begins when the last walk has ended.

    Latency: `read_latency` + 5 cycles from a request to its first synapse. Throughput: one synapse per cycle, as taps
    that meet no neuron are not visited; the next request is taken as many cycles after this one as it has synapses,
    and four.
    """

    model = functional.Functional

    def taps(self, m: Module) -> None:
        layer, tap, tap_bits = self.held.layer, self.tap, KERNEL_BITS
        _, begin = self.after(m, 2)
        base, (x, y) = self.source_base(m), self.axes()
        columns, no_column, column_words, column_neurons = self._range(m, x, layer.column_words)
        rows, no_row, row_words, row_neurons = self._range(m, y, layer.tap_words)
        tap_step, neuron_step = Mux(layer.dilated, 0, layer.step), Mux(layer.dilated, layer.step, 0)

        # The column's first tap, from which the next column follows.
        column_address, column_neuron = Signal.like(tap.address), Signal.like(tap.neuron)
        columns_left, rows_left = Signal(tap_bits, name="columns_left"), Signal(tap_bits, name="rows_left")
        next_column = {"address": column_address + (layer.column_words << tap_step),
                       "neuron": column_neuron + (layer.x_stride << neuron_step)}
        m.d.comb += [self.checked.eq(1), tap.last.eq(~tap.inside | ((rows_left == 0) & (columns_left == 0)))]
        with m.If(begin):
            first = {"address": base + column_words + row_words, "neuron": column_neurons + row_neurons}
            m.d.sync += [
                self.there.eq(1), tap.inside.eq(~(no_column | no_row)), columns_left.eq(columns), rows_left.eq(rows),
                tap.address.eq(first["address"]), tap.neuron.eq(first["neuron"]),
                column_address.eq(first["address"]), column_neuron.eq(first["neuron"]),
            ]
        with m.Elif(self.next):
            m.d.sync += self.there.eq(~self.step.end)
            with m.If(rows_left != 0):
                m.d.sync += [rows_left.eq(rows_left - 1), tap.address.eq(tap.address + (layer.tap_words << tap_step)),
                             tap.neuron.eq(tap.neuron + (layer.y_stride << neuron_step))]
            with m.Else():
                m.d.sync += [
                    rows_left.eq(rows), columns_left.eq(columns_left - 1),
                    tap.address.eq(next_column["address"]), tap.neuron.eq(next_column["neuron"]),
                    column_address.eq(next_column["address"]), column_neuron.eq(next_column["neuron"]),
                ]

    def _range(self, m: Module, axis: Axis, words: Value) -> tuple[Value, Value, Value, Value]:
        """`golden.synapse.esu.surviving` of one dimension, three cycles after the request: taps minus one, whether
        there is none, and of the first one the words and the neurons that lead to it."""
        layer, bits = self.held.layer, len(axis.anchor) + 1
        negative, distance = axis.anchor[-1], Signal(signed(bits), name=f"{axis.name}_distance")
        shift = Mux(negative == layer.dilated, layer.step, 0)
        large, small = Signal(bits, name=f"{axis.name}_large"), Signal(3, name=f"{axis.name}_small")
        tap, neuron = Signal(bits, name=f"{axis.name}_tap"), Signal(bits, name=f"{axis.name}_neuron")
        m.d.comb += [distance.eq(Mux(negative, axis.anchor, -axis.anchor)), large.eq(-(distance >> shift)),
                     small.eq(distance[:3] & ((Const(1, 4) << shift) - 1))]
        m.d.sync += [tap.eq(Mux(negative, large, small)), neuron.eq(Mux(negative, small, large))]

        taps_left, neurons_left = axis.kernel - tap, axis.size - neuron
        tap_steps = taps_left[:KERNEL_BITS] >> Mux(layer.dilated, 0, layer.step)
        neuron_steps = neurons_left[:len(axis.size)] >> Mux(layer.dilated, layer.step, 0)
        count, none = Signal(KERNEL_BITS, name=f"{axis.name}_count"), Signal(name=f"{axis.name}_none")
        first_words, first_neurons = Signal.like(self.tap.address), Signal.like(self.tap.neuron)
        m.d.sync += [
            count.eq(Mux(neuron_steps < tap_steps, neuron_steps, tap_steps)),
            none.eq((taps_left < 0) | (neurons_left < 0)),
            first_words.eq(tap[:KERNEL_BITS] * words), first_neurons.eq(neuron[:len(axis.size)] * axis.stride),
        ]
        return count, none, first_words, first_neurons
