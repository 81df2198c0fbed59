"""Which operands are in the array: a tag for each of its slots."""

from amaranth import Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig


def potential_tag(config: CoreConfig) -> data.StructLayout:
    """Of a slot for potentials: population and operand (`state`); `dirty`: memory does not have it as it is; `last`: it
    is of the last block of its position, whose operands may be smaller."""
    return data.StructLayout({
        "valid": unsigned(1), "dirty": unsigned(1), "last": unsigned(1), "state": unsigned(config.address_bits)})


def weight_tag(config: CoreConfig) -> data.StructLayout:
    """Of a slot for weights: the operand. Each layer has slots of its own."""
    return data.StructLayout({"valid": unsigned(1), "weight": unsigned(config.weight_address_bits)})


class Tags(wiring.Component):
    """The tags of one kind of operand.

    Ports:
        read, entry: `found` is the tag at `entry` from the next cycle on, until the next reading. What is written in
            the same cycle is found.
        write, write_entry, tag: written at once.

    What it holds after a reset does not matter: whoever uses it invalidates every entry first.

    Latency: one cycle. Throughput: a reading and a writing per cycle.
    """

    def __init__(self, config: CoreConfig, layout: data.StructLayout):
        self.depth, self.layout = config.cim_tags, layout
        entry = range(config.cim_tags)
        super().__init__({
            "read": In(1), "entry": In(entry), "found": Out(layout),
            "write": In(1), "write_entry": In(entry), "tag": In(layout),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.tags = tags = Memory(shape=self.layout, depth=self.depth, init=[])
        write = tags.write_port()
        read = tags.read_port(transparent_for=(write,))
        m.d.comb += [
            read.en.eq(self.read), read.addr.eq(self.entry), self.found.eq(read.data),
            write.en.eq(self.write), write.addr.eq(self.write_entry), write.data.eq(self.tag),
        ]
        return m
