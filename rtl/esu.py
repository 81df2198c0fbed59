"""The event-to-synapse unit: one event in, its word operations out."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import layouts
from rtl.esu_range import Range, add
from rtl.ports import ReadPort, op_layout
from rtl.words import struct

PHASES = 4


def value_layout(config: CoreConfig) -> data.StructLayout:
    """The fields of a VALUE event that matter within a core."""
    event = struct(layouts(config).event)
    return data.StructLayout({name: event[name].shape for name in ("v", "c", "y", "x", "id")})


class Esu(wiring.Component):
    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "event": In(stream.Signature(value_layout(config))),
            "descriptor": Out(ReadPort(config)),
            "edges": In(config.edge_bits + 1),
            "op": Out(stream.Signature(op_layout(config))),
            "busy": Out(1),
            "unknown_id": Out(1),
            "unknown_channel": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        lay = layouts(config)
        m = Module()
        state_bits, weight_bits = config.address_bits + 1, config.weight_address_bits
        lane_bits = config.lane_bits
        most = (1 << config.step_bits) - 1

        phase = [Signal(name=f"phase_{n}", init=int(n == PHASES - 1)) for n in range(PHASES)]
        phase_code = Signal(2, init=PHASES - 1)
        step, advance = Signal(), Signal()
        load = Signal()

        # -- event buffer ----------------------------------------------------------------------
        event_shape = value_layout(config)
        buffer, buffer_valid = Signal(event_shape), Signal()
        take = Signal()
        m.d.comb += self.event.ready.eq(~buffer_valid)
        with m.If(~buffer_valid):
            m.d.sync += [buffer.eq(self.event.payload), buffer_valid.eq(self.event.valid)]
        with m.If(advance):
            m.d.sync += buffer_valid.eq(~buffer_valid & self.event.valid)
        known_id = Signal()
        m.d.comb += [known_id.eq(buffer.id < self.edges), take.eq(advance & buffer_valid & known_id)]
        m.d.sync += self.unknown_id.eq(advance & buffer_valid & ~known_id)

        # -- fetch -----------------------------------------------------------------------------
        fetch_valid, fetch_read, held, table_done = Signal(), Signal(), Signal(), Signal()
        fetch = Signal(event_shape)
        geometry, kernel = Signal(struct(lay.edge_geometry)), Signal(struct(lay.edge_kernel))
        depth_words, source_channels = Signal.like(kernel.depth_words), Signal.like(kernel.source_channels)
        table_read, got_geometry, got_kernel, got_table = Signal(), Signal(), Signal(), Signal()
        port = self.descriptor
        accepted = port.valid & port.ready
        with m.If(advance):
            m.d.sync += [fetch_valid.eq(take), fetch_read.eq(take)]
        with m.If(take):
            m.d.sync += [fetch.eq(buffer), held.eq(1)]
            with m.If(held & (fetch.id == buffer.id) & ~geometry.table):
                m.d.sync += fetch_read.eq(0)
        with m.If(~self.busy):
            m.d.sync += held.eq(0)
        m.d.comb += [
            table_read.eq(phase[3] & fetch_valid & geometry.table & ~table_done),
            port.valid.eq((fetch_read & (phase[0] | phase[1])) | table_read),
            port.address.eq(Mux(phase[3], kernel.weight_base + fetch.c, Cat(phase[1], fetch.id))),
        ]
        m.d.sync += [
            got_geometry.eq(accepted & phase[0]), got_kernel.eq(accepted & phase[1]),
            got_table.eq(accepted & phase[3]), table_done.eq((table_done | (accepted & phase[3])) & ~advance),
        ]
        with m.If(got_geometry):
            m.d.sync += geometry.eq(port.data[:lay.edge_geometry.bits])
        with m.If(got_kernel | got_table):
            m.d.sync += kernel.eq(port.data[:lay.edge_kernel.bits])
        with m.If(got_kernel):
            word = data.View(struct(lay.edge_kernel), port.data[:lay.edge_kernel.bits])
            m.d.sync += [depth_words.eq(word.depth_words), source_channels.eq(word.source_channels)]
        unknown_channel = Signal()
        m.d.comb += unknown_channel.eq(fetch.c > source_channels)
        m.d.sync += self.unknown_channel.eq(advance & fetch_valid & unknown_channel)

        # -- range -----------------------------------------------------------------------------
        m.submodules.range = ranges = Range(config)
        range_valid, range_event = Signal(), Signal(event_shape)
        range_geometry = Signal.like(geometry)
        range_kernel, y_stride = Signal.like(kernel), Signal(config.depth_word_bits)
        with m.If(advance):
            m.d.sync += [
                range_valid.eq(fetch_valid & ~unknown_channel), range_event.eq(fetch), range_geometry.eq(geometry),
            ]
        with m.If(step & phase[1]):
            m.d.sync += [range_kernel.eq(kernel), y_stride.eq(depth_words | range_geometry.pad)]
        m.d.comb += [
            ranges.enable.eq(step), ranges.second.eq(phase[1]), ranges.third.eq(phase[3]),
            ranges.x.eq(range_event.x), ranges.y.eq(range_event.y),
            ranges.step.eq(range_geometry.step), ranges.dilated.eq(range_geometry.dilated),
            ranges.kernel_width.eq(range_kernel.kernel_width), ranges.kernel_height.eq(range_kernel.kernel_height),
            ranges.width.eq(range_geometry.width), ranges.height.eq(range_geometry.height),
        ]
        # x is a phase ahead of y.
        neuron_x, tap_x = Signal.like(ranges.neuron), Signal.like(ranges.tap)
        none_x = Signal()
        with m.If(step):
            m.d.sync += [neuron_x.eq(ranges.neuron), tap_x.eq(ranges.tap), none_x.eq(ranges.none)]

        # -- addresses -------------------------------------------------------------------------
        a_valid, a_event = Signal(), Signal(event_shape)
        a_geometry, a_kernel, a_y_stride = Signal.like(geometry), Signal.like(kernel), Signal.like(y_stride)
        a_neuron_x, a_neuron_y = Signal.like(ranges.neuron), Signal.like(ranges.neuron)
        a_tap_x, a_tap_y = Signal.like(ranges.tap), Signal.like(ranges.tap)
        a_count_x, a_count_y = Signal.like(ranges.count), Signal.like(ranges.count)
        with m.If(advance):
            m.d.sync += [
                a_valid.eq(range_valid), a_event.eq(range_event), a_count_x.eq(ranges.count),
                a_geometry.eq(range_geometry), a_kernel.eq(range_kernel), a_y_stride.eq(y_stride),
                a_neuron_x.eq(neuron_x), a_neuron_y.eq(ranges.neuron), a_tap_x.eq(tap_x), a_tap_y.eq(ranges.tap),
            ]
        with m.If(step & phase[0]):
            m.d.sync += a_count_y.eq(ranges.count)
            with m.If(none_x | ranges.none):
                m.d.sync += a_valid.eq(0)
        position_bytes = Signal(config.depth_word_bits + lane_bits)
        m.d.comb += position_bytes.eq(Mux(a_geometry.follow, 1, a_kernel.depth_words << lane_bits))

        def digits(arriving: Value, held: Value, bits: int, count: int, overlap: int, name: str) -> Signal:
            """In phase n the n-th of `count` groups of `bits` bits of a value, most significant first, with `overlap` bits.

            Registered, so chosen a phase ahead: the first group is taken from what arrives, before it is held.
            """
            result = Signal(bits + overlap, name=name)
            with m.If(step):
                with m.Switch(phase_code):
                    for n in range(count):
                        source = arriving if n == 0 else held
                        padded = Cat(Const(0, overlap), source, Const(0, bits * count))
                        with m.Case((n - 1) % PHASES):
                            m.d.sync += result.eq(padded[(count - 1 - n) * bits:][:bits + overlap])
                    if count < PHASES:
                        with m.Default():
                            m.d.sync += result.eq(0)
            return result

        def horner(terms: list[tuple[Value, Value, Value]], per_phase: int, width: int, name: str) -> Value:
            """The sum of products after four phases: valid in the last one."""
            accumulator = Signal(width, name=f"{name}_accumulator")
            total: Value = (accumulator << per_phase)[:width]
            for index, (arriving, held, early, multiplicand) in enumerate(terms):
                if early is not None:
                    triple = Signal(len(multiplicand) + 2, name=f"{name}_triple_{index}")
                    with m.If(advance):
                        m.d.sync += triple.eq(add(early, early << 1, Const(0, 1), len(triple)))
                digit = digits(arriving, held, per_phase, PHASES, 0, f"{name}_digit_{index}")
                for n in range(0, per_phase, 1 if early is None else 2):
                    if early is not None and n + 1 < per_phase:
                        row = Mux(digit[n + 1], Mux(digit[n], triple, multiplicand << 1), Mux(digit[n], multiplicand, 0))
                    else:
                        row = multiplicand & digit[n].replicate(len(multiplicand))
                    total = add(total, Cat(Const(0, n), row, Const(0, width))[:width], Const(0, 1), width)
            result = Signal(width, name=f"{name}_sum")
            m.d.comb += result.eq(total)
            with m.If(step):
                m.d.sync += accumulator.eq(result)
            with m.If(advance):
                m.d.sync += accumulator.eq(0)
            return result

        neuron_digits, tap_digits = -(-config.coordinate_bits // PHASES), -(-config.kernel_bits // PHASES)
        state_sum = horner([(~neuron_x, ~a_neuron_x, range_geometry.x_stride, a_geometry.x_stride),
                             (~ranges.neuron, ~a_neuron_y, y_stride, a_y_stride)], neuron_digits, state_bits,
                           "state")
        tap_sum = horner([(~tap_x, ~a_tap_x, None, a_kernel.weight_x_step), (~ranges.tap, ~a_tap_y, None, position_bytes)],
                         tap_digits, weight_bits, "tap")

        # Source channel times weight stride: radix 4, digits of -2 .. 2 (Booth), done before the last phase.
        stride = Cat(a_kernel.weight_stride_low, a_geometry.weight_stride_high)
        per_phase = -(-(config.channel_bits // 2 + 1) // (PHASES - 1))
        group = digits(range_event.c, a_event.c, 2 * per_phase, PHASES - 1, 1, "channel_digits")
        channel_sum = Signal(weight_bits)
        total: Value = (channel_sum << (2 * per_phase))[:weight_bits]
        for n in reversed(range(per_phase)):
            digit = group[2 * n:][:3]
            one, two = digit[0] ^ digit[1], (digit == 0b100) | (digit == 0b011)
            row = Mux(one, stride, 0) | Mux(two, stride << 1, 0)
            row = (Cat(row, Const(0, weight_bits))[:weight_bits] ^ digit[2].replicate(weight_bits))
            row = Cat(digit[2].replicate(2 * n), row)[:weight_bits]
            total = add(total, row, digit[2], weight_bits)
        with m.If(step & ~phase[3]):
            m.d.sync += channel_sum.eq(total)
        with m.If(advance | a_geometry.table):
            m.d.sync += channel_sum.eq(0)

        base = Signal(state_bits)
        first_channel = Mux(a_geometry.follow, a_event.c, Mux(a_geometry.table, a_kernel.source_channels, 0))
        m.d.sync += base.eq(add(a_geometry.state_base, first_channel[lane_bits:], Const(0, 1), state_bits))

        # -- start of the next event, waiting --------------------------------------------------
        next_shape = data.StructLayout({
            "state": state_bits, "state_base": state_bits, "state_x": state_bits, "state_y": state_bits,
            "weight": weight_bits, "weight_base": weight_bits, "weight_x": weight_bits, "weight_y": weight_bits,
            "count_x": config.kernel_bits, "count_y": config.kernel_bits, "last_x": 1, "last_y": 1,
            "words": config.depth_word_bits, "one_word": 1, "first_lane": lane_bits, "last_lane": lane_bits,
            "follow": 1, "max": 1, "shift": config.product_shift_bits, "v": event_shape["v"].shape,
        })
        start, start_valid = Signal(next_shape, name="start"), Signal()
        g, k = a_geometry, a_kernel
        neuron_step, tap_step = Mux(g.dilated, g.step, 0), Mux(g.dilated, 0, g.step)
        m.d.sync += start_valid.eq((start_valid & ~load) | (advance & a_valid))
        with m.If(advance & a_valid):
            m.d.sync += [
                start.state.eq(state_sum), start.state_base.eq(base),
                start.state_x.eq(g.x_stride << neuron_step), start.state_y.eq(a_y_stride << neuron_step),
                start.weight.eq(tap_sum + channel_sum),
                start.weight_base.eq(k.weight_base << config.byte_bits),
                start.weight_x.eq(k.weight_x_step << tap_step), start.weight_y.eq(position_bytes << tap_step),
                start.count_x.eq(a_count_x), start.last_x.eq(a_count_x == 0),
                start.count_y.eq(a_count_y), start.last_y.eq(a_count_y == 0),
                start.words.eq(k.depth_words), start.one_word.eq(g.follow | (k.depth_words == 1)),
                start.first_lane.eq(first_channel[:lane_bits]),
                start.last_lane.eq(Mux(g.follow, a_event.c, k.last_lane)),
                start.follow.eq(g.follow), start.max.eq(g.max), start.shift.eq(g.shift), start.v.eq(a_event.v),
            ]

        # -- iteration -------------------------------------------------------------------------
        valid = Signal()
        now = Signal(next_shape)  # what stays for the whole event
        flags_init = dict(init=1)
        last_word, last_y, last_x = Signal(**flags_init), Signal(**flags_init), Signal(**flags_init)
        first_word = Signal()
        words = Signal(config.depth_word_bits)
        left_x, left_y = Signal(config.kernel_bits), Signal(config.kernel_bits)
        enable, mode = Signal(), Signal(2, init=3)
        with m.If(~valid | self.op.ready):
            m.d.sync += valid.eq(~mode.all() | start_valid)
        m.d.comb += [
            load.eq((~valid | self.op.ready) & mode.all() & start_valid),
            enable.eq((~valid | self.op.ready) & (~mode.all() | start_valid)),
        ]

        def walk(bits: int, word: int, y: Value, x: Value, partial: Value, rest: Value, name: str) -> Value:
            """An address that steps by words, rows and columns; each step starts from the last of its own kind."""
            at, row, column = (Signal(bits, name=f"{name}_{part}") for part in ("address", "row", "column"))
            # Kept as a signal, synthesis needs two LUTs a bit: this choice, and that of b with the sum.
            a, b = Signal(bits, attrs={"keep": 1}), Signal(bits)
            with m.Switch(mode):
                with m.Case(0):
                    m.d.comb += [a.eq(at), b.eq(0 if word == 1 else word)]
                with m.Case(1):
                    m.d.comb += [a.eq(row), b.eq(y)]
                with m.Case(2):
                    m.d.comb += [a.eq(column), b.eq(x)]
                with m.Case(3):
                    m.d.comb += [a.eq(partial), b.eq(rest)]
            total = Signal(bits, name=f"{name}_next")
            m.d.comb += total.eq(add(a, b, (mode == 0) if word == 1 else Const(0, 1), bits))
            with m.If(enable):
                m.d.sync += at.eq(total)
                with m.If(mode != 0):
                    m.d.sync += row.eq(total)
                with m.If(mode[1]):
                    m.d.sync += column.eq(total)
            return at

        state_address = walk(state_bits, 1, now.state_y, now.state_x, start.state, start.state_base, "state")
        weight_address = walk(weight_bits, config.lanes, now.weight_y, now.weight_x, start.weight, start.weight_base,
                              "weight")
        next_word, next_y, next_x = Signal(), Signal(), Signal()
        m.d.comb += [next_y.eq(last_y), next_x.eq(last_x)]
        with m.Switch(mode):
            with m.Case(0):
                m.d.comb += next_word.eq(words == 2)
            with m.Case(1):
                m.d.comb += [next_word.eq(now.one_word), next_y.eq(left_y == 1)]
            with m.Case(2):
                m.d.comb += [next_word.eq(now.one_word), next_y.eq(now.last_y), next_x.eq(left_x == 1)]
            with m.Case(3):
                m.d.comb += [next_word.eq(start.one_word), next_y.eq(start.last_y), next_x.eq(start.last_x)]
        with m.If(enable):
            m.d.sync += [first_word.eq(last_word), last_word.eq(next_word), last_y.eq(next_y), last_x.eq(next_x),
                         mode.eq(Cat(next_word & (~next_y | next_x), next_word & next_y))]
            with m.Switch(mode):
                with m.Case(0):
                    m.d.sync += words.eq(words - 1)
                with m.Case(1):
                    m.d.sync += [words.eq(now.words), left_y.eq(left_y - 1)]
                with m.Case(2):
                    m.d.sync += [words.eq(now.words), left_y.eq(now.count_y), left_x.eq(left_x - 1)]
                with m.Case(3):
                    m.d.sync += [words.eq(start.words), left_y.eq(start.count_y), left_x.eq(start.count_x)]
        with m.If(load):
            m.d.sync += now.eq(start)

        op = self.op.payload
        m.d.comb += [
            self.op.valid.eq(valid), op.state_address.eq(state_address), op.weight_address.eq(weight_address),
            op.broadcast.eq(now.follow), op.max.eq(now.max), op.shift.eq(now.shift), op.v.eq(now.v),
        ]
        for lane in range(config.lanes):
            m.d.comb += op.mask[lane].eq((~first_word | (now.first_lane <= lane))
                                         & (~last_word | (now.last_lane >= lane)))

        # -- control ---------------------------------------------------------------------------
        pending = fetch_valid | range_valid | a_valid
        wait_start = a_valid & start_valid & ~load
        m.d.comb += [
            step.eq(~(
                ((phase[0] | phase[1]) & fetch_read & ~port.ready)
                | (phase[3] & ((table_read & ~port.ready) | wait_start | ~(buffer_valid | pending)))
            )),
            advance.eq(phase[3] & step),
            self.busy.eq(buffer_valid | pending | start_valid | valid),
        ]
        with m.If(step):
            m.d.sync += [Cat(phase).eq(Cat(phase[-1], *phase[:-1])), phase_code.eq(phase_code + 1)]
        return m
