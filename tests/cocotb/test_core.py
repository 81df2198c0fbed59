"""The whole core in both simulators: random networks, tiny queues, stalls, events that must be dropped."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.host import encode
from golden.words import EventKind, layouts
from mapper import compile_network
from rtl.core import EventCore
from tb.launch import launch
from tests.networks import random_input, random_network

SMALL = CoreConfig.preset("fpga_small")
CONFIGS = {
    "fpga_small": SMALL,
    "grai_vip": CoreConfig(),
    "lanes8": dataclasses.replace(SMALL, name="lanes8", lanes=8, channel_bits=8),
    "state32": dataclasses.replace(SMALL, name="state32", state_bits=32),
    "banks2": dataclasses.replace(SMALL, name="banks2", banks=2),
}


def bench_parameters(config: CoreConfig, rng: np.random.Generator, *, frames: int = 2, **pause: str) -> dict:
    network = random_network(rng)
    _, image = compile_network(network, config, host=(-3, 2))
    assert image.edges < config.max_edges and image.populations < config.max_populations
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    pack = layouts(config).event.pack
    high_channel = (1 << config.channel_bits) - 1
    bad = [pack(id=config.max_edges - 1, v=3), pack(id=0, c=high_channel, v=3), pack(kind=3),
           *(pack(kind=kind, id=config.max_edges - 1) for kind in (EventKind.END, EventKind.CREDIT))]
    packed = []
    for _ in range(frames):
        inputs = random_input(rng, network)
        packed.append(encode([(inputs[name], axons[name]) for name in axons], config).tolist())
    return {
        "config": config.to_json(), "words": image.parts.ravel().tolist(), "edges": image.edges,
        "populations": image.populations, "inputs": sum(len(entry) for entry in axons.values()), "frames": packed,
        "bad": bad, **pause,
    }


CASES = [("verilator", "fpga_small", pause) for pause in ("never", "randomly", "bursts")]
CASES += [("verilator", "grai_vip", "randomly"), ("verilator", "lanes8", "bursts"),
          ("verilator", "state32", "randomly"), ("verilator", "banks2", "never")]
# Icarus is slow: two cases are enough for a second opinion.
CASES += [("icarus", "fpga_small", "bursts"), ("icarus", "grai_vip", "randomly")]


@pytest.mark.parametrize(("simulator", "name", "pause"), CASES, indirect=["simulator"])
def test_core_equals_golden(simulator: str, name: str, pause: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *name.encode(), *pause.encode()])
    pause_out = "mostly" if pause == "randomly" else pause
    parameters = bench_parameters(CONFIGS[name], rng, pause_in=pause, pause_out=pause_out)
    launch(EventCore(CONFIGS[name]), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters,
           seed=seed)


@pytest.mark.long
@pytest.mark.parametrize(("simulator", "number"), [("verilator", number) for number in range(50)] + [("icarus", 0)],
                         indirect=["simulator"])
def test_many_networks(simulator: str, number: int, seed: int) -> None:
    """Several populations on one core, one network each."""
    rng = np.random.default_rng([seed, 1000, number])
    parameters = bench_parameters(SMALL, rng, frames=3, pause_in="randomly", pause_out="bursts")
    launch(EventCore(SMALL), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)
