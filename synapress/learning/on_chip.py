"""Learning by the hardware's update unit: what the host does in each step, and what the hardware.

A network of two layers learns while it runs (as in Zenke and Ganguli, SuperSpike, 2018; without their second filter).
In each step the hardware walks through memory four times, and the host does what is done once for each neuron:

1. host: which neurons fire, and how far each is from its threshold; the errors of the outputs, which are the difference
   of the faded spikes and the faded target, times the slope that a spike has (`Numbers.slope`);
2. hardware, UPDATE of the second layer with these errors and the traces of the hidden neurons: weights change, and
   the sums are the hidden neurons' errors, by the weights before;
3. host: these times their slope; hardware, UPDATE of the first layer with them and the traces of the inputs;
4. hardware, FORWARD of both layers: sums of the weights of what fired;
5. host: potentials, currents and traces of all neurons fade and take what came.

All of it is in integers: potentials and currents in 1/1024 of what a spike takes, 16 bits; faded spikes and errors in
1/256, 11 bits; traces in 1/16, unsigned; weights in 1/2**(weight_bits - 1). The same in real numbers, without any
rounding and with the same steps, is what the integers are measured against (`Real`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from golden.errors import ConfigError, require_within
from golden.types import Array, IntArray
from synapress.learning.task import Task, draw, van_rossum

UNIT_BITS, ERROR_BITS, TRACE_BITS = 10, 8, 4
"""Of 1: of potentials and currents, of errors and faded spikes, of traces."""
STATE_BITS, TRACE_WIDTH, VALUE_BITS = 16, 8, 11
CURRENT_FADES, POTENTIAL_FADES = 2, 3
"""Of a current a quarter goes in each step, as of a faded spike; of a potential an eighth."""
THRESHOLD = 922
"""0.9 in 1/1024."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A network that learns on chip, and its task.

    Raises:
        ConfigError: on construction, naming the field.
    """

    inputs: int = 64
    hidden: int = 48
    outputs: int = 32
    steps: int = 60
    input_rate: float = 0.08
    epochs: int = 100
    weight_bits: int = 12
    density: float = 1.0
    """Share of the weights that there are. Which, is drawn once; the others stay 0."""
    rate_shift: int = 12
    """A weight changes by trace·error / 2**rate_shift of its steps."""
    seed: int = 1
    """Of the task, the first weights and the draws of the update units."""

    def __post_init__(self) -> None:
        bounds = {"inputs": (1, 1 << 16), "hidden": (1, 1 << 16), "outputs": (1, 1 << 16), "steps": (2, 1 << 16),
                  "epochs": (1, 1 << 20), "weight_bits": (2, 12), "rate_shift": (0, 16), "seed": (0, 1 << 31)}
        require_within("on-chip learning", self, bounds)
        for name in ("density", "input_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"on-chip learning: {name} = {getattr(self, name)!r} is outside (0, 1]")

    @property
    def shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.inputs, self.hidden), (self.hidden, self.outputs)

    @property
    def most(self) -> int:
        """The largest weight; the smallest is the same below 0."""
        return (1 << self.weight_bits - 1) - 1

    def task(self) -> Task:
        return draw(inputs=self.inputs, outputs=self.outputs, steps=self.steps, rate=self.input_rate, seed=self.seed)

    def weights(self) -> tuple[list[IntArray], list[Array]]:
        """The first weights, and which there are, of each layer."""
        rng = np.random.default_rng([self.seed, 2])
        weights, stored = [], []
        for shape in self.shapes:
            wide = np.sqrt(3 / (shape[0] * self.density)) * (self.most + 1)
            drawn = np.rint(np.clip(rng.uniform(-wide, wide, shape), -self.most, self.most)).astype(np.int64)
            stored.append(rng.random(shape) < self.density)
            weights.append(drawn * stored[-1])
        return weights, stored


class Layer(Protocol):
    """One layer in hardware, or what stands for it."""

    def forward(self, fired: IntArray) -> Array:
        """The sums at its outputs for the neurons that fired."""

    def update(self, posts: IntArray, errors: Array, traces: Array) -> Array:
        """Walk back from each of `posts` with its error, change the weights, and give the sums at the inputs."""

    def weights(self) -> Array:
        """The weights as they are, (inputs, outputs)."""

    def accesses(self) -> dict[str, dict[str, int]]:
        """By pass: its requests, synapses and kinds of access; empty if there is no hardware to count them."""


class Real:
    """A layer in real numbers: nothing is rounded, and no chance is in it."""

    def __init__(self, weights: IntArray, stored: Array, settings: Settings, number: int = 0):
        self._weights, self._stored, self._settings = weights.astype(float), stored, settings

    def forward(self, fired: IntArray) -> Array:
        found: Array = self._weights[fired].sum(axis=0)
        return found

    def update(self, posts: IntArray, errors: Array, traces: Array) -> Array:
        back: Array = self._weights[:, posts] @ errors
        step = np.outer(traces, errors) / 2 ** self._settings.rate_shift
        most = self._settings.most
        self._weights[:, posts] = np.clip(self._weights[:, posts] - step, -most, most) * self._stored[:, posts]
        return back

    def weights(self) -> Array:
        return self._weights.copy()

    def accesses(self) -> dict[str, dict[str, int]]:
        return {}


@dataclass(frozen=True)
class Numbers:
    """The arithmetic of the host: integers, or real numbers in the same units."""

    integers: bool

    def down(self, values: Array, bits: int) -> Array:
        """Divided by 2**bits; of integers the nearest, halves up."""
        return (values + (1 << bits >> 1)) >> bits if self.integers else values / 2 ** bits

    def slope(self, distance: Array) -> Array:
        """1 / (1 + distance)², in 1/256: how much a spike depends on a potential that far from the threshold."""
        whole, below = 1 << ERROR_BITS + 2 * UNIT_BITS, np.square((1 << UNIT_BITS) + np.abs(distance))
        return whole // below if self.integers else whole / below

    def held(self, values: Array, low: int, high: int) -> Array:
        """As wide as hardware has them."""
        return np.clip(values, low, high) if self.integers else values

    def zeros(self, count: int) -> Array:
        return np.zeros(count, np.int64 if self.integers else float)


class Neurons:
    """The host's part of a layer's neurons, or of the inputs, which only have traces."""

    def __init__(self, numbers: Numbers, count: int):
        self.numbers = numbers
        self.potential, self.current, self.trace, self.trace_current, self.faded = (
            numbers.zeros(count) for _ in range(5))

    @property
    def distance(self) -> Array:
        return self.potential - THRESHOLD

    @property
    def traces(self) -> Array:
        """What a spike adds to a potential behind a weight of 1, as the hardware gets it."""
        return self.numbers.held(self.numbers.down(self.trace, UNIT_BITS - TRACE_BITS), 0, (1 << TRACE_WIDTH) - 1)

    def end(self, fired: Array, drive: Array) -> None:
        """The end of a step: what fired, and what came."""
        spike = fired.astype(np.int64) << UNIT_BITS
        self.potential, self.current = self._filtered(self.potential, self.current, spike, drive)
        self.trace, self.trace_current = self._filtered(self.trace, self.trace_current, 0 * spike, spike)

    def _filtered(self, potential: Array, current: Array, taken: Array, given: Array) -> tuple[Array, Array]:
        down, half = self.numbers.down, 1 << STATE_BITS - 1
        states = (potential - down(potential, POTENTIAL_FADES) + current - taken,
                  current - down(current, CURRENT_FADES) + given)
        first, second = (self.numbers.held(state, -half, half - 1) for state in states)
        return first, second


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """What became of a network that learned."""

    settings: Settings
    task: Task
    losses: list[float]
    """The distance of each epoch's spikes from the target, while the weights changed."""
    spikes: Array
    """Of the outputs in the last epoch, (steps, outputs)."""
    weights: list[Array]
    """At the end, of each layer (inputs, outputs)."""
    history: list[list[Array]] = field(default_factory=list)
    """The weights at the end of each epoch, if they were asked for."""
    accesses: dict[str, dict[str, int]] = field(default_factory=dict)
    """By pass, of both layers: requests, synapses and accesses by kind."""

    @property
    def final(self) -> float:
        """The mean of the last ten epochs' losses: the last one alone goes up and down by some percent."""
        return float(np.mean(self.losses[-10:]))


Maker = Callable[[IntArray, Array, Settings, int], Layer]
"""Makes the layer of some number from its weights and which of them there are."""


def learn(settings: Settings, maker: Maker, *, integers: bool = True, keep_history: bool = False,
          progress: Callable[[int], None] | None = None) -> Run:
    """Learn all epochs.

    Args:
        progress: called with the number of epochs done.
    """
    task, numbers = settings.task(), Numbers(integers)
    weights, stored = settings.weights()
    layers = [maker(*given, settings, number) for number, given in enumerate(zip(weights, stored, strict=True))]
    losses, history, spikes = [], [], np.zeros_like(task.target)
    for epoch in range(settings.epochs):
        spikes = _present(task, settings, layers, numbers)
        losses.append(float(van_rossum(spikes[None], task.target)[0][0]))
        if keep_history:
            history.append([layer.weights() for layer in layers])
        if progress:
            progress(epoch + 1)
    return Run(settings=settings, task=task, losses=losses, spikes=spikes, history=history,
               weights=[layer.weights() for layer in layers], accesses=_sum([layer.accesses() for layer in layers]))


def _present(task: Task, settings: Settings, layers: Sequence[Layer], numbers: Numbers) -> Array:
    """One epoch: show the inputs once, and learn in each step. Returns the outputs' spikes."""
    source, hidden, output = (Neurons(numbers, count) for count in (settings.inputs, settings.hidden, settings.outputs))
    apart, spikes = numbers.zeros(settings.outputs), np.zeros_like(task.target)
    for step, (given, target) in enumerate(zip(task.inputs, task.target, strict=True)):
        fired, spikes[step] = hidden.distance > 0, output.distance > 0
        wrong = (spikes[step].astype(np.int64) - target) << ERROR_BITS
        apart = apart - numbers.down(apart, CURRENT_FADES) + wrong
        back = _update(layers[1], _error(numbers, apart, output, ERROR_BITS), hidden)
        _update(layers[0], _error(numbers, back, hidden, ERROR_BITS + settings.weight_bits - 1), source)
        hidden.end(fired, _drive(layers[0], given, numbers, settings))
        output.end(spikes[step], _drive(layers[1], fired, numbers, settings))
        source.end(given, numbers.zeros(settings.inputs))
    return spikes


def _drive(layer: Layer, fired: Array, numbers: Numbers, settings: Settings) -> Array:
    """What comes to a layer's neurons, in units of their currents."""
    sums, scale = layer.forward(np.flatnonzero(fired)), UNIT_BITS - settings.weight_bits + 1
    return sums * 2 ** scale if scale >= 0 else numbers.down(sums, -scale)


def _error(numbers: Numbers, values: Array, neurons: Neurons, bits: int) -> Array:
    """What came to neurons, in units of 1/2**bits more than an error's, times their slope."""
    half = 1 << VALUE_BITS - 1
    return numbers.held(numbers.down(values * numbers.slope(neurons.distance), bits), 1 - half, half - 1)


def _update(layer: Layer, errors: Array, source: Neurons) -> Array:
    posts = np.flatnonzero(errors)
    return layer.update(posts, errors[posts], source.traces)


def _sum(counts: Sequence[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for layer in counts:
        for name, kinds in layer.items():
            into = total.setdefault(name, {})
            for kind, count in kinds.items():
                into[kind] = into.get(kind, 0) + count
    return total


def compared(one: Run, other: Run) -> dict[str, Any]:
    """Weights that were compared, and how many of them differ; also of losses and spikes."""
    pairs = [*zip(one.weights, other.weights, strict=True)]
    for mine, theirs in zip(one.history, other.history, strict=False):
        pairs += zip(mine, theirs, strict=True)
    return {
        "weights": sum(mine.size for mine, _ in pairs),
        "differences": int(sum(np.sum(mine != theirs) for mine, theirs in pairs)),
        "epochs": min(len(one.losses), len(other.losses)),
        "losses differ": int(sum(mine != theirs for mine, theirs in zip(one.losses, other.losses, strict=True))),
        "spikes differ": int(np.sum(one.spikes != other.spikes)),
    }
