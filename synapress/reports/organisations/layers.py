"""Layers whose synapses are organised: drawn, convolutions, of a file, or those of a network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, FileError
from golden.files import load_arrays
from golden.program import Edge, Program
from golden.types import IntArray
from synapress.mapper.look_up import ungrouped

MOST_MEETINGS = 1 << 20
"""Of the taps of a kernel's column or row with the neurons that they lead to: each is looked at."""
KEYS = {"name", "inputs", "outputs", "density", "weight_bits", "kernel", "image", "channels", "source_channels",
        "padding", "matrix"}
"""What an entry of a file of layers may say."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Weights that are not zero, of a share of all places, at random places."""

    name: str
    inputs: int
    outputs: int
    density: float = 1.0
    weight_bits: int = 8
    kind: str = field(default="dense", init=False)

    def __post_init__(self) -> None:
        positive(self.name, inputs=self.inputs, outputs=self.outputs)
        if not 0 <= self.density <= 1:
            raise ConfigError(f"layer '{self.name}': density {self.density:g} is not between 0 and 1")
        check_bits(self.name, self.weight_bits)

    @property
    def synapses(self) -> int:
        return round(self.density * self.inputs * self.outputs)

    def matrix(self, seed: int) -> IntArray:
        """(inputs, outputs), with the seed's weights."""
        rng = np.random.default_rng(seed)
        flat = np.zeros(self.inputs * self.outputs, np.int64)
        places = rng.permutation(flat.size)[:self.synapses]
        flat[places] = nonzero(rng, self.weight_bits, places.size)
        return flat.reshape(self.inputs, self.outputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """A matrix of one's own."""

    name: str
    weights: IntArray
    weight_bits: int
    kind: str = field(default="dense", init=False)

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or not self.weights.size or self.weights.dtype.kind not in "iu":
            raise ConfigError(f"layer '{self.name}': needs a matrix (inputs, outputs) of integers; given: "
                              f"{self.weights.shape} of {self.weights.dtype}")
        check_bits(self.name, self.weight_bits)
        half = 1 << self.weight_bits - 1
        if self.weights.min() < -half or self.weights.max() >= half:
            raise ConfigError(f"layer '{self.name}': its weights reach from {self.weights.min()} to "
                              f"{self.weights.max()}, which {self.weight_bits} bits cannot hold")

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def synapses(self) -> int:
        return int(np.count_nonzero(self.weights))

    @property
    def density(self) -> float:
        return self.synapses / self.weights.size

    def matrix(self, seed: int) -> IntArray:
        """The matrix, whatever the seed."""
        return self.weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolved:
    """A convolution. Neurons are numbered column by column, then row by row, channels innermost. Pairs are (x, y)."""

    name: str
    source: tuple[int, int, int]
    """Channels, columns and rows of the source."""
    shape: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    upsample: int = 0
    weight_bits: int = 8
    kept: npt.NDArray[np.bool_] | None = None
    """Which weights of the kernel (channels, source channels, columns, rows) are not zero; None: all of a group."""
    kind: str = field(default="convolution", init=False)

    def __post_init__(self) -> None:
        positive(self.name, channels=min(self.source[0], self.shape[0]), kernel=min(self.kernel),
                 neurons=min(*self.source, *self.shape))
        check_bits(self.name, self.weight_bits)
        meetings = max(taps * neurons for taps, neurons in zip(self.kernel, self.shape[1:], strict=True))
        if meetings > MOST_MEETINGS:
            raise ConfigError(f"layer '{self.name}': columns or rows of kernel × destination are {meetings:,}; no more "
                              f"than {MOST_MEETINGS:,} are compared")

    @classmethod
    def square(cls, name: str, *, kernel: int, image: int, channels: int, source_channels: int = 1,
               padding: int | None = None, weight_bits: int = 8) -> "Convolved":
        """Of a square image; padded so that the destination is as large, unless told."""
        pad = kernel // 2 if padding is None else padding
        size = image + 2 * pad - kernel + 1
        return cls(name=name, source=(source_channels, image, image), shape=(channels, size, size),
                   kernel=(kernel, kernel), padding=(pad, pad), weight_bits=weight_bits)

    @property
    def inputs(self) -> int:
        return prod(self.source)

    @property
    def outputs(self) -> int:
        return prod(self.shape)

    def pairs(self, axis: int) -> list[tuple[IntArray, IntArray]]:
        """Of each tap along an axis, the destinations and the sources that it joins."""
        found = []
        for tap in range(self.kernel[axis]):
            places = np.arange(self.shape[1 + axis])
            at = places * self.stride[axis] - self.padding[axis] + tap * self.dilation[axis]
            sources = at >> self.upsample
            good = (sources << self.upsample == at) & (sources >= 0) & (sources < self.source[1 + axis])
            found.append((places[good], sources[good]))
        return found

    @property
    def synapses(self) -> int:
        """Those that meet a neuron at both ends."""
        columns, rows = (np.array([len(places) for places, _ in self.pairs(axis)]) for axis in (0, 1))
        if self.kept is None:
            return int(columns.sum() * rows.sum()) * self.shape[0] * self.source[0] // self.groups
        return int((self.kept.sum(axis=(0, 1)) * columns[:, None] * rows).sum())

    def walked(self, organisation: str) -> int:
        """Places of the kernel at which a functional organisation finds a neuron, zeros among them."""
        columns, rows = (np.array([len(places) for places, _ in self.pairs(axis)]) for axis in (0, 1))
        meets, kept = columns[:, None] * rows, self._kept_taps(organisation)
        return int((meets if kept is None else meets[kept]).sum()) * self.shape[0] * self.source[0]

    def stored_taps(self, organisation: str) -> int:
        """The taps whose weights a functional organisation stores."""
        kept = self._kept_taps(organisation)
        return prod(self.kernel) if kept is None else int(kept.sum())

    def _kept_taps(self, organisation: str) -> npt.NDArray[np.bool_] | None:
        """Which taps (columns, rows) are stored, of an organisation that leaves some out."""
        if organisation != "functional_bitmap" or self.kept is None:
            return None
        return cast("npt.NDArray[np.bool_]", self.kept.any(axis=(0, 1)))

    @property
    def density(self) -> float:
        return self.synapses / (self.inputs * self.outputs)

    def weights(self, seed: int) -> IntArray:
        """The kernel (channels, source channels, columns, rows); no weight that is kept is zero."""
        rng = np.random.default_rng(seed)
        shape = self.shape[0], self.source[0], *self.kernel
        drawn = nonzero(rng, self.weight_bits, prod(shape)).reshape(shape)
        if self.kept is not None:
            return np.where(self.kept, drawn, 0)
        group = [np.arange(count) * self.groups // count for count in shape[:2]]
        return np.where((group[0][:, None] == group[1])[:, :, None, None], drawn, 0)

    def matrix(self, seed: int) -> IntArray:
        """The synapses one by one: (inputs, outputs)."""
        (depth, columns, rows), (channels, width, height) = self.source, self.shape
        found = np.zeros((columns, rows, depth, width, height, channels), np.int64)
        weights = self.weights(seed)
        for i, (x, from_x) in enumerate(self.pairs(0)):
            for j, (y, from_y) in enumerate(self.pairs(1)):
                found[from_x[:, None], from_y, :, x[:, None], y, :] = weights[:, :, i, j].T
        return found.reshape(self.inputs, self.outputs)

    @property
    def offsets(self) -> tuple[int, int]:
        """From a source neuron, upsampled, to where its transposed kernel begins."""
        x, y = (self.padding[axis] - (self.kernel[axis] - 1) * self.dilation[axis] for axis in (0, 1))
        return x, y

    def anchors(self) -> tuple[IntArray, IntArray, IntArray]:
        """Of each source neuron, where its transposed kernel begins, before the stride, and its channel."""
        x, y, channel = _places(self.source)
        begin = [place * 2 ** self.upsample + offset for place, offset in zip((x, y), self.offsets, strict=True)]
        return begin[0], begin[1], channel

    def posts(self) -> tuple[IntArray, IntArray, IntArray]:
        """Column, row and channel of each destination neuron."""
        return _places(self.shape)


def _places(shape: tuple[int, int, int]) -> tuple[IntArray, IntArray, IntArray]:
    """Column, row and channel of the neurons of a shape, in their order."""
    channel, x, y = (axis.ravel() for axis in np.broadcast_arrays(
        np.arange(shape[0]), np.arange(shape[1])[:, None, None], np.arange(shape[2])[:, None]))
    return x, y, channel


Layer = Drawn | Given | Convolved


def nonzero(rng: np.random.Generator, bits: int, count: int) -> IntArray:
    """Weights of so many bits, none of them zero."""
    half = 1 << bits - 1
    drawn = rng.integers(-half, half - 1, count)
    return np.where(drawn >= 0, drawn + 1, drawn) if bits > 1 else np.full(count, -1)


def positive(name: str, **values: int) -> None:
    """Check sizes.

    Raises:
        ConfigError: one is not positive.
    """
    for what, value in values.items():
        if value < 1:
            raise ConfigError(f"layer '{name}': {what} = {value} must be at least 1")


def check_bits(name: str, bits: int) -> None:
    """Check a width of weights.

    Raises:
        ConfigError: no organisation holds it.
    """
    if not 1 <= bits <= 12:
        raise ConfigError(f"layer '{name}': weights of {bits} bits; organisations hold 1 to 12")


def swept(layer: Layer, densities: tuple[float, ...], bits: tuple[int, ...]) -> list[Layer]:
    """A layer at each density and width of weights; none given: as it is.

    Raises:
        ConfigError: densities for a layer that is not drawn, or widths for weights that are given.
    """
    if densities and not isinstance(layer, Drawn):
        raise ConfigError(f"layer '{layer.name}': densities are for layers of --inputs and --outputs; its synapses are "
                          "known: leave --density out")
    if bits and isinstance(layer, Given):
        raise ConfigError(f"layer '{layer.name}': its weights are given: leave --bits out")
    found: list[Layer] = []
    for width in bits or (layer.weight_bits,):
        one = layer if isinstance(layer, Given) else replace(layer, weight_bits=width)
        found += [replace(one, density=density) for density in densities] if isinstance(one, Drawn) and densities else [
            one]
    return found


def read_layers(path: Path) -> list[Layer]:
    """Layers of a JSON file: a list of objects with KEYS.

    Raises:
        ConfigError: the file is none, or an entry cannot be understood.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"'{path}' is no readable JSON file of layers: {why}") from error
    if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
        raise ConfigError(f"'{path}': needs a list of layers, each an object with some of {', '.join(sorted(KEYS))}")
    return [_entry(f"{path}, layer {number}", entry, path.parent) for number, entry in enumerate(found)]


def _entry(where: str, entry: Mapping[str, Any], folder: Path) -> Layer:
    if unknown := set(entry) - KEYS:
        raise ConfigError(f"{where}: there is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(KEYS))}")
    name, numbers = str(entry.get("name", where)), {key: value for key, value in entry.items() if key != "name"}
    for key, value in numbers.items():
        kinds = (str,) if key == "matrix" else (int, float) if key == "density" else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ConfigError(f"{where}: {key} = {value!r} is of the wrong kind")
    for keys, needs in (({"matrix", "weight_bits"}, {"matrix"}),
                        ({"kernel", "image", "channels", "source_channels", "padding", "weight_bits"},
                         {"kernel", "image", "channels"}),
                        ({"inputs", "outputs", "density", "weight_bits"}, {"inputs", "outputs"})):
        if needs <= set(numbers) <= keys:
            if "matrix" in needs:
                return _given(name, folder / numbers["matrix"], numbers.get("weight_bits", 8))
            return Convolved.square(name, **numbers) if "kernel" in needs else Drawn(name=name, **numbers)
    raise ConfigError(f"{where}: give inputs and outputs, or kernel, image and channels, or a matrix; given: "
                      f"{', '.join(numbers) or 'nothing'}")


def _given(name: str, path: Path, weight_bits: int) -> Given:
    try:
        weights = load_arrays(path)
    except Exception as error:  # numpy and zipfile raise several kinds of errors for invalid files
        why = error.strerror if isinstance(error, FileError | OSError) else error
        raise ConfigError(f"layer '{name}': '{path}' is not a readable .npy file: {why}") from error
    if not isinstance(weights, np.ndarray):
        raise ConfigError(f"layer '{name}': '{path}' holds several arrays; give one as .npy")
    return Given(name=name, weights=weights, weight_bits=weight_bits)


def network_layers(program: Program, weight_bits: int = 8) -> list[Layer]:
    """The edges of a network, each a convolution of its geometry; weights are drawn where its own are not zero."""
    return [_convolved(program, edge, weight_bits) for edge in program.edges]


def _convolved(program: Program, edge: Edge, weight_bits: int) -> Convolved:
    source, destination = program.population(edge.source), program.population(edge.destination)
    weights = ungrouped(edge, source.shape[0])
    kept = None if np.all(edge.weights) else weights != 0
    return Convolved(name=edge.name, source=source.shape, shape=destination.shape,
                     kernel=(edge.weights.shape[2], edge.weights.shape[3]), stride=edge.stride, padding=edge.padding,
                     dilation=edge.dilation, groups=edge.groups, upsample=edge.upsample, weight_bits=weight_bits,
                     kept=kept)
