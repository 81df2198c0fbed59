"""A core with an array whose host flushes it while events are under way, reads its memory, and loads other images.

`parameters()`: those of `tb.tb_core`. Nothing that the host does may change a spike or a potential; what an array
loads and stores, it may.
"""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.memory_words import numbers
from golden.registers import Control, Register, Status
from golden.types import Words
from golden.words import EventKind, layouts
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset, wait_until
from tb.tb_core import CoreHost, by_id

SAME = ("values_in", "values_local", "values_out", "ends", "word_ops", "synapses", "neurons_fired", "cim_cycles",
        "column_ops", "idle_column_ops", "unknown_id", "unknown_channel", "address_error", "protocol_error")
"""Counters that do not depend on when the array is flushed."""


class FlushBench:
    """A core that is disturbed, and the golden one that is not."""

    def __init__(self, dut: Any, given: dict[str, Any]):
        self.dut, self.given, self.generator = dut, given, random.Random(launch.seed())
        self.config = CoreConfig.from_json(given["config"])
        self.host = CoreHost(dut, self.config, self.generator, given["pause_in"], given["pause_out"])
        self.flushes = 0

    async def load(self, parts: Words) -> None:
        """Start the core with an image."""
        self.golden = Core(self.config, parts, edges=self.given["edges"], populations=self.given["populations"])
        self.size = len(parts)
        await self.host.load(numbers(parts), self.given["edges"], self.given["populations"])
        self.host.credits = self.given["inputs"]

    async def disturb(self) -> None:
        """Something that hosts do at any time."""
        host, pick = self.host, self.generator
        kind = pick.choice(("flush", "flush", "flushes", "flush and more", "read"))
        if kind != "read":
            await host.write(Register.CONTROL, Control.RUN | Control.FLUSH, register=True)
            self.flushes += 1
        if kind == "flushes":  # the second one perhaps while the first one goes on, or just as it ends
            await ClockCycles(self.dut.clk, pick.randrange(600))
            await host.write(Register.CONTROL, Control.RUN | Control.FLUSH, register=True)
        if kind == "flush and more":
            await host.write(Register.CONTROL, Control.RUN, register=True)
        if kind == "read":
            await host.read([pick.randrange(self.size) for _ in range(20)])

    async def frame(self, packed: Sequence[int]) -> None:
        """A frame, during which the core is disturbed."""
        dut, host, event = self.dut, self.host, layouts(self.config).event
        expected = [event.unpack(word) for word in run_frame(self.golden, np.array(packed, np.uint64)).tolist()]
        await wait_until(dut, lambda: host.credits == self.given["inputs"], timeout=200_000, what="credits")
        host.credits, host.ends = 0, 0
        host.outputs.clear()
        host.inputs.send_all(event.unpack(word) for word in packed)
        ends = sum(item["kind"] == EventKind.END for item in expected)
        while host.ends != ends or host.inputs.pending:
            await ClockCycles(dut.clk, self.generator.choice((1, 30, 300, 1000)))
            await self.disturb()
        await host.status(Status.IDLE)
        assert by_id(host.outputs) == by_id(expected)

    async def check(self) -> None:
        """Memory after a flush; the host may go on, or stop the core."""
        host, pick = self.host, self.generator
        if pick.random() < .3:  # whoever writes CONTROL again does not call the flush off
            await host.write(Register.CONTROL, Control.RUN | Control.FLUSH, register=True)
            await host.write(Register.CONTROL, Control.RUN, register=True)
            await host.status(Status.IDLE)
        else:
            await host.flush()
        memory = await host.read(list(range(self.size)))
        wanted = numbers(self.golden.memory)
        different = [address for address in range(self.size) if memory[address] != wanted[address]]
        assert not different, f"memory words {different}"
        counters = await host.counters()
        found = {name: counters[name] for name in SAME}
        assert found == {name: self.golden.counters[name] for name in SAME}

    async def stop(self) -> None:
        """Stop the idle core."""
        await self.host.write(Register.CONTROL, 0, register=True)
        await self.host.status(Status.IDLE)


@cocotb.test()
async def flushes(dut: Any) -> None:
    given = launch.parameters()
    bench = FlushBench(dut, given)
    await clock_and_reset(dut)
    parts = np.array(given["words"], np.uint64).reshape(-1, bench.config.word_bits // 64)
    for _ in range(2):  # the second time with what the first time left in the array and in memory
        await bench.load(parts)
        for packed in given["frames"]:
            await bench.frame(packed)
            if bench.generator.random() < .6:
                await bench.check()
        await bench.check()
        await bench.stop()
    assert bench.flushes and bench.golden.counters["synapses"]
