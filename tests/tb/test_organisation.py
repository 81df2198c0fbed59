"""The memory organisations against the golden model."""

import json
import random
from functools import cache

import pytest

from golden.synapse.organisations.interface import Sizes
from rtl.rooms import ORGANISATIONS
from rtl.synapse.organisations.interface import Organisation
from synapress.tools.simulator import launch

NAMES = ("crossbar", "bitmap", "compressed_rows")
FUNCTIONAL = ("functional", "functional_bitmap", "functional_pure")
SIZES: dict[str, dict[str, int]] = {
    "a word for all": {"address_bits": 12},
    "as in a core": {"address_bits": 12, "read_latency": 3, "weight_bits": 8},
    "serial, wide": {"address_bits": 11, "word_bits": 128, "serial": 1, "read_latency": 2, "value_bits": 6,
                     "learning": 1, "search": 1, "checkpoints": 1},
    "learning": {"address_bits": 9, "learning": 1},
}


@cache
def unit(name: str, **sizes: int) -> Organisation:
    """One component per sizes, so that it is converted once (`launch`)."""
    return ORGANISATIONS.load(name, Organisation)(Sizes(**sizes))


def run(name: str, sizes: dict[str, int], simulator: str, seed: int, **parameters: object) -> None:
    launch(unit(name, **sizes), name=name, module="tb.tb_organisation", simulator=simulator, seed=seed, parameters={
        "organisation": name, "sizes": sizes, "scenario": "random", "batches": 5, "layers": 3, "most": 80,
        "requests": 20, **parameters})


@pytest.mark.parametrize("sizes", list(SIZES)[:2])
@pytest.mark.parametrize("name", NAMES)
def test_random_layers(name: str, sizes: str, simulator: str, seed: int) -> None:
    """Pauses everywhere; several layers in one memory, of all shapes, densities and widths."""
    run(name, SIZES[sizes], simulator, seed, request="rarely", memory="randomly", synapse="randomly")


@pytest.mark.parametrize("sizes", list(SIZES)[2:])
@pytest.mark.parametrize("name", NAMES)
def test_all_passes(name: str, sizes: str, simulator: str, seed: int) -> None:
    """As well in any order of passes, whose weights are written late: each sees what those before it have written."""
    run(name, SIZES[sizes], simulator, seed, most=200, batches=4, requests=25, request="rarely", memory="randomly",
        synapse="randomly", write="randomly")


def test_checkpoints_of_long_rows(simulator: str, seed: int) -> None:
    """Rows of several words of bits: the way back begins at the pointer of the neuron's own word."""
    run("bitmap", SIZES["serial, wide"], simulator, seed, scenario="long_rows", batches=2, layers=2, most=400,
        requests=12, memory="randomly", synapse="rarely", write="randomly")


@pytest.mark.parametrize("name", NAMES)
def test_damaged_tables(name: str, simulator: str, seed: int) -> None:
    """Whatever the memory and the layer say: as many errors as the golden model counts, and an end."""
    run(name, SIZES["learning"], simulator, seed, scenario="damaged", batches=25, requests=40, memory="bursts",
        synapse="rarely", write="bursts")


def test_damaged_tables_that_are_searched(simulator: str, seed: int) -> None:
    """Rows whose pointers and entries say anything, each of which is searched."""
    run("compressed_rows", SIZES["serial, wide"] | {"address_bits": 7}, simulator, seed, scenario="damaged", batches=15,
        requests=12, memory="bursts", synapse="rarely", write="bursts")


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_timing(name: str, sizes: str, simulator: str, seed: int) -> None:
    """Nothing waits: a synapse in every cycle, from the promised one on; on the way back as often as is said."""
    run(name, SIZES[sizes], simulator, seed, scenario="timing", batches=3, most=200, requests=15)


def same_states(simulator: str, seed: int, *, matrices: int, most: int, requests: int, address_bits: dict[str, int]
                ) -> None:
    """The same matrices in all organisations, each in one simulation: bit for bit the same states."""
    found = {}
    for name, bits in address_bits.items():
        run = launch(unit(name, address_bits=bits), name=name, module="tb.tb_organisation", simulator=simulator,
                     seed=seed, parameters={
                         "organisation": name, "sizes": {"address_bits": bits}, "scenario": "single", "most": most,
                         "batches": matrices, "requests": requests, "memory": "rarely", "synapse": "rarely"})
        given = json.loads((run / "states.json").read_text())
        found[name] = given["states"]
        print(f"{simulator} {name}: {len(found[name])} matrices, {given['measured']}")
    one = found[NAMES[0]]
    assert len(one) == matrices and all(states == one for states in found.values())


def test_all_organisations_of_few_matrices(simulator: str, seed: int) -> None:
    # As wide as in other tests here and of the functional ones, so that these are built once.
    same_states(simulator, seed, matrices=12, most=40, requests=6,
                address_bits=dict.fromkeys(NAMES, 12) | dict.fromkeys(FUNCTIONAL, 10))


@pytest.mark.long
def test_all_organisations_of_one_matrix(simulator: str, seed: int) -> None:
    """300 matrices of up to 300 by 300; in Icarus, which is slower, fewer of their rows."""
    same_states(simulator, seed, matrices=300, most=300, requests=8 if simulator == "verilator" else 4,
                address_bits=dict.fromkeys(NAMES + FUNCTIONAL, 16))


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("name", NAMES)
def test_many_sizes(name: str, number: int, simulator: str, seed: int) -> None:
    """30 matrices, of up to 300 inputs and outputs, for each of ten random sizes; sound, damaged and timed."""
    pick = random.Random(1000 * seed + number)
    sizes = {"address_bits": 15, "word_bits": pick.choice([64, 128]), "serial": pick.randrange(2),
             "read_latency": pick.randint(1, 4), "weight_bits": pick.randint(1, 12), "value_bits": pick.randint(2, 12)}
    if number % 2:
        sizes |= {"learning": 1, "search": pick.randrange(2), "checkpoints": pick.randrange(2)}
    work = {"batches": 15, "layers": 2, "most": 300, "requests": 30}
    waits = {port: pick.choice(["never", "rarely", "randomly", "bursts"])
             for port in ("request", "memory", "synapse", "write")}
    run(name, sizes, simulator, seed + number, **work, **waits)
    run(name, sizes, simulator, seed + number, **work, scenario="timing")
    small = {**sizes, "address_bits": pick.randint(6, 9)}
    run(name, small, simulator, seed + number, scenario="damaged", batches=60, requests=20, **waits)
