"""Numbers of the quantization: ranges of activations, units of states, integer weights, multipliers and shifts."""

from dataclasses import dataclass

import numpy as np

from golden.types import Array, Floats, IntArray
from golden.words import Saturation

Span = tuple[int | None, int | None]
"""First and last of some integers; None: no end."""
MAX_WEIGHT = 127
"""Weights are symmetric int8."""
NARROW_STATE_BITS = 16
"""States of so many bits hold but two products of the largest weight and value (127 · 127): both must be coarser."""
_MAX_DISTINCT = 8
"""Most distinct weights of a channel that are always made integers of one unit. With more, rounding each weight to int8
loses less than the small integers that they would share."""
_MAX_DISTINCT_EXACT = 64
"""Most distinct weights for which such a unit is looked for; beyond `_MAX_DISTINCT` it must be exact, as that of an
interpolation is. Bounds the time of the search."""
_EXACT_RATIO = 1e-7
"""Error of a ratio that counts as 0: about the precision of float32, in which files store weights."""
_INTEGER_BIAS = 1e-6
"""Distance of a bias from an integer number of units that counts as 0: more than rounding, less than any effect."""
_SHARED_RESOLUTION = 16
"""Units in a weight's unit from which the bias is resolved well enough for one unit in all channels: the error is
at most 1/32 of a weight's unit."""
BIAS_MARGIN = 1.02
"""Range of a state, as a multiple of the bias: 2 % for rounding and bias correction."""
SAME_STEP = 1e-6
"""Relative difference of steps that count as the same: some roundings of float32, in which files store them."""
_INTEGER_VALUE = 1e-6
"""Distance of a value from a multiple of a step, in steps, that counts as 0."""
DISTINCT_DIGITS = 12
"""Decimals to which relative weights are compared: the rounding of float64 does not make equal weights distinct."""
_SAMPLED_VALUES = 50_000
"""Values of the calibration, at even distances, that choose a range. Bounds the time, not the accuracy."""
_RANGE_SHARES = np.linspace(1.0, 0.33, 24)
"""Shares of the whole range that are tried, 3 % apart. Ranges below a third are left to the method `percentile`."""
_MAX_PRODUCT_SHIFT = 7
"""Largest product shift of any configuration (3 bits): no integer weight exceeds MAX_WEIGHT shifted by it."""
_MIN_SCALE = 1e-12
"""Least unit of a channel without weights. Any value works: only its bias counts."""
_TINY = 1e-300
"""Stands for 0 in a divisor. Any value below all real sums works."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What an integer of a feature map means: value = step · integer, integers within [low, high]."""

    step: float
    low: int
    high: int
    saturation: int

    def integers(self, values: Floats) -> IntArray:
        """The nearest integers; halves round to even, as ONNX does."""
        return np.clip(np.rint(values / self.step), self.low, self.high).astype(np.int64)


def saturation_of(low: int, high: int, value_bits: int) -> int | None:
    """The saturation mode that clips to exactly [low, high], if there is one."""
    modes = (Saturation.RELU, Saturation.SIGNED, Saturation.FULL)
    return next((mode for mode in modes if Saturation.bounds(mode, value_bits) == (low, high)), None)


def scale_for(low: float, high: float, levels: int, saturation: int, value_bits: int) -> Scale:
    """The finest scale of at most `levels` steps above 0 on which low … high fit; low below 0 needs a signed mode."""
    bounds = Saturation.bounds(saturation, value_bits)
    top = min(levels, bounds[1])
    step = max(high / top, low / min(bounds[0], -1) if bounds[0] else 0.0)
    return Scale(step=step if step > 0 else 1.0, low=bounds[0], high=bounds[1], saturation=saturation)


def activation_range(values: Floats, method: str, percentile: float, levels: int) -> tuple[float, float]:
    """Lowest and highest value to represent: all (`max`), of a share (`percentile`), or with the least error (`error`).

    `error` minimizes the mean square of rounding and clipping over candidates down to a third of the whole range.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if method == "max" or low == high:
        return low, high
    if method == "percentile":
        rest = 100 - percentile
        return min(float(np.percentile(values, rest)), 0.0), max(float(np.percentile(values, percentile)), 0.0)
    sample = values.reshape(-1)[::max(1, values.size // _SAMPLED_VALUES)]
    best, chosen = np.inf, 1.0
    for share in _RANGE_SHARES:
        step = max(high, -low) * share / levels
        clipped = np.clip(np.rint(sample / step), np.floor(low / step * share), levels) * step
        error = float(np.mean((sample - clipped) ** 2))
        if error < best:
            best, chosen = error, float(share)
    return low * chosen, high * chosen


def integer_scale(parts: list[Floats], step: float, low: float, high: float, value_bits: int) -> Scale | None:
    """The scale of sums of integer multiples of `step` within [low, high], if event values hold them all."""
    mode = Saturation.RELU if low >= 0 else Saturation.FULL
    bounds = Saturation.bounds(mode, value_bits)
    integral = all(np.abs(part / step - np.rint(part / step)).max(initial=0) < _INTEGER_VALUE for part in parts)
    if not integral or low / step < bounds[0] - 0.5 or high / step > bounds[1] + 0.5:
        return None
    return Scale(step=step, low=bounds[0], high=bounds[1], saturation=mode)


def integer_ratio(values: Floats, most: int) -> int:
    """The best count n ≤ most of units in the largest of `values`, so that all are nearly integer numbers of units."""
    ratios = values / values.max()
    counts = np.arange(1, max(most, 1) + 1)[:, None]
    errors = np.abs(np.rint(counts * ratios) / counts - ratios).max(axis=1)
    exact = np.flatnonzero(errors < _EXACT_RATIO)
    return int(exact[0]) + 1 if exact.size else int(np.argmin(errors)) + 1


def _resolution(count: int, bias: float, room: int, most: int, top_shift: int) -> tuple[int, int]:
    """By how much to multiply `count` units in the largest weight so that they resolve the bias, which is rounded.

    Args:
        bias: in these units, not negative.
        room: the largest weight that the states allow.
        most: the largest weight without a product shift; with one, of at most `top_shift`, MAX_WEIGHT is.

    Returns:
        The least factor that makes the bias an integer (0 if none does), and the largest power of two.
    """
    factors = np.arange(1, max(min(room, most) // count, 1) + 1)
    integral = np.flatnonzero(np.abs(bias * factors - np.rint(bias * factors)) < _INTEGER_BIAS)
    fine = 1
    while count * fine * 2 <= room and count * fine * 2 <= max(MAX_WEIGHT, (MAX_WEIGHT // count) * count << top_shift):
        fine *= 2
    return int(factors[integral[0]]) if integral.size else 0, fine


def accumulator_scales(
    products: list[Floats], reach: Floats, offset: Floats, limit: int, worst: Floats, most: int = MAX_WEIGHT, *,
    top_shift: int = 0, finest: float = 0.0,
) -> Floats:
    """What one unit of each channel's state means.

    Args:
        products: per branch (D, terms): weight times the step of its source.
        reach: (D), the largest sum to be expected.
        offset: (D), the bias.
        limit: the largest state.
        worst: (D), the largest sum that any input could cause.
        most: the largest integer weight of channels with few different weights.
        top_shift: the largest shift of a branch's products, with which few weights resolve a bias.
        finest: the least unit, as a share of sums and bias, that multiplier and shift requantize well.

    Returns:
        (D), so that integer weights are products / unit: as fine as weights, sums and bias allow.
    """
    stacked = np.concatenate([np.abs(product) for product in products], axis=1)
    largest = stacked.max(axis=1)
    result = np.zeros(len(stacked))
    factors: dict[int, tuple[int, int]] = {}
    seen: dict[bytes, tuple[float, tuple[int, int] | None]] = {}
    for c, top in enumerate(largest):
        if top == 0:
            result[c] = max(abs(offset[c]) / limit * 2, _MIN_SCALE) if offset[c] else 0.0
            continue
        least = abs(offset[c]) * BIAS_MARGIN / limit
        needed = max(reach[c] / limit, least, _TINY)
        distinct = np.unique(np.round(stacked[c][stacked[c] > 0] / top, DISTINCT_DIGITS))
        key = np.array([needed, least, worst[c], *distinct, top, offset[c]]).tobytes()
        if key not in seen:
            coarse = max(needed, worst[c] / limit)
            room = int(min(most, max(top / coarse, 1)))
            count = integer_ratio(distinct, room) if len(distinct) <= _MAX_DISTINCT_EXACT else 1
            rest = float(np.abs(np.rint(count * distinct) / count - distinct).max())
            if len(distinct) <= _MAX_DISTINCT or rest < _EXACT_RATIO:
                coarse = max(coarse, finest * max(reach[c], abs(offset[c])))
                fits = int(min(max(top / coarse, 1), MAX_WEIGHT << _MAX_PRODUCT_SHIFT))
                seen[key] = (float(max(top / count, least)),
                             _resolution(count, abs(offset[c]) * count / top, fits, most, top_shift))
            else:
                seen[key] = float(max(top / MAX_WEIGHT, needed)), None
        result[c], found = seen[key]
        if found:
            factors[c] = found
    resolved = all(factor for factor, _ in factors.values())  # weights of few channels with a shift would cost a branch
    common = min((fine for _, fine in factors.values()), default=1)
    # A pool stays without weights of its own.
    alike = common >= _SHARED_RESOLUTION and bool((stacked == stacked[0]).all())
    for c, (factor, fine) in factors.items():
        result[c] /= factor if resolved else common if alike else fine
    return np.where(result > 0, result, result.max() or 1.0)  # of channels that are always 0 any


def max_split(top_shift: int) -> int:
    """The largest weight of two branches, one of them shifted by at most `top_shift`."""
    return (MAX_WEIGHT << top_shift) + max((1 << top_shift) // 2 - 1, 0)


def split(weights: IntArray, top_shift: int = _MAX_PRODUCT_SHIFT) -> list[tuple[IntArray, int]]:
    """Integer weights as (int8 weights, product shift) whose sum they are: one pair, or two where they exceed int8.

    Raises:
        OverflowError: they exceed two branches, of which one has a shift of at most `top_shift`.
    """
    if weights.size == 0 or (weights.min() >= -MAX_WEIGHT - 1 and weights.max() <= MAX_WEIGHT):
        return [(weights, 0)]
    for shift in range(1, top_shift + 1):
        high = (weights + (1 << (shift - 1))) >> shift
        if high.min() >= -MAX_WEIGHT - 1 and high.max() <= MAX_WEIGHT:
            low = weights - (high << shift)
            return [(high, shift), (low, 0)] if low.any() else [(high, shift)]
    raise OverflowError(f"weights from {weights.min()} to {weights.max()} exceed two branches of int8")


def requantization(
    ratio: Floats, multiplier_bits: int, shift_bits: int, *, reduce: bool = True
) -> tuple[IntArray, IntArray]:
    """Multiplier and shift per channel with multiplier / 2**shift nearest to `ratio`; `reduce` shortens both.

    Raises:
        OverflowError: a ratio beyond the multiplier's range.
    """
    exponent = np.floor(np.log2(ratio)).astype(np.int64)
    shift = np.clip(multiplier_bits - 1 - exponent, 0, (1 << shift_bits) - 1)
    scaled = np.rint(ratio * 2.0**shift)
    if not (scaled < 2.0**62).all():  # nor is NaN; a cast would make some other number of it
        raise OverflowError(f"ratio {ratio.max():.3g} exceeds the multiplier")
    multiplier = scaled.astype(np.int64)
    over = multiplier >> multiplier_bits > 0
    shift, multiplier = shift - over, np.where(over, multiplier >> 1, multiplier)
    if (shift < 0).any() or (multiplier >> multiplier_bits > 0).any():
        raise OverflowError(f"ratio {ratio.max():.3g} exceeds the multiplier")
    while reduce:
        even = (multiplier > 0) & (multiplier % 2 == 0) & (shift > 0)
        if not even.any():
            break
        multiplier, shift = np.where(even, multiplier >> 1, multiplier), shift - even
    return multiplier, shift


def uniform(values: IntArray) -> IntArray:
    """One entry if all are the same."""
    return values[:1] if (values == values[0]).all() else values


def largest(values: Floats) -> Floats:
    """(D): the largest magnitude of each channel of (N, D, W, H)."""
    return np.maximum(values.max(axis=(0, 2, 3)), -values.min(axis=(0, 2, 3)))


def sqnr(signal: Floats, noisy: Array, step: float = 1.0) -> float:
    """Signal-to-quantization-noise ratio in dB of values that mean `step` each; infinite if there is no noise."""
    error = np.asarray(noisy * step, np.float64)
    np.subtract(signal, error, out=error)
    noise = float(np.sum(np.square(error, out=error)))
    power = float(np.sum(np.square(signal, out=error)))
    return float("inf") if noise == 0 else float("-inf") if power == 0 else 10 * float(np.log10(power / noise))
