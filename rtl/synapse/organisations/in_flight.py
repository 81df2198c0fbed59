"""The weights that have been read to be changed, and have not been written yet."""

from amaranth import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.synapse.organisations.interface import Sizes
from rtl.arithmetic import following


class InFlight(wiring.Component):
    """A list of bit addresses, which leave in the order in which they have come.

    Args:
        depth: how many there may be.

    Ports:
        place: a bit address. met: it is in the list.
        enters: it enters, only without `full`. retired: the oldest one leaves. full, empty: the list is so.

    Latency: an address is met from the cycle after it has entered to the one in which it leaves.
    """

    def __init__(self, sizes: Sizes, depth: int):
        self.depth = depth
        super().__init__({
            "place": In(sizes.address_bits + sizes.offset_bits), "met": Out(1), "enters": In(1), "retired": In(1),
            "full": Out(1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, depth = Module(), self.depth
        places = Array(Signal(len(self.place), name=f"place_{number}", reset_less=True) for number in range(depth))
        here = [Signal(name=f"here_{number}") for number in range(depth)]
        last, first = (Signal(range(depth), name=name) for name in ("last", "first"))
        m.d.comb += [
            self.met.eq(Cat(there & (place == self.place) for there, place in zip(here, places, strict=True)).any()),
            self.full.eq(Cat(here).all()), self.empty.eq(~Cat(here).any()),
        ]
        with m.If(self.retired):
            m.d.sync += [Array(here)[first].eq(0), first.eq(following(first, depth))]
        with m.If(self.enters):
            m.d.sync += [Array(here)[last].eq(1), places[last].eq(self.place), last.eq(following(last, depth))]
        return m
