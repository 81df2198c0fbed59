"""A bench whose simulation ends without results: launching it must fail."""

import os

import cocotb


@cocotb.test()
async def dies(dut):
    os._exit(0)
