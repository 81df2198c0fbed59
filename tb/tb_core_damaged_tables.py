"""The event core with tables full of nonsense: it comes to rest, and a stop and a good image mend it."""

from typing import Any

import cocotb

from golden.registers import Control, Register, Status
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset, wait_until
from tb.tb_core_stop import StopBench

LIMIT = 400_000
"""Cycles in which a frame must come to rest: a row of the longest table that there can be takes some thousand."""


@cocotb.test()
async def damaged(dut: Any) -> None:
    """Frame by frame another memory."""
    given = launch.parameters()
    bench = StopBench(dut, given, "never", "never")
    host, errors = bench.host, 0
    await clock_and_reset(dut)
    for image in given["damaged"]:
        host.send_image([sum(part << 64 * i for i, part in enumerate(word)) for word in image], given["edges"],
                        given["populations"])
        await host.write(Register.CONTROL, Control.RUN, register=True)
        await host.status(Status.READY)
        await host.write(Register.CLEAR, 0, register=True)
        host.inputs.send_all(bench.frame)
        await wait_until(dut, lambda: not host.inputs.pending, timeout=LIMIT, what="the end of the input")
        await wait_until(dut, lambda: dut.idle.value == 1, timeout=LIMIT, what="a core at rest")
        errors += (await host.counters())["table_error"]
        await bench.stop(hold=False, reload=False)
        host.send_image(bench.words, given["edges"], given["populations"])
        await host.requests.idle()
        await host.start()
        await bench.check_frame(bench.fresh)
    assert errors > 0
