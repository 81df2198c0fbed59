"""The register of the layer that the compute-in-memory update works on, and how its words get there."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.layer import LAYER_WORDS, layer_words
from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from rtl.cim.ports import column_range
from rtl.ports import ReadPort
from rtl.words import struct


def layer_layout(config: CoreConfig) -> data.StructLayout:
    """A layer as its words have it (`golden.cim.layer`), fields with a bias as they are stored; and what follows from
    them: `width` and `last_width`, the columns of a whole block and of the last one."""
    fields = {name: shape for word in layer_words(config) for name, shape in struct(word).members.items()}
    return data.StructLayout(fields | {"width": column_range(config), "last_width": column_range(config)})


class LayerRegister(wiring.Component):
    """Holds the descriptor of one layer.

    Ports:
        fetch: read the words of `population`. forget: there is none any more.
        memory: read port.
        layer: the layer, while `there`. of: its population.

    Latency: from `fetch` to `there` 9 cycles with memory at once.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "fetch": In(1), "forget": In(1), "population": In(config.population_bits),
            "memory": Out(ReadPort(config)), "layer": Out(layer_layout(config)), "there": Out(1),
            "of": Out(config.population_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, layer, port = Module(), self.layer, self.memory
        layouts = [struct(word) for word in layer_words(self.config)]
        words = [Signal(layout, name=f"word_{number}", reset_less=True) for number, layout in enumerate(layouts)]
        asked, came = (Signal(range(LAYER_WORDS + 1), name=name, init=LAYER_WORDS) for name in ("asked", "came"))
        comes = Signal(READ_LATENCY, name="comes")
        place_bits = (LAYER_WORDS - 1).bit_length()
        above = max(0, self.config.address_bits - place_bits - len(self.of))
        ended = Signal(name="ended")
        m.d.comb += [
            port.valid.eq(asked != LAYER_WORDS),
            # The first population's words are the memory's last ones.
            port.address.eq(Cat(asked[:place_bits], ~self.of, Const((1 << above) - 1, above))),
            ended.eq(comes[-1] & (came == LAYER_WORDS - 1)),
        ]
        m.d.sync += comes.eq(Cat(port.valid & port.ready, comes))
        with m.If(port.valid & port.ready):
            m.d.sync += asked.eq(asked + 1)
        with m.If(comes[-1]):
            m.d.sync += came.eq(came + 1)
            for number, word in enumerate(words):
                with m.If(came == number):
                    m.d.sync += word.eq(port.data)
        placed = Signal(name="placed")
        m.d.sync += placed.eq(ended)
        for word in words:
            m.d.comb += [layer[name].eq(word[name]) for name in word.shape().members]
        width, last_width = (
            Signal(layer[name].shape(), name=name, reset_less=True) for name in ("width", "last_width"))
        first = words[0]
        m.d.sync += [width.eq((first.groups + 1) * (first.columns + 1)),
                     last_width.eq((first.last_groups + 1) * (first.columns + 1))]
        m.d.comb += [layer.width.eq(width), layer.last_width.eq(last_width)]
        with m.If(placed):
            m.d.sync += self.there.eq(1)
        with m.If(self.fetch):
            m.d.sync += [asked.eq(0), came.eq(0), self.there.eq(0), self.of.eq(self.population)]
        with m.Elif(self.forget):
            m.d.sync += self.there.eq(0)
        return m
