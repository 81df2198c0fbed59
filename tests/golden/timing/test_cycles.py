"""The cycle model against the counters of the RTL, layer by layer, and its samples against the whole.

With the counters of accesses, which the other tests of whole cores leave out: they change no cycle.
"""

import dataclasses
import math

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import NetworkError
from golden.network import fast as network
from golden.ports import ACCESSES
from golden.program import Edge, Population, Program
from golden.timing.cycles import evaluation_cycles, layer_cycles
from golden.timing.microarchitecture import AXON_WORDS
from synapress.engines.layer_cycles import alone
from synapress.mapper import Network, legalize, lower
from synapress.zoo.digits.data import feature_maps, load_digits, quantize_input
from synapress.zoo.digits.network import digits_network
from tests.helpers.networks import random_input, random_network

CONFIG = CoreConfig(access_counters=1)
SMALL = dataclasses.replace(CoreConfig.preset("fpga_small"), access_counters=1)
WIDE = CoreConfig(name="wide", lanes=8, banks=8, state_bits=32, access_counters=1)


REPLAYED = ("busy", "stall_bank", "stall_hazard", "stall_weight", "weight_reads", "descriptor_reads")


def assert_accesses(layer, counters, forwarded):
    """Those that are not replayed: by the golden core, and by counting what its words and events say."""
    core = Core(layer.image.config, layer.image.parts, edges=layer.image.edges, populations=layer.image.populations)
    core.run(layer.frame)
    accesses = {name: counters[name] for name in ACCESSES}
    assert {name: core.counters.get(name, accesses[name]) for name in ACCESSES} == accesses
    assert accesses["state_reads"] == accesses["write_back_writes"] == counters["word_ops"] - forwarded
    image_populations = layer.image.manifest["population_table"]
    (axons,) = {entry["axons"] for entry in image_populations}
    tables = sum(math.prod(entry["shape"]) for entry in image_populations if entry["table_words"])
    assert accesses["axon_reads"] == axons * (1 if axons <= AXON_WORDS else counters["neurons_fired"] + 1)
    assert accesses["table_reads"] == tables
    assert accesses["evaluation_writes"] == len(core.trace) < accesses["evaluation_reads"]
    # The harness reads the registers alone from the clearing of the counters until it has them.
    assert accesses["host_reads"] == accesses["host_writes"] == 0


def assert_cycles(program, inputs, config):
    """Every layer alone: what the counters say of events, operations, busy cycles, stalls and accesses, exactly."""
    results = network.run(program, inputs, config)
    outputs = {name: result.outputs for name, result in results.items()}
    counts = network.counts(program, inputs, config)
    total = 0
    for population in program.populations:
        name, edges = population.name, program.edges_into(population.name)
        if not edges:
            continue
        layer = alone(program, name, outputs, config)
        result = layer.simulate()
        counters = result.counters
        work = [counts[edge.name] for edge in edges]
        assert counters["values_in"] == sum(count.events for count in work), name
        assert counters["word_ops"] == sum(count.word_ops for count in work), name
        assert counters["synapses"] == sum(count.synapses for count in work), name
        cycles = layer_cycles(program, name, outputs, config, places=layer.places, states=results[name].states)
        assert cycles.exact
        assert {item: counters[item] for item in REPLAYED} == {item: getattr(cycles, item) for item in REPLAYED}, name
        assert_accesses(layer, counters, cycles.forwarded)
        assert cycles.busy >= max(counters["word_ops"], (1 if config.short_events else 4) * counters["values_in"])
        # Evaluation and what is around it: a bound from below, as neither memory nor PEG make it wait.
        assert result.latency[0] >= cycles.busy + cycles.evaluation, name
        total += cycles.busy
    assert total


def test_digits():
    """Every layer of the trained network on a real digit."""
    program = legalize(lower(digits_network()), CONFIG)
    digit = quantize_input(feature_maps(load_digits().test_images[:1]))[0]
    assert_cycles(program, {program.inputs[0]: digit}, CONFIG)


@pytest.mark.parametrize("number", [0, 2, 8, 10, 16, 55])
def test_random_networks(number, seed):
    """With the default seed, networks that see every queue's depth and every read of a descriptor or table word."""
    rng = np.random.default_rng([seed, number])
    net = random_network(rng, layers=5)
    assert_cycles(legalize(lower(net), CONFIG), random_input(rng, net), CONFIG)


@pytest.mark.long
def test_short_events(seed):
    """Kernels of one tap in all forms, one after another and between others."""
    rng = np.random.default_rng(seed)
    config = dataclasses.replace(SMALL, name="short", short_events=1)
    net = Network("short")
    net.input("in", (6, 7, 6))
    net.depthwise("scaled", "in", rng.integers(1, 9, (6, 1, 1)), shift=1)
    net.conv("words", "scaled", rng.integers(-9, 9, (21, 6, 1, 1)), shift=3)
    net.conv("word", "words", rng.integers(-9, 9, (4, 21, 1, 1)), stride=2, shift=3)
    net.conv("taps", "word", rng.integers(-9, 9, (4, 4, 3, 3)), padding=1, shift=3)
    net.add("sum", ["taps", "word"])
    net.output("sum")
    program = legalize(lower(net), config)
    assert_cycles(program, random_input(rng, net, 0.7), config)


@pytest.mark.long
def test_forwarded_states(seed):
    """Runs of operations on a word: neighbors of a map that falls on few states, and random networks."""
    rng = np.random.default_rng(seed)
    config = dataclasses.replace(SMALL, name="forward", forward_states=1, short_events=1)
    net = Network("forward")
    net.input("in", (6, 6, 6))
    net.conv("word", "in", rng.integers(-9, 9, (4, 6, 1, 1)), shift=3)
    net.depthwise("taps", "word", rng.integers(1, 9, (4, 3, 3)), padding=1, shift=3)
    net.dense("dense", "taps", rng.integers(-9, 9, (5, 4 * 6 * 6)))
    net.output("dense")
    assert_cycles(legalize(lower(net), config), random_input(rng, net, 0.8), config)
    for _ in range(4):
        net = random_network(rng, layers=4)
        assert_cycles(legalize(lower(net), config), random_input(rng, net), config)


@pytest.mark.long
@pytest.mark.parametrize("number", range(4))
def test_skipped_neurons(number, seed):
    """Evaluations that skip silent neurons, replayed from the states before them."""
    rng = np.random.default_rng([seed, number, 2])
    net = random_network(rng, layers=5, neurons=number % 2 == 1)
    config = dataclasses.replace(SMALL, name="skipping", skip_silent=1)
    assert_cycles(legalize(lower(net), config), random_input(rng, net, 0.2), config)


@pytest.mark.long
@pytest.mark.parametrize("config", [CONFIG, SMALL, WIDE], ids=lambda config: config.name)
@pytest.mark.parametrize("number", range(20))
def test_more_random_networks(number, config, seed):
    rng = np.random.default_rng([seed, number, 1])
    net = random_network(rng, layers=5)
    assert_cycles(legalize(lower(net), config), random_input(rng, net, float(rng.choice([0.1, 0.5, 1.0]))), config)


@pytest.mark.parametrize("depthwise", [False, True])
def test_samples_of_a_large_layer(depthwise, seed):
    """The estimate from samples is within 2 % of the whole replay."""
    rng = np.random.default_rng(seed)
    depth = 12
    source, out = Population(name="in", shape=(depth, 40, 30)), Population(name="out", shape=(depth, 40, 30))
    weights = rng.integers(-9, 9, (depth, 1 if depthwise else depth, 3, 3))
    edge = Edge(name="edge", source="in", destination="out", weights=weights, padding=(1, 1),
                groups=depth if depthwise else 1)
    program = Program(name="large", populations=[source, out], edges=[edge], inputs=["in"], outputs=["out"])
    outputs = {"in": rng.integers(0, 9, source.shape) * (rng.random(source.shape) < 0.3)}
    whole = layer_cycles(program, "out", outputs, CONFIG)
    estimate = layer_cycles(program, "out", outputs, CONFIG, limit=whole.busy // 4)
    assert whole.exact and not estimate.exact
    assert estimate.busy == pytest.approx(whole.busy, rel=0.02)
    assert estimate.ideal == whole.ideal and estimate.evaluation == whole.evaluation


def test_what_has_no_cycles():
    program = legalize(lower(digits_network()), CONFIG)
    name = program.inputs[0]
    outputs = {population.name: np.zeros(population.shape, int) for population in program.populations}
    with pytest.raises(NetworkError, match=f"population '{name}' has no incoming edge"):
        layer_cycles(program, name, outputs, CONFIG)
    first = program.edges_from(name)[0].destination
    silent = layer_cycles(program, first, outputs, CONFIG)
    assert (silent.busy, silent.ideal) == (0, 0)
    assert silent.evaluation == evaluation_cycles(program.population(first), CONFIG) > 0
