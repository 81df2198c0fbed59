"""Bitmap in hardware: words of bits, whose ones are found one per cycle."""

from functools import reduce

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring

from golden.synapse.organisations import bitmap
from golden.synapse.organisations.interface import POINTER_BITS
from golden.synapse.organisations.packing import pointers_per_word
from rtl.synapse.organisations.place import Place
from rtl.synapse.organisations.reader import Reader
from rtl.synapse.organisations.walk import Walking


class Bitmap(Walking):
    """See `golden.synapse.organisations.bitmap`.

    The words of bits are read ahead. A word of weights is asked for with the first one that needs it.

    Latency: 2·`read_latency` + 4 cycles from a request to its first synapse, if the first word has one. Throughput: one
    synapse per cycle; a word without ones, and the end if the last word is such a one, takes a cycle.

    On the way back a row's pointer is asked for, and then its words of bits up to that of the neuron, or with
    `checkpoints` this one alone: a row in as many cycles as words are read. Latency: 2·`read_latency` + 6 cycles.
    """

    model = bitmap.Bitmap

    def walk(self, m: Module) -> None:
        sizes = self.sizes
        # `there`: the word is in memory.
        tag = data.StructLayout({"pointer": 1, "last": 1, "there": 1, **({"end": 1} if sizes.learning else {})})
        m.submodules.index_reader = reader = Reader(sizes, tag, bypass=False, keep=False)
        wiring.connect(m, reader.port, wiring.flipped(self.index))
        self._ask(m, reader)
        scanning = ~self.backward & self.walking if sizes.learning else self.walking
        self._scan(m, reader, scanning)
        if sizes.learning:
            column = Column(self)
            column.ask(m, reader)
            column.look(m, reader)

    def _ask(self, m: Module, reader: Reader) -> None:
        """The pointer, and then the row's words of bits, to its end or that of the memory."""
        sizes, held, given = self.sizes, self.held, reader.given
        places = pointers_per_word(sizes).bit_length() - 1
        self.before = number = self.row(m) if sizes.checkpoints else held.neuron
        pointer = self.saturated(held.layer.index_base + (number >> places))
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
        row = self.saturated(held.layer.bitmap_base + (number if sizes.checkpoints else self.row(m)))
        begins = self.checking & ~self.backward if sizes.learning else self.checking
        with m.If(begins):
            m.d.sync += [address.eq(row), left.eq(held.layer.outputs >> sizes.offset_bits), asking.eq(given.ready)]
        with m.Elif(asking & given.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1), asking.eq(~given.payload.tag.last)]

    def _scan(self, m: Module, reader: Reader, walking: Value) -> None:
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
            scanning.eq(walking & found.valid & ~tag.pointer),
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
        pointer = found.payload.word.word_select(self.before[:places.bit_length() - 1], POINTER_BITS)
        place = pointer[:sizes.offset_bits] * layer.weight_bits
        begin = self.saturated(layer.weight_base + pointer[sizes.offset_bits:])
        fits = place + layer.weight_bits <= sizes.word_bits
        with m.If(found.valid & tag.pointer):
            m.d.sync += [address.eq(Cat(begin[:-1], begin[-1] | ~fits)), offset.eq(place), first.eq(1), bad.eq(0),
                         number.eq(0), seen.eq(0)]


class Column:
    """The way back in a bitmap: drives what the way forward drives, in a request that is no FORWARD.

    Args:
        walk: the organisation.
    """

    def __init__(self, walk: Bitmap):
        self.walk, self.sizes, self.held = walk, walk.sizes, walk.held
        number = walk.held.neuron >> walk.sizes.offset_bits
        # Words of a row's bits that are passed over, and that are read behind the first one.
        far = walk.saturated(Cat(number, Const(0, walk.sizes.address_bits + 1)))
        self.ahead, self.more = (far, Const(0)) if walk.sizes.checkpoints else (Const(0), number)

    def ask(self, m: Module, reader: Reader) -> None:
        """Row by row the pointer, and words of bits, to the last row or the end of the memory."""
        sizes, layer, walk, given = self.sizes, self.held.layer, self.walk, reader.given
        places, tag = pointers_per_word(sizes).bit_length() - 1, given.payload.tag
        place, row = Signal(sizes.address_bits + 1, name="column_place"), Signal(sizes.neuron_bits, name="column_row")
        number, words = Signal(sizes.neuron_bits, name="column_number"), Signal(name="column_words")
        asking = Signal(name="column_asks")
        # Of the row whose pointer is asked for: the first word of its bits that is read, the last one, and the pointer.
        now_place, now_row = Mux(walk.checking, self.ahead, place), Mux(walk.checking, 0, row)
        first = walk.saturated(layer.bitmap_base + now_place)
        pointer = walk.saturated(layer.index_base + ((now_place if sizes.checkpoints else now_row) >> places))
        there, last = Signal(name="column_there"), Signal(name="column_last")
        m.d.comb += [there.eq(~pointer[-1] & ~walk.saturated(first + self.more)[-1]), last.eq(number == self.more)]
        with m.If(walk.backward):
            m.d.comb += [
                walk.refused.eq(0), given.valid.eq(walk.checking | asking), walk.checked.eq(given.ready),
                given.payload.fetch.eq(words | there), given.payload.address.eq(Mux(words, first + number, pointer)),
                tag.pointer.eq(~words & there), tag.there.eq(words | there),
                tag.last.eq(~words | last), tag.end.eq(~there | (now_row == layer.inputs)),
                walk.index_read.eq(reader.granted & ~words), walk.bitmap_read.eq(reader.granted & words),
            ]
        with m.If(walk.checking & walk.backward):
            m.d.sync += [place.eq(self.ahead), row.eq(0), number.eq(0), asking.eq(given.ready & there),
                         words.eq(given.ready & there)]
        with m.Elif(asking & given.ready & ~words):
            m.d.sync += [words.eq(there), asking.eq(there)]
        with m.Elif(asking & given.ready):
            m.d.sync += number.eq(number + 1)
            with m.If(last):
                m.d.sync += [place.eq(walk.saturated(place + layer.row_words)), row.eq(row + 1), number.eq(0),
                             words.eq(0), asking.eq(~tag.end)]

    def look(self, m: Module, reader: Reader) -> None:
        """Of each row the bit, and how many ones are before it; then the place of its weight."""
        sizes, layer, walk, found, step = self.sizes, self.held.layer, self.walk, reader.found, self.walk.step
        tag, word, places = found.payload.tag, found.payload.word, pointers_per_word(sizes).bit_length() - 1
        bit = self.held.neuron[:sizes.offset_bits]
        most = sizes.word_bits if sizes.checkpoints else 1 << sizes.neuron_bits
        row, ones = Signal(sizes.neuron_bits, name="look_row"), Signal(range(most + 1), name="look_ones")
        slot, base = Signal(sizes.offset_bits, name="look_slot"), Signal(POINTER_BITS - sizes.offset_bits, name="base")
        place = Signal(sizes.address_bits + 1, name="look_place")
        here, before = Signal(name="look_here"), Signal(range(most + 1), name="look_before")
        below, counts = (Signal(sizes.word_bits, name=name) for name in ("look_below", "look_counts"))
        # A row's item: counted first, then divided, then given.
        item = data.StructLayout({"some": 1, "misfit": 1, "end": 1, "base": len(base), "row": sizes.neuron_bits})
        counted, divided = (Signal(item, name=name, reset_less=True) for name in ("counted", "divided"))
        full, gives = Signal(name="counted_full"), Signal(name="divided_full")
        number = Signal(range(most + sizes.word_bits + 1), name="counted_number", reset_less=True)
        m.submodules.column_place = unit = Place(sizes, len(number))
        free, moves, address = Signal(name="divided_free"), Signal(name="counted_free"), Signal(sizes.address_bits + 1)
        m.d.comb += [
            here.eq(found.valid & walk.backward & walk.walking), below.eq((Const(1, sizes.word_bits) << bit) - 1),
            counts.eq(word & Mux(tag.last, below, -1)), before.eq(ones + _ones(counts)),
            unit.enable.eq(free), unit.number.eq(number), unit.weight_bits.eq(layer.weight_bits),
            address.eq(walk.saturated(layer.weight_base + divided.base + unit.word)),
            free.eq(~gives | ~walk.given | walk.taken), moves.eq(~full | free),
        ]
        with m.If(walk.backward):
            m.d.comb += [
                found.ready.eq(tag.pointer | (here & (~tag.last | moves))),
                walk.given.eq(gives & (divided.some | divided.end)),
                step.error.eq(divided.some & (divided.misfit | address[-1])), step.end.eq(divided.end),
                step.synapse.eq(divided.some & ~step.error), step.fetch.eq(step.synapse), step.address.eq(address),
                step.offset.eq(unit.offset), step.neuron.eq(divided.row),
            ]
        with m.If(free):
            m.d.sync += [gives.eq(full), divided.eq(counted)]
        with m.If(moves):
            m.d.sync += [
                full.eq(here & ~tag.pointer & tag.last), number.eq(slot + before), counted.base.eq(base),
                counted.some.eq(word.bit_select(bit, 1) | ~tag.there), counted.end.eq(tag.end), counted.row.eq(row),
                counted.misfit.eq(~tag.there | (slot * layer.weight_bits + layer.weight_bits > sizes.word_bits)),
            ]
        with m.If(here & tag.pointer):
            # Of the pointer's number only the place in its word counts.
            pointer = word.word_select((place if sizes.checkpoints else row)[:places], POINTER_BITS)
            m.d.sync += [slot.eq(pointer), base.eq(pointer[sizes.offset_bits:])]
        with m.If(here & ~tag.pointer & found.ready):
            m.d.sync += ones.eq(Mux(tag.last, 0, before))
            with m.If(tag.last):
                m.d.sync += [row.eq(row + 1), place.eq(walk.saturated(place + layer.row_words))]
        with m.If(~walk.walking):
            m.d.sync += [row.eq(0), ones.eq(0), place.eq(self.ahead)]


def _ones(word: Value) -> Value:
    """How many bits are set."""
    sums: list[Value] = list(word)
    while len(sums) > 1:
        sums = [reduce(lambda a, b: a + b, sums[i:i + 2]) for i in range(0, len(sums), 2)]
    return sums[0]


def _place(lowest: Value) -> Value:
    """The number of the one bit that is set."""
    return Cat(Cat(lowest[i] for i in range(len(lowest)) if i >> bit & 1).any()
               for bit in range((len(lowest) - 1).bit_length()))
