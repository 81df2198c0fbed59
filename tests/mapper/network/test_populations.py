"""Layers as populations and edges, and edges as descriptors can express them: what they compute never changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.errors import MappingError, NetworkError
from golden.network import dense
from golden.words import NeuronType
from synapress.mapper import legalize, lower, rules
from synapress.mapper.memory_map import build_memory_map
from synapress.mapper.network.network import Network
from tests.helpers.strategies import CONFIGS, configs, networks


def single(kind, shape, *arguments, **more):
    network = Network("net")
    network.input("in", shape)
    getattr(network, kind)("x", "in", *arguments, **more)
    network.output("x")
    return network


def run(network, values, config=None):
    return dense.run(lower(network), {"in": values}, config)["x"].outputs


def test_max_pool_is_the_maximum_of_each_window():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, (3, 7, 6))
    program = lower(single("max_pool", (3, 7, 6), (3, 2), stride=2))
    assert program.population("x").type == NeuronType.MAX and program.edges[0].weights.shape == (1, 1, 3, 2)
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 2), axis=(1, 2))[:, ::2, ::2]
    assert (run(single("max_pool", (3, 7, 6), (3, 2), stride=2), values) == windows.max(axis=(3, 4))).all()


def test_average_pool_is_the_rounded_mean_of_each_window():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 256, (3, 7, 6))
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 2), axis=(1, 2)).astype(int)
    expected = np.floor(windows.sum(axis=(3, 4)) / 6 + 0.5).astype(int)
    assert (run(single("average_pool", (3, 7, 6), (3, 2), stride=1), values) == expected).all()


def test_dense_is_a_matrix_product():
    rng = np.random.default_rng(3)
    values, weights = rng.integers(0, 256, (3, 4, 5)), rng.integers(-9, 10, (7, 60))
    got = run(single("dense", (3, 4, 5), weights, shift=4, saturation=2), values)
    assert got.ravel().tolist() == np.clip((weights @ values.ravel() + 8) >> 4, -256, 255).tolist()


def test_add_sums_its_sources():
    network = Network("net")
    network.input("in", (2, 3, 3))
    network.input("other", (2, 3, 3))
    network.output(network.add("x", ["in", "other", "in"], scales=[1, -3, 2], shifts=[2, 0, 0], saturation=2))
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 30, (2, 2, 3, 3))
    program = lower(network)
    assert [edge.name for edge in program.edges] == ["in->x", "other->x", "in->x'"]
    assert (dense.run(program, {"in": a, "other": b})["x"].outputs == 6 * a - 3 * b).all()


def test_transposed_convolution_of_stride_one_is_flipped_too():
    rng = np.random.default_rng(5)
    values, weights = rng.integers(0, 9, (1, 1, 5, 1)), rng.integers(-9, 10, 3)
    got = run(single("transposed_conv", (1, 5, 1), weights.reshape(1, 1, 3, 1), saturation=2), values)
    assert got.ravel().tolist() == np.convolve(values.ravel(), weights).tolist()


def test_networks_without_outputs_or_with_idle_layers():
    network = Network("net")
    network.input("in", (1, 4, 4))
    with pytest.raises(NetworkError, match="no output"):
        lower(network)
    network.output(network.max_pool("x", "in", 2))
    network.max_pool("y", "in", 2)
    with pytest.raises(NetworkError, match="no output depends on y"):
        lower(network)


# -- legal edges -------------------------------------------------------------------------------


@given(network=networks(), config=configs())
@settings(max_examples=200, deadline=None)
def test_legal_edges_compute_the_same(network, config):
    """Every state and every output, and no rule of single edges is broken any more."""
    program = lower(network)
    legal = legalize(program, config)
    rng = np.random.default_rng(6)
    inputs = {name: rng.integers(0, 256, (2, *network.shape(name))) for name in network.inputs}
    before, after = dense.run(program, inputs, config), dense.run(legal, inputs, config)
    for name in before:
        assert (before[name].states == after[name].states).all() and (before[name].outputs == after[name].outputs).all()
    plan = build_memory_map(legal, config)
    for rule in (rules.strides, rules.kernel_size, rules.descriptor_fields):
        assert not list(rule(plan))
    assert len({edge.name for edge in legal.edges}) == len(legal.edges)


def test_a_program_that_fits_stays_as_it_is():
    program = lower(single("conv", (3, 9, 8), np.ones((4, 3, 3, 3), int), stride=2, padding=1))
    legal = legalize(program, CoreConfig())
    assert [(edge.name, edge.weights.shape) for edge in legal.edges] == [("in->x", (4, 3, 3, 3))]


def test_large_kernels_become_several_at_other_offsets():
    network = single("dense", (1, 28, 28), np.arange(784 * 2).reshape(2, 784) % 100)
    edges = legalize(lower(network), CoreConfig()).edges
    assert [edge.name for edge in edges] == [f"in->x[{j}:{j + 14},{k}:{k + 14}]" for j in (0, 14) for k in (0, 14)]
    assert [edge.padding for edge in edges] == [(0, 0), (0, -14), (-14, 0), (-14, -14)]


@pytest.mark.parametrize(("stride_bits", "pieces"), [
    (16, [(4, 4)]), (7, [(2, 4)] * 2), (6, [(1, 4)] * 4), (5, [(1, 2)] * 8)])
def test_kernels_are_split_where_distances_between_weights_do_not_fit(stride_bits, pieces):
    """12 bytes per position: kernels of so many columns and rows that the distance of two channels fits."""
    config = CoreConfig(name="narrow", weight_stride_bits=stride_bits)
    program = lower(single("conv", (2, 6, 6), np.ones((12, 2, 4, 4), int)))
    legal = legalize(program, config)
    assert [edge.weights.shape[2:] for edge in legal.edges] == pieces
    rules.check(legal, config)


def test_large_dilated_kernels_are_split_at_their_rate():
    network = single("conv", (1, 30, 30), np.arange(36).reshape(1, 1, 6, 6), dilation=4, shift=4, saturation=2)
    program = lower(network)
    legal = legalize(program, CONFIGS["kernel4"])
    assert [edge.padding for edge in legal.edges] == [(x, y) for x in (0, -12) for y in (0, -12)]
    values = {"in": np.random.default_rng(1).integers(0, 9, (1, 30, 30))}
    assert (dense.run(legal, values)["x"].states == dense.run(program, values)["x"].states).all()


def test_dilation_beyond_the_field_and_with_a_stride_is_filled_with_zeros():
    config = CoreConfig()
    for arguments in ({"dilation": 3}, {"dilation": (2, 4)}, {"dilation": 2, "stride": 2}):
        edge, = legalize(lower(single("conv", (1, 20, 20), np.ones((1, 1, 3, 3), int), **arguments)), config).edges
        assert edge.dilation == (1, 1) and np.count_nonzero(edge.weights) == 9
    native, = legalize(lower(single("conv", (1, 20, 20), np.ones((1, 1, 3, 3), int), dilation=4)), config).edges
    assert native.dilation == (4, 4) and native.weights.shape == (1, 1, 3, 3)


def test_pieces_between_the_taps_are_left_out():
    """A zero-filled 3 × 1 kernel with rate 12 spans 25 columns; pieces of 4 without a tap would do nothing."""
    config = CONFIGS["kernel4"]
    edges = legalize(lower(single("conv", (1, 25, 1), np.ones((1, 1, 3, 1), int), dilation=(12, 1))), config).edges
    assert len(edges) == 3 and all(np.count_nonzero(edge.weights) == 1 for edge in edges)


def test_the_stride_along_a_single_row_does_not_matter():
    network = single("conv", (2, 9, 5), np.ones((3, 2, 3, 5), int), stride=(2, 5))
    edge, = legalize(lower(network), CoreConfig()).edges
    assert edge.stride == (2, 2)
    network = single("global_pool", (2, 7, 5))
    edge, = legalize(lower(network), CoreConfig()).edges
    assert edge.stride == (1, 1)


@pytest.mark.parametrize(("stride", "rule", "needed", "help"), [
    ((2, 1), "equal strides", r"strides \(2, 1\)", "or map it to a mesh, which cuts the maps for it"),
    (3, "stride", "stride 3", "or map it to a mesh, which cuts the maps for it"),
    (16, "stride", "stride 16", "or map it to a mesh, which cuts the maps for it")])
def test_strides_that_the_hardware_lacks(stride, rule, needed, help):
    network = single("conv", (1, 40, 40), np.ones((1, 1, 2, 2), int), stride=stride)
    message = rf"layer 'x', rule '{rule}': needs {needed}.*; available: .+\. .*{help}"
    with pytest.raises(MappingError, match=message):
        legalize(lower(network), CoreConfig())


@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None)
def test_zoo_networks_run_and_stay_alive(seed):
    from synapress.zoo import pilotnet

    program = legalize(lower(pilotnet(seed)), CoreConfig())
    results = dense.run(program, {"input": np.random.default_rng(seed).integers(0, 256, (3, 200, 66))})
    assert [edge.name for edge in program.edges if "[" in edge.name] == [
        "conv5->dense1[0:9,0:1]", "conv5->dense1[9:18,0:1]"]
    for name, result in results.items():
        assert 0.05 < np.count_nonzero(result.outputs) / result.outputs.size, name
