"""Memory words as Python integers: arrays hold those wider than 64 bits in parts."""

from typing import Any

import numpy as np

from golden.types import Words


def number(word: Any) -> int:
    """One memory word, alone or as its parts of 64 bits, the lowest first."""
    return int(word) if np.ndim(word) == 0 else sum(int(part) << (64 * i) for i, part in enumerate(word))


def numbers(words: Words) -> list[int]:
    """Memory words, (words,) or (words, words of 64 bits)."""
    if words.ndim == 1:
        return list(words.tolist())
    first, *others = (words[:, part].tolist() for part in range(words.shape[1]))
    for place, part in enumerate(others, 1):
        first = [low | high << (64 * place) for low, high in zip(first, part, strict=True)]
    return list(first)
