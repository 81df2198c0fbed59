"""The arithmetic of the evaluation: a neuron's state to its value, and to the state that it keeps."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import EVALUATION_STAGES
from golden.widths import TYPE_BITS
from golden.words import Saturation, layouts
from rtl.neuron import booth
from rtl.neuron.interface import high_place
from rtl.neuron.thresholds import loads_layout
from rtl.neuron.types import neuron_units, reads_thresholds
from rtl.words import struct


class Requantize(wiring.Component):
    """A state to a value: saturate(round(t · factor / 2**shift)), half to even (`golden.neuron.requantize.evaluate`).

    t is state + bias; the factor is the slope where `leaky` is set and t < 0, else the multiplier. Neuron types step in
    where they differ (`rtl.neuron.interface.NeuronUnit`); a type that the configuration does not have is taken for SUM.

    Ports:
        advance: the pipeline moves. state, parameter, second: the neuron's; `second` if its type has such a word.
        type, saturation: golden.words, kept constant; with saturation TABLE the value is what is to be looked up.
        loads: of configurations with a type that reads thresholds (`rtl.neuron.thresholds`).
        value, kept: of the neuron that was given `stages` moves before; `kept` is the new state, of types that keep it.

    Latency: `stages` cycles, 10, or 9 if shift_bits <= 4. Throughput: one neuron per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.stages = EVALUATION_STAGES - (config.shift_bits <= 4)
        super().__init__({
            "advance": In(1), "type": In(TYPE_BITS), "saturation": In(2), "state": In(signed(config.state_bits)),
            "parameter": In(struct(layouts(config).parameter)),
            "second": In(struct(layouts(config).second_parameter)),
            "value": Out(signed(config.value_bits)), "kept": Out(signed(config.state_bits)),
            **({"loads": In(loads_layout(config))} if reads_thresholds(config) else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        self._moves: list = []
        self._units, self._selected = neuron_units(self.config), {}
        for name, unit in self._units.items():
            m.submodules[name] = unit
            # What the type says is constant, and registered before it is used.
            self._selected[name] = selected = Signal(name=f"is_{name}")
            m.d.sync += selected.eq(sum(self.type == code for code in unit.model.codes))
            m.d.comb += [
                unit.advance.eq(self.advance), unit.type.eq(self.type), unit.mode.eq(self.saturation),
            ]
            if unit.model.falling_threshold:
                m.d.comb += unit.loads.eq(self.loads)
        term, factor, shift, carried = self._prepare(m)
        total, shift, carried = self._multiply(term, factor, shift, carried)
        rest, negative, beyond, sticky, carried = self._shift(total, shift, carried)
        self._saturate(m, rest, negative, beyond, sticky, carried)
        with m.If(self.advance):
            m.d.sync += self._moves
        return m

    def _register(self, value: Any, name: str) -> Any:
        """The value in the next move."""
        shape = value.shape() if isinstance(value, data.View) else Value.cast(value).shape()
        signal = Signal(shape, name=name, reset_less=True)
        self._moves.append(signal.eq(value))
        return signal

    def _all(self, values: dict[str, Signal], stage: str) -> dict[str, Signal]:
        """What each unit carries, in the next move."""
        return {name: self._register(value, f"{name}_carry_{stage}") for name, value in values.items()}

    def _chosen(self, place: str, name: str, default: Value) -> Value:
        """What a unit that steps in at a place gives if it is the population's, else the default."""
        result = default
        for block, unit in self._units.items():
            if place in unit.places:
                result = Mux(self._selected[block], getattr(unit, name), result)
        return result

    def _prepare(self, m: Module) -> tuple[Value, Value, Value, dict[str, Signal]]:
        """Three moves: what is multiplied, by what, and the shift; and what the units carry along."""
        config, units = self.config, self._units.values()
        state: Value = self.state
        for unit in units:
            m.d.comb += unit.state.eq(state)
            state = unit.given if "unpack" in unit.places else state
        state = self._register(state.as_signed(), "state_given")
        given = self._register(self.parameter, "parameter_given")
        if any(unit.model.second_parameter for unit in units):
            second = self._register(self.second, "second_given")
            m.d.comb += [unit.second_given.eq(second) for unit in units]
        low = self._register(self._chosen("operand", "low", state).as_signed(), "operand_low")
        high = self._register(self._chosen("operand", "high", Value.cast(0)).as_signed(), "operand_high")
        carry = self._register(self._chosen("operand", "high_carry", Const(0, 1)), "operand_carry")
        names = ("bias", "multiplier", "leaky", "slope", "shift")
        parameter = {name: self._register(given[name], name) for name in names}

        # A product of operands needs one bit more than a state, and its bias one more.
        total = Signal(signed(config.state_bits + 2), name="total")
        place = high_place(config)
        m.d.comb += total.eq(Cat(low[:place], booth.add(low[place:], high, carry)).as_signed() + parameter["bias"])
        for unit in units:
            m.d.comb += [unit.state_given.eq(state), unit.parameter_given.eq(given), unit.low_given.eq(low),
                         unit.total.eq(total), *(unit.parameter[name].eq(parameter[name]) for name in names)]
        factor = Signal(signed(config.multiplier_bits + 1), name="plain_factor")
        m.d.comb += factor.eq(Mux(parameter["leaky"] & total[-1], parameter["slope"], parameter["multiplier"]))
        return (
            self._register(self._chosen("integrate", "term", total).as_signed(), "term"),
            self._register(self._chosen("integrate", "factor", factor).as_signed(), "factor"),
            self._register(self._chosen("integrate", "scale", parameter["shift"]), "shift_term"),
            self._all({name: unit.carry for name, unit in self._units.items() if len(unit.carry)}, "term"),
        )

    def _multiply(self, term: Value, factor: Value, shift: Value, carried: dict[str, Signal]
                  ) -> tuple[Value, Value, dict[str, Signal]]:
        """Two moves: the factor in three parts, as the product is the slowest path."""
        config = self.config
        third = (booth.rows_of(len(factor)) + 2) // 3
        parts = [booth.Product(part.place, self._register(part.total, f"part{part.place}"),
                               self._register(part.carry, f"carry{part.place}"))
                 for part in booth.products(term, factor, third)]
        shift, carried = self._register(shift, "shift_parts"), self._all(carried, "parts")
        total = parts[0].total
        for part in parts[1:]:
            total = Cat(total[:part.place], booth.add(total[part.place:], part.total, part.carry))
        product = self._register(total[:config.state_bits + 2 + config.multiplier_bits], "product")
        return product, self._register(shift, "shift_product"), self._all(carried, "product")

    def _shift(self, product: Value, shift: Value, carried: dict[str, Signal]
               ) -> tuple[Value, Value, Value, Value, dict[str, Signal]]:
        """Two bits of the shift at a time, from the top; a move or two.

        Bits that can no longer come down to the state only matter if they differ from the sign: then it is beyond all
        bounds. One bit below the binary point is kept, and `sticky`: whether any lower one was set, so that it is more
        than a half.
        """
        config = self.config
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
                rest, negative = self._register(rest, f"rest{digit}"), self._register(negative, f"negative{digit}")
                beyond, shift = self._register(beyond, f"beyond{digit}"), self._register(shift, f"shift{digit}")
                carried = self._all(carried, str(digit))
                sticky = self._register(sticky, f"sticky{digit}")
        return rest, negative, beyond, sticky, carried

    def _rounded_up(self, m: Module, rest: Value, negative: Value, sticky: Value) -> Value:
        """Whether one is added to what is above the binary point: half to even, or toward zero as the type says."""
        nearest = rest[0] & (sticky | rest[1])
        toward_zero = [self._selected[name] & unit.truncates for name, unit in self._units.items()
                       if "truncate" in unit.places]
        if not toward_zero:
            return nearest
        truncates = Signal(name="truncates")
        m.d.comb += truncates.eq(Cat(toward_zero).any())
        return Mux(truncates, negative & (rest[0] | sticky), nearest)

    def _saturate(self, m: Module, rest: Value, negative: Value, beyond: Value, sticky: Value,
                  carried: dict[str, Signal]) -> None:
        """Three moves: rounding, whether it fits, and if not the end of the range that the sign tells."""
        config, value_bits = self.config, self.config.value_bits
        total, carry, sign = Signal(signed(config.state_bits + 1), name="total"), Signal(name="carry"), Signal()
        m.d.comb += [
            # The carry of the rounding can only add one, so what is beyond stays beyond, whatever it adds to.
            carry.eq(self._rounded_up(m, rest, negative, sticky)),
            total.eq(Cat(rest[1:], negative).as_signed() + carry),
        ]
        rounded, beyond = self._register(total, "rounded"), self._register(beyond, "beyond_rounded")
        negative, carried = self._register(negative, "negative_rounded"), self._all(carried, "rounded")
        m.d.comb += sign.eq(Mux(beyond, negative, rounded[-1]))

        widths = sorted({value_bits - 1, value_bits, config.state_bits})
        fit = {bits: self._register(~beyond & (rounded[bits - 1:] == sign.replicate(len(rounded) - bits + 1)),
                                    f"fits_{bits}") for bits in widths}
        sign, rounded = self._register(sign, "sign"), self._register(rounded, "fitted")
        carried = self._all(carried, "fitted")

        def fits(bits: int) -> Value:
            return fit[bits]

        value = Signal(signed(value_bits))
        with m.Switch(self.saturation):
            with m.Case(Saturation.RELU):
                m.d.comb += value.eq(Mux(sign, 0, Mux(fits(value_bits), rounded, (1 << value_bits - 1) - 1)))
            with m.Case(Saturation.SIGNED):
                end = Cat((~sign).replicate(value_bits - 2), sign, sign)
                m.d.comb += value.eq(Mux(fits(value_bits - 1), rounded, end))
            with m.Default():
                m.d.comb += value.eq(Mux(fits(value_bits), rounded, Cat((~sign).replicate(value_bits - 1), sign)))
        scaled = Mux(fits(config.state_bits), rounded[:-1], Cat((~sign).replicate(config.state_bits - 1), sign))
        for name, unit in self._units.items():
            m.d.comb += unit.scaled.eq(scaled)
            if "saturated" in unit.places:
                m.d.comb += unit.saturated.eq(value)
            if name in carried:
                m.d.comb += unit.carried.eq(carried[name])
        keeping = [(self._selected[name], unit.kept) for name, unit in self._units.items() if unit.model.keeps]
        kept: Value = Value.cast(0)
        for index, (selected, state) in enumerate(keeping):
            kept = state if index == 0 else Mux(selected, state, kept)  # nobody looks at it otherwise
        self._moves += [self.value.eq(self._chosen("fire", "value", value)), self.kept.eq(kept)]

