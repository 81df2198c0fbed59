"""The random numbers of the update unit: against the recurrence bit by bit, and what they are worth."""

import numpy as np
import pytest

from golden.errors import ConfigError
from golden.synapse.learning.lfsr import BITS, PERIOD, POLYNOMIAL, SEED, Lfsr, leap, orbit

OTHER = 0x002D
"""x^16 + x^5 + x^3 + x^2 + 1."""


def sequence(polynomial: int, seed: int, bits: int) -> list[int]:
    """The sequence by its recurrence s[t+16] = sum of c[i]·s[t+i]."""
    found = [seed >> place & 1 for place in range(BITS)]
    while len(found) < bits:
        found.append(sum(found[-BITS + place] for place in range(BITS) if polynomial >> place & 1) % 2)
    return found


@pytest.mark.parametrize("polynomial", [POLYNOMIAL, OTHER])
def test_draws_are_the_sequence_cut_in_pieces(polynomial: int) -> None:
    bits = sequence(polynomial, SEED, 16 * 3000)
    expected = [sum(bit << place for place, bit in enumerate(bits[16 * i:16 * i + 16])) for i in range(3000)]
    lfsr, state, found = Lfsr(polynomial), SEED, []
    for count in (0, 1, 7, 2000, 992):
        assert lfsr.state == state
        found += lfsr.draw(count).tolist()
        for _ in range(count):
            state = leap(state, polynomial)
    assert found == expected
    assert sorted(orbit(polynomial).tolist()) == list(range(1, 1 << BITS))
    once = Lfsr(polynomial, 77).draw(PERIOD).tolist()
    assert Lfsr(polynomial, 77).draw(2 * PERIOD + 3).tolist() == 2 * once + once[:3]


def rank(rows: list[int]) -> int:
    """Of a matrix over two elements, rows as numbers."""
    found: list[int] = []
    for row in rows:
        for other in found:
            row = min(row, row ^ other)
        if row:
            found.append(row)
    return len(found)


@pytest.mark.parametrize(("draws", "bits"), [(2, 8), (3, 5), (4, 4), (5, 3), (8, 2), (16, 1)])
def test_successive_draws_are_independent(draws: int, bits: int) -> None:
    """Their low bits take all values together equally often (but for the missing state 0)."""
    states, functions = [1 << place for place in range(BITS)], []
    for _ in range(draws):
        functions += [sum((state >> bit & 1) << place for place, state in enumerate(states)) for bit in range(bits)]
        states = [leap(state, POLYNOMIAL) for state in states]
    assert rank(functions) == draws * bits


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 16])
def test_draws_are_uncorrelated(bits: int) -> None:
    """Draws one to eight apart; with a leap of one bit those of several bits would be correlated by about a half."""
    low = (orbit(POLYNOMIAL) & (1 << bits) - 1).astype(float)
    correlations = [abs(np.corrcoef(low, np.roll(low, lag))[0, 1]) for lag in range(1, 9)]
    print(f"{bits} bits: correlations of at most {max(correlations):.5f}")
    assert max(correlations) < 0.02
    if bits > 1:
        single = np.array(sequence(POLYNOMIAL, SEED, PERIOD + BITS))
        moving = sum(single[place:place + PERIOD] << place for place in range(bits)).astype(float)
        assert np.corrcoef(moving, np.roll(moving, 1))[0, 1] > 0.3


@pytest.mark.parametrize(("polynomial", "seed", "message"), [
    (0x8001, 1, "the polynomial 0x8001 does not give all 65535 states; one that does is 0x14f"),
    (0, 1, "the polynomial 0x0"),
    (1 << 16 | POLYNOMIAL, 1, "the polynomial 0x1014f"), (0x6801, 1 << 16, "the seed"), (0x6800, 1, "0x6800"),
    (POLYNOMIAL, 0, "the seed 0x0 is outside"), (POLYNOMIAL, 1 << 16, "the seed 0x10000 is outside"),
])
def test_what_cannot_be(polynomial: int, seed: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Lfsr(polynomial, seed)
