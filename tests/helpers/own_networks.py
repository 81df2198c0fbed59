"""Networks as people have them, in the idioms of the exporters: ResNet, MobileNet, U-Net, YOLO, keyword spotting.

Weights are random (He), batch norms as if trained: their means and variances are those of the layer on random frames,
moved a little. `size` (columns and rows) and `width` (channels, relative to the original) reduce a network.
"""

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from tests.helpers.onnx_net import Net

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


def two_cameras(size: int = 256, second: int = 256, width: float = 1.0, seed: int = 1) -> onnx.ModelProto:
    """A U-Net of two inputs, the second resized to the first."""
    b = Net(seed, (3, size, size), width)
    y = b.input("y", (3, second, second))
    if second != size:
        y = b.node("Resize", y, "", b.constant(np.array([1, 1, *[size / second] * 2], np.float32)), mode="nearest",
                   coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    x = b.node("Concat", b.conv("x", b.depth(8)), b.conv(y, b.depth(8)), axis=1)
    skips = []
    for channels in (8, 16, 32):
        x = b.conv(b.conv(x, b.depth(channels)), b.depth(channels))
        skips.append(x)
        x = b.pool(x)
    x = b.conv(x, b.depth(64))
    for channels, skip in zip((32, 16, 8), reversed(skips), strict=True):
        x = b.conv(b.node("Concat", b.up(x, "nearest"), skip, axis=1), b.depth(channels))
    return b.model(b.bare(x, 2, 1, bias=True))


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
    "two_cameras": two_cameras, "yolo": yolo, "keywords": keywords, "waveform": waveform, "heartbeat": heartbeat,
}
