"""Bench of the compute-in-memory update: operations and scans of layers at random places, against the literal engine.

`parameters()`: `config`; `layers`: arguments of `tb.cim_stimulus.Placement.add`; `rounds`, each of at most so many
`operations`; `pauses` by name of `tb.streams.PAUSES`: `op`, `memory`; `answer`, those of answers where no cycles are
checked; and `sustained`: all operands stay, and the cycles are checked.
"""

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from golden.cim.layer import LAYER_WORDS, operand_index_bits
from golden.cim.literal import LiteralCimEngine
from golden.cim.macro import FastMacro
from golden.config import CoreConfig
from golden.memory_words import numbers
from golden.registers import counters
from golden.synapse.esu import WordOperation
from golden.words import Reset
from rtl.cim.ports import answer_layout, scan_layout
from rtl.cim.update import CimUpdate
from rtl.ports import op_layout
from synapress.tools.simulator import parameters, seed
from tb.cim_stimulus import Placed, Placement, as_parts, random_operation, spoiled
from tb.memory import MemoryModel
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until

SUMS = ("synapses", "address_error", "cim_cycles", "column_ops", "idle_column_ops", "operand_loads", "operand_stores")
"""Ports that a counter adds up."""


class Watch:
    """Counts what the counters would."""

    def __init__(self, dut: Any):
        self.wires = Wires(dut)
        self.cycle = 0
        self.counts: Counter[str] = Counter()
        self.retired: list[int] = []
        """Cycles in which an operation was."""
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        wires, counts = self.wires, self.counts
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            for name in SUMS:
                counts[name] += getattr(wires, name)()
            if wires.retired():
                counts["word_ops"] += 1
                self.retired.append(self.cycle)
            assert wires.stall_bank() + wires.stall_hazard() + wires.stall_weight() <= 1, "two reasons"


class Reference(LiteralCimEngine):
    """The literal engine, fed with operations and scans instead of events and population words."""

    def __init__(self, config: CoreConfig, words: list[int]):
        found = dict.fromkeys(counters(config), 0)
        super().__init__(config, as_parts(words, config), 0, 0, found, FastMacro)

    def add(self, op: WordOperation) -> None:
        groups = self._add(op)
        self._count(word_ops=int(groups > 0), synapses=groups, address_error=int(not groups))

    def scan(self, population: int, placed: Placed, mode: int) -> list[dict[str, int]]:
        self._select(population)
        layer, found = placed.layer, []
        for operand in range(placed.potentials):
            spikes = sum(((1 << layer.columns) - 1) << layer.base + group * layer.columns
                         for group in self._scan(operand, operand % layer.blocks, mode).tolist())
            found.append({"spikes": spikes, "base": layer.base, "columns": layer.columns - 1,
                          "groups": layer.groups - 1, "last": int(layer.is_last(operand))})
        return found


class Bench:
    """The unit, its memory, and what it should do."""

    def __init__(self, dut: Any, answer: str = "never"):
        """`answer`: pauses of the answers."""
        given, self.generator = parameters(), random.Random(seed())
        self.dut, self.config = dut, CoreConfig.from_json(given["config"])
        config, generator, paces = self.config, self.generator, given.get("pauses", {})
        placement = Placement(config, generator)
        for layer in given["layers"]:
            placement.add(**layer)
        self.placed = placement.placed
        self.golden = Reference(config, placement.memory)
        self.words = list(placement.memory)

        def pace(name: str) -> Any:
            return pauses(paces.get(name, "never"), generator)

        self.watch = Watch(dut)
        self.taken: list[int] = []
        """Cycles in which operations were."""
        self.memory = MemoryModel(dut, ("state", "weight"), self.words, word_bits=config.word_bits,
                                  pause=lambda: pace("memory"), generator=generator)
        dut.write_back__ready.value = 1
        self.writes = MemoryModel(dut, "write_back", self.words, word_bits=config.word_bits, generator=generator)
        self.ops = StreamDriver(dut, "op", op_layout(config), pause=pace("op"), generator=generator,
                                on_accept=lambda _: self.taken.append(self.watch.cycle))
        self.scans = StreamDriver(dut, "scan", scan_layout(config), generator=generator)
        self.answered: list[int] = []
        """Cycles in which answers were taken."""
        self.answers = StreamMonitor(dut, "answer", answer_layout(config), pause=pauses(answer, generator),
                                     on_receive=lambda _: self.answered.append(self.watch.cycle))
        dut.flush.value = 0
        self.expected: list[dict[str, int]] = []

    def send(self, op: WordOperation) -> None:
        self.ops.send(op._asdict())
        self.golden.add(op)

    def operations(self, population: int, count: int) -> None:
        """Random operations on a population, some of which must be dropped."""
        near = None
        for _ in range(count):
            near = random_operation(self.generator, self.placed[population], population, self.config, near)
            bad = self.generator.random() < .1
            self.send(spoiled(self.generator, near, self.placed[population], self.config) if bad else near)

    def scan(self, population: int) -> None:
        placed, mode = self.placed[population], self.generator.choice((Reset.SUBTRACT, Reset.ZERO))
        self.scans.send({"population": population, "zero": mode, "width": placed.width - 1,
                         "height": placed.height - 1})
        self.expected += self.golden.scan(population, placed, mode)

    async def settle(self) -> None:
        """Until all is done that was sent."""
        await self.ops.idle()
        await self.answers.wait(len(self.expected))
        await wait_until(self.dut, lambda: not self.watch.wires.busy(), what="the last operation")
        await ClockCycles(self.dut.clk, 2)  # for what is told in the cycle after

    async def flush(self, *, then: int = 0) -> None:
        """Flush the idle unit; operations that come meanwhile, on the population flushed last, are done `then`."""
        self.dut.flush.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.golden.flush()
        self.operations(len(self.placed) - 1, then)
        await wait_until(self.dut, lambda: bool(self.watch.wires.flushed()), what="the flush")
        self.dut.flush.value = 0
        await self.settle()

    def check(self, *, memory: bool = True) -> None:
        config, watch = self.config, self.watch
        assert self.answers.received == self.expected
        for address, word in enumerate(numbers(self.golden.words()) if memory else ()):
            assert self.words[address] == word, f"memory word {address}: {self.words[address]:x}, golden {word:x}"
        found = {name: watch.counts[name] for name in (*SUMS, "word_ops")} | {
            "state_reads": self.memory.reads["state"], "write_back_writes": self.writes.writes["write_back"]}
        if len(self.placed) == 1:  # else it depends on time how often another layer's words are read
            found["weight_reads"] = self.memory.reads["weight"]
        assert found == {name: self.golden.counters[name] for name in found}, config.name


@cocotb.test()
async def random_work(dut: Any) -> None:
    """Answers, memory after each flush and counters are those of the literal engine."""
    given = parameters()
    bench = Bench(dut, given["answer"])
    generator, populations = bench.generator, range(len(bench.placed))
    await clock_and_reset(dut)
    for _ in range(given["rounds"]):
        for population in generator.sample(populations, len(populations)):
            bench.operations(population, generator.randint(0, given["operations"]))
            if generator.random() < .7:
                await bench.settle()
                bench.scan(population)
                others = [other for other in populations if other != population]
                if others and generator.random() < .7:  # operations there go on meanwhile
                    bench.operations(generator.choice(others), generator.randint(1, given["operations"]))
                    await bench.ops.idle()
                await bench.settle()
        if generator.random() < .7:
            await bench.settle()
            await bench.flush(then=generator.randint(0, 9))
            bench.check(memory=False)
    await bench.settle()
    await bench.flush()
    bench.check()
    counts = bench.watch.counts
    reads, wanted = bench.memory.reads["weight"], bench.golden.counters["weight_reads"]
    assert (reads - wanted) % LAYER_WORDS == 0, f"{reads} words read, golden {wanted}"
    assert counts["word_ops"] > 0 and counts["operand_loads"] > 0 and bench.expected
    dut._log.info("%s", dict(counts))


@cocotb.test()
async def sustained(dut: Any) -> None:
    """Operations go back to back: each takes as many cycles as a potential has rows, twice as many if it saturates.

    A scan takes five cycles more for each operand, and a reset as many as its rows, less one.
    """
    bench = Bench(dut)
    await clock_and_reset(dut)
    if not parameters().get("sustained"):
        return
    for population, placed in enumerate(bench.placed):
        layer = placed.layer
        assert placed.potentials <= 1 << layer.potential_slot_bits and placed.weights <= 1 << layer.weight_slot_bits
        full = (1 << bench.config.lanes) - 1
        for potential in range(placed.potentials):
            for weight in range(placed.weights):
                bench.send(WordOperation(potential | population << operand_index_bits(bench.config),
                                         weight << bench.config.lane_bits, 1 if layer.is_last(potential) else full, 0,
                                         0, 0, 1))
        await bench.settle()
        first, begin = len(bench.watch.retired), len(bench.taken)
        for _ in range(100):
            bench.send(random_operation(bench.generator, placed, population, bench.config))
        await bench.settle()
        cycles = bench.watch.retired[first:]
        assert cycles[0] - bench.taken[begin] == CimUpdate.latency + 1, "told in the cycle after"
        each = layer.potential_rows * (1 + layer.saturate)
        assert cycles[-1] - cycles[0] == 99 * each, f"{layer}: {cycles[-1] - cycles[0]} cycles, not {99 * each}"
        if layer.blocks == 1:  # else each position brings all thresholds anew
            for _ in range(2):
                bench.scan(population)
                await bench.settle()
            cycles = bench.answered[-placed.potentials:]
            wanted = {layer.potential_rows + 4 + reset for reset in (1, layer.potential_rows, each)}
            assert {after - before for before, after in pairwise(cycles)} <= wanted, cycles
    await bench.flush()
    bench.check()
