"""The ESU's RTL in simulation: see tb/tb_esu.py."""

import dataclasses
import random
from functools import cache
from typing import Any

import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from rtl.synapse.esu.walk import Esu
from synapress.tools.simulator import launch

CONFIGS = {
    "grai_vip": CoreConfig.preset("grai_vip"),
    "fpga_small": CoreConfig.preset("fpga_small"),
    "lanes_8": CoreConfig(name="lanes_8", lanes=8, kernel_bits=3),
    "states_32": CoreConfig(name="states_32", lanes=4, state_bits=32, coordinate_bits=6),
    "lanes_2": CoreConfig(name="lanes_2", lanes=2, state_bits=32, channel_bits=9, kernel_bits=5, mesh_bits=3,
                          address_bits=13),
}


SHORT = {name: dataclasses.replace(config, name=f"{config.name}_short", short_events=1)
         for name, config in CONFIGS.items()}


def run(config: CoreConfig, simulator: str, seed: int, scenario: str, **options: Any) -> None:
    launch(esu(config), name="esu", module="tb.tb_esu", simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": scenario, **options})


esu = cache(Esu)
"""One component per configuration, so that it is converted once (`launch`)."""


def random_config(seed: int) -> CoreConfig:
    """Any legal configuration, all widths drawn."""
    generator = random.Random(seed)
    while True:
        state_bits, coordinate_bits = generator.choice([16, 32]), generator.randint(2, 10)
        edge_bits = generator.randint(1, 6)
        try:
            return CoreConfig(
                name=f"random_{seed}", address_bits=generator.randint(9, 18), state_bits=state_bits,
                lanes=generator.choice([64, 128, 256]) // state_bits, value_bits=generator.randint(2, 12),
                coordinate_bits=coordinate_bits, offset_bits=generator.randint(coordinate_bits + 1, 12),
                channel_bits=generator.randint(5, 13), kernel_bits=generator.randint(2, 6), edge_bits=edge_bits,
                population_bits=1, mesh_bits=2, extent_unit_log2=generator.randint(0, 2), axon_count_bits=4,
                incoming_bits=4, weight_stride_bits=generator.randint(4, 20),
                product_shift_bits=generator.randint(0, 3), short_events=seed % 2,
                guard_states=generator.randrange(2))
        except ConfigError:
            continue


@pytest.mark.parametrize("name", ["grai_vip", "fpga_small"])
def test_random_events(simulator: str, name: str, seed: int) -> None:
    run(CONFIGS[name], simulator, seed, "random", events=1000)


@pytest.mark.parametrize("name", ["lanes_8", "states_32", "lanes_2"])
def test_random_events_of_other_configurations(name: str, seed: int) -> None:
    run(CONFIGS[name], "verilator", seed, "random", events=1000)


def test_garbage(simulator: str, seed: int) -> None:
    run(CONFIGS["grai_vip"], simulator, seed, "garbage", rounds=3)


@pytest.mark.parametrize("name", ["grai_vip", "lanes_8"])
def test_no_cycle_is_wasted(simulator: str, name: str, seed: int) -> None:
    run(CONFIGS[name], simulator, seed, "throughput")


@pytest.mark.parametrize("scenario", ["random", "throughput"])
def test_short_events(scenario: str, seed: int) -> None:
    run(SHORT["fpga_small"], "verilator", seed, scenario, events=1000)


@pytest.mark.parametrize("config", [CONFIGS["grai_vip"], SHORT["fpga_small"]], ids=lambda config: config.name)
def test_cycles_are_those_of_the_model(config: CoreConfig, seed: int) -> None:
    run(config, "verilator", seed, "replay")


@pytest.mark.long
@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("scenario", ["random", "garbage", "throughput", "replay"])
def test_short_events_of_all_configurations(name: str, scenario: str, seed: int) -> None:
    run(SHORT[name], "verilator", seed, scenario, events=3000, rounds=3)


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 14))])
def test_random_configurations(number: int, seed: int) -> None:
    config = random_config(1000 * seed + number)
    print(config)
    run(config, "verilator", seed, "garbage", rounds=4)


@pytest.mark.long
@pytest.mark.parametrize("short_events", [0, 1])
def test_guarded_states(short_events: int, seed: int) -> None:
    config = dataclasses.replace(CONFIGS["fpga_small"], name="guarded", guard_states=1, short_events=short_events)
    run(config, "verilator", seed, "garbage", rounds=6)


@pytest.mark.long
@pytest.mark.parametrize("number", range(8))
def test_many_random_events(number: int, seed: int) -> None:
    run(CONFIGS["grai_vip"], "verilator", 1000 * seed + number, "random", events=10_000)
