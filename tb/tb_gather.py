"""Gather: the operations of random rows of synapses equal the golden ones, whenever synapses come and `done` does."""

import random
from typing import Any

import cocotb

from golden.config import CoreConfig
from golden.synapse.gather import gather
from golden.synapse.organisations.interface import Sizes, synapse_layout
from rtl.ports import op_layout
from synapress.tools import simulator as launch
from tb.payloads import pack
from tb.streams import Steps, StreamMonitor, clock_and_reset, every_cycle, out_of_reset, pauses, wait_until

Row = tuple[list[tuple[int, int]], int, int, int]
"""Synapses, and the value, the states' base and the shift of their request."""


def random_row(generator: random.Random, config: CoreConfig) -> Row:
    """Rows that are dense, sparse, in any order and empty, some of them into states that leave the memory."""
    count, step = generator.choice([0, 1, 2, 40]), generator.choice([1, 1, 2, config.lanes, 50])
    neurons = [generator.randrange(30)]
    for _ in range(count):
        forward = generator.random() < 0.9
        neurons.append(neurons[-1] + generator.randint(1, step) if forward else generator.randrange(99))
    limit = 1 << config.table_weight_bits - 1
    base = generator.choice([0, config.memory_words // 2, config.memory_words - 3])
    synapses = [(neuron % (1 << 16), generator.randrange(-limit, limit)) for neuron in neurons[:count]]
    half = 1 << config.value_bits - 1
    return synapses, generator.randrange(-half, half), base, generator.randrange(1 << config.product_shift_bits)


def rows_in(dut: Any, config: CoreConfig, rows: list[Row], generator: random.Random, pause: str, over: list[int]
            ) -> Steps:
    """Drive the synapses; `done` comes with the last one, or later. What belongs to a row changes behind it."""
    yield from out_of_reset(dut)
    layout, waits = synapse_layout(Sizes.of(config)), pauses(pause, generator)
    for synapses, value, base, shift in rows:
        dut.state_base.value, dut.shift.value = base, shift
        with_last = bool(synapses) and generator.random() < 0.5
        for number, (neuron, weight) in enumerate(synapses):
            while next(waits):
                yield
            dut.synapse__payload.value = pack(layout, {"neuron": neuron, "weight": weight, "value": value,
                                                       "weight_address": generator.randrange(1 << 10)})
            dut.synapse__valid.value = 1
            dut.done.value = int(with_last and number == len(synapses) - 1)
            yield
            while dut.synapse__ready.value == 0:
                yield
            dut.synapse__valid.value = dut.done.value = 0
        if not with_last:
            for _ in range(generator.choice([0, 0, 1, 3])):
                yield
            dut.done.value = 1
            yield
            dut.done.value = 0
    over.append(1)
    while True:
        yield


@cocotb.test()
@cocotb.parametrize(pause=["never", "randomly"], pause_out=["never", "randomly", "mostly"])
async def rows(dut: Any, pause: str, pause_out: str) -> None:
    """Everything in order, and nothing left."""
    config = CoreConfig.from_json(launch.parameters()["config"])
    generator = random.Random(launch.seed())
    given = [random_row(generator, config) for _ in range(150)]
    bits, over = config.table_weight_bits, list[int]()
    for name in ("synapse__valid", "done"):
        getattr(dut, name).value = 0
    operations = StreamMonitor(dut, "op", op_layout(config), pause=pauses(pause_out, generator))
    every_cycle(dut, rows_in(dut, config, given, generator, pause, over))
    await clock_and_reset(dut)
    await wait_until(dut, lambda: bool(over) and dut.busy.value == 0, what="the last operation")
    expected = [op for synapses, value, base, shift in given
                for op in gather(synapses, state_base=base, shift=shift, v=value, config=config)]
    assert len(operations.received) == len(expected) > 300
    for found, op in zip(operations.received, expected, strict=True):
        taken = [((found["weights"] >> bits * lane & (1 << bits) - 1) ^ 1 << bits - 1) - (1 << bits - 1)
                 for lane in range(config.lanes)]
        assert [(a, b) for a, b, lane in zip(taken, op.weights, range(config.lanes), strict=True)
                if op.mask >> lane & 1 and a != b] == []
        names = ("state_address", "mask", "shift", "v", "immediate", "max")
        assert [found[name] for name in names] == [op.state_address, op.mask, op.shift, op.v, 1, 0]
