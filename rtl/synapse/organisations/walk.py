"""What the walks of all organisations share: how a request begins, and how the steps of a walk become synapses."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl._ast import Statement
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.synapse.organisations.compressed_rows import ENTRY
from golden.synapse.organisations.interface import IN_FLIGHT, Pass, Sizes, synapse_layout
from rtl.ports import ReadPort
from rtl.synapse.organisations.in_flight import InFlight
from rtl.synapse.organisations.interface import Organisation
from rtl.synapse.organisations.place import Place
from rtl.synapse.organisations.reader import Reader
from rtl.words import struct


def step_layout(sizes: Sizes) -> data.StructLayout:
    """One step of a walk.

    `synapse`: there is one, whose weight of `bits` bits is at `offset` of the word at `address`, or of the word before
    without `fetch`. `error`: something is dropped in its place. `end`: the request has no other step. With `learning`
    `backward` and `update`: it is a step of BACKWARD or UPDATE, and of UPDATE.
    """
    value = struct(synapse_layout(sizes))["value"].shape
    more = {"backward": 1, "update": 1} if sizes.learning else {}
    return data.StructLayout({
        "synapse": 1, "error": 1, "end": 1, "fetch": 1, "address": sizes.address_bits, "offset": sizes.offset_bits,
        "bits": range(sizes.weight_bits + 1), "neuron": sizes.neuron_bits, "value": value, **more,
    })


class Synapses(wiring.Component):
    """The steps of a walk into synapses, with their weights from memory.

    Args:
        entries: the word at `offset` holds the neuron as well (`golden.synapse.organisations.compressed_rows`), and
            `neuron` of a FORWARD step is the last one that there is.

    Ports:
        step: stream of steps. synapse, weight, done, error, weight_read, retired: see Organisation. empty: nothing is
            inside. written: no weight of an UPDATE is on its way.

    With `learning` a step of an UPDATE waits as long as its weight, by the bit address, is among those on their way, or
    there are as many as can be known. Weights of one width that are not at the same address do not overlap.

    Latency: `read_latency` + 1 cycles from a step that waits for a word to its synapse. Throughput: one step per cycle.
    """

    def __init__(self, sizes: Sizes, *, entries: bool = False):
        self.sizes, self.entries = sizes, entries
        self.synapse_layout = self.layout(sizes)
        super().__init__({
            "step": In(stream.Signature(step_layout(sizes))), "synapse": Out(stream.Signature(self.synapse_layout)),
            "weight": Out(ReadPort(sizes)), "done": Out(1), "error": Out(1), "weight_read": Out(1), "empty": Out(1),
            **({"retired": In(1), "written": Out(1)} if sizes.learning else {}),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, sizes, step = Module(), self.sizes, self.step
        layout = step_layout(sizes)
        m.submodules.reader = reader = Reader(sizes, layout, bypass=True, keep=not sizes.serial)
        given = step.valid, reader.given.ready
        if sizes.learning:
            waits = self._written_first(m)
            given = step.valid & ~waits, reader.given.ready & ~waits
        m.d.comb += [
            reader.given.valid.eq(given[0]), step.ready.eq(given[1]),
            reader.given.payload.address.eq(step.payload.address), reader.given.payload.fetch.eq(step.payload.fetch),
            reader.given.payload.tag.eq(step.payload), self.weight_read.eq(reader.granted),
        ]
        wiring.connect(m, reader.port, wiring.flipped(self.weight))

        found, word = reader.found.payload.tag, reader.found.payload.word
        neuron, there = found.neuron, found.synapse
        if self.entries:
            given = struct(ENTRY)(word.word_select(found.offset[5:], ENTRY.bits))
            more = max(0, sizes.neuron_bits - len(given.neuron))
            neuron = Signal(len(given.neuron) + more, name="neuron")
            m.d.comb += neuron.eq(Cat(given.neuron, given.spare[:more]))
            known = neuron <= found.neuron
            if sizes.learning:  # the way back knows the neuron
                known, neuron = found.backward | known, Mux(found.backward, found.neuron, neuron)
            there = found.synapse & known
        held, end, failed = Signal(name="held"), Signal(name="end"), Signal(name="failed")
        valid, payload = Signal(name="valid"), Signal(self.synapse_layout, name="payload", reset_less=True)
        free = Signal(name="free")
        m.d.comb += [free.eq(~valid | self.synapse.ready), reader.found.ready.eq(free)]
        with m.If(free):
            m.d.sync += [
                held.eq(reader.found.valid), valid.eq(reader.found.valid & there), end.eq(found.end),
                failed.eq(found.error | (found.synapse & ~there)),
                *self.fill(payload, found, word, neuron),
            ]
        m.d.comb += [
            self.synapse.valid.eq(valid), self.synapse.payload.eq(payload), self.done.eq(held & free & end),
            self.error.eq(held & free & failed), self.empty.eq(reader.empty & ~held),
        ]
        return m

    def _written_first(self, m: Module) -> Value:
        """Keep the weights that are to be written, from their read to `retired`; whether the step must wait for one."""
        step, depth = self.step.payload, self.sizes.read_latency + IN_FLIGHT
        m.submodules.in_flight = flight = InFlight(self.sizes, depth)
        m.d.comb += [
            flight.place.eq(Cat(step.offset, step.address)), flight.retired.eq(self.retired),
            flight.enters.eq(self.step.valid & self.step.ready & step.synapse & step.update),
            self.written.eq(flight.empty),
        ]
        return step.synapse & step.update & (flight.met | flight.full)

    @staticmethod
    def layout(sizes: Sizes) -> data.StructLayout:
        """What comes out."""
        return struct(synapse_layout(sizes))

    def fill(self, payload: data.View, found: data.View, word: Value, neuron: Value) -> list[Statement]:
        """What comes out, from a step and its word."""
        update = [payload.update.eq(found.update)] if self.sizes.learning else []
        return [payload.neuron.eq(neuron), payload.value.eq(found.value), *update,
                payload.weight.eq(_weight(word >> found.offset, found.bits, self.sizes.weight_bits)),
                payload.weight_address.eq(Cat(found.offset, found.address))]


def _weight(raw: Value, bits: Value, most: int) -> Value:
    """The low `bits` bits, with their sign, as a number of `most` bits."""
    sign = (raw[:most] << 1).bit_select(bits, 1)
    return Cat(Mux(bits > place, raw[place], sign) for place in range(most))


class Walking(Organisation):
    """An organisation whose synapses are looked up in memory.

    A request is checked in the cycle after it has been taken, and dropped in the next one, or its walk begins. The next
    request is taken when the last step of a walk has been given, while its words are on their way. With `learning` its
    check waits for all weights that are on their way to memory, unless it writes as well, weights of the same width.
    """

    entries = False
    """Words of the weight memory hold entries."""
    applies = False
    """With `learning` it also has APPLY."""

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, sizes = Module(), self.sizes
        m.submodules.synapses = self.synapses = synapses = self.output(sizes)
        for name in ("synapse", "weight"):
            wiring.connect(m, getattr(synapses, name), wiring.flipped(getattr(self, name)))
        self.held = held = Signal(self.request_layout(sizes), name="held", reset_less=True)
        # Of the walk: its step, in the cycles of `walking`; and whether the request can not, or need not, wait longer.
        self.step, self.given = Signal(step_layout(sizes), name="step"), Signal(name="step_given")
        self.walking, self.checking, self.taken = (Signal(name=name) for name in ("walking", "checking", "step_taken"))
        self.refused, self.checked = Signal(name="refused"), Signal(name="checked")
        out, idle = synapses.step, Signal(name="idle")
        layer, unknown, may, inside = held.layer, (held["pass"] != Pass.FORWARD), None, ~synapses.empty
        if sizes.learning:
            most = Pass.APPLY if self.applies else Pass.UPDATE
            unknown, may, inside = held["pass"] > most, self._learning(m, synapses), inside | ~synapses.written
        m.d.comb += [
            self.step.bits.eq(layer.weight_bits), self.step.value.eq(held.value), out.payload.eq(self.step),
            self.taken.eq(self.walking & self.given & out.ready), self.busy.eq(~idle | inside),
            self.done.eq(synapses.done), self.error.eq(synapses.error), self.weight_read.eq(synapses.weight_read),
        ]
        refused = Signal(name="cannot")
        m.d.comb += refused.eq(unknown | self.unknown() | self.refused
                               | (layer.weight_bits == 0) | (layer.weight_bits > sizes.weight_bits))
        good = ~refused if may is None else ~refused & may
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [idle.eq(1), self.request.ready.eq(1)]
                m.d.sync += held.eq(self.request.payload)
                with m.If(self.request.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += self.checking.eq(good)
                with m.If(refused):
                    m.next = "DROP"
                with m.Elif(self.checked if may is None else self.checked & may):
                    m.next = "WALK"
            with m.State("WALK"):
                m.d.comb += [self.walking.eq(1), out.valid.eq(self.given)]
                with m.If(self.taken & self.step.end):
                    m.next = "IDLE"
            with m.State("DROP"):
                m.d.comb += [out.valid.eq(1), out.payload.synapse.eq(0), out.payload.fetch.eq(0),
                             out.payload.error.eq(1), out.payload.end.eq(1)]
                with m.If(out.ready):
                    m.next = "IDLE"
        self.walk(m)
        return m

    def output(self, sizes: Sizes) -> Synapses:
        """What makes synapses of the steps."""
        return Synapses(sizes, entries=self.entries)

    def walk(self, m: Module) -> None:
        """The walk itself: drives `step`, `given`, `checked` and perhaps `refused`."""
        raise NotImplementedError

    def _learning(self, m: Module, synapses: Synapses) -> Value:
        """What other passes need; whether the request may begin, as what it reads has been written."""
        # Of the request: it is a walk back, and its weights are written.
        self.backward, self.update = (Signal(name=name) for name in ("backward", "update"))
        walk, bits = self.held["pass"], Signal(len(self.held.layer.weight_bits), name="written_bits", reset_less=True)
        m.d.comb += [
            self.backward.eq((walk == Pass.BACKWARD) | (walk == Pass.UPDATE)), self.update.eq(walk >= Pass.UPDATE),
            self.step.backward.eq(self.backward), self.step.update.eq(self.update), synapses.retired.eq(self.retired),
            self.weight_write.eq(self.retired),
        ]
        with m.If(self.walking & self.update):
            m.d.sync += bits.eq(self.held.layer.weight_bits)
        return synapses.written | (self.update & (bits == self.held.layer.weight_bits))

    def unknown(self) -> Value:
        """The request's neuron is none of the layer's."""
        if not self.sizes.learning:
            return self.held.neuron > self.held.layer.inputs
        return self.held.neuron > Mux(self.backward, self.held.layer.outputs, self.held.layer.inputs)

    def row(self, m: Module) -> Signal:
        """Words of `row_words` before those of the row, in the cycle after the request has been taken."""
        request = self.request.payload
        product = Signal(2 * self.sizes.neuron_bits, name="row_place", reset_less=True)
        with m.If(self.request.ready):
            m.d.sync += product.eq(request.neuron * request.layer.row_words)
        return product

    def weight_place(self, m: Module, request: data.View) -> tuple[Value, Value]:
        """Word and bit of the weight number `neuron` of weights side by side, in the cycle after the request has been
        taken: see `rtl.synapse.organisations.place`."""
        m.submodules.place = unit = Place(self.sizes, self.sizes.neuron_bits)
        m.d.comb += [unit.enable.eq(self.request.ready), unit.number.eq(request.neuron),
                     unit.weight_bits.eq(request.layer.weight_bits)]
        return unit.word, unit.offset

    def saturated(self, address: Value) -> Value:
        """An address with one more bit, which says that it lies behind the memory."""
        low = self.sizes.address_bits
        return Cat(address[:low], address[low:].any())

    def following(self, address: Value, offset: Value) -> tuple[Value, Value]:
        """Where the next weight is: behind this one, or in the next word if it would not fit."""
        bits = self.held.layer.weight_bits
        fits = offset + (bits << 1) <= self.sizes.word_bits
        return Mux(fits, address, address + 1), Mux(fits, offset + bits, 0)
