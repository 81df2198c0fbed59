"""A trained network whose neurons spike once: what training hands over, as arrays of numpy, and its file.

A value x of a layer is θ0·2**(-t/τ) of a spike at time t = 0..T-1, or 0 without a spike (Lew et al., arXiv 2208.04494,
abstract, and T2FSNN, on which they build). Maps are (D, W, H): channels, columns, rows; what frameworks hold as
(D, H, W) is transposed by whoever makes a `Trained`.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt
import pydantic

from golden.errors import ImageError, NetworkError
from golden.files import PathLike, Writing, load_arrays, save_arrays
from golden.neuron.products.log import LARGEST, SIGN
from golden.types import Floats, IntArray, Padding, Pair, Shape
from synapress.mapper.image.manifest import Manifest, Natural, Positive
from synapress.mapper.image.manifest import Shape as PositiveShape
from synapress.mapper.network.layer import Branch, branch_shape

FORMAT, VERSION = "synapress-trained", 1
Kind = Literal["conv", "dense", "max_pool"]
LEVELS = (1, 2, 4)
"""Logarithmic weights per octave that a core may have."""

HELP = {
    "kind": "Use one of these; put batch norms into weights and biases.",
    "name": "Give each layer a name of its own.",
    "layers": "Give at least one, and let the last one be a conv or a dense one, whose sums are the outputs.",
    "weights": "Give finite weights (D_dst, D_src / groups, KW, KH); of a dense layer (D_dst, D, W, H).",
    "bias": "Give one finite number per result channel.",
    "threshold": "Give a finite number above 0.",
    "steps": "Give a whole number of at least 1.",
    "tau": "Give a whole number of at least 1.",
    "levels": "Use one of these.",
    "input shape": "Give channels, columns and rows.",
    "pool size": "Give one for x and one for y.",
    "classes": "Name them all, or none.",
}
"""What would help, by rule."""


def refuse(where: str, rule: str, needed: object, given: object) -> NoReturn:
    """Raise the error of a violated rule."""
    raise NetworkError(f"trained {where}, rule '{rule}': needs {needed}; given: {given}. {HELP[rule]}")


def quantize(weight: npt.ArrayLike, levels: int) -> tuple[IntArray, int]:
    """Logarithmic codes of weights, as `golden.neuron.products.log` has them, and k0: 2**k0 is the largest weight.

    k0 is the smallest integer with |w| <= 2**k0 for all w. A weight becomes ±2**(k0 - q/p) with
    q = round(p·(k0 - log2|w|)), half to even, or 0 where q is 15 or more; its code is 15 - q, and 16 more if it is
    negative. Without a weight other than 0, k0 is 0.

    Args:
        weight: of any shape.
        levels: p, weights per octave: 1, 2 or 4.

    Raises:
        NetworkError: a weight is not finite, or there is no such p.
    """
    array = np.asarray(weight, np.float64)
    if levels not in LEVELS:
        refuse("weights", "levels", f"one of {LEVELS}", levels)
    if not np.isfinite(array).all():
        refuse("weights", "weights", "finite numbers", "NaN or infinity among them")
    magnitude = np.abs(array)
    mantissa, exponent = np.frexp(magnitude.max(initial=0))  # 2**exponent · [0.5, 1): exact, as log2 is not
    largest = int(exponent) - int(mantissa == 0.5)
    with np.errstate(divide="ignore"):
        q = np.rint(levels * (largest - np.log2(magnitude)))
    code = np.where(q < LARGEST, LARGEST - q, 0).astype(np.int64)
    return np.where((array < 0) & (code > 0), code | SIGN, code), largest


def weights_of(codes: npt.ArrayLike, largest: int, levels: int) -> Floats:
    """The weights that codes stand for: ±2**(k0 - q/p), or 0."""
    array = np.asarray(codes, np.int64)
    q = LARGEST - (array & LARGEST)
    sign = np.where(q == LARGEST, 0, np.where(array & SIGN, -1, 1))
    power: Floats = sign * 2.0 ** (largest - q / levels)
    return power


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedLayer:
    """One layer of a chain. Each but the last spikes, if it is no max pool; the last one's sums are the outputs.

    Raises:
        NetworkError: numbers are not finite, or do not fit the kind.
    """

    name: str
    kind: Kind
    weight: Floats | None = None
    """Of a conv (D_dst, D_src / groups, KW, KH), of a dense layer (D_dst, D, W, H): not quantized, the batch norm
    folded into it. None of a max pool."""
    bias: Floats | None = None
    """(D_dst,), the batch norm folded into it; None: zeros."""
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    """Left, top, right, bottom."""
    dilation: Pair = (1, 1)
    groups: int = 1
    kernel: Pair = (1, 1)
    """Window of a max pool."""
    threshold: float = 1.0
    """θ0, at which a spike at time 0 fires, and which that spike stands for. It does not matter of a max pool, nor of
    the last layer."""

    def __post_init__(self) -> None:
        where = f"layer '{self.name}'"
        if self.kind not in get_args(Kind):
            refuse(where, "kind", f"one of {', '.join(get_args(Kind))}", repr(self.kind))
        if not 0 < self.threshold < np.inf:
            refuse(where, "threshold", "a finite number above 0", self.threshold)
        if self.kind == "max_pool":
            if self.weight is not None:
                refuse(where, "weights", "none of a max pool", np.shape(self.weight))
            if len(self.kernel) != 2 or min(self.kernel) < 1:
                refuse(where, "pool size", "(x, y), each at least 1", self.kernel)
            return
        if self.weight is None or np.ndim(self.weight) != 4 or not _finite(self.weight):
            refuse(where, "weights", "finite numbers of four dimensions",
                   "none" if self.weight is None else f"{np.asarray(self.weight).dtype} {np.shape(self.weight)}")
        if self.bias is not None and not (np.shape(self.bias) == self.weight.shape[:1] and _finite(self.bias)):
            refuse(where, "bias", f"{len(self.weight)} finite numbers",
                   f"{np.asarray(self.bias).dtype} {np.shape(self.bias)}")

    def branch(self, source: str) -> Branch:
        """How its source reaches it; its weights are not quantized."""
        return Branch(source=source, weights=self.weight, kernel=self.kernel, stride=self.stride,
                      padding=self.padding, dilation=self.dilation, groups=self.groups)

    @property
    def biases(self) -> Floats:
        """(D_dst,): one per channel, also where there is none."""
        assert self.weight is not None
        return np.zeros(len(self.weight)) if self.bias is None else np.asarray(self.bias, np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A chain of layers, and the code of its spikes.

    Raises:
        NetworkError: layers do not follow each other, or a number is out of its range.
    """

    name: str
    steps: int
    """T: times at which a neuron may spike."""
    tau: int
    """τ: times in which a spike comes to weigh half as much."""
    levels: int = 2
    """p: logarithmic weights per octave."""
    threshold: float = 1.0
    """θ0 of the inputs: what an input's spike at time 0 stands for."""
    input_shape: Shape
    layers: tuple[TrainedLayer, ...]
    classes: tuple[str, ...] = ()
    """Names of the outputs, or none."""

    def __post_init__(self) -> None:
        where = f"network '{self.name}'"
        for rule, number in (("steps", self.steps), ("tau", self.tau)):
            if number < 1:
                refuse(where, rule, "at least 1", number)
        if self.levels not in LEVELS:
            refuse(where, "levels", f"one of {LEVELS}", self.levels)
        if not 0 < self.threshold < np.inf:
            refuse(where, "threshold", "a finite number above 0", self.threshold)
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            refuse(where, "input shape", "(D, W, H), each at least 1", self.input_shape)
        if not self.layers or self.layers[-1].kind == "max_pool":
            refuse(where, "layers", "a last one with weights", "a max pool" if self.layers else "none")
        names = ["input", *(layer.name for layer in self.layers)]
        for number, name in enumerate(names):
            if not name or name in names[:number]:
                refuse(where, "name", "a name of its own for each layer, none 'input'", repr(name))
        shapes = self.shapes
        for layer, source in zip(self.layers, names, strict=False):
            if layer.weight is not None and layer.kind == "dense" and layer.weight.shape[1:] != shapes[source]:
                refuse(f"layer '{layer.name}'", "weights", f"(D_dst, D, W, H) over {shapes[source]} of '{source}'",
                       layer.weight.shape)
        if len(self.classes) not in (0, int(np.prod(shapes[names[-1]]))):
            refuse(where, "classes", f"{np.prod(shapes[names[-1]])}, or none", len(self.classes))

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shapes (D, W, H) of the input, which is named "input", and of every layer."""
        found, source = {"input": self.input_shape}, "input"
        for layer in self.layers:
            found[layer.name] = branch_shape(layer.name, layer.branch(source), found[source])
            source = layer.name
        return found


def _finite(array: Floats) -> bool:
    return np.asarray(array).dtype.kind in "fiu" and bool(np.isfinite(array).all())


# -- files ---------------------------------------------------------------------------------------

Above0 = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


@dataclass(kw_only=True)
class _Layer:
    """The fields of `TrainedLayer` that are no arrays."""

    name: str
    kind: Kind
    stride: tuple[Positive, Positive]
    padding: tuple[Natural, Natural, Natural, Natural]
    dilation: tuple[Positive, Positive]
    groups: Positive
    kernel: tuple[Positive, Positive]
    threshold: Above0


@dataclass(kw_only=True)
class _Content:
    """The fields of `Trained` that are no arrays, and what kind of file it is."""

    format: Literal["synapress-trained"]
    version: Literal[1]
    name: str
    steps: Positive
    tau: Positive
    levels: Literal[1, 2, 4]
    threshold: Above0
    input_shape: PositiveShape
    classes: list[str] = field(default_factory=list)
    layers: list[_Layer]


def save_trained(network: Trained, path: PathLike) -> None:
    """Write an .npz file: weights and biases as they are, the rest as JSON in an array of bytes.

    Raises:
        FileError: it cannot be written.
    """
    content = {"format": FORMAT, "version": VERSION} | _plain(network) | {
        "layers": [_plain(layer) for layer in network.layers]}
    arrays = {"content": np.frombuffer(json.dumps(content).encode(), np.uint8)}
    for number, layer in enumerate(network.layers):
        for name in ("weight", "bias"):
            if (array := getattr(layer, name)) is not None:
                arrays[f"{number}.{name}"] = np.asarray(array)
    with Writing() as files, files.open(path) as file:
        save_arrays(file, arrays)


def _plain(item: Trained | TrainedLayer) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__ if name not in ("weight", "bias", "layers")}


def load_trained(path: PathLike) -> Trained:
    """Read what `save_trained` wrote.

    Raises:
        ImageError: the file is missing, of another kind, or damaged.
        NetworkError: what it holds is no network.
    """
    try:
        arrays = load_arrays(path)
        text = arrays.pop("content").tobytes() if isinstance(arrays, dict) else None
    except Exception as error:  # zipfile and zlib raise several kinds
        raise ImageError(f"no trained network in '{path}': {getattr(error, 'strerror', None) or error}") from error
    if text is None:
        raise ImageError(f"no trained network in '{path}': one array; needs several, as .npz")
    assert isinstance(arrays, dict)
    found = Manifest(Path(path), {}, text)
    content = found.parse(_Content)
    known = {f"{number}.{name}" for number in range(len(content.layers)) for name in ("weight", "bias")}
    for name in arrays:
        if name not in known:
            found.refuse("layers", "a layer for each array", name)
    layers = [TrainedLayer(**vars(layer), weight=arrays.get(f"{number}.weight"), bias=arrays.get(f"{number}.bias"))
              for number, layer in enumerate(content.layers)]
    fields = {name: value for name, value in vars(content).items() if name not in ("format", "version")}
    return Trained(**fields | {"layers": tuple(layers), "classes": tuple(content.classes)})
