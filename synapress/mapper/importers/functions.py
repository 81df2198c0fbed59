"""Functions of one element, and formulas of them: what a value table can hold."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from golden.types import Floats
from synapress.mapper.errors import OperatorError

Function = Callable[..., Floats]

MOST_TERMS = 64
"""Functions in one formula: a doubled formula per node would grow without bound."""


_ERF_STEPS = 512
"""Exact values of the error function per unit; Taylor's third order between them is within 1e-12."""
_ERF_END = 6
_ERF_AT = np.arange(-_ERF_END * _ERF_STEPS, _ERF_END * _ERF_STEPS + 1) / _ERF_STEPS
_ERF = np.array([math.erf(x) for x in _ERF_AT])


def _erf(x: Floats) -> Floats:
    """numpy has none, and `math.erf` takes one number at a time."""
    x = np.clip(x, -_ERF_END, _ERF_END)
    index = np.rint(np.nan_to_num(x) * _ERF_STEPS).astype(int) + _ERF_END * _ERF_STEPS
    at = _ERF_AT[index]
    by = x - at
    slope = 2 / np.sqrt(np.pi) * np.exp(-at**2)
    return np.asarray(_ERF[index] + slope * by * (1 - by * (at - by * (2 * at**2 - 1) / 3)))


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _hard_sigmoid(x: Floats, alpha: float, beta: float) -> Floats:
    return np.clip(alpha * x + beta, 0, 1)


def _elu(x: Floats, alpha: float, gamma: float = 1.0, width: float = 1.0) -> Floats:
    return np.asarray(gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / width)))


def _softplus(x: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, x))


FUNCTIONS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0),
    "clip": lambda x, low, high: np.clip(x, low, high),
    "leaky_relu": lambda x, slope: np.where(x < 0, x * slope, x),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "silu": lambda x, alpha=1.0: x * _sigmoid(alpha * x),
    "elu": lambda x, alpha: _elu(x, alpha),
    "selu": lambda x, alpha, gamma: _elu(x, alpha, gamma),
    "celu": lambda x, alpha: _elu(x, alpha, 1.0, alpha),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "thresholded_relu": lambda x, alpha: np.where(x > alpha, x, 0),
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "erf": _erf,
    "power": lambda x, exponent: np.power(x, exponent),
    "reciprocal": lambda x: 1 / x,
    "affine": lambda x, scale, offset: scale * x + offset,
    "add": lambda *values: np.sum(values, axis=0),
    "multiply": lambda first, second: first * second,
}
"""By name: of elements, then the `parameters`. The last three only occur in formulas."""


def register(name: str, function: Function, *, nonnegative: bool = False) -> None:
    """Add a function that a value table can hold.

    Args:
        function: of an array of elements, then of its parameters.
        nonnegative: it has no negative values.

    Raises:
        OperatorError: there is one of that name.
    """
    if name in FUNCTIONS:
        raise OperatorError(f"function '{name}' is registered already; choose another name")
    FUNCTIONS[name] = function
    if nonnegative:
        _NONNEGATIVE.add(name)


WITHOUT_TABLE = ("relu", "clip", "leaky_relu", "affine")
"""What the evaluation, or the sum before it, does by itself."""
_NONNEGATIVE = {"relu", "sigmoid", "hard_sigmoid", "softplus", "abs", "sqrt", "exp"}


@dataclass(frozen=True)
class Formula:
    """A function of the results of others; of the element itself where one of `sources` is None."""

    function: str
    parameters: tuple[float, ...] = ()
    sources: tuple["Formula | None", ...] = (None,)

    def __call__(self, x: Floats) -> Floats:
        """The results for an array; not finite where a function has no finite value."""
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS[self.function](
                *(x if source is None else source(x) for source in self.sources), *self.parameters), np.float64)

    @property
    def terms(self) -> int:
        """How many functions it has."""
        return 1 + sum(source.terms for source in self.sources if source is not None)

    def names(self) -> set[str]:
        """The functions that occur in it."""
        return {self.function}.union(*(source.names() for source in self.sources if source is not None))

    def of(self, inner: "Formula | None") -> "Formula | None":
        """This formula of the results of another; None if that has more than `MOST_TERMS` terms."""
        if inner is None:
            return self
        sources = []
        for source in self.sources:
            made = inner if source is None else source.of(inner)
            if made is None:
                return None
            sources.append(made)
        made = Formula(self.function, self.parameters, tuple(sources))
        return made if made.terms <= MOST_TERMS else None

    def nonnegative(self) -> bool:
        """Whether it can be seen to give no negative value."""
        signs = [source is not None and source.nonnegative() for source in self.sources]
        if self.function in ("clip", "thresholded_relu"):
            return self.parameters[0] >= 0
        if self.function == "affine":
            return signs[0] and min(self.parameters) >= 0
        if self.function == "power":
            return signs[0] or self.parameters[0] % 2 == 0
        if self.function in ("add", "multiply", "leaky_relu", "tanh", "erf", "reciprocal", "softsign"):
            return all(signs)
        return self.function in _NONNEGATIVE
