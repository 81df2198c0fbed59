"""Bench of the demo component: random requests against a few lines of Python."""

import random

import cocotb

from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.streams import StreamDriver, StreamMonitor, clock_and_reset, pauses, wait_until
from tests.tb.demo import CONFIG, REPLY, REQUEST


def wrap(value: int) -> int:
    return (value + (1 << 15)) % (1 << 16) - (1 << 15)


@cocotb.test()
async def requests_are_answered(dut):
    options, generator = parameters(), random.Random(seed())
    pattern = options["pause"]
    dut.fault.value = options.get("fault", 0)
    words = [generator.getrandbits(64) for _ in range(16)]
    stored = [0] * 16
    before, expected, memory_after = list(words), [], list(stored)
    requests = []
    for _ in range(options["count"]):
        request = {"address": generator.randrange(16), "add": generator.randrange(-256, 256),
                   "store": generator.randrange(2)}
        total = wrap(before[request["address"]] + request["add"])
        requests.append(request)
        expected.append({"address": request["address"], "sum": total})
        if request["store"]:
            memory_after[request["address"]] = total & 0xFFFF
    accesses = []
    table = MemoryModel(dut, "table", words, word_bits=CONFIG.word_bits, pause=pauses(pattern, generator))
    memory = MemoryModel(dut, ["memory"], stored, word_bits=CONFIG.word_bits,
                         pause=lambda: pauses(pattern, generator),
                         on_access=lambda port, address, word: accesses.append((port, address, word)))
    driver = StreamDriver(dut, "request", REQUEST, pause=pauses(pattern, generator), generator=generator)
    reply = StreamMonitor(dut, "reply", REPLY, pause=pauses(pattern, generator))
    echo = StreamMonitor(dut, "echo", REPLY)
    await clock_and_reset(dut)
    driver.send_all(requests)
    await driver.idle()
    assert driver.accepted == len(requests) and driver.pending == 0
    await reply.wait(len(requests), timeout=2000)
    assert reply.received == expected
    await wait_until(dut, lambda: len(echo.received) == len(expected), timeout=10)
    assert echo.received == expected
    assert stored == memory_after
    assert table.reads == {"table": len(requests)}
    assert memory.writes == {"memory": sum(request["store"] for request in requests)} and not memory.reads["memory"]
    assert len(accesses) == memory.writes["memory"] > 0
    assert (reply.stalled > 0) == (pattern != "never")
