"""Compressed rows in hardware: two pointers, and the entries between them."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring

from golden.synapse.organisations import compressed_rows
from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import POINTER_BITS
from golden.synapse.organisations.packing import pointers_per_word
from rtl.synapse.organisations.reader import Reader
from rtl.synapse.organisations.walk import Walking


class CompressedRows(Walking):
    """See `golden.synapse.organisations.compressed_rows`.

    Latency: 2·`read_latency` + 4 cycles from a request to its first synapse. Throughput: one synapse per cycle.
    """

    model = compressed_rows.CompressedRows
    entries = True

    def walk(self, m: Module) -> None:
        sizes, held = self.sizes, self.held
        # `there`: the word is in memory.
        tag = data.StructLayout({"second": 1, "there": 1})
        m.submodules.index_reader = reader = Reader(sizes, tag, bypass=True, keep=not sizes.serial)
        wiring.connect(m, reader.port, wiring.flipped(self.index))
        given, found, places = reader.given, reader.found, pointers_per_word(sizes).bit_length() - 1

        # First the pointer of the row, then that of the next one, perhaps in the same word.
        number, second = Signal(sizes.neuron_bits + 1), Signal(name="second")
        m.d.comb += number.eq(held.neuron + second)
        pointer, there = self.saturated(held.layer.index_base + (number >> places)), Signal(name="there")
        m.d.comb += [
            self.refused.eq(pointer[-1]), self.checked.eq(given.ready), there.eq(~pointer[-1]),
            given.valid.eq(self.checking | second), given.payload.address.eq(pointer),
            given.payload.fetch.eq(there & (~second | (number[:places] == 0) | bool(sizes.serial))),
            given.payload.tag.second.eq(second), given.payload.tag.there.eq(there),
            self.index_read.eq(reader.granted),
        ]
        m.d.sync += second.eq(Mux(second, ~given.ready, self.checking & given.ready))

        # Entries from `entry` on, of the row or of the layer's memory.
        entry, count = Signal(POINTER_BITS, name="entry"), Signal(signed(POINTER_BITS + 1), name="count")
        tag, word, ready = found.payload.tag, found.payload.word, Signal(name="ready")
        pair = word.word_select((held.neuron + tag.second)[:places], POINTER_BITS)
        m.d.comb += found.ready.eq(1)
        with m.If(found.valid):
            m.d.sync += [count.eq(Mux(tag.there, pair - entry, -1)), ready.eq(tag.second)]
            with m.If(~tag.second):
                m.d.sync += entry.eq(pair)
        self._entries(m, entry, count, ready)

    def _entries(self, m: Module, entry: Signal, count: Signal, ready: Signal) -> None:
        """The steps of a row's entries. `ready`: `entry` and `count` hold its first one and their number."""
        sizes, step, places = self.sizes, self.step, pointers_per_word(self.sizes).bit_length() - 1
        first, left = Signal(name="first", init=1), Signal(sizes.neuron_bits + 1, name="left")
        wrong, some, beyond = Signal(name="wrong"), Signal(name="some"), Signal(name="beyond")
        address = self.saturated(self.held.layer.weight_base + (entry >> places))
        fetch = first | (entry[:places] == 0) | bool(sizes.serial)
        m.d.comb += [
            wrong.eq(first & ((count < 0) | (count > self.held.layer.outputs + 1))), some.eq(~first | (count != 0)),
            beyond.eq(fetch & address[-1]), self.given.eq(ready), step.synapse.eq(some & ~wrong & ~beyond),
            step.error.eq(wrong | (some & beyond)), step.fetch.eq(step.synapse & fetch),
            step.end.eq(~step.synapse | (Mux(first, count, left) == 1)),
            step.address.eq(address), step.offset.eq(Cat(
                (ENTRY.positions["weight"]) + (entry[:places] << (ENTRY.bits - 1).bit_length()))),
            step.neuron.eq(self.held.layer.outputs),
        ]
        with m.If(self.taken):
            m.d.sync += [entry.eq(entry + 1), left.eq(Mux(first, count, left) - 1), first.eq(step.end)]
            with m.If(step.end):
                m.d.sync += ready.eq(0)
