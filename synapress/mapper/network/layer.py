"""One layer of a network: its branches and its numbers, and the checks of single arguments.

Shapes are (D, W, H): channels, columns, rows. Each check that fails raises NetworkError, naming layer, rule, what is
needed, what was given, and what would help.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypedDict

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.network.dense import output_size
from golden.types import Array, Padding, Pair, Shape
from golden.words import TABLE_ORGANISATIONS, Saturation

SATURATIONS = (Saturation.RELU, Saturation.SIGNED, Saturation.FULL)


SIGMA_DELTA, READOUT, ENCODER = NEURONS = ("sigma_delta", "readout", "encoder")
"""Neurons that remember, of layers that sum: see `golden.neuron.types.sigma_delta`."""
DIFFERENCES = (SIGMA_DELTA, ENCODER)
"""Those that send differences."""

AUTO, FUNCTIONAL = "auto", "functional"
TABLES = tuple(TABLE_ORGANISATIONS)
"""Organisations that store synapses one by one, in tables (`golden.synapse.organisations`)."""
ORGANISATIONS = (AUTO, FUNCTIONAL, *TABLES)
"""How the synapses of a branch may be stored; "auto": the cheapest that the core has."""

HELP = {
    "name": "Choose another name.",
    "input shape": "Give channels, columns and rows.",
    "weights": "Quantize to integers, and give a dimension of one where there is none.",
    "source channels": "Give weights for each source channel of a group, or change the groups.",
    "groups": "Choose a number that divides both.",
    "stride": "Give one integer, or one for x and one for y.",
    "dilation": "Give one integer, or one for x and one for y.",
    "padding": "Pad by what the framework pads; crop with a smaller kernel or source.",
    "bias": "Give one integer for all channels, or one for each.",
    "multiplier": "Give one natural number for all channels, or one for each; signs belong to weights and slopes.",
    "shift": "Give one natural number for all channels, or one for each; a left shift belongs to the multiplier.",
    "slope": "Give one integer for all channels, or one for each.",
    "threshold": "Give one positive integer for all channels, or one for each; 0 is one for differences.",
    "neuron": "Use one of these.",
    "differences": "Let synapress.sigma_delta choose the neurons, and keep FULL for outputs.",
    "frames": "Give the network of frames.",
    "activation": "Use a saturation, or compute what follows the layer on the host.",
    "initial": "Give one integer for all channels, or one for each.",
    "product shift": "Scale by the multiplier and the shift instead.",
    "saturation": "Use golden.words.Saturation.RELU, SIGNED or FULL, or the argument table.",
    "table": "See synapress.mapper.value_table.",
    "size": "Use a smaller kernel, dilation or crop, or more padding.",
    "pool size": "Give one positive integer, or one for x and one for y.",
    "mean": "Leave both out for the mean.",
    "global pool": "Use one of these.",
    "dense weights": "Flatten channel, column, row, the row fastest; the columns are W, not H.",
    "sparse matrix": "Give a row per neuron of the source in the order channel, column, row (the row fastest), and a "
                     "column per result.",
    "organisation": "Use one of these.",
    "logarithmic weights": "Store it as one kernel: leave its organisation out.",
    "transposed stride": "Go by powers of two in several layers, or make it a convolution.",
    "output padding": "Give one natural number, or one for x and one for y.",
    "sources": "Name at least one layer.",
    "scales": "Give one number for each source.", "shifts": "Give one number for each source.",
    "equal shapes": "Pad, stride or crop the branches to one shape.",
    "product shapes": "Pool one of them to (D, 1, 1), or convolve it to the other's shape.",
    "steps": "Give a whole number; leave the layer out for no delay.",
    "delayed shape": "Give the shape of the layer that is declared later, and declare that layer.",
    "delayed": "Sum in between, by add, what goes round.",
    "delayed output": "Make the layer an output whose values are delayed, or sum them by add.",
    "output": "Name each computed layer at most once; the host has the inputs already.",
    "reset": "Use one of these.",
    "integrator": "Leave them out.",
    "decay": "Give one integer for all channels, or one for each, in 1/4096: 4096 forgets all, 0 nothing.",
    "rounding": "Use one of these.",
    "saturate": "Leave out saturate, or all of those.",
    "several spikes": "Scale weights and threshold so that it is one.",
    "falling thresholds": "Take synapress.mapper.falling_thresholds.",
    "reset value": "Give one integer for all channels, or one for each.",
    "lowest": "Give one integer for all channels, or one for each; leave it out for no bound.",
}
"""What would help, by rule."""


def refuse(layer: str, rule: str, needed: object, available: object) -> NoReturn:
    """Raise the error of a violated rule."""
    raise NetworkError(f"layer '{layer}', rule '{rule}': needs {needed}; given: {available}. {HELP[rule]}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch:
    """What one source contributes to a layer: a convolution, or with `weights` None a constant kernel per channel."""

    source: str
    weights: Array | None = None
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
    logarithmic: bool = False
    """The weights are codes of `golden.neuron.products.log`, of values of spikes in time."""
    organisation: str | None = None
    """How its synapses are stored, of `ORGANISATIONS`; None: as one kernel, unless the compilation says otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer: a feature map and the branches that lead into it."""

    name: str
    kind: str
    """input, conv, depthwise, transposed_conv, dense, sparse, max_pool, average_pool, add, multiply, lif, cuba, li,
    ttfs or delay."""
    shape: Shape
    branches: tuple[Branch, ...] = ()
    bias: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    multiplier: Array = field(default_factory=lambda: np.ones(1, np.int64))
    shift: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    saturation: int = Saturation.RELU
    """For lif and cuba a `golden.words.Reset`; for lif with a second word see `golden.neuron.types.lif`."""
    slope: Array | None = None
    threshold: Array | None = None
    """For lif and cuba; and of layers and inputs that send differences: those smaller are not sent."""
    neuron: str = ""
    """Of `NEURONS`; default: sums, maxima and products of one timestep."""
    initial: Array | None = None
    table: Array | None = None
    """Values of a sum; for ttfs the thresholds of the values 1 to T."""
    second: Mapping[str, Array] | None = None
    """For cuba, li and bounded lif: fields of the second parameter word, one number or one per channel."""
    several: bool = False
    """For bounded lif: several spikes per timestep."""
    steps: int = 0
    """For delay: timesteps by which the values of its source are late."""

    @property
    def spikes(self) -> bool:
        """It fires: its values are 0 and 1, or numbers of spikes, or tell when it did."""
        return self.kind in ("lif", "cuba", "ttfs")

    @property
    def sends_differences(self) -> bool:
        """Its events say how far values have moved, not where they are."""
        return self.neuron in DIFFERENCES or (self.kind == "input" and self.threshold is not None)


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
    For sigmoid, tanh, SiLU and the like; see `synapress.mapper.value_table`."""
    neuron: str
    """For timesteps: "sigma_delta" keeps the sum of the differences that come in, and sends differences; "readout"
    keeps it, too, and sends values; "encoder" sums values, and sends differences. See `synapress.sigma_delta`."""
    threshold: npt.ArrayLike
    """Of differences that are sent, the least; one integer, or one per channel; default 0: all."""


def pair(layer: str, rule: str, value: int | Sequence[int], low: int) -> Pair:
    """An integer for x and y, or one for each."""
    numbers = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(numbers) != 2 or any(not isinstance(number, (int, np.integer)) or number < low for number in numbers):
        refuse(layer, rule, f"an integer or (x, y), each at least {low}", value)
    return int(numbers[0]), int(numbers[1])


def padding4(layer: str, value: int | Sequence[int]) -> Padding:
    """An integer, (x, y), or (left, top, right, bottom)."""
    numbers = (value,) * 2 if isinstance(value, (int, np.integer)) else tuple(value)
    numbers = numbers * 2 if len(numbers) == 2 else numbers
    if len(numbers) != 4 or any(not isinstance(number, (int, np.integer)) or number < 0 for number in numbers):
        refuse(layer, "padding", "a non-negative integer, (x, y) or (left, top, right, bottom)", value)
    left, top, right, bottom = (int(number) for number in numbers)
    return left, top, right, bottom


def integers(layer: str, rule: str, value: npt.ArrayLike) -> Array:
    """An array of integers, not copied; broadcast views stay views."""
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.integer):
        refuse(layer, rule, "integers (quantize first)", f"{array.dtype} values")
    return array


def within(layer: str, rule: str, value: npt.ArrayLike, low: int, high: int) -> Array:
    """One integer or some, in a row, each of which is in a range."""
    array = integers(layer, rule, value).reshape(-1).astype(np.int64)
    if not array.size or int(array.min()) < low or int(array.max()) > high:
        refuse(layer, rule, f"integers from {low} to {high}", array.tolist() if array.size < 9 else (
            f"some from {array.min()} to {array.max()}"))
    return array


def organised(layer: str, name: str | None) -> str | None:
    """The name of an organisation, or None."""
    if name is not None and name not in ORGANISATIONS:
        refuse(layer, "organisation", f"one of {', '.join(ORGANISATIONS)}", repr(name))
    return name


def branch_shape(name: str, branch: Branch, source: Shape) -> Shape:
    """The shape of what a branch of layer `name` contributes, from a source of shape `source`."""
    depth, width, height = source
    if branch.shift < 0:
        refuse(name, "product shift", "no negative number", branch.shift)
    kernel, result_depth = branch.kernel, depth
    if branch.weights is not None:
        weights, groups = branch.weights, branch.groups
        if weights.ndim != 4 or 0 in weights.shape:
            refuse(name, "weights", "four dimensions (D_dst, D_src / groups, KW, KH)", weights.shape)
        if groups < 1 or depth % groups or weights.shape[0] % groups:
            refuse(name, "groups", f"a divisor of {depth} source and {weights.shape[0]} result channels", groups)
        if weights.shape[1] != depth // groups:
            refuse(name, "source channels",
                    f"weights for {depth // groups} channels of '{branch.source}' per group", weights.shape)
        result_depth, kernel = weights.shape[0], (weights.shape[2], weights.shape[3])
    if branch.transposed is not None:
        left, top, right, bottom = branch.padding
        size = (((width - 1) << branch.transposed) + kernel[0] - left - right + branch.output_padding[0],
                ((height - 1) << branch.transposed) + kernel[1] - top - bottom + branch.output_padding[1])
    else:
        size = output_size((width, height), kernel, branch.stride, branch.padding, branch.dilation)
    if min(size) < 1:
        refuse(name, "size",
                f"a kernel that fits '{branch.source}' ({width} × {height}, padding {branch.padding})",
                f"kernel {kernel}, stride {branch.stride}, dilation {branch.dilation}, which gives {size}")
    return result_depth, size[0], size[1]
