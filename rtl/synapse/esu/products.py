"""The ESU's products: multiplications spread over the phases of a beat."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value

from golden.config import CoreConfig
from golden.timing.microarchitecture import PHASES
from rtl.arithmetic import add, booth_row
from rtl.synapse.esu.descriptor import DescriptorFetch


@dataclass(frozen=True)
class Beat:
    """The beat of the ESU's stages."""

    phase: Signal
    """One-hot."""
    code: Signal
    """The phase's number."""
    step: Signal
    """The phase ends."""
    known: Signal
    """The descriptor's words are there: the end of phase 1, or with `short_events` a cycle of phase 0 or 1."""
    advance: Signal
    """The last phase ends."""


def begin_walk(
    m: Module, start: Value, config: CoreConfig, *, state: Value, state_base: Value, weight: Value, channel: Value,
    steps: Sequence[Value], counts: Sequence[Value], first: Value, c: Value, v: Value, last_lane: Value,
    position_bytes: Value, edge: Value, geometry: Value, kernel: Value,
) -> None:
    """Sets all that the walk needs to know of an event, in the `m.If` that it is called in.

    Args:
        state, state_base, weight, channel: addresses, and the bytes of the channel's weights before its kernel.
        steps: of state and weight, x before y. counts: columns and rows, each minus one.
        first: first channel. c, v: of the event. last_lane, position_bytes, edge, geometry, kernel: its descriptor.
    """
    state_x, state_y, weight_x, weight_y = steps
    columns, rows = counts
    depth_words = position_bytes[config.lane_bits:]
    m.d.sync += [
        start.state.eq(state), start.state_base.eq(state_base), start.weight.eq(weight),
        start.weight_base.eq(add(channel, kernel.weight_base << config.byte_bits, Const(0, 1),
                                 len(start.weight_base))),
        start.state_x.eq(state_x), start.state_y.eq(state_y), start.weight_x.eq(weight_x), start.weight_y.eq(weight_y),
        start.columns.eq(columns), start.one_column.eq(columns == 0), start.rows.eq(rows), start.one_row.eq(rows == 0),
        start.words.eq(depth_words), start.one_word.eq(edge.kind[1] | (depth_words == 1)),
        start.first_lane.eq(first[:config.lane_bits]),
        start.last_lane.eq(Mux(edge.kind[1], c[:config.lane_bits], last_lane)),
        start.depthwise.eq(edge.kind[1]), start.max.eq(geometry.max), start.shift.eq(edge.shift), start.v.eq(v),
    ]


@dataclass(frozen=True)
class Products:
    """Makes the multipliers. Operands are held for a beat, but for those of `pipelined_*`: one event in every step."""

    config: CoreConfig
    beat: Beat

    def column_bytes(self, m: Module, fetch: DescriptorFetch, depthwise: Value, kernel_height: Value,
                     position_bytes: Signal) -> Value:
        """Bytes from one kernel column's weights to the next's: kernel height times `position_bytes`.

        Sets `position_bytes` when the words are known; the result is valid two cycles later. A kernel height is stored
        minus one, and Booth's digits add that one for nothing: it is the carry into the lowest.
        """
        config, width = self.config, self.config.kernel_bits + self.config.channel_bits
        rows = -(-config.kernel_bits // 2)
        # A register that is only set or cleared where a value is loaded: no gate before it.
        highest = Signal.like(position_bytes)
        with m.If(self.beat.known):
            loaded = fetch.depth.depth_words << config.lane_bits
            m.d.sync += [position_bytes.eq(loaded), highest.eq(loaded)]
            with m.If(depthwise):
                m.d.sync += [position_bytes.eq(1), highest.eq(1)]
            with m.If(~Cat(fetch.kernel.kernel_height, Const(0, 1))[2 * rows - 1]):
                m.d.sync += highest.eq(0)
        digits = Cat(Const(1, 1), kernel_height, Const(0, 2))
        total: Value = highest
        for n in reversed(range(rows)):
            bits = min(width, config.channel_bits + 2 * (rows - n))
            total = Cat(Const(0, 2), total, Const(0, 2))[:bits]
            total = booth_row(total, position_bytes, digits[2 * n:][:3], bits)
            if n == rows // 2:
                earlier = Signal(bits, name="column_bytes_high")
                m.d.sync += earlier.eq(total)
                total = earlier
        return total

    def _digits(self, m: Module, arriving: Value, bits: int, count: int, name: str, *, overlap: int = 0,
                inverted: bool = False) -> Signal:
        """In phase n the n-th of `count` groups of `bits` bits, highest first, with `overlap` bits of the next.

        `arriving` is valid at the end of the beat before, perhaps `inverted`. The groups are registered, so that
        choosing one takes no time.
        """
        held, result = Signal.like(arriving, name=f"{name}_held"), Signal(bits + overlap, name=name)
        with m.If(self.beat.advance):
            m.d.sync += held.eq(arriving)
        with m.If(self.beat.step), m.Switch(self.beat.code):
            for n in range(PHASES):
                source = arriving if n == 0 else held
                padded = Cat(Const(0, overlap), ~source if inverted else source, Const(0, bits * count))
                with m.Case((n - 1) % PHASES):
                    m.d.sync += result.eq(padded[(count - 1 - n) * bits:][:bits + overlap] if n < count else 0)
        return result

    def sums(self, m: Module, terms: list[tuple[Value, Value | None, Value]], width: int, name: str) -> Value:
        """Sum of products by Horner's rule over a beat; valid in its last phase.

        Each term is an inverted multiplier that arrives, the multiplicand in the beat before or None, and the
        multiplicand. With the one before, two bits of the multiplier cost one adder, which chooses from 0 to 3 times.
        """
        bits = -(-max(len(multiplier) for multiplier, _, _ in terms) // PHASES)
        total, accumulator = Signal(width, name=f"{name}_total"), Signal(width, name=f"{name}_accumulator")
        partial: Value = Cat(Const(0, bits), accumulator)[:width]
        for index, (multiplier, before, multiplicand) in enumerate(terms):
            digit = self._digits(m, multiplier, bits, PHASES, f"{name}_digit_{index}", inverted=True)
            triple = None if before is None else self._triple(m, before, f"{name}_triple_{index}")
            for row in self._rows(digit, multiplicand, triple):
                partial = add(partial, row, Const(0, 1), width)
        m.d.comb += total.eq(partial)
        # The last sum goes on at once, so that the accumulator is cleared without losing a phase.
        with m.If(self.beat.step):
            m.d.sync += accumulator.eq(total)
        with m.If(self.beat.advance):
            m.d.sync += accumulator.eq(0)
        return total

    def _triple(self, m: Module, before: Value, name: str) -> Signal:
        """Three times what is a multiplicand in the next beat."""
        triple = Signal(len(before) + 2, name=name)
        with m.If(self.beat.advance):
            m.d.sync += triple.eq(add(before, Cat(Const(0, 1), before), Const(0, 1), len(triple)))
        return triple

    def _rows(self, digit: Value, multiplicand: Value, triple: Signal | None) -> list[Value]:
        """What digit times multiplicand is the sum of: a row for two of its bits with a `triple`, else for one."""
        rows: list[Value] = []
        low = 0
        while triple is not None and low + 1 < len(digit):
            row = Mux(digit[low + 1], Mux(digit[low], triple, Cat(Const(0, 1), multiplicand)),
                      Mux(digit[low], multiplicand, 0))
            rows.append(Cat(Const(0, low), row))
            low += 2
        return rows + [Cat(Const(0, bit), multiplicand & digit[bit].replicate(len(multiplicand)))
                       for bit in range(low, len(digit))]

    def pipelined_sums(self, m: Module, terms: list[tuple[Value, Value, Value]], width: int, name: str) -> Value:
        """`sums` of an event in every step, whose multipliers arrive a stage before; valid in its fourth stage.

        A digit of a stage is a fixed one, so its sum needs no more bits than the later shifts leave of it.
        """
        bits = -(-max(len(multiplier) for multiplier, _, _ in terms) // PHASES)
        triples = [self._triple(m, before, f"{name}_triple_{index}") for index, (_, before, _) in enumerate(terms)]
        multipliers: list[Value] = [~multiplier for multiplier, _, _ in terms]
        total: Value | None = None
        for n in range(PHASES):
            left = bits * (PHASES - n)
            held = [Signal(min(left, len(value)), name=f"{name}_multiplier_{index}_{n}")
                    for index, value in enumerate(multipliers)]
            partial, narrow = Signal(width, name=f"{name}_partial_{n}"), max(1, width - left + bits)
            with m.If(self.beat.step):
                m.d.sync += [register.eq(value) for register, value in zip(held, multipliers, strict=True)]
                m.d.sync += partial.eq(0 if total is None else total)
            total = Cat(Const(0, bits), partial)[:narrow] if n else None
            for value, triple, (_, _, multiplicand) in zip(held, triples, terms, strict=True):
                for row in self._rows(Cat(value, Const(0, left))[left - bits:left], multiplicand, triple):
                    total = Cat(row, Const(0, narrow))[:narrow] if total is None else add(
                        total, Cat(row, Const(0, narrow))[:narrow], Const(0, 1), narrow)
            multipliers = list(held)
        assert total is not None
        return total

    def pipelined_channel(self, m: Module, channels: list[Signal], stride: Value, table: Value) -> Signal:
        """`of_channel` of an event in every step: its channel in each of three stages; ready in the fourth."""
        width, stages = self.config.weight_address_bits, PHASES - 1
        per_stage = -(-(len(channels[0]) // 2 + 1) // stages)
        total = Signal(1, name="channel_none")
        for n, channel in enumerate(channels):
            left = 2 * per_stage * (stages - 1 - n)
            narrow = max(1, width - left)
            digits = Cat(Const(0, 1), channel, Const(0, 2 * per_stage * stages))[left:]
            partial: Value = Cat(Const(0, 2 * per_stage), total, Const(0, narrow))[:narrow]
            for k in reversed(range(per_stage)):
                partial = booth_row(partial, stride, digits[2 * k:][:3], narrow, 2 * k)
            total = Signal(narrow, name=f"channel_accumulator_{n}")
            with m.If(self.beat.step):
                m.d.sync += total.eq(partial)
                with m.If(table):
                    m.d.sync += total.eq(0)
        return total

    def steps(self, m: Module, values: tuple[Value, ...], step: Value, dilated: Value) -> list[Value]:
        """The walk's steps for four strides, a phase each: neurons are apart if dilated, taps if not."""
        plain, shifted = (Signal(self.config.weight_address_bits, name=name) for name in ("plain_step", "shifted_step"))
        earlier = [Signal.like(shifted, name=f"shifted_step_{n}") for n in range(PHASES - 1)]
        shift = Signal(self.config.step_bits)
        with m.Switch(self.beat.code):
            for n, value in enumerate(values):
                with m.Case(n):
                    m.d.comb += plain.eq(value)
        m.d.comb += [shift.eq(Mux(dilated == self.beat.code[1], 0, step)), shifted.eq(plain << shift)]
        with m.If(self.beat.step):
            m.d.sync += Cat(earlier).eq(Cat(shifted, earlier))
        return [*reversed(earlier), shifted]

    def of_channel(self, m: Module, channel: Value, stride: Value, table: Value) -> Value:
        """Source channel times weight stride, 0 with `table`; ready in the last phase, in which it is added.

        Radix 4 with digits of -2 to 2 (Booth), so one adder takes two bits and needs no multiple but the double.
        """
        width = self.config.weight_address_bits
        per_phase = -(-(len(channel) // 2 + 1) // (PHASES - 1))
        digits = self._digits(m, channel, 2 * per_phase, PHASES - 1, "channel_digits", overlap=1)
        total = Signal(width, name="channel_accumulator")
        partial: Value = Cat(Const(0, 2 * per_phase), total)[:width]
        for n in reversed(range(per_phase)):
            partial = booth_row(partial, stride, digits[2 * n:][:3], width, 2 * n)
        with m.If(self.beat.step & ~self.beat.phase[-1]):
            m.d.sync += total.eq(partial)
        with m.If(self.beat.advance | table):
            m.d.sync += total.eq(0)
        return total
