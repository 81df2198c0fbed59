"""Memory words for a walk: asked for as it goes, given back in order together with what they are for."""

from amaranth import Cat, Module, Mux, ShapeLike, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.synapse.organisations.interface import Sizes
from rtl.arithmetic import following
from rtl.ports import ReadPort


class Reader(wiring.Component):
    """Asks for the words of a stream of items, and gives each item with its word.

    An item without `fetch` goes with the word of the item before it, which may be the last one of another request.

    Args:
        tag: what goes with an item from end to end.
        bypass: a word that comes to an empty queue may leave it in the same cycle, and the item with it.
        keep: items without `fetch` look at their word.

    Ports:
        given: stream of items; `ready` waits for that of the port.
        found: stream of items with their words.
        port: the memory; no word is asked for without a place for it.
        granted: pulse, a word has been asked for. empty: nothing is inside.

    Latency: `read_latency` cycles and with `bypass` none, else one, for items that wait for a word; one for others,
    behind those before them. Throughput: one item per cycle if no read waits.
    """

    def __init__(self, sizes: Sizes, tag: ShapeLike, *, bypass: bool, keep: bool):
        self.sizes, self.tag, self.bypass, self.keep = sizes, tag, bypass, keep
        self.depth = sizes.read_latency + 2
        super().__init__({
            "given": In(stream.Signature(data.StructLayout({"address": sizes.address_bits, "fetch": 1, "tag": tag}))),
            "found": Out(stream.Signature(data.StructLayout({"word": sizes.word_bits, "tag": tag}))),
            "port": Out(ReadPort(sizes)), "granted": Out(1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, depth, given, found, port = Module(), self.depth, self.given, self.found, self.port
        # Items wait with their words. A word comes after its item, and leaves with it: there is room for both.
        items, waiting = Signal(range(depth + 1), name="items"), Signal(range(depth + 1), name="waiting")
        room, enters, leaves = Signal(name="room"), Signal(name="enters"), Signal(name="leaves")
        m.d.comb += [
            room.eq(items != depth), port.valid.eq(given.valid & given.payload.fetch & room),
            port.address.eq(given.payload.address), self.granted.eq(port.valid & port.ready),
            given.ready.eq(room & (~given.payload.fetch | port.ready)), enters.eq(given.valid & given.ready),
            leaves.eq(found.valid & found.ready), self.empty.eq(items == 0),
        ]
        m.d.sync += items.eq(items + enters - leaves)

        queue = data.StructLayout({"fetch": 1, "tag": self.tag})
        m.submodules.queue = ring = Memory(shape=queue, depth=depth, init=[])
        last, first = ring.write_port(), ring.read_port(domain="comb")
        m.d.comb += [last.en.eq(enters), last.data.fetch.eq(given.payload.fetch), last.data.tag.eq(given.payload.tag)]
        with m.If(enters):
            m.d.sync += last.addr.eq(following(last.addr, depth))
        with m.If(leaves):
            m.d.sync += first.addr.eq(following(first.addr, depth))

        m.submodules.words = words = Memory(shape=self.sizes.word_bits, depth=depth, init=[])
        write, read = words.write_port(), words.read_port(domain="comb")
        coming = Signal(self.sizes.read_latency, name="coming")
        arrives, used, there = Signal(name="arrives"), Signal(name="used"), Signal(name="there")
        m.d.sync += [coming.eq(Cat(self.granted, coming)), waiting.eq(waiting + arrives - used)]
        m.d.comb += [arrives.eq(coming[-1]), write.en.eq(arrives), write.data.eq(port.data),
                     used.eq(leaves & first.data.fetch)]
        with m.If(arrives):
            m.d.sync += write.addr.eq(following(write.addr, depth))
        with m.If(used):
            m.d.sync += read.addr.eq(following(read.addr, depth))

        word = Signal(self.sizes.word_bits, name="word")
        if self.bypass:
            m.d.comb += [word.eq(Mux(waiting == 0, port.data, read.data)), there.eq((waiting != 0) | arrives)]
        else:
            m.d.comb += [word.eq(read.data), there.eq(waiting != 0)]
        kept = word
        if self.keep:
            kept = Signal.like(word, name="kept", reset_less=True)
            with m.If(used):
                m.d.sync += kept.eq(word)
        m.d.comb += [
            found.valid.eq((items != 0) & (~first.data.fetch | there)), found.payload.tag.eq(first.data.tag),
            found.payload.word.eq(Mux(first.data.fetch, word, kept)),
        ]
        return m
