"""The ESU's range and start addresses with `short_events`: an event in every cycle, if its kernel is 1×1."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from golden.config import CoreConfig
from golden.timing.microarchitecture import PHASES
from golden.words import EdgeKind, layouts
from rtl.arithmetic import add
from rtl.ports import value_layout
from rtl.synapse.esu.descriptor import DescriptorFetch, depth_layout, kernel_layout
from rtl.synapse.esu.products import Beat, Products, begin_walk
from rtl.synapse.esu.range import Range
from rtl.words import struct


class ShortStages:
    """Eight stages of a step each, four of the range and four of the addresses, each four with a descriptor of its own.

    An event that needs another descriptor, or whose kernel has several taps, enters at the end of a beat, and only when
    the stages of the range are empty: a leader. So it moves through them in the phases of a beat, and its descriptor
    moves on with it. An event that the words of the event before serve as they are, and whose kernel is 1×1, follows
    at the end of any phase. It has no taps to count and no tap to add, and its y needs no division with a remainder: so
    it does without the units that x and y share.

    Attributes:
        valid: of the stages. enters: the event in `fetch`, if there is one, enters at the end of the phase.
        awaited: the leader's kernel and sizes are not taken over yet.
        refused, beyond: pulses, an event has been dropped: for its channel or kind; later, for channel words that no
            state has.
    """

    def __init__(self, config: CoreConfig, beat: Beat, fetch: DescriptorFetch, good: Value | None):
        self.config, self.beat, self.fetch, self.good = config, beat, fetch, good
        value = value_layout(config)
        self.valid = [Signal(name=f"valid_{n}") for n in range(2 * PHASES)]
        self.channel = [Signal(value["c"].shape, name=f"c_{n}") for n in range(2 * PHASES)]
        self.value = [Signal(value["v"].shape, name=f"v_{n}") for n in range(2 * PHASES)]
        self.enters, self.awaited = Signal(name="enters"), Signal(name="awaited")
        self.refused, self.beyond = Signal(name="refused"), Signal(name="beyond")
        words = layouts(config)
        shapes = (("edge", struct(words.edge)), ("geometry", struct(words.geometry)), ("kernel", kernel_layout(config)),
                  ("last_lane", depth_layout(config)["last_lane"].shape), ("y_stride", config.depth_word_bits),
                  ("position_bytes", config.channel_bits), ("single", 1))
        # Descriptors of the range and of the addresses; `single`: of a kernel of one tap.
        self.new, self.old = (
            [Signal(shape, name=f"{stage}_{name}") for name, shape in shapes] for stage in ("range", "start"))
        (self.edge, self.geometry, self.kernel, self.last_lane, self.y_stride, self.position_bytes,
         self.single) = self.new

    def build(self, m: Module, start: Value, free: Value) -> None:
        """All of the stages, to `start`, which is written while `free`."""
        beat, fetch, valid = self.beat, self.fetch, self.valid
        leads = fetch.present & ~fetch.follows
        m.d.comb += self.enters.eq(fetch.follows | (beat.phase[-1] & ~(valid[0] | valid[1] | valid[2])))
        # Taken over as soon as the words are there, as the reads of the event behind may come before the next step.
        m.d.comb += beat.known.eq(self.awaited & ~fetch.late)
        m.d.sync += self.awaited.eq((beat.advance & self.enters & leads) | (self.awaited & ~beat.known))
        with m.If(beat.advance & self.enters & leads):
            m.d.sync += [self.edge.eq(fetch.edge), self.single.eq(fetch.single)]
        with m.If(beat.known):
            m.d.sync += [
                self.geometry.eq(fetch.geometry), self.kernel.eq(fetch.kernel),
                self.last_lane.eq(fetch.depth.last_lane),
                self.y_stride.eq(fetch.geometry.depth_words | fetch.geometry.pad),
            ]
        old_edge, _, old_kernel, *_ = self.old
        old_column_bytes = Signal(self.config.kernel_bits + self.config.channel_bits, name="start_column_bytes")
        products = Products(self.config, beat)
        column_bytes = products.column_bytes(
            m, fetch, self.edge.kind[1], self.kernel.kernel_height, self.position_bytes)
        with m.If(beat.advance):
            m.d.sync += [register.eq(value) for register, value in zip(self.old, self.new, strict=True)]
            m.d.sync += old_column_bytes.eq(column_bytes)

        neuron, tap, counts, empty = self._range(m)
        first = [Mux(old_edge.kind[1], channel, Mux(old_edge.kind[0], old_kernel.last[:self.config.channel_bits], 0))
                 for channel in self.channel]
        self._move(m, empty, first[PHASES])
        self._starts(m, products, neuron, tap, counts, first, old_column_bytes, start, free)

    def _starts(self, m: Module, products: Products, neuron: list[Value], tap: list[Value], counts: list[Signal],
                first: list[Value], old_column_bytes: Value, start: Value, free: Value) -> None:
        """The start addresses, and what else the walk needs to know. `first`: first channel, by stage."""
        config, beat = self.config, self.beat
        old_edge, old_geometry, old_kernel, old_last_lane, old_y_stride, old_position_bytes, old_single = self.old
        state = products.pipelined_sums(m, [
            (neuron[0], self.geometry.x_stride, old_geometry.x_stride), (neuron[1], self.y_stride, old_y_stride),
        ], config.address_bits + 1, "neuron")
        weight = products.sums(m, [(tap[0], None, old_column_bytes), (tap[1], None, old_position_bytes)],
                               config.weight_address_bits, "tap")
        channel = products.pipelined_channel(
            m, self.channel[PHASES:-1], old_kernel.last[:config.weight_stride_bits], old_edge.kind[0])
        state_base = Signal(config.address_bits + 1)
        with m.If(beat.step):
            m.d.sync += state_base.eq(
                add(old_geometry.state_base, first[-2][config.lane_bits:], Const(0, 1), len(state_base)))
        steps = products.steps(
            m, (old_geometry.x_stride, old_y_stride, old_column_bytes, old_position_bytes),
            old_edge.step, old_edge.dilated)
        with m.If(free):
            begin_walk(m, start, config, state=state, state_base=state_base, weight=weight, channel=channel,
                       steps=steps, counts=counts, first=first[-1], c=self.channel[-1], v=self.value[-1],
                       last_lane=old_last_lane, position_bytes=old_position_bytes, edge=old_edge,
                       geometry=old_geometry, kernel=old_kernel)
            with m.If(old_single):
                m.d.sync += start.weight.eq(0)

    def _range(self, m: Module) -> tuple[list[Value], list[Value], list[Signal], Value]:
        """Neuron and tap of x and y, inverted, in the fourth stage; counts in the last; none survives, in the fifth."""
        config, beat, phase, fetch = self.config, self.beat, self.beat.phase, self.fetch
        single, old_single = self.single, self.old[-1]
        m.submodules.range = ranges = Range(config)
        y, anchor = Signal(signed(config.offset_bits), name="y"), Signal(signed(config.offset_bits), name="anchor")
        # What the range begins with: x, a phase later y of a leader of several taps.
        with m.If(beat.step):
            m.d.sync += [y.eq(fetch.taken.y), anchor.eq(Mux(phase[0] & ~single, y, fetch.taken.x))]
        m.d.comb += [
            ranges.enable.eq(beat.step), ranges.third.eq(phase[3] & ~single), ranges.anchor.eq(anchor),
            ranges.step.eq(self.edge.step), ranges.dilated.eq(self.edge.dilated),
            ranges.kernel_width.eq(self.kernel.kernel_width), ranges.kernel_height.eq(self.kernel.kernel_height),
            ranges.width.eq(self.geometry.width), ranges.height.eq(self.geometry.height),
        ]
        # x is a phase ahead of y.
        neuron_x, tap_x, none_x = Signal.like(ranges.neuron), Signal.like(ranges.tap), Signal()
        with m.If(beat.step):
            m.d.sync += [neuron_x.eq(ranges.neuron), tap_x.eq(ranges.tap), none_x.eq(ranges.none)]

        # y of a kernel of one tap: on the stride's phase and inside, or nothing.
        shift = Mux(self.edge.dilated, 0, self.edge.step)
        rows = [Signal(config.offset_bits, name=f"single_y_{n}") for n in range(1, PHASES)]
        out = [Signal(name=f"single_out_{n}") for n in range(1, PHASES + 1)]
        phases = (1 << config.step_bits) - 1
        with m.If(beat.step):
            m.d.sync += [
                Cat(rows).eq(Cat((y >> shift).as_unsigned()[:config.offset_bits], rows)),
                out[0].eq(y[-1] | (y[:phases] & ((1 << shift) - 1)).any()), Cat(out[1:-1]).eq(Cat(out)),
                out[-1].eq(out[-2] | (rows[-1] > self.geometry.height)),
            ]
        neuron_y = Mux(single, ~rows[-1], ranges.neuron)[:len(ranges.neuron)]

        columns, counts = Signal(config.kernel_bits, name="columns"), Signal(config.kernel_bits, name="rows")
        with m.If(beat.advance):
            m.d.sync += columns.eq(ranges.count)
            with m.If(single):
                m.d.sync += columns.eq(0)
        with m.If(phase[0]):
            m.d.sync += counts.eq(ranges.count)
            with m.If(old_single):
                m.d.sync += counts.eq(0)
        return ([neuron_x, neuron_y], [tap_x, ranges.tap], [columns, counts],
                none_x | Mux(old_single, out[-1], ranges.none))

    def _move(self, m: Module, empty: Value, first: Value) -> None:
        """Which stages hold an event, and its channel and value; `first`: its first channel, in the fifth stage."""
        config, beat, fetch, valid = self.config, self.beat, self.fetch, self.valid
        refused = (self.channel[1] > self.edge.source_channels) | (self.edge.kind == EdgeKind.EXTENDED)
        if self.good is not None:
            refused = refused | ~self.good.bit_select(self.edge.population, 1)
        outside: Value = Const(0, 1)
        if config.guard_states:
            old_edge, words_of = self.old[0], self.old[5][config.lane_bits:]
            needed = first[config.lane_bits:] + Mux(old_edge.kind[1], 1, words_of)
            outside = (needed > self.old[1].depth_words) | (~old_edge.kind[1] & (words_of == 0))
        m.d.sync += [
            self.refused.eq(beat.step & valid[1] & refused), self.beyond.eq(beat.step & valid[PHASES] & outside)]
        with m.If(beat.step):
            m.d.sync += [
                Cat(valid).eq(Cat(fetch.present & self.enters, valid)),
                Cat(self.channel).eq(Cat(fetch.taken.c, self.channel)),
                Cat(self.value).eq(Cat(fetch.taken.v, self.value)),
                valid[2].eq(valid[1] & ~refused), valid[PHASES + 1].eq(valid[PHASES] & ~empty & ~outside),
            ]
