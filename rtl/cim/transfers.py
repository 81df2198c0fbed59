"""Where in memory an operand lies, for the store; and which thresholds are in the array."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from rtl.cim.layer import layer_layout
from rtl.words import struct


def move_layout(config: CoreConfig) -> data.StructLayout:
    """An operand to move: a potential (`state`), loaded or stored; or what is only loaded, a weight or a `threshold`.

    `number`: of the operand, of its block for a threshold. `row`: its first one. `last`: it has the groups of the last
    block.
    """
    return data.StructLayout({
        "load": unsigned(1), "state": unsigned(1), "threshold": unsigned(1), "last": unsigned(1),
        "number": unsigned(config.weight_address_bits), "row": range(config.cim_rows),
    })


class Transfers(wiring.Component):
    """Makes transfers of the store out of operands and the words of their layer.

    Ports:
        move: stream of operands (`move_layout`); layer: of theirs.
        request: stream of transfers (`golden.messages.transfer`).

    Latency: a cycle. Back-pressure: no operand is taken while a transfer waits.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "move": In(stream.Signature(move_layout(config))), "layer": In(layer_layout(config)),
            "request": Out(stream.Signature(struct(messages.transfer(config)))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, layer, move, request = Module(), self.layer, self.move.payload, self.request
        potential = move.state | move.threshold
        words = Signal.like(layer.potential_words, name="words")
        base = Signal.like(layer.potential_base, name="base")
        m.d.comb += [
            words.eq(Mux(potential, layer.potential_words, layer.weight_words)),
            base.eq(Mux(move.state, layer.potential_base,
                        Mux(move.threshold, layer.threshold_base, layer.weight_base))),
            self.move.ready.eq(~request.valid),
        ]
        with m.If(request.ready):
            m.d.sync += request.valid.eq(0)
        with m.If(~request.valid):
            m.d.sync += [
                request.valid.eq(self.move.valid),
                request.payload.load.eq(move.load), request.payload.state.eq(move.state),
                request.payload.row.eq(move.row), request.payload.base.eq(layer.base),
                request.payload.rows.eq(Mux(potential, layer.potential_rows, layer.weight_rows)),
                request.payload.width.eq(Mux(move.last, layer.last_width, layer.width)),
                request.payload.words.eq(Mux(
                    move.last, Mux(potential, layer.last_potential_words, layer.last_weight_words), words)),
                request.payload.address.eq(base + move.number * words),
            ]
        return m


class Thresholds(wiring.Component):
    """Which block's thresholds each population has in the array: its region has room for one.

    Ports:
        population, block: `there`: these are in the array.
        write: now they are. forget: none are.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "population": In(config.population_bits), "block": In(8), "there": Out(1), "write": In(1), "forget": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.blocks = blocks = Memory(shape=unsigned(8), depth=self.config.max_populations, init=[])
        write, read = blocks.write_port(), blocks.read_port(domain="comb")
        valid = Signal(self.config.max_populations, name="valid")
        m.d.comb += [
            write.en.eq(self.write), write.addr.eq(self.population), write.data.eq(self.block),
            read.addr.eq(self.population),
            self.there.eq(valid.bit_select(self.population, 1) & (read.data == self.block)),
        ]
        with m.If(self.write):
            m.d.sync += valid.bit_select(self.population, 1).eq(1)
        with m.If(self.forget):
            m.d.sync += valid.eq(0)
        return m
