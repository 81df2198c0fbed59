"""Stations of the access network, in Amaranth's simulator, against the golden one; the nodes are the bench's own."""

import random
from collections import deque

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.sim import Simulator

from golden import messages
from golden.config import PRESETS, CoreConfig
from golden.noc.access import OUTSTANDING, AccessNetwork, missing_answer, request
from golden.types import Place
from rtl.noc.access import AccessEnd, AccessStation
from rtl.words import struct

CONFIG = PRESETS["fpga_small"]
SIZE = COLUMNS, ROWS = 3, 2


class Stations(wiring.Component):
    """All stations of a mesh and its ends; what leads to the nodes are ports."""

    def __init__(self, config: CoreConfig):
        self.config = config
        self.rows = [AccessStation(config, "row") for _ in range(ROWS)]
        self.nodes = {(x, y): AccessStation(config, "column") for y in range(ROWS) for x in range(COLUMNS)}
        column = self.nodes[0, 0].signature.members
        super().__init__({
            "access": In(stream.Signature(struct(request(config)))), "back": Out(column["back"].signature),
            **{f"here_{x}_{y}": column["here"] for x in range(COLUMNS) for y in range(ROWS)},
            **{f"back_{x}_{y}": column["here_back"] for x in range(COLUMNS) for y in range(ROWS)},
            "error": Out(ROWS + 1), "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, empty = Module(), []
        access, back = flipped(self.access), flipped(self.back)
        for y in range(ROWS):
            m.submodules[f"row_{y}"] = row = self.rows[y]
            connect(m, access, row.given)
            connect(m, row.back, back)
            access, back = row.here, row.here_back
            for x in range(COLUMNS):
                m.submodules[f"node_{x}_{y}"] = node = self.nodes[x, y]
                connect(m, access, node.given)
                connect(m, node.back, back)
                connect(m, node.here, flipped(getattr(self, f"here_{x}_{y}")))
                connect(m, flipped(getattr(self, f"back_{x}_{y}")), node.here_back)
                access, back = node.on, node.on_back
                empty.append(node.empty)
            self._end(m, access, back, "column", y)
            access, back = row.on, row.on_back
            empty.append(row.empty)
        self._end(m, access, back, "row", ROWS)
        m.d.comb += self.empty.eq(sum(empty) == len(empty))
        return m

    def _end(self, m: Module, access, back, count: str, number: int) -> None:  # type: ignore[no-untyped-def]
        m.submodules[f"end_{number}"] = end = AccessEnd(self.config, count)
        connect(m, access, end.given)
        connect(m, end.back, back)
        m.d.comb += self.error[number].eq(end.error)


class Memory:
    """A node of few words."""

    def __init__(self, place: Place):
        self.words = {address: hash((place, address)) & 0xffff for address in range(4)}
        self.writes: list[tuple[int, int]] = []

    def access(self, fields: dict[str, int]) -> int | None:
        address = fields["address"] & 3
        if fields["write"]:
            self.words[address] = fields["data"]
            self.writes.append((address, fields["data"]))
            return None
        return self.words[address]


def accesses(pick: random.Random, count: int, strays: float) -> list[int]:
    layout, found = request(CONFIG), []
    for _ in range(count):
        columns, rows = (COLUMNS + 1, ROWS + 1) if pick.random() < strays else SIZE
        found.append(layout.pack(column=pick.randrange(columns), row=pick.randrange(rows), address=pick.randrange(4),
                                 register=pick.randrange(2), write=pick.randrange(2), data=pick.randrange(1 << 16)))
    return found


def run(given: list[int], pick: random.Random, wait: float) -> tuple[list[int], dict[Place, Memory], int, int]:
    """Answers, nodes, errors told and cycles; each party waits in a cycle with this chance."""
    dut, layout = Stations(CONFIG), request(CONFIG)
    nodes = {(x, y): Memory((x, y)) for x in range(COLUMNS) for y in range(ROWS)}
    queues: dict[Place, deque[int]] = {place: deque() for place in nodes}
    answers: list[int] = []
    sent = errors = cycles = 0

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        nonlocal sent, errors, cycles
        wanted = sum(1 - layout.unpack(word)["write"] for word in given)
        offered = False
        while sent < len(given) or len(answers) < wanted or not context.get(dut.empty):
            cycles += 1
            assert cycles < 40 * len(given) + 1000, "hangs"
            offered = sent < len(given) and (offered or pick.random() >= wait)
            context.set(dut.access.valid, int(offered))
            if offered:
                context.set(dut.access.payload.as_value(), given[sent])
            taking = pick.random() >= wait
            context.set(dut.back.ready, int(taking))
            ready = {}
            for place, queue in queues.items():
                here, back = (getattr(dut, f"{way}_{place[0]}_{place[1]}") for way in ("here", "back"))
                ready[place] = not queue and pick.random() >= wait
                context.set(here.ready, int(ready[place]))
                context.set(back.valid, int(bool(queue)))
                context.set(back.payload, queue[0] if queue else pick.randrange(1 << 16))
            if offered and context.get(dut.access.ready):
                sent, offered = sent + 1, False
            if taking and context.get(dut.back.valid):
                answers.append(context.get(dut.back.payload))
            for place, queue in queues.items():
                here, back = (getattr(dut, f"{way}_{place[0]}_{place[1]}") for way in ("here", "back"))
                if queue and context.get(back.ready):
                    queue.popleft()
                if ready[place] and context.get(here.valid):
                    word = context.get(here.payload.as_value())
                    answer = nodes[place].access(messages.request(CONFIG).unpack(word))
                    if answer is not None:
                        queue.append(answer)
            errors += context.get(dut.error).bit_count()
            await context.tick()
        for _ in range(3):
            await context.tick()
            errors += context.get(dut.error).bit_count()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return answers, nodes, errors, cycles


def test_answers_come_in_order(seed: int) -> None:
    """Any accesses to any nodes, and beyond them, at two paces: what golden says, and every error told."""
    for number, wait in enumerate((0.0, 0.4)):
        pick = random.Random(seed + number)
        given = accesses(pick, 90, 0.4)
        answers, nodes, errors, _ = run(given, pick, wait)
        golden = AccessNetwork(CONFIG, {place: Memory(place) for place in nodes})
        assert answers == golden.run(given) and missing_answer(CONFIG) in answers
        assert errors == golden.errors > 5
        for place, node in nodes.items():
            assert node.writes == golden.nodes[place].writes and node.writes  # type: ignore[attr-defined]


def test_throughput() -> None:
    """The farthest node takes an access in two cycles, and readings do not wait for each other."""
    layout, count = request(CONFIG), 3 * OUTSTANDING
    for write in (0, 1):
        given = [layout.pack(column=COLUMNS - 1, row=ROWS - 1, address=0, register=0, write=write, data=7)] * count
        answers, _, errors, cycles = run(given, random.Random(1), 0.0)
        assert len(answers) == (0 if write else count) and errors == 0
        assert 2 * count <= cycles <= 2 * count + 6 * (COLUMNS + ROWS)
