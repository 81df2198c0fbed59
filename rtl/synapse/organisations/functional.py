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
    and four. The same in a walk back, of the source channels one after the other.
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
        next_left, x_step, y_step, last = (columns_left - 1, x.stride << neuron_step, y.stride << neuron_step,
                                           (rows_left == 0) & (columns_left == 0))
        if self.sizes.learning:
            tap_step, x_step, y_step = (Mux(self.backward, back, forward) for back, forward in (
                (0, tap_step), (-x_step, x_step), (-y_step, y_step)))
        next_column = {"address": column_address + (layer.column_words << tap_step), "neuron": column_neuron + x_step}
        first = {"address": base + column_words + row_words, "neuron": column_neurons + row_neurons}
        if self.sizes.learning:
            # Behind the last column of a walk back: the first one of the next source channel.
            source, turns = self._sources(m, begin, first), columns_left == 0
            next_column = {name: Mux(turns, source[name], next_column[name]) for name in first}
            next_left, last = Mux(turns, columns, next_left), last & (source["left"] == 0)
        m.d.comb += [self.checked.eq(1), tap.last.eq(~tap.inside | last)]
        with m.If(begin):
            m.d.sync += [
                self.there.eq(1), tap.inside.eq(~(no_column | no_row)), columns_left.eq(columns), rows_left.eq(rows),
                tap.address.eq(first["address"]), tap.neuron.eq(first["neuron"]),
                column_address.eq(first["address"]), column_neuron.eq(first["neuron"]),
            ]
        with m.Elif(self.next):
            m.d.sync += self.there.eq(~self.step.end)
            with m.If(rows_left != 0):
                m.d.sync += [rows_left.eq(rows_left - 1), tap.address.eq(tap.address + (layer.tap_words << tap_step)),
                             tap.neuron.eq(tap.neuron + y_step)]
            with m.Else():
                m.d.sync += [
                    rows_left.eq(rows), columns_left.eq(next_left),
                    tap.address.eq(next_column["address"]), tap.neuron.eq(next_column["neuron"]),
                    column_address.eq(next_column["address"]), column_neuron.eq(next_column["neuron"]),
                ]
                if self.sizes.learning:
                    with m.If(turns):
                        m.d.sync += [source["begin"].eq(source["address"]), source["first"].eq(source["neuron"]),
                                     source["left"].eq(source["left"] - 1)]

    def _sources(self, m: Module, begin: Value, first: dict[str, Value]) -> dict[str, Value]:
        """Of the first tap in a source channel: where it is in this one, and in the next; how many are left."""
        layer = self.held.layer
        left, begins, neurons = (Signal.like(signal, name=f"source_{name}") for name, signal in (
            ("left", layer.sources), ("address", self.tap.address), ("neuron", self.tap.neuron)))
        with m.If(begin):
            m.d.sync += [left.eq(Mux(self.backward, layer.sources, 0)), begins.eq(first["address"]),
                         neurons.eq(first["neuron"])]
        return {"left": left, "begin": begins, "first": neurons, "address": begins + layer.source_words,
                "neuron": neurons + 1}

    def _range(self, m: Module, axis: Axis, words: Value) -> tuple[Value, Value, Value, Value]:
        """`golden.synapse.esu.surviving` of one dimension, three cycles after the request: taps minus one, whether
        there is none, and of the first one the words and the neurons that lead to it."""
        layer, bits, learning = self.held.layer, len(axis.origin) + 1, self.sizes.learning
        negative, distance = axis.anchor[-1], Signal(signed(bits), name=f"{axis.name}_distance")
        shift, tap_step = Mux(negative == layer.dilated, layer.step, 0), Mux(layer.dilated, 0, layer.step)
        large, small = Signal(bits, name=f"{axis.name}_large"), Signal(3, name=f"{axis.name}_small")
        tap, neuron = Signal(bits, name=f"{axis.name}_tap"), Signal(
            signed(bits) if learning else bits, name=f"{axis.name}_neuron")
        far, taps_first, neurons_first = (Mux(negative, *pair) for pair in (
            (axis.anchor, -axis.anchor), (large, small), (small, large)))
        if learning:
            # The way back: the first tap whose source is not behind the last one, and how far that is before it.
            beyond = axis.origin - axis.size
            behind, back_step = beyond > 0, Mux(layer.dilated, layer.step, 0)
            shift, tap_step, far, taps_first, neurons_first = (Mux(self.backward, *pair) for pair in (
                (back_step, shift), (0, tap_step), (-beyond, far), (Mux(behind, large, 0), taps_first),
                (Mux(behind, axis.size - small, axis.origin), neurons_first)))
        m.d.comb += [distance.eq(far), large.eq(-(distance >> shift)),
                     small.eq(distance[:3] & ((Const(1, 4) << shift) - 1))]
        m.d.sync += [tap.eq(taps_first), neuron.eq(neurons_first)]

        taps_left, neurons_left = axis.kernel - tap, axis.size - neuron
        if learning:
            neurons_left = Mux(self.backward, neuron, neurons_left)
        tap_steps = taps_left[:KERNEL_BITS] >> tap_step
        neuron_steps = neurons_left[:len(axis.size)] >> Mux(layer.dilated, layer.step, 0)
        count, none = Signal(KERNEL_BITS, name=f"{axis.name}_count"), Signal(name=f"{axis.name}_none")
        first_words, first_neurons = Signal.like(self.tap.address), Signal.like(self.tap.neuron)
        m.d.sync += [
            count.eq(Mux(neuron_steps < tap_steps, neuron_steps, tap_steps)),
            none.eq((taps_left < 0) | (neurons_left < 0)),
            first_words.eq(tap[:KERNEL_BITS] * words), first_neurons.eq(neuron[:len(axis.size)] * axis.stride),
        ]
        return count, none, first_words, first_neurons
