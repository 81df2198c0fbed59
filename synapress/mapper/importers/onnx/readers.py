"""The layout of an input by the first layer that reads it, past its preprocessing.

So that numbers by channel, such as the means of colors, are known as such in front of a transposition, too. What is not
found here gets its layout later (`synapress.mapper.importers.onnx.layouts`), as far as that is possible.
"""

from collections.abc import Mapping

import onnx

from golden.types import Array
from synapress.mapper.importers.tensor import Labels

BY_ELEMENT = ("Cast", "Identity", "Dropout", "Add", "Sub", "Mul", "Div", "Neg", "Sum", "Clip", "Relu", "Greater",
              "GreaterOrEqual", "Less", "LessOrEqual", "QuantizeLinear", "DequantizeLinear")
"""What preprocessing computes element by element."""
SAME_DIMENSIONS = ("Pad", "Slice", "Resize", "Upsample")
"""What changes sizes, but leaves each dimension in its place."""
CANONICAL = ("Conv", "ConvTranspose", "QLinearConv", "BatchNormalization", "InstanceNormalization", "AveragePool",
             "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "QLinearAveragePool", "QLinearGlobalAveragePool")
"""Operators whose first operand is frames, channels, (rows,) columns."""
CHANNELS = 4
"""Most channels of an image, by which they are told from columns where any layout would do: colors and transparency."""

_RANKS: dict[int, Labels] = {3: (("N",), ("D",), ("W",)), 4: (("N",), ("D",), ("H",), ("W",))}
"""Labels of frames, channels, (rows,) columns."""


def labels_read(proto: onnx.ModelProto, name: str, rank: int, known: Mapping[str, Array]) -> Labels | None:
    """The labels of an input's dimensions; None: its first reader says nothing of its layout.

    Args:
        name: of the input, of `rank` dimensions, whose first ones are the frames.
        known: constants that are no initializers.
    """
    if rank not in _RANKS:
        return None
    shapes = _shapes(proto, known)
    orders = {name: tuple(range(rank))}  # of a value's dimensions: which of the input they are
    channels: int | None = None
    for node in proto.graph.node:
        source = next((name for name in node.input if name in orders), None)
        if source is None:
            continue
        order = orders[source]
        others = [shapes[name] for name in node.input if name in shapes]
        if node.op_type in CANONICAL and node.input[0] == source:
            return _labels(order)
        if node.op_type == "Transpose":
            perm = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), tuple(range(rank))[::-1])
            if sorted(perm) != list(range(rank)):
                return None
            order = tuple(order[i] for i in perm)
        elif node.op_type in BY_ELEMENT:
            found = next((at for shape in others if (at := _varies(shape, rank)) is not None), None)
            channels = channels if found is None else order[found]
        elif node.op_type in ("Flatten", "Reshape") and (node.op_type == "Flatten" or others == [(2,)]):
            rest = [i for i in order if i not in (0, channels)]
            if channels in (None, 0):  # any layout would do here; a later reader may need one
                continue
            return _labels((0, channels, *rest))
        elif not (node.op_type in SAME_DIMENSIONS or (node.op_type == "Gather" and len(others) == 1 == len(others[0]))):
            return None
        orders[node.output[0]] = order
    return None


def _shapes(proto: onnx.ModelProto, known: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """Dimensions of the constants that a file holds."""
    found = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    found |= {node.output[0]: tuple(a.t.dims) for node in proto.graph.node if node.op_type == "Constant"
              for a in node.attribute if a.name == "value"}
    return found | {name: array.shape for name, array in known.items()}


def _varies(shape: tuple[int, ...], rank: int) -> int | None:
    """The only dimension, of `rank`, along which a constant has several numbers, if they are as few as channels."""
    wide = [rank - len(shape) + i for i, size in enumerate(shape) if size > 1]
    return wide[0] if len(wide) == 1 and wide[0] >= 0 and max(shape) <= CHANNELS else None


def _labels(order: tuple[int, ...]) -> Labels | None:
    """Labels of the input's dimensions, of which `order` are frames, channels, (rows,) columns."""
    labels = dict(zip(order, _RANKS[len(order)], strict=True))
    return tuple(labels[i] for i in range(len(order))) if order[0] == 0 else None
