"""Evaluations of population words that do not fit the memory: bounded, and the same in both readings."""

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.engine import FastEngine, LiteralEngine
from golden.words import layouts

CONFIGS = {f"{lanes} lanes": CoreConfig(name=f"lanes{lanes}", address_bits=10, channel_bits=8, coordinate_bits=6,
                                        lanes=lanes, axon_count_bits=3) for lanes in (4, 8)}


@pytest.mark.parametrize("name", CONFIGS)
def test_literal_and_fast_end_at_the_same_word(name: str, seed: int) -> None:
    """Any population word: the words read are those before the first that is outside, none twice."""
    config, rng = CONFIGS[name], np.random.default_rng([seed, 71])
    layout, size, cut = layouts(config).population, config.memory_words, 0
    for _ in range(40):
        fields = {field.name: int(rng.integers(field.low, field.high + 1)) for field in layout.fields}
        fields |= {"width": int(rng.integers(1, 9)), "extended": 0, "type": int(rng.choice([0, 1, 2, 3]))}
        if rng.random() < 0.6:
            fields |= {"depth": int(rng.integers(1, 9)), "base": size - int(rng.integers(1, 200))}
        memory = rng.integers(0, 1 << 63, (size, config.word_bits // 64), np.uint64)
        engines = [kind(config, memory.copy(), 0, 0, {}) for kind in (LiteralEngine, FastEngine)]
        (events, addresses, states, fired), other = (engine.evaluate(0, layout.pack(fields)) for engine in engines)
        for mine, theirs in zip((events, addresses, states, fired), other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(engines[0].words(), engines[1].words())
        # From the formula of docs/architecture.md, without the model's own functions.
        words = -(-fields["depth"] // config.lanes)
        stride = words | fields["pad"]
        first = fields["base"] + fields["axons"] + (1 if fields["uniform"] else fields["depth"])
        places = (first + np.arange(words)[:, None, None] + np.arange(fields["height"]) * stride
                  + np.arange(fields["width"])[:, None] * fields["height"] * stride).ravel()
        outside = np.flatnonzero(places >= size)
        count = int(outside[0]) if outside.size else len(places)
        assert addresses.tolist() == places[:count].tolist()
        assert len(set(addresses.tolist())) == len(addresses) == len(states) <= size
        untouched = np.setdiff1d(np.arange(size), places[:count])
        np.testing.assert_array_equal(engines[0].words()[untouched], memory[untouched])
        cut += 0 < count < len(places)
    assert cut > 5
