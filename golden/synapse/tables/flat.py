"""The flat look-up table: of each neuron all its synapses, at the source, one event for each.

The event carries the weight times the value to a neuron of another core, which only adds. Bamberg et al.,
arXiv 2112.07019, section 3.2.2.
"""

from typing import Self

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, NetworkError
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables.source import (
    AXIS_BITS,
    CORE_BITS,
    NEURON_BITS,
    TARGET_BITS,
    SourceTable,
    entry_layout,
)
from golden.types import Fields, IntArray
from golden.words import KIND_BITS, EventKind, Field, WordLayout, layouts

WEIGHT_BITS = 8
"""A weight: as wide as the paper's, so that two entries fit a word of 64 bits."""


class Flat(SourceTable):
    """Entries of core, neuron and weight."""

    name = "flat"
    entry = entry_layout("flat synapse", "neuron", Field("weight", WEIGHT_BITS, signed=True))

    @staticmethod
    def event_layout(sizes: Sizes) -> WordLayout:
        return WordLayout("increment event", (
            Field("increment", WEIGHT_BITS + sizes.value_bits, signed=True), Field("neuron", TARGET_BITS),
            Field("kind", KIND_BITS), Field("core_y", AXIS_BITS, signed=True), Field("core_x", AXIS_BITS, signed=True)))

    def events(self, entries: dict[str, IntArray], value: int, end: int) -> dict[str, IntArray]:
        weights = entries.pop("weight")
        return entries | {"increment": weights * (0 if end else value),
                          "kind": np.full_like(weights, EventKind.END if end else EventKind.VALUE)}

    def storage_bits(self) -> dict[str, int]:
        """A neuron, a core and a weight each."""
        return {"entries": self.entries * (NEURON_BITS + CORE_BITS), "weights": self.entries * WEIGHT_BITS}

    @classmethod
    def of(cls, matrix: npt.ArrayLike, core_x: npt.ArrayLike, core_y: npt.ArrayLike, neuron: npt.ArrayLike, *,
           sizes: Sizes, index_base: int = 0, entry_base: int = 0) -> Self:
        """Of a matrix of weights (inputs, outputs): each output is a neuron of a core; arrays (outputs,).

        Raises:
            NetworkError: the weights are no integers. Else as `pack`.
        """
        weights = np.asarray(matrix)
        if weights.ndim != 2 or weights.dtype.kind not in "iu":
            raise NetworkError(f"flat: the weights are a matrix of integers, not {weights.dtype} of shape "
                               f"{weights.shape}")
        rows, columns = np.nonzero(weights)
        where = {"core_x": np.asarray(core_x, np.int64), "core_y": np.asarray(core_y, np.int64)}
        ends = np.unique(np.stack(list(where.values()))[:, np.unique(columns)], axis=1)
        return cls.pack(
            (weights != 0).sum(axis=1),
            {"neuron": np.asarray(neuron, np.int64)[columns], "weight": weights[rows, columns],
             **{name: array[columns] for name, array in where.items()}},
            {"neuron": 0 * ends[0], "weight": 0 * ends[0], "core_x": ends[0], "core_y": ends[1]},
            sizes=sizes, index_base=index_base, entry_base=entry_base)


def event_word(config: CoreConfig, event: Fields) -> int:
    """The event as a word of the network: v and c together hold the increment, which is too wide for v, and x and y the
    neuron; the ID is not needed.

    Raises:
        ConfigError: increment or neuron does not fit.
    """
    event_fields, low = layouts(config).event, config.value_bits
    if config.channel_bits < WEIGHT_BITS or 2 * config.offset_bits < TARGET_BITS:
        raise ConfigError(f"{config.name}: an increment of {WEIGHT_BITS + low} bits does not fit v and c of an event, "
                          f"or a neuron of {TARGET_BITS} bits x and y: raise channel_bits or offset_bits")
    raw = event["increment"] & (1 << low + config.channel_bits) - 1
    word = raw | event["neuron"] << event_fields.positions["y"]
    return word | event_fields.pack({name: event[name] for name in ("kind", "core_x", "core_y")})
