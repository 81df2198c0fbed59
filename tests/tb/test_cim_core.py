"""The whole core with a compute-in-memory array: random layers, everything compared with the golden core."""

import contextlib
import dataclasses
from typing import Any

import numpy as np
import pytest

from golden.config import FLEXSPIM, CoreConfig
from golden.host import encode
from golden.words import EventKind, layouts
from synapress.tools.simulator import launch
from tests.helpers.cim_cores import CimCore, random_cim_core
from tests.tb.test_core import core

SMALL = dataclasses.replace(FLEXSPIM, name="small_array", address_bits=11, population_bits=2, cim_rows=128,
                            cim_columns=32, cim_tags=128)


def bench_parameters(given: CimCore, rng: np.random.Generator, *, frames: int = 3, **more: Any) -> dict[str, Any]:
    config = given.config
    event = layouts(config).event
    bad = [event.pack(id=config.max_edges - 1, v=1), event.pack(id=0, c=(1 << config.channel_bits) - 1, v=1),
           event.pack(kind=3), *(event.pack(kind=kind, id=config.max_edges - 1)
                                 for kind in (EventKind.END, EventKind.CREDIT))]
    # Ends that come from elsewhere, so that their credits go there.
    axons = [axon | {"core_x": -3, "core_y": 2} for axon in given.inputs]
    packed = []
    for _ in range(frames):
        spikes = (rng.random(given.source) < rng.choice([.1, .3, .6])).astype(np.int64)
        packed.append(encode([(spikes, axons)], config).tolist())
    # Values that are no spikes: their operations are dropped.
    bad += [event.pack(event.unpack(word) | {"v": v}) for word, v in zip(packed[-1][:2], (2, -1), strict=False)
            if event.unpack(word)["kind"] == EventKind.VALUE]
    return {"config": config.to_json(), "words": given.memory.ravel().tolist(), "edges": len(given.edges),
            "populations": given.populations, "inputs": len(given.inputs), "frames": packed, "bad": bad,
            "limit": 100_000, **more}


def fitting(rng: np.random.Generator, config: CoreConfig, layers: int, **more: bool) -> CimCore:
    """A random core whose image fits."""
    for _ in range(1000):
        with contextlib.suppress(AssertionError):
            return random_cim_core(rng, config, layers=layers, **more)
    raise AssertionError("no image fits")


CASES = [("verilator", 2, "bursts"), ("verilator", 3, "randomly"), *(
    pytest.param(*case, marks=pytest.mark.long) for case in (("verilator", 1, "never"), ("icarus", 2, "randomly")))]


@pytest.mark.parametrize(("simulator", "layers", "pause"), CASES, indirect=["simulator"])
def test_core_equals_golden(simulator: str, layers: int, pause: str, seed: int) -> None:
    rng = np.random.default_rng([seed, layers, *pause.encode()])
    given = fitting(rng, SMALL, layers, far=pause == "bursts")
    parameters = bench_parameters(given, rng, pause_in=pause, pause_out=pause)
    launch(core(SMALL), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)


@pytest.mark.long
def test_stopped_core_starts_afresh(seed: int) -> None:
    """A stop at every so many cycles of a start and of a frame; what the array held is lost, what memory has stays."""
    rng = np.random.default_rng([seed, 1003])
    config = dataclasses.replace(SMALL, address_bits=9)
    parameters = bench_parameters(fitting(rng, config, 2), rng, frames=1, every=131, start_cycles=160)
    launch(core(config), name="core", module="tb.tb_core_stop", parameters=parameters, seed=seed)


WIDE = dataclasses.replace(SMALL, name="wide_array", lanes=8, cim_rows=64, cim_columns=64)


@pytest.mark.long
@pytest.mark.parametrize("number", range(24))
def test_many_cores(number: int, seed: int) -> None:
    """Cores of one to three layers, half of them saturating, of words of 64 and 128 bits."""
    rng = np.random.default_rng([seed, 1002, number])
    config = (SMALL, WIDE)[number % 2]
    layers = 1 + number % 3
    # What saturates depends on the order of events, which one layer has as its source sends them.
    given = fitting(rng, config, layers, saturate=layers == 1, far=number % 4 > 1)
    parameters = bench_parameters(given, rng, frames=4, pause_in="randomly", pause_out="bursts")
    launch(core(config), name="core", module="tb.tb_core", parameters=parameters, seed=seed)


@pytest.mark.parametrize(("simulator", "layers"), [
    ("verilator", 2), *(pytest.param("verilator", layers, marks=pytest.mark.long) for layers in (1, 3))],
    indirect=["simulator"])
def test_flushes_at_any_time(simulator: str, layers: int, seed: int) -> None:
    """Flushes, one or more, while events wait or are under way, change no spike and no potential."""
    rng = np.random.default_rng([seed, 1004, layers])
    given = fitting(rng, SMALL, layers)
    parameters = bench_parameters(given, rng, frames=3, pause_in="bursts", pause_out="randomly")
    launch(core(SMALL), name="core", module="tb.tb_core_flush", simulator=simulator, seed=seed, parameters=parameters)
