"""Trained networks as layers of the hardware: real-valued spikes by the definition, and where the integers differ."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network import dense
from synapress.engines.rtl import simulate_image
from synapress.mapper import RuleError, compile_network, lower
from synapress.spike_times import agreement as compared
from synapress.spike_times import float_network
from synapress.spike_times.convert import convert, core_for
from synapress.spike_times.trained import TrainedLayer, quantize, weights_of
from tests.helpers.spike_times import SMALL
from tests.helpers.trained_networks import drawn, frames

WIDE = dataclasses.replace(SMALL, state_bits=32, lanes=2)


def test_the_first_time_that_a_threshold_is_reached(seed: int) -> None:
    """The formula with a logarithm, and time by time."""
    rng = np.random.default_rng([seed, 820])
    for steps, tau in ((24, 4), (12, 2), (6, 1), (9, 8)):
        network, highest = drawn(rng, steps=steps, tau=tau), float(rng.uniform(0.3, 3))
        x = rng.uniform(-0.1, 1.5, 900) * highest * 2.0 ** rng.integers(-8, 1, 900)
        found = float_network.spike_values(network, x, highest)
        with np.errstate(invalid="ignore", divide="ignore"):
            time = np.maximum(0, np.ceil(-tau * np.log2(x / highest)))
        np.testing.assert_array_equal(found, np.where((x > 0) & (time < steps), steps - time, 0))
        slow = [next((steps - t for t in range(steps) if number >= highest * 2 ** (-t / tau)), 0) for number in x]
        np.testing.assert_array_equal(found, slow)
        assert len(set(slow)) > 0.7 * steps
    assert float_network.spike_values(network, [highest, -1.0, 0.0], highest).tolist() == [9, 0, 0]


def test_real_layers_are_sums_of_what_spikes_stand_for(seed: int) -> None:
    """One neuron of each layer by its sum, and windows by their largest number."""
    rng = np.random.default_rng([seed, 821])
    network = drawn(rng)
    values = float_network.code_inputs(network, frames(rng, network, 3))
    result = float_network.run(network, values)
    first, pool, hidden = network.layers[0], network.layers[1], network.layers[3]
    assert first.weight is not None and hidden.weight is not None
    worth = float_network.kernel(network, network.threshold)[values]
    codes = weights_of(*quantize(first.weight, network.levels), network.levels)
    reach = np.pad(worth, ((0, 0), (0, 0), (1, 1), (1, 2)))[1, :, 0:3, 0:3]
    total = (reach * codes[2]).sum() + first.biases[2]
    assert result.values["first"][1, 2, 0, 0] == float_network.spike_values(network, total, first.threshold)
    before = result.values["first"][2, 1, 0:2, 0:2]
    assert pool.kernel == (2, 2) and result.values["pool"][2, 1, 0, 0] == before.max()
    worth = float_network.kernel(network, network.layers[2].threshold)[result.values["second"]]
    plain = float_network.potentials(network, hidden, result.values["second"], network.layers[2].threshold,
                                     quantized=False)
    np.testing.assert_allclose(plain[:, :, 0, 0], np.einsum("ndxy,hdxy->nh", worth, hidden.weight) + hidden.biases)


@pytest.mark.parametrize("number", range(6))
def test_spikes_differ_only_where_rounding_explains_it(number: int, seed: int) -> None:
    """Fraction bits, times and levels drawn; with more fraction bits fewer spikes differ."""
    rng = np.random.default_rng([seed, 822, number])
    network = drawn(rng, steps=int(rng.integers(6, 33)), tau=int(rng.choice([1, 2, 4, 8])),
                    levels=int(rng.choice([1, 2, 4])))
    images = frames(rng, network, 40)
    shares = []
    for base, bits in ((SMALL, 7), (SMALL, 12), (WIDE, 20), (WIDE, 24)):
        config = dataclasses.replace(core_for(network, base), log_fraction_bits=bits)
        converted = convert(network, config, images[:20])
        found = compared.agreement(converted, images)
        assert [item.layer for item in found] == ["first", "second", "hidden"]
        assert not sum(item.unexplained for item in found), found
        assert all(converted.layers[item.layer].fraction_bits == item.fraction_bits <= bits for item in found)
        shares.append(sum(item.alone for item in found) / sum(item.neurons for item in found))
        results = dense.run(lower(converted.network), {"input": float_network.code_inputs(network, images)}, config)
        ranges = dense.state_ranges(lower(converted.network), results, config)
        half = 1 << config.state_bits - 1
        assert all(-half <= low and high < half for low, high in ranges.values()), ranges
        if bits == 24:
            reals = float_network.run(network, float_network.code_inputs(network, images)).outputs
            layer = converted.layers["last"]
            unit = 2.0 ** (layer.scale_log2 - layer.fraction_bits) * layer.source_threshold
            ours = (results["last"].states + layer.bias[:, np.newaxis, np.newaxis]) * unit
            same = np.abs(ours - reals).reshape(len(images), -1).max(axis=1) < 1e-4
            assert same.mean() > 0.9  # of the others a spike differs
    assert shares[0] > shares[1] >= shares[2] >= shares[3] and shares[3] < 1e-3, shares


def test_a_wrong_network_is_not_explained(seed: int) -> None:
    """Weights that count half as much, and a bias that is left out."""
    rng = np.random.default_rng([seed, 823])
    network = drawn(rng)
    images = frames(rng, network, 10)
    converted = convert(network, core_for(network, WIDE), images)
    first = network.layers[0]
    for change in ({"threshold": first.threshold * 1.2}, {"bias": None}):
        wrong = dataclasses.replace(network, layers=(dataclasses.replace(first, **change), *network.layers[1:]))
        found = compared.agreement(dataclasses.replace(converted, trained=wrong), images)
        assert found[0].unexplained > 10, change


def test_the_hardware_is_the_integer_network(seed: int) -> None:
    """Spikes of every layer, and the answers, in compiled RTL; sums are as the calibration said."""
    rng = np.random.default_rng([seed, 824])
    network = drawn(rng, alike=True)
    images = frames(rng, network, 6)
    config = core_for(network, SMALL)
    assert config == SMALL
    converted = convert(network, config, images)
    for name in ("first", "pool", "second", "hidden"):
        converted.network.output(name)
    values = float_network.code_inputs(network, images)
    _, image = compile_network(converted.network, config)
    run = simulate_image(image, {"input": values}, stall=0.2)
    assert run.comparison.equal, run.comparison.differences
    expected = compared.integer_values(converted, values)
    for name, found in run.outputs.items():
        np.testing.assert_array_equal(found, expected[name], err_msg=name)
        assert np.unique(found).size > 3
    ranges = dense.state_ranges(lower(converted.network), dense.run(
        lower(converted.network), {"input": values}, config), config)
    assert {name: ranges[name] for name in converted.layers} == {
        name: layer.sums for name, layer in converted.layers.items()}


def test_as_many_fraction_bits_as_fit(seed: int) -> None:
    """With one more bit the states would not hold the sums and a quarter more, or the highest threshold."""
    rng = np.random.default_rng([seed, 825])
    for _ in range(4):
        network = drawn(rng)
        many = tuple(
            layer if layer.weight is None else dataclasses.replace(layer, weight=layer.weight + 0.3, bias=None)
            for layer in network.layers)
        network = dataclasses.replace(network, layers=many)
        config = dataclasses.replace(core_for(network, SMALL), log_fraction_bits=14)
        converted = convert(network, config, frames(rng, network, 5))
        seen = 0
        for name, layer in converted.layers.items():
            highest = next(item.threshold for item in many if item.name == name) / layer.source_threshold
            largest = max(1.25 * max(map(abs, layer.sums)), highest * 2.0 ** (layer.fraction_bits - layer.scale_log2))
            assert largest < 1 << 15
            if layer.product_shift:
                seen += 1
                assert largest > 0.95 * (1 << 14)
        assert seen


@pytest.mark.parametrize(("change", "message"), [
    ({"ttfs_times": 20}, "rule 'code of spikes': needs ttfs_times 24, ttfs_tau 4, log_levels 2; available: ttfs_times "
     "20, ttfs_tau 4, log_levels 2. Raise ttfs_times to 24"),
    ({"log_levels": 4, "ttfs_tau": 2}, "Raise ttfs_tau to 4 and lower log_levels to 2"),
])
def test_cores_of_another_code_are_refused(change: dict, message: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 826])
    network = drawn(rng)
    with pytest.raises(RuleError, match=message):
        convert(network, dataclasses.replace(SMALL, **change), frames(rng, network, 2))


def test_sums_that_no_shift_makes_fit_are_refused(seed: int) -> None:
    rng = np.random.default_rng([seed, 827])
    network = drawn(rng)
    network = dataclasses.replace(network, layers=(TrainedLayer(
        name="wide", kind="dense", weight=np.ones((3, *network.input_shape))),))
    images = frames(rng, network, 3)
    config = dataclasses.replace(core_for(network, SMALL), product_shift_bits=0, log_fraction_bits=14)
    with pytest.raises(RuleError, match=r"layer 'wide', rule 'sums of spikes': needs sums in .* with 14 fraction "
                                        r"bits; available: states of 16 bits, .* up to 0. Lower log_fraction_bits to "
                                        r"\d+, or raise state_bits to 32"):
        convert(network, config, images)
    network = drawn(rng)
    network = dataclasses.replace(network, layers=(
        dataclasses.replace(network.layers[0], threshold=1e9), *network.layers[1:]))
    with pytest.raises(RuleError, match=r"layer 'first', rule 'sums of spikes': .*a threshold of"):
        convert(network, config, frames(rng, network, 3))


def test_frames_that_are_no_inputs_are_refused(seed: int) -> None:
    rng = np.random.default_rng([seed, 828])
    network = drawn(rng)
    config = core_for(network, SMALL)
    with pytest.raises(NetworkError, match=r"needs frames \(N, D, W, H\) of \(2, 8, 7\); given: \(2, 8, 7\)"):
        convert(network, config, np.zeros(network.input_shape))
    with pytest.raises(NetworkError, match="must be finite"):
        convert(network, config, np.full((1, *network.input_shape), np.nan))
    with pytest.raises(NetworkError, match="at least one image"):
        convert(network, config, np.zeros((0, *network.input_shape)))
    for wrong in ("abc", [[1.0], [1.0, 2.0]], None, np.zeros((1, *network.input_shape), complex)):
        with pytest.raises(NetworkError, match="real numbers"):
            convert(network, config, wrong)


def test_numbers_of_any_size_are_taken_or_refused(seed: int) -> None:
    """Also those that make infinities; the threshold of the last layer does not matter."""
    rng = np.random.default_rng([seed, 829])
    network, taken = drawn(rng, alike=True), 0
    first, *middle, last = network.layers
    assert first.weight is not None and last.weight is not None
    for scale in (1e-320, 1e-300, 1e-30, 1e30, 1e300):
        for layers in ((dataclasses.replace(first, threshold=scale), *middle, last),
                       (dataclasses.replace(first, bias=np.full(len(first.weight), scale)), *middle, last),
                       (dataclasses.replace(first, weight=first.weight * scale), *middle, last),
                       (first, *middle, dataclasses.replace(last, weight=last.weight * scale, bias=None))):
            other = dataclasses.replace(network, layers=layers)
            images = frames(rng, other, 4)
            refusal = ""
            try:
                found = compared.agreement(convert(other, core_for(other, SMALL), images), images)
            except RuleError as error:
                refusal = str(error)
            if refusal:
                assert "rule 'sums of spikes'" in refusal and len(refusal) < 500
                continue
            taken += 1
            assert not sum(item.unexplained for item in found)
        other = dataclasses.replace(network, layers=(first, *middle, dataclasses.replace(last, threshold=scale)))
        images = frames(rng, other, 4)
        assert convert(other, core_for(other, SMALL), images).layers["last"].fraction_bits == convert(
            network, core_for(network, SMALL), images).layers["last"].fraction_bits
    assert taken > 5


def test_core_for_keeps_the_rest() -> None:
    network = drawn(np.random.default_rng(0), steps=12, tau=2, levels=4)
    config = core_for(network, CoreConfig())
    assert (config.product, config.ttfs_times, config.ttfs_tau, config.log_levels) == ("log", 12, 2, 4)
    assert dataclasses.replace(config, product="linear", neuron_types=CoreConfig().neuron_types, ttfs_times=24,
                               ttfs_tau=4, log_levels=2) == CoreConfig()
