"""A network of frames as a sigma-delta network, whose layers send what has changed since the frame before."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from golden.words import Saturation
from synapress.mapper.network.layer import READOUT, SIGMA_DELTA, Layer, refuse
from synapress.mapper.network.network import Network

NOT_LINEAR = ("max_pool", "multiply")
"""Kinds of layers to which differences say nothing: what feeds them sends its values."""


def sigma_delta(network: Network, thresholds: int | Mapping[str, int] = 0) -> Network:
    """The same network of sigma-delta neurons: its frames are timesteps, and work is done where they differ.

    Layers that sum become `neuron="sigma_delta"`, and inputs are sent as differences. Outputs become readouts: they
    send their values, as the network of frames does. So do layers in front of a maximum or a product, which are
    computed anew in each frame, and behind which "NAME.delta", an encoder, makes differences again.

    With thresholds of 0 every output of every frame is that of the network of frames, as long as no sum exceeds its
    bits (`golden.neuron.types.sigma_delta`). It takes cores with the neuron type "sigma_delta" and states of 32 bits.

    Args:
        network: of frames. Its layers may be shared; it is not changed.
        thresholds: a layer that sends differences is silent while its value is nearer than this to what it sent; 0: it
            sends every change. One for all, or by layer or input, of the given network; those not named have 0.

    Raises:
        NetworkError: a layer spikes, delays, has a slope or a table, or values of saturation FULL whose differences no
            event holds; or `thresholds` names no layer, or is negative.

    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 4, 4))
    >>> _ = net.max_pool("pool", net.conv("sums", "in", np.ones((2, 1, 1, 1), int)), 2)
    >>> _ = net.output(net.conv("result", "pool", np.ones((1, 2, 2, 2), int), shift=3))
    >>> made = synapress.sigma_delta(net, thresholds={"in": 2})
    >>> [(layer.name, layer.neuron) for layer in made.layers.values()]
    [('in', ''), ('sums', 'readout'), ('pool', ''), ('pool.delta', 'encoder'), ('result', 'readout')]
    """
    given = thresholds if isinstance(thresholds, Mapping) else dict.fromkeys(network.layers, thresholds)
    for name in given:
        network.layer(name)
    made, differences = Network(network.name), dict[str, str]()
    for layer in network.layers.values():
        _check(layer)
        readers = [other for other in network.layers.values()
                   if any(branch.source == layer.name for branch in other.branches)]
        linear = any(other.kind not in NOT_LINEAR for other in readers)
        values = layer.name in network.outputs or any(other.kind in NOT_LINEAR for other in readers)
        threshold = np.array([int(given.get(layer.name, 0))])
        if linear and layer.saturation == Saturation.FULL:
            refuse(layer.name, "differences", "saturation RELU or SIGNED of a layer that others sum", "FULL")
        if int(threshold[0]) < 0:
            refuse(layer.name, "threshold", "at least 0", int(threshold[0]))
        differences[layer.name] = layer.name
        made.insert(_layer(layer, differences, threshold, values=values))
        if linear and (values or layer.kind in NOT_LINEAR):
            differences[layer.name] = made.add(
                f"{layer.name}.delta", [layer.name], neuron="encoder", threshold=threshold,
                saturation=Saturation.RELU if layer.kind == "max_pool" else layer.saturation)
    for name in network.outputs:
        made.output(name)
    return made


def _layer(layer: Layer, differences: Mapping[str, str], threshold: np.ndarray, *, values: bool) -> Layer:
    """A layer as one of the new network; `values`: it sends its values."""
    if layer.kind == "input":
        return layer if values else replace(layer, threshold=threshold)
    if layer.kind in NOT_LINEAR:
        return layer
    branches = tuple(replace(branch, source=differences[branch.source]) for branch in layer.branches)
    return replace(layer, branches=branches, neuron=READOUT if values else SIGMA_DELTA,
                   threshold=np.zeros(1, np.int64) if values else threshold)


def _check(layer: Layer) -> None:
    """That a layer is one of frames, and has a value that moves with its sum."""
    if layer.spikes or layer.neuron or layer.kind == "delay" or (layer.kind == "input" and layer.threshold is not None):
        refuse(layer.name, "frames", "a layer that forgets the frame before", layer.neuron or layer.kind)
    for what, present in (("slope", layer.slope), ("table", layer.table)):
        if present is not None:
            refuse(layer.name, "activation", "a saturation alone", f"a {what}")
