"""Proofs that cores cannot be in reach against all placements of few cores."""

import itertools

import numpy as np

from golden.types import Array, Place
from synapress.mapper.placement.reachable import crowded


def placeable(linked: Array, size: Place, host: Place, far: int) -> bool:
    """Whether any placement has all links in reach, by trying all."""
    count = len(linked) - 1
    links = np.argwhere(np.triu(linked, 1))
    places = [(x, y) for x, y in itertools.product(range(size[0]), range(size[1])) if (x, y) != host]
    return any(all(max(abs(at[i][0] - at[j][0]), abs(at[i][1] - at[j][1])) <= far for i, j in links)
               for at in ((*chosen, host) for chosen in itertools.permutations(places, count)))


def test_what_is_refused_has_no_placement(seed: int) -> None:
    rng = np.random.default_rng([seed, 73])
    refused, placed = 0, 0
    for _ in range(60):
        count = int(rng.integers(3, 6))
        linked = rng.random((count + 1, count + 1)) < rng.uniform(0.1, 0.5)
        linked |= linked.T
        size, host = [((3, 2), (1, -1)), ((2, 3), (0, 0)), ((6, 1), (0, -1)), ((1, 6), (0, 2))][int(rng.integers(4))]
        possible = placeable(linked, size, host, 1)
        placed += possible
        if crowded(linked, size, host, 1) is not None:
            refused += 1
            assert not possible
    assert refused > 5 and placed > 5


def test_a_core_with_too_many_around_it() -> None:
    """A core with 9 others: 3 × 3 places hold it and 8; at the edge of a mesh fewer."""
    star = np.zeros((11, 11), bool)
    star[0, 1:10] = star[1:10, 0] = True
    found = crowded(star, (5, 5), (2, -1), 1)
    assert found is not None and (found.core, found.links, found.cores, found.places) == (0, 1, 10, 9)
    assert crowded(star, (5, 5), (2, -1), 2) is None
    star[0, 9] = star[9, 0] = False
    assert crowded(star, (5, 5), (2, -1), 1) is None
    found = crowded(star, (9, 2), (4, -1), 1)
    assert found is not None and (found.core, found.cores, found.places) == (0, 9, 6)


def test_the_host_has_few_places_around_it() -> None:
    """Seven cores that the host sends to: a row of three is in its reach, and of a mesh of any size no more."""
    star = np.zeros((8, 8), bool)
    star[7, :7] = star[:7, 7] = True
    for size in ((5, 5), (100_000, 100_000)):
        found = crowded(star, size, (2, -1), 1)
        assert found is not None and (found.core, found.cores, found.places) == (7, 7, 3)
    assert crowded(star, (5, 5), (2, 2), 1) is None
