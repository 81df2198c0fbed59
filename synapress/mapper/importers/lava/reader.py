"""Lava-DL's networks of Loihi neurons → a `Network` of integer layers that fires the same spikes.

Loihi's numbers are kept: a weight adds 2**6 times itself to a current, and thresholds and biases count 2**6 times, so
that leaks round where Loihi's do (Davies et al., IEEE Micro 38(1), 2018; lava, `lava/proc/lif/models.py`). A layer
whose currents last one timestep becomes bounded integrate-and-fire neurons, whose potential has a whole state; another
one `cuba` neurons, with 16 bits each for current and potential; or, as `wide`, a layer of leaky integrators that sends
its currents of 16 bits to bounded integrate-and-fire neurons.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from golden.config import PRESETS, CoreConfig
from golden.neuron.decay import LEFT_LOG2
from golden.neuron.types.cuba import CURRENT_BITS
from golden.types import IntArray
from golden.words import Saturation
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.importers.lava.layers import FRACTION_LOG2, LavaLayer, LavaNetwork, read_layers
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network

INPUT = "in"
"""The network's input: spikes, or what the neurons of an input layer get in each timestep."""
CORE: CoreConfig = dataclasses.replace(
    PRESETS["grai_vip"], name="lava", state_bits=32, multiplier_bits=LEFT_LOG2 + 1, shift_bits=4,
    neuron_types=("sum", "product", "spiking", "lif", "cuba"))
"""A core for these networks: states of 32 bits, and room for their decays and thresholds in a parameter word."""
WIDE_CORE: CoreConfig = dataclasses.replace(
    CORE, name="lava_wide", value_bits=16, neuron_types=("sum", "product", "spiking", "lif", "li"))
"""The same for networks read as `wide`: events hold currents."""
LIF_THRESHOLD = (1 << 13) - 1
"""The largest threshold that bounded integrate-and-fire neurons of `CORE` have."""


def read_lava(path: str | Path, *, wide: bool = False) -> Network:
    """Read one of Lava-DL's HDF5 files (.net) with LOIHI or CUBA neurons.

    The layers of the network are named by their type and number in the file, as "conv1"; the last one is the output.
    Its input "in" takes integers (timesteps, channels, columns, rows): what the neurons of the file's input layer get
    in each timestep (Lava's bias, after the input's weight and bias), or spikes, if the file has no such neurons. A
    spike arrives in its own timestep; in Lava each layer is one timestep later than the one before.

    Args:
        wide: of a layer whose currents last, as "dense3", potentials have 32 bits, not 16. It takes a layer more,
            "dense3.current", which sends all currents that are not 0 in each timestep, and events of 16 bits.

    Warns:
        ModelWarning: weights or biases are no integers; as in Lava, what is behind the point does not count.

    Raises:
        ModelError: naming the layer, the field, what is needed, what is given and what would help.

    >>> import tempfile
    >>> import h5py
    >>> import numpy as np
    >>> import synapress
    >>> path = Path(tempfile.mkdtemp()) / "one.net"
    >>> with h5py.File(path, "w") as file:
    ...     layer = {"type": [b"dense"], "shape": [2], "weight": np.ones((2, 3)), "neuron/type": b"CUBA",
    ...              "neuron/iDecay": 1024, "neuron/vDecay": 128, "neuron/vThMant": 80}
    ...     for key, value in layer.items():
    ...         file[f"layer/0/{key}"] = value
    >>> network = synapress.read_lava(path)
    >>> [(layer.name, layer.kind, layer.shape) for layer in network.layers.values()]
    [('in', 'input', (3, 1, 1)), ('dense0', 'cuba', (2, 1, 1))]
    """
    return network_of(read_layers(path), wide=wide)


def network_of(given: LavaNetwork, *, wide: bool = False) -> Network:
    """The layers of a file as a network; arguments and errors as of `read_lava`."""
    if given.truncated:
        warnings.warn(f"'{given.title}': weights or biases of {', '.join(given.truncated)} are no integers; as in "
                      "Lava, what is behind the point does not count. Export after quantization, if that is not meant.",
                      ModelWarning, stacklevel=3)
    network, before = Network(given.title), INPUT
    neurons_first = given.layers[0].kind == "input"
    network.input(INPUT, given.input_shape, saturation=Saturation.FULL if neurons_first else Saturation.RELU)
    for layer in given.layers:
        before = _add(network, layer, before, wide=wide)
    network.output(before)
    return network


def _add(network: Network, layer: LavaLayer, source: str, *, wide: bool) -> str:
    """A layer of neurons, by the type whose states it fits."""
    neurons, branches = layer.neurons, list(_branches(layer, source))
    # Loihi fires above the threshold.
    threshold, bias = (neurons.threshold << FRACTION_LOG2) + 1, layer.bias << FRACTION_LOG2
    if neurons.keeps_currents and wide:
        branches = [Branch(source=network.li(f"{layer.name}.current", branches, decay=neurons.current_decay,
                                             saturation=Saturation.FULL))]
    if threshold.max() > LIF_THRESHOLD and wide:
        raise ModelError(layer.name, "vThMant", f"thresholds of at most {(LIF_THRESHOLD - 1) >> FRACTION_LOG2}",
                         int(neurons.threshold.max()), "Leave wide out.")
    if wide or (not neurons.keeps_currents and threshold.max() <= LIF_THRESHOLD):
        left = (1 << LEFT_LOG2) - neurons.potential_decay
        common = min(LEFT_LOG2, *(_halvings(int(number)) for number in left), LEFT_LOG2)
        return network.lif(layer.name, branches, threshold=threshold, bias=bias, multiplier=left >> common,
                           shift=LEFT_LOG2 - common, reset="zero", reset_value=0, rounding="zero")
    most = 1 << CURRENT_BITS - 1
    if threshold.max() >= most:
        raise ModelError(layer.name, "vThMant", f"thresholds of at most {(most - 2) >> FRACTION_LOG2}",
                         int(neurons.threshold.max()), "Train with a lower threshold and smaller weights.")
    return network.cuba(layer.name, branches, threshold=threshold, bias=bias, current_decay=neurons.current_decay,
                        potential_decay=neurons.potential_decay)


def _halvings(number: int) -> int:
    """How often 2 divides a number; of 0, as often as one likes."""
    return LEFT_LOG2 if number == 0 else int(math.log2(number & -number))


def _branches(layer: LavaLayer, source: str) -> Sequence[Branch]:
    """What the source adds: weights of 9 bits as two branches of 8, unless all are even."""
    branches = []
    for weights, shift in _terms(layer):
        if layer.kind in ("input", "pool"):
            scales = np.unique(weights)
            if scales.size > 1:
                raise ModelError(layer.name, "weight", "one weight for a whole pool", f"{scales.size} weights",
                                 "Use a convolution with as many groups as channels.")
            branches.append(Branch(source=source, kernel=weights.shape[2:], scale=int(scales[0]), stride=layer.stride,
                                   padding=layer.padding, dilation=layer.dilation, shift=shift))
        else:
            branches.append(Branch(source=source, weights=weights, stride=layer.stride, padding=layer.padding,
                                   dilation=layer.dilation, groups=layer.groups, shift=shift))
    return branches


def _terms(layer: LavaLayer) -> list[tuple[IntArray, int]]:
    """Weights of 8 bits and their shifts, which add up to the layer's in units of its states."""
    weights, low, high = layer.weights, int(layer.weights.min()), int(layer.weights.max())
    if low < -256 or high > 255:
        raise ModelError(layer.name, "weight", "weights of -256 to 255", f"{low} to {high}",
                         "Export after quantization to 8 bits.")
    if -128 <= low and high < 128:
        return [(weights, FRACTION_LOG2)]
    odd = weights & 1
    return [(weights >> 1, FRACTION_LOG2 + 1), *([(odd, FRACTION_LOG2)] if odd.any() else [])]
