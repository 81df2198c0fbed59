"""The AXI4-Lite bus against the golden model, with cores that are none."""

import dataclasses
from functools import cache
from typing import Any

import pytest

from golden.config import PRESETS
from rtl.bus.axi_lite import AxiLite
from synapress.tools.simulator import launch

SMALL = dataclasses.replace(PRESETS["fpga_small"], name="small", address_bits=7, weight_stride_bits=8)
KINDS: dict[str, dict[str, Any]] = {
    "one core": {"config": SMALL, "columns": 1, "rows": 1, "data_bits": 32},
    "3 × 2, words of 128 bits": {
        "config": dataclasses.replace(SMALL, lanes=8, counter_bits=48), "columns": 3, "rows": 2, "data_bits": 32},
    "2 × 1, beats of 64 bits": {
        "config": dataclasses.replace(PRESETS["grai_vip"], address_bits=8), "columns": 2, "rows": 1, "data_bits": 64},
}


@cache
def block(name: str) -> AxiLite:
    """One component per kind, so that it is converted once (`launch`)."""
    return AxiLite(**KINDS[name])


def run(name: str, simulator: str, seed: int, **parameters: object) -> None:
    kind = KINDS[name]
    launch(block(name), name="axi_lite", module="tb.tb_axi_lite", simulator=simulator, seed=seed,
           parameters={**kind, "config": kind["config"].to_json(), **parameters})


@pytest.mark.parametrize(("simulator", "name"), [
    ("icarus", "one core"), ("verilator", "3 × 2, words of 128 bits"), ("verilator", "2 × 1, beats of 64 bits"),
    pytest.param("verilator", "one core", marks=pytest.mark.long)], indirect=["simulator"])
def test_random_beats(name: str, simulator: str, seed: int) -> None:
    """Pauses at random everywhere, and what a copy costs without them."""
    run(name, simulator, seed, beats=300, bus="randomly", network="randomly")


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
@pytest.mark.parametrize(("bus", "network"), [
    ("never", "bursts"), ("bursts", "never"), ("never", "never"), ("mostly", "rarely")])
def test_bursts(bus: str, network: str, simulator: str, seed: int) -> None:
    """Channels that are always ready, and cores that answer late or at once."""
    run("3 × 2, words of 128 bits", simulator, seed, beats=250, bus=bus, network=network)
