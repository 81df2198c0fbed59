"""Evaluation of a quantized layer, from sum to value: multiplier and shift, saturation, slope or value table."""

from dataclasses import replace
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.neuron.requantize import evaluate
from golden.types import Floats, IntArray
from golden.words import Saturation, layouts
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.reference import activate
from synapress.mapper.lowering.layers import FloatLayer
from synapress.mapper.network.layer import Evaluation
from synapress.mapper.network.value_tables import value_table
from synapress.mapper.quantization.ranges import Range
from synapress.mapper.quantization.scales import (
    Scale,
    Span,
    requantization,
    saturation_of,
    scale_for,
    uniform,
)

_INDEX_RANGES = (1.0, 0.85, 0.7, 0.55, 0.42, 0.32, 0.24, 0.17, 0.12, 0.08)
"""Ranges tried for the index of a value table, as shares of the largest sum; the least mean square error decides.

From 1, where no sum is clipped, in steps of 15 % to 33 %. More candidates would gain little: the error is flat
near its least.
"""
_LARGEST_INDEX = 1 << 40
"""Largest table index at which clipping is looked for: a 32-bit sum whose unit is 512 steps of the index."""
_INDICES_BEYOND = 2000
"""Indices checked for clipping on each side beyond a table. They are about 1 % apart from the end of a table on."""
_END_TOLERANCE = 1.5
"""Steps by which the end of a table may differ from the function beyond it and not count as clipping.

Half a step is the rounding of the entry; one more step is not worth a report.
"""
_SAMPLED_SUMS = 20_000
"""Sums of the calibration, at even distances, that choose a table's step. Bounds the time, not the accuracy."""
_CLIP_IN_USE = 0.75
"""Share of a clip's upper bound that sums must reach for the bound to set the scale. Below, finer steps are better."""
_MAX_BOUND_STEPS = 1e9
"""Steps that stand for a bound without limit: beyond any value, and within int64."""
_TINY = 1e-30
"""Stands for 0 in a divisor. Any value below all real sums and slopes works."""
_MIN_SUM = 1e-12
"""Least range of a table's index, for sums that are almost 0. Any value below all real sums works."""


def evaluation(
    activation: g.Activation | None, scale: Scale, given: bool, *, states: IntArray, bias: Floats,
    accumulator_scale: Floats, config: CoreConfig, reach: float = 0.0,
) -> tuple[Evaluation, Scale, IntArray, IntArray]:
    """The parameters of a layer, its final scale, its integer bias, and its integers for `states`.

    Args:
        activation: applied to the sum, or None.
        scale: of the result; `given`: by the file, which must not be changed.
        states: (N, D, W, H), of the calibration.
        bias: (D), in units of the states.
        accumulator_scale: (D), what a state of 1 means.
        reach: the largest sum that the index of a table covers at least, whatever the calibration saw.
    """
    function = activation.function if activation else None
    offsets = np.rint(bias).astype(np.int64)
    keywords: dict[str, Any]
    if function in (None, "relu", "clip"):
        scale = scale if given else _clip_scale(activation, scale, states, accumulator_scale, config)
        low, high = _bounds(activation, scale)
        mode = saturation_of(low, high, config.value_bits)
        keywords = _ratio(accumulator_scale / scale.step, config)
        scale = Scale(step=scale.step, low=low, high=high, saturation=mode if mode is not None else (
            Saturation.RELU if low >= 0 else Saturation.FULL))
        if mode is None:
            keywords["table"] = value_table(lambda x: np.clip(x, low, high), scale=1.0, result_scale=1.0,
                                            value_bits=config.value_bits)
        else:
            keywords["saturation"] = mode
    elif function == "leaky_relu" and not _prefers_table(
            activation, states + offsets[:, None, None], accumulator_scale, config):
        assert activation is not None and activation.slope is not None
        ratio = accumulator_scale / scale.step
        _, shift = requantization(ratio, config.multiplier_bits, config.shift_bits, reduce=False)
        field = layouts(config).parameter.field("slope")
        steep = np.maximum(ratio * np.abs(activation.slope), _TINY)
        shift = np.clip(np.floor(np.log2(field.high / steep)).astype(np.int64), 0, shift)
        keywords = {"multiplier": uniform(np.rint(ratio * 2.0**shift).astype(np.int64)), "shift": uniform(shift),
                    "slope": uniform(np.rint(ratio * activation.slope * 2.0**shift).astype(np.int64)),
                    "saturation": scale.saturation}
        if saturation_of(scale.low, scale.high, config.value_bits) is None:
            del keywords["saturation"]
            low, high = scale.low, scale.high
            keywords["table"] = value_table(lambda x: np.clip(x, low, high), scale=1.0, result_scale=1.0,
                                            value_bits=config.value_bits)
    else:
        assert activation is not None
        step = max(_index_step(activation, states + offsets[:, None, None], accumulator_scale, config),
                   reach / ((1 << (config.value_bits - 1)) - 1))
        keywords = _ratio(accumulator_scale / step, config)
        real = (states + offsets[:, None, None]) * accumulator_scale[:, None, None]
        median = float(np.median(real.reshape(-1)[::max(1, real.size // _SAMPLED_SUMS)]))
        chosen = activation if given else _threshold_after_step(activation, step)
        keywords["table"] = value_table(
            lambda x: _table_entries(chosen, x, median), scale=step, result_scale=scale.step,
            value_bits=config.value_bits, low=scale.low, high=scale.high)
    values = _values(states, offsets, keywords, config)
    return Evaluation(**keywords), scale, uniform(offsets), values  # type: ignore[typeddict-item]


def clipped(
    activation: g.Activation | None, known: Range, scale: Scale, parameters: Evaluation, accumulator_scale: Floats,
    config: CoreConfig,
) -> list[Span]:
    """Which values a layer's range clips, as spans of the integers before saturation or table; ascending.

    A bound of the layer's own function does not count: values that a ReLU sets to 0 are not clipped.

    Args:
        known: the range of the layer by definition (`synapress.mapper.quantization.ranges`).
        scale: of the result; `parameters`: of the layer, both as `evaluation` gives them.
    """
    direct = activation is None or (activation.function in ("relu", "clip", "leaky_relu") and (
        "slope" in parameters or activation.slope is None))
    if direct:
        low = scale.low < 0 and known[0] < (scale.low - 0.5) * scale.step
        high = known[1] > (scale.high + 0.5) * scale.step
        return [(None, scale.low - 1)] * low + [(scale.high + 1, None)] * high
    assert activation is not None
    ends = Saturation.bounds(Saturation.TABLE, config.value_bits)
    inside = np.arange(ends[0], ends[1] + 1)
    beyond = np.unique(np.geomspace(ends[1] + 1, _LARGEST_INDEX, _INDICES_BEYOND).astype(np.int64))
    index = np.concatenate([-beyond[::-1] - 1, inside, beyond])  # one less below, as -256 is inside
    shift, multiplier = (int(np.ravel(parameters[name])[0]) for name in ("shift", "multiplier"))
    step = float(accumulator_scale[0]) * 2.0**shift / multiplier
    with np.errstate(over="ignore"):
        exact = _apply(activation, index * step) / scale.step
    entries = np.asarray(parameters["table"])[np.clip(index, *ends) - ends[0]]
    within = (index >= ends[0]) & (index <= ends[1])
    wrong = ~np.isnan(exact) & np.where(
        within, (exact < scale.low - 0.5) | (exact > scale.high + 0.5), np.abs(exact - entries) > _END_TOLERANCE)
    starts = np.flatnonzero(wrong & ~np.concatenate([[False], wrong[:-1]]))
    stops = np.flatnonzero(wrong & ~np.concatenate([wrong[1:], [False]]))
    return [(None if first == 0 else int(index[first]), None if last == len(index) - 1 else int(index[last]))
            for first, last in zip(starts, stops, strict=True)]


def _values(states: IntArray, offsets: IntArray, keywords: dict[str, Any], config: CoreConfig) -> IntArray:
    per_channel = {name: np.broadcast_to(keywords[name], offsets.shape)[:, None, None]
                   for name in ("multiplier", "shift", "slope") if name in keywords}
    slope = per_channel.get("slope", 0)
    values: IntArray = np.empty(states.shape, np.int32)
    for frame, result in zip(states, values, strict=True):  # the evaluation holds several maps
        result[...] = evaluate(
            frame.astype(np.int64), offsets[:, None, None], per_channel["multiplier"], per_channel["shift"],
            keywords.get("saturation", Saturation.TABLE), config, leaky=int("slope" in keywords), slope=slope,
            table=keywords.get("table"))
    return values


def _ratio(ratio: Floats, config: CoreConfig) -> dict[str, Any]:
    multiplier, shift = requantization(ratio, config.multiplier_bits, config.shift_bits)
    return {"multiplier": uniform(multiplier), "shift": uniform(shift)}


def _clip_scale(
    activation: g.Activation | None, scale: Scale, states: IntArray, accumulator_scale: Floats, config: CoreConfig
) -> Scale:
    """Where a clip's upper bound is in use, let it be the last step."""
    if activation is None or activation.function != "clip":
        return scale
    low, high = activation.parameters
    if low < 0 or not np.isfinite(high) or high <= 0 or (
            float((states * accumulator_scale[:, None, None]).max(initial=0)) < _CLIP_IN_USE * high):
        return scale
    return scale_for(0.0, high, scale.high, Saturation.RELU, config.value_bits)


def _bounds(activation: g.Activation | None, scale: Scale) -> tuple[int, int]:
    """The integers that a result is clipped to."""
    low, high = scale.low, scale.high
    if activation is None:
        return low, high
    bounds = (0.0, np.inf) if activation.function == "relu" else activation.parameters
    ends = [int(np.rint(np.clip(bound / scale.step, -_MAX_BOUND_STEPS, _MAX_BOUND_STEPS))) for bound in bounds]
    low, high = min(max(low, ends[0]), high), max(min(high, ends[1]), low)
    return min(low, high), high


def splits_leaky_relu(
    layer: FloatLayer, states: IntArray, offsets: IntArray, accumulator_scale: Floats, config: CoreConfig
) -> bool:
    """Whether a leaky ReLU is better off as relu(x) - relu(-slope · x), as the slope field is narrow.

    Args:
        states: (N, D, W, H), to which the bias `offsets` (D) comes.
        accumulator_scale: (D), what a state of 1 means.
    """
    if layer.activation is None or layer.activation.function != "leaky_relu":
        return False
    states = states + offsets[:, None, None]
    narrow = layouts(config).parameter.field("slope").bits < (
        config.multiplier_bits if layer.quantize is not None else config.value_bits)
    return narrow and not _table_is_exact(layer.activation, states, accumulator_scale, config) and (
        layer.quantize is not None or not _prefers_table(layer.activation, states, accumulator_scale, config))


def _table_is_exact(activation: g.Activation, states: IntArray, accumulator_scale: Floats, config: CoreConfig) -> bool:
    """Whether a table has an entry for each state, the same for all channels."""
    assert activation.slope is not None
    return (int(np.abs(states).max()) < 1 << (config.value_bits - 1)
            and bool((accumulator_scale == accumulator_scale[0]).all())
            and bool((activation.slope == activation.slope[0]).all()))


def _prefers_table(
    activation: g.Activation | None, states: IntArray, accumulator_scale: Floats, config: CoreConfig
) -> bool:
    """Whether a leaky ReLU with one slope is better off as a table: exact on integers, or the slope field is narrow."""
    assert activation is not None and activation.slope is not None
    if (activation.slope != activation.slope[0]).any():
        return False
    return _table_is_exact(activation, states, accumulator_scale, config) or (
        layouts(config).parameter.field("slope").bits < config.value_bits)


def _apply(activation: g.Activation, x: Floats) -> Floats:
    return activate(activation, x.reshape(1, 1, -1, 1)).reshape(-1)


def _table_entries(activation: g.Activation, x: Floats, median: float) -> Floats:
    """The function of ascending `x`.

    Where it has no finite value, the nearest one; of two, that nearer to `median`, the median of the sums.
    """
    values = _apply(activation, x)
    finite, gaps = np.flatnonzero(np.isfinite(values)), np.flatnonzero(~np.isfinite(values))
    nearer = np.abs(x[finite] - median) / (2 * float(np.abs(x[finite] - median).max(initial=_TINY)))
    for gap in gaps:
        values[gap] = values[finite[np.argmin(np.abs(finite - gap) + nearer)]]
    return values


def _threshold_after_step(activation: g.Activation, step: float) -> g.Activation:
    """A threshold at the upper end of its index: a sum that equals it is not above it, however it is rounded."""
    if activation.function != "thresholded_relu":
        return activation
    return replace(activation, parameters=(activation.parameters[0] + 0.5 * step,))


def _index_step(activation: g.Activation, states: IntArray, accumulator_scale: Floats, config: CoreConfig) -> float:
    """What one step of a table's index means: exactly a state where that fits, else with the least error."""
    top = (1 << (config.value_bits - 1)) - 1
    least = float(accumulator_scale.max()) / ((1 << config.multiplier_bits) - 1)
    reach = int(np.abs(states).max())
    if reach <= top and (accumulator_scale == accumulator_scale[0]).all():
        return float(accumulator_scale[0])
    real = states * accumulator_scale[:, None, None]
    if not real.any():  # whatever the calibration says, it is not a range
        return float(accumulator_scale.max())
    sample = real.reshape(-1)[::max(1, real.size // _SAMPLED_SUMS)]
    exact, median = _apply(activation, sample), float(np.median(sample))
    largest = max(float(np.abs(real).max()), _MIN_SUM)
    finite = np.isfinite(exact)  # rounded sums may lie where the function has no value, though the exact ones do not
    sample, exact = sample[finite], exact[finite]

    def error(share: float) -> float:
        step = largest * share / top
        table = _table_entries(activation, np.arange(-top - 1, top + 1) * step, median)
        return float(np.mean((table[np.clip(np.rint(sample / step), -top - 1, top).astype(int) + top + 1] - exact)**2))

    return max(largest * min(_INDEX_RANGES, key=error) / top, least)
