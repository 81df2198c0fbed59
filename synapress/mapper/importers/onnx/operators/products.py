"""Products with a matrix, and what is one with a row of equal weights."""

from typing import Any

import numpy as np

from synapress.mapper.importers.onnx.build.axes import axes_of
from synapress.mapper.importers.onnx.build.elements import add_values
from synapress.mapper.importers.onnx.build.matrices import contract, drop, weight_scale
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result, Value
from synapress.mapper.importers.onnx.flattened import as_map, product
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import FlattenedConcat, Tensor


def _of_flattened(context: Context, call: Call, handler: Handler) -> Result:
    """A product for each of the flattened maps, with its columns of the matrix."""
    first, second = call.inputs[:2]
    matrix = np.asarray(second, np.float64) if isinstance(second, np.ndarray) else np.zeros(0)
    if not isinstance(first, FlattenedConcat) or call.attributes.get("transA") or matrix.ndim != 2:
        return as_map(context, call, handler)
    alpha, beta = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
    matrix = alpha * (matrix if call.attributes.get("transB") else matrix.T)
    scale = weight_scale(call, 1, len(matrix)) if alpha == 1 else None
    result = product(context, call, first, matrix, scale)
    if call.input(2) is None or beta == 0:
        return result
    return add_values(context, call, [result, call.inputs[2]], [1.0, beta])


@operator("MatMul", opsets=(1, 13), flattened=_of_flattened)
def matrix_product(context: Context, call: Call) -> Tensor:
    left, right = call.inputs[0], call.inputs[1]
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        call.refuse("operands", "a constant and a feature map", "two feature maps",
                    "Products of two maps are elementwise only (Mul).")
    if isinstance(left, Tensor):
        matrix: np.ndarray[Any, Any] = np.asarray(right)
        if matrix.ndim == 1:
            return drop(contract(context, call, left, len(left.dims) - 1, matrix[None].astype(float)), -1)
        if matrix.ndim > 2 and matrix.size != matrix.shape[-1] * matrix.shape[-2]:
            call.refuse("weights", "one matrix", matrix.shape, "Batches of matrices are not supported.")
        matrix = matrix.reshape(matrix.shape[-2:])
        scale = weight_scale(call, 1, matrix.shape[1])
        return contract(context, call, left, len(left.dims) - 1, matrix.T.astype(float), scale)
    matrix, tensor = np.asarray(left), call.tensor(1)
    if len(tensor.dims) == 1:
        tensor = Tensor(node=tensor.node, dims=(*tensor.dims, 1), labels=(*tensor.labels, ()))
        return drop(contract(context, call, tensor, 0, matrix.astype(float)), -1)
    if matrix.ndim != 2:
        call.refuse("weights", "one matrix", matrix.shape, "Batches of matrices are not supported.")
    return contract(context, call, tensor, len(tensor.dims) - 2, matrix.astype(float))


@operator("Gemm", opsets=(1, 13), flattened=_of_flattened)
def gemm(context: Context, call: Call) -> Value:
    alpha, beta = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
    first, second = call.inputs[0], call.inputs[1]
    if isinstance(first, Tensor) == isinstance(second, Tensor):
        call.refuse("operands", "a constant and a feature map", "two of one kind", "One operand must be a constant.")
    if isinstance(first, Tensor):
        matrix = np.asarray(second, np.float64)
        matrix = matrix if call.attributes.get("transB") else matrix.T
        scale = weight_scale(call, 1, len(matrix)) if alpha == 1 else None
        result = contract(context, call, first, 0 if call.attributes.get("transA") else 1, alpha * matrix, scale)
        if call.attributes.get("transA"):
            result = Tensor(node=result.node, dims=result.dims[::-1], labels=result.labels[::-1])
    else:
        tensor, matrix = call.tensor(1), np.asarray(first, np.float64)
        matrix = matrix.T if call.attributes.get("transA") else matrix
        result = contract(context, call, tensor, 1 if call.attributes.get("transB") else 0, alpha * matrix)
        if call.attributes.get("transB"):
            result = Tensor(node=result.node, dims=result.dims[::-1], labels=result.labels[::-1])
    if len(call.inputs) < 3 or call.inputs[2] is None or beta == 0:
        return result
    return add_values(context, call, [result, call.inputs[2]], [1.0, beta])


def _reduced(context: Context, call: Call, mean: bool) -> Tensor:
    """Sums or means along dimensions: all of them, if none is named."""
    tensor = call.tensor()
    axes = axes_of(call, 1) or []
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
            tensor = contract(context, call, tensor, axis, np.full((1, size), 1 / size if mean else 1))
    if not call.attributes.get("keepdims", 1):
        for axis in reversed(chosen):
            tensor = drop(tensor, axis)
    return tensor


@operator("ReduceMean", opsets=(1, 18))
def mean(context: Context, call: Call) -> Tensor:
    return _reduced(context, call, True)


@operator("ReduceSum", opsets=(1, 13))
def total(context: Context, call: Call) -> Tensor:
    return _reduced(context, call, False)
