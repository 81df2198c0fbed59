"""What STATUS tells of a frame that does not go on: ends or credits that are missing."""

import random
from typing import Any

import cocotb
import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.registers import Register, Status
from golden.words import layouts
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset
from tb.tb_core import CoreHost


@cocotb.test()
async def status(dut: Any) -> None:
    """After each step of events STATUS is as given, and as golden says; the host pays no credits of its own accord."""
    given = launch.parameters()
    config = CoreConfig.from_json(given["config"])
    event = layouts(config).event
    host = CoreHost(dut, config, random.Random(launch.seed()), "never", "randomly")
    host.pays = False
    await clock_and_reset(dut)
    await host.load(given["words"], given["edges"], given["populations"])
    golden = Core(config, np.array(given["words"], np.uint64), edges=given["edges"], populations=given["populations"])
    ends = 0
    for number, (step, expected) in enumerate(given["steps"]):
        host.inputs.send_all(event.unpack(word) for word in step)
        await host.inputs.idle()
        await host.status(Status.IDLE)
        sent = golden.run(np.array(step, np.uint64))
        ends += int(np.sum(event.unpack_array(sent)["kind"] == 1))
        (found,) = await host.read([Register.STATUS], register=True)
        assert found == golden.status == expected, f"step {number}: {found}, golden {golden.status}, given {expected}"
        assert host.ends == ends, f"step {number}: {host.ends} ends came, golden {ends}"
    counters = await host.counters()
    assert counters["protocol_error"] == golden.counters["protocol_error"] == given["protocol_errors"]
