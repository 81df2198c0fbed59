"""The layers of one of Lava-DL's HDF5 files (.net), as plain integers; what is not supported is refused here.

The file has a group `layer` with a group for each layer, "0", "1", …, and in it data sets as SLAYER's blocks export
them (lava-dl, `lava/lib/dl/slayer/block/base.py`) and Lava reads them (`lava/lib/dl/netx/hdf5.py`). Sizes and taps are
there in the order channels, rows, columns. Weights and biases are floats that hold integers; of others Lava takes the
part before the point, and so does this reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import numpy.typing as npt

from golden.errors import FileError, SynapressError
from golden.neuron.decay import LEFT_LOG2
from golden.types import IntArray, Pair, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.hdf5 import check_content
from synapress.mapper.importers.model import check_model_file

FRACTION_LOG2 = 6
"""Loihi's currents and potentials count in 1/2**this of a weight, and so do they here."""
LOIHI_BITS = 24
"""Of a current and of a potential, in Lava's models of Loihi."""
MOST = 1 << LOIHI_BITS
"""No weight or bias of Loihi's is larger, and none of these overflows where it is counted in fractions."""

_NEURON = {"type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "wgtExp", "weight_exp",
           "tauRho", "scaleRho", "theta"}
"""What is known of neurons; the last three are about training."""
_SHARED = {"type", "shape", "neuron", "bias", "weight", "delay"}
_FIELDS = {
    "input": _SHARED, "flatten": {"type", "shape"},
    "dense": _SHARED | {"inFeatures", "outFeatures"},
    "conv": _SHARED | {"inChannels", "outChannels", "kernelSize", "stride", "padding", "dilation", "groups"},
    "pool": _SHARED | {"kernelSize", "stride", "padding", "dilation"},
}
"""What is known of layers, by type."""
_HELP = {
    "convT": "Replace the layer by convolutions, and train again.",
    "unpool": "Replace the layer by convolutions, and train again.",
    "average": "End the file before this layer, and average on the host.",
    "concat": "Replace the layer, and train again.",
}
_WITHOUT = "Train without it, and export again."


@dataclass(frozen=True, kw_only=True, eq=False)
class LavaNeurons:
    """Neurons with a leaky current and a leaky potential; one number or one per channel."""

    current_decay: IntArray
    potential_decay: IntArray
    """In 1/4096 per timestep."""
    threshold: IntArray
    """In units of a weight; neurons fire above it."""

    @property
    def keeps_currents(self) -> bool:
        return bool((self.current_decay < 1 << LEFT_LOG2).any())


@dataclass(frozen=True, kw_only=True, eq=False)
class LavaLayer:
    """One layer; all pairs are (columns, rows)."""

    name: str
    """Its type and its number in the file, as "conv1"."""
    kind: str
    """input, conv, dense or pool."""
    shape: Shape
    """Channels, columns, rows."""
    source: Shape
    """Of the layer before, or of the network's input."""
    neurons: LavaNeurons
    weights: IntArray = field(default_factory=lambda: np.ones((1, 1, 1, 1), np.int64))
    """(D_dst, D_src / groups, KW, KH); of an input and a pool (1, 1, KW, KH), for each channel alone."""
    bias: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    """One number or one per channel, in units of a weight."""
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Left, top, right, bottom."""
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class LavaNetwork:
    """All layers of a file, each of which sends to the next, and the shape of its input."""

    title: str
    input_shape: Shape
    """Channels, columns, rows."""
    layers: tuple[LavaLayer, ...]
    truncated: tuple[str, ...] = ()
    """Layers with weights or biases that are no integers in the file."""


class _Group:
    """A layer's group in the file, which refuses what it has not, and what nobody reads."""

    def __init__(self, name: str, group: h5py.Group, known: set[str]):
        self.name, self.group = name, group
        for key in group:
            if key not in known:
                self.refuse(str(key), f"only {', '.join(sorted(known))}", f"'{key}', which would be ignored", _WITHOUT)

    def refuse(self, rule: str, needed: object, given: object, help: str) -> NoReturn:
        raise ModelError(self.name, rule, needed, given, help)

    def has(self, key: str) -> bool:
        return key in self.group

    def array(self, key: str) -> npt.NDArray[Any]:
        if not self.has(key) or not isinstance(self.group[key], h5py.Dataset):
            self.refuse(key, f"a data set '{key}'", "none", "Export the network with lava-dl again.")
        return np.asarray(self.group[key][()])

    def numbers(self, key: str) -> npt.NDArray[np.float64]:
        given = self.array(key)
        if given.dtype.kind not in "biuf":
            self.refuse(key, "real numbers", f"{given.dtype} values", "Check the field in the file.")
        values = given.astype(np.float64)
        if not np.isfinite(values).all():
            self.refuse(key, "finite numbers", "NaN or infinite", "Export the model again after training that did not "
                        "diverge.")
        return values

    def truncated(self, key: str) -> tuple[IntArray, bool]:
        """Numbers without what is behind the point, as Lava takes them; and whether that is nothing."""
        values = self.numbers(key)
        if np.abs(values).max(initial=0) > MOST:
            self.refuse(key, f"numbers of -{MOST} to {MOST}", f"{values.min():g} to {values.max():g}",
                        "Check the field in the file.")
        whole = np.trunc(values)
        return whole.astype(np.int64), bool((values == whole).all())

    def integers(self, key: str, low: int, high: int, default: int | None = None) -> IntArray:
        """Integers in a range, as one dimension."""
        if not self.has(key) and default is not None:
            return np.array([default])
        values = self.numbers(key).reshape(-1)
        if not values.size or (values != np.rint(values)).any() or values.min() < low or values.max() > high:
            found = f"{values.min():g} to {values.max():g}" if values.size else "none"
            self.refuse(key, f"integers of {low} to {high}", found, "Check the field in the file.")
        return values.astype(np.int64)

    def pair(self, key: str, low: int, default: int) -> Pair:
        """(columns, rows) of one number, or of (rows, columns)."""
        values = self.integers(key, low, 1 << 16, default)
        if values.size > 2:
            self.refuse(key, "one integer, or one for rows and one for columns", f"{values.size}",
                        "Check the field in the file.")
        return int(values[-1]), int(values[0])


def read_layers(path: str | Path) -> LavaNetwork:
    """All layers of a file.

    Raises:
        ModelError: naming the layer, the field, what is needed, what is given and what would help.
    """
    path = Path(path)
    check_model_file(path, "one of Lava-DL's HDF5 files (.net)")
    try:
        with h5py.File(path) as file:
            check_content(path, file)
            if not isinstance(file.get("layer"), h5py.Group):
                raise ValueError("it has no group 'layer'")
            groups = [file["layer"].get(str(number)) for number in range(len(file["layer"]))]
            if not groups or not all(isinstance(group, h5py.Group) for group in groups):
                raise ValueError("its group 'layer' has no groups '0', '1', … without a gap")
            return _network(path.stem, groups)
    except SynapressError as error:
        if not isinstance(error, FileError):
            raise
        raise ModelError(str(path), "size", "a network that fits the memory", error.strerror,
                         "Export the network again.") from error
    except Exception as error:  # h5py and numpy raise many kinds for damaged files
        raise ModelError(str(path), "file", "one of Lava-DL's HDF5 files (.net)", f"{type(error).__name__}: {error}",
                         "The file is truncated, damaged, or none of lava-dl's exports.") from error


def _network(title: str, groups: Sequence[h5py.Group]) -> LavaNetwork:
    layers: list[LavaLayer] = []
    truncated: list[str] = []
    shape: Shape | None = None
    first: Shape | None = None
    for number, content in enumerate(groups):
        kind = _text(content.get("type"))
        name = f"{kind}{number}"
        if kind not in _FIELDS:
            raise ModelError(name, "layer type", f"one of {', '.join(_FIELDS)}", f"'{kind}'",
                             _HELP.get(kind, "Replace the layer, and train again."))
        group = _Group(name, content, _FIELDS[kind])
        if kind == "input" and layers:
            group.refuse("layer type", "an input as the first layer", f"one as number {number}", _WITHOUT)
        if kind == "input" and not group.has("neuron"):
            shape = first = _shape(group)
            continue
        if kind == "flatten":
            continue  # the next dense layer takes whatever shape there is
        if shape is None:
            shape = first = _first_shape(group, kind)
        layer, whole = _layer(group, kind, shape)
        if not whole:
            truncated.append(name)
        layers.append(layer)
        shape = layer.shape
    if not layers or first is None:
        raise ModelError(title, "layers", "at least one layer of neurons", "none", "Export the whole network.")
    return LavaNetwork(title=title, input_shape=first, layers=tuple(layers), truncated=tuple(truncated))


def _text(data: Any) -> str:
    if not isinstance(data, h5py.Dataset):
        raise ValueError("a layer or its neuron has no data set 'type'")
    value = np.asarray(data[()]).reshape(-1)[0]
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _shape(group: _Group) -> Shape:
    sizes = [int(size) for size in group.integers("shape", 1, 1 << 20)]
    if len(sizes) > 3:
        group.refuse("shape", "at most three sizes: channels, rows and columns", sizes, "Check the field in the file.")
    depth, height, width = [*sizes, 1, 1][:3]
    return depth, width, height


def _first_shape(group: _Group, kind: str) -> Shape:
    """The input of a file without an input layer: what its first layer takes."""
    if kind == "input":
        return _shape(group)
    if kind == "dense":
        outputs = int(np.prod(_shape(group)))
        if (inputs := group.array("weight").size // outputs) < 1:
            group.refuse("weight", f"at least {outputs} weights", f"{group.array('weight').size}",
                         "Check the shapes in the file.")
        return inputs, 1, 1
    group.refuse("input shape", "an input layer, with a shape, or a dense one as the first", f"'{kind}'",
                 "Export the network with an input block.")


def _layer(group: _Group, kind: str, source: Shape) -> tuple[LavaLayer, bool]:
    """A layer of neurons behind a map; and whether its weights and biases are integers in the file."""
    neurons, shape = _neurons(group), _shape(group)
    if group.has("delay") and group.numbers("delay").any():
        group.refuse("delay", "no axonal delays", f"delays of up to {group.numbers('delay').max():g} timesteps",
                     "Populations pass a spike on within its timestep; train without delays.")
    bias, whole = np.zeros(1, np.int64), True
    if kind == "input":
        # Its weight and bias are what the host makes real inputs to integers by.
        return LavaLayer(name=group.name, kind=kind, shape=shape, source=source, neurons=neurons), True
    if group.has("bias"):
        bias, whole = group.truncated("bias")
        bias = bias.reshape(-1)
    if isinstance(group.group.get("weight"), h5py.Group):
        group.refuse("weight", "real weights", "complex ones, of resonators", "Train with CUBA neurons.")
    weights, exact = group.truncated("weight")
    whole = whole and exact
    if not weights.size:
        group.refuse("weight", "at least one weight", "none", "Export the network with lava-dl again.")
    more: dict[str, Any] = {}
    if kind == "dense":
        shape = int(np.prod(shape)), 1, 1
        depth, width, height = source
        if weights.size != shape[0] * depth * width * height:
            group.refuse("weight", f"{shape[0]} × {depth * width * height} weights", f"{weights.size:,}",
                         "Check the shapes in the file.")
        weights = weights.reshape(shape[0], depth, height, width).transpose(0, 1, 3, 2)
    else:
        weights = weights.reshape(*weights.shape[:4], *(1,) * (4 - weights.ndim)) if weights.ndim < 5 else (
            weights.reshape(weights.shape[:4]))
        weights = weights.transpose(0, 1, 3, 2)
        more = _geometry(group, kind, weights, shape, source)
    if bias.size not in (1, shape[0]):
        group.refuse("bias", f"one number, or {shape[0]}", f"{bias.size}", "Give one bias for each channel.")
    return LavaLayer(name=group.name, kind=kind, shape=shape, source=source, neurons=neurons, bias=bias,
                     weights=weights, **more), whole


def _geometry(group: _Group, kind: str, weights: IntArray, shape: Shape, source: Shape) -> dict[str, Any]:
    """Stride, padding, dilation and groups of a convolution or a pool, whose shape must be the file's."""
    kernel = weights.shape[2], weights.shape[3]
    stride = group.pair("stride", 1, 1) if kind == "conv" or group.has("stride") else kernel
    dilation, (left, top) = group.pair("dilation", 1, 1), group.pair("padding", 0, 0)
    groups = int(group.integers("groups", 1, source[0], 1)[0]) if kind == "conv" else 1
    channels = (shape[0], source[0] // groups) if kind == "conv" else (1, 1)
    if weights.shape[:2] != channels or (kind == "pool" and shape[0] != source[0]):
        group.refuse("weight", f"kernels {channels} of channels, as the layer has {shape[0]} and its source "
                     f"{source[0]}", f"{weights.shape[:2]}", "Check the shapes in the file.")
    reach = [(taps - 1) * apart + 1 for taps, apart in zip(kernel, dilation, strict=True)]
    right, bottom = left, top
    if kind == "pool":  # SLAYER fills its source up to whole windows
        right, bottom = (max(before, (size - 1) * step + window - length - before) for before, size, step, window,
                         length in zip((left, top), shape[1:], stride, reach, source[1:], strict=True))
    found = tuple((length + before + after - window) // step + 1 for length, before, after, window, step
                  in zip(source[1:], (left, top), (right, bottom), reach, stride, strict=True))
    if found != shape[1:]:
        group.refuse("shape", f"{found[1]} rows and {found[0]} columns, by kernel, stride and padding",
                     f"{shape[2]} and {shape[1]}", "Check the shapes in the file.")
    return {"stride": stride, "padding": (left, top, right, bottom), "dilation": dilation, "groups": groups}


def _neurons(group: _Group) -> LavaNeurons:
    content = group.group.get("neuron")
    if not isinstance(content, h5py.Group):
        group.refuse("neuron", "neurons", "none", "Export the network with lava-dl again.")
    kind, shape = _text(content.get("type")), _shape(group)
    if kind not in ("LOIHI", "CUBA"):
        group.refuse("neuron type", "LOIHI or CUBA", f"'{kind}'", "Train with CUBA neurons.")
    neuron = _Group(group.name, content, _NEURON)
    for key, least, what in (("refDelay", 1, "a refractory time of 1"), ("wgtExp", 0, "a weight exponent of 0"),
                             ("weight_exp", 0, "a weight exponent of 0"), ("gradedSpike", 0, "spikes of 1")):
        if (given := neuron.integers(key, 0, 63, least)).max() > least:
            group.refuse(key, what, f"{given.max()}", _WITHOUT)
    # Beyond, Lava's fields end: 12 bits of a decay, 17 of a threshold.
    limits: Mapping[str, int] = {"iDecay": 1 << LEFT_LOG2, "vDecay": 1 << LEFT_LOG2, "vThMant": (1 << 17) - 1}
    columns = {key: neuron.integers(key, 0, high) for key, high in limits.items()}
    channels = int(np.prod(shape)) if group.name.startswith("dense") else shape[0]
    for key, values in columns.items():
        if values.size not in (1, channels):
            group.refuse(key, f"one number, or {channels}", f"{values.size}", "Give one for each channel.")
    return LavaNeurons(current_decay=columns["iDecay"], potential_decay=columns["vDecay"],
                       threshold=columns["vThMant"])
