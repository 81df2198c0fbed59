"""(weight · v) << shift."""

from amaranth import Module, Signal, signed

from rtl.neuron.interface import ProductUnit


class LinearProduct(ProductUnit):
    """Multiplies in the first cycle, and shifts in the second: `golden.neuron.products.linear`."""

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        shift = Signal.like(self.shift, name="shift_held")
        m.d.sync += shift.eq(self.shift)
        for lane in range(config.lanes):
            exact = Signal(signed(config.weight_bits + config.value_bits), name=f"exact_{lane}")
            m.d.sync += exact.eq(self.weights[lane] * self.v)
            m.d.comb += self.products[lane].eq(exact << shift)
        return m
