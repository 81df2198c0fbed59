"""The event generator against the golden model."""

import dataclasses
import random
from functools import cache

import pytest
from amaranth.hdl import Fragment

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from rtl.synapse.peg import Peg
from synapress.tools.simulator import launch

BENCH = "tb.tb_peg"

CONFIGS = {
    "grai_vip": PRESETS["grai_vip"],
    "fpga_small": PRESETS["fpga_small"],
    "exact limits, wide memory": CoreConfig(
        name="exact", lanes=8, address_bits=12, coordinate_bits=5, offset_bits=7, extent_unit_log2=0, upsample_bits=2,
        axon_count_bits=4),
    "widest offsets": CoreConfig(
        name="widest", address_bits=12, coordinate_bits=9, offset_bits=11, extent_unit_log2=6, kernel_bits=2,
        channel_bits=6, edge_bits=3, population_bits=3, mesh_bits=3, upsample_bits=1, axon_count_bits=3),
}


peg = cache(Peg)
"""One component per configuration, so that it is converted once (`launch`)."""


def random_config(seed: int) -> CoreConfig:
    """A valid configuration with random widths of all that the event generator sees."""
    pick = random.Random(seed)
    while True:
        offset = pick.randint(6, 12)
        try:
            return CoreConfig(
                name=f"random{seed}", address_bits=pick.randint(10, 13), lanes=pick.choice([4, 8]),
                hit_test=pick.randrange(2), offset_bits=offset, coordinate_bits=pick.randint(3, min(12, offset - 1)),
                extent_unit_log2=pick.randint(0, min(6, offset - 3)),
                kernel_bits=pick.randint(2, min(6, offset - 2)),
                upsample_bits=pick.randint(1, 3), channel_bits=pick.randint(5, 12),
                edge_bits=(edge := pick.randint(3, 6)), population_bits=pick.randint(1, edge),
                mesh_bits=pick.randint(2, 5), value_bits=pick.randint(2, 12),
                axon_count_bits=pick.randint(2, 6))
        except ConfigError:
            continue


def run(config: CoreConfig, simulator: str, seed: int, **parameters: object) -> None:
    launch(peg(config), name="peg", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), **parameters})


@pytest.mark.parametrize("name", CONFIGS)
def test_random_axons(name: str, simulator: str, seed: int) -> None:
    """Pauses of neurons, memory and the queue behind: every event, and every corner of the hit test."""
    run(CONFIGS[name], simulator, seed, scenario="random", cases=5000, corners=True, neuron="randomly",
        memory="rarely", drain="randomly")


def test_without_the_hit_test(simulator: str, seed: int) -> None:
    """Every event goes out that an event word can say, and no other."""
    config = dataclasses.replace(PRESETS["fpga_small"], name="no_hit_test", hit_test=0)
    run(config, simulator, seed, scenario="random", cases=2000, corners=False, memory="rarely", drain="mostly")


@pytest.mark.parametrize("waits", [{"memory": "mostly"}, {"drain": "mostly"}, {"neuron": "bursts", "memory": "bursts"}],
                         ids=["slow memory", "slow queue", "bursts"])
def test_back_pressure(waits: dict[str, str], simulator: str, seed: int) -> None:
    run(PRESETS["fpga_small"], simulator, seed, scenario="random", cases=2000, corners=False, **waits)


@pytest.mark.parametrize("name", ["grai_vip", "fpga_small"])
def test_one_axon_per_cycle(name: str, simulator: str, seed: int) -> None:
    """Nothing waits: cycle by cycle what the docstring promises."""
    run(CONFIGS[name], simulator, seed, scenario="timing", cases=2000)


@pytest.mark.long
@pytest.mark.parametrize("number", range(12))
def test_random_configurations(number: int, simulator: str, seed: int) -> None:
    config = random_config(1000 * seed + number)
    print(dataclasses.asdict(config))
    run(config, simulator, seed + number, scenario="random", cases=8000, corners=False, neuron="rarely",
        memory="rarely", drain="randomly")


def test_ports_follow_the_configuration() -> None:
    for lanes in (4, 8):
        config = dataclasses.replace(PRESETS["grai_vip"], lanes=lanes)
        peg = Peg(config)
        Fragment.get(peg, None)
        assert len(peg.axon.address) == config.address_bits and len(peg.axon.data) == config.word_bits
