"""The event core: image in by the host port, frames of events, everything compared with the golden core."""

import random
from typing import Any

import cocotb
import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.memory_words import number, numbers
from golden.registers import Control, Register, Status, counters, differing
from golden.words import EventKind, layouts
from rtl.neuron.evaluation import Evaluation
from rtl.ports import request_layout
from synapress.tools import simulator as launch
from tb.payloads import unpack
from tb.streams import Steps, StreamDriver, StreamMonitor, clock_and_reset, every_cycle, pauses, wait_until


class CoreHost:
    """The host's side of a core: memory, registers, events, credits."""

    def __init__(self, dut: Any, config: CoreConfig, generator: random.Random, pause_in: str, pause_out: str):
        self.dut, self.config = dut, config
        self.layout = Evaluation(config).evaluated.shape()
        event = layouts(config).event
        self.requests = StreamDriver(dut, "host", request_layout(config), generator=generator)
        self.data = StreamMonitor(dut, "host_data", config.word_bits, pause=pauses("randomly", generator))
        self.inputs = StreamDriver(dut, "event_in", event, pause=pauses(pause_in, generator), generator=generator)
        self.outputs: list[dict[str, int]] = []
        self.pays = True
        """Whether it answers the ends of outputs with credits."""
        self.credits = 0
        self.way_back: list[tuple[int, int, int]] = []
        self.ends = 0
        self.trace: list[tuple[int, int]] = []
        StreamMonitor(dut, "event_out", event, pause=pauses(pause_out, generator), on_receive=self._receive)
        every_cycle(dut, self._watch())

    def _receive(self, event: dict[str, int]) -> None:
        if event["kind"] == EventKind.CREDIT:
            self.credits += 1
            self.way_back.append((event["core_x"], event["core_y"], event["id"]))
            return
        self.outputs.append(event)
        if event["kind"] == EventKind.END:
            self.ends += 1
            if self.pays:
                self.inputs.send({"kind": EventKind.CREDIT, "id": event["c"]})

    def _watch(self) -> Steps:
        """The trace: each state word at its evaluation."""
        evaluated = self.dut.evaluated
        while True:
            yield
            bits = str(evaluated.value)
            if bits[-1] == "1":  # the rest is unknown until something has been read
                trace = unpack(self.layout, int(bits, 2))
                self.trace.append((trace["address"], trace["state"]))

    async def write(self, address: int, value: int, *, register: bool = False) -> None:
        self.requests.send({"address": address, "register": int(register), "write": 1, "data": value})
        await self.requests.idle()

    async def read(self, addresses: list[int], *, register: bool = False) -> list[int]:
        first = len(self.data.received)
        self.requests.send_all({"address": address, "register": int(register), "write": 0} for address in addresses)
        await self.data.wait(first + len(addresses), timeout=200 * len(addresses) + 1000)
        return self.data.received[first:]

    def send_image(self, words: list[int], edges: int, populations: int) -> None:
        """Queue the accesses that write the image and its sizes."""
        for address, word in enumerate(words):
            self.requests.send({"address": address, "register": 0, "write": 1, "data": word})
        for register, value in ((Register.EDGES, edges), (Register.POPULATIONS, populations)):
            self.requests.send({"address": register, "register": 1, "write": 1, "data": value})

    async def start(self) -> None:
        """Start the core, wait until it is ready for events, and clear its counters."""
        await self.write(Register.CONTROL, Control.RUN, register=True)
        await self.status(Status.READY)
        await self.status(Status.IDLE)  # delays have sent their first ends
        await self.write(Register.CLEAR, 0, register=True)

    async def load(self, words: list[int], edges: int, populations: int) -> None:
        """Write the image and start the core."""
        self.send_image(words, edges, populations)
        await self.start()

    async def status(self, bit: int) -> None:
        """Wait for a bit of the status register."""
        for _ in range(10_000):
            if (await self.read([Register.STATUS], register=True))[0] & bit:
                return
        raise TimeoutError(f"status bit {bit} does not come")

    async def flush(self) -> None:
        """Bring the potentials of an array back to memory, if the core has one."""
        if self.config.update == "cim":
            await self.write(Register.CONTROL, Control.RUN | Control.FLUSH, register=True)
            await self.status(Status.IDLE)
            assert await self.read([Register.CONTROL], register=True) == [Control.RUN]

    async def counters(self) -> dict[str, int]:
        names = counters(self.config)
        addresses = [Register.COUNTER_BASE + index for index in range(len(names))]
        return dict(zip(names, await self.read(addresses, register=True), strict=True))


def by_id(events: list[dict[str, int]]) -> dict[int, list[dict[str, int]]]:
    """Events of each ID in order: populations that are ready at once may take turns in any order."""
    result: dict[int, list[dict[str, int]]] = {}
    for event in events:
        result.setdefault(event["id"], []).append(event)
    return result


async def check_accesses(host: CoreHost, counters: dict[str, int], reads: int) -> None:
    """What the golden core leaves out: bounds of the reads of weights and descriptors; the host's accesses.

    Args:
        counters: as they were before the host read its first word since they were cleared.
        reads: words that it has read since.
    """
    values = counters["values_in"] + counters["values_local"]
    if host.config.update != "cim":  # else the golden core has them
        assert 0 < counters["weight_reads"] <= counters["word_ops"]
    assert 0 < counters["descriptor_reads"] <= 3 * values  # edge, geometry and table word
    assert counters["host_reads"] == counters["host_writes"] == 0
    await host.write(host.config.memory_words - 1, 5)
    moved = {name: value - counters[name] for name, value in (await host.counters()).items() if name != "cycles"}
    assert {name: value for name, value in moved.items() if value} == {"host_reads": reads, "host_writes": 1}


@cocotb.test()
async def frames(dut: Any) -> None:
    """Frames of events through the core: outputs, states at evaluation, final memory and counters equal golden.

    `limit`, if given: cycles within which a frame must end.
    """
    given = launch.parameters()
    config = CoreConfig.from_json(given["config"])
    event = layouts(config).event
    generator = random.Random(launch.seed())
    host = CoreHost(dut, config, generator, given["pause_in"], given["pause_out"])
    await clock_and_reset(dut)
    parts = np.array(given["words"], np.uint64).reshape(-1, config.word_bits // 64)
    words = numbers(parts)
    assert await host.read([Register.STATUS], register=True) == [Status.IDLE], "not idle before it is started"
    await host.load(words, given["edges"], given["populations"])

    golden = Core(config, parts, edges=given["edges"], populations=given["populations"])
    expected: list[dict[str, int]] = []
    for frame in given["frames"]:
        expected += [event.unpack(word) for word in run_frame(golden, np.array(frame, np.uint64)).tolist()]
    ends = sum(item["kind"] == EventKind.END for item in expected)
    # Events that must be dropped travel along; the golden core gets the same ones.
    golden.run(np.array(given["bad"], np.uint64))
    bad = [event.unpack(word) for word in given["bad"]]

    limit = given.get("limit", 2_000_000)
    host.credits = given["inputs"]
    for index, frame in enumerate(given["frames"]):
        await wait_until(dut, lambda: host.credits == given["inputs"], timeout=limit, what="credits for the inputs")
        host.credits = 0
        if index == 0:  # before the first ends: values behind them would come too early besides
            host.inputs.send_all(bad)
        host.inputs.send_all(event.unpack(word) for word in frame)
    await wait_until(dut, lambda: host.ends == ends and not host.inputs.pending, timeout=limit, what="the last end")
    await host.status(Status.IDLE)

    assert by_id(host.outputs) == by_id(expected)
    sent = [event.unpack(word) for frame in given["frames"] for word in frame]
    assert sorted(host.way_back) == sorted((-e["x"], -e["y"], e["c"]) for e in sent if e["kind"] == EventKind.END)
    assert sorted(host.trace) == sorted(golden.trace)
    await host.flush()
    if config.update == "cim":
        golden.flush()
    counters = await host.counters()
    assert not differing(config, golden.counters, counters, given["populations"])
    assert counters["unknown_id"] == counters["unknown_channel"] == 1 and counters["protocol_error"] == 3
    assert counters["overflow"] == 0 and counters["synapses"] > 0 and counters["neurons_fired"] > 0
    assert counters["busy"] >= counters["word_ops"] > 0
    used = min(len(words) + 8, config.memory_words)
    addresses = [*range(used), *(generator.randrange(config.memory_words) for _ in range(64))]
    memory = await host.read(addresses)
    final = golden.memory
    for address, word in zip(addresses, memory, strict=True):
        assert word == number(final[address]), f"memory word {address}"
    if config.access_counters:
        await check_accesses(host, counters, len(addresses))
    dut._log.info("%d events out, %s", len(host.outputs), counters)


