"""Bench of the accumulation: random increments, in runs and back and forth between few words.

`parameters()`: `sizes`, `cases`, and pauses by name of `tb.streams.PAUSES`: `increment`, `memory`; without any the
cycles are checked, too.
"""

import dataclasses
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.synapse.tables.accumulate import StateSizes, accumulate, increment_layout, tail_cycles
from synapress.tools.simulator import parameters, seed
from tb.payloads import pack
from tb.streams import Steps, StreamDriver, Wires, clock_and_reset, every_cycle, never, pauses, wait_until


class States:
    """A memory of states that reads and writes in one cycle; its data is random when nothing was read."""

    def __init__(self, dut: Any, sizes: StateSizes, words: list[int], pause: str | None, generator: random.Random):
        self.dut, self.sizes, self.words, self.generator = dut, sizes, words, generator
        self.pause = pauses(pause, generator) if pause else never()
        self.reads: list[int] = []
        self.written: list[int] = []
        """Cycles in which words have been written."""
        self.cycle = 0
        dut.state__ready.value = 0
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        dut, wires = self.dut, Wires(self.dut)
        coming: list[int | None] = [None] * (self.sizes.read_latency - 1)
        ready = False
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            answer = None
            if wires.state__valid() and ready:
                answer = self.words[wires.state__address()]
                self.reads.append(wires.state__address())
            if wires.write__valid():
                self.words[wires.write__address()] = wires.write__data()
                self.written.append(self.cycle)
            coming.append(answer)
            now = coming.pop(0)
            dut.state__data.value = self.generator.getrandbits(self.sizes.word_bits) if now is None else now
            ready = not next(self.pause)
            dut.state__ready.value = int(ready)


def increments(sizes: StateSizes, generator: random.Random, count: int) -> list[tuple[int, int]]:
    """Runs of neighbors, jumps, and a few words again and again."""
    field = increment_layout(sizes).field("increment")
    found: list[tuple[int, int]] = []
    neuron, few = 0, [generator.randrange(1 << sizes.neuron_bits) for _ in range(4)]
    while len(found) < count:
        kind = generator.randrange(3)
        for _ in range(generator.randint(1, 12)):
            neuron = (neuron + 1 if kind == 0 else generator.choice(few) if kind == 1
                      else generator.randrange(1 << sizes.neuron_bits)) % (1 << sizes.neuron_bits)
            found.append((neuron, generator.choice((field.low, field.high, generator.randint(field.low, field.high)))))
    return found


@cocotb.test()
async def random_increments(dut: Any) -> None:
    """States, reads and writes are those of the golden model; without pauses an increment per cycle."""
    given, generator = parameters(), random.Random(seed())
    sizes = StateSizes(**given["sizes"])
    half = 1 << (sizes.state_bits - 1)
    states = [generator.randrange(-half, half) for _ in range(1 << sizes.neuron_bits)]
    work = increments(sizes, generator, given["cases"])

    def words(values: list[int]) -> list[int]:
        return [sum((values[i + lane] % (2 * half)) << (lane * sizes.state_bits) for lane in range(sizes.lanes))
                for i in range(0, len(values), sizes.lanes)]

    taken: list[int] = []
    layout = increment_layout(sizes)
    memory = States(dut, sizes, words(states), given.get("memory"), generator)
    driver = StreamDriver(dut, "increment", layout, generator=generator,
                          pause=pauses(given["increment"], generator) if "increment" in given else None,
                          on_accept=lambda _: taken.append(memory.cycle))
    dut.drain.value = 0
    await clock_and_reset(dut)
    driver.send_all(pack(layout, {"neuron": neuron, "increment": value}) for neuron, value in work)
    await driver.idle()
    dut.drain.value = 1
    await wait_until(dut, lambda: not int(dut.busy.value), timeout=200, what="the last states")
    await RisingEdge(dut.clk)
    golden = accumulate(sizes, states, work)
    assert memory.words == words(golden.states)
    assert len(memory.reads) == golden.reads and len(memory.written) == golden.writes > 0
    assert driver.accepted == len(work) > 0
    dut._log.info(f"{len(work)} increments, {golden.reads} reads, sizes {dataclasses.asdict(sizes)}")
    if not {"increment", "memory"} & set(given):
        assert taken[-1] - taken[0] == len(work) - 1, "not an increment per cycle"
        assert memory.written[-1] - taken[-1] <= tail_cycles(sizes) + 1
