"""Bench of the memory organisations: random layers, sound and damaged, and requests in any order.

`parameters()`: `organisation`, `sizes` (fields of `golden.synapse.organisations.interface.Sizes`), `scenario`
("random", "damaged" or "timing"), `batches` (of memories), `layers` (in each), `most` (inputs and outputs), `requests`
(to each batch) and pauses by name of `tb.streams.PAUSES`: `request`, `memory`, `synapse`.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Sizes, offers, synapse_layout
from golden.types import Fields
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.organisation_stimulus import Layers
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until


class Watch:
    """Counts the pulses, and when requests and synapses are taken, from outside."""

    def __init__(self, dut: Any):
        self._wires = Wires(dut)
        self.cycle = 0
        self.pulses = dict.fromkeys((*KINDS, "error"), 0)
        self.taken: list[int] = []
        self.done: list[int] = []
        self.synapses: list[int] = []
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        wires = self._wires
        pulses = [(name, getattr(wires, name)) for name in self.pulses]
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            for name, read in pulses:
                self.pulses[name] += read()
            if wires.synapse__valid() and wires.synapse__ready():
                self.synapses.append(self.cycle)
            inside = len(self.taken) > len(self.done)
            assert wires.busy() == inside, f"cycle {self.cycle}: busy is {wires.busy()}"
            assert inside or not (wires.index__valid() or wires.weight__valid()), "reads without a request"
            if wires.done():
                self.done.append(self.cycle)
            if wires.request__valid() and wires.request__ready():
                self.taken.append(self.cycle)


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
            MemoryModel(dut, port, words, word_bits=self.sizes.word_bits, latency=self.sizes.read_latency,
                        generator=generator, pause=pause("memory"))
        self.driver = StreamDriver(dut, "request", len(dut.request__payload), pause=pause("request"),
                                   generator=generator)
        self.monitor = StreamMonitor(dut, "synapse", synapse_layout(self.sizes), pause=pause("synapse"))
        self.watch = Watch(dut)
        self.counts = dict.fromkeys((*KINDS, "error"), 0)
        self.expansions: list[Expansion] = []
        self.synapses = 0

    async def run(self, layers: Layers, requests: list[tuple[int, Fields]]) -> list[Expansion]:
        """Send the requests, wait until all are done, and compare all that came with the golden model."""
        self.index[:], self.weight[:] = layers.index, layers.weight
        found = [layers.expand(*request) for request in requests]
        self.expansions += found
        self.driver.send_all(layers.payload(*request) for request in requests)
        steps = sum(expansion.cycles + sum(expansion.counts.values()) for expansion in found)
        await wait_until(self.dut, lambda: len(self.watch.done) == len(self.expansions), timeout=30 * steps + 1000,
                         what="all requests")
        for _ in range(3 + self.sizes.read_latency):
            await RisingEdge(self.dut.clk)
        received, self.synapses = self.monitor.received[self.synapses:], len(self.monitor.received)
        expected = [
            {"neuron": neuron, "weight": weight, "weight_address": address, "value": request["value"]}
            for expansion, (_, request) in zip(found, requests, strict=True)
            for neuron, weight, address in zip(expansion.neurons.tolist(), expansion.weights.tolist(),
                                               expansion.weight_addresses.tolist(), strict=True)]
        assert received == expected, "synapses differ"
        for expansion in found:
            for kind in KINDS:
                self.counts[kind] += expansion.counts[kind]
            self.counts["error"] += expansion.errors
        assert self.watch.pulses == self.counts, f"pulses {self.watch.pulses}, expected {self.counts}"
        assert self.driver.pending == 0 and len(self.watch.taken) == len(self.expansions)
        return found


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


@cocotb.test(skip=parameters()["scenario"] == "timing")
async def random_layers(dut: Any) -> None:
    """Every synapse in order, every access and every error, whatever waits; nothing is remembered between memories."""
    bench, work = await start(dut)
    for layers, requests in work:
        found = await bench.run(layers, requests)
        if bench.given["scenario"] == "random":
            for (number, request), expansion in zip(requests, found, strict=True):
                if not expansion.errors:
                    row = np.zeros(layers.matrices[number].shape[1], np.int64)
                    np.add.at(row, expansion.neurons, expansion.weights)
                    assert (row == layers.matrices[number][request["neuron"]]).all()
    if bench.given.get("synapse", "never") != "never":
        assert bench.monitor.stalled > 0
    dut._log.info(f"{len(bench.expansions)} requests, {bench.synapses} synapses, {bench.counts}, "
                  f"{bench.watch.cycle} cycles")
    assert bench.synapses > 0 and bench.counts["weight_read"] > 0 and bench.counts["error"] > 0


@cocotb.test(skip=parameters()["scenario"] != "timing")
async def timing(dut: Any) -> None:
    """Nothing waits: each synapse and each end comes in the cycle that the golden model says."""
    bench, work = await start(dut)
    watch = bench.watch
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
            if len(alone.neurons) and alone.neurons[0] < bench.sizes.word_bits and not alone.errors:
                seen, before = len(watch.synapses), len(watch.taken)
                await bench.run(layers, [request])
                first = watch.synapses[seen] - watch.taken[before]
                assert first == bench.organisation.start_up(bench.sizes)
                assert bench.sizes.read_latency > 1 or first <= 6
                break
    assert bench.synapses > 0
