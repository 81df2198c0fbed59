"""Ranges of feature maps that follow from definitions: a sigmoid lies within [0, 1], whatever the calibration saw."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from golden.types import Floats, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.functions import Formula
from synapress.mapper.lowering.layers import FloatLayer, gathers

Range = tuple[float, float]
UNKNOWN: Range = (-np.inf, np.inf)

_NEAR, _FAR = 1e6, 1e9
"""A function that still grows between these arguments has no bound. They are far beyond where the functions of ONNX
saturate; a logarithm grows by half between them."""
_GROWTH = 0.01
"""Growth, as a share of the value, that counts as no bound: far more than rounding, far less than a logarithm's."""
_BOUND_DIGITS = 7
"""Digits to which a bound is rounded, so that the limit of a function is its bound."""
_REFINEMENTS = 2
"""An extreme is looked for between its neighbors so many times; where it still grows, there is a pole."""
_REFINED_POINTS = 2001
"""Points between the neighbors: each refinement makes the distance 1000 times smaller."""
_CURVED = 32
"""Arguments up to here are `_CURVED_POINTS` at equal distances (1/128): there the usual functions have their bends."""
_CURVED_POINTS = 4097
_GEOMETRIC_POINTS = 3000
"""Arguments from 1 / `_FAR` to `_FAR`, at equal ratios of 1.4 %, for bends elsewhere and for poles near 0."""


def _arguments() -> Floats:
    positive = np.concatenate([
        np.linspace(0, _CURVED, _CURVED_POINTS), np.geomspace(1 / _FAR, _FAR, _GEOMETRIC_POINTS)])
    return np.unique(np.concatenate([-positive, positive]))


_ARGUMENTS = _arguments()
_TABLE_ENDS = np.geomspace(1e-3, 1e6, 600)
"""Ends tried for the arguments of a value table, at equal ratios of 3.5 %: finer ones change the error by less."""


def formula_of(activation: g.Activation) -> Formula | None:
    """An activation as a formula; None if it differs from channel to channel."""
    if activation.slope is not None:
        return None
    return activation.formula or Formula(activation.function, activation.parameters)


@cache
def function_range(formula: Formula) -> Range:
    """The least and the largest value of a function over all arguments; infinite where there is no bound.

    The function is evaluated on a grid, so that any formula has a range, also one that a file spells out.
    """
    return 0.0 - _supremum(formula, -1), _supremum(formula, 1)


def _supremum(formula: Formula, sign: int) -> float:
    """The supremum of sign · formula."""
    def finite(x: Floats) -> Floats:
        values = sign * formula(x)
        return np.where(np.isfinite(values), values, -np.inf)

    values = finite(_ARGUMENTS)
    best = float(values.max())
    near = float(values[np.abs(_ARGUMENTS) <= _NEAR].max())
    if not np.isfinite(near) or best > _FAR or best - near > _GROWTH * max(abs(near), abs(best)):
        return np.inf
    at = int(np.argmax(values))
    ends = _ARGUMENTS[max(at - 1, 0)], _ARGUMENTS[min(at + 1, len(_ARGUMENTS) - 1)]
    for number in range(_REFINEMENTS):
        x = np.linspace(*ends, _REFINED_POINTS)
        values = finite(x)
        found = float(values.max())
        if number == _REFINEMENTS - 1 and found - best > _GROWTH * abs(best):
            return np.inf
        best = max(best, found)
        at = int(np.argmax(values))
        ends = x[max(at - 1, 0)], x[min(at + 1, len(x) - 1)]
    return float(f"{best:.{_BOUND_DIGITS}g}") + 0.0


@cache
def reach(formula: Formula, top: int) -> float:
    """The end X of a table's arguments [-X, X], with `top` steps to X, that makes the largest error least.

    Within, an argument is rounded to a step; beyond, the value of the nearer end stands. For functions with two bounds.
    """
    x = _ARGUMENTS[np.isfinite(formula(_ARGUMENTS))]
    positive, negative = x[x > 0], -x[x < 0][::-1]
    error = np.zeros(len(_TABLE_ENDS))
    for sign, magnitudes in ((1, positive), (-1, negative)):
        if len(magnitudes) < 2:
            continue
        values = formula(sign * magnitudes)
        highest, lowest = (np.asarray(ends)[::-1] for ends in (
            np.maximum.accumulate(values[::-1]), np.minimum.accumulate(values[::-1])))
        steepest = np.maximum.accumulate(np.abs(np.diff(values) / np.diff(magnitudes)))
        at = np.clip(np.searchsorted(magnitudes, _TABLE_ENDS), 0, len(magnitudes) - 1)
        end = formula(sign * _TABLE_ENDS)
        beyond = np.maximum(highest[at] - end, end - lowest[at])
        rounding = steepest[np.minimum(at, len(steepest) - 1)] * _TABLE_ENDS / (2 * top)
        error = np.maximum(error, np.maximum(beyond, rounding))
    chosen = int(np.argmin(np.where(np.isfinite(error), error, np.inf)))
    return float(_TABLE_ENDS[chosen])


def elementwise(layer: FloatLayer) -> bool:
    """Whether each sum is one of single values of the sources, at the same place."""
    depth = layer.shape[0]
    return layer.kind == "sum" and layer.neuron is None and all(
        branch.groups == depth and branch.weights.shape == (depth, 1, 1, 1) and branch.padding == (0, 0)
        and branch.stride == (1, 1) and branch.upsample == 1 for branch in layer.branches)


def passes(layer: FloatLayer, shapes: Mapping[str, Shape]) -> bool:
    """Whether the values of a layer reach all of the range that follows from those of its sources.

    Averages do not: they lie in the middle of it.
    """
    plain = layer.activation is None and layer.quantize is None and layer.neuron is None
    return copies(layer, shapes) or (plain and (layer.kind == "product" or elementwise(layer)))


def copies(layer: FloatLayer, shapes: Mapping[str, Shape]) -> bool:
    """Whether each value of a layer is one of a source's, so that a source that clips clips the layer."""
    plain = layer.activation is None and layer.quantize is None and layer.neuron is None
    return plain and (layer.kind == "max" or layer.interpolated or (
        layer.kind == "sum" and gathers(layer, shapes)))


def own_range(layer: FloatLayer) -> Range:
    """The range that a layer's own function, neurons or quantization of the file give it."""
    if layer.quantize is not None:
        node = layer.quantize
        return (node.low - node.zero_point) * node.scale, (node.high - node.zero_point) * node.scale
    if layer.neuron is not None:
        return 0.0, 1.0
    formula = None if layer.activation is None else formula_of(layer.activation)
    return UNKNOWN if formula is None else function_range(formula)


def passed_range(layer: FloatLayer, sources: Mapping[str, Range]) -> Range:
    """The range of a layer that `passes` those of its sources on."""
    given = [sources[branch.source] for branch in layer.branches]
    if layer.kind == "max":
        return given[0]
    if layer.kind == "product":
        ends = [_times(a, b) for a in given[0] for b in given[1]]
        return min(ends), max(ends)
    if not elementwise(layer):  # copied, or between copies, or 0
        return min(0.0, *(low for low, _ in given)), max(0.0, *(high for _, high in given))
    low, high = np.array(layer.bias, np.float64), np.array(layer.bias, np.float64)
    for branch, span in zip(layer.branches, given, strict=True):
        both = np.array([[_times(end, float(weight)) for weight in branch.weights.reshape(-1)] for end in span])
        low, high = low + both.min(axis=0), high + both.max(axis=0)
    return float(low.min()), float(high.max())


def _times(a: float, b: float) -> float:
    """A product of ends of ranges: of 0 and no bound, 0."""
    return 0.0 if 0 in (a, b) else a * b
