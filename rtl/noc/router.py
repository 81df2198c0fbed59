"""The router of the network on chip: XY routing, a queue per input, a fair choice per output, a register per link."""

from collections.abc import Collection
from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, ShapeLike, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.noc.router import LEAST_DEPTH, STEPS, checked, ways
from golden.words import layouts
from rtl.arithmetic import add, following, preceding
from rtl.words import struct

ADDRESS = ("core_x", "core_y")
TURNS = ("north", "south", "east", "west", "local")
"""In which order the inputs of an output take turns. Any is fair; synthesis makes the least of this one."""


class InputQueue(wiring.Component):
    """The queue of an input: events in a small memory that is read at once, and beside it where they go, in registers.

    Ports:
        ready: there is room; a register. take: `word` comes, and goes to `leads` (one-hot), only with `ready`.
        head: the first of the queue. wants: where it goes (one-hot), 0 if there is none; registers, as all waits for
        them.
        step: the head leaves, or there is none.
    """

    def __init__(self, layout: data.StructLayout, outputs: int, depth: int):
        self.layout, self.outputs, self.depth = layout, outputs, depth
        super().__init__({"ready": Out(1, init=1), "take": In(1), "word": In(layout), "leads": In(outputs),
                          "head": Out(layout), "wants": Out(outputs), "step": In(1)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, depth = Module(), self.depth
        words = self._memory(m, "words", self.layout)
        first, free, free_next = (Signal(range(depth), name=name) for name in ("first", "free", "free_next"))
        m.d.comb += [free_next.eq(Mux(self.take, self._after(free), free)),
                     words[0].addr.eq(free), words[0].data.eq(self.word), words[0].en.eq(self.take),
                     words[1].addr.eq(first), self.head.eq(words[1].data)]
        m.d.sync += free.eq(free_next)
        # Whether an event waits behind the head, its place, where it goes, and whether one more fills the queue.
        if depth == LEAST_DEPTH:
            second = Signal(self.outputs, name="second_leads", reset_less=True)
            with m.If(self.take):
                m.d.sync += second.eq(self.leads)
            more, place, nearly_full = ~self.ready, ~free, Const(1, 1)  # with two events, `free` is `first`
        else:
            leads, place = self._memory(m, "directions", unsigned(self.outputs)), Signal(range(depth), name="second")
            more, second, nearly_full = place != free, leads[1].data, self._after(free) == first
            m.d.comb += [leads[0].addr.eq(free), leads[0].data.eq(self.leads), leads[0].en.eq(self.take),
                         leads[1].addr.eq(place)]
            with m.If(self.step):
                m.d.sync += place.eq(Mux(more, self._after(place), free_next))
        with m.If(self.step):
            m.d.sync += [first.eq(Mux(more, place, free)),
                         self.wants.eq(Mux(more, second, self.leads & self.take.replicate(self.outputs)))]
        # With no head a step leaves at most the event that comes.
        m.d.sync += self.ready.eq(self.step | (self.ready & ~(self.take & nearly_full)))
        return m

    def _memory(self, m: Module, name: str, shape: ShapeLike) -> tuple[memory.WritePort, memory.ReadPort]:
        """A memory of `depth` places, and its ports: a register per bit would cost more in FPGAs that have them."""
        m.submodules[name] = made = memory.Memory(shape=shape, depth=self.depth, init=[],
                                                  attrs={"ram_style": "distributed"})
        return made.write_port(), made.read_port(domain="comb")

    def _after(self, place: Value) -> Value:
        """The next place, as wide as a place."""
        return following(place, self.depth)[:len(place)]


class Router(wiring.Component):
    """Moves events towards their receivers, one per cycle at each port.

    An event goes to the output of `golden.noc.router.decide`, if it may take it from its input (`ways`): so those of an
    input and an output stay in order, END behind its values, as long as the queues are first in, first out and there is
    one way from each sender to each receiver. What has no way is dropped as it comes, and never blocks others.
    What leaves has a way in the next router, so that only a few inputs are checked (`golden.noc.router.checked`).

    Args:
        depth: events in the queue of an input, at least LEAST_DEPTH.
        missing: ports that are left out, as at an edge.
        entries: ports whose events come from outside the network. Only there may an event turn from a column into a
            row: a port to another router must not be an entry, or routers may wait for each other in a circle.

    Ports:
        <port>_in, <port>_out: streams of events, for each of local, north, east, south and west.
        dropped: an event was dropped in the cycle before; several at once give one pulse.
        empty: no event is in a queue, and none is offered.

    Latency: `latency` cycles from an event taken to its offer at a link, `local_latency` at the local output, if it
    waits for none. The local output has no register: behind it is a queue of the same node.
    Throughput: one event per cycle at each input and each output.
    Back-pressure: every `ready` and every output is a register, or depends on none but this block's. An output that is
    not taken stops those who wait for it, and who is behind them. An event at the head of its queue waits for at most
    one event of each other input of its output (round robin).

    Raises:
        ConfigError: see `ways`; or too few places.
    """

    latency, local_latency = 2, 1

    def __init__(self, config: CoreConfig, depth: int = LEAST_DEPTH, *, missing: Collection[str] = (),
                 entries: Collection[str] = ()):
        if depth < LEAST_DEPTH:
            raise ConfigError(f"router: depth = {depth} is less than {LEAST_DEPTH}, which one event per cycle needs")
        self.config, self.depth = config, depth
        self.ways, self.checked = ways(missing, entries), checked(missing, entries)
        self.event = struct(layouts(config).event)
        super().__init__({
            **{f"{port}_in": In(stream.Signature(self.event)) for port in self.ways},
            **{f"{port}_out": Out(stream.Signature(self.event)) for port in self.ways},
            "dropped": Out(1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, lost, queues = Module(), [], {}
        for port in self.ways:
            queues[port], dropped = self._input(m, port)
            lost.append(dropped)
        m.d.sync += self.dropped.eq(Cat(lost).any())
        waits = {port: [] for port in self.ways}
        for output in self.ways:
            froms = [port for port in TURNS if output in self.ways.get(port, ())]
            taken = self._output(m, output, [queues[port].wants[self.ways[port].index(output)] for port in froms],
                                 [queues[port].head for port in froms])
            for index, port in enumerate(froms):
                waits[port].append(queues[port].wants[self.ways[port].index(output)] & ~taken[index])
        for port, queue in queues.items():
            m.d.comb += queue.step.eq(~Cat(waits[port]).any())
        m.d.comb += self.empty.eq(~Cat(*(queue.wants for queue in queues.values()),
                                       *(getattr(self, f"{port}_out").valid for port in self.ways)).any())
        return m

    def _input(self, m: Module, port: str) -> tuple[InputQueue, Value]:
        """The queue of an input, and whether an event is dropped; where it goes is found out as it comes."""
        given, outputs = getattr(self, f"{port}_in"), self.ways[port]
        kept = data.StructLayout({name: unsigned(bits) for name, bits in self._kept(port).items()})
        m.submodules[f"{port}_queue"] = queue = InputQueue(kept, len(outputs), self.depth)
        x, y = given.payload.core_x, given.payload.core_y
        moves_x, moves_y = Signal(name=f"{port}_moves_x"), Signal(name=f"{port}_moves_y")
        m.d.comb += [moves_x.eq(x != 0), moves_y.eq(y != 0)]
        leads = self._leads(port, moves_x, x[-1], moves_y, y[-1])
        has_way = Cat(leads).any() if port in self.checked else Const(1, 1)
        came = given.valid & queue.ready
        m.d.comb += [given.ready.eq(queue.ready), queue.take.eq(came & has_way), queue.leads.eq(Cat(leads)),
                     *(queue.word[name].eq(given.payload[name]) for name, _ in kept)]
        return queue, came & ~has_way

    def _kept(self, port: str) -> dict[str, int]:
        """The bits of each field that a queue keeps: in the direction that an event goes, it needs no sign."""
        turns = not {"east", "west"}.isdisjoint(self.ways[port])
        bits = {name: len(Value.cast(getattr(self, f"{port}_in").payload[name])) for name, _ in self.event}
        bits["core_x" if turns else "core_y"] -= 1
        return bits if turns else {name: width for name, width in bits.items() if name != "core_x"}

    def _leads(self, port: str, moves_x: Value, west: Value, moves_y: Value, north: Value) -> list[Value]:
        """Whether an event goes to each output of its input. Unless that is checked, it goes to one of them."""
        found = {"west": west, "east": moves_x & ~west, "north": ~moves_x & north, "south": ~moves_x & moves_y & ~north,
                 "local": ~moves_x & ~moves_y}
        if port not in self.checked and port in ("north", "south"):
            found |= {"north": moves_y, "south": moves_y, "local": ~moves_y}
        elif port not in self.checked:
            found |= {"west": moves_x, "east": moves_x}
        return [found[output] for output in self.ways[port]]

    def _output(self, m: Module, output: str, wants: list[Value], heads: list[data.View]) -> list[Value]:
        """An output and who is next; returns whose head it takes, if that wants it."""
        out, count = getattr(self, f"{output}_out"), len(heads)
        last, chosen = (Signal(range(count), name=f"{output}_{name}") for name in ("last", "chosen"))
        free, some = Signal(name=f"{output}_free"), Cat(wants).any()
        m.d.comb += chosen.eq(last)
        # The first who wants after the one who went last: a table of `last` and `wants`, a LUT6 a bit.
        with m.Switch(last):
            for before in range(count if count > 1 else 0):
                with m.Case(before):
                    for index in reversed([(before + 1 + ahead) % count for ahead in range(count)]):
                        with m.If(wants[index]):
                            m.d.comb += chosen.eq(index)
        picked = [chosen == index for index in range(count)]
        if output == "local":
            m.d.comb += [free.eq(out.ready), out.valid.eq(some)]
            with m.If(some):  # who is offered and waits stays the first after `last`
                m.d.sync += last.eq(Mux(free, chosen, preceding(chosen, count)))
        else:
            valid = Signal(name=f"{output}_valid")
            m.d.comb += [free.eq(~valid | out.ready), out.valid.eq(valid)]
            with m.If(free):
                m.d.sync += [valid.eq(some), last.eq(chosen)]
        self._payload(m, output, free, picked, heads)
        return [free & one for one in picked]

    def _payload(self, m: Module, output: str, free: Value, picked: list[Value], heads: list[data.View]) -> None:
        """The event at an output: of a link a register, whose address counts the step."""
        for name, _ in self.event:
            step = STEPS[output][ADDRESS.index(name)] if name in ADDRESS else 0
            if (name == "core_x" and not step) or (name == "core_y" and output == "local"):
                continue  # 0, as it is there already
            shown = Value.cast(getattr(self, f"{output}_out").payload[name])
            bits = len(shown) - bool(step)  # what counts down to 0 has one sign until it is there
            value = self._select(picked, [Value.cast(head[name])[:bits] for head in heads])
            if output == "local":
                m.d.comb += shown.eq(value)
                continue
            word = Signal(bits, name=f"{output}_{name}", reset_less=True)
            with m.If(free):
                m.d.sync += word.eq(self._moved(value, step))
            m.d.comb += shown.eq(Cat(word, word.any()) if step < 0 else word)

    def _select(self, picked: list[Value], values: list[Value]) -> Value:
        """The value of the picked one (one-hot): as a sum of products, which takes the fewest gates, and a LUT6."""
        return reduce(or_, [value & one.replicate(len(value)) for one, value in zip(picked, values, strict=True)])

    def _moved(self, value: Value, step: int) -> Value:
        """An address behind an output: one carry chain, whose LUTs choose the address as well."""
        bits = len(value)
        if step > 0:
            return add(Const(-1, bits), value, Const(0, 1), bits)
        return add(Const(0, bits), value, Const(1, 1), bits) if step else value
