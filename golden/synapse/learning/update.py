"""What becomes of a weight: integer steps against a product of a trace and an error, rounded at random, and clipped.

    product = (trace of the pre neuron >> trace_shift) · error of the post neuron
    weight  = clip(weight - ((product + random) >> rate_shift))       random < 2**rate_shift

So a step has the mean product / 2**rate_shift whatever the product, where weights of few bits would else never move.
Stochastic gradient descent in integers; the task is that of Schaefer, Faley, Neftci and Joshi, ISCAS 2020, arXiv
2003.11639, whose gradients are rounded at random as well, but go through Adamax. The rule is this project's.
"""

from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np

from golden.config import CoreConfig
from golden.errors import ConfigError, require_within
from golden.fields import Field, WordLayout
from golden.synapse.learning import lfsr
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables.accumulate import StateSizes
from golden.types import IntArray

SUM_BITS = 32
"""A sum of weights times values, and one of products; both wrap."""
UPDATE_LATENCY = 4
"""Cycles from a synapse that the update unit takes to its weight that it gives, if no write waits."""
Number = TypeVar("Number", int, IntArray)

RULE = WordLayout("rule", (
    Field("trace_shift", 3), Field("rate_shift", 5), Field("ascend", 1), Field("nearest", 1), Field("keep_zeros", 1),
    Field("accumulate", 1),
))
"""The rule as the hardware is told it (`Rule`)."""


@dataclass(frozen=True)
class Rule:
    """How weights move. It may change whenever nothing is inside.

    Raises:
        ConfigError: on construction, naming the field.
    """

    trace_shift: int = 0
    """Bits of a trace that are left out."""
    rate_shift: int = 8
    """The learning rate is 2**-rate_shift, of 0 to 16."""
    ascend: int = 0
    """1: weights move with the product, not against it."""
    nearest: int = 0
    """1: steps are rounded to the nearest integer (halves up), and nothing is drawn from the random numbers."""
    keep_zeros: int = 0
    """1: a weight that is 0 stays: it is not written, and nothing is drawn for it. So a matrix has the same weights
    afterwards whether its zeros are stored or not."""
    accumulate: int = 0
    """1: UPDATE adds the products of each weight up; APPLY moves the weights by the sums, and clears them."""

    def __post_init__(self) -> None:
        require_within("learning rule", self, {
            item.name: (0, lfsr.BITS if item.name == "rate_shift" else RULE.field(item.name).high)
            for item in fields(self)})

    @property
    def word(self) -> int:
        """As the hardware is told it."""
        return RULE.pack(vars(self))


@dataclass(frozen=True)
class LearningSizes:
    """The widths of the update unit and of what it learns with.

    Raises:
        ConfigError: on construction, naming the field.
    """

    memory: Sizes
    """Those of the organisation, with `learning`."""
    entry_bits: int = 10
    """2**entry_bits sums and as many traces, by neuron."""
    trace_bits: int = 8
    """A trace, unsigned."""
    gradient_bits: int = 0
    """2**gradient_bits sums of products, by weight; 0: none, and no rule with `accumulate`."""
    polynomial: int = field(default=lfsr.POLYNOMIAL)
    """Of the random numbers (`golden.synapse.learning.lfsr`)."""
    seed: int = field(default=lfsr.SEED)
    """Their first one."""

    def __post_init__(self) -> None:
        bounds = {"entry_bits": (3, self.memory.neuron_bits), "trace_bits": (1, 16),
                  "gradient_bits": (0, self.memory.address_bits + self.memory.offset_bits)}
        require_within("learning", self, bounds)
        if not self.memory.learning:
            raise ConfigError("learning: the organisation's sizes need learning = 1")
        lfsr.Lfsr(self.polynomial, self.seed)

    @classmethod
    def of(cls, config: CoreConfig) -> "LearningSizes":
        """Those for a memory as large as a core's.

        Raises:
            ConfigError: its words are wider than 128 bits.
        """
        return cls(replace(Sizes.of(config), learning=1))

    @property
    def sums(self) -> StateSizes:
        """Of the sums, two of which are one word of their memory."""
        return StateSizes(neuron_bits=self.entry_bits, lanes=2, state_bits=SUM_BITS,
                          increment_bits=self.memory.weight_bits + self.memory.value_bits)

    @property
    def product_bits(self) -> int:
        """Of a trace and an error, signed."""
        return self.trace_bits + self.memory.value_bits


def write_layout(sizes: Sizes) -> WordLayout:
    """A weight that is written: of the memory's word the bits of the mask."""
    return WordLayout("write", (
        Field("address", sizes.address_bits), Field("data", sizes.word_bits), Field("mask", sizes.word_bits)))


def product(trace: Number, error: int, rule: Rule) -> Number:
    """What moves a weight, before the learning rate."""
    return (trace >> rule.trace_shift) * error


def moved(weight: Number, product: Number, random: Number, *, bits: int, rule: Rule) -> Number:
    """The weight after its step.

    Args:
        random: of which the low `rate_shift` bits count; without meaning if the rule rounds to the nearest.
        bits: of the weight: it ends within ±(2**(bits-1) - 1).
    """
    one = 1 << rule.rate_shift
    step = product + (one >> 1 if rule.nearest else random & one - 1) >> rule.rate_shift
    most = (1 << bits - 1) - 1
    after = weight + step if rule.ascend else weight - step
    if isinstance(after, int):
        return max(-most, min(most, after))
    return np.clip(after, -most, most)


def wrapped(total: Number) -> Number:
    """A sum as SUM_BITS bits hold it."""
    half = 1 << SUM_BITS - 1
    return (total + half) % (2 * half) - half
