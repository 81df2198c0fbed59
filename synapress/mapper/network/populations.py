"""Network → program: layers become populations and edges: one edge per branch, whatever the hardware.

`synapress.mapper.network.legal_edges` then gives edges a form that one descriptor can express.
"""

import dataclasses
import itertools

import numpy as np

from golden.errors import NetworkError
from golden.neuron.products.log import VALUE
from golden.neuron.types import delay, lif, sigma_delta, ttfs
from golden.neuron.types.cuba import Cuba
from golden.neuron.types.li import LeakyIntegrator
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Saturation
from synapress.mapper.network.layer import READOUT, SIGMA_DELTA, Branch, Layer
from synapress.mapper.network.network import Network

(CUBA,), (LI,) = Cuba.codes, LeakyIntegrator.codes


def lower(network: Network) -> Program:
    """One population per layer, one edge per branch.

    A max pool is a MAX population with depthwise ones, stored once, or among logarithmic weights with the code of the
    value itself; an average pool sums depthwise ones, and its multiplier divides; an addend is an identity kernel; a
    dense layer is a convolution whose kernel has its source's size.

    Raises:
        NetworkError: there is no output, or a layer leads to none.
    """
    _check_used(network)
    _check_delays(network)
    populations, edges = [], []
    for layer in network.layers.values():
        if layer.kind == "delay":
            relays, links = _relays(network, layer)
            populations += relays
            edges += links
            continue
        populations.append(Population(
            name=layer.name, shape=layer.shape, saturation=layer.saturation, layer=layer.name,
            type=_neuron_type(network, layer), bias=layer.bias, multiplier=layer.multiplier, shift=layer.shift,
            slope=layer.slope, threshold=layer.threshold, initial=layer.initial, table=layer.table,
            second=layer.second))
        names: set[str] = set()
        for number, branch in enumerate(_branches(network, layer)):
            name = f"{branch.source}->{layer.name}"
            while name in names:
                name += "'"
            names.add(name)
            edge = _edge(name, network, layer, branch)
            edges.append(dataclasses.replace(edge, operand=number) if layer.kind == "multiply" else edge)
        if all(network.layer(branch.source).kind == "delay" for branch in layer.branches) and layer.kind != "input":
            edges += _clock(network, layer)
    return Program(name=network.name, populations=populations, edges=edges, inputs=network.inputs,
                   outputs=list(network.outputs))


def _relays(network: Network, layer: Layer) -> tuple[list[Population], list[Edge]]:
    """A population for each timestep of a delay, each repeating the one in front of it; the last has the layer's name.

    They have the source's range. No population lies in front of what it sends to, but for a delay (`golden.guard`).
    """
    names = [*(f"{layer.name}.{step}" for step in range(1, layer.steps)), layer.name]
    populations = [Population(name=name, shape=layer.shape, type=delay.CODE, layer=layer.name,
                              saturation=network.value_range(layer.name)) for name in names]
    ends = itertools.pairwise([layer.branches[0].source, *names])
    return populations, [Edge(name=f"{source}->{name}", source=source, destination=name, groups=layer.shape[0],
                              weights=np.ones((1, 1, 1, 1), np.int64)) for source, name in ends]


def _clock(network: Network, layer: Layer) -> list[Edge]:
    """What tells a layer that hears delays alone when its timestep is: the ends of an input, and no values.

    It would be evaluated for the next timestep as soon as the delays have sent. All of the input's map is cropped.
    """
    name = min(network.inputs, key=lambda name: network.shape(name)[0], default="")
    if not name:
        return []
    weights = np.zeros((layer.shape[0], network.shape(name)[0], 1, 1), np.int64)
    return [Edge(name=f"{name}->{layer.name} (timestep)", source=name, destination=layer.name, weights=weights,
                 padding=(-network.shape(name)[1], 0))]


def _check_delays(network: Network) -> None:
    """That delays have sources, which send what their receivers need."""
    for layer in network.layers.values():
        for branch in layer.branches:
            sends = network.origin(branch.source).sends_differences
            if layer.kind != "delay" and sends != (layer.neuron in (SIGMA_DELTA, READOUT)):
                network.refuse_differences(layer, branch)


def _unsigned(network: Network, branch: Branch) -> bool:
    """Whether a branch's source has no negative values."""
    layer = network.origin(branch.source)
    if layer.table is not None and not layer.spikes:
        return int(layer.table.min()) >= 0
    return layer.spikes or layer.saturation == Saturation.RELU


def _branches(network: Network, layer: Layer) -> list[Branch]:
    """A layer's branches; operand A of a product is the unsigned one, if one of the two is."""
    branches = list(layer.branches)
    if layer.kind == "multiply" and _unsigned(network, branches[1]) and not _unsigned(network, branches[0]):
        branches.reverse()
    return branches


def _neuron_type(network: Network, layer: Layer) -> int:
    if layer.kind == "multiply":
        unsigned = sum(_unsigned(network, branch) for branch in layer.branches)
        return (NeuronType.PRODUCT, NeuronType.PRODUCT_MIXED, NeuronType.PRODUCT_UNSIGNED)[unsigned]
    if layer.neuron or layer.sends_differences:
        return {SIGMA_DELTA: sigma_delta.CODE, READOUT: sigma_delta.READOUT}.get(layer.neuron, sigma_delta.ENCODER)
    if layer.kind == "lif" and layer.second is not None:
        return lif.SEVERAL if layer.several else lif.CODE
    types = {"max_pool": NeuronType.MAX, "lif": NeuronType.SPIKING, "cuba": CUBA, "li": LI, "ttfs": ttfs.CODE}
    return types.get(layer.kind, NeuronType.SUM)


def _check_used(network: Network) -> None:
    if not network.outputs:
        raise NetworkError(f"network '{network.name}' has no output; call output(name)")
    used, todo = set(), list(network.outputs)
    while todo:
        name = todo.pop()
        if name not in used:
            used.add(name)
            todo += [branch.source for branch in network.layer(name).branches]
    idle = [name for name in network.layers if name not in used]
    if idle:
        raise NetworkError(f"network '{network.name}': no output depends on {', '.join(idle)}; remove them, or make "
                           "them outputs")


def _edge(name: str, network: Network, layer: Layer, branch: Branch) -> Edge:
    depth = network.shape(branch.source)[0]
    weights, groups, padding, upsample = branch.weights, branch.groups, branch.padding[:2], 0
    logarithmic = branch.logarithmic or (weights is None and branch.scale == 1 and any(
        other.logarithmic for every in network.layers.values() for other in every.branches))
    if weights is None:
        scale = VALUE if logarithmic else branch.scale
        weights, groups = np.full((1, 1, *branch.kernel), scale, np.int64), depth
    if branch.transposed is not None:
        upsample = branch.transposed
        padding = (weights.shape[2] - 1 - padding[0], weights.shape[3] - 1 - padding[1])
        weights = weights[:, :, ::-1, ::-1]
    return Edge(
        name=name, source=branch.source, destination=layer.name, weights=weights, stride=branch.stride,
        padding=padding, dilation=branch.dilation, groups=groups, upsample=upsample, shift=branch.shift,
        logarithmic=logarithmic, organisation=branch.organisation)
