"""The accumulation of increments that come one by one, against the golden model."""

import dataclasses
import random
from functools import cache

import pytest

from golden.synapse.tables.accumulate import StateSizes
from rtl.synapse.tables.accumulate import Accumulate
from synapress.tools.simulator import launch

accumulation = cache(Accumulate)
SIZES = StateSizes(neuron_bits=7)
LATE = StateSizes(neuron_bits=6, lanes=2, read_latency=3, increment_bits=12)


def run(sizes: StateSizes, simulator: str, seed: int, **parameters: object) -> None:
    launch(accumulation(sizes), name="accumulate", module="tb.tb_accumulate", simulator=simulator, seed=seed,
           parameters={"sizes": dataclasses.asdict(sizes), **parameters})


@pytest.mark.parametrize("sizes", [SIZES, LATE], ids=["early", "late"])
def test_random_increments(sizes: StateSizes, simulator: str, seed: int) -> None:
    """Words that come again before they were written, in every distance."""
    run(sizes, simulator, seed, cases=3000, increment="rarely", memory="rarely")


@pytest.mark.parametrize("sizes", [LATE, SIZES], ids=["late", "early"])
def test_one_increment_per_cycle(sizes: StateSizes, simulator: str, seed: int) -> None:
    run(sizes, simulator, seed, cases=3000)


@pytest.mark.long
@pytest.mark.parametrize("number", range(8))
def test_random_sizes(number: int, simulator: str, seed: int) -> None:
    pick = random.Random(1000 * seed + number)
    sizes = StateSizes(
        neuron_bits=pick.randint(6, 10), lanes=pick.choice([2, 4, 8]), state_bits=pick.choice([8, 16, 32]),
        increment_bits=pick.randint(1, 24), read_latency=pick.randint(1, 8))
    run(sizes, simulator, seed + number, cases=5000, increment="randomly", memory="randomly")
