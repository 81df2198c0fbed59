"""A bench whose only test is skipped: launching it must fail."""

import cocotb


@cocotb.test(skip=True)
async def skipped(dut):
    raise AssertionError
