"""Pools."""

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import mean_matrix
from synapress.mapper.importers.onnx.build.matrices import RESIZED_ELEMENTS
from synapress.mapper.importers.onnx.build.windows import canonical_result, spatial, windows
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.integers import kept
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Tensor


@operator("MaxPool", opsets=(1, 22), integers=kept)
def max_pool(context: Context, call: Call) -> Tensor:
    if len(call.outputs) > 1 and call.outputs[1]:
        call.refuse("indices", "values only", "the Indices output", "Events carry values; drop the second output.")
    tensor, kernel, stride, dilation, _, _, padding = windows(context, call)
    return canonical_result(context, tensor, g.MaxPool(
        name=call.name, operator=call.op, sources=(tensor.node,), kernel=kernel, stride=stride, dilation=dilation,
        padding=padding))


@operator("AveragePool", opsets=(1, 22))
def average_pool(context: Context, call: Call) -> Tensor:
    tensor, kernel, stride, dilation, padding, size, _ = windows(context, call)
    include = bool(call.attributes.get("count_include_pad", 0))
    before = context.graph.shape(tensor.node)[1:]
    if max(size[i] * before[i] for i in (0, 1)) > RESIZED_ELEMENTS:
        call.refuse("size", f"a matrix per axis of at most {RESIZED_ELEMENTS} elements", f"{before} to {size}",
                    "Pool smaller maps, or check the paddings.")
    matrices = [mean_matrix(context.graph.shape(tensor.node)[1 + i], size[i], kernel[i], stride[i], padding[i],
                            padding[i + 2], dilation[i], include) for i in (0, 1)]
    return canonical_result(context, tensor, g.Resample(
        name=call.name, operator=call.op, sources=(tensor.node,), x_matrix=matrices[0], y_matrix=matrices[1]))


@operator("GlobalAveragePool", opsets=(1, 22))
def global_average_pool(context: Context, call: Call) -> Tensor:
    tensor, _ = spatial(context, call, call.tensor())
    _, width, height = context.graph.shape(tensor.node)
    return canonical_result(context, tensor, g.Resample(
        name=call.name, operator=call.op, sources=(tensor.node,), x_matrix=np.full((1, width), 1 / width),
        y_matrix=np.full((1, height), 1 / height)))


@operator("GlobalMaxPool", opsets=(1, 22))
def global_max_pool(context: Context, call: Call) -> Tensor:
    tensor, _ = spatial(context, call, call.tensor())
    _, width, height = context.graph.shape(tensor.node)
    return canonical_result(context, tensor, g.MaxPool(
        name=call.name, operator=call.op, sources=(tensor.node,), kernel=(width, height), stride=(1, 1)))
