"""Pairwise exchanges against a literal loop that counts every cost from nothing."""

import numpy as np
import pytest

from golden.types import Array
from synapress.mapper.placement.assignment import MAX_SWEEPS, exchange


def problem(rng: np.random.Generator, cores: int) -> tuple[Array, Array]:
    """Symmetric traffic of cores and of the host, which is last; distances of as many random places."""
    traffic = rng.integers(0, 50, (cores + 1, cores + 1)) * (rng.random((cores + 1, cores + 1)) < 0.5)
    traffic = traffic + traffic.T
    np.fill_diagonal(traffic, 0)
    spots = rng.integers(0, 6, (cores + 1, 2))
    return traffic, np.abs(spots[:, None] - spots).sum(axis=2)


def cost(traffic: Array, distance: Array, at: Array) -> int:
    every = [*at.tolist(), len(distance) - 1]
    return int((traffic * distance[np.ix_(every, every)]).sum())


def swapped(at: Array, i: int, j: int) -> Array:
    other = at.copy()
    other[[i, j]] = at[[j, i]]
    return other


def literal(traffic: Array, distance: Array, start: Array, movable: Array) -> Array:
    """One core after the other changes places with whoever saves most, the first of several, until none saves."""
    at = start
    for _ in range(MAX_SWEEPS):
        before = at
        for i in movable.tolist():
            costs = [cost(traffic, distance, swapped(at, i, j)) for j in movable.tolist()]
            if min(costs) < cost(traffic, distance, at):
                at = swapped(at, i, int(movable[costs.index(min(costs))]))
        if (at == before).all():
            break
    return at


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_exchanges_are_those_of_the_literal_loop(seed: int, kind: type) -> None:
    rng = np.random.default_rng([seed, 71])
    moved = 0
    for _ in range(12):
        traffic, distance = problem(rng, 9)
        start = rng.permutation(9)
        movable = np.sort(rng.permutation(9)[:int(rng.integers(2, 10))])
        end = exchange(traffic.astype(kind), distance, start, movable)
        np.testing.assert_array_equal(end, literal(traffic, distance, start, movable))
        moved += int((end != start).any())
    assert moved > 6


def test_no_exchange_of_two_cores_helps_any_more(seed: int) -> None:
    """After the improvement of random starts, every exchange of two movable cores costs as much or more."""
    rng = np.random.default_rng([seed, 67])
    for _ in range(20):
        traffic, distance = problem(rng, 9)
        start = rng.permutation(9)
        end = exchange(traffic, distance, start, np.arange(1, 9))
        least = cost(traffic, distance, end)
        assert end[0] == start[0] and sorted(end) == list(range(9)) and least <= cost(traffic, distance, start)
        for i in range(1, 9):
            for j in range(1, i):
                assert cost(traffic, distance, swapped(end, i, j)) >= least


def test_a_saving_too_small_for_float64_is_found() -> None:
    """Core 0 and core 1 are as near to the host, with far more traffic than 2**53; core 2 is nearer to one of them."""
    huge, traffic = 1 << 57, np.zeros((4, 4), np.int64)
    for i, j, events in ((0, 3, huge), (1, 3, huge), (0, 2, 1)):
        traffic[i, j] = traffic[j, i] = events
    distance = np.array([[0, 2, 2, 3], [2, 0, 1, 3], [2, 1, 0, 9], [3, 3, 9, 0]])
    assert exchange(traffic, distance, np.array([0, 1, 2]), np.arange(3)).tolist() == [1, 0, 2]
