"""What `benchmarks.vgg` counts is what the golden core counts, and its energy is the sum of named parts."""

import dataclasses

import numpy as np
import pytest

import synapress
from benchmarks.vgg import Costs, LayerWork, energy, layer_work
from golden.config import PRESETS
from golden.network import fast
from synapress.mapper.network.legal_edges import legalize
from synapress.spike_times.convert import convert, core_for
from synapress.spike_times.float_network import code_inputs
from tests.helpers.trained_networks import drawn, frames


def test_counts_are_those_of_the_core(seed: int) -> None:
    """Synaptic operations; words of states, parameters and thresholds; and bounds of those of weights."""
    rng = np.random.default_rng([seed, 17])
    trained = drawn(rng, alike=True)
    config = dataclasses.replace(core_for(trained, PRESETS["grai_vip"]), access_counters=1)
    images = frames(rng, trained, 1)
    compiled = synapress.compile(convert(trained, config, images).network, config=config)
    values = code_inputs(trained, images)
    maps = {name: item.outputs for name, item in fast.run(compiled.program, {"input": values}, config).items()}
    found = layer_work(legalize(compiled.program, config), maps, config)
    counters = synapress.simulate(compiled, values, engine="golden").counters
    assert counters is not None
    assert sum(layer.synapses for layer in found) == counters["synapses"]
    assert sum(layer.states for layer in found) == counters["state_reads"] + counters["write_back_writes"]
    evaluation = sum(counters[name] for name in ("evaluation_reads", "evaluation_writes", "table_reads"))
    population_words = len(found) - 1
    assert sum(layer.evaluation for layer in found) == evaluation - population_words
    levels = config.ttfs_times.bit_length()
    assert [layer.compares for layer in found if layer.compares] == [
        layer.neurons * levels for layer in found if layer.name in ("first", "second", "hidden")]
    for layer in found[1:]:
        # At most the words of the operations' weights, and three of descriptors for each event.
        assert 0 < layer.fetched <= layer.states / 2 + 3 * counters["values_in"] + 3 * counters["values_local"]


def test_energy_is_a_sum() -> None:
    work = {"neurons": 10, "spikes": 3.0, "states": 8e6, "fetched": 1e6, "evaluation": 1_000_000, "compares": 2_000_000}
    layers = [LayerWork(name=name, synapses=synapses, **work) for name, synapses in (("a", 3e6), ("b", 5e6))]
    cost = Costs(operation=0.5, access=10.0, compare=0.25, sources=("s",))
    assert energy(layers, cost) == pytest.approx({"lanes": 4.0, "SRAM": 200.0, "search": 1.0})
