"""Components whose area can be told by hand."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.instances import instance


class Nands(wiring.Component):
    """`count` NANDs of two bits, inputs and output registered."""

    def __init__(self, count: int):
        self.count = count
        super().__init__({"a": In(count), "b": In(count), "q": Out(count)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b, q = (Signal(self.count, reset_less=True) for _ in range(3))
        m.d.sync += [a.eq(self.a), b.eq(self.b), q.eq(~(a & b))]
        m.d.comb += self.q.eq(q)
        return m


class Multiplier(wiring.Component):
    """A registered 8×8 multiplication."""

    a: In(8)
    b: In(8)
    q: Out(16)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = Signal(8, reset_less=True), Signal(8, reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b), self.q.eq(a * b)]
        return m


class Adder(wiring.Component):
    """A registered 16-bit addition."""

    a: In(16)
    b: In(16)
    q: Out(16)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = Signal(16, reset_less=True), Signal(16, reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b), self.q.eq(a + b)]
        return m


class Store(wiring.Component):
    """A memory with one port: of 512 × 16 bits (an SRAM), or of other sizes."""

    def __init__(self, depth: int = 512, width: int = 16):
        self.depth, self.width = depth, width
        super().__init__({"address": In(range(depth)), "write": In(1), "data": In(width), "q": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [write.addr.eq(self.address), write.en.eq(self.write), write.data.eq(self.data),
                     read.addr.eq(self.address), read.en.eq(~self.write), self.q.eq(read.data)]
        return m


class Mixed(wiring.Component):
    """Four NANDs, a multiplication and 8 kb of memory, or other parts."""

    def __init__(self, parts: "dict[str, wiring.Component] | None" = None) -> None:
        self.inside = parts or {"nands": Nands(4), "multiplier": Multiplier(), "store": Store()}
        super().__init__({name: Out(part.signature) for name, part in self.inside.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self.inside.items():
            m.submodules[name] = part
            wiring.connect(m, wiring.flipped(getattr(self, name)), part)
        return m


class Halves(wiring.Component):
    """Two parts, `wide` of four NANDs and `narrow` of one."""

    a: In(5)
    b: In(5)
    q: Out(5)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.wide = wide = Nands(4)
        m.submodules.narrow = narrow = Nands(1)
        m.d.comb += [wide.a.eq(self.a[:4]), narrow.a.eq(self.a[4]), wide.b.eq(self.b[:4]), narrow.b.eq(self.b[4]),
                     self.q.eq(Cat(wide.q, narrow.q))]
        return m


class Cells(wiring.Component):
    """Instances (`rtl.instances`) of two kinds: two of four NANDs, one of one; and a NAND of its own between them."""

    def __init__(self) -> None:
        self.parts: dict[str, wiring.Component] = {"node": Nands(4), "host_node": Nands(1)}
        super().__init__({"a": In(4), "b": In(4), "q": Out(4), "r": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = (instance(m, "node", self.parts["node"], f"node_{number}") for number in range(2))
        host = instance(m, "host_node", self.parts["host_node"], "node_2")
        m.submodules.own = own = Nands(1)
        m.d.comb += [first.a.eq(self.a), first.b.eq(self.b), second.a.eq(first.q), second.b.eq(self.b),
                     host.a.eq(second.q[0]), host.b.eq(self.a[0]), own.a.eq(host.q), own.b.eq(self.b[0]),
                     self.q.eq(second.q), self.r.eq(own.q)]
        return m
