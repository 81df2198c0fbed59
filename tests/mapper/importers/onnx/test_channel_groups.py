"""Channel shuffles and other reshapes of channels in groups, and Expand: against onnxruntime, and their integers."""

from collections.abc import Callable

import numpy as np
import pytest

from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from tests.helpers.onnx_models import Builder
from tests.mapper.importers.test_functions import check


def dims(b: Builder, *sizes: int) -> str:
    return b.constant(np.array(sizes, np.int64))


def shuffled(b: Builder, x: str, groups: int, channels: int) -> str:
    y = b.node("Reshape", x, dims(b, 0, groups, channels // groups, 9, 8))
    return b.node("Reshape", b.node("Transpose", y, perm=[0, 2, 1, 3, 4]), dims(b, 0, -1, 9, 8))


def shuffled_flat(b: Builder, x: str, groups: int, channels: int) -> str:
    """With columns and rows in one dimension."""
    y = b.node("Reshape", x, dims(b, 1, groups, channels // groups, 72))
    return b.node("Reshape", b.node("Transpose", y, perm=[0, 2, 1, 3]), dims(b, 1, channels, 9, 8))


def shufflenet(b: Builder, shuffle: Callable[..., str], groups: int = 3) -> str:
    """Grouped, shuffled, depthwise, and added, as ShuffleNet's unit."""
    x = b.conv("x", 3, 12)
    y = shuffle(b, b.conv(x, 12, 12, 1, group=groups), groups, 12)
    y = b.conv(b.conv(y, 12, 12, group=12, relu=False), 12, 12, 1, group=groups, relu=False)
    return b.node("Relu", b.node("Add", x, y))


def model(make: Callable[[Builder], str], seed: int):  # type: ignore[no-untyped-def]
    b = Builder(np.random.default_rng(seed), (3, 9, 8))
    return b.model(make(b))


@pytest.mark.parametrize("shuffle", [shuffled, shuffled_flat])
def test_shuffled_channels(shuffle: Callable[..., str], seed: int) -> None:
    read = check(model(lambda b: shufflenet(b, shuffle), seed), seed, 22, frames=1 if shuffle is shuffled_flat else 12)
    assert sum(isinstance(node, g.Conv) for node in read.graph) == 5


def test_a_shuffle_in_front_of_a_convolution_is_in_its_weights(seed: int) -> None:
    """ShuffleNet's second version: half of the shuffled channels is computed, the other passed on."""
    def make(b: Builder) -> str:
        x = b.node("Concat", b.conv("x", 3, 6), b.conv("x", 3, 6), axis=1)
        first, second = b.node("Split", shuffled(b, x, 2, 12), dims(b, 6, 6), axis=1, outputs=2)
        x = b.node("Concat", first, b.conv(second, 6, 6, 1), axis=1)
        return b.conv(shuffled(b, x, 2, 12), 12, 4, 1)

    read = check(model(make, seed), seed, 22)
    assert len(fuse(read.graph).layers) == 6  # input, three convolutions, the copied half, the last


def test_halves_by_gather_of_a_group(seed: int) -> None:
    """As the first authors of ShuffleNet's second version write it."""
    def make(b: Builder) -> str:
        y = b.node("Reshape", b.conv("x", 3, 8), dims(b, 4, 2, 72))
        y = b.node("Reshape", b.node("Transpose", y, perm=[1, 0, 2]), dims(b, 2, -1, 4, 9, 8))
        parts = [b.node("Gather", y, b.constant(np.int64(i)), axis=0) for i in (0, 1)]
        return b.conv(b.node("Concat", b.conv(parts[0], 4, 4), parts[1], axis=1), 8, 4)

    check(model(make, seed), seed, 22, frames=1)


def test_groups_as_an_output(seed: int) -> None:
    """The host puts the dimensions into their order: heads of detectors end so."""
    def make(b: Builder) -> str:
        y = b.node("Reshape", b.conv("x", 3, 12), dims(b, 0, 3, 4, 9, 8))
        return b.node("Sigmoid", b.node("Transpose", y, perm=[0, 1, 3, 4, 2]))

    check(model(make, seed), seed, 22)


def test_data_that_moves_between_channels_and_rows_is_refused(seed: int) -> None:
    def make(b: Builder) -> str:
        y = b.node("Reshape", b.conv("x", 3, 12), dims(b, 0, 3, 4, 9, 8))
        y = b.node("Reshape", b.node("Transpose", y, perm=[0, 1, 3, 2, 4]), dims(b, 0, 3, 36, 8))
        return b.conv(y, 3, 4)

    with pytest.raises(ModelError, match=r"layout.*must not move data between channels"):
        read_onnx(model(make, seed))


def gate(b: Builder, x: str) -> str:
    return b.node("Sigmoid", b.conv(b.node("GlobalAveragePool", x), 8, 8, 1, relu=False))


def test_an_expanded_gate_is_a_gate(seed: int) -> None:
    def make(b: Builder) -> str:
        x = b.conv("x", 3, 8)
        return b.conv(b.node("Mul", b.node("Expand", gate(b, x), b.node("Shape", x)), x), 8, 4)

    read = check(model(make, seed), seed, 20)
    (product,) = (node for node in read.graph if isinstance(node, g.Multiply))
    assert read.graph.shape(product.sources[1]) == (8, 1, 1)


@pytest.mark.parametrize("axis", [1, 2])
def test_expanded_maps(axis: int, seed: int) -> None:
    """A mean behind a map as in DeepLab; one channel, or one row, for all."""
    def make(b: Builder) -> str:
        x = b.conv("x", 3, 8)
        mean = b.node("ReduceMean", x, axes=[axis])
        small = b.node("Expand", mean, dims(b, 1, 8, 9, 8))
        return b.conv(b.node("Concat", x, b.node("Add", small, gate_map(b, x)), axis=1), 16, 4)

    check(model(make, seed), seed, 20)


def gate_map(b: Builder, x: str) -> str:
    return b.node("Expand", gate(b, x), dims(b, 1, 1, 9, 8))


def test_expanded_frames_are_refused(seed: int) -> None:
    with pytest.raises(ModelError, match=r"rule 'Expand: frames'"):
        read_onnx(model(lambda b: b.node("Expand", b.conv("x", 3, 8), dims(b, 4, 8, 9, 8)), seed))
