"""A builder of ONNX models as exporters write them; each node is computed at once for the statistics of batch norms."""

from collections.abc import Sequence

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
        self.inputs = ["x"]

    def input(self, name: str, shape: Sequence[int]) -> str:
        """A further input."""
        self.values[name] = frames(shape, 2, self.rng)
        self.inputs.append(name)
        return name

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
            self.nodes, "own",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *self.shape(name)]) for name in self.inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *self.shape(name)]) for name in outputs],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model
