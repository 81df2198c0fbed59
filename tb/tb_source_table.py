"""Bench of the look-up tables at the source: random tables, neurons and stalls against the golden model.

`parameters()`: `name` of the table, `sizes` (fields of `Sizes`), `neurons`, and pauses by name of `tb.streams.PAUSES`
or none: `neuron`, `memory`, `event`. Without any the cycles are checked, too.
"""

import random
from collections import Counter, deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.memory_words import numbers
from golden.synapse.organisations.compressed_rows import CompressedRows
from golden.synapse.organisations.interface import Sizes, offers
from golden.synapse.tables.flat import Flat
from golden.synapse.tables.routing import Routing
from golden.synapse.tables.source import Sent, SourceTable, table_layout
from golden.types import Fields
from rtl.synapse.tables.source import SourceTable as Hardware
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.payloads import pack
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until

MODELS: dict[str, type[SourceTable]] = {"flat": Flat, "routing": Routing}


class Work:
    """A few random tables in two memories of random bits, and neurons on them; some on layers of random bits."""

    def __init__(self, model: type[SourceTable], sizes: Sizes, neurons: int, generator: random.Random):
        self.model, self.sizes, self.random = model, sizes, generator
        self.numpy = np.random.default_rng(generator.getrandbits(32))
        shape = (1 << sizes.address_bits, sizes.word_bits // 64)[:1 + (sizes.word_bits > 64)]
        # Small numbers, so that pointers of random bits often are near one another.
        index, weight = (self.numpy.integers(0, 1 << 64, shape, np.uint64, endpoint=False) for _ in range(2))
        index &= np.uint64(0x0000_01FF_0000_01FF)
        at = [0, 0]
        self.tables: list[SourceTable] = []
        for _ in range(5):
            table = self._table(*at)
            rows = table.rows
            for number, (memory, words) in enumerate(((index, rows.index_words), (weight, rows.weight_words))):
                memory[at[number]:at[number] + len(words)] = words
                at[number] += len(words)
            self.tables.append(table)
        self.index, self.weight = index, weight
        self.neurons = [self._neuron() for _ in range(neurons)]

    def _table(self, index: int, entry: int) -> SourceTable:
        count = self.random.randint(1, 40)
        lengths = self.numpy.integers(0, self.random.choice([2, 5, 12]), count) * (self.numpy.random(count) < 0.8)
        fields, ends = ({field.name: self.numpy.integers(field.low, field.high + 1, size)
                         for field in self.model.entry.fields} for size in (lengths.sum(), self.random.randint(0, 4)))
        return self.model.pack(lengths, fields, ends, sizes=self.sizes, index_base=index, entry_base=entry)

    def _neuron(self) -> tuple[Fields, int, Sent]:
        """A neuron, packed with its layer, and what becomes of it."""
        pick, sizes, layout = self.random, self.sizes, table_layout(self.sizes)
        rows: CompressedRows = pick.choice(self.tables).rows.within(self.index, self.weight)
        if pick.random() < 0.2:
            name, field = pick.choice([("index_base", "index_base"), ("weight_base", "entry_base"), ("inputs", "rows")])
            high = layout.field(field).high
            rows = rows.within(self.index, self.weight, **{name: pick.choice(
                [pick.randint(1, high), high - pick.randint(0, 3), pick.randint(1, 5)])})
        half = 1 << sizes.value_bits - 1
        last = rows.layer["inputs"] - 1
        neuron = {"index": pick.choice([pick.randint(0, max(last - 1, 0))] * 20 + [last, min(last + 1, 65535)]),
                  "value": pick.choice([-half, half - 1, pick.randrange(-half, half)]), "end": pick.random() < 0.15}
        table = self.model(rows)
        packed = pack(Hardware.neuron_layout(sizes), neuron | {"table": layout.pack(table.table)})
        return neuron, packed, table.expand(neuron)


class Watch:
    """Follows the table from outside, cycle by cycle: every event, pulse and count."""

    def __init__(self, dut: Any, work: Work, pause: Any):
        self.work = work
        self.cycle = 0
        self.taken: list[int] = []
        self.done: list[int] = []
        self.counts: Counter[str] = Counter()
        self.due: deque[Fields] = deque()
        self._wires = Wires(dut)
        every_cycle(dut, self._run())
        # Behind the own steps, which count the cycle.
        StreamMonitor(dut, "event", work.model.event_layout(work.sizes), pause=pause, on_receive=self._compare)

    def _compare(self, got: Fields) -> None:
        assert self.due, f"cycle {self.cycle}: {got}, expected nothing"
        assert got == (expected := self.due.popleft()), f"cycle {self.cycle}: {got}, expected {expected}"
        self.counts["events"] += 1

    def _run(self) -> Steps:
        wires = self._wires
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            if wires.neuron__valid() and wires.neuron__ready():
                events = self.work.neurons[len(self.taken)][2].events
                self.taken.append(self.cycle)
                self.due.extend(dict(zip(events, row, strict=True))
                                for row in zip(*(array.tolist() for array in events.values()), strict=True))
            if wires.done():
                self.done.append(self.cycle)
            for name in ("error", "index_read", "entry_read"):
                self.counts[name] += getattr(wires, name)()


@cocotb.test()
async def random_neurons(dut: Any) -> None:
    """Every event in order, every access and error counted, and without stalls the cycles."""
    given, generator = parameters(), random.Random(seed())
    sizes = Sizes(**given["sizes"])
    work = Work(MODELS[given["name"]], sizes, given["neurons"], generator)
    pause = {name: pauses(given[name], generator) if given.get(name) else None
             for name in ("neuron", "memory", "event")}
    driver = StreamDriver(dut, "neuron", Hardware.neuron_layout(sizes), pause=pause["neuron"], generator=generator)
    memories = {name: MemoryModel(dut, name, numbers(words), word_bits=sizes.word_bits, generator=generator,
                                  pause=pause["memory"], latency=sizes.read_latency)
                for name, words in (("index", work.index), ("entry", work.weight))}
    watch = Watch(dut, work, pause["event"])
    await clock_and_reset(dut)
    driver.send_all(packed for _, packed, _ in work.neurons)
    sent = [found for _, _, found in work.neurons]
    await wait_until(dut, lambda: len(watch.done) == len(sent), what="all neurons",
                     timeout=100 * sum(20 + len(found.steps) for found in sent))
    for _ in range(10):
        await RisingEdge(dut.clk)
    assert not watch.due and not int(dut.busy.value) and int(dut.neuron__ready.value)
    expected = Counter({"error": sum(found.errors for found in sent),
                        "events": sum(len(found.events["kind"]) for found in sent)})
    for found in sent:
        expected.update(found.counts)
    assert +watch.counts == +expected, (watch.counts, expected)
    assert all(memories[name].reads[name] == expected[f"{name}_read"] for name in memories)
    bins = {(bool(found.errors), min(len(found.events["kind"]), 2)) for found in sent}
    assert bins >= {(False, 0), (False, 1), (False, 2), (True, 0)}, bins
    dut._log.info(f"{watch.counts}, {watch.cycle} cycles")
    if not any(pause.values()):
        taken = [watch.taken[0] + sum(found.interval for found in sent[:number]) for number in range(len(sent))]
        assert watch.taken == taken, "neurons are taken when the last walk has ended"
        steps = [found.steps for found in sent]
        assert watch.done == [cycles[-1] for cycles in offers(taken, steps, sizes.read_latency)]
