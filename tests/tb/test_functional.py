"""The functional memory organisations in simulation: see tb/tb_functional.py."""

import random
from functools import cache
from typing import Any

import pytest

from golden.synapse.organisations.interface import Sizes
from rtl.rooms import ORGANISATIONS
from rtl.synapse.organisations.interface import Organisation
from synapress.tools.simulator import launch

NAMES = ("functional", "functional_bitmap", "functional_pure")
LEARNING = {"learning": 1}
SIZES = {"plain": {}, "serial": {"serial": 1}, "wide, slow": {"word_bits": 128, "read_latency": 3}}
LEARNING_SIZES = {"all passes": LEARNING, "all passes, wide, serial, slow": {
    **LEARNING, "word_bits": 128, "serial": 1, "read_latency": 3}}


@cache
def unit(name: str, sizes: Sizes) -> Organisation:
    """One component per name and sizes, so that it is converted once (`launch`)."""
    return ORGANISATIONS.load(name, Organisation)(sizes)


def run(name: str, simulator: str, seed: int, sizes: dict[str, int], **options: Any) -> None:
    sizes = {"address_bits": 10, **sizes}
    launch(unit(name, Sizes(**sizes)), name=name, module="tb.tb_functional", simulator=simulator, seed=seed,
           parameters={"name": name, "sizes": sizes, "requests": 400, "garbage": 0.2, **options})


@pytest.mark.parametrize("name", NAMES)
def test_random_requests(name: str, seed: int) -> None:
    """Stalls of requests, memories and synapses, and layers of random bits."""
    run(name, "verilator", seed, SIZES["plain"], request="rarely", memory="randomly", synapse="randomly")


@pytest.mark.parametrize("name", NAMES)
def test_all_passes(name: str, simulator: str, seed: int) -> None:
    """With `learning`: forward, back, with weights that change when they are retired, and applied; waits anywhere."""
    run(name, simulator, seed, LEARNING, requests=200, request="rarely", memory="randomly", synapse="randomly",
        retired="randomly")


@pytest.mark.parametrize("name", NAMES)
def test_cycles_of_all_passes(name: str, seed: int) -> None:
    """Nothing waits but for weights that are on their way to memory: one synapse per cycle in each pass."""
    run(name, "verilator", seed, LEARNING, requests=200)


@pytest.mark.parametrize("name", NAMES)
def test_cycles(name: str, seed: int) -> None:
    """Nothing waits: every request in the cycles that the golden model says, which asserts the throughput."""
    run(name, "verilator", seed, SIZES["plain"])


@pytest.mark.long
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("name", NAMES)
def test_other_sizes(name: str, sizes: dict[str, int], seed: int) -> None:
    run(name, "verilator", seed, sizes, requests=2000)
    run(name, "verilator", seed + 1, sizes, requests=2000, memory="bursts", synapse="rarely")
    run(name, "verilator", seed + 2, sizes, requests=2000, request="bursts", synapse="mostly", garbage=0.0)


@pytest.mark.long
@pytest.mark.parametrize("sizes", LEARNING_SIZES.values(), ids=LEARNING_SIZES.keys())
@pytest.mark.parametrize("name", NAMES)
def test_all_passes_in_other_sizes(name: str, sizes: dict[str, int], seed: int) -> None:
    run(name, "verilator", seed, sizes, requests=2000)
    run(name, "verilator", seed + 1, sizes, requests=2000, memory="bursts", synapse="rarely", retired="mostly")
    run(name, "verilator", seed + 2, sizes, requests=2000, request="bursts", synapse="mostly", retired="bursts",
        garbage=0.5)
    run(name, "verilator", seed + 3, sizes, requests=2000, garbage=0.0)


@pytest.mark.long
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_random_sizes(name: str, number: int, seed: int) -> None:
    pick = random.Random(1000 * seed + number)
    sizes = {"address_bits": pick.randint(9, 13), "word_bits": pick.choice([64, 128]), "serial": pick.randrange(2),
             "neuron_bits": pick.randint(13, 16), "weight_bits": pick.randint(4, 12),
             "read_latency": pick.randint(1, 6), "learning": pick.randrange(2)}
    print(sizes)
    run(name, "verilator", seed + number, sizes, requests=1000, memory="rarely", synapse="rarely", retired="rarely")
    run(name, "verilator", seed + number, sizes, requests=1000)
