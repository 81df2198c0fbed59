"""The arithmetic of the evaluation: a neuron's state to its value, and to the state that a spiking neuron keeps."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import EVALUATION_STAGES
from golden.words import NeuronType, Reset, Saturation, layouts
from rtl.words import struct


class Requantize(wiring.Component):
    """A state to a value: saturate(round(t · factor / 2**shift)), half to even (`golden.neuron.evaluate`).

    t is state + bias, or of a product a · b + bias; the factor is the slope where `leaky` is set and t < 0, else the
    multiplier. SPIKING neurons compare t with the threshold instead, which takes the slope's place, and the product
    and the shift are their leak (`golden.neuron.spike`).

    Ports:
        advance: the pipeline moves. state, parameter: the neuron's. type, saturation: golden.words, kept constant; with
            saturation TABLE the value is what is to be looked up.
        value, kept: of the neuron that was given `stages` moves before; `kept` is the new state of a SPIKING one.

    Latency: `stages` cycles, 8, or 7 if shift_bits <= 4. Throughput: one neuron per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.stages = EVALUATION_STAGES - (config.shift_bits <= 4)
        super().__init__({
            "advance": In(1), "type": In(3), "saturation": In(2), "state": In(signed(config.state_bits)),
            "parameter": In(struct(layouts(config).parameter)),
            "value": Out(signed(config.value_bits)), "kept": Out(signed(config.state_bits)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        moves: list = []

        def register(value: Any, name: str) -> Any:
            shape = value.shape() if isinstance(value, data.View) else Value.cast(value).shape()
            signal = Signal(shape, name=name, reset_less=True)
            moves.append(signal.eq(value))
            return signal

        # What the type says is constant, and registered before it is used.
        spiking, product, signed_a, signed_b = (
            Signal(name=name) for name in ("spiking", "product", "signed_a", "signed_b"))
        m.d.sync += [
            spiking.eq(self.type == NeuronType.SPIKING), signed_a.eq(self.type == NeuronType.PRODUCT),
            signed_b.eq(self.type != NeuronType.PRODUCT_UNSIGNED),
            product.eq(sum(self.type == kind for kind in NeuronType.PRODUCTS)),
        ]

        # The two operands of a product: a negative A has taken one from B's bits, which is given back.
        bits = config.operand_bits
        low, high = self.state[:bits], (self.state[bits:2 * bits] + (self.state[bits - 1] & signed_a))[:bits]
        state = register(Cat(low, high, self.state[2 * bits:]).as_signed(), "state_given")
        parameter = register(self.parameter, "parameter_given")
        a = Cat(state[:bits], state[bits - 1] & signed_a).as_signed()
        b = Cat(state[bits:2 * bits], state[2 * bits - 1] & signed_b).as_signed()
        low = register(Mux(product, a * b[:bits // 2], state).as_signed(), "operand_low")
        high = register(Mux(product, a * b[bits // 2:].as_signed(), 0).as_signed(), "operand_high")
        threshold = parameter.slope[:config.state_bits + 1].as_signed()
        bias, short = register(parameter.bias, "bias"), register((parameter.bias - threshold).as_signed(), "short")
        multiplier, leaky = register(parameter.multiplier, "multiplier"), register(parameter.leaky, "leaky")
        slope, shift = register(parameter.slope, "slope"), register(parameter.shift, "shift_operand")

        # A product needs one bit more than a state, and its bias one more.
        biased = Signal(signed(config.state_bits + 2))
        rest = Signal(signed(config.state_bits + 2))
        factor, fires = Signal(signed(config.multiplier_bits + 1), name="factor"), Signal(name="fires")
        m.d.comb += [
            biased.eq(low + high.shift_left(bits // 2) + bias), rest.eq(low + short),
            fires.eq(spiking & ~rest[-1]), factor.eq(Mux(leaky & biased[-1] & ~spiking, slope, multiplier)),
        ]
        reset = Mux(self.saturation[0] == Reset.ZERO, 0, rest)
        factor, term = register(factor, "factor"), register(Mux(fires, reset, biased).as_signed(), "term")
        shift, fires = register(shift, "shift_term"), register(fires, "fires_term")

        # The factor in three parts, as the product is the slowest path.
        third = (config.multiplier_bits + 2) // 3
        parts = [register(term * factor[first:first + third], f"part{first}") for first in (0, third)]
        parts.append(register(term * factor[2 * third:].as_signed(), "part_top"))
        shift, fires = register(shift, "shift_parts"), register(fires, "fires_parts")
        total = sum(part.shift_left(third * index) for index, part in enumerate(parts))
        product = register(total[:config.state_bits + 2 + config.multiplier_bits], "product")
        shift, fires = register(shift, "shift_product"), register(fires, "fires_product")

        # Two bits of the shift at a time, from the top. Bits that can no longer come down to the state only matter if
        # they differ from the sign: then it is beyond all bounds. One bit below the binary point is kept, and `sticky`:
        # whether any lower one was set, so that it is more than a half.
        negative, rest, beyond, sticky = product[-1], Cat(0, product[:-1]), Value.cast(0), Value.cast(0)
        for digit in reversed(range(0, config.shift_bits, 2)):
            amount, below = shift[digit:digit + 2], Cat(rest, negative)
            for steps in range(1, 1 << len(amount)):
                sticky = sticky | ((amount >= steps) & below[steps - 1 << digit:steps << digit].any())
            rest = (Cat(rest, negative).as_signed() >> (amount << digit))[:len(rest)]
            kept = min(len(rest), config.state_bits + (1 << digit) - 1)
            beyond = beyond | (Cat(rest[kept:], negative) != negative.replicate(len(rest) - kept + 1))
            rest = rest[:kept]
            if digit in (0, 4):
                rest, negative = register(rest, f"rest{digit}"), register(negative, f"negative{digit}")
                beyond, shift = register(beyond, f"beyond{digit}"), register(shift, f"shift{digit}")
                fires = register(fires, f"fires{digit}")
                sticky = register(sticky, f"sticky{digit}")

        # The carry of the rounding can only add one, so what is beyond stays beyond, whatever it adds to.
        rounded, carry = Signal(signed(config.state_bits + 1), name="rounded"), Signal(name="carry")
        m.d.comb += [
            carry.eq(rest[0] & (sticky | rest[1])),
            rounded.eq(Cat(rest[1:], negative).as_signed() + carry),
        ]

        # What does not fit becomes the end of the range that its sign tells.
        sign, value_bits = Signal(name="sign"), config.value_bits
        m.d.comb += sign.eq(Mux(beyond, negative, rounded[-1]))

        def fits(bits: int) -> Value:
            return ~beyond & (rounded[bits - 1:] == sign.replicate(len(rounded) - bits + 1))

        value = Signal(value_bits)
        with m.Switch(self.saturation):
            with m.Case(Saturation.RELU):
                m.d.comb += value.eq(Mux(sign, 0, Mux(fits(value_bits), rounded, (1 << value_bits - 1) - 1)))
            with m.Case(Saturation.SIGNED):
                end = Cat((~sign).replicate(value_bits - 2), sign, sign)
                m.d.comb += value.eq(Mux(fits(value_bits - 1), rounded, end))
            with m.Default():
                m.d.comb += value.eq(Mux(fits(value_bits), rounded, Cat((~sign).replicate(value_bits - 1), sign)))
        kept = Mux(fits(config.state_bits), rounded[:-1], Cat((~sign).replicate(config.state_bits - 1), sign))
        moves += [self.value.eq(Mux(spiking, fires, value)), self.kept.eq(kept)]
        with m.If(self.advance):
            m.d.sync += moves
        return m
