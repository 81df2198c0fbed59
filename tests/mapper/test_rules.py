"""Every rule at its limit: the last value passes, the next is refused with layer, rule, needed, available and help."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.network import dense
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Saturation
from synapress.mapper import compile_network, legalize, lower, partition
from synapress.mapper.accumulator_range import sums
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.network.network import Network
from synapress.mapper.rules import check
from tests.helpers.strategies import configs, networks

CONFIG = CoreConfig()


def program(shape=(1, 4, 4), result=(1, 4, 4), weights=None, product_shift=0, **edge):
    """One edge from 'in' to 'out'; keywords go to the population or to the edge."""
    names = ("bias", "multiplier", "shift", "type", "saturation", "slope", "threshold", "table")
    population = {key: edge.pop(key) for key in names if key in edge}
    weights = np.ones((result[0], shape[0], 1, 1), int) if weights is None else weights
    return Program(
        name="p", inputs=["in"], outputs=["out"],
        populations=[Population(name="in", shape=shape),
                     Population(name="out", shape=result, layer="result", **population)],
        edges=[Edge(name="in->out", source="in", destination="out", weights=weights, shift=product_shift, **edge)])


def kernel(width, height=1, depth=1):
    return np.ones((depth, 1, width, height), int)


def many(**count):
    """`populations` identity populations in a row, `fan` outputs of the input, or `join` edges into one."""
    network = Network("net")
    network.input("in", (1, 2, 2))
    for index in range(count.get("row", 0)):
        network.max_pool(f"x{index}", "in" if not index else f"x{index - 1}", 1)
        if index == count["row"] - 1:
            network.output(f"x{index}")
    if "join" in count:
        network.output(network.add("join", ["in"] * count["join"]))
    if "fan" in count:
        network.max_pool("root", "in", 1)
        network.output(network.add("sum", ["root"] * 5))
        for index in range(count["fan"] - 5):
            network.output(network.max_pool(f"leaf{index}", "root", 1))
    return lower(network)


def bits(array):
    return np.array([array])


LIMITS = {
    # name: (rule, layer, what passes, what does not)
    "width": ("population width", "result", program((1, 256, 1), (1, 256, 1)), program((1, 256, 1), (1, 257, 1))),
    "height": ("population height", "result", program((1, 1, 256), (1, 1, 256)), program((1, 1, 256), (1, 1, 257))),
    "input width": ("population width", "in", program((1, 256, 1)), program((1, 257, 1))),
    "depth": ("population depth", "result", program((1, 1, 1), (1020, 1, 1)), program((1, 1, 1), (1021, 1, 1))),
    "input depth": ("population depth", "in", program((1024, 1, 1)), program((1025, 1, 1))),
    "taps": ("kernel size", "result", program(weights=kernel(16)), program(weights=kernel(17))),
    "extent": ("kernel extent", "result", program(weights=kernel(16, 16), dilation=(8, 8)), program(
        weights=kernel(1, 17), dilation=(8, 8))),
    "weight stride": (
        "edge weight_stride", "result", program((2, 4, 4), (252, 1, 1), np.ones((252, 2, 16, 16), np.int8)),
        program((2, 4, 4), (256, 1, 1), np.ones((256, 2, 16, 16), np.int8))),
    "product shift": ("edge shift", "result", program(product_shift=7), program(product_shift=8)),
    "highest weight": ("weight range", "result", program(weights=kernel(1) * 127), program(weights=kernel(1) * 128)),
    "lowest weight": ("weight range", "result", program(weights=kernel(1) * -128), program(weights=kernel(1) * -129)),
    "bias": ("parameter bias", "result", program(bias=bits(32767)), program(bias=bits(32768))),
    "negative bias": ("parameter bias", "result", program(bias=bits(-32768)), program(bias=bits(-32769))),
    "multiplier": ("parameter multiplier", "result", program(multiplier=bits(65535)), program(multiplier=bits(65536))),
    "shift": ("parameter shift", "result", program(shift=bits(63)), program(shift=bits(64))),
    "slope": ("parameter slope", "result", program(slope=bits(65535)), program(slope=bits(65536))),
    "negative slope": ("parameter slope", "result", program(slope=bits(-65536)), program(slope=bits(-65537))),
    "threshold": ("parameter threshold", "result", program(type=3, threshold=bits(65535)),
                  program(type=3, threshold=bits(65536))),
    "no threshold": ("neuron threshold", "result", program(type=3, threshold=bits(1)), program(type=3)),
    "threshold in vain": ("neuron threshold", "result", program(), program(threshold=bits(1))),
    "reset": ("neuron reset", "result", program(type=3, threshold=bits(1), saturation=3),
              program(type=3, threshold=bits(1), saturation=4)),
    "no table": ("neuron table", "result", program(saturation=3, table=np.arange(-256, 256)), program(saturation=3)),
    "table in vain": ("neuron table", "result", program(), program(table=np.arange(-256, 256))),
    "size of a table": ("value table", "result", program(saturation=3, table=np.zeros(512, int)),
                        program(saturation=3, table=np.zeros(256, int))),
    "highest entry": ("value table", "result", program(saturation=3, table=np.full(512, 255)),
                      program(saturation=3, table=np.full(512, 256))),
    "lowest entry": ("value table", "result", program(saturation=3, table=np.full(512, -256)),
                     program(saturation=3, table=np.full(512, -257))),
    "operand": ("operand", "result", program(), program(operand=1)),
    "offset": ("axon x_offset", "result", program(padding=(255, 0)), program(padding=(256, 0))),
    "negative offset": ("axon y_offset", "result", program(padding=(0, -256)), program(padding=(0, -257))),
    "limit": ("axon x_limit", "result", program((1, 4, 1), (1, 128, 1), stride=(2, 2)),
              program((1, 256, 1), (1, 129, 1), stride=(2, 2), padding=(1, 0))),
    "upsampling": ("axon upsample", "result", program((1, 2, 2), upsample=7), program((1, 1, 1), upsample=8)),
    "anchor": ("anchor x_min", "result", program((1, 8, 1), upsample=7, padding=(127, 0)),
               program((1, 9, 1), upsample=7, padding=(0, 0))),
    "stride": ("stride", "result", program(stride=(8, 8)), program(stride=(16, 16))),
    "odd stride": ("stride", "result", program(stride=(4, 4)), program(stride=(3, 3))),
    "unequal strides": ("stride", "result", program(stride=(2, 2)), program(stride=(2, 1))),
    "dilation": ("dilation", "result", program(dilation=(8, 8)), program(dilation=(8, 4))),
    "both": ("dilation", "result", program(dilation=(2, 2)), program(dilation=(2, 2), stride=(2, 2))),
    "populations": ("number of populations", "net", many(row=32), many(row=33)),
    "event IDs": ("number of event IDs", "net", many(row=32), many(row=33)),
    "edges into one": ("population edges", "join", many(join=15), many(join=16)),
    "memory": ("memory", "result", program((1, 1, 1), (4, 181, 181), kernel(4, depth=4)),
               program((1, 1, 1), (4, 181, 181), kernel(5, depth=4))),
    "shape of weights": ("shapes", "result", program(weights=kernel(1)), program((2, 4, 4), weights=kernel(1))),
    "groups": ("shapes", "result", program((2, 1, 1), (2, 1, 1), kernel(1), groups=2),
               program((2, 1, 1), (3, 1, 1), np.ones((3, 1, 1, 1), int), groups=2)),
    "shape of parameters": ("shapes", "result", program((1, 1, 1), (2, 1, 1), bias=np.zeros(2, int)),
                            program((1, 1, 1), (2, 1, 1), bias=np.zeros(3, int))),
}

@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    rule, layer, passes, fails = LIMITS[name]
    check(passes, CONFIG)
    with pytest.raises(RuleError) as caught:
        check(fails, CONFIG)
    found = [violation for violation in caught.value.violations if violation.rule == rule]
    assert found and found[0].layer == layer
    assert all((found[0].needed, found[0].available, found[0].help))
    message = f"layer '{layer}', rule '{rule}': needs {found[0].needed}; available: {found[0].available}. "
    assert message in str(caught.value)


def test_axons_and_incoming_ends_have_limits():
    """With narrower fields than the preset's, which the memory and the IDs do not reach first."""
    config = dataclasses.replace(CONFIG, axon_count_bits=3)
    check(many(fan=7), config)
    with pytest.raises(RuleError, match=r"'root', rule 'population axons': needs 8; available: axons in \[0, 7\]"):
        check(many(fan=8), config)
    config = dataclasses.replace(CONFIG, incoming_bits=3)
    check(many(join=7), config)
    with pytest.raises(RuleError, match=r"layer 'join', rule 'population incoming': needs 8"):
        check(many(join=8), config)
    check(many(row=8), config)
    with pytest.raises(RuleError, match=r"rule 'number of ends of timestep of all populations': needs 9; available: 8"):
        check(many(row=9), config)


def test_inputs_and_outputs_have_limits():
    config = dataclasses.replace(CONFIG, population_bits=2, edge_bits=2)
    network = Network("net")
    for index in range(5):
        network.input(f"in{index}", (1, 2, 2))
    network.output(network.add("sum", [f"in{index}" for index in range(5)]))
    with pytest.raises(RuleError, match=r"rule 'number of inputs': needs 5; available: 4"):
        compile_network(network, config)


def test_hosts_beyond_reach():
    check(program(), CONFIG, host=(-31, 31))
    with pytest.raises(RuleError, match=r"rule 'axon core_x': needs -32; available: \[-31, 31\]"):
        check(program(), CONFIG, host=(32, 0))


def test_a_maximum_needs_sources_that_are_not_negative():
    network = Network("net")
    network.input("in", (1, 4, 4), saturation=Saturation.SIGNED)
    network.output(network.max_pool("pool", "in", 2))
    with pytest.raises(MappingError, match=r"'pool', rule 'maximum': needs values of 'in', which may be negative"):
        compile_network(network, CONFIG)


PRODUCTS = {
    # saturation of both sources: what the operands are, or why not, in states of 16 bits
    (Saturation.RELU, Saturation.RELU): NeuronType.PRODUCT_UNSIGNED,
    (Saturation.SIGNED, Saturation.RELU): NeuronType.PRODUCT_MIXED,
    (Saturation.RELU, Saturation.SIGNED): NeuronType.PRODUCT_MIXED,
    (Saturation.SIGNED, Saturation.SIGNED): NeuronType.PRODUCT,
    (Saturation.RELU, Saturation.FULL): r"needs \[-256, 255\] of 'b'; available: \[-128, 127\]: an operand has 8 of 16",
    (Saturation.FULL, Saturation.RELU): r"needs \[-256, 255\] of 'a'; available: \[-128, 127\]",
    (Saturation.FULL, Saturation.FULL): r"\n.*needs \[-256, 255\] of 'b'; available: \[-128, 127\]",
}


@pytest.mark.parametrize("saturations", PRODUCTS)
def test_operands_of_products(saturations):
    """The unsigned operand is A; what 16 bits cannot hold, 32 can."""
    network = Network("net")
    for name, saturation in zip("ab", saturations, strict=True):
        network.input(name, (2, 3, 3), saturation=saturation)
    network.output(network.multiply("x", "a", "b", shift=8))
    expected = PRODUCTS[saturations]
    if isinstance(expected, str):
        for refuse in (compile_network, lambda network, config: partition(lower(network), config)):
            with pytest.raises(RuleError, match="layer 'x', rule 'product operand': .*" + expected):
                refuse(network, CONFIG)
    else:
        program, _ = compile_network(network, CONFIG)
        assert program.population("x").type == expected
        assert [(edge.source, int(edge.weights.max()) << edge.shift) for edge in program.edges] == [
            ("b" if saturations[0] and not saturations[1] else "a", 1),
            ("a" if saturations[0] and not saturations[1] else "b", 256)]
    wide = CoreConfig(name="wide", lanes=2, state_bits=32)
    rng = np.random.default_rng(3)
    program, _ = compile_network(network, wide)
    inputs = {name: rng.integers(*Saturation.bounds(saturation, 9), (2, 3, 3), endpoint=True)
              for name, saturation in zip("ab", saturations, strict=True)}
    exact = np.clip((inputs["a"] * inputs["b"] + 128) >> 8, 0, 255)
    assert (dense.run(lower(network), inputs, wide)["x"].outputs == exact).all()
    assert (dense.run(program, inputs, wide)["x"].outputs == exact).all() and exact.any()


def test_products_need_one_edge_of_ones_per_operand():
    two = program((1, 4, 4), type=NeuronType.PRODUCT)
    with pytest.raises(RuleError, match=r"'result', rule 'product edges': needs one edge per operand, .*: 1 edges"):
        legalize(two, CONFIG)
    two.edges.append(dataclasses.replace(two.edges[0], name="again", operand=1, weights=kernel(1) * 2))
    with pytest.raises(RuleError, match="rule 'product edges'"):
        legalize(two, CONFIG)


def test_a_table_needs_its_memory():
    network = Network("net")
    network.input("in", (4, 7, 1))
    network.output(network.conv("x", "in", np.ones((4, 4, 1, 1), int), table=np.zeros(512, int)))
    _, image = compile_network(network, CONFIG)
    small = dataclasses.replace(CONFIG, address_bits=7)
    with pytest.raises(RuleError, match=rf"layer 'x', rule 'memory': needs {len(image)} words .* 128 words"):
        compile_network(network, small)


def test_connections():
    lonely = program()
    lonely.edges = []
    with pytest.raises(RuleError, match=r"layer 'result', rule 'connections': needs a source; available: no incoming"):
        check(lonely, CONFIG)
    fed = program()
    fed.populations.append(Population(name="more", shape=(1, 4, 4)))
    fed.inputs.append("more")
    fed.edges.append(dataclasses.replace(fed.edges[0], name="in->more", destination="more"))
    with pytest.raises(RuleError, match=r"layer 'more', rule 'connections': needs 1 edges into an input"):
        check(fed, CONFIG)
    twice = program()
    twice.edges.append(dataclasses.replace(twice.edges[0]))
    with pytest.raises(RuleError, match=r"two edges named 'in->out'"):
        check(twice, CONFIG)
    through = program()
    through.outputs.append("in")
    with pytest.raises(RuleError, match=r"an input as an output"):
        check(through, CONFIG)


def test_all_violations_come_at_once():
    with pytest.raises(RuleError) as caught:
        check(program((1, 4, 4), (1, 300, 300), kernel(17) * 200), CONFIG)
    assert {violation.rule for violation in caught.value.violations} >= {
        "population width", "population height", "kernel size", "weight range", "memory"}
    assert str(caught.value).splitlines() == [str(violation) for violation in caught.value.violations]
    assert caught.value.violations[0].to_json()["layer"] == "result"


def test_many_violations_of_a_rule_are_told_in_few_lines():
    def violation(rule, number, core=None):
        return Violation(layer=f"l{number}", rule=rule, needed=str(number), available="0", core=core,
                         help="Rescale the layer.")

    many = [violation("memory", number) for number in range(1000)]
    cores = [violation("axon x_offset", 1, (number, 0)) for number in range(5)]
    error = RuleError([*many, violation("stride", 3), *cores, violation("stride", 3)])
    assert len(error.violations) == 1007
    assert str(error).splitlines() == [
        *map(str, many[:3]), "and 997 more by rule 'memory'", str(violation("stride", 3)),
        *map(str, cores[:3]), "and 2 more by rule 'axon x_offset'"]


# -- sums --------------------------------------------------------------------------------------


@given(network=networks(size=5, depth=5), config=configs())
@settings(max_examples=100, deadline=None)
def test_no_sum_exceeds_its_worst_case(network, config):
    """Random inputs, and for one neuron the very input that reaches the worst case."""
    legal = legalize(lower(network), config)
    rng = np.random.default_rng(9)
    inputs = {name: rng.integers(0, 256, (4, *network.shape(name))) for name in network.inputs}
    measured = dense.state_ranges(legal, dense.run(legal, inputs, config))
    for report in sums(legal, config, measured=measured):
        fits = all(report.available[0] <= value <= report.available[1] for value in report.worst)
        type = legal.population(report.population).type
        if type in NeuronType.PRODUCTS:
            assert report.verdict == "proved" and fits and report.measured is None
            continue
        assert report.worst[0] <= measured[report.population][0] <= measured[report.population][1] <= report.worst[1]
        assert (report.verdict == "proved") == (fits and type != NeuronType.SPIKING)
        assert report.to_json()["measured"] == list(measured[report.population])


def test_worst_cases_are_reached():
    weights = np.array([[3, -5], [7, 1]]).reshape(2, 2, 1, 1)
    one = program((2, 1, 1), (2, 1, 1), weights)
    one.edges[0].shift = 2
    (report,) = sums(one, CONFIG)
    assert report.worst == (-5 * 4 * 255, 8 * 4 * 255) and report.verdict == "proved"
    one.populations[0].saturation = Saturation.FULL
    (report,) = sums(one, CONFIG)
    assert report.worst == (-4 * (7 + 1) * 256, 4 * (3 * 255 + 5 * 256))
    (report,) = sums(one, CONFIG, values={"in": (-1, 2)})
    assert report.worst == (4 * (-3 - 10), 4 * 16)


def test_verdicts():
    one = program((1, 4, 4), (1, 1, 1), kernel(2, 2) * 127)
    assert sums(one, CONFIG)[0].verdict == "unproved"
    assert sums(one, CONFIG, measured={"out": (0, 32767)})[0].verdict == "measured"
    assert sums(one, CONFIG, measured={"out": (0, 32768)})[0].verdict == "wraps"
    assert "'result', rule 'sums': wraps: worst case [0, 129540], measured [0, 32768]" in str(
        sums(one, CONFIG, measured={"out": (0, 32768)})[0])


def test_a_maximum_looks_at_single_products():
    one = program((1, 4, 4), (1, 1, 1), kernel(2, 2) * 127, type=NeuronType.MAX)
    (report,) = sums(one, CONFIG)
    assert report.worst == (0, 127 * 255) and report.verdict == "proved"
