"""Ranges of functions by definition, against values that are known or computed by hand."""

import math

import numpy as np
import pytest

from synapress.mapper.importers.functions import Formula
from synapress.mapper.quantization.ranges import function_range, reach

NEGATED = Formula("affine", (-1.0, 0.0))
E_X, E_MINUS_X = Formula("exp"), Formula("exp", (), (NEGATED,))
INF = math.inf
SILU = -0.27846454276107  # -W(1/e), Lambert's function
RANGES = {
    "relu": (Formula("relu"), 0, INF),
    "clip": (Formula("clip", (-0.5, 6.0)), -0.5, 6),
    "no upper bound": (Formula("clip", (-0.5, INF)), -0.5, INF),
    "sigmoid": (Formula("sigmoid"), 0, 1),
    "tanh": (Formula("tanh"), -1, 1),
    "hard_sigmoid": (Formula("hard_sigmoid", (0.2, 0.5)), 0, 1),
    "hard_swish": (Formula("hard_swish"), -0.375, INF),
    "silu": (Formula("silu", (1.0,)), SILU, INF),
    "elu": (Formula("elu", (1.5,)), -1.5, INF),
    "selu": (Formula("selu", (1.67326319, 1.05070098)), -1.67326319 * 1.05070098, INF),
    "celu": (Formula("celu", (2.0,)), -2, INF),
    "softplus": (Formula("softplus"), 0, INF),
    "softsign": (Formula("softsign"), -1, 1),
    "erf": (Formula("erf"), -1, 1),
    "thresholded_relu": (Formula("thresholded_relu", (-0.5,)), -0.5, INF),
    "abs": (Formula("abs"), 0, INF),
    "sqrt": (Formula("sqrt"), 0, INF),
    "exp": (Formula("exp"), 0, INF),
    "log": (Formula("log"), -INF, INF),
    "square": (Formula("power", (2.0,)), 0, INF),
    "reciprocal": (Formula("reciprocal"), -INF, INF),
    "pole": (Formula("reciprocal", (), (Formula("affine", (1.0, -math.pi)),)), -INF, INF),
    "affine": (Formula("affine", (2.0, 1.0)), -INF, INF),
    "1 - sigmoid": (Formula("affine", (-1.0, 1.0), (Formula("sigmoid"),)), 0, 1),
    "spelled sigmoid": (Formula("reciprocal", (), (Formula("affine", (1.0, 1.0), (E_MINUS_X,)),)), 0, 1),
    "spelled tanh": (Formula("multiply", (), (
        Formula("add", (), (E_X, Formula("affine", (-1.0, 0.0), (E_MINUS_X,)))),
        Formula("reciprocal", (), (Formula("add", (), (E_X, E_MINUS_X)),)))), -1, 1),
    "spelled softsign": (Formula("multiply", (), (
        None, Formula("reciprocal", (), (Formula("affine", (1.0, 1.0), (Formula("abs"),)),)))), -1, 1),
    "spelled silu": (Formula("multiply", (), (None, Formula("sigmoid"))), SILU, INF),
    "bell": (Formula("exp", (), (Formula("affine", (-1.0, 0.0), (Formula("power", (2.0,)),)),)), 0, 1),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges(name: str) -> None:
    formula, low, high = RANGES[name]
    assert function_range(formula) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("formula", "ends"), [
    (Formula("sigmoid"), (5.5, 6.3)), (Formula("tanh"), (2.7, 3.3)), (Formula("hard_sigmoid", (0.2, 0.5)), (2.4, 2.6)),
    (Formula("clip", (0.0, 6.0)), (5.9, 6.2))])
def test_reach_is_where_a_function_ends(formula: Formula, ends: tuple[float, float]) -> None:
    """A table to there has no error beyond its rounding: within 2 of 255 steps at any argument, also far beyond."""
    found = reach(formula, 255)
    assert ends[0] < found < ends[1]
    x = np.linspace(-50, 50, 20_001)
    low, high = function_range(formula)
    table = formula(np.clip(np.rint(x / found * 255), -256, 255) * found / 255)
    assert np.abs(table - formula(x)).max() <= 2 / 255 * (high - low)
