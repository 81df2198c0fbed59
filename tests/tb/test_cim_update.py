"""The compute-in-memory update in both simulators, against the literal engine."""

import dataclasses
from functools import cache
from typing import Any

import pytest

from golden.config import CoreConfig
from rtl.cim.update import CimUpdate
from synapress.tools.simulator import launch

SMALL = CoreConfig(name="small", update="cim", address_bits=10, population_bits=1, edge_bits=4, neuron_types=(
    "sum", "spiking"), cim_rows=64, cim_columns=32, cim_tags=32, access_counters=1)

update = cache(CimUpdate)
"""One component per configuration, so that it is converted once (`launch`)."""


def run(config: CoreConfig, simulator: str, seed: int, layers: list[dict[str, Any]], **more: Any) -> None:
    launch(update(config), name="cim_update", module="tb.tb_cim_update", simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "layers": layers, "rounds": 3, "operations": 60} | more)


MIXED = [{"rows": 20}, {"rows": 24, "blocks": 3}, {"rows": 20, "depthwise": True}]
TWO = dataclasses.replace(SMALL, name="four populations", population_bits=2)
"""Layers that stream through few slots: all in one, blocks of several sizes, and depthwise."""


@pytest.mark.parametrize("memory", ["never", "randomly", "bursts"])
def test_random_work(simulator: str, memory: str, seed: int) -> None:
    """Operations, scans and flushes of three layers, some at the same time."""
    run(TWO, simulator, seed, MIXED, pauses={"op": memory, "memory": memory, "answer": memory})


@pytest.mark.parametrize("layer", [
    {"rows": 64, "stationary": True}, {"rows": 64, "stationary": True, "columns": 4, "saturate": True},
    {"rows": 64, "stationary": True, "columns": 8}], ids=["any shape", "saturating", "one row"])
def test_operations_back_to_back(simulator: str, layer: dict[str, Any], seed: int) -> None:
    run(TWO, simulator, seed, [layer], sustained=True)
