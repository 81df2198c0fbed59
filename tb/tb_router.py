"""Bench of the router: any events at all inputs, pauses at all ports, against the model that knows no arbiter.

`parameters()`: `config`, `depth`, `missing`, `entries`, `scenario` ("random", "parallel" or "fair"), and for "random"
`events` per input and pauses by name of `tb.streams.PAUSES`: `inputs`, `outputs`.
"""

import random
from collections import Counter, defaultdict, deque
from functools import partial
from itertools import combinations
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from golden.config import CoreConfig
from golden.noc.router import PORTS, STEPS, Router
from golden.words import layouts
from rtl.noc import router
from synapress.tools.simulator import parameters, seed
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, after_reset, clock_and_reset, pauses, wait_until

PERIOD = 10
"""Of the clock, in ns."""
STRAYS = 0.15
"""How many events of inputs that are checked have any address at all, which is often one without a way."""
ROUNDS = (
    {"west": "east", "east": "north", "north": "south", "south": "local", "local": "west"},
    {"east": "west", "west": "south", "south": "north", "north": "local", "local": "east"},
)
"""Ways that all ports can be busy with at once."""


def now() -> int:
    """The cycle."""
    return int(get_sim_time("ns")) // PERIOD


class Traffic:
    """Events by the bits: an address that leads to an output, the input's number in `c`, and else anything."""

    def __init__(self, config: CoreConfig, generator: random.Random):
        self.event, self.random = layouts(config).event, generator
        self.reach = self.event.field("core_x").high

    def to(self, output: str, port: str) -> int:
        pick = self.random
        far = pick.choice([1, self.reach, pick.randint(1, self.reach)])
        step_x, step_y = STEPS[output]
        x, y = step_x * far, step_y * far
        if x < 0 and pick.random() < 0.1:
            x = -self.reach - 1
        if x:
            y = pick.choice([0, pick.randint(-self.reach - 1, self.reach)])
        elif y < 0 and pick.random() < 0.1:
            y = -self.reach - 1
        return self._event(port, x, y)

    def stray(self, port: str) -> int:
        low = -self.reach - 1
        return self._event(port, *(self.random.choice([0, self.random.randint(low, self.reach)]) for _ in "xy"))

    def _event(self, port: str, x: int, y: int) -> int:
        values = {field.name: self.random.randint(field.low, field.high) for field in self.event.fields}
        values |= {"core_x": x, "core_y": y, "c": values["c"] & ~7 | PORTS.index(port)}
        return self.event.pack(values)


class Bench:
    """Drivers and monitors of all ports, and the model between them.

    Attributes:
        sent, came: (cycle, input) and (cycle, output, input) of each event taken, and of each that came out.
        longest: the most cycles from an event taken to its leaving.
    """

    def __init__(self, dut: Any, given: dict[str, Any], generator: random.Random):
        self.dut, self.given, config = dut, given, CoreConfig.from_json(given["config"])
        self.model = Router(config, missing=given["missing"], entries=given["entries"])
        self.traffic = Traffic(config, generator)
        self.bins: Counter[str] = Counter()
        self.sent: list[tuple[int, str]] = []
        self.came: list[tuple[int, str, str]] = []
        self.waiting: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self.longest = 0
        self.owed: set[int] = set()
        self.told: set[int] = set()
        bits = layouts(config).event.bits

        def pause(side: str) -> Any:
            return pauses(given[side], generator) if side in given else None

        self.drivers = {port: StreamDriver(
            dut, f"{port}_in", bits, pause=pause("inputs"), generator=generator, on_accept=partial(self._enter, port))
            for port in self.model.ways}
        self.monitors = {port: StreamMonitor(
            dut, f"{port}_out", bits, pause=pause("outputs"), on_receive=partial(self._leave, port))
            for port in self.model.ways}
        after_reset(dut, self._watch())

    def _enter(self, port: str, event: int) -> None:
        output = self.model.enter(port, event)
        self.sent.append((now(), port))
        self.bins[f"{port} to {output}" if output else f"{port}: dropped"] += 1
        if output is None:
            self.owed.add(now() + 1)
        else:
            self.waiting[port, output].append(now())

    def _leave(self, output: str, event: int) -> None:
        port = self.model.leave(output, event)
        self.came.append((now(), output, port))
        self.longest = max(self.longest, now() - self.waiting[port, output].popleft())

    def _watch(self) -> Steps:
        wires = Wires(self.dut)
        while True:
            if wires.dropped():
                self.told.add(now())
            yield

    def clear(self) -> None:
        self.sent.clear()
        self.came.clear()

    async def over(self) -> None:
        """Wait until everything has been sent and has come, and a little longer; then nothing may be left."""
        for driver in self.drivers.values():
            await driver.idle(timeout=1000)
        await wait_until(self.dut, lambda: not self.model.waiting, timeout=1000, what="events in the router")
        for _ in range(4):
            await RisingEdge(self.dut.clk)
        wires = Wires(self.dut)
        for port in self.model.ways:
            assert getattr(wires, f"{port}_out__valid")() == 0 and getattr(wires, f"{port}_in__ready")() == 1, port
        assert self.model.waiting == 0 and self.told == self.owed, "dropped events must be told"
        assert len(self.came) + self.model.dropped == len(self.sent) > 0


@cocotb.test(skip=parameters()["scenario"] != "random")
async def random_events(dut: Any) -> None:
    """Every event comes out where it must, as it must, in order, once; what has no way is dropped, and told."""
    given, generator = parameters(), random.Random(seed())
    bench = Bench(dut, given, generator)
    await clock_and_reset(dut, period_ns=PERIOD)
    for port, outputs in bench.model.ways.items():
        for _ in range(given["events"]):
            stray = port in bench.model.checked and generator.random() < STRAYS
            bench.drivers[port].send(bench.traffic.stray(port) if stray else
                                     bench.traffic.to(generator.choice(outputs), port))
    await bench.over()
    required = {f"{port} to {output}" for port, outputs in bench.model.ways.items() for output in outputs}
    required |= {f"{port}: dropped" for port in bench.model.checked}
    assert not required - set(bench.bins), f"never seen: {sorted(required - set(bench.bins))}"
    assert all(driver.stalled for driver in bench.drivers.values()), "an input has never waited"
    if given["outputs"] == "never":  # an event, and each before it in its queue, waits for one of each other input
        turns = len(bench.model.ways) - 1
        assert router.Router.latency + turns < bench.longest <= router.Router.latency - 1 + given["depth"] * turns
    dut._log.info("%d events, %d dropped", len(bench.sent), bench.model.dropped)


@cocotb.test(skip=parameters()["scenario"] != "parallel")
async def parallel_streams(dut: Any) -> None:
    """All ports at once, an event per cycle at each, and each event its latency after it was taken."""
    given, generator = parameters(), random.Random(seed())
    bench, count = Bench(dut, given, generator), 200
    await clock_and_reset(dut, period_ns=PERIOD)
    for pairs in ROUNDS:
        bench.clear()
        for port, output in pairs.items():
            bench.drivers[port].send_all(bench.traffic.to(output, port) for _ in range(count))
        await bench.over()
        for port, output in pairs.items():
            sent = [cycle for cycle, start in bench.sent if start == port]
            assert sent == list(range(sent[0], sent[0] + count)), f"{port} has waited"
            latency = router.Router.local_latency if output == "local" else router.Router.latency
            assert [(cycle + latency, output, port) for cycle in sent] == [
                came for came in bench.came if came[2] == port]


@cocotb.test(skip=parameters()["scenario"] != "fair")
async def fair_shares(dut: Any) -> None:
    """Of inputs that always have an event for one output, each goes once in as many cycles as there are inputs."""
    given, generator = parameters(), random.Random(seed())
    bench, count = Bench(dut, given, generator), 24
    await clock_and_reset(dut, period_ns=PERIOD)
    contests = 0
    for output in bench.model.ways:
        inputs = [port for port, outputs in bench.model.ways.items() if output in outputs]
        for size in range(2, len(inputs) + 1):
            for ports in combinations(inputs, size):
                bench.clear()
                for port in ports:
                    bench.drivers[port].send_all(bench.traffic.to(output, port) for _ in range(count))
                await bench.over()
                cycles, _, starts = zip(*bench.came, strict=True)
                assert cycles == tuple(range(cycles[0], cycles[0] + count * size)), f"{output} has waited"
                for first in range(0, count * size, size):
                    assert {*starts[first:first + size]} == {*ports}, f"{output}: {starts[:first + size]}"
                contests += 1
    assert contests > 10
