"""ONNX nodes of constants, computed when the file is read: only what has one result, and a bounded one.

A file of a few bytes can ask for a result of any size (Expand, Pad, Resize, a sum that broadcasts, ...). So its size is
inferred before it is computed, and all results together may take so much memory: a fixed share, and in proportion to
the weights that the file brings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from golden.types import Array
from synapress.mapper.errors import ModelError

BASE_BYTES = 1 << 29
"""Constants that any file may compute."""
SHARE = 8
"""Further bytes of computed constants for each byte of the file's own: initializers, and nodes that hold a constant."""
SLOW_ELEMENTS = 1 << 18
"""The largest result of operators that the evaluator computes element by element, in Python."""

_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_SLOW = ("Resize", "Upsample", "GridSample", "AffineGrid", "RoiAlign", "MaxRoiPool", "DeformConv", "Conv",
         "ConvTranspose", "ConvInteger", "QLinearConv", "AveragePool", "MaxPool", "LpPool", "MaxUnpool", "Col2Im",
         "LSTM", "GRU", "RNN", "NonMaxSuppression")
_WITHIN = ("NonZero", "Unique", "Compress", "NonMaxSuppression")
"""Their size depends on the data, but is bounded by that of their inputs."""
_SMALL = 1024
"""Constants of so many elements at most can be shapes; of larger ones the size alone is asked for."""


class Folder:
    """Computes nodes of constants, within one allowance for a whole file."""

    def __init__(self, imports: Mapping[str, int], weights: int):
        """
        Args:
            imports: versions of the operator sets by domain.
            weights: bytes of the file's initializers.
        """
        self._imports = [helper.make_opsetid(*pair) for pair in imports.items()]
        self._allowed = self._left = BASE_BYTES + SHARE * weights

    def fold(self, node: onnx.NodeProto, name: str, inputs: Sequence[Array | None]) -> list[Array | None]:
        """The results of a node, by onnx's reference evaluator.

        Raises:
            ModelError: they differ from run to run, have no bounded size, or take too much memory.
        """
        given = {source: value for source, value in zip(node.input, inputs, strict=True)
                 if source and value is not None}
        self._check_kind(node, name, inputs)
        elements, needed = self._size(node, name, given)
        if node.op_type == "Constant" and all(attribute.name != "sparse_value" for attribute in node.attribute):
            self._allowed, self._left = self._allowed + (SHARE + 1) * needed, self._left + (SHARE + 1) * needed
        if node.op_type in _SLOW and (reach := max(elements, _field(node, inputs))) > SLOW_ELEMENTS:
            raise ModelError(name, f"{node.op_type}: constant", f"at most {SLOW_ELEMENTS} elements of this operator, "
                             "padding included", reach, "Compute the constant before exporting.")
        if needed > self._left:
            raise ModelError(name, f"{node.op_type}: constant", f"computed constants of at most {self._allowed} bytes",
                             f"{needed} bytes beside the {self._allowed - self._left} of those before it",
                             "Check the sizes in the file, or compute the constant before exporting.")
        graph = helper.make_graph(
            [node], "fold", [helper.make_empty_tensor_value_info(source) for source in given],
            [helper.make_empty_tensor_value_info(output) for output in node.output if output])
        model = helper.make_model(graph, opset_imports=self._imports)
        results = iter(ReferenceEvaluator(model).run(None, given))
        made = [np.asarray(next(results)) if output else None for output in node.output]
        self._left -= sum(array.nbytes for array in made if array is not None)
        return made

    @staticmethod
    def _check_kind(node: onnx.NodeProto, name: str, inputs: Sequence[Array | None]) -> None:
        trains = node.op_type == "Dropout" and len(inputs) > 2 and inputs[2] is not None and bool(np.any(inputs[2]))
        if node.op_type in _RANDOM or trains:
            raise ModelError(name, f"{node.op_type}: constant", "one that is the same whenever it is computed",
                             "a random one", "Draw it before exporting, and make it an initializer.")
        graphs = onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS
        if any(attribute.type in graphs for attribute in node.attribute):
            raise ModelError(name, f"{node.op_type}: constant", "an operator without subgraphs",
                             "control flow", "Export without control flow: fold its conditions, unroll its loops.")

    def _size(self, node: onnx.NodeProto, name: str, given: Mapping[str, Array]) -> tuple[int, int]:
        """Elements and bytes of all results together, inferred from shapes and small constants."""
        values = [helper.make_tensor_value_info(source, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                  for source, array in given.items()]
        small = [onnx.numpy_helper.from_array(np.asarray(array), source) for source, array in given.items()
                 if array.size <= _SMALL]
        outputs = [helper.make_empty_tensor_value_info(output) for output in node.output if output]
        model = helper.make_model(helper.make_graph([node], "size", values, outputs, initializer=small),
                                  opset_imports=self._imports)
        elements = memory = 0
        for output in onnx.shape_inference.infer_shapes(model).graph.output:
            tensor = output.type.tensor_type
            known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
            if not known and node.op_type not in _WITHIN:
                raise ModelError(name, f"{node.op_type}: constant", "a size that is known before it is computed",
                                 f"none of '{output.name}'", "Compute the constant before exporting.")
            sizes = [dim.dim_value for dim in tensor.shape.dim]
            if known and min(sizes, default=0) < 0:
                raise ModelError(name, f"{node.op_type}: constant", "no negative size", tuple(sizes), "Check the file.")
            count = int(np.prod(sizes, dtype=object)) if known else sum(
                array.size * max(array.ndim, 1) for array in given.values())
            kind = tensor.elem_type if tensor.elem_type != onnx.TensorProto.STRING else 0
            size = helper.tensor_dtype_to_np_dtype(kind).itemsize if kind else 8
            elements, memory = elements + count, memory + count * size
        return elements, memory


def _field(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> int:
    """Elements of the first input with its padding and the whole kernel, which windows may lie in."""
    whole = {attribute.name: [abs(number) for number in attribute.ints] for attribute in node.attribute}
    if not inputs or inputs[0] is None:
        return 0
    sizes = list(inputs[0].shape)
    count = max(len(sizes) - 2, 0)
    pads, kernel = whole.get("pads", [0] * 2 * count), whole.get("kernel_shape", [1] * count)
    dilations = whole.get("dilations", [1] * count)
    for i in range(count):
        sizes[2 + i] += sum(pads[i::count]) + (kernel[i] * dilations[i] if i < min(len(kernel), len(dilations)) else 0)
    return int(np.prod(sizes, dtype=object))
