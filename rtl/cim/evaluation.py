"""The evaluation of populations whose potentials are in the compute-in-memory array: spikes into neurons."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.words import NeuronType, layouts
from rtl.cim.ports import answer_layout, scan_layout
from rtl.neuron.evaluation import evaluation_ports
from rtl.ports import command_layout
from rtl.words import struct


class CimEvaluation(wiring.Component):
    """Has one population per command scanned by the update unit, and fires the neurons that spike.

    Neurons come in the order of columns of the map, rows, blocks, groups; each has the value 1. After the last one
    comes an `end` neuron. A population of another type than SPIKING, or without a depth, has no neurons.

    Ports:
        command, memory, table, neuron, done, evaluated: as `rtl.neuron.evaluation.Evaluation`. `memory` reads a second
            population word, `table` and `evaluated` are silent.
        scan: stream of populations to scan (`rtl.cim.ports.scan_layout`). answer: stream of the spikes of their
            operands.

    Latency: two cycles from an answer to its first neuron. Throughput: a group per cycle up to the last one of an
    operand that spikes, and two cycles more for each operand, while `neuron` does not wait.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__(evaluation_ports(config) | {
            "scan": Out(stream.Signature(scan_layout(config))), "answer": In(stream.Signature(answer_layout(config))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, neuron, answer = self.config, Module(), self.neuron, self.answer.payload
        table = layouts(config)
        command = Signal(command_layout(config), name="held", reset_less=True)
        word = data.View(struct(table.population), command.word)
        far = Signal(name="far")
        comes = Signal(READ_LATENCY, name="comes")
        x, y = Signal.like(word.width, name="x"), Signal.like(word.height, name="y")
        c, block = Signal(config.channel_bits, name="c"), Signal(config.channel_bits, name="block")
        spikes = Signal(config.cim_columns, name="spikes", reset_less=True)
        columns, groups = (Signal.like(answer[name], name=name, reset_less=True) for name in ("columns", "groups"))
        first, last = Signal(name="first", reset_less=True), Signal(name="last", reset_less=True)
        m.d.sync += comes.eq(comes << 1 | (self.memory.valid & self.memory.ready))
        m.d.comb += [
            self.scan.payload.population.eq(command.population), self.scan.payload.zero.eq(word.saturation[0]),
            self.scan.payload.width.eq(word.width), self.scan.payload.height.eq(word.height),
            self.memory.address.eq(word.base),
            neuron.payload.axon_base.eq(word.base + word.extended), neuron.payload.axons.eq(word.axons),
            neuron.payload.far.eq(far), neuron.payload.population.eq(command.population),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [command.eq(self.command.payload), far.eq(0), x.eq(0), y.eq(0), c.eq(0), block.eq(0)]
                with m.If(self.command.valid):
                    m.next = "second word"
            with m.State("second word"):
                m.d.comb += self.memory.valid.eq(word.extended)
                with m.If(~word.extended):
                    m.next = "scan"
                with m.Elif(self.memory.ready):
                    m.next = "comes"
            with m.State("comes"):
                m.d.sync += far.eq(data.View(
                    struct(table.second_population), self.memory.data[:table.second_population.bits]).far_axons)
                with m.If(comes[-1]):
                    m.next = "scan"
            with m.State("scan"):
                neurons = (word.type == NeuronType.SPIKING) & (word.depth != 0)
                m.d.comb += self.scan.valid.eq(neurons)
                with m.If(~neurons):
                    m.next = "end"
                with m.Elif(self.scan.ready):
                    m.next = "answer"
            with m.State("answer"):
                m.d.comb += self.answer.ready.eq(1)
                m.d.sync += [spikes.eq(answer.spikes), columns.eq(answer.columns), groups.eq(answer.groups),
                             last.eq(answer.last), first.eq(1), c.eq(block)]
                # The column of the first group comes first.
                base = Signal.like(answer.base, name="base", reset_less=True)
                m.d.sync += base.eq(answer.base)
                with m.If(self.answer.valid):
                    m.next = "walk"
            with m.State("walk"):
                m.d.comb += [
                    neuron.valid.eq(~first & spikes[0]), neuron.payload.x.eq(x), neuron.payload.y.eq(y),
                    neuron.payload.c.eq(c), neuron.payload.v.eq(1),
                ]
                with m.If(~neuron.valid | neuron.ready):
                    m.d.sync += [spikes.eq(spikes >> Mux(first, base, columns + 1)), first.eq(0), c.eq(c + ~first)]
                with m.If(~spikes.any()):
                    m.next = "answer"
                    m.d.sync += block.eq(block + groups + 1)
                    with m.If(last):
                        m.d.sync += [block.eq(0), y.eq(y + 1)]
                        with m.If(y == word.height):
                            m.d.sync += [y.eq(0), x.eq(x + 1)]
                            with m.If(x == word.width):
                                m.next = "end"
            with m.State("end"):
                m.d.comb += [neuron.valid.eq(1), neuron.payload.end.eq(1), self.done.eq(neuron.ready)]
                with m.If(neuron.ready):
                    m.next = "idle"
        return m
