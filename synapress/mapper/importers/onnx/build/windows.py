"""Kernels and windows that move over a map."""

from typing import Any

import numpy as np

from golden.types import Padding, Pair, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.layouts import canonical
from synapress.mapper.importers.tensor import Tensor


def pair(values: Any, default: int) -> Pair:
    """ONNX's (rows, columns) or (columns) as (x, y)."""
    numbers = [int(value) for value in values] if values is not None else []
    if len(numbers) < 2:
        return (numbers[0] if numbers else default), default
    return numbers[1], numbers[0]


def spatial(context: Context, call: Call, tensor: Tensor) -> tuple[Tensor, int]:
    tensor = canonical(context, call, tensor)
    dims = len(tensor.dims) - 2
    if dims < 1:
        call.refuse("rank", "at least one spatial dimension", tensor.dims, "Unsqueeze the input.")
    return tensor, dims


def pads(call: Call, dims: int, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Left, top, right, bottom from pads or auto_pad."""
    auto = call.attributes.get("auto_pad", b"NOTSET").decode()
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for i in (0, 1):
            total = max(0, (-(-size[i] // stride[i]) - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - size[i])
            small = total // 2
            before.append(small if auto == "SAME_UPPER" else total - small)
            after.append(total - before[-1])
        return before[0], before[1], after[0], after[1]
    pads = call.attributes.get("pads")
    if auto == "VALID" or not pads:
        return 0, 0, 0, 0
    return (*pair(pads[:dims], 0), *pair(pads[dims:], 0))


def result_dims(tensor: Tensor, shape: Shape) -> tuple[int, ...]:
    """Dimensions (N, C, (H,) W) of a new map of canonical layout."""
    spatial = (shape[1],) if len(tensor.dims) == 3 else (shape[2], shape[1])
    return (tensor.dims[0], shape[0], *spatial[:len(tensor.dims) - 2])


def canonical_result(context: Context, tensor: Tensor, node: g.Node) -> Tensor:
    name = context.add(node)
    return Tensor(node=name, dims=result_dims(tensor, context.graph.shape(name)), labels=tensor.labels)


def kernels(call: Call, index: int, dims: int) -> np.ndarray:
    """Constant weights (M, C, (KH,) KW) as (M, C, KW, KH)."""
    weights = np.asarray(call.constant(index), np.float64)
    if weights.ndim != dims + 2:
        call.refuse("weights", f"{dims + 2} dimensions", weights.shape, "Check the model.")
    weights = weights[..., None] if dims == 1 else weights.swapaxes(2, 3)
    return np.ascontiguousarray(weights)


def windows(context: Context, call: Call) -> tuple[Tensor, Pair, Pair, Pair, Padding, Pair, Padding]:
    """Tensor, kernel, stride, dilation, padding, size of the result, padding with what ceil_mode adds."""
    tensor, dims = spatial(context, call, call.tensor())
    _, width, height = context.graph.shape(tensor.node)
    kernel = pair(call.attributes.get("kernel_shape"), 1)
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    padding = pads(call, dims, (width, height), kernel, stride, dilation)
    size, after = [], []
    for i, length in enumerate((width, height)):
        span = length + padding[i] + padding[i + 2] - (kernel[i] - 1) * dilation[i] - 1
        count = (-(-span // stride[i]) if call.attributes.get("ceil_mode") else span // stride[i]) + 1
        if call.attributes.get("ceil_mode") and (count - 1) * stride[i] >= length + padding[i]:
            count -= 1  # a window must not start in the padding behind the map
        size.append(count)
        after.append((count - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - length - padding[i])
    if min(size) < 1:
        call.refuse("size", "a window that fits the map", f"kernel {kernel} on {width} × {height}", "Check the model.")
    return tensor, kernel, stride, dilation, padding, (size[0], size[1]), (*padding[:2], after[0], after[1])
