"""Bench of the memory organisations: random layers, sound and damaged, and requests in any order.

`parameters()`: `organisation`, `sizes` (fields of `golden.synapse.organisations.interface.Sizes`), `scenario`
("random", "damaged", "timing", "long_rows" or "single"), `batches` (of memories), `layers` (in each; "single": one),
`most` (inputs and outputs), `requests` (to each batch) and pauses by name of `tb.streams.PAUSES`: `request`, `memory`,
`synapse` and `write` (of the weights of UPDATEs).
"single" is for the functional organisations, too, and writes `states.json` into the folder of the run.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.memory_words import numbers
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.compressed_rows import PROBE
from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Pass, Sizes, offers, synapse_layout
from golden.synapse.tables.accumulate import StateSizes, accumulate
from golden.types import Fields
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.organisation_stimulus import Layers, Single, Write
from tb.pulses import Pulses
from tb.streams import Steps, StreamDriver, StreamMonitor, clock_and_reset, every_cycle, pauses, wait_until


class Watch(Pulses):
    """Counts the pulses, and when requests and synapses are taken, from outside."""

    def __init__(self, dut: Any, *, update: int):
        super().__init__(dut, (*KINDS, "error"), self._look)
        self._update, self._learning = update, hasattr(dut, "retired")
        self._reads = [getattr(self.wires, name) for name in ("index__valid", "weight__valid") if hasattr(dut, name)]
        self.taken: list[int] = []
        self.done: list[int] = []
        self.synapses: list[int] = []
        # Of UPDATE: synapses that have been taken and weights that have been written, in the cycles before.
        self.updates = self.retired = 0

    def _look(self) -> None:
        wires = self.wires
        inside = len(self.taken) > len(self.done) or self.updates > self.retired
        if wires.synapse__valid() and wires.synapse__ready():
            self.synapses.append(self.cycle)
            self.updates += self._learning and wires.synapse__payload() >> self._update & 1
        self.retired += self._learning and wires.retired()
        assert wires.busy() == inside, f"cycle {self.cycle}: busy is {wires.busy()}"
        assert inside or not any(read() for read in self._reads), "reads without a request"
        if wires.done():
            self.done.append(self.cycle)
        if wires.request__valid() and wires.request__ready():
            self.taken.append(self.cycle)


class Writer:
    """Writes the weights of UPDATEs, in order, each some time after its synapse has been taken.

    Attributes:
        planned: all that has to be written.
        done: how many of them are written.
    """

    def __init__(self, dut: Any, watch: Watch, words: list[int], pause: Iterator[bool]):
        self._dut, self._watch, self._words, self._pause = dut, watch, words, pause
        self.planned: list[Write] = []
        self.done = 0
        dut.retired.value = 0
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        retired = False
        while True:
            yield
            if retired:
                # As late as is allowed: only reads of later cycles see it.
                write = self.planned[self.done]
                self._words[write.word] = write.into(self._words[write.word])
                self.done += 1
            due = self._watch.updates > self.done and not next(self._pause)
            if due != retired:
                self._dut.retired.value = int(due)
                retired = due


class Bench:
    """The design with its memories, and what has been expected so far."""

    def __init__(self, dut: Any, given: dict[str, Any], generator: random.Random):
        self.dut, self.given, self.random = dut, given, generator
        self.sizes = Sizes(**given["sizes"])
        self.organisation = ORGANISATIONS.load(given["organisation"], Organisation)
        self.index, self.weight = ([0] * (1 << self.sizes.address_bits) for _ in range(2))

        def pause(name: str) -> Any:
            return pauses(given.get(name, "never"), generator)

        for port, words in (("index", self.index), ("weight", self.weight)):
            if hasattr(dut, f"{port}__valid"):  # not all functional ones have both
                MemoryModel(dut, port, words, word_bits=self.sizes.word_bits, latency=self.sizes.read_latency,
                            generator=generator, pause=pause("memory"))
        self.driver = StreamDriver(dut, "request", len(dut.request__payload), pause=pause("request"),
                                   generator=generator)
        self.monitor = StreamMonitor(dut, "synapse", synapse_layout(self.sizes), pause=pause("synapse"))
        self.watch = Watch(dut, update=synapse_layout(self.sizes).positions.get("update", 0))
        self.writer = None
        if self.sizes.learning:
            self.writer = Writer(dut, self.watch, self.weight, pause("write"))
        self.counts = dict.fromkeys((*KINDS, "error"), 0)
        self.expansions: list[Expansion] = []
        self.synapses = 0

    async def run(self, layers: Layers | Single, requests: list[tuple[int, Fields]]) -> list[Expansion]:
        """Send the requests, wait until all are done, and compare all that came with the golden model."""
        self.index[:], self.weight[:] = layers.index, layers.weight
        found, expected = self.expected(layers, requests)
        self.expansions += found
        self.driver.send_all(layers.payload(*request) for request in requests)
        steps = sum(expansion.cycles + sum(expansion.counts.values()) for expansion in found)
        await wait_until(self.dut, lambda: len(self.watch.done) == len(self.expansions)
                         and self.watch.updates == self.watch.retired, timeout=30 * steps + 1000, what="all requests")
        for _ in range(3 + self.sizes.read_latency):
            await RisingEdge(self.dut.clk)
        received, self.synapses = self.monitor.received[self.synapses:], len(self.monitor.received)
        assert received == expected, "synapses differ"
        for expansion in found:
            for kind in KINDS:
                self.counts[kind] += expansion.counts[kind]
            self.counts["error"] += expansion.errors
        assert self.watch.pulses == self.counts, f"pulses {self.watch.pulses}, expected {self.counts}"
        assert self.driver.pending == 0 and len(self.watch.taken) == len(self.expansions)
        if self.writer:
            assert self.writer.done == len(self.writer.planned)
            assert isinstance(layers, Single) or self.weight == numbers(layers.layers[0].weight_words), "weights differ"
            layers.weight = list(self.weight)
        return found

    def expected(self, layers: Layers | Single, requests: list[tuple[int, Fields]]
                 ) -> tuple[list[Expansion], list[dict[str, int]]]:
        """What becomes of the requests, one after the other, and all their synapses."""
        found, synapses = [], []
        for number, request in requests:
            expansion = layers.expand(number, request)
            found.append(expansion)
            weights, more = expansion.weights.tolist(), {}
            if self.writer and isinstance(layers, Layers):
                more = {"update": int(request["pass"] == Pass.UPDATE)}
                if more["update"]:
                    weights, writes = layers.write(number, expansion, self.random)
                    self.writer.planned += writes
            synapses += [
                {"neuron": neuron, "weight": weight, "weight_address": address, "value": request["value"], **more}
                for neuron, weight, address in zip(expansion.neurons.tolist(), weights,
                                                   expansion.weight_addresses.tolist(), strict=True)]
        return found, synapses


async def start(dut: Any) -> tuple[Bench, list[tuple[Layers, list[tuple[int, Fields]]]]]:
    """A bench out of reset, and its work."""
    given, generator = parameters(), random.Random(seed())
    rng = np.random.default_rng(seed())
    bench = Bench(dut, given, generator)
    work = []
    for _ in range(given["batches"]):
        layers = Layers(bench.organisation, bench.sizes, rng, most=given["most"], layers=given["layers"])
        if given["scenario"] == "damaged":
            layers.damage(generator)
        work.append((layers, layers.requests(generator, given["requests"])))
    await clock_and_reset(dut)
    return bench, work


@cocotb.test(skip=parameters()["scenario"] not in ("random", "damaged"))
async def random_layers(dut: Any) -> None:
    """Every synapse in order, every access and every error, whatever waits; nothing is remembered between memories."""
    bench, work = await start(dut)
    for layers, requests in work:
        found = await bench.run(layers, requests)
        if bench.given["scenario"] == "random":
            for (number, request), expansion in zip(requests, found, strict=True):
                if not expansion.errors and not bench.sizes.learning:
                    row = np.zeros(layers.matrices[number].shape[1], np.int64)
                    np.add.at(row, expansion.neurons, expansion.weights)
                    assert (row == layers.matrices[number][request["neuron"]]).all()
    if bench.given.get("synapse", "never") != "never":
        assert bench.monitor.stalled > 0
    dut._log.info(f"{len(bench.expansions)} requests, {bench.synapses} synapses, {bench.counts}, "
                  f"{bench.watch.cycle} cycles")
    assert bench.synapses > 0 and bench.counts["weight_read"] > 0 and bench.counts["error"] > 0


@cocotb.test(skip=parameters()["scenario"] != "long_rows")
async def rows_of_several_words(dut: Any) -> None:
    """The way back from both ends of each word of a row's bits: the matrix's columns; then any passes."""
    given, generator, rng = parameters(), random.Random(seed()), np.random.default_rng(seed())
    bench = Bench(dut, given, generator)
    await clock_and_reset(dut)
    for _ in range(given["batches"]):
        full = generator.randint(5, 9), generator.randint(2 * bench.sizes.word_bits + 1, given["most"])
        layers = Layers(bench.organisation, bench.sizes, rng, most=given["most"], layers=given["layers"], full=full)
        seen, columns = bench.synapses, layers.back()
        await bench.run(layers, columns)
        found = [(item["neuron"], item["weight"]) for item in bench.monitor.received[seen:] if item["weight"]]
        assert found == [(row, weight) for number, request in columns
                         for row, weight in enumerate(layers.matrices[number][:, request["neuron"]].tolist()) if weight]
        await bench.run(layers, layers.requests(generator, given["requests"]))
    assert bench.synapses > 0


@cocotb.test(skip=parameters()["scenario"] != "timing")
async def timing(dut: Any) -> None:
    """Nothing waits: each synapse and each end comes in the cycle that the golden model says."""
    bench, work = await start(dut)
    watch = bench.watch
    if bench.sizes.learning:
        work = [(layers, [item for item in requests if item[1]["pass"] != Pass.UPDATE]) for layers, requests in work]
        work += [(layers, layers.updates(bench.random, len(requests))) for layers, requests in work]
    for layers, requests in work:
        seen, before = len(watch.synapses), len(watch.done)
        found = await bench.run(layers, requests)
        taken = [watch.taken[before]]
        for expansion in found[:-1]:
            taken.append(taken[-1] + expansion.interval)
        assert watch.taken[before:] == taken
        offered = offers(taken, [expansion.steps for expansion in found], bench.sizes.read_latency)
        assert watch.done[before:] == [steps[-1] for steps in offered]
        assert watch.done[before] - taken[0] == found[0].cycles
        expected = [cycle for steps, expansion in zip(offered, found, strict=True) if not expansion.errors
                    for cycle in steps[:len(expansion.neurons)]]
        assert watch.synapses[seen:] == expected
        # A request of its own, with a synapse at the very start.
        for request in requests:
            alone = layers.expand(*request)
            nearest = alone.neurons[:1].tolist() if len(alone.neurons) else [bench.sizes.word_bits]
            walk = request[1]["pass"]
            if nearest[0] < (1 if walk else bench.sizes.word_bits) and not alone.errors:
                seen, before = len(watch.synapses), len(watch.taken)
                await bench.run(layers, [request])
                first = watch.synapses[seen] - watch.taken[before]
                promised = bench.organisation.start_up(bench.sizes, walk)
                if walk and bench.sizes.search and bench.organisation.name == "compressed_rows":
                    # The first entry that is looked at need not be the neuron's: whole probes come before it.
                    probes, rest = divmod(first - promised, bench.sizes.read_latency + PROBE)
                    assert rest == 0 and 0 <= probes < bench.sizes.neuron_bits
                else:
                    assert first == promised
                assert bench.sizes.read_latency > 1 or walk or first <= 6
                break
    assert bench.synapses > 0


@cocotb.test(skip=parameters()["scenario"] != "single")
async def single_layers(dut: Any) -> None:
    """The states that the synapses of each matrix lead to: numpy's, and for the test to compare with others."""
    given, generator = parameters(), random.Random(seed())
    bench = Bench(dut, given, generator)
    await clock_and_reset(dut)
    results = []
    for number in range(given["batches"]):
        # Its own numbers for each matrix: how long another one waits changes nothing.
        rng, pick = np.random.default_rng([seed(), number]), random.Random(1000 * seed() + number)
        single = Single(bench.organisation, bench.sizes, rng, number, most=given["most"])
        requests, first = single.requests(pick, given["requests"]), bench.synapses
        before = rng.integers(-1 << 15, 1 << 15, single.matrix.shape[1] + 3)  # to the end of the last state word
        await bench.run(single, requests)
        increments = [(synapse["neuron"], synapse["weight"] * synapse["value"])
                      for synapse in bench.monitor.received[first:]]
        states = accumulate(StateSizes(bench.sizes.neuron_bits), before, increments).states
        assert states == single.states(before, requests).tolist(), f"matrix {number}: states are not numpy's"
        results.append(states)
    assert bench.watch.pulses["error"] > 0 and bench.monitor.stalled > 0
    measured = {"requests": len(bench.expansions), "synapses": bench.synapses, "cycles": bench.watch.cycle,
                **bench.watch.pulses}
    Path("states.json").write_text(json.dumps({"states": results, "measured": measured}))
