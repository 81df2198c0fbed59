"""The memory organisations against the golden model."""

import random
from functools import cache

import pytest

from golden.synapse.organisations.interface import Sizes
from rtl.rooms import ORGANISATIONS
from rtl.synapse.organisations.interface import Organisation
from synapress.tools.simulator import launch

NAMES = ("crossbar", "bitmap", "compressed_rows")
SIZES: dict[str, dict[str, int]] = {
    "a word for all": {"address_bits": 12},
    "as in a core": {"address_bits": 12, "read_latency": 3, "weight_bits": 8},
    "serial, wide": {"address_bits": 11, "word_bits": 128, "serial": 1, "read_latency": 2, "value_bits": 6},
}


@cache
def unit(name: str, **sizes: int) -> Organisation:
    """One component per sizes, so that it is converted once (`launch`)."""
    return ORGANISATIONS.load(name, Organisation)(Sizes(**sizes))


def run(name: str, sizes: dict[str, int], simulator: str, seed: int, **parameters: object) -> None:
    launch(unit(name, **sizes), name=name, module="tb.tb_organisation", simulator=simulator, seed=seed, parameters={
        "organisation": name, "sizes": sizes, "scenario": "random", "batches": 5, "layers": 3, "most": 80,
        "requests": 20, **parameters})


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_random_layers(name: str, sizes: str, simulator: str, seed: int) -> None:
    """Pauses everywhere; several layers in one memory, of all shapes, densities and widths."""
    run(name, SIZES[sizes], simulator, seed, request="rarely", memory="randomly", synapse="randomly")


@pytest.mark.parametrize("name", NAMES)
def test_damaged_tables(name: str, simulator: str, seed: int) -> None:
    """Whatever the memory and the layer say: as many errors as the golden model counts, and an end."""
    run(name, {"address_bits": 8}, simulator, seed, scenario="damaged", batches=25, requests=15, memory="bursts",
        synapse="rarely")


@pytest.mark.parametrize("sizes", list(SIZES)[:2])
@pytest.mark.parametrize("name", NAMES)
def test_timing(name: str, sizes: str, simulator: str, seed: int) -> None:
    """Nothing waits: a synapse in every cycle, from the promised one on."""
    run(name, SIZES[sizes], simulator, seed, scenario="timing", batches=3, most=200, requests=15)


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("name", NAMES)
def test_many_matrices(name: str, number: int, simulator: str, seed: int) -> None:
    """30 matrices, of up to 300 inputs and outputs, for each of ten random sizes; sound, damaged and timed."""
    pick = random.Random(1000 * seed + number)
    sizes = {"address_bits": 15, "word_bits": pick.choice([64, 128]), "serial": pick.randrange(2),
             "read_latency": pick.randint(1, 4), "weight_bits": pick.randint(1, 12), "value_bits": pick.randint(2, 12)}
    work = {"batches": 15, "layers": 2, "most": 300, "requests": 30}
    waits = {port: pick.choice(["never", "rarely", "randomly", "bursts"]) for port in ("request", "memory", "synapse")}
    run(name, sizes, simulator, seed + number, **work, **waits)
    run(name, sizes, simulator, seed + number, **work, scenario="timing")
    small = {**sizes, "address_bits": pick.randint(6, 9)}
    run(name, small, simulator, seed + number, scenario="damaged", batches=60, requests=20, **waits)
