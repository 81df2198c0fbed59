"""Who learns on chip: real numbers, or the golden model of the learner; its hardware is in `hardware`."""

from collections.abc import Callable
from functools import partial

import numpy as np

from golden.rooms import ORGANISATIONS
from golden.synapse.learning.learner import Learner
from golden.synapse.learning.lfsr import Lfsr
from golden.synapse.learning.update import LearningSizes, Rule
from golden.synapse.organisations.convolution import Convolution, Map
from golden.synapse.organisations.interface import Organisation, Pass, Sizes
from golden.types import Array, IntArray
from synapress.learning.on_chip import VALUE_BITS, Real, Run, Settings, learn

SIZES = LearningSizes(Sizes(address_bits=16, neuron_bits=10, value_bits=VALUE_BITS, learning=1))
"""Up to 1,024 neurons at either end, and two memories of 512 kB."""
PASSES = {Pass.FORWARD: "FORWARD", Pass.BACKWARD: "BACKWARD", Pass.UPDATE: "UPDATE"}

Progress = Callable[[int], None] | None


def packed(organisation: str, weights: IntArray, stored: Array, settings: Settings) -> Organisation:
    """A layer in memory; where a kernel is expected, as one of 1×1 on an image of one position.

    Raises:
        ConfigError: there is no such organisation.
    """
    kind = ORGANISATIONS.load(organisation, Organisation)
    bits, sizes = settings.weight_bits, SIZES.memory
    if issubclass(kind, Convolution):
        kernel, there = (matrix.T[:, :, None, None] for matrix in (weights, stored))
        return kind.pack(kernel, place=Map(width=1, height=1, source_width=1, source_height=1), weight_bits=bits,
                         sizes=sizes, stored=there)
    return kind.pack(weights, weight_bits=bits, sizes=sizes, stored=stored)


def matrix(place: Organisation) -> IntArray:
    """The weights of a layer as `packed` places it, (inputs, outputs)."""
    found = place.weights()
    return found[:, :, 0, 0].T if isinstance(place, Convolution) else found


def rule(settings: Settings) -> Rule:
    """How the weights move: of those that are not there none, whether an organisation stores them or not."""
    return Rule(rate_shift=settings.rate_shift, keep_zeros=int(settings.density < 1))


def first_random(settings: Settings, number: int) -> int:
    """The first random number of a layer's update unit, which is not 0."""
    return int(np.random.default_rng([settings.seed, 3, number]).integers(1, 1 << 16))


class Golden:
    """A layer in the golden model of the learner."""

    def __init__(self, organisation: str, weights: IntArray, stored: Array, settings: Settings, number: int):
        self._shape = weights.shape
        self._learner = Learner(packed(organisation, weights, stored, settings), rule(settings), SIZES,
                                Lfsr(SIZES.polynomial, first_random(settings, number)))

    def forward(self, fired: IntArray) -> Array:
        return self._run(Pass.FORWARD, fired, np.ones_like(fired))

    def update(self, posts: IntArray, errors: Array, traces: Array) -> Array:
        self._learner.traces[:len(traces)] = traces
        return self._run(Pass.UPDATE, posts, errors)

    def _run(self, walk: int, neurons: IntArray, values: Array) -> Array:
        learner = self._learner
        learner.sums[:] = 0
        learner.run([{"pass": walk, "neuron": neuron, "value": value}
                     for neuron, value in zip(neurons.tolist(), values.tolist(), strict=True)])
        return learner.sums[:self._shape[walk == Pass.FORWARD]].copy()

    def weights(self) -> Array:
        return matrix(self._learner.organisation)

    def accesses(self) -> dict[str, dict[str, int]]:
        return {name: dict(self._learner.counts[walk]) for walk, name in PASSES.items()}


def learn_real(settings: Settings, *, progress: Progress = None) -> Run:
    """In real numbers: what the integers are measured against."""
    return learn(settings, Real, integers=False, progress=progress)


def learn_golden(settings: Settings, organisation: str = "crossbar", *, keep_history: bool = False,
                 progress: Progress = None) -> Run:
    """By the golden model of the learner, whose weights are in memory as a memory organisation has them.

    Raises:
        ConfigError: there is no such organisation.
    """
    return learn(settings, partial(Golden, organisation), keep_history=keep_history, progress=progress)
