"""The ESU's range unit: which kernel taps of one dimension meet a neuron, in closed form."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from rtl.arithmetic import add


class Range(wiring.Component):
    """First tap, first destination and count of the surviving taps, of x and then of y.

    With u = x_min the part that can be large is the tap of an anchor outside (u < 0), or the neuron of one inside. It
    is ceil(|u| / 2**s), the other is (-|u|) mod 2**s; s = step if u < 0 and dilated or neither, else 0. Then the taps
    and the neurons that are left are divided by the step that each is walked in; the lesser counts.
    Bamberg et al., arXiv 2112.07019, section 4.3, visits all taps instead; the closed form is this project's.

    A pipeline of four stages that x enters and y follows a cycle behind. In the phases 0 to 3 of an event:

    | stage | x | y | needs | gives, in the next phase |
    |---|---|---|---|---|
    | 1 | 0 | 1 | x_min, y_min, step, dilated | |
    | 2 | 1 | 2 | | neuron, tap |
    | 3 | 2 | 3 | kernel and population sizes | none |
    | 4 | 3 | 0 of the next event | | count |

    Ports:
        enable: end of a phase. third: y is in stage 3 (phase 3).
        anchor: x in phase 0, y in phase 1. step, dilated: of the descriptor, in phases 0 to 2.
        kernel_width, kernel_height, width, height: stored, so minus one, in phases 2 and 3.
        neuron, tap: first destination coordinate and first tap, inverted.
        none: no tap survives. count: surviving taps minus one, if any.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "enable": In(1), "third": In(1), "anchor": In(signed(config.offset_bits)),
            "step": In(config.step_bits), "dilated": In(1),
            "kernel_width": In(config.kernel_bits), "kernel_height": In(config.kernel_bits),
            "width": In(config.coordinate_bits), "height": In(config.coordinate_bits),
            "neuron": Out(config.coordinate_bits), "tap": Out(config.kernel_bits),
            "none": Out(1), "count": Out(config.kernel_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        bits, most = config.offset_bits, (1 << config.step_bits) - 1
        tap_bits = max(bits, config.kernel_bits + 1)
        none = Const(0, 1)

        # Stage 1: -|u| divided by 2**s, rounded down, and the remainder.
        anchor = self.anchor
        negative, shift = Signal(name="negative"), Signal(config.step_bits, name="shift")
        distance = Signal(signed(bits))
        large, small, outside = Signal(signed(bits), name="large"), Signal(most, name="small"), Signal(name="outside")
        m.d.comb += [
            negative.eq(anchor[-1]),
            distance.eq(add(Const(0, bits), anchor ^ ~negative.replicate(bits), ~negative, bits)),
            shift.eq(Mux(negative == self.dilated, self.step, 0)),
        ]
        with m.If(self.enable):
            m.d.sync += [
                large.eq(distance >> shift), small.eq(distance[:most] & ((1 << shift) - 1)), outside.eq(negative),
            ]

        # Stage 2: ~tap and ~neuron, as ~(-large) = large - 1.
        tap, neuron = Signal(tap_bits, name="tap"), Signal(bits, name="neuron")
        low = ~Cat(small, Const(0, bits))
        m.d.comb += [self.tap.eq(tap), self.neuron.eq(neuron)]
        with m.If(self.enable):
            m.d.sync += [
                tap.eq(add(outside.replicate(tap_bits), Mux(outside, large, low).as_signed(), none, tap_bits)),
                neuron.eq(add((~outside).replicate(bits), Mux(outside, low, large), none, bits)),
            ]

        # Stage 3: taps and neurons left behind the first ones.
        taps_left, neurons_left = Signal(tap_bits, name="taps_left"), Signal(bits, name="neurons_left")
        m.d.comb += self.none.eq(taps_left[-1] | neurons_left[-1])
        with m.If(self.enable):
            m.d.sync += [
                taps_left.eq(add(tap, Mux(self.third, self.kernel_height, self.kernel_width), Const(1, 1), tap_bits)),
                neurons_left.eq(add(neuron, Mux(self.third, self.height, self.width), Const(1, 1), bits)),
            ]

        # Stage 4: in steps; the lesser. The steps are those of the event that stage 3 was about.
        tap_shift = Signal(config.step_bits)
        neuron_shift = Signal(config.step_bits)
        with m.If(self.enable & ~self.third):
            m.d.sync += [
                tap_shift.eq(Mux(self.dilated, 0, self.step)), neuron_shift.eq(Mux(self.dilated, self.step, 0)),
            ]
        tap_steps = Signal(config.kernel_bits)
        neuron_steps = Signal(config.coordinate_bits)
        m.d.comb += [
            tap_steps.eq(taps_left[:config.kernel_bits] >> tap_shift),
            neuron_steps.eq(neurons_left[:config.coordinate_bits] >> neuron_shift),
            self.count.eq(Mux(neuron_steps[config.kernel_bits:].any() | (neuron_steps[:config.kernel_bits] > tap_steps),
                              tap_steps, neuron_steps)),
        ]
        return m
