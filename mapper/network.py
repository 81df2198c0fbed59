"""The user's network: a graph of layers with integer weights, every shape checked on construction.

Feature maps are (D, W, H): channels, columns, rows. Weights are W[c, i, j, k]: destination channel, source channel
within its group, column tap, row tap. A layer sums its branches and evaluates, per channel,
saturate(round((sum + bias) · multiplier / 2**shift)), half to even (docs/architecture.md); `Evaluation` has what can
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from golden.dense import output_size
from golden.errors import NetworkError
from golden.words import Reset, Saturation
from mapper.tables import mean_scale

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
Integers = npt.NDArray[Any]

SATURATIONS = (Saturation.RELU, Saturation.SIGNED, Saturation.FULL)


HELP = {
    "name": "Choose another name.",
    "input shape": "Give channels, columns and rows.",
    "weights": "Quantise to integers, and give a dimension of one where there is none.",
    "source channels": "Give weights for each source channel of a group, or change the groups.",
    "groups": "Choose a number that divides both.",
    "stride": "Give one integer, or one for x and one for y.",
    "dilation": "Give one integer, or one for x and one for y.",
    "padding": "Pad by what the framework pads; crop with a smaller kernel or source.",
    "bias": "Give one integer for all channels, or one for each.",
    "multiplier": "Give one natural number for all channels, or one for each; signs belong to weights and slopes.",
    "shift": "Give one natural number for all channels, or one for each; a left shift belongs to the multiplier.",
    "slope": "Give one integer for all channels, or one for each.",
    "threshold": "Give one positive integer for all channels, or one for each.",
    "product shift": "Scale by the multiplier and the shift instead.",
    "saturation": "Use golden.words.Saturation.RELU, SIGNED or FULL, or the argument table.",
    "table": "See mapper.value_table.",
    "size": "Use a smaller kernel, dilation or crop, or more padding.",
    "pool size": "Give one positive integer, or one for x and one for y.",
    "mean": "Leave both out for the mean.",
    "global pool": "Use one of these.",
    "dense weights": "Flatten channel, column, row, the row fastest; the columns are W, not H.",
    "transposed stride": "Go by powers of two in several layers, or make it a convolution.",
    "output padding": "Give one natural number, or one for x and one for y.",
    "sources": "Name at least one layer.",
    "scales": "Give one number for each source.", "shifts": "Give one number for each source.",
    "equal shapes": "Pad, stride or crop the branches to one shape.",
    "product shapes": "Pool one of them to (D, 1, 1), or convolve it to the other's shape.",
    "output": "Name each computed layer at most once; the host has the inputs already.",
    "reset": "Use one of these.",
}
"""What would help, by rule."""


def _refuse(layer: str, rule: str, needed: object, available: object) -> NoReturn:
    raise NetworkError(f"layer '{layer}', rule '{rule}': needs {needed}; given: {available}. {HELP[rule]}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch:
    """What one source contributes to a layer: a convolution, or with `weights` None a constant kernel per channel."""

    source: str
    weights: Integers | None = None
    """(D_dst, D_src / groups, KW, KH); None: every tap of every channel has the weight `scale`, channel by channel."""
    kernel: Pair = (1, 1)
    scale: int = 1
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    """Left, top, right, bottom."""
    dilation: Pair = (1, 1)
    groups: int = 1
    transposed: int | None = None
    """log2 of the stride of a transposed convolution, whose padding crops the result; None for any other."""
    output_padding: Pair = (0, 0)
    shift: int = 0
    """Left shift of every product."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer: a feature map and the branches that lead into it."""

    name: str
    kind: str
    """input, conv, depthwise, transposed_conv, dense, max_pool, average_pool, add, multiply or lif."""
    shape: Shape
    branches: tuple[Branch, ...] = ()
    bias: Integers = field(default_factory=lambda: np.zeros(1, np.int64))
    multiplier: Integers = field(default_factory=lambda: np.ones(1, np.int64))
    shift: Integers = field(default_factory=lambda: np.zeros(1, np.int64))
    saturation: int = Saturation.RELU
    """For lif a `golden.words.Reset`."""
    slope: Integers | None = None
    threshold: Integers | None = None
    initial: Integers | None = None
    table: Integers | None = None


class Evaluation(TypedDict, total=False):
    """How a layer becomes values of its sum: keywords of every method that adds a computed layer but the maximum."""

    multiplier: npt.ArrayLike
    """One integer, or one per channel; default 1."""
    shift: npt.ArrayLike
    """The same; default 0."""
    saturation: int
    """`golden.words.Saturation`; default RELU."""
    slope: npt.ArrayLike
    """The multiplier where sum + bias is negative, for leaky ReLU and PReLU; default: `multiplier`."""
    table: npt.ArrayLike
    """In place of a saturation: the result for each of the 2**value_bits event values, from the lowest, -256 of 9 bits.
    For sigmoid, tanh, SiLU and the like; see `mapper.value_table`."""


def pair(layer: str, rule: str, value: int | Sequence[int], low: int) -> Pair:
    """An integer for x and y, or one for each."""
    numbers = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(numbers) != 2 or any(not isinstance(number, (int, np.integer)) or number < low for number in numbers):
        _refuse(layer, rule, f"an integer or (x, y), each at least {low}", value)
    return int(numbers[0]), int(numbers[1])


def padding4(layer: str, value: int | Sequence[int]) -> Padding:
    """An integer, (x, y), or (left, top, right, bottom)."""
    numbers = (value,) * 2 if isinstance(value, (int, np.integer)) else tuple(value)
    numbers = numbers * 2 if len(numbers) == 2 else numbers
    if len(numbers) != 4 or any(not isinstance(number, (int, np.integer)) or number < 0 for number in numbers):
        _refuse(layer, "padding", "a non-negative integer, (x, y) or (left, top, right, bottom)", value)
    left, top, right, bottom = (int(number) for number in numbers)
    return left, top, right, bottom


def integers(layer: str, rule: str, value: npt.ArrayLike) -> Integers:
    """An array of integers, not copied; broadcast views stay views."""
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.integer):
        _refuse(layer, rule, "integers (quantise first)", f"{array.dtype} values")
    return array


def _factor(source: str, shape: Shape, whole: Shape) -> Branch | None:
    """A factor of a product of shape `whole`, spread over all of it, if it can be."""
    if shape == whole:
        return Branch(source=source, transposed=0)
    if shape == (whole[0], 1, 1):
        return Branch(source=source, kernel=whole[1:], transposed=0)
    for times in range(1, max(whole[1:]).bit_length()):
        if shape == (whole[0], -(-whole[1] >> times), -(-whole[2] >> times)):
            after = ((shape[1] << times) - whole[1], (shape[2] << times) - whole[2])
            return Branch(source=source, kernel=(1 << times, 1 << times), transposed=times, padding=(0, 0, *after))
    return None


class Network:
    """A feed-forward graph of layers. Each method adds one layer and returns its name.

    Common arguments: `bias` (one integer, or one per channel) and the keywords of `Evaluation` evaluate the layer;
    `stride`, `dilation` (an integer or (x, y)); `padding` (an integer, (x, y) or (left, top, right, bottom));
    `product_shift` multiplies a branch by a power of two.

    Raises:
        NetworkError: on construction of a layer whose name, source, shape or numbers do not fit, naming layer, rule,
            what is needed and what was given.
    """

    def __init__(self, name: str):
        self.name = name
        self.layers: dict[str, Layer] = {}
        self.outputs: list[str] = []

    def shape(self, name: str) -> Shape:
        """Shape (D, W, H) of a layer."""
        return self.layer(name).shape

    def layer(self, name: str) -> Layer:
        if name not in self.layers:
            raise NetworkError(f"network '{self.name}' has no layer '{name}'; there are: {', '.join(self.layers)}")
        return self.layers[name]

    @property
    def inputs(self) -> list[str]:
        return [layer.name for layer in self.layers.values() if layer.kind == "input"]

    # -- layers --------------------------------------------------------------------------------

    def input(self, name: str, shape: Sequence[int], *, saturation: int = Saturation.RELU) -> str:
        """An input; `saturation` tells the range of its values (RELU: unsigned)."""
        if len(shape) != 3 or any(size < 1 for size in shape):
            _refuse(name, "input shape", "(D, W, H), each at least 1", tuple(shape))
        if saturation not in SATURATIONS:
            _refuse(name, "saturation", f"one of {SATURATIONS}", saturation)
        depth, width, height = (int(size) for size in shape)
        return self._insert(Layer(name=name, kind="input", shape=(depth, width, height), saturation=saturation))

    def conv(
        self, name: str, source: str, weights: npt.ArrayLike, bias: npt.ArrayLike = 0, *,
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1,
        groups: int = 1, product_shift: int = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A convolution; weights (D_dst, D_src / groups, KW, KH)."""
        branch = Branch(
            source=source, weights=integers(name, "weights", weights), stride=pair(name, "stride", stride, 1),
            padding=padding4(name, padding), dilation=pair(name, "dilation", dilation, 1), groups=groups,
            shift=product_shift)
        return self._add(name, "conv", (branch,), bias, **evaluation)

    def depthwise(
        self, name: str, source: str, weights: npt.ArrayLike, bias: npt.ArrayLike = 0, *,
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1,
        product_shift: int = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A depthwise convolution; weights (D, KW, KH), or (m·D, 1, KW, KH) with m results per channel."""
        array = integers(name, "weights", weights)
        array = array[:, None] if array.ndim == 3 else array
        branch = Branch(
            source=source, weights=array, stride=pair(name, "stride", stride, 1), padding=padding4(name, padding),
            dilation=pair(name, "dilation", dilation, 1), groups=self.shape(source)[0], shift=product_shift)
        return self._add(name, "depthwise", (branch,), bias, **evaluation)

    def transposed_conv(
        self, name: str, source: str, weights: npt.ArrayLike, bias: npt.ArrayLike = 0, *,
        stride: int = 1, padding: int | Sequence[int] = 0, output_padding: int | Sequence[int] = 0, groups: int = 1,
        product_shift: int = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A transposed convolution: each source neuron adds its kernel at stride · position - padding.

        Weights (D_dst, D_src / groups, KW, KH); stride a power of two, the same in x and y; the result is
        (W - 1) · stride + KW - left - right + output_padding wide.
        """
        if stride < 1 or stride & (stride - 1):
            _refuse(name, "transposed stride", "a power of two", stride)
        branch = Branch(
            source=source, weights=integers(name, "weights", weights), padding=padding4(name, padding), groups=groups,
            transposed=stride.bit_length() - 1, output_padding=pair(name, "output padding", output_padding, 0),
            shift=product_shift)
        return self._add(name, "transposed_conv", (branch,), bias, **evaluation)

    def dense(
        self, name: str, source: str, weights: npt.ArrayLike, bias: npt.ArrayLike = 0, *,
        product_shift: int = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A dense layer over the whole source; its result is (D_dst, 1, 1).

        Weights (D_dst, D·W·H) in the order channel, column, row (the row fastest), or (D_dst, D, W, H).
        """
        array, shape = integers(name, "weights", weights), self.shape(source)
        if array.ndim == 2 and array.shape[1] == np.prod(shape):
            array = array.reshape(-1, *shape)
        if array.ndim != 4 or array.shape[1:] != shape:
            _refuse(name, "dense weights", f"(D_dst, {np.prod(shape)}) or (D_dst, {shape[0]}, {shape[1]}, {shape[2]})",
                    np.shape(weights))
        branch = Branch(source=source, weights=array, shift=product_shift)
        return self._add(name, "dense", (branch,), bias, **evaluation)

    def max_pool(
        self, name: str, source: str, size: int | Sequence[int], *, stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> str:
        """Maximum over windows, whose default stride is their size. The source must not be negative."""
        kernel = pair(name, "pool size", size, 1)
        branch = Branch(
            source=source, kernel=kernel, stride=kernel if stride is None else pair(name, "stride", stride, 1),
            padding=padding4(name, padding))
        return self._add(name, "max_pool", (branch,), 0)

    def pool_maximum(self, name: str, branch: Branch) -> str:
        """A max pool given as a branch, which has dilation and paddings of its own for each side."""
        return self._add(name, "max_pool", (branch,), 0)

    def average_pool(
        self, name: str, source: str, size: int | Sequence[int], *, stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0, bias: npt.ArrayLike = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """Mean over windows, padding included; `multiplier` and `shift` (both or none) replace the division.

        The division is `mean_scale`; the saturation is by default the source's.
        """
        kernel = pair(name, "pool size", size, 1)
        if ("multiplier" in evaluation) != ("shift" in evaluation):
            _refuse(name, "mean", "multiplier and shift, both or none", "one of them")
        if "multiplier" not in evaluation:
            evaluation["multiplier"], evaluation["shift"] = mean_scale(kernel[0] * kernel[1])
        branch = Branch(
            source=source, kernel=kernel, stride=kernel if stride is None else pair(name, "stride", stride, 1),
            padding=padding4(name, padding))
        if "saturation" not in evaluation and "table" not in evaluation:
            evaluation["saturation"] = self._range(source)
        return self._add(name, "average_pool", (branch,), bias, **evaluation)

    def global_pool(self, name: str, source: str, *, kind: str = "average") -> str:
        """Average or maximum over all positions; the result is (D, 1, 1)."""
        if kind not in ("average", "max"):
            _refuse(name, "global pool", "kind 'average' or 'max'", repr(kind))
        return (self.max_pool if kind == "max" else self.average_pool)(name, source, self.shape(source)[1:])

    def add(
        self, name: str, sources: Sequence[str | Branch], *, scales: Sequence[int] | None = None,
        shifts: Sequence[int] | None = None, bias: npt.ArrayLike = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """The sum of layers of one shape, each times scale << shift of its own.

        A source may also be a `branch`: a convolution that accumulates straight into the sum [B §4.4].
        """
        return self._add(name, "add", self._branches(name, sources, scales, shifts), bias, **evaluation)

    def multiply(
        self, name: str, first: str, second: str, *, bias: npt.ArrayLike = 0, **evaluation: Unpack[Evaluation],
    ) -> str:
        """The product of two layers, neuron by neuron.

        One of them may be (D, 1, 1), and then meets all positions; or 2, 4, … times smaller in x and y, rounded up, and
        then each of its positions meets a square of the other's. Both must fit half a state of the core that it is
        mapped to: uint8 or int8 with states of 16 bits.
        """
        shapes = {source: self.shape(source) for source in (first, second)}
        whole = max(shapes.values(), key=lambda shape: shape[1] * shape[2])
        branches = [_factor(source, shapes[source], whole) for source in (first, second)]
        if None in branches:
            _refuse(name, "product shapes", "layers of one shape, or one of (D, 1, 1), or 2, 4, … times smaller",
                    ", ".join(f"'{source}' {shape}" for source, shape in shapes.items()))
        return self._add(name, "multiply", tuple(branch for branch in branches if branch), bias, **evaluation)

    def lif(
        self, name: str, sources: Sequence[str | Branch], *, threshold: npt.ArrayLike, bias: npt.ArrayLike = 0,
        multiplier: npt.ArrayLike = 1, shift: npt.ArrayLike = 0, reset: str = "subtract",
        scales: Sequence[int] | None = None, shifts: Sequence[int] | None = None,
        initial: npt.ArrayLike | None = None,
    ) -> str:
        """Leaky integrate-and-fire neurons, which keep their state from timestep to timestep and fire 1.

        In each timestep: u += inputs + bias; those with u >= threshold fire, and u -= threshold, or u = 0 with `reset`
        "zero"; then u leaks: u · multiplier / 2**shift, half to even. By default it does not: integrate-and-fire.

        Args:
            sources, scales, shifts: as of `add`: layers, or any convolutions by `branch`.
            threshold: at least 1, per channel or one for all.
            initial: the states before the first timestep, as they are after the leak; default 0.
        """
        if reset not in ("subtract", "zero"):
            _refuse(name, "reset", "'subtract' or 'zero'", repr(reset))
        return self._add(name, "lif", self._branches(name, sources, scales, shifts), bias, multiplier=multiplier,
                         shift=shift, saturation=Reset.ZERO if reset == "zero" else Reset.SUBTRACT, threshold=threshold,
                         initial=initial)

    def branch(
        self, source: str, weights: npt.ArrayLike, *, stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, product_shift: int = 0,
    ) -> Branch:
        """A convolution as a source of `add` or `lif`."""
        return Branch(
            source=source, weights=integers(source, "weights", weights), stride=pair(source, "stride", stride, 1),
            padding=padding4(source, padding), dilation=pair(source, "dilation", dilation, 1), groups=groups,
            shift=product_shift)

    def output(self, name: str) -> str:
        """Make a layer an output: its firing neurons are sent to the host."""
        if self.layer(name).kind == "input":
            _refuse(name, "output", "a computed layer", "an input")
        if name in self.outputs:
            _refuse(name, "output", "each output once", "a second time")
        self.outputs.append(name)
        return name

    # -- checks --------------------------------------------------------------------------------

    def _insert(self, layer: Layer) -> str:
        if not layer.name:
            _refuse(layer.name, "name", "a name", "an empty one")
        if layer.name in self.layers:
            kind = self.layers[layer.name].kind
            _refuse(layer.name, "name", "a name of its own", f"one that a layer of kind {kind} has")
        self.layers[layer.name] = layer
        return layer.name

    def _range(self, name: str) -> int:
        """The saturation whose range a layer's values have."""
        layer = self.layer(name)
        if layer.table is not None:
            return Saturation.RELU if layer.table.min() >= 0 else Saturation.FULL
        return Saturation.RELU if layer.kind == "lif" else layer.saturation

    def _branches(
        self, name: str, sources: Sequence[str | Branch], scales: Sequence[int] | None, shifts: Sequence[int] | None
    ) -> tuple[Branch, ...]:
        if not sources:
            _refuse(name, "sources", "at least one source", "none")
        for rule, values in (("scales", scales), ("shifts", shifts)):
            if values is not None and len(values) != len(sources):
                _refuse(name, rule, f"one per source: {len(sources)}", len(values))
        return tuple(
            source if isinstance(source, Branch) else Branch(
                source=source, scale=1 if scales is None else int(scales[i]), shift=0 if shifts is None else shifts[i])
            for i, source in enumerate(sources))

    def _add(
        self, name: str, kind: str, branches: tuple[Branch, ...], bias: npt.ArrayLike, *,
        multiplier: npt.ArrayLike = 1, shift: npt.ArrayLike = 0, saturation: int | None = None,
        slope: npt.ArrayLike | None = None, table: npt.ArrayLike | None = None, threshold: npt.ArrayLike | None = None,
        initial: npt.ArrayLike | None = None,
    ) -> str:
        shapes = [self._branch_shape(name, branch) for branch in branches]
        if len(set(shapes)) > 1:
            _refuse(name, "equal shapes", "branches of one shape",
                    ", ".join(f"'{branch.source}' → {shape}" for branch, shape in zip(branches, shapes, strict=True)))
        if saturation not in (None, *SATURATIONS) or (saturation is not None and table is not None):
            _refuse(name, "saturation", f"one of {SATURATIONS}, or a table", saturation)
        parameters = {}
        for rule, value in (("bias", bias), ("multiplier", multiplier), ("shift", shift), ("slope", slope),
                            ("threshold", threshold), ("initial", initial)):
            if value is None:
                continue
            array = integers(name, rule, value).reshape(-1)
            if array.size not in (1, shapes[0][0]):
                _refuse(name, rule, f"one integer or {shapes[0][0]}", array.size)
            least = {"multiplier": 0, "shift": 0, "threshold": 1}.get(rule)
            if least is not None and int(array.min()) < least:
                _refuse(name, rule, f"at least {least}", int(array.min()))
            parameters[rule] = array.astype(np.int64)
        if table is not None:
            saturation, parameters["table"] = Saturation.TABLE, integers(name, "table", table).astype(np.int64)
            if parameters["table"].ndim != 1 or not parameters["table"].size:
                _refuse(name, "table", "one entry per event value", parameters["table"].shape)
        return self._insert(Layer(
            name=name, kind=kind, shape=shapes[0], branches=branches,
            saturation=Saturation.RELU if saturation is None else saturation, **parameters))

    def _branch_shape(self, name: str, branch: Branch) -> Shape:
        depth, width, height = self.shape(branch.source)
        if branch.shift < 0:
            _refuse(name, "product shift", "no negative number", branch.shift)
        kernel, result_depth = branch.kernel, depth
        if branch.weights is not None:
            weights, groups = branch.weights, branch.groups
            if weights.ndim != 4 or 0 in weights.shape:
                _refuse(name, "weights", "four dimensions (D_dst, D_src / groups, KW, KH)", weights.shape)
            if groups < 1 or depth % groups or weights.shape[0] % groups:
                _refuse(name, "groups", f"a divisor of {depth} source and {weights.shape[0]} result channels", groups)
            if weights.shape[1] != depth // groups:
                _refuse(name, "source channels",
                        f"weights for {depth // groups} channels of '{branch.source}' per group", weights.shape)
            result_depth, kernel = weights.shape[0], (weights.shape[2], weights.shape[3])
        if branch.transposed is not None:
            left, top, right, bottom = branch.padding
            size = (((width - 1) << branch.transposed) + kernel[0] - left - right + branch.output_padding[0],
                    ((height - 1) << branch.transposed) + kernel[1] - top - bottom + branch.output_padding[1])
        else:
            size = output_size((width, height), kernel, branch.stride, branch.padding, branch.dilation)
        if min(size) < 1:
            _refuse(name, "size",
                    f"a kernel that fits '{branch.source}' ({width} × {height}, padding {branch.padding})",
                    f"kernel {kernel}, stride {branch.stride}, dilation {branch.dilation}, which gives {size}")
        return result_depth, size[0], size[1]
