"""The neuron update against the golden model, and how much of its time it does useful work."""

import dataclasses
import json
import random
from functools import cache

import pytest

from golden.config import PRESETS, CoreConfig
from rtl.neuron.update import NeuronUpdate
from synapress.tools.simulator import launch
from tb.neuron_on_banks import NeuronOnBanks
from tb.neuron_stimulus import LAYERS
from tests.helpers.table_cores import mixed

BENCH = "tb.tb_neuron"
BASE = CoreConfig(name="small", address_bits=9)

ALONE = {
    "grai_vip": PRESETS["grai_vip"],
    "fpga_small, 2 banks": dataclasses.replace(PRESETS["fpga_small"], banks=2),
    "8 lanes, 8 banks, no shift": dataclasses.replace(BASE, lanes=8, banks=8, product_shift_bits=0),
    "states of 32 bits": dataclasses.replace(BASE, lanes=2, state_bits=32, value_bits=16),
}
ON_BANKS = {
    "4 banks": BASE,
    "2 banks": dataclasses.replace(BASE, banks=2),
}
ON_BANKS_LONG = {
    "8 banks, 8 lanes": dataclasses.replace(BASE, banks=8, lanes=8),
    "states of 32 bits": dataclasses.replace(BASE, state_bits=32),
    "grai_vip": PRESETS["grai_vip"],
}
LOG = {
    "16 bits": dataclasses.replace(BASE, product="log"),
    "32 bits, T 6": dataclasses.replace(BASE, product="log", lanes=2, state_bits=32, value_bits=4, ttfs_times=6,
                                        ttfs_tau=1, log_levels=1, log_fraction_bits=20),
    "both, T 63": dataclasses.replace(BASE, product="both", neuron_types=("sum",), ttfs_times=63, ttfs_tau=16,
                                       log_levels=4, log_fraction_bits=14),
}


def random_times(seed: int) -> CoreConfig:
    """A valid configuration with random constants of logarithmic products."""
    pick = random.Random(seed)
    state_bits, product = pick.choice([16, 32]), pick.choice(["log", "log", "both"])
    value_bits = pick.randint(4, 12)
    return dataclasses.replace(
        BASE, product=product, neuron_types=("sum",), state_bits=state_bits, value_bits=value_bits,
        lanes=pick.choice([2, 4, 8] if state_bits == 32 else [4, 8]), product_shift_bits=pick.randint(1, 3),
        ttfs_times=pick.randint(3, min(63, (1 << value_bits - 1) - 2)), ttfs_tau=pick.choice([1, 2, 4, 8, 16]),
        log_levels=pick.choice([1, 2, 4]), log_fraction_bits=pick.randint(4, min(24, state_bits - 2)))


alone, on_banks = cache(NeuronUpdate), cache(NeuronOnBanks)
"""One component per configuration, so that it is converted once (`launch`)."""


def run_alone(config: CoreConfig, simulator: str, seed: int, scenario: str, operations: int = 0) -> None:
    launch(alone(config), name="neuron_update", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": scenario, "operations": operations})


def run_on_banks(config: CoreConfig, simulator: str, seed: int, operations: int) -> None:
    launch(on_banks(config), name="neuron_on_banks", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": "random", "operations": operations})


@pytest.mark.parametrize("name", ALONE)
def test_random_operations(name: str, simulator: str, seed: int) -> None:
    """On a memory that refuses at random: every state, counter and coverage bin."""
    run_alone(ALONE[name], simulator, seed, "random", 1000)


LOG_CASES = [("verilator", "16 bits"), ("verilator", "both, T 63"), *(
    pytest.param(*case, marks=pytest.mark.long) for case in (("verilator", "32 bits, T 6"), ("icarus", "16 bits")))]


@pytest.mark.parametrize(("simulator", "name"), LOG_CASES, indirect=["simulator"])
def test_logarithmic_products(simulator: str, name: str, seed: int) -> None:
    """Of powers, of zeros and of values, in and out of time, and of both products in one core."""
    run_alone(LOG[name], simulator, seed, "random", 1000)


@pytest.mark.long
@pytest.mark.parametrize("number", range(20))
def test_random_logarithmic_products(number: int, seed: int) -> None:
    config = random_times(1000 * seed + number)
    print(config.to_json())
    run_alone(config, "verilator", seed + number, "random", 4000)


def test_weights_that_operations_bring(simulator: str, seed: int) -> None:
    """Of synapse tables, beside operations whose weights lie in memory."""
    run_alone(mixed(BASE, table_weight_bits=11), simulator, seed, "random", 1000)


@pytest.mark.parametrize("name", ["fpga_small, 2 banks", "8 lanes, 8 banks, no shift"])
def test_the_same_word_at_every_distance(name: str, simulator: str, seed: int) -> None:
    """Operations on one word with 0 to 8 others between, directed and random, while the memory refuses."""
    launch(alone(ALONE[name]), name="neuron_update", module="tb.tb_neuron_distances", simulator=simulator,
           seed=seed, parameters={"config": ALONE[name].to_json(), "operations": 40})


def test_forwarded_states(seed: int) -> None:
    """Runs of operations on a word take a cycle each; and all that is checked without."""
    config = dataclasses.replace(BASE, forward_states=1)
    run_alone(config, "verilator", seed, "random", 1000)
    for module in ("tb.tb_neuron_forwarding", "tb.tb_neuron_distances"):
        launch(NeuronUpdate(config), name="neuron_update", module=module, simulator="verilator", seed=seed,
               parameters={"config": config.to_json(), "operations": 40})


@pytest.mark.parametrize("name", ALONE)
def test_timing(name: str, simulator: str, seed: int) -> None:
    """Latency, hazards, waiting for weights and the order of reads and writes, cycle by cycle."""
    run_alone(ALONE[name], simulator, seed, "timing")


@pytest.mark.parametrize("name", ON_BANKS)
def test_random_operations_on_banks(name: str, simulator: str, seed: int) -> None:
    """On the banked memory, all other ports of which are in use."""
    run_on_banks(ON_BANKS[name], simulator, seed, 1000)


@pytest.mark.long
@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("more", range(1, 4))
def test_random_operations_long(name: str, more: int, simulator: str, seed: int) -> None:
    run_alone(ALONE[name], simulator, seed + more, "random", 10000)


@pytest.mark.long
@pytest.mark.parametrize("name", ON_BANKS_LONG)
def test_random_operations_on_banks_long(name: str, simulator: str, seed: int) -> None:
    run_on_banks(ON_BANKS_LONG[name], simulator, seed, 10000)


@pytest.mark.parametrize("evaluation", [
    pytest.param(0, id="alone"), pytest.param(4, id="beside evaluation", marks=pytest.mark.long)])
def test_utilization(evaluation: int, seed: int) -> None:
    """Useful word operations per cycle on the layers of common networks, the worst over all weight alignments.

    Also with an evaluation that accesses the memory in every fourth cycle.
    """
    config = PRESETS["grai_vip"]
    run = launch(on_banks(config), name="neuron_on_banks", module=BENCH, seed=seed, parameters={
        "config": config.to_json(), "scenario": "utilization", "operations": 1600, "evaluation": evaluation})
    results = json.loads((run / "utilization.json").read_text())
    for layer, result in results.items():
        print(f"{layer}: " + ", ".join(f"{name} {value:.3f}" for name, value in result.items()))
    bars = dict.fromkeys(LAYERS, 0.95) | {"depthwise 3x3, 32": 0.90}
    low = {layer: result for layer, result in results.items() if result["operations per cycle"] < bars[layer]}
    assert set(results) == set(LAYERS) and not low
    if evaluation:
        assert all(result["evaluation per cycle"] > 0.99 / evaluation for result in results.values())
