"""The banked memory against a list of words, and that each bank becomes one block of single-port RAM."""

import dataclasses
import json
from pathlib import Path

import pytest
from amaranth.back import rtlil

from golden.config import PRESETS, CoreConfig
from rtl.memory import BankedMemory, SramBank
from tb.launch import launch

BENCH = "tb.tb_memory"
BASE = CoreConfig(name="small", address_bits=9)
CONFIGS = {
    "4 banks": BASE,
    "2 banks": dataclasses.replace(BASE, banks=2),
    "8 banks, 8 lanes": dataclasses.replace(BASE, banks=8, lanes=8),
    "fpga_small": PRESETS["fpga_small"],
}


def run(config: CoreConfig, simulator: str, seed: int, cycles: int) -> None:
    launch(BankedMemory(config), name="banked_memory", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "cycles": cycles})


@pytest.mark.parametrize("name", CONFIGS)
def test_random_requests(name: str, simulator: str, seed: int) -> None:
    """Every grant, every word read, the whole memory at the end, every pair of requesters in conflict."""
    run(CONFIGS[name], simulator, seed, 6000)


@pytest.mark.long
@pytest.mark.parametrize("config", [PRESETS["grai_vip"], dataclasses.replace(BASE, banks=16, lanes=4, state_bits=32)],
                         ids=["grai_vip", "16 banks, states of 32 bits"])
def test_random_requests_long(config: CoreConfig, simulator: str, seed: int) -> None:
    run(config, simulator, seed, 40000)
