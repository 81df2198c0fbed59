"""Pseudo-random numbers of 16 bits: a linear feedback shift register that leaps over all bits of a draw at once.

The state is 16 successive bits s[t]..s[t+15] of the sequence, s[t] lowest, and s[t+16] is the parity of those that the
polynomial names. A draw is the state; then 16 steps are taken, so that two draws share no bit of the sequence. After
one step they would share 15 bits, and draws of few bits would follow each other like a moving average.
"""

from functools import cache

import numpy as np

from golden.errors import ConfigError
from golden.types import IntArray

BITS = 16
PERIOD = (1 << BITS) - 1
"""Draws until they repeat: every state but 0. 16 and the period have no common factor, so leaps meet all states."""
POLYNOMIAL = 0x014F
"""x^16 + x^8 + x^6 + x^3 + x^2 + x + 1; bit i stands for x^i, and x^16 is not written. Of the primitive ones with the
fewest terms among which n successive draws of 16 // n bits each take all values equally often, for n of 2 to 5, 8 and
16. Those with four terms do not: of two draws of 6 bits some pairs never come."""
SEED = 0xACE1


def step(state: int, polynomial: int) -> int:
    """The state one bit on."""
    return state >> 1 | ((state & polynomial).bit_count() & 1) << BITS - 1


def leap(state: int, polynomial: int) -> int:
    """The state of the next draw: all bits are new."""
    for _ in range(BITS):
        state = step(state, polynomial)
    return state


@cache
def orbit(polynomial: int) -> IntArray:
    """All draws from 1 on, of PERIOD states.

    Raises:
        ConfigError: the polynomial is not primitive, so that some states are never met.
    """
    bits, state = np.zeros(PERIOD, np.int64), 1
    for number in range(PERIOD):
        bits[number] = state & 1
        state = step(state, polynomial)
        if state == 1 and number < PERIOD - 1:
            break
    if state != 1 or number < PERIOD - 1 or not 0 < polynomial < 1 << BITS:
        raise ConfigError(f"LFSR: the polynomial {polynomial:#x} does not give all {PERIOD} states; one that does is "
                          f"{POLYNOMIAL:#x}")
    begins = np.arange(PERIOD) * BITS % PERIOD
    draws: IntArray = np.sum([bits[(begins + place) % PERIOD] << place for place in range(BITS)], axis=0)
    return draws


class Lfsr:
    """A sequence of draws.

    Args:
        state: the first draw, not 0.

    Raises:
        ConfigError: the polynomial is not primitive, or the state is 0 or wider than 16 bits.
    """

    def __init__(self, polynomial: int = POLYNOMIAL, state: int = SEED):
        draws = orbit(polynomial)
        if not 0 < state <= PERIOD:
            raise ConfigError(f"LFSR: the seed {state:#x} is outside [0x1, {PERIOD:#x}]")
        self.polynomial = polynomial
        self._draws = np.concatenate([draws, draws])
        self._place = int(np.flatnonzero(draws == state)[0])

    @property
    def state(self) -> int:
        """The next draw."""
        return int(self._draws[self._place])

    def draw(self, count: int) -> IntArray:
        """The next draws."""
        place = self._place
        self._place = (place + count) % PERIOD
        if count > PERIOD:
            return self._draws[(place + np.arange(count)) % PERIOD]
        return self._draws[place:place + count]
