"""The accumulation against plain sums, and its two forms against each other."""

from itertools import pairwise

import numpy as np
import pytest

from golden.errors import ConfigError
from golden.synapse.tables.accumulate import StateSizes, Sums, accumulate


def test_both_forms_equal_plain_sums(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for lanes in (2, 4, 8):
        sizes = StateSizes(neuron_bits=6, lanes=lanes)
        states = generator.integers(-1 << 15, 1 << 15, 64)
        neurons = np.cumsum(generator.integers(0, 3, 4000)) % 64
        values = generator.integers(-1 << 20, 1 << 20, 4000)
        literal = accumulate(sizes, states, zip(neurons.tolist(), values.tolist(), strict=True))
        sums = Sums(sizes, states)
        for part in np.array_split(np.arange(4000), 7):
            sums.add(neurons[part], values[part])
        matrix = np.zeros((4000, 64), np.int64)
        matrix[np.arange(4000), neurons] = values
        plain = ((states + matrix.sum(axis=0)).astype(np.uint64) & np.uint64(0xFFFF)).astype(np.uint16).view(np.int16)
        assert literal.states == sums.states.tolist() == plain.tolist()
        runs = 1 + sum(a // lanes != b // lanes for a, b in pairwise(neurons))
        assert literal.reads == literal.writes == sums.operations == runs


@pytest.mark.parametrize("wrong", [{"neuron_bits": 40}, {"neuron_bits": 8, "lanes": 3}, {"neuron_bits": 3, "lanes": 8}])
def test_sizes_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="accumulation"):
        StateSizes(**wrong)
