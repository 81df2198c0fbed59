"""Bench of a layer that learns: random matrices or kernels and rules, requests of all passes.

`parameters()`: `organisation`, `sizes` (fields of `LearningSizes`, `memory` as those of `Sizes`), `scenarios` (of
"random", "timing" and "damaged"), `layers` (one after the other; for timing a fifth of them), `most` (inputs and
outputs), `requests` (to each) and pauses by name of `tb.streams.PAUSES`: `request`, `memory`, `write`; none of them for
timing. "random" writes `learned.json` into the folder of the run.
"""

import json
import random
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.memory_words import numbers
from golden.rooms import ORGANISATIONS
from golden.synapse.learning.learner import COUNTS, Learner
from golden.synapse.learning.update import UPDATE_LATENCY, LearningSizes, Rule, write_layout
from golden.synapse.organisations.interface import KINDS, Organisation, Pass, Sizes, offers
from golden.types import Fields
from synapress.tools.simulator import parameters, seed
from tb.learner_stimulus import Learning
from tb.memory import MemoryModel
from tb.organisation_stimulus import Layers
from tb.pulses import Pulses
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, after_reset, clock_and_reset, pauses, wait_until


def sizes_of(given: dict[str, Any]) -> LearningSizes:
    """The sizes of the parameters."""
    return LearningSizes(**{**given, "memory": Sizes(**given["memory"])})


class Entries:
    """The host at one of the memories of the learner's own, `<port>`."""

    def __init__(self, dut: Any, port: str):
        self.dut, self.port = dut, port
        self.found: list[int] = []
        self._queue: deque[tuple[int, int | None]] = deque()
        self._signal = {name: getattr(dut, f"{port}__{name}") for name in ("valid", "address", "write", "write_data")}
        for signal in self._signal.values():
            signal.value = 0
        self._wires = Wires(dut)
        after_reset(dut, self._run())

    def _run(self) -> Steps:
        read, ready = (getattr(self._wires, f"{self.port}__{name}") for name in ("data", "ready"))
        offered = coming = False
        while True:
            if coming:
                self.found.append(read())
            coming = False
            if offered and ready():
                coming = self._queue.popleft()[1] is None
            offered = bool(self._queue)
            if offered:
                address, data = self._queue[0]
                self._signal["address"].value = address
                self._signal["write"].value = int(data is not None)
                self._signal["write_data"].value = data or 0
            self._signal["valid"].value = int(offered)
            yield

    def write(self, values: list[int]) -> None:
        """Write all entries."""
        bits = len(self._signal["write_data"])
        self._queue.extend((address, value % (1 << bits)) for address, value in enumerate(values))

    async def read(self, count: int) -> list[int]:
        """All entries, signed."""
        self.found.clear()
        self._queue.extend((address, None) for address in range(count))
        await wait_until(self.dut, lambda: len(self.found) == count, what=f"all {self.port}")
        bits = len(self._signal["write_data"])
        return [value - (value >> bits - 1 << bits) for value in self.found]

    @property
    def idle(self) -> bool:
        """Nothing is asked for any more."""
        return not self._queue


class Bench:
    """The design, its two memories, and the host."""

    def __init__(self, dut: Any, given: dict[str, Any]):
        self.dut, self.sizes = dut, sizes_of(given["sizes"])
        self.random = generator = random.Random(seed())
        memory = self.sizes.memory
        self.index, self.weight = ([0] * (1 << memory.address_bits) for _ in range(2))

        def pause(name: str) -> Any:
            return pauses(given.get(name, "never"), generator)

        for port, words in (("index", self.index), ("weight", self.weight)):
            if hasattr(dut, f"{port}__valid"):
                MemoryModel(dut, port, words, word_bits=memory.word_bits, latency=memory.read_latency,
                            generator=generator, pause=pause("memory"))
        self.driver = StreamDriver(dut, "request", len(dut.request__payload), pause=pause("request"),
                                   generator=generator)
        self.written: list[int] = []
        """Cycles in which weights were written."""
        self.taken: list[int] = []
        """Cycles in which requests were taken."""
        self.wires = Wires(dut)
        self.watch = Pulses(dut, (*KINDS, "beyond", "error", "done"), self._look)
        # Behind the own steps, which count the cycle.
        StreamMonitor(dut, "write", write_layout(memory), pause=pause("write"), on_receive=self._write)
        self.entries = {name: Entries(dut, name) for name in ("traces", "sums", "gradients")
                        if hasattr(dut, f"{name}__valid")}
        for name in ("layer", "rule", "load", "seed"):
            getattr(dut, name).value = 0

    def _write(self, write: Fields) -> None:
        address, mask = write["address"], write["mask"]
        assert write["data"] & ~mask == 0
        self.weight[address] = self.weight[address] & ~mask | write["data"]
        self.written.append(self.watch.cycle)

    def _look(self) -> None:
        wires = self.wires
        assert wires.sums__ready() == wires.traces__ready() == (not wires.busy()), "the host waits while busy"
        if wires.request__valid() and wires.request__ready():
            self.taken.append(self.watch.cycle)

    async def load(self, learner: Learner) -> None:
        """A layer with its weights, traces, sums, and the random numbers."""
        organisation, memory = learner.organisation, self.sizes.memory
        for words, origin, given in ((self.index, organisation.index_origin, organisation.index_words),
                                     (self.weight, organisation.weight_origin, organisation.weight_words)):
            words[:] = [self.random.getrandbits(memory.word_bits) for _ in words]
            words[origin:origin + len(given)] = numbers(given)
        self.dut.layer.value = organisation.layer_layout(memory).pack(organisation.layer)
        self.dut.rule.value = learner.rule.word
        self.entries["traces"].write(learner.traces.tolist())
        self.entries["sums"].write(learner.sums.tolist())
        if learner.rule.accumulate:
            self.entries["gradients"].write(learner.gradients.tolist())
        self.dut.load.value, self.dut.seed.value = 1, learner.random.state
        await RisingEdge(self.dut.clk)
        self.dut.load.value = 0
        await wait_until(self.dut, lambda: all(entries.idle for entries in self.entries.values()), what="the host")
        self.watch.pulses.update(dict.fromkeys(self.watch.pulses, 0))
        self.written.clear()
        self.taken.clear()

    async def run(self, learner: Learner, requests: list[Fields]) -> None:
        """Send the requests, wait until the last write, and compare all that there is with the golden model."""
        for request in requests:
            learner.step(request)
        bits = len(self.dut.request__payload) - 2 - self.sizes.memory.value_bits
        half = 1 << self.sizes.memory.value_bits
        self.driver.send_all(request["pass"] | request["neuron"] << 2 | request["value"] % half << 2 + bits
                             for request in requests)
        work = sum(counts["cycles"] + 20 * counts["synapses"] + 30 for counts in learner.counts.values())
        await wait_until(self.dut, lambda: self.driver.pending == 0 and not self.wires.busy(), timeout=30 * work + 1000,
                         what="all requests")
        for _ in range(self.sizes.memory.read_latency + 2):
            await RisingEdge(self.dut.clk)
        assert self.watch.pulses["done"] == len(requests) == len(self.taken)
        await self.compare(learner)

    async def compare(self, learner: Learner) -> None:
        """Sums, gradients, random numbers, every word of the memory, and what was counted."""
        assert await self.entries["sums"].read(len(learner.sums)) == learner.sums.tolist(), "sums"
        if learner.rule.accumulate:
            assert await self.entries["gradients"].read(len(learner.gradients)) == learner.gradients.tolist()
        assert self.wires.state() == learner.random.state, "random numbers"
        organisation = learner.organisation
        words, origin = numbers(organisation.weight_words), organisation.weight_origin
        assert self.weight[origin:origin + len(words)] == words, "weights"
        total = {name: sum(counts[name] for counts in learner.counts.values()) for name in COUNTS}
        counted = {name: count for name, count in self.watch.pulses.items() if name != "done"}
        assert counted == {name: total["errors" if name == "error" else name] for name in counted}
        assert len(self.written) == total["weight_write"]


@cocotb.test(skip="random" not in parameters()["scenarios"])
async def layers_that_learn(dut: Any) -> None:
    """Sums, weights and counts of the golden model, of the definition, and for the test to compare with others."""
    given = parameters()
    bench, organisation = Bench(dut, given), ORGANISATIONS.load(given["organisation"], Organisation)
    await clock_and_reset(dut)
    results, seen = [], dict.fromkeys(COUNTS, 0)
    for number in range(given["layers"]):
        case = Learning(organisation, bench.sizes, number, seed(), most=given["most"])
        await bench.load(case.learner)
        requests = case.requests(given["requests"])
        await bench.run(case.learner, requests)
        for request in requests:
            case.plain.run(request)
        case.compare()
        results.append([case.plain.sums, case.plain.weights, case.plain.random])
        for counts in case.learner.counts.values():
            for name, count in counts.items():
                seen[name] += count
    Path("learned.json").write_text(json.dumps(results))
    dut._log.info(f"{given['layers']} layers, {seen}, {bench.watch.cycle} cycles")
    assert 0 < seen["weight_write"] < seen["synapses"] and seen["beyond"] > 0


@cocotb.test(skip="timing" not in parameters()["scenarios"])
async def a_weight_per_cycle(dut: Any) -> None:
    """Nothing waits, and no weight comes twice: each is written UPDATE_LATENCY cycles after the organisation gives it,
    which is when the golden model says."""
    given = parameters() | dict.fromkeys(("request", "memory", "write"), "never")
    bench, organisation = Bench(dut, given), ORGANISATIONS.load(given["organisation"], Organisation)
    await clock_and_reset(dut)
    weights = 0
    for number in range(-(-given["layers"] // 5)):
        case = Learning(organisation, bench.sizes, number, seed(), most=given["most"], whole=True)
        posts = [{"pass": int(Pass.UPDATE), "neuron": post, "value": 3} for post in case.posts()]
        await bench.load(case.learner)
        found = [case.learner.organisation.expand(request) for request in posts]
        await bench.run(case.learner, posts)
        taken = [bench.taken[0]]
        for expansion in found[:-1]:
            taken.append(taken[-1] + expansion.interval)
        assert bench.taken == taken
        offered = offers(taken, [expansion.steps for expansion in found], bench.sizes.memory.read_latency)
        expected = []
        for cycles, expansion in zip(offered, found, strict=True):
            # All synapses wait for a word, and nothing else does.
            given_in = [cycle for cycle, (_, fetch) in zip(cycles, expansion.steps, strict=True) if fetch]
            expected += [cycle + UPDATE_LATENCY for cycle, neuron in zip(given_in, expansion.neurons, strict=True)
                         if neuron < len(case.learner.sums)]
        assert bench.written == expected  # none of a position to which nothing of the source leads
        weights += len(expected)
    assert weights > 0


@cocotb.test(skip="damaged" not in parameters()["scenarios"])
async def damaged_tables(dut: Any) -> None:
    """Whatever the memory and the layer say: what the golden model makes of it, and an end."""
    given, generator = parameters(), random.Random(seed())
    bench, organisation = Bench(dut, given), ORGANISATIONS.load(given["organisation"], Organisation)
    rng, memory = np.random.default_rng(seed()), bench.sizes.memory
    await clock_and_reset(dut)
    errors = written = 0
    for _ in range(given["layers"]):
        layers = Layers(organisation, memory, rng, most=given["most"], layers=1)
        layers.damage(generator)
        learner = Learner(layers.layers[0], Rule(rate_shift=4), bench.sizes)
        learner.traces[:] = rng.integers(0, 1 << bench.sizes.trace_bits, len(learner.traces))
        await bench.load(learner)
        await bench.run(learner, [request for _, request in layers.requests(generator, given["requests"])])
        errors += sum(counts["errors"] for counts in learner.counts.values())
        written += sum(counts["weight_write"] for counts in learner.counts.values())
    assert errors > 0 and written > 0
