"""Bitmap in hardware: words of bits, whose ones are found one per cycle."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring

from golden.synapse.organisations import bitmap
from golden.synapse.organisations.interface import POINTER_BITS
from golden.synapse.organisations.packing import pointers_per_word
from rtl.synapse.organisations.reader import Reader
from rtl.synapse.organisations.walk import Walking


class Bitmap(Walking):
    """See `golden.synapse.organisations.bitmap`.

    The words of bits are read ahead. A word of weights is asked for with the first one that needs it.

    Latency: 2·`read_latency` + 4 cycles from a request to its first synapse, if the first word has one. Throughput: one
    synapse per cycle; a word without ones, and the end if the last word is such a one, takes a cycle.
    """

    model = bitmap.Bitmap

    def walk(self, m: Module) -> None:
        sizes = self.sizes
        # `there`: the word is in memory.
        tag = data.StructLayout({"pointer": 1, "last": 1, "there": 1})
        m.submodules.index_reader = reader = Reader(sizes, tag, bypass=False, keep=False)
        wiring.connect(m, reader.port, wiring.flipped(self.index))
        self._ask(m, reader)
        self._scan(m, reader)

    def _ask(self, m: Module, reader: Reader) -> None:
        """The pointer, and then the row's words of bits, to its end or that of the memory."""
        sizes, held, given = self.sizes, self.held, reader.given
        places = pointers_per_word(sizes).bit_length() - 1
        pointer = self.saturated(held.layer.index_base + (held.neuron >> places))
        address, left = Signal(sizes.address_bits + 1), Signal(sizes.neuron_bits)
        asking, there = Signal(name="asking"), Signal(name="there")
        m.d.comb += [
            self.refused.eq(pointer[-1]), there.eq(~address[-1]),
            given.valid.eq(self.checking | asking), given.payload.fetch.eq(self.checking | there),
            given.payload.address.eq(Mux(self.checking, pointer, address)),
            given.payload.tag.pointer.eq(self.checking), given.payload.tag.there.eq(there),
            given.payload.tag.last.eq((left == 0) | ~there), self.checked.eq(given.ready),
            self.index_read.eq(reader.granted & self.checking), self.bitmap_read.eq(reader.granted & asking),
        ]
        row = self.row(m, held.layer.bitmap_base)
        with m.If(self.checking):
            m.d.sync += [address.eq(row), left.eq(held.layer.outputs >> sizes.offset_bits), asking.eq(given.ready)]
        with m.Elif(asking & given.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1), asking.eq(~given.payload.tag.last)]

    def _scan(self, m: Module, reader: Reader) -> None:
        """The ones of each word, lowest first."""
        sizes, held, step, found = self.sizes, self.held, self.step, reader.found
        tag, layer = found.payload.tag, held.layer
        address, offset = Signal(sizes.address_bits + 1), Signal(sizes.offset_bits)
        number, first, bad = (Signal(sizes.neuron_bits, name="number"), Signal(name="first"), Signal(name="bad"))
        seen = Signal(sizes.word_bits, name="seen")
        ones, lowest, others = (Signal(sizes.word_bits, name=name) for name in ("ones", "lowest", "others"))
        neuron = Cat(_place(lowest), number)
        some, outside, fetch, beyond = (Signal(name=name) for name in ("some", "outside", "fetch", "beyond"))
        scanning, leaves = Signal(name="scanning"), Signal(name="leaves")
        m.d.comb += [
            scanning.eq(self.walking & found.valid & ~tag.pointer),
            ones.eq(found.payload.word & ~seen), lowest.eq(ones & -ones), others.eq(ones & ~lowest),
            some.eq(ones.any() & ~bad & tag.there), outside.eq(neuron > layer.outputs),
            fetch.eq(some & ~outside & (first | (offset == 0) | bool(sizes.serial))), beyond.eq(fetch & address[-1]),
            step.synapse.eq(some & ~outside & ~beyond),
            step.error.eq((some & outside) | beyond | bad | ~tag.there), step.fetch.eq(fetch & ~beyond),
            step.address.eq(address), step.offset.eq(offset), step.neuron.eq(neuron),
            # The word is left behind its last one.
            leaves.eq(~some | beyond | ~others.any()), step.end.eq(leaves & tag.last),
            # A word without ones gives no step, unless it is the last.
            self.given.eq(scanning & ((some & ~beyond) | tag.last)),
            found.ready.eq(tag.pointer | (scanning & leaves & (~self.given | self.taken))),
        ]
        next_address, next_offset = self.following(address, offset)
        with m.If(self.taken):
            m.d.sync += seen.eq(seen | lowest)
        with m.If(self.taken & step.synapse):
            m.d.sync += [address.eq(next_address), offset.eq(next_offset), first.eq(0)]
        with m.If(scanning & found.ready):
            m.d.sync += [seen.eq(0), number.eq(number + 1), bad.eq(bad | beyond)]

        # Where the row's weights begin.
        places = pointers_per_word(sizes)
        pointer = found.payload.word.word_select(held.neuron[:places.bit_length() - 1], POINTER_BITS)
        place = pointer[:sizes.offset_bits] * layer.weight_bits
        begin = self.saturated(layer.weight_base + pointer[sizes.offset_bits:])
        fits = place + layer.weight_bits <= sizes.word_bits
        with m.If(found.valid & tag.pointer):
            m.d.sync += [address.eq(Cat(begin[:-1], begin[-1] | ~fits)), offset.eq(place), first.eq(1), bad.eq(0),
                         number.eq(0), seen.eq(0)]


def _place(lowest: Value) -> Value:
    """The number of the one bit that is set."""
    return Cat(Cat(lowest[i] for i in range(len(lowest)) if i >> bit & 1).any()
               for bit in range((len(lowest) - 1).bit_length()))
