"""The evaluation unit: at the end of a timestep the states of a population become values, and neurons fire."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden import messages
from golden.config import CoreConfig
from golden.neuron.types import built_types
from golden.words import layouts
from rtl.neuron.fire import Fire
from rtl.neuron.lookup import Lookup
from rtl.neuron.places import SkippingFire
from rtl.neuron.reading import StateReader
from rtl.neuron.requantize import Requantize
from rtl.neuron.skipping import SkippingReader
from rtl.neuron.state_writer import StateWriter
from rtl.neuron.thresholds import ThresholdReader
from rtl.neuron.types import reads_thresholds
from rtl.ports import MemoryPort, ReadPort, WritePort, command_layout, neuron_layout
from rtl.words import struct


def evaluation_ports(config: CoreConfig) -> dict[str, wiring.Member]:
    """The ports that every evaluation unit has: see `Evaluation`."""
    return {
        "command": In(stream.Signature(command_layout(config))),
        "memory": Out(MemoryPort(config)), "table": Out(ReadPort(config)),
        "neuron": Out(stream.Signature(neuron_layout(config))),
        "done": Out(1),
        "evaluated": Out(struct(messages.evaluated(config))),
    }


class Evaluation(wiring.Component):
    """Evaluates one population per command and fires its neurons.

    Each state word is read (`StateReader`), its neurons are evaluated (`Requantize`), and it is cleared, or if their
    type keeps states written with those (`StateWriter`). With saturation TABLE each value is looked up (`Lookup`).
    Neurons with a value other than 0 are sent (`Fire`), and after the last one an `end` neuron. Order: channel word, x,
    y, lane. The rule follows Bamberg et al., arXiv 2112.07019, section 4.2; types and requantization are this project's
    (docs/architecture.md).

    Ports:
        command: stream of populations to evaluate (`golden.messages.command`).
        memory: parameters and states are read, states written, one access at a time.
        table: value tables and thresholds are read. `valid` of both ports depends on registers only, and
            their `ready` decides only on registers of the port.
        neuron: stream of firing neurons (`golden.messages.neuron`). done: pulses as the `end` neuron is taken.
        evaluated: each state word as it is read: {valid, address, state}; for verification.

    Bounded whatever the population word says: the evaluation ends at the first state word that is not in the memory,
    so it reads no word twice. With S state words, at most the memory's, it takes S · lanes · max(1, axon words) cycles,
    and those in which memory or the PEG's queues refuse; see `golden.timing.cycles`.

    Latency: five cycles from a command to its first access, four more with a second population word; four from there to
    the evaluation of the word's first lane, and 15 from there to its neuron.
    Throughput: one neuron per cycle while memory and `neuron` do not wait, of every type and with a table, from one
    channel word to the next. Memory bounds it where a channel word has few neurons: two accesses per state word and one
    per parameter word. Lanes beyond the depth cost no cycle.
    Back-pressure: neurons that are not taken stop the pipeline when the results behind it are full, and the reading
    some words later. Values that are 0 wait for nothing.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__(evaluation_ports(config)
                         | ({"stores": Out(WritePort(config))} if config.skip_silent else {}))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        m.submodules.reader = reader = (SkippingReader if config.skip_silent else StateReader)(config)
        m.submodules.writer = writer = StateWriter(config)
        m.submodules.requantize = requantize = Requantize(config)
        m.submodules.lookup = lookup = Lookup(config)
        m.submodules.fire = fire = (SkippingFire if config.skip_silent else Fire)(config)
        connect(m, flipped(self.command), reader.command)
        connect(m, reader.memory, flipped(self.memory))
        if not reads_thresholds(config):
            connect(m, lookup.table, flipped(self.table))
        connect(m, lookup.result, fire.result)
        if isinstance(reader, SkippingReader) and isinstance(fire, SkippingFire):
            connect(m, reader.stores, flipped(self.stores))
            m.d.comb += [fire.tested.eq(reader.tested), fire.passes.eq(reader.passes), reader.walked.eq(fire.walked)]
        population, word = reader.population, reader.population.word

        # What is in each stage of the arithmetic: a neuron, and whether it is the last of its word, or the end.
        stages = requantize.stages
        advance, evaluating, last, ending = (
            Signal(shape, name=name) for shape, name in (
                (1, "advance"), (stages, "evaluating"), (stages, "last"), (stages, "ending")))
        with m.If(advance):
            m.d.sync += [evaluating.eq(Cat(reader.take, evaluating)), last.eq(Cat(reader.last, last)),
                         ending.eq(Cat(reader.ended, ending))]
        ready = lookup.ready
        if reads_thresholds(config):
            # The sum waits for the thresholds. So does the end, lest those of the next population come among them.
            ready = ready & ~(self._thresholds(m, lookup, requantize) & (evaluating[1] | ending[1]))
        m.d.comb += [
            # A kept state waits for the word before it to be written, and the end for every word.
            advance.eq(ready & ~(evaluating[-1] & writer.waits) & ~(ending[-1] & writer.pending)),
            reader.take.eq(reader.there & advance), reader.end.eq(advance), reader.done.eq(self.done),
            requantize.advance.eq(advance), requantize.type.eq(word.type), requantize.saturation.eq(word.saturation),
            requantize.state.eq(reader.state), requantize.parameter.eq(reader.parameter),
            requantize.second.eq(reader.second),
            writer.neuron.eq(evaluating[-1] & advance & self._collected(m, reader, advance, stages)),
            writer.state.eq(requantize.kept), writer.last.eq(last[-1]), *self._writes(reader, writer),
            lookup.valid.eq((evaluating[-1] | ending[-1]) & advance), lookup.value.eq(requantize.value),
            lookup.last.eq(last[-1]), lookup.end.eq(ending[-1]), lookup.looks_up.eq(population.looks_up),
            lookup.base.eq(word.base), self.evaluated.eq(reader.evaluated),
        ]

        neuron, sent = self.neuron, fire.fired.payload
        m.d.comb += [
            fire.width.eq(word.width), fire.height.eq(word.height),
            neuron.valid.eq(fire.fired.valid), fire.fired.ready.eq(neuron.ready),
            *(neuron.payload[name].eq(sent[name]) for name, _ in sent.shape()),
            neuron.payload.axon_base.eq(population.axon_base), neuron.payload.axons.eq(word.axons),
            neuron.payload.far.eq(population.far), neuron.payload.population.eq(population.index),
            self.done.eq(neuron.valid & neuron.ready & sent.end),
        ]
        return m

    def _thresholds(self, m: Module, lookup: Lookup, requantize: Requantize) -> Value:
        """Thresholds come over the port of the value tables; returns whether a population still waits for some.

        The port is free: no population is taken before the last value of the one before is looked up.
        """
        m.submodules.thresholds = thresholds = ThresholdReader(self.config)
        word = data.View(struct(layouts(self.config).population), self.command.payload.word)
        codes = [code for code, model in built_types(self.config).items() if model.falling_threshold]
        ports = (lookup.table, thresholds.table)
        m.d.comb += [
            thresholds.begins.eq(
                self.command.valid & self.command.ready & Cat(word.type == code for code in codes).any()),
            thresholds.base.eq(word.base), requantize.loads.eq(thresholds.loads),
            self.table.valid.eq(Cat(port.valid for port in ports).any()),
            self.table.address.eq(Mux(thresholds.table.valid, thresholds.table.address, lookup.table.address)),
            *(port.ready.eq(self.table.ready) for port in ports), *(port.data.eq(self.table.data) for port in ports),
        ]
        return thresholds.busy

    def _collected(self, m: Module, reader: StateReader, advance: Value, stages: int) -> Value:
        """Whether the state of the neuron in the last stage goes into a word that the writer makes."""
        if not isinstance(reader, SkippingReader):
            return reader.population.keeps
        collected = Signal(stages, name="collected")
        with m.If(advance):
            m.d.sync += collected.eq(Cat(reader.collects, collected))
        return collected[-1]

    def _writes(self, reader: StateReader, writer: StateWriter) -> list[Any]:
        """How the words that the writer makes get to the memory."""
        if isinstance(reader, SkippingReader):
            return [
                writer.read.eq(reader.collect), writer.address.eq(reader.collect_address),
                reader.word_valid.eq(writer.write), reader.word_address.eq(writer.write_address),
                reader.word.eq(writer.write_data), writer.granted.eq(reader.word_granted),
            ]
        return [
            writer.read.eq(reader.read), writer.address.eq(reader.address),
            reader.write.eq(writer.write), reader.write_address.eq(writer.write_address),
            reader.write_data.eq(writer.write_data), writer.granted.eq(reader.granted),
        ]
