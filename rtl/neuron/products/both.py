"""The linear and the logarithmic product, of which each edge chooses one."""

from amaranth import Module, Mux, Signal

from rtl.neuron.interface import ProductUnit
from rtl.neuron.products.linear import LinearProduct
from rtl.neuron.products.log import LogProduct


class BothProducts(ProductUnit):
    """Both units side by side; the highest bit of the shift chooses: `golden.neuron.products.both`."""

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, config = Module(), self.config
        m.submodules.linear = linear = LinearProduct(config)
        m.submodules.log = log = LogProduct(config)
        chooses_log = Signal(name="chooses_log")
        m.d.sync += chooses_log.eq(self.shift[-1])
        for unit in (linear, log):
            m.d.comb += [unit.weights.eq(self.weights), unit.v.eq(self.v), unit.shift.eq(self.shift[:-1])]
        for lane in range(config.lanes):
            m.d.comb += self.products[lane].eq(Mux(chooses_log, log.products[lane], linear.products[lane]))
        return m
