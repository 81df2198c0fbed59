"""Bench of the neuron update on operations that share a state word at every distance of its pipeline.

Top: NeuronUpdate. `parameters()`: `config`, and `operations` per stream.
"""

import random
from collections import Counter
from typing import Any

import cocotb

from golden.config import CoreConfig
from golden.synapse.esu import WordOperation
from synapress.tools.simulator import parameters
from tb.neuron_stimulus import update
from tb.streams import clock_and_reset
from tb.tb_neuron import Bench

DISTANCES = 9
"""Up to 8 operations between two on the same word: more than the pipeline and its buffer hold."""
PATTERNS = ("never", "randomly", "mostly", "bursts")


def stream(generator: random.Random, config: CoreConfig, distance: int | None, count: int, first_weight: int
           ) -> list[WordOperation]:
    """Operations that come back to a word with so many others between, or with any number from 0 to 8 each time.

    The others are on words of any bank, the word's own twice as often, so that its write is held back.
    """
    word, low, high = generator.randrange(first_weight), -(1 << config.value_bits - 1), (1 << config.value_bits - 1) - 1
    addresses: list[int] = []
    while len(addresses) < count:
        addresses.append(word)
        between = generator.randrange(DISTANCES) if distance is None else distance
        for _ in range(between):
            step = generator.choice([config.banks, config.banks, 1]) * generator.randint(1, 7)
            addresses.append((word + step) % first_weight)
    weights = first_weight * config.word_bits // 8
    return [WordOperation(
        state_address=address, weight_address=weights + generator.randrange(8) * config.lanes, broadcast=0,
        mask=(1 << config.lanes) - 1, max=int(generator.random() < 0.1), shift=0, v=generator.randint(low, high))
        for address in addresses]


@cocotb.test()
async def same_word(dut: Any) -> None:
    """Directed streams of each distance, then random ones: the whole memory, and reads at every distance."""
    bench = Bench(dut)
    config, generator, watch = bench.config, bench.generator, bench.watch
    first_weight, expected, seen = config.memory_words // 2, list(bench.words), Counter[int]()
    await clock_and_reset(dut)
    for distance in (*range(DISTANCES), *[None] * 3):
        for pattern in PATTERNS if distance is None else PATTERNS[:2]:
            bench.patterns["op"] = pattern if distance is None else "never"
            bench.patterns["state"] = bench.patterns["weight"] = pattern
            work = stream(generator, config, distance, parameters()["operations"], first_weight)
            for operation in work:
                update(expected, operation, config)
            last: dict[int, int] = {}
            for place, operation in enumerate(work):
                if operation.state_address in last:
                    seen[place - last[operation.state_address] - 1] += 1
                last[operation.state_address] = place
            await bench.run(work)
            wrong = [f"{i}: {a:x} instead of {b:x}"
                     for i, (a, b) in enumerate(zip(bench.words, expected, strict=True)) if a != b]
            assert not wrong, f"distance {distance}, memory {pattern}: {len(wrong)} words differ, first {wrong[0]}"
    assert watch.counts["retired"] - watch.counts["forwarded"] == len(watch.writes) > 0
    assert bool(watch.counts["forwarded"]) == bool(config.forward_states)
    missed = [name for name in ("stall_hazard", "stall_bank", "write held back", "two writes wait", "read beside write")
              if not watch.counts[name]]
    assert not missed, f"not covered: {missed}"
    assert all(seen[distance] for distance in range(DISTANCES)), f"distances that did not come: {seen}"
    dut._log.info("covered: distances %s, %s", dict(sorted(seen.items())), dict(watch.counts))
