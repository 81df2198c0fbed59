"""The user's network: a graph of layers with integer weights, every shape checked on construction.

Feature maps are (D, W, H): channels, columns, rows. Weights are W[c, i, j, k]: destination channel, source channel
within its group, column tap, row tap. A layer sums its branches and evaluates, per channel,
saturate(round((sum + bias) · multiplier / 2**shift)), half to even (docs/architecture.md); `Evaluation` has what can
differ.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Unpack

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.types import Array
from golden.words import Saturation
from synapress.mapper.network.delays import DelayedLayers
from synapress.mapper.network.layer import (
    AUTO,
    FUNCTIONAL,
    NEURONS,
    READOUT,
    SATURATIONS,
    SIGMA_DELTA,
    Branch,
    Evaluation,
    Layer,
    Shape,
    branch_shape,
    integers,
    organised,
    padding4,
    pair,
    refuse,
)
from synapress.mapper.network.sparse_layers import SparseLayers
from synapress.mapper.network.spiking_layers import SpikingLayers
from synapress.mapper.network.value_tables import mean_scale


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


class Network(DelayedLayers, SparseLayers, SpikingLayers):
    """A graph of layers. Each method adds one layer, of layers that are there, and returns its name.

    Only `delayed` may name a layer that is added later: so what is recurrent goes through a delay.

    Common arguments: `bias` (one integer, or one per channel) and the keywords of `Evaluation` evaluate the layer;
    `stride`, `dilation` (an integer or (x, y)); `padding` (an integer, (x, y) or (left, top, right, bottom));
    `product_shift` multiplies a branch by a power of two.

    Raises:
        NetworkError: on construction of a layer whose name, source or shape does not fit, or whose numbers are no
            integers, or are negative where that has no meaning, naming layer, rule, what is needed and what was given.
            Whether numbers are in the range of a configuration is checked by `compile`.
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

    def input(self, name: str, shape: Sequence[int], *, saturation: int = Saturation.RELU,
              threshold: int | None = None) -> str:
        """An input; `saturation` tells the range of its values (RELU: unsigned).

        `threshold`: frames are timesteps, and the host sends how far each value has moved since it sent it, if that is
        so far; 0: every change. Default: it sends values.
        """
        if len(shape) != 3 or any(size < 1 for size in shape):
            refuse(name, "input shape", "(D, W, H), each at least 1", tuple(shape))
        if saturation not in SATURATIONS:
            refuse(name, "saturation", f"one of {SATURATIONS}", saturation)
        if threshold is not None and threshold < 0:
            refuse(name, "threshold", "at least 0", threshold)
        depth, width, height = (int(size) for size in shape)
        return self.insert(Layer(name=name, kind="input", shape=(depth, width, height), saturation=saturation,
                                 threshold=None if threshold is None else np.array([threshold], np.int64)))

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
            refuse(name, "transposed stride", "a power of two", stride)
        branch = Branch(
            source=source, weights=integers(name, "weights", weights), padding=padding4(name, padding), groups=groups,
            transposed=stride.bit_length() - 1, output_padding=pair(name, "output padding", output_padding, 0),
            shift=product_shift)
        return self._add(name, "transposed_conv", (branch,), bias, **evaluation)

    def dense(
        self, name: str, source: str, weights: npt.ArrayLike, bias: npt.ArrayLike = 0, *,
        product_shift: int = 0, organisation: str | None = None, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A dense layer over the whole source; its result is (D_dst, 1, 1).

        Weights (D_dst, D·W·H) in the order channel, column, row (the row fastest), or (D_dst, D, W, H). `organisation`:
        how they are stored, see `sparse`; default: as one kernel.
        """
        array, shape = integers(name, "weights", weights), self.shape(source)
        if array.ndim == 2 and array.shape[1] == np.prod(shape):
            array = array.reshape(-1, *shape)
        if array.ndim != 4 or array.shape[1:] != shape:
            refuse(name, "dense weights", f"(D_dst, {np.prod(shape)}) or (D_dst, {shape[0]}, {shape[1]}, {shape[2]})",
                    np.shape(weights))
        branch = Branch(source=source, weights=array, shift=product_shift, organisation=organised(name, organisation))
        return self._add(name, "dense", (branch,), bias, **evaluation)

    def sparse(
        self, name: str, source: str, matrix: Any, bias: npt.ArrayLike = 0, *, product_shift: int = 0,
        organisation: str = AUTO, **evaluation: Unpack[Evaluation],
    ) -> str:
        """A layer whose synapses a matrix lists, irregular or pruned; its result is (outputs, 1, 1).

        Arguments `matrix`, integers (inputs, outputs), and `organisation`: as of `sparse_branch`.
        """
        branch = self.sparse_branch(source, matrix, product_shift=product_shift, organisation=organisation)
        return self._add(name, "sparse", (branch,), bias, **evaluation)

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
            refuse(name, "mean", "multiplier and shift, both or none", "one of them")
        if "multiplier" not in evaluation:
            evaluation["multiplier"], evaluation["shift"] = mean_scale(kernel[0] * kernel[1])
        branch = Branch(
            source=source, kernel=kernel, stride=kernel if stride is None else pair(name, "stride", stride, 1),
            padding=padding4(name, padding))
        if "saturation" not in evaluation and "table" not in evaluation:
            evaluation["saturation"] = self.value_range(source)
        return self._add(name, "average_pool", (branch,), bias, **evaluation)

    def global_pool(self, name: str, source: str, *, kind: str = "average") -> str:
        """Average or maximum over all positions; the result is (D, 1, 1)."""
        if kind not in ("average", "max"):
            refuse(name, "global pool", "kind 'average' or 'max'", repr(kind))
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
            refuse(name, "product shapes", "layers of one shape, or one of (D, 1, 1), or 2, 4, … times smaller",
                    ", ".join(f"'{source}' {shape}" for source, shape in shapes.items()))
        return self._add(name, "multiply", tuple(branch for branch in branches if branch), bias, **evaluation)

    def branch(
        self, source: str, weights: npt.ArrayLike, *, stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, product_shift: int = 0,
        logarithmic: bool = False, organisation: str | None = None,
    ) -> Branch:
        """A convolution as a source of `add`, `lif`, `cuba`, `li` or `ttfs`.

        `logarithmic`: its weights are codes (`golden.neuron.products.log`), its source's values tell when it spiked.
        `organisation`: see `sparse`; logarithmic weights are one kernel.
        """
        stored = organised(source, organisation)
        if logarithmic and stored not in (None, FUNCTIONAL):
            refuse(source, "logarithmic weights", f"one kernel: organisation '{FUNCTIONAL}', or none", repr(stored))
        return Branch(
            source=source, weights=integers(source, "weights", weights), stride=pair(source, "stride", stride, 1),
            padding=padding4(source, padding), dilation=pair(source, "dilation", dilation, 1), groups=groups,
            shift=product_shift, logarithmic=logarithmic, organisation=stored)

    def output(self, name: str) -> str:
        """Make a layer an output: its firing neurons are sent to the host."""
        if self.layer(name).kind == "input":
            refuse(name, "output", "a computed layer", "an input")
        if self.layer(name).kind == "delay":
            refuse(name, "delayed output", "a layer that is computed in its timestep", "one of the timestep before")
        if name in self.outputs:
            refuse(name, "output", "each output once", "a second time")
        self.outputs.append(name)
        return name

    # -- checks --------------------------------------------------------------------------------

    def insert(self, layer: Layer) -> str:
        """Add a layer that is whole already, whose sources are here; returns its name."""
        if not layer.neuron and not layer.spikes and layer.kind != "input" and layer.threshold is not None:
            refuse(layer.name, "threshold", f"a neuron that has one, of {NEURONS}", "one that has none")
        plain = layer.slope is None and layer.table is None
        if layer.neuron not in ("", *NEURONS) or (layer.neuron and not plain):
            refuse(layer.name, "neuron", f"one of {NEURONS}, without slope and table", repr(layer.neuron))
        needs = layer.neuron in (SIGMA_DELTA, READOUT)
        for branch in layer.branches if layer.kind != "delay" else ():
            source = self.layer(branch.source)
            # What is delayed may come later: then `populations.lower` asks.
            if source.kind != "delay" and source.sends_differences != needs:
                self.refuse_differences(layer, branch)
        if not layer.name:
            refuse(layer.name, "name", "a name", "an empty one")
        if layer.name in self.layers:
            kind = self.layers[layer.name].kind
            refuse(layer.name, "name", "a name of its own", f"one that a layer of kind {kind} has")
        self.check_delays(layer)
        self.layers[layer.name] = layer
        return layer.name

    def refuse_differences(self, layer: Layer, branch: Branch) -> NoReturn:
        """Of a layer whose source sends values where it needs differences, or differences where it needs values."""
        needs = "differences" if layer.neuron in (SIGMA_DELTA, READOUT) else "values"
        refuse(layer.name, "differences", f"sources that send {needs}", f"'{branch.source}', which does not")

    def _branches(
        self, name: str, sources: Sequence[str | Branch], scales: Sequence[int] | None, shifts: Sequence[int] | None
    ) -> tuple[Branch, ...]:
        if not sources:
            refuse(name, "sources", "at least one source", "none")
        for rule, values, none in (("scales", scales, 1), ("shifts", shifts, 0)):
            if values is not None and len(values) != len(sources):
                refuse(name, rule, f"one per source: {len(sources)}", len(values))
            for source, value in zip(sources, values or (), strict=False):
                if isinstance(source, Branch) and value != none:
                    refuse(name, rule, f"{none} for a branch, which has weights of its own", value)
        return tuple(
            source if isinstance(source, Branch) else Branch(
                source=source, scale=1 if scales is None else int(scales[i]), shift=0 if shifts is None else shifts[i])
            for i, source in enumerate(sources))

    def _add(
        self, name: str, kind: str, branches: tuple[Branch, ...], bias: npt.ArrayLike, *,
        multiplier: npt.ArrayLike = 1, shift: npt.ArrayLike = 0, saturation: int | None = None,
        slope: npt.ArrayLike | None = None, table: npt.ArrayLike | None = None, threshold: npt.ArrayLike | None = None,
        initial: npt.ArrayLike | None = None, neuron: str = "", second: Mapping[str, Array] | None = None,
        several: bool = False,
    ) -> str:
        threshold = 0 if neuron and threshold is None else threshold
        shapes = [branch_shape(name, branch, self.shape(branch.source)) for branch in branches]
        if len(set(shapes)) > 1:
            refuse(name, "equal shapes", "branches of one shape",
                    ", ".join(f"'{branch.source}' → {shape}" for branch, shape in zip(branches, shapes, strict=True)))
        if kind != "lif" and (saturation not in (None, *SATURATIONS) or (saturation is not None and table is not None)):
            refuse(name, "saturation", f"one of {SATURATIONS}, or a table", saturation)
        parameters: dict[str, Any] = {}
        for rule, value in (("bias", bias), ("multiplier", multiplier), ("shift", shift), ("slope", slope),
                            ("threshold", threshold), ("initial", initial)):
            if value is None:
                continue
            array = integers(name, rule, value).reshape(-1)
            if array.size not in (1, shapes[0][0]):
                refuse(name, rule, f"one integer or {shapes[0][0]}", array.size)
            least = {"multiplier": 0, "shift": 0, "threshold": 0 if neuron else 1}.get(rule)
            if least is not None and int(array.min()) < least:
                refuse(name, rule, f"at least {least}", int(array.min()))
            parameters[rule] = array.astype(np.int64)
        for rule, array in (second or {}).items():
            if array.size not in (1, shapes[0][0]):
                refuse(name, rule, f"one integer or {shapes[0][0]}", array.size)
        if table is not None:
            saturation = Saturation.RELU if kind == "ttfs" else Saturation.TABLE
            parameters["table"] = integers(name, "table", table).astype(np.int64)
            if parameters["table"].ndim != 1 or not parameters["table"].size:
                refuse(name, "table", "one entry per event value", parameters["table"].shape)
        return self.insert(Layer(
            name=name, kind=kind, shape=shapes[0], branches=branches,
            saturation=Saturation.RELU if saturation is None else saturation, neuron=neuron, second=second,
            several=several, **parameters))
