"""Bench of the banked memory: all requesters at random, cycle by cycle, against a list of words and the order of ports.

`parameters()`: `config`, `cycles`.
"""

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.ports import PORTS, READ_LATENCY
from synapress.tools.simulator import parameters, seed
from tb.streams import clock_and_reset

WRITERS = ("write_back", "evaluation", "host")
ORDER = ("write_back", "state", "weight", "descriptor", "axon", "table", "evaluation", "host")
PROMOTED = ("write_back", "state", "evaluation", "host", "weight", "descriptor", "axon", "table")
"""Which port goes before which, as promised (docs/architecture.md), with `promote_evaluation` low and high."""
SHARED = {"descriptor": "lists", "axon": "lists", "table": "lists", "evaluation": "values", "host": "values"}
"""Ports of which only the first that asks may access the memory, by the name of what they share."""
PLACES = len({SHARED.get(name, name) for name in ORDER})


@dataclass
class Request:
    """What one port wants at the moment, and what it is owed."""

    valid: bool = False
    address: int = 0
    write: bool = False
    word: int = 0
    written: int = 0
    """What its write_data shows in this cycle."""
    answers: deque[int | None] = field(default_factory=deque)
    """The words that its data must show in this cycle and the next ones."""
    waited: int = 0
    signals: dict[str, Any] = field(default_factory=dict)


class Requesters:
    """Drives all ports, one decision per cycle, and keeps the expected words."""

    def __init__(self, dut: Any, config: CoreConfig, generator: random.Random):
        self.dut, self.config, self.generator = dut, config, generator
        self.words = [0] * config.memory_words
        self.coverage: Counter[str] = Counter()
        self.promote = False
        self.ports = {name: Request(signals={
            signal: getattr(dut, f"{name}__{signal}", None)
            for signal in ("valid", "ready", "address", "write", "write_data", "data")}) for name in ORDER}
        self.offer()

    def offer(self) -> None:
        """Put all requests on the wires."""
        self.dut.promote_evaluation.value = int(self.promote)
        for name, port in self.ports.items():
            port.signals["valid"].value = int(port.valid)
            port.signals["address"].value = port.address
            if name in WRITERS:
                # The word of the write granted in the cycle before, or anything.
                port.signals["write_data"].value = port.written
                if name != "write_back":
                    port.signals["write"].value = int(port.write)

    def check(self) -> None:
        """Compare this cycle's answers and grants with what is promised; do the accesses on the expected words."""
        banks, coverage = self.config.banks, self.coverage
        for name, port in self.ports.items():
            answer = port.answers.popleft() if port.answers else None
            if answer is not None:
                got = int(port.signals["data"].value)
                assert got == answer, f"{name} reads {got:x} instead of {answer:x}"
            while len(port.answers) < READ_LATENCY:
                port.answers.append(None)
            port.written = self.generator.getrandbits(self.config.word_bits)
        taken: dict[int, str] = {}
        sharing: dict[str, str] = {}
        for name in PROMOTED if self.promote else ORDER:
            port = self.ports[name]
            if not port.valid:
                continue
            bank = port.address % banks
            ready = bool(int(port.signals["ready"].value))
            before = sharing.setdefault(SHARED.get(name, name), name)
            before = taken.get(bank, "nobody") if before == name else before
            assert ready == (before == "nobody"), \
                f"{name} is {'granted' if ready else 'refused'} bank {bank}; before it: {before}"
            if ready:
                taken[bank] = name
                coverage[f"{name} in bank {bank}"] += 1
                coverage["waited long"] += port.waited > 8
                port.valid, port.waited = False, 0
                if port.write:
                    self.words[port.address] = port.written = port.word
                    coverage[f"{name} writes"] += 1
                else:
                    port.answers[-1] = self.words[port.address]
            else:
                port.waited += 1
                coverage[f"{before} before {name}"] += 1
        coverage["as many as can be at once"] += len(taken) == min(banks, PLACES)
        assert not self.ports["write_back"].valid, "a write-back was refused"

    def choose(self, busy: dict[str, float], words: int, withdraw: float = 0.02) -> None:
        """New requests with each port's probability, among the first `words` words; few of the waiting ones give up."""
        generator = self.generator
        for name, port in self.ports.items():
            if port.valid and generator.random() < withdraw:
                port.valid, port.waited = False, 0
                self.coverage["withdrawn"] += 1
            if not port.valid:
                port.valid = generator.random() < busy[name]
                # Idle wires carry garbage, and must do no harm.
                port.address = generator.randrange(words)
                port.write = name == "write_back" or (name in WRITERS and generator.random() < 0.5)
                port.word = generator.getrandbits(self.config.word_bits)


def required(config: CoreConfig) -> set[str]:
    """The coverage bins."""
    return {
        "as many as can be at once", "withdrawn", "waited long",
        *(f"{name} in bank {bank}" for name in ORDER for bank in range(config.banks)),
        *(f"{name} writes" for name in WRITERS),
        *(f"{first} before {second}" for first, second in combinations(ORDER, 2)),
        *(f"{first} before {second}" for first in ("evaluation", "host")
          for second in ("weight", "descriptor", "axon", "table")),
    }


@cocotb.test()
async def banked_memory(dut: Any) -> None:
    """Filled through the host, used by all ports in phases of different loads, and read back whole by the host."""
    config, generator = CoreConfig.from_json(parameters()["config"]), random.Random(seed())
    assert set(ORDER) == {port.name for port in PORTS}
    ports = Requesters(dut, config, generator)
    await clock_and_reset(dut)

    async def cycle() -> None:
        ports.offer()
        await RisingEdge(dut.clk)
        ports.check()

    host = ports.ports["host"]
    for address in range(config.memory_words):
        host.valid, host.write, host.address, host.word = True, True, address, generator.getrandbits(config.word_bits)
        await cycle()
        assert not host.valid, "the host is refused with nobody before it"

    for phase in range(parameters()["cycles"] // 200):
        busy = {name: generator.choice([0.0, 0.1, 0.5, 1.0]) if phase % 5 else 1.0 for name in ORDER}
        words = config.memory_words if phase % 4 else generator.choice([1, 4, config.banks, 4 * config.banks])
        for _ in range(200):
            if generator.random() < 0.05:
                ports.promote = not ports.promote
            ports.choose(busy, words)
            await cycle()

    idle = dict.fromkeys(ORDER, 0.0)
    ports.choose(idle, 1, withdraw=1.0)
    for address in range(config.memory_words):
        host.valid, host.write, host.address = True, False, address
        await cycle()
        assert not host.valid, "the host is refused with nobody before it"
    for _ in range(READ_LATENCY):
        await cycle()
    missed = required(config) - {name for name, count in ports.coverage.items() if count > 0}
    assert not missed, f"not covered: {sorted(missed)}"
