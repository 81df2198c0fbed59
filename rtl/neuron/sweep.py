"""The encoder of spike times that goes through the times: all neurons of a word meet one threshold at once."""

from dataclasses import replace
from itertools import pairwise

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from golden import messages
from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel
from golden.neuron.types import built_types
from golden.ports import READ_LATENCY
from golden.rooms import NEURON_TYPES
from golden.words import layouts
from rtl.cim.evaluation import CimEvaluation
from rtl.neuron.evaluation import Evaluation, evaluation_ports
from rtl.ports import MemoryPort, command_layout, neuron_layout
from rtl.words import struct

WORDS = 8
"""State words that are asked for or wait."""


class _State:
    """Registers of a sweep, and what its parts tell each other within a cycle."""

    def __init__(self, config: CoreConfig):
        words, ab = layouts(config), config.address_bits
        wide = max(ab, config.channel_bits, config.axon_count_bits + 1) + 2
        self.word, self.second = Signal(struct(words.population)), Signal(struct(words.second_population))
        self.index = Signal(config.population_bits)
        self.axon_base = Signal(ab)
        self.parameters, self.states = Signal(wide), Signal(wide)
        """First parameter word, which wraps; first state word, which does not."""
        self.y_stride = Signal(config.depth_word_bits + 1)
        self.value = Signal(range(config.ttfs_times + 1))
        """T - t, of the time whose threshold is met."""
        self.current, self.previous = (Signal(signed(config.state_bits), name=name) for name in (
            "current", "previous"))
        self.first = Signal()
        """No threshold came before."""
        self.parameter_address, self.lane = Signal(wide), Signal(config.lane_bits)
        self.address, self.next_base = Signal(wide), Signal(wide)
        self.x, self.y = Signal(config.coordinate_bits), Signal(config.coordinate_bits)
        self.channel_word = Signal(config.depth_word_bits)
        self.last_channel = Signal(config.channel_bits)
        bias = layouts(config).parameter.field("bias").bits
        self.biases = Array(Signal(signed(bias), name=f"bias_{lane}") for lane in range(config.lanes))
        self.reserved, self.there = Signal(range(WORDS + 1)), Signal(range(WORDS + 1))
        """State words that are asked for or wait; and that wait."""
        self.begin_pass, self.begin_walk, self.step = Signal(), Signal(), Signal()
        self.ask, self.last, self.outside = Signal(), Signal(), Signal()
        """A state word is asked for; the one at `address` is the last one, or is not in the memory."""
        self.quiet = Signal()
        """No state word is on its way, and no spike."""
        self.pop = Signal()
        self.asks = {name: Signal(name=f"asks_{name}") for name in ("second", "threshold", "parameter")}
        self.comes = {name: Signal(name=f"comes_{name}") for name in ("second", "threshold", "parameter", "state")}
        self.spikes = Signal()


class Sweep(wiring.Component):
    """Evaluates populations whose neurons spike once, time by time: `golden.neuron.evaluation`, with `sweep`.

    At each time, from the first on, all state words are read in their order, `lanes` potentials are compared with the
    threshold of this time and of the one before, and those between the two spike. So spikes leave in the order of their
    times, and no register says who has spiked. In the end all states are cleared. A falling threshold that is compared
    time by time is T2FSNN's, on which Lew et al., arXiv 2208.04494, build; of their spike encoder only the name is
    public.

    Ports: as `rtl.neuron.evaluation.Evaluation`, without `table`: thresholds are read like states.

    Latency: about 8 cycles from a command to its first state word. Throughput: while memory and `neuron` do not wait, a
    state word per cycle without spikes, else a spike per cycle; each channel word takes one more cycle for each of its
    parameters, and each time about 12: T · (words + parameters + 12) + words cycles, if few spike.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(config))),
            "memory": Out(MemoryPort(config)),
            "neuron": Out(stream.Signature(neuron_layout(config))),
            "done": Out(1), "busy": Out(1),
            "evaluated": Out(struct(messages.evaluated(config))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, s = Module(), _State(self.config)
        self._control(m, s)
        self._walk(m, s)
        self._arrivals(m, s)
        self._compare(m, s)
        return m

    def _control(self, m: Module, s: _State) -> None:
        """What is read, and in which order."""
        config, memory, word = self.config, self.memory, s.word
        number = (s.value - 1) >> config.lane_bits
        m.d.comb += [self.busy.eq(1), s.last.eq(
            (s.y == word.height) & (s.x == word.width) & (s.channel_word == s.last_channel[config.lane_bits:]))]
        with m.FSM():
            self._begin(m, s)
            with m.State("threshold"):
                m.d.comb += [memory.valid.eq(1), s.asks["threshold"].eq(memory.ready),
                             memory.address.eq(word.base - config.threshold_words + number), s.begin_pass.eq(1)]
                with m.If(memory.ready):
                    m.next = "take threshold"
            with m.State("take threshold"):
                m.d.comb += s.begin_walk.eq(1)
                with m.If(s.comes["threshold"]):
                    m.next = "parameters"
            with m.State("parameters"):
                # The words of the channel word before still need its biases.
                top = Mux(s.channel_word == s.last_channel[config.lane_bits:], s.last_channel[:config.lane_bits],
                          config.lanes - 1)
                m.d.comb += [memory.valid.eq(s.reserved == 0), memory.address.eq(s.parameter_address),
                             s.asks["parameter"].eq(memory.valid & memory.ready)]
                with m.If(s.asks["parameter"]):
                    m.d.sync += [s.parameter_address.eq(s.parameter_address + 1), s.lane.eq(s.lane + 1)]
                    with m.If(word.uniform | (s.lane == top)):
                        m.d.sync += s.lane.eq(0)
                        m.next = "states"
            with m.State("states"):
                m.d.comb += [memory.valid.eq(~s.outside & (s.reserved != WORDS)),
                             memory.address.eq(s.address), s.ask.eq(memory.valid & memory.ready), s.step.eq(s.ask)]
                with m.If(s.outside):
                    m.next = "wait"
                with m.Elif(s.ask):
                    with m.If(s.last):
                        m.next = "wait"
                    with m.Elif((s.y == word.height) & (s.x == word.width) & ~word.uniform):
                        m.next = "parameters"
            self._end(m, s)
        m.d.comb += self.neuron.valid.eq(s.spikes | self.neuron.payload.end)

    def _begin(self, m: Module, s: _State) -> None:
        """From a command to the places of the population's words: the first states of the control."""
        config, memory, command, word = self.config, self.memory, self.command.payload, s.word
        place = Signal(name="placing")
        with m.State("idle"):
            m.d.comb += [self.busy.eq(0), self.command.ready.eq(1)]
            with m.If(self.command.valid):
                m.d.sync += [word.as_value().eq(command.word), s.index.eq(command.population),
                             s.second.as_value().eq(0), place.eq(0),
                             s.value.eq(config.ttfs_times), s.first.eq(1)]
                m.next = "place"
                with m.If(data.View(struct(layouts(config).population), command.word).extended):
                    m.next = "second"
        with m.State("second"):
            m.d.comb += [memory.valid.eq(1), memory.address.eq(word.base), s.asks["second"].eq(memory.ready)]
            with m.If(memory.ready):
                m.next = "take second"
        with m.State("take second"):
            with m.If(s.comes["second"]):
                m.d.sync += s.second.as_value().eq(memory.data)
                m.next = "place"
        with m.State("place"):
            # Axons, then parameters, then states: one after the other.
            axons = (word.base + word.extended)[:config.address_bits]
            depth = Mux(word.uniform, 1, word.depth)
            m.d.sync += [
                place.eq(1), s.axon_base.eq(axons), s.last_channel.eq(word.depth - 1),
                s.parameters.eq(word.base + word.extended + (word.axons << s.second.far_axons)),
                s.states.eq(Mux(s.second.apart, s.second.state_base, s.parameters + depth)),
                s.y_stride.eq((s.last_channel[config.lane_bits:] + 1) | word.pad)]
            with m.If(place):
                m.next = "threshold"
                with m.If(word.depth == 0):
                    m.next = "end"

    def _end(self, m: Module, s: _State) -> None:
        """From one time to the next, and behind the last one: its last states."""
        memory = self.memory
        with m.State("wait"):
            with m.If(s.quiet):
                m.d.sync += [s.value.eq(s.value - 1), s.first.eq(0)]
                m.next = "threshold"
                with m.If(s.value == 1):
                    m.d.comb += s.begin_walk.eq(1)
                    m.next = "clear"
        with m.State("clear"):
            m.d.comb += [memory.valid.eq(~s.outside), memory.write.eq(1), memory.address.eq(s.address),
                         s.step.eq(memory.valid & memory.ready)]
            with m.If(s.outside | (s.step & s.last)):
                m.next = "end"
        with m.State("end"):
            m.d.comb += self.neuron.payload.end.eq(1)
            with m.If(self.neuron.ready):
                m.d.comb += self.done.eq(1)
                m.next = "idle"

    def _walk(self, m: Module, s: _State) -> None:
        """The state words of the population: channel word, x, y."""
        m.d.comb += s.outside.eq(s.address[self.config.address_bits:].any())
        column, row = s.step & (s.y == s.word.height), Signal(name="row")
        m.d.comb += row.eq(column & (s.x == s.word.width))
        with m.If(s.step):
            m.d.sync += [s.address.eq(s.address + s.y_stride), s.y.eq(s.y + 1)]
        with m.If(column):
            m.d.sync += [s.y.eq(0), s.x.eq(s.x + 1)]
        with m.If(row):
            m.d.sync += [s.x.eq(0), s.channel_word.eq(s.channel_word + 1), s.next_base.eq(s.next_base + 1),
                         s.address.eq(s.next_base + 1)]
        with m.If(s.begin_walk):
            m.d.sync += [s.address.eq(s.states), s.next_base.eq(s.states), s.x.eq(0), s.y.eq(0),
                         s.channel_word.eq(0), s.lane.eq(0), s.parameter_address.eq(s.parameters)]

    def _arrivals(self, m: Module, s: _State) -> None:
        """What was asked for comes READ_LATENCY cycles later."""
        config, memory = self.config, self.memory
        for name, comes in s.comes.items():
            line = Signal(READ_LATENCY, name=f"line_{name}")
            m.d.sync += line.eq(Cat(s.ask if name == "state" else s.asks[name], line))
            m.d.comb += comes.eq(line[-1])
        arriving = Signal(config.lane_bits, name="arriving")
        parameter = data.View(struct(layouts(config).parameter), memory.data[:layouts(config).parameter.bits])
        lane = (s.value - 1)[:config.lane_bits]
        with m.If(s.comes["threshold"]):
            m.d.sync += [s.previous.eq(s.current), arriving.eq(0),
                         s.current.eq(memory.data.word_select(lane, config.state_bits).as_signed())]
        with m.If(s.comes["parameter"]):
            m.d.sync += arriving.eq(Mux(s.word.uniform | (arriving == config.lanes - 1), 0, arriving + 1))
            for lane_number, bias in enumerate(s.biases):
                with m.If(s.word.uniform | (arriving == lane_number)):
                    m.d.sync += bias.eq(parameter.bias)
        address = [s.address, *(Signal(config.address_bits, name=f"asked_{number}") for number in range(READ_LATENCY))]
        m.d.sync += [after.eq(before) for before, after in pairwise(address)]
        m.d.comb += [self.evaluated.valid.eq(s.comes["state"] & s.first), self.evaluated.address.eq(address[-1]),
                     self.evaluated.state.eq(memory.data)]

    def _compare(self, m: Module, s: _State) -> None:
        """Words that have come: potentials, then who spikes, then one spike per cycle."""
        config, lanes = self.config, self.config.lanes
        m.submodules.buffer = buffer = Memory(shape=config.word_bits, depth=WORDS, init=[])
        arrived, oldest = buffer.write_port(), buffer.read_port(domain="comb")
        potentials = [Signal(signed(config.state_bits + 2), name=f"potential_{lane}") for lane in range(lanes)]
        summed, moves = Signal(name="summed"), Signal(name="moves")
        spiking, left = Signal(lanes, name="spiking"), Signal(lanes, name="left")
        places = [data.StructLayout({"x": config.coordinate_bits, "y": config.coordinate_bits,
                                     "channel_word": config.depth_word_bits})] * 3
        next_place, sum_place, place = (Signal(layout, name=name) for layout, name in zip(
            places, ("next_place", "sum_place", "place"), strict=True))
        neuron = self.neuron
        m.d.comb += [
            arrived.en.eq(s.comes["state"]), arrived.data.eq(self.memory.data),
            left.eq(Mux(neuron.ready, spiking & (spiking - 1), spiking)), moves.eq(left == 0),
            s.pop.eq((s.there != 0) & (~summed | moves)), s.spikes.eq(spiking.any()),
            s.quiet.eq((s.reserved == 0) & ~summed & ~s.spikes),
        ]
        m.d.sync += [s.reserved.eq(s.reserved + s.ask - s.pop), s.there.eq(s.there + s.comes["state"] - s.pop),
                     spiking.eq(left)]
        with m.If(s.comes["state"]):
            m.d.sync += arrived.addr.eq(arrived.addr + 1)
        with m.If(summed & moves):
            m.d.sync += [summed.eq(0), place.eq(sum_place)]
            m.d.sync += [spiking[lane].eq(self._spikes(s, potential, sum_place.channel_word, lane))
                         for lane, potential in enumerate(potentials)]
        with m.If(s.pop):
            m.d.sync += [summed.eq(1), sum_place.eq(next_place), oldest.addr.eq(oldest.addr + 1)]
            m.d.sync += [potential.eq(oldest.data.word_select(lane, config.state_bits).as_signed() + s.biases[lane])
                         for lane, potential in enumerate(potentials)]
            m.d.sync += next_place.y.eq(next_place.y + 1)
            with m.If(next_place.y == s.word.height):
                m.d.sync += [next_place.y.eq(0), next_place.x.eq(next_place.x + 1)]
                with m.If(next_place.x == s.word.width):
                    m.d.sync += [next_place.x.eq(0), next_place.channel_word.eq(next_place.channel_word + 1)]
        with m.If(s.begin_pass):
            m.d.sync += next_place.as_value().eq(0)
        spike = neuron.payload
        m.d.comb += [
            spike.axon_base.eq(s.axon_base), spike.axons.eq(s.word.axons), spike.far.eq(s.second.far_axons),
            spike.population.eq(s.index)]
        with m.If(s.spikes):
            lane = Signal(config.lane_bits, name="lane")
            for number in reversed(range(lanes)):
                with m.If(spiking[number]):
                    m.d.comb += lane.eq(number)
            m.d.comb += [spike.x.eq(place.x), spike.y.eq(place.y), spike.c.eq(Cat(lane, place.channel_word)),
                         spike.v.eq(s.value)]

    def _spikes(self, s: _State, potential: Value, channel_word: Value, lane: int) -> Value:
        """Whether a potential lies between the two thresholds, of a lane that is a neuron."""
        last = s.last_channel
        beyond = (channel_word == last[self.config.lane_bits:]) & (lane > last[:self.config.lane_bits])
        return (potential >= s.current) & (s.first | (potential < s.previous)) & ~beyond


class SweepingEvaluation(wiring.Component):
    """The evaluation unit of a core with the `encoder` "sweep": `Sweep` beside the arithmetic of the other types.

    Ports: as `rtl.neuron.evaluation.Evaluation`.

    Latency, throughput and back-pressure: of the one of the two that the population goes to; one is at work at a time.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        types = built_types(config)
        self._swept = [code for code, model in types.items() if model.falling_threshold]
        others = [name for name in config.neuron_types if not NEURON_TYPES.load(name, NeuronModel).falling_threshold]
        self._others = Evaluation(replace(config, encoder="search", neuron_types=tuple(others)))
        super().__init__(evaluation_ports(config))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.others, m.submodules.sweep = others, sweep = self._others, Sweep(self.config)
        connect(m, others.table, flipped(self.table))
        word = data.View(struct(layouts(self.config).population), self.command.payload.word)
        swept = Cat(word.type == code for code in self._swept).any()
        both = others.command.ready & sweep.command.ready
        m.d.comb += self.command.ready.eq(both)
        for unit, chosen in ((others, ~swept), (sweep, swept)):
            m.d.comb += [unit.command.valid.eq(self.command.valid & both & chosen),
                         unit.command.payload.eq(self.command.payload),
                         unit.memory.data.eq(self.memory.data),
                         unit.memory.ready.eq(self.memory.ready), unit.neuron.ready.eq(self.neuron.ready)]
        # The words that are written come a cycle behind their addresses: those of a sweep are zeros.
        m.d.comb += [
            self.memory.valid.eq(Mux(sweep.busy, sweep.memory.valid, others.memory.valid)),
            self.memory.write.eq(Mux(sweep.busy, sweep.memory.write, others.memory.write)),
            self.memory.address.eq(Mux(sweep.busy, sweep.memory.address, others.memory.address)),
            self.memory.write_data.eq(Mux(sweep.busy, 0, others.memory.write_data)),
            self.neuron.valid.eq(Mux(sweep.busy, sweep.neuron.valid, others.neuron.valid)),
            self.neuron.payload.eq(Mux(sweep.busy, sweep.neuron.payload, others.neuron.payload)),
            self.done.eq(others.done | sweep.done),
            self.evaluated.eq(Mux(sweep.evaluated.valid, sweep.evaluated, others.evaluated)),
        ]
        return m


def evaluation_unit(config: CoreConfig) -> Evaluation | SweepingEvaluation | CimEvaluation:
    """The evaluation unit that a configuration asks for."""
    if config.update == "cim":
        return CimEvaluation(config)
    swept = config.encoder == "sweep" and any(model.falling_threshold for model in built_types(config).values())
    return SweepingEvaluation(config) if swept else Evaluation(config)
