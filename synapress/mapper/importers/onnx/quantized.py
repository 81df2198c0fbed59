"""ONNX files that are already quantized: QDQ pairs, and the QLinear operators as what they abbreviate.

A feature map carries real values; `Quantize` nodes say where the file rounds, and to what. Weights remember their
scale, so that the integers of the file come out again exactly.
"""

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import numpy_helper

from golden.types import Array
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.convolutions import average_pool, conv, global_average_pool
from synapress.mapper.importers.onnx.elements import HANDLERS as ELEMENTS
from synapress.mapper.importers.onnx.elements import add, add_values, affine, constant_map, constant_on, multiply
from synapress.mapper.importers.onnx.flattened_concat import concat, gemm, matmul
from synapress.mapper.importers.onnx.layout import cast, pad, pad_widths
from synapress.mapper.importers.onnx.reader import Call, Handler, Reader, Value
from synapress.mapper.importers.onnx.resizing import resize
from synapress.mapper.importers.tensor import FlattenedConcat, Quantization, Tensor

BOUNDS = {"uint8": (0, 255), "int8": (-128, 127)}


class Scaled(np.ndarray):
    """Dequantized constants that remember their scale."""

    quantization_scale: np.ndarray | None = None


def scaled(array: Array, scale: np.ndarray) -> Scaled:
    result = np.asarray(array, np.float64).view(Scaled)
    result.quantization_scale = np.asarray(scale, np.float64).reshape(-1)
    return result


def _scalar(call: Call, what: str, value: Any) -> float:
    array = np.asarray(value).reshape(-1)
    if array.size != 1:
        call.refuse(what, "one number for a feature map", array.shape, "Quantize activations per tensor.")
    return float(array[0])


def _quantize(reader: Reader, call: Call, tensor: Tensor, scale: Any, zero_point: Any) -> Tensor:
    kind = np.asarray(zero_point).dtype.name if zero_point is not None else "uint8"
    if kind not in BOUNDS:
        call.refuse("type", "uint8 or int8", kind, "Events carry 9 bits: quantize activations to 8 bits.")
    return _rounded(reader, call, tensor, Quantization(
        scale=_scalar(call, "scale", scale), low=BOUNDS[kind][0], high=BOUNDS[kind][1],
        zero_point=int(_scalar(call, "zero point", 0 if zero_point is None else zero_point))))


def _rounded(reader: Reader, call: Call, tensor: Tensor, integers: Quantization, down: bool = False) -> Tensor:
    made = reader.like(tensor, g.Quantize(
        name=call.name, operator=call.op, sources=(tensor.node,), scale=integers.scale, zero_point=integers.zero_point,
        low=integers.low, high=integers.high, down=down))
    return replace(made, integers=integers)


def _quantized_parts(reader: Reader, call: Call, value: Value, scale: Any, zero_point: Any) -> Value:
    """The same of flattened parts."""
    if isinstance(value, FlattenedConcat):
        return value.mapped(lambda tensor: _quantize(reader, call, tensor, scale, zero_point))
    assert isinstance(value, Tensor)
    return _quantize(reader, call, value, scale, zero_point)


def quantize_linear(reader: Reader, call: Call) -> Tensor:
    if call.tensor().integers is not None:
        call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
    zero = call.constant(2) if len(call.inputs) > 2 else None
    return _quantize(reader, call, call.tensor(), call.constant(1), zero)


def _dequantized(call: Call, value: Value, scale: Any, zero: Any) -> Value:
    """Real values of integers: a map, if the scale is that which made it; a constant computed."""
    if value is None:
        return None
    if isinstance(value, FlattenedConcat):
        def real(tensor: Tensor) -> Tensor:
            done = _dequantized(call, tensor, scale, zero)
            assert isinstance(done, Tensor)
            return done
        return value.mapped(real)
    if not isinstance(value, Tensor):
        return _constant(value, scale, zero, 0)
    made = value.integers
    if made is None:
        call.refuse("type", "8-bit integers", "real values", "Quantize them with QuantizeLinear.")
    assert made is not None
    wanted = replace(made, scale=_scalar(call, "scale", scale),
                     zero_point=int(_scalar(call, "zero point", 0 if zero is None else zero)))
    if not made.agrees(wanted):
        call.refuse("scale", f"the scale and zero point that made the values: {(made.scale, made.zero_point)}",
                    (wanted.scale, wanted.zero_point), "Dequantize with the numbers of the QuantizeLinear before.")
    return replace(value, integers=None)


def _constant(value: Array, scale: Any, zero: Any, axis: int) -> Scaled:
    factors, zeros = np.asarray(scale, np.float64), np.asarray(0 if zero is None else zero, np.int64)
    shape = [1] * value.ndim
    if factors.size > 1:
        shape[axis] = factors.size
        factors = factors.reshape(shape)
    if zeros.size > 1:
        zeros = zeros.reshape(shape)
    return scaled((value.astype(np.int64) - zeros) * factors, factors)


def dequantize_linear(reader: Reader, call: Call) -> Value:
    value = call.inputs[0]
    zero = call.constant(2) if len(call.inputs) > 2 else None
    if isinstance(value, (Tensor, FlattenedConcat)):
        return _dequantized(call, value, call.constant(1), zero)
    assert value is not None
    return _constant(value, call.constant(1), zero, int(call.attributes.get("axis", 1)) % max(value.ndim, 1))


def _weights(call: Call, index: int, axis: int) -> Scaled:
    """Constant weights with the scale and zero point behind them."""
    return _constant(np.asarray(call.constant(index)), call.constant(index + 1), call.constant(index + 2), axis)


def qlinear_conv(reader: Reader, call: Call) -> Tensor:
    x = _dequantized(call, call.inputs[0], call.constant(1), call.constant(2))
    weights = _weights(call, 3, 0)
    bias = call.constant(8) if len(call.inputs) > 8 else None
    if bias is not None:
        assert weights.quantization_scale is not None
        bias = np.asarray(bias) * np.asarray(call.constant(1), np.float64) * weights.quantization_scale
    result = conv(reader, replace(call, name=f"{call.name}/sum", inputs=[x, weights, bias]))
    return _quantize(reader, call, result, call.constant(6), call.constant(7))


def qlinear_matmul(reader: Reader, call: Call) -> Tensor:
    operands: list[Value] = []
    for index in (0, 3):
        if isinstance(call.inputs[index], (Tensor, FlattenedConcat)):
            operands.append(_dequantized(call, call.inputs[index], call.constant(index + 1),
                                         call.constant(index + 2)))
        else:
            operands.append(_weights(call, index, np.ndim(call.constant(index)) - 1))
    result = matmul(reader, replace(call, name=f"{call.name}/sum", inputs=operands))
    assert isinstance(result, Tensor)
    return _quantize(reader, call, result, call.constant(6), call.constant(7))


def qgemm(reader: Reader, call: Call) -> Value:
    a = _dequantized(call, call.inputs[0], call.constant(1), call.constant(2))
    weights = _weights(call, 3, 0 if call.attributes.get("transB") else 1)
    bias = call.constant(6)
    if bias is not None:
        assert weights.quantization_scale is not None
        bias = np.asarray(bias) * np.asarray(call.constant(1), np.float64) * weights.quantization_scale
    result = gemm(reader, replace(call, name=f"{call.name}/sum", inputs=[a, weights, bias]))
    if len(call.inputs) < 9 or not isinstance(result, Tensor):
        return result
    return _quantize(reader, call, result, call.constant(7), call.constant(8))


def _binary(handler: Handler) -> Handler:
    """com.microsoft's QLinearAdd and QLinearMul: A, its scale and zero point, B alike, then the result's."""
    def run(reader: Reader, call: Call) -> Tensor:
        operands = [_dequantized(call, call.inputs[i], call.constant(i + 1), call.constant(i + 2))
                    for i in (0, 3)]
        result = handler(reader, replace(call, name=f"{call.name}/sum", inputs=operands))
        assert isinstance(result, Tensor)
        return _quantize(reader, call, result, call.constant(6), call.constant(7))
    return run


def _unary(handler: Handler) -> Handler:
    """com.microsoft's QLinear functions of one map: X, its scale and zero point, the result's."""
    def run(reader: Reader, call: Call) -> Tensor:
        x = _dequantized(call, call.inputs[0], call.constant(1), call.constant(2))
        if call.attributes.get("channels_last"):
            call.refuse("layout", "channels first", "channels_last", "Export in NCHW.")
        result = handler(reader, replace(call, name=f"{call.name}/real", inputs=[x]))
        assert isinstance(result, Tensor)
        return _quantize(reader, call, result, call.constant(3), call.constant(4))
    return run


def qlinear_concat(reader: Reader, call: Call) -> Value:
    operands = [_dequantized(call, call.inputs[i], call.constant(i + 1), call.constant(i + 2))
                for i in range(2, len(call.inputs), 3)]
    result = concat(reader, replace(call, name=f"{call.name}/real", inputs=operands))
    return _quantized_parts(reader, call, result, call.constant(0), call.constant(1))


def _dynamic(reader: Reader, call: Call) -> NoReturn:
    raise ModelError(call.name, f"{call.op}: static quantization", "scales known when compiling",
                     "scales or 32-bit sums that leave the node", "Quantize the model statically (QDQ or QOperator).")


# -- operators on integers ---------------------------------------------------------------------

PASSED_ON = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Gather", "MaxPool",
             "DepthToSpace", "SpaceToDepth", "Identity", "Pad", "Clip", "Relu", "Resize", "Upsample")
"""Operators whose result has the scale and zero point of the integers that they read."""
_GATHERED = (g.Input, g.Quantize, g.Slice, g.Pad, g.Concat, g.MaxPool)
"""Nodes whose integers are integers of their sources."""


def on_integers(real: dict[str, Handler]) -> dict[str, Handler]:
    """Operators of real values as what they are to 8-bit integers."""
    special = {"Resize": _resize, "Upsample": _resize, "Pad": _pad, "Cast": _cast, "Clip": _clip, "Relu": _clip}
    return {name: _on_integers(name, handler, special.get(name)) for name, handler in real.items()}


def _on_integers(name: str, handler: Handler, special: Handler | None) -> Handler:
    def run(reader: Reader, call: Call) -> Any:
        kinds = [value.integers for value in call.inputs if isinstance(value, Tensor)]
        integers = next((kind for kind in kinds if kind is not None), None)
        if integers is None or name == "Shape":
            return handler(reader, call)
        plain = name in ("Add", "Sub", "Mul") and (integers.scale, integers.zero_point) == (1, 0)  # numbers as others
        if name not in (*PASSED_ON, "Cast") and not plain:
            call.refuse("type", "real values", "8-bit integers", "Dequantize them with DequantizeLinear first.")
        if any(kind is None or not kind.agrees(integers) for kind in kinds):
            call.refuse("scale", "integers of one scale and zero point", kinds, "Requantize them to one scale.")
        inputs: list[Value] = [replace(value, integers=None) if isinstance(value, Tensor) else value
                               for value in call.inputs]
        if name == "Concat":
            inputs = [value if isinstance(value, Tensor) or value is None else _real(value, integers)
                      for value in inputs]
        result = special(reader, replace(call, inputs=inputs, integers=integers)) if special else handler(
            reader, replace(call, inputs=inputs))
        if name == "Cast" or plain:
            return result
        several = isinstance(result, (list, tuple))
        kept = [value.mapped(lambda tensor: replace(tensor, integers=integers)) if isinstance(value, FlattenedConcat)
                else _kept(reader, call, value, integers) if isinstance(value, Tensor) else value
                for value in (result if isinstance(result, (list, tuple)) else [result])]
        return kept if several else kept[0]
    return run


def _kept(reader: Reader, call: Call, tensor: Tensor, integers: Quantization) -> Tensor:
    """A result as integers again; what is computed and not only gathered is told to the quantizer."""
    if isinstance(reader.graph.nodes[tensor.node], _GATHERED):
        return replace(tensor, integers=integers)
    return _rounded(reader, call, tensor, integers)


def _real(value: Any, integers: Quantization) -> Array:
    """What integer constants mean."""
    return (np.asarray(value, np.float64) - integers.zero_point) * integers.scale


def _cast(reader: Reader, call: Call) -> Tensor:
    """Integers as real values."""
    tensor, integers = cast(reader, call), call.integers
    assert isinstance(tensor, Tensor) and integers is not None
    if (integers.scale, integers.zero_point) == (1, 0):
        return tensor
    depth = reader.graph.shape(tensor.node)[0]
    return reader.like(tensor, g.Affine(
        name=call.name, operator=call.op, sources=(tensor.node,), scale=np.full(depth, 1 / integers.scale),
        offset=np.full(depth, float(integers.zero_point))))


def _clip(reader: Reader, call: Call) -> Value:
    assert call.integers is not None
    bounds: list[Value] = [np.zeros(())] if call.op == "Relu" else call.inputs[1:]
    real = [None if bound is None else _real(bound, call.integers) for bound in bounds]
    result = ELEMENTS["Clip"](reader, replace(call, inputs=[call.inputs[0], *real]))
    return result  # type: ignore[return-value]


def _pad(reader: Reader, call: Call) -> Tensor:
    """Padding with an integer: with what means 0, and a map of integers around that."""
    source, integers = call.tensor(), call.integers
    assert integers is not None
    value = call.constant(2) if len(call.inputs) > 2 else None
    filling = float(_real(0 if value is None else value, integers).reshape(-1)[0])
    result = pad(reader, replace(call, inputs=[source, *call.inputs[1:2], np.zeros(()), *call.inputs[3:]]))
    if call.attributes.get("mode", b"constant") != b"constant" or filling == 0:
        return result
    around = np.full(result.dims, filling)
    inside = [slice(None)] * len(result.dims)
    for dim, before, after in pad_widths(call, len(result.dims)):
        inside[dim] = slice(max(before, 0), result.dims[dim] - max(after, 0))
    around[tuple(inside)] = 0
    filled = constant_on(reader, call, around, result)
    filled = np.broadcast_to(filled if filled.ndim == 3 else filled[:, None, None], reader.graph.shape(result.node))
    border = _rounded(reader, call, replace(result, node=constant_map(reader, call, filled)), integers)
    return reader.like(result, g.Add(name=call.name, operator=call.op, sources=(result.node, border.node),
                                     signs=(1, 1)))


def _resize(reader: Reader, call: Call) -> Tensor:
    """Resizing of integers, which drops fractions as a cast does (so does onnxruntime; ONNX leaves it open).

    Cut off towards 0 = floor(max(x, 0)) - floor(max(-x, 0)).
    """
    integers, mode = call.integers, call.attributes.get("mode", b"nearest").decode()
    assert integers is not None
    if mode == "nearest":
        return resize(reader, call)
    transformation = call.attributes.get("coordinate_transformation_mode", b"").decode()
    if mode == "cubic" or transformation == "tf_crop_and_resize":
        call.refuse("mode", "nearest or linear, and no crop, for integers", f"{mode} {transformation}",
                    "Dequantize before it.")
    scale, zero = integers.scale, integers.zero_point
    source = call.tensor()

    def floor(sign: int, name: str, counted: Quantization) -> Tensor:
        """floor(sign · x), of integers x; clipped."""
        tensor = resize(reader, replace(call, name=f"{call.name}/{name}" if name else call.name))
        node = reader.graph.nodes[tensor.node]
        if tensor.node == source.node or not isinstance(node, g.Resample):
            return tensor
        moved = affine(reader, call, tensor, sign, (sign * zero - counted.zero_point) * scale)
        return _rounded(reader, call, moved, counted, down=True)

    if integers.low >= 0:
        return replace(floor(1, "", integers), integers=None)
    up = floor(1, "positive", Quantization(scale=scale, zero_point=0, low=0, high=integers.high))
    if up.node == source.node:
        return up
    down = floor(-1, "negative", Quantization(scale=scale, zero_point=0, low=0, high=-integers.low))
    return add_values(reader, call, [replace(up, integers=None), replace(down, integers=None),
                                     np.array(-zero * scale)], [1.0, -1.0, 1.0])


def input_quantization(
    proto: onnx.ModelProto, name: str, kind: int, known: dict[str, Array] | None = None
) -> tuple[Quantization, bool]:
    """What the first reader of an integer input takes it for, and whether there is one; else scale 1, zero point 0."""
    values = {tensor.name: tensor for tensor in proto.graph.initializer}
    low, high = BOUNDS["int8" if kind == onnx.TensorProto.INT8 else "uint8"]

    def get(source: str) -> float:
        if known and source in known:
            return float(np.asarray(known[source]).reshape(-1)[0])
        return float(numpy_helper.to_array(values[source]).reshape(-1)[0]) if source in values else 0.0

    names = {name}
    for node in proto.graph.node:
        for index, source in enumerate(node.input):
            quantized = node.op_type == "DequantizeLinear" or node.op_type.startswith("Q")
            if source in names and quantized and len(node.input) > index + 1:
                zero = get(node.input[index + 2]) if len(node.input) > index + 2 else 0
                scale = get(node.input[index + 1])
                return Quantization(scale=scale or 1.0, zero_point=int(zero), low=low, high=high), scale > 0
        if node.op_type in PASSED_ON and names & set(node.input):
            names |= set(node.output)
    return Quantization(scale=1.0, zero_point=0, low=low, high=high), False


HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear, "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul, "QGemm": qgemm, "QLinearAdd": _binary(add), "QLinearMul": _binary(multiply),
    "QLinearGlobalAveragePool": _unary(global_average_pool), "QLinearAveragePool": _unary(average_pool),
    "QLinearLeakyRelu": _unary(ELEMENTS["LeakyRelu"]), "QLinearSigmoid": _unary(ELEMENTS["Sigmoid"]),
    "QLinearConcat": qlinear_concat, "DynamicQuantizeLinear": _dynamic, "ConvInteger": _dynamic,
    "MatMulInteger": _dynamic,
}
