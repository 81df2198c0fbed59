"""The event core, stopped at many cycles of a frame: after a new start it is like one that was never used."""

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.memory_words import numbers
from golden.registers import Control, Register, Status, differing
from golden.types import Fields
from golden.words import EventKind, layouts
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset, wait_until
from tb.tb_core import CoreHost, by_id

WRITE_CYCLES = 2
"""Cycles after the one in which the write of CONTROL is taken, in which the core still runs."""
STOP_CYCLES = WRITE_CYCLES + 4
"""Cycles from that one until all that the core still sends is offered, or taken."""
PACES = {"full": ("never", "never", 0), "input waits": ("randomly", "never", 3), "output waits": ("never", "mostly", 6)}
"""Pauses of the input and of the output, and the first stop."""
LIMIT = 20_000
"""Cycles within which a frame must end: many times what one takes."""


@dataclass
class Expected:
    """What the golden core gives for one frame."""

    outputs: dict[int, list[Fields]]
    ends: int
    trace: list[tuple[int, int]]
    counters: dict[str, int]
    memory: list[int]


class Host(CoreHost):
    """A host that can leave the ends of an aborted frame without an answer."""

    answers = True

    def _receive(self, event: Fields) -> None:
        if self.answers:
            super()._receive(event)


class StopBench:
    """A core, its image, and one frame that is given to it again and again."""

    def __init__(self, dut: Any, given: dict[str, Any], pause_in: str, pause_out: str):
        self.dut, self.given = dut, given
        self.config = CoreConfig.from_json(given["config"])
        self.host = Host(dut, self.config, random.Random(launch.seed()), pause_in, pause_out)
        self.parts = np.array(given["words"], np.uint64).reshape(-1, self.config.word_bits // 64)
        self.words = numbers(self.parts)
        self.packed = np.array(given["frames"][0], np.uint64)
        self.frame = [layouts(self.config).event.unpack(word) for word in given["frames"][0]]
        self.fresh = self.expect(self.parts)

    def expect(self, parts: np.ndarray) -> Expected:
        """One frame in a golden core that starts with this memory."""
        golden = Core(self.config, parts, edges=self.given["edges"], populations=self.given["populations"])
        outputs = [layouts(self.config).event.unpack(word) for word in run_frame(golden, self.packed).tolist()]
        if self.config.update == "cim":
            golden.flush()
        return Expected(by_id(outputs), sum(event["kind"] == EventKind.END for event in outputs), sorted(golden.trace),
                        golden.counters, numbers(golden.memory[:len(parts)]))

    # -- a frame, and what must have come of it ----------------------------------------------------

    def send_frame(self) -> None:
        host = self.host
        host.outputs.clear()
        host.way_back.clear()
        host.trace.clear()
        host.ends = 0
        host.inputs.send_all(self.frame)

    async def check_frame(self, expected: Expected) -> dict[str, int]:
        """Run a frame in a started core and compare everything; returns the counters."""
        host = self.host
        self.send_frame()
        await wait_until(self.dut, lambda: host.ends == expected.ends and not host.inputs.pending, timeout=LIMIT,
                         what="the last end")
        await host.status(Status.IDLE)
        assert by_id(host.outputs) == expected.outputs
        assert sorted(host.way_back) == sorted(
            (-event["x"], -event["y"], event["c"]) for event in self.frame if event["kind"] == EventKind.END)
        assert sorted(host.trace) == expected.trace
        await host.flush()
        counters = await host.counters()
        assert not differing(self.config, expected.counters, counters, self.given["populations"])
        assert counters["overflow"] == counters["protocol_error"] == counters["unknown_id"] == 0
        memory = await host.read(list(range(len(self.words))))
        different = [address for address, (a, b) in enumerate(zip(memory, expected.memory, strict=True)) if a != b]
        assert not different, f"memory words {different}"
        return counters

    # -- stopping ----------------------------------------------------------------------------------

    async def stop(self, *, hold: bool, reload: bool) -> None:
        """Stop the core, let the senders of the aborted frame finish, and see it idle.

        With `hold` the input is first left waiting. With `reload` the image follows the write of CONTROL at once.
        """
        dut, host = self.dut, self.host
        access = {"register": 1, "write": 1}
        host.requests.send({**access, "address": Register.CONTROL, "data": 0 if hold else Control.DISCARD})
        answers = len(host.data.received)
        if hold:  # the write fills the cycle between, so that STATUS is read in the first one that can say idle
            host.requests.send({**access, "address": Register.EDGES, "data": self.given["edges"]})
            host.requests.send({**access, "address": Register.STATUS, "write": 0})
        if reload:
            host.send_image(self.words, self.given["edges"], self.given["populations"])
        await self._taken(Register.CONTROL)
        if hold:
            offered = []
            for number in range(STOP_CYCLES + 1):
                await RisingEdge(dut.clk)
                assert number < WRITE_CYCLES or dut.event_in__ready.value == 0, "a stopped core takes an event"
                offered.append(int(dut.event_out__valid.value))
            await host.data.wait(answers + 1)
            # What is in the output queue is offered a cycle later at most.
            assert host.data.received[answers] == (0 if any(offered[-2:]) else Status.IDLE)
            await host.write(Register.CONTROL, Control.DISCARD, register=True)
        for _ in range(STOP_CYCLES):
            await RisingEdge(dut.clk)
        await wait_until(dut, lambda: dut.event_out__valid.value == 0, timeout=LIMIT, what="an empty output queue")
        assert await host.read([Register.STATUS, Register.CONTROL], register=True) == [Status.IDLE, Control.DISCARD]
        await wait_until(dut, lambda: not host.inputs.pending, timeout=LIMIT, what="the rest of the frame")
        assert await host.read([Register.STATUS], register=True) == [Status.IDLE]
        await host.requests.idle()

    async def stop_and_start_at_once(self) -> None:
        """Start one access after the stop: nothing of the frame may go on. For when all of it has been taken in."""
        host = self.host
        host.answers = False
        for address, value in ((Register.CONTROL, 0), (Register.CONTROL, Control.RUN), (Register.CLEAR, 0)):
            host.requests.send({"address": address, "register": 1, "write": 1, "data": value})
        await host.status(Status.READY)
        await host.status(Status.IDLE)
        host.answers = True
        counters = await host.counters()
        golden = Core(self.config, self.parts, edges=self.given["edges"], populations=self.given["populations"])
        golden.stop()
        golden.start()  # which comes after the clearing, with the first ends of delays
        for _ in golden.first_ends():
            pass
        expected = {name: value for name, value in golden.counters.items() if value}
        # The tags of an array are made invalid first.
        timed = ("cycles", "values_out", *(["busy"] if self.config.update == "cim" else []))
        moved = {name: value for name, value in counters.items() if value and name not in timed}
        assert moved == expected, f"after a stop and a start, without an event: {moved}"

    async def _taken(self, register: int) -> None:
        """Wait for the cycle in which the host port takes a write of a register."""
        port, bits = self.dut.host__payload, self.config.address_bits
        while True:
            await RisingEdge(self.dut.clk)
            if self.dut.host__valid.value == 1 and self.dut.host__ready.value == 1:
                payload = int(port.value)
                if payload & ((4 << bits) - 1) == (3 << bits | register):
                    return

    async def counters_stay(self) -> None:
        """Neither a stop nor being stopped clears or moves a counter."""
        before = await self.host.counters()
        assert before["cycles"] > 0
        assert await self.host.counters() == before


async def _stop_and_run(bench: StopBench, number: int, where: str, cycle: int) -> tuple[Expected, dict[str, int]]:
    """One stop; then load and start again, and run a whole frame. Returns what was expected, and the counters."""
    dut, host = bench.dut, bench.host
    if where == "start":
        await bench.stop(hold=False, reload=False)
        await host.write(Register.CONTROL, Control.RUN, register=True)
    bench.send_frame()
    for _ in range(cycle):
        await RisingEdge(dut.clk)
    at_once = number % 3 == 2 and not host.inputs.pending
    reload = not at_once and number % 4 != 3
    if at_once:
        await bench.stop_and_start_at_once()
    else:
        await bench.stop(hold=number % 2 == 1, reload=reload)
    if number % 8 == 1 and not at_once:
        await bench.counters_stay()
    expected = bench.fresh
    if not reload:  # whatever the stop left in memory is what the next frame starts with
        memory = await host.read(list(range(len(bench.words))))
        parts = [[word >> (64 * i) & (1 << 64) - 1 for i in range(bench.parts.shape[1])] for word in memory]
        expected = bench.expect(np.array(parts, np.uint64))
    if at_once:
        await host.write(Register.CLEAR, 0, register=True)
    else:
        await host.start()
    return expected, await bench.check_frame(expected)


@cocotb.test()
@cocotb.parametrize(pace=list(PACES))
async def stops(dut: Any, pace: str) -> None:
    """Stop in a start, or in a frame that follows a whole one; the next frame is that of a fresh core."""
    given = launch.parameters()
    pause_in, pause_out, first = PACES[pace]
    bench = StopBench(dut, given, pause_in, pause_out)
    host = bench.host
    await clock_and_reset(dut)
    assert await host.read([Register.STATUS, Register.CONTROL], register=True) == [Status.IDLE, 0]
    await host.load(bench.words, given["edges"], given["populations"])
    fresh = await bench.check_frame(bench.fresh)
    assert fresh["synapses"] > 0 and fresh["neurons_fired"] > 0 and fresh["values_local"] > 0

    every = given["every"]
    places = [("start", cycle) for cycle in range(first, given["start_cycles"], every)]
    places += [("frame", cycle) for cycle in range(first, fresh["cycles"], every)]
    wrong_states = 0
    for number, (where, cycle) in enumerate(places):
        expected, counters = await _stop_and_run(bench, number, where, cycle)
        wrong_states += expected.outputs != bench.fresh.outputs
        if pace == "full" and expected is bench.fresh:
            # The same frame at the same pace takes the same cycles, one by one.
            for name in fresh.keys() - {"cycles"}:
                assert counters[name] == fresh[name], f"counter {name}: {counters[name]}, in a fresh core {fresh[name]}"
    dut._log.info("%d stops in a frame of %d cycles", len(places), fresh["cycles"])
    assert wrong_states, "no stop left states behind: all came too late"
