"""Gather: synapses that come one by one into word operations, one for consecutive synapses of a state word.

The synapses of a row mostly come in the order of their neurons, so as many as a word has lanes may share one operation,
which brings its weights along. This project's.
"""

from collections.abc import Iterable
from typing import NamedTuple

from golden.config import CoreConfig


class GatheredOperation(NamedTuple):
    """The update of up to `lanes` states of one memory word: an operation (`golden.messages`) with `immediate`."""

    state_address: int
    """Word address; one at or above 2**address_bits has left the memory."""
    mask: int
    """Bit per lane."""
    weights: tuple[int, ...]
    """By lane; 0 where the mask is."""
    shift: int
    v: int


def gather(
    synapses: Iterable[tuple[int, int]], *, state_base: int, shift: int, v: int, config: CoreConfig
) -> list[GatheredOperation]:
    """The operations of the synapses of one request.

    Args:
        synapses: neuron and weight of each, in order. Neuron j is lane j % lanes of the word j // lanes of the states.
        state_base: word address of the states.

    A synapse goes into the operation of the one before it if both are of one word, and none of it has its lane yet.
    """
    result: list[GatheredOperation] = []
    word: int | None = None
    for neuron, weight in synapses:
        place, lane = divmod(neuron, config.lanes)
        if place != word or result[-1].mask >> lane & 1:
            address = state_base + place
            if address >= config.memory_words:  # one bit says so, whatever is behind
                address = config.memory_words | address % config.memory_words
            result.append(GatheredOperation(address, 0, (0,) * config.lanes, shift, v))
            word = place
        last = result[-1]
        weights = (*last.weights[:lane], weight, *last.weights[lane + 1:])
        result[-1] = last._replace(mask=last.mask | 1 << lane, weights=weights)
    return result
