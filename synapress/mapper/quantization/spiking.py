"""Float neurons → integer ones: the unit of the potentials, threshold, leak and bias of `Network.lif`.

The hardware's neuron fires at h >= T, and is reset to 0 or by T itself, before it leaks (docs/architecture.md). With a
potential shifted by c, h = u - c, it computes any threshold θ, any value that a reset leads to (c = v_reset) and any
amount A that it subtracts (c = θ - A), also after the leak m (A = amount / m, c = v_reset / m); the bias then makes up
for what the leak takes from c: bias - c · (1 - m). "u > θ" is "u >= the next integer".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.network.dense import wrap
from golden.neuron.types.spiking import spike
from golden.types import Floats, IntArray
from golden.words import Reset, layouts
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.quantization.scales import DISTINCT_DIGITS, MAX_WEIGHT, integer_ratio, requantization
from synapress.mapper.ways_out import changed, either

_INTEGER_UNITS = 1e-6
"""Distance of a number of units from an integer that counts as 0: more than rounding, less than any effect."""
_MAX_UNITS = 4096
"""Most units in the largest number of a channel that are tried for a common unit. Bounds the time of the search."""
_MAX_DISTINCT = 24
"""Most distinct numbers of a channel for which a common unit is looked for. Trained weights have more, and none."""
_LEAST_LEAK = 0.02
"""Leak that counts for a neuron that has none: an error lasts 50 timesteps, not for ever."""
_LEAK_ERROR = 0.3
"""Error of rounding the state after a leak, in units: the root mean square of uniform rounding is 1 / √12 = 0.29."""
_IMPROVEMENT = 1e-9
"""Share by which an error must be less to replace that of a smaller shift. Float64 rounding alone does not."""
_ROUNDED_WEIGHTS = 0.02
"""Share by which the rounding of weights may enlarge the largest sum. What it really does is looked at afterward."""
_TINY = 1e-300
"""Stands for 0 in a divisor. Any value below all real weights works."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Unit of each channel's potential, and the product shift of weights, which are multiples of unit << shift."""

    accumulator_scale: Floats
    shift: int

    def weights(self, values: Floats) -> IntArray:
        """Integer weights of real ones (D, ...), product shift included."""
        quantum = (self.accumulator_scale * 2.0**self.shift).reshape(-1, *(1,) * (values.ndim - 1))
        return np.rint(values / quantum).astype(np.int64) << self.shift


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """IntArray per channel (D), as `Network.lif` takes them."""

    threshold: IntArray
    multiplier: IntArray
    shift: IntArray
    bias: IntArray
    initial: IntArray
    reset: str
    saturate: bool
    """The potential is kept within half of the states' range."""

    def run(self, sums: IntArray, timesteps: int, config: CoreConfig) -> tuple[IntArray, tuple[int, int]]:
        """Spikes of sums (N, D, W, H), N / timesteps sequences in a row; lowest and highest state without the wrap."""
        threshold, multiplier, shift, bias, initial = (
            array[:, None, None] for array in (self.threshold, self.multiplier, self.shift, self.bias, self.initial))
        reset = (Reset.ZERO if self.reset == "zero" else Reset.SUBTRACT) + Reset.HALVED * self.saturate
        series = sums.reshape(-1, timesteps, *sums.shape[1:])
        spikes, low, high = np.zeros_like(series), 0, 0
        state = np.broadcast_to(initial, series[:, 0].shape)
        for t in range(timesteps):
            total = state + series[:, t]
            low, high = min(low, int(total.min())), max(high, int(total.max()))
            spikes[:, t], state = spike(wrap(total, config.state_bits), bias, multiplier, shift,
                                        reset, config, slope=threshold)
        return spikes.reshape(sums.shape), (low, high)


def shifted(node: g.Spiking) -> tuple[Floats, Floats]:
    """What the hardware's potentials are shifted by, and the threshold that it then has; both (D), real."""
    late = node.decay if node.late_reset else np.ones(1)
    if node.reset == "subtract":
        amount = (node.threshold - node.v_reset) / late
        return node.threshold - amount, amount
    return node.v_reset / late, node.threshold - node.v_reset / late


def check_order(name: str, node: g.Spiking) -> None:
    """A late reset must lead below the threshold.

    Raises:
        ModelError: it does not.
    """
    c = int(np.argmin(shifted(node)[1]))
    if shifted(node)[1][c] <= 0:
        raise ModelError(name, "late reset", f"v_reset / decay below the threshold {node.threshold[c]:.6g}",
                         f"{node.v_reset[c]:.6g} / {node.decay[c]:.6g}", "Train with a lower v_reset or a weaker leak; "
                         "if the training resets before the leak, give late_reset=no.")


def leak(node: g.Spiking, config: CoreConfig) -> tuple[IntArray, IntArray]:
    """Multiplier and shift of the decay."""
    multiplier, shift = requantization(np.where(node.decay > 0, node.decay, 1.0), config.multiplier_bits,
                                       config.shift_bits)
    return np.where(node.decay > 0, multiplier, 0), np.where(node.decay > 0, shift, 0)


def room(products: list[Floats], bounds: list[tuple[int, int]]) -> Floats:
    """What one timestep can add to a potential at most, in either direction (D), whatever is within the bounds.

    Args:
        products: per branch (D, terms), weight times the step of its source.
        bounds: per branch, lowest and highest integer of its source.
    """
    up, down = (sum(np.maximum.reduce([sign * low * part, sign * high * part, np.zeros_like(part)]).sum(axis=1)
                    for part, (low, high) in zip(products, bounds, strict=True)) for sign in (1, -1))
    return np.maximum(up, down)


def grid(node: g.Spiking, products: list[Floats], potentials: Floats, bias: Floats, headroom: float,
         config: CoreConfig, *, timestep: tuple[Floats, Floats] | None) -> Grid:
    """The grid on which weights, threshold and leak lose least.

    Args:
        products: per branch (D, terms), weight times the step of its source.
        potentials: (N, D, W, H), those of the float neurons on the calibration.
        bias: (D), what each timestep adds.
        headroom: room in the states beyond the potentials seen.
        timestep: of neurons that keep their potential within half of the states' range: the largest sum of a timestep
            that was seen (D), and the largest that there can be. The other half holds this one where weights of 8 bits
            lose nothing by it, else that one with `headroom`.
    """
    limit = (1 << (config.state_bits - 1)) - 1
    most = min(limit, layouts(config).parameter.field("slope").high)
    center, threshold = shifted(node)
    reach = np.abs(potentials - center[:, None, None]).max(axis=(0, 2, 3)) * headroom
    start = np.abs(node.decay * (node.initial - center))
    needed = np.maximum.reduce([reach / limit, threshold / (most - 1), np.abs(bias) / limit * 2, start / limit])
    stacked = np.concatenate(products, axis=1)
    stay = 1 / (1 - np.minimum(node.decay, 1) + _LEAST_LEAK)
    leaks = (node.decay > 0) & (node.decay < 1)
    others = np.stack([threshold, center, bias, node.initial], axis=1)
    common = np.array([_common_quantum(row, more) or _common_quantum(row, more[:0])
                       for row, more in zip(stacked, others, strict=True)])
    if timestep is not None:
        kept, (seen, worst) = limit // 2, timestep
        needed = np.maximum.reduce([needed, reach / headroom / kept, threshold / (kept - 1), start / kept,
                                    headroom * seen / kept])
        worst = worst * (1 + _ROUNDED_WEIGHTS) / kept
        finest = np.maximum(needed, np.where(common > 0, common, np.abs(stacked).max(axis=1) / MAX_WEIGHT))
        needed = np.where(worst <= finest, np.maximum(needed, worst), needed)
    best: tuple[float, Grid] | None = None
    for shift in range(1 << config.product_shift_bits):
        top = np.abs(stacked).max(axis=1)
        quantum = np.maximum(np.where(common > 0, common, top / MAX_WEIGHT), needed * 2.0**shift)
        accumulator_scale = quantum / 2.0**shift
        rounding = stacked - np.rint(stacked / quantum[:, None]) * quantum[:, None]
        lost = np.abs(rounding) > _INTEGER_UNITS * quantum[:, None]
        weight_error = np.sqrt(np.sum(np.where(lost, rounding, 0)**2, axis=1))
        steps = (_rounding_error(threshold / accumulator_scale) + _rounding_error(bias / accumulator_scale)
                 + _LEAK_ERROR * leaks)
        step_error = accumulator_scale * steps
        error = float(np.mean((weight_error + step_error) * stay / threshold))
        if best is None or error < best[0] * (1 - _IMPROVEMENT):
            best = error, Grid(accumulator_scale=accumulator_scale, shift=shift)
    assert best is not None
    return best[1]


def _common_quantum(weights: Floats, others: Floats) -> float:
    """The largest quantum of which all weights are int8 multiples, and the other numbers multiples; or 0."""
    sizes, top = np.abs(np.concatenate([weights, others])), float(np.abs(weights).max())
    sizes = sizes[sizes > 0]
    distinct = np.unique(np.round(sizes / sizes.max(initial=_TINY), DISTINCT_DIGITS)) if sizes.size else sizes
    if top == 0 or not 0 < len(distinct) <= _MAX_DISTINCT:
        return 0.0
    count = integer_ratio(distinct, min(int(MAX_WEIGHT * sizes.max() / top), _MAX_UNITS))
    return float(sizes.max() / count) if (_rounding_error(distinct * count) < _INTEGER_UNITS).all() else 0.0


def _rounding_error(values: Floats) -> Floats:
    away = np.abs(values - np.rint(values))
    return np.where(away < _INTEGER_UNITS, 0.0, away)


def integer_neuron(name: str, node: g.Spiking, accumulator_scale: Floats, bias: Floats, config: CoreConfig, *,
                   saturate: bool) -> Neuron:
    """The neuron in units of its potential.

    Args:
        bias: (D), what each timestep adds, in units.
        saturate: the potential is kept within half of the states' range.

    Raises:
        ModelError: a number does not fit its field.
    """
    real_center, real_threshold = shifted(node)
    exact_threshold = node.threshold / accumulator_scale
    fires = np.floor(exact_threshold + _INTEGER_UNITS) + 1 if node.strict else np.ceil(exact_threshold - _INTEGER_UNITS)
    if node.reset == "subtract":
        threshold = np.maximum(np.rint(real_threshold / accumulator_scale), 1)
        center = fires - threshold
    else:
        center = np.rint(real_center / accumulator_scale)
        threshold = np.maximum(fires - center, 1)
    multiplier, shift = leak(node, config)
    factor = multiplier / 2.0**shift
    numbers = {"threshold": threshold, "bias": np.rint(bias - center * (1 - factor)),
               "initial": np.rint(factor * (node.initial / accumulator_scale - center))}
    limit = (1 << (config.state_bits - 1)) - 1
    for rule, values in numbers.items():
        room = min(limit, layouts(config).parameter.field("slope").high) if rule == "threshold" else limit
        if np.abs(values).max() > room:
            wide = changed(config, {"state_bits": 32, "multiplier_bits": 8})  # leaves thresholds 17 bits
            raise ModelError(name, rule, f"at most {room}", int(np.abs(values).max()),
                             either("use a smaller v_leak or v_reset", wide))
    made: dict[str, IntArray] = {rule: values.astype(np.int64) for rule, values in numbers.items()}
    return Neuron(multiplier=multiplier, shift=shift, reset=node.reset, saturate=saturate, **made)


def agreement(expected: npt.ArrayLike, spikes: npt.ArrayLike) -> float:
    """Spikes that both have, as a share of those that at least one has; 1 if neither has any."""
    first, second = np.asarray(expected) > 0, np.asarray(spikes) > 0
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0
