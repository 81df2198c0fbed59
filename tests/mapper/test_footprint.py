"""The accounting: the paper's cells to the printed digit, its conventions on networks small enough to count by hand."""

import json

import numpy as np
import pytest

from golden.config import CoreConfig
from synapress.mapper import compile_network, footprint, lower
from synapress.mapper.footprint import MB, PUBLISHED, cells
from synapress.mapper.network.network import Network
from synapress.zoo import ZOO, pilotnet, resnet50


@pytest.fixture(scope="module")
def pilot():
    return lower(pilotnet())


@pytest.fixture(scope="module")
def resnet():
    return lower(resnet50())


@pytest.mark.parametrize("cell", PUBLISHED["pilotnet"])
def test_every_published_cell_of_pilotnet(pilot, cell):
    number, unit = PUBLISHED["pilotnet"][cell]
    assert f"{cells(pilot)[cell] / unit:.2f}" == f"{number:.2f}"


def test_pilotnet_has_405_words_of_connectivity(pilot):
    words = footprint.connectivity(pilot)
    assert (words.kernel_descriptors, words.axons, words.population_descriptors, words.words) == (389, 8, 8, 405)
    assert set(words.fragments.values()) == {1}
    assert words == footprint.connectivity(pilot, dict.fromkeys((p.name for p in pilot.populations), 1))


def test_resnet50_has_172096_words_of_connectivity(resnet):
    words = footprint.connectivity(resnet)
    assert (words.kernel_descriptors, words.axons, words.population_descriptors) == (170_645, 1_250, 201)
    assert words.words == 172_096
    assert footprint.neuron_bytes(resnet) == 2 * 9_285_608


def test_resnet50_cells(resnet):
    """What follows from the rules to the digit; and the residuals of what does not, as they are."""
    got = cells(resnet)
    for cell in ("neurons", "connectivity"):
        number, unit = PUBLISHED["resnet50"][cell]
        assert f"{got[cell] / unit:.2f}" == f"{number:.2f}"
    residual = {cell: 100 * (got[cell] / (number * unit) - 1) for cell, (number, unit) in PUBLISHED["resnet50"].items()}
    assert residual == pytest.approx({
        "neurons": 0.0, "connectivity": 0.2, "parameters": -0.1, "total": -0.1, "LUT connectivity": -6.2,
        "LUT parameters": 1.7, "LUT total": -4.4, "hierarchical LUT connectivity": 1.3, "hierarchical LUT total": 1.4,
    }, abs=0.06)


@pytest.mark.parametrize(("name", "neurons", "weights"), [
    ("mobilenet", 5_044_712, 4_209_088), ("resnet50", 9_285_608, 25_502_912), ("resnet101", None, 44_442_816),
    ("darknet53", None, 41_573_216), ("gesture", None, 71_552)])
def test_zoo_topologies_have_the_known_sizes(name, neurons, weights):
    """Numbers of weights of convolutions and dense layers as published with the networks (no pools, no identities)."""
    network = ZOO[name](None)
    program = lower(network)
    arrays = [branch.weights for layer in network.layers.values() for branch in layer.branches]
    assert sum(array.size for array in arrays if array is not None) == weights
    assert neurons is None or footprint.neuron_bytes(program) == 2 * neurons


def by_hand():
    network = Network("hand")
    network.input("in", (3, 10, 8))
    network.conv("conv", "in", np.ones((4, 3, 3, 3), int), stride=2)
    network.max_pool("pool", "conv", (2, 3), stride=1)
    network.add("sum", ["pool", network.branch("pool", np.ones((4, 4, 1, 1), int))])
    network.output("sum")
    return network


def test_conventions_counted_by_hand():
    program = lower(by_hand())
    assert [population.shape for population in program.populations] == [(3, 10, 8), (4, 4, 3), (4, 3, 1), (4, 3, 1)]
    assert footprint.neuron_bytes(program) == 2 * (48 + 12 + 12)
    assert footprint.parameter_bytes(program) == 108 + 4 * 6 + 4 + 16
    synapses = 12 * 108 + 3 * 4 * 6 + 3 * 4 + 3 * 16
    assert footprint.synapses(program) == synapses
    source = 240 * 4 * 1.5 * 1.5 + 48 * 2 * 1 + 12 + 12 * 4
    assert footprint.source_synapses(program) == source
    assert footprint.lut(program).connectivity == source * 23 / 8
    assert footprint.hierarchical_lut(program).connectivity == (15 * synapses + 23 * (240 + 48 + 12 + 12)) / 8
    assert footprint.proposed(program).connectivity == 8 * ((3 + 4 + 4 + 4) + 4 + 3)


def test_cuts_are_the_fewest_that_fit():
    program = lower(by_hand())
    words = footprint.connectivity(program, {"in": 1, "conv": 2, "pool": 3, "sum": 1})
    assert (words.kernel_descriptors, words.axons, words.population_descriptors) == (6 + 12 + 8, 2 + 6 + 6, 6)
    # conv: 4 channels of 24 states bytes and 27 weights, 3 descriptors, a population word: 4·51 + 24 + 8
    assert footprint.channel_cuts(program, 4 * 51 + 32)["conv"] == 1
    assert footprint.channel_cuts(program, 4 * 51 + 31)["conv"] == 2
    assert footprint.channel_cuts(program, 2 * 51 + 31)["conv"] == 4
    assert footprint.channel_cuts(program, 1)["conv"] == 4


def test_image_footprint_counts_every_word():
    config = CoreConfig()
    network = by_hand()
    _, image = compile_network(network, config)
    report = footprint.image_footprint(image)
    assert report.total_words == len(image) and sum(report.bytes.values()) == 8 * len(image)
    assert report.words == {
        "edge descriptors": 4, "geometry words": 3, "population words": 3, "axons": 4, "parameters": 3,
        "value tables": 0, "states": 4 * 3 + 3 + 3, "tables": 0, "weights": -(-3 * 9 * 4 // 8) + 1 + 2 + 1}
    assert report.bytes["weights"] == 108 + 6 + 16 + 1 and report.bytes["states"] == 2 * (48 + 12 + 12)
    json.dumps(report.to_json())


def test_padding_of_lanes_and_words_is_told():
    network = Network("net")
    network.input("in", (5, 4, 4))
    network.output(network.depthwise("x", "in", np.arange(45).reshape(5, 3, 3), padding=1))
    report = footprint.image_footprint(compile_network(network, CoreConfig())[1])
    assert report.words["states"] == 16 * 3 and report.bytes["states"] == 16 * 5 * 2
    assert report.bytes["padding"] == 16 * (24 - 10) + (48 - 45)


def test_reports_are_json(pilot):
    for report in (footprint.proposed(pilot), footprint.lut(pilot), footprint.hierarchical_lut(pilot)):
        data = json.loads(json.dumps(report.to_json()))
        assert data["total"] == report.neurons + report.connectivity + report.parameters
    assert json.loads(json.dumps(footprint.connectivity(pilot).to_json()))["words"] == 405
    assert footprint.lut(pilot).total / footprint.proposed(pilot).total > 101
    assert footprint.hierarchical_lut(pilot).total / footprint.proposed(pilot).total > 101
    assert cells(pilot)["total"] < 0.5 * MB
