"""The event core: steps of given events, each run to the end before the next; everything compared with golden."""

import random
from typing import Any

import cocotb
import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.words import EventKind, layouts
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset
from tb.tb_core import CoreHost, by_id


@cocotb.test()
async def steps(dut: Any) -> None:
    """Events of a step come one per cycle. Outputs, returned credits, states, counters and memory equal golden."""
    given = launch.parameters()
    config = CoreConfig.from_json(given["config"])
    event = layouts(config).event
    host = CoreHost(dut, config, random.Random(launch.seed()), "never", "never")
    await clock_and_reset(dut)
    words = given["words"]
    await host.load(words, given["edges"], given["populations"])
    golden = Core(config, np.array(words, np.uint64), edges=given["edges"], populations=given["populations"])

    expected: list[dict[str, int]] = []
    for number, step in enumerate(given["steps"]):
        host.inputs.send_all(event.unpack(word) for word in step)
        await host.inputs.idle()
        await host.status(2)
        await host.inputs.idle()  # the credits that the host gave for the ends of its outputs
        await host.status(2)
        pending = np.array(step, np.uint64)
        while len(pending):
            sent = [event.unpack(word) for word in golden.run(pending).tolist()]
            expected += sent
            pending = np.array([event.pack(kind=EventKind.CREDIT, id=item["c"]) for item in sent
                                if item["kind"] == EventKind.END], np.uint64)
        assert sorted(host.trace) == sorted(golden.trace), f"step {number}: states at their evaluation"

    assert by_id(host.outputs) == by_id([item for item in expected if item["kind"] != EventKind.CREDIT])
    assert sorted(host.way_back) == sorted(
        (item["core_x"], item["core_y"], item["id"]) for item in expected if item["kind"] == EventKind.CREDIT)
    counters = await host.counters()
    for name, value in golden.counters.items():
        assert counters[name] == value, f"counter {name}: {counters[name]}, golden {value}"
    assert counters["protocol_error"] == given["protocol_errors"]
    assert counters["overflow"] == 0 and counters["word_ops"] > 0 and counters["neurons_fired"] > 0
    memory = await host.read(list(range(len(words))))
    for address, word in enumerate(memory):
        assert word == int(golden.memory[address, 0]), f"memory word {address}"
