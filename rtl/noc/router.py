"""The router of the network on chip: five ports, XY routing, a queue per input, a fair choice and a register per output."""

from collections.abc import Collection

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.noc.router import LEAST_DEPTH, STEPS, ways
from golden.words import layouts
from rtl.arithmetic import add
from rtl.words import struct

ADDRESS = ("core_x", "core_y")


class InputQueue(wiring.Component):
    """The queue of an input, in a small memory that is read at once. `valid` and `ready` are registers.

    What comes is written on suspicion, in every cycle with `ready`; `take` says that it counts.

    Ports:
        ready: there is room. take: `word` comes, only with `ready`.
        valid: `head` is there, the first of the queue. pop: it leaves, only with `valid`.
    """

    def __init__(self, layout: data.StructLayout, depth: int):
        self.layout, self.depth = layout, depth
        super().__init__({"ready": Out(1, init=1), "take": In(1), "word": In(layout),
                          "valid": Out(1), "pop": In(1), "head": Out(layout)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, depth = Module(), self.depth
        # A register per bit of it would cost more, in the FPGA families that have such memories.
        m.submodules.words = words = memory.Memory(shape=self.layout, depth=depth, init=[],
                                                   attrs={"ram_style": "distributed"})
        write, read = words.write_port(), words.read_port(domain="comb")
        first, free = (Signal(range(depth), name=name) for name in ("first", "free"))

        def after(place: Value) -> Value:
            return place + 1 if depth & (depth - 1) == 0 else Mux(place == depth - 1, 0, place + 1)

        # The last one, and room for one more. Of two places, either is where the other is.
        two = self.valid & self.ready
        only = two if depth == LEAST_DEPTH else self._equal(after(first), free)
        nearly_full = two if depth == LEAST_DEPTH else self._equal(after(free), first)
        m.d.comb += [write.addr.eq(free), write.data.eq(self.word), write.en.eq(self.ready),
                     read.addr.eq(first), self.head.eq(read.data)]
        with m.If(self.take):
            m.d.sync += free.eq(after(free))
        with m.If(self.pop):
            m.d.sync += first.eq(after(first))
        m.d.sync += [self.valid.eq(self.take | (self.valid & ~(self.pop & only))),
                     self.ready.eq(self.pop | (self.ready & ~(self.take & nearly_full)))]
        return m

    def _equal(self, place: Value, other: Value) -> Value:
        return place[:len(other)] == other


class Router(wiring.Component):
    """Moves events towards their receivers, one per cycle at each port.

    An event goes to the output of `golden.noc.router.decide`, if it may take it from its input (`ways`): so those of an
    input and an output stay in order, END behind its values, as long as the queues are first in, first out and there is
    one way from each sender to each receiver. What has no way is dropped as it comes, so that it never blocks others.
    What leaves has a way in the next router.

    Args:
        depth: events in the queue of an input, at least LEAST_DEPTH.
        missing: ports that are left out, as at an edge.
        entries: of north and south the ports where events come from outside the network. Only they may turn from a
            column into a row; a port that leads to another router must not be one, or routers may wait in a circle.

    Ports:
        <port>_in, <port>_out: streams of events, for each of local, north, east, south and west.
        dropped: an event was dropped in the cycle before; several at once give one pulse.

    Latency: `latency` cycles from an event taken to its offer, if it waits for none.
    Throughput: one event per cycle at each input and each output.
    Back-pressure: every `ready` and every output is a register, or depends on none but this block's. An output that is
    not taken stops those who wait for it, and who is behind them. An event at the head of its queue waits for at most
    one event of each other input of its output (round robin).

    Raises:
        ConfigError: see `ways`; or too few places.
    """

    latency = 2

    def __init__(self, config: CoreConfig, depth: int = LEAST_DEPTH, *, missing: Collection[str] = (),
                 entries: Collection[str] = ()):
        if depth < LEAST_DEPTH:
            raise ConfigError(f"router: depth = {depth} is less than {LEAST_DEPTH}, which one event per cycle needs")
        self.config, self.depth = config, depth
        self.ways = ways(missing, entries)
        self.event = struct(layouts(config).event)
        super().__init__({
            **{f"{port}_in": In(stream.Signature(self.event)) for port in self.ways},
            **{f"{port}_out": Out(stream.Signature(self.event)) for port in self.ways},
            "dropped": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, wants, queues = Module(), {}, {}
        lost = []
        for port in self.ways:
            queues[port], dropped = self._input(m, port)
            wants[port] = self._wants(m, port, queues[port])
            lost.append(dropped)
        m.d.sync += self.dropped.eq(Cat(lost).any())
        pops: dict[str, list[Value]] = {port: [] for port in self.ways}
        for output in self.ways:
            froms = [port for port in self.ways if output in self.ways[port]]
            taken = self._output(m, output, [wants[port][output] for port in froms],
                                 [queues[port].head for port in froms])
            for index, port in enumerate(froms):
                pops[port].append(taken[index])
        for port, queue in queues.items():
            m.d.comb += queue.pop.eq(Cat(pops[port]).any())
        return m

    def _kept(self, port: str) -> data.StructLayout:
        """What the queue of an input holds: an event without the address that is known, and what `_wants` needs."""
        rows = {"core_x"} if not {"east", "west"} & {*self.ways[port]} else set()
        return data.StructLayout({
            **{name: field.shape for name, field in self.event if name not in rows},
            **({} if rows else {"moves_x": 1}), **({"no_y": 1} if "local" in self.ways[port] else {}),
        })

    def _input(self, m: Module, port: str) -> tuple[InputQueue, Value]:
        """The queue of an input, and whether an event is dropped; where it goes is found out as it comes."""
        given, event, outputs = getattr(self, f"{port}_in"), self.event, self.ways[port]
        layout = self._kept(port)
        m.submodules[f"{port}_queue"] = queue = InputQueue(layout, self.depth)
        x, y = given.payload.core_x, given.payload.core_y
        moves_x, no_y = Signal(name=f"{port}_moves_x"), Signal(name=f"{port}_no_y")
        m.d.comb += [moves_x.eq(x != 0), no_y.eq(y == 0)]
        leads = {"east": moves_x & ~x[-1], "west": moves_x & x[-1], "local": ~moves_x & no_y,
                 "north": ~moves_x & y[-1], "south": ~moves_x & ~y[-1] & ~no_y}
        legal = Cat(leads[output] for output in outputs).any()
        values = {"moves_x": moves_x, "no_y": no_y} | {name: given.payload[name] for name, _ in event}
        m.d.comb += [given.ready.eq(queue.ready), queue.take.eq(given.valid & queue.ready & legal),
                     *(queue.word[name].eq(values[name]) for name, _ in layout)]
        return queue, given.valid & queue.ready & ~legal

    def _wants(self, m: Module, port: str, queue: InputQueue) -> dict[str, Value]:
        """Whether the head of a queue goes to each of its outputs; it is known to go to one of them."""
        outputs, head = self.ways[port], queue.head
        names = [name for name, _ in queue.layout]
        moves_x = head.moves_x if "moves_x" in names else Const(0, 1)
        no_y = head.no_y if "no_y" in names else Const(0, 1)
        signs = {}
        for axis, (low, high) in (("core_x", ("west", "east")), ("core_y", ("north", "south"))):
            both = low in outputs and high in outputs
            signs[low], signs[high] = (head[axis][-1], ~head[axis][-1]) if both else (Const(1, 1), Const(1, 1))
        found = {}
        for output in outputs:
            leads = (moves_x & signs[output] if output in ("east", "west") else
                     ~moves_x & no_y if output == "local" else ~moves_x & ~no_y & signs[output])
            found[output] = Signal(name=f"{port}_wants_{output}")
            m.d.comb += found[output].eq(queue.valid & leads)
        return found

    def _output(self, m: Module, output: str, wants: list[Value], heads: list[data.View]) -> list[Value]:
        """The register of an output and who is next; returns whose head it takes."""
        out, count = getattr(self, f"{output}_out"), len(heads)
        valid, free = Signal(name=f"{output}_valid"), Signal(name=f"{output}_free")
        last, chosen = (Signal(range(count), name=f"{output}_{name}") for name in ("last", "chosen"))
        m.d.comb += [free.eq(~valid | out.ready), chosen.eq(last), out.valid.eq(valid)]
        # The first who wants after the one who went last: a table of `last` and `wants`, a LUT6 a bit.
        with m.Switch(last):
            for before in range(count):
                with m.Case(before):
                    for index in reversed([(before + 1 + ahead) % count for ahead in range(count)]):
                        with m.If(wants[index]):
                            m.d.comb += chosen.eq(index)
        with m.If(free):
            m.d.sync += [valid.eq(Cat(wants).any()), last.eq(chosen)]
        for name, field in self.event:
            if (name == "core_x" and output not in ("east", "west")) or (name == "core_y" and output == "local"):
                continue  # 0, as it is there already
            word = Signal(field.shape, name=f"{output}_{name}", reset_less=True)
            value = self._select(chosen, [head[name] for head in heads])
            step = STEPS[output][ADDRESS.index(name)] if name in ADDRESS else 0
            with m.If(free):
                m.d.sync += word.eq(self._moved(value, step))
            m.d.comb += out.payload[name].eq(word)
        return [wants[index] & free & (chosen == index) for index in range(count)]

    def _select(self, chosen: Value, values: list[Value]) -> Value:
        selected = Value.cast(values[-1])
        for index in reversed(range(len(values) - 1)):
            selected = Mux(chosen == index, values[index], selected)
        return selected

    def _moved(self, value: Value, step: int) -> Value:
        """An address behind an output: one carry chain, whose LUTs choose the address as well."""
        bits = len(value)
        if step > 0:
            return add(Const(-1, bits), value, Const(0, 1), bits)
        return add(Const(0, bits), value, Const(1, 1), bits) if step else value
