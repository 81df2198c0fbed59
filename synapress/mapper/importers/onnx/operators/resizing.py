"""Resizing: a matrix per axis."""

import math
from dataclasses import replace

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import resize_matrix
from synapress.mapper.importers.onnx.build.elements import add_values, affine
from synapress.mapper.importers.onnx.build.matrices import RESIZED_ELEMENTS, contract
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.integers import Kept, rounded
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Quantization, Tensor


def _of_integers(context: Context, call: Call) -> Tensor:
    """Resizing of integers, which drops fractions as a cast does (so does onnxruntime; ONNX leaves it open).

    Cut off towards 0 = floor(max(x, 0)) - floor(max(-x, 0)).
    """
    integers, mode = call.integers, call.attributes.get("mode", b"nearest").decode()
    assert integers is not None
    if mode == "nearest":
        return resize(context, call)
    transformation = call.attributes.get("coordinate_transformation_mode", b"").decode()
    if mode == "cubic" or transformation == "tf_crop_and_resize":
        call.refuse("mode", "nearest or linear, and no crop, for integers", f"{mode} {transformation}",
                    "Dequantize before it.")
    scale, zero = integers.scale, integers.zero_point
    source = call.tensor()

    def floor(sign: int, name: str, counted: Quantization) -> Tensor:
        """floor(sign · x), of integers x; clipped."""
        tensor = resize(context, replace(call, name=f"{call.name}/{name}" if name else call.name))
        node = context.graph.nodes[tensor.node]
        if tensor.node == source.node or not isinstance(node, g.Resample):
            return tensor
        moved = affine(context, call, tensor, sign, (sign * zero - counted.zero_point) * scale)
        return rounded(context, call, moved, counted, down=True)

    if integers.low >= 0:
        return replace(floor(1, "", integers), integers=None)
    up = floor(1, "positive", Quantization(scale=scale, zero_point=0, low=0, high=integers.high))
    if up.node == source.node:
        return up
    down = floor(-1, "negative", Quantization(scale=scale, zero_point=0, low=0, high=-integers.low))
    return add_values(context, call, [replace(up, integers=None), replace(down, integers=None),
                                     np.array(-zero * scale)], [1.0, -1.0, 1.0])


@operator("Resize", opsets=(10, 19), integers=Kept(_of_integers))
@operator("Upsample", opsets=(1, 10), integers=Kept(_of_integers))
def resize(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    old = call.op == "Upsample" or call.version < 11
    roi = None if old else call.constant(1)
    scales = call.constant(1 if old else 2)
    if scales is None and "scales" in call.attributes:
        scales = np.array(call.attributes["scales"])
    sizes = None if old else call.constant(3)
    mode = call.attributes.get("mode", b"nearest").decode()
    mode = "linear" if mode in ("bilinear", "linear") else mode
    rank = len(tensor.dims)
    axes = [int(axis) % rank for axis in call.attributes.get("axes", range(rank))]
    factor, target = np.ones(rank), list(tensor.dims)
    if sizes is not None and np.size(sizes):
        factor, target = _sizes(call, tensor, axes, np.asarray(sizes).reshape(-1))
    else:
        for axis, scale in zip(axes, np.asarray(scales, np.float64).reshape(-1), strict=True):
            factor[axis], target[axis] = scale, int(np.floor(tensor.dims[axis] * scale + 1e-9))
    transformation = call.attributes.get("coordinate_transformation_mode",
                                         b"asymmetric" if old else b"half_pixel").decode()
    region = np.array([[0.0] * rank, [1.0] * rank])
    if transformation == "tf_crop_and_resize" and roi is not None:
        region[:, axes] = np.asarray(roi, np.float64).reshape(2, -1)
    outside = np.zeros([1] * rank, bool)
    for axis in range(rank):
        if target[axis] == tensor.dims[axis] and factor[axis] == 1 and transformation != "tf_crop_and_resize":
            continue
        if target[axis] == tensor.dims[axis] == 1 or "N" in tensor.labels[axis]:
            continue
        elements = target[axis] * tensor.dims[axis]
        if max(elements, math.prod(target)) > RESIZED_ELEMENTS:
            call.refuse("size", f"a matrix per axis and a result of at most {RESIZED_ELEMENTS} elements each",
                        f"{elements} and {math.prod(target)}", "Resize to a smaller map.")
        matrix = resize_matrix(
            tensor.dims[axis], target[axis], float(factor[axis]), mode, transformation=transformation,
            rounding=call.attributes.get("nearest_mode", b"floor" if old else b"round_prefer_floor").decode(),
            cubic=call.attributes.get("cubic_coeff_a", -0.75), antialias=bool(call.attributes.get("antialias", 0)),
            exclude_outside=bool(call.attributes.get("exclude_outside", 0)),
            region=(region[0, axis], region[1, axis]))
        if not tensor.labels[axis]:
            free = next((a for a in "HWD" if tensor.find(a) is None), "")
            tensor = Tensor(node=tensor.node, dims=tensor.dims,
                            labels=tuple((free,) if i == axis else label for i, label in enumerate(tensor.labels)))
        tensor = contract(context, call, tensor, axis, matrix)
        outside = outside | ~matrix.any(axis=1).reshape([-1 if i == axis else 1 for i in range(rank)])
    beyond = call.attributes.get("extrapolation_value", 0.0)
    if beyond and outside.any():
        return add_values(context, call, [tensor, outside * beyond], [1.0, 1.0])
    return tensor


def _sizes(call: Call, tensor: Tensor, axes: list[int], sizes: np.ndarray) -> tuple[np.ndarray, list[int]]:
    factor, target = np.ones(len(tensor.dims)), list(tensor.dims)
    policy = call.attributes.get("keep_aspect_ratio_policy", b"stretch").decode()
    ratios = [size / tensor.dims[axis] for axis, size in zip(axes, sizes, strict=True)]
    for axis, size, ratio in zip(axes, sizes, ratios, strict=True):
        if policy == "stretch":
            factor[axis], target[axis] = ratio, int(size)
        else:
            factor[axis] = min(ratios) if policy == "not_larger" else max(ratios)
            target[axis] = int(np.floor(factor[axis] * tensor.dims[axis] + 0.5))
    return factor, target
