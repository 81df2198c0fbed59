"""Networks as people have them, in the idioms of the exporters: ResNet, MobileNet, U-Net, YOLO, keyword spotting.

Weights are random (He), batch norms as if trained: their means and variances are those of the layer on random frames,
moved a little. `size` (columns and rows) and `width` (channels, relative to the original) reduce a network.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from golden.types import Floats

OPSET = 17


def frames(shape: Sequence[int], count: int, rng: np.random.Generator) -> Floats:
    """Random frames with structure of several sizes, zero mean and unit variance, as normalized images have."""
    total = np.zeros((count, *shape))
    for step in (1, 4, 16):
        coarse = rng.normal(size=(count, shape[0], *(-(-size // step) for size in shape[1:])))
        for axis, size in enumerate(shape[1:], 2):
            coarse = np.repeat(coarse, step, axis=axis).take(range(size), axis=axis)
        total += coarse * (0.4 if step == 1 else 1.0)
    return np.asarray(total / total.std(), np.float32)


class Net:
    """A model under construction. Every node is computed at once on a few frames, so that shapes and statistics are
    known; methods return the name of their result."""

    def __init__(self, seed: int, shape: Sequence[int], width: float = 1.0, opset: int = OPSET):
        self.rng, self.opset, self.width = np.random.default_rng(seed), opset, width
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.values: dict[str, npt.NDArray] = {"x": frames(shape, 2, self.rng)}

    def depth(self, channels: int) -> int:
        """So many channels of the original, reduced."""
        return max(4, int(channels * self.width + 2) // 4 * 4)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape[1:]

    def constant(self, array: npt.ArrayLike) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        self.values[name] = np.asarray(array)
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes) -> str:
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        node = helper.make_node(op, list(inputs), names, name=names[0].rsplit("_", 1)[0], **attributes)
        self.nodes.append(node)
        given = {name: self.values[name] for name in inputs if name}
        known = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                 for name, value in given.items()]
        graph = helper.make_graph([node], "one", known, [helper.make_empty_tensor_value_info(name) for name in names])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        one = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        found = onnxruntime.InferenceSession(one.SerializeToString(), options).run(None, given)
        self.values |= dict(zip(names, found, strict=True))
        return names[0] if outputs == 1 else names

    # -- layers --------------------------------------------------------------------------------

    def bare(self, x: str, result: int, kernel: int | Sequence[int], stride: int | Sequence[int] = 1, *,
             group: int = 1, pads: Sequence[int] | None = None, bias: bool = False, **attributes) -> str:
        """A convolution alone; its default padding keeps the size."""
        axes = len(self.shape(x)) - 1
        kernel, stride = ([v] * axes if isinstance(v, int) else list(v) for v in (kernel, stride))
        source = self.shape(x)[0] // group
        weights = self.rng.normal(0, np.sqrt(2 / (source * np.prod(kernel))), (result, source, *kernel))
        more = [self.constant(self.rng.normal(0, 0.1, result).astype(np.float32))] if bias else []
        return self.node("Conv", x, self.constant(weights.astype(np.float32)), *more, strides=stride, group=group,
                         kernel_shape=kernel, pads=[k // 2 for k in kernel] * 2 if pads is None else list(pads),
                         **attributes)

    def batch_norm(self, x: str, gain: float = 1.0) -> str:
        value, depth = self.values[x].astype(np.float64), self.shape(x)[0]
        axes = (0, *range(2, value.ndim))
        mean, variance = value.mean(axes), value.var(axes) + 1e-3 * value.var()
        if value[:, 0].size < 32:  # too few to tell a channel's from
            mean, variance = np.zeros(depth), np.full(depth, np.mean(value**2))
        rows = [gain * self.rng.uniform(0.7, 1.3, depth), self.rng.normal(0, 0.3, depth),
                mean + self.rng.normal(0, 0.1, depth) * np.sqrt(variance),
                variance * self.rng.uniform(0.8, 1.25, depth)]
        return self.node("BatchNormalization", x, *(self.constant(row.astype(np.float32)) for row in rows))

    def act(self, x: str, function: str) -> str:
        if function == "relu6":
            return self.node("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        if function == "silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        if function == "hard_swish":
            return self.node("HardSwish", x)
        if function == "leaky":
            return self.node("LeakyRelu", x, alpha=0.1)
        return x if function == "none" else self.node("Relu", x)

    def conv(self, x: str, result: int, kernel: int | Sequence[int] = 3, stride: int | Sequence[int] = 1,
             function: str = "relu", *, gain: float = 1.0, **attributes) -> str:
        """Convolution, batch norm, activation."""
        return self.act(self.batch_norm(self.bare(x, result, kernel, stride, **attributes), gain), function)

    def depthwise(self, x: str, kernel: int | Sequence[int], stride: int | Sequence[int], function: str,
                  **attributes) -> str:
        depth = self.shape(x)[0]
        return self.conv(x, depth, kernel, stride, function, group=depth, **attributes)

    def dense(self, x: str, result: int) -> str:
        source = self.shape(x)[0]
        weights = self.rng.normal(0, np.sqrt(2 / source), (result, source)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, result).astype(np.float32)
        return self.node("Gemm", x, self.constant(weights), self.constant(bias), transB=1)

    def squeeze(self, x: str, hidden: int, gate: str = "Sigmoid") -> str:
        """Squeeze and excitation."""
        depth = self.shape(x)[0]
        function = "relu" if gate == "HardSigmoid" else "silu"
        y = self.act(self.bare(self.node("GlobalAveragePool", x), hidden, 1, bias=True), function)
        more = {"alpha": 1 / 6, "beta": 0.5} if gate == "HardSigmoid" else {}
        return self.node("Mul", x, self.node(gate, self.bare(y, depth, 1, bias=True), **more))

    def add(self, x: str, y: str) -> str:
        return self.node("Add", x, y)

    def pool(self, x: str, kernel: int = 2, stride: int = 2, pad: int = 0) -> str:
        axes = len(self.shape(x)) - 1
        return self.node("MaxPool", x, kernel_shape=[kernel] * axes, strides=[stride] * axes, pads=[pad] * 2 * axes)

    def flatten(self, x: str) -> str:
        """`x.view(x.size(0), -1)` as PyTorch exports it with a dynamic batch."""
        count = self.node("Gather", self.node("Shape", x), self.constant(np.int64(0)), axis=0)
        axes = self.constant(np.array([0]))
        shape = self.node("Concat", self.node("Unsqueeze", count, axes), self.constant(np.array([-1])), axis=0)
        return self.node("Reshape", x, shape)

    def mean(self, x: str) -> str:
        """`x.mean((2, 3))`, axes as an attribute up to opset 17."""
        return self.node("ReduceMean", x, axes=list(range(2, self.values[x].ndim)), keepdims=0)

    def up(self, x: str, mode: str, *, by_size: bool = False) -> str:
        where = {"nearest": {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
                 "linear": {"coordinate_transformation_mode": "half_pixel"}}[mode]
        if by_size:  # the exporter keeps the number of frames dynamic
            head = self.node("Slice", self.node("Shape", x), *(self.constant(np.array([i])) for i in (0, 2, 0)))
            size = self.constant(np.array([2 * size for size in self.shape(x)[1:]]))
            return self.node("Resize", x, "", "", self.node("Concat", head, size, axis=0), mode=mode, **where)
        return self.node("Resize", x, "", self.constant(np.array([1, 1, 2, 2], np.float32)), mode=mode, **where)

    def transposed(self, x: str, result: int, function: str = "relu") -> str:
        depth = self.shape(x)[0]
        weights = self.rng.normal(0, np.sqrt(2 / depth), (depth, result, 2, 2)).astype(np.float32)
        return self.act(self.batch_norm(self.node(
            "ConvTranspose", x, self.constant(weights), strides=[2, 2], kernel_shape=[2, 2])), function)

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The model, with a dynamic number of frames."""
        graph = helper.make_graph(
            self.nodes, "own", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *self.shape("x")])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *self.shape(name)]) for name in outputs],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model


# -- classifiers -------------------------------------------------------------------------------


def resnet(blocks: Sequence[int], bottleneck: bool, size: int, width: float, seed: int) -> onnx.ModelProto:
    b = Net(seed, (3, size, size), width)
    x = b.pool(b.conv("x", b.depth(64), 7, 2), 3, 2, 1)
    for stage, count in enumerate(blocks):
        depth = b.depth(64 << stage)
        for number in range(count):
            stride = 2 if stage and not number else 1
            result = depth * (4 if bottleneck else 1)
            if bottleneck:
                y = b.conv(b.conv(b.conv(x, depth, 1), depth, 3, stride), result, 1, 1, "none", gain=0.5)
            else:
                y = b.conv(b.conv(x, depth, 3, stride), result, 3, 1, "none", gain=0.5)
            if stride > 1 or b.shape(x)[0] != result:
                x = b.conv(x, result, 1, stride, "none")
            x = b.node("Relu", b.add(y, x))
    return b.model(b.dense(b.flatten(b.node("GlobalAveragePool", x)), 1000 if width == 1 else 10))


def resnet18(size: int = 224, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    return resnet((2, 2, 2, 2), False, size, width, seed)


def resnet50(size: int = 224, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    return resnet((3, 4, 6, 3), True, size, width, seed)


def mobilenet_v2(size: int = 224, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    b = Net(seed, (3, size, size), width)
    x = b.conv("x", b.depth(32), 3, 2, "relu6")
    for factor, channels, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)):
        for number in range(count):
            source, stride = b.shape(x)[0], first if number == 0 else 1
            y = x if factor == 1 else b.conv(x, source * factor, 1, 1, "relu6")
            y = b.conv(b.depthwise(y, 3, stride, "relu6"), b.depth(channels), 1, 1, "none")
            x = b.add(x, y) if stride == 1 and b.shape(y)[0] == source else y
    x = b.conv(x, max(b.depth(1280), 32), 1, 1, "relu6")
    return b.model(b.dense(b.mean(x), 1000 if width == 1 else 10))


def mobilenet_v3(size: int = 224, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """MobileNetV3 small: squeeze and excitation with hard sigmoid, hard swish."""
    b = Net(seed, (3, size, size), width)
    x = b.conv("x", b.depth(16), 3, 2, "hard_swish")
    for kernel, hidden, channels, gated, function, stride in (
            (3, 16, 16, 1, "relu", 2), (3, 72, 24, 0, "relu", 2), (3, 88, 24, 0, "relu", 1),
            (5, 96, 40, 1, "hard_swish", 2), (5, 240, 40, 1, "hard_swish", 1), (5, 240, 40, 1, "hard_swish", 1),
            (5, 120, 48, 1, "hard_swish", 1), (5, 144, 48, 1, "hard_swish", 1), (5, 288, 96, 1, "hard_swish", 2),
            (5, 576, 96, 1, "hard_swish", 1), (5, 576, 96, 1, "hard_swish", 1)):
        source = b.shape(x)[0]
        y = b.conv(x, b.depth(hidden), 1, 1, function) if hidden != 16 else x
        y = b.depthwise(y, kernel, stride, function)
        y = b.squeeze(y, b.depth(max(hidden // 4, 8)), "HardSigmoid") if gated else y
        y = b.conv(y, b.depth(channels), 1, 1, "none")
        x = b.add(x, y) if stride == 1 and b.shape(y)[0] == source else y
    x = b.flatten(b.node("GlobalAveragePool", b.conv(x, b.depth(576), 1, 1, "hard_swish")))
    return b.model(b.dense(b.act(b.dense(x, b.depth(1024)), "hard_swish"), 1000 if width == 1 else 10))


def efficientnet(size: int = 224, width: float = 1.0, seed: int = 1, stages: int = 7) -> onnx.ModelProto:
    """EfficientNet-B0: SiLU, and squeezes over maps of half the input's size; perhaps of its first stages only."""
    b = Net(seed, (3, size, size), width)
    x = b.conv("x", b.depth(32), 3, 2, "silu")
    for factor, channels, count, first, kernel in (
            (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
            (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))[:stages]:
        for number in range(count):
            source, stride = b.shape(x)[0], first if number == 0 else 1
            y = x if factor == 1 else b.conv(x, source * factor, 1, 1, "silu")
            y = b.squeeze(b.depthwise(y, kernel, stride, "silu"), max(4, source // 4))
            y = b.conv(y, b.depth(channels), 1, 1, "none")
            x = b.add(x, y) if stride == 1 and b.shape(y)[0] == source else y
    x = b.conv(x, max(b.depth(1280), 32), 1, 1, "silu")
    return b.model(b.dense(b.flatten(b.node("GlobalAveragePool", x)), 1000 if width == 1 else 10))


def densenet(
    size: int = 224, width: float = 1.0, seed: int = 1, blocks: Sequence[int] = (6, 12, 24, 16)
) -> onnx.ModelProto:
    """DenseNet-121: each layer reads the concat of all before it in its block."""
    b = Net(seed, (3, size, size), width)
    x = b.pool(b.conv("x", b.depth(64), 7, 2), 3, 2, 1)
    for number, count in enumerate(blocks):
        if number:
            x = b.bare(b.act(b.batch_norm(x), "relu"), b.shape(x)[0] // 2, 1)
            x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        for _ in range(count):
            y = b.conv(b.act(b.batch_norm(x), "relu"), b.depth(128), 1)
            x = b.node("Concat", x, b.bare(y, b.depth(32), 3), axis=1)
    x = b.flatten(b.node("GlobalAveragePool", b.act(b.batch_norm(x), "relu")))
    return b.model(b.dense(x, 1000 if width == 1 else 10))


def vgg(size: int = 112, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """Convolutions with biases, no batch norm; a map of 7 × 7 flattened into dense layers."""
    b = Net(seed, (3, size, size), width)
    x = "x"
    for channels, count in ((32, 1), (64, 1), (128, 2), (256, 2)):
        for _ in range(count):
            x = b.act(b.bare(x, b.depth(channels), 3, bias=True), "relu")
        x = b.pool(x)
    x = b.act(b.dense(b.node("Flatten", x), b.depth(512)), "relu")
    return b.model(b.dense(b.node("Dropout", x), 10))


def mlp(size: int = 64, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """Dense layers on a flattened image."""
    b = Net(seed, (3, size, size), width)
    x = b.act(b.dense(b.node("Flatten", "x"), b.depth(256)), "relu")
    return b.model(b.dense(b.act(b.dense(x, b.depth(128)), "relu"), 10))


def pilotnet(size: int = 200, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """As Keras exports it: frames channels last, a transpose before and one in front of the Flatten."""
    rows = 66 if size == 200 else size
    b = Net(seed, (rows, size, 3), width)
    x = b.node("Transpose", "x", perm=[0, 3, 1, 2])
    for channels, kernel, stride in ((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)):
        if min(b.shape(x)[1:]) >= kernel:
            x = b.act(b.bare(x, b.depth(channels), kernel, stride, pads=[0] * 4, bias=True), "relu")
    x = b.node("Transpose", x, perm=[0, 2, 3, 1])
    x = b.node("Reshape", x, b.constant(np.array([-1, int(np.prod(b.shape(x)))])))
    for result in (100, 50, 10):
        x = b.act(b.dense(x, b.depth(result)), "relu")
    return b.model(b.node("Tanh", b.dense(x, 1)))


# -- other tasks -------------------------------------------------------------------------------


def unet(size: int = 128, width: float = 1.0, seed: int = 1, up: str = "transposed") -> onnx.ModelProto:
    b = Net(seed, (3, size, size), width)
    skips, x = [], "x"
    for channels in (16, 32, 64):
        x = b.conv(b.conv(x, b.depth(channels)), b.depth(channels))
        skips.append(x)
        x = b.pool(x)
    x = b.conv(b.conv(x, b.depth(128)), b.depth(128))
    for channels, skip in zip((64, 32, 16), reversed(skips), strict=True):
        x = b.transposed(x, b.depth(channels)) if up == "transposed" else b.conv(
            b.up(x, up, by_size=channels == 32), b.depth(channels))
        x = b.node("Concat", skip, x, axis=1)
        x = b.conv(b.conv(x, b.depth(channels)), b.depth(channels))
    return b.model(b.node("Sigmoid", b.bare(x, 2, 1, bias=True)))


def yolo(size: int = 320, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """SiLU, split and concat, three max pools of 5 × 5 in a row, nearest upsampling, heads of two sizes."""
    b = Net(seed, (3, size, size), width)

    def block(x: str, channels: int) -> str:
        half = b.depth(channels) // 2
        x = b.conv(x, 2 * half, 1, 1, "silu")
        first, second = b.node("Split", x, b.constant(np.array([half, half])), axis=1, outputs=2)
        y = b.conv(b.conv(second, half, 3, 1, "silu"), half, 3, 1, "silu")
        return b.conv(b.node("Concat", first, second, b.add(second, y), axis=1), b.depth(channels), 1, 1, "silu")

    x = block(b.conv(b.conv("x", b.depth(16), 3, 2, "silu"), b.depth(32), 3, 2, "silu"), 32)
    x = block(b.conv(x, b.depth(64), 3, 2, "silu"), 64)
    middle = x = block(b.conv(x, b.depth(128), 3, 2, "silu"), 128)
    x = block(b.conv(x, b.depth(256), 3, 2, "silu"), 256)
    parts = [b.conv(x, b.depth(128), 1, 1, "silu")]
    for _ in range(3):
        parts.append(b.pool(parts[-1], 5, 1, 2))
    low = b.conv(b.node("Concat", *parts, axis=1), b.depth(256), 1, 1, "silu")
    x = b.conv(low, b.depth(128), 1, 1, "silu")
    x = block(b.node("Concat", b.up(x, "nearest"), middle, axis=1), 128)
    heads = [b.bare(b.conv(x, b.depth(128), 3, 1, "silu"), 18, 1, bias=True),
             b.bare(b.conv(low, b.depth(256), 3, 1, "silu"), 18, 1, bias=True)]
    return b.model(*heads)


def keywords(size: int = 49, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """DS-CNN on 49 × 10 coefficients: a first kernel of 10 × 4 with stride 2, an average over what is left."""
    b = Net(seed, (1, size, 10), width)
    x = b.conv("x", b.depth(64), (10, 4), (2, 2), pads=(4, 1, 5, 1))
    for _ in range(4):
        x = b.conv(b.depthwise(x, 3, 1, "relu"), b.depth(64), 1)
    x = b.node("AveragePool", x, kernel_shape=list(b.shape(x)[1:]))
    x = b.node("Squeeze", x, b.constant(np.array([2, 3])))
    return b.model(b.dense(x, 12))


def waveform(size: int = 8000, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """One-dimensional (M5): a first kernel of 80 with stride 4 on thousands of samples."""
    b = Net(seed, (1, size), width)
    x = b.pool(b.conv("x", b.depth(32), 80, 4, pads=(38, 38)), 4, 4)
    for channels in (32, 64, 64):
        x = b.pool(b.conv(x, b.depth(channels), 3), 4, 4)
    return b.model(b.dense(b.mean(x), 35))


def heartbeat(size: int = 3000, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """One-dimensional residual network for ECG: kernels of 15, leads as channels."""
    b = Net(seed, (12, size), width)
    x = b.conv("x", b.depth(32), 15, 2)
    for channels in (32, 64, 64, 128):
        y = b.conv(b.conv(x, b.depth(channels), 15, 4), b.depth(channels), 15, 1, "none", gain=0.5)
        x = b.node("Relu", b.add(y, b.conv(x, b.depth(channels), 1, 4, "none")))
    return b.model(b.node("Sigmoid", b.dense(b.flatten(b.node("GlobalAveragePool", x)), 5)))


NETWORKS: dict[str, Callable[..., onnx.ModelProto]] = {
    "resnet18": resnet18, "resnet50": resnet50, "mobilenet_v2": mobilenet_v2, "mobilenet_v3": mobilenet_v3,
    "efficientnet": efficientnet, "densenet": densenet, "vgg": vgg, "mlp": mlp, "pilotnet": pilotnet, "unet": unet,
    "yolo": yolo, "keywords": keywords, "waveform": waveform, "heartbeat": heartbeat,
}
