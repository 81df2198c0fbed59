"""The neuron update: what one synaptic operation does to a state.

Bamberg et al., arXiv 2112.07019, algorithm 4. Accumulation in two's complement that wraps is this project's.
`accumulate_one` is literal, on Python integers; `accumulate` does the same on numpy arrays.
"""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.neuron.states import wrap, wrap_array
from golden.types import IntArray


def accumulate_one(state: int, weight: int, v: int, *, shift: int, maximum: bool, config: CoreConfig) -> int:
    """The new state of one neuron after one synaptic operation: see `accumulate`."""
    addition = product(config).one(weight, v, shift, config)
    return max(state, addition) if maximum else wrap(state + addition, config.state_bits)


def accumulate(
    states: npt.ArrayLike, weights: npt.ArrayLike, v: npt.ArrayLike, mask: npt.ArrayLike, *, shift: int,
    maximum: bool, config: CoreConfig,
) -> IntArray:
    """New states of neurons after one synaptic operation each [B alg. 4]; all arrays broadcast, e.g. over lanes.

    A masked lane (mask true) gets state + product (`golden.neuron.products`), which wraps, or with `maximum` the larger
    of state and product; the others stay.
    """
    states = np.asarray(states, np.int64)
    additions = product(config).of(weights, v, shift, config)
    updated = np.maximum(states, additions) if maximum else wrap_array(states + additions, config.state_bits)
    return np.where(np.asarray(mask, bool), updated, states)
