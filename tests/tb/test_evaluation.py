"""The evaluation unit against the golden model and a model of its cycles."""

import dataclasses
import random
from functools import cache

import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from rtl.neuron.sweep import evaluation_unit
from synapress.tools.simulator import launch

BENCH = "tb.tb_evaluation"

CONFIGS = {
    "grai_vip": dataclasses.replace(PRESETS["grai_vip"], address_bits=14),
    "fpga_small": dataclasses.replace(PRESETS["fpga_small"], address_bits=14),
    "8 lanes": CoreConfig(name="lanes8", lanes=8, address_bits=15, value_bits=12, multiplier_bits=11, shift_bits=5),
    "2 lanes of 32 bits": CoreConfig(
        name="states32", lanes=2, state_bits=32, address_bits=14, multiplier_bits=24, channel_bits=9),
    "4 lanes of 32 bits": CoreConfig(
        name="states32x4", lanes=4, state_bits=32, address_bits=14, multiplier_bits=9, shift_bits=4, value_bits=4),
}
WAITS = {
    "slow memory": {"memory": "mostly"}, "slow event generator": {"neuron": "mostly"},
    "bursts": {"memory": "bursts", "neuron": "bursts"},
}


evaluation = cache(evaluation_unit)
"""One component per configuration, so that it is converted once (`launch`)."""


def random_config(seed: int) -> CoreConfig:
    """A valid configuration with random widths of all that the evaluation unit sees."""
    pick = random.Random(seed)
    while True:
        try:
            return CoreConfig(
                name=f"random{seed}", address_bits=pick.randint(10, 13), lanes=pick.choice([2, 4, 8, 16]),
                state_bits=pick.choice([16, 32]), value_bits=pick.randint(2, 16), multiplier_bits=pick.randint(8, 24),
                shift_bits=pick.randint(3, 6), channel_bits=pick.randint(5, 10), coordinate_bits=pick.randint(3, 8),
                axon_count_bits=pick.randint(1, 6))
        except ConfigError:
            continue


def skipping(config: CoreConfig) -> CoreConfig:
    """The same with `skip_silent`."""
    return dataclasses.replace(config, name=f"{config.name}_skipping", skip_silent=1)


def run(config: CoreConfig, simulator: str, seed: int, **parameters: object) -> None:
    launch(evaluation(config), name="evaluation", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), **parameters})


@pytest.mark.parametrize("name", CONFIGS)
def test_random_populations(name: str, simulator: str, seed: int) -> None:
    """Pauses everywhere: every neuron, every traced word, the whole memory, and every corner of the arithmetic."""
    run(CONFIGS[name], simulator, seed, scenario="random", populations=300, corners=True, command="rarely",
        memory="rarely", neuron="rarely")


@pytest.mark.parametrize("waits", WAITS)
def test_back_pressure(waits: str, simulator: str, seed: int) -> None:
    run(CONFIGS["grai_vip"], simulator, seed, scenario="random", populations=20, corners=False, **WAITS[waits])


@pytest.mark.parametrize("name", ["grai_vip", "8 lanes", "2 lanes of 32 bits"])
def test_one_neuron_per_cycle(name: str, simulator: str, seed: int) -> None:
    """Nothing waits: cycle by cycle what the docstring promises."""
    run(CONFIGS[name], simulator, seed, scenario="timing", populations=100, corners=True)


@pytest.mark.parametrize("name", ["grai_vip", "2 lanes of 32 bits"])
def test_garbage(name: str, simulator: str, seed: int) -> None:
    run(CONFIGS[name], simulator, seed, scenario="garbage", populations=12)


SKIPPING_CASES = [("verilator", "grai_vip"), *(
    pytest.param(*case, marks=pytest.mark.long) for case in (("verilator", "8 lanes"), ("icarus", "grai_vip")))]


@pytest.mark.parametrize(("simulator", "name"), SKIPPING_CASES, indirect=["simulator"])
def test_skip_silent(simulator: str, name: str, seed: int) -> None:
    """Pauses everywhere, and words of which no lane, some or all go on; nothing waits: each cycle as replayed."""
    config = skipping(CONFIGS[name])
    run(config, simulator, seed, scenario="random", populations=150, corners=False, command="rarely", memory="rarely",
        neuron="rarely")
    for dense in (False, True):
        run(config, simulator, seed, scenario="skipping", populations=150, dense=dense)


@pytest.mark.long
@pytest.mark.parametrize("name", ["2 lanes of 32 bits"])
def test_skip_silent_garbage(name: str, simulator: str, seed: int) -> None:
    config = skipping(CONFIGS[name])
    run(config, simulator, seed, scenario="garbage", populations=12)
    run(config, simulator, seed, scenario="random", populations=100, corners=False, memory="mostly", neuron="bursts")


@pytest.mark.long
@pytest.mark.parametrize("name", CONFIGS)
def test_skip_silent_corners(name: str, simulator: str, seed: int) -> None:
    """Every corner of the arithmetic and of the test, among them types without one."""
    types = ("sum", "product", "spiking", "refractory")
    roomy = dataclasses.replace(skipping(CONFIGS[name]), address_bits=CONFIGS[name].address_bits + 1)
    for config in (roomy, dataclasses.replace(roomy, neuron_types=types)):
        run(config, simulator, seed, scenario="random", populations=600, corners=True, memory="rarely", neuron="rarely")


@pytest.mark.long
@pytest.mark.parametrize("number", range(12))
def test_random_configurations(number: int, simulator: str, seed: int) -> None:
    config = random_config(1000 * seed + number)
    print(config.to_json())
    run(config, simulator, seed + number, scenario="random", populations=200, corners=False, memory="randomly",
        neuron="randomly")
    run(config, simulator, seed + number, scenario="timing", populations=50, corners=False)
    run(skipping(config), simulator, seed + number, scenario="random", populations=200, corners=False,
        memory="randomly", neuron="randomly")
