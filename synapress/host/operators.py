"""Operators that onnx's reference evaluator computes otherwise than the standard says, or not at all."""

from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from golden.types import Array
from synapress.host.layers import layers

RANDOM = frozenset(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
                    "Bernoulli"))
ONE_AXIS = 13
"""Since this opset softmax is along one axis; before it, over all axes from `axis` on."""


class _AlongAxis(OpRun):
    """Of softmax and what is like it."""

    def _lines(self, x: Array) -> Array:
        """The array with what belongs together last."""
        one = self.run_params["opsets"].get("", ONE_AXIS) >= ONE_AXIS
        axis = next((a.i for a in self.onnx_node.attribute if a.name == "axis"), -1 if one else 1)
        if one:
            return np.moveaxis(x, axis, -1)
        return x.reshape(int(np.prod(x.shape[:axis + x.ndim if axis < 0 else axis])), -1)

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        del axis
        result = np.empty(x.shape, x.dtype)  # in rows, so that its lines are a view
        lines = self._lines(result)
        lines[...] = self._of(self._lines(x))
        return (result,)

    def _of(self, lines: Array) -> Array:
        raise NotImplementedError


class Softmax(_AlongAxis):
    def _of(self, lines: Array) -> Array:
        raised = np.exp(lines - lines.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


class LogSoftmax(_AlongAxis):
    def _of(self, lines: Array) -> Array:
        below = lines - lines.max(axis=-1, keepdims=True)
        return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)))


class Hardmax(_AlongAxis):
    def _of(self, lines: Array) -> Array:
        return np.arange(lines.shape[-1]) == lines.argmax(axis=-1, keepdims=True)


class LpNormalization(OpRun):
    """The evaluator's norm of order 1 adds numbers with their signs."""

    def _run(self, x: Array, **_: Any) -> tuple[Array]:
        known = {a.name: a.i for a in self.onnx_node.attribute}
        axis = known.get("axis", -1)
        norm = np.linalg.norm(np.moveaxis(x, axis, -1), known.get("p", 2), axis=-1)
        norm = np.expand_dims(norm, axis)
        return (np.divide(x, norm, out=np.zeros(x.shape, x.dtype), where=norm != 0, casting="same_kind"),)


def _along(factors: Array, x: Array, axis: int) -> Array:
    """Scales or zero points, one or one for each index of an axis, against an array."""
    factors = np.asarray(factors)
    if factors.size == 1:
        return factors.reshape(())
    shape = [1] * x.ndim
    shape[axis] = -1
    return factors.reshape(shape)


def dequantized(x: Array, scale: Array, zero_point: Array | None, axis: int = 1) -> Array:
    """Real values of integers."""
    zero = np.zeros((), np.int32) if zero_point is None else _along(zero_point, x, axis).astype(np.int32)
    return np.asarray((x.astype(np.int32) - zero) * _along(scale, x, axis), np.asarray(scale).dtype)


class DequantizeLinear(OpRun):
    """Of opsets before 19, which the evaluator has not."""

    def _run(self, x: Array, scale: Array, zero_point: Array | None = None, **_: Any) -> tuple[Array]:
        axis = next((a.i for a in self.onnx_node.attribute if a.name == "axis"), 1)
        return (dequantized(x, scale, zero_point, axis),)


class QLinearSoftmax(Softmax):
    """onnxruntime's: the softmax of integers, as integers."""

    op_domain = "com.microsoft"

    def _lines(self, x: Array) -> Array:
        known = {a.name: a.i for a in self.onnx_node.attribute}
        axis, one = known.get("axis", -1), known.get("opset", ONE_AXIS) >= ONE_AXIS
        if one:
            return np.moveaxis(x, axis, -1)
        return x.reshape(int(np.prod(x.shape[:axis + x.ndim if axis < 0 else axis])), -1)

    def _run(  # type: ignore[override]
        self, x: Array, scale: Array, zero_point: Array | None, to_scale: Array, to_zero: Array | None = None,
        **_: Any,
    ) -> tuple[Array]:
        (real,) = super()._run(dequantized(x, scale, zero_point))
        kind = x.dtype if to_zero is None else np.asarray(to_zero).dtype
        whole = np.rint(real / to_scale) + (0 if to_zero is None else np.asarray(to_zero).astype(np.float32))
        limits = np.iinfo(kind)
        return (np.clip(whole, limits.min, limits.max).astype(kind),)


def evaluator(model: onnx.ModelProto, *more: type[OpRun]) -> ReferenceEvaluator:
    """onnx's evaluator with these operators, and more.

    Raises:
        Exception: of any kind, for what it cannot compute.
    """
    own: list[type[OpRun]] = [Softmax, LogSoftmax, Hardmax, LpNormalization, QLinearSoftmax, *layers(model), *more]
    if next((item.version for item in model.opset_import if not item.domain), ONE_AXIS) < 19:
        own.append(DequantizeLinear)
    return ReferenceEvaluator(model, new_ops=own)
