"""Layers with weights that onnx's reference evaluator computes otherwise than the standard says, or not at all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference.op_run import OpRun

from golden.types import Array


class BatchNormalization(OpRun):
    """Of opsets before 14: the evaluator takes the statistics of the batch, as in training."""

    def _run(self, x: Array, scale: Array, offset: Array, mean: Array, variance: Array, **_: Any) -> tuple[Array]:
        epsilon = next((a.f for a in self.onnx_node.attribute if a.name == "epsilon"), 1e-5)
        shape = (-1, *(1,) * (x.ndim - 2))
        factor = scale / np.sqrt(variance + epsilon)
        return (np.asarray(x * factor.reshape(shape) + (offset - mean * factor).reshape(shape), x.dtype),)


class ConvTranspose(OpRun):
    """The evaluator has no groups, and no output_shape."""

    def _run(self, x: Array, w: Array, b: Array | None = None, **_: Any) -> tuple[Array]:
        given = {a.name: helper.get_attribute_value(a) for a in self.onnx_node.attribute}
        sizes, kernel = x.shape[2:], w.shape[2:]
        rank, groups = len(sizes), given.get("group", 1)
        strides, dilations = given.get("strides", [1] * rank), given.get("dilations", [1] * rank)
        more = given.get("output_padding", [0] * rank)
        whole = [strides[i] * (sizes[i] - 1) + dilations[i] * (kernel[i] - 1) + 1 + more[i] for i in range(rank)]
        total = np.zeros((groups, x.shape[0], w.shape[1], *whole), x.dtype)
        parts = np.moveaxis(x.reshape(x.shape[0], groups, -1, *sizes), 1, 0)
        weights = w.reshape(groups, -1, *w.shape[1:])
        for tap in np.ndindex(*kernel):
            at = (slice(None),) * 3 + tuple(
                slice(dilations[i] * tap[i], dilations[i] * tap[i] + strides[i] * (sizes[i] - 1) + 1, strides[i])
                for i in range(rank))
            total[at] += np.einsum("gnc...,gcm->gnm...", parts, weights[(..., *tap)])
        joined = np.moveaxis(total, 0, 1).reshape(x.shape[0], -1, *total.shape[3:])
        before, after = self._pads(given, sizes, strides, whole)
        result = joined[(slice(None),) * 2 + tuple(slice(before[i], whole[i] - after[i]) for i in range(rank))]
        return (result if b is None else np.asarray(result + b.reshape(-1, *(1,) * rank), x.dtype),)

    @staticmethod
    def _pads(given: dict[str, Any], sizes: Sequence[int], strides: Sequence[int], whole: Sequence[int]
              ) -> tuple[list[int], list[int]]:
        """What is cut off at the beginnings and ends."""
        rank, how = len(sizes), given.get("auto_pad", b"NOTSET").decode()
        wanted = given.get("output_shape", [])
        if how.startswith("SAME") and not wanted:
            wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
        if not wanted:
            pads = [0] * 2 * rank if how == "VALID" else given.get("pads", [0] * 2 * rank)
            return pads[:rank], pads[rank:]
        surplus = [size - goal for size, goal in zip(whole, wanted[-rank:], strict=True)]
        if min(surplus) < 0 and given.get("output_shape"):
            raise ValueError(f"ConvTranspose has an output_shape of {wanted}, which its windows do not reach")
        halves = [max(each, 0) // 2 for each in surplus]
        others = [max(each, 0) - half for each, half in zip(surplus, halves, strict=True)]
        return (halves, others) if how == "SAME_UPPER" else (others, halves)


def layers(model: onnx.ModelProto) -> list[type[OpRun]]:
    """Those for a model."""
    version = next((item.version for item in model.opset_import if not item.domain), onnx.defs.onnx_opset_version())
    return [ConvTranspose, *([BatchNormalization] if version < 14 else [])]
