"""Arrays of a file against feature maps: which dimension of an array is which axis of a map.

A file's arrays may be permuted, flattened and reshaped without moving data between channels, columns and rows. `labels`
says for each dimension which axes it holds, slowest first: N (frames), D, W, H, or none if its size is 1. An ONNX image
(N, C, H, W) is (N)(D)(H)(W); flattened it is (N)(D H W).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from synapress.mapper.errors import ModelError

Labels = tuple[tuple[str, ...], ...]
AXES = "NDWH"
_ROLES = {0: "", 1: "D", 2: "DW", 3: "DHW"}
_SHOWN = 4
"""Channels whose normalization is told: images have three or four."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """What the 8-bit integers of an array mean: value = scale · (integer - zero_point), integers of low … high."""

    scale: float
    zero_point: int
    low: int
    high: int

    def agrees(self, other: "Quantization") -> bool:
        """Whether the same integers mean the same values."""
        mine, theirs = ((item.zero_point, item.low, item.high) for item in (self, other))
        return mine == theirs and bool(np.isclose(self.scale, other.scale, rtol=1e-6))


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An array of a file that is a feature map: the node of the float graph, its dimensions and their labels."""

    node: str
    dims: tuple[int, ...]
    labels: Labels
    integers: Quantization | None = None
    """Of an array of 8-bit integers; the map has the real values that they stand for."""

    def find(self, axis: str) -> int | None:
        """The dimension that holds an axis."""
        return next((i for i, label in enumerate(self.labels) if axis in label), None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """Some elements of a flattened map, each times a factor plus an offset."""

    tensor: Tensor
    """(frames, elements)."""
    chosen: npt.NDArray[np.intp]
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def plain(self) -> bool:
        """Whether the elements are taken as they are."""
        return bool((self.scale == 1).all() and not self.offset.any())

    def cut(self, at: npt.NDArray[np.intp]) -> "Segment":
        """The same of fewer elements."""
        return Segment(tensor=self.tensor, chosen=self.chosen[at], scale=self.scale[at], offset=self.offset[at])


@dataclass(frozen=True, kw_only=True, eq=False)
class FlattenedConcat:
    """Flattened maps behind each other, or parts of one: an array (frames, elements) that is not a map.

    What reads it by a matrix reads each map with its columns of the matrix.
    """

    segments: tuple[Segment, ...]

    @property
    def dims(self) -> tuple[int, int]:
        return self.segments[0].tensor.dims[0], sum(map(len, self.segments))

    @staticmethod
    def of(tensor: Tensor) -> "FlattenedConcat":
        """A flattened map, whole."""
        size = tensor.dims[1]
        return FlattenedConcat(segments=(Segment(
            tensor=tensor, chosen=np.arange(size), scale=np.ones(size), offset=np.zeros(size)),))

    def slices(self) -> list[tuple[Segment, slice]]:
        """Segments, and where they lie."""
        ends = np.cumsum([0, *map(len, self.segments)])
        return [(segment, slice(int(ends[i]), int(ends[i + 1]))) for i, segment in enumerate(self.segments)]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "FlattenedConcat":
        """The same with other maps of the same size."""
        return FlattenedConcat(
            segments=tuple(replace(segment, tensor=change(segment.tensor)) for segment in self.segments))


def default_labels(where: str, dims: Sequence[int], batch: bool = True) -> Labels:
    """Labels of a network input: (N, C, H, W), (N, C, L), (N, C), or without N.

    Raises:
        ModelError: more than three dimensions besides the frames.
    """
    start = 1 if batch and len(dims) > 1 else 0
    first: Labels = (("N",),) if start else ()
    rest = list(dims[start:])
    wide = list(range(len(rest))) if len(rest) <= 3 else [i for i, size in enumerate(rest) if size > 1]
    if len(wide) > 3:
        raise ModelError(where, "rank", "at most channels, rows and columns besides the frames", tuple(dims),
                         "Feature maps have two spatial dimensions; fold one of them into the channels.")
    roles = dict(zip(wide, _ROLES[len(wide)], strict=True))
    return first + tuple((roles[i],) if i in roles else () for i in range(len(rest)))


def factors(labels: Labels) -> list[str]:
    """Labels "D.index.size" of dimensions that hold factors of the channels, slowest first (`onnx_shuffle`)."""
    return sorted((axis for label in labels for axis in label if axis.startswith("D.")),
                  key=lambda axis: int(axis.split(".")[1]))


def factor_size(axis: str) -> int:
    return int(axis.split(".")[2])


def map_shape(dims: Sequence[int], labels: Labels) -> tuple[int, int, int]:
    """(D, W, H) of unfused labels."""
    sizes = {label[0]: size for size, label in zip(dims, labels, strict=True) if label}
    return sizes.get("D", 1), sizes.get("W", 1), sizes.get("H", 1)


def regroup(dims: Sequence[int], labels: Labels, wanted: Sequence[int], sizes: dict[str, int]) -> Labels | None:
    """Labels after a reshape to `wanted`, or None if it would move data between axes; `sizes` of the axes."""
    order = [axis for label in labels for axis in label if sizes[axis] > 1]
    result: list[tuple[str, ...]] = []
    for size in wanted:
        label: list[str] = []
        have = 1
        while have < size and order:
            label.append(order[0])
            have *= sizes[order.pop(0)]
        if have != size or ("N" in label and len(label) > 1):
            return None
        result.append(tuple(label))
    return None if order else tuple(result)


def shape_in_blocks(shape: tuple[int, int, int], blocks: tuple[int, int]) -> tuple[int, int, int]:
    """Shape of `in_blocks` of a map."""
    return shape[0] * blocks[0] * blocks[1], -(-shape[1] // blocks[0]), -(-shape[2] // blocks[1])


def in_blocks(maps: npt.NDArray[Any], blocks: tuple[int, int]) -> npt.NDArray[Any]:
    """Maps (N, D · sx · sy, ⌈W / sx⌉, ⌈H / sy⌉): channel (c · sx + i) · sy + j has column i, row j of every block."""
    if blocks == (1, 1):
        return maps
    count, depth, *size = maps.shape
    _, width, height = shape_in_blocks((depth, size[0], size[1]), blocks)
    whole = np.zeros((count, depth, width * blocks[0], height * blocks[1]), maps.dtype)
    whole[:, :, :size[0], :size[1]] = maps
    return whole.reshape(count, depth, width, blocks[0], height, blocks[1]).transpose(0, 1, 3, 5, 2, 4).reshape(
        count, -1, width, height)


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What the host makes of an input's 8-bit integers, such as pixels: value = scale · integer + offset, by channel.

    It is done where frames are made, and costs neither events nor neurons.
    """

    scale: tuple[float, ...]
    """One number for each channel, or one for all."""
    offset: tuple[float, ...]
    """As many."""
    low: int
    high: int
    """The integers that there are: 0 … 255 or -128 … 127."""
    order: tuple[int, ...] = ()
    """Channels of the input in the order that the map has, such as blue, green, red; empty: that of the input."""

    def __str__(self) -> str:
        kind = "uint8" if self.low == 0 else "int8"
        order = f", channels in the order {', '.join(map(str, self.order[:_SHOWN]))}" if self.order else ""
        order += ", …" * (len(self.order) > _SHOWN)
        if self.scale == (1.0,) and self.offset == (0.0,) and not order:
            return f"{kind}, {self.low} … {self.high} as they are"
        scale, offset = (", ".join(f"{number:.6g}" for number in numbers[:_SHOWN]) + ", …" * (len(numbers) > _SHOWN)
                         for numbers in (self.scale, self.offset))
        return (f"{kind}, normalized where frames are made: scale · integer + offset, with scale {scale} and offset "
                f"{offset}{' by channel' if len(self.scale) > 1 else ''}{order}")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value."""
        ends = np.outer([self.low, self.high], self.scale) + self.offset
        return float(ends.min()), float(ends.max())

    def check(self, name: str, integers: npt.NDArray[Any]) -> None:
        """
        Raises:
            ModelError: an array for input `name` has others than these integers.
        """
        low, high = float(integers.min()), float(integers.max())
        if low < self.low or high > self.high or not (integers.dtype.kind in "iub" or (integers % 1 == 0).all()):
            raise ModelError(name, "input values", f"integers of {self.low} … {self.high}, as the file has them",
                             f"{integers.dtype.name} numbers from {low:g} to {high:g}",
                             "Give the integers themselves: the model's own normalization is applied to them.")

    def values(self, maps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The values (N, D, W, H) of integers."""
        scale, offset = (np.array(numbers)[:, None, None] for numbers in (self.scale, self.offset))
        return (maps[:, list(self.order)] if self.order else maps) * scale + offset


@dataclass(kw_only=True)
class Port:
    """An input or output of the model: how its array becomes maps, and back."""

    name: str
    node: str
    dims: tuple[int, ...]
    labels: Labels
    shape: tuple[int, int, int]
    """(D, W, H)."""
    scale: float | None = None
    """Of an integer array: value = scale · (integer - zero_point)."""
    zero_point: int = 0
    view: tuple[int, ...] | None = None
    """Dimensions that an input's array is reshaped to first; the labels are theirs. Frames stay dimension 0."""
    blocks: tuple[int, int] = (1, 1)
    """Columns and rows of an input's blocks that the core takes as channels, see `in_blocks`."""
    normalization: Normalization | None = None
    """Of an input of 8-bit integers whose scale the file does not say, or that the file normalizes first."""

    @property
    def frames(self) -> int | None:
        """The dimension of the array that counts frames; None: the array is one frame."""
        if self.view is None:
            return self.labels.index(("N",)) if ("N",) in self.labels else None
        kept = len(self.dims) > 1 and self.labels[:1] == (("N",),) and self.dims[0] == self.view[0]
        return 0 if kept else None

    def to_maps(self, array: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(N, D, W, H) of an array in the file's layout, in `blocks`; more frames than the file says are fine.

        Raises:
            ModelError: the array has other dimensions, or other numbers than the input's integers.
        """
        values = np.asarray(array)
        fixed, given = ([size for i, size in enumerate(dims) if i != self.frames] for dims in (self.dims, values.shape))
        if values.ndim != len(self.dims) or fixed != given:
            raise ModelError(self.name, "input shape", f"dimensions {self.dims}, of which the frames may vary",
                             values.shape, "Give arrays in the layout of the model's file.")
        if self.normalization is not None:
            self.normalization.check(self.name, values)
        values = values.astype(np.float64)
        if self.scale is not None:
            values = (values - self.zero_point) * self.scale
        if self.view is not None:
            values = values.reshape(self.view if self.frames is None else (len(values), *self.view[1:]))
        sizes = dict(zip("DWH", self.shape, strict=True)) | {"N": 1}
        if ("N",) in self.labels:
            sizes["N"] = values.shape[self.labels.index(("N",))]
        axes = [axis for label in self.labels for axis in label]
        expanded = values.reshape([sizes[axis] for axis in axes] + [1] * (4 - len(axes)))
        axes += [axis for axis in AXES if axis not in axes]
        maps = np.ascontiguousarray(expanded.transpose([axes.index(axis) for axis in AXES]))
        return in_blocks(maps if self.normalization is None else self.normalization.values(maps), self.blocks)

    def from_maps(self, maps: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """The array in the file's layout of maps (N, D, W, H)."""
        axes = [axis for label in self.labels for axis in label]
        count, parts = len(maps), factors(self.labels) or ["D"]
        own = ["N", *parts, "W", "H"]
        missing = [axis for axis in own if axis not in axes]
        if len(parts) > 1:
            maps = maps.reshape(count, *map(factor_size, parts), *maps.shape[2:])
        ordered = maps.transpose([own.index(axis) for axis in missing + axes])
        dims = [count if label == ("N",) else size for size, label in zip(self.dims, self.labels, strict=True)]
        if "N" in missing and count > 1:  # a file without frames, run over several
            dims = [count, *dims]
        return ordered.reshape(dims).copy()
