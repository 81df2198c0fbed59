"""Networks of neurons that spike once: the spiking network is the integer network, in any order of its spikes."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import NetworkError
from golden.host import decode, encode, run_frame
from golden.network import dense, fast
from golden.neuron.update import accumulate
from golden.types import IntArray
from golden.words import layouts
from synapress.mapper import Network, RuleError, compile_network, falling_thresholds, lower
from synapress.mapper.accumulator_range import sums
from synapress.mapper.look_up import look_up_edge
from synapress.mapper.memory_map import build_memory_map
from synapress.mapper.organise import organise
from synapress.mapper.table_rules import look_ups
from tests.helpers.spike_times import Case, frame, network_values, potentials, random_case, random_config
from tests.helpers.table_cores import mixed


def spike_by_spike(case: Case, values: dict[str, IntArray], rng: np.random.Generator) -> None:
    """Each layer by the golden update, spike by spike, in order of time and in a random order."""
    for number, layer in enumerate(case.layers):
        if layer.codes is None:
            continue
        given = values[case.layers[number - 1].name] if number else values["in"]
        width, height = layer.codes.shape[2:]
        padded = np.pad(given, ((0, 0), (layer.padding, layer.padding), (layer.padding, layer.padding)))
        channels, x, y = np.nonzero(padded)
        size = (padded.shape[1] - width + 1, padded.shape[2] - height + 1)
        times = np.argsort(-padded[channels, x, y], kind="stable")
        choice = (case.config.product == "both" and not layer.linear) << case.config.product_shift_bits - 1
        for order in (times, rng.permutation(times)):
            states = np.zeros((len(layer.codes), padded.shape[1] + width, padded.shape[2] + height), np.int64)
            for c, at_x, at_y in zip(channels[order], x[order], y[order], strict=True):
                reach = np.s_[:, at_x + 1:at_x + 1 + width, at_y + 1:at_y + 1 + height]
                codes = layer.codes[:, c, ::-1, ::-1]
                states[reach] = accumulate(states[reach], codes, padded[c, at_x, at_y], np.ones(codes.shape, bool),
                                           shift=layer.shift | choice, maximum=False, config=case.config)
            inside = states[:, width:width + size[0], height:height + size[1]]
            np.testing.assert_array_equal(inside + layer.bias[:, np.newaxis, np.newaxis],
                                          potentials(layer, given, case.config))


def check(seed: int, numbers: range) -> None:
    values_seen: set[int] = set()
    for number in numbers:
        rng = np.random.default_rng([seed, 700, number])
        case = random_case(rng, random_config(rng, "both" if number % 5 == 4 else "log"))
        config, given = case.config, frame(rng, case)
        expected = network_values(case, given)
        _, image = compile_network(case.network, config)
        packed = encode([(given, image.manifest["inputs"][0]["axons"])], config)
        spikes = packed[:-1]
        in_time = spikes[np.argsort(-layouts(config).event.unpack_array(spikes)["v"], kind="stable")]
        for order in (in_time, rng.permutation(spikes)):
            core = Core(config, image.words, edges=image.edges, populations=image.populations)
            events = run_frame(core, np.concatenate([order, packed[-1:]]))
            for entry in image.manifest["outputs"]:
                found = decode(events, entry["id"], tuple(entry["shape"]), config)
                np.testing.assert_array_equal(found, expected[entry["name"]], err_msg=f"network {number}")
        spike_by_spike(case, expected | {"in": given}, rng)
        program = lower(case.network)
        for engine in (dense, fast):
            results = engine.run(program, {"in": given}, config)
            for name, values in expected.items():
                np.testing.assert_array_equal(results[name].outputs, values, err_msg=f"network {number}, {name}")
        values_seen |= set(np.unique(expected["second"]).tolist())
    print(f"{len(numbers)} networks, spikes in order of time and in any: equal, {len(values_seen)} spike times")
    assert len(values_seen) > 20, values_seen


def test_spiking_networks_are_the_integer_networks(seed: int) -> None:
    check(seed, range(20))


def test_swept_spikes_leave_in_the_order_of_their_times(seed: int) -> None:
    """The same spikes as by the search, the earliest first; neuron by neuron and on arrays."""
    for number in range(3):
        rng = np.random.default_rng([seed, 705, number])
        case = random_case(rng, random_config(rng))
        config, given = dataclasses.replace(case.config, encoder="sweep", access_counters=1), frame(rng, case)
        expected = network_values(case, given)
        _, image = compile_network(case.network, config)
        packed = encode([(given, image.manifest["inputs"][0]["axons"])], config)
        cores = [Core(config, image.words, edges=image.edges, populations=image.populations, literal=literal)
                 for literal in (False, True)]
        first, second = (run_frame(core, packed) for core in cores)
        np.testing.assert_array_equal(first, second)
        assert cores[0].counters == cores[1].counters and (cores[0].memory == cores[1].memory).all()
        fields = layouts(config).event.unpack_array(first)
        for entry in image.manifest["outputs"]:
            np.testing.assert_array_equal(decode(first, entry["id"], tuple(entry["shape"]), config),
                                          expected[entry["name"]], err_msg=f"network {number}")
        spikes = fields["v"][(fields["id"] == image.manifest["outputs"][-1]["id"]) & (fields["kind"] == 0)]
        assert len(spikes) > 5 and (np.diff(spikes) <= 0).all()


@pytest.mark.long
def test_many_spiking_networks_are_the_integer_networks(seed: int) -> None:
    check(seed, range(20, 320))


@pytest.mark.parametrize("highest", [1, 0.75, 3.1])
def test_thresholds_are_exact(highest: float) -> None:
    """The smallest integers whose power reaches θ(t)**τ."""
    config = CoreConfig(ttfs_tau=8, ttfs_times=30, log_fraction_bits=11)
    found = falling_thresholds(config, product_shift=2, scale_log2=-1, highest=highest).tolist()
    assert found == sorted(found) and len(found) == 30
    for t, threshold in enumerate(reversed(found)):
        exact = Fraction(2) ** (8 * 10 - t) * Fraction(highest) ** 8
        assert (threshold - 1) ** 8 < exact <= threshold ** 8
        assert math.isclose(threshold, highest * 2 ** (10 - t / 8), rel_tol=0.1, abs_tol=1)


def tiny(config: CoreConfig, **branch: object) -> Network:
    network = Network("tiny")
    network.input("in", (1, 2, 2))
    thresholds = falling_thresholds(config)
    network.ttfs("spikes", [network.branch("in", np.full((2, 1, 1, 1), 15), **{"logarithmic": True} | branch)],
                 thresholds=thresholds)
    network.output("spikes")
    return network


CONFIG = CoreConfig(product="log", neuron_types=("sum", "ttfs"))


def test_sums_are_proved_by_the_first_time() -> None:
    program = lower(tiny(CONFIG))
    assert [report.worst for report in sums(program, CONFIG)] == [(0, 4096)]


@pytest.mark.parametrize(("change", "branch", "message"), [
    ({"product": "linear"}, {}, "rule 'product': needs logarithmic products; .*Set product to 'log'"),
    ({}, {"logarithmic": False}, "rule 'product': needs linear products; .*Set product to 'linear'"),
    ({"product": "both"}, {"product_shift": 4}, "rule 'product shift': needs a shift of 4 .*at most 3"),
    ({"ttfs_times": 30}, {}, "rule 'falling thresholds': needs 24 thresholds in .*30 thresholds"),
    ({"neuron_types": ("sum",)}, {}, "rule 'neuron type': needs neurons of type 'ttfs'"),
])
def test_refusals(change: dict, branch: dict, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        compile_network(tiny(CONFIG, **branch), dataclasses.replace(CONFIG, **change))


def test_a_core_that_lacks_one_of_two_products_is_told_both() -> None:
    network = tiny(CONFIG)
    network.output(network.dense("sums", "spikes", np.ones((1, 8), int)))
    for product in ("linear", "log"):
        with pytest.raises(RuleError, match="Set product to 'both', and leave the neuron type 'product' out"):
            compile_network(network, dataclasses.replace(CONFIG, product=product, neuron_types=(
                "sum", "ttfs", "product")))
    compile_network(network, dataclasses.replace(CONFIG, product="both"))


def test_logarithmic_weights_are_one_kernel() -> None:
    """No table takes them: of a branch, of an edge, or by the organisation of a whole compilation."""
    told = ["rule 'logarithmic weights': needs one kernel: organisation 'functional', or none; given: 'bitmap'",
            "rule 'organisation': needs bitmap of logarithmic weights .*leave its organisation out",
            "rule 'product': needs logarithmic products; .*Set product to 'log', and leave organisations out, with "
            "decoder 'esu'"]
    with pytest.raises(NetworkError, match=told[0]):
        tiny(CONFIG, organisation="bitmap")
    tables = mixed(dataclasses.replace(CONFIG, product="linear"))
    program = lower(tiny(CONFIG, organisation="functional"))
    wrong = dataclasses.replace(program, edges=[dataclasses.replace(program.edges[0], organisation="bitmap")])
    for config in (CONFIG, tables):
        with pytest.raises(RuleError, match=told[1]):
            organise(wrong, config)
    planned = dataclasses.replace(wrong, edges=[look_up_edge(wrong.edges[0], (1, 2, 2))])
    plan = build_memory_map(planned, tables)
    assert any("of logarithmic weights" in violation.needed for violation in look_ups(plan))
    with pytest.raises(RuleError, match=told[2]):
        compile_network(tiny(CONFIG), tables)
    network = Network("dense")
    network.input("in", (4, 1, 1))
    network.ttfs("out", [network.branch("in", np.full((2, 4, 1, 1), 15), logarithmic=True)],
                 thresholds=falling_thresholds(CONFIG))
    network.output("out")
    edges = organise(lower(network), tables, "auto")[0].edges
    assert [edge.organisation for edge in edges] == [None]


def test_thresholds_do_not_fall() -> None:
    network = Network("falls")
    network.input("in", (1, 2, 2))
    with pytest.raises(NetworkError, match="rule 'falling thresholds': needs one for each value, from that of 1 on, "):
        network.ttfs("spikes", ["in"], thresholds=[3, 2])
