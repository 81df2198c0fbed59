"""The compute-in-memory update in both simulators, against the literal engine."""

import dataclasses
import random
from functools import cache
from typing import Any

import pytest

from golden.config import CoreConfig
from rtl.cim.update import CimUpdate
from synapress.tools.simulator import launch

SMALL = CoreConfig(name="small", update="cim", address_bits=10, population_bits=2, edge_bits=4, neuron_types=(
    "sum", "spiking"), cim_rows=64, cim_columns=32, cim_tags=32, access_counters=1)

update = cache(CimUpdate)
"""One component per configuration, so that it is converted once (`launch`)."""


def run(config: CoreConfig, simulator: str, seed: int, layers: list[dict[str, Any]], **more: Any) -> None:
    launch(update(config), name="cim_update", module="tb.tb_cim_update", simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "layers": layers, "rounds": 3, "operations": 60,
                       "answer": "mostly"} | more)


MIXED = [{"rows": 20}, {"rows": 24, "blocks": 3, "columns": 6, "potential_rows": 3},
         {"rows": 20, "depthwise": True}]
"""Layers that stream through few slots: all in one, blocks of two sizes, and depthwise."""
STAYING = {"any shape": {}, "saturating": {"columns": 4, "saturate": True},
           "one row": {"columns": 8, "potential_rows": 1}}
LONG = pytest.mark.long


@pytest.mark.parametrize(("simulator", "memory"), [
    ("verilator", "never"), ("verilator", "randomly"), ("icarus", "randomly"),
    *(pytest.param("verilator", pause, marks=LONG) for pause in ("bursts", "mostly"))], indirect=["simulator"])
def test_random_work(simulator: str, memory: str, seed: int) -> None:
    """Operations, scans and flushes of three layers, some at the same time."""
    run(SMALL, simulator, seed, MIXED, pauses={"op": memory, "memory": memory}, answer=memory)


@pytest.mark.parametrize(("simulator", "layer"), [
    *(("verilator", name) for name in STAYING), pytest.param("icarus", "any shape", marks=LONG)],
    indirect=["simulator"])
def test_operations_back_to_back(simulator: str, layer: str, seed: int) -> None:
    run(SMALL, simulator, seed, [{"rows": 64, "stationary": True, "operands": 12} | STAYING[layer]], sustained=True)


@LONG
@pytest.mark.parametrize("number", range(12))
def test_arrays_of_many_sizes(number: int, seed: int) -> None:
    """Arrays of 64 × 8 to 512 × 256 cells, words of 64 to 256 bits, any layers."""
    pick = random.Random(f"{seed} {number}")
    config = dataclasses.replace(
        SMALL, name="any", lanes=pick.choice([4, 8, 16]), channel_bits=8, address_bits=12,
        cim_rows=pick.choice([64, 128, 512]), cim_columns=pick.choice([8, 16, 64, 256]), cim_tags=64)
    layers = [{"rows": config.cim_rows // 3, "saturate": pick.random() < .3, "blocks": pick.randint(1, 3),
               "depthwise": pick.random() < .3} for _ in range(3)]
    run(config, "verilator", seed + number, layers, rounds=6, pauses=dict.fromkeys(
        ("op", "memory"), pick.choice(["never", "rarely", "randomly", "bursts"])))
