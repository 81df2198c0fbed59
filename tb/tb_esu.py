"""Bench of the ESU: operations against the golden model's literal form, and the promised cycles.

`parameters()["scenario"]` names one of SCENARIOS; the others are `config`, and `events` for the random scenario.
"""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.synapse.esu import EdgeDescriptor, Esu, ValueEvent, WordOperation
from golden.timing.microarchitecture import ESU_LATENCY, PHASES
from golden.timing.pipeline import OperationStream, operations_offered
from golden.words import EdgeKind, layouts
from rtl.ports import op_layout, value_layout
from synapress.tools.simulator import parameters, seed
from tb.esu_stimulus import Stimulus, required
from tb.memory import MemoryModel
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until

MORE_EVENTS = 4000
"""So many may follow for cases that are rare; 2400 events have been enough for all."""

# -- scenarios -------------------------------------------------------------------------------------


class Bench:
    """What the scenarios share: drivers on all ports, with pauses that can be changed, and a watch on every cycle."""

    def __init__(self, dut: Any, words: list[int] | None = None):
        self.dut, self.config = dut, CoreConfig.from_json(parameters()["config"])
        self.generator = random.Random(seed())
        self.work = Stimulus(self.generator, self.config) if words is None else None
        self.words = words if self.work is None else self.work.words
        self.patterns: dict[str, str] = dict.fromkeys(("event", "op", "descriptor"), "never")
        self.errors: Counter[str] = Counter()
        self.cycle = 0
        self.taken: list[int] = []
        """Cycles in which events were taken, and in which operations were."""
        self.operations: list[int] = []
        self.log: list[dict[str, int]] = []
        """Of each cycle: events offered and taken, operations offered and ready, reads ready, busy."""
        self.driver = StreamDriver(dut, "event", value_layout(self.config), pause=self.pace("event"),
                                   generator=self.generator)
        self.monitor = StreamMonitor(dut, "op", op_layout(self.config), pause=self.pace("op"))
        self.memory = MemoryModel(dut, "descriptor", self.words, word_bits=self.config.word_bits,
                                  pause=self.pace("descriptor"), generator=self.generator)
        dut.edges.value = dut.populations.value = 0
        if self.config.guard_states:
            dut.good.value = 0
        every_cycle(dut, self._watch())

    def pace(self, port: str) -> Iterator[bool]:
        """Pauses in the pattern that the port has at the moment."""
        while True:
            pattern = self.patterns[port]
            for pause in pauses(pattern, self.generator):
                yield pause
                if self.patterns[port] != pattern:
                    break

    def _watch(self) -> Steps:
        wires = Wires(self.dut)
        idle = True
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            for name in ("unknown_id", "unknown_channel"):
                self.errors[name] += getattr(wires, name)()
            event, op = wires.event__valid(), wires.op__valid()
            busy = wires.busy()
            self.log.append({"event": event, "op": op, "op_ready": wires.op__ready(), "busy": busy,
                             "descriptor_ready": wires.descriptor__ready()})
            assert busy or idle or not op, "an operation is offered while not busy"
            assert busy or not wires.descriptor__valid(), "a read while not busy"
            assert busy or not (self.taken and self.taken[-1] == self.cycle - 1), "not busy after an event was taken"
            idle = not busy
            if event and wires.event__ready():
                self.taken.append(self.cycle)
            if op and wires.op__ready():
                self.operations.append(self.cycle)

    async def run(self, events: list[ValueEvent], edges: int, populations: int, timeout: int = 200_000) -> None:
        """Send events and wait until the unit has nothing more to do; starts with events waiting at its port."""
        busy = Wires(self.dut).busy
        self.dut.edges.value, self.dut.populations.value = edges, populations
        self.driver.send_all(event._asdict() for event in events)
        await wait_until(self.dut, lambda: not self.driver.pending, timeout=timeout, what="an event that is not taken")
        await RisingEdge(self.dut.clk)
        await wait_until(self.dut, lambda: not busy(), timeout=timeout, what="the last operation")
        for _ in range(3):
            await RisingEdge(self.dut.clk)

    def received(self) -> list[WordOperation]:
        """The operations since the last call."""
        taken, self.monitor.received = self.monitor.received, []
        return [WordOperation(**{name: int(fields[name]) for name in WordOperation._fields}) for fields in taken]


def compare(got: list[WordOperation], expected: list[WordOperation], where: str) -> None:
    """The same operations in the same order."""
    for index, (one, other) in enumerate(zip(got, expected, strict=False)):
        assert one == other, f"{where}: operation {index} is {one}, not {other}"
    assert len(got) == len(expected), f"{where}: {len(got)} operations instead of {len(expected)}"


async def random_scenario(dut: Any) -> None:
    """Random events in rounds of other descriptors and pauses; operations, error counts and coverage.

    At least `events`, and as many more as it takes until every case has been seen.
    """
    bench = Bench(dut)
    work, generator = bench.work, bench.generator
    assert work is not None
    await clock_and_reset(dut)
    sent = total = number = 0
    least = parameters()["events"]

    def missed() -> set[str]:
        return required(bench.config) - {name for name, count in work.coverage.items() if count}

    while sent < least or (sent < least + MORE_EVENTS and missed()):
        for port in bench.patterns:
            bench.patterns[port] = generator.choice(["never", "rarely", "randomly", "bursts"])
        # A few events, so that rounds change while little is under way, or many.
        count = generator.choice([1, 5, 60, 120])
        events, expected, unknown_ids, unknown_channels = work.round(count)
        before = Counter(bench.errors)
        await bench.run(events, work.edges, work.populations)
        compare(bench.received(), expected, f"round {number}")
        assert bench.errors["unknown_id"] - before["unknown_id"] == unknown_ids, f"round {number}: unknown IDs"
        assert bench.errors["unknown_channel"] - before["unknown_channel"] == unknown_channels, \
            f"round {number}: unknown channels"
        sent, total, number = sent + count, total + len(expected), number + 1
    assert bench.driver.accepted == sent >= least and not bench.driver.pending
    assert total == len(bench.operations) > sent
    assert not missed(), f"not covered: {sorted(missed())}"
    dut._log.info("%d events, %d operations in %d cycles", bench.driver.accepted, total, bench.cycle)


async def garbage_scenario(dut: Any) -> None:
    """Descriptors and events of random bits: nothing hangs, and the operations are still those of the model."""
    config, generator = CoreConfig.from_json(parameters()["config"]), random.Random(seed())
    # Mostly few words per position, as else nothing but long events would be seen.
    few = ~((1 << config.depth_word_bits) - 4)
    words = [generator.getrandbits(config.word_bits) & few for _ in range(config.memory_words)]
    bench = Bench(dut, words)
    await clock_and_reset(dut)
    total = 0
    for _ in range(parameters()["rounds"]):
        for port in bench.patterns:
            bench.patterns[port] = generator.choice(["never", "rarely", "bursts"])
        edges, populations = (generator.randrange(2 << bits) for bits in (config.edge_bits, config.population_bits))
        used = 2 * max(populations, config.max_populations) + config.max_edges
        for address in range(used):
            words[address % config.memory_words] = generator.getrandbits(config.word_bits) & few
        long = generator.randrange(used)
        words[long % config.memory_words] = generator.getrandbits(config.word_bits)
        layout = value_layout(config)
        events = []
        for _ in range(30):
            raw = generator.getrandbits(layout.size)
            raw &= ~((1 << layout["y"].width + layout["x"].width) - 1 << layout["y"].offset) | generator.choice(
                [-1, 0, 7 * ((1 << layout["x"].offset) + (1 << layout["y"].offset))])
            view = layout.const({}).as_bits() | raw
            values = {}
            for name, field in layout:
                value = view >> field.offset & (1 << field.width) - 1
                values[name] = value - (1 << field.width) if name in "xyv" and value >> field.width - 1 else value
            events.append(ValueEvent(**values))
        reference = Esu(config, words, edges, populations)
        if config.guard_states:
            reference.good = [number < populations and generator.random() < 0.8
                              for number in range(config.max_populations)]
            dut.good.value = sum(good << number for number, good in enumerate(reference.good))
        expected = [operation for event in events for operation in reference.expand(event)]
        before = Counter(bench.errors)
        await bench.run(events, edges, populations, timeout=2_000_000)
        compare(bench.received(), expected, "garbage")
        for name in ("unknown_id", "unknown_channel"):
            assert bench.errors[name] - before[name] == getattr(reference, name), name
        total += len(expected)
    assert total > 0


def edge(config: CoreConfig, *, kernel: tuple[int, int], size: tuple[int, int] = (8, 8), words: int = 1,
         kind: str = "shared", step: int = 0, dilated: int = 0, table: int = 0, population: int = 0
         ) -> tuple[int, int]:
    """Geometry and edge word of a plain edge; `table` is where its table words lie."""
    lay = layouts(config)
    return (
        lay.geometry.pack(width=size[0], height=size[1], x_stride=size[1] * words, depth_words=words,
                          last_lane=config.lanes - 1),
        lay.edge.pack(kernel_width=kernel[0], kernel_height=kernel[1], weight_base=table, source_channels=8, step=step,
                      dilated=dilated, population=population,
                      kind={"table": EdgeKind.TABLE, "depthwise": EdgeKind.DEPTHWISE}.get(kind, EdgeKind.DENSE)))


def throughput_edges(config: CoreConfig) -> tuple[list[int], int]:
    """Memory with edges of IDs 0 to 12, and their number.

    0 to 7 give events of at least four operations, in all kinds; 8 and 9 are tables of a 2 × 2 kernel; 10 and 12 give
    events of one operation, 11 of a stride of 8.
    """
    lay = layouts(config)
    table = 3 * config.max_edges
    words = [0] * config.memory_words
    plain: list[dict[str, Any]] = [
        {"kernel": (2, 2)}, {"kernel": (1, 1), "words": 4}, {"kernel": (2, 2), "kind": "depthwise"},
        {"kernel": (4, 4), "step": 1}, {"kernel": (2, 2), "step": 2, "dilated": 1, "size": (16, 16)},
        {"kernel": (3, 2), "words": 3}, {"kernel": (8, 8), "step": 2, "size": (4, 4)},
        {"kernel": (3, 4), "kind": "depthwise", "step": 1, "size": (8, 8)},
        {"kernel": (1, 1), "kind": "table", "table": table}, {"kernel": (1, 1), "kind": "table", "table": table + 8},
        {"kernel": (1, 1)}, {"kernel": (8, 8), "step": 3}, {"kernel": (1, 1), "kind": "depthwise"},
    ]
    for identity, fields in enumerate(plain):
        words[2 * identity], words[2 * len(plain) + identity] = edge(config, **fields, population=identity)
    for offset in range(16):
        words[table + offset] = lay.table.pack(kernel_width=2, kernel_height=2, depth_words=1,
                                               last_lane=config.lanes - 1, weight_base=offset)
    return words, len(plain)


async def throughput_scenario(dut: Any) -> None:
    """No stalls from outside: not one cycle without an operation, within events and between those of the same ID.

    An event of another ID, or with a table word, is at most six cycles behind the one before, with both seven. With
    `short_events` none is lost between those that follow one another, either, whatever they have.
    """
    config, generator = CoreConfig.from_json(parameters()["config"]), random.Random(seed())
    words, edges = throughput_edges(config)
    bench = Bench(dut, words)
    await clock_and_reset(dut)

    async def run(events: list[ValueEvent]) -> tuple[list[int], list[int], int]:
        """Cycles of events taken and of operations, both after the first event was taken; cycles to not busy."""
        taken, operations = len(bench.taken), len(bench.operations)
        reference = Esu(config, words, edges, edges)
        expected = [operation for event in events for operation in reference.expand(event)]
        assert not reference.unknown_id and not reference.unknown_channel
        await bench.run(events, edges, edges)
        compare(bench.received(), expected, "throughput")
        start = bench.taken[taken]
        return [cycle - start for cycle in bench.taken[taken:]], [c - start for c in bench.operations[operations:]], \
            bench.cycle - start

    def event(identity: int, x: int = 0, y: int = 0) -> ValueEvent:
        return ValueEvent(identity, x, y, generator.randrange(8), generator.randrange(-9, 9))

    async def bubbles(identities: list[int], what: str, exactly: int = 0, reads: int | None = None) -> None:
        events, before = [event(identity) for identity in identities], bench.memory.reads["descriptor"]
        _, operations, _ = await run(events)
        assert reads is None or bench.memory.reads["descriptor"] - before == reads, f"{what}: reads"
        each = len(operations) / len(events)
        assert each == exactly if exactly else each > 4, what
        if exactly:
            starts = operations[::exactly]
            assert operations == [start + number for start in starts for number in range(exactly)], f"{what}: bubbles"
            late = [after - before - exactly for before, after in pairwise(starts)]
            most = [2 * (new != old or new >= 8) + (new != old and max(old, new) >= 8)
                    for old, new in pairwise(identities)]
            assert all(wait <= limit for wait, limit in zip(late, most, strict=True)), f"{what}: {late}"
        else:
            lost = operations[-1] - operations[0] + 1 - len(operations)
            assert lost <= 2 * sum(new != old for old, new in pairwise(identities)), f"{what}: {lost} cycles lost"

    await bubbles([0] * 40, "the same ID, four operations each", 4, reads=2)
    await bubbles([0, 1] * 20, "another ID each time, four operations each", 4, reads=2 * 40)
    await bubbles([2, 0, 1, 3, 4] * 8, "kinds, stride and dilation in turn, four operations each", 4)
    await bubbles([5 if number % 2 else generator.randrange(8) for number in range(100)], "any ID after a long event")
    await bubbles([8] * 40, "table, the same ID", 4, reads=3 * 40)
    await bubbles([8, 9] * 20, "table, another ID each time", 4, reads=3 * 40)
    await bubbles([8, 0, 9, 1, 2] * 10, "table and others in turn", 4)

    # A short event after a long one hides in the long one's time; many of them go at one per four cycles, or in each.
    _, operations, _ = await run([event(5), event(10), event(5), event(10), event(5)])
    assert len(operations) == 3 * 18 + 2 and operations[-1] - operations[0] == len(operations) - 1, "short after long"
    distance = 1 if config.short_events else PHASES
    for identity, kind in ((10, "shared"), (12, "depthwise")):
        _, operations, _ = await run([event(identity, x, y) for x, y in [(0, 0), (7, 7), (3, 0), (0, 5)] * 5])
        every = list(range(operations[0], operations[0] + 20 * distance, distance))
        assert operations == every, f"one operation, {kind}"
    # An event that meets nothing takes its place; one of another ID waits for the stages in front of it.
    _, operations, _ = await run([event(12), event(12, 8, 0), event(12), event(10), event(10)])
    assert len(operations) == 4
    if config.short_events:
        distances = [after - before for before, after in pairwise(operations)]
        assert distances in [[2, n, 1] for n in range(4, 10)], distances

    # Within an event: no cycle for what is clipped, off the stride's phase, or between rows and columns.
    for identity, anchors in ((3, [(-3, -1), (13, 14), (-2, 13), (14, 0)]), (4, [(-4, -1), (13, 13), (-3, 15)]),
                              (6, [(-7, -5), (12, 3), (-4, 12)]), (11, [(-7, -6), (1, 1), (56, 50)]),
                              (7, [(-1, -3), (14, 12)]), (0, [(-1, -1), (7, 7), (-1, 7), (3, -1)])):
        for x, y in anchors:
            _, operations, _ = await run([event(identity, x, y)])
            assert operations, f"ID {identity} at {x}, {y}: nothing survives"
            assert operations[-1] - operations[0] == len(operations) - 1, f"ID {identity} at {x}, {y}: wasted cycles"

    # Latencies from an event taken to its first operation, in an idle unit.
    for identity, kind in ((0, "shared"), (2, "depthwise"), (8, "table")):
        _, operations, _ = await run([event(identity)])
        assert operations[0] == ESU_LATENCY + (kind == "table"), f"latency, {kind}: {operations[0]} cycles"


async def replay_scenario(dut: Any) -> None:
    """Events without a pause, operations and reads with: busy and offering as `golden.timing.pipeline` says."""
    config, generator = CoreConfig.from_json(parameters()["config"]), random.Random(seed())
    words, edges = throughput_edges(config)
    bench = Bench(dut, words)
    await clock_and_reset(dut)
    for pattern in ("never", "rarely", "randomly", "bursts"):
        bench.patterns["op"], bench.patterns["descriptor"] = generator.choice(["never", pattern]), pattern
        events = [ValueEvent(generator.randrange(edges), 0, 0, 0, 1)]
        while len(events) < 120:
            identity = events[-1].id if generator.random() < 0.6 else generator.randrange(edges)
            x, y = (generator.choice([0, 1, 7, 8]) for _ in "xy")
            events.append(ValueEvent(identity, x, y, generator.randrange(8), 1))
        bench.log.clear()
        await bench.run(events, edges, edges)
        bench.monitor.received.clear()
        reference = Esu(config, words, edges, edges)
        descriptors = [EdgeDescriptor.load(config, words, edges, event.id, event.c) for event in events]
        nothing = np.zeros(0, np.int64)
        model = operations_offered(OperationStream(
            operations=np.array([len(reference.expand(event)) for event in events]), state=nothing, weight=nothing,
            edge=np.array([2 * edges + event.id for event in events]),
            geometry=np.array([2 * event.id for event in events]),
            table=np.array([0 if d.table else -1 for d in descriptors]),
            single=np.array([int(config.short_events and (d.kernel_width, d.kernel_height, d.table) == (1, 1, False))
                             for d in descriptors])), 0)
        first = [cycle["event"] for cycle in bench.log].index(1)
        expected = next(model)
        for number, cycle in enumerate(bench.log[first:]):
            got = bool(cycle["busy"] or cycle["event"]), bool(cycle["op"])
            assert got == expected, f"{pattern}, cycle {number}: busy and offered {got}, not {expected}"
            expected = model.send((bool(cycle["op_ready"]), (-1,) * 3 if cycle["descriptor_ready"] else (0,) * 3))
    assert bench.driver.accepted == 4 * 120 and bench.cycle > 4 * 120


SCENARIOS = {"random": random_scenario, "garbage": garbage_scenario, "throughput": throughput_scenario,
             "replay": replay_scenario}


@cocotb.test()
async def esu(dut: Any) -> None:
    await SCENARIOS[parameters()["scenario"]](dut)
