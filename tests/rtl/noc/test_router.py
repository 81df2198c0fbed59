"""The router's ports: no input reaches an output within a cycle."""

import random

import pytest
from amaranth import Cat, Module, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator

from golden.config import PRESETS
from golden.errors import ConfigError
from golden.noc.mesh import BACK
from golden.noc.router import PORTS
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
    assert len(outputs) == 17 and all(len(values) > 1 for values in seen.values()), "an output has never changed"


class Twins(wiring.Component):
    """A router with entries at all sides and one without get the same."""

    def __init__(self) -> None:
        self.blocks = [Router(PRESETS["fpga_small"], 3, entries=entries) for entries in ((), BACK)]
        super().__init__({**self.blocks[0].signature.members, "same": Out(1)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, (plain, other) = Module(), self.blocks
        m.submodules.plain, m.submodules.other = plain, other
        same = [plain.dropped == other.dropped, plain.empty == other.empty]
        for port in PORTS:
            came, gone = getattr(self, f"{port}_in"), getattr(self, f"{port}_out")
            for block in self.blocks:
                entry, out = getattr(block, f"{port}_in"), getattr(block, f"{port}_out")
                m.d.comb += [entry.payload.eq(came.payload), entry.valid.eq(came.valid), out.ready.eq(gone.ready)]
            one, two = getattr(plain, f"{port}_out"), getattr(other, f"{port}_out")
            m.d.comb += [came.ready.eq(getattr(plain, f"{port}_in").ready), gone.valid.eq(one.valid)]
            same += [came.ready == getattr(other, f"{port}_in").ready, one.valid == two.valid,
                     ~one.valid | (Value.cast(one.payload) == Value.cast(two.payload))]
        m.d.comb += self.same.eq(Cat(same).all())
        return m


def test_entries_change_nothing_for_events_of_routers(seed: int) -> None:
    """So a simulation may take nodes with entries for all: any events from the core, and such as routers send."""
    twins, pick, taken = Twins(), random.Random(seed), 0

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        nonlocal taken
        waits = set()
        for _ in range(400):
            for port in PORTS:
                came = getattr(twins, f"{port}_in")
                if port not in waits:
                    x, y = pick.randint(-3, 3), pick.choice([0, pick.randint(-3, 3)])
                    x = {"north": 0, "south": 0, "east": -abs(x), "west": abs(x)}.get(port, pick.choice([0, x]))
                    y = {"north": abs(y), "south": -abs(y)}.get(port, y)
                    context.set(came.payload, {"core_x": x, "core_y": y, "v": pick.randint(-9, 9)})
                context.set(came.valid, int(port in waits or pick.random() < 0.7))
                context.set(getattr(twins, f"{port}_out").ready, int(pick.random() < 0.6))
                valid, ready = context.get(came.valid), context.get(came.ready)
                waits = waits | {port} if valid and not ready else waits - {port}
                taken += valid and ready
            assert context.get(twins.same)
            await context.tick()

    simulator = Simulator(twins)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken > 400


def test_a_queue_of_one_event_is_refused() -> None:
    with pytest.raises(ConfigError, match="depth = 1 is less than 2"):
        Router(PRESETS["fpga_small"], 1)
