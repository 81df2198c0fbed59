"""The way back in compressed rows without links, in hardware: a search of each row for one neuron."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import POINTER_BITS, Sizes
from golden.synapse.organisations.packing import pointers_per_word
from rtl.ports import ReadPort
from rtl.words import struct


class RowSearch(wiring.Component):
    """Halves the entries of each row until the neuron is found, or none is left.

    Ports:
        begins: the next pointer is the one before the first row's end.
        pointer: stream of pointers, which end a row each; `there`: it is in memory.
        neuron: is searched. inputs, outputs, weight_base: of the layer.
        port: reads entries. read: pulse, an entry has been asked for.
        found: stream of what has been found: `hit` with the row and the place of its weight, an `error` in its place,
            or nothing; `end` with the last row, or if its pointer is not there.

    Latency: two cycles of a row, and `read_latency` + 1 of each entry that is looked at.
    """

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        super().__init__({
            "begins": In(1), "neuron": In(sizes.neuron_bits), "inputs": In(sizes.neuron_bits),
            "outputs": In(sizes.neuron_bits), "weight_base": In(sizes.address_bits),
            "pointer": In(stream.Signature(data.StructLayout({"pointer": POINTER_BITS, "there": 1}))),
            "port": Out(ReadPort(sizes)), "read": Out(1),
            "found": Out(stream.Signature(data.StructLayout({
                "hit": 1, "error": 1, "end": 1, "row": sizes.neuron_bits, "address": sizes.address_bits,
                "offset": sizes.offset_bits}))),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, sizes, port, pointer, found = Module(), self.sizes, self.port, self.pointer, self.found
        places = pointers_per_word(sizes).bit_length() - 1
        begin, low, high = (Signal(POINTER_BITS, name=name, reset_less=True) for name in ("begin", "low", "high"))
        first, row = Signal(name="first"), Signal(sizes.neuron_bits, name="row")
        middle, count = Signal(POINTER_BITS, name="middle"), Signal(POINTER_BITS + 1, name="count")
        address = self.weight_base + (middle >> places)
        wrong, beyond = Signal(name="wrong"), Signal(name="beyond")
        m.d.comb += [
            # A difference below 0 is larger than any number of outputs.
            count.eq(high - low), wrong.eq(count > self.outputs + 1),
            middle.eq((low + high) >> 1), beyond.eq(address[sizes.address_bits:].any()),
            port.address.eq(address), self.read.eq(port.valid & port.ready),
            found.payload.row.eq(row), found.payload.address.eq(address), found.payload.end.eq(row == self.inputs),
            found.payload.offset.eq(ENTRY.positions["weight"] + (middle[:places] << (ENTRY.bits - 1).bit_length())),
        ]
        coming = Signal(sizes.read_latency, name="coming")
        m.d.sync += coming.eq(Cat(self.read, coming))
        entry = struct(ENTRY)(port.data.word_select(middle[:places], ENTRY.bits))
        more = max(0, sizes.neuron_bits - len(entry.neuron))
        neuron = Cat(entry.neuron, entry.spare[:more])

        with m.FSM():
            with m.State("ROW"):
                m.d.comb += pointer.ready.eq(1)
                with m.If(pointer.valid & first):
                    m.d.sync += [begin.eq(pointer.payload.pointer), first.eq(0)]
                with m.Elif(pointer.valid & pointer.payload.there):
                    m.d.sync += [low.eq(begin), high.eq(pointer.payload.pointer), begin.eq(pointer.payload.pointer)]
                    m.next = "LOOK"
                with m.Elif(pointer.valid):
                    m.d.comb += [found.valid.eq(1), found.payload.error.eq(1), found.payload.end.eq(1),
                                 pointer.ready.eq(found.ready)]
            with m.State("LOOK"):
                with m.If(wrong | (count == 0) | beyond):
                    m.d.comb += [found.payload.error.eq(wrong | (count != 0)),
                                 found.valid.eq(found.payload.error | found.payload.end)]
                    with m.If(found.ready | ~found.valid):
                        m.d.sync += row.eq(row + 1)
                        m.next = "ROW"
                with m.Else():
                    m.d.comb += port.valid.eq(1)
                    with m.If(port.ready):
                        m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(coming[-1]):
                    m.next = "LOOK"
                    with m.If(neuron == self.neuron):
                        m.next = "HIT"
                    with m.Elif(neuron < self.neuron):
                        m.d.sync += low.eq(middle + 1)
                    with m.Else():
                        m.d.sync += high.eq(middle)
            with m.State("HIT"):
                m.d.comb += [found.valid.eq(1), found.payload.hit.eq(1)]
                with m.If(found.ready):
                    m.d.sync += row.eq(row + 1)
                    m.next = "ROW"
        with m.If(self.begins):
            m.d.sync += [first.eq(1), row.eq(0)]
        return m
