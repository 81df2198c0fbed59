"""What a graph's neurons can do at most, to tell of a wrong dt or style when a model is loaded.

Bounds of maps are those of intervals, one per channel: spikes are 0 or 1, and inputs are assumed to be at most that.
A node is told of if none of its channels can fire, or only after very many timesteps, or if it forgets everything.
"""

from typing import Any

import numpy as np

from golden.types import Floats
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.neurons import STYLES, Neurons

Bounds = tuple[Floats, Floats]
SLOW = 500
"""Timesteps with every input at its most that a neuron may need to fire: sequences are mostly of fewer than these."""
FORGETFUL = 1e-3
"""A leak leaves at least this share of a potential in any network that was trained to remember."""


def doubts(graph: FloatGraph, nodes: dict[str, Any], options: Neurons) -> list[str]:
    """What is wrong with neurons as read with `options`, a sentence or two for each node.

    Args:
        nodes: the file's, by the names of the graph's.
    """
    bounds: dict[str, Bounds] = {}
    outside: dict[str, bool] = {}
    neurons = [node for node in graph if isinstance(node, g.Spiking)]
    if not neurons:
        return []
    found = _timestep_of_snntorch({node.name: nodes[node.name] for node in neurons if node.operator == "LIF"}, options)
    for node in graph:
        outside[node.name] = isinstance(node, g.Input) or (
            not isinstance(node, g.Spiking) and any(outside[source] for source in node.sources))
        bounds[node.name] = _bounds(node, [bounds[source] for source in node.sources])
        if isinstance(node, g.Spiking) and node.operator != "Threshold":
            current = graph.nodes[node.sources[0]]
            values = _values(node, current, nodes[node.name], options)
            if text := _doubt(node, bounds[current.name][1], options):
                inputs = " with inputs of at most 1" * outside[current.name]
                found.append(f"node '{node.name}' {text.format(inputs=inputs)} ({values}). Give neurons the style and "
                             "dt that the network was trained with (docs/models.md), or check the node in the file.")
    return found


def timesteps_to_fire(node: g.Spiking, current: Floats) -> Floats:
    """Timesteps (D) after which neurons fire that get this current in each; inf where they never do."""
    first = node.decay * node.initial + current
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        limit = np.where(node.decay < 1, current / (1 - node.decay), np.where(current > 0, np.inf, first))
        geometric = np.log((limit - node.threshold) / (limit - first)) / np.log(node.decay)
        more = np.where(node.decay < 1, geometric, (node.threshold - first) / current)
    at_once = (first > node.threshold) if node.strict else (first >= node.threshold)
    later = (limit > node.threshold) & (limit > first)
    return np.where(at_once, 1.0, np.where(later, 1 + np.ceil(np.where(later, more, 0.0)), np.inf))


def _timestep_of_snntorch(leaky: dict[str, Any], options: Neurons) -> list[str]:
    """That LIFs are as snnTorch's exporter writes them, r = tau / 1e-4, but dt is another: they lose that factor."""
    dt = STYLES["snntorch"].dt
    if not leaky or np.isclose(options.dt, dt, rtol=1e-3) or options.lif_gain != "rate" or not all(
            np.allclose(np.asarray(node.r) * dt, node.tau, rtol=1e-3, atol=0) for node in leaky.values()):
        return []
    return [f"nodes {', '.join(leaky)}: r = tau / {dt:.6g}, as the exporter of snnTorch writes it for timesteps of "
            f"{dt:.6g}; with dt = {options.dt:.6g} their inputs count {options.dt / dt:.6g} times as much. If it wrote "
            "the file, give neurons snntorch."]


def _doubt(node: g.Spiking, most: Floats, options: Neurons) -> str:
    """What is wrong with a node whose current is `most` (D) at most; empty if nothing is."""
    timesteps = timesteps_to_fire(node, most)
    c = int(np.argmin(timesteps))
    if np.isinf(timesteps[c]):
        with np.errstate(divide="ignore", invalid="ignore"):
            first = node.decay * node.initial + most
            limit = np.where(node.decay < 1, np.maximum(first, most / (1 - node.decay)), first)
        c = int(np.argmax(limit - node.threshold))
        return (f"never fires: its potential reaches {limit[c]:.4g} at most{{inputs}}, its threshold "
                f"{node.threshold[c]:.4g}")
    if timesteps[c] > SLOW:
        return f"hardly ever fires: not before {timesteps[c]:,.0f} timesteps{{inputs}}"
    if node.operator != "IF" and options.method == "exact" and node.decay.max() < FORGETFUL:
        return f"keeps nothing from timestep to timestep: {node.decay.max():.4g} of its potential"
    return ""


def _values(node: g.Spiking, current: g.Node, given: Any, options: Neurons) -> str:
    """The numbers that a node's firing follows from."""
    assert isinstance(current, g.Affine)
    texts = [f"dt = {options.dt:.6g}"]
    for key in ("tau", "tau_mem", "r"):
        if hasattr(given, key):
            texts.append(f"{key} = {_span(np.asarray(getattr(given, key), np.float64))}")
    return ", ".join([*texts, f"kept after a timestep: {_span(node.decay)}", f"gain: {_span(current.scale)}",
                      f"threshold: {_span(node.threshold)}"])


def _span(values: Floats) -> str:
    low, high = f"{values.min():.4g}", f"{values.max():.4g}"
    return low if low == high else f"{low} … {high}"


def _times(factor: Floats, bound: Floats) -> Floats:
    """A product in which 0 times infinity is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(factor == 0, 0.0, factor * bound)


def _bounds(node: g.Node, sources: list[Bounds]) -> Bounds:
    """Lowest and highest values (D) of a node's map; infinite where nothing is known."""
    depth = node.shape[0]
    if isinstance(node, g.Input | g.Spiking):
        return np.zeros(depth), np.ones(depth)
    low, high = sources[0]
    if isinstance(node, g.Affine):
        ends = _times(node.scale, low), _times(node.scale, high)
        return np.minimum(*ends) + node.offset, np.maximum(*ends) + node.offset
    if isinstance(node, g.Conv):
        if any(node.padding):
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        weights = node.weights.reshape(node.groups, -1, *node.weights.shape[1:])
        first, second = (_times(weights, bound.reshape(node.groups, 1, -1, 1, 1)) for bound in (low, high))
        axes = (2, 3, 4)
        return (np.minimum(first, second).sum(axis=axes).reshape(-1) + node.bias,
                np.maximum(first, second).sum(axis=axes).reshape(-1) + node.bias)
    if isinstance(node, g.Resample) and min(node.x_matrix.min(), node.y_matrix.min()) >= 0:
        shares = np.outer(node.x_matrix.sum(axis=1), node.y_matrix.sum(axis=1))
        least, most = (np.full(depth, share) for share in (shares.min(), shares.max()))
        return (np.minimum(_times(least, low), _times(most, low)), np.maximum(_times(least, high), _times(most, high)))
    if isinstance(node, g.Add):
        signed = [(a, b) if sign > 0 else (-b, -a) for (a, b), sign in zip(sources, node.signs, strict=True)]
        return np.sum([a for a, _ in signed], axis=0), np.sum([b for _, b in signed], axis=0)
    if isinstance(node, g.Concat) and node.axis == 0:
        return np.concatenate([a for a, _ in sources]), np.concatenate([b for _, b in sources])
    if isinstance(node, g.Slice):
        return low[node.first:node.last], high[node.first:node.last]
    if isinstance(node, g.Pad):
        return np.minimum(low, 0), np.maximum(high, 0)
    return np.full(depth, -np.inf), np.full(depth, np.inf)
