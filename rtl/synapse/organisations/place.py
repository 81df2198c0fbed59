"""Where a weight is among those side by side in memory words, in hardware: a division by a few constants."""

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.place import reciprocal


class Place(wiring.Component):
    """See `golden.synapse.organisations.place`.

    Args:
        bits: of a weight's number.

    Ports:
        number, weight_bits: of which weight, and how wide all are; taken with `enable`.
        word, offset: where it is; a weight of no width, or one wider than the hardware's, is anywhere.

    Latency: one cycle. Throughput: one per cycle.
    """

    def __init__(self, sizes: Sizes, bits: int):
        self.sizes, self.bits = sizes, bits
        super().__init__({
            "enable": In(1), "number": In(bits), "weight_bits": In(4), "word": Out(bits),
            "offset": Out(sizes.offset_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, sizes = Module(), self.sizes
        widths = range(1, sizes.weight_bits + 1)
        constants = {width: reciprocal(width, self.bits, sizes) for width in widths}
        shift = constants[1].shift
        number, width = (Signal.like(port, name=name, reset_less=True)
                         for port, name in ((self.number, "held"), (self.weight_bits, "width")))
        product = Signal(self.bits + max(item.factor for item in constants.values()).bit_length(), reset_less=True)
        factor = _chosen(self.weight_bits, {width: item.factor for width, item in constants.items()})
        used = _chosen(width, {width: item.used_bits for width, item in constants.items()})
        with m.If(self.enable):
            m.d.sync += [number.eq(self.number), width.eq(self.weight_bits), product.eq(self.number * factor)]
        m.d.comb += [self.word.eq(product >> shift), self.offset.eq(number * width - self.word * used)]
        return m


def _chosen(width: Value, constants: dict[int, int]) -> Value:
    """The constant of a width."""
    found: Value = Const(0, max(constants.values()).bit_length())
    for one, constant in constants.items():
        found = Mux(width == one, constant, found)
    return found
