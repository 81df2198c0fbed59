"""Gradients through time: against differences, and against a tape that knows only single operations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from golden.errors import ConfigError
from golden.types import Array
from synapress.learning import quantizers
from synapress.learning.network import (
    CURRENT,
    POTENTIAL,
    STEEP,
    THRESHOLD,
    Layer,
    Precision,
    backward,
    forward,
    layer_forward,
)
from synapress.learning.task import TAU, TRACE, van_rossum

STEPS, SIZES = 14, (6, 5, 4)


# -- an independent tape: each operation by itself, in double precision ---------------------------------------------


@dataclass(eq=False)
class Value:
    """A number, or an array, on the tape."""

    data: Array
    parents: list[tuple["Value", Callable[[Array], Array]]] = field(default_factory=list)
    gradient: Array | float = 0.0

    def __add__(self, other: "Value") -> "Value":
        return Value(self.data + other.data, [(self, lambda g: g), (other, lambda g: g)])

    def times(self, factor: float) -> "Value":
        return Value(self.data * factor, [(self, lambda g: g * factor)])

    def minus(self, constant: Array | float) -> "Value":
        return Value(self.data - constant, [(self, lambda g: g)])


def power(largest: float) -> float:
    return 2.0 ** round(np.log2(largest)) if largest else 1.0


def rounded(data: Array, bits: int) -> Array:
    most = 1 - 2.0 ** (1 - bits)
    return np.round(np.clip(data, -most, most) * 2 ** (bits - 1)) / 2 ** (bits - 1)


def quantizer(value: Value, bits: int = 8) -> Value:
    """Of a state; its error is related to the largest of its step, rounded, and dropped where the state was clipped."""
    inside = np.abs(value.data) <= 1 - 2.0 ** (1 - bits)
    return Value(rounded(value.data, bits), [
        (value, lambda g: rounded(g / power(np.abs(g).max()), bits) * inside)])


def fires(value: Value) -> Value:
    return Value((value.data > 0).astype(float), [(value, lambda g: g / (STEEP * np.abs(value.data) + 1) ** 2)])


def neurons(drive: list[Value]) -> list[Value]:
    """One layer, as the equations say."""
    current, potential = Value(0 * drive[0].data), Value(0 * drive[0].data)
    spikes = []
    for given in drive:
        out = fires(quantizer(potential.minus(THRESHOLD)))
        after = quantizer(current.times(CURRENT) + given)
        potential = quantizer((potential.times(POTENTIAL) + current).minus(out.data))
        current = after
        spikes.append(out)
    return spikes


def back_through(ends: list[tuple[Value, Array]]) -> None:
    """From the ends to every value on the tape."""
    order: list[Value] = []
    seen: set[int] = set()

    def visit(value: Value) -> None:
        if id(value) not in seen:
            seen.add(id(value))
            for parent, _ in value.parents:
                visit(parent)
            order.append(value)

    for value, gradient in ends:
        visit(value)
        value.gradient = value.gradient + gradient
    for value in reversed(order):
        for parent, way in value.parents:
            parent.gradient = parent.gradient + way(np.asarray(value.gradient) + 0 * value.data)


def by_tape(inputs: Array, weights: list[Array], wanted: Array) -> tuple[Array, list[Array]]:
    """Spikes, and the gradients by the weights."""
    def linear(rows: list[Array], weight: Array) -> list[Value]:
        return [Value(row @ weight) for row in rows]

    def error(drive: list[Value]) -> Array:
        whole = np.array([np.asarray(value.gradient) + 0 * value.data for value in drive])
        return rounded(whole / power(np.abs(whole).max()), 8)

    first = linear(list(inputs.astype(float)), weights[0])
    hidden = neurons(first)
    second = linear([value.data for value in hidden], weights[1])
    output = neurons(second)
    back_through(list(zip(output, wanted, strict=True)))
    errors = error(second)
    back_through(list(zip(hidden, errors @ weights[1].T, strict=True)))
    spikes = np.array([value.data for value in hidden])
    return np.array([value.data for value in output]), [inputs.T @ error(first), spikes.T @ errors]


def drawn(seed: int, strong: float) -> tuple[np.random.Generator, Array, list[Array]]:
    rng = np.random.default_rng(seed)
    inputs = rng.random((STEPS, SIZES[0])) < 0.4
    # Weights are multiples of 1/64, so that all sums are exact in single precision, as quantized weights' are.
    weights = [np.round(rng.uniform(-strong, strong, shape) * 64) / 64 for shape in pairwise(SIZES)]
    return rng, inputs, weights


@pytest.mark.parametrize("strong", [0.6, 1.0])
def test_quantized_network_equals_the_tape(seed: int, strong: float) -> None:
    """Spikes and gradients, to the last bit."""
    fired = 0
    for trial in range(8):
        rng, inputs, weights = drawn(seed + trial, strong)
        wanted = rng.normal(size=(STEPS, SIZES[2])).astype(np.float32)
        given = [[weight.astype(np.float32)] for weight in weights]
        layers = forward(inputs, given, Precision())
        found = backward(inputs, given, layers, wanted[None], Precision())
        spikes, gradients = by_tape(inputs, weights, wanted.astype(float))
        np.testing.assert_array_equal(layers[1].spikes[:, 0], spikes)
        for mine, expected in zip(found, gradients, strict=True):
            # Errors that lie between two steps may be rounded either way in single precision.
            assert np.mean(mine[0] != expected) < 0.02
            np.testing.assert_allclose(mine[0], expected, atol=0.2)
        fired += int(layers[0].spikes.sum() > 0 and layers[1].spikes.sum() > 0)
    assert fired > 4


def smooth(inputs: Array, weights: list[Array], taken: list[Array]) -> tuple[Array, list[Layer]]:
    """The network in double precision, with spikes that are the smooth function whose slope the surrogate is. What
    firing takes from a potential is given: it is left out of the gradient."""
    spikes, layers = inputs.astype(float), []
    for weight, reset in zip(weights, taken, strict=True):
        current = potential = np.zeros(weight.shape[1])
        distances, after = [], []
        for step in range(STEPS):
            distances.append(potential - THRESHOLD)
            after.append(distances[-1] / (1 + STEEP * distances[-1] * np.sign(distances[-1].real)))
            current, potential = (CURRENT * current + spikes[step] @ weight,
                                  POTENTIAL * potential + current - reset[step])
        spikes = np.array(after)
        layers.append(Layer(spikes=spikes[:, None], distances=np.array(distances)[:, None], inside=()))
    return spikes, layers


def loss_of(spikes: Array, target: Array) -> complex:
    """The van Rossum distance by its definition: each spike is a decaying exponential."""
    kernel = TRACE ** np.arange(STEPS)
    apart = [np.convolve((spikes - target)[:, neuron], kernel)[:STEPS] for neuron in range(spikes.shape[1])]
    return complex(np.sqrt(np.sum(np.square(apart)) / TAU))


def test_gradient_equals_differences(seed: int) -> None:
    """Without quantizers, of the loss by each weight of both layers. The difference is imaginary, so that it can be as
    small as one likes (Squire and Trapp, SIAM Review 40, 1998)."""
    rng, inputs, weights = drawn(seed, 1.0)
    taken = [(rng.random((STEPS, size)) < 0.2).astype(float) for size in SIZES[1:]]
    target = rng.random((STEPS, SIZES[2])) < 0.3
    spikes, layers = smooth(inputs, weights, taken)
    distance, wanted = van_rossum(spikes[None], target)
    assert distance[0] == pytest.approx(loss_of(spikes, target).real, rel=1e-5)
    found = backward(inputs, [[weight] for weight in weights], layers, wanted, Precision(states=None, errors=None))
    for layer, weight in enumerate(weights):
        expected = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            moved = [each.astype(complex) for each in weights]
            moved[layer][place] += 1e-30j
            expected[place] = loss_of(smooth(inputs, moved, taken)[0], target).imag / 1e-30
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(found[layer][0], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_runs_side_by_side_are_each_by_itself(seed: int) -> None:
    _, inputs, weights = drawn(seed, 1.0)
    three = [[(weight * scale).astype(np.float32) for scale in (1, 0.5, 0.25)] for weight in weights]
    together = forward(inputs, three, Precision())
    for run in range(3):
        alone = forward(inputs, [[layer[run]] for layer in three], Precision())
        for mine, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(mine.spikes[:, run], expected.spikes[:, 0])


def test_a_neuron_that_is_driven_fires_and_loses_one() -> None:
    """By hand, one neuron: the drive of the first step arrives in the potential two steps later."""
    drive = np.zeros((4, 1, 1), np.float32)
    drive[0] = 0.9375
    layer = layer_forward(drive, Precision())
    # Currents 0.9375, 0.703125; potentials 0, 0.9375, then 0.8203125 + 0.703125 - 1, in 1/128 each.
    assert layer.spikes[:, 0, 0].tolist() == [0, 0, 1, 0]
    assert layer.distances[:, 0, 0].tolist() == [-115 / 128, -115 / 128, 5 / 128, -48 / 128]


def test_quantizers_by_hand() -> None:
    assert quantizers.quantize(np.array([0.3, -0.8, 0.25, 0.75, 2]), 2).tolist() == [0.5, -0.5, 0, 0.5, 0.5]
    assert quantizers.codes(np.array([[0.3, -0.8, 0.1]]), 3).tolist() == [[1, -3, 0]]
    largest = np.array([0, 1, 1.41, 1.42, 0.7, 0.71, 3e-5], np.float32)
    assert quantizers.power_of_two(largest).tolist() == [1, 1, 1, 2, 0.5, 1, 2.0 ** -15]
    for value in largest[1:]:
        assert quantizers.power_of_two(np.array([value]))[0] == 2.0 ** round(np.log2(value))
    assert quantizers.errors(np.array([0.25, -0.1, 0]), 8).tolist() == [127 / 128, -51 / 128, 0]
    assert quantizers.widest(2) == (0.75, 16.0) and quantizers.widest(8)[1] == 16.0


def test_gradients_are_rounded_without_bias(seed: int) -> None:
    values = np.full(200_000, 0.3, np.float32)
    values[0] = 1
    found = quantizers.gradient(values, 8, 0.1, np.random.default_rng(seed)) * 128
    assert set(np.unique(found[1:])) == {0, 1}
    assert found[1:].mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 / 200_000))


@pytest.mark.parametrize("bits", [1, 0, 17])
def test_widths_that_no_quantizer_has(bits: int) -> None:
    with pytest.raises(ConfigError, match="bits are outside"):
        Precision(states=bits)
