"""Layers of sparse matrices: what a matrix may be, and what is made of it."""

import numpy as np
import pytest

import synapress
from golden.errors import NetworkError
from tests.mapper.test_look_up import CONFIG, NAMES, one, sparse


@pytest.mark.parametrize(("matrix", "rule"), [
    (np.eye(5, dtype=int), "sparse matrix"), (np.zeros((4, 0), int), "sparse matrix"),
    (np.zeros(4, int), "sparse matrix"), (np.eye(4), "weights"), (np.full((4, 2), np.nan), "weights"),
    ([[1, 2], [3], [4], [5]], "sparse matrix"), (np.full((4, 2), 1 << 63, np.uint64), "weights")])
def test_a_matrix_must_fit_its_source(matrix, rule):
    net = synapress.Network("bad")
    net.input("in", (4, 1, 1))
    with pytest.raises(NetworkError, match=f"rule '{rule}'"):
        net.sparse("out", "in", matrix)


def test_matrices_of_scipy(seed):
    scipy = pytest.importorskip("scipy.sparse")
    matrix = sparse(np.random.default_rng(seed), (12, 9), 0.3)
    nets = [one(given, organisation="bitmap") for given in (matrix, scipy.csr_array(matrix), scipy.coo_matrix(matrix))]
    images = [synapress.compile(net, config=CONFIG).images[0].to_bytes() for net in nets]
    assert images[0] == images[1] == images[2]


def test_elements_that_scipy_lists_twice_are_their_sum():
    """Also if their own type does not hold it; and none is spread out before its shape is seen."""
    scipy = pytest.importorskip("scipy.sparse")
    twice = scipy.coo_matrix((np.array([100, 100, 0], np.int8), ([0, 0, 3], [1, 1, 0])), shape=(4, 2))
    net = one(twice)
    assert np.array_equal(net.layer("out").branches[0].weights.reshape(2, 4), [[0, 0, 0, 0], [200, 0, 0, 0]])
    with pytest.raises(NetworkError, match="at most 1073741824 places"):
        one(scipy.csr_matrix(([1], ([0], [0])), shape=(4, 1 << 40)))


@pytest.mark.parametrize("name", NAMES)
def test_no_synapses_at_all(name, seed):
    """The tables of zeros compute what their biases say, wherever they lie, and pass the checks of images."""
    net = synapress.Network("none")
    net.input("in", (4, 1, 1))
    net.sparse("out", "in", np.zeros((4, 3), int), bias=[1, 2, 3], organisation=name)
    net.output("out")
    compiled = synapress.compile(net, config=CONFIG)
    for engine in ("fast", "golden"):
        done = synapress.simulate(compiled, np.full((1, 4, 1, 1), 9), engine=engine)
        assert done.outputs["out"].ravel().tolist() == [1, 2, 3]
