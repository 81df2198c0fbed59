"""The user's graph: shapes, and refusals that name layer, rule, needed and given."""

import inspect
import itertools
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.neuron.requantize import evaluate
from golden.words import Saturation
from synapress.mapper.network.layer import HELP, Branch
from synapress.mapper.network.network import Network
from synapress.mapper.network.value_tables import mean_scale, value_table


def ones(*shape):
    return np.ones(shape, np.int8)


@pytest.fixture
def network():
    network = Network("net")
    network.input("in", (4, 9, 7))
    return network


def test_shapes_of_every_layer(network):
    assert network.shape("in") == (4, 9, 7)
    network.conv("conv", "in", ones(6, 4, 3, 2), stride=2, padding=(1, 0, 2, 3), dilation=(2, 1))
    assert network.shape("conv") == (6, (9 + 3 - 5) // 2 + 1, (7 + 3 - 2) // 2 + 1)
    network.conv("grouped", "conv", ones(4, 3, 1, 1), groups=2)
    assert network.shape("grouped") == (4, 4, 5)
    network.depthwise("depthwise", "grouped", ones(4, 3, 3), padding=1)
    assert network.shape("depthwise") == (4, 4, 5)
    network.depthwise("multiplied", "grouped", ones(8, 1, 2, 2))
    assert network.shape("multiplied") == (8, 3, 4)
    network.transposed_conv("up", "multiplied", ones(2, 8, 3, 4), stride=2, padding=(1, 0), output_padding=(1, 0))
    assert network.shape("up") == (2, (3 - 1) * 2 + 3 - 2 + 1, (4 - 1) * 2 + 4)
    network.max_pool("max", "in", (3, 2), stride=(2, 1))
    assert network.shape("max") == (4, 4, 6)
    network.average_pool("average", "in", 3)
    assert network.shape("average") == (4, 3, 2)
    network.global_pool("global", "average")
    assert network.shape("global") == (4, 1, 1)
    network.dense("dense", "in", ones(5, 4 * 9 * 7))
    assert network.shape("dense") == (5, 1, 1)
    branch = network.branch("in", ones(4, 4, 1, 1), stride=1)
    network.add("sum", ["in", branch], scales=[2, 1], shifts=[1, 0])
    assert network.shape("sum") == (4, 9, 7)
    network.lif("spikes", ["in", branch], threshold=[1, 2, 3, 4], multiplier=3, shift=2, reset="zero")
    network.global_pool("gate", "sum")
    assert network.shape(network.multiply("product", "gate", "spikes")) == (4, 9, 7)
    assert network.output("sum") == "sum" and network.outputs == ["sum"] and network.inputs == ["in"]


@given(size=st.integers(1, 12), kernel=st.integers(1, 5), stride=st.integers(1, 4), dilation=st.integers(1, 3),
       left=st.integers(0, 3), right=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_a_convolution_has_every_position_that_fits(size, kernel, stride, dilation, left, right):
    network = Network("net")
    network.input("in", (1, size, 1))
    fits = [x for x in range(0, size + left + right, stride)
            if x + (kernel - 1) * dilation < size + left + right]
    arguments = {"stride": (stride, 1), "padding": (left, 0, right, 0), "dilation": (dilation, 1)}
    if fits:
        network.conv("conv", "in", ones(1, 1, kernel, 1), **arguments)
        assert network.shape("conv") == (1, len(fits), 1)
    else:
        with pytest.raises(NetworkError, match="layer 'conv', rule 'size'"):
            network.conv("conv", "in", ones(1, 1, kernel, 1), **arguments)


REFUSED = {
    "input shape": lambda n: n.input("x", (1, 0, 2)),
    "name": lambda n: n.input("in", (1, 1, 1)),
    "weights": lambda n: n.conv("x", "in", ones(1, 4, 3)),
    "source channels": lambda n: n.conv("x", "in", ones(1, 3, 3, 3)),
    "groups": lambda n: n.conv("x", "in", ones(3, 2, 1, 1), groups=2),
    "stride": lambda n: n.conv("x", "in", ones(1, 4, 1, 1), stride=0),
    "dilation": lambda n: n.conv("x", "in", ones(1, 4, 1, 1), dilation=(1, 2, 3)),
    "padding": lambda n: n.conv("x", "in", ones(1, 4, 1, 1), padding=-1),
    "bias": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), [1, 2]),
    "multiplier": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), multiplier=-1),
    "shift": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), shift=[0, 1, -1]),
    "product shift": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), product_shift=-1),
    "saturation": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), saturation=3),
    "size": lambda n: n.max_pool("x", "in", 10),
    "pool size": lambda n: n.max_pool("x", "in", 0),
    "mean": lambda n: n.average_pool("x", "in", 2, shift=2),
    "global pool": lambda n: n.global_pool("x", "in", kind="median"),
    "dense weights": lambda n: n.dense("x", "in", ones(3, 4 * 9 * 6)),
    "transposed stride": lambda n: n.transposed_conv("x", "in", ones(1, 4, 3, 3), stride=3),
    "sources": lambda n: n.add("x", []),
    "scales": lambda n: n.add("x", ["in", "in"], scales=[1]),
    "equal shapes": lambda n: n.add("x", ["in", n.branch("in", ones(4, 4, 3, 3))]),
    "output": lambda n: n.output("in"),
    "slope": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), slope=[1, 2]),
    "table": lambda n: n.conv("x", "in", ones(3, 4, 1, 1), table=[[1, 2]]),
    "threshold": lambda n: n.lif("x", ["in"], threshold=0),
    "initial": lambda n: n.lif("x", ["in"], threshold=1, initial=[1, 2, 3, 4, 5]),
    "reset": lambda n: n.lif("x", ["in"], threshold=1, reset="none"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_refusals_name_layer_and_rule(network, rule):
    before = dict(network.layers)
    says = rf"layer '(x|in)', rule '{rule}': needs .+; given: .+\. {re.escape(HELP[rule])}$"
    with pytest.raises(NetworkError, match=says):
        REFUSED[rule](network)
    assert network.layers == before


def test_every_rule_has_help():
    source = "".join(inspect.getsource(sys.modules[kind.__module__]) for kind in (Network, Branch))
    named = set(re.findall(r'(?:refuse|integers|pair)\((?:self|\w+|layer\.name), "([a-z ]+)"', source))
    assert named <= set(HELP) and len(named) > 20 and set(REFUSED) <= set(HELP)


@pytest.mark.parametrize("shape", [(4, 8, 7), (1, 1, 1), (4, 9, 1), (5, 9, 7)])
def test_products_need_equal_shapes_or_one_value_per_channel(network, shape):
    network.input("other", shape)
    for names in (("in", "other"), ("other", "in")):
        with pytest.raises(NetworkError, match=r"layer 'x', rule 'product shapes': needs layers of one shape, or one "
                           r"of \(D, 1, 1\), or 2, 4, … times smaller; given: '.+' \(\d, \d, \d\), '.+'"):
            network.multiply("x", *names)


def test_weights_must_be_integers(network):
    with pytest.raises(NetworkError, match=r"'x', rule 'weights': needs integers \(quantize first\); given: float64"):
        network.conv("x", "in", np.ones((1, 4, 1, 1)))


def test_unknown_source_and_second_output(network):
    with pytest.raises(NetworkError, match="no layer 'out'; there are: in"):
        network.max_pool("x", "out", 2)
    network.output(network.max_pool("x", "in", 2))
    with pytest.raises(NetworkError, match="a second time"):
        network.output("x")


def test_broadcast_weights_are_not_copied(network):
    weights = np.broadcast_to(np.int8(1), (64, 4, 3, 3))
    network.conv("x", "in", weights)
    assert network.layers["x"].branches[0].weights.strides == (0, 0, 0, 0)


@pytest.mark.parametrize("count", [*range(1, 65), 81, 100, 121, 196, 256])
def test_mean_is_exact_up_to_windows_of_64(count):
    """Of 9-bit values' sums, whatever the sign; halves go to even in windows of 2**k, else away from 0."""
    multiplier, shift = mean_scale(count)
    assert multiplier < 1 << 16 and shift < 1 << 6
    sums = np.arange(-256 * count, 255 * count + 1)
    got = evaluate(sums, 0, multiplier, shift, Saturation.FULL, CoreConfig(state_bits=32, lanes=2))
    nearest = np.abs(2 * (got * count - sums)) <= count
    halves = 2 * sums % (2 * count) == count
    if count & (count - 1) == 0:
        to_even = np.rint(sums / count)  # without an error: a power of two
        assert nearest.all() and (got == to_even).all() and (count == 1 or halves.any())
    elif count <= 64:
        assert nearest.all() and halves.any() == (count % 2 == 0)
        assert (np.abs(got) * 2 * count == 2 * np.abs(sums) + count)[halves].all()
    else:
        assert (np.abs(got * count - sums) < count).all()


def test_average_pool_keeps_the_range_of_its_source():
    for saturation in (Saturation.RELU, Saturation.SIGNED, Saturation.FULL):
        network = Network("net")
        network.input("in", (1, 4, 4), saturation=saturation)
        network.average_pool("mean", "in", 2)
        assert network.layers["mean"].saturation == saturation


def test_orders_of_flattened_weights_agree(network):
    """Row fastest, then column, then channel."""
    weights = np.arange(2 * 4 * 9 * 7).reshape(2, -1)
    network.dense("x", "in", weights)
    kernel = network.layers["x"].branches[0].weights
    for c, i, x, y in itertools.product(range(2), range(4), range(9), range(7)):
        assert kernel[c, i, x, y] == weights[c, (i * 9 + x) * 7 + y]


def test_scales_are_for_layers_and_tables_for_finite_functions() -> None:
    net = Network("mistakes")
    net.input("in", (2, 4, 4))
    with pytest.raises(NetworkError, match=r"rule 'scales'.*needs 1 for a branch.*given: 5"):
        net.add("sum", ["in", net.branch("in", ones(2, 2, 1, 1))], scales=[1, 5])
    with pytest.raises(NetworkError, match="rule 'shifts'"):
        net.lif("n", [net.branch("in", ones(2, 2, 1, 1))], threshold=10, shifts=[2])
    with pytest.raises(NetworkError, match=r"value table: needs finite results; that of -25\.6 is not finite"):
        value_table(np.log, scale=0.1, result_scale=0.1)
