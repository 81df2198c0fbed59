"""The names of the arrays, pairs and shapes that all modules share: one name for each meaning."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Numbers of any kind."""
IntArray = npt.NDArray[np.int64]
"""Integers that are computed with: states, values, coordinates, addresses."""
Integers = npt.NDArray[np.integer]
"""Integers of any width, as where memory counts."""
Floats = npt.NDArray[np.floating[Any]]
"""Real numbers: weights and values before quantization."""
Maps = dict[str, Array]
"""Feature maps by the name of their population, input or output."""

Words = npt.NDArray[np.uint64]
"""Packed words: events, one each; or memory words, (words,) or (words, words of 64 bits)."""
Memory = Sequence[int] | Words
"""Memory words, one number each."""
Fields = dict[str, int]
"""The fields of one packed word by name (`golden.words`, `golden.messages`)."""

Pair = tuple[int, int]
"""Of both dimensions of a map: (x, y)."""
Shape = tuple[int, int, int]
"""Channels, width and height."""
Padding = tuple[int, int, int, int]
"""Left, top, right, bottom."""
Place = tuple[int, int]
"""Column and row of a core in the mesh."""
