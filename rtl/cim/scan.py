"""All potential operands of a population, one after another."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.cim.layer import operand_index_bits
from golden.config import CoreConfig
from rtl.cim.ports import scan_layout


def operand_layout(config: CoreConfig) -> data.StructLayout:
    """A potential operand to scan: population and number (`state`), its block, and how it is reset."""
    return data.StructLayout({"state": unsigned(config.address_bits), "block": unsigned(8), "zero": unsigned(1)})


class Scan(wiring.Component):
    """Goes through the operands of a population in their order: columns of its map, rows, blocks.

    How many blocks a position has is known where the layer is: an operand is followed by the next one when that is
    told.

    Ports:
        command: stream of populations (`scan_layout`).
        operand: stream of their operands.
        stepped: the operand taken last is under way; `last`: it is of the last block of its position.

    Throughput: an operand in two cycles at best.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "command": In(stream.Signature(scan_layout(config))),
            "operand": Out(stream.Signature(operand_layout(config))),
            "stepped": In(1), "last": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, command, operand = Module(), Signal(scan_layout(self.config), name="held"), self.operand
        index = Signal(operand_index_bits(self.config), name="index")
        x, y = Signal.like(command.width, name="x"), Signal.like(command.height, name="y")
        block = Signal(8, name="block")
        m.d.comb += [operand.payload.state.eq(Cat(index, command.population)), operand.payload.block.eq(block),
                     operand.payload.zero.eq(command.zero)]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [command.eq(self.command.payload), index.eq(0), x.eq(0), y.eq(0), block.eq(0)]
                with m.If(self.command.valid):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += operand.valid.eq(1)
                with m.If(operand.ready):
                    m.next = "step"
            with m.State("step"):
                with m.If(self.stepped):
                    m.next = "offer"
                    m.d.sync += [index.eq(index + 1), block.eq(block + 1)]
                    with m.If(self.last):
                        m.d.sync += [block.eq(0), y.eq(y + 1)]
                        with m.If(y == command.height):
                            m.d.sync += [y.eq(0), x.eq(x + 1)]
                            with m.If(x == command.width):
                                m.next = "idle"
        return m
