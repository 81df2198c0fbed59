"""The router's ports: no input reaches an output within a cycle."""

import random

import pytest
from amaranth import Value
from amaranth.hdl._ir import PortDirection
from amaranth.sim import Simulator

from golden.config import PRESETS
from golden.errors import ConfigError
from rtl.noc.router import Router
from rtl.verilog import ports


@pytest.mark.parametrize("depth", [2, 3])
def test_no_input_reaches_an_output_within_a_cycle(depth: int, seed: int) -> None:
    """All inputs change in the middle of each cycle, and no output does."""
    router, pick = Router(PRESETS["fpga_small"], depth, entries=("north",)), random.Random(seed)
    found = ports(router)
    inputs = [Value.cast(wire) for wire, direction in found.values() if direction == PortDirection.Input]
    outputs = {name: Value.cast(wire) for name, (wire, direction) in found.items() if direction == PortDirection.Output}
    seen: dict[str, set[int]] = {name: set() for name in outputs}

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        for _ in range(150):
            before = {name: context.get(wire) for name, wire in outputs.items()}
            for wire in inputs:
                context.set(wire, pick.getrandbits(len(wire)))
            for name, wire in outputs.items():
                assert context.get(wire) == before[name], name
                seen[name].add(before[name])
            await context.tick()

    simulator = Simulator(router)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(outputs) == 16 and all(len(values) > 1 for values in seen.values()), "an output has never changed"


def test_a_queue_of_one_event_is_refused() -> None:
    with pytest.raises(ConfigError, match="depth = 1 is less than 2"):
        Router(PRESETS["fpga_small"], 1)
