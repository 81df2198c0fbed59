"""What gives the dimensions of an array other names, or none."""

import numpy as np
import onnx

from synapress.mapper.importers.onnx.build.axes import axes_of, whole_numbers
from synapress.mapper.importers.onnx.build.elements import affine, repeated
from synapress.mapper.importers.onnx.build.reshaping import reshaped, reshaped_dims
from synapress.mapper.importers.onnx.context import Call, Context, Handler, Result, seen
from synapress.mapper.importers.onnx.flattened import as_map, elementwise
from synapress.mapper.importers.onnx.integers import as_reals, kept
from synapress.mapper.importers.onnx.registry import operator
from synapress.mapper.importers.tensor import FlattenedConcat, Tensor

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


def _of_flattened(context: Context, call: Call, handler: Handler) -> Result:
    """Flattened maps that stay an array (frames, elements) need no map."""
    maps = call.input(0)
    if isinstance(maps, FlattenedConcat) and reshaped_dims(call, maps.dims) == list(maps.dims):
        return maps
    return as_map(context, call, handler)


@operator("Reshape", "Flatten", opsets=(1, 25), integers=kept, flattened=_of_flattened)
def reshape(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    return reshaped(context, call, tensor, reshaped_dims(call, tensor.dims))


@operator("Squeeze", opsets=(1, 25), integers=kept)
def squeeze(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    axes = axes_of(call, 1)
    open_ = {i for i, label in enumerate(tensor.labels) if context.dynamic and label == ("N",)}
    chosen = ([i for i, size in enumerate(tensor.dims) if size == 1 and i not in open_] if axes is None
              else [axis % len(tensor.dims) for axis in axes])
    if any(tensor.dims[axis] != 1 for axis in chosen):
        call.refuse("axes", "dimensions of 1", tensor.dims, "Check the model.")
    keep = [i for i in range(len(tensor.dims)) if i not in chosen]
    return Tensor(node=tensor.node, dims=tuple(tensor.dims[i] for i in keep),
                  labels=tuple(tensor.labels[i] for i in keep))


@operator("Unsqueeze", opsets=(1, 25), integers=kept)
def unsqueeze(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    axes = axes_of(call, 1) or []
    rank = len(tensor.dims) + len(axes)
    chosen = {axis % rank for axis in axes}
    dims, labels = list(tensor.dims), list(tensor.labels)
    for axis in sorted(chosen):
        dims.insert(axis, 1)
        labels.insert(axis, ())
    return Tensor(node=tensor.node, dims=tuple(dims), labels=tuple(labels))


@operator("Transpose", opsets=(1, 25), integers=kept)
def transpose(context: Context, call: Call) -> Tensor:
    tensor = call.tensor()
    order = whole_numbers(call.attributes.get("perm")) or list(range(len(tensor.dims)))[::-1]
    if tensor.dims and tensor.dims[0] > 1 and tensor.labels[0] == ("N",) and order[0] != 0:
        call.refuse("frames", "the frames first", f"permutation {order}", "Keep dimension 0 where it is.")
    return Tensor(node=tensor.node, dims=tuple(tensor.dims[i] for i in order),
                  labels=tuple(tensor.labels[i] for i in order))


@operator("Expand", opsets=(8, 13))
def expand(context: Context, call: Call) -> Tensor:
    """Dimensions of 1 repeated; those that no axis has yet become rows and columns where images have them."""
    tensor = call.tensor()
    wanted = np.broadcast_shapes(tensor.dims, tuple(int(size) for size in np.asarray(call.constant(1)).reshape(-1)))
    extra = len(wanted) - len(tensor.dims)
    dims, labels = (1,) * extra + tensor.dims, [*((),) * extra, *tensor.labels]
    roles = ("N", "D", *"HW"[-(len(wanted) - 2):]) if 2 < len(wanted) < 5 else "NDHW"
    sizes = context.sizes(tensor)
    for i, (before, after) in enumerate(zip(dims, wanted, strict=True)):
        if before == after:
            continue
        used = {axis for j, label in enumerate(labels) if j != i for axis in label if sizes.get(axis, 2) > 1}
        axis = next((axis for axis in (*labels[i], *roles[i:i + 1], *"DHW") if axis not in used), "N")
        if axis == "N":
            call.refuse("frames", "repeated channels, rows or columns", f"{tensor.dims} → {wanted}",
                        "Frames are independent and alike.")
        labels = [tuple(other for other in label if other != axis) if j != i else (axis,)
                  for j, label in enumerate(labels)]
        sizes[axis] = after
    shape = (sizes["D"], sizes["W"], sizes["H"])
    return Tensor(node=repeated(context, call, tensor.node, shape), dims=tuple(wanted), labels=tuple(labels))


@operator("Shape", opsets=(1, 25), integers=seen, constants=True)
def shape(context: Context, call: Call) -> np.ndarray:
    value = call.inputs[0]
    dims = value.dims if isinstance(value, Tensor) else np.shape(value)  # type: ignore[arg-type]
    return np.array(dims[call.attributes.get("start", 0):call.attributes.get("end")], np.int64)


def _cast_integers(context: Context, call: Call, handler: Handler) -> Result:
    """Integers as real values: the numbers themselves, not what they mean."""
    def numbers(context: Context, call: Call) -> Tensor:
        tensor, integers = cast(context, call), call.integers
        if integers is None or (integers.scale, integers.zero_point) == (1, 0):
            return tensor
        return affine(context, call, tensor, 1 / integers.scale, float(integers.zero_point))
    return as_reals(context, call, numbers)


@operator("Cast", opsets=(1, 28), integers=_cast_integers, flattened=elementwise)
def cast(context: Context, call: Call) -> Tensor:
    if call.attributes.get("to") not in _FLOATS:
        call.refuse("type", "a cast between float types", call.attributes.get("to"), "Quantize with QuantizeLinear.")
    return call.tensor()


@operator("Identity", opsets=(1, 25), integers=kept, flattened=elementwise)
def identity(context: Context, call: Call) -> Tensor:
    return call.tensor()


@operator("Dropout", opsets=(1, 22), integers=kept, flattened=elementwise)
def dropout(context: Context, call: Call) -> Tensor:
    if np.any(call.constant(2, False)) and float(np.asarray(call.constant(1, 0.5))) > 0:
        call.refuse("mode", "inference", "training_mode with a ratio above 0", "Export in evaluation mode.")
    return call.tensor()
