"""ONNX operators on single elements: sums, products, normalization, activations."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden.types import Shape
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import vector
from synapress.mapper.importers.onnx.convolutions import unchanged
from synapress.mapper.importers.onnx.reader import Call, Handler, Reader, Value
from synapress.mapper.importers.onnx.relayout import renamed
from synapress.mapper.importers.tensor import AXES, Tensor


def constant_on(reader: Reader, call: Call, array: Any, tensor: Tensor) -> np.ndarray:
    """A constant that broadcasts to a tensor, on its map: (D) if the same for all positions, else (D, W, H)."""
    values = np.asarray(array, np.float64)
    if values.size == 1:
        return np.full(reader.graph.shape(tensor.node)[0], float(values.reshape(-1)[0]))
    try:
        full = np.broadcast_to(values, np.broadcast_shapes(values.shape, tensor.dims))
    except ValueError:
        full = values
    if full.shape != tensor.dims and full.size == np.prod(tensor.dims):
        full = full.reshape(tensor.dims)  # leading ones
    if full.shape != tensor.dims:
        call.refuse("broadcast", f"a constant that broadcasts to {tensor.dims}", values.shape,
                    "Only the constant may be repeated, not the feature map.")
    sizes = reader.sizes(tensor)
    axes = [axis for label in tensor.labels for axis in label]
    missing = [axis for axis in AXES if axis not in axes]
    expanded = full.reshape([sizes[axis] for axis in axes] + [1] * len(missing))
    ordered = expanded.transpose([(axes + missing).index(axis) for axis in AXES])
    if not (ordered == ordered[:1]).all():
        call.refuse("frames", "one constant for all frames", "one that differs from frame to frame",
                    "Frames are independent and alike.")
    maps = ordered[0]
    if maps.size and (maps == maps[:, :1, :1]).all():
        return np.ascontiguousarray(maps[:, 0, 0])
    return np.ascontiguousarray(maps)


def constant_map(reader: Reader, call: Call, values: np.ndarray) -> str:
    """A node that always is `values` (D, W, H): a constant neuron and its kernel."""
    source = next(iter(reader.ports))  # whose values do not matter; quantized if it is, so that only that reads it
    source = next((node.name for node in reader.graph if isinstance(node, g.Quantize) and node.sources == (source,)),
                  source)
    depth, width, height = reader.graph.shape(source)
    one = reader.add(g.Conv(
        name=f"{call.name}/one", operator=call.op, sources=(source,), weights=np.zeros((1, depth, 1, 1)),
        bias=np.ones(1), padding=(0, 0, 1 - width, 1 - height)))
    return reader.add(g.TransposedConv(
        name=f"{call.name}/constant", operator=call.op, sources=(one,), weights=values[:, None],
        bias=np.zeros(len(values))))


def aligned(reader: Reader, call: Call, tensor: Tensor, main: Tensor) -> Tensor:
    """A tensor repeated to the dimensions and labels of another.

    Raises:
        ModelError: its dimensions do not broadcast, or hold other axes.
    """
    extra = len(main.dims) - len(tensor.dims)
    dims, labels = (1,) * extra + tensor.dims, ((),) * extra + tensor.labels
    if extra < 0 or any(size not in (1, other) for size, other in zip(dims, main.dims, strict=True)):
        call.refuse("broadcast", f"a map that broadcasts to {main.dims}", tensor.dims, "Check the model's shapes.")
    wide = tuple(label if size > 1 or label == ("N",) else () for size, label in zip(dims, labels, strict=True))
    wanted = tuple(label if size > 1 or own == ("N",) else ()
                   for size, label, own in zip(dims, main.labels, wide, strict=True))
    if wide != wanted:
        found = renamed(reader, call, replace(tensor, dims=dims, labels=wide), wanted)
        if found is None:
            call.refuse("broadcast", f"axes {wanted}", wide, "Both maps must have the same layout.")
        assert found is not None
        tensor = found
    return Tensor(node=_repeated(reader, call, tensor.node, reader.graph.shape(main.node)), dims=main.dims,
                  labels=main.labels)


def _repeated(reader: Reader, call: Call, node: str, sizes: Shape) -> str:
    """A map repeated along its axes of 1."""
    mine = reader.graph.shape(node)
    if mine[0] < sizes[0] and mine[0] == 1:
        node = reader.add(g.Conv(name=f"{call.name}/repeat", operator=call.op, sources=(node,),
                                 weights=np.ones((sizes[0], 1, 1, 1)), bias=np.zeros(sizes[0])))
    if mine[1:] != sizes[1:]:
        x, y = (np.ones((sizes[i], 1)) if mine[i] == 1 else unchanged(call, sizes[i]) for i in (1, 2))
        node = reader.add(g.Resample(name=f"{call.name}/repeat", operator=call.op, sources=(node,), x_matrix=x,
                                     y_matrix=y))
    return node


def expand(reader: Reader, call: Call) -> Tensor:
    """Dimensions of 1 repeated; those that no axis has yet become rows and columns where images have them."""
    tensor = call.tensor()
    wanted = np.broadcast_shapes(tensor.dims, tuple(int(size) for size in np.asarray(call.constant(1)).reshape(-1)))
    extra = len(wanted) - len(tensor.dims)
    dims, labels = (1,) * extra + tensor.dims, [*((),) * extra, *tensor.labels]
    roles = ("N", "D", *"HW"[-(len(wanted) - 2):]) if 2 < len(wanted) < 5 else "NDHW"
    sizes = reader.sizes(tensor)
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
    return Tensor(node=_repeated(reader, call, tensor.node, shape), dims=tuple(wanted), labels=tuple(labels))


def _gate(reader: Reader, tensor: Tensor) -> Tensor:
    """The map of one value per channel that a tensor repeats, or itself."""
    node = reader.graph.nodes[tensor.node]
    if not isinstance(node, g.Resample) or reader.graph.shape(node.sources[0])[1:] != (1, 1) or not (
            (node.x_matrix == 1).all() and (node.y_matrix == 1).all()):
        return tensor
    dims = tuple(1 if set(label) & {"W", "H"} else size for size, label in zip(
        tensor.dims, tensor.labels, strict=True))
    return replace(tensor, node=node.sources[0], dims=dims)


def _main(reader: Reader, call: Call, values: Sequence[Value]) -> Tensor:
    """The tensor that the others broadcast to."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    return max(tensors, key=lambda tensor: (len(tensor.dims), int(np.prod(tensor.dims))))


def add_values(reader: Reader, call: Call, values: Sequence[Value], factors: Sequence[float]) -> Tensor:
    """Sum of maps and constants, each times a factor."""
    main = _main(reader, call, values)
    sources, signs = [], []
    offset, maps = np.zeros(reader.graph.shape(main.node)[0]), []
    for value, factor in zip(values, factors, strict=True):
        if isinstance(value, Tensor):
            tensor = value if value is main else aligned(reader, call, value, main)
            if abs(factor) != 1:
                tensor = affine(reader, call, tensor, factor, 0.0)
                factor = 1.0
            sources.append(tensor.node)
            signs.append(int(factor))
        elif value is not None:
            constant = constant_on(reader, call, value, main) * factor
            if constant.ndim == 1:
                offset = offset + constant
            else:
                maps.append(constant)
    if maps:
        sources.append(constant_map(reader, call, np.sum(maps, axis=0)))
        signs.append(1)
    result = main
    if len(sources) > 1 or signs[0] < 0:
        result = reader.like(main, g.Add(name=call.name, operator=call.op, sources=tuple(sources), signs=tuple(signs)))
    return affine(reader, call, result, 1.0, offset) if offset.any() else result


def affine(reader: Reader, call: Call, tensor: Tensor, scale: Any, offset: Any) -> Tensor:
    depth = reader.graph.shape(tensor.node)[0]
    return reader.like(tensor, g.Affine(name=call.name, operator=call.op, sources=(tensor.node,),
                                        scale=vector(scale, depth), offset=vector(offset, depth)))


def add(reader: Reader, call: Call) -> Tensor:
    return add_values(reader, call, call.inputs, [1.0] * len(call.inputs))


def sub(reader: Reader, call: Call) -> Tensor:
    return add_values(reader, call, call.inputs, [1.0, -1.0])


def multiply(reader: Reader, call: Call) -> Tensor:
    first, second = call.inputs
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        tensor, constant = (first, second) if isinstance(first, Tensor) else (second, first)
        assert isinstance(tensor, Tensor)
        scale = constant_on(reader, call, constant, tensor)
        if scale.ndim == 1:
            return affine(reader, call, tensor, scale, 0.0)
        factors = (tensor.node, constant_map(reader, call, scale))
        return reader.like(tensor, g.Multiply(name=call.name, operator=call.op, sources=factors))
    for tensor, gate in ((first, second), (second, first)):
        node = reader.graph.nodes[gate.node]
        if isinstance(node, g.Activation) and node.sources == (tensor.node,) and gate.labels == tensor.labels:
            swish = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}.get(node.function)
            if swish == "silu" or (swish and np.allclose(node.parameters, (1 / 6, 0.5))):
                return reader.like(tensor, g.Activation(name=call.name, operator=call.op, sources=node.sources,
                                                        function=swish))
    gates = [_gate(reader, tensor) for tensor in (first, second)]
    if first.dims == second.dims and (gates[0] is first) != (gates[1] is second):
        first, second = gates
    main = _main(reader, call, [first, second])
    other = second if main is first else first
    depth, _, _ = reader.graph.shape(main.node)
    small = other.labels == main.labels and reader.graph.shape(other.node) == (depth, 1, 1)
    if not small:
        other = aligned(reader, call, other, main)
    return reader.like(main, g.Multiply(name=call.name, operator=call.op, sources=(main.node, other.node)))


def divide(reader: Reader, call: Call) -> Tensor:
    if isinstance(call.inputs[1], Tensor):
        below = _function(reader, replace(call, name=f"{call.name}/reciprocal"), call.tensor(1), "reciprocal")
        return multiply(reader, replace(call, inputs=[call.inputs[0], below]))
    divisor = np.asarray(call.constant(1))
    if divisor.dtype.kind in "iu":  # the operands have one type
        call.refuse("type", "floats", f"a division of {divisor.dtype} numbers, which drops fractions",
                    "Divide floats, or quantize with QuantizeLinear.")
    if not np.all(divisor):
        call.refuse("divisor", "numbers other than 0", "a 0", "Check the model.")
    inverse = replace(call, inputs=[call.tensor(), 1 / divisor.astype(np.float64)])
    return multiply(reader, inverse)


def negate(reader: Reader, call: Call) -> Tensor:
    return affine(reader, call, call.tensor(), -1.0, 0.0)


def normalization(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset of a batch normalization, per channel."""
    if call.attributes.get("training_mode") or any(call.outputs[1:]):
        call.refuse("mode", "inference", "training", "Export the model in evaluation mode.")
    scale, offset, mean, variance = (np.asarray(call.constant(i), np.float64) for i in (1, 2, 3, 4))
    factor = scale / np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    return factor, offset - mean * factor


def batch_normalization(reader: Reader, call: Call) -> Tensor:
    return affine(reader, call, reader.canonical(call, call.tensor()), *normalization(call))


def _activation(function: str, *attributes: tuple[str, float]) -> Handler:
    def handler(reader: Reader, call: Call) -> Tensor:
        return _function(reader, call, call.tensor(), function, *(
            float(call.attributes.get(name, default)) for name, default in attributes))
    return handler


def _function(reader: Reader, call: Call, tensor: Tensor, function: str, *parameters: float) -> Tensor:
    return reader.like(tensor, g.Activation(
        name=call.name, operator=call.op, sources=(tensor.node,), function=function, parameters=parameters))


def gelu(reader: Reader, call: Call) -> Tensor:
    approximate = call.attributes.get("approximate", b"none") == b"tanh"
    return _function(reader, call, call.tensor(), "gelu_tanh" if approximate else "gelu")


def power(reader: Reader, call: Call) -> Tensor:
    """A constant exponent; other exponents per element would be as many tables."""
    exponent = np.asarray(call.constant(1)).reshape(-1)
    if not exponent.size or not (exponent == exponent[0]).all():
        call.refuse("exponent", "one number for all elements", f"{exponent.size} of them",
                    "Split the map, with a Pow of its own for each exponent.")
    named = {-1.0: "reciprocal", 0.5: "sqrt"}.get(float(exponent[0]))
    given = () if named else (float(exponent[0]),)
    return _function(reader, call, call.tensor(), named or "power", *given)


def clip(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    low = call.attributes.get("min", call.constant(1) if len(call.inputs) > 1 else None)
    high = call.attributes.get("max", call.constant(2) if len(call.inputs) > 2 else None)
    low = -np.inf if low is None else float(np.asarray(low).reshape(-1)[0])
    high = np.inf if high is None else float(np.asarray(high).reshape(-1)[0])
    node = g.Activation(name=call.name, operator=call.op, sources=(tensor.node,), function="clip",
                        parameters=(min(low, high), high))
    if low == 0 and high == np.inf:
        node = replace(node, function="relu", parameters=())
    return tensor if (low, high) == (-np.inf, np.inf) else reader.like(tensor, node)


def leaky_relu(reader: Reader, call: Call) -> Tensor:
    tensor = call.tensor()
    if call.op == "PRelu":
        given = np.asarray(call.constant(1))
        if call.version < 7 and given.ndim == 1 and len(tensor.dims) > 2:
            given = given.reshape(-1, *[1] * (len(tensor.dims) - 2))  # before broadcasting: one per channel
        slope = constant_on(reader, call, given, tensor)
        if slope.ndim != 1:
            return _slope_map(reader, call, tensor, slope)
    else:
        slope = vector(call.attributes.get("alpha", 0.01), reader.graph.shape(tensor.node)[0])
    return reader.like(tensor, g.Activation(name=call.name, operator=call.op, sources=(tensor.node,),
                                            function="leaky_relu", slope=slope))


def _slope_map(reader: Reader, call: Call, tensor: Tensor, slope: np.ndarray) -> Tensor:
    """A slope per position: max(x, 0) + slope · min(x, 0)."""
    ends = [reader.add(g.Activation(name=f"{call.name}/{name}", operator=call.op, sources=(tensor.node,),
                                    function="clip", parameters=bounds))
            for name, bounds in (("positive", (0.0, np.inf)), ("negative", (-np.inf, 0.0)))]
    scaled = reader.add(g.Multiply(name=f"{call.name}/scaled", operator=call.op,
                                   sources=(ends[1], constant_map(reader, call, slope))))
    return reader.like(tensor, g.Add(name=call.name, operator=call.op, sources=(ends[0], scaled), signs=(1, 1)))


def identity(reader: Reader, call: Call) -> Value:
    if call.op == "Dropout" and len(call.inputs) > 2 and np.any(call.constant(2, False)):
        if float(np.asarray(call.constant(1, 0.5))) > 0:
            call.refuse("mode", "inference", "training_mode with a ratio above 0", "Export in evaluation mode.")
    return call.tensor()


HANDLERS: dict[str, Handler] = {
    "Add": add, "Sum": add, "Sub": sub, "Mul": multiply, "Div": divide, "Neg": negate,
    "BatchNormalization": batch_normalization, "Relu": _activation("relu"), "Clip": clip, "LeakyRelu": leaky_relu,
    "PRelu": leaky_relu, "Sigmoid": _activation("sigmoid"), "Tanh": _activation("tanh"),
    "HardSigmoid": _activation("hard_sigmoid", ("alpha", 0.2), ("beta", 0.5)), "HardSwish": _activation("hard_swish"),
    "Expand": expand, "Swish": _activation("silu", ("alpha", 1.0)), "Elu": _activation("elu", ("alpha", 1.0)),
    "Selu": _activation("selu", ("alpha", 1.67326319217681884765625), ("gamma", 1.05070102214813232421875)),
    "Celu": _activation("celu", ("alpha", 1.0)), "Gelu": gelu, "Mish": _activation("mish"),
    "Softplus": _activation("softplus"), "Softsign": _activation("softsign"),
    "ThresholdedRelu": _activation("thresholded_relu", ("alpha", 1.0)), "Abs": _activation("abs"),
    "Sqrt": _activation("sqrt"), "Exp": _activation("exp"), "Log": _activation("log"), "Erf": _activation("erf"),
    "Pow": power, "Reciprocal": _activation("reciprocal"), "Identity": identity, "Dropout": identity,
}
