"""ONNX operators with kernels: convolutions, pools, matrix products and means."""

from typing import Any

import numpy as np

from golden.types import Floats, Padding, Pair, Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.axis_matrices import mean_matrix
from synapress.mapper.importers.graph import vector
from synapress.mapper.importers.onnx.reader import Call, Handler, Reader, Value
from synapress.mapper.importers.onnx.shuffle import permuted
from synapress.mapper.importers.tensor import Tensor

RESIZED_ELEMENTS = 1 << 26
"""Most elements of a resizing matrix, and of a resized tensor."""


def unchanged(call: Call, size: int) -> Floats:
    """The matrix of an axis that stays as it is, of a map that is resampled along the other one."""
    if size * size > RESIZED_ELEMENTS:
        call.refuse("size", f"a matrix per axis of at most {RESIZED_ELEMENTS} elements", f"{size} × {size}",
                    "Use smaller maps.")
    return np.eye(size)


def pair(values: Any, default: int) -> Pair:
    """ONNX's (rows, columns) or (columns) as (x, y)."""
    numbers = [int(value) for value in values] if values is not None else []
    if len(numbers) < 2:
        return (numbers[0] if numbers else default), default
    return numbers[1], numbers[0]


def _spatial(tensor: Tensor, call: Call, reader: Reader) -> tuple[Tensor, int]:
    tensor = reader.canonical(call, tensor)
    dims = len(tensor.dims) - 2
    if dims < 1:
        call.refuse("rank", "at least one spatial dimension", tensor.dims, "Unsqueeze the input.")
    return tensor, dims


def _pads(call: Call, dims: int, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
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


def canonical_result(reader: Reader, tensor: Tensor, node: g.Node) -> Tensor:
    name = reader.add(node)
    return Tensor(node=name, dims=result_dims(tensor, reader.graph.shape(name)), labels=tensor.labels)


def _weights(call: Call, index: int, dims: int) -> np.ndarray:
    """Constant weights (M, C, (KH,) KW) as (M, C, KW, KH)."""
    weights = np.asarray(call.constant(index), np.float64)
    if weights.ndim != dims + 2:
        call.refuse("weights", f"{dims + 2} dimensions", weights.shape, "Check the model.")
    weights = weights[..., None] if dims == 1 else weights.swapaxes(2, 3)
    return np.ascontiguousarray(weights)


def weight_scale(call: Call, index: int, channels: int) -> np.ndarray | None:
    """The known quantization scale of constant weights, per destination channel."""
    array = call.inputs[index]
    scale = getattr(array, "quantization_scale", None)
    return None if scale is None or scale.size not in (1, channels) else vector(scale, channels)


def conv(reader: Reader, call: Call) -> Tensor:
    tensor, dims = _spatial(call.tensor(), call, reader)
    weights = _weights(call, 1, dims)
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    size = reader.graph.shape(tensor.node)[1:]
    kernel: Pair = (weights.shape[2], weights.shape[3])
    bias, source = call.constant(2), tensor.node
    if int(call.attributes.get("group", 1)) == 1 and weights.shape[1] == reader.graph.shape(source)[0]:
        source, weights = permuted(reader, source, weights)
    return canonical_result(reader, tensor, g.Conv(
        name=call.name, operator=call.op, sources=(source,), weights=weights,
        bias=np.zeros(len(weights)) if bias is None else np.asarray(bias, np.float64), stride=stride, dilation=dilation,
        padding=_pads(call, dims, (size[0], size[1]), kernel, stride, dilation),
        groups=int(call.attributes.get("group", 1)), weight_scale=weight_scale(call, 1, len(weights))))


def conv_transpose(reader: Reader, call: Call) -> Tensor:
    tensor, dims = _spatial(call.tensor(), call, reader)
    weights = _weights(call, 1, dims)  # (C, M / group, KW, KH)
    groups = int(call.attributes.get("group", 1))
    depth, per_group = weights.shape[:2]
    if groups < 1 or depth % groups:
        call.refuse("groups", f"a divisor of {depth}", groups, "Check the model.")
    weights = weights.reshape(groups, depth // groups, per_group, *weights.shape[2:]).swapaxes(1, 2)
    weights = weights.reshape(groups * per_group, depth // groups, *weights.shape[3:])
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    extra = pair(call.attributes.get("output_padding"), 0)
    size = reader.graph.shape(tensor.node)[1:]
    full = [(size[i] - 1) * stride[i] + (weights.shape[2 + i] - 1) * dilation[i] + 1 + extra[i] for i in (0, 1)]
    auto, shape = call.attributes.get("auto_pad", b"NOTSET").decode(), call.attributes.get("output_shape")
    if shape or auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = pair(shape[-dims:], 1) if shape else (size[0] * stride[0], size[1] * stride[1])
        total = [full[i] - wanted[i] for i in (0, 1)]
        first = [value // 2 if auto == "SAME_UPPER" else value - value // 2 for value in total]
        padding = (first[0], first[1], total[0] - first[0], total[1] - first[1])
    else:
        padding = _pads(call, dims, (size[0], size[1]), (1, 1), (1, 1), (1, 1))
    bias = call.constant(2)
    return canonical_result(reader, tensor, g.TransposedConv(
        name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, stride=stride, dilation=dilation,
        bias=np.zeros(len(weights)) if bias is None else np.asarray(bias, np.float64), padding=padding, groups=groups,
        output_padding=extra, weight_scale=weight_scale(call, 1, len(weights)) if groups == 1 else None))


def depth_to_space(reader: Reader, call: Call) -> Tensor:
    """Channels as blocks of columns and rows, or back: a kernel of a block, in which each channel has a place."""
    tensor, dims = _spatial(call.tensor(), call, reader)
    block = int(call.attributes.get("blocksize", 1))
    depth, width, height = reader.graph.shape(tensor.node)
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
        return canonical_result(reader, tensor, g.TransposedConv(
            name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, bias=np.zeros(channels),
            stride=(block, block)))
    weights = np.ascontiguousarray(weights.swapaxes(0, 1))
    return canonical_result(reader, tensor, g.Conv(
        name=call.name, operator=call.op, sources=(tensor.node,), weights=weights, bias=np.zeros(len(weights)),
        stride=(block, block)))


def _windows(reader: Reader, call: Call) -> tuple[Tensor, Pair, Pair, Pair, Padding, Pair, Padding]:
    """Tensor, kernel, stride, dilation, padding, size of the result, padding with what ceil_mode adds."""
    tensor, dims = _spatial(call.tensor(), call, reader)
    _, width, height = reader.graph.shape(tensor.node)
    kernel = pair(call.attributes.get("kernel_shape"), 1)
    stride, dilation = pair(call.attributes.get("strides"), 1), pair(call.attributes.get("dilations"), 1)
    padding = _pads(call, dims, (width, height), kernel, stride, dilation)
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


def max_pool(reader: Reader, call: Call) -> Tensor:
    if len(call.outputs) > 1 and call.outputs[1]:
        call.refuse("indices", "values only", "the Indices output", "Events carry values; drop the second output.")
    tensor, kernel, stride, dilation, _, _, padding = _windows(reader, call)
    return canonical_result(reader, tensor, g.MaxPool(
        name=call.name, operator=call.op, sources=(tensor.node,), kernel=kernel, stride=stride, dilation=dilation,
        padding=padding))


def average_pool(reader: Reader, call: Call) -> Tensor:
    tensor, kernel, stride, dilation, padding, size, _ = _windows(reader, call)
    include = bool(call.attributes.get("count_include_pad", 0))
    before = reader.graph.shape(tensor.node)[1:]
    if max(size[i] * before[i] for i in (0, 1)) > RESIZED_ELEMENTS:
        call.refuse("size", f"a matrix per axis of at most {RESIZED_ELEMENTS} elements", f"{before} to {size}",
                    "Pool smaller maps, or check the paddings.")
    matrices = [mean_matrix(reader.graph.shape(tensor.node)[1 + i], size[i], kernel[i], stride[i], padding[i],
                            padding[i + 2], dilation[i], include) for i in (0, 1)]
    return canonical_result(reader, tensor, g.Resample(
        name=call.name, operator=call.op, sources=(tensor.node,), x_matrix=matrices[0], y_matrix=matrices[1]))


def global_average_pool(reader: Reader, call: Call) -> Tensor:
    tensor, _ = _spatial(call.tensor(), call, reader)
    _, width, height = reader.graph.shape(tensor.node)
    return canonical_result(reader, tensor, g.Resample(
        name=call.name, operator=call.op, sources=(tensor.node,), x_matrix=np.full((1, width), 1 / width),
        y_matrix=np.full((1, height), 1 / height)))


def global_max_pool(reader: Reader, call: Call) -> Tensor:
    tensor, _ = _spatial(call.tensor(), call, reader)
    _, width, height = reader.graph.shape(tensor.node)
    return canonical_result(reader, tensor, g.MaxPool(
        name=call.name, operator=call.op, sources=(tensor.node,), kernel=(width, height), stride=(1, 1)))


# -- matrix products ---------------------------------------------------------------------------


def contract(reader: Reader, call: Call, tensor: Tensor, dim: int, matrix: np.ndarray,
             weight_scale: np.ndarray | None = None) -> Tensor:
    """matrix (results, elements) applied along one dimension of a tensor."""
    label, name = tensor.labels[dim], f"{call.name}"
    depth, width, height = reader.graph.shape(tensor.node)
    rest = {axis for i, other in enumerate(tensor.labels) if i != dim for axis in other}
    node: g.Node
    if "N" in label:
        call.refuse("axis", "a dimension within a frame", "the frames", "Frames are independent of each other.")
    if label in (("W",), ("H",)) and weight_scale is None:
        x = matrix if label == ("W",) else unchanged(call, width)
        y = matrix if label == ("H",) else unchanged(call, height)
        before, source = reader.graph.nodes[tensor.node], tensor.node
        if isinstance(before, g.Resample):  # columns and rows of one operator are resampled together
            x, y, source = x @ before.x_matrix, y @ before.y_matrix, before.sources[0]
        node = g.Resample(name=name, operator=call.op, sources=(source,), x_matrix=x, y_matrix=y)
        new: tuple[str, ...] = label
    else:
        sizes = {"D": depth, "W": width, "H": height}
        axes = [axis for axis in label if sizes[axis] > 1]
        if any(sizes[axis] > 1 for axis in rest & {"W", "H"} if set(axes) & {"W", "H"}):
            call.refuse("axis", "all of a map, or its channels", f"dimension {dim} of {tensor.dims}",
                        "Flatten the whole map before the matrix product.")
        if "D" not in axes and depth > 1 and axes:
            call.refuse("axis", "all of a map, or its channels", f"dimension {dim} of {tensor.dims}",
                        "Flatten the whole map before the matrix product.")
        order = [*axes, *(axis for axis in "DWH" if axis not in axes)]
        kernel = {"D": depth, "W": width if "W" in axes else 1, "H": height if "H" in axes else 1}
        if "D" in rest or ("D" not in axes and depth > 1):
            call.refuse("axis", "the channels", tensor.labels, "Move the channels into that dimension.")
        weights = matrix.reshape(len(matrix), *(kernel[axis] for axis in order))
        weights = weights.transpose(0, *(1 + order.index(axis) for axis in "DWH"))
        node = g.Conv(name=name, operator=call.op, sources=(tensor.node,), weights=np.ascontiguousarray(weights),
                      bias=np.zeros(len(matrix)), weight_scale=weight_scale)
        new = ("D",)
    labels = tuple(new if i == dim else other for i, other in enumerate(tensor.labels))
    dims = tuple(len(matrix) if i == dim else size for i, size in enumerate(tensor.dims))
    return Tensor(node=reader.add(node), dims=dims, labels=labels)


def matmul(reader: Reader, call: Call) -> Tensor:
    left, right = call.inputs[0], call.inputs[1]
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        call.refuse("operands", "a constant and a feature map", "two feature maps",
                    "Products of two maps are elementwise only (Mul).")
    if isinstance(left, Tensor):
        matrix: np.ndarray[Any, Any] = np.asarray(right)
        if matrix.ndim == 1:
            return _drop(contract(reader, call, left, len(left.dims) - 1, matrix[None].astype(float)), -1)
        if matrix.ndim > 2 and matrix.size != matrix.shape[-1] * matrix.shape[-2]:
            call.refuse("weights", "one matrix", matrix.shape, "Batches of matrices are not supported.")
        matrix = matrix.reshape(matrix.shape[-2:])
        scale = weight_scale(call, 1, matrix.shape[1])
        return contract(reader, call, left, len(left.dims) - 1, matrix.T.astype(float), scale)
    matrix, tensor = np.asarray(left), call.tensor(1)
    if len(tensor.dims) == 1:
        tensor = Tensor(node=tensor.node, dims=(*tensor.dims, 1), labels=(*tensor.labels, ()))
        return _drop(contract(reader, call, tensor, 0, matrix.astype(float)), -1)
    if matrix.ndim != 2:
        call.refuse("weights", "one matrix", matrix.shape, "Batches of matrices are not supported.")
    return contract(reader, call, tensor, len(tensor.dims) - 2, matrix.astype(float))


def _drop(tensor: Tensor, dim: int) -> Tensor:
    dim %= len(tensor.dims)
    labels = tuple(label for i, label in enumerate(tensor.labels) if i != dim)
    return Tensor(node=tensor.node, dims=tuple(d for i, d in enumerate(tensor.dims) if i != dim), labels=labels)


def gemm(reader: Reader, call: Call) -> Value:
    from synapress.mapper.importers.onnx.elements import add_values

    alpha, beta = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
    first, second = call.inputs[0], call.inputs[1]
    if isinstance(first, Tensor) == isinstance(second, Tensor):
        call.refuse("operands", "a constant and a feature map", "two of one kind", "One operand must be a constant.")
    if isinstance(first, Tensor):
        matrix = np.asarray(second, np.float64)
        matrix = matrix if call.attributes.get("transB") else matrix.T
        scale = weight_scale(call, 1, len(matrix)) if alpha == 1 else None
        result = contract(reader, call, first, 0 if call.attributes.get("transA") else 1, alpha * matrix, scale)
        if call.attributes.get("transA"):
            result = Tensor(node=result.node, dims=result.dims[::-1], labels=result.labels[::-1])
    else:
        tensor, matrix = call.tensor(1), np.asarray(first, np.float64)
        matrix = matrix.T if call.attributes.get("transA") else matrix
        result = contract(reader, call, tensor, 1 if call.attributes.get("transB") else 0, alpha * matrix)
        if call.attributes.get("transB"):
            result = Tensor(node=result.node, dims=result.dims[::-1], labels=result.labels[::-1])
    if len(call.inputs) < 3 or call.inputs[2] is None or beta == 0:
        return result
    return add_values(reader, call, [result, call.inputs[2]], [1.0, beta])


def reduce_mean(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    axes = call.attributes.get("axes")
    if axes is None and len(call.inputs) > 1:
        axes = call.constant(1)
    axes = [] if axes is None else [int(axis) for axis in np.asarray(axes).reshape(-1)]
    if not axes:
        if call.attributes.get("noop_with_empty_axes"):
            return tensor
        axes = list(range(len(tensor.dims)))
    chosen = sorted({axis % len(tensor.dims) for axis in axes})
    for axis in chosen:
        size = tensor.dims[axis]
        if size > 1 or tensor.labels[axis]:
            if tensor.labels[axis] == ("N",) and size == 1:
                call.refuse("axis", "dimensions within a frame", "the frames", "Keep the first dimension.")
            divisor = size if call.op == "ReduceMean" else 1
            tensor = contract(reader, call, tensor, axis, np.full((1, size), 1 / divisor))
    if not call.attributes.get("keepdims", 1):
        for axis in reversed(chosen):
            tensor = _drop(tensor, axis)
    return tensor


HANDLERS: dict[str, Handler] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "MaxPool": max_pool, "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool, "GlobalMaxPool": global_max_pool, "MatMul": matmul, "Gemm": gemm,
    "DepthToSpace": depth_to_space, "SpaceToDepth": depth_to_space,
    "ReduceMean": reduce_mean, "ReduceSum": reduce_mean,
}
