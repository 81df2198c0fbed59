"""Value tables in Amaranth's simulator against the golden entries, in words with room for fewer and more than all."""

import random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from golden.config import CoreConfig
from golden.neuron.evaluation import table_entry
from golden.ports import READ_LATENCY
from rtl.neuron.lookup import Lookup


def _look_up(config: CoreConfig, base: int, memory: list[int], values: list[int | None], pick: random.Random
             ) -> list[int | None]:
    """What comes out for the values, where `None` is an end; memory, giver and taker wait at random."""
    design, table, results = Lookup(config), {}, []

    async def bench(context: SimulatorContext) -> None:
        sent, port = 0, design.table
        context.set(design.looks_up, 1)
        context.set(design.base, base)
        for cycle in range(20 * len(values)):
            valid = sent < len(values) and pick.random() < 0.8
            value = values[sent] if valid else None
            context.set(design.valid, valid)
            context.set(design.end, value is None)
            context.set(design.value, value or 0)
            context.set(port.ready, pick.random() < 0.7)
            context.set(port.data, table.get(cycle, pick.getrandbits(config.word_bits)))
            context.set(design.result.ready, pick.random() < 0.7)
            if context.get(port.valid) and context.get(port.ready):
                table[cycle + READ_LATENCY] = memory[context.get(port.address)]
            if context.get(design.result.valid) and context.get(design.result.ready):
                result = context.get(design.result.payload)
                results.append(None if result["end"] else result["value"])
            sent += valid and context.get(design.ready)
            if len(results) == len(values):
                return
            await context.tick()

    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return results


@pytest.mark.parametrize("word_bits", [64, 128, 256, 512])
def test_entries_equal_golden(word_bits: int, seed: int) -> None:
    """Values of few bits, with fewer entries than a word has room for, and of many, wherever the table lies."""
    entries = word_bits // 16
    for value_bits in sorted({2, 3, entries.bit_length() - 2, entries.bit_length() - 1, entries.bit_length(), 9} - {1}):
        config = CoreConfig(name="values", lanes=entries, state_bits=16, value_bits=value_bits, address_bits=10)
        pick, half = random.Random(seed + value_bits), 1 << value_bits - 1
        memory = [pick.getrandbits(word_bits) for _ in range(config.memory_words)]
        # Even and odd addresses behind the table, and tables across the end of the memory.
        for base in (config.table_words, config.table_words + 1, 0, pick.randrange(config.memory_words)):
            values: list[int | None] = [-half, half - 1, -1, 0, *(pick.randrange(-half, half) for _ in range(30)), None]
            pick.shuffle(values)
            expected = [None if value is None else table_entry(memory, base, value + half, config) for value in values]
            assert _look_up(config, base, memory, values, pick) == expected, (value_bits, base)
