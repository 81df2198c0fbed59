"""Bench of the counters on the scratch memory: sums of increments, and words of the table that shares the memory.

`parameters()`: `config`, `most` (the largest increment of each counter, in order), `cycles`, `clears` (cycles in which
clearings come; none after), `words` (of the scratch memory), `own` (the addresses of the counters: first, one behind).
"""

import random
from collections import Counter, deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from synapress.tools.simulator import parameters, seed

SHOWS = 3
"""Cycles from an increment to the first cycle in which a value can have it."""


class Model:
    """What the counters must show: increments are added up as they come, and looked at SHOWS cycles later."""

    def __init__(self, count: int, bits: int):
        self.sums, self.bits = [0] * count, bits
        self.late: deque[list[int]] = deque([[0] * count for _ in range(SHOWS)], SHOWS + 1)

    def cycle(self, increments: list[int], clear: bool) -> None:
        if clear:
            self.sums = [0] * len(self.sums)
            self.late.extend([self.sums] * SHOWS)
        self.sums = [a + b for a, b in zip(self.sums, increments, strict=True)]
        self.late.append(self.sums)

    def shows(self, index: int) -> int:
        """The value in the cycle that was given last."""
        return self.late[0][index] % (1 << self.bits)


class Table:
    """The other user of the memory: accesses at random, and the words it must find."""

    def __init__(self, dut: Any, generator: random.Random, words: list[int], free: list[int]):
        self.port = {name: getattr(dut, f"table__{name}") for name in (
            "valid", "ready", "write", "address", "write_data", "data")}
        self.generator, self.words, self.free = generator, words, free
        self.expected: deque[int | None] = deque([None] * 4, 4)
        self.reads = self.writes = 0
        self.offered: tuple[bool, bool, int, int] = (False, False, 0, 0)

    def check(self) -> None:
        """At the end of a cycle: the word read two and three cycles before."""
        valid, write, address, word = self.offered
        for expected in (self.expected[-2], self.expected[-3]):
            if expected is not None:
                assert int(self.port["data"].value) == expected, "a word of the table"
                self.reads += 1
        taken = valid and self.port["ready"].value == 1
        self.expected.append(self.words[address] if taken and not write else None)
        if taken and write:
            self.words[address] = word
            self.writes += 1

    def offer(self) -> None:
        draw = self.generator
        self.offered = (draw.random() < 0.7, draw.random() < 0.5, draw.choice(self.free),
                        draw.getrandbits(len(self.port["write_data"])))
        for name, value in zip(("valid", "write", "address", "write_data"), self.offered, strict=True):
            self.port[name].value = int(value)


async def spoil(dut: Any, generator: random.Random, words: int) -> list[int]:
    """Fill the memory with anything while the reset holds: nothing may rely on what it has at first."""
    dut.rst.value = dut.table__write.value = dut.table__valid.value = 1
    dut.increments.value = dut.clear.value = dut.read.value = dut.select.value = 0
    found = [generator.getrandbits(len(dut.table__write_data)) for _ in range(words)]
    Clock(dut.clk, 10, unit="ns", impl="gpi").start(start_high=False)
    await RisingEdge(dut.clk)
    for address, word in enumerate(found):
        dut.table__address.value, dut.table__write_data.value = address, word
        await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.table__valid.value = dut.rst.value = 0
    return found


@cocotb.test()
async def counts(dut: Any) -> None:
    """Each value read is the sum of all increments, and the table's words stay what was written."""
    given, generator = parameters(), random.Random(seed())
    config, most = CoreConfig.from_json(given["config"]), given["most"]
    words = await spoil(dut, generator, given["words"])
    low, high = given["own"]
    table = Table(dut, generator, words, [*range(low), *range(high, given["words"])])
    model, coverage = Model(len(most), config.counter_bits), Counter[str]()
    lengths = [value.bit_length() for value in most]
    increments, clear, reading, waited, mode = [0] * len(most), False, False, 0, "most"
    select = 0
    for cycle in range(given["cycles"]):
        table.offer()
        if cycle % 300 == 0:
            mode = generator.choice(("most", "most", "most", "any"))
        increments = most if mode == "most" else [generator.randint(0, value) for value in most]
        packed, place = 0, 0
        for value, length in zip(increments, lengths, strict=True):
            packed |= value << place
            place += length
        clear = not reading and cycle < given["clears"] and generator.random() < 0.2
        if not reading and not clear and generator.random() < 0.3:
            select = generator.choice((generator.randrange(len(most)), most.index(max(most))))  # often the fastest
            reading, waited = True, 0
        dut.increments.value, dut.clear.value, dut.read.value, dut.select.value = packed, clear, reading, select
        await RisingEdge(dut.clk)
        table.check()
        model.cycle(increments, clear)
        coverage["clears"] += clear
        waited += reading
        assert waited <= 3 * len(most) + 3, f"counter {select} does not come"
        if reading and dut.done.value == 1:
            found, expected = int(dut.value.value), model.shows(select)
            assert found == expected, f"cycle {cycle}: counter {select} is {found}, not {expected}"
            coverage["reads"] += 1
            coverage["wrapped"] += model.sums[select] >> config.counter_bits > 0
            reading = False
    dut._log.info("%s, %d words read and %d written by the table", dict(coverage), table.reads, table.writes)
    assert min(coverage["reads"], coverage["clears"], coverage["wrapped"], table.reads, table.writes) > 5
