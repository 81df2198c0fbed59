"""±2**(A - shift - q/p - t/τ), by an addition, a table and a shift."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value

from golden.config import CoreConfig
from golden.neuron.products.log import WEIGHT_BITS, powers
from rtl.neuron.interface import ProductUnit


class LogProduct(ProductUnit):
    """Adds exponents in the first cycle, and looks up, shifts and negates in the second: `golden.neuron.products.log`.

    What a value and a shift add to the exponent is computed once for all lanes. A product of 0 has an exponent that
    shifts everything out.
    """

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        period, times, low = config.log_period, config.ttfs_times, config.log_period.bit_length() - 1
        there, time = Signal(name="there"), Signal(range(times), name="time")
        m.d.comb += [there.eq((self.v >= 1) & (self.v <= times)), time.eq(times - self.v)]
        # Of the value and the shift; their highest exponent, and one that is beyond all bits of a power.
        shared = time * (period // config.ttfs_tau) + (self.shift << low)
        largest = ((times - 1) * (period // config.ttfs_tau) + 14 * (period // config.log_levels)
                   + ((1 << config.product_shift_bits) - 1) * period)
        width = max(largest, (config.log_fraction_bits + 1) * period).bit_length()
        given = Signal(times.bit_length(), name="value_held")
        m.d.sync += given.eq(Mux(there, self.v, 0))
        for lane in range(config.lanes):
            code = self.weights[lane][:WEIGHT_BITS]
            exponent = Signal(width, name=f"exponent_{lane}")
            negative, is_value = Signal(name=f"negative_{lane}"), Signal(name=f"is_value_{lane}")
            no_power = ~code[:-1].any()
            total = shared + (~code[:-1]) * (period // config.log_levels)
            m.d.sync += [
                exponent.eq(total[:width] | (no_power | ~there).replicate(width)),
                negative.eq(code[-1] & ~no_power), is_value.eq(code[-1] & no_power),
            ]
            magnitude = _power(exponent[:low], config) >> exponent[low:]
            inverted = Cat(magnitude, Const(0, 1)) ^ negative.replicate(config.log_fraction_bits + 2)
            power = (inverted + negative)[:config.log_fraction_bits + 2].as_signed()
            m.d.comb += self.products[lane].eq(power | (given & is_value.replicate(len(given))))
        return m


def _power(place: Value, config: CoreConfig) -> Value:
    """An entry of the table."""
    entries = [Const(entry, config.log_fraction_bits + 1) for entry in powers(config)]
    return Array(entries)[place] if len(entries) > 1 else entries[0]
