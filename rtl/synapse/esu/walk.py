"""The event-to-synapse unit: one event in, its word operations out."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import connect, flipped

from golden.config import CoreConfig
from golden.timing.microarchitecture import ESU_LATENCY, PHASES
from golden.words import EdgeKind, layouts
from rtl.arithmetic import add
from rtl.ports import value_layout
from rtl.synapse.esu.descriptor import DescriptorFetch, kernel_layout
from rtl.synapse.esu.products import Beat, Products, begin_walk
from rtl.synapse.esu.range import Range
from rtl.synapse.esu.short import ShortStages
from rtl.synapse.interface import Decoder
from rtl.words import struct


class Esu(Decoder):
    """Expands value events into the word operations of all their synapses: x outermost, then y, then channel words.

    Bamberg et al., arXiv 2112.07019, section 4.3. Beyond the paper: strides to 8, dilation, depthwise kernels, a
    descriptor shared by all source channels, and no cycle for a position without a synapse. See docs/architecture.md.

    Ports: see `rtl.synapse.interface.Decoder`. `descriptor` reads edge, geometry and table words; those of the edges
    lie behind the populations' words. Addresses of operations that overflow wrap.

    A pipeline of four stages: descriptor, range of x and y, start addresses, and the walk through the operations. The
    first three go in step, in beats of four phases of a cycle each. The last phase lasts longer while the edge word is
    not there, and while the walk is busy and the place before it is taken; phase 1, while geometry or table word of the
    event in the range stage are not there.

    Throughput: one operation per cycle. An event takes as many cycles as it has operations, but at least four on
    average; a short one hides behind a long one before it. With the descriptor port always ready there is no bubble
    between events of four or more operations, whatever their IDs and kinds, tables included. Events of one ID without
    a table read nothing. Of another event the reads may wait one cycle for nothing, each further one lengthens
    a beat by one; with a table, the first one, too. An event that is dropped or has no operation takes a beat.
    With `short_events` an event of the same ID with a 1×1 kernel, not of a table, takes one cycle (`ShortStages`).
    Latency: 15 cycles from an event taken by the idle unit to its first operation offered.
    Back-pressure: `op` waits at any time, and only clock enables depend on its `ready`, through three gates: it should
    be a register. `descriptor.ready` may come last in a cycle. `op` and what is read depend on registers
    only, and so does `event.ready`, but with `short_events` on `op.ready`, too.
    """

    latency = ESU_LATENCY

    def __init__(self, config: CoreConfig):
        super().__init__(config)
        # What the walk needs to know of an event.
        address, weight = config.address_bits + 1, config.weight_address_bits
        self._start_layout = data.StructLayout({
            "state": address, "state_base": address, "state_x": address, "state_y": address,
            "weight": weight, "weight_base": weight, "weight_x": weight, "weight_y": weight,
            "columns": config.kernel_bits, "rows": config.kernel_bits, "one_column": 1, "one_row": 1,
            "words": config.depth_word_bits, "one_word": 1,
            "first_lane": config.lane_bits, "last_lane": config.lane_bits,
            "depthwise": 1, "max": 1, "shift": config.product_shift_bits, "v": value_layout(config)["v"].shape,
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        phase = Signal(PHASES, init=1 << (PHASES - 1))
        phase_code = Signal(range(PHASES), init=PHASES - 1)
        step, known, advance = Signal(name="step"), Signal(name="known"), Signal(name="advance")
        begin = Signal(name="begin")
        self._beat = beat = Beat(phase, phase_code, step, known, advance)

        m.submodules.fetch = fetch = DescriptorFetch(self.config)
        connect(m, flipped(self.event), fetch.event)
        connect(m, fetch.descriptor, flipped(self.descriptor))
        m.d.comb += [
            fetch.edges.eq(self.edges), fetch.populations.eq(self.populations),
            fetch.idle.eq(~self.busy), self.unknown_id.eq(fetch.unknown_id),
            self.decoded.eq(fetch.decoded), self.population.eq(fetch.population),
        ]

        start, start_valid = Signal(self._start_layout, name="start"), Signal(name="start_valid")
        self._walk_ends, self._walk_moves = Signal(name="next_event", init=1), Signal(name="moves", attrs={"keep": 1})
        self._walk(m, start, start_valid, begin)

        # Kept, so that synthesis does not make it of `begin`, which comes late, as many enables depend on it.
        full, last = Signal(name="full", attrs={"keep": 1}), Signal(name="last")
        m.d.comb += full.eq(last & start_valid & ~(self._walk_ends & self._walk_moves))
        # Something is here. Exact in phase 3, but with `short_events` a beat may begin that nothing is in any more.
        going, pending = Signal(name="going"), Signal(name="pending")
        m.d.sync += going.eq(pending | self.event.valid)
        m.d.comb += self.busy.eq(pending | start_valid | self.op.valid)
        if self.config.short_events:
            stages = ShortStages(self.config, beat, fetch, self.good if self.config.guard_states else None)
            stages.build(m, start, last & (~start_valid | begin))
            m.d.comb += [
                advance.eq(phase[-1] & step), fetch.advance.eq(step & (stages.enters | ~fetch.present)),
                step.eq(~(full | (phase[1] & stages.awaited & fetch.late) | (phase[-1] & (~going | fetch.missing)))),
                last.eq(stages.valid[-1]), pending.eq(fetch.pending | Cat(stages.valid).any()),
                self.unknown_channel.eq(stages.refused | stages.beyond),
            ]
            m.d.sync += start_valid.eq((start_valid & ~begin) | (step & last))
        else:
            # Pulses for an event that is dropped: for its channel or kind; later, for channel words that no state has.
            self._refused, self._beyond = Signal(name="refused"), Signal(name="beyond")
            in_range, starting = Signal(name="in_range"), Signal(name="starting")
            self._addresses(m, fetch, in_range, starting, start, phase[-1] & (~start_valid | begin))
            m.d.comb += [
                advance.eq(phase[-1] & going & ~fetch.missing & ~full), fetch.advance.eq(advance),
                step.eq(advance | ~(phase[-1] | (phase[1] & fetch.late))), known.eq(phase[1] & ~fetch.late),
                last.eq(starting), pending.eq(fetch.pending | in_range | starting),
                self.unknown_channel.eq(self._refused | self._beyond),
            ]
            m.d.sync += start_valid.eq((start_valid & ~begin) | (advance & starting))
        with m.If(step):
            m.d.sync += [phase.eq(phase.rotate_left(1)), phase_code.eq(phase_code + 1)]
        return m

    # -- range and start addresses -----------------------------------------------------------------

    def _addresses(self, m: Module, fetch: DescriptorFetch, in_range: Signal, starting: Signal, start: Value,
                   free: Value) -> None:
        """The second and third beat of an event, to `start`; the stages are valid with `in_range` and `starting`.

        `free`: the last phase, and `start` may be overwritten. It comes earlier than the end of the beat.
        """
        config, words = self.config, layouts(self.config)
        phase, known, step, advance = self._beat.phase, self._beat.known, self._beat.step, self._beat.advance
        products = Products(config, self._beat)
        shapes = (("event", value_layout(config)), ("edge", struct(words.edge)), ("geometry", struct(words.geometry)),
                  ("kernel", kernel_layout(config)), ("last_lane", config.lane_bits))

        # Second beat. All but event and edge word comes late, as a table word does.
        event, edge, geometry, kernel, last_lane = (Signal(shape, name=f"range_{name}") for name, shape in shapes)
        y_stride = Signal(config.depth_word_bits)
        position_bytes = Signal(config.channel_bits)
        # What the range begins with: x, a phase later y.
        anchor = Signal(signed(config.offset_bits), name="anchor")
        with m.If(step):
            m.d.sync += anchor.eq(Mux(phase[0], event.y, fetch.taken.x))
        with m.If(advance):
            m.d.sync += [in_range.eq(fetch.present), event.eq(fetch.taken), edge.eq(fetch.edge)]
        refused = (event.c > edge.source_channels) | (edge.kind == EdgeKind.EXTENDED)
        if config.guard_states:
            refused = refused | ~self.good.bit_select(edge.population, 1)
        m.d.sync += self._refused.eq(known & in_range & refused)
        with m.If(known):
            with m.If(refused):
                m.d.sync += in_range.eq(0)
            m.d.sync += [
                geometry.eq(fetch.geometry), kernel.eq(fetch.kernel), last_lane.eq(fetch.depth.last_lane),
                y_stride.eq(fetch.geometry.depth_words | fetch.geometry.pad),
            ]
        column_bytes = products.column_bytes(m, fetch, edge.kind[1], kernel.kernel_height, position_bytes)
        m.submodules.range = ranges = Range(config)
        m.d.comb += [
            ranges.enable.eq(step), ranges.third.eq(phase[3]), ranges.anchor.eq(anchor),
            ranges.step.eq(edge.step), ranges.dilated.eq(edge.dilated),
            ranges.kernel_width.eq(kernel.kernel_width), ranges.kernel_height.eq(kernel.kernel_height),
            ranges.width.eq(geometry.width), ranges.height.eq(geometry.height),
        ]
        # x is a phase ahead of y.
        neuron_x = Signal.like(ranges.neuron)
        tap_x = Signal.like(ranges.tap)
        none_x = Signal()
        with m.If(step):
            m.d.sync += [neuron_x.eq(ranges.neuron), tap_x.eq(ranges.tap), none_x.eq(ranges.none)]

        # Third beat.
        old_event, old_edge, old_geometry, old_kernel, old_last_lane = (
            Signal(shape, name=f"start_{name}") for name, shape in shapes)
        old_y_stride = Signal.like(y_stride)
        old_position_bytes = Signal.like(position_bytes)
        old_column_bytes = Signal.like(column_bytes)
        columns, rows = Signal(config.kernel_bits, name="columns"), Signal(config.kernel_bits, name="rows")
        with m.If(advance):
            m.d.sync += [
                starting.eq(in_range), old_event.eq(event), old_edge.eq(edge), old_geometry.eq(geometry),
                old_kernel.eq(kernel), old_last_lane.eq(last_lane), old_y_stride.eq(y_stride),
                old_position_bytes.eq(position_bytes), old_column_bytes.eq(column_bytes), columns.eq(ranges.count),
            ]
        with m.If(phase[0]):
            m.d.sync += rows.eq(ranges.count)
            with m.If(none_x | ranges.none):
                m.d.sync += starting.eq(0)
        first = Mux(old_edge.kind[1], old_event.c, Mux(old_edge.kind[0], old_kernel.last[:config.channel_bits], 0))
        if config.guard_states:
            words_of, there = old_position_bytes[config.lane_bits:], old_geometry.depth_words
            needed = first[config.lane_bits:] + Mux(old_edge.kind[1], 1, words_of)
            outside = starting & ((needed > there) | (~old_edge.kind[1] & (words_of == 0)))
            m.d.sync += self._beyond.eq(phase[0] & outside)
            with m.If(phase[0] & outside):
                m.d.sync += starting.eq(0)

        neuron = [(neuron_x, geometry.x_stride, old_geometry.x_stride), (ranges.neuron, y_stride, old_y_stride)]
        tap = [(tap_x, None, old_column_bytes), (ranges.tap, None, old_position_bytes)]
        state = products.sums(m, neuron, config.address_bits + 1, "neuron")
        weight = products.sums(m, tap, config.weight_address_bits, "tap")
        weight_stride = old_kernel.last[:config.weight_stride_bits]
        channel = products.of_channel(m, event.c, weight_stride, old_edge.kind[0])

        state_base = Signal(config.address_bits + 1)
        m.d.sync += state_base.eq(add(old_geometry.state_base, first[config.lane_bits:], Const(0, 1), len(state_base)))

        steps = products.steps(
            m, (old_geometry.x_stride, old_y_stride, old_column_bytes, old_position_bytes),
            old_edge.step, old_edge.dilated)
        with m.If(free):
            begin_walk(m, start, config, state=state, state_base=state_base, weight=weight, channel=channel,
                       steps=steps, counts=(columns, rows), first=first, c=old_event.c, v=old_event.v,
                       last_lane=old_last_lane, position_bytes=old_position_bytes, edge=old_edge,
                       geometry=old_geometry, kernel=old_kernel)

    # -- the walk ----------------------------------------------------------------------------------

    def _walk(self, m: Module, start: Value, start_valid: Value, begin: Signal) -> None:
        """Operation by operation: words, then rows, then columns. `begin` takes `start` when it is valid.

        `mode` says what comes after the operation offered: 0 the next word, 1 row, 2 column, 3 event. It is a register,
        as are the flags it is made from, so that an address is just one choice and one adder away.
        """
        config = self.config
        valid, now = Signal(name="valid"), Signal(self._start_layout, name="now")
        mode = Signal(2, init=3)
        # Mode 3, in a register of its own, as the enables of three stages wait for it, and few other things.
        next_event = self._walk_ends
        taken, enable = Signal(name="taken"), Signal(name="enable")
        m.d.comb += [
            self._walk_moves.eq(~valid | self.op.ready), taken.eq(~valid | self.op.ready),
            begin.eq(taken & next_event & start_valid), enable.eq(taken & (~next_event | start_valid)),
        ]
        with m.If(taken):
            m.d.sync += valid.eq(~next_event | start_valid)
        with m.If(begin):
            m.d.sync += now.eq(start)

        def address(bits: int, word: int, row_step: Value, column_step: Value, first: Value, base: Value,
                    name: str) -> Signal:
            """A row goes on from where the last row began, a column likewise; a word is `word` further."""
            at, row, column, following = (
                Signal(bits, name=f"{name}_{part}") for part in ("at", "row", "column", "next"))
            # Kept, so that synthesis shares the choice of the addend with the sum and not with this one: 2 LUTs a bit.
            origin, addend = Signal(bits, name=f"{name}_from", attrs={"keep": 1}), Signal(bits, name=f"{name}_addend")
            carry = Signal(name=f"{name}_carry")
            m.d.comb += following.eq(add(origin, addend, carry, bits))
            with m.Switch(mode):
                with m.Case(0):
                    m.d.comb += [origin.eq(at), carry.eq(word == 1), addend.eq(0 if word == 1 else word)]
                with m.Case(1):
                    m.d.comb += [origin.eq(row), addend.eq(row_step)]
                with m.Case(2):
                    m.d.comb += [origin.eq(column), addend.eq(column_step)]
                with m.Case(3):
                    m.d.comb += [origin.eq(first), addend.eq(base)]
            with m.If(enable):
                m.d.sync += at.eq(following)
                with m.If(mode.any()):
                    m.d.sync += row.eq(following)
                with m.If(mode[1]):
                    m.d.sync += column.eq(following)
            return at

        def less(value: Value, unchanged: Value) -> Value:
            """One less, or unchanged."""
            return add(Const(-1, len(value)), value, unchanged, len(value))

        # What is left: words of the position with the one offered; rows and columns without.
        words = Signal.like(start.words)
        rows = Signal.like(start.rows)
        columns = Signal.like(start.columns)
        first_word, last_word, last_row, last_column = (Signal(name=name, init=1) for name in (
            "first_word", "last_word", "last_row", "last_column"))
        ends_word, ends_row, ends_column = Signal(name="ends_word"), Signal(name="ends_row"), Signal(name="ends_column")
        m.d.comb += [ends_word.eq(now.one_word), ends_row.eq(last_row), ends_column.eq(last_column)]
        with m.Switch(mode):
            with m.Case(0):
                m.d.comb += ends_word.eq(words == 2)
            with m.Case(1):
                m.d.comb += ends_row.eq(rows == 1)
            with m.Case(2):
                m.d.comb += [ends_row.eq(now.one_row), ends_column.eq(columns == 1)]
            with m.Case(3):
                m.d.comb += [ends_word.eq(start.one_word), ends_row.eq(start.one_row), ends_column.eq(start.one_column)]
        with m.If(enable):
            m.d.sync += [
                first_word.eq(last_word), last_word.eq(ends_word), last_row.eq(ends_row), last_column.eq(ends_column),
                mode.eq(Cat(ends_word & (~ends_row | ends_column), ends_word & ends_row)),
                next_event.eq(ends_word & ends_row & ends_column),
                words.eq(less(Mux(last_word, Mux(next_event, start.words, now.words), words), last_word)),
            ]
            with m.If(last_word):
                m.d.sync += rows.eq(less(Mux(mode[1], Mux(mode[0], start.rows, now.rows), rows), mode[1]))
            with m.If(mode[1]):
                m.d.sync += columns.eq(less(Mux(mode[0], start.columns, columns), mode[0]))

        op = self.op.payload
        m.d.comb += [
            self.op.valid.eq(valid), op.broadcast.eq(now.depthwise), op.max.eq(now.max), op.shift.eq(now.shift),
            op.v.eq(now.v),
            op.state_address.eq(address(len(op.state_address), 1, now.state_y, now.state_x,
                                        start.state, start.state_base, "state")),
            op.weight_address.eq(address(len(op.weight_address), config.lanes, now.weight_y, now.weight_x,
                                         start.weight, start.weight_base, "weight")),
        ]
        for lane in range(config.lanes):
            m.d.comb += op.mask[lane].eq((~first_word | (now.first_lane <= lane))
                                         & (~last_word | (now.last_lane >= lane)))
