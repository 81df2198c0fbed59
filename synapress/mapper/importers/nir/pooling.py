"""Nodes of NIR as the operators of ONNX that compute the same; pools."""

from typing import Any

import numpy as np

from synapress.mapper.errors import ModelError
from synapress.mapper.importers.onnx.context import Call, Context, Value
from synapress.mapper.importers.onnx.registry import apply_to_map
from synapress.mapper.importers.tensor import Tensor


def onnx_operator(context: Context, name: str, kind: str, operator: str, inputs: list[Value],
                  **attributes: Any) -> Tensor:
    """What ONNX's `operator` makes of inputs, for a node of some kind."""
    call = Call(name=name, op=kind, inputs=inputs, attributes=attributes, version=17, outputs=[name])
    return apply_to_map(context, call, operator)


def repeated(value: Any, count: int) -> list[int]:
    return [int(number) for number in np.broadcast_to(np.asarray(value), (count,))]


def pool(context: Context, name: str, node: Any, value: Tensor) -> Value:
    size = repeated(node.kernel_size, 2)
    pooled = onnx_operator(
        context, name, type(node).__name__, "AveragePool", [value], kernel_shape=size, count_include_pad=1,
        strides=repeated(node.stride, 2), pads=_padding(name, node, value, size))
    if type(node).__name__ == "AvgPool2d":
        return pooled
    return onnx_operator(context, f"{name}/area", "SumPool2d", "Mul", [pooled, np.full(1, float(size[0] * size[1]))])


def _padding(name: str, node: Any, value: Tensor, size: list[int]) -> list[int]:
    """Top, left, bottom, right; of "same" the larger half is behind, as in all frameworks that pool so."""
    if not isinstance(node.padding, str):
        return repeated(node.padding, 2) * 2
    more = [max(0, (-(-length // step) - 1) * step + window - length) if node.padding == "same" else 0
            for length, window, step in zip(value.dims[-2:], size, repeated(node.stride, 2), strict=True)]
    if any(more) and type(node).__name__ == "AvgPool2d":
        raise ModelError(name, "padding", "numbers, or 'same' that adds nothing", f"'same', which adds {more}",
                         "Frameworks differ in whether it counts: give the padding in numbers, which does.")
    return [total // 2 for total in more] + [-(-total // 2) for total in more]
