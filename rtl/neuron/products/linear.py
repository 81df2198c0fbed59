"""(weight · v) << shift."""

from amaranth import Cat, Const, Module, Signal, Value, signed

from golden.config import CoreConfig
from rtl.arithmetic import booth_row
from rtl.neuron.interface import ProductUnit


class LinearProduct(ProductUnit):
    """Multiplies in the first cycle, and adds and shifts in the second: `golden.neuron.products.linear`.

    Booth's radix-4 digits of the weight choose multiples of the value, a row of an adder each: half the LUTs that
    synthesis makes of the operator, and no hard multipliers. Of the four rows two are added in the first cycle, and so
    are the other two; their sums in the second one.
    """

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        half = config.factor_bits // 4 * 2  # of whole digits
        shift = Signal.like(self.shift, name="shift_held")
        m.d.sync += shift.eq(self.shift)
        for lane in range(config.lanes):
            low, high = (Signal(signed(config.value_bits + bits), name=f"{name}_{lane}")
                         for name, bits in (("low", half), ("high", config.factor_bits - half)))
            digits = Cat(Const(0, 1), self.weights[lane])
            m.d.sync += [
                low.eq(_rows(digits[:half + 1], self.v, config)), high.eq(_rows(digits[half:], self.v, config)),
            ]
            exact = Cat(low[:half], (low >> half) + high)
            m.d.comb += self.products[lane].eq(exact[:config.factor_bits + config.value_bits].as_signed() << shift)
        return m


def _rows(digits: Value, v: Value, config: CoreConfig) -> Value:
    """The value times Booth's digits, which share a bit with their neighbors: two bits are done with each row."""
    width = config.value_bits + 2  # of ±2v and a quarter of the sum of the row before
    multiplicand = Cat(v, v[-1].replicate(2))
    done: list[Value] = []
    partial: Value = Const(0, width)
    for n in range(0, len(digits) - 1, 2):
        total = booth_row(partial, multiplicand, digits[n:][:3], width)
        done.append(total[:2])
        partial = Cat(total[2:], total[-1].replicate(2))
    return Cat(*done, partial)[:config.value_bits + len(digits) - 1]
