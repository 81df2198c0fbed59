"""Compressed rows in hardware: two pointers, and the entries between them."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring

from golden.synapse.organisations import compressed_rows
from golden.synapse.organisations.compressed_rows import ENTRY, LINK
from golden.synapse.organisations.interface import POINTER_BITS
from golden.synapse.organisations.packing import pointers_per_word
from rtl.synapse.organisations.reader import Reader
from rtl.synapse.organisations.row_search import RowSearch
from rtl.synapse.organisations.walk import Walking
from rtl.words import struct


class CompressedRows(Walking):
    """See `golden.synapse.organisations.compressed_rows`.

    Latency: 2·`read_latency` + 4 cycles from a request to its first synapse. Throughput: one synapse per cycle.

    On the way back links are asked for as entries are on the way forward, and each link's entry as it comes: one
    synapse per cycle. Latency: 3·`read_latency` + 4 cycles. With `search` see `rtl.synapse.organisations.row_search`.
    """

    model = compressed_rows.CompressedRows
    entries = True

    def walk(self, m: Module) -> None:
        sizes, held = self.sizes, self.held
        # `there`: the word is in memory.
        linked = sizes.learning and not sizes.search
        tag = data.StructLayout({"second": 1, "there": 1, **({"link": 1, "last": 1, "slot": 1} if linked else {})})
        m.submodules.index_reader = reader = Reader(sizes, tag, bypass=True, keep=not sizes.serial)
        wiring.connect(m, reader.port, wiring.flipped(self.index))
        given, found, places = reader.given, reader.found, pointers_per_word(sizes).bit_length() - 1

        # First the pointer of the row, then that of the next one, perhaps in the same word.
        number, second = Signal(sizes.neuron_bits + 1), Signal(name="second")
        m.d.comb += number.eq(held.neuron + second)
        base = Mux(self.backward, held.layer.column_base, held.layer.index_base) if linked else held.layer.index_base
        pointer, there = self.saturated(base + (number >> places)), Signal(name="there")
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
        comes = found.valid
        if sizes.learning:
            comes = found.valid & ~(tag.link if linked else self.backward)
        with m.If(comes):
            m.d.sync += [count.eq(Mux(tag.there, pair - entry, -1)), ready.eq(tag.second)]
            with m.If(~tag.second):
                m.d.sync += entry.eq(pair)
        self._entries(m, entry, count, ready)
        if linked:
            self._links(m, reader, entry, count, ready)
        elif sizes.learning:
            self._search(m, reader)

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
        taken = self.taken & ~self.backward if sizes.learning else self.taken
        with m.If(taken):
            m.d.sync += [entry.eq(entry + 1), left.eq(Mux(first, count, left) - 1), first.eq(step.end)]
            with m.If(step.end):
                m.d.sync += ready.eq(0)

    def _links(self, m: Module, reader: Reader, link: Signal, count: Signal, ready: Signal) -> None:
        """The way back: links from number `link` on, each of which says where an entry is."""
        sizes, layer, step = self.sizes, self.held.layer, self.step
        given, found, places = reader.given, reader.found, (sizes.word_bits // LINK.bits).bit_length() - 1
        tag, low = found.payload.tag, pointers_per_word(sizes).bit_length() - 1
        first, asks, over = Signal(name="first_link", init=1), Signal(name="asks"), Signal(name="over")
        left, wrong, last = (Signal.like(layer.inputs, name="links_left"), Signal(name="no_links"),
                             Signal(name="last_link"))
        # More links than rows, or none: a step of its own. Else links are asked for, up to the end of the memory.
        place = self.saturated(layer.link_base + (link >> places))
        fetch = first | (link[:places] == 0) | bool(sizes.serial)
        there = ~(fetch & place[-1])
        m.d.comb += [
            wrong.eq((count <= 0) | (count > layer.inputs + 1)), asks.eq(self.backward & ready & ~wrong & ~over),
            last.eq(~there | (Mux(first, count - 1, left) == 0)),
        ]
        with m.If(asks):
            m.d.comb += [given.valid.eq(1), given.payload.address.eq(place), given.payload.fetch.eq(there & fetch)]
        with m.If(asks & given.ready):
            m.d.sync += [link.eq(link + 1), left.eq(Mux(first, count - 1, left) - 1), first.eq(0), over.eq(last)]
        m.d.comb += [
            given.payload.tag.link.eq(asks), given.payload.tag.last.eq(last), given.payload.tag.slot.eq(link[:places]),
        ]
        with m.If(asks):
            m.d.comb += given.payload.tag.there.eq(there)

        item = struct(LINK)(found.payload.word.word_select(tag.slot, LINK.bits))
        address, come, bad = (self.saturated(layer.weight_base + (item.entry >> low)), Signal(name="link_here"),
                              Signal(name="bad_link"))
        m.d.comb += [come.eq(found.valid & tag.link), bad.eq(~tag.there | (item.neuron > layer.inputs) | address[-1])]
        with m.If(self.backward):
            m.d.comb += [
                found.ready.eq(~tag.link | self.taken), self.given.eq(come | (ready & wrong)),
                step.synapse.eq(come & ~bad), step.fetch.eq(step.synapse), step.end.eq(Mux(come, tag.last, 1)),
                step.error.eq(Mux(come, bad, count != 0)), step.address.eq(address), step.neuron.eq(item.neuron),
                step.offset.eq(ENTRY.positions["weight"] + (item.entry[:low] << (ENTRY.bits - 1).bit_length())),
            ]
        with m.If(self.taken & step.end):
            m.d.sync += [first.eq(1), over.eq(0), ready.eq(0)]

    def _search(self, m: Module, reader: Reader) -> None:
        """The way back without links: all pointers one after the other, and a search between each two of them."""
        layer, step, given, found = self.held.layer, self.step, reader.given, reader.found
        m.submodules.search = search = RowSearch(self.sizes)
        places, tag = pointers_per_word(self.sizes).bit_length() - 1, reader.found.payload.tag
        number, asking = Signal(self.sizes.neuron_bits + 1, name="pointer"), Signal(name="asks_pointers")
        now = Mux(self.checking, 0, number)
        place = self.saturated(layer.index_base + (now >> places))
        there, row = ~place[-1], Signal(self.sizes.neuron_bits + 1, name="searched")
        pair = found.payload.word.word_select(row[:places], POINTER_BITS)
        with m.If(self.backward):
            m.d.comb += [
                given.valid.eq(self.checking | asking), given.payload.address.eq(place), self.checked.eq(given.ready),
                given.payload.fetch.eq(there & (self.checking | (now[:places] == 0) | bool(self.sizes.serial))),
                given.payload.tag.there.eq(there), self.refused.eq(0),
                found.ready.eq(search.pointer.ready), search.pointer.valid.eq(found.valid),
                self.given.eq(search.found.valid), search.found.ready.eq(self.taken),
                step.synapse.eq(search.found.payload.hit), step.fetch.eq(step.synapse),
                step.error.eq(search.found.payload.error), step.end.eq(search.found.payload.end),
                step.address.eq(search.found.payload.address), step.offset.eq(search.found.payload.offset),
                step.neuron.eq(search.found.payload.row),
            ]
        m.d.comb += [
            search.pointer.payload.there.eq(tag.there), search.pointer.payload.pointer.eq(pair),
            search.neuron.eq(self.held.neuron), search.inputs.eq(layer.inputs), search.outputs.eq(layer.outputs),
            search.weight_base.eq(layer.weight_base), search.begins.eq(~self.walking),
        ]
        # An entry is looked at while no step waits: one asks for words at a time.
        m.d.comb += [
            self.weight.valid.eq(self.synapses.weight.valid | search.port.valid),
            self.weight.address.eq(Mux(search.port.valid, search.port.address, self.synapses.weight.address)),
            search.port.ready.eq(self.weight.ready), search.port.data.eq(self.weight.data),
            self.weight_read.eq(self.synapses.weight_read | search.read),
        ]
        with m.If(~self.walking):
            m.d.sync += row.eq(0)
        with m.Elif(found.valid & found.ready):
            m.d.sync += row.eq(row + 1)
        with m.If(given.ready & given.valid):
            m.d.sync += [number.eq(now + 1),
                         asking.eq(self.backward & there & (now != layer.inputs + 1))]
