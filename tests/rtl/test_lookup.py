"""The lookup's latency is what its docstring says."""

import pytest
from amaranth.sim import Simulator

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.words import EdgeKind, layouts
from rtl.synapse.lookup import Lookup
from tests.helpers.table_cores import mixed

TO_WEIGHT = 2
"""Cycles from a row that the crossbar is asked for to the read of its first weight."""


@pytest.mark.parametrize(("x", "bits"), [(0, 0), (5, 3), (31, 5)])
def test_latency(x: int, bits: int) -> None:
    """Of the first event, and of one of the same ID right behind it; one row is one synapse."""
    config = mixed(CoreConfig.preset("fpga_small"), ("crossbar",))
    words, unit = layouts(config), Lookup(config)
    memory = {
        0: words.extended_edge.pack(table_base=100, organisation=1, weight_bits=8, kind=EdgeKind.EXTENDED),
        100: words.table_header.pack(inputs=60, outputs=1, x_stride=1), 101: words.table_bases.pack(row_words=1),
    }
    taken, read = [], []

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        for signal in (unit.told, unit.op.ready, unit.descriptor.ready, unit.synapse.ready, unit.event.valid):
            context.set(signal, 1)
        context.set(unit.event.payload.x, x)
        coming = [0] * READ_LATENCY
        for cycle in range(60):
            context.set(unit.descriptor.data, coming.pop(0))
            coming.append(memory.get(context.get(unit.descriptor.address), 0))
            if context.get(unit.event.ready):
                taken.append(cycle)
            if context.get(unit.synapse.valid):
                read.append(cycle)
            await context.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    latencies = [there - begin - TO_WEIGHT for begin, there in zip(taken, read, strict=False)]
    assert latencies[:3] == [18 + bits, 3 + bits, 3 + bits]
