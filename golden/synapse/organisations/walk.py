"""What the literal walks of the organisations share: the checks of a request, and a record of what the walk gives."""

from collections.abc import Mapping

import numpy as np

from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Pass, Sizes, offers


def refused(organisation: Organisation, request: Mapping[str, int]) -> bool:
    """Whether a request is dropped before anything is read."""
    layer, walk = organisation.layer, request["pass"]
    known = (Pass.FORWARD, Pass.BACKWARD, Pass.UPDATE) if organisation.sizes.learning else (Pass.FORWARD,)
    return (walk not in known or request["neuron"] >= layer["inputs" if walk == Pass.FORWARD else "outputs"]
            or not 1 <= layer["weight_bits"] <= organisation.sizes.weight_bits)


class Walk:
    """What one request gives, step by step."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self.counts = dict.fromkeys(KINDS, 0)
        self._synapses: list[tuple[int, int, int]] = []
        self._steps: list[tuple[int, bool]] = []
        self._errors = 0

    def give(self, cycle: int, neuron: int, weight: int, weight_address: int, fetch: bool) -> None:
        """A synapse."""
        self.counts["weight_read"] += fetch
        self._synapses.append((neuron, weight, weight_address))
        self._steps.append((cycle, fetch))

    def drop(self, cycle: int, fetch: bool = False) -> None:
        """A synapse, or the rest, is dropped."""
        self.counts["weight_read"] += fetch
        self._errors += 1
        self._steps.append((cycle, fetch))

    def end(self, cycle: int) -> None:
        """Nothing is there any more, which was not known before."""
        self._steps.append((cycle, False))

    def expansion(self, *, writes: bool = False) -> Expansion:
        """The request; the next one can be taken in the cycle after the last step.

        Args:
            writes: each synapse is an UPDATE's.
        """
        self.counts["weight_write"] = writes * len(self._synapses)
        neurons, weights, addresses = np.array(self._synapses, np.int64).reshape(-1, 3).T
        steps = tuple(self._steps)
        cycles = offers([0], [steps], self.sizes.read_latency)[0][-1]
        return Expansion(neurons, weights, addresses, self.counts, self._errors, steps, steps[-1][0] + 1, cycles)


def field(word: int, low: int, bits: int) -> int:
    """A signed number in a word."""
    raw = word >> low & (1 << bits) - 1
    return raw - (raw >> bits - 1 << bits)


def following(address: int, offset: int, bits: int, sizes: Sizes) -> tuple[int, int]:
    """Where the next weight is: behind this one, or in the next word if it would not fit."""
    return (address, offset + bits) if offset + 2 * bits <= sizes.word_bits else (address + 1, 0)


def words_of(count: np.ndarray, begin: np.ndarray | int, per_word: int, serial: int) -> np.ndarray:
    """Words that are read for `count` items one after the other, the first at place `begin` of a word."""
    return count if serial else np.where(count > 0, -(-(begin + count) // per_word), 0)


def end_of_column(there: np.ndarray, cycles: np.ndarray, sizes: Sizes) -> np.ndarray:
    """The cycle of `done`, of walks with a step for each row that has a synapse, and for the last row.

    Args:
        there: which rows have a synapse, (rows, requests).
        cycles: of each row's step, (rows, requests).
    """
    # An end does not overtake the last synapse, which waits for its word.
    passed = np.where(there, cycles, -sizes.read_latency).max(axis=0) + sizes.read_latency
    return np.where(there[-1], passed, np.maximum(passed, cycles[-1]) + 1) + 1
