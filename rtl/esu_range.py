"""The ESU's range unit: which kernel taps of one dimension meet a neuron, in closed form."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig


def add(a: Value, b: Value, carry: Value, width: int) -> Value:
    """a + b + carry of `width` bits in one carry chain; as a difference, whose operands synthesis does not swap.

    So it is `a` that the carries are made from, and whatever makes `b` shares the LUTs of the sum.
    """
    return (Cat(carry, a) - Cat(Const(1, 1), ~Cat(b, Const(0, width))[:width]))[1:width + 1]


class Range(wiring.Component):
    """First tap, first destination and count of the surviving taps of one dimension.

    Three pipeline stages, one dimension per enabled cycle; a result leaves `neuron` and `tap` (registered) after two
    enabled cycles, `count` and `none` (combinational from registers) in the third.

    With u = x_min the part that can be large is the tap of an anchor outside (u < 0), or the neuron of one inside. It is
    ceil(|u| / 2**σ), the other is (-|u|) mod 2**σ; σ = step if exactly one of u < 0 and `dilated` holds, else 0.
    Then the taps and the neurons that are left are divided by the step that each is walked in; the lesser counts.
    Bamberg et al., arXiv 2112.07019, section 4.3, visits all taps instead; the closed form is this project's.

    Ports:
        enable: advance the pipeline.
        anchor: x_min or y_min, signed. step, dilated: of the descriptor, for stage 1.
        kernel, size: kernel extent and population extent, both minus one, for stage 2 (one enabled cycle later).
        neuron, tap: first destination coordinate and first tap.
        count: surviving taps minus one, if not `none`.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "enable": In(1), "anchor": In(signed(config.offset_bits)), "step": In(config.step_bits), "dilated": In(1),
            "kernel": In(config.kernel_bits), "size": In(config.coordinate_bits),
            "neuron": Out(config.coordinate_bits), "tap": Out(config.kernel_bits),
            "count": Out(config.kernel_bits), "none": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        most = (1 << config.step_bits) - 1
        bits = config.offset_bits
        limit_bits = max(config.coordinate_bits, config.kernel_bits)
        left_bits = max(bits, limit_bits + 1)

        # Stage 1: floor(-|u| / 2**σ) and its remainder.
        negative = self.anchor[-1]
        distance = Signal(signed(bits))
        shift = Signal(config.step_bits)
        m.d.comb += [
            distance.eq(add(Mux(negative, self.anchor, ~self.anchor), Value.cast(0).replicate(bits), ~negative, bits)),
            shift.eq(Mux(negative == self.dilated, self.step, 0)),
        ]
        large, small = Signal(signed(bits)), Signal(most)
        negative_1, small_shift_1, large_shift_1 = Signal(), Signal(config.step_bits), Signal(config.step_bits)
        with m.If(self.enable):
            m.d.sync += [
                large.eq(distance >> shift), small.eq(distance[:most] & ((1 << shift) - 1)),
                negative_1.eq(negative), small_shift_1.eq(shift),
                large_shift_1.eq(Mux(negative == self.dilated, 0, self.step)),
            ]

        # Stage 2: what is left behind the first tap and the first neuron, minus one.
        large_limit, small_limit = Signal(limit_bits), Signal(limit_bits)
        large_left, small_left = Signal(signed(left_bits)), Signal(signed(limit_bits + 1))
        small_shift_2, large_shift_2 = Signal(config.step_bits), Signal(config.step_bits)
        m.d.comb += [
            large_limit.eq(Mux(negative_1, self.kernel, self.size)),
            small_limit.eq(Mux(negative_1, self.size, self.kernel)),
        ]
        with m.If(self.enable):
            m.d.sync += [
                large_left.eq(large + large_limit), small_left.eq(small_limit - small),
                self.neuron.eq(Mux(negative_1, small, -large)), self.tap.eq(Mux(negative_1, -large, small)),
                small_shift_2.eq(small_shift_1), large_shift_2.eq(large_shift_1),
            ]

        # Stage 3: in steps; the smaller one.
        large_steps, small_steps = Signal(unsigned(limit_bits)), Signal(unsigned(limit_bits))
        m.d.comb += [
            self.none.eq(large_left[-1] | small_left[-1]),
            large_steps.eq(large_left[:limit_bits] >> large_shift_2),
            small_steps.eq(small_left[:limit_bits] >> small_shift_2),
            self.count.eq(Mux(large_steps < small_steps, large_steps, small_steps)),
        ]
        return m
