"""The neuron update against the golden model, and how much of its time it does useful work."""

import dataclasses
import json

import pytest

from golden.config import PRESETS, CoreConfig
from rtl.neuron import NeuronUpdate
from tb.launch import launch
from tb.tb_neuron import NeuronOnBanks

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
    "8 banks, 8 lanes": dataclasses.replace(BASE, banks=8, lanes=8),
}


@pytest.mark.parametrize("name", ALONE)
def test_random_operations(name: str, simulator: str, seed: int) -> None:
    """On a memory that refuses at random: every state, counter and coverage bin."""
    config = ALONE[name]
    launch(NeuronUpdate(config), name="neuron_update", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": "random", "operations": 4000})


@pytest.mark.parametrize("name", ALONE)
def test_timing(name: str, simulator: str, seed: int) -> None:
    """Latency, hazards, waiting for weights and the order of reads and writes, cycle by cycle."""
    config = ALONE[name]
    launch(NeuronUpdate(config), name="neuron_update", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": "timing"})


@pytest.mark.parametrize("name", ON_BANKS)
def test_random_operations_on_banks(name: str, simulator: str, seed: int) -> None:
    """On the banked memory, all other ports of which are in use."""
    config = ON_BANKS[name]
    launch(NeuronOnBanks(config), name="neuron_on_banks", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "scenario": "random", "operations": 4000})


@pytest.mark.parametrize("evaluation", [0, 4])
def test_utilisation(evaluation: int, seed: int) -> None:
    """Useful word operations per cycle on the layers of common networks, the worst over all weight alignments."""
    config = PRESETS["grai_vip"]
    run = launch(NeuronOnBanks(config), name="neuron_on_banks", module=BENCH, seed=seed, parameters={
        "config": config.to_json(), "scenario": "utilisation", "operations": 3000, "evaluation": evaluation})
    results = json.loads((run / "utilisation.json").read_text())
    for layer, result in results.items():
        print(f"{layer}: " + ", ".join(f"{name} {value:.3f}" for name, value in result.items()))
    bars = dict.fromkeys(results, 0.95) | {"depthwise 3x3, 32": 0.90}
    low = {layer: result for layer, result in results.items() if result["operations per cycle"] < bars[layer]}
    assert len(results) == 4 and not low
