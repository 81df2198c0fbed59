"""The router of the network on chip against the golden model."""

import dataclasses
from functools import cache
from typing import Any

import pytest

from golden.config import PRESETS, CoreConfig
from rtl.noc.router import Router
from synapress.tools.simulator import launch

NARROW = dataclasses.replace(PRESETS["fpga_small"], name="narrow", mesh_bits=2)
KINDS: dict[str, dict[str, Any]] = {
    "inside": {"config": PRESETS["grai_vip"]},
    "host in the north, east missing": {"config": NARROW, "depth": 3, "missing": ("east",), "entries": ("north",)},
}


@cache
def router(name: str) -> Router:
    """One component per kind, so that it is converted once (`launch`)."""
    return Router(**KINDS[name])


def run(name: str, simulator: str, seed: int, **parameters: object) -> None:
    kind = {"depth": 2, "missing": (), "entries": ()} | KINDS[name]
    config: CoreConfig = kind.pop("config")
    launch(router(name), name="router", module="tb.tb_router", simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), **kind, **parameters})


@pytest.mark.parametrize("name", KINDS)
def test_random_events(name: str, simulator: str, seed: int) -> None:
    """Back-pressure at random."""
    run(name, simulator, seed, scenario="random", events=600, inputs="rarely", outputs="randomly")


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
@pytest.mark.parametrize(("inputs", "outputs"), [("never", "bursts"), ("never", "never")])
def test_bursts(inputs: str, outputs: str, simulator: str, seed: int) -> None:
    """Queues full and empty; with outputs that never pause, how long an event waits at most."""
    run("inside", simulator, seed, scenario="random", events=400, inputs=inputs, outputs=outputs)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_an_event_per_cycle_at_each_port(simulator: str, seed: int) -> None:
    run("inside", simulator, seed, scenario="parallel")


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_inputs_share_an_output_evenly(simulator: str, seed: int) -> None:
    run("inside", simulator, seed, scenario="fair")
