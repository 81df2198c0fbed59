"""Convolutions, and what moves blocks of a map into channels."""

import numpy as np

from golden.types import Pair
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.build.matrices import weight_scale
from synapress.mapper.importers.onnx.build.windows import canonical_result, kernels, pads, pair, spatial
from synapress.mapper.importers.onnx.channels import permuted
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.integers import kept
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import Tensor


@operator("Conv", opsets=(1, 22))
def conv(context: Context, call: Call) -> Tensor:
    tensor, dims = spatial(context, call, call.tensor())
    weights = kernels(call, 1, dims)
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    size = context.graph.shape(tensor.node)[1:]
    kernel: Pair = (weights.shape[2], weights.shape[3])
    bias, source = call.constant(2), tensor.node
    if int(call.attributes.get("group", 1)) == 1 and weights.shape[1] == context.graph.shape(source)[0]:
        source, weights = permuted(context, source, weights)
    return canonical_result(context, tensor, g.Conv(
        name=call.name, operator=call.op, sources=(source,), weights=weights,
        bias=np.zeros(len(weights)) if bias is None else np.asarray(bias, np.float64), stride=stride, dilation=dilation,
        padding=pads(call, dims, (size[0], size[1]), kernel, stride, dilation),
        groups=int(call.attributes.get("group", 1)), weight_scale=weight_scale(call, 1, len(weights))))


@operator("ConvTranspose", opsets=(1, 22))
def conv_transpose(context: Context, call: Call) -> Tensor:
    tensor, dims = spatial(context, call, call.tensor())
    weights = kernels(call, 1, dims)  # (C, M / group, KW, KH)
    groups = int(call.attributes.get("group", 1))
    depth, per_group = weights.shape[:2]
    if groups < 1 or depth % groups:
        call.refuse("groups", f"a divisor of {depth}", groups, "Check the model.")
    weights = weights.reshape(groups, depth // groups, per_group, *weights.shape[2:]).swapaxes(1, 2)
    weights = weights.reshape(groups * per_group, depth // groups, *weights.shape[3:])
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    extra = pair(call.attributes.get("output_padding"), 0)
    size = context.graph.shape(tensor.node)[1:]
    full = [(size[i] - 1) * stride[i] + (weights.shape[2 + i] - 1) * dilation[i] + 1 + extra[i] for i in (0, 1)]
    auto, shape = call.attributes.get("auto_pad", b"NOTSET").decode(), call.attributes.get("output_shape")
    if shape or auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = pair(shape[-dims:], 1) if shape else (size[0] * stride[0], size[1] * stride[1])
        total = [full[i] - wanted[i] for i in (0, 1)]
        first = [value // 2 if auto == "SAME_UPPER" else value - value // 2 for value in total]
        padding = (first[0], first[1], total[0] - first[0], total[1] - first[1])
    else:
        padding = pads(call, dims, (size[0], size[1]), (1, 1), (1, 1), (1, 1))
    bias = call.constant(2)
    return canonical_result(context, tensor, g.TransposedConv(
        name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, stride=stride, dilation=dilation,
        bias=np.zeros(len(weights)) if bias is None else np.asarray(bias, np.float64), padding=padding, groups=groups,
        output_padding=extra, weight_scale=weight_scale(call, 1, len(weights)) if groups == 1 else None))


@operator("DepthToSpace", opsets=(1, 28), integers=kept)
@operator("SpaceToDepth", opsets=(1, 28), integers=kept)
def depth_to_space(context: Context, call: Call) -> Tensor:
    """Channels as blocks of columns and rows, or back: a kernel of a block, in which each channel has a place."""
    tensor, dims = spatial(context, call, call.tensor())
    block = int(call.attributes.get("blocksize", 1))
    depth, width, height = context.graph.shape(tensor.node)
    spread = call.op == "DepthToSpace"
    if dims != 2 or block < 1 or (depth % block**2 if spread else width % block or height % block):
        call.refuse("block", "two spatial dimensions, and a block that divides the channels (or columns and rows)",
                    f"blocks of {block} of {tensor.dims}", "Check the model.")
    channels = depth // block**2 if spread else depth
    rows, columns, index = np.meshgrid(np.arange(block), np.arange(block), np.arange(channels), indexing="ij")
    packed = (rows * block + columns) * channels + index
    if call.attributes.get("mode", b"DCR") == b"CRD":
        packed = index * block**2 + rows * block + columns
    weights = np.zeros((channels, channels * block**2, block, block))
    weights[index, packed, columns, rows] = 1
    if spread:
        return canonical_result(context, tensor, g.TransposedConv(
            name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, bias=np.zeros(channels),
            stride=(block, block)))
    weights = np.ascontiguousarray(weights.swapaxes(0, 1))
    return canonical_result(context, tensor, g.Conv(
        name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, bias=np.zeros(len(weights)),
        stride=(block, block)))
