"""The store of operands in simulation: see tb/tb_cim_store.py."""

import dataclasses
import random

import pytest

from golden.config import FLEXSPIM, CoreConfig
from rtl.cim.store import OperandStore
from synapress.tools.simulator import launch

TINY = dataclasses.replace(FLEXSPIM, name="tiny", address_bits=9, cim_rows=128, cim_columns=16)
SMALL = dataclasses.replace(FLEXSPIM, name="small", address_bits=9, cim_rows=32, cim_columns=128)


def run(config: CoreConfig, simulator: str, seed: int, transfers: int) -> None:
    launch(OperandStore(config), name="store", module="tb.tb_cim_store", simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "transfers": transfers})


def test_random_transfers(simulator: str, seed: int) -> None:
    """Ports that refuse at random; and none, where each transfer takes the cycles of the golden model."""
    run(TINY, simulator, seed, 60)


def test_rows_wider_than_words(seed: int) -> None:
    run(SMALL, "verilator", seed, 100)


@pytest.mark.long
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_the_whole_array(lanes: int, seed: int) -> None:
    """Words of 64 to 256 bits."""
    config = dataclasses.replace(FLEXSPIM, lanes=lanes, address_bits=10)
    run(config, "verilator", seed, 400)


@pytest.mark.long
@pytest.mark.parametrize("number", range(6))
def test_random_arrays(number: int, seed: int) -> None:
    pick = random.Random(1000 * seed + number)
    config = dataclasses.replace(
        FLEXSPIM, lanes=pick.choice([4, 8, 16]), address_bits=pick.randint(8, 10),
        cim_rows=1 << pick.randint(4, 9), cim_columns=1 << pick.randint(3, 8))
    print(config.to_json())
    run(config, "verilator", seed + number, 300)
