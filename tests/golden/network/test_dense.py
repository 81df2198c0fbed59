"""The dense reference against naive loops over Python integers, and its own contract."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.errors import EventError, NetworkError
from golden.network import dense
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Saturation


def naive(source, weights, stride, padding, dilation, groups, upsample, size, shift, product):
    """The definition, one multiplication at a time; `product` folds the products of one destination neuron."""
    count, _depth, width, height = source.shape
    results, per_group, kw, kh = weights.shape
    out = np.zeros((count, results, *size), object)
    for n, c, x, y in itertools.product(range(count), range(results), range(size[0]), range(size[1])):
        first = c // (results // groups) * per_group
        products = [0]
        for i, j, k in itertools.product(range(per_group), range(kw), range(kh)):
            u = stride[0] * x + j * dilation[0] - padding[0]
            v = stride[1] * y + k * dilation[1] - padding[1]
            if u % (1 << upsample) or v % (1 << upsample):
                continue
            u, v = u >> upsample, v >> upsample
            if 0 <= u < width and 0 <= v < height:
                products.append(int(weights[c, i, j, k]) * int(source[n, first + i, u, v]) << shift)
        out[n, c, x, y] = product(products)
    return out


@st.composite
def convolutions(draw):
    pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    groups, per_group, per_result = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel, size, source = draw(pairs(1, 4)), draw(pairs(1, 5)), draw(pairs(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        "source": rng.integers(-256, 256, (draw(st.integers(1, 2)), groups * per_group, *source)),
        "weights": rng.integers(-128, 128, (groups * per_result, per_group, *kernel)),
        "stride": draw(pairs(1, 4)), "padding": draw(pairs(-2, 4)), "dilation": draw(pairs(1, 3)), "groups": groups,
        "upsample": draw(st.integers(0, 2)), "size": size, "shift": draw(st.integers(0, 3)),
    }


@given(convolutions())
@settings(max_examples=150, deadline=None)
def test_sum_equals_naive_loops(case):
    assert (dense.conv2d(**case) == naive(**case, product=sum)).all()


@given(convolutions())
@settings(max_examples=100, deadline=None)
def test_maximum_equals_naive_loops(case):
    assert (dense.conv2d(**case, maximum=True) == naive(**case, product=max)).all()


def test_batches_larger_than_a_chunk(monkeypatch):
    rng = np.random.default_rng(7)
    source, weights = rng.integers(-9, 10, (5, 2, 6, 4)), rng.integers(-9, 10, (3, 2, 3, 2))
    whole = dense.conv2d(source, weights)
    monkeypatch.setattr(dense, "_CHUNK_ELEMENTS", 100)
    assert (dense.conv2d(source, weights) == whole).all()


def test_products_beyond_float_precision_are_exact():
    source = np.array([(1 << 52) + 1, 3], np.int64).reshape(1, 2, 1, 1)
    weights = np.array([3, 5], np.int64).reshape(1, 2, 1, 1)
    assert dense.conv2d(source, weights).item() == 3 * ((1 << 52) + 1) + 15


def test_one_kernel_for_all_channels():
    rng = np.random.default_rng(3)
    source, kernel = rng.integers(0, 256, (2, 5, 6, 7)), rng.integers(-9, 10, (1, 1, 2, 3))
    assert (dense.conv2d(source, kernel, groups=5) ==
            dense.conv2d(source, np.repeat(kernel, 5, axis=0), groups=5)).all()


def test_transposed_convolution_is_the_natural_broadcast():
    """Upsampling with the flipped kernel and padding K - 1 - p equals adding the kernel at S·x - p [B §4.4]."""
    rng = np.random.default_rng(11)
    source, kernel, crop = rng.integers(-9, 10, (1, 2, 4, 3)), rng.integers(-9, 10, (3, 2, 4, 3)), (1, 2)
    full = np.zeros((3, 3 * 2 + 4, 2 * 2 + 3), np.int64)
    for c, i, x, y in itertools.product(range(3), range(2), range(4), range(3)):
        full[c, 2 * x:2 * x + 4, 2 * y:2 * y + 3] += kernel[c, i] * source[0, i, x, y]
    expected = full[:, crop[0]:-crop[0], crop[1]:-crop[1]]
    result = dense.conv2d(source, kernel[:, :, ::-1, ::-1], padding=(3 - crop[0], 2 - crop[1]), upsample=1)
    assert (result[0] == expected).all()


@pytest.mark.parametrize(("source", "weights", "groups"), [
    ((1, 4, 5, 5), (2, 3, 1, 1), 1), ((1, 4, 5, 5), (4, 2, 1, 1), 1), ((1, 4, 5, 5), (3, 2, 1, 1), 2),
    ((1, 4, 2, 2), (1, 4, 3, 3), 1), ((4, 5, 5), (1, 4, 1, 1), 1)])
def test_shapes_that_do_not_match(source, weights, groups):
    with pytest.raises(NetworkError, match="convolution"):
        dense.conv2d(np.zeros(source, np.int64), np.zeros(weights, np.int64), groups=groups)


# -- whole programs ----------------------------------------------------------------------------


def program(edges, populations, inputs=("in",), outputs=("out",)):
    return Program(name="p", populations=populations, edges=edges, inputs=list(inputs), outputs=list(outputs))


def identity(source, destination, weight=1, depth=1, **more):
    return Edge(name=f"{source}->{destination}", source=source, destination=destination,
                weights=np.full((1, 1, 1, 1), weight), groups=depth, **more)


def test_states_wrap_and_evaluation_saturates():
    p = program([identity("in", "out", 127, shift=3)], [
        Population(name="in", shape=(1, 1, 1)),
        Population(name="out", shape=(1, 1, 1), saturation=Saturation.FULL, shift=np.array([7]), bias=np.array([64]))])
    result = dense.run(p, {"in": np.full((1, 1, 1), 255)})
    state = 255 * 127 * 8 - 4 * 65536
    assert result["out"].states.item() == state
    assert result["out"].outputs.item() == (state + 64 + 64) >> 7
    wide = dense.run(p, {"in": np.full((1, 1, 1), 255)}, CoreConfig(state_bits=32, lanes=2))
    assert wide["out"].outputs.item() == 255
    assert dense.state_ranges(p, result) == {"out": (255 * 127 * 8, 255 * 127 * 8)}


def test_wrapped_sum_that_returns_is_exact():
    p = program([identity("in", "out", 127, shift=3), identity("in", "out", -127, shift=3)], [
        Population(name="in", shape=(1, 1, 1)), Population(name="out", shape=(1, 1, 1), bias=np.array([7]))])
    assert dense.run(p, {"in": np.full((1, 1, 1), 255)})["out"].outputs.item() == 7


def test_maximum_compares_products_that_have_wrapped():
    p = program([identity("in", "out", 127, shift=3)], [
        Population(name="in", shape=(1, 1, 1)), Population(name="out", shape=(1, 1, 1), type=NeuronType.MAX)])
    assert dense.run(p, {"in": np.full((1, 1, 1), 60)})["out"].states.item() == 0  # 60960 wraps to -4576
    assert dense.run(p, {"in": np.full((1, 1, 1), 70)})["out"].states.item() == 127 * 8 * 70 - 65536


def test_populations_in_any_order_and_parameters_per_channel():
    weights = np.arange(6).reshape(2, 3, 1, 1)
    p = program(
        [identity("mid", "out", 1, 2), Edge(name="a", source="in", destination="mid", weights=weights)],
        [Population(name="out", shape=(2, 1, 1), multiplier=np.array([1, 3]), shift=np.array([0, 1]),
                    bias=np.array([1, -4])),
         Population(name="mid", shape=(2, 1, 1)), Population(name="in", shape=(3, 1, 1))])
    assert p.topological_order() == ["in", "mid", "out"]
    result = dense.run(p, {"in": np.array([1, 2, 3]).reshape(3, 1, 1)})
    assert result["mid"].outputs.ravel().tolist() == [8, 26]
    assert result["out"].outputs.ravel().tolist() == [9, (22 * 3 + 1) >> 1]


def test_a_batch_equals_its_members_one_by_one():
    rng = np.random.default_rng(5)
    p = program(
        [Edge(name="a", source="in", destination="out", weights=rng.integers(-9, 10, (3, 2, 2, 3)), stride=(2, 1))],
        [Population(name="in", shape=(2, 5, 6)), Population(name="out", shape=(3, 2, 4), saturation=Saturation.FULL)])
    images = rng.integers(0, 16, (4, 2, 5, 6))
    batch = dense.run(p, {"in": images})["out"]
    for image, states, outputs in zip(images, batch.states, batch.outputs, strict=True):
        single = dense.run(p, {"in": image})["out"]
        assert single.states.shape == (3, 2, 4)
        assert (single.states == states).all() and (single.outputs == outputs).all()


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_synaptic_operations_are_counted_one_by_one(case):
    source, weights = case["source"][0] * (case["source"][0] % 3 == 0), case["weights"]
    edge = Edge(name="e", source="in", destination="out", weights=weights,
                **{key: case[key] for key in ("stride", "padding", "dilation", "groups", "upsample")})
    p = program([edge], [Population(name="in", shape=source.shape),
                         Population(name="out", shape=(weights.shape[0], *case["size"]))])
    ones = {**case, "source": (source != 0)[None].astype(int), "weights": np.ones_like(weights), "shift": 0}
    assert dense.synaptic_operations(p, {"in": source}) == {"e": int(naive(**ones, product=sum).sum())}


def test_errors_name_what_is_wrong():
    populations = [Population(name="in", shape=(1, 2, 2)), Population(name="out", shape=(1, 2, 2))]
    p = program([identity("in", "out")], populations)
    with pytest.raises(NetworkError, match=r"inputs in; given: other"):
        dense.run(p, {"other": np.zeros((1, 2, 2), int)})
    with pytest.raises(NetworkError, match=r"'in': needs shape \(1, 2, 2\)"):
        dense.run(p, {"in": np.zeros((1, 2, 3), int)})
    with pytest.raises(EventError, match=r"from 0 to 256 do not fit"):
        dense.run(p, {"in": np.full((1, 2, 2), 256) * np.eye(2, dtype=int)})
    with pytest.raises(EventError, match="integers"):
        dense.run(p, {"in": np.zeros((1, 2, 2))})
    with pytest.raises(NetworkError, match="cycle"):
        program([identity("in", "out"), identity("out", "out")], populations).topological_order()
    with pytest.raises(NetworkError, match="no population 'nowhere'"):
        program([identity("nowhere", "out")], populations).topological_order()
    with pytest.raises(NetworkError, match="named in"):
        program([], [populations[0], populations[0]]).topological_order()
    with pytest.raises(NetworkError, match="'out' has no incoming edge"):
        dense.run(program([], populations), {"in": np.zeros((1, 2, 2), int)})
    wide = Edge(name="wide", source="in", destination="out", weights=np.ones((2, 1, 1, 1), int))
    with pytest.raises(NetworkError, match="edge 'wide': weights make 2 channels, 'out' has 1"):
        dense.run(program([wide], populations), {"in": np.zeros((1, 2, 2), int)})
