"""The arithmetic of the evaluation: a neuron's state to its value, and to the state that a spiking neuron keeps."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import NeuronType, Reset, Saturation, layouts
from rtl.words import struct


class Requantise(wiring.Component):
    """A state to a value: saturate((t · factor + round) >> shift), half rounded up (`golden.neuron.evaluate`).

    t is state + bias, or of a product a · b + bias; the factor is the slope where `leaky` is set and t < 0, else the
    multiplier. SPIKING neurons compare t with the threshold instead, which takes the slope's place, and the product
    and the shift are their leak (`golden.neuron.spike`).

    Ports:
        advance: the pipeline moves. state, parameter: the neuron's. type, saturation: golden.words, kept constant; with
            saturation TABLE the value is what is to be looked up.
        value, kept: of the neuron that was given `stages` moves before; `kept` is the new state of a SPIKING one.

    Latency: `stages` cycles, 7, or 6 if shift_bits <= 4. Throughput: one neuron per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.stages = 6 + (config.shift_bits > 4)
        super().__init__({
            "advance": In(1), "type": In(3), "saturation": In(2), "state": In(signed(config.state_bits)),
            "parameter": In(struct(layouts(config).parameter)),
            "value": Out(signed(config.value_bits)), "kept": Out(signed(config.state_bits)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        moves: list = []

        def register(value: Value, name: str) -> Signal:
            signal = Signal(Value.cast(value).shape(), name=name, reset_less=True)
            moves.append(signal.eq(value))
            return signal

        # A product needs one bit more than a state, and its bias one more.
        spiking = Signal()
        m.d.comb += spiking.eq(self.type == NeuronType.SPIKING)
        biased = register((self._operand(m) + self.parameter.bias)[:config.state_bits + 2].as_signed(), "biased")
        slope, leaky = register(self.parameter.slope, "slope"), register(self.parameter.leaky, "leaky")
        multiplier = register(self.parameter.multiplier, "multiplier")
        shift = register(self.parameter.shift, "shift_biased")

        threshold = slope[:config.state_bits + 1].as_signed()
        rest = Signal(signed(config.state_bits + 2))
        fires = Signal()
        m.d.comb += [rest.eq(biased - threshold), fires.eq(spiking & ~rest[-1])]
        factor = Signal(signed(config.multiplier_bits + 1))
        m.d.comb += factor.eq(Mux(leaky & biased[-1] & ~spiking, slope, multiplier))
        reset = Mux(self.saturation[0] == Reset.ZERO, 0, rest)
        factor, term = register(factor, "factor"), register(Mux(fires, reset, biased).as_signed(), "term")
        shift, fires = register(shift, "shift_term"), register(fires, "fires_term")

        half = config.multiplier_bits // 2
        low, high = register(term * factor[:half], "low"), register(term * factor[half:].as_signed(), "high")
        shift, fires = register(shift, "shift_parts"), register(fires, "fires_parts")
        product = register((low + high.shift_left(half))[:config.state_bits + 2 + config.multiplier_bits], "product")
        shift, fires = register(shift, "shift_product"), register(fires, "fires_product")

        # Two bits of the shift at a time, from the top. Bits that can no longer come down to the state only matter if
        # they differ from the sign: then it is beyond all bounds. One bit below the binary point is kept.
        negative, rest, beyond = product[-1], Cat(0, product[:-1]), Value.cast(0)
        for digit in reversed(range(0, config.shift_bits, 2)):
            amount = shift[digit:digit + 2]
            rest = (Cat(rest, negative).as_signed() >> (amount << digit))[:len(rest)]
            kept = min(len(rest), config.state_bits + (1 << digit) - 1)
            beyond = beyond | (Cat(rest[kept:], negative) != negative.replicate(len(rest) - kept + 1))
            rest = rest[:kept]
            if digit in (0, 4):
                rest, negative = register(rest, f"rest{digit}"), register(negative, f"negative{digit}")
                beyond, shift = register(beyond, f"beyond{digit}"), register(shift, f"shift{digit}")
                fires = register(fires, f"fires{digit}")

        # The carry of the rounding can only add one, so what is beyond stays beyond, whatever it adds to.
        rounded = Signal(signed(config.state_bits + 1))
        m.d.comb += rounded.eq(Cat(rest[1:], negative).as_signed() + rest[0])

        def clipped(low: int, high: int, bits: int, name: str) -> Signal:
            result = Signal(signed(bits), name=name)
            m.d.comb += result.eq(rounded)
            with m.If(Mux(beyond, negative, rounded < low)):
                m.d.comb += result.eq(low)
            with m.Elif(beyond | (rounded > high)):
                m.d.comb += result.eq(high)
            return result

        value = Signal(signed(config.value_bits))
        with m.Switch(self.saturation):
            for mode in (Saturation.RELU, Saturation.SIGNED, Saturation.FULL):
                with m.Case(mode) if mode != Saturation.FULL else m.Default():
                    lowest, highest = Saturation.bounds(mode, config.value_bits)
                    m.d.comb += value.eq(clipped(lowest, highest, config.value_bits, f"clipped{mode}"))
        most = (1 << config.state_bits - 1) - 1
        moves += [self.value.eq(Mux(spiking, fires, value)), self.kept.eq(clipped(-most - 1, most, config.state_bits,
                                                                                  "clipped_state"))]
        with m.If(self.advance):
            m.d.sync += moves
        return m

    def _operand(self, m: Module) -> Signal:
        """The state, or the product of the two operands that lie in it."""
        config, bits = self.config, self.config.operand_bits
        product, mixed, unsigned = (Signal(name=name) for name in ("product", "mixed", "unsigned"))
        a, b = Signal(signed(bits + 1)), Signal(signed(bits + 1))
        low, high = self.state[:bits], self.state[bits:2 * bits]
        operand = Signal(signed(config.state_bits + 1))
        m.d.comb += [
            mixed.eq(self.type == NeuronType.PRODUCT_MIXED), unsigned.eq(self.type == NeuronType.PRODUCT_UNSIGNED),
            product.eq(mixed | unsigned | (self.type == NeuronType.PRODUCT)),
            # A negative operand A has taken one from B's bits.
            a.eq(Cat(low, low[-1] & ~mixed & ~unsigned)),
            b.eq(Mux(unsigned, high, (high + (low[-1] & ~mixed))[:bits].as_signed())),
            operand.eq(Mux(product, a * b, self.state)),
        ]
        return operand
