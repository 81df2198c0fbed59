"""Spiking layers, one after the other on a core with a compute-in-memory array: RTL, golden core, plain numpy."""

import dataclasses

import numpy as np
import pytest

from golden.config import FLEXSPIM
from golden.core import Core
from golden.errors import EventError, NetworkError
from golden.program import Program
from golden.registers import differing
from golden.words import Reset
from synapress.engines.cim_run import ONE_LAYER, run_layers
from synapress.engines.compare import golden_frames
from synapress.engines.rtl import packed_frames, simulate_image
from synapress.mapper import lower
from synapress.mapper.cim.image import build_cim_image
from synapress.mapper.cim.shapes import BOTH, NONE, POTENTIALS, WEIGHTS, LayerOptions
from synapress.zoo.gesture import gesture, recordings
from tests.helpers.spiking_programs import chain, fire

SMALL = dataclasses.replace(FLEXSPIM, name="small_layers", address_bits=12, population_bits=2, cim_rows=64,
                            cim_columns=16)
OPTIONS = {"conv": LayerOptions(potential_bits=8, columns=2, stationary=WEIGHTS),
           "pool": LayerOptions(potential_bits=4, stationary=BOTH),
           "next": LayerOptions(potential_bits=8, stationary=POTENTIALS),
           "last": LayerOptions(potential_bits=9, columns=3, stationary=NONE)}


def network(rng) -> Program:
    """A convolution, a pool, two more convolutions, of several blocks: six, and two whole ones and a narrow one."""
    return chain([
        ("conv", rng.integers(-20, 28, (6, 2, 3, 3)), 1, 1, 40, Reset.SUBTRACT),
        ("pool", np.ones((1, 1, 2, 2), np.int64), 2, 0, 1, Reset.ZERO),
        ("next", rng.integers(-20, 28, (12, 6, 3, 3)), 1, 1, 30, Reset.SUBTRACT),
        ("last", rng.integers(-20, 28, (14, 12, 1, 1)), 1, 0, 30, Reset.ZERO),
    ], (2, 5, 4))


def frames(rng, count=3):
    return {"in": (rng.random((count, 2, 5, 4)) < .4).astype(np.int64)}


def test_layers_in_rtl_are_those_of_the_golden_core_and_of_numpy(seed):
    """Spikes of every layer, and all that RTL and golden core have in common: memory after a flush, and traffic."""
    rng = np.random.default_rng([seed, 51])
    program, given = network(rng), frames(rng)
    run = run_layers(program, SMALL, given, OPTIONS, stall=.1)
    alone = run_layers(program, SMALL, given, OPTIONS, rtl=False)
    spikes, _ = fire(program, given, {name: layer.shape["potential_rows"] * layer.shape["columns"]
                                      for name, layer in ((layer.name, layer) for layer in run.layers)})
    assert not run.differences and run.timesteps == 3 and run.rtl
    for layer, other in zip(run.layers, alone.layers, strict=True):
        assert np.array_equal(layer.spikes, spikes[layer.name]) and np.array_equal(layer.spikes, other.spikes)
        assert layer.spikes.any() and layer.comparison.memory_words == sum(
            region["words"] for region in layer.image.manifest["regions"])
        assert {name: layer.counters[name] for name in other.counters} == other.counters
        assert layer.shape["stationary"] == OPTIONS[layer.name].stationary
        assert layer.sources == layer.counters["values_in"] and (layer.latency > 0).all()
    stores = {layer.name: layer.counters["operand_stores"] for layer in run.layers}
    assert stores["conv"] > 0 and stores["last"] > 0 and stores["pool"] == stores["next"] == 0
    assert run["next"].counters["operand_loads"] > run["pool"].counters["operand_loads"]


def test_layers_side_by_side_in_one_core(seed):
    """The whole network in one array: what a layer sends goes to the next one within the core."""
    rng = np.random.default_rng([seed, 52])
    program, given = network(rng), frames(rng)
    image = build_cim_image(program, SMALL, {name: dataclasses.replace(item, columns=2, stationary=None)
                                             for name, item in OPTIONS.items()})
    bits = {row["name"]: row["cim"]["potential_rows"] * row["cim"]["columns"]
            for row in image.manifest["population_table"]}
    run = simulate_image(image, given)
    spikes, _ = fire(program, given, bits)
    assert np.array_equal(run.outputs["last"], spikes["last"]) and np.array_equal(run.golden_outputs["last"],
                                                                                  spikes["last"])
    assert spikes["last"].any()
    assert not run.comparison.differences
    core = Core(SMALL, image.parts, edges=image.edges, populations=image.populations)
    golden_frames(core, packed_frames(image, given))
    reads = run.counters["weight_reads"]
    assert differing(SMALL, core.counters, run.counters | {"weight_reads": reads + 1}, image.populations) == [
        f"counter weight_reads: {reads + 1}, golden {core.counters['weight_reads']}"]


def test_what_is_no_spike_is_refused():
    program = network(np.random.default_rng(1))
    with pytest.raises(EventError, match="range: \\[0, 1\\]"):
        run_layers(program, SMALL, {"in": np.full((1, 2, 5, 4), 2)}, OPTIONS, rtl=False)
    with pytest.raises(NetworkError, match="has the inputs in; given: out"):
        run_layers(program, SMALL, {"out": np.zeros((1, 2, 5, 4), np.int64)}, rtl=False)
    with pytest.raises(NetworkError, match="as many timesteps as the others"):
        run_layers(program, SMALL, {"in": np.zeros((2, 5, 4), np.int64)}, rtl=False)
    with pytest.raises(NetworkError, match="there is no layer first; layers are: conv, pool, next, last"):
        run_layers(program, SMALL, {"in": np.zeros((1, 2, 5, 4), np.int64)}, {"first": LayerOptions()}, rtl=False)


@pytest.mark.long
def test_the_network_for_gestures_at_its_full_size(seed):
    """Ten layers: L1 and L2 have 96 kB of potentials for an array of 16 kB, and what is moved is counted."""
    network = lower(gesture(seed, thresholds=dict.fromkeys(("L1", "L2", "L3", "L4", "L5", "L6"), 20)))
    given = {"events": recordings.frames(recordings.record(1, seed))[:3].astype(np.int64)}
    options = {item.name: LayerOptions(weight_bits=None if item.name.startswith("P") else 8,
                                       potential_bits=4 if item.name.startswith("P") else 12)
               for item in network.populations[1:]}
    run = run_layers(network, ONE_LAYER, given, options)
    spikes, _ = fire(network, given, {layer.name: layer.shape["potential_rows"] * layer.shape["columns"]
                                      for layer in run.layers})
    assert not run.differences
    for layer in run.layers:
        assert np.array_equal(layer.spikes, spikes[layer.name]) and layer.spikes.any()
    for name in ("L1", "L2"):
        assert run[name].shape["stationary"] == WEIGHTS and run[name].counters["operand_stores"] > 1000
        assert run[name].counters["state_reads"] > 3 * 4096
