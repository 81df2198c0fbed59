"""Adds increments to neuron states, as synapses that come one by one need it: neighbors are gathered in a register.

The destination of look-up tables, hierarchical and flat: Bamberg et al., arXiv 2112.07019, section 3.2. What it
gathers is this
project's: increments that follow each other and lie in one state word take one read and one write.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, require_within
from golden.ports import READ_LATENCY
from golden.types import IntArray
from golden.words import Field, WordLayout


@dataclass(frozen=True)
class StateSizes:
    """The widths of the accumulation.

    Raises:
        ConfigError: on construction, naming the field.
    """

    neuron_bits: int
    """A neuron's place among the states: word times lanes, plus lane."""
    increment_bits: int = 21
    """What is added, signed: a weight of 12 bits times a value of 9."""
    lanes: int = 4
    state_bits: int = 16
    """Two's complement; sums wrap."""
    read_latency: int = 1
    """Cycles from a granted read to its word."""

    def __post_init__(self) -> None:
        bounds = {"neuron_bits": (3, 28), "increment_bits": (1, 32), "lanes": (2, 32), "state_bits": (8, 32),
                  "read_latency": (1, 8)}
        require_within("accumulation", self, bounds)
        if self.lanes & (self.lanes - 1) or self.lane_bits >= self.neuron_bits:
            raise ConfigError(f"accumulation: lanes = {self.lanes} must be a power of two below 2**neuron_bits")

    @classmethod
    def of(cls, config: CoreConfig) -> "StateSizes":
        """Those of a core."""
        return cls(neuron_bits=config.address_bits + config.lane_bits, lanes=config.lanes, state_bits=config.state_bits,
                   increment_bits=config.weight_bits + config.value_bits, read_latency=READ_LATENCY)

    @property
    def lane_bits(self) -> int:
        return self.lanes.bit_length() - 1

    @property
    def address_bits(self) -> int:
        """Word address of a state."""
        return self.neuron_bits - self.lane_bits

    @property
    def word_bits(self) -> int:
        return self.lanes * self.state_bits


def increment_layout(sizes: StateSizes) -> WordLayout:
    """One increment: the neuron's place, and what is added to its state."""
    return WordLayout("increment", (
        Field("neuron", sizes.neuron_bits), Field("increment", sizes.increment_bits, signed=True),
    ))


class Accumulate:
    """The states, literally: one increment after the other.

    Attributes:
        states: by neuron.
        reads, writes: words of states so far, those that are gathered not yet among them.
    """

    def __init__(self, sizes: StateSizes, states: npt.ArrayLike):
        self.sizes = sizes
        self.states = [int(state) for state in np.asarray(states)]
        self.reads = self.writes = 0
        self._word: int | None = None
        self._sums = [0] * sizes.lanes

    def add(self, neuron: int, increment: int) -> None:
        """Gather an increment; one of another word first sends away what has been gathered."""
        word, lane = divmod(neuron, self.sizes.lanes)
        if word != self._word:
            self.flush()
        self._word = word
        self._sums[lane] += increment

    def flush(self) -> None:
        """Add what has been gathered to its states."""
        if self._word is None:
            return
        half = 1 << (self.sizes.state_bits - 1)
        for lane, total in enumerate(self._sums):
            place = self._word * self.sizes.lanes + lane
            self.states[place] = (self.states[place] + total + half) % (2 * half) - half
        self.reads, self.writes = self.reads + 1, self.writes + 1
        self._word, self._sums = None, [0] * self.sizes.lanes


class Sums:
    """The same on arrays, as many increments as there are, in parts."""

    def __init__(self, sizes: StateSizes, states: npt.ArrayLike):
        self.sizes = sizes
        self._states = np.array(states, np.int64)
        self._last = -1
        self.operations = 0
        """Reads, and writes, of state words; what is gathered last among them."""

    def add(self, neurons: IntArray, increments: IntArray) -> None:
        """Increments behind those of before."""
        if not len(neurons):
            return
        np.add.at(self._states, neurons, increments)
        words = neurons >> self.sizes.lane_bits
        self.operations += int(np.count_nonzero(np.diff(words, prepend=self._last)))
        self._last = int(words[-1])

    @property
    def states(self) -> IntArray:
        """By neuron, wrapped."""
        half = 1 << (self.sizes.state_bits - 1)
        return (self._states + half) % (2 * half) - half


def tail_cycles(sizes: StateSizes) -> int:
    """Cycles from the last increment taken to the last state written, if the read does not wait."""
    return 1 + sizes.read_latency + 1


def accumulate(sizes: StateSizes, states: npt.ArrayLike, increments: Iterable[tuple[int, int]]) -> Accumulate:
    """What becomes of states, literally."""
    unit = Accumulate(sizes, states)
    for neuron, increment in increments:
        unit.add(neuron, increment)
    unit.flush()
    return unit
