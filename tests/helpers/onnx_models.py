"""Small ONNX models with random weights, of the topologies that the importer must support."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Builder:
    """Nodes and initializers, in order; each method returns the name of its result."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...]):
        self.rng, self.nodes, self.constants, self.shape = rng, [], [], shape

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0].rsplit("_", 1)[0], **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, source: int, result: int, kernel: int = 3, *, group: int = 1, relu: bool = True,
             **attributes) -> str:
        fan = source // group * kernel * kernel
        weights = self.rng.normal(0, np.sqrt(2 / fan), (result, source // group, kernel, kernel)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, result).astype(np.float32)
        attributes.setdefault("pads", [kernel // 2] * 4)
        y = self.node("Conv", x, self.constant(weights), self.constant(bias), group=group, **attributes)
        return self.node("Relu", y) if relu else y

    def batch_norm(self, x: str, depth: int) -> str:
        draw = self.rng.uniform(0.5, 1.5, (4, depth)).astype(np.float32)
        return self.node("BatchNormalization", x, *(self.constant(row) for row in draw))

    def gemm(self, x: str, source: int, result: int) -> str:
        weights = self.rng.normal(0, np.sqrt(1 / source), (result, source)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, result).astype(np.float32)
        return self.node("Gemm", x, self.constant(weights), self.constant(bias), transB=1)

    def model(self, *outputs: str, kind: int = onnx.TensorProto.FLOAT, opset: int = 17) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "random", [helper.make_tensor_value_info("x", kind, ["n", *self.shape])],
            [helper.make_tensor_value_info(name, kind, None) for name in outputs], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model)
        return model


def plain(rng: np.random.Generator) -> onnx.ModelProto:
    """Strides, depthwise, batch norm, both pools, flatten, dense."""
    b = Builder(rng, (2, 12, 10))
    x = b.conv("x", 2, 8, strides=[2, 2], relu=False)
    x = b.node("Relu", b.batch_norm(x, 8))
    x = b.conv(x, 8, 8, group=8)
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.conv(x, 8, 12, 1)
    x = b.node("AveragePool", x, kernel_shape=[3, 2], pads=[1, 0, 1, 1])
    x = b.node("Dropout", b.node("Flatten", x))
    return b.model(b.gemm(x, 12 * 3 * 2, 5))


def residual(rng: np.random.Generator) -> onnx.ModelProto:
    """Two residual blocks, one with a strided shortcut."""
    b = Builder(rng, (3, 8, 8))
    x = b.conv("x", 3, 8)
    y = b.conv(b.conv(x, 8, 8), 8, 8, relu=False)
    x = b.node("Relu", b.node("Add", x, y))
    y = b.conv(b.conv(x, 8, 12, strides=[2, 2]), 12, 12, relu=False)
    shortcut = b.conv(x, 8, 12, 1, relu=False, strides=[2, 2])
    x = b.node("Relu", b.node("Add", shortcut, y))
    x = b.node("Flatten", b.node("GlobalAveragePool", x))
    return b.model(b.gemm(x, 12, 4))


def inception(rng: np.random.Generator) -> onnx.ModelProto:
    """Parallel branches that are concatenated, pooled and split."""
    b = Builder(rng, (3, 8, 9))
    x = b.conv("x", 3, 6)
    pooled = b.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    parts = [b.conv(x, 6, 4, 1), b.conv(b.conv(x, 6, 3, 1), 3, 5), b.conv(x, 6, 4, 5), b.conv(pooled, 6, 3, 1)]
    x = b.conv(b.node("Concat", *parts, axis=1), 16, 8)
    first, second = b.node("Split", x, b.constant(np.array([3, 5])), axis=1, outputs=2)
    x = b.node("Concat", b.conv(second, 5, 4), first, axis=1)
    return b.model(b.node("Sigmoid", b.conv(x, 7, 3, 1, relu=False)))


def u_shape(rng: np.random.Generator) -> onnx.ModelProto:
    """Down and up again, with a skip, bilinear and nearest upsampling and a transposed convolution."""
    b = Builder(rng, (2, 8, 12))
    top = b.conv("x", 2, 6)
    middle = b.conv(top, 6, 8, strides=[2, 2])
    low = b.conv(middle, 8, 8, strides=[2, 2])
    scales = b.constant(np.array([1, 1, 2, 2], np.float32))
    x = b.node("Resize", low, "", scales, mode="linear")
    x = b.conv(b.node("Concat", x, middle, axis=1), 16, 8)
    weights = rng.normal(0, 0.2, (8, 6, 4, 4)).astype(np.float32)
    x = b.node("ConvTranspose", x, b.constant(weights), strides=[2, 2], pads=[1, 1, 1, 1])
    x = b.node("LeakyRelu", b.node("Add", x, top), alpha=0.1)
    skip = b.node("Resize", middle, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor")
    return b.model(b.conv(b.node("Concat", x, skip, axis=1), 14, 2, 1, relu=False))


def squeeze_excite(rng: np.random.Generator) -> onnx.ModelProto:
    """A gate per channel, and activations by table."""
    b = Builder(rng, (3, 8, 6))
    x = b.conv("x", 3, 8, relu=False)
    x = b.node("Mul", x, b.node("Sigmoid", x))
    gate = b.conv(b.node("GlobalAveragePool", x), 8, 4, 1)
    gate = b.node("HardSigmoid", b.conv(gate, 4, 8, 1, relu=False))
    x = b.node("Mul", x, gate)
    x = b.node("HardSwish", b.conv(x, 8, 8, relu=False))
    return b.model(b.conv(x, 8, 4, 1, relu=False))


def one_dimensional(rng: np.random.Generator) -> onnx.ModelProto:
    """Convolutions over time."""
    b = Builder(rng, (4, 32))
    x = "x"
    for source, result in ((4, 8), (8, 12)):
        weights = rng.normal(0, np.sqrt(2 / (5 * source)), (result, source, 5)).astype(np.float32)
        x = b.node("Relu", b.node("Conv", x, b.constant(weights), strides=[2], pads=[2, 2]))
    x = b.node("MaxPool", x, kernel_shape=[2], strides=[2])
    return b.model(b.gemm(b.node("Flatten", x), 12 * 4, 3))


TOPOLOGIES = {"plain": plain, "residual": residual, "inception": inception, "u_shape": u_shape,
              "squeeze_excite": squeeze_excite, "one_dimensional": one_dimensional}
